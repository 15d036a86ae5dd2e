//! `*81`, `*82`, `*83`: a supervisor hears an agent, from one of his calls to the next, whispers, barges, takes over.

use std::collections::BTreeSet;

use hatif::call::Switch;
use hatif::call::config::SupervisorConfig;
use hatif::engine::{Input, SuperviseError, Supervised};
use hatif::journal::{AgentStateName, EndReason, Kind, Purpose, SupervisionMode};
use hatif::media::{Command as Media, Event};

use crate::centre::*;
use crate::phone::sdp;

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

fn modes(centre: &Centre, n: usize) -> Vec<SupervisionMode> {
    centre.record(n).supervision.iter().map(|s| s.mode).collect()
}

/// CONTRACT: `*82` whispers, `*83` barges, and 1/2/3 on the phone switch; a whisper is in the agent's ear alone.
#[test]
fn the_mode_is_switched_by_keys_in_the_middle_of_a_talk() {
    let mut centre = Centre::new();
    let (mut customer, agent) = centre.talk(stranger(1));
    let mut line = centre.connect(desk(201), "201", "*82101");
    let (c, a, s) = (centre.leg(0), centre.leg(1), centre.leg(2));
    let ears = |centre: &Centre| [hears(centre, c), hears(centre, a), hears(centre, s)];
    assert_eq!(ears(&centre), [vec![], vec![c, s], vec![c, a]], "whisper");
    centre.pass(seconds(2));
    centre.digit(s, '3');
    assert_eq!(ears(&centre), [vec![a, s], vec![c, s], vec![c, a]], "barge");
    centre.pass(seconds(3));
    // Told both ways it counts once; other keys and the same mode change nothing.
    centre.digit(s, '2');
    centre.info(&mut line, '2');
    assert_eq!(ears(&centre), [vec![], vec![c, s], vec![c, a]], "whisper");
    let before = centre.media.len();
    for key in ['2', '7', '#'] {
        centre.digit(s, key);
    }
    assert_eq!(centre.media.len(), before);
    centre.pass(seconds(4));
    centre.digit(s, '1');
    assert_eq!(ears(&centre), [vec![], vec![], vec![c, a]], "listen");
    centre.pass(seconds(5));
    centre.bye(&mut line);
    assert_eq!(ears(&centre)[..2], [vec![], vec![]]);
    centre.bye(&mut customer);
    centre.ended(&agent);
    centre.nothing_is_left();
    use SupervisionMode::{Barge, Listen, Whisper};
    assert_eq!(modes(&centre, 0), [Whisper, Barge, Whisper, Listen]);
    let times: Vec<_> =
        centre.record(0).supervision.iter().map(|s| s.ended_at.expect("an end").since(s.started_at)).collect();
    assert_eq!(times, [seconds(2), seconds(3), seconds(4), seconds(5)]);
    // The recording's sides are the customer's and the agent's from its beginning to its end.
    let sides = centre.media.iter().filter(|c| matches!(c, Media::Record { .. })).count();
    assert_eq!(sides, 1);
}

/// His way of taking part stays with him from call to call and from thread to thread; a talk that ends leaves nobody
/// with a voice in his ear.
#[test]
fn the_mode_stays_from_one_talk_to_the_next_on_any_thread() {
    let mut centre = Centre::with(|settings| {
        settings.media.shards = 3;
        settings.floor.queues.get_mut("support").expect("support").wrap_up = seconds(0);
        settings.floor.agents.remove("102");
    });
    let mut line = centre.connect(desk(201), "201", "*83101");
    for n in 1..=4 {
        let (mut customer, agent) = centre.talk(stranger(1));
        centre.pass(seconds(3));
        let mixed = centre.media.iter().filter(|c| matches!(c, Media::Mix { voices, .. } if voices.len() == 2)).count();
        assert_eq!(mixed, n * 3, "customer, agent and supervisor hear two each");
        centre.bye(&mut customer);
        centre.ended(&agent);
    }
    centre.bye(&mut line);
    centre.nothing_is_left();
    assert!((1..=4).all(|n| modes(&centre, n) == [SupervisionMode::Barge]));
}

/// Hold music goes before the mix, and comes and goes without it.
#[test]
fn hold_pauses_what_the_customer_hears_of_the_supervisor() {
    let mut centre = Centre::new();
    let (mut customer, mut agent) = centre.talk(stranger(1));
    let mut line = centre.connect(desk(201), "201", "*83101");
    let (c, mixes) = (centre.leg(0), centre.media.iter().filter(|c| matches!(c, Media::Mix { .. })).count());
    centre.reinvites(&mut agent, &sdp(desk(101), "sendonly"));
    assert!(matches!(centre.media.last(), Some(Media::Music { leg, .. }) if *leg == c));
    centre.reinvites(&mut agent, &sdp(desk(101), "sendrecv"));
    assert!(matches!(centre.media.last(), Some(Media::Silence { leg }) if *leg == c));
    assert_eq!(centre.media.iter().filter(|c| matches!(c, Media::Mix { .. })).count(), mixes);
    centre.bye(&mut line);
    centre.bye(&mut customer);
    centre.ended(&agent);
    centre.nothing_is_left();
}

/// Who is sent elsewhere does not hear who stays behind, and a whisper never goes with him.
#[test]
fn a_transfer_leaves_the_supervisor_with_the_agent() {
    let mut centre = Centre::new();
    let (mut customer, mut agent) = centre.talk(stranger(1));
    let mut line = centre.connect(desk(201), "201", "*83101");
    let (c, a, s) = (centre.leg(0), centre.leg(1), centre.leg(2));
    centre.refers(&mut agent, "sip:103@10.0.0.1");
    assert_eq!([hears(&centre, c), hears(&centre, a), hears(&centre, s)], [vec![], vec![s], vec![c, a]]);
    let third = centre.rung(desk(103));
    centre.picks_up(&third);
    assert_eq!([hears(&centre, c), hears(&centre, s)], [vec![], vec![]]);
    assert_eq!(centre.notified(&agent), 200);
    centre.ended(&agent);
    centre.bye(&mut customer);
    centre.ended(&third);
    centre.bye(&mut line);
    centre.nothing_is_left();
}

/// F23, F24: the agent's talk ends at the take-over and his wrap-up begins; the recording goes on with the supervisor on
/// the right; the record has a segment; when the supervisor hangs up the flow goes on.
#[test]
fn a_supervisor_takes_the_caller_over() {
    for (number, flow_goes_on) in [("600", false), ("500", true)] {
        let mut centre = Centre::new();
        let customer = centre.connect(stranger(1), "0551234", number);
        for key in ['2', '1'] {
            let leg = centre.leg(0);
            centre.digit(leg, key);
        }
        let agent = centre.rung(desk(101));
        centre.picks_up(&agent);
        let mut line = centre.connect(desk(201), "201", "*81101");
        let (c, s) = (centre.leg(0), centre.leg(2));
        centre.pass(seconds(10));
        centre.digit(s, '4');
        let bye = centre.ended(&agent);
        assert!(bye.contains("Replaced"), "{bye}");
        centre.silent(desk(201));
        centre.silent(stranger(1));
        assert_eq!(centre.state("101"), AgentStateName::WrapUp);
        let bridged = centre.media.iter().rev().find_map(|command| match command {
            Media::Bridge { a, b } => Some((*a, *b)),
            _ => None,
        });
        assert_eq!(bridged, Some((c, s)));
        let recorded = centre.media.iter().rev().find_map(|command| match command {
            Media::Record { customer, others, .. } => Some((*customer, others.to_vec())),
            _ => None,
        });
        assert_eq!(recorded, Some((c, vec![s])));
        assert_eq!(hears(&centre, s), [], "he hears the caller by the bridge");
        centre.pass(seconds(7));
        // He is no listener any more: keys are the caller's affair.
        centre.digit(s, '1');
        centre.bye(&mut line);
        if flow_goes_on {
            // The survey.
            centre.pass(seconds(1));
            centre.digit(c, '4');
            centre.pass(seconds(3));
        }
        centre.ended(&customer);
        centre.nothing_is_left();
        let record = centre.record(0);
        assert_eq!(record.agents[0].talk_seconds.map(|t| t.ms), Some(10_000));
        let segment = record.dial.last().expect("a segment");
        assert_eq!((segment.target.as_str(), segment.talk_seconds.map(|t| t.ms)), ("agent:201", Some(7_000)));
        assert_eq!(record.supervision.len(), 1);
        assert!(centre.words(0).contains("201 takes the caller over from 101"), "{}", centre.words(0));
        assert_eq!(record.recordings.len(), 1);
        assert_eq!(record.survey.values().copied().collect::<Vec<_>>(), if flow_goes_on { vec![4] } else { vec![] });
        let own = centre.record(1);
        assert_eq!((own.purpose, own.end.map(|end| end.reason)), (Purpose::Supervision, Some(EndReason::Normal)));
    }
}

/// A key that comes when there is nothing to take over does nothing, and the line stays.
#[test]
fn nothing_is_taken_over_where_there_is_no_talk() {
    let mut centre = Centre::new();
    let mut line = centre.connect(desk(201), "201", "*81101");
    let s = centre.leg(0);
    centre.digit(s, '4');
    centre.silent(desk(201));
    let (mut customer, mut agent) = centre.talk(stranger(1));
    // While the customer is on his way elsewhere nobody can take him.
    centre.refers(&mut agent, "sip:103@10.0.0.1");
    centre.digit(s, '4');
    centre.silent(desk(201));
    let third = centre.rung(desk(103));
    centre.says(&third, "180 Ringing");
    centre.bye(&mut customer);
    centre.cancelled(&third);
    centre.digit(s, '4');
    centre.silent(desk(201));
    centre.bye(&mut line);
    centre.ignore(desk(101));
    assert!(centre.told(|kind| matches!(kind, Kind::TakenOver { .. }).then_some(())).is_empty());
}

/// The take-over and the hang-up of either side cross.
#[test]
fn a_take_over_crosses_with_hang_ups() {
    for who in ["agent", "customer", "supervisor"] {
        let mut centre = Centre::new();
        let (mut customer, mut agent) = centre.talk(stranger(1));
        let mut line = centre.connect(desk(201), "201", "*82101");
        let s = centre.leg(2);
        match who {
            "agent" => {
                centre.bye(&mut agent);
                centre.digit(s, '4');
                centre.ended(&customer);
                centre.bye(&mut line);
            }
            "customer" => {
                centre.digit(s, '4');
                let bye = centre.expect(desk(101), "BYE ");
                // The agent's own BYE is on its way already.
                centre.bye(&mut agent);
                centre.send(desk(101), crate::phone::response(&bye, "200 OK", "", desk(101), ""));
                centre.bye(&mut customer);
                centre.ended(&line);
            }
            _ => {
                centre.bye(&mut line);
                centre.digit(s, '4');
                centre.silent(desk(101));
                centre.bye(&mut customer);
                centre.ended(&agent);
            }
        }
        centre.nothing_is_left();
    }
}

/// Several supervisors: who barges is heard by all, the others included; who whispers by the agent alone. Four at most.
#[test]
fn several_supervisors_take_part_each_in_his_way() {
    let mut centre = Centre::with(|settings| {
        let known = settings.call.supervisors.get("201").expect("201").clone();
        for id in ["202", "203", "204", "205"] {
            settings.call.supervisors.insert(id.into(), SupervisorConfig { id: id.into(), ..known.clone() });
            let number: u16 = id.parse().expect("a number");
            settings.sip.fixed.insert(desk(number), BTreeSet::from([id.to_owned()]));
        }
    });
    let (mut customer, agent) = centre.talk(stranger(1));
    let codes = ["*81101", "*82101", "*83101", "*81101"];
    let mut lines: Vec<_> =
        (201..=204).zip(codes).map(|(id, code)| centre.connect(desk(id), &id.to_string(), code)).collect();
    let leg = |n| centre.leg(n);
    let (c, a, listens, whispers, barges) = (leg(0), leg(1), leg(2), leg(3), leg(4));
    assert_eq!(hears(&centre, c), [a, barges]);
    assert_eq!(hears(&centre, a), [c, whispers, barges]);
    assert_eq!(hears(&centre, listens), [c, a, barges]);
    assert_eq!(hears(&centre, whispers), [c, a, barges]);
    assert_eq!(hears(&centre, barges), [c, a]);
    let mut fifth = centre.dial(desk(205), "205", "*81101");
    centre.refused(&mut fifth, 486);
    for line in &mut lines {
        centre.bye(line);
    }
    assert_eq!((hears(&centre, c), hears(&centre, a)), (vec![], vec![]));
    centre.bye(&mut customer);
    centre.ended(&agent);
    centre.nothing_is_left();
}

/// `POST /agents/{id}/supervise`: who is on his line switches; who has no phone cannot be rung.
#[test]
fn the_console_switches_who_is_on_his_line() {
    let mut centre = Centre::new();
    let whisper = Switch::Mode(SupervisionMode::Whisper);
    let ask = |centre: &mut Centre, agent: &str, by: Option<&str>, switch| centre.supervise(agent, by, switch);
    assert_eq!(ask(&mut centre, "999", None, whisper), Err(SuperviseError::NoAgent));
    assert_eq!(ask(&mut centre, "101", Some("202"), whisper), Err(SuperviseError::Forbidden));
    assert_eq!(ask(&mut centre, "101", None, Switch::TakeOver), Err(SuperviseError::NoTalk));
    assert_eq!(ask(&mut centre, "101", None, whisper), Err(SuperviseError::Unreachable(480)), "he has no phone");
    assert_eq!(ask(&mut centre, "103", None, whisper), Err(SuperviseError::WhichSupervisor), "nobody may");
    let (customer, agent) = centre.talk(stranger(1));
    let mut line = centre.connect(desk(201), "201", "*81101");
    let (c, a, s) = (centre.leg(0), centre.leg(1), centre.leg(2));
    assert_eq!(ask(&mut centre, "101", None, whisper), Ok(Supervised::Switched));
    assert_eq!([hears(&centre, c), hears(&centre, a)], [vec![], vec![c, s]]);
    assert_eq!(ask(&mut centre, "101", Some("201"), Switch::TakeOver), Ok(Supervised::TakenOver));
    centre.ended(&agent);
    centre.bye(&mut line);
    centre.ended(&customer);
    centre.nothing_is_left();
}

/// One-way audio is written down with whose phone is silent.
#[test]
fn one_way_audio_is_in_the_record_and_in_the_live_view() {
    let mut centre = Centre::new();
    let (mut customer, agent) = centre.talk(stranger(1));
    let mut live = hatif::report::live::Live::default();
    for silent in [true, false] {
        let leg = centre.leg(1);
        centre.handle(Input::Media(Event::OneWay { leg, silent }));
        centre.journal.iter().for_each(|entry| live.handle(entry));
        let shown: Vec<_> = live.calls().values().map(|call| call.one_way.len()).collect();
        assert_eq!(shown, [usize::from(silent)]);
    }
    centre.bye(&mut customer);
    centre.ended(&agent);
    centre.nothing_is_left();
    let words = centre.words(0);
    assert!(words.contains("the agent's phone is silent though the other side speaks"), "{words}");
    assert!(words.contains("the agent's phone is heard again"), "{words}");
}
