//! Real sockets on loopback: two phones through a media thread.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::Ordering;

use crossbeam_channel::Receiver;

use super::sockets::Pair;
use super::*;
use crate::clock::Wall;
use crate::id::{LegId, RecordingId};
use crate::media::{ChunkKind, Clip, Codec, Command, Event, Law, LegRole, Port, PortRange, Terms, rtp};

struct Phone {
    socket: UdpSocket,
    codec: Codec,
    hz: f64,
    sequence: u16,
    heard: Vec<i16>,
}

impl Phone {
    fn new(codec: Codec, hz: f64) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self { socket, codec, hz, sequence: 9, heard: Vec::new() }
    }

    fn address(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    fn payload_type(&self) -> u8 {
        if self.codec == Codec::Pcmu { 0 } else { 8 }
    }

    fn frame(&mut self) -> Vec<u8> {
        self.sequence += 1;
        let at = u32::from(self.sequence) * 160;
        let mut bytes = rtp::header(self.payload_type(), false, self.sequence, at, 77).to_vec();
        bytes.extend((0..160).map(|n| {
            let phase = std::f64::consts::TAU * self.hz * f64::from(at + n) / 8_000.0;
            law(self.codec).encode((8_000.0 * phase.sin()) as i16)
        }));
        bytes
    }

    fn hear(&mut self) {
        let mut buffer = [0; 2_048];
        while let Ok((length, _)) = self.socket.recv_from(&mut buffer) {
            let packet = rtp::parse(&buffer[..length]).unwrap();
            assert_eq!(packet.payload_type, self.payload_type());
            self.heard.extend(buffer[packet.payload].iter().map(|b| law(self.codec).decode(*b)));
        }
    }
}

fn law(codec: Codec) -> Law {
    codec.law().unwrap()
}

fn level(samples: &[i16], hz: f64) -> f64 {
    let step = std::f64::consts::TAU * hz / 8_000.0;
    let (re, im) = samples.iter().enumerate().fold((0.0, 0.0), |(re, im), (n, s)| {
        let phase = step * n as f64;
        (re + f64::from(*s) * phase.cos(), im + f64::from(*s) * phase.sin())
    });
    20.0 * (2.0 * f64::hypot(re, im) / samples.len() as f64).max(1e-3).log10()
}

struct Room {
    threads: MediaThreads,
    lines: MediaLines,
    events: Vec<Event>,
    chunks: Receiver<Chunk>,
    ports: PortRange,
}

impl Room {
    fn new(first_port: u16) -> Self {
        Self::of(first_port, false)
    }

    fn of(first_port: u16, mux: bool) -> Self {
        let (sender, chunks) = crossbeam_channel::bounded(1_000);
        let config = MediaConfig {
            address: Ipv4Addr::LOCALHOST.into(),
            bind: Ipv4Addr::LOCALHOST.into(),
            ports: first_port..=first_port + 99,
            mux,
            shared: Vec::new(),
            codecs: vec![Codec::Pcmu],
            shards: 1,
            identity: None,
            timeout_s: 60,
        };
        // The room looks by itself.
        let bell = Arc::new(Bell::new().unwrap());
        let clock = Clock::new(now(), Wall(0));
        let (threads, lines) = MediaThreads::start(&config, clock, [1; 32], sender.into(), bell).unwrap();
        let ports = PortRange::without(config.ports, &threads.shared_ports());
        Self { threads, lines, events: Vec::new(), chunks, ports }
    }

    fn wait(&mut self, what: impl Fn(&Event) -> bool) -> Event {
        let until = now() + Duration::from_secs(5);
        while now() < until {
            self.events.extend(std::iter::from_fn(|| self.lines.poll_event()));
            if let Some(event) = self.events.iter().find(|e| what(e)) {
                return event.clone();
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        panic!("not among {:?}", self.events);
    }

    /// Opens a leg for the phone on the first port that another program does not hold.
    fn open(&mut self, leg: LegId, phone: &Phone) -> u16 {
        loop {
            let port = match self.threads.shared_ports().first() {
                Some(shared) => Port::Shared(*shared),
                None => Port::Own(self.ports.take(now()).expect("a free port").0),
            };
            self.events.clear();
            self.lines.send(
                0,
                Command::Open {
                    leg,
                    port,
                    remote: Some(phone.address()),
                    signalling: None,
                    terms: Terms::plain(phone.codec, phone.payload_type(), Some(101)),
                    role: LegRole::Customer,
                },
            );
            match self.wait(|e| matches!(e, Event::Opened { .. } | Event::OpenFailed { .. })) {
                Event::Opened { .. } => return port.number(),
                _ => self.ports.skip(now(), port.number()),
            }
        }
    }

    fn quality_at_close(&mut self, leg: LegId) -> crate::media::Quality {
        self.lines.send(0, Command::Close { leg });
        match self.wait(|e| matches!(e, Event::Closed { leg: of, .. } if *of == leg)) {
            Event::Closed { quality, .. } => quality,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn tones_pass_both_ways_through_real_sockets_and_into_the_recording() {
    let mut room = Room::new(23_500);
    let (mut caller, mut agent) = (Phone::new(Codec::Pcmu, 1_004.0), Phone::new(Codec::Pcma, 604.0));
    let (a, b) = (LegId(1), LegId(2));
    let port_a = room.open(a, &caller);
    let port_b = room.open(b, &agent);
    let recording = RecordingId::new(1, 1);
    room.lines.send(0, Command::Bridge { a, b });
    room.lines.send(0, Command::Record { recording, customer: a, others: smallvec::smallvec![b] });
    let stranger = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let began = now();
    for n in 1..=50u32 {
        let (frame_a, frame_b) = (caller.frame(), agent.frame());
        caller.socket.send_to(&frame_a, (Ipv4Addr::LOCALHOST, port_a)).unwrap();
        agent.socket.send_to(&frame_b, (Ipv4Addr::LOCALHOST, port_b)).unwrap();
        if n > 1 {
            stranger.send_to(&frame_b, (Ipv4Addr::LOCALHOST, port_a)).unwrap();
        }
        std::thread::sleep((began + Duration::from_millis(20) * n).saturating_duration_since(now()));
        caller.hear();
        agent.hear();
    }
    room.lines.send(0, Command::StopRecord { recording });
    room.wait(|e| matches!(e, Event::RecordingEnded { .. }));
    let wall_ms = began.elapsed().as_millis() as i64;

    for (phone, wanted, own) in [(&caller, 604.0, 1_004.0), (&agent, 1_004.0, 604.0)] {
        assert!(phone.heard.len() >= 48 * 160, "{} samples", phone.heard.len());
        let (wanted, own) = (level(&phone.heard, wanted), level(&phone.heard, own));
        assert!(wanted > 70.0 && wanted - own > 30.0, "{wanted} {own}");
    }
    let mut stereo: Vec<i16> = Vec::new();
    for chunk in room.chunks.try_iter() {
        if let ChunkKind::Samples(samples) = chunk.kind {
            stereo.extend(samples);
        }
    }
    assert!((stereo.len() as i64 / 16 - wall_ms).abs() <= 40, "{} of {wall_ms} ms", stereo.len() / 16);
    let left: Vec<i16> = stereo.iter().copied().step_by(2).collect();
    let right: Vec<i16> = stereo.iter().copied().skip(1).step_by(2).collect();
    assert!(level(&left, 1_004.0) - level(&left, 604.0) > 30.0);
    assert!(level(&right, 604.0) - level(&right, 1_004.0) > 30.0);
    let quality = room.quality_at_close(a);
    assert_eq!((quality.received, quality.lost), (50, 0), "the stranger is not counted");
    room.quality_at_close(b);
    std::thread::sleep(Duration::from_millis(1_100)); // counts are published at the next round
    let counters = room.threads.counters();
    assert_eq!(counters.panics.load(Ordering::Relaxed), 0);
    assert_eq!(counters.legs.load(Ordering::Relaxed), 0);
    let sent = counters.packets_out.load(Ordering::Relaxed);
    assert!((96..=100).contains(&sent), "{sent}: only what came before the bridge may be missing");
    // The ports are free again.
    drop(Pair::bind(Ipv4Addr::LOCALHOST.into(), port_a).unwrap());
}

#[test]
fn a_prompt_takes_its_time_and_a_taken_port_is_told() {
    let mut room = Room::new(23_700);
    let mut phone = Phone::new(Codec::Pcmu, 0.0);
    let port = room.open(LegId(1), &phone);
    room.lines.send(
        0,
        Command::Open {
            leg: LegId(2),
            port: Port::Own(port),
            remote: None,
            signalling: None,
            terms: Terms::plain(Codec::Pcmu, 0, None),
            role: LegRole::Agent,
        },
    );
    let failed = room.wait(|e| matches!(e, Event::OpenFailed { .. }));
    let Event::OpenFailed { leg, error } = failed else { panic!("{failed:?}") };
    assert!(leg == LegId(2) && error.contains(&port.to_string()), "{error}");
    let began = now();
    let clips = vec![Arc::new(Clip::tone(1_004.0, -10.0, 500))];
    room.lines.send(0, Command::Play { leg: LegId(1), play: 4, clips });
    assert_eq!(room.wait(|e| matches!(e, Event::PlayDone { .. })), Event::PlayDone { leg: LegId(1), play: 4 });
    let took = began.elapsed().as_millis();
    assert!((475..600).contains(&took), "{took} ms");
    std::thread::sleep(Duration::from_millis(5));
    phone.hear();
    assert_eq!(phone.heard.len(), 25 * 160);
    assert!(level(&phone.heard, 1_004.0) > 70.0);
}

/// An engine that reads nothing for long: the media thread goes on with its work, and all it said is there, in order.
#[test]
fn an_engine_that_reads_late_misses_nothing() {
    let mut room = Room::new(23_100);
    let taken = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (port, all) = (Port::Own(taken.local_addr().unwrap().port()), 3 * RING as u64);
    for leg in (0..all).map(LegId) {
        let terms = Terms::plain(Codec::Pcmu, 0, None);
        let (remote, signalling, role) = (None, None, LegRole::Agent);
        room.lines.send(0, Command::Open { leg, port, remote, signalling, terms, role });
    }
    let until = now() + Duration::from_secs(5);
    while !room.lines.ring() {
        assert!(now() < until, "the thread waits for the engine");
        std::thread::sleep(RETRY);
    }
    room.wait(|e| matches!(e, Event::OpenFailed { leg, .. } if leg.0 == all - 1));
    let told = room.events.iter().map(|event| match event {
        Event::OpenFailed { leg, .. } => leg.0,
        other => panic!("{other:?}"),
    });
    assert!(told.eq(0..all));
}

/// The last words of the engine are carried out however soon the stop comes behind them.
#[test]
fn what_was_sent_before_the_stop_is_done() {
    let mut room = Room::new(23_000);
    let phone = Phone::new(Codec::Pcmu, 0.0);
    room.open(LegId(1), &phone);
    let recording = RecordingId::new(1, 1);
    room.lines.send(0, Command::Record { recording, customer: LegId(1), others: smallvec::smallvec![] });
    room.lines.post(0, Command::StopRecord { recording });
    let Room { threads, lines, chunks, .. } = room;
    drop((threads, lines));
    assert_eq!(chunks.iter().last().map(|chunk| chunk.kind), Some(ChunkKind::End));
}

/// Two calls at once from one IP through one port: each phone hears the other of its call, its reports reach it whether
/// they come from its audio's port or from the one above, and a stranger is nobody's.
#[test]
fn two_calls_share_one_port_and_hear_their_own_tones() {
    let mut room = Room::of(23_300, true);
    let tones = [1_004.0, 604.0, 404.0, 804.0];
    let mut phones: Vec<Phone> = tones
        .iter()
        .zip([Codec::Pcmu, Codec::Pcma, Codec::Pcmu, Codec::Pcmu])
        .map(|(hz, c)| Phone::new(c, *hz))
        .collect();
    let shared: Vec<u16> = phones.iter().zip(1..).map(|(phone, leg)| room.open(LegId(leg), phone)).collect();
    let (port, stranger) = (shared[0], UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    assert!(shared.iter().all(|p| *p == port) && room.ports.in_use() == 0);
    room.lines.send(0, Command::Bridge { a: LegId(1), b: LegId(2) });
    room.lines.send(0, Command::Bridge { a: LegId(3), b: LegId(4) });
    let began = now();
    for n in 1..=50u32 {
        for phone in &mut phones {
            let frame = phone.frame();
            phone.socket.send_to(&frame, (Ipv4Addr::LOCALHOST, port)).unwrap();
            stranger.send_to(&frame, (Ipv4Addr::LOCALHOST, port)).unwrap();
        }
        std::thread::sleep((began + Duration::from_millis(20) * n).saturating_duration_since(now()));
        phones.iter_mut().for_each(Phone::hear);
    }
    for (phone, wanted) in phones.iter().zip([604.0, 1_004.0, 804.0, 404.0]) {
        assert!(phone.heard.len() >= 48 * 160, "{} samples", phone.heard.len());
        let heard = level(&phone.heard, wanted);
        let others = tones.iter().filter(|hz| **hz != wanted).map(|hz| level(&phone.heard, *hz));
        assert!(heard > 70.0 && others.into_iter().all(|other| heard - other > 30.0), "{wanted}: {heard}");
    }
    // The first phone reports from its own port to ours, the third from another to the one above.
    let report = |ssrc: u32| [[0x80, 201, 0, 1], ssrc.to_be_bytes()].concat();
    phones[0].socket.send_to(&report(77), (Ipv4Addr::LOCALHOST, port)).unwrap();
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().send_to(&report(9), (Ipv4Addr::LOCALHOST, port + 1)).unwrap();
    for leg in 1..=4 {
        let quality = room.quality_at_close(LegId(leg));
        assert_eq!((quality.received, quality.lost), (50, 0), "the stranger is not counted");
    }
    std::thread::sleep(Duration::from_millis(1_100)); // counts are published at the next round
    let counters = room.threads.counters();
    assert_eq!((counters.panics.load(Ordering::Relaxed), counters.send_errors.load(Ordering::Relaxed)), (0, 0));
    let sent = counters.packets_out.load(Ordering::Relaxed);
    assert!((192..=200).contains(&sent), "{sent}: only what came before the bridge may be missing");
    assert_eq!(counters.dropped.load(Ordering::Relaxed), 201, "the stranger's, and a report nobody knows");
}
