//! The command line: exit codes, places of faults, machine-readable lists.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod common;

use std::fs;

use common::*;
use hatif::robot::Answering;

/// CONTRACT: 3 = the configuration is invalid; file:line:column, a caret, and a guess at what was meant.
#[test]
fn a_broken_configuration_is_shown_where_it_is_broken() {
    let folder = temp_folder();
    let file = folder.join("broken.toml");
    fs::write(&file, "[centre]\nlanguages = [\"en\"]\n[[queue]]\nname = \"support\"\nwrapup = \"10s\"\n")
        .expect("written");
    let path = file.display().to_string();
    let checked = run(&["check", &path], &[]);
    assert_eq!(checked.code, Some(3), "{checked:?}");
    let told = format!("{}{}", checked.stdout, checked.stderr);
    for part in ["broken.toml:5:1", "wrapup", "^", "did you mean", "wrap_up"] {
        assert!(told.contains(part), "{part:?} is not in\n{told}");
    }
    let served = run(&["serve", "--config", &path, "--data-dir", &folder.join("data").display().to_string()], &[]);
    assert_eq!(served.code, Some(3), "serve refuses it too: {served:?}");
    assert!(served.stderr.contains("broken.toml:5:1"), "{served:?}");

    let good = folder.join("good.toml");
    fs::write(&good, config(free_ports(), &floor(""))).expect("written");
    let checked = run(&["check", &good.display().to_string()], &[]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
    let missing = run(&["check", &folder.join("none.toml").display().to_string()], &[]);
    assert_eq!(missing.code, Some(3), "{missing:?}");
    let _ = fs::remove_dir_all(folder);
}

/// The shipped flows pass; a typo in one is shown with its place and a guess.
#[test]
fn flows_are_checked() {
    let checked = run(&["ivr", "check"], &[]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
    for name in ["main: ", "survey: ", "hours: ", "emergency: "] {
        assert!(checked.stdout.contains(name), "{checked:?}");
    }
    let folder = temp_folder();
    let file = folder.join("main.toml");
    let text = fs::read_to_string(root().join("ivr-scripts/main.toml")).expect("the shipped flow");
    let broken = text.replacen("\"arabic\"", "\"arabik\"", 1);
    assert_ne!(text, broken, "the flow has the node this test spoils");
    let line = broken.lines().position(|l| l.contains("arabik")).expect("the line") + 1;
    fs::write(&file, broken).expect("written");
    let checked = run(&["ivr", "check", &file.display().to_string()], &[]);
    assert_eq!(checked.code, Some(3), "{checked:?}");
    let told = format!("{}{}", checked.stdout, checked.stderr);
    for part in [&format!("main.toml:{line}:"), "arabik", "^", "arabic"] {
        assert!(told.contains(part), "{part:?} is not in\n{told}");
    }
    let _ = fs::remove_dir_all(folder);
}

/// What is wrong with a recording is told at the place where it is said, to people and to editors.
#[test]
fn recordings_are_measured_and_editors_are_told() {
    let folder = temp_folder();
    let file = folder.join("hatif.toml");
    let text = config(free_ports(), &floor("")).replace(
        &format!("prompts = \"{}/prompts\"", root().display()),
        &format!("prompts = \"{}/prompts\"", folder.display()),
    );
    fs::write(&file, text).expect("written");
    let square: Vec<i16> = (0..8_000).map(|n| if n / 8 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
    for (language, rate, samples) in [("ar", 8_000, square), ("en", 6_000, vec![0; 6_000])] {
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: rate,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        fs::create_dir_all(folder.join("prompts").join(language)).expect("a folder");
        let path = folder.join("prompts").join(language).join("welcome.wav");
        let mut wav = hound::WavWriter::create(path, spec).expect("a file");
        samples.iter().for_each(|sample| wav.write_sample(*sample).expect("written"));
        wav.finalize().expect("written");
    }
    let path = file.display().to_string();
    let checked = run(&["ivr", "check", "--config", &path, "--json"], &[]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
    let found = checked.lines();
    let welcome: Vec<_> =
        found.iter().filter(|f| f["message"].as_str().is_some_and(|m| m.contains("\"welcome\""))).collect();
    let codes: Vec<_> = welcome.iter().filter_map(|f| f["code"].as_str()).collect();
    assert_eq!(
        codes,
        ["ivr::prompt-clipped", "ivr::prompt-level", "ivr::prompt-rate", "ivr::prompt-silent"],
        "{found:#?}"
    );
    let main = fs::read_to_string(root().join("ivr-scripts/main.toml")).expect("the shipped flow");
    let line = main.lines().position(|l| l.contains("prompt = \"welcome\"")).expect("the line");
    let column = main.lines().nth(line).and_then(|l| l.find("\"welcome\"")).expect("the place") + 1;
    for fault in welcome {
        assert_eq!(fault["severity"], "warning", "{fault}");
        assert_eq!(
            (fault["line"].as_u64(), fault["column"].as_u64()),
            (Some(line as u64 + 1), Some(column as u64)),
            "{fault}"
        );
        assert_eq!(
            (fault["end"]["line"].as_u64(), fault["end"]["column"].as_u64()),
            (Some(line as u64 + 1), Some(column as u64 + 9)),
            "{fault}"
        );
        assert!(
            fault["file"].as_str().is_some_and(|f| f.ends_with("main.toml")) && fault["help"].is_string(),
            "{fault}"
        );
    }
    let strict = run(&["ivr", "check", "--config", &path, "--strict"], &[]);
    assert_eq!(strict.code, Some(6), "{strict:?}");
    let last = strict.stderr.lines().last().unwrap_or_default();
    assert_eq!(last, format!("0 errors, {} warnings", found.len()), "{strict:?}");
    let schema = run(&["ivr", "schema"], &[]);
    let committed = fs::read_to_string(root().join("ivr-scripts/flow.schema.json")).expect("the schema");
    assert!(schema.code == Some(0) && schema.stdout == committed, "what is printed is what is committed");
    let _ = fs::remove_dir_all(folder);
}

/// CONTRACT: 2 usage, 4 no server there, 5 no such thing; data on stdout, messages on stderr.
#[test]
fn exit_codes_are_the_promised_ones() {
    for arguments in [&["frobnicate"][..], &["calls"], &["serve", "--sip-port", "many"], &["calls", "show"]] {
        let result = run(arguments, &[]);
        assert_eq!(result.code, Some(2), "{arguments:?}: {result:?}");
        assert!(result.stdout.is_empty() && !result.stderr.is_empty(), "{arguments:?}: {result:?}");
    }
    let nobody = format!("http://127.0.0.1:{}", free_ports().http);
    let result = run(&["calls", "list", "--server", &nobody], &[("HATIF_API_KEY", "hk_any")]);
    assert_eq!(result.code, Some(4), "{result:?}");
    assert!(result.stderr.contains(&nobody) || result.stderr.contains("reach"), "{result:?}");
    let dev_elsewhere = run(&["serve", "--dev-password", "x"], &[]);
    assert!(matches!(dev_elsewhere.code, Some(2 | 3)), "--dev-password without --dev: {dev_elsewhere:?}");

    let server = Server::dev();
    let missing = server.command(&["calls", "show", "call_01J00000000000000000000000"]);
    assert_eq!(missing.code, Some(5), "{missing:?}");
    for (what, name) in [("agents", "999"), ("queues", "nowhere")] {
        let missing = server.command(&[what, "show", name]);
        assert_eq!(missing.code, Some(5), "{missing:?}");
    }
    let wrong_key = run(
        &["calls", "list", "--server", &format!("http://{}", server.http)],
        &[("HATIF_API_KEY", "hk_wrongwrongwrongwrongwrong")],
    );
    assert!(matches!(wrong_key.code, Some(1 | 4)), "{wrong_key:?}");
}

/// `list --json` is one document a line with stable names; `list` and `show` are for people.
#[test]
fn lists_are_for_people_and_for_machines() {
    let server = Server::dev();
    let _agent = server.agent("101", 604.0, Answering::RingForever);
    server.agents_in("ready", 1.0);
    let customer = server.customer("0510", hatif::robot::Source::Silence);
    let out = customer.invite("9196").expect("sent");
    out.answered(SOON).expect("answered");

    let agents = server.command(&["agents", "list", "--json"]).lines();
    assert_eq!(agents.len(), 3, "{agents:?}");
    let first = agents.iter().find(|a| a["id"] == "101").unwrap_or_else(|| panic!("no id 101 in {agents:?}"));
    assert_eq!((first["state"].as_str(), first["name"].as_str()), (Some("ready"), Some("Amal")), "{first}");
    let second = agents.iter().find(|a| a["id"] == "102").unwrap_or_else(|| panic!("no id 102 in {agents:?}"));
    assert_eq!(second["state"], "offline", "{second}");
    let queues = server.command(&["queues", "list", "--json"]).lines();
    let names: Vec<&str> = queues.iter().filter_map(|q| q["name"].as_str()).collect();
    assert_eq!(names, ["support", "vip"], "{queues:?}");
    assert_eq!(queues[0]["waiting"], 0, "{queues:?}");

    let people = server.command(&["agents", "list"]);
    assert_eq!(people.code, Some(0), "{people:?}");
    assert!(people.stdout.contains("101") && people.stdout.contains("ready"), "{people:?}");
    assert!(!people.stdout.contains('\u{1b}'), "NO_COLOR is honoured");
    for arguments in [["agents", "show", "101"], ["queues", "show", "support"]] {
        assert_eq!(server.command(&arguments).code, Some(0), "{arguments:?}");
    }
    assert_eq!(out.hang_up_and_wait(SOON), Some(200));
    let record = server.ended_call("0510");
    let calls = server.command(&["calls", "list", "--json"]).lines();
    assert!(calls.iter().any(|c| c["call_id"] == record["call_id"]), "{calls:?}");
    let shown = server.command(&["calls", "show", record["call_id"].as_str().unwrap_or_default(), "--json"]);
    assert_eq!(shown.lines()[0]["from"], "0510", "{shown:?}");
}

/// First run: the first line is one JSON object with every address and both secrets; other binds are refused.
#[test]
fn the_first_line_says_everything() {
    let server = Server::dev();
    for name in ["console", "sip", "http", "metrics", "password", "api_key"] {
        assert!(server.line[name].as_str().is_some_and(|v| !v.is_empty()), "{name} in {}", server.line);
    }
    assert_eq!(server.line["password"], PASSWORD);
    assert!(server.api_key.starts_with("hk_"));
    assert!(server.line["sip"].as_str().is_some_and(|s| s.contains(&server.sip.port().to_string())));
    // A second one on the same ports says which port is taken.
    let again = run(
        &[
            "serve",
            "--dev",
            "--demo-calls",
            "0",
            "--sip-port",
            &server.sip.port().to_string(),
            "--http-port",
            &server.http.port().to_string(),
            "--data-dir",
            &server.folder.join("second").display().to_string(),
        ],
        &[],
    );
    assert!(again.code.is_some_and(|c| c != 0), "{again:?}");
    assert!(
        again.stderr.contains(&server.sip.port().to_string()) || again.stderr.contains(&server.http.port().to_string()),
        "{again:?}"
    );
}

/// `docs/planning.md` shows what `hatif erlang` prints, word for word.
#[test]
fn the_examples_of_planning_are_what_the_command_prints() {
    let page = fs::read_to_string(root().join("docs/planning.md")).expect("the page");
    let examples: Vec<&str> =
        page.split("```text\n$ hatif erlang ").skip(1).filter_map(|e| e.split("```").next()).collect();
    assert_eq!(examples.len(), 2, "the page has two examples");
    for example in examples {
        let (command, printed) = example.split_once('\n').expect("a command and its output");
        let command = format!("erlang {command}");
        let got = run(&command.split(' ').collect::<Vec<_>>(), &[]);
        assert_eq!((got.code, got.stdout.as_str()), (Some(0), printed), "{command}: {got:?}");
    }
}

/// `hatif erlang`: the answer of the published table as JSON lines, other names of options, and mistakes with their mend.
#[test]
fn staffing_is_computed_from_the_command_line() {
    let told =
        run(&["erlang", "--calls", "240", "--interval", "30m", "--aht", "240s", "--target", "80/20", "--json"], &[]);
    assert_eq!(told.code, Some(0), "{told:?}");
    let rows = told.lines();
    let needed: Vec<_> = rows.iter().filter(|row| row["needed"] == true).collect();
    assert_eq!(needed.len(), 1, "{rows:?}");
    assert_eq!((needed[0]["agents"].as_u64(), needed[0]["load_erlang"].as_f64()), (Some(37), Some(32.0)), "{rows:?}");
    assert_eq!(needed[0]["service_level"].as_f64().map(|level| (level * 1e4).round()), Some(8042.0), "{rows:?}");
    for row in &rows {
        assert_eq!(row["meets"].as_bool(), row["agents"].as_u64().map(|agents| agents >= 37), "{row}");
    }
    let overloaded = run(&["erlang", "--calls", "100", "--handle", "4m", "--agents", "12", "--json"], &[]);
    let row = overloaded.lines().into_iter().find(|row| row["agents"] == 12).expect("the row asked for");
    assert!(row["service_level"].is_null() && row["meets"] == false, "{row}");

    for (spoilt, code, mend) in [
        (&["--calls", "0", "--handle", "4m"][..], 2, "--calls"),
        (&["--calls", "9", "--handle", "4"], 2, "4m"),
        (&["--calls", "9", "--handle", "4m", "--target", "100/20"], 2, "under 100%"),
        (&["--calls", "9", "--handle", "4m", "--shrinkage", "0.3"], 2, "30%"),
        (&["--calls", "9", "--handle", "4m", "--max-abandon", "3%"], 2, "--patience"),
        (&["--calls", "9", "--handle", "4m", "--formula", "best"], 2, "all_positive"),
        (&["--calls", "1e9", "--handle", "4m"], 2, "50000"),
        (&["--calls", "9", "--handle", "4m", "--max-occupancy", "0%"], 1, "--max-occupancy"),
    ] {
        let refused = run(&[&["erlang"], spoilt].concat(), &[]);
        assert_eq!(refused.code, Some(code), "{spoilt:?}: {refused:?}");
        assert!(refused.stdout.is_empty() && refused.stderr.contains(mend), "{spoilt:?}: {refused:?}");
    }
}

/// `docs/flows.md` shows what `hatif say` prints, word for word.
#[test]
fn the_spoken_examples_of_flows_are_what_the_command_prints() {
    let page = fs::read_to_string(root().join("docs/flows.md")).expect("the page");
    let block = page.split("```text\n$ hatif say").nth(1).and_then(|b| b.split("```").next()).expect("the block");
    let examples: Vec<&str> = block.split("\n$ hatif say").collect();
    assert!(examples.len() >= 8, "{examples:?}");
    for example in examples {
        let (command, printed) = example.split_once('\n').expect("a command and its output");
        let command = format!("say{command}");
        let got = run(&command.split(' ').collect::<Vec<_>>(), &[]);
        assert_eq!((got.code, got.stdout.trim_end()), (Some(0), printed.trim_end()), "{command}: {got:?}");
    }
}

/// `hatif say`: every kind, digits of either script, JSON, the list of recordings.
#[test]
fn values_are_said_in_words_and_recordings() {
    for (arguments, spoken) in [
        (&["ar", "number", "28", "--gender", "f"][..], "ثمانٍ وعشرون"),
        (&["ar", "number", "-5"], "ناقص خمسة"),
        (&["ar", "count", "١١", "--noun", "day"], "أحد عشر يوماً"),
        (&["ar", "ordinal", "21", "--case", "oblique"], "الحادي والعشرين"),
        (&["ar", "money", "١٫٥", "--currency", "kwd"], "دينار واحد وخمسمئة فلس"),
        (&["ar", "date", "2026-02-18", "--months", "hijri"], "الأربعاء الأول من رمضان ألف وأربعمئة وسبعة وأربعين"),
        (&["ar", "date", "2026-11-22", "--style", "ar-lev"], "الأحد التاني والعشرين من تشرين الثاني ألفين وستة وعشرين"),
        (&["ar", "time", "14:02"], "الساعة الثانية ودقيقتان مساءً"),
        (&["ar", "duration", "1h5m"], "ساعة واحدة وخمس دقائق"),
        (&["ar", "duration", "90"], "دقيقة واحدة وثلاثون ثانيةً"),
        (&["ar", "digits", "٠٥"], "صفر خمسة"),
        (&["ar", "phone", "1234567"], "واحد اثنان ثلاثة ، أربعة خمسة ستة سبعة"),
        (&["ar", "spell", "aB1"], "إيه بي واحد"),
        (&["en", "date", "2026-11-22"], "Sunday the twenty-second of November twenty twenty-six"),
        (&["fr", "number", "21", "--gender", "f"], "vingt et une"),
    ] {
        let said = run(&[&["say"], arguments].concat(), &[]);
        assert_eq!((said.code, said.stdout.trim_end()), (Some(0), spoken), "{arguments:?}: {said:?}");
    }
    let told = run(&["say", "ar", "phone", "1234", "--json"], &[]);
    let document = &told.lines()[0];
    assert_eq!(document["text"], "واحد اثنان ثلاثة أربعة", "{document}");
    assert_eq!(document["units"][0], serde_json::json!({ "clip": "ar.n.1.m", "text": "واحد" }), "{document}");
    let pause = run(&["say", "en", "phone", "1234567", "--clips"], &[]);
    assert!(pause.stdout.contains("\nen.pause,\",\"\n"), "{pause:?}");

    let standard = run(&["say", "clips", "ar"], &[]);
    let gulf = run(&["say", "clips", "ar", "--style", "ar-gulf"], &[]);
    for (list, holds) in [(&standard, "\nar.w.20,وعشرون\n"), (&gulf, "\nar-gulf.n.11.m,احدعش\n")] {
        assert_eq!(list.code, Some(0), "{list:?}");
        assert!(list.stdout.starts_with("id,text\n") && list.stdout.contains(holds), "{holds}");
    }
    assert!(!standard.stdout.contains("ar-gulf") && standard.stdout.lines().count() > 300);
}

/// What `hatif say` refuses names the mend; usage mistakes have exit code 2.
#[test]
fn what_cannot_be_said_is_refused_with_its_mend() {
    for (arguments, mend) in [
        (&["ar", "count", "3"][..], "--noun: one of call, minute"),
        (&["ar", "count", "3", "--noun", "cal"], "did you mean \"call\"?"),
        (&["ar", "count", "3", "--noun", "unicorn"], "one of call, minute"),
        (&["ar", "count", "many", "--noun", "call"], "whole number"),
        (&["ar", "number", "1000000000"], "999999999"),
        (&["ar", "money", "5"], "--currency: one of SAR"),
        (&["ar", "money", "5", "--currency", "SAT"], "did you mean \"SAR\"?"),
        (&["ar", "money", "5.001", "--currency", "SAR"], "125.50, with at most 2 digits"),
        (&["ar", "money", "5,5", "--currency", "KWD"], "125.500, with at most 3 digits"),
        (&["ar", "date", "2026-02-30"], "2026-11-22"),
        (&["ar", "date", "0300-02-03", "--months", "hijri"], "1 to 9999"),
        (&["ar", "time", "24:00"], "00:00 to 23:59"),
        (&["ar", "time", "noon"], "14:45"),
        (&["ar", "duration", "5x"], "1h5m"),
        (&["ar", "digits", "12x"], "'x'"),
        (&["ar", "numbr", "5"], "number"),
        (&["de", "number", "5"], "ar, en, fr"),
        (&["ar", "number", "5", "--style", "ar-golf"], "ar-gulf"),
        (&["en", "number", "5", "--style", "ar-gulf"], "--style is for ar"),
        (&["fr", "number", "5", "--case", "oblique"], "--case is for ar"),
        (&["ar", "number", "5", "--noun", "call"], "--noun goes with count"),
        (&["ar", "time", "14:45", "--gender", "f"], "--gender goes with number and ordinal"),
        (&["clips", "en", "--style", "ar-eg"], "--style is for ar"),
        (&["ar", "number"], "<VALUE>"),
        (&[], "hatif say"),
    ] {
        let refused = run(&[&["say"], arguments].concat(), &[]);
        assert_eq!(refused.code, Some(2), "{arguments:?}: {refused:?}");
        assert!(refused.stdout.is_empty() && refused.stderr.contains(mend), "{arguments:?}: {refused:?}");
    }
}
