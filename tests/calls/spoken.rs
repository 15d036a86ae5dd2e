//! What callers say at a node of a flow, and what happens while a flow's queue node lets them wait.

use std::collections::BTreeSet;
use std::sync::Arc;

use hatif::acd::Wish;
use hatif::call::config::{CallbackConfig, DialTarget, NumberAction};
use hatif::engine::{Input, Settings};
use hatif::id::RecordingId;
use hatif::ivr;
use hatif::journal::{EndReason, FlowOutcome, Kind, QueueOutcome};
use hatif::media::{Command as Media, Event};
use hatif::report::explain::Language;

use crate::centre::*;
use crate::settings::{number, queue};
use crate::why::story;

/// Asks for a comment by a called flow, and says what came of it.
const SPEAK: &str = r#"
flow = 1
name = "speak"
languages = ["en"]
start = "ask"
[node.ask]
kind = "flow"
flow = "comment"
into = { comment = "said" }
next = "which"
[vars]
comment = { type = "text", default = "" }
[node.which]
kind = "switch"
case = [{ when = 'comment.startsWith("rec_")', next = "thanks" }]
else = "nothing"
on = { error = "nothing" }
[node.thanks]
kind = "play"
say = [{ prompt = "survey_thanks" }]
next = "end"
[node.nothing]
kind = "play"
say = [{ prompt = "no_key" }]
next = "end"
[node.end]
kind = "hangup"
"#;
const COMMENT: &str = r#"
flow = 1
name = "comment"
languages = ["en"]
start = "speak"
returns = ["said"]
[vars]
said = { type = "text", default = "" }
[node.speak]
kind = "record"
say = [{ prompt = "survey_question" }]
max = "20s"
silence = "4s"
into = "said"
survey = "csat"
next = "return"
on = { no_input = "return", error = "return" }
"#;
/// Waits for somebody who speaks French, then for anybody; may be called back.
const LINE: &str = r#"
flow = 1
name = "line"
languages = ["en"]
start = "wait"
[node.wait]
kind = "queue"
queue = "support"
skills = ["lang:fr"]
relax = [{ after = "60s", skills = [] }]
offer_callback = { when = 'queue.support.waiting > 0', every = "20s", key = "2", next = "home" }
on = { ended = "end", timeout = "end", full = "end", no_agents = "end" }
[node.home]
kind = "callback"
queue = "support"
next = "booked"
on = { failed = "end" }
[node.booked]
kind = "play"
say = [{ prompt = "callback_booked" }]
next = "end"
[node.end]
kind = "hangup"
"#;

fn flows(settings: &mut Settings) {
    let files = [("speak", SPEAK), ("comment", COMMENT), ("line", LINE)];
    let files: Vec<_> = files.into_iter().map(|(name, text)| (format!("{name}.toml"), text.to_owned())).collect();
    let declared = ivr::Declared {
        queues: ["support".to_owned()].into(),
        callbacks: BTreeSet::from(["support".to_owned()]),
        languages: vec!["en".to_owned(), "ar".to_owned()],
        ..ivr::Declared::default()
    };
    let (library, faults) = ivr::load(&files, &declared);
    let shown: Vec<String> = faults.iter().map(ToString::to_string).collect();
    settings.flows = Arc::new(library.unwrap_or_else(|| panic!("{}", shown.join("\n"))));
    for (dialled, flow) in [("530", "speak"), ("531", "line")] {
        settings.call.numbers.push(number(dialled, NumberAction::Flow(flow.to_owned()), true));
    }
    let dial = Some(DialTarget::Address { user: "{number}".into(), address: addr(FAR) });
    settings.call.callbacks.insert(queue("support"), CallbackConfig { dial, ..CallbackConfig::default() });
}

/// The recording of the present call, once the tone has sounded.
fn speaks(centre: &mut Centre) -> RecordingId {
    centre.pass(seconds(2));
    let began = centre.media.iter().rev().find_map(|command| match command {
        Media::Record { recording, others, .. } if others.is_empty() => Some(*recording),
        _ => None,
    });
    let recording = began.expect("he is recorded");
    let awaits = |command: &Media| matches!(command, Media::AwaitQuiet { recording: of, silence } if *of == recording && *silence == seconds(4));
    assert!(centre.media.iter().any(awaits), "{:?}", centre.media);
    recording
}

fn said(centre: &Centre) -> Vec<(String, RecordingId, u64, Option<String>)> {
    centre.told(|kind| match kind {
        Kind::CallerRecorded { flow, node, recording, length_ms, survey } => {
            Some((format!("{flow}/{node}"), *recording, *length_ms, survey.clone()))
        }
        _ => None,
    })
}

fn visited(centre: &Centre, node: &str) -> bool {
    !centre.told(|kind| matches!(kind, Kind::NodeVisited { node: at, .. } if at == node).then_some(())).is_empty()
}

#[test]
fn a_comment_ends_by_its_key_and_belongs_to_call_and_survey() {
    let mut centre = Centre::with(flows);
    let mut customer = centre.connect(stranger(1), "0551234", "530");
    let recording = speaks(&mut centre);
    centre.pass(seconds(7));
    centre.info(&mut customer, '5');
    centre.info(&mut customer, '#');
    centre.pass(seconds(3));
    centre.ended(&customer);
    let [(place, id, length, survey)] = said(&centre).try_into().expect("one");
    assert_eq!((place.as_str(), id, survey.as_deref()), ("comment/speak", recording, Some("csat")));
    assert!((7_000..9_000).contains(&length), "{length}");
    assert!(visited(&centre, "thanks") && !visited(&centre, "nothing"), "{}", centre.story());

    let record = centre.record(0);
    let [kept] = record.recordings.as_slice() else { panic!("{:?}", record.recordings) };
    assert_eq!(
        (kept.id, kept.node.as_deref(), kept.survey.as_deref()),
        (recording, Some("comment/speak"), Some("csat"))
    );
    let ivr = record.ivr.as_ref().expect("a flow");
    assert_eq!(ivr.path, ["ask", "comment/speak", "which", "thanks", "end"]);
    assert_eq!((ivr.flow.as_str(), ivr.outcome), ("speak", Some(FlowOutcome::Contained)));
    let left = centre.told(|kind| match kind {
        Kind::FlowLeft { flow, outcome } => Some((flow.clone(), *outcome)),
        _ => None,
    });
    assert_eq!(left, [("comment".to_owned(), FlowOutcome::Returned), ("speak".to_owned(), FlowOutcome::Contained)]);
    let told = story(&centre, 0, Language::English);
    assert!(told.contains("He was recorded for 7 s, as node speak asked."), "{told}");
    assert!(story(&centre, 0, Language::Arabic).contains("سُجّل كلامه"));
    centre.nothing_is_left();
}

#[test]
fn silence_ends_a_comment_and_silence_alone_is_none() {
    for spoke in [true, false] {
        let mut centre = Centre::with(flows);
        let customer = centre.connect(stranger(1), "0551234", "530");
        let recording = speaks(&mut centre);
        centre.pass(seconds(5));
        let leg = centre.leg(0);
        centre.handle(Input::Media(Event::Quiet { leg, recording, spoke }));
        centre.pass(seconds(3));
        centre.ended(&customer);
        assert_eq!(said(&centre).len(), usize::from(spoke));
        assert!(visited(&centre, if spoke { "thanks" } else { "nothing" }), "{}", centre.story());
        centre.nothing_is_left();
    }
}

#[test]
fn the_longest_time_ends_a_comment_and_a_hang_up_keeps_it() {
    let mut centre = Centre::with(flows);
    let customer = centre.connect(stranger(1), "0551234", "530");
    speaks(&mut centre);
    centre.pass(seconds(24));
    centre.ended(&customer);
    assert_eq!(said(&centre).first().map(|(_, _, length, _)| *length), Some(20_000));

    let mut customer = centre.connect(stranger(2), "0551235", "530");
    speaks(&mut centre);
    centre.pass(seconds(3));
    centre.bye(&mut customer);
    assert_eq!(said(&centre).len(), 2, "what he said is kept");
    let record = centre.record(1);
    assert_eq!(record.ivr.as_ref().and_then(|ivr| ivr.outcome), Some(FlowOutcome::Abandoned));
    assert_eq!(record.end.map(|end| end.reason), Some(EndReason::Abandoned));

    // The key at once: nothing was said.
    let mut customer = centre.connect(stranger(3), "0551236", "530");
    speaks(&mut centre);
    centre.info(&mut customer, '#');
    centre.pass(seconds(3));
    centre.ended(&customer);
    assert_eq!(said(&centre).len(), 2);
    assert!(visited(&centre, "nothing"));
    centre.nothing_is_left();
}

#[test]
fn a_caller_for_whom_nobody_has_the_skill_is_served_by_others_after_his_time() {
    let mut centre = Centre::with(flows);
    let mut customer = centre.connect(stranger(1), "0551234", "531");
    centre.pass(seconds(59));
    centre.silent(desk(101));
    centre.pass(seconds(2));
    let agent = centre.rung(desk(101));
    centre.picks_up(&agent);
    centre.pass(seconds(100));
    let told = story(&centre, 0, Language::English);
    assert!(told.contains("He had waited 60 s in queue support, so the flow asks for less: no skill."), "{told}");
    assert!(story(&centre, 0, Language::Arabic).contains("بلا مهارة"));
    let relaxed = centre.told(|kind| match kind {
        Kind::Relaxed { skills, wait_ms, .. } => Some((skills.len(), *wait_ms)),
        _ => None,
    });
    assert_eq!(relaxed, [(0, 60_000)]);
    centre.bye(&mut customer);
    centre.expect(desk(101), "BYE");
}

/// The offer is heard while the condition holds; its key leads out of the queue, and his place is kept.
#[test]
fn a_caller_takes_the_offer_to_be_called_back() {
    let mut centre = Centre::with(flows);
    for agent in ["101", "102"] {
        centre.want(agent, Wish::Pause("lunch".into()));
    }
    let mut customer = centre.connect(stranger(1), "0551234", "531");
    centre.pass(seconds(19));
    centre.info(&mut customer, '2');
    assert!(said(&centre).is_empty() && !visited(&centre, "home"), "he has not heard what it does");
    let before = centre.media.len();
    centre.pass(seconds(2));
    let offered = centre.media.iter().skip(before).filter(|command| matches!(command, Media::Play { .. })).count();
    assert_eq!(offered, 1, "the offer");
    centre.info(&mut customer, '2');
    centre.pass(seconds(4));
    centre.ended(&customer);
    let left = centre.told(|kind| match kind {
        Kind::QueueLeft { outcome, .. } => Some(*outcome),
        _ => None,
    });
    assert_eq!(left, [QueueOutcome::Callback]);
    let booked = centre.told(|kind| match kind {
        Kind::CallbackBooked { booking } => Some(booking.number.clone()),
        _ => None,
    });
    assert_eq!(booked, ["0551234"]);
    assert!(visited(&centre, "booked"));
}
