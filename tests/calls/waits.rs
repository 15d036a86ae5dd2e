//! Callers whom rules of their queue send elsewhere.

use hatif::acd::Wish;
use hatif::acd::config::QueueConfig;
use hatif::acd::way::{Bound, Lack, NoAgentRule, Overflow, Way};
use hatif::engine::Settings;
use hatif::journal::{EndReason, Party, QueueOutcome};
use hatif::media::Command as Media;

use crate::centre::*;
use crate::phone::Leg;
use crate::settings::queue;

/// Nobody of `support` is logged in, or all are paused.
fn deserted(change: impl FnOnce(&mut QueueConfig)) -> Centre {
    let mut centre = Centre::with(|settings: &mut Settings| {
        change(settings.floor.queues.get_mut("support").expect("support"));
    });
    for agent in ["101", "102"] {
        centre.want(agent, Wish::Logout);
    }
    centre
}

fn rule(lack: Lack, way: Way, after_s: u64) -> impl FnOnce(&mut QueueConfig) {
    move |config| *config.no_agents.of_mut(lack) = NoAgentRule { way, after: seconds(after_s) }
}

fn prompts_played(centre: &Centre) -> usize {
    centre.media.iter().filter(|c| matches!(c, Media::Play { .. })).count()
}

#[test]
fn f13_hangup_apologises_at_once_or_after_the_time() {
    for after in [0, 20] {
        let mut centre = deserted(rule(Lack::LoggedIn, Way::HangUp, after));
        let customer = centre.connect(stranger(1), "1", "600");
        centre.pass(seconds(after));
        centre.silent(stranger(1));
        assert!(matches!(centre.media.last(), Some(Media::Play { .. })), "an apology");
        centre.pass(seconds(2));
        centre.ended(&customer);
        centre.nothing_is_left();
        let record = centre.record(0);
        assert_eq!(record.end.map(|end| (end.by, end.reason)), Some((Party::System, EndReason::NoAgents)));
        assert_eq!(record.queue_visits[0].outcome, Some(QueueOutcome::NoneLoggedIn));
        assert_eq!(record.queue_visits[0].wait_seconds.map(|s| s.ms), Some(after * 1_000));
        let words = centre.words(0);
        assert!(words.contains("when_none_logged_in: hangup\n"), "{words}");
    }
}

#[test]
fn f13_another_queue_takes_him_with_its_music_and_its_agents() {
    let mut centre = deserted(rule(Lack::Awake, Way::Queue(queue("vip")), 10));
    centre.want("102", Wish::Pause("lunch".into()));
    let mut customer = centre.connect(stranger(1), "1", "600");
    centre.pass(seconds(10));
    let music = centre.media.iter().filter(|c| matches!(c, Media::Music { .. })).count();
    assert_eq!(music, 2, "that of the other queue");
    centre.want("101", Wish::Ready); // serves both: he is in vip now
    let agent = centre.rung(desk(101));
    centre.picks_up(&agent);
    centre.pass(seconds(5));
    centre.bye(&mut customer);
    centre.ended(&agent);
    centre.nothing_is_left();
    let record = centre.record(0);
    let visits: Vec<_> = record.queue_visits.iter().map(|v| (v.queue.to_string(), v.outcome)).collect();
    let wanted = [("support", QueueOutcome::AllPaused), ("vip", QueueOutcome::Answered)];
    assert_eq!(visits, wanted.map(|(name, outcome)| (name.to_owned(), Some(outcome))));
}

#[test]
fn f13_a_number_is_dialled_for_him_and_where_it_fails_he_hears_why() {
    let mut centre = deserted(rule(Lack::LoggedIn, Way::Number("7001".into()), 0));
    let mut customer = centre.connect(stranger(1), "1", "600");
    let far = centre.rung(addr(FAR));
    centre.picks_up(&far);
    centre.pass(seconds(3));
    centre.bye(&mut customer);
    centre.ended(&far);
    centre.nothing_is_left();

    let customer = centre.connect(stranger(2), "2", "600");
    let far = centre.rung(addr(FAR));
    centre.says(&far, "486 Busy Here");
    assert!(matches!(centre.media.last(), Some(Media::Play { .. })), "an apology");
    centre.pass(seconds(2));
    centre.ended(&customer);
    centre.ignore(addr(FAR));
    centre.nothing_is_left();
    assert_eq!(centre.record(1).end.map(|end| end.reason), Some(EndReason::Busy));
}

#[test]
fn f13_a_flow_takes_over() {
    let mut centre = deserted(rule(Lack::LoggedIn, Way::Flow("to_far".into()), 0));
    let mut customer = centre.connect(stranger(1), "1", "600");
    let far = centre.rung(addr(FAR));
    centre.picks_up(&far);
    centre.bye(&mut customer);
    centre.ended(&far);
    centre.nothing_is_left();
    assert!(centre.record(0).ivr.as_ref().is_some_and(|ivr| ivr.flow == "to_far"));
}

/// The check refuses circles of queues; one through a flow ends by itself.
#[test]
fn f13_a_circle_of_flow_and_queue_ends() {
    let mut centre = deserted(rule(Lack::LoggedIn, Way::Flow("again".into()), 0));
    let customer = centre.connect(stranger(1), "1", "600");
    centre.pass(seconds(3));
    centre.ended(&customer);
    centre.nothing_is_left();
    let record = centre.record(0);
    let visits = record.queue_visits.len();
    assert!((2..=50).contains(&visits), "{visits} visits");
    assert_eq!(record.end.map(|end| end.by), Some(Party::System));
}

/// A flow that has an edge of the reason's own goes there, whatever stands at `no_agents`.
#[test]
fn f13_the_edge_of_the_reason_goes_before_no_agents() {
    for (lack, node) in [(Lack::LoggedIn, "nobody"), (Lack::Awake, "asleep")] {
        let mut centre = deserted(rule(lack, Way::HangUp, 0));
        if lack == Lack::Awake {
            centre.want("102", Wish::Pause("lunch".into()));
        }
        let customer = centre.connect(stranger(1), "1", "517");
        centre.pass(seconds(3));
        centre.ended(&customer);
        centre.nothing_is_left();
        let ivr = centre.record(0).ivr.clone().expect("a flow");
        assert!(ivr.path.iter().any(|name| name == node), "{node}: {:?}", ivr.path);
    }
}

#[test]
fn f13_the_flow_goes_on_at_the_edge_of_the_reason_or_at_no_agents() {
    let mut centre = deserted(rule(Lack::LoggedIn, Way::HangUp, 0));
    let customer = centre.connect(stranger(1), "1", "500");
    centre.pass(seconds(60));
    centre.ended(&customer);
    centre.nothing_is_left();
    let ivr = centre.record(0).ivr.clone().expect("a flow");
    assert!(ivr.path.iter().any(|node| node == "nobody"), "{:?}", ivr.path);
    assert!(prompts_played(&centre) > 0);
}

/// Two agents talk, two callers wait; this is the rule for more.
fn crowded(overflow: Overflow) -> (Centre, Vec<Leg>) {
    let mut centre = Centre::with(|settings: &mut Settings| {
        let support = settings.floor.queues.get_mut("support").expect("support");
        support.overflow = overflow;
        support.resume_within = Some(seconds(60));
    });
    for agent in ["101", "102"] {
        centre.want(agent, Wish::Pause("lunch".into()));
    }
    let mut waiting = Vec::new();
    for n in 1..=2 {
        waiting.push(centre.connect(stranger(n), &format!("055{n}"), "600"));
        centre.pass(seconds(2));
    }
    (centre, waiting)
}

/// One more than may wait goes to the other queue; who has waited too long follows him, and is before him there.
#[test]
fn f14_too_many_and_too_long_lead_to_the_other_queue() {
    let (mut centre, mut waiting) = crowded(Overflow {
        way: Way::Queue(queue("vip")),
        wait: Some(seconds(60)),
        size: Some(Bound { on: 2, off: 1 }),
        ..Overflow::default()
    });
    centre.pass(seconds(10));
    waiting.push(centre.connect(stranger(3), "0553", "600"));
    centre.pass(seconds(50));
    centre.want("101", Wish::Ready); // serves both: the first caller is in vip by now, before the third
    let agent = centre.rung(desk(101));
    centre.picks_up(&agent);
    centre.pass(seconds(5));
    for customer in &mut waiting {
        centre.bye(customer);
    }
    centre.ended(&agent);
    centre.nothing_is_left();
    let visits = |centre: &Centre, n: usize| -> Vec<(String, Option<QueueOutcome>)> {
        centre.record(n).queue_visits.iter().map(|v| (v.queue.to_string(), v.outcome)).collect()
    };
    let both = |last| [("support".to_owned(), Some(QueueOutcome::Overflow)), ("vip".to_owned(), Some(last))].to_vec();
    assert_eq!(visits(&centre, 0), both(QueueOutcome::Answered));
    assert_eq!(visits(&centre, 1), both(QueueOutcome::Abandoned));
    assert_eq!(visits(&centre, 2), both(QueueOutcome::Abandoned));
    let words = centre.words(2);
    assert!(words.contains("overflow.size 2 of 2: queue:vip\n"), "{words}");
    assert!(centre.words(0).contains("overflow.wait 60 of 60: queue:vip\n"), "{}", centre.words(0));
}

/// A redial: the caller is first again, and the figures know one caller who waited and was answered.
#[test]
fn f16_a_redial_has_the_old_place_and_is_one_caller_in_the_figures() {
    let (mut centre, mut waiting) = crowded(Overflow::default());
    centre.pass(seconds(30));
    centre.bye(&mut waiting[0]);
    centre.pass(seconds(20));
    let mut again = centre.connect(stranger(1), "0551", "600");
    centre.want("101", Wish::Ready);
    let agent = centre.rung(desk(101));
    centre.picks_up(&agent);
    centre.pass(seconds(5));
    centre.bye(&mut again);
    centre.ended(&agent);
    centre.bye(&mut waiting[1]);
    centre.nothing_is_left();
    let visit = centre.record(2).queue_visits[0].clone();
    assert!(visit.resumed && visit.outcome == Some(QueueOutcome::Answered), "{visit:?}");
    assert!(!centre.record(0).queue_visits[0].resumed);
    assert!(centre.words(2).contains("queue support, place 1, back after he hung up\n"), "{}", centre.words(2));
}

/// Who hides his number is nobody who was here before.
#[test]
fn f16_who_hides_his_number_begins_anew() {
    let (mut centre, mut waiting) = crowded(Overflow::default());
    centre.bye(&mut waiting[0]);
    let mut hidden = centre.connect(stranger(1), "anonymous", "600");
    centre.bye(&mut hidden);
    let mut again = centre.connect(stranger(1), "anonymous", "600");
    centre.bye(&mut again);
    centre.bye(&mut waiting[1]);
    centre.nothing_is_left();
    assert!((0..4).all(|n| !centre.record(n).queue_visits[0].resumed));
}

/// Three callers were served in a minute each: who waits is told his place, and to expect an answer within two minutes.
#[test]
fn f17_the_wait_is_told_after_the_place() {
    let mut centre = Centre::with(|settings: &mut Settings| {
        let support = settings.floor.queues.get_mut("support").expect("support");
        support.announce_every = Some(seconds(30));
        support.announce_wait = true;
        support.wrap_up = seconds(0);
    });
    centre.want("102", Wish::Pause("lunch".into()));
    for n in 1..=3 {
        let mut customer = centre.connect(stranger(n), "1", "600");
        let agent = centre.rung(desk(101));
        centre.picks_up(&agent);
        centre.pass(seconds(60));
        centre.bye(&mut customer);
        centre.ended(&agent);
    }
    let mut talks = centre.connect(stranger(4), "1", "600");
    let agent = centre.rung(desk(101));
    centre.picks_up(&agent);
    let before = centre.media.len();
    let mut waits = centre.connect(stranger(5), "1", "600");
    let clips = |centre: &Centre| -> Vec<usize> {
        let played = centre.media[before..].iter();
        played.filter_map(|c| if let Media::Play { clips, .. } = c { Some(clips.len()) } else { None }).collect()
    };
    assert_eq!(clips(&centre), [2], "place and wait");
    centre.bye(&mut waits);
    centre.bye(&mut talks);
    centre.ended(&agent);
    centre.nothing_is_left();
    assert!(centre.words(4).contains("told place 1, within 2 min\n"), "{}", centre.words(4));
}

/// Announcements are heard one after the other, each to its end; a key leads to a flow, from the wait and from a ring.
#[test]
fn f18_announcements_do_not_cut_each_other_and_a_key_leads_out() {
    let mut centre = Centre::with(|settings: &mut Settings| {
        let support = settings.floor.queues.get_mut("support").expect("support");
        support.announce_every = Some(seconds(10));
        support.announcements = vec!["position_2".into()];
        support.announcements_every = seconds(10);
        support.exit_keys = [('5', Way::Flow("to_far".into()))].into();
    });
    for agent in ["101", "102"] {
        centre.want(agent, Wish::Pause("lunch".into()));
    }
    let mut customer = centre.connect(stranger(1), "1", "600");
    let plays = |centre: &Centre| centre.media.iter().filter(|c| matches!(c, Media::Play { .. })).count();
    assert_eq!(plays(&centre), 1, "his place");
    centre.pass(seconds(10));
    assert!(plays(&centre) >= 2);
    centre.info(&mut customer, '4');
    centre.silent(addr(FAR));
    centre.info(&mut customer, '5');
    let far = centre.rung(addr(FAR));
    centre.picks_up(&far);
    centre.bye(&mut customer);
    centre.ended(&far);
    centre.nothing_is_left();
    let record = centre.record(0);
    assert_eq!(record.queue_visits[0].outcome, Some(QueueOutcome::Key));
    let words = centre.words(0);
    assert!(words.contains("heard position_2\n") && words.contains("exit_keys: flow:to_far\n"), "{words}");
}
