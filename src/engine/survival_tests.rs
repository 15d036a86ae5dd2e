//! One process dies, the next takes over: on virtual time.

use std::collections::HashMap;

use super::*;
use crate::acd::config::AgentConfig;
use crate::clock::{Clock, Wall};
use crate::engine::{Input, Output, Settings};
use crate::journal::{AgentStateName, Entry};
use crate::sip::config::{Listener, SipConfig, UserConfig};

/// A centre with agent 101, who has no fixed phone.
fn settings() -> Settings {
    let agent = AgentConfig { queues: ["support".into()].into(), auto_ready: true, ..AgentConfig::new("101".into()) };
    let listener = Listener { transport: Transport::Udp, address: ([10, 0, 0, 1], 5060).into(), advertised: None };
    Settings {
        sip: SipConfig {
            listeners: vec![listener],
            domain: "10.0.0.1".into(),
            users: HashMap::from([("101".to_owned(), UserConfig { password: "secret".into() })]),
            ..SipConfig::default()
        },
        floor: crate::acd::config::FloorConfig {
            agents: BTreeMap::from([(agent.id.clone(), agent)]),
            queues: BTreeMap::from([("support".into(), crate::acd::config::QueueConfig::new("support".into()))]),
            ..crate::acd::config::FloorConfig::default()
        },
        ..super::super::tests::settings()
    }
}

struct Life {
    engine: Engine,
    now: Instant,
    journal: Vec<Entry>,
    sent: Vec<(Instant, String)>,
}

impl Life {
    fn begin(remains: Remains) -> Life {
        let now = Instant::now();
        let engine = Engine::new(now, Clock::new(now, Wall(0)), settings(), 1, [1; 32]);
        let mut life = Life { engine, now, journal: Vec::new(), sent: Vec::new() };
        life.engine.recover(now, remains);
        life.drain();
        life
    }

    fn drain(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Send { bytes, .. } => self.sent.push((self.now, String::from_utf8_lossy(&bytes).into_owned())),
                Output::Journal(entry) => self.journal.push(entry),
                Output::Media { .. }
                | Output::Commit(_)
                | Output::Link(_)
                | Output::Fetch(_)
                | Output::Synthesize(_)
                | Output::Fork(_)
                | Output::LoadSound { .. }
                | Output::Drained => {}
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.engine.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.engine.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    fn state(&self) -> Option<AgentStateName> {
        self.engine.floor().agent(&"101".into()).map(|view| view.state)
    }

    /// 200 to each request that was sent; returns how many.
    fn answer_all(&mut self) -> usize {
        let asked = std::mem::take(&mut self.sent);
        for (_, request) in &asked {
            let kept = ["Via:", "From:", "To:", "Call-ID:", "CSeq:"];
            let lines = request.lines().filter(|line| kept.iter().any(|name| line.starts_with(name)));
            let head: String = lines.map(|line| format!("{line}\r\n")).collect();
            let answer = format!("SIP/2.0 200 OK\r\n{head}Content-Length: 0\r\n\r\n");
            let from = flow_of(&hop()).expect("udp");
            self.engine.handle(self.now, Input::Message { received: self.now, from, bytes: answer.into() });
            self.drain();
        }
        asked.len()
    }
}

fn hop() -> Hop {
    Hop { transport: "udp".into(), listener: 0, remote: ([10, 3, 0, 1], 5060).into() }
}

fn phone(expires_s: u32) -> Remains {
    let (uri, call_id) = ("sip:101@10.3.0.1".to_owned(), "r".to_owned());
    let (path, instance, reg_id) = (Vec::new(), None, None);
    let binding = Binding { uri, hop: hop(), q: 1_000, expires_s, path, instance, reg_id, call_id, cseq: 1 };
    Remains { phones: vec![("101".into(), binding)], ..Remains::default() }
}

fn leg(n: u64) -> (CallId, OpenLeg) {
    let dialog = DialogSeed {
        call_id: format!("c{n}"),
        local: "<sip:500@10.0.0.1>;tag=1".into(),
        remote: "<sip:x@phones.example>;tag=2".into(),
        target: "sip:x@10.3.0.1".into(),
        routes: Vec::new(),
        cseq: 3,
        hop: hop(),
        unanswered: None,
    };
    (CallId::new(0, u128::from(n)), OpenLeg { leg: LegId(n), dialog })
}

/// A thousand peers are told within five seconds, a few at a time; each is noted as told when it has answered.
#[test]
fn orphans_are_ended_in_bundles_and_noted() {
    let mut life = Life::begin(Remains { legs: (0..1_000).map(leg).collect(), ..Remains::default() });
    assert_eq!(life.sent.len(), 10, "at once");
    let mut told = life.answer_all();
    for _ in 0..100 {
        life.pass(Duration::from_millis(50));
        assert!(life.sent.len() <= 10, "{}", life.sent.len());
        told += life.answer_all();
    }
    let down = life.journal.iter().filter(|entry| matches!(entry.kind, Kind::LegDown { .. })).count();
    assert_eq!((told, down), (1_000, 1_000));
    life.pass(Duration::from_secs(6));
    assert_eq!((life.engine.stats().sip.transactions, life.engine.poll_timeout()), (0, None));
}

/// What one process restored, the next one finds again: the journal holds it anew.
#[test]
fn phones_are_told_again_by_each_process() {
    let life = Life::begin(phone(600));
    assert_eq!(life.state(), Some(AgentStateName::Ready));
    let mut places = Places::default();
    life.journal.iter().for_each(|entry| places.handle(entry));
    let found: Vec<_> = places.phones().map(|(agent, binding)| (agent.clone(), binding.clone())).collect();
    assert_eq!(found, phone(600).phones);
}

/// LAGGED: a registration that ran out costs the agent his place after 15 s, not before; a phone that comes back saves it.
#[test]
fn an_agent_keeps_his_place_for_15_seconds_without_a_phone() {
    let mut life = Life::begin(phone(60));
    life.pass(Duration::from_secs(60));
    assert!(life.journal.iter().any(|entry| entry.kind == Kind::Unregistered { expired: true }));
    life.pass(Duration::from_millis(14_900));
    assert_eq!(life.state(), Some(AgentStateName::Ready), "nobody misses him yet");
    let mut saved = Life { journal: Vec::new(), sent: Vec::new(), ..life };
    saved.engine.recover(saved.now, phone(60));
    saved.drain();
    saved.pass(Duration::from_secs(59));
    assert_eq!(saved.state(), Some(AgentStateName::Ready));
    saved.pass(Duration::from_secs(1 + 15));
    assert_eq!(saved.state(), Some(AgentStateName::Unreachable));
}

/// What the journal of one process says of an agent, the next one goes on with: his pause, and that he was logged out.
#[test]
fn agents_are_after_a_restart_what_they_were() {
    use crate::acd::Wish;
    use crate::engine::Command;
    use crate::journal::StateCause;
    for (wish, then) in [
        (Wish::Pause("LUNCH".into()), AgentStateName::Paused),
        (Wish::Logout, AgentStateName::Offline),
        (Wish::Ready, AgentStateName::Ready),
    ] {
        let mut life = Life::begin(phone(600));
        let command = Command::Agent { agent: "101".into(), wish, by: StateCause::Agent };
        life.engine.handle(life.now, Input::Command(command));
        life.drain();
        for _ in 0..2 {
            let (mut live, mut places) = (Live::default(), Places::default());
            for entry in &life.journal {
                live.handle(entry);
                places.handle(entry);
            }
            let before = live.agents()[&AgentId::from("101")].clone();
            assert_eq!(before.state, then);
            let mut next = Life::begin(Remains::of(live.at(), &live, &places));
            assert_eq!(next.state(), Some(then));
            let entries = std::mem::take(&mut next.journal);
            entries.iter().for_each(|entry| live.handle(entry));
            assert_eq!(live.agents()[&AgentId::from("101")].code, before.code);
            life = Life { journal: [life.journal, entries].concat(), ..next };
        }
    }
}
