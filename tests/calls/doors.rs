//! Who comes in: rights, limits, ports, descriptions.

use hatif::journal::{EndReason, Kind};
use hatif::media::Command as Media;

use crate::centre::*;
use crate::phone::{header, sdp};

#[test]
fn strangers_reach_what_is_public_and_learn_nothing_else() {
    let mut centre = Centre::new();
    for number in ["7001", "101", "999", "*11", "9196"] {
        let mut leg = centre.dial(stranger(1), "1", number);
        centre.refused(&mut leg, 403);
    }
    for (number, code) in [("999", 404), ("*11", 404), ("101", 404)] {
        let mut leg = centre.dial(trunk(), "1", number);
        centre.refused(&mut leg, code);
    }
    for (number, code) in [("999", 404), ("*82101", 403), ("*81101", 403), ("*99", 404)] {
        let mut leg = centre.dial(desk(103), "103", number);
        centre.refused(&mut leg, code);
    }
    centre.nothing_is_left();
    assert!(centre.told(|_| Some(())).is_empty(), "nothing of it is a call");
}

#[test]
fn echo_and_tone_are_answered_and_end_well() {
    let mut centre = Centre::new();
    for number in ["9196", "9197"] {
        let mut leg = centre.connect(trunk(), "1", number);
        assert!(matches!(centre.media.last(), Some(Media::Echo { .. } | Media::Tone { .. })));
        centre.pass(seconds(1));
        centre.bye(&mut leg);
    }
    centre.nothing_is_left();
    assert_eq!(centre.record(0).end.map(|end| end.reason), Some(EndReason::Normal));
}

#[test]
fn a_trunk_carries_only_so_many_calls_and_each_place_comes_back() {
    let mut centre = Centre::new();
    let mut first = centre.connect(trunk(), "1", "602");
    let second = centre.dial(trunk(), "2", "7001");
    let far = centre.rung(addr(FAR));
    centre.ignore(trunk());
    let mut third = centre.dial(trunk(), "3", "602");
    let refusal = centre.refused(&mut third, 503);
    assert_eq!(header(&refusal, "Retry-After"), Some("5"));
    // By CANCEL before the answer.
    centre.says(&far, "180 Ringing");
    centre.ignore(trunk());
    centre.cancel(&second);
    centre.ignore(trunk());
    let mut second = second;
    second.remote = format!("{};tag=x", second.remote);
    centre.cancelled(&far);
    assert_eq!(centre.engine.stats().trunk_calls.get("carrier"), Some(&1));
    // By BYE.
    centre.bye(&mut first);
    assert_eq!(centre.engine.stats().trunk_calls.get("carrier"), Some(&0));
    // By a description that cannot be used: no place was kept.
    let mut bad = centre.dial_with(trunk(), "4", "602", "Max-Forwards: 70", "v=0\r\nnonsense\r\n");
    centre.refused(&mut bad, 488);
    let none = sdp(trunk(), "sendrecv").replace("RTP/AVP 8 101", "RTP/AVP 18");
    let mut bad = centre.dial_with(trunk(), "4", "602", "Max-Forwards: 70", &none);
    centre.refused(&mut bad, 488);
    assert_eq!(centre.engine.stats().trunk_calls.get("carrier"), Some(&0));
    centre.ignore(trunk());
    centre.nothing_is_left();
}

#[test]
fn a_trunk_may_begin_only_so_many_calls_in_a_second() {
    let mut centre = Centre::with(|settings| {
        let carrier = settings.call.trunks.get_mut("carrier").expect("carrier");
        (carrier.max_calls, carrier.max_calls_per_second) = (100, 3);
    });
    let mut legs: Vec<_> = (0..3).map(|_| centre.connect(trunk(), "1", "602")).collect();
    let mut fast = centre.dial(trunk(), "1", "602");
    let refusal = centre.refused(&mut fast, 503);
    assert_eq!(header(&refusal, "Retry-After"), Some("1"));
    centre.pass(ms(400));
    legs.push(centre.connect(trunk(), "1", "602"));
    for leg in &mut legs {
        centre.bye(leg);
    }
    centre.nothing_is_left();
}

#[test]
fn without_a_free_port_the_caller_hears_503_and_an_offer_fails() {
    let mut centre = Centre::with(|settings| settings.media.ports = 20_000..=20_003);
    let mut first = centre.connect(stranger(1), "1", "602");
    let mut second = centre.connect(stranger(2), "2", "600");
    // Its ring found no port; the caller waits on.
    centre.silent(desk(101));
    let mut third = centre.dial(stranger(3), "3", "600");
    let refusal = centre.refused(&mut third, 503);
    assert_eq!(header(&refusal, "Retry-After"), Some("5"));
    centre.bye(&mut first);
    centre.pass(seconds(40));
    let ring = centre.rung(desk(101));
    centre.picks_up(&ring);
    centre.bye(&mut second);
    centre.ended(&ring);
    centre.nothing_is_left();
}

#[test]
fn a_port_that_another_program_holds_is_passed_over() {
    let mut centre = Centre::new();
    centre.ports_taken = 2;
    let mut customer = centre.dial(stranger(1), "1", "600");
    let ok = centre.answered(&mut customer);
    assert!(ok.contains("m=audio 20004 "), "{ok}");
    centre.bye(&mut customer);
    let ring = centre.rung(desk(101));
    centre.says(&ring, "180 Ringing");
    centre.cancelled(&ring);

    let mut customer = centre.connect(stranger(1), "1", "602");
    centre.ports_taken = 1;
    centre.bye(&mut customer);
    let mut customer = centre.connect(stranger(1), "1", "602");
    centre.bye(&mut customer);
    centre.nothing_is_left();
    assert!(centre.record(0).trouble.is_empty());
}

#[test]
fn a_ring_finds_another_port_too() {
    let mut centre = Centre::new();
    centre.want("101", hatif::acd::Wish::Logout);
    centre.want("102", hatif::acd::Wish::Logout);
    let mut customer = centre.connect(stranger(1), "1", "600");
    centre.ports_taken = 2;
    centre.want("101", hatif::acd::Wish::Ready);
    let ring = centre.rung(desk(101));
    assert!(ring.invite.contains("m=audio 20006 "), "{}", ring.invite);
    centre.picks_up(&ring);
    centre.bye(&mut customer);
    centre.ended(&ring);
    centre.nothing_is_left();
}

#[test]
fn when_no_port_opens_the_call_is_refused_and_says_what_to_do() {
    let mut centre = Centre::new();
    centre.ports_taken = 99;
    let mut customer = centre.dial(trunk(), "1", "600");
    centre.refused(&mut customer, 503);
    centre.ports_taken = 0;
    centre.nothing_is_left();
    let record = centre.record(0);
    assert_eq!(record.end.map(|end| end.reason), Some(EndReason::NoPort));
    assert!(record.trouble[0].code == "no_port" && record.trouble[0].detail.contains("move [media] ports"));
}

/// The 200 waits until the call's first entry is on disk; a disk that says nothing holds it 200 ms.
#[test]
fn the_answer_waits_for_the_journal_but_not_for_ever() {
    let mut centre = Centre::new();
    centre.disk_silent = true;
    let mut leg = centre.dial(stranger(1), "1", "602");
    centre.expect(stranger(1), "SIP/2.0 100");
    centre.silent(stranger(1));
    centre.pass(ms(199));
    centre.silent(stranger(1));
    centre.pass(ms(1));
    centre.answered(&mut leg);
    centre.bye(&mut leg);

    let mut leg = centre.dial(stranger(1), "1", "602");
    centre.expect(stranger(1), "SIP/2.0 100");
    let started = centre.journal.iter().rfind(|e| matches!(e.kind, Kind::CallStarted { .. })).expect("an entry").seq;
    centre.handle(hatif::engine::Input::Committed(started - 1));
    centre.silent(stranger(1));
    centre.handle(hatif::engine::Input::Committed(started));
    centre.answered(&mut leg);
    centre.bye(&mut leg);
    centre.nothing_is_left();
}
