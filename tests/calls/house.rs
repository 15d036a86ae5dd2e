//! The whole house: draining, ending all, commands.

use hatif::engine::Command;
use hatif::journal::{About, EndReason, Kind, Party};

use crate::centre::*;
use crate::phone::header;

#[test]
fn a_draining_centre_refuses_new_calls_and_says_when_the_last_is_over() {
    let mut centre = Centre::new();
    let (mut customer, agent) = centre.talk(stranger(1));
    centre.command(Command::Drain);
    assert_eq!(centre.drained, 0);
    let mut late = centre.dial(trunk(), "1", "600");
    let refusal = centre.refused(&mut late, 503);
    assert_eq!(header(&refusal, "Retry-After"), Some("5"));
    centre.bye(&mut customer);
    centre.ended(&agent);
    assert_eq!(centre.drained, 1);
    centre.nothing_is_left();
}

#[test]
fn an_empty_centre_is_drained_at_once() {
    let mut centre = Centre::new();
    centre.command(Command::Drain);
    assert_eq!(centre.drained, 1);
}

#[test]
fn ending_all_says_goodbye_to_everybody() {
    let mut centre = Centre::new();
    let (customer, agent) = centre.talk(stranger(1));
    let waiting = centre.connect(stranger(2), "2", "602");
    let mut dialling = centre.dial(trunk(), "3", "7001");
    let far = centre.rung(addr(FAR));
    centre.says(&far, "180 Ringing");
    centre.ignore(trunk());
    centre.engine.end_all(centre.now);
    centre.command(Command::Drain);
    centre.ended(&customer);
    centre.ended(&agent);
    centre.ended(&waiting);
    centre.refused(&mut dialling, 503);
    centre.cancelled(&far);
    centre.nothing_is_left();
    for n in 0..3 {
        assert_eq!(centre.record(n).end.map(|end| (end.by, end.reason)), Some((Party::System, EndReason::Shutdown)));
    }
}

#[test]
fn an_operator_may_end_a_call() {
    let mut centre = Centre::new();
    let (customer, agent) = centre.talk(stranger(1));
    let call = centre.journal.iter().find_map(|e| match (&e.about, &e.kind) {
        (About::Call(call), Kind::CallStarted { .. }) => Some(*call),
        _ => None,
    });
    centre.command(Command::HangUp(call.expect("a call")));
    centre.ended(&customer);
    centre.ended(&agent);
    centre.nothing_is_left();
}

/// The same inputs give the same outputs, byte for byte.
#[test]
fn a_script_played_twice_writes_the_same_journal() {
    let play = || {
        let mut centre = Centre::new();
        let (mut customer, agent) = centre.talk(stranger(1));
        centre.pass(seconds(5));
        centre.bye(&mut customer);
        centre.ended(&agent);
        centre.nothing_is_left();
        serde_json::to_string(&centre.journal).expect("JSON")
    };
    assert_eq!(play(), play());
}
