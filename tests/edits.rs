//! Live changes, from outside: edits reach callers who wait already, are checked whole, written down, and outlive the process.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod common;

use std::fs;

use common::*;
use hatif::robot::{Answering, Source};
use serde_json::json;

const NUMBER: &str = "0551234";

/// `support` asks for a skill that nobody has.
fn server() -> Server {
    let ports = free_ports();
    Server::configured(ports, &config(ports, &floor("announce_every = \"0s\"\nskills = [\"gold\"]")))
}

/// The edits that the journal was told: what, before, after.
fn audit(server: &Server) -> Vec<(String, String, String)> {
    let mut files: Vec<_> =
        fs::read_dir(server.data.join("journal")).expect("a journal").map(|f| f.expect("a file").path()).collect();
    files.sort();
    let text: String =
        files.iter().map(|f| String::from_utf8_lossy(&fs::read(f).expect("a segment")).into_owned()).collect();
    let mut found = Vec::new();
    for piece in text.split("config_edited").skip(1) {
        let field = |name: &str| {
            let rest = piece.split(&format!("\"{name}\":\"")).nth(1).unwrap_or_default();
            rest.split("\",\"").next().unwrap_or_default().split("\"}").next().unwrap_or_default().replace("\\\"", "\"")
        };
        found.push((field("what"), field("before"), field("after")));
    }
    found
}

#[test]
fn f07_an_agent_taught_by_an_edit_rings_for_the_caller_who_waits() {
    let mut server = server();
    let agent = server.agent("101", 604.0, Answering::Manual);
    server.agents_in("ready", 1.0);
    let customer = server.customer(NUMBER, Source::Tone(1_004.0));
    let call = customer.invite("600").expect("sent");
    wait_until(SOON, "he waits", || server.metric("hatif_queue_waiting", &[("queue", "support")]) == 1.0);
    assert!(agent.incoming(ms(500)).is_err(), "nobody has the skill");

    let planned = server.command(&["agents", "set", "101", "skills={ gold = 5 }", "--dry-run"]);
    assert!(planned.code == Some(0) && planned.stdout.contains("agent.101.skills"), "{planned:?}");
    assert!(agent.incoming(ms(500)).is_err(), "a dry run changes nothing");
    let done = server.command(&["agents", "set", "101", "skills={ gold = 5 }"]);
    assert_eq!((done.code, &done.stdout), (Some(0), &planned.stdout), "{done:?}");
    agent.incoming(SOON).expect("he is rung for the caller who waits").answer();
    call.answered(SOON).expect("the call is up");

    // What is wrong is refused whole and changes nothing; so is what is not there, or stays in the files.
    for (arguments, words) in [
        (["queues", "set", "support", "wrap_upp=20s"], "wrap_upp"),
        (["queues", "set", "support", "strategy=longest"], "edits.toml"),
        (["queues", "set", "nowhere", "wrap_up=20s"], "no queue nowhere"),
        (["agents", "set", "101", "password=long enough too"], "in the file"),
        (["queues", "set", "support", "wrap_up"], "KEY=VALUE"),
    ] {
        let refused = server.command(&arguments);
        assert!(refused.code != Some(0) && refused.stderr.contains(words), "{refused:?}");
    }
    let edits = || items(&server.json("/api/v1/edits"));
    assert_eq!(edits(), [json!({ "kind": "agent", "name": "101", "key": "skills", "value": { "gold": 5 } })]);

    // Of two that contradict each other the later wins, and both are written down.
    for time in ["20s", "25s"] {
        let done = server.command(&["queues", "set", "support", &format!("wrap_up={time}")]);
        assert_eq!(done.code, Some(0), "{done:?}");
    }
    assert_eq!(call.hang_up_and_wait(SOON), Some(200));
    server.agents_in("wrap_up", 1.0);
    // A group commit is due within 50 ms.
    std::thread::sleep(ms(200));
    let told = audit(&server);
    let of = |told: &[(String, String, String)]| told.iter().map(|(what, ..)| what.clone()).collect::<Vec<_>>();
    assert_eq!(of(&told), ["agent.101.skills", "queue.support.wrap_up", "queue.support.wrap_up"], "{told:?}");
    assert_eq!((told[1].1.as_str(), told[1].2.as_str(), told[2].2.as_str()), ("10s", "20s", "25s"), "{told:?}");

    let done = server.command(&["queues", "set", "support", "record=always"]);
    assert!(done.stdout.contains("queue.support.record"), "{done:?}");
    let done = server.command(&["queues", "set", "support", "record="]);
    assert!(done.stdout.contains("queue.support.record"), "{done:?}");

    // They outlive the process, and a reload of the files.
    server.crash();
    server.restart();
    assert_eq!(items(&server.json("/api/v1/edits")).len(), 2);
    assert_eq!(server.command(&["reload"]).code, Some(0));
    let nothing = server.command(&["queues", "set", "support", "wrap_up=25s", "--dry-run"]);
    assert!(nothing.stderr.contains("nothing changes"), "{nothing:?}");
    let back = server.command(&["queues", "set", "support", "wrap_up="]);
    assert!(back.stdout.contains("25s → 10s"), "{back:?}");
    let gone = server.command(&["agents", "set", "101", "skills="]);
    assert_eq!(gone.code, Some(0), "{gone:?}");
    assert!(items(&server.json("/api/v1/edits")).is_empty());
}
