use super::*;
use crate::journal::EndReason;
use crate::report::samples::*;

fn records(fold: &mut Fold, entries: &[Entry]) -> Vec<CallRecord> {
    entries.iter().filter_map(|entry| fold.handle(entry).cloned()).collect()
}

#[test]
fn a_whole_call_gives_a_record_at_its_end_and_again_for_what_comes_later() {
    let mut fold = Fold::default();
    let given = records(&mut fold, &queue_call(1, 1));
    assert_eq!(given.iter().map(|r| r.revision).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    let json = serde_json::to_value(given.last().unwrap()).unwrap();
    let at = |pointer: &str| json.pointer(pointer).unwrap_or_else(|| panic!("{pointer} of {json:#}")).clone();
    assert_eq!(at("/direction"), "inbound");
    assert_eq!(at("/answered_at"), "2026-11-22T10:00:01.000Z");
    assert_eq!(at("/duration_seconds"), 48.0);
    assert_eq!(at("/ivr/path"), serde_json::json!(["topic"]));
    assert_eq!(at("/ivr/duration_seconds"), 5.0);
    assert_eq!(at("/ivr/inputs/0/digits"), "1");
    assert_eq!(at("/queue_visits/0/wait_seconds"), 12.0);
    assert_eq!(at("/queue_visits/0/within_sl"), true);
    assert_eq!(at("/queue_visits/0/outcome"), "answered");
    assert_eq!(at("/agents/0/result"), "no_answer");
    assert_eq!(at("/agents/0/answered_at"), serde_json::Value::Null);
    assert_eq!(at("/agents/1/agent"), "101");
    assert_eq!(at("/agents/1/ring_seconds"), 4.0);
    assert_eq!(at("/agents/1/talk_seconds"), 30.0);
    assert_eq!(at("/agents/1/hold_seconds"), 2.0);
    assert_eq!(at("/agents/1/hold_count"), 1);
    assert_eq!(at("/agents/1/wrap_up_seconds"), 20.0);
    assert_eq!(at("/agents/1/why/passed_over/busy"), 3);
    assert_eq!(at("/end"), serde_json::json!({"by": "customer", "reason": "normal", "sip_code": 200}));
    assert_eq!(at("/quality/customer/loss_ratio"), 0.01);
    assert_eq!(at("/recordings/0/seconds"), 30.04);
    assert_eq!(at("/recordings/0/channels"), 2);
    let steps: Vec<&str> = given.last().unwrap().path.iter().map(|step| step.what.as_str()).collect();
    for want in [
        "call from 0501234567 to 500 by trunk stc: flow, language ar",
        "keyed 1 at topic: matched",
        "queue support, place 1",
        "ring at 102 ended after 6.0 s: no_answer",
        "rang 101 (longest_idle, idle 60.0 s, 1 waiting)",
        "talks with 101, waited 12.0 s",
        "ended by customer: normal (200)",
        "101 finished the wrap-up after 20.0 s",
    ] {
        assert!(steps.contains(&want), "{want} is not in {steps:#?}");
    }
}

#[test]
fn a_record_reads_back_as_written() {
    let mut fold = Fold::default();
    for record in records(&mut fold, &queue_call(1, 1)) {
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<CallRecord>(&text).unwrap(), record);
    }
}

/// A snapshot at any place, and entries that went through text, change nothing.
#[test]
fn folding_from_any_snapshot_gives_the_same_records_byte_for_byte() {
    let entries: Vec<Entry> = queue_call(1, 1)
        .iter()
        .map(|entry| serde_json::from_str(&serde_json::to_string(entry).unwrap()).unwrap())
        .collect();
    let whole = serde_json::to_string(&records(&mut Fold::default(), &queue_call(1, 1))).unwrap();
    for cut in 0..=entries.len() {
        let mut fold = Fold::default();
        let mut given = records(&mut fold, &entries[..cut]);
        let mut fold: Fold = serde_json::from_str(&serde_json::to_string(&fold).unwrap()).unwrap();
        given.extend(records(&mut fold, &entries[cut..]));
        assert_eq!(serde_json::to_string(&given).unwrap(), whole, "cut at {cut}");
    }
}

#[test]
fn a_closed_call_waits_for_its_recording_and_wrap_up_and_is_then_forgotten() {
    let mut fold = Fold::default();
    let entries = queue_call(1, 1);
    records(&mut fold, &entries[..21]);
    let tick = |seconds| entry(99, seconds, About::Node, Kind::ConfigReloaded { accepted: true });
    fold.handle(&tick(600));
    assert!(fold.record(call(1)).is_some(), "the recording is still open");
    assert_eq!(fold.unfinished_recordings().map(|r| r.recording).collect::<Vec<_>>(), [recording(1)]);
    records(&mut fold, &entries[21..23]);
    fold.handle(&tick(700));
    assert!(fold.record(call(1)).is_none());
}

#[test]
fn a_recording_that_never_ends_keeps_its_call_for_an_hour() {
    let mut fold = Fold::default();
    records(&mut fold, &queue_call(1, 1)[..21]);
    fold.handle(&entry(99, 3_600 + 100, About::Node, Kind::ConfigReloaded { accepted: true }));
    assert!(fold.record(call(1)).is_none());
}

/// The time the process was down does not count: the recording is mended long after its call ended.
#[test]
fn after_a_crash_the_record_closes_at_the_last_known_time_and_the_mended_recording_reaches_it() {
    let mut fold = Fold::default();
    records(&mut fold, &queue_call(1, 1)[..14]);
    let (open, day) = (fold.open().map(|r| r.call_id).collect::<Vec<_>>(), 86_400);
    assert_eq!(open, [call(1)]);
    let length = Kind::RecordingEnded { recording: recording(1), length_ms: 900, lost_ms: 0, partial: true };
    let given = records(
        &mut fold,
        &[
            entry(15, day, About::Node, Kind::NodeStarted { version: "1".into() }),
            entry(16, 19, About::Call(call(1)), ended(EndReason::NodeFailure)),
            entry(17, day + 1, About::Call(call(1)), length),
        ],
    );
    let last = given.last().unwrap();
    assert_eq!((given.len(), last.revision), (2, 2));
    assert_eq!(last.duration_seconds, Some(Seconds::from_ms(19_000)));
    assert_eq!(last.end.map(|end| end.reason), Some(EndReason::NodeFailure));
    assert_eq!(last.agents[1].talk_seconds, Some(Seconds::from_ms(1_000)));
    assert_eq!((last.recordings[0].seconds, last.recordings[0].partial), (Some(Seconds::from_ms(900)), true));
}

#[test]
fn a_full_queue_is_a_visit_without_waiting() {
    let mut fold = Fold::default();
    let by = || About::Call(call(1));
    let full = Kind::QueueLeft { queue: "vip".into(), outcome: QueueOutcome::Full, wait_ms: 0 };
    let entries =
        [entry(1, 0, by(), started()), entry(2, 1, by(), full), entry(3, 2, by(), ended(EndReason::QueueFull))];
    let given = records(&mut fold, &entries);
    let visit = &given[0].queue_visits[0];
    assert_eq!(
        (visit.outcome, visit.wait_seconds, visit.position_at_entry),
        (Some(QueueOutcome::Full), Some(Seconds::from_ms(0)), 0)
    );
}

#[test]
fn entries_about_unknown_calls_and_endless_flows_are_harmless() {
    let mut fold = Fold::default();
    let by = || About::Call(call(1));
    assert!(fold.handle(&entry(1, 0, by(), ended(EndReason::Normal))).is_none());
    fold.handle(&entry(2, 0, by(), started()));
    for seq in 3..5_000 {
        fold.handle(&entry(seq, 1, by(), Kind::Announced { position: 1, within_minutes: None }));
    }
    assert_eq!(fold.record(call(1)).unwrap().path.len(), STEPS_MAX + 1);
}
