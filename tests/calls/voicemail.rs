//! Messages in the box of a queue: left by callers, heard by agents.

use std::sync::Arc;
use std::time::Duration;

use hatif::acd::Wish;
use hatif::acd::way::Way;
use hatif::call::config::VoicemailConfig;
use hatif::engine::{Engine, Input, Remains, Settings};
use hatif::journal::{EndReason, Kind, QueueOutcome};
use hatif::media::{Clip, Command as Media};
use hatif::report::explain::Language;
use hatif::report::live::Live;
use hatif::report::places::{Places, Voicemail};

use crate::centre::*;
use crate::settings::queue;
use crate::why::story;

/// `support` has a box, reached by key 3; messages last ten seconds at most.
fn boxes(settings: &mut Settings) {
    let support = settings.floor.queues.get_mut("support").expect("support");
    support.exit_keys = [('3', Way::Voicemail)].into();
    let config = VoicemailConfig { max: seconds(10), ..VoicemailConfig::default() };
    settings.call.voicemail.insert(queue("support"), config);
}

/// Nobody answers, so that callers wait.
fn centre() -> Centre {
    let mut centre = Centre::with(boxes);
    for agent in ["101", "102"] {
        centre.want(agent, Wish::Pause("lunch".into()));
    }
    centre
}

fn messages(centre: &Centre) -> Vec<Voicemail> {
    centre.engine.voicemails(None)
}

/// Somebody comes, presses the key and hears the greeting: he is about to be recorded.
fn about_to_speak(centre: &mut Centre, phone: u8, number: &str) -> crate::phone::Leg {
    let mut customer = centre.connect(stranger(phone), number, "600");
    centre.pass(seconds(5));
    centre.info(&mut customer, '3');
    assert!(matches!(centre.media.last(), Some(Media::Play { .. })), "the greeting and the tone");
    centre.pass(ms(1_300));
    assert!(
        matches!(centre.media.last(), Some(Media::Record { others, .. }) if others.is_empty()),
        "{:?}",
        centre.media.last()
    );
    customer
}

fn leaves(centre: &mut Centre, phone: u8, number: &str) {
    let mut customer = about_to_speak(centre, phone, number);
    centre.pass(seconds(6));
    centre.info(&mut customer, '#');
    centre.pass(seconds(2));
    centre.ended(&customer);
    let recording = messages(centre).last().expect("a message").recording;
    let length = 800 * (1 + messages(centre).len());
    centre.sounds.insert(recording, Arc::new(Clip::from_pcm16(&vec![99; length])));
}

/// The sounds that were ordered last: how many samples each has.
fn heard(centre: &Centre) -> Vec<usize> {
    let last = centre.media.iter().rev().find_map(|command| match command {
        Media::Play { clips, .. } => Some(clips.iter().map(|clip| clip.samples()).collect()),
        _ => None,
    });
    last.unwrap_or_default()
}

#[test]
fn a_caller_leaves_a_message_and_an_agent_of_the_queue_hears_and_deletes_it() {
    let mut centre = centre();
    leaves(&mut centre, 1, "0551234");
    let [message] = messages(&centre).try_into().expect("one message");
    assert_eq!((message.from.as_str(), message.length_ms, message.heard), ("0551234", 6_000, None));
    let record = centre.record(0);
    assert_eq!(record.end.map(|end| end.reason), Some(EndReason::Normal));
    assert_eq!(record.recordings.len(), 1);
    assert_eq!(record.recordings[0].id, message.recording);
    let left = centre.told(|kind| match kind {
        Kind::QueueLeft { outcome, .. } => Some(*outcome),
        _ => None,
    });
    assert_eq!(left, [QueueOutcome::Key]);
    assert!(story(&centre, 0, Language::English).contains("He left a message of 6 s in the box of queue support."));
    assert!(story(&centre, 0, Language::Arabic).contains("ترك رسالة صوتية"));

    let mut agent = centre.connect(desk(101), "101", "*17");
    centre.pass(seconds(1));
    assert_eq!(heard(&centre)[1], 1_600, "the tone, the message, the keys");
    centre.pass(seconds(2));
    let by = messages(&centre)[0].heard.clone().expect("it was heard").0;
    assert_eq!(by, "agent:101");
    let plays = centre.media.len();
    centre.info(&mut agent, '1');
    assert!(centre.media.len() > plays && heard(&centre)[1] == 1_600, "again");
    centre.info(&mut agent, '3');
    assert_eq!(messages(&centre), []);
    centre.pass(seconds(2));
    centre.ended(&agent);
    centre.nothing_is_left();
}

#[test]
fn those_that_nobody_heard_come_first_and_who_says_nothing_hears_the_next() {
    let mut centre = centre();
    for (phone, number) in [(1, "0551111"), (2, "0552222")] {
        leaves(&mut centre, phone, number);
    }
    let first = messages(&centre)[0].recording;
    assert!(centre.engine.voicemail_heard(centre.now, first, "api:desk"));
    centre.handle(Input::Committed(0));
    let agent = centre.connect(desk(102), "102", "*17");
    centre.pass(seconds(1));
    assert_eq!(heard(&centre)[1], 2_400, "the second one");
    centre.pass(seconds(10));
    assert_eq!(heard(&centre)[1], 1_600, "then the one that was heard");
    centre.pass(seconds(15));
    centre.ended(&agent);
    let heard_by: Vec<_> = messages(&centre).into_iter().map(|m| m.heard.map(|(by, _)| by)).collect();
    assert_eq!(heard_by, [Some("api:desk".to_owned()), Some("agent:102".to_owned())]);
    centre.nothing_is_left();
}

#[test]
fn who_hangs_up_after_speaking_has_left_it_and_who_does_not_speak_has_not() {
    let mut centre = centre();
    let mut customer = about_to_speak(&mut centre, 1, "0551234");
    centre.pass(seconds(4));
    centre.bye(&mut customer);
    assert_eq!(messages(&centre)[0].length_ms, 4_000);
    assert_eq!(centre.record(0).end.map(|end| end.reason), Some(EndReason::Normal));

    let mut customer = about_to_speak(&mut centre, 2, "0552222");
    centre.pass(seconds(1));
    centre.bye(&mut customer);
    let mut customer = centre.connect(stranger(3), "0553333", "600");
    centre.info(&mut customer, '3');
    centre.bye(&mut customer);
    let mut customer = about_to_speak(&mut centre, 4, "0554444");
    centre.info(&mut customer, '#');
    centre.pass(seconds(2));
    centre.ended(&customer);
    assert_eq!(messages(&centre).len(), 1, "too short, or nothing at all");
    centre.nothing_is_left();
}

#[test]
fn the_longest_message_ends_by_itself_and_the_hash_key_skips_the_greeting() {
    let mut centre = centre();
    let mut customer = centre.connect(stranger(1), "anonymous", "600");
    centre.pass(seconds(5));
    centre.info(&mut customer, '3');
    centre.info(&mut customer, '#');
    assert!(matches!(centre.media.last(), Some(Media::Record { .. })));
    centre.pass(seconds(20));
    centre.ended(&customer);
    assert_eq!(messages(&centre)[0].length_ms, 10_000);
    assert_eq!(messages(&centre)[0].from, "", "he does not show his number");
    centre.nothing_is_left();
}

/// The file is gone, or damaged: that costs the agent a second, not his call.
#[test]
fn a_message_that_cannot_be_read_is_passed_over_and_stays_new() {
    let mut centre = centre();
    leaves(&mut centre, 1, "0551234");
    centre.sounds.clear();
    let agent = centre.connect(desk(101), "101", "*17");
    centre.pass(seconds(3));
    centre.ended(&agent);
    assert_eq!(messages(&centre)[0].heard, None);
    let told = centre.told(|kind| match kind {
        Kind::Trouble { code, .. } => Some(code.clone()),
        _ => None,
    });
    assert!(told.contains(&"voicemail_unreadable".to_owned()), "{told:?}");
}

#[test]
fn an_empty_box_says_so_and_others_may_not_hear_it() {
    let mut centre = centre();
    leaves(&mut centre, 1, "0551234");
    let mut leg = centre.dial(stranger(2), "0559999", "*17");
    centre.refused(&mut leg, 403);
    let message = messages(&centre)[0].recording;
    assert!(centre.engine.delete_voicemail(centre.now, message, "api:desk"));
    assert!(!centre.engine.delete_voicemail(centre.now, message, "api:desk"), "it is gone");
    let agent = centre.connect(desk(101), "101", "*17");
    centre.pass(seconds(2));
    centre.ended(&agent);
    centre.nothing_is_left();
}

/// Crash × message: who was speaking is lost with his call, all others are there.
#[test]
fn messages_outlive_the_process_and_old_ones_do_not_outlive_their_time() {
    let mut centre = centre();
    leaves(&mut centre, 1, "0551111");
    leaves(&mut centre, 2, "0552222");
    let first = messages(&centre)[0].recording;
    assert!(centre.engine.voicemail_heard(centre.now, first, "api:desk"));
    centre.handle(Input::Committed(0));
    let (mut live, mut places) = (Live::default(), Places::default());
    for entry in &centre.journal {
        live.handle(entry);
        places.handle(entry);
    }
    assert_eq!(live.voicemails().values().copied().collect::<Vec<_>>(), [[1, 1]]);
    let before = messages(&centre);
    let remains = Remains::of(live.at(), &live, &places);
    let (now, next_seq) = (centre.now, live.seq() + 1);
    let clock = hatif::clock::Clock::new(now, live.at());
    centre.engine = Engine::new(now, clock, centre.settings.clone(), next_seq, [9; 32]);
    centre.engine.recover(now, remains);
    centre.handle(Input::Committed(0));
    assert_eq!(messages(&centre), before);

    centre.now += Duration::from_secs(31 * 86_400);
    leaves(&mut centre, 3, "0553333");
    let from: Vec<String> = messages(&centre).into_iter().map(|message| message.from).collect();
    assert_eq!(from, ["0553333"], "thirty days");
}

#[test]
fn a_flow_goes_on_after_the_message_and_takes_its_edge_without_one() {
    for (speaks, expected) in [(true, "booked"), (false, "not")] {
        let mut centre = centre();
        let mut customer = centre.connect(stranger(1), "0551234", "521");
        centre.pass(ms(1_300));
        centre.pass(seconds(if speaks { 5 } else { 1 }));
        centre.info(&mut customer, '#');
        let nodes = centre.told(|kind| match kind {
            Kind::NodeVisited { node, .. } => Some(node.clone()),
            _ => None,
        });
        assert_eq!(nodes.last().map(String::as_str), Some(expected));
        centre.pass(seconds(2));
        centre.ended(&customer);
        assert_eq!(messages(&centre).len(), usize::from(speaks));
    }
}
