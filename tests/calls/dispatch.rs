//! A service outside that is asked who shall serve a caller.

use std::time::Duration;

use hatif::acd::config::DispatchTimes;
use hatif::call::config::DispatchConfig;
use hatif::engine::{FetchError, Input, Reply, Settings};
use hatif::journal::{DispatchResult, Kind, QueueOutcome};
use hatif::report::explain::Language;

use crate::centre::*;
use crate::settings::queue;
use crate::why::story;

/// `support` asks `crm`, which has half a second; 101 and 102 serve it.
fn asks(settings: &mut Settings) {
    let timeout = Duration::from_millis(500);
    let support = settings.floor.queues.get_mut("support").expect("support");
    support.dispatch = Some(DispatchTimes { timeout, hold: seconds(20) });
    let config = DispatchConfig { service: "crm".into(), path: "/who".into(), timeout };
    settings.call.dispatch.insert(queue("support"), config);
}

fn reply(status: u16, body: &'static str) -> Result<Reply, FetchError> {
    Ok(Reply { status, body: bytes::Bytes::from_static(body.as_bytes()) })
}

fn answer(centre: &mut Centre, answer: Result<Reply, FetchError>) {
    let id = centre.fetches.last().expect("the service is asked").id;
    centre.handle(Input::Fetched { id, answer });
}

fn results(centre: &Centre) -> Vec<DispatchResult> {
    let of = |kind: &Kind| if let Kind::Dispatched { result, .. } = kind { Some(*result) } else { None };
    centre.journal.iter().filter_map(|entry| of(&entry.kind)).collect()
}

#[test]
fn whom_the_service_names_is_rung_and_the_story_tells_it() {
    let mut centre = Centre::with(asks);
    let customer = centre.connect(stranger(1), "0551234", "600");
    centre.silent(desk(101));
    centre.silent(desk(102));
    let fetch = centre.fetches.last().expect("the service is asked").clone();
    assert_eq!((fetch.service.as_str(), fetch.path.as_str()), ("crm", "/who"));
    let told: serde_json::Value = serde_json::from_str(&fetch.body.expect("a body")).expect("JSON");
    assert_eq!(told["queue"], "support");
    assert_eq!(told["caller"], "0551234");
    assert_eq!(told["waiting"], 1);
    assert_eq!(told["eligible"], 2);
    assert_eq!(told["agents"][0]["id"], "101");

    centre.pass(Duration::from_millis(40));
    answer(&mut centre, reply(200, r#"{"agents": ["102"], "segment": "gold"}"#));
    let agent = centre.rung(desk(102));
    centre.silent(desk(101));
    centre.picks_up(&agent);
    assert_eq!(results(&centre), [DispatchResult::Decided]);
    let english = story(&centre, 0, Language::English);
    assert!(english.contains("The dispatch service crm named"), "{english}");
    assert!(english.contains("after 40 ms (segment gold)"), "{english}");
    assert!(english.contains("The dispatch service named him for this caller."), "{english}");
    let arabic = story(&centre, 0, Language::Arabic);
    assert!(arabic.contains("خدمة التوزيع") && arabic.contains("سمّته خدمة التوزيع لهذا المتصل."), "{arabic}");
    drop(customer);
}

/// Whatever goes wrong outside, the caller is served by the queue's own rules, in time.
#[test]
fn a_service_that_fails_lies_or_is_silent_costs_the_caller_nothing() {
    let cases = [
        (reply(204, ""), DispatchResult::LeftToUs),
        (reply(200, "{}"), DispatchResult::LeftToUs),
        (reply(500, "{}"), DispatchResult::Failed),
        (reply(200, "not json"), DispatchResult::Invalid),
        (reply(200, r#"{"agents": ["nobody"]}"#), DispatchResult::Invalid),
        (reply(200, r#"{"queue": "nowhere"}"#), DispatchResult::Invalid),
        (reply(200, r#"{"agent": ["102"]}"#), DispatchResult::Invalid),
        (reply(200, r#"{"priority": 4000000000}"#), DispatchResult::Invalid),
        (reply(200, r#"{"skills": ["a b c >"]}"#), DispatchResult::Invalid),
        (Err(FetchError::Failed("connection refused".into())), DispatchResult::Failed),
        (Err(FetchError::BreakerOpen), DispatchResult::Failed),
        (Err(FetchError::TooLarge(65_536)), DispatchResult::Failed),
        (Err(FetchError::Timeout), DispatchResult::Timeout),
    ];
    for (outcome, expected) in cases {
        let mut centre = Centre::with(asks);
        centre.connect(stranger(1), "0551234", "600");
        answer(&mut centre, outcome);
        centre.rung(desk(101));
        assert_eq!(results(&centre), [expected]);
    }
    let mut centre = Centre::with(asks);
    centre.connect(stranger(1), "0551234", "600");
    centre.pass(Duration::from_millis(499));
    centre.silent(desk(101));
    centre.pass(Duration::from_millis(1));
    centre.rung(desk(101));
    answer(&mut centre, reply(200, r#"{"agents": ["102"]}"#));
    centre.silent(desk(102));
    assert_eq!(results(&centre), [DispatchResult::Timeout], "what comes too late is not told as a decision");
}

/// Answer × hang-up.
#[test]
fn a_caller_who_hangs_up_meanwhile_is_an_abandon_and_the_answer_is_nothing() {
    let mut centre = Centre::with(asks);
    let mut customer = centre.connect(stranger(1), "0551234", "600");
    centre.bye(&mut customer);
    answer(&mut centre, reply(200, r#"{"agents": ["102"]}"#));
    centre.silent(desk(102));
    assert_eq!(results(&centre), []);
    let left = centre
        .journal
        .iter()
        .filter(|entry| matches!(entry.kind, Kind::QueueLeft { outcome: QueueOutcome::Abandoned, .. }));
    assert_eq!(left.count(), 1);
}

fn nodes(centre: &Centre) -> Vec<String> {
    centre.told(|kind| match kind {
        Kind::NodeVisited { node, .. } => Some(node.clone()),
        _ => None,
    })
}

/// A flow that asks a service: answer, silence with music, and a hang-up meanwhile.
#[test]
fn a_flow_asks_a_service_and_nobody_waits_in_silence_for_it() {
    let mut centre = Centre::new();
    let customer = centre.connect(stranger(1), "+9661", "522");
    let fetch = centre.fetches.last().expect("the service is asked").clone();
    assert_eq!((fetch.service.as_str(), fetch.path.as_str(), &fetch.body), ("crm", "/%2B9661", &None));
    centre.pass(Duration::from_millis(200));
    answer(&mut centre, reply(200, "{}"));
    assert_eq!(nodes(&centre), ["go", "booked"]);
    centre.pass(seconds(3));
    centre.ended(&customer);

    let customer = centre.connect(stranger(2), "0552222", "522");
    centre.pass(Duration::from_millis(699));
    let music = |centre: &Centre| matches!(centre.media.last(), Some(hatif::media::Command::Music { .. }));
    assert!(!music(&centre));
    centre.pass(Duration::from_millis(1));
    assert!(music(&centre));
    centre.pass(Duration::from_millis(800));
    assert_eq!(nodes(&centre)[3..], ["go", "not"]);
    answer(&mut centre, reply(200, "{}"));
    assert_eq!(nodes(&centre).len(), 5, "too late");
    centre.pass(seconds(3));
    centre.ended(&customer);

    let mut customer = centre.connect(stranger(3), "0553333", "522");
    centre.bye(&mut customer);
    answer(&mut centre, Err(FetchError::BreakerOpen));
    assert_eq!(nodes(&centre).len(), 7);
    centre.nothing_is_left();
}
