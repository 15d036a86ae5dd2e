//! What a user may call over trunks, and emergency calls, which nothing holds back.

use hatif::call::config::*;
use hatif::call::number::Numbering;
use hatif::engine::{Command, Settings};
use hatif::journal::{EndReason, Kind, Origin, Party};

use crate::centre::*;
use crate::phone::{Leg, header};

const OUT: &str = "10.8.0.1:5060";

/// Every number of `0`, `+`, `9` and `1` goes out over a trunk of Saudi Arabia; so does 7001, where flow `to_far` sends
/// its caller.
fn outside(settings: &mut Settings) {
    let numbering = Some(Numbering::of_country("966"));
    let out = TrunkConfig { numbering, max_calls: 20, ..TrunkConfig::new("out", &[addr(OUT)]) };
    settings.call.trunks.insert("out".to_owned(), out);
    let number = settings.call.numbers.first().expect("a number").clone();
    for pattern in ["0*", "+*", "9XX*", "11X", "7001"] {
        let action = NumberAction::Dial(DialTarget::Trunks(vec!["out".into()]));
        let number = NumberConfig { pattern: pattern.into(), action, public: false, ..number.clone() };
        settings.call.numbers.insert(0, number);
    }
}

/// User 103 dials, the far end takes it: both legs.
#[track_caller]
fn talks(centre: &mut Centre, number: &str) -> (Leg, Leg) {
    let mut caller = centre.dial(desk(103), "103", number);
    let far = centre.rung(addr(OUT));
    centre.picks_up(&far);
    centre.answered(&mut caller);
    (caller, far)
}

#[track_caller]
fn refuses(centre: &mut Centre, number: &str, code: u16) -> String {
    let mut caller = centre.dial(desk(103), "103", number);
    let refusal = centre.refused(&mut caller, code);
    centre.silent(addr(OUT));
    refusal
}

fn troubles(centre: &Centre) -> Vec<String> {
    centre.told(|kind| match kind {
        Kind::Trouble { code, .. } => Some(code.clone()),
        _ => None,
    })
}

#[test]
fn a_third_call_at_once_waits_until_one_of_the_two_is_over() {
    let mut centre = Centre::with(outside);
    let (mut first, far) = talks(&mut centre, "0501234567");
    let ringing = centre.dial(desk(103), "103", "0501234568");
    let rings = centre.rung(addr(OUT));
    centre.says(&rings, "180 Ringing");
    centre.ignore(desk(103));
    let refusal = refuses(&mut centre, "0501234569", 503);
    assert_eq!(header(&refusal, "Retry-After"), Some("5"));
    assert_eq!(troubles(&centre), ["outbound_cap"]);
    // Another user has calls of his own.
    let other = centre.dial(desk(102), "102", "0501234569");
    let his = centre.rung(addr(OUT));
    centre.says(&his, "180 Ringing");
    centre.ignore(desk(102));
    centre.cancel(&other);
    centre.cancelled(&his);
    centre.bye(&mut first);
    centre.ended(&far);
    let (mut second, far) = talks(&mut centre, "0501234569");
    centre.cancel(&ringing);
    centre.cancelled(&rings);
    centre.bye(&mut second);
    centre.ended(&far);
    centre.ignore(desk(102));
    centre.ignore(desk(103));
    centre.nothing_is_left();
}

#[test]
fn the_31st_call_within_a_minute_is_refused_and_goes_a_minute_later() {
    let mut centre = Centre::with(outside);
    for _ in 0..30 {
        let (mut caller, far) = talks(&mut centre, "0501234567");
        centre.bye(&mut caller);
        centre.ended(&far);
        centre.pass(seconds(1));
    }
    refuses(&mut centre, "0501234567", 503);
    centre.pass(seconds(60));
    let (mut caller, far) = talks(&mut centre, "0501234567");
    centre.bye(&mut caller);
    centre.ended(&far);
    centre.nothing_is_left();
    assert_eq!(troubles(&centre), ["outbound_cap"]);
}

/// However they are written.
#[test]
fn premium_and_foreign_numbers_are_refused_unless_allowed() {
    let abroad = ["00971501234567", "+971501234567", "+971-50-1234567", "+9", "+12125550100"];
    let premium = ["0900123456", "0-900123456", "900123456", "+97912345678", "00882123456789"];
    let mut centre = Centre::with(outside);
    for number in abroad.iter().chain(&premium) {
        refuses(&mut centre, number, 403);
    }
    assert_eq!(troubles(&centre), ["outbound_denied"; 10]);
    let story = centre.told(|kind| match kind {
        Kind::Trouble { detail, .. } => Some(detail.clone()),
        _ => None,
    });
    assert!(story.iter().all(|detail| !detail.contains(|c: char| c.is_ascii_digit())), "{story:?}");
    for home in ["0501234567", "+966501234567", "00966501234567"] {
        let (mut caller, far) = talks(&mut centre, home);
        centre.bye(&mut caller);
        centre.ended(&far);
    }
    centre.nothing_is_left();

    let mut centre = Centre::with(|settings| {
        outside(settings);
        settings.call.outbound.allow = vec!["+971*".into(), "00971*".into(), "0900123456".into()];
    });
    for number in ["00971501234567", "+971501234567", "0900123456"] {
        let (mut caller, far) = talks(&mut centre, number);
        centre.bye(&mut caller);
        centre.ended(&far);
    }
    refuses(&mut centre, "0900123457", 403);
    refuses(&mut centre, "+12125550100", 403);
    centre.nothing_is_left();
}

#[test]
fn an_emergency_call_goes_though_user_and_trunk_are_full() {
    let mut centre = Centre::with(|settings| {
        outside(settings);
        let out = settings.call.trunks.get_mut("out").expect("a trunk");
        (out.max_calls, out.max_calls_per_second) = (2, 2);
        // Nor does a careless pattern hold it back.
        settings.call.outbound.deny.push("9XX".into());
    });
    let (mut first, one) = talks(&mut centre, "0501234567");
    let (mut second, two) = talks(&mut centre, "0501234567");
    refuses(&mut centre, "0501234567", 503);
    for number in ["112", "997"] {
        let (mut urgent, help) = talks(&mut centre, number);
        assert!(help.invite.starts_with(&format!("INVITE sip:{number}@")), "{}", help.invite);
        centre.bye(&mut urgent);
        centre.ended(&help);
    }
    for (caller, far) in [(&mut first, &one), (&mut second, &two)] {
        centre.bye(caller);
        centre.ended(far);
    }
    centre.nothing_is_left();
}

/// A PBX behind a trunk sends its emergency calls through us.
#[test]
fn an_emergency_call_comes_in_over_a_full_trunk() {
    let mut centre = Centre::with(outside);
    let mut callers: Vec<Leg> = (1..=2).map(|n| centre.connect(trunk(), &n.to_string(), "602")).collect();
    let mut late = centre.dial(trunk(), "3", "602");
    centre.refused(&mut late, 503);
    let mut urgent = centre.dial(trunk(), "4", "112");
    let help = centre.rung(addr(OUT));
    centre.picks_up(&help);
    centre.answered(&mut urgent);
    callers.push(urgent);
    for mut caller in callers {
        centre.bye(&mut caller);
    }
    centre.ended(&help);
    centre.nothing_is_left();
}

#[test]
fn a_flows_transfer_is_nobodys_call_but_reaches_no_denied_number() {
    let mut centre = Centre::with(outside);
    let mut callers = Vec::new();
    for _ in 0..4 {
        let caller = centre.connect(desk(103), "103", "511");
        let far = centre.rung(addr(OUT));
        centre.picks_up(&far);
        callers.push((caller, far));
    }
    assert!(
        centre
            .told(|kind| match kind {
                Kind::CallStarted { origin, .. } => Some(origin.clone()),
                _ => None,
            })
            .iter()
            .all(|origin| matches!(origin, Origin::User(user) if user.as_str() == "103"))
    );
    for (mut caller, far) in callers {
        centre.bye(&mut caller);
        centre.ended(&far);
    }
    centre.nothing_is_left();

    let mut centre = Centre::with(|settings| {
        outside(settings);
        settings.call.outbound.deny.push("7001".into());
    });
    let mut caller = centre.connect(desk(103), "103", "511");
    centre.silent(addr(OUT));
    assert_eq!(troubles(&centre), ["outbound_denied"]);
    centre.bye(&mut caller);
    centre.nothing_is_left();
}

/// Who sends his callers on to the outside has them counted, though he is out of the call.
#[test]
fn calls_that_a_user_transfers_to_the_outside_are_his() {
    let mut centre = Centre::with(|settings| {
        outside(settings);
        settings.call.outbound.calls_per_user = 1;
    });
    let (mut customer, mut agent) = centre.talk(stranger(1));
    centre.refers(&mut agent, "sip:0501234567@10.0.0.1");
    let far = centre.rung(addr(OUT));
    centre.picks_up(&far);
    assert_eq!(centre.notified(&agent), 200);
    centre.ended(&agent);
    let mut again = centre.dial(desk(101), "101", "0501234567");
    centre.refused(&mut again, 503);
    centre.bye(&mut customer);
    centre.ended(&far);
    let again = centre.dial(desk(101), "101", "0501234567");
    let far = centre.rung(addr(OUT));
    centre.says(&far, "180 Ringing");
    centre.cancel(&again);
    centre.cancelled(&far);
    centre.ignore(desk(101));
    centre.nothing_is_left();
}

/// It came before the signal, or the next process is not up yet: help is called all the same.
#[test]
fn an_emergency_call_goes_out_while_the_centre_drains() {
    let mut centre = Centre::with(outside);
    let (mut first, far) = talks(&mut centre, "0501234567");
    centre.command(Command::Drain);
    refuses(&mut centre, "0501234567", 503);
    let (mut urgent, help) = talks(&mut centre, "112");
    centre.bye(&mut first);
    centre.ended(&far);
    assert_eq!(centre.drained, 0, "the call for help is waited for");
    centre.bye(&mut urgent);
    centre.ended(&help);
    assert_eq!(centre.drained, 1);
    centre.nothing_is_left();
}

/// An hour from the answer: that it rang before costs nothing.
#[test]
fn a_users_call_over_a_trunk_ends_after_an_hour_and_says_why() {
    let mut centre = Centre::with(outside);
    let mut caller = centre.dial(desk(103), "103", "0501234567");
    let far = centre.rung(addr(OUT));
    centre.says(&far, "180 Ringing");
    centre.pass(seconds(1_800));
    centre.picks_up(&far);
    centre.answered(&mut caller);
    centre.pass(seconds(3_599));
    centre.silent(addr(OUT));
    centre.silent(desk(103));
    centre.pass(seconds(1));
    for leg in [&caller, &far] {
        let bye = centre.ended(leg);
        assert_eq!(header(&bye, "Reason"), Some("Q.850;cause=31;text=\"Longest call\""));
    }
    centre.nothing_is_left();
    assert_eq!(centre.record(0).end.map(|end| (end.by, end.reason)), Some((Party::System, EndReason::Limit)));
    assert_eq!(troubles(&centre), ["outbound_max_call"]);
}

/// Nor does one that only the centre's own flow sends out, or that comes in over a trunk.
#[test]
fn a_call_for_help_does_not_end_after_an_hour() {
    let mut centre = Centre::with(outside);
    let (mut urgent, help) = talks(&mut centre, "112");
    let mut sent = centre.connect(desk(102), "102", "511");
    let far = centre.rung(addr(OUT));
    centre.picks_up(&far);
    let mut into = centre.dial(trunk(), "4", "0501234567");
    let out = centre.rung(addr(OUT));
    centre.picks_up(&out);
    centre.answered(&mut into);
    centre.pass(seconds(7_200));
    for (caller, far) in [(&mut urgent, &help), (&mut sent, &far), (&mut into, &out)] {
        centre.silent(far.at);
        centre.bye(caller);
        centre.ended(far);
    }
    centre.nothing_is_left();
    assert_eq!(troubles(&centre), [""; 0]);
}

/// It is his whoever talks by then.
#[test]
fn a_call_that_a_user_sent_outside_ends_too() {
    let mut centre = Centre::with(|settings| {
        outside(settings);
        settings.call.outbound.max_call = seconds(600);
    });
    let (customer, mut agent) = centre.talk(stranger(1));
    centre.pass(seconds(900));
    centre.silent(desk(101));
    centre.refers(&mut agent, "sip:0501234567@10.0.0.1");
    let far = centre.rung(addr(OUT));
    centre.picks_up(&far);
    assert_eq!(centre.notified(&agent), 200);
    centre.ended(&agent);
    centre.pass(seconds(600));
    centre.ended(&customer);
    centre.ended(&far);
    centre.nothing_is_left();

    let mut centre = Centre::with(|settings| {
        outside(settings);
        settings.call.outbound.max_call = seconds(0);
    });
    let (mut caller, far) = talks(&mut centre, "0501234567");
    centre.pass(seconds(86_400));
    centre.silent(addr(OUT));
    centre.bye(&mut caller);
    centre.ended(&far);
    centre.nothing_is_left();
}
