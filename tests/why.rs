//! "Why?", asked of the running engine: the story of a call, and who would get the next one.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod common;

use common::*;
use hatif::robot::{Answering, Source};
use serde_json::Value;

/// Agents 101 to 103, queue `support` by 600.
fn centre() -> Server {
    let ports = free_ports();
    Server::configured(ports, &config(ports, &floor("")))
}

fn kinds(steps: &[Value]) -> Vec<&str> {
    steps.iter().filter_map(|step| step["kind"].as_str()).collect()
}

/// A caller waits for nobody, is asked about while he waits, is served by who comes, and his story is told afterwards,
/// by command and by API, in both languages, also by an engine that has been started anew.
#[test]
fn a_call_is_explained_while_it_waits_and_when_it_is_over() {
    let mut server = centre();
    let customer = server.customer("0551", Source::Silence);
    let out = customer.invite("600").expect("sent");
    out.answered(SOON).expect("answered");
    let live = server.call_from("0551").expect("a live call");
    let call = live["call_id"].as_str().expect("an id").to_owned();

    // He waits: nobody is there.
    wait_until(SOON, "the entry in the queue", || {
        kinds(&server.command(&["explain", &call, "--json"]).lines()).contains(&"queued")
    });
    let shown = server.command(&["explain", &call]);
    assert!(shown.stdout.contains("entered queue support at place 1"), "{shown:?}");
    assert!(shown.stdout.contains("3 logged out"), "{shown:?}");
    let waits = server.command(&["queues", "preview", "support", "--caller", &call]);
    assert!(waits.stdout.contains("he waits at place 1"), "{waits:?}");
    let next = server.command(&["queues", "preview", "support", "--json"]).lines();
    assert_eq!((next[0]["position"].as_u64(), next[0]["eligible"].as_u64()), (Some(2), Some(0)), "{next:?}");
    let first = server.command(&["queues", "preview", "support", "--priority", "5", "--json"]).lines();
    assert_eq!(first[0]["position"].as_u64(), Some(1), "{first:?}");

    // One comes and serves him, another one stays free.
    let agent = server.agent("101", 604.0, Answering::After(ms(200)));
    let inside = agent.incoming(SOON).expect("rings");
    let _other = server.agent("102", 804.0, Answering::RingForever);
    server.agents_in("ready", 1.0);
    server.agents_in("busy", 1.0);
    let next = server.command(&["queues", "preview", "support"]);
    for part in ["102 would be rung at once, by longest_idle", "passed over:", "101", "busy", "103", "offline"] {
        assert!(next.stdout.contains(part), "{part:?} is not in\n{}", next.stdout);
    }
    out.hang_up_and_wait(SOON);
    assert!(inside.ended(SOON));
    server.ended_call("0551");

    let told = server.command(&["explain", &call, "--lang", "en", "--json"]).lines();
    let expected = ["started", "queued", "offered", "offer_ended", "connected", "talk_ended", "ended"];
    let told_kinds = kinds(&told);
    let mut rest = told_kinds.iter();
    assert!(expected.iter().all(|kind| rest.any(|k| k == kind)), "{told_kinds:?}");
    let arabic = server.command(&["explain", &call, "--lang", "ar"]);
    assert_eq!(arabic.code, Some(0), "{arabic:?}");
    for part in ["دخل المتصل الطابور \u{2068}support\u{2069}", "هو الأطول فراغًا", "أنهى المتصل المكالمة"]
    {
        assert!(arabic.stdout.contains(part), "{part:?} is not in\n{}", arabic.stdout);
    }
    by_http(&server, &call, &arabic.stdout);

    // The journal knows it still when the process has been killed.
    server.crash();
    server.restart();
    assert_eq!(server.command(&["explain", &call, "--lang", "ar"]).stdout, arabic.stdout);
}

/// Accept-Language decides where the query does not; the answer says what it is in.
#[track_caller]
fn by_http(server: &Server, call: &str, arabic: &str) {
    for (wish, language, direction) in [("ar-SA, en;q=0.5", "ar", "rtl"), ("fr, en;q=0.9", "en", "ltr")] {
        // The helper ends the key's line: one header more stands behind it.
        let key = format!("{}\r\nAccept-Language: {wish}", server.api_key);
        let path = format!("/api/v1/calls/{call}/why");
        let (status, body) = http(server.http, "GET", &path, Some(&key)).expect("an answer");
        let answer: Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!((status, answer["language"].as_str()), (200, Some(language)), "{body}");
        assert_eq!(answer["direction"], direction, "{body}");
        let text = answer["steps"][0]["text"].as_str().expect("a sentence");
        assert_eq!(arabic.contains(text), language == "ar", "{text}");
    }
}

/// CONTRACT: 2 usage, 5 no such thing.
#[test]
fn what_cannot_be_explained_says_so() {
    let server = centre();
    let unknown = "call_01J00000000000000000000000";
    for (arguments, code) in [
        (&["explain", unknown][..], 5),
        (&["explain", unknown, "--lang", "fr"], 2),
        (&["queues", "preview", "nowhere"], 5),
        (&["queues", "preview", "support", "--caller", unknown], 5),
        (&["queues", "preview", "support", "--caller", "0551"], 2),
        (&["queues", "preview", "support", "--skills", "a b"], 2),
        (&["queues", "preview", "support", "--caller", unknown, "--priority", "1"], 2),
    ] {
        let result = server.command(arguments);
        assert_eq!(result.code, Some(code), "{arguments:?}: {result:?}");
        assert!(result.stdout.is_empty() && !result.stderr.is_empty(), "{result:?}");
    }
}

/// A dry run tells each change with its time and who waits, and changes nothing; what would be refused is told with its
/// place.
#[test]
fn a_reload_is_planned_before_it_is_made() {
    let server = centre();
    let customer = server.customer("0552", Source::Silence);
    let out = customer.invite("600").expect("sent");
    out.answered(SOON).expect("answered");
    wait_until(SOON, "a caller waits", || server.json("/api/v1/queues/support")["waiting"] == 1);
    let nothing = server.command(&["reload", "--dry-run"]);
    assert_eq!((nothing.code, nothing.stdout.as_str()), (Some(0), ""), "{nothing:?}");

    let file = server.folder.join("hatif.toml");
    let text = std::fs::read_to_string(&file).expect("the file");
    let changed = text.replacen("name = \"support\"\n", "name = \"support\"\nservice_level = \"45s\"\n", 1);
    let changed = changed.replace(", \"vip\"]", ", \"vip\", \"gold\"]") + "[[queue]]\nname = \"gold\"\n";
    std::fs::write(&file, changed).expect("written");
    let told = server.command(&["reload", "--dry-run"]);
    assert_eq!(told.code, Some(0), "{told:?}");
    let first = "queue.support.service_level  20s → 45s  (now, 1 wait there)";
    for line in [first, "queue.gold  new  (now)"] {
        assert!(told.stdout.lines().any(|l| l == line), "{line:?} is not in\n{}", told.stdout);
    }
    assert!(told.stdout.contains("agent.101.queues") && !told.stdout.contains(PASSWORD), "{told:?}");
    assert_eq!(server.json("/api/v1/queues/support")["service_level_seconds"], 20.0, "nothing was changed");

    std::fs::write(&file, text.replacen("[[queue]]", "[[queeu]]", 1)).expect("written");
    let refused = server.command(&["reload", "--dry-run"]);
    assert_eq!(refused.code, Some(3), "{refused:?}");
    assert!(refused.stderr.contains("hatif.toml:") && refused.stderr.contains("nothing was changed"), "{refused:?}");
}
