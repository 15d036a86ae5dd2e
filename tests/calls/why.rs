//! The story of a call, from the journal that the engine wrote, in both languages.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use hatif::acd::Wish;
use hatif::engine::Remains;
use hatif::journal::{About, Kind};
use hatif::report::explain::{Language, Roster, Story};
use hatif::report::live::Live;
use hatif::report::places::Places;

use crate::centre::*;

fn roster() -> Roster {
    let agents = [("101", "أمل"), ("102", "Omar"), ("103", "سارة")];
    let queues = || BTreeSet::from(["support".into()]);
    Roster { agents: agents.map(|(id, name)| (id.into(), (name.to_owned(), queues()))).into() }
}

/// The story of the n-th call that began, one sentence a line, reasons below it.
pub fn story(centre: &Centre, n: usize, language: Language) -> String {
    let started = |kind: &Kind| matches!(kind, Kind::CallStarted { .. });
    let call = centre.journal.iter().filter(|e| started(&e.kind)).filter_map(|e| match e.about {
        About::Call(call) => Some(call),
        _ => None,
    });
    let mut story = Story::new(call.into_iter().nth(n).expect("a call"), roster(), BTreeMap::new());
    centre.journal.iter().for_each(|entry| story.handle(entry));
    let line = |seconds: f64, text: &str| format!("{seconds:>8.3}  {text}\n");
    let steps = story.tell(language).into_iter().map(|step| {
        let details: String = step.details.iter().map(|d| format!("          - {d}\n")).collect();
        line(step.seconds.ms as f64 / 1_000.0, &step.text) + &details
    });
    steps.collect()
}

/// Compares with the file in `tests/golden/`; `HATIF_BLESS=1` writes it anew, to be read before it is committed.
#[track_caller]
pub fn golden(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("HATIF_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(&path, found).expect("written");
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == wanted, "{name} is another story now:\n{found}");
}

/// One agent misses the caller and is paused for it, one declines, a colleague is on lunch; who declined takes him in the
/// end. Meanwhile another caller waits and gives up.
#[test]
fn a_call_is_told_in_arabic_and_in_english() {
    let mut centre = Centre::with(|settings| {
        let sara = settings.floor.agents.get_mut("103").expect("103");
        sara.queues.insert("support".into());
        for queue in settings.floor.queues.values_mut() {
            queue.rna_threshold = 1;
        }
    });
    centre.want("103", Wish::Pause("LUNCH".into()));
    centre.pass(seconds(90));
    let mut customer = centre.connect(stranger(1), "0551234567", "600");
    let ring = centre.rung(desk(101));
    centre.says(&ring, "180 Ringing");
    centre.pass(seconds(15));
    centre.cancelled(&ring);
    let ring = centre.rung(desk(102));
    centre.pass(ms(2_300));
    centre.says(&ring, "603 Decline");
    let mut other = centre.connect(stranger(2), "0559876543", "600");
    centre.pass(seconds(5));
    // Back at his desk he is rung for the other one, as he missed this one a moment ago, and misses that one too.
    centre.want("101", Wish::Ready);
    let missed = centre.rung(desk(101));
    centre.says(&missed, "180 Ringing");
    centre.pass(seconds(30));
    centre.cancelled(&missed);
    let late = centre.rung(desk(102));
    centre.says(&late, "180 Ringing");
    centre.bye(&mut other);
    centre.expect(desk(102), "CANCEL ");
    let ring = centre.rung(desk(102));
    centre.says(&late, "487 Request Terminated");
    centre.pass(ms(1_200));
    centre.picks_up(&ring);
    centre.pass(seconds(125));
    centre.bye(&mut customer);
    centre.ended(&ring);
    centre.nothing_is_left();
    for language in [Language::Arabic, Language::English] {
        golden(&format!("served.{}.txt", language.tag()), &story(&centre, 0, language));
        golden(&format!("gave_up.{}.txt", language.tag()), &story(&centre, 1, language));
    }
}

/// Who calls again waits for the agent he knows, though a colleague is free; and after a restart that agent is known still.
#[test]
fn f21_who_calls_again_gets_the_agent_he_knows() {
    let mut centre = Centre::with(|settings| {
        let support = settings.floor.queues.get_mut("support").expect("support");
        support.sticky.last_agent = Some(seconds(15));
        support.wrap_up = seconds(10);
    });
    let number = "0551234567";
    centre.want("101", Wish::Pause("LUNCH".into()));
    let mut customer = centre.connect(stranger(1), number, "600");
    let agent = centre.rung(desk(102));
    centre.picks_up(&agent);
    centre.pass(seconds(20));
    centre.bye(&mut customer);
    centre.ended(&agent);
    centre.want("101", Wish::Ready);
    let (mut live, mut places) = (Live::default(), Places::default());
    for entry in &centre.journal {
        live.handle(entry);
        places.handle(entry);
    }
    let remains = Remains::of(live.at(), &live, &places);
    assert_eq!(remains.regulars.agent_of(number), Some(&"102".into()));

    let mut customer = centre.connect(stranger(1), number, "600");
    centre.pass(seconds(9));
    centre.silent(desk(101));
    centre.pass(seconds(1));
    let agent = centre.rung(desk(102));
    centre.picks_up(&agent);
    centre.pass(seconds(5));
    centre.bye(&mut customer);
    centre.ended(&agent);
    centre.nothing_is_left();
    for language in [Language::Arabic, Language::English] {
        golden(&format!("sticky.{}.txt", language.tag()), &story(&centre, 1, language));
    }
    let words = centre.words(1);
    assert!(words.contains("waits for his last agent 102\n"), "{words}");
}

/// In Arabic every identifier stands between U+2068 and U+2069, and each of those is closed.
#[test]
fn identifiers_in_arabic_sentences_are_isolated() {
    let mut centre = Centre::new();
    let (mut customer, agent) = centre.talk(stranger(1));
    centre.bye(&mut customer);
    centre.ended(&agent);
    centre.nothing_is_left();
    let told = story(&centre, 0, Language::Arabic);
    assert!(told.contains("\u{2068}support\u{2069}") && told.contains("\u{2068}أمل (101)\u{2069}"), "{told}");
    let mut depth = 0;
    for letter in told.chars().filter(|c| !matches!(c, ' ' | '\n' | '-')) {
        match letter {
            '\u{2068}' => depth += 1,
            '\u{2069}' => depth -= 1,
            _ => {}
        }
        assert!((0..=1).contains(&depth), "{told}");
        assert!(depth == 1 || !letter.is_ascii_alphabetic(), "{letter} is not isolated in\n{told}");
    }
    assert_eq!(depth, 0, "{told}");
}
