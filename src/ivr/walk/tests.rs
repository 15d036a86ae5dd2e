//! Walks through flows of the tree and through small ones, by steps and by every way.

use proptest::prelude::*;

use super::explore::Explorer;
use super::judge::differences;
use super::scenario::{self, Expect};
use super::*;
use crate::ivr::check::{Declared, load};
use crate::ivr::{SHIPPED_FLOWS, prompts};

const SOUND: &str = include_str!("../../../tests/flows/sound.toml");

/// The zero of virtual time.
#[allow(clippy::disallowed_methods)]
fn origin() -> Instant {
    Instant::now()
}

fn declared() -> Declared {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Declared {
        queues: names(&["support", "vip"]),
        callbacks: names(&["support"]),
        voicemails: names(&["support"]),
        services: names(&["crm"]),
        calendars: names(&["main"]),
        languages: vec!["ar".to_owned(), "en".to_owned()],
        ..Declared::default()
    }
}

fn library(files: &[(&str, &str)]) -> Arc<Library> {
    let files: Vec<(String, String)> = files.iter().map(|(f, t)| ((*f).to_owned(), (*t).to_owned())).collect();
    let (library, found) = load(&files, &declared());
    let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
    Arc::new(library.unwrap_or_else(|| panic!("{}", shown.join("\n"))))
}

fn shipped() -> Arc<Library> {
    library(&SHIPPED_FLOWS)
}

/// A flow of these nodes; `start` begins, `end` hangs up, errors lead to `wrong`.
fn small(nodes: &str) -> Arc<Library> {
    let text = format!(
        "flow = 1\nname = \"t\"\nlanguages = [\"ar\", \"en\"]\nstart = \"start\"\n[vars]\ntext = {{ type = \"text\", default = \"\" }}\n\
         number = {{ type = \"number\", default = 0 }}\n[defaults]\non = {{ no_input = \"wrong\", invalid = \"wrong\", error = \"wrong\" }}\n\
         [node.wrong]\nkind = \"play\"\nsay = [{{ prompt = \"invalid_key\" }}]\nnext = \"end\"\n[node.end]\nkind = \"hangup\"\n{nodes}"
    );
    library(&[("t.toml", &text)])
}

fn voice() -> Voice {
    let texts = prompts::parse("p", prompts::SHIPPED, &declared().languages).unwrap_or_default();
    Voice::new(
        &texts,
        BTreeMap::from([("en".to_owned(), BTreeMap::from([("goodbye".to_owned(), Duration::from_secs(9))]))]),
    )
}

fn setting(flow: &str) -> Setting {
    let facts = Facts { caller: "0501".into(), called: "500".into(), language: "ar".into(), ..Facts::default() };
    Setting { flow: flow.to_owned(), facts, ..Setting::default() }
}

#[track_caller]
fn walked(library: &Arc<Library>, setting: Setting, steps: &[&str]) -> Trace {
    let voice = voice();
    let mut walk = Walk::begin(origin(), library, setting, &voice).unwrap();
    for step in steps {
        let step = Step::parse(step).unwrap();
        walk.take(&step).unwrap_or_else(|misfit| panic!("{misfit}: {:?}", walk.trace().path()));
    }
    walk.into_trace()
}

#[test]
fn a_walk_tells_nodes_words_keys_queues_and_the_end() {
    let trace = walked(&shipped(), setting("main"), &["1", "1", "answered", "5"]);
    let path = ["language", "arabic", "topic", "support", "survey", "question", "thanks", "goodbye", "end"];
    assert_eq!(trace.path(), path);
    assert_eq!(trace.outcome, Some(FlowOutcome::Contained));
    let said: Vec<(&str, &str)> =
        trace.heard().map(|said| (said.prompt.as_deref().unwrap_or(""), said.language.as_str())).collect();
    assert_eq!(
        said[..4],
        [("welcome", "ar"), ("choose_language", "ar"), ("choose_language", "en"), ("topic_menu", "ar")]
    );
    assert!(trace.heard().all(|said| !said.text.is_empty()));
    let events: Vec<&Event> = trace.events().collect();
    assert!(events.contains(&&Event::Survey { survey: "csat".to_owned(), score: 5 }));
    let queue =
        Event::Queue { queue: "support".to_owned(), skills: vec![], priority: 0, segment: None, max_wait_s: None };
    assert!(events.contains(&&queue), "{events:?}");
    let times: Vec<u64> = trace.visits.iter().map(|visit| visit.at_ms).collect();
    assert!(times.is_sorted() && times.last() > Some(&60_000), "{times:?}");
    let goodbye = &trace.visits[7];
    assert!(goodbye.took_ms > 1_000 && goodbye.kind == "play", "{goodbye:?}");
}

/// A prompt takes as long as its recording; without one its text is counted.
#[test]
fn time_passes_with_what_is_said() {
    let trace = walked(
        &library(&SHIPPED_FLOWS[1..]),
        Setting { facts: Facts { language: "en".into(), ..Facts::default() }, ..setting("survey") },
        &["5"],
    );
    let at = |node: &str| trace.visits.iter().find(|visit| visit.node == node).map(|visit| visit.at_ms).unwrap();
    assert_eq!(at("end") - at("goodbye"), 9_000);
    let letters = "Thank you for your rating.".len() as u64;
    assert_eq!(at("goodbye") - at("thanks"), 400 + 70 * letters);
}

#[test]
fn what_cannot_happen_is_refused_with_what_can() {
    let (library, voice) = (shipped(), voice());
    let mut walk = Walk::begin(origin(), &library, setting("main"), &voice).unwrap();
    let mut refused = |step: &str| walk.take(&Step::parse(step).unwrap()).unwrap_err().to_string();
    assert!(refused("answered").contains("keys as 1 or 1234#"));
    walk.take(&Step::parse("11").unwrap()).unwrap();
    let mut refused = |step: &str| walk.take(&Step::parse(step).unwrap()).unwrap_err().to_string();
    assert!(refused("answerd").contains("did you mean \"answered\"?"));
    assert!(refused("5").contains("answered, timeout, full"));
    walk.take(&Step::HangUp).unwrap();
    assert!(walk.is_over());
    assert!(walk.take(&Step::Time).unwrap_err().possible.contains("the call is over"));
}

#[test]
fn services_queues_and_calendars_are_as_supposed() {
    let nodes = "[node.start]\nkind = \"hours\"\ncalendar = \"main\"\non = { open = \"ask\", closed = \"end\" }\n\
        [node.ask]\nkind = \"http\"\nservice = \"crm\"\nget = \"/{caller.number}\"\ninto = { text = \"/tier\", number = \"/n\" }\n\
        next = \"which\"\non = { status_404 = \"end\", timeout = \"wrong\" }\n\
        [node.which]\nkind = \"switch\"\ncase = [{ when = 'text == \"gold\" && queue.vip.waiting < number', next = \"vip\" }]\nelse = \"end\"\n\
        [node.vip]\nkind = \"queue\"\nqueue = \"vip\"\nskills = [\"t:{text}\"]\npriority = 7\n\
        on = { ended = \"end\", timeout = \"end\", full = \"end\", no_agents = \"end\" }\n";
    let library = small(nodes);
    let with = |mock: Mock, waiting: u32, hours: Hours| {
        let mut setting = setting("t");
        setting.mocks.insert("crm".to_owned(), mock);
        setting.queues.insert("vip".to_owned(), QueueFacts { waiting, ..QueueFacts::default() });
        setting.hours.insert("main".to_owned(), hours);
        walked(&library, setting, &[])
    };
    let gold = || Mock::Answer { status: 200, body: r#"{"tier": "gold", "n": 3}"#.into() };
    let trace = with(gold(), 2, Hours::Open);
    assert_eq!(trace.path(), ["start", "ask", "which", "vip"]);
    assert_eq!((trace.vars["text"].as_str(), trace.vars["number"].as_str()), ("gold", "3"));
    let told: Vec<&Event> = trace.visits[1].events.iter().collect();
    assert!(matches!(told[0], Event::Asked { path, .. } if path == "/0501"), "{told:?}");
    assert!(told.contains(&&Event::Variable { name: "text".to_owned(), value: "gold".to_owned() }), "{told:?}");
    let queue = Event::Queue {
        queue: "vip".to_owned(),
        skills: vec!["t:gold".to_owned()],
        priority: 7,
        segment: None,
        max_wait_s: None,
    };
    assert_eq!(trace.visits[3].events, [queue]);
    assert_eq!(with(gold(), 3, Hours::Open).path().last(), Some(&"end"));
    assert_eq!(with(gold(), 2, Hours::Closed).path(), ["start", "end"]);
    assert_eq!(with(Mock::Answer { status: 404, body: "".into() }, 0, Hours::Open).path(), ["start", "ask", "end"]);
    let late = with(Mock::Timeout, 0, Hours::Open);
    assert_eq!(late.path(), ["start", "ask", "wrong", "end"]);
    assert_eq!(late.visits[1].took_ms, 1_500);
    assert!(late.sounds.contains(&Sound::Music(Duration::from_millis(800))), "comfort: {:?}", late.sounds);
}

/// What a node masks is masked in the trace; a test can still ask for it.
#[test]
fn masked_answers_are_not_shown() {
    let nodes = "[node.start]\nkind = \"collect\"\nsay = [{ prompt = \"no_key\" }]\ninto = \"text\"\nmin = 2\nmax = 6\nmask = true\nnext = \"end\"\n";
    let trace = walked(&small(nodes), setting("t"), &["1234#"]);
    let shown = serde_json::to_string(&trace.visits[0].events[2..]).unwrap();
    assert!(
        shown.contains("\"****\"")
            && !trace.visits.iter().any(|v| serde_json::to_string(v).unwrap().contains("\"1234\"")),
        "{shown}"
    );
    assert_eq!(trace.vars["text"], "1234");
}

/// An answer without its end is ended by the pause that follows.
#[test]
fn a_step_is_a_whole_answer() {
    let nodes =
        "[node.start]\nkind = \"collect\"\nsay = [{ prompt = \"no_key\" }]\ninto = \"text\"\nmax = 6\nnext = \"end\"\n";
    assert_eq!(walked(&small(nodes), setting("t"), &["12"]).vars["text"], "12");
}

fn explored(library: &Arc<Library>, flow: &str, combined: usize) -> explore::Report {
    let facts = Facts { language: "ar".into(), wall: crate::clock::Wall(1_795_341_600_000_000), ..Facts::default() };
    Explorer::new(origin(), library).explore(flow, &facts, combined).unwrap()
}

#[test]
fn every_way_of_the_shipped_flows_is_gone_and_ends() {
    for (flow, nodes, edges) in [("main", 12, 24), ("survey", 4, 5)] {
        let report = explored(&shipped(), flow, 300);
        assert_eq!((report.nodes, report.edges), (nodes, edges));
        assert_eq!(report.faults, []);
        assert!(report.forced.is_empty() && report.unreached.is_empty(), "{report:?}");
        assert!(report.walks > edges, "{report:?}");
        assert_eq!(report.summary(), format!("{flow}: {nodes} nodes, {edges} edges, {} walks, all end", report.walks));
        assert_eq!(report, explored(&shipped(), flow, 300), "the same each time");
    }
}

/// Worlds are found for conditions; only what no world does is forced, and told.
#[test]
fn exploring_finds_worlds_and_tells_what_it_forced() {
    let report = explored(&library(&[("sound.toml", SOUND)]), "broken", 100);
    assert_eq!(report.faults, []);
    assert_eq!(report.forced, ["gold error", "mark error", "pick error", "queue error"]);
    assert!(report.unreached.is_empty(), "{report:?}");
    let nodes = "[node.start]\nkind = \"switch\"\ncase = [{ when = 'number > 3 && number < 2', next = \"a\" }, { when = 'number == 5', next = \"b\" }]\nelse = \"end\"\n\
                 [node.a]\nkind = \"goto\"\nnode = \"end\"\n[node.b]\nkind = \"goto\"\nnode = \"end\"\n";
    let report = explored(&small(nodes), "t", 10);
    assert_eq!(report.forced, ["start number > 3 && number < 2", "start error"]);
}

/// A failure that only a walk finds: a variable that a flow cannot have is no fault of its shape.
#[test]
fn exploring_finds_what_the_check_cannot() {
    let nodes = "[node.start]\nkind = \"play\"\nsay = [{ prompt = \"x\" }]\nnext = \"add\"\n\
                 [node.add]\nkind = \"set\"\nset = { number = 'number + 1' }\nnext = \"again\"\n\
                 [node.again]\nkind = \"switch\"\ncase = [{ when = 'number < 3', next = \"start\" }]\nelse = \"end\"\n";
    assert_eq!(explored(&small(nodes), "t", 20).faults, []);
    // The flow it goes on to is gone: taken out behind the check's back.
    let mut library = Library::default();
    library.flows.insert("main".to_owned(), Arc::clone(&shipped().flows["main"]));
    let report = explored(&Arc::new(library), "main", 0);
    assert!(report.faults.iter().any(|fault| fault.what.contains("no flow \"survey\"")), "{report:?}");
    assert!(report.faults.iter().all(|fault| !fault.path.is_empty()));
}

fn read(text: &str) -> Result<Vec<scenario::Scenario>, Vec<String>> {
    let open = |file: &str| if file == "vip.json" { Ok(b"{\"a\": 1}".to_vec()) } else { Err("not there".to_owned()) };
    scenario::read("t.toml", text, &shipped(), &declared(), &open)
        .map_err(|faults| faults.iter().map(ToString::to_string).collect())
}

#[test]
fn a_test_file_is_read_whole() {
    let text = "flow = \"main\"\n[[test]]\nname = \"one\"\nfrom = \"+9665\"\nat = \"2026-12-01T08:30\"\nlang = \"en\"\n\
        calendars = { main = \"closed\" }\nqueues = { support = { waiting = 3, longest_wait_s = 9 } }\n\
        mock = { crm = \"vip.json\" }\nsteps = [\"1#\", \"t\", \"answered\", \"h\"]\n\
        expect = { path = [\"topic\"], path_ends = \"end\", queue = \"vip\", outcome = \"queued\", said = [\"a\"], not_said = [\"b\"], said_ar = \"س\", said_en = [\"x\", \"y\"], vars = { n = 3, t = \"u\", b = true }, survey = { csat = 5 } }\n\
        [[test]]\nname = \"two\"\nflow = \"survey\"\nmock = { crm = { status = 503, body = { a = [1, true, 1.5] } } }\n";
    let tests = read(text).unwrap_or_else(|faults| panic!("{}", faults.join("\n")));
    let [one, two] = tests.as_slice() else { panic!("{tests:?}") };
    assert_eq!((one.setting.facts.caller.as_str(), one.setting.facts.called.as_str(), one.line), ("+9665", "500", 3));
    assert_eq!((one.setting.hours["main"], one.setting.queues["support"].waiting), (Hours::Closed, 3));
    assert_eq!(one.setting.mocks["crm"], Mock::Answer { status: 200, body: "{\"a\": 1}".into() });
    let steps: Vec<&Step> = one.steps.iter().map(|(step, _)| step).collect();
    assert_eq!(steps, [&Step::Keys("1#".into()), &Step::Time, &Step::Word("answered".into()), &Step::HangUp]);
    assert_eq!(one.expect.words["en"], ["x", "y"]);
    assert_eq!(one.expect.vars.values().collect::<Vec<_>>(), ["true", "3", "u"]);
    assert_eq!(two.setting.mocks["crm"], Mock::Answer { status: 503, body: r#"{"a":[1,true,1.5]}"#.into() });
    let (wall, offset) = scenario::moment(one.at, "Asia/Riyadh");
    assert_eq!((wall.to_string().as_str(), offset), ("2026-12-01T05:30:00.000Z", 180));
}

#[test]
fn faults_of_a_test_file_are_told_with_place_and_guess() {
    let cases = [
        ("flow = \"mian\"\n[[test]]\nname = \"x\"\n", "t.toml:1:8", "did you mean \"main\"?"),
        ("flow = \"main\"\n[[test]]\nname = \"x\"\nstepps = []\n", "t.toml:4:1", "did you mean \"steps\"?"),
        (
            "flow = \"main\"\n[[test]]\nname = \"x\"\nexpect = { path_end = \"end\" }\n",
            "t.toml:4:12",
            "did you mean \"path_ends\"?",
        ),
        (
            "flow = \"main\"\n[[test]]\nname = \"x\"\nexpect = { path = [\"topik\"] }\n",
            "t.toml:4:20",
            "did you mean \"topic\"?",
        ),
        (
            "flow = \"main\"\n[[test]]\nname = \"x\"\nexpect = { queue = \"vib\" }\n",
            "t.toml:4:20",
            "did you mean \"vip\"?",
        ),
        (
            "flow = \"main\"\n[[test]]\nname = \"x\"\nexpect = { outcome = \"queue\" }\n",
            "t.toml:4:22",
            "did you mean \"queued\"?",
        ),
        ("flow = \"main\"\n[[test]]\nname = \"x\"\nqueues = { support = { wait = 3 } }\n", "t.toml:4:24", "waiting"),
        (
            "flow = \"main\"\n[[test]]\nname = \"x\"\nmock = { crm = \"none.json\" }\n",
            "t.toml:4:16",
            "a file beside the test",
        ),
        ("flow = \"main\"\n[[test]]\nname = \"x\"\nat = \"noon\"\n", "t.toml:4:6", "2026-11-22T10:00"),
        ("flow = \"main\"\n[[test]]\nname = \"x\"\ncalendars = { main = \"shut\" }\n", "t.toml:4:22", "possible: open"),
        ("[[test]]\nname = \"x\"\n", "t.toml:2:1", "name it here"),
        ("flow = \"main\"\n[[test]]\nsteps = []\n", "t.toml:3:1", "\"name\" is missing"),
        ("flow = \"main\"\n[[test]]\nname = \"x\"\nsteps = [1]\n", "t.toml:4:10", "text in quotes"),
        ("flow = \"main\"\n", "t.toml:1:1", "\"test\" is missing"),
        ("flow = ", "t.toml:1:", "error"),
    ];
    for (text, place, help) in cases {
        let faults = read(text).expect_err(text).join("\n");
        assert!(faults.contains(place) && faults.contains(help), "{text}\n{faults}");
    }
}

#[test]
fn differences_are_told_as_expected_and_found() {
    let trace = walked(&shipped(), setting("main"), &["1", "1", "timeout"]);
    let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let words = |language: &str, words: &str| BTreeMap::from([(language.to_owned(), texts(&[words]))]);
    let met = Expect {
        path: texts(&["language", "support"]),
        path_ends: Some("end".to_owned()),
        queue: Some("support".to_owned()),
        outcome: Some("queued".to_owned()),
        said: texts(&["welcome", "sorry_timeout"]),
        not_said: texts(&["sorry_full"]),
        words: words("ar", "نعتذر إليكم"),
        ..Expect::default()
    };
    assert_eq!(differences(&met, &trace), []);
    let missed = [
        (Expect { path: texts(&["support", "language"]), ..Expect::default() }, "path"),
        (Expect { path_ends: Some("busy".to_owned()), ..Expect::default() }, "path_ends"),
        (Expect { queue: Some("vip".to_owned()), ..Expect::default() }, "queue"),
        (Expect { outcome: Some("contained".to_owned()), ..Expect::default() }, "outcome"),
        (Expect { said: texts(&["sorry_timeout", "welcome"]), ..Expect::default() }, "said"),
        (Expect { not_said: texts(&["welcome"]), ..Expect::default() }, "not_said"),
        (Expect { words: words("en", "Goodbye"), ..Expect::default() }, "said_en"),
        (Expect { vars: BTreeMap::from([("n".to_owned(), "1".to_owned())]), ..Expect::default() }, "variable n"),
        (Expect { survey: BTreeMap::from([("csat".to_owned(), 5)]), ..Expect::default() }, "survey csat"),
        (Expect { failed: true, ..Expect::default() }, "failed"),
    ];
    for (expect, what) in missed {
        let found = differences(&expect, &trace);
        assert_eq!(found.iter().map(|d| d.what.as_str()).collect::<Vec<_>>(), [what], "{found:?}");
        assert!(found[0].to_string().contains("expected") && found[0].to_string().contains("found"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever steps somebody types: the walk stands where something can be done, or is over.
    #[test]
    fn any_steps_are_walked_or_refused(steps in proptest::collection::vec("[0-9*#]{1,3}|t|answered|timeout|full|busy|ok|x", 0..25)) {
        let (library, voice) = (shipped(), voice());
        let mut walk = Walk::begin(origin(), &library, setting("main"), &voice).unwrap();
        for step in steps {
            let _ = walk.take(&Step::parse(&step).unwrap());
            let stands = matches!(walk.waits(), Waits::Keys { .. } | Waits::Queue | Waits::Nothing);
            prop_assert!(stands);
        }
        let _ = walk.take(&Step::HangUp);
        prop_assert!(walk.is_over() && walk.trace().failed.is_none());
    }
}
