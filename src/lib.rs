//! Hatif (هاتف, "telephone"): a call-centre engine. This page is the map of the house.
//!
//! # Three rings
//!
//! **Shared words**: [`id`] (newtypes), [`clock`] (monotonic and wall time), [`journal`] (what can happen),
//! [`diagnostic`] (how a mistake in a file is told).
//!
//! **Cores**, pure: bytes and events in, bytes and events out; no socket, file, thread, clock or random source.
//! They do not know each other, but that [`ivr`] speaks by [`say`], a pure function:
//!
//! | room | what it holds |
//! |---|---|
//! | [`sip`] | messages, transactions, dialogs, sessions, registrar, digest, the endpoint that joins them |
//! | [`sdp`] | session descriptions, offer and answer |
//! | [`media`] | RTP, RTCP, SRTP, ICE and DTLS, digits, codecs, prompts, bridging, mixing, recording, listening: the shard |
//! | [`ivr`] | flow files, their check, one caller's run |
//! | [`acd`] | the floor: queues, agents, matching, calendars |
//! | [`report`] | folds over the journal: call records, the present, the story of a call; Erlang's formulas |
//! | [`say`] | spoken language: numbers, dates, money as clips and text |
//!
//! [`call`] joins sip, sdp, media and ivr into one customer's call; [`engine`] is the only one that sees all.
//!
//! **Shell**: [`config`] (TOML to the structs of the rooms), [`io`] (sockets and threads), [`storage`] (journal,
//! records, recordings), [`http`] (API), [`metrics`], [`cli`] (commands), [`robot`] (phones of the demo and the tests),
//! [`sim`] (the virtual world, and the twin that plays a forecast on the real floor).
//!
//! # The path of one call
//!
//! 1. INVITE bytes → [`io::driver`] → [`engine::Engine::handle`] → [`sip::Endpoint`] (100, transaction, dialog) →
//!    `Incoming` → `engine::inbound`: route, SDP answer, port → [`call::Call`]. Out: open port, journal, commit, 200.
//! 2. RTP event → [`media::shard`] → `Digit` → engine → call → [`ivr::Run`] → `Enqueue` → [`acd::Floor`] → `Offer` →
//!    `engine::rings`: port, INVITE to the agent.
//! 3. His 200 → floor: `Connect` → call: bridge, record. The ring's deadline first: `Withdraw` → CANCEL.
//! 4. Talk: RTP stays inside one shard; recorder chunks go to [`storage`]. The engine is not involved.
//! 5. BYE → BYE to the other leg, ports closed → floor: wrap-up → journal → [`report`] → record, metrics, API.
//!
//! # What must hold
//!
//! Nobody waits: a question to the outside leaves as `Output` and returns as `Input`. The journal is all that records,
//! metrics and screens read. An agent has at most one offer; a caller is in at most one queue and never lost; every
//! INVITE gets one final response; every deadline has an owner; all ports come back; the journal's folds are the live
//! state. [`sim`] checks it after every step. `tests/tidy.rs` holds the table of who may name whom.

#![deny(unsafe_code)]
#![cfg_attr(test, allow(clippy::disallowed_methods))]

pub mod acd;
pub mod call;
pub mod cli;
pub mod clock;
pub mod config;
pub mod diagnostic;
pub mod engine;
pub mod http;
pub mod id;
pub mod io;
pub mod ivr;
pub mod journal;
pub mod media;
pub mod metrics;
pub mod report;
pub mod robot;
pub mod say;
pub mod sdp;
pub mod sim;
pub mod sip;
pub mod storage;
