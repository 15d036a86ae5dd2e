//! Sentences that flows and queues speak: recorded pieces, or one voice for the whole; what is heard until the voice has spoken.

use std::collections::BTreeMap;
use std::sync::Arc;

use hatif::acd::Wish;
use hatif::acd::way::{Overflow, Way};
use hatif::call::prompts::Prompts;
use hatif::engine::{Input, Settings, Synthesis, SynthesisError};
use hatif::id::LegId;
use hatif::ivr;
use hatif::journal::{EndReason, FlowOutcome};
use hatif::media::{Clip, Command as Media};

use crate::centre::*;
use crate::phone::Leg;

const FLOW: &str = r#"
flow = 1
name = "main"
title = { en = "say" }
languages = ["en", "ar"]
start = "ask"
[vars]
waiting = { type = "number", default = 3 }
[defaults]
on = { no_input = "bye", invalid = "bye", error = "bye" }
[node.ask]
kind = "menu"
say = [{ prompt = "there_are" }, { count = "waiting", noun = "call" }, { prompt = "before_you" }]
keys = { "1" = "phone", "2" = "bye" }
tries = 1
timeout = "5s"
[node.phone]
kind = "play"
say = [{ phone = "caller.number" }, { text = "Number {waiting}", lang = "ar" }]
barge_in = false
next = "choose"
[node.choose]
kind = "menu"
say = [{ prompt = "there_are" }]
keys = { "7" = "bye" }
[node.bye]
kind = "hangup"
"#;
/// How long each sound is, in ms, so that a play shows what it is of.
const THERE_ARE: u64 = 100;
const THREE: u64 = 200;
const CALLS: u64 = 300;
const BEFORE_YOU: u64 = 400;
const SPOKEN: u64 = 1_500;
const STAND_IN: u64 = 400;

fn clip(ms: u64) -> Arc<Clip> {
    Arc::new(Clip::tone(500.0, -20.0, u32::try_from(ms).expect("short")))
}

/// A centre whose number 500 leads to the flow above, with these recordings in English.
fn centre(recorded: &[(&str, u64)]) -> Centre {
    let declared = ivr::Declared { languages: vec!["en".into(), "ar".into()], ..ivr::Declared::default() };
    let (library, faults) = ivr::load(&[("main.toml".to_owned(), FLOW.to_owned())], &declared);
    let library = library.unwrap_or_else(|| panic!("{}", faults[0]));
    let prompts = [("there_are", THERE_ARE), ("before_you", BEFORE_YOU)];
    let all = prompts.iter().chain(recorded).map(|(id, ms)| ((*id).to_owned(), clip(*ms))).collect();
    let prompts = Prompts::new(BTreeMap::from([("en".to_owned(), all)]), Clip::tone(300.0, -20.0, 1_000));
    Centre::with(|settings: &mut Settings| {
        settings.flows = Arc::new(library);
        settings.prompts = Arc::new(prompts);
    })
}

/// What the caller was made to hear, as words: the lengths of a play's sounds, `music`, `silence`.
fn heard(centre: &Centre, leg: LegId) -> Vec<String> {
    let word = |command: &Media| match command {
        Media::Play { leg: of, clips, .. } if *of == leg => {
            let lengths: Vec<String> = clips.iter().map(|clip| clip.length_ms().to_string()).collect();
            Some(lengths.join(" "))
        }
        Media::Music { leg: of, .. } if *of == leg => Some("music".to_owned()),
        Media::Silence { leg: of } if *of == leg => Some("silence".to_owned()),
        _ => None,
    };
    centre.media.iter().filter_map(word).collect()
}

fn speaks(centre: &mut Centre, sentence: &Synthesis) {
    centre.handle(Input::Synthesized { id: sentence.id, sound: Ok(clip(SPOKEN)) });
}

#[test]
fn recorded_pieces_are_used_when_all_are_there() {
    let mut centre = centre(&[("en.n.3", THREE), ("en.noun.call.other", CALLS)]);
    let mut customer = centre.connect(stranger(1), "0551234", "500");
    let leg = centre.leg(0);
    assert_eq!(heard(&centre, leg), [format!("{THERE_ARE} {THREE} {CALLS} {BEFORE_YOU}")]);
    assert!(centre.sentences.is_empty(), "nobody is asked");
    centre.bye(&mut customer);
    centre.nothing_is_left();
}

#[test]
fn one_piece_missing_has_the_whole_sentence_spoken_by_one_voice() {
    let mut centre = centre(&[("en.n.3", THREE)]);
    let mut customer = centre.connect(stranger(1), "0551234", "500");
    let leg = centre.leg(0);
    let [sentence] = &centre.sentences.clone()[..] else { panic!("{:?}", centre.sentences) };
    assert_eq!((sentence.language.as_str(), sentence.text.as_str()), ("en", "three calls"));
    assert!(!sentence.is_private);
    centre.pass(ms(699));
    assert_eq!(heard(&centre, leg), ["silence"], "nothing is begun that would be cut off");
    speaks(&mut centre, sentence);
    let play = format!("{THERE_ARE} {SPOKEN} {BEFORE_YOU}");
    assert_eq!(heard(&centre, leg), ["silence", &play]);
    // The end of the play is heard of: the menu waits, and ends by itself.
    centre.pass(ms(THERE_ARE + SPOKEN + BEFORE_YOU) + seconds(5));
    centre.ended(&customer);
    centre.nothing_is_left();
    assert!(centre.record(0).trouble.is_empty());
    customer = centre.connect(stranger(2), "0552222", "500");
    centre.bye(&mut customer);
    centre.nothing_is_left();
}

#[test]
fn who_waits_for_a_voice_hears_music_and_a_tone_when_it_does_not_speak() {
    let mut centre = centre(&[]);
    let customer = centre.connect(stranger(1), "0551234", "500");
    let leg = centre.leg(0);
    centre.pass(ms(700));
    assert_eq!(heard(&centre, leg), ["silence", "music"]);
    centre.pass(ms(2_299));
    assert_eq!(heard(&centre, leg).len(), 2);
    centre.pass(ms(1));
    let play = format!("{THERE_ARE} {STAND_IN} {BEFORE_YOU}");
    assert_eq!(heard(&centre, leg), ["silence", "music", &play]);
    let late = centre.sentences[0].clone();
    speaks(&mut centre, &late);
    assert_eq!(heard(&centre, leg).len(), 3, "a late answer changes nothing");
    // The next sentences fail at once: it is told once.
    centre.digit(leg, '1');
    for sentence in centre.sentences.clone()[1..].iter() {
        let sound = Err(SynthesisError::Failed("no such voice".into()));
        centre.handle(Input::Synthesized { id: sentence.id, sound });
    }
    assert_eq!(heard(&centre, leg).last(), Some(&format!("{STAND_IN} {STAND_IN}")));
    centre.pass(seconds(1));
    centre.digit(leg, '7');
    centre.ended(&customer);
    centre.nothing_is_left();
    let troubles = &centre.record(0).trouble;
    assert_eq!(troubles.len(), 1, "{troubles:?}");
    assert_eq!(troubles[0].code, "speech_failed");
    assert!(troubles[0].detail.contains("in en") && !troubles[0].detail.contains("three"), "{troubles:?}");
}

#[test]
fn no_voice_is_sent_digits_and_what_is_the_callers_own_is_private() {
    let mut centre = centre(&[]);
    let mut customer = centre.connect(stranger(1), "0551234", "500");
    let leg = centre.leg(0);
    centre.digit(leg, '1');
    let sentences = centre.sentences.clone();
    let texts: Vec<&str> = sentences.iter().map(|sentence| sentence.text.as_str()).collect();
    assert_eq!(texts.len(), 3, "{texts:?}");
    assert_eq!(texts[2], "Number ثلاثة");
    assert!(texts.iter().all(|text| !text.chars().any(char::is_numeric)), "{texts:?}");
    assert_eq!(sentences.iter().map(|sentence| sentence.is_private).collect::<Vec<_>>(), [false, true, true]);
    centre.bye(&mut customer);
    centre.nothing_is_left();
}

/// A key while the voice is awaited is a key during the question.
#[test]
fn a_key_while_a_sentence_is_awaited_answers_the_question() {
    let mut centre = centre(&[]);
    let customer = centre.connect(stranger(1), "0551234", "500");
    let leg = centre.leg(0);
    let first = centre.sentences[0].clone();
    centre.digit(leg, '1');
    let plays = |centre: &Centre| heard(centre, leg).iter().filter(|word| word.contains("00")).count();
    speaks(&mut centre, &first);
    assert_eq!(plays(&centre), 0, "the sound of a question that is answered is not played");
    // This node is said to its end: keys wait for the next question.
    centre.digit(leg, '7');
    for sentence in centre.sentences.clone()[1..].iter() {
        speaks(&mut centre, sentence);
    }
    assert_eq!(heard(&centre, leg).last(), Some(&format!("{SPOKEN} {SPOKEN}")));
    centre.pass(ms(2 * SPOKEN));
    centre.ended(&customer);
    centre.nothing_is_left();
    let ivr = centre.record(0).ivr.clone().expect("a flow");
    assert_eq!(ivr.path, ["ask", "phone", "choose", "bye"]);
}

#[test]
fn who_hangs_up_while_a_sentence_is_awaited_leaves_nothing() {
    let mut centre = centre(&[]);
    let mut customer = centre.connect(stranger(1), "0551234", "500");
    let leg = centre.leg(0);
    let sentence = centre.sentences[0].clone();
    centre.pass(ms(800));
    centre.bye(&mut customer);
    speaks(&mut centre, &sentence);
    assert_eq!(heard(&centre, leg), ["silence", "music"]);
    centre.nothing_is_left();
    let record = centre.record(0);
    assert_eq!(record.end.map(|end| end.reason), Some(EndReason::Abandoned));
    assert_eq!(record.ivr.as_ref().and_then(|ivr| ivr.outcome), Some(FlowOutcome::Abandoned));
    assert!(record.trouble.is_empty());
}

/// Where the sentence for place 11 is recorded: what is not, a voice speaks.
const TEN_BEFORE: [(&str, u64); 4] = [
    ("en.position.are", THERE_ARE),
    ("en.n.10", THREE),
    ("en.noun.call.other", CALLS),
    ("en.position.before", BEFORE_YOU),
];
/// The recording for all places beyond ten.
const MORE: u64 = 600;

/// A centre whose support queue tells places every 30 s, with ten callers in it and nobody to answer them; and the eleventh.
fn eleventh(recorded: &[(&str, u64)], change: impl FnOnce(&mut Settings)) -> (Centre, Vec<Leg>, LegId) {
    let places = (1..=10).map(|place| (format!("position_{place}"), clip(50)));
    let all = places.chain([("position_more".to_owned(), clip(MORE))]);
    let all = all.chain(recorded.iter().map(|(id, ms)| ((*id).to_owned(), clip(*ms)))).collect();
    let prompts = Prompts::new(BTreeMap::from([("en".to_owned(), all)]), Clip::tone(300.0, -20.0, 1_000));
    let mut centre = Centre::with(|settings: &mut Settings| {
        settings.prompts = Arc::new(prompts);
        settings.call.languages = vec!["en".into()];
        let support = settings.floor.queues.get_mut("support").expect("support");
        support.announce_every = Some(seconds(30));
        change(settings);
    });
    for agent in ["101", "102"] {
        centre.want(agent, Wish::Pause("lunch".into()));
    }
    let waiting: Vec<Leg> = (1..=11).map(|n| centre.connect(stranger(n), &n.to_string(), "600")).collect();
    let leg = centre.leg(10);
    (centre, waiting, leg)
}

fn all_hang_up(mut centre: Centre, waiting: Vec<Leg>) -> Centre {
    for mut customer in waiting {
        centre.bye(&mut customer);
    }
    centre.nothing_is_left();
    centre
}

#[test]
fn f19_a_place_beyond_ten_is_spoken_while_the_music_goes_on() {
    let (mut centre, waiting, leg) = eleventh(&[], |_| {});
    let [sentence] = &centre.sentences.clone()[..] else { panic!("{:?}", centre.sentences) };
    assert_eq!((sentence.language.as_str(), sentence.text.as_str()), ("en", "there are ten calls before you"));
    assert!(sentence.is_optional && !sentence.is_private, "it is kept for the next caller at this place");
    centre.pass(ms(2_000));
    assert_eq!(heard(&centre, leg), ["music"], "it is not silent while the voice is awaited");
    speaks(&mut centre, sentence);
    centre.pass(ms(SPOKEN));
    assert_eq!(heard(&centre, leg), ["music", &SPOKEN.to_string(), "music"]);
    let centre = all_hang_up(centre, waiting);
    assert!(centre.words(10).contains("told place 11\n"), "{}", centre.words(10));
    assert!((0..11).all(|call| centre.record(call).trouble.is_empty()));
}

#[test]
fn f19_a_place_beyond_ten_is_told_by_recordings_where_all_are_there() {
    let (centre, waiting, leg) = eleventh(&TEN_BEFORE, |_| {});
    assert!(centre.sentences.is_empty(), "nobody is asked");
    assert_eq!(heard(&centre, leg), ["music".to_owned(), format!("{THERE_ARE} {THREE} {CALLS} {BEFORE_YOU}")]);
    all_hang_up(centre, waiting);
}

#[test]
fn f19_without_a_voice_a_place_beyond_ten_is_ten_or_more() {
    let (mut centre, waiting, leg) = eleventh(&TEN_BEFORE[..3], |_| {});
    let first = centre.sentences[0].clone();
    centre.handle(Input::Synthesized { id: first.id, sound: Err(SynthesisError::Failed("no such voice".into())) });
    let more = MORE.to_string();
    assert_eq!(heard(&centre, leg), ["music", &more]);
    // 30 s later nothing comes at all.
    centre.pass(seconds(30));
    assert_eq!(centre.sentences.len(), 2);
    assert_eq!(heard(&centre, leg), ["music", &more, "music"]);
    centre.pass(seconds(3));
    assert_eq!(heard(&centre, leg), ["music", &more, "music", &more]);
    let late = centre.sentences[1].clone();
    speaks(&mut centre, &late);
    assert_eq!(heard(&centre, leg).len(), 4, "a late answer changes nothing");
    let centre = all_hang_up(centre, waiting);
    assert!((0..11).all(|call| centre.record(call).trouble.is_empty()), "the caller was told something true");
}

/// A rule of the queue moves him to another while the voice is awaited: there he is told his place there.
#[test]
fn f19_a_place_in_the_queue_of_before_is_not_told_in_the_next() {
    let (mut centre, mut waiting, leg) = eleventh(&[], |settings| {
        let support = settings.floor.queues.get_mut("support").expect("support");
        support.overflow = Overflow { way: Way::Queue("vip".into()), wait: Some(seconds(1)), ..Overflow::default() };
    });
    let sentence = centre.sentences[0].clone();
    centre.pass(seconds(1));
    assert_eq!(heard(&centre, leg), ["music", "music"], "that of the other queue");
    speaks(&mut centre, &sentence);
    centre.pass(seconds(4));
    assert_eq!(heard(&centre, leg), ["music", "music"]);
    for mut customer in waiting.drain(..) {
        centre.bye(&mut customer);
    }
    centre.nothing_is_left();
}

/// An announcement that falls due while a voice is awaited comes after the place.
#[test]
fn f19_what_falls_due_meanwhile_comes_after_the_place() {
    let (mut centre, waiting, leg) = eleventh(&[("news", CALLS)], |settings| {
        let support = settings.floor.queues.get_mut("support").expect("support");
        support.announcements = vec!["news".into()];
        support.announcements_every = ms(2_900);
    });
    let sentence = centre.sentences[0].clone();
    centre.pass(ms(2_950));
    assert_eq!(heard(&centre, leg), ["music"]);
    speaks(&mut centre, &sentence);
    centre.pass(ms(SPOKEN + CALLS));
    assert_eq!(heard(&centre, leg), ["music", &SPOKEN.to_string(), &CALLS.to_string(), "music"]);
    all_hang_up(centre, waiting);
}

/// An agent answers while the voice is awaited: the talk is not talked over.
#[test]
fn f19_a_place_that_is_spoken_too_late_is_not_told_in_the_talk() {
    let (mut centre, mut waiting, leg) = eleventh(&[], |_| {});
    let sentence = centre.sentences[0].clone();
    for mut customer in waiting.drain(..10) {
        centre.bye(&mut customer);
    }
    centre.want("101", Wish::Ready);
    let agent = centre.rung(desk(101));
    centre.picks_up(&agent);
    let before = heard(&centre, leg);
    assert_eq!(before, ["music", "silence"]);
    speaks(&mut centre, &sentence);
    centre.pass(seconds(4));
    assert_eq!(heard(&centre, leg), before);
    let mut customer = waiting.remove(0);
    centre.bye(&mut customer);
    centre.ended(&agent);
    centre.nothing_is_left();
}
