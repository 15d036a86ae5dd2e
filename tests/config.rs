//! The configuration reader against files: every broken one is refused where it is broken, every shipped one is taken.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use hatif::call::config::{CallbackConfig, CallbackMode, DialTarget};
use hatif::config::{Config, keys};

fn folder(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Each file of `tests/config/` has one fault; its first line says which and where: `# CODE LINE:COLUMN`.
#[test]
fn every_broken_file_is_refused_at_its_fault() {
    let mut wrong = Vec::new();
    let mut files: Vec<PathBuf> = fs::read_dir(folder("tests/config")).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 25, "the corpus is there");
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        let expected = text.lines().next().unwrap().trim_start_matches("# ").to_owned();
        let found = match Config::load(std::slice::from_ref(&path), &[]) {
            Ok(_) => "taken".to_owned(),
            Err(list) => {
                let errors: Vec<_> = list.iter().filter(|d| d.is_error()).collect();
                let one: Vec<String> = errors.iter().map(|d| format!("{} {}:{}", d.code, d.line, d.column)).collect();
                assert!(
                    errors.iter().all(|d| d.to_string().contains('^')),
                    "{}: a caret shows the place",
                    path.display()
                );
                one.join(", ")
            }
        };
        if found != expected {
            wrong.push(format!("{}: {found}, expected {expected}", path.file_name().unwrap().display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_load_configuration_is_taken() {
    let (config, _) = Config::load(&[folder("tests/load/hatif.toml")], &[]).unwrap_or_else(|e| panic!("{e:#?}"));
    let numbers: BTreeMap<_, _> = config.call.numbers.iter().map(|n| (n.pattern.as_str(), &n.action)).collect();
    for number in ["1000", "1002", "1005", "1010", "1020", "1021", "1025"] {
        assert!(numbers.contains_key(number), "{number}");
    }
    assert_eq!(config.floor.agents.len(), 50);
}

/// Order of the file, weights, segments and rules of order reach the floor; strict priority without a cap is warned of.
#[test]
fn what_orders_agents_and_callers_is_read() {
    let queue =
        |more: &str| format!("[[queue]]\nname = \"support\"\nstrategy = \"weighted\"\nstrict_priority = true\n{more}");
    let agent = |id: &str, more: &str| {
        format!("[[agent]]\nid = \"{id}\"\npassword = \"long enough\"\nqueues = [\"support\"]\n{more}")
    };
    let agents = agent("102", "weights = { support = 3 }\ncapacity = 3\n") + &agent("101", "");
    let read = |text: String| {
        let document =
            hatif::config::Document { name: "t".to_owned(), text, base: folder(""), layer: hatif::config::Layer::File };
        Config::read(vec![document], &hatif::config::Machine::default()).unwrap_or_else(|e| panic!("{e:#?}"))
    };
    let (config, warnings) = read(queue("max_wait_strict = \"5m\"\nsegments = { gold = \"3m\" }\n") + &agents);
    assert!(warnings.iter().all(|w| w.code != "config::starvation"), "{warnings:#?}");
    let support = &config.floor.queues["support"];
    assert_eq!((support.strategy.word(), support.strict_priority), ("weighted", true));
    assert_eq!(support.max_wait_strict.map(|wait| wait.as_secs()), Some(300));
    assert_eq!(support.segments["gold"].as_secs(), 180);
    let (first, second) = (&config.floor.agents["102"], &config.floor.agents["101"]);
    assert_eq!((first.position, second.position), (0, 1));
    assert_eq!((first.capacity, second.capacity), (3, 1));
    assert_eq!((first.weights.get("support"), second.weights.get("support")), (Some(&3), None));
    let (_, warnings) = read(queue("") + &agents);
    assert!(warnings.iter().any(|w| w.code == "config::starvation" && w.line == 4), "{warnings:#?}");
}

/// A ladder and the groups of agents reach the floor; a step that comes after the longest wait is warned of.
#[test]
fn f07_a_ladder_is_read() {
    let text = "[[queue]]\nname = \"support\"\nskills = [\"billing>=5\"]\nmax_wait = \"2m\"\n\
        [[queue.ladder]]\nafter = \"30s\"\nrelax = 2\nskip_unstaffed = true\n\
        [[queue.ladder]]\nname = \"back office\"\nafter = \"3m\"\nskills = []\ngroups = [\"back\"]\nagents = [\"101\"]\nmode = \"replace\"\n\
        [[agent]]\nid = \"101\"\npassword = \"long enough\"\nqueues = [\"support\"]\nskills = { billing = 3 }\n\
        [[agent]]\nid = \"102\"\npassword = \"long enough\"\ngroups = [\"back\"]\n";
    let document = hatif::config::Document {
        name: "t".to_owned(),
        text: text.to_owned(),
        base: folder(""),
        layer: hatif::config::Layer::File,
    };
    let (config, warnings) =
        Config::read(vec![document], &hatif::config::Machine::default()).unwrap_or_else(|e| panic!("{e:#?}"));
    let ladder = &config.floor.queues["support"].ladder;
    let names: Vec<(&str, u64)> = ladder.iter().map(|step| (step.name.as_str(), step.after.as_secs())).collect();
    assert_eq!(names, [("step 1", 30), ("back office", 180)]);
    assert_eq!((&ladder[0].skills, ladder[0].relax, ladder[0].skip_unstaffed), (&None, 2, true));
    assert_eq!((ladder[1].skills.as_deref(), ladder[1].mode), (Some(&[][..]), hatif::acd::config::StepMode::Replace));
    assert!(ladder[1].groups.contains("back") && ladder[1].agents.contains("101"));
    assert!(config.floor.agents["102"].groups.contains("back"));
    assert!(warnings.iter().any(|w| w.code == "config::ladder-late" && w.line == 11), "{warnings:#?}");
}

/// Whom callers wait for first reaches the floor; `sticky` may be a table of its own.
#[test]
fn f21_sticky_is_read() {
    let read = |sticky: &str| {
        let text = format!(
            "[[queue]]\nname = \"support\"\n{sticky}\n\
            [[agent]]\nid = \"101\"\npassword = \"long enough\"\ngroups = [\"gold\"]\nqueues = [\"support\"]\n"
        );
        let document =
            hatif::config::Document { name: "t".to_owned(), text, base: folder(""), layer: hatif::config::Layer::File };
        let (config, _) =
            Config::read(vec![document], &hatif::config::Machine::default()).unwrap_or_else(|e| panic!("{e:#?}"));
        let sticky = config.floor.queues["support"].sticky.clone();
        (sticky.last_agent.map(|time| time.as_secs()), sticky.group, sticky.group_time.as_secs())
    };
    assert_eq!(read(""), (None, None, 0));
    assert_eq!(read("sticky = { last_agent = \"0s\" }"), (None, None, 0));
    assert_eq!(read("sticky = { last_agent = \"15s\" }"), (Some(15), None, 0));
    let table = "[queue.sticky]\nlast_agent = \"1m\"\ngroup = \"gold\"\ngroup_time = \"30s\"";
    assert_eq!(read(table), (Some(60), Some("gold".to_owned()), 30));
}

#[test]
fn f15_how_a_queue_calls_back_is_read() {
    let read = |callback: &str| {
        let text = format!(
            "[[queue]]\nname = \"support\"\n{callback}\n\
            [[agent]]\nid = \"101\"\npassword = \"long enough\"\nqueues = [\"support\"]\n\
            [[trunk]]\nname = \"a\"\nhosts = [\"10.0.0.9\"]\n\
            [[calendar]]\nname = \"office\"\nopen = {{ \"mon-fri\" = \"08:00-17:00\" }}\n"
        );
        let document =
            hatif::config::Document { name: "t".to_owned(), text, base: folder(""), layer: hatif::config::Layer::File };
        let (config, _) =
            Config::read(vec![document], &hatif::config::Machine::default()).unwrap_or_else(|e| panic!("{e:#?}"));
        config.call.callbacks.get("support").cloned()
    };
    assert_eq!(read(""), None);
    assert_eq!(read("callback = {}"), Some(CallbackConfig::default()));
    let table = "[queue.callback]\nmode = \"customer_first\"\ndial = [\"trunk:a\"]\ntries = 5\nretry_after = \"1h\"\n\
                 expires_after = \"72h\"\nring = \"20s\"\ncalendar = \"office\"";
    let seconds = std::time::Duration::from_secs;
    let wanted = CallbackConfig {
        mode: CallbackMode::CustomerFirst,
        dial: Some(DialTarget::Trunks(vec!["a".to_owned()])),
        tries: 5,
        retry_after: seconds(3_600),
        expires_after: seconds(3 * 86_400),
        ring: seconds(20),
        calendar: Some("office".to_owned()),
    };
    assert_eq!(read(table), Some(wanted));
}

/// `docs/configuration.md` between its two marks is what `keys.rs` says; `HATIF_BLESS=1` writes it anew.
#[test]
fn the_reference_in_the_docs_is_up_to_date() {
    const BEGIN: &str = "<!-- reference: written from src/config/keys.rs -->\n";
    const END: &str = "<!-- end of reference -->";
    let path = folder("docs/configuration.md");
    let text = fs::read_to_string(&path).unwrap();
    let (head, rest) = text.split_once(BEGIN).expect("begin mark");
    let (found, tail) = rest.split_once(END).expect("end mark");
    let wanted = format!("\n{}", keys::reference());
    if found != wanted && std::env::var_os("HATIF_BLESS").is_some() {
        fs::write(&path, format!("{head}{BEGIN}{wanted}{END}{tail}")).unwrap();
        return;
    }
    assert!(found == wanted, "docs/configuration.md is old: run HATIF_BLESS=1 cargo test --test config");
}

/// Every ```toml block of the documentation that is marked as a whole file is a configuration that is taken.
#[test]
fn examples_in_the_docs_are_taken() {
    let text = fs::read_to_string(folder("docs/configuration.md")).unwrap();
    let blocks: Vec<&str> = text.split("```toml\n").skip(1).filter_map(|b| b.split("```").next()).collect();
    let whole: Vec<&&str> = blocks.iter().filter(|b| b.starts_with("# hatif.toml")).collect();
    assert!(!whole.is_empty());
    for block in whole {
        let document = hatif::config::Document {
            name: "docs/configuration.md".to_owned(),
            text: (*block).to_owned(),
            base: folder(""),
            layer: hatif::config::Layer::File,
        };
        let result = Config::read(vec![document], &hatif::config::Machine::default());
        assert!(result.is_ok(), "{:#?}", result.err());
    }
}
