//! Two endpoints and a network that loses, repeats and reorders: both must always come to the same end.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::*;

/// One side: an endpoint and what its user knows of each session.
struct Side {
    address: SocketAddr,
    endpoint: Endpoint,
    live: BTreeMap<SessionId, Phase>,
    ended: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    Incoming,
    Calling,
    Up,
}

struct Network {
    rng: ChaCha8Rng,
    now: Instant,
    sides: [Side; 2],
    /// Datagrams on their way, by arrival and number: to which side, from where.
    flying: BTreeMap<(Instant, u64), (usize, Bytes)>,
    count: u64,
    /// Of 100 datagrams.
    lost: u32,
}

impl Network {
    fn new(seed: u8, lost: u32) -> Network {
        let side = |n: u8| {
            let address: SocketAddr = format!("192.0.2.{n}:5060").parse().unwrap();
            let listener = Listener { transport: Transport::Udp, address, advertised: None };
            let config = SipConfig { listeners: vec![listener], domain: format!("d{n}.test"), ..SipConfig::default() };
            Side { address, endpoint: Endpoint::new(config, [seed ^ (n << 7); 32]), live: BTreeMap::new(), ended: 0 }
        };
        let rng = ChaCha8Rng::from_seed([seed; 32]);
        Network { rng, now: Instant::now(), sides: [side(1), side(2)], flying: BTreeMap::new(), count: 0, lost }
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.rng.next_u32() % 100 < percent
    }

    fn drain(&mut self) {
        for at in 0..2 {
            while let Some(output) = self.sides[at].endpoint.poll_output() {
                match output {
                    Output::Send { flow, bytes } => {
                        assert_eq!(flow.remote, self.sides[1 - at].address);
                        validate(&Message::parse(bytes.clone()).unwrap()).unwrap();
                        self.fly(1 - at, bytes);
                    }
                    Output::Link(_) | Output::Dialog(_) => {}
                    Output::Event(event) => self.tell(at, event),
                }
            }
        }
    }

    fn fly(&mut self, to: usize, bytes: Bytes) {
        let copies = if self.chance(self.lost) { 0 } else { 1 + u32::from(self.chance(10)) };
        for _ in 0..copies {
            let delay_ms = if self.chance(20) { self.rng.next_u32() % 900 } else { 20 };
            self.count += 1;
            let at = self.now + Duration::from_millis(u64::from(delay_ms));
            self.flying.insert((at, self.count), (to, bytes.clone()));
        }
    }

    fn tell(&mut self, at: usize, event: Event) {
        let live = &mut self.sides[at].live;
        let terminal = |live: &mut BTreeMap<SessionId, Phase>, session, from: &[Phase]| {
            let before = live.remove(&session);
            assert!(before.is_some_and(|phase| from.contains(&phase)), "{event:?} in {before:?}");
        };
        match &event {
            Event::Incoming { session, .. } => assert_eq!(live.insert(*session, Phase::Incoming), None),
            Event::Answered { session, .. } => assert_eq!(live.insert(*session, Phase::Up), Some(Phase::Calling)),
            Event::Failed { session, .. } => terminal(live, *session, &[Phase::Calling]),
            Event::Cancelled { session, .. } => terminal(live, *session, &[Phase::Incoming]),
            Event::Ended { session, .. } => {
                terminal(live, *session, &[Phase::Up]);
                self.sides[at].ended += 1;
            }
            Event::Progress { session, .. } => assert_eq!(live.get(session), Some(&Phase::Calling)),
            Event::Acked { session } | Event::OfferAnswered { session, .. } | Event::OfferRefused { session, .. } => {
                assert_eq!(live.get(session), Some(&Phase::Up));
            }
            Event::Offer { session, .. } => {
                assert_eq!(live.get(session), Some(&Phase::Up));
                let session = *session;
                match self.chance(80) {
                    true => self.sides[at].endpoint.answer_offer(self.now, session, Bytes::from(SDP)),
                    false => self.sides[at].endpoint.refuse_offer(self.now, session, 488, None),
                }
            }
            Event::Dtmf { .. }
            | Event::Refer { .. }
            | Event::Registered { .. }
            | Event::ContactGone { .. }
            | Event::Unregistered { .. }
            | Event::TrunkState { .. }
            | Event::TrunkRegistered { .. }
            | Event::Banned { .. } => panic!("{event:?}"),
        }
    }

    /// A user does something.
    fn whim(&mut self) {
        let (now, at) = (self.now, usize::from(self.chance(50)));
        let remote = self.sides[1 - at].address;
        let pick = self.rng.next_u32() as usize;
        let what = self.rng.next_u32() % 10;
        let side = &mut self.sides[at];
        let Some((session, phase)) = side.live.iter().nth(pick % (side.live.len() + 1)).map(|(s, p)| (*s, *p)) else {
            let flow = Flow { transport: Transport::Udp, listener: 0, remote, connection: None };
            let session = side.endpoint.invite(now, Invite { flow, uri: format!("sip:500@{remote}"), ..invite() });
            side.live.insert(session, Phase::Calling);
            return self.drain();
        };
        match (phase, what) {
            (Phase::Incoming, 0..=2) => side.endpoint.ring(now, session, None),
            (Phase::Incoming, 3..=7) => {
                side.endpoint.answer(now, session, Bytes::from(SDP));
                side.live.insert(session, Phase::Up);
            }
            (Phase::Incoming, 8) => {
                side.endpoint.reject(now, session, Rejection { code: 486, ..Rejection::default() });
                side.live.remove(&session);
            }
            (Phase::Up, 0..=4) => side.endpoint.reinvite(now, session, Bytes::from(SDP)),
            (Phase::Calling, 0..=5) | (Phase::Up, 5..=7) => {}
            (Phase::Incoming | Phase::Calling | Phase::Up, _) => {
                side.endpoint.hang_up(now, session, None);
                side.live.remove(&session);
            }
        }
        self.drain();
    }

    /// Time goes on to the next thing due, at most to `end`; false when nothing is left before it.
    fn step(&mut self, end: Instant) -> bool {
        let due = self.sides.iter().filter_map(|side| side.endpoint.poll_timeout()).min();
        let arrival = self.flying.first_key_value().map(|(key, _)| key.0);
        let Some(next) = due.into_iter().chain(arrival).min().filter(|at| *at <= end) else {
            self.now = end;
            return false;
        };
        self.now = self.now.max(next);
        while let Some(entry) = self.flying.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let (to, bytes) = entry.remove();
            let flow =
                Flow { transport: Transport::Udp, listener: 0, remote: self.sides[1 - to].address, connection: None };
            self.sides[to].endpoint.handle_message(self.now, self.now, flow, bytes);
            self.drain();
        }
        for side in &mut self.sides {
            side.endpoint.handle_timeout(self.now);
        }
        self.drain();
        true
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.step(end) {}
    }
}

#[test]
fn both_sides_always_come_to_the_same_end_and_nothing_is_left() {
    let (mut calls, mut talks) = (0, 0);
    for seed in 0..200 {
        let lost = u32::from(seed) % 16;
        let mut network = Network::new(seed, lost);
        for _ in 0..120 {
            network.whim();
            let pause = Duration::from_millis(u64::from(network.rng.next_u32() % 1500));
            network.run(pause);
        }
        // What still lives is ended by one side only: the other has to hear of it.
        network.run(Duration::from_secs(40));
        for at in 0..2 {
            let live = network.sides[at].live.clone();
            for (session, phase) in live {
                if at == 0 || phase != Phase::Up {
                    let now = network.now;
                    network.sides[at].endpoint.hang_up(now, session, None);
                    network.sides[at].live.remove(&session);
                }
            }
            network.drain();
            network.run(Duration::from_secs(40));
        }
        network.run(Duration::from_secs(100));
        for side in &network.sides {
            assert_eq!(side.live, BTreeMap::new(), "seed {seed}: a session that its peer has ended");
            assert!(side.endpoint.is_idle(), "seed {seed}: {:?}", side.endpoint.stats());
            assert!(side.endpoint.tags.is_empty() && side.endpoint.timers.is_empty(), "seed {seed}");
            assert_eq!(side.endpoint.poll_timeout(), None, "seed {seed}");
            calls += side.endpoint.stats().requests_out[0].iter().sum::<u64>();
            talks += side.ended;
        }
        assert!(network.flying.is_empty());
    }
    assert!(calls > 5_000 && talks > 300, "{calls} INVITEs and {talks} talks ended by the peer prove little");
}

/// The same input gives the same output, byte for byte.
#[test]
fn the_same_seed_gives_the_same_bytes() {
    let run = || {
        let mut network = Network::new(9, 10);
        for _ in 0..50 {
            network.whim();
            network.run(Duration::from_millis(300));
        }
        let flying = network.flying.into_values().collect::<Vec<_>>();
        (flying, network.count, network.sides[0].endpoint.stats())
    };
    assert_eq!(run(), run());
}
