//! Versions of flows, from outside: callers in menus while flows are reloaded, rolled back and refused, and a crash.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "common/ask.rs"]
mod ask;
mod common;

use std::fs;
use std::path::{Path, PathBuf};

use ask::request;
use common::*;
use hatif::robot::{Call, Phone, Source};
use serde_json::{Value, json};

/// Flows in a folder of their own.
struct Flows(PathBuf);

impl Flows {
    fn new() -> Self {
        let flows = Self(temp_folder().join("flows"));
        fs::create_dir_all(&flows.0).expect("a folder");
        fs::copy(root().join("ivr-scripts/prompts.toml"), flows.0.join("prompts.toml")).expect("the manifest");
        flows
    }

    /// A question whose key 1 leads to a node of this name; key 2 to a queue, when one is given.
    fn write(&self, way: &str, queue: Option<&str>) {
        let to_queue = queue.map_or(String::new(), |queue| {
            format!(
                "[node.wait]\nkind = \"queue\"\nqueue = \"{queue}\"\n\
                 on = {{ ended = \"end\", timeout = \"end\", full = \"end\", no_agents = \"end\" }}\n"
            )
        });
        let second = if queue.is_some() { ", \"2\" = \"wait\"" } else { "" };
        let text = format!(
            "flow = 1\nname = \"main\"\ntitle = {{ en = \"Main\", ar = \"رئيسية\" }}\nlanguages = [\"en\"]\n\
             start = \"ask\"\n[node.ask]\nkind = \"menu\"\nsay = [{{ prompt = \"topic_menu\" }}]\n\
             keys = {{ \"1\" = \"{way}\"{second} }}\ntimeout = \"60s\"\non = {{ no_input = \"end\", invalid = \"end\" }}\n\
             [node.{way}]\nkind = \"play\"\nsay = [{{ prompt = \"goodbye\" }}]\nnext = \"end\"\n{to_queue}\
             [node.end]\nkind = \"hangup\"\n"
        );
        fs::write(self.0.join("main.toml"), text).expect("written");
    }

    fn break_it(&self) {
        let path = self.0.join("main.toml");
        let text = fs::read_to_string(&path).expect("a flow");
        fs::write(path, text.replace("next = \"end\"", "next = \"edn\"")).expect("written");
    }
}

impl Drop for Flows {
    fn drop(&mut self) {
        let _ = self.0.parent().map(fs::remove_dir_all);
    }
}

fn text(ports: Ports, flows: &Path, with_vip: bool) -> String {
    let text = config(ports, &floor("announce_every = \"0s\""));
    let text = text.replace(&format!("{}/tests/common/flows", root().display()), &flows.display().to_string());
    match with_vip {
        true => text,
        false => text.replace("[[queue]]\nname = \"vip\"\nannounce_every = \"0s\"\n", "").replace(", \"vip\"]", "]"),
    }
}

/// So many callers stand in the menu.
fn callers(server: &Server, first: u32, count: u32) -> Vec<(String, Phone, Call)> {
    let come = |n: u32| {
        let number = format!("0552{n:04}");
        let phone = server.customer(&number, Source::Tone(1_004.0));
        let call = phone.invite("500").expect("sent");
        call.answered(SOON).unwrap_or_else(|e| panic!("{number}: {e}\n{}", phone.trace()));
        (number, phone, call)
    };
    (first..first + count).map(come).collect()
}

/// Each presses 1; the ways they went, with the version of the flow.
fn press(server: &Server, callers: &[(String, Phone, Call)]) -> Vec<(String, String)> {
    callers.iter().for_each(|(_, _, call)| assert!(call.press("1"), "a key"));
    let went = |(number, phone, call): &(String, Phone, Call)| {
        assert!(call.ended(seconds(30)), "{number} is let go\n{}", phone.trace());
        let record = server.ended_call(number);
        let path: Vec<&str> =
            record["ivr"]["path"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        assert_eq!((path.len(), path[0], path[2]), (3, "ask", "end"), "{record:#}");
        (path[1].to_owned(), record["ivr"]["version"].as_str().unwrap_or_default().to_owned())
    };
    callers.iter().map(went).collect()
}

#[track_caller]
fn all_went(went: &[(String, String)], way: &str, version: &str) {
    assert!(went.iter().all(|w| *w == (way.to_owned(), version.to_owned())), "not all {way} {version}: {went:?}");
}

/// The version of `main` that is active, and the id of its library.
fn active(server: &Server) -> (String, String) {
    let shown = server.command(&["ivr", "versions", "--json"]);
    let lines = shown.lines();
    let active: Vec<&Value> = lines.iter().filter(|line| line["active"] == true).collect();
    assert_eq!(active.len(), 1, "{shown:?}");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&active[0]["flows"]["main"]), text(&active[0]["id"]))
}

#[test]
fn callers_keep_their_version_through_reload_rollback_and_refusal_and_a_rollback_outlives_a_crash() {
    let (ports, flows) = (many_ports(), Flows::new());
    flows.write("old", None);
    let mut server = Server::configured(ports, &text(ports, &flows.0, true));
    let (old, old_id) = active(&server);
    let first = callers(&server, 0, 12);
    let in_flow = |count: u64| {
        let main = || items(&server.json("/api/v1/ivr/flows"))[0].clone();
        wait_until(SOON, "they are in the flow", || main()["calls"] == json!(count));
        main()
    };
    let main = in_flow(12);
    assert_eq!((&main["name"], &main["version"], &main["nodes"]), (&json!("main"), &json!(old), &json!(3)), "{main:#}");
    assert_eq!((&main["title"]["ar"], &main["edges"]), (&json!("رئيسية"), &json!(4)), "{main:#}");

    flows.write("new", None);
    let planned = server.command(&["reload", "--dry-run"]);
    assert!(planned.stdout.contains("flow.main  ") && planned.stdout.contains("(next call)"), "{planned:?}");
    assert_eq!(active(&server).0, old, "a dry run changes nothing");
    assert_eq!(server.command(&["reload"]).code, Some(0));
    let (new, new_id) = active(&server);
    assert!(new != old && new_id != old_id);
    let second = callers(&server, 100, 12);

    // What does not pass is refused whole, says so, and changes nothing.
    flows.break_it();
    let refused = server.command(&["reload"]);
    assert_eq!(refused.code, Some(3), "{refused:?}");
    assert!(
        refused.stderr.contains("ivr::unknown-node") && refused.stderr.contains("did you mean \"end\""),
        "{refused:?}"
    );
    assert_eq!(active(&server).0, new);
    assert_eq!(server.metric("hatif_config_last_reload_successful", &[]), 0.0);

    // Back to the version that was active before, with the broken files still there.
    let planned = server.command(&["ivr", "rollback", "--dry-run"]);
    assert!(planned.code == Some(0) && planned.stdout.contains("ivr.version"), "{planned:?}");
    assert_eq!(active(&server).0, new, "a dry run changes nothing");
    let done = server.command(&["ivr", "rollback", "--note", "callers were lost"]);
    assert_eq!((done.code, &done.stdout), (Some(0), &planned.stdout), "{done:?}");
    assert_eq!(active(&server), (old.clone(), old_id.clone()));
    let third = callers(&server, 200, 12);
    in_flow(36);

    let went = press(&server, &second);
    all_went(&went, "new", &new);
    all_went(&press(&server, &first), "old", &old);
    all_went(&press(&server, &third), "old", &old);
    server.idle(seconds(15));

    // The journal knows who, what and why; `edits` shows that the files do not decide.
    std::thread::sleep(ms(200));
    let told = journal(&server);
    assert!(
        told.contains("\"what\":\"ivr.version\"") && told.contains(": callers were lost\",\"by\":\"api:test\""),
        "{told}"
    );
    let pinned = json!({ "kind": "ivr", "name": "", "key": "version", "value": &old_id[..12] });
    assert_eq!(items(&server.json("/api/v1/edits")), [pinned]);

    // A power cut: with files that are broken, and with those that were taken last.
    server.crash();
    server.restart();
    assert_eq!(active(&server), (old.clone(), old_id.clone()), "broken files do not keep it from starting");
    flows.write("new", None);
    server.crash();
    server.restart();
    assert_eq!(active(&server), (old.clone(), old_id.clone()), "the files are as they were taken");
    let reloaded = server.command(&["reload"]);
    assert!(reloaded.code == Some(0) && reloaded.stderr.contains("stays active"), "{reloaded:?}");
    all_went(&press(&server, &callers(&server, 300, 2)), "old", &old);

    // By the beginning of its id; then new files win again.
    let done = server.command(&["ivr", "activate", &new_id[..8]]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_eq!(active(&server).0, new);
    assert!(items(&server.json("/api/v1/edits")).is_empty(), "the files hold it");
    flows.write("newest", None);
    assert_eq!(server.command(&["reload"]).code, Some(0));
    let (newest, _) = active(&server);
    assert!(newest != new && newest != old);
    let list = server.command(&["ivr", "versions", "main"]);
    assert_eq!(list.stdout.lines().count(), 4, "{list:?}");
    assert!(list.stdout.lines().nth(1).is_some_and(|line| line.contains(&newest[..12]) && line.ends_with("active")));
    for (arguments, code) in
        [(&["activate", "ffffffff"][..], 5), (&["activate", "a"], 5), (&["versions", "nowhere"], 5)]
    {
        let refused = server.command(&[&["ivr"], arguments].concat());
        assert_eq!(refused.code, Some(code), "{refused:?}");
    }
}

/// What the journal's files hold, as text.
fn journal(server: &Server) -> String {
    let listing = fs::read_dir(server.data.join("journal")).expect("a journal");
    let mut files: Vec<_> = listing.map(|file| file.expect("a file").path()).collect();
    files.sort();
    files.iter().map(|file| String::from_utf8_lossy(&fs::read(file).expect("a segment")).into_owned()).collect()
}

/// A version that names a queue which is gone since is refused with its place; the one that is active stays.
#[test]
fn a_version_that_does_not_fit_the_configuration_any_more_is_refused() {
    let (ports, flows) = (free_ports(), Flows::new());
    flows.write("old", Some("vip"));
    let server = Server::configured(ports, &text(ports, &flows.0, true));
    let (_, with_queue) = active(&server);
    flows.write("new", None);
    fs::write(server.folder.join("hatif.toml"), text(ports, &flows.0, false)).expect("written");
    let reloaded = server.command(&["reload"]);
    assert_eq!(reloaded.code, Some(0), "{reloaded:?}");
    let (new, _) = active(&server);
    for arguments in [&["ivr", "activate", &with_queue][..], &["ivr", "rollback"], &["ivr", "rollback", "--dry-run"]] {
        let refused = server.command(arguments);
        assert_eq!(refused.code, Some(3), "{refused:?}");
        assert!(refused.stderr.contains("ivr::unknown-queue") && refused.stderr.contains("main.toml:"), "{refused:?}");
        assert!(refused.stderr.contains("stays"), "{refused:?}");
        assert_eq!(active(&server).0, new);
    }
}

/// A disk that takes no versions costs no call: the flows of the files are in force, and it is said.
#[test]
fn a_disk_that_keeps_no_versions_is_told_and_the_flows_are_taken() {
    let (ports, flows) = (free_ports(), Flows::new());
    flows.write("old", None);
    let server = Server::configured(ports, &text(ports, &flows.0, true));
    fs::remove_dir_all(server.data.join("flows")).expect("gone");
    fs::write(server.data.join("flows"), "no folder").expect("in the way");
    flows.write("new", None);
    let reloaded = server.command(&["reload"]);
    assert_eq!(reloaded.code, Some(0), "{reloaded:?}");
    assert!(
        reloaded.stderr.contains("cannot be kept") && reloaded.stderr.contains("cannot be written down"),
        "{reloaded:?}"
    );
    let version = items(&server.json("/api/v1/ivr/flows"))[0]["version"].as_str().unwrap_or_default().to_owned();
    all_went(&press(&server, &callers(&server, 0, 1)), "new", &version);
}

#[test]
fn files_are_checked_before_they_are_deployed() {
    let (ports, flows) = (free_ports(), Flows::new());
    flows.write("old", Some("vip"));
    let server = Server::configured(ports, &text(ports, &flows.0, true));
    let flow = fs::read_to_string(flows.0.join("main.toml")).expect("a flow");
    let check = |text: &str| {
        let body = json!({ "files": { "main.toml": text } }).to_string();
        let (status, answer) = request(&server, "POST", "/api/v1/ivr/check", "application/json", body.as_bytes());
        assert_eq!(status, 200);
        serde_json::from_slice::<Value>(&answer).expect("JSON")
    };
    let good = check(&flow);
    assert_eq!((&good["accepted"], &good["flows"][0]["name"]), (&json!(true), &json!("main")), "{good:#}");
    let bad = check(&flow.replace("queue = \"vip\"", "queue = \"vpi\""));
    let found = bad["diagnostics"].as_array().into_iter().flatten().find(|found| found["code"] == "ivr::unknown-queue");
    let found = found.unwrap_or_else(|| panic!("{bad:#}"));
    assert_eq!(
        (&bad["accepted"], &found["code"], &found["file"]),
        (&json!(false), &json!("ivr::unknown-queue"), &json!("main.toml"))
    );
    assert!(
        found["line"].as_u64() > Some(5) && found["help"].as_str().is_some_and(|help| help.contains("vip")),
        "{bad:#}"
    );
    assert_eq!(server.command(&["ivr", "versions", "--json"]).lines().len(), 1, "nothing was taken");
}
