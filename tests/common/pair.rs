//! Two robot phones in a recorded call by the relay: Alice dials 700, Bob answers.
#![allow(dead_code, clippy::disallowed_methods, clippy::disallowed_types)]

use std::sync::Arc;
use std::time::Duration;

use hatif::robot::audio::{level_db, read_wav, stands_above};
use hatif::robot::{Answering, Call, Options, Phone, Source};
use serde_json::Value;

use super::common::{MARGIN_DB, Ports, SOON, Server, config, floor, free_ports, listen, ms};
use super::line::Line;

pub const ALICE_HZ: f64 = 1_004.0;
pub const BOB_HZ: f64 = 604.0;
pub const ALICE: &str = "0501";

/// A server on whose number 700 Bob answers, at the spare port; the call is recorded.
pub fn server_with(extra: impl Fn(Ports) -> String) -> (Server, Ports) {
    let ports = free_ports();
    let number = format!(
        "[[number]]\nmatch = \"700\"\ndial = \"sip:bob@127.0.0.1:{}\"\nrecord = \"always\"\npublic = true\n{}",
        ports.spare,
        extra(ports)
    );
    (Server::configured(ports, &config(ports, &number)), ports)
}

/// Both ends of one call, up.
pub struct Pair {
    pub alice: Call,
    pub bob: Call,
    // Fields drop in this order: the phones hang up while the server is there.
    alice_phone: Phone,
    bob_phone: Phone,
    pub server: Server,
}

/// How the phones of a pair differ from plain ones.
#[derive(Default)]
pub struct Wanted {
    pub alice_line: Option<Arc<Line>>,
    pub bob_line: Option<Arc<Line>>,
    /// Alice says nothing at first, not even silence.
    pub alice_mute: bool,
    /// Both begin with this SSRC.
    pub ssrc: Option<u32>,
}

impl Pair {
    #[track_caller]
    pub fn plain() -> Self {
        Self::wanted(Wanted::default())
    }

    #[track_caller]
    pub fn wanted(wanted: Wanted) -> Self {
        let (server, ports) = server_with(|_| floor(""));
        Self::at(server, ports, wanted)
    }

    #[track_caller]
    pub fn at(server: Server, ports: Ports, wanted: Wanted) -> Self {
        let bob_phone = Phone::start(bob(&server, ports.spare, wanted.bob_line)).expect("Bob's phone");
        let source = if wanted.alice_mute { Source::Nothing } else { Source::Tone(ALICE_HZ) };
        let alice_phone = Phone::start(alice(&server, source, wanted.alice_line)).expect("Alice's phone");
        let alice = alice_phone.invite("700").expect("sent");
        let bob = bob_phone.incoming(SOON).unwrap_or_else(|e| panic!("{e}\n{}", alice_phone.trace()));
        for call in [&alice, &bob] {
            if let Some(ssrc) = wanted.ssrc {
                call.set_ssrc(ssrc);
            }
        }
        bob.answer();
        alice.answered(SOON).unwrap_or_else(|e| panic!("700: {e}\n{}", alice_phone.trace()));
        Self { alice, bob, alice_phone, bob_phone, server }
    }

    /// After this call has ended: another one of the same phones.
    #[track_caller]
    pub fn again(self) -> Self {
        let Self { alice_phone, bob_phone, server, .. } = self;
        let alice = alice_phone.invite("700").expect("sent");
        let bob = bob_phone.incoming(SOON).unwrap_or_else(|e| panic!("{e}\n{}", alice_phone.trace()));
        bob.answer();
        alice.answered(SOON).unwrap_or_else(|e| panic!("700: {e}\n{}", alice_phone.trace()));
        Self { alice, bob, alice_phone, bob_phone, server }
    }

    /// Listens on both ends; each must hear the other one's tone and nothing of his own.
    #[track_caller]
    pub fn both_hear(&self, when: &str, length: Duration) {
        let heard = listen(&[&self.alice, &self.bob], length);
        hears(&format!("Alice {when}"), &heard[0], BOB_HZ, ALICE_HZ);
        hears(&format!("Bob {when}"), &heard[1], ALICE_HZ, BOB_HZ);
    }

    /// Hangs up and returns the record and both channels of its file.
    #[track_caller]
    pub fn end(self) -> (Value, Vec<Vec<i16>>) {
        assert!(self.alice.live() && self.bob.live(), "the call lives");
        assert_eq!(self.alice.hang_up_and_wait(SOON), Some(200), "{}", self.alice_phone.trace());
        assert!(self.bob.ended(SOON), "{}", self.bob_phone.trace());
        let record = self.server.ended_call(ALICE);
        let file = record["recordings"][0]["file"].as_str().expect("a recording");
        let (channels, rate) = read_wav(&self.server.data.join(file)).expect("the file can be read");
        assert_eq!((channels.len(), rate), (2, 8_000));
        assert_eq!(self.server.metric("hatif_panics_total", &[]), 0.0);
        self.server.idle(SOON);
        (record, channels)
    }
}

pub fn alice(server: &Server, source: Source, line: Option<Arc<Line>>) -> Options {
    let mut options = Options::new(server.sip, ALICE).says(source);
    options.domain = "customer.example".into();
    options.line = line.map(|line| line as _);
    options
}

pub fn bob(server: &Server, port: u16, line: Option<Arc<Line>>) -> Options {
    let mut options = Options::new(server.sip, "bob").says(Source::Tone(BOB_HZ)).answers(Answering::Manual);
    options.port = port;
    options.line = line.map(|line| line as _);
    options
}

#[track_caller]
pub fn hears(who: &str, sound: &[i16], wanted: f64, other: f64) {
    assert!(
        stands_above(sound, wanted, other, MARGIN_DB),
        "{who} hears {wanted} Hz at {:.1} dBm0 and {other} Hz at {:.1} dBm0 in {} samples",
        level_db(sound, wanted),
        level_db(sound, other),
        sound.len()
    );
}

/// Lets the sound of what was done before arrive.
pub fn settle() {
    std::thread::sleep(ms(400));
}
