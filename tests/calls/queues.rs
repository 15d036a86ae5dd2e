//! Callers in queues: rings, refusals, races, limits.

use hatif::acd::Wish;
use hatif::engine::Command;
use hatif::journal::{AgentStateName, EndReason, Kind, OfferResult, Party, QueueOutcome};
use hatif::media::Command as Media;

use crate::centre::*;
use crate::phone::header;

fn results(centre: &Centre) -> Vec<(String, OfferResult, Option<u16>)> {
    centre.told(|kind| match kind {
        Kind::OfferEnded { agent, result, sip_code, .. } => Some((agent.to_string(), *result, *sip_code)),
        _ => None,
    })
}

#[test]
fn a_queued_caller_hears_music_until_an_agent_answers_and_the_record_tells_it() {
    let mut centre = Centre::new();
    let mut customer = centre.connect(stranger(1), "0551234", "600");
    assert!(matches!(&centre.media[..], [Media::Open { .. }, Media::Update { .. }, Media::Music { .. }, ..]));
    let agent = centre.rung(desk(101));
    assert!(header(&agent.invite, "From").is_some_and(|from| from.starts_with("\"support\" <sip:0551234@10.0.0.1>")));
    assert!(header(&agent.invite, "X-Hatif-Call").is_some_and(|call| call.starts_with("call_")));
    assert_eq!(header(&agent.invite, "Max-Forwards"), Some("69"));
    centre.pass(seconds(4));
    centre.says(&agent, "180 Ringing");
    centre.picks_up(&agent);
    assert!(centre.media.iter().any(|c| matches!(c, Media::Bridge { .. })));
    assert!(centre.media.iter().any(|c| matches!(c, Media::Record { others, .. } if others.len() == 1)));
    centre.pass(seconds(60));
    centre.bye(&mut customer);
    centre.ended(&agent);
    assert_eq!(centre.state("101"), AgentStateName::WrapUp);
    centre.nothing_is_left();

    let record = centre.record(0);
    let end = record.end.expect("an end");
    assert_eq!((end.by, end.reason, end.sip_code), (Party::Customer, EndReason::Normal, 200));
    let visit = &record.queue_visits[0];
    assert_eq!((visit.outcome, visit.within_sl), (Some(QueueOutcome::Answered), Some(true)));
    assert_eq!(visit.wait_seconds.map(|s| s.ms), Some(4_000));
    let served = &record.agents[0];
    assert_eq!(served.talk_seconds.map(|s| s.ms), Some(60_000));
    assert_eq!(served.wrap_up_seconds.map(|s| s.ms), Some(10_000));
    assert_eq!(record.recordings[0].seconds.map(|s| s.ms), Some(900));
    assert!(record.quality.customer.is_some() && record.quality.agent.is_some());
    let file = record.recordings[0].file.clone();
    let path = format!(
        "call from 0551234 to 600 by a stranger: queue, language en\nanswered\nqueue support, place 1\n\
         rang 101 (longest_idle, idle 0.0 s, 1 waiting)\ntalks with 101, waited 4.0 s\nrecording to {file}\n\
         talk with 101 ended after 60.0 s, 0.0 s on hold\nended by customer: normal (200)\n\
         recording of 0.9 s complete\n101 finished the wrap-up after 10.0 s\n"
    );
    assert_eq!(centre.words(0), path);
}

#[test]
fn an_agent_who_hangs_up_ends_the_call_of_a_queue_without_flow() {
    let mut centre = Centre::new();
    let (customer, mut agent) = centre.talk(stranger(1));
    centre.pass(seconds(5));
    centre.bye(&mut agent);
    centre.ended(&customer);
    centre.nothing_is_left();
    let end = centre.record(0).end.expect("an end");
    assert_eq!((end.by, end.reason), (Party::Agent, EndReason::Normal));
}

/// RFC 3261 §9.1: CANCEL at once when the phone has said something.
#[test]
fn f04_a_caller_who_hangs_up_while_a_phone_rings_stops_it_at_once_and_costs_the_agent_nothing() {
    let mut centre = Centre::new();
    let mut customer = centre.connect(stranger(1), "1", "600");
    let ring = centre.rung(desk(101));
    centre.says(&ring, "180 Ringing");
    centre.pass(seconds(3));
    centre.bye(&mut customer);
    centre.cancelled(&ring);
    assert_eq!(centre.state("101"), AgentStateName::Ready);
    assert_eq!(results(&centre), [("101".into(), OfferResult::CallerGone, None)]);
    // His idle rank is kept: the next caller is his.
    let mut next = centre.connect(stranger(2), "2", "600");
    let ring = centre.rung(desk(101));
    centre.bye(&mut next);
    centre.says(&ring, "100 Trying");
    centre.cancelled(&ring);
    centre.nothing_is_left();
    let record = centre.record(0);
    assert_eq!(record.end.map(|end| end.reason), Some(EndReason::Abandoned));
    assert_eq!(record.queue_visits[0].outcome, Some(QueueOutcome::Abandoned));
    assert!(centre.words(0).ends_with(
        "ring at 101 ended after 3.0 s: caller_gone\nleft queue support after 3.0 s: abandoned\n\
         ended by customer: abandoned (200)\n"
    ));
}

/// RFC 3261 §9.1: no CANCEL before the first provisional response.
#[test]
fn f04_a_phone_that_said_nothing_is_cancelled_at_its_first_word() {
    let mut centre = Centre::new();
    let mut customer = centre.connect(stranger(1), "1", "600");
    let ring = centre.rung(desk(101));
    centre.bye(&mut customer);
    centre.silent(desk(101));
    centre.says(&ring, "180 Ringing");
    centre.cancelled(&ring);
    centre.nothing_is_left();
}

#[test]
fn f04_an_answer_that_crosses_the_cancel_is_acknowledged_and_ended_with_the_reason() {
    let mut centre = Centre::new();
    let mut customer = centre.connect(stranger(1), "1", "600");
    let ring = centre.rung(desk(101));
    centre.says(&ring, "180 Ringing");
    centre.bye(&mut customer);
    let cancel = centre.expect(desk(101), "CANCEL ");
    let reason = Some("SIP;cause=200;text=\"Call completed elsewhere\"");
    assert_eq!(header(&cancel, "Reason"), reason);
    centre.picks_up(&ring);
    let bye = centre.ended(&ring);
    assert_eq!(header(&bye, "Reason"), reason);
    assert_eq!(centre.state("101"), AgentStateName::Ready);
    centre.ignore(desk(101));
    centre.nothing_is_left();
}

#[test]
fn a_refused_ring_goes_to_the_next_agent_and_the_caller_keeps_his_place() {
    for (answer, code, result) in [
        ("486 Busy Here", 486, OfferResult::Busy),
        ("600 Busy Everywhere", 600, OfferResult::Busy),
        ("603 Decline", 603, OfferResult::Rejected),
        ("480 Temporarily Unavailable", 480, OfferResult::Unreachable),
        ("404 Not Found", 404, OfferResult::Unreachable),
        ("503 Service Unavailable", 503, OfferResult::Unreachable),
        ("408 Request Timeout", 408, OfferResult::Timeout),
        ("504 Server Time-out", 504, OfferResult::Timeout),
    ] {
        let mut centre = Centre::new();
        let mut first = centre.connect(stranger(1), "1", "600");
        let ring = centre.rung(desk(101));
        centre.says(&ring, answer);
        assert_eq!(results(&centre), [("101".into(), result, Some(code))]);
        let second = centre.rung(desk(102));
        let mut later = centre.connect(stranger(2), "2", "600");
        centre.silent(desk(101));
        centre.picks_up(&second);
        assert_eq!(centre.state("102"), AgentStateName::Busy);
        centre.bye(&mut first);
        centre.ended(&second);
        centre.bye(&mut later);
        centre.nothing_is_left();
        assert_eq!(centre.record(0).agents.len(), 2);
    }
}

#[test]
fn a_phone_that_answers_nothing_is_given_up_after_the_ring_time() {
    let mut centre = Centre::new();
    let mut customer = centre.connect(stranger(1), "1", "600");
    let ring = centre.rung(desk(101));
    centre.says(&ring, "180 Ringing");
    centre.pass(seconds(16));
    centre.cancelled(&ring);
    assert_eq!(results(&centre), [("101".into(), OfferResult::NoAnswer, None)]);
    let second = centre.rung(desk(102));
    centre.picks_up(&second);
    centre.bye(&mut customer);
    centre.ended(&second);
    centre.nothing_is_left();
    let rings: Vec<_> = centre.record(0).agents.iter().map(|a| a.ring_seconds.map(|s| s.ms)).collect();
    assert_eq!(rings, [Some(15_000), Some(1_000)]);
}

#[test]
fn an_agent_who_pauses_while_he_rings_is_not_rung_any_more() {
    let mut centre = Centre::new();
    let mut customer = centre.connect(stranger(1), "1", "600");
    let ring = centre.rung(desk(101));
    centre.says(&ring, "180 Ringing");
    centre.want("101", Wish::Pause("lunch".into()));
    centre.cancelled(&ring);
    let second = centre.rung(desk(102));
    centre.picks_up(&second);
    centre.bye(&mut customer);
    centre.ended(&second);
    centre.nothing_is_left();
    assert_eq!(centre.state("101"), AgentStateName::Paused);
}

#[test]
fn a_queue_without_flow_apologises_before_it_ends_the_call() {
    for (number, outcome, reason, wait) in [
        ("602", QueueOutcome::Timeout, EndReason::QueueTimeout, 12),
        ("603", QueueOutcome::Full, EndReason::QueueFull, 0),
        ("604", QueueOutcome::NoAgents, EndReason::NoAgents, 0),
    ] {
        let mut centre = Centre::new();
        let customer = centre.connect(stranger(1), "1", number);
        centre.pass(seconds(wait));
        centre.silent(stranger(1));
        assert!(matches!(centre.media.last(), Some(Media::Play { .. })), "an apology");
        centre.pass(seconds(2));
        centre.ended(&customer);
        centre.nothing_is_left();
        let record = centre.record(0);
        assert_eq!(record.end.map(|end| (end.by, end.reason)), Some((Party::System, reason)));
        if outcome != QueueOutcome::Timeout {
            continue;
        }
        assert_eq!(record.queue_visits[0].outcome, Some(outcome));
        let steps = centre.words(0);
        assert_eq!(steps.matches("told place 1").count(), 3, "at once, after 5 s and 10 s\n{steps}");
    }
}

#[test]
fn a_flow_goes_on_at_the_edge_that_the_queue_gives() {
    for (change, edge) in [(0, "main/full"), (1, "main/busy")] {
        let mut centre = Centre::with(|settings| {
            let support = settings.floor.queues.get_mut("support").expect("support");
            support.max_waiting = change;
            support.max_wait = seconds(20);
            settings.floor.agents.clear();
        });
        let customer = centre.connect(stranger(1), "1", "500");
        // Nothing is keyed: the first question twice, the second once.
        centre.pass(seconds(60));
        centre.ended(&customer);
        centre.nothing_is_left();
        let ivr = centre.record(0).ivr.clone().expect("a flow");
        let node = edge.split('/').nth(1).expect("a node");
        assert!(ivr.path.iter().any(|n| n == node), "{node}: {:?}", ivr.path);
        assert_eq!(centre.record(0).end.map(|end| end.reason), Some(EndReason::Normal));
    }
}

#[test]
fn an_announcement_plays_over_the_music_which_then_goes_on() {
    let mut centre = Centre::new();
    let mut customer = centre.connect(stranger(1), "1", "602");
    let kinds = |centre: &Centre| {
        let word = |c: &Media| match c {
            Media::Music { .. } => Some('m'),
            Media::Play { .. } => Some('p'),
            _ => None,
        };
        centre.media.iter().filter_map(word).collect::<String>()
    };
    assert_eq!(kinds(&centre), "mp");
    centre.pass(seconds(6));
    assert_eq!(kinds(&centre), "mpmpm");
    centre.bye(&mut customer);
    centre.nothing_is_left();
}

#[test]
fn waiting_callers_outlive_a_reload_and_a_queue_that_is_gone_lets_them_go() {
    let mut centre = Centre::with(|settings| settings.floor.agents.clear());
    let mut customer = centre.connect(stranger(1), "1", "600");
    let lost = centre.connect(stranger(2), "2", "602");
    centre.ignore(stranger(2));
    let mut settings = Centre::new().settings;
    settings.floor.queues.remove("lonely");
    centre.command(Command::Reload(Box::new(settings)));
    let ring = centre.rung(desk(101));
    centre.picks_up(&ring);
    centre.pass(seconds(2));
    centre.ended(&lost);
    centre.bye(&mut customer);
    centre.ended(&ring);
    centre.nothing_is_left();
    assert_eq!(centre.record(1).end.map(|end| end.reason), Some(EndReason::NoAgents));
}

#[test]
fn the_answer_of_a_phone_without_usable_sdp_is_no_answer() {
    let mut centre = Centre::new();
    let mut customer = centre.connect(stranger(1), "1", "600");
    let ring = centre.rung(desk(101));
    centre.picks_up_with(&ring, "");
    let bye = centre.ended(&ring);
    assert!(header(&bye, "Reason").is_some_and(|reason| reason.contains("cause=488")));
    let second = centre.rung(desk(102));
    centre.picks_up(&second);
    centre.bye(&mut customer);
    centre.ended(&second);
    centre.nothing_is_left();
}
