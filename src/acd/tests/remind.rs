//! Acceptance row F18: announcements while waiting, and keys that lead out of the queue.

use super::*;

/// 101 is busy; two announcements by turns, every 20 s.
fn talking() -> World {
    let mut w = world(&["101"]);
    let queue = w.queue(SUPPORT);
    queue.announcements = vec!["offers".to_owned(), "website".to_owned()];
    queue.announcements_every = Duration::from_secs(20);
    w.apply();
    w.input(Input::OwnCall { agent: "101".into(), call: call(90), rings: false });
    w
}

fn heard(out: &[(f64, Output)]) -> Vec<(f64, String)> {
    let pick = |(at, o): &(f64, Output)| match o {
        Output::Remind { prompt, .. } => Some((*at, prompt.clone())),
        _ => None,
    };
    out.iter().filter_map(pick).collect()
}

#[test]
fn f18_announcements_are_heard_by_turns() {
    let mut w = talking();
    w.enqueue(1);
    let all = [(20.0, "offers"), (40.0, "website"), (60.0, "offers")].map(|(at, id)| (at, id.to_owned()));
    assert_eq!(heard(&w.pass(65.0)), all);
    w.queue(SUPPORT).announcements.clear();
    w.apply();
    assert_eq!(heard(&w.pass(100.0)), [], "a reload reaches those who wait");
}

/// While a phone rings for him nothing begins that an answer would cut.
#[test]
fn f18_nothing_is_said_while_a_phone_rings() {
    let mut w = talking();
    w.enqueue(1);
    w.pass(15.0);
    w.input(Input::OwnCallEnded { agent: "101".into(), call: call(90) }); // rings until second 30
    assert_eq!(heard(&w.pass(24.0)), []);
    assert_eq!(heard(&w.pass(1.0)), [(40.0, "offers".to_owned())]);
}

#[test]
fn f18_a_key_leads_out_of_the_queue_whatever_rings() {
    let mut w = talking();
    w.queue("backup");
    w.queue(SUPPORT).exit_keys = [('1', Way::Queue("backup".into())), ('#', Way::Flow("voicemail".to_owned()))].into();
    w.apply();
    w.enqueue(1);
    w.pass(10.0);
    assert_eq!(w.input(Input::Key { call: call(1), digit: '2' }), [], "no key of this queue");
    w.input(Input::Key { call: call(1), digit: '1' });
    assert_eq!(w.floor.queues(w.now).find(|q| q.name.as_str() == "backup").map(|q| q.waiting), Some(1));
    assert_eq!(w.input(Input::Key { call: call(1), digit: '#' }), [], "nor is it one of the other");

    w.input(Input::OwnCallEnded { agent: "101".into(), call: call(90) });
    w.enqueue(2);
    let out = w.input(Input::Key { call: call(2), digit: '#' });
    assert!(withdrawn(&out), "the phone that rings for him is silent");
    let left = |o: &Output| matches!(o, Output::Left { outcome: QueueOutcome::Key, way: Way::Flow(flow), .. } if flow == "voicemail");
    assert!(out.iter().any(left), "{out:?}");
    assert!(w.is("101", AgentStateName::Ready));
}
