//! Who is not in the call neither hears it nor speaks into it, and nothing on a media port hurts: the attacks of
//! spec reliability §2, from outside. Addresses of 127.0.0.0/8 stand for hosts.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod common;
#[path = "common/line.rs"]
mod line;
#[path = "common/pair.rs"]
mod pair;

use std::net::{SocketAddr, UdpSocket};
use std::time::Instant;

use common::*;
use hatif::robot::{Call, Codec, Source};
use line::{Faults, Line};
use pair::*;

const OWN: [u8; 4] = [127, 0, 0, 1];
/// What an attacker says: far louder than any tone here, so that one packet of it would show.
const LOUD: i16 = 24_000;
const SHOWS: u16 = 12_000;

/// Somebody who is not in the call.
struct Attacker {
    socket: UdpSocket,
    ssrc: u32,
    sequence: u16,
}

impl Attacker {
    fn at(ip: [u8; 4]) -> Self {
        let socket = UdpSocket::bind((std::net::Ipv4Addr::from(ip), 0)).expect("a socket");
        socket.set_nonblocking(true).expect("non-blocking");
        Self { socket, ssrc: 0x6666_6666, sequence: 40_000 }
    }

    fn ssrc(mut self, ssrc: u32) -> Self {
        self.ssrc = ssrc;
        self
    }

    fn send(&self, to: SocketAddr, packet: &[u8]) {
        // Nobody there is an answer too.
        let _ = self.socket.send_to(packet, to);
    }

    fn packet(&mut self, payload_type: u8, payload: &[u8]) -> Vec<u8> {
        self.sequence = self.sequence.wrapping_add(1);
        rtp(payload_type, self.sequence, u32::from(self.sequence) * 160, self.ssrc, payload)
    }

    /// So many packets of loud sound, 200 a second, in both kinds of G.711.
    fn shout(&mut self, targets: &[SocketAddr], count: usize) {
        for n in 0..count {
            let codec = if n % 2 == 0 { Codec::Pcma } else { Codec::Pcmu };
            let packet = self.packet(codec.payload_type(), &[codec.encode(LOUD); 160]);
            targets.iter().for_each(|target| self.send(*target, &packet));
            std::thread::sleep(ms(5));
        }
    }

    /// Presses a key as a telephone-event: ten packets of it.
    fn press(&mut self, target: SocketAddr, event: u8) {
        let timestamp = u32::from(self.sequence) * 160;
        for n in 1..=10u8 {
            self.sequence = self.sequence.wrapping_add(1);
            let payload = [event, if n > 7 { 0x8a } else { 0x0a }, n, 0];
            self.send(target, &rtp(101, self.sequence, timestamp, self.ssrc, &payload));
            std::thread::sleep(ms(5));
        }
    }

    /// Datagrams that came to the attacker.
    fn received(&self) -> usize {
        let mut buffer = [0; 2_048];
        std::iter::from_fn(|| self.socket.recv_from(&mut buffer).ok()).count()
    }
}

fn rtp(payload_type: u8, sequence: u16, timestamp: u32, ssrc: u32, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, payload_type];
    packet.extend(sequence.to_be_bytes());
    packet.extend(timestamp.to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend(payload);
    packet
}

/// The server's RTP port of a leg.
#[track_caller]
fn port_of(call: &Call) -> SocketAddr {
    call.peer_media().expect("SDP was answered")
}

fn loud(sound: &[i16]) -> usize {
    sound.iter().filter(|sample| sample.unsigned_abs() > SHOWS).count()
}

#[track_caller]
fn nobody_heard_it(pair: &Pair) {
    for (who, call) in [("Alice", &pair.alice), ("Bob", &pair.bob)] {
        assert_eq!(loud(&call.heard()), 0, "{who} heard the attacker");
    }
}

/// Ends the call: the attacker is not in its file, and each side is.
#[track_caller]
fn nothing_is_recorded(pair: Pair) {
    let (_, channels) = pair.end();
    for (side, sound, wanted, other) in
        [("left", &channels[0], ALICE_HZ, BOB_HZ), ("right", &channels[1], BOB_HZ, ALICE_HZ)]
    {
        assert_eq!(loud(sound), 0, "{side}: the attacker is in the recording");
        // Alice was silent for a part of some calls: what she said must be there, not all of the time.
        hears(side, sound, wanted, other);
    }
}

/// "RTP bleed", "RTP injection": 200 packets to the right port of each leg, from a third address and from another port
/// of the phone's own address, with the SSRC of the call.
#[test]
fn injected_packets_reach_nobody() {
    let pair = Pair::wanted(Wanted { ssrc: Some(7), ..Wanted::default() });
    settle();
    let targets = [port_of(&pair.alice), port_of(&pair.bob)];
    let mut attackers =
        [Attacker::at([127, 0, 0, 66]), Attacker::at([127, 0, 0, 66]).ssrc(7), Attacker::at(OWN).ssrc(7)];
    for attacker in &mut attackers {
        std::thread::scope(|scope| {
            scope.spawn(|| attacker.shout(&targets, 200));
            pair.both_hear("under attack", ms(1_000));
        });
    }
    nobody_heard_it(&pair);
    assert_eq!(attackers.each_ref().map(Attacker::received), [0; 3], "nothing is sent to an attacker");
    nothing_is_recorded(pair);
}

/// "… silent peer": the phone that was heard falls silent; nobody takes its place, and it is heard again afterwards.
#[test]
fn a_silent_peer_keeps_its_place() {
    let pair = Pair::wanted(Wanted { ssrc: Some(7), ..Wanted::default() });
    settle();
    pair.both_hear("at first", ms(600));
    pair.alice.say(Source::Nothing);
    // After a second of silence the kernel's filter is off: a router may have changed the port.
    std::thread::sleep(ms(2_300));
    let target = [port_of(&pair.alice)];
    let mut attackers = [Attacker::at([127, 0, 0, 66]), Attacker::at([127, 0, 0, 66]).ssrc(7), Attacker::at(OWN)];
    for attacker in &mut attackers {
        std::thread::scope(|scope| {
            scope.spawn(|| attacker.shout(&target, 200));
            let heard = pair.alice.listen(ms(1_000));
            hears("Alice, who is silent,", &heard, BOB_HZ, ALICE_HZ);
        });
    }
    nobody_heard_it(&pair);
    assert_eq!(attackers.each_ref().map(Attacker::received), [0; 3], "nothing is sent to an attacker");
    pair.alice.say(Source::Tone(ALICE_HZ));
    settle();
    pair.both_hear("afterwards", ms(1_000));
    nothing_is_recorded(pair);
}

/// A phone that is muted from the start has locked nothing: after 2 s no third address does either.
#[test]
fn a_phone_that_never_spoke_is_not_replaced() {
    let pair = Pair::wanted(Wanted { alice_mute: true, ..Wanted::default() });
    std::thread::sleep(ms(2_300));
    let mut attacker = Attacker::at([127, 0, 0, 66]);
    attacker.shout(&[port_of(&pair.alice)], 200);
    nobody_heard_it(&pair);
    assert_eq!(attacker.received(), 0, "nothing is sent to an attacker");
    hears("Alice, who is mute,", &pair.alice.listen(ms(600)), BOB_HZ, ALICE_HZ);
    pair.alice.say(Source::Tone(ALICE_HZ));
    settle();
    pair.both_hear("at last", ms(1_000));
    nothing_is_recorded(pair);
}

/// RFC 3550 §8.2: two phones may choose the same SSRC, and one may choose another in the middle of a call.
#[test]
fn equal_and_changed_ssrcs_leave_both_directions_live() {
    let pair = Pair::wanted(Wanted { ssrc: Some(0x1234_5678), ..Wanted::default() });
    settle();
    pair.both_hear("with equal SSRCs", ms(1_000));
    pair.alice.set_ssrc(0x9999_0001);
    settle();
    pair.both_hear("after Alice's changed", ms(1_000));
    pair.bob.set_ssrc(0x9999_0001);
    settle();
    pair.both_hear("after Bob's changed to the same", ms(1_000));
    // To a phone it is one stream, whatever the other one does.
    for call in [&pair.alice, &pair.bob] {
        let packets = call.packets();
        assert!(packets.windows(2).all(|w| w[0].ssrc == w[1].ssrc && w[1].sequence == w[0].sequence.wrapping_add(1)));
    }
    let (record, _) = pair.end();
    for leg in ["customer", "agent"] {
        let lost = record["quality"][leg]["lost"].as_u64();
        assert!(lost.is_some_and(|lost| lost < 10), "a new SSRC is no loss: {}", record["quality"]);
    }
}

/// "RTCP spoof": BYE, huge lengths and other lies, from a third address, from the phone's own host and from its very
/// RTCP port.
#[test]
fn spoofed_rtcp_does_nothing_to_the_voice() {
    let line = Line::new(OWN, None, Faults::default(), 1);
    let pair = Pair::wanted(Wanted { alice_line: Some(line.clone()), ssrc: Some(7), ..Wanted::default() });
    settle();
    let ssrc = 7u32.to_be_bytes();
    let with = |head: &[u8], rest: &[u8]| [head, &ssrc[..], rest].concat();
    // Another process of the phone's host has all but its SSRC, which is 32 random bits.
    let lies_for = |ssrc: u32, lie: &[u8]| {
        let mut lie = lie.to_vec();
        lie.iter_mut().skip(4).zip(ssrc.to_be_bytes()).for_each(|(to, byte)| *to = byte);
        lie
    };
    let lies = [
        with(&[0x81, 203, 0, 1], &[]),
        with(&[0x9f, 203, 0xff, 0xff], &[]),
        with(&[0x80, 200, 0xff, 0xff], &[0xff; 20]),
        with(&[0x9f, 201, 0x00, 0x07], &[0xff; 24]),
        with(&[0xa1, 201, 0, 1], &[0xff]),
        with(&[0x81, 202, 0, 2], &[1, 255, b'x', b'x']),
        with(&[0x81, 206, 0, 2], &[0xff; 4]),
        vec![0x81, 203],
        vec![0x80; 1_400],
    ];
    let strangers = [Attacker::at([127, 0, 0, 66]), Attacker::at(OWN)];
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for lie in lies.iter().cycle().take(180) {
                for call in [&pair.alice, &pair.bob] {
                    let rtp = port_of(call);
                    let rtcp = SocketAddr::new(rtp.ip(), rtp.port() + 1);
                    for to in [rtp, rtcp] {
                        strangers[0].send(to, lie);
                        strangers[1].send(to, &lies_for(0x6666, lie));
                    }
                }
                line.inject(pair.alice.media_address(), true, lie);
                line.inject(pair.alice.media_address(), false, lie);
                std::thread::sleep(ms(10));
            }
        });
        pair.both_hear("under lies", ms(2_000));
    });
    // A report that is due goes to the phone and to nobody else.
    let reports = pair.alice.reports();
    wait_until(seconds(12), "a report comes to Alice", || pair.alice.reports() > reports);
    assert_eq!(strangers.each_ref().map(Attacker::received), [0; 2], "reports go to the phone only");
    pair.both_hear("afterwards", ms(1_000));
    let (record, _) = pair.end();
    let mos = record["quality"]["customer"]["mos"].as_f64().unwrap_or(0.0);
    assert!(mos > 3.5, "{}", record["quality"]);
}

/// "DTMF injection": 0 events through, neither to the other phone nor into a flow.
#[test]
fn injected_digits_reach_nobody() {
    let (server, ports) = server_with(|_| floor(""));
    let customer = server.customer("0502", Source::Silence);
    let menu = customer.invite("500").expect("sent");
    menu.answered(SOON).unwrap_or_else(|e| panic!("500: {e}\n{}", customer.trace()));
    let pair = Pair::at(server, ports, Wanted { ssrc: Some(7), ..Wanted::default() });
    settle();
    for mut attacker in [Attacker::at([127, 0, 0, 66]), Attacker::at([127, 0, 0, 66]).ssrc(7), Attacker::at(OWN)] {
        for event in [1, 2, 5, 11] {
            for target in [port_of(&menu), port_of(&pair.alice), port_of(&pair.bob)] {
                attacker.press(target, event);
            }
        }
    }
    assert_eq!((pair.alice.digits(), pair.bob.digits()), (String::new(), String::new()));
    // The same keys by the phones themselves are served.
    assert!(pair.alice.press("5") && menu.press("1"));
    wait_until(SOON, "Alice's key reaches Bob", || pair.bob.digits() == "5");
    std::thread::sleep(ms(500));
    assert_eq!(menu.hang_up_and_wait(SOON), Some(200));
    let record = pair.server.ended_call("0502");
    let keys: Vec<&str> =
        record["ivr"]["inputs"].as_array().into_iter().flatten().filter_map(|i| i["digits"].as_str()).collect();
    assert_eq!(keys, ["1"], "{record:#}");
    pair.end();
}

/// A phone behind NAT tells a private address, is mute at first, and speaks late: it is heard and hears. Its router
/// then forgets the port in a pause, and it is heard and hears again. Nobody else gains by it.
#[test]
fn a_phone_behind_nat_is_never_deaf() {
    // What its SDP says is an address that is not its own; whoever is there can tell what came.
    let private = UdpSocket::bind("127.0.0.99:0").expect("a socket");
    private.set_nonblocking(true).expect("non-blocking");
    let came = || std::iter::from_fn(|| private.recv_from(&mut [0; 2_048]).ok()).count();
    let line = Line::new(OWN, private.local_addr().ok(), Faults::default(), 1);
    let pair = Pair::wanted(Wanted { alice_line: Some(line.clone()), alice_mute: true, ..Wanted::default() });
    let target = [port_of(&pair.alice)];
    // In the first 2 s a spray of several sources locks none of them.
    let mut spray = [70, 71, 72, 73].map(|n| Attacker::at([127, 0, 0, n]));
    for _ in 0..50 {
        spray.iter_mut().for_each(|attacker| attacker.shout(&target, 1));
    }
    assert_eq!(spray.each_ref().map(Attacker::received), [0; 4], "a spray locks nobody");
    std::thread::sleep(ms(1_800));
    let mut late = Attacker::at([127, 0, 0, 66]);
    late.shout(&target, 100);
    assert!(came() > 50, "before it speaks, its SDP address is sent to");

    pair.alice.say(Source::Tone(ALICE_HZ));
    settle();
    came();
    pair.both_hear("behind NAT", ms(1_000));
    assert_eq!(came(), 0, "the lock is on what is heard");

    pair.alice.say(Source::Nothing);
    std::thread::sleep(ms(1_500));
    line.rebind();
    pair.alice.say(Source::Tone(ALICE_HZ));
    settle();
    pair.both_hear("after its router forgot the port", ms(1_000));
    late.shout(&target, 50);
    assert_eq!(late.received() + spray.iter().map(Attacker::received).sum::<usize>(), 0);
    nobody_heard_it(&pair);
    nothing_is_recorded(pair);
}

/// "Port reuse after a call": silent from 100 ms after BYE on, and late packets of a call are in no other.
#[test]
fn a_port_is_silent_after_bye_and_its_late_packets_are_in_no_other_call() {
    let lines = [Line::new(OWN, None, Faults::default(), 1), Line::new(OWN, None, Faults::default(), 2)];
    let wanted = Wanted { alice_line: Some(lines[0].clone()), bob_line: Some(lines[1].clone()), ..Wanted::default() };
    let first = Pair::wanted(wanted);
    settle();
    first.both_hear("in the first call", ms(800));
    let old = [port_of(&first.alice), port_of(&first.bob)];
    let old_ports: Vec<u16> = old.iter().flat_map(|rtp| [rtp.port(), rtp.port() + 1]).collect();
    let phones = [first.alice.media_address(), first.bob.media_address()];
    let ended = Instant::now();
    assert_eq!(first.alice.hang_up_and_wait(SOON), Some(200));
    assert!(first.bob.ended(SOON));
    let answered = Instant::now();

    let second = first.again();
    let new = [port_of(&second.alice), port_of(&second.bob)];
    assert!(new.iter().all(|port| !old.contains(port)), "{new:?} were in use just now: {old:?}");
    // The old phones go on for a while, by the same addresses as before and by new ones.
    let mut late = Attacker::at(OWN);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let codec = Codec::Pcma;
            for n in 0..200u16 {
                let packet = rtp(codec.payload_type(), n, u32::from(n) * 160, 5, &[codec.encode(LOUD); 160]);
                lines.iter().zip(&phones).for_each(|(line, phone)| line.inject(*phone, false, &packet));
                std::thread::sleep(ms(5));
            }
        });
        scope.spawn(|| late.shout(&old, 200));
        second.both_hear("in the second call", ms(1_200));
    });
    nobody_heard_it(&second);
    for line in &lines {
        let after =
            line.passed().into_iter().filter(|p| !p.to_server && old_ports.contains(&p.from.port()) && p.at > ended);
        let late: Vec<_> = after.filter(|p| p.at > answered + ms(100)).map(|p| p.at - answered).collect();
        assert!(late.is_empty(), "after BYE came packets: {late:?}");
    }
    assert_eq!(second.server.metric("hatif_rtp_ports_reused_early_total", &[]), 0.0);
    nothing_is_recorded(second);
}

/// "Bad input": what is no RTP, from the phone's own address too, costs a packet each and nothing else.
#[test]
fn a_flood_of_garbage_is_counted_and_the_call_lives() {
    let line = Line::new(OWN, None, Faults::default(), 1);
    let pair = Pair::wanted(Wanted { alice_line: Some(line.clone()), ssrc: Some(7), ..Wanted::default() });
    settle();
    let dropped = || pair.server.metric("hatif_rtp_packets_dropped_total", &[]);
    let before = dropped();
    let codec = Codec::Pcma;
    let mut garbage = vec![
        Vec::new(),
        vec![0x80],
        vec![0x80, 8, 0, 1],
        vec![0xff; 1_472],
        vec![0; 20],
        b"\x00\x01\x00\x00\x21\x12\xa4\x42aaaaaaaaaaaa".to_vec(),
        b"\x16\xfe\xfd\x00\x00\x00\x00\x00\x00\x00\x00\x00\x05hello".to_vec(),
        b"INVITE sip:500@127.0.0.1 SIP/2.0\r\n\r\n".to_vec(),
        rtp(99, 1, 160, 7, &[codec.encode(LOUD); 160]),
        rtp(codec.payload_type(), 1, 160, 7, &[]),
    ];
    // Headers that promise more than there is: CSRCs, an extension, padding.
    for first in [0x8f, 0x90, 0xa0] {
        let mut packet = rtp(codec.payload_type(), 1, 160, 7, &[0xff; 20]);
        packet[0] = first;
        garbage.push(packet);
    }
    let stranger = Attacker::at([127, 0, 0, 66]);
    let port = port_of(&pair.bob);
    let sent = std::thread::scope(|scope| {
        let flood = scope.spawn(|| {
            let mut sent = 0;
            for packet in garbage.iter().cycle().take(3_900) {
                line.inject(pair.alice.media_address(), false, packet);
                line.inject(pair.alice.media_address(), true, packet);
                stranger.send(port, packet);
                sent += 1;
                if sent % 4 == 0 {
                    std::thread::sleep(ms(1));
                }
            }
            sent
        });
        pair.both_hear("under garbage", ms(1_500));
        flood.join().expect("the flood")
    });
    settle();
    let counted = dropped() - before;
    assert!(counted >= f64::from(sent), "{counted} of {sent} are counted as dropped");
    pair.both_hear("afterwards", ms(1_000));
    nobody_heard_it(&pair);
    assert_eq!(stranger.received(), 0);
    nothing_is_recorded(pair);
}
