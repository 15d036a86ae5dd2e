//! Runs through the shipped flows and through small ones that show one rule each, on virtual time.

mod calls;
mod fork;
mod line;
mod maps;

use proptest::prelude::*;

use super::*;
use crate::ivr::check::{Declared, load};
use crate::ivr::expr::QueueFacts;
use crate::ivr::{SHIPPED_FLOWS, prompts};

/// The origin of virtual time.
#[allow(clippy::disallowed_methods)]
fn origin() -> Instant {
    Instant::now()
}

struct Floor;

impl World for Floor {
    fn hours(&self, calendar: &str) -> Option<Hours> {
        Hours::WORDS.iter().find(|(word, _)| *word == calendar).map(|(_, hours)| *hours)
    }

    fn queue(&self, name: &str) -> Option<QueueFacts> {
        (name != "vip").then_some(QueueFacts { waiting: 4, agents_ready: 0, longest_wait_s: 60, ewt: 240 })
    }
}

/// A run with its clock; what comes out is written as short words.
struct Call {
    run: Run,
    now: Instant,
    playing: u64,
    fetch: u64,
    fork: u64,
}

impl Call {
    fn to(library: &Arc<Library>, flow: &str) -> Self {
        let now = origin();
        let facts = Facts { caller: "0501".into(), called: "500".into(), language: "ar".into(), ..Facts::default() };
        let run = Run::new(now, Arc::clone(library), flow, facts, &Floor).unwrap();
        Self { run, now, playing: 0, fetch: 0, fork: 0 }
    }

    fn shipped() -> Self {
        let files = SHIPPED_FLOWS.map(|(file, text)| (file.to_owned(), text.to_owned()));
        let (library, faults) = load(&files, &declared());
        Self::to(&Arc::new(library.unwrap_or_else(|| panic!("{faults:?}"))), "main")
    }

    /// A flow of these nodes; `start` begins, `end` hangs up, errors lead to `wrong`, which says so.
    fn with(nodes: &str) -> Self {
        Self::among(nodes, &[])
    }

    /// As `with`, among other flows; what stands before the first node is the flow's own too.
    fn among(nodes: &str, others: &[&str]) -> Self {
        let (own, nodes) = nodes.split_at(nodes.find("[node.").unwrap_or(0));
        let text = format!(
            "flow = 1\nname = \"t\"\nlanguages = [\"ar\", \"en\"]\nstart = \"start\"\n\
             [vars]\ntext = {{ type = \"text\", default = \"\" }}\nnumber = {{ type = \"number\", default = 0 }}\n{own}\
             [defaults]\non = {{ no_input = \"silent\", invalid = \"wrong\", error = \"wrong\" }}\n\
             [node.end]\nkind = \"hangup\"\n[node.silent]\nkind = \"play\"\nsay = [{{ prompt = \"no_key\" }}]\nnext = \"end\"\n\
             [node.wrong]\nkind = \"play\"\nsay = [{{ prompt = \"invalid_key\" }}]\nnext = \"end\"\n{nodes}"
        );
        let own = ("t.toml".to_owned(), text);
        let others = others.iter().enumerate().map(|(n, text)| (format!("{n}.toml"), (*text).to_owned()));
        let files: Vec<_> = std::iter::once(own).chain(others).collect();
        let (library, faults) = load(&files, &declared());
        let shown: Vec<String> = faults.iter().map(ToString::to_string).collect();
        Self::to(&Arc::new(library.unwrap_or_else(|| panic!("{}", shown.join("\n")))), "t")
    }

    fn drain(&mut self) -> Vec<String> {
        let mut words = Vec::new();
        while let Some(output) = self.run.poll_output() {
            words.push(match output {
                Output::Play { play, said } => {
                    self.playing = play;
                    let word = |said: &Said| match said {
                        Said::Prompt(prompt) => format!("{}/{}", prompt.id, prompt.language),
                        Said::Spoken { language, text, units, .. } => format!("«{text}»/{language}/{}", units.len()),
                    };
                    format!("say {}", said.iter().map(word).collect::<Vec<_>>().join(" "))
                }
                Output::StopPlay => "stop".to_owned(),
                Output::Queue { queue, skills, priority, segment, max_wait } => {
                    let segment = segment.map(|segment| format!(" of {segment}")).unwrap_or_default();
                    format!("queue {queue} {skills:?} {priority} {:?}{segment}", max_wait.unwrap_or_default())
                }
                Output::Fetch { fetch, service, path, body, timeout } => {
                    self.fetch = fetch;
                    format!("fetch {service} {path} {} {timeout:?}", body.unwrap_or_default())
                }
                Output::Comfort => "comfort".to_owned(),
                Output::Relax { skills } => format!("relax {skills:?}"),
                Output::Tell { prompt } => format!("tell {prompt}"),
                Output::LeaveQueue { to_callback } => format!("out of the queue {to_callback}"),
                Output::Record { max, silence, terminator, survey } => {
                    format!("record {max:?} {silence:?} {terminator:?} {survey:?}")
                }
                Output::Fork { fork, service, path, data } => {
                    self.fork = fork;
                    format!("fork {service} {path} {data}")
                }
                Output::ForkHear => "hear".to_owned(),
                Output::ForkKey(key) => format!("key {key}"),
                Output::ForkEnd => "part".to_owned(),
                Output::Voicemail { queue } => format!("voicemail {queue}"),
                Output::Book { queue, number } => format!("book {queue} {}", number.unwrap_or_default()),
                Output::Transfer { to } => format!("transfer {to}"),
                Output::Hangup => "hangup".to_owned(),
                Output::Language(language) => format!("language {language}"),
                Output::Failed { detail, .. } => format!("failed {detail}"),
                Output::Journal(Kind::FlowEntered { flow, version }) => {
                    assert_eq!(version.len(), 64);
                    format!("[enter {flow}]")
                }
                Output::Journal(Kind::NodeVisited { node, .. }) => format!("[{node}]"),
                Output::Journal(Kind::Input { digits, result, .. }) => format!("[input {digits:?} {result:?}]"),
                Output::Journal(Kind::Survey { survey, score, queue, .. }) => format!("[{survey} {score} {queue:?}]"),
                Output::Journal(Kind::FlowLeft { flow, outcome }) => format!("[leave {flow} {outcome:?}]"),
                Output::Journal(Kind::ServiceAsked { service, result, took_ms, .. }) => {
                    format!("[{service} {result} {took_ms}]")
                }
                Output::Journal(Kind::Trouble { code, .. }) => format!("[trouble {code}]"),
                Output::Journal(other) => format!("{other:?}"),
            });
        }
        words
    }

    fn give(&mut self, input: Input) -> Vec<String> {
        self.run.handle(self.now, input, &Floor);
        self.drain()
    }

    fn press(&mut self, keys: &str) -> Vec<String> {
        keys.chars().flat_map(|key| self.give(Input::Digit(key))).collect()
    }

    /// The prompt has been said to its end.
    fn heard(&mut self) -> Vec<String> {
        self.give(Input::PlayDone { play: self.playing })
    }

    /// Lets `ms` pass, with every deadline on the way.
    fn wait(&mut self, ms: u64) -> Vec<String> {
        let end = self.now + Duration::from_millis(ms);
        let mut words = Vec::new();
        while let Some(at) = self.run.poll_timeout().filter(|at| *at <= end) {
            self.now = at;
            self.run.handle_timeout(self.now, &Floor);
            words.extend(self.drain());
        }
        self.now = end;
        words
    }
}

fn declared() -> Declared {
    let languages = vec!["ar".to_owned(), "en".to_owned()];
    Declared {
        queues: ["support", "vip"].map(str::to_owned).into(),
        callbacks: ["support".to_owned()].into(),
        voicemails: ["support".to_owned()].into(),
        services: ["crm".to_owned()].into(),
        entered: ["main".to_owned()].into(),
        calendars: Hours::WORDS.map(|(word, _)| word.to_owned()).into(),
        languages,
        prompts: None,
        manifest: String::new(),
        ..Declared::default()
    }
}

mod say;

const MENU: &str = "[node.start]\nkind = \"menu\"\nsay = [{ prompt = \"topic_menu\" }]\nsay_again = [{ prompt = \"again\" }]\n\
                    say_no_input = [{ prompt = \"no_key\" }]\ntries = 2\ntimeout = \"4s\"\nkeys = { \"1\" = \"code\", \"#\" = \"end\" }\n";
const CODE: &str = "[node.code]\nkind = \"collect\"\nsay = [{ prompt = \"code\" }]\ninto = \"text\"\nmask = true\nmin = 2\nmax = 4\n\
                    tries = 2\nnext = \"out\"\n[node.out]\nkind = \"transfer\"\nto = \"7{text}\"\n\
                    on = { ended = \"end\", busy = \"end\", no_answer = \"start\", failed = \"wrong\", error = \"wrong\" }\n";

#[test]
fn a_single_key_during_the_welcome_leads_to_the_support_queue() {
    let mut call = Call::shipped();
    assert_eq!(call.drain(), ["[enter main]", "[language]", "say welcome/ar choose_language/ar choose_language/en"]);
    let expected = ["stop", "[input \"1\" Matched]", "[arabic]", "[topic]", "say topic_menu/ar"];
    assert_eq!(call.press("1"), expected);
    assert_eq!(call.heard(), [""; 0]);
    assert_eq!(call.wait(3_999), [""; 0]);
    assert_eq!(call.wait(1), ["[input \"\" NoInput]", "[support]", "queue support [] 0 0ns"]);
    assert_eq!(call.run.poll_timeout(), None);
}

#[test]
fn after_the_talk_the_caller_rates_it_and_the_call_ends() {
    let mut call = Call::shipped();
    call.press("2");
    let words = call.press("1");
    assert_eq!(words.last().map(String::as_str), Some("queue support [] 0 0ns"), "English, then support: {words:?}");
    assert_eq!(call.press("99"), [""; 0], "keys in the queue are nobody's answer");
    let words = call.give(Input::QueueLeft { outcome: QueueEnd::Ended });
    assert_eq!(words, ["[survey]", "[leave main Queued]", "[enter survey]", "[question]", "say survey_question/en"]);
    assert_eq!(call.press("9"), ["stop", "[input \"9\" Invalid]", "say invalid_key/en survey_question/en"]);
    let words = call.press("5");
    assert_eq!(words, ["stop", "[input \"5\" Matched]", "[csat 5 Some(support)]", "[thanks]", "say survey_thanks/en"]);
    assert_eq!(call.heard(), ["[goodbye]", "say goodbye/en"]);
    assert_eq!(call.heard(), ["[end]", "[leave survey Contained]", "hangup"]);
    assert!(call.run.is_done());
    assert_eq!(call.give(Input::CallerGone), [""; 0]);
}

#[test]
fn who_presses_nothing_at_all_is_served_too() {
    let mut call = Call::shipped();
    call.drain();
    let mut words = Vec::new();
    for _ in 0..3 {
        words.extend(call.heard());
        words.extend(call.wait(5_000));
    }
    assert_eq!(words.last().map(String::as_str), Some("queue support [] 0 0ns"), "{words:?}");
}

#[test]
fn every_way_out_of_the_queue_is_said() {
    for (outcome, prompt) in
        [(QueueEnd::Timeout, "sorry_timeout"), (QueueEnd::Full, "sorry_full"), (QueueEnd::NoAgents, "sorry_no_agents")]
    {
        let mut call = Call::shipped();
        call.press("11");
        let words = call.give(Input::QueueLeft { outcome });
        assert_eq!(words.last(), Some(&format!("say {prompt}/ar")), "{words:?}");
        call.heard();
        assert_eq!(call.heard(), ["[end]", "[leave main Queued]", "hangup"]);
    }
}

#[test]
fn keys_typed_ahead_answer_without_a_prompt_and_a_wrong_one_drops_the_rest() {
    let mut call = Call::with(&format!("{MENU}{CODE}"));
    call.drain();
    let words = call.press("112");
    assert_eq!(
        words[..4],
        ["stop", "[input \"1\" Matched]", "[code]", "say code/ar"],
        "a key at a time: the prompt begins"
    );
    // A play node that can be cut short keeps the keys for the menu behind it.
    let play = "[node.start]\nkind = \"play\"\nsay = [{ prompt = \"hello\" }]\nbarge_in = false\nnext = \"menu\"\n";
    let mut call = Call::with(&format!(
        "{play}{}{CODE}",
        MENU.replace("node.start", "node.menu").replace("no_answer = \"start\"", "no_answer = \"menu\"")
    ));
    call.drain();
    assert_eq!(call.press("11٢3#"), [""; 0]);
    let words = call.heard();
    assert_eq!(
        words,
        ["[menu]", "[input \"1\" Matched]", "[code]", "[input \"***\" Matched]", "[out]", "transfer 7123"]
    );
    let mut call = Call::with(&format!("{play}{}{CODE}", MENU.replace("node.start", "node.menu")));
    call.drain();
    call.press("7#");
    assert_eq!(
        call.heard(),
        ["[menu]", "[input \"7\" Invalid]", "say again/ar"],
        "the # was meant for another question"
    );
}

#[test]
fn silence_and_wrong_keys_share_the_tries() {
    let mut call = Call::with(&format!("{MENU}{CODE}"));
    call.drain();
    call.heard();
    assert_eq!(call.wait(4_000), ["[input \"\" NoInput]", "say no_key/ar again/ar"]);
    assert_eq!(call.press("5"), ["stop", "[input \"5\" Invalid]", "[wrong]", "say invalid_key/ar"]);
}

#[test]
fn an_answer_ends_by_count_by_terminator_or_by_a_pause() {
    let mut call = Call::with(&format!("{MENU}{CODE}"));
    call.press("1");
    assert_eq!(call.press("12#"), ["stop", "[input \"**\" Matched]", "[out]", "transfer 712"]);
    let again = call.give(Input::TransferEnded { outcome: TransferEnd::NoAnswer });
    assert_eq!(again, ["[start]", "say topic_menu/ar"]);

    let words = call.press("11234");
    assert_eq!(words.last().map(String::as_str), Some("transfer 71234"));
    let _ = call.give(Input::TransferEnded { outcome: TransferEnd::NoAnswer });
    assert_eq!(call.press("#"), [""; 0], "the terminator after a full answer belongs to it");
    call.press("1");
    assert_eq!(call.press("98"), ["stop"]);
    assert_eq!(call.wait(2_999), [""; 0]);
    assert_eq!(call.wait(1), ["[input \"**\" Matched]", "[out]", "transfer 798"]);
    let _ = call.give(Input::TransferEnded { outcome: TransferEnd::Failed });
    assert_eq!(call.run.place(), ("t", "wrong"));
}

#[test]
fn too_few_keys_are_invalid_and_the_tries_end() {
    let mut call = Call::with(&format!("{MENU}{CODE}"));
    call.press("1");
    assert_eq!(call.press("5#"), ["stop", "[input \"*\" Invalid]", "say code/ar"]);
    assert_eq!(call.press("#"), ["stop", "[input \"\" Invalid]", "[wrong]", "say invalid_key/ar"]);
}

#[test]
fn a_question_without_barge_in_is_said_to_its_end() {
    let menu = MENU.replace("tries = 2", "tries = 2\nbarge_in = false");
    let mut call = Call::with(&format!("{menu}{CODE}"));
    call.drain();
    assert_eq!(call.press("1"), [""; 0]);
    assert_eq!(call.heard()[0], "[input \"1\" Matched]");
    let deaf = menu.replace("barge_in = false", "barge_in = false\ntype_ahead = false");
    let mut call = Call::with(&format!("{deaf}{CODE}"));
    call.drain();
    assert_eq!(call.press("1"), [""; 0]);
    assert_eq!(call.heard(), [""; 0], "dropped by choice");
    assert_eq!(call.press("1")[0], "[input \"1\" Matched]");
}

#[test]
fn set_and_switch_choose_the_way() {
    let nodes = "[node.start]\nkind = \"set\"\nset = { number = 'queue.support.waiting * 2', lang = '\"en\"' }\nnext = \"which\"\n\
                 [node.which]\nkind = \"switch\"\ncase = [{ when = 'number < 8', next = \"end\" }, { when = 'number == 8', next = \"line\" }]\n\
                 else = \"end\"\n[node.line]\nkind = \"queue\"\nqueue = \"vip\"\nskills = [\"lang:{lang}\", \"n>={number}\"]\npriority = 5\n\
                 segment = \"over-{number}\"\nmax_wait = \"90s\"\non = { ended = \"end\", timeout = \"end\", full = \"end\", no_agents = \"end\" }\n";
    let mut call = Call::with(nodes);
    let expected = [
        "[enter t]",
        "[start]",
        "language en",
        "[which]",
        "[line]",
        "queue vip [\"lang:en\", \"n>=8\"] 5 90s of over-8",
    ];
    assert_eq!(call.drain(), expected);
}

#[test]
fn an_expression_that_fails_takes_the_error_edge() {
    for set in [
        "number = 'queue.vip.waiting'",
        "number = '1 / number'",
        "lang = 'text + \"fr\"'",
        "text = 'text + string(1/number)'",
    ] {
        let mut call = Call::with(&format!("[node.start]\nkind = \"set\"\nset = {{ {set} }}\nnext = \"end\"\n"));
        let expected = ["[enter t]", "[start]", "[trouble flow_expression]", "[wrong]", "say invalid_key/ar"];
        assert_eq!(call.drain(), expected, "{set}");
    }
}

/// The engine answers a prompt it cannot say with `PlayDone` at once: a circle of such plays must not spin for ever.
#[test]
fn a_circle_of_plays_without_sound_is_ended() {
    let nodes = "[node.start]\nkind = \"play\"\nsay = [{ prompt = \"x\" }]\nnext = \"back\"\n\
                 [node.back]\nkind = \"switch\"\ncase = [{ when = 'number == 1', next = \"end\" }]\nelse = \"start\"\n";
    let mut call = Call::with(nodes);
    let mut words = call.drain();
    for _ in 0..VISITS_PER_SECOND {
        words.extend(call.heard());
    }
    assert!(words.iter().any(|word| word.starts_with("failed more than 200 nodes")), "{words:?}");
    assert!(words.contains(&"[leave t Error]".to_owned()) && call.run.is_done());
}

#[test]
fn a_prompt_whose_end_is_never_reported_ends_by_itself() {
    let mut call = Call::shipped();
    call.drain();
    assert_eq!(call.wait(599_999), [""; 0]);
    let words = call.wait(5_001);
    assert_eq!(words[0], "[input \"\" NoInput]");
    assert_eq!(call.give(Input::PlayDone { play: 1 }), [""; 0], "a late report of an old prompt changes nothing");
}

#[test]
fn a_caller_who_hangs_up_leaves_the_flow() {
    let mut call = Call::shipped();
    call.drain();
    assert_eq!(call.give(Input::CallerGone), ["[leave main Abandoned]"]);
    let mut call = Call::shipped();
    call.press("11");
    assert_eq!(call.give(Input::CallerGone), ["[leave main Queued]"]);
    assert_eq!(call.run.poll_timeout(), None);
}

#[test]
fn an_unknown_flow_is_no_run() {
    let missing = Run::new(origin(), Arc::new(Library::default()), "main", Facts::default(), &Floor);
    assert_eq!(missing.err(), Some(UnknownFlow("main".to_owned())));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the caller and the queues do: something is being said, awaited or timed, until the run is over, which
    /// it leaves exactly once; the shipped flows never fail.
    #[test]
    fn the_caller_is_never_left_in_dead_air(steps in proptest::collection::vec((0_u8..9, any::<u8>()), 0..60)) {
        let mut call = Call::shipped();
        let mut words = call.drain();
        for (step, detail) in steps {
            let key = char::from(*b"0123456789*#A".get(usize::from(detail % 13)).unwrap_or(&b'0'));
            words.extend(match step {
                0..=2 => call.give(Input::Digit(key)),
                3 | 4 => call.heard(),
                5 => call.wait(u64::from(detail) * 40),
                6 => call.give(Input::QueueLeft { outcome: [QueueEnd::Ended, QueueEnd::Timeout, QueueEnd::Full, QueueEnd::NoAgents][usize::from(detail % 4)] }),
                7 => call.give(Input::PlayDone { play: detail.into() }),
                _ => call.give(Input::TransferEnded { outcome: TransferEnd::Busy }),
            });
            let waits = call.run.poll_timeout().is_some();
            let queued = matches!(call.run.state, State::Queued);
            prop_assert!(waits || queued || call.run.is_done());
            prop_assert!(call.run.poll_timeout().is_none_or(|at| at > call.now), "no deadline is left behind");
        }
        words.extend(call.give(Input::CallerGone));
        let entered = words.iter().filter(|word| word.starts_with("[enter ")).count();
        let left = words.iter().filter(|word| word.starts_with("[leave ")).count();
        prop_assert_eq!(entered, left);
        prop_assert!(!words.iter().any(|word| word.starts_with("failed")), "{:?}", words);
    }
}

/// What the engine says by itself is in the manifest, in the languages of the shipped flows.
#[test]
fn shipped_prompts_cover_every_place_in_the_queue() {
    assert_eq!(prompts::position(0), ("position_1".to_owned(), true));
    assert_eq!(prompts::position(10), ("position_10".to_owned(), true));
    assert_eq!(prompts::position(11), ("position_more".to_owned(), false));
}

/// A call back is booked for the caller's own number or another one, and the flow goes on where it says.
#[test]
fn a_call_back_is_booked_and_the_flow_goes_on() {
    let nodes = "[node.start]\nkind = \"set\"\nset = { text = '\"0551234\"' }\nnext = \"back\"\n\
                 [node.back]\nkind = \"callback\"\nqueue = \"support\"\nnumber = \"{text}\"\nnext = \"end\"\n\
                 on = { failed = \"silent\" }\n";
    for (ok, wanted) in [(true, "[end]"), (false, "[silent]")] {
        let mut call = Call::with(nodes);
        let words = call.drain().join(" ");
        assert!(words.contains("book support 0551234"), "{words}");
        assert!(call.press("1").is_empty(), "keys mean nothing meanwhile");
        let mut booked = || {
            call.run.handle(call.now, Input::Booked { ok }, &Floor);
            call.drain().join(" ")
        };
        assert!(booked().contains(wanted));
        assert!(!booked().contains(wanted), "it is said once");
    }
}

const LOOK_UP: &str = "[node.start]\nkind = \"http\"\nservice = \"crm\"\nget = \"/by-phone/{caller.number}?lang={lang}\"\n\
                       timeout = \"1500ms\"\ninto = { text = \"/customer/tier\", number = \"/open\" }\nnext = \"out\"\n\
                       on = { status_404 = \"silent\", timeout = \"silent\" }\n\
                       [node.out]\nkind = \"queue\"\nqueue = \"support\"\nskills = [\"{text}:{number}\"]\n\
                       on = { ended = \"end\", timeout = \"end\", full = \"end\", no_agents = \"end\" }\n";

impl Call {
    fn answers(&mut self, status: u16, body: &str) -> Vec<String> {
        let body = bytes::Bytes::copy_from_slice(body.as_bytes());
        self.give(Input::Fetched { fetch: self.fetch, answer: Fetched::Answer { status, body } })
    }
}

#[test]
fn a_service_is_asked_and_its_answer_fills_variables() {
    let mut call = Call::with(LOOK_UP);
    let begun = call.drain();
    assert_eq!(begun.last().map(String::as_str), Some("fetch crm /by-phone/0501?lang=ar  1.5s"), "{begun:?}");
    assert_eq!(call.wait(300), [""; 0]);
    let words = call.answers(200, r#"{"customer": {"tier": "gold"}, "open": 3, "more": [1]}"#);
    assert_eq!(words, ["[crm ok 300]", "[out]", "queue support [\"gold:3\"] 0 0ns"]);
}

/// After 0.7 s he hears music; after the time-out of the node he goes on, and what comes later changes nothing.
#[test]
fn a_service_that_hangs_costs_its_time_and_no_silence() {
    let mut call = Call::with(LOOK_UP);
    call.drain();
    assert_eq!(call.wait(699), [""; 0]);
    assert_eq!(call.wait(1), ["comfort"]);
    assert_eq!(call.wait(800), ["stop", "[crm timeout 1500]", "[silent]", "say no_key/ar"]);
    assert_eq!(call.answers(200, "{}"), [""; 0]);
}

#[test]
fn each_answer_of_no_use_takes_its_edge() {
    let cases = [
        (404, "{}", "[crm 4xx 0]", "[silent]"),
        (403, "{}", "[crm 4xx 0]", "[wrong]"),
        (500, "{}", "[crm 5xx 0]", "[wrong]"),
        (301, "", "[crm 5xx 0]", "[wrong]"),
        (200, "<html>", "[crm invalid 0]", "[wrong]"),
        (200, r#"{"open": "three"}"#, "[crm invalid 0]", "[wrong]"),
        (200, r#"{"open": 1.5}"#, "[crm invalid 0]", "[wrong]"),
        (200, r#"{"customer": {"tier": ["gold"]}}"#, "[crm invalid 0]", "[wrong]"),
    ];
    for (status, body, told, node) in cases {
        let mut call = Call::with(LOOK_UP);
        call.drain();
        let words = call.answers(status, body);
        assert_eq!(words[..2], [told.to_owned(), node.to_owned()], "{status} {body}");
    }
    for is_open in [true, false] {
        let mut call = Call::with(LOOK_UP);
        call.drain();
        let words = call.give(Input::Fetched { fetch: call.fetch, answer: Fetched::Failed { is_open } });
        assert_eq!(words[0], if is_open { "[crm breaker_open 0]" } else { "[crm error 0]" });
    }
}

/// An answer that lacks something, or has nothing of it, leaves the variables as they are.
#[test]
fn what_an_answer_does_not_have_stays_as_it_is() {
    let mut call = Call::with(LOOK_UP);
    call.drain();
    let words = call.answers(200, r#"{"customer": null}"#);
    assert_eq!(words.last().map(String::as_str), Some("queue support [\":0\"] 0 0ns"), "{words:?}");
}

/// Keys pressed meanwhile count for the next question; who hangs up is gone.
#[test]
fn keys_wait_while_a_service_is_asked_and_a_hang_up_ends_it() {
    let nodes = format!("{MENU}{CODE}")
        .replace("[node.start]", "[node.menu]")
        .replace("no_answer = \"start\"", "no_answer = \"menu\"");
    let mut call = Call::with(&format!(
        "{}{nodes}",
        LOOK_UP.replace("next = \"out\"", "next = \"menu\"").split("[node.out]").next().unwrap()
    ));
    call.drain();
    assert_eq!(call.press("#"), [""; 0]);
    let words = call.answers(200, "{}");
    assert!(words.iter().any(|word| word == "[end]"), "{words:?}");

    let mut call = Call::with(LOOK_UP);
    call.drain();
    assert_eq!(call.give(Input::CallerGone), ["[leave t Abandoned]"]);
    assert_eq!(call.answers(200, "{}"), [""; 0]);
}

/// What a caller pressed or a service said stays one segment of a path.
#[test]
fn what_is_put_into_a_path_cannot_leave_its_place() {
    let nodes = "[node.start]\nkind = \"set\"\nset = { text = '\"../a b?c=#%\"' }\nnext = \"ask\"\n\
                 [node.ask]\nkind = \"http\"\nservice = \"crm\"\npost = \"/x/{text}\"\nbody = { said = \"{text}\", fixed = \"1\" }\nnext = \"end\"\n";
    let words = Call::with(nodes).drain();
    let expected = r#"fetch crm /x/..%2Fa%20b%3Fc%3D%23%25 {"fixed":"1","said":"../a b?c=#%"} 1.5s"#;
    assert_eq!(words.last().map(String::as_str), Some(expected), "{words:?}");
}
