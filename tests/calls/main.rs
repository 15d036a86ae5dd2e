//! Scripts of SIP bytes played through the engine on virtual time: bytes out and journal entries are checked.
//!
//! Media is a small model (`centre`): ports open, sounds end, keys are pressed. After each step the engine's own
//! invariants are checked, and at the end of a script nothing may be left.
#![allow(clippy::disallowed_methods)]

mod callbacks;
mod capacity;
mod caps;
mod centre;
mod codecs;
mod codes;
mod conference;
mod dial;
mod direct;
mod dispatch;
mod doors;
mod flows;
mod fork;
mod help;
mod hours;
mod house;
mod identity;
mod keys;
mod offers;
mod pages;
mod phone;
mod places;
mod queues;
mod recordings;
mod reload;
mod rounds;
mod say;
mod secure;
mod settings;
mod spoken;
mod storms;
mod supervision;
mod talks;
mod transfers;
mod trunks;
mod versions;
mod voicemail;
mod waits;
mod why;
