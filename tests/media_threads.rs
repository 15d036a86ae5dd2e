//! Media threads from outside: one port for all legs, and no processor left.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod common;

use common::*;
use hatif::robot::audio::{level_db, stands_above};
use hatif::robot::{Answering, Call, Source};

/// `media.mux = true`: two calls at once, all four phones at one address, through one port; each hears the other of
/// his call and nobody else, and no port of the range is taken.
#[test]
fn two_calls_share_one_port() {
    let ports = free_ports();
    let text = config(ports, &floor("record = \"always\"")).replace("[media]\n", "[media]\nmux = true\nshards = 1\n");
    let server = Server::configured(ports, &text);
    let tones = [(1_004.0, 604.0), (804.0, 404.0)];
    let mut phones = Vec::new();
    let mut calls: Vec<(Call, Call)> = Vec::new();
    for ((customer_hz, agent_hz), (number, id)) in tones.into_iter().zip([("0501", "101"), ("0502", "102")]) {
        let agent = server.agent(id, agent_hz, Answering::After(ms(200)));
        let customer = server.customer(number, Source::Tone(customer_hz));
        let out = customer.invite("600").expect("sent");
        out.answered(SOON).expect("answered");
        let inside = agent.incoming(SOON).expect("the agent's phone rings");
        inside.answered(SOON).expect("answers");
        phones.push((customer, agent));
        calls.push((out, inside));
    }
    let all: Vec<&Call> = calls.iter().flat_map(|(out, inside)| [out, inside]).collect();
    let heard = listen(&all, seconds(3));
    let wanted = [tones[0].1, tones[0].0, tones[1].1, tones[1].0];
    for (sound, hz) in heard.iter().zip(wanted) {
        for other in wanted.into_iter().filter(|other| *other != hz) {
            let (level, rest) = (level_db(sound, hz), level_db(sound, other));
            assert!(stands_above(sound, hz, other, MARGIN_DB), "{hz} Hz at {level:.1}, {other} Hz at {rest:.1} dBm0");
        }
    }
    assert_eq!(server.metric("hatif_rtp_ports_in_use", &[]), 0.0);
    assert_eq!(server.metric("hatif_rtp_streams_active", &[]), 4.0);
    for (out, inside) in &calls {
        assert_eq!(out.hang_up_and_wait(SOON), Some(200));
        assert!(inside.ended(SOON));
    }
    let record = server.ended_call("0501");
    let quality = &record["quality"]["customer"];
    assert!(quality["received"].as_f64().is_some_and(|n| n > 100.0), "{record:#}");
    assert_eq!(quality["lost"].as_f64(), Some(0.0), "{record:#}");
    server.idle(seconds(10));
}

/// No processor for a second: who calls then is put off, who talks goes on talking, and soon all is as before.
#[test]
fn without_processor_new_calls_are_put_off_and_live_ones_go_on() {
    let ports = free_ports();
    let server = Server::configured(ports, &config(ports, &floor("record = \"never\"")));
    let agent = server.agent("101", 604.0, Answering::After(ms(200)));
    let customer = server.customer("0501", Source::Tone(1_004.0));
    let out = customer.invite("600").expect("sent");
    out.answered(SOON).expect("answered");
    let inside = agent.incoming(SOON).expect("the agent's phone rings");
    inside.answered(SOON).expect("answers");
    assert_eq!(server.metric("hatif_media_overloaded", &[]), 0.0);

    server.signal("STOP");
    std::thread::sleep(ms(1_500));
    server.signal("CONT");
    // The media threads have turned, and not yet been on time for a second.
    std::thread::sleep(ms(100));
    let late = server.customer("0502", Source::Tone(804.0));
    let refused = late.invite("600").expect("sent").refused(SOON);
    assert_eq!(refused, Some(503), "{}", late.trace());
    assert!(late.trace().contains("Retry-After: "), "{}", late.trace());
    assert!(out.up() && inside.up(), "the live call goes on");

    wait_until(seconds(60), "a second on time", || server.metric("hatif_media_overloaded", &[]) == 0.0);
    let heard = listen(&[&out, &inside], seconds(2));
    assert!(stands_above(&heard[0], 604.0, 1_004.0, MARGIN_DB) && stands_above(&heard[1], 1_004.0, 604.0, MARGIN_DB));
    let next = server.customer("0503", Source::Tone(804.0)).invite("600").expect("sent").answered(SOON);
    assert!(next.is_ok(), "{next:?}");
    assert_eq!(out.hang_up_and_wait(SOON), Some(200));
}
