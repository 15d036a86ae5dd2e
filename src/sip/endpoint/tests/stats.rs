//! What is counted of messages and transactions.

use super::*;

const INVITE: usize = 0;
const BYE: usize = 2;
const OPTIONS: usize = 4;

/// The places that are not zero, with their counts.
fn counted<const N: usize>(counters: &[u64; N]) -> Vec<(usize, u64)> {
    counters.iter().copied().enumerate().filter(|(_, count)| *count > 0).collect()
}

#[test]
fn messages_are_counted_by_method_class_and_transport() {
    assert_eq!(Transport::ALL.map(Transport::label), TRANSPORTS);
    let mut world = World::new();
    established(&mut world);
    world.receive(tcp(PHONE, 3), &Ask::new("OPTIONS", "opt", 7).text().replace("/UDP", "/TCP"));
    let stats = world.endpoint.stats();
    assert_eq!(counted(&stats.requests_in[INVITE]), [(0, 1)], "over UDP");
    assert_eq!(counted(&stats.requests_in[OPTIONS]), [(1, 1)], "over TCP");
    assert_eq!(counted(&stats.responses_out[INVITE]), [(0, 1), (1, 1)], "100 and 200");
    assert_eq!(counted(&stats.responses_out[OPTIONS]), [(1, 1)]);
    world.take_sent();
    let (_, request) = calling(&mut world);
    world.pass(Duration::from_millis(1_600));
    world.receive(udp(PHONE), &respond(&request, 486, "t1", "", ""));
    let stats = world.endpoint.stats();
    assert_eq!(counted(&stats.requests_out[INVITE]), [(0, 1)]);
    assert_eq!(counted(&stats.responses_in[INVITE]), [(3, 1)]);
    assert_eq!(counted(&stats.retransmissions_out), [(INVITE, 2)], "after 0.5 s and 1.5 s");
}

/// An INVITE takes as long as its phone rings, and counts once whatever is repeated; what is never answered takes 32 s.
#[test]
fn a_transaction_is_timed_to_its_first_final_response() {
    let mut world = World::new();
    let session = incoming(&mut world);
    world.pass(Duration::from_millis(700));
    world.act(|e, now| e.answer(now, session, Bytes::from(SDP)));
    let tag = tag_of(&value(&world.take_one(), HeaderName::To));
    world.pass(Duration::from_secs(3));
    world.receive(udp(PHONE), &Ask::new("ACK", "ack", 1).tagged(&tag).text());
    assert_eq!(counted(&world.endpoint.stats().served[INVITE]), [(6, 1)], "within 750 ms");
    world.act(|e, now| e.hang_up(now, session, None));
    world.pass(Duration::from_secs(33));
    assert_eq!(counted(&world.endpoint.stats().answered[BYE]), [(14, 1)], "longer than the last bound");

    let mut world = World::new();
    let (_, request) = calling(&mut world);
    world.pass(Duration::from_millis(20));
    for _ in 0..2 {
        let ok = respond(&request, 200, "t1", &format!("Contact: <sip:101@{PHONE}>\r\n"), SDP);
        world.receive(udp(PHONE), &ok);
    }
    assert_eq!(counted(&world.endpoint.stats().answered[INVITE]), [(0, 1)]);
}

/// What waited at the door is part of what the other side waits.
#[test]
fn the_time_until_a_message_is_looked_at_counts() {
    let mut world = World::new();
    let (_, tag) = established(&mut world);
    let received = world.now;
    world.pass(Duration::from_millis(150));
    let bye = Bytes::from(Ask::new("BYE", "bye", 2).tagged(&tag).text());
    world.endpoint.handle_message(world.now, received, udp(PHONE), bye);
    world.drain();
    assert_eq!(counted(&world.endpoint.stats().served[BYE]), [(3, 1)], "within 200 ms");
}
