//! The author's tools for flows: `hatif ivr check | simulate | test | graph | fmt`, on the real binary.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod common;

use std::fs;
use std::process::Command;

use common::*;

fn hatif(arguments: &[&str], stdin: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hatif"));
    command.args(arguments).env("NO_COLOR", "1").current_dir(root());
    finish(command, Some(stdin), seconds(60))
}

/// Everything in `ivr-scripts/` is checked, tested, and gone through on every way.
#[test]
fn the_library_of_flows_is_sound() {
    let checked = run(&["ivr", "check", "--strict"], &[]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
    let tested = run(&["ivr", "test"], &[]);
    assert_eq!(tested.code, Some(0), "{tested:?}");
    assert!(tested.stdout.trim_end().ends_with(" passed, 0 failed"), "{tested:?}");
    assert!(tested.stdout.matches("\nok ").count() >= 15, "{tested:?}");
    let explored = run(&["ivr", "test", "--explore"], &[]);
    assert_eq!(explored.code, Some(0), "{explored:?}");
    let flows = checked.stdout.lines().filter(|line| line.contains(" nodes · ")).count();
    let told: Vec<&str> = explored.stdout.lines().filter(|line| line.ends_with("walks, all end")).collect();
    assert_eq!(told.len(), flows, "{explored:?}");
    assert!(!explored.stdout.contains("warning"), "{explored:?}");
}

/// Nodes, words, keys and the end, from a script on stdin; the same as JSON.
#[test]
fn a_flow_is_tried_without_a_phone() {
    let steps = "1\n1\nanswered\n5\n";
    let walked = hatif(&["ivr", "simulate", "main", "--from", "0551234", "--at", "2026-11-22T10:00"], steps);
    assert_eq!(walked.code, Some(0), "{walked:?}");
    for part in ["▶ language", "🔊 ar+en", "> 1", "queue support", "> answered", "survey csat = 5", "■ "] {
        assert!(walked.stdout.contains(part), "{part:?} is not in\n{}", walked.stdout);
    }
    let path = "path: language·arabic·topic·support·survey·question·thanks·goodbye·end\n";
    assert!(walked.stdout.ends_with(path), "{}", walked.stdout);

    let told = hatif(&["ivr", "simulate", "main", "--lang", "en", "--json"], "2\n1\nfull\n").lines();
    let (end, visits) = told.split_last().expect("lines");
    assert_eq!(end["end"]["outcome"], "queued", "{end}");
    assert_eq!(visits[0]["node"], "language", "{visits:?}");
    assert!(
        end["end"]["heard"].as_array().is_some_and(|heard| heard.iter().any(|said| said["prompt"] == "sorry_full"))
    );
    let here = visits.iter().find(|visit| visit["node"] == "support").expect("the queue");
    assert!(here["events"].as_array().is_some_and(|events| events.iter().any(|e| e["event"] == "queue")), "{here}");
}

/// Exit code 1 when a step does not fit, 2 for what cannot be, 5 for an unknown flow; each with its mend.
#[test]
fn what_does_not_fit_is_told_with_its_mend() {
    for (arguments, steps, code, mend) in [
        (&["main"][..], "1\nanswerd\n", 1, "line 2"),
        (&["main"], "1\n1\nanswerd\n", 1, "did you mean \"answered\"?"),
        (&["mian"], "", 5, "did you mean \"main\"?"),
        (&["main", "--queue", "suport.waiting=3"], "", 2, "did you mean \"support\"?"),
        (&["main", "--queue", "support.wating=3"], "", 2, "did you mean \"waiting\"?"),
        (&["main", "--queue", "support=3"], "", 2, "support.waiting=3"),
        (&["main", "--calendar", "nowhere=open"], "", 2, "calendar"),
        (&["main", "--mock", "nobody=404"], "", 2, "service"),
        (&["main", "--lang", "fr"], "", 2, "no language"),
        (&["main", "--at", "noon"], "", 2, "--at"),
        (&["main", "--script", "none.txt"], "", 2, "none.txt"),
        (&["none.toml"], "", 5, "none.toml"),
    ] {
        let got = hatif(&[&["ivr", "simulate"], arguments].concat(), steps);
        assert_eq!(got.code, Some(code), "{arguments:?} {got:?}");
        assert!(got.stderr.contains(mend), "{arguments:?} {got:?}");
    }
}

/// `--audio`: what is heard, as 8 kHz sound of about the length of its parts.
#[test]
fn what_a_caller_hears_is_rendered() {
    let folder = temp_folder();
    fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("call.wav");
    let heard = hatif(&["ivr", "simulate", "main", "--audio", &file.display().to_string()], "1\n1\ntimeout\n");
    assert_eq!(heard.code, Some(0), "{heard:?}");
    let mut reader = hound::WavReader::open(&file).expect("a WAV file");
    let spec = reader.spec();
    assert_eq!((spec.sample_rate, spec.channels, spec.bits_per_sample), (8_000, 1, 16));
    let samples: Vec<i16> = reader.samples::<i16>().map(|s| s.expect("a sample")).collect();
    assert!((15 * 8_000..120 * 8_000).contains(&samples.len()), "{} samples", samples.len());
    let loud = samples.chunks(8_000).filter(|second| second.iter().any(|s| s.unsigned_abs() > 1_500)).count();
    assert!(loud * 2 > samples.len() / 8_000, "{loud} of {} seconds are heard", samples.len() / 8_000);
    let _ = fs::remove_dir_all(folder);
}

/// A test that is not met is told with what was expected and found; faults of the file with their place.
#[test]
fn tests_that_fail_say_why() {
    let folder = temp_folder();
    fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("t.toml");
    let name = file.display().to_string();
    let test = "flow = \"main\"\n[[test]]\nname = \"wrong\"\nsteps = [\"1\", \"1\", \"full\"]\nexpect = { queue = \"vip\", said = [\"sorry_timeout\"] }\n\
                [[test]]\nname = \"misfit\"\nsteps = [\"1\", \"busy\"]\n[[test]]\nname = \"right\"\nsteps = [\"h\"]\n";
    fs::write(&file, test).expect("written");
    let got = run(&["ivr", "test", &name], &[]);
    assert_eq!(got.code, Some(1), "{got:?}");
    for part in [
        "t.toml:3: wrong",
        "queue",
        "expected  vip",
        "found     support",
        "said",
        "sorry_full",
        "step \"busy\" (line 8) at node topic",
        "1 passed, 2 failed",
    ] {
        assert!(got.stdout.contains(part), "{part:?} is not in\n{}", got.stdout);
    }
    let told = run(&["ivr", "test", &name, "--json"], &[]).lines();
    assert_eq!((told.len(), &told[0]["ok"], &told[2]["ok"]), (3, &false.into(), &true.into()), "{told:?}");
    fs::write(&file, test.replace("queue = \"vip\"", "queu = \"vip\"")).expect("written");
    let got = run(&["ivr", "test", &name], &[]);
    assert_eq!(got.code, Some(3), "{got:?}");
    for part in ["t.toml:5:12", "queu", "did you mean \"queue\"?"] {
        assert!(got.stderr.contains(part), "{part:?} is not in\n{}", got.stderr);
    }
    let _ = fs::remove_dir_all(folder);
}

/// The pictures of the documents are what the command prints: `hatif ivr graph main --format svg --lang en`.
#[test]
fn the_pictures_of_the_documents_are_what_the_command_prints() {
    let library = hatif::ivr::LIBRARY_FLOWS.iter().filter_map(|(path, _)| path.strip_prefix("ivr-scripts/"));
    let library = library.filter_map(|file| file.strip_suffix(".toml"));
    let english = library.chain(["main"]).map(|flow| (flow, "en", format!("docs/pictures/{flow}.svg")));
    for (flow, language, file) in english.chain([("main", "ar", "docs/pictures/main-ar.svg".to_owned())]) {
        let drawn = run(&["ivr", "graph", flow, "--format", "svg", "--lang", language], &[]);
        assert_eq!(drawn.code, Some(0), "{drawn:?}");
        if std::env::var_os("HATIF_BLESS").is_some() {
            fs::write(root().join(&file), &drawn.stdout).expect("written");
        }
        let committed = fs::read_to_string(root().join(&file)).unwrap_or_default();
        assert!(drawn.stdout == committed, "{file} is old: HATIF_BLESS=1 cargo test --test ivr_tools");
    }
    for (format, begin) in [("mermaid", "flowchart TD"), ("dot", "digraph \"survey\"")] {
        let drawn = run(&["ivr", "graph", "survey", "--format", format], &[]);
        assert!(drawn.code == Some(0) && drawn.stdout.starts_with(begin), "{drawn:?}");
    }
    let refused = run(&["ivr", "graph", "main", "--lang", "fr"], &[]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
}

/// `--traffic` counts what the journal of a running centre says.
#[test]
fn a_picture_shows_where_callers_went() {
    let server = Server::dev();
    let customer = server.customer("0510", hatif::robot::Source::Silence);
    let out = customer.invite("500").expect("sent");
    out.answered(SOON).expect("answered");
    assert_eq!(out.hang_up_and_wait(SOON), Some(200));
    server.ended_call("0510");
    let data = server.data.display().to_string();
    let drawn = run(&["ivr", "graph", "main", "--lang", "en", "--traffic", "1d", "--data-dir", &data], &[]);
    assert_eq!(drawn.code, Some(0), "{drawn:?}");
    assert!(drawn.stdout.contains("language<br>menu<br>1 · 100% hung up"), "{drawn:?}");
    let nowhere = run(&["ivr", "graph", "main", "--traffic", "1d", "--data-dir", "/nowhere"], &[]);
    assert!(nowhere.code == Some(1) && nowhere.stderr.contains("--data-dir"), "{nowhere:?}");
    let wrong = run(&["ivr", "graph", "main", "--traffic", "7"], &[]);
    assert!(wrong.code == Some(2) && wrong.stderr.contains("7d"), "{wrong:?}");
}

/// `fmt --check` names what would change and changes nothing; `fmt` changes it once.
#[test]
fn flow_files_are_laid_out() {
    let folder = temp_folder();
    fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("main.toml");
    let name = file.display().to_string();
    let tidy = fs::read_to_string(root().join("ivr-scripts/main.toml")).expect("the shipped flow");
    let untidy =
        tidy.replace("kind = \"queue\"\nqueue = \"support\"", "queue=\"support\"   # the large one\nkind = \"queue\"");
    assert_ne!(tidy, untidy);
    fs::write(&file, &untidy).expect("written");
    let checked = run(&["ivr", "fmt", "--check", &name], &[]);
    assert_eq!((checked.code, checked.stdout.trim()), (Some(1), name.as_str()), "{checked:?}");
    assert_eq!(fs::read_to_string(&file).expect("read"), untidy);
    assert_eq!(run(&["ivr", "fmt", &name], &[]).code, Some(0));
    let formatted = fs::read_to_string(&file).expect("read");
    assert!(
        formatted.contains("kind = \"queue\"\nqueue = \"support\"                          # the large one"),
        "{formatted}"
    );
    assert_eq!(run(&["ivr", "fmt", "--check", &name], &[]).code, Some(0));
    fs::write(&file, "flow = [").expect("written");
    let broken = run(&["ivr", "fmt", &name], &[]);
    assert!(broken.code == Some(3) && broken.stderr.contains("main.toml:1:"), "{broken:?}");
    assert_eq!(run(&["ivr", "fmt", "--check"], &[]).code, Some(0), "the shipped flows are laid out");
    let _ = fs::remove_dir_all(folder);
}
