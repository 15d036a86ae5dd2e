//! What cannot be brought about from outside: a fault of ours inside one call.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use super::*;
use crate::acd::config::{AgentConfig, QueueConfig};
use crate::call::config::{CallConfig, MediaPath, NumberAction, NumberConfig, RecordPolicy};
use crate::call::prompts::Prompts;
use crate::clock::Wall;
use crate::id::QueueName;
use crate::media::config::MediaConfig;
use crate::media::{Clip, Codec, Quality};
use crate::sip::Flow;
use crate::sip::config::{Listener, SipConfig, Transport};

const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 10.3.0.1\r\ns=-\r\nc=IN IP4 10.3.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n";

pub(super) fn settings() -> Settings {
    let centre: std::net::SocketAddr = ([10, 0, 0, 1], 5060).into();
    let queue = QueueName::from("support");
    let agent = AgentConfig {
        queues: BTreeSet::from([queue.clone()]),
        auto_ready: true,
        contact: Some(([10, 1, 0, 101], 5060).into()),
        ..AgentConfig::new("101".into())
    };
    let number = NumberConfig {
        pattern: "600".into(),
        action: NumberAction::Queue(queue.clone()),
        public: true,
        from: Vec::new(),
        record: RecordPolicy::Never,
        media: MediaPath::Relay,
        caller_id: None,
    };
    Settings {
        sip: SipConfig {
            listeners: vec![Listener { transport: Transport::Udp, address: centre, advertised: None }],
            domain: "10.0.0.1".into(),
            ..SipConfig::default()
        },
        media: MediaConfig {
            address: centre.ip(),
            bind: centre.ip(),
            ports: 20_000..=20_019,
            mux: false,
            shared: Vec::new(),
            identity: None,
            codecs: vec![Codec::Pcma],
            shards: 1,
            timeout_s: 60,
        },
        floor: FloorConfig {
            agents: BTreeMap::from([(agent.id.clone(), agent)]),
            queues: BTreeMap::from([(queue.clone(), QueueConfig::new(queue))]),
            ..FloorConfig::default()
        },
        call: CallConfig { numbers: vec![number], ..CallConfig::default() },
        utc_offset_minutes: 0,
        flows: Arc::default(),
        prompts: Arc::new(Prompts::new(BTreeMap::new(), Clip::tone(300.0, -20.0, 20))),
    }
}

/// Does what the engine asks; returns what it sent.
fn drain(engine: &mut Engine, now: Instant, journal: &mut Vec<Entry>) -> Vec<String> {
    let mut sent = Vec::new();
    while let Some(output) = engine.poll_output() {
        match output {
            Output::Send { bytes, .. } => sent.push(String::from_utf8_lossy(&bytes).into_owned()),
            Output::Media { command: media::Command::Open { leg, .. }, .. } => {
                engine.handle(now, Input::Media(media::Event::Opened { leg }));
            }
            Output::Media { command: media::Command::Close { leg }, .. } => {
                engine.handle(now, Input::Media(media::Event::Closed { leg, quality: Quality::default() }));
            }
            Output::Commit(seq) => engine.handle(now, Input::Committed(seq)),
            Output::Journal(entry) => journal.push(entry),
            Output::Media { .. }
            | Output::Link(_)
            | Output::Fetch(_)
            | Output::Synthesize(_)
            | Output::Fork(_)
            | Output::LoadSound { .. }
            | Output::Drained => {}
        }
    }
    sent
}

fn dial(engine: &mut Engine, now: Instant, n: u8) {
    let invite = format!(
        "INVITE sip:600@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.3.0.1:5060;branch=z9hG4bK{n}\r\nMax-Forwards: 70\r\n\
         From: <sip:{n}@phones.example>;tag={n}\r\nTo: <sip:600@10.0.0.1>\r\nCall-ID: c{n}\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:{n}@10.3.0.1>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{OFFER}",
        OFFER.len()
    );
    let remote = ([10, 3, 0, 1], 5060).into();
    let from = Flow { transport: Transport::Udp, listener: 0, remote, connection: None };
    engine.handle(now, Input::Message { received: now, from, bytes: Bytes::from(invite) });
}

#[test]
fn a_fault_in_one_call_ends_it_alone_and_gives_all_back() {
    let now = Instant::now();
    let mut engine = Engine::new(now, Clock::new(now, Wall(0)), settings(), 1, [1; 32]);
    let mut journal = Vec::new();
    dial(&mut engine, now, 1);
    dial(&mut engine, now, 2);
    drain(&mut engine, now, &mut journal);
    let first = engine.calls().next().map(Call::id).expect("a call");
    let rung = engine.rings.values().next().map(|ring| ring.call).expect("a ring");
    let other = engine.calls().map(Call::id).find(|id| *id != rung).expect("another call");
    assert!(first == rung || first == other);

    engine.with_call(now, rung, |_, _| panic!("a fault for the test"));
    engine.pump(now);
    let sent = drain(&mut engine, now, &mut journal);
    assert_eq!(engine.check(), Ok(()));
    assert_eq!((engine.stats().panics, engine.stats().calls), (1, 1));
    // The agent's ring goes to the other caller: a CANCEL would need a provisional response first.
    assert!(sent.iter().any(|m| m.starts_with("INVITE ")), "{sent:?}");
    assert_eq!(engine.rings.values().next().map(|ring| ring.call), Some(other));
    // One port for the caller and one for the ring.
    assert_eq!(engine.stats().ports_in_use, 2);
    let ends: Vec<_> = journal.iter().filter(|e| matches!(e.kind, Kind::CallEnded { .. })).collect();
    assert_eq!(ends.len(), 1);
    assert!(matches!(ends[0].kind, Kind::CallEnded { reason: EndReason::InternalError, .. }));
    assert!(journal.iter().any(|e| matches!(&e.kind, Kind::Trouble { code, .. } if code == "internal_error")));
    assert!(!journal.iter().any(|e| matches!(e.kind, Kind::AgentRepaired { .. })), "the call let go of it in order");
}

/// `media.mux`: every leg is reached at the port of its media thread, and none is taken from the range.
#[test]
fn legs_that_share_a_port_take_none() {
    let now = Instant::now();
    let mut settings = settings();
    (settings.media.mux, settings.media.shared) = (true, vec![20_000]);
    let mut engine = Engine::new(now, Clock::new(now, Wall(0)), settings, 1, [1; 32]);
    let mut sent = Vec::new();
    for n in 1..=20 {
        dial(&mut engine, now, n);
        sent.extend(drain(&mut engine, now, &mut Vec::new()));
        assert_eq!(engine.check(), Ok(()));
    }
    let stats = engine.stats();
    assert_eq!((stats.calls, stats.ports_in_use, stats.ports_limit), (20, 0, 9));
    let described: Vec<_> = sent.iter().filter(|m| m.contains("m=audio ")).collect();
    assert!(described.len() >= 21 && described.iter().all(|m| m.contains("m=audio 20000 ")), "{described:?}");
}

/// No processor is left: new calls are put off with Retry-After, live ones go on, and another thread that has some is
/// taken before that.
#[test]
fn a_late_media_thread_gets_no_new_calls() {
    let now = Instant::now();
    let mut settings = settings();
    settings.media.shards = 2;
    let mut engine = Engine::new(now, Clock::new(now, Wall(0)), settings, 1, [1; 32]);
    let mut calls = 0;
    let mut ring = |engine: &mut Engine| {
        calls += 1;
        dial(engine, now, calls);
        let sent = drain(engine, now, &mut Vec::new());
        assert_eq!(engine.check(), Ok(()));
        sent.iter().find(|m| m.starts_with("SIP/2.0 ") && !m.starts_with("SIP/2.0 100")).cloned().unwrap_or_default()
    };
    let behind = |shard, behind| Input::Media(media::Event::Behind { shard, behind });
    assert!(ring(&mut engine).starts_with("SIP/2.0 200"));
    engine.handle(now, behind(0, true));
    for _ in 0..3 {
        assert!(ring(&mut engine).starts_with("SIP/2.0 200"));
        assert_eq!(engine.calls().map(Call::shard).filter(|shard| *shard == 0).count(), 0);
    }
    engine.handle(now, behind(1, true));
    let refused = ring(&mut engine);
    assert!(refused.starts_with("SIP/2.0 503") && refused.contains("Retry-After: "), "{refused}");
    assert_eq!(engine.stats().calls, 4, "live calls go on");
    engine.handle(now, behind(0, false));
    assert!(ring(&mut engine).starts_with("SIP/2.0 200"));
}

/// The range is used up: 503 with Retry-After; a port that comes back serves the next call.
#[test]
fn without_a_free_port_a_call_is_put_off() {
    let now = Instant::now();
    let mut settings = settings();
    // One pair for the caller; the agent's ring finds none, and he waits.
    settings.media.ports = 20_000..=20_001;
    let mut engine = Engine::new(now, Clock::new(now, Wall(0)), settings, 1, [1; 32]);
    dial(&mut engine, now, 1);
    let sent = drain(&mut engine, now, &mut Vec::new());
    assert!(sent.iter().any(|m| m.starts_with("SIP/2.0 200")), "{sent:?}");
    dial(&mut engine, now, 2);
    let sent = drain(&mut engine, now, &mut Vec::new());
    let refused = sent.iter().find(|m| m.starts_with("SIP/2.0 503")).expect("a refusal");
    assert!(refused.contains("Retry-After: "), "{refused}");
    assert_eq!((engine.stats().calls, engine.stats().ports_in_use, engine.check()), (1, 1, Ok(())));
}
