//! Callers in flows: keys, survey, transfers, missing sounds.

use hatif::acd::way::Way;
use hatif::call::config::NumberAction;
use hatif::call::prompts::Prompts;
use hatif::id::QueueName;
use hatif::journal::{AgentStateName, EndReason, FlowFault, FlowOutcome, Kind, QueueOutcome};
use hatif::media::{Clip, Command as Media};

use crate::centre::*;

#[test]
fn language_topic_queue_talk_survey() {
    let mut centre = Centre::new();
    let customer = centre.connect(stranger(1), "0551234", "500");
    let leg = centre.leg(0);
    centre.digit(leg, '2');
    centre.digit(leg, '1');
    let mut agent = centre.rung(desk(101));
    centre.picks_up(&agent);
    centre.pass(seconds(30));
    centre.bye(&mut agent);
    centre.pass(seconds(1));
    centre.digit(leg, '4');
    centre.pass(seconds(3));
    centre.ended(&customer);
    centre.nothing_is_left();

    let record = centre.record(0);
    assert_eq!(record.language, "en");
    assert_eq!(record.survey.get("csat"), Some(&4));
    let agents = centre.told(|kind| match kind {
        Kind::Survey { agent, queue, .. } => Some((agent.as_ref()?.to_string(), queue.as_ref()?.to_string())),
        _ => None,
    });
    assert_eq!(agents, [("101".to_owned(), "support".to_owned())]);
    let ivr = record.ivr.as_ref().expect("a flow");
    let nodes = ["language", "english", "topic", "support", "survey", "survey/question", "survey/thanks"];
    assert_eq!(ivr.path[..nodes.len()], nodes);
    assert_eq!(record.end.map(|end| end.reason), Some(EndReason::Normal));
    let steps = centre.words(0);
    assert!(steps.contains("keyed 4 at survey/question: matched\nsurvey csat: 4\n"), "{steps}");
}

#[test]
fn a_caller_who_hangs_up_in_a_flow_or_before_its_answer_has_abandoned() {
    let mut centre = Centre::new();
    let mut leg = centre.connect(stranger(1), "1", "500");
    centre.pass(seconds(2));
    centre.bye(&mut leg);
    assert_eq!(centre.record(0).ivr.as_ref().and_then(|ivr| ivr.outcome), Some(FlowOutcome::Abandoned));
    assert_eq!(centre.record(0).end.map(|end| (end.reason, end.sip_code)), Some((EndReason::Abandoned, 200)));

    centre.disk_silent = true;
    let mut leg = centre.dial(stranger(1), "1", "500");
    centre.cancel(&leg);
    centre.expect(stranger(1), "SIP/2.0 100");
    centre.expect(stranger(1), "SIP/2.0 200");
    centre.refused(&mut leg, 487);
    centre.nothing_is_left();
    assert_eq!(centre.record(1).end.map(|end| (end.reason, end.sip_code)), Some((EndReason::Abandoned, 487)));
}

/// RFC 3261 §9.2: a CANCEL that comes after our 200 changes nothing; the caller ends with BYE.
#[test]
fn a_cancel_that_crosses_our_200_has_no_effect() {
    let mut centre = Centre::new();
    let mut leg = centre.dial(stranger(1), "1", "500");
    centre.cancel(&leg);
    let ok = centre.answered(&mut leg);
    assert!(ok.contains("INVITE"));
    centre.expect(stranger(1), "SIP/2.0 200");
    centre.bye(&mut leg);
    centre.nothing_is_left();
}

#[test]
fn a_transfer_to_an_agent_rings_him_and_the_flow_goes_on_after_the_talk() {
    let mut centre = Centre::new();
    let customer = centre.connect(stranger(1), "1", "510");
    assert!(matches!(centre.media.last(), Some(Media::Tone { .. })), "ringback");
    let mut agent = centre.rung(desk(102));
    assert_eq!(centre.state("102"), AgentStateName::Busy);
    centre.pass(seconds(5));
    centre.picks_up(&agent);
    centre.pass(seconds(20));
    centre.bye(&mut agent);
    assert_eq!(centre.state("102"), AgentStateName::Ready);
    centre.pass(seconds(2));
    centre.ended(&customer);
    centre.nothing_is_left();
    let record = centre.record(0);
    assert!(record.ivr.as_ref().is_some_and(|ivr| ivr.path.iter().any(|node| node == "after")));
    assert_eq!((record.agents[0].agent.as_str(), record.agents[0].talk_seconds.map(|s| s.ms)), ("102", Some(20_000)));
    assert_eq!(record.dial[0].talk_seconds.map(|s| s.ms), Some(20_000), "{:#?}", record.path);
    assert_eq!(record.end.map(|end| end.reason), Some(EndReason::Normal));
}

#[test]
fn a_transfer_that_fails_says_why_to_the_flow() {
    for (answer, node) in [("486 Busy Here", "busy"), ("480 Away", "late"), ("603 Decline", "failed")] {
        let mut centre = Centre::new();
        let customer = centre.connect(stranger(1), "1", "510");
        let agent = centre.rung(desk(102));
        centre.says(&agent, answer);
        assert_eq!(centre.state("102"), AgentStateName::Ready);
        centre.pass(seconds(2));
        centre.ended(&customer);
        centre.nothing_is_left();
        let ivr = centre.record(0).ivr.clone().expect("a flow");
        assert!(ivr.path.iter().any(|n| n == node), "{answer}: {:?}", ivr.path);
    }
}

#[test]
fn a_transfer_to_a_busy_agent_fails_at_once() {
    let mut centre = Centre::new();
    centre.want("101", hatif::acd::Wish::Pause("x".into()));
    let first = centre.connect(stranger(1), "1", "600");
    let ring = centre.rung(desk(102));
    centre.picks_up(&ring);
    let second = centre.connect(stranger(2), "2", "510");
    centre.pass(seconds(2));
    centre.ended(&second);
    assert!(centre.words(1).contains("agent:102 failed (486)"));
    let mut first = first;
    centre.bye(&mut first);
    centre.ended(&ring);
    centre.nothing_is_left();
}

#[test]
fn a_transfer_to_a_number_bridges_there_with_our_media() {
    for number in ["511", "512"] {
        let mut centre = Centre::new();
        let mut customer = centre.connect(stranger(1), "1", number);
        let far = centre.rung(addr(FAR));
        assert!(far.invite.contains("c=IN IP4 10.0.0.1"), "our own port, also where the number says bypass");
        centre.picks_up(&far);
        assert!(centre.media.iter().any(|c| matches!(c, Media::Bridge { .. })));
        centre.bye(&mut customer);
        centre.ended(&far);
        centre.nothing_is_left();
    }
}

#[test]
fn a_transfer_that_nobody_answers_ends_after_three_minutes() {
    let mut centre = Centre::new();
    let customer = centre.connect(stranger(1), "1", "511");
    let far = centre.rung(addr(FAR));
    centre.says(&far, "180 Ringing");
    centre.pass(seconds(181));
    centre.cancelled(&far);
    centre.pass(seconds(2));
    centre.ended(&customer);
    centre.nothing_is_left();
    assert!(centre.record(0).ivr.as_ref().is_some_and(|ivr| ivr.path.iter().any(|node| node == "late")));
}

#[test]
fn a_transfer_to_a_queue_number_ends_in_the_words_of_a_transfer() {
    let mut centre = Centre::new();
    let customer = centre.connect(stranger(1), "1", "513");
    centre.pass(seconds(15));
    centre.ended(&customer);
    centre.nothing_is_left();
    let record = centre.record(0);
    assert_eq!(record.queue_visits[0].outcome, Some(QueueOutcome::Timeout));
    assert!(record.ivr.as_ref().is_some_and(|ivr| ivr.path.iter().any(|node| node == "late")), "{:#?}", record.path);
}

/// The flow transferred him to a queue, and the queue sent him on to a number: after that talk the flow goes on.
#[test]
fn who_is_sent_on_from_the_queue_of_a_transfer_comes_back_to_the_flow() {
    let mut centre = Centre::with(|settings| {
        let lonely = settings.floor.queues.get_mut("lonely").expect("lonely");
        lonely.exit_keys = [('5', Way::Number("7001".into()))].into();
    });
    let mut customer = centre.connect(stranger(1), "1", "513");
    centre.info(&mut customer, '5');
    let mut far = centre.rung(addr(FAR));
    centre.picks_up(&far);
    centre.pass(seconds(5));
    centre.bye(&mut far);
    centre.pass(seconds(5));
    centre.ended(&customer);
    centre.nothing_is_left();
    let ivr = centre.record(0).ivr.clone().expect("a flow");
    assert!(ivr.path.iter().any(|node| node == "after"), "{:?}", ivr.path);
}

#[test]
fn a_transfer_to_nowhere_fails_and_one_in_a_circle_ends() {
    for number in ["514", "515"] {
        let mut centre = Centre::new();
        let customer = centre.connect(stranger(1), "1", number);
        centre.pass(seconds(2));
        centre.ended(&customer);
        centre.nothing_is_left();
        let ivr = centre.record(0).ivr.clone().expect("a flow");
        assert!(ivr.path.iter().any(|node| node == "failed"), "{:?}", ivr.path);
    }
}

#[test]
fn a_caller_who_hangs_up_during_a_transfer_stops_the_ring() {
    let mut centre = Centre::new();
    let mut customer = centre.connect(stranger(1), "1", "510");
    let agent = centre.rung(desk(102));
    centre.says(&agent, "180 Ringing");
    centre.bye(&mut customer);
    centre.cancelled(&agent);
    assert_eq!(centre.state("102"), AgentStateName::Ready);
    centre.nothing_is_left();
}

#[test]
fn a_missing_prompt_is_a_tone_and_told_once() {
    let mut centre = Centre::with(|settings| {
        settings.prompts = std::sync::Arc::new(Prompts::new(Default::default(), Clip::tone(300.0, -20.0, 1_000)));
    });
    let mut customer = centre.connect(stranger(1), "1", "500");
    centre.pass(seconds(12));
    let lengths: Vec<usize> = centre
        .media
        .iter()
        .filter_map(|c| {
            if let Media::Play { clips, .. } = c { Some(clips.iter().map(|c| c.ulaw.len()).sum()) } else { None }
        })
        .collect();
    assert!(lengths.len() > 1 && lengths.iter().all(|samples| *samples > 0), "{lengths:?}");
    centre.bye(&mut customer);
    centre.nothing_is_left();
    let troubles = &centre.record(0).trouble;
    assert_eq!(troubles.len(), 1);
    assert!(troubles[0].code == "prompt_missing" && troubles[0].detail.contains("prompts/en/"), "{troubles:?}");
}

/// A flow that is not there: what every failure of a flow comes to.
fn with_a_failing_flow(fallback: Option<&str>) -> Centre {
    Centre::with(|settings| {
        let number = settings.call.numbers.iter_mut().find(|number| number.pattern == "500").expect("500");
        number.action = NumberAction::Flow("gone".to_owned());
        settings.call.fallback = fallback.map(QueueName::from);
    })
}

#[test]
fn the_fallback_queue_takes_over_a_caller_whose_flow_fails() {
    let mut centre = with_a_failing_flow(Some("support"));
    let mut customer = centre.connect(stranger(1), "1", "500");
    let agent = centre.rung(desk(101));
    centre.pass(seconds(1));
    let failed = centre.told(|kind| match kind {
        Kind::FlowFailed { flow, cause, fallback, .. } => Some((flow.clone(), *cause, fallback.clone())),
        _ => None,
    });
    assert_eq!(failed, [("gone".to_owned(), FlowFault::NotThere, Some(QueueName::from("support")))]);
    centre.picks_up(&agent);
    centre.pass(seconds(30));
    centre.bye(&mut customer);
    centre.ended(&agent);
    centre.nothing_is_left();
    let record = centre.record(0);
    assert_eq!(record.end.map(|end| end.reason), Some(EndReason::Normal));
    assert_eq!(record.trouble.iter().map(|trouble| trouble.code.as_str()).collect::<Vec<_>>(), ["flow_failed"]);
}

#[test]
fn without_a_fallback_an_apology_is_the_end() {
    let mut centre = with_a_failing_flow(None);
    let customer = centre.connect(stranger(1), "1", "500");
    centre.pass(seconds(30));
    centre.ended(&customer);
    centre.nothing_is_left();
    assert_eq!(centre.record(0).end.map(|end| end.reason), Some(EndReason::FlowError));
}

#[test]
fn a_fallback_queue_that_serves_nobody_is_the_last_station() {
    let mut centre = Centre::with(|settings| {
        let number = settings.call.numbers.iter_mut().find(|number| number.pattern == "500").expect("500");
        number.action = NumberAction::Flow("gone".to_owned());
        settings.call.fallback = Some(QueueName::from("support"));
        settings.floor.agents.clear();
    });
    let customer = centre.connect(stranger(1), "1", "500");
    centre.pass(seconds(3_600));
    centre.ended(&customer);
    centre.nothing_is_left();
}
