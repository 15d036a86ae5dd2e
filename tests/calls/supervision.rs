//! `*81`: a supervisor hears an agent, from one of his calls to the next.

use hatif::journal::{EndReason, Kind, Purpose};
use hatif::media::Command as Media;

use crate::centre::*;

fn listening(centre: &Centre) -> Vec<bool> {
    let word = |c: &Media| match c {
        Media::Mix { voices, .. } => Some(!voices.is_empty()),
        _ => None,
    };
    centre.media.iter().filter_map(word).collect()
}

fn told(centre: &Centre) -> Vec<bool> {
    centre.told(|kind| match kind {
        Kind::SupervisionStarted { .. } => Some(true),
        Kind::SupervisionEnded { .. } => Some(false),
        _ => None,
    })
}

#[test]
fn a_supervisor_hears_a_talk_from_its_middle_and_hangs_up_first() {
    let mut centre = Centre::new();
    let (mut customer, agent) = centre.talk(stranger(1));
    let mut ear = centre.connect(desk(201), "201", "*81101");
    let heard = centre.media.iter().find_map(|c| match c {
        Media::Mix { leg, voices } if voices.len() == 2 => Some((*leg, voices[0], voices[1])),
        _ => None,
    });
    assert_eq!(heard, Some((centre.leg(2), centre.leg(0), centre.leg(1))));
    centre.pass(seconds(5));
    centre.bye(&mut ear);
    assert_eq!(told(&centre), [true, false]);
    centre.silent(desk(101));
    centre.pass(seconds(2));
    centre.bye(&mut customer);
    centre.ended(&agent);
    centre.nothing_is_left();
    let heard = &centre.record(0).supervision;
    assert_eq!((heard.len(), heard[0].supervisor.as_str(), heard[0].agent.as_str()), (1, "201", "101"));
    let length = heard[0].ended_at.expect("an end").since(heard[0].started_at);
    assert_eq!(length, seconds(5));
    assert!(centre.words(0).contains("201 hears 101 (listen)\n201 no longer hears 101\ntalk with 101"));
    let own = centre.record(1);
    assert_eq!((own.purpose, own.end.map(|end| end.reason)), (Purpose::Supervision, Some(EndReason::Normal)));
    assert!(own.quality.supervisor.is_some());
}

#[test]
fn he_waits_before_the_talk_and_hears_two_of_them() {
    for agent_first in [true, false] {
        let mut centre = Centre::with(|settings| {
            settings.floor.queues.get_mut("support").expect("support").wrap_up = seconds(0);
            settings.floor.agents.remove("102");
        });
        let mut ear = centre.connect(desk(201), "201", "*81101");
        assert!(listening(&centre).is_empty());
        for _ in 0..2 {
            let (mut customer, mut agent) = centre.talk(stranger(1));
            centre.pass(seconds(3));
            if agent_first {
                centre.bye(&mut agent);
                centre.ended(&customer);
            } else {
                centre.bye(&mut customer);
                centre.ended(&agent);
            }
            centre.silent(desk(201));
        }
        assert_eq!(listening(&centre), [true, false, true, false]);
        centre.bye(&mut ear);
        centre.nothing_is_left();
        for n in [1, 2] {
            assert_eq!(centre.record(n).supervision.len(), 1);
        }
    }
}

/// A leg can only be heard on the thread that carries it.
#[test]
fn he_hears_the_agent_whatever_thread_the_talk_is_on() {
    let mut centre = Centre::with(|settings| {
        settings.media.shards = 3;
        settings.floor.queues.get_mut("support").expect("support").wrap_up = seconds(0);
        settings.floor.agents.remove("102");
    });
    let mut ear = centre.connect(desk(201), "201", "*81101");
    for _ in 0..4 {
        let (mut customer, agent) = centre.talk(stranger(1));
        centre.pass(seconds(3));
        centre.bye(&mut customer);
        centre.ended(&agent);
    }
    assert_eq!(listening(&centre), [true, false, true, false, true, false, true, false]);
    centre.bye(&mut ear);
    centre.nothing_is_left();
}

#[test]
fn two_supervisors_may_hear_the_same_agent() {
    let mut centre = Centre::with(|settings| {
        let mut other = settings.call.supervisors.get("201").expect("201").clone();
        other.id = "202".into();
        settings.call.supervisors.insert("202".into(), other);
    });
    let mut first = centre.connect(desk(201), "201", "*81101");
    let (mut customer, agent) = centre.talk(stranger(1));
    let mut second = centre.connect(desk(202), "202", "*81101");
    centre.bye(&mut first);
    centre.bye(&mut customer);
    centre.ended(&agent);
    centre.bye(&mut second);
    assert_eq!(told(&centre), [true, true, false, false]);
    centre.nothing_is_left();
}

#[test]
fn only_the_supervisor_of_the_queue_may_listen() {
    let mut centre = Centre::new();
    for (user, code) in [(202, 403), (101, 403)] {
        let mut leg = centre.dial(desk(user), &user.to_string(), "*81101");
        centre.refused(&mut leg, code);
    }
    let mut leg = centre.dial(desk(201), "201", "*81999");
    centre.refused(&mut leg, 404);
    centre.nothing_is_left();
}
