//! Loads all flows together and checks what one file alone cannot show.
//!
//! Dangling edges, nodes nobody reaches, ways that never end, circles that never wait for the caller, flows and
//! prompts that are not there. Flows are taken whole or not at all.

mod circles;
mod keys;
mod longest;
mod sound;
mod subflows;
mod voice;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::expr::Compiler;
use super::flow::{Library, NodeKind, Program, RETURN};
use super::read;
use super::value::FAULTS;
use crate::diagnostic::{Diagnostic, suggestion};
use crate::say::Nouns;

pub use longest::longest_path;
pub use sound::{Sound, Sounds};

/// Most flows in one library.
pub const FLOWS: usize = 200;

/// What flows may name, as far as it lies outside of them.
#[derive(Clone, Debug, Default)]
pub struct Declared {
    /// Queues.
    pub queues: BTreeSet<String>,
    /// Those of them that call back.
    pub callbacks: BTreeSet<String>,
    /// Queues that have a box for messages.
    pub voicemails: BTreeSet<String>,
    /// Services that may be asked over HTTP.
    pub services: BTreeSet<String>,
    /// Calendars.
    pub calendars: BTreeSet<String>,
    /// Flows that begin by a number or a rule of a queue: nobody gives them parameters.
    pub entered: BTreeSet<String>,
    /// Languages of the centre.
    pub languages: Vec<String>,
    /// Prompt ids by language; `None`: prompts are not checked.
    pub prompts: Option<BTreeMap<String, BTreeSet<String>>>,
    /// No voice speaks what is not recorded.
    pub is_mute: bool,
    /// What was measured in recordings; those that are not here are not judged.
    pub sounds: Sounds,
    /// Text of the prompts manifest: a part of every flow's version.
    pub manifest: String,
}

/// A node of the library: flow and node name.
type Place<'l> = (&'l str, &'l str);

/// Reads and checks flow files, given as path and text.
///
/// The library is there when no diagnostic is an error. Diagnostics come by file (in the given order) and place.
pub fn load(files: &[(String, String)], declared: &Declared) -> (Option<Library>, Vec<Diagnostic>) {
    let mut diagnostics = Vec::new();
    let compiler = Compiler::default();
    let mut flows: BTreeMap<String, Program> = BTreeMap::new();
    let mut broken: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    if files.len() > FLOWS {
        let message = format!("a library has at most {FLOWS} flows");
        return (None, vec![Diagnostic::whole_file("ivr::too-large", "", message)]);
    }
    let nouns = read::nouns(files, declared, &compiler, &mut diagnostics);
    for (file, text) in files {
        let Some(read) = read::read(file, text, declared, &compiler, &nouns, &mut diagnostics) else { continue };
        let (program, broken_nodes) = read;
        if let Some(first) = flows.get(&program.name) {
            let message = format!("flow \"{}\" is already in {}", program.name, first.file);
            diagnostics.push(Diagnostic::error("ivr::duplicate-flow", file, text, program.span, message));
            continue;
        }
        broken.insert(program.name.clone(), broken_nodes);
        flows.insert(program.name.clone(), program);
    }
    let texts: BTreeMap<&str, &str> = files.iter().map(|(file, text)| (file.as_str(), text.as_str())).collect();
    let mut checker = Checker { flows: &flows, broken: &broken, texts: &texts, declared, diagnostics };
    checker.targets();
    checker.parameters();
    checker.prompts();
    checker.sounds();
    checker.voices();
    checker.key_clashes();
    // A missing edge would make ways look endless that are not: shapes are judged when all edges are there.
    if !checker.diagnostics.iter().any(Diagnostic::is_error) && checker.recursion() {
        let ends = checker.ends(false);
        checker.unreachable();
        checker.never_returning(&ends);
        let in_circles = checker.busy_loops();
        checker.never_ending(&ends, &in_circles);
    }
    let mut diagnostics = checker.diagnostics;
    let order: BTreeMap<&str, usize> = files.iter().enumerate().map(|(at, (file, _))| (file.as_str(), at)).collect();
    diagnostics.sort_by_cached_key(|d| {
        (order.get(d.file.as_str()).copied(), d.line, d.column, d.severity, d.code.clone(), d.message.clone())
    });
    // An edge of `[defaults]` is found at each node that takes it over.
    diagnostics.dedup_by(|one, other| {
        (&one.file, one.line, one.column, &one.code, &one.message)
            == (&other.file, other.line, other.column, &other.code, &other.message)
    });
    if diagnostics.iter().any(Diagnostic::is_error) {
        return (None, diagnostics);
    }
    let versions = versions(&flows, &texts, &nouns, &declared.manifest);
    let finish = |(mut program, version): (Program, String)| {
        program.version = version;
        (program.name.clone(), Arc::new(program))
    };
    let flows = flows.into_values().zip(versions).map(finish).collect();
    (Some(Library { flows, nouns }), diagnostics)
}

struct Checker<'a> {
    flows: &'a BTreeMap<String, Program>,
    /// Nodes, by flow, that could not be read and were reported.
    broken: &'a BTreeMap<String, BTreeSet<String>>,
    texts: &'a BTreeMap<&'a str, &'a str>,
    declared: &'a Declared,
    diagnostics: Vec<Diagnostic>,
}

impl<'a> Checker<'a> {
    fn text(&self, program: &Program) -> &'a str {
        self.texts.get(program.file.as_str()).copied().unwrap_or_default()
    }

    /// Every edge leads to a node or flow that exists.
    fn targets(&mut self) {
        for program in self.flows.values() {
            let start = [(&program.start, false)];
            let ways = program.nodes.values().flat_map(|node| node.ways());
            let ways = ways.filter(|way| way.to_flow || way.target.name != RETURN);
            for (target, to_flow) in start.into_iter().chain(ways.map(|way| (way.target, way.to_flow))) {
                if self.diagnostics.len() >= FAULTS {
                    return;
                }
                let (code, message, help) = if to_flow && !self.flows.contains_key(&target.name) {
                    (
                        "ivr::unknown-flow",
                        format!("no flow \"{}\"", target.name),
                        suggestion(&target.name, self.flows.keys()),
                    )
                } else if !to_flow && !program.nodes.contains_key(&target.name) {
                    if self.broken.get(&program.name).is_some_and(|broken| broken.contains(&target.name)) {
                        continue;
                    }
                    let message = format!("no node \"{}\" in flow {}", target.name, program.name);
                    ("ivr::unknown-node", message, suggestion(&target.name, program.nodes.keys()))
                } else {
                    continue;
                };
                let found = Diagnostic::error(code, &program.file, self.text(program), target.span.clone(), message);
                self.diagnostics.push(found.help(help));
            }
        }
    }

    /// Every prompt has a recording or text in each language it may be said in.
    fn prompts(&mut self) {
        let Some(prompts) = &self.declared.prompts else { return };
        for program in self.flows.values() {
            for ((id, language), span) in program.prompts() {
                let Some(known) = prompts.get(&language) else { continue };
                if known.contains(&id) || self.diagnostics.len() >= FAULTS {
                    continue;
                }
                let message = format!("prompt \"{id}\" has no recording for \"{language}\"");
                let found =
                    Diagnostic::warning("ivr::prompt-missing", &program.file, self.text(program), span, message);
                self.diagnostics.push(found.help(suggestion(&id, known)));
            }
        }
    }

    /// Nodes that no way from the start leads to.
    fn unreachable(&mut self) {
        for program in self.flows.values() {
            let mut reached: BTreeSet<&str> = BTreeSet::new();
            let mut next = vec![program.start.name.as_str()];
            while let Some(name) = next.pop() {
                if let (true, Some(node)) = (reached.insert(name), program.nodes.get(name)) {
                    next.extend(node.ways().iter().filter(|way| !way.to_flow).map(|way| way.target.name.as_str()));
                }
            }
            for (name, node) in program.nodes.iter().filter(|(name, _)| !reached.contains(name.as_str())) {
                if self.diagnostics.len() >= FAULTS {
                    return;
                }
                let message = format!("no way leads to node {name}");
                let text = self.text(program);
                let found =
                    Diagnostic::warning("ivr::unreachable-node", &program.file, text, node.span.clone(), message);
                self.diagnostics.push(found);
            }
        }
    }

    /// All ways that never wait, as pairs of places.
    fn immediate_ways(&self) -> BTreeMap<Place<'a>, Vec<Place<'a>>> {
        let ends = self.ends(true);
        let mut ways = BTreeMap::new();
        for program in self.flows.values() {
            for (name, node) in &program.nodes {
                // After a flow that waits for the caller, or does not come back, nothing follows at once.
                let waits = match &node.kind {
                    NodeKind::Flow(sub) => {
                        let called = self.flows.get(&sub.flow.name);
                        called.is_none_or(|called| !ends.comes_back((&called.name, &called.start.name)))
                    }
                    _ => false,
                };
                let place = |way: &super::flow::Way<'a>| -> Option<Place<'a>> {
                    match &node.kind {
                        _ if way.to_flow => {
                            let flow = self.flows.get(&way.target.name)?;
                            Some((&flow.name, &flow.start.name))
                        }
                        NodeKind::Flow(sub) if waits && std::ptr::eq(way.target, &sub.next) => None,
                        _ if way.target.name == RETURN => None,
                        _ => Some((&program.name, &way.target.name)),
                    }
                };
                let out = node.ways();
                let out = out.iter().filter(|way| way.immediate).filter_map(place).collect();
                ways.insert((program.name.as_str(), name.as_str()), out);
            }
        }
        ways
    }

    fn report(&mut self, code: &str, place: Place<'a>, message: String, help: &str) {
        let Some(program) = self.flows.get(place.0) else { return };
        let Some(node) = program.nodes.get(place.1) else { return };
        let found = Diagnostic::error(code, &program.file, self.text(program), node.span.clone(), message);
        self.diagnostics.push(found.help(Some(help)));
    }

    /// From every node a way leads to the end of the call. Flows with circles that never wait are told of these first.
    fn never_ending(&mut self, ends: &subflows::Ends<'a>, in_circles: &BTreeSet<&str>) {
        for flow in self.flows.values().filter(|flow| !in_circles.contains(flow.name.as_str())) {
            let endless = flow.nodes.iter().filter(|(name, _)| !ends.any((flow.name.as_str(), name.as_str())));
            if let Some((name, _)) = endless.min_by_key(|(_, node)| node.span.start) {
                let message = format!("from node {name} no way leads to the end of the call");
                self.report("ivr::never-ends", (&flow.name, name), message, "let a way lead to a hangup node");
            }
        }
    }
}

/// The version of each flow, in the order of the map: the hash of its text, of the texts of all flows it can reach,
/// of the prompts manifest and of the declared nouns they count, each with its length before it.
fn versions(
    flows: &BTreeMap<String, Program>,
    texts: &BTreeMap<&str, &str>,
    nouns: &Nouns,
    manifest: &str,
) -> Vec<String> {
    let version = |name: &String| {
        let mut reached: BTreeSet<&str> = BTreeSet::new();
        let mut next = vec![name.as_str()];
        while let Some(name) = next.pop() {
            if let (true, Some(flow)) = (reached.insert(name), flows.get(name)) {
                next.extend(flow.sub_flows());
            }
        }
        let counted: BTreeSet<&str> =
            reached.iter().filter_map(|name| flows.get(*name)).flat_map(Program::nouns).collect();
        let counted: Vec<String> = counted.into_iter().filter_map(|noun| nouns.declared(noun)).collect();
        let mut hash = Sha256::new();
        let others = reached.iter().copied().filter(|other| other != name);
        let ordered = std::iter::once(name.as_str()).chain(others);
        let files = ordered.filter_map(|name| texts.get(flows.get(name)?.file.as_str()).copied());
        for text in files.chain([manifest]).chain(counted.iter().map(String::as_str)) {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text.as_bytes());
        }
        hash.finalize().iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    };
    flows.keys().map(version).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ivr::{LIBRARY_FLOWS, SHIPPED_FLOWS, prompts};

    fn declared() -> Declared {
        let languages = vec!["ar".to_owned(), "en".to_owned()];
        let prompts = prompts::parse("prompts.toml", prompts::SHIPPED, &languages).unwrap_or_default();
        let queues = ["support", "vip"].map(str::to_owned).into();
        Declared {
            queues,
            callbacks: BTreeSet::from(["support".to_owned()]),
            voicemails: BTreeSet::from(["support".to_owned()]),
            services: ["crm", "payments", "status"].map(str::to_owned).into(),
            entered: BTreeSet::from(["main".to_owned()]),
            calendars: BTreeSet::from(["main".to_owned()]),
            languages,
            prompts: Some(prompts::ids(&prompts)),
            manifest: prompts::SHIPPED.to_owned(),
            ..Declared::default()
        }
    }

    fn one(file: &str, text: &str) -> (Option<Library>, Vec<Diagnostic>) {
        load(&[(file.to_owned(), text.to_owned())], &declared())
    }

    fn shipped() -> Vec<(String, String)> {
        SHIPPED_FLOWS.map(|(file, text)| (file.to_owned(), text.to_owned())).into()
    }

    fn shown(diagnostics: &[Diagnostic]) -> String {
        diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn shipped_flows_are_sound_without_a_warning() {
        let (library, diagnostics) = load(&shipped(), &declared());
        assert_eq!(shown(&diagnostics), "");
        let library = library.unwrap();
        assert_eq!(
            library.flows["main"].summary(),
            "main: 12 nodes · 24 edges · longest path 8 · every path ends · 2 languages"
        );
        assert_eq!(library.flows["main"].sub_flows(), ["survey"].into());
    }

    #[test]
    fn flows_of_the_library_are_sound_without_a_warning() {
        let library = LIBRARY_FLOWS.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned()));
        let (library, diagnostics) = load(&shipped().into_iter().chain(library).collect::<Vec<_>>(), &declared());
        assert_eq!(shown(&diagnostics), "");
        assert_eq!(library.map(|library| library.flows.len()), Some(SHIPPED_FLOWS.len() + LIBRARY_FLOWS.len()));
    }

    /// Each file of the corpus has one fault, named in its first line as `# code line:column`; `# sound` has none.
    #[test]
    fn every_broken_flow_is_reported_once_at_its_fault() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/flows");
        let mut wrong = String::new();
        let mut files = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let expected = text.lines().next().unwrap_or_default().trim_start_matches("# ");
            let (library, diagnostics) = one(&path.file_name().unwrap().to_string_lossy(), &text);
            let found: Vec<_> = diagnostics.iter().map(|d| format!("{} {}:{}", d.code, d.line, d.column)).collect();
            let accepted = found.iter().map(String::as_str).eq([expected].into_iter().filter(|e| *e != "sound"));
            if !accepted || library.is_some() == diagnostics.iter().any(Diagnostic::is_error) {
                let _ = writeln!(wrong, "{} expected {expected}, found:\n{}\n", path.display(), shown(&diagnostics));
            }
            files += 1;
        }
        assert!(wrong.is_empty(), "\n{wrong}");
        assert!(files >= 75, "the corpus is there");
    }

    /// Recorded pieces of one language are enough for its values; texts always need a voice.
    #[test]
    fn what_nobody_can_speak_is_told() {
        let text = "flow = 1\nname = \"x\"\nlanguages = [\"ar\", \"en\"]\nstart = \"hello\"\n[node.hello]\nkind = \"play\"\n\
                    say = [{ number = \"queue.vip.waiting\" }, { number = \"1\", lang = \"en\" }, { text = \"Hello\" }]\n\
                    next = \"end\"\non = { error = \"end\" }\n[node.end]\nkind = \"hangup\"\n";
        let found = |is_mute: bool, recorded: &[(&str, &str)]| {
            let mut declared = Declared { is_mute, ..declared() };
            for (language, id) in recorded {
                let ids = declared.prompts.as_mut().and_then(|prompts| prompts.get_mut(*language)).unwrap();
                ids.insert((*id).to_owned());
            }
            let (_, diagnostics) = load(&[("x.toml".to_owned(), text.to_owned())], &declared);
            diagnostics.iter().map(|d| format!("{} {}:{}", d.code, d.line, d.column)).collect::<Vec<_>>()
        };
        let [value, other, text] = ["ivr::no-voice 7:19", "ivr::no-voice 7:53", "ivr::no-voice 7:82"];
        assert_eq!(found(false, &[]), Vec::<String>::new());
        assert_eq!(found(true, &[]), [value, other, text]);
        assert_eq!(found(true, &[("en", "en.n.1")]), [value, text]);
        assert_eq!(found(true, &[("en", "en.n.1"), ("ar", "ar.n.1.m")]), [text]);
    }

    #[test]
    fn a_typing_error_is_shown_with_its_line_and_what_was_meant() {
        let text = SHIPPED_FLOWS[0].1.replace("timeout = \"busy\"", "timeout = \"bsuy\"");
        let (library, diagnostics) = load(&[("main.toml".to_owned(), text), shipped()[1].clone()], &declared());
        assert!(library.is_none());
        assert_eq!(
            shown(&diagnostics),
            "error[ivr::unknown-node]: no node \"bsuy\" in flow main\n  \
               --> main.toml:41:36\n\
             41 | on = { ended = \"survey\", timeout = \"bsuy\", full = \"full\", no_agents = \"nobody\" }\n   \
                |                                    ^^^^^^ did you mean \"busy\"?"
        );
    }

    #[test]
    fn a_library_is_shared_between_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<Library>();
        shared::<crate::ivr::Run>();
    }

    /// Nesting and length have limits: no file takes the stack or the afternoon.
    #[test]
    fn monstrous_files_are_refused_quickly() {
        let expression = |text: String| {
            let set = format!("set = {{ count = '{text}' }}");
            include_str!("../../tests/flows/sound.toml")
                .replace("set = { topic = '\"billing\"', count = 'count + 1' }", &set)
        };
        let monsters = [
            "a = ".to_owned() + &"[".repeat(300_000),
            "[".repeat(300_000),
            "a.".repeat(300_000) + "a = 1",
            (0..60_000).map(|n| format!("key{n} = 1\n")).collect(),
            "flow = 1\n".to_owned() + &"x".repeat(read::FILE_BYTES),
            expression("(".repeat(900) + "1"),
            expression("(".repeat(400) + "1" + &")".repeat(400)),
            expression("!".repeat(900) + "known"),
            expression("[".repeat(900)),
            expression("1".to_owned() + &"+1 ".repeat(300) + "+ x"),
            expression("1 ? ".repeat(200) + "1"),
            expression("count".to_owned() + &".a".repeat(400)),
        ];
        for (number, text) in monsters.into_iter().enumerate() {
            let (library, diagnostics) = one("x.toml", &text);
            assert!(library.is_none() && !diagnostics.is_empty() && diagnostics.len() <= FAULTS, "monster {number}");
        }
        assert!(one("x.toml", &expression("1".to_owned() + &"+1 ".repeat(90))).0.is_some(), "long is not monstrous");
    }

    #[test]
    fn all_faults_of_a_file_are_found_in_one_look() {
        let text = SHIPPED_FLOWS[1].1.replace("kind = \"play\"", "kind = \"paly\"").replace("max = 1", "max = 0");
        let (_, diagnostics) = one("survey.toml", &text);
        let codes: Vec<_> = diagnostics.iter().map(|d| d.code.as_str()).collect();
        assert_eq!(codes, ["ivr::bad-value", "ivr::unknown-kind", "ivr::unknown-kind"], "{}", shown(&diagnostics));
    }

    #[test]
    fn a_name_is_given_to_one_flow_only() {
        let twice = [shipped()[1].clone(), ("copy.toml".to_owned(), SHIPPED_FLOWS[1].1.to_owned())];
        let (library, diagnostics) = load(&twice, &declared());
        assert!(library.is_none());
        let found: Vec<_> = diagnostics.iter().map(|d| (d.code.as_str(), d.file.as_str(), d.line)).collect();
        assert_eq!(found, [("ivr::duplicate-flow", "copy.toml", 3)]);
    }

    const NOUN: &str = "[noun.case]\nen = { one = \"case\", other = \"cases\" }\n\
                        ar = { gender = \"f\", one = \"قضية\", two = \"قضيتان\", two_oblique = \"قضيتين\", few = \"قضايا\", \
                        many = \"قضيةً\", other = \"قضية\" }\n";

    /// A flow that counts cases.
    fn counting() -> (String, String) {
        let text = SHIPPED_FLOWS[1]
            .1
            .replace("name = \"survey\"", "name = \"count\"")
            .replace("say = [{ prompt = \"goodbye\" }]", "say = [{ count = '3', noun = \"case\" }]");
        assert!(text.contains("noun"), "the shipped flow says goodbye");
        ("count.toml".to_owned(), text)
    }

    #[test]
    fn a_noun_is_declared_once_for_all_flows_and_is_part_of_the_versions_of_those_that_count_it() {
        let with = |first: &str| [shipped(), vec![counting()], vec![("z.toml".into(), first.to_owned())]].concat();
        let (library, diagnostics) = load(&[shipped(), vec![counting()]].concat(), &declared());
        assert!(library.is_none());
        assert!(shown(&diagnostics).contains("error[ivr::unknown-noun]: no noun \"case\""), "{}", shown(&diagnostics));
        let other = SHIPPED_FLOWS[1].1.replace("name = \"survey\"", "name = \"other\"");
        let load_noun = |noun: &str| load(&with(&format!("{other}\n{noun}")), &declared());
        let (library, diagnostics) = load_noun(NOUN);
        assert_eq!(shown(&diagnostics), "");
        let library = library.unwrap();
        assert_eq!(library.nouns.form(crate::say::Language::En, "case", crate::say::Form::Other), Ok("cases"));
        let changed = load_noun(&NOUN.replace("cases", "matters")).0.unwrap();
        assert_ne!(library.flows["count"].version, changed.flows["count"].version);
        assert_eq!(library.flows["main"].version, changed.flows["main"].version);

        let twice =
            [with(&format!("{other}\n{NOUN}")), vec![("zz.toml".into(), other.replace("other", "third") + NOUN)]];
        let (library, diagnostics) = load(&twice.concat(), &declared());
        assert!(library.is_none());
        let found: Vec<_> = diagnostics.iter().map(|d| (d.code.as_str(), d.file.as_str())).collect();
        assert_eq!(found, [("ivr::duplicate-noun", "zz.toml")], "{}", shown(&diagnostics));
        assert!(shown(&diagnostics).contains("noun \"case\" is already declared in z.toml"));
    }

    #[test]
    fn values_are_said_in_languages_that_can_be_spoken() {
        let declared = Declared { languages: vec!["ar".into(), "en".into(), "ur".into()], prompts: None, ..declared() };
        let (file, text) = counting();
        let text = text.replace("languages = [\"ar\", \"en\"]", "languages = [\"ar\", \"ur\"]") + NOUN;
        let text = text.replace("en = \"Satisfaction survey\"", "ur = \"?\"");
        let (library, diagnostics) = load(&[(file, text)], &declared);
        assert!(library.is_none());
        let found: Vec<_> = diagnostics.iter().map(|d| d.code.as_str()).collect();
        assert_eq!(found, ["ivr::say-language"], "{}", shown(&diagnostics));
    }

    #[test]
    fn the_version_changes_with_flow_sub_flow_and_prompts_and_with_nothing_else() {
        let version = |files: &[(String, String)], manifest: &str| {
            let declared = Declared { manifest: manifest.to_owned(), ..declared() };
            load(files, &declared).0.unwrap().flows["main"].version.clone()
        };
        let files = shipped();
        let first = version(&files, "m");
        assert_eq!(first.len(), 64);
        assert_eq!(first, version(&files, "m"));
        assert_ne!(first, version(&files, "n"));
        let mut changed = files.clone();
        changed[1].1.push_str("# note\n");
        assert_ne!(first, version(&changed, "m"), "a sub-flow is part of it");
        let unrelated = files[1].1.replace("\"survey\"", "\"other\"");
        changed = [files, vec![("other.toml".to_owned(), unrelated)]].concat();
        assert_eq!(first, version(&changed, "m"), "a flow nobody goes to is not");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever people type: diagnostics, never a panic; and what is refused says why.
        #[test]
        fn mutilated_flows_are_judged_without_panic(
            edits in proptest::collection::vec((any::<prop::sample::Index>(), 0_usize..12, "\\PC{0,6}|[{}\\[\\]\"'=.,#\n]{1,3}"), 1..5),
            which in 0_usize..3,
        ) {
            let corpus = include_str!("../../tests/flows/sound.toml");
            let mut text = [SHIPPED_FLOWS[0].1, SHIPPED_FLOWS[1].1, corpus][which].to_owned();
            for (at, removed, inserted) in edits {
                let mut chars: Vec<char> = text.chars().collect();
                let at = at.index(chars.len() + 1);
                let end = (at + removed).min(chars.len());
                chars.splice(at..end, inserted.chars());
                text = chars.into_iter().collect();
            }
            let (library, diagnostics) = one("x.toml", &text);
            prop_assert_eq!(library.is_none(), diagnostics.iter().any(Diagnostic::is_error));
            for found in &diagnostics {
                prop_assert!(found.line > 0 && found.column > 0, "{}", found);
                prop_assert!(found.line <= text.lines().count() + 1);
            }
        }

        #[test]
        fn any_text_is_judged_without_panic(text in "\\PC{0,200}|([a-z\\[\\].=\"{} \n]{0,200})") {
            let (library, diagnostics) = one("x.toml", &text);
            prop_assert!(library.is_none() && !diagnostics.is_empty());
        }
    }
}
