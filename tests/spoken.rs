//! A flow asks the caller to speak, from outside: a real phone, real sound, and what is kept of it.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod common;

use std::fs;
use std::time::Instant;

use common::*;
use hatif::robot::Source;
use hatif::robot::audio::level_db;
use serde_json::json;

const SPEAKER: &str = "0551234";
const SILENT: &str = "0551235";
const CUSTOMER_HZ: f64 = 1_404.0;

/// The flow calls another one, which records a comment and gives back its id.
const FLOW: &str = r#"
flow = 1
name = "feedback"
languages = ["ar", "en"]
start = "ask"
[vars]
said = { type = "text", default = "" }
[node.ask]
kind = "flow"
flow = "comment"
into = { said = "recording" }
next = "which"
[node.which]
kind = "switch"
case = [{ when = 'said.startsWith("rec_")', next = "end" }]
else = "nothing"
on = { error = "nothing" }
[node.nothing]
kind = "play"
say = [{ prompt = "voicemail_nothing" }]
next = "end"
[node.end]
kind = "hangup"
"#;
const COMMENT: &str = r#"
flow = 1
name = "comment"
languages = ["ar", "en"]
start = "speak"
returns = ["recording"]
[vars]
recording = { type = "text", default = "" }
[node.speak]
kind = "record"
say = [{ prompt = "survey_question" }]
max = "20s"
silence = "2s"
into = "recording"
survey = "csat"
next = "return"
on = { no_input = "return", error = "return" }
"#;

#[test]
fn what_a_caller_says_is_listed_with_its_call_and_silence_is_nothing() {
    let ports = free_ports();
    let folder = temp_folder();
    for file in fs::read_dir(root().join("tests/common/flows")).expect("shipped flows").map(|file| file.expect("entry"))
    {
        if file.path().is_file() {
            fs::copy(file.path(), folder.join(file.file_name())).expect("copied");
        }
    }
    fs::write(folder.join("feedback.toml"), FLOW).expect("written");
    fs::write(folder.join("comment.toml"), COMMENT).expect("written");
    let number = "[[number]]\nmatch = \"501\"\nflow = \"feedback\"\npublic = true\n";
    let text = config(ports, &format!("{number}{}", floor("announce_every = \"0s\"")));
    let shipped = format!("flows = \"{}/tests/common/flows\"", root().display());
    let server = Server::configured(ports, &text.replace(&shipped, &format!("flows = \"{}\"", folder.display())));

    let customer = server.customer(SPEAKER, Source::Tone(CUSTOMER_HZ));
    let call = customer.invite("501").expect("sent");
    call.answered(SOON).expect("answered by the flow");
    std::thread::sleep(ms(300));
    assert!(call.press("#"), "a key skips the question");
    // The tone, then more than the silence that would end it.
    std::thread::sleep(seconds(4));
    // The call ends with it, before the phone has said all of the key.
    call.press("#");
    assert!(call.ended(seconds(20)), "the flow ends the call\n{}", customer.trace());
    let record = server.ended_call(SPEAKER);
    let (id, call_id) = (&record["recordings"][0]["id"], record["call_id"].as_str().expect("a call"));
    assert_eq!(record["recordings"][0]["node"], "comment/speak", "{record:#}");
    assert_eq!(record["recordings"][0]["survey"], "csat");
    assert_eq!(record["ivr"]["path"], json!(["ask", "comment/speak", "which", "end"]));
    let id = id.as_str().expect("an id");
    let listed = server.command(&["recordings", "list"]);
    let line = listed.stdout.lines().find(|line| line.contains(id)).unwrap_or_else(|| panic!("{listed:?}")).to_owned();
    assert!(line.ends_with("comment/speak"), "{line}");
    assert!(line.contains(call_id), "{line} {call_id}");
    let sidecar = || server.json(&format!("/api/v1/recordings/{id}/sidecar"));
    wait_until(seconds(20), "it is filed", || sidecar()["state"] == "filed");
    assert_eq!((&sidecar()["node"], &sidecar()["survey"]), (&json!("comment/speak"), &json!("csat")));
    let audio =
        hatif::robot::audio::read_wav(&server.data.join(sidecar()["files"][0]["file"].as_str().expect("a file")));
    let (sides, _) = audio.expect("a file of two sides");
    let left = &sides[0];
    assert!(left.len() > 16_000 && level_db(&left[8_000..16_000], CUSTOMER_HZ) > -30.0, "{} samples", left.len());

    let quiet = server.customer(SILENT, Source::Silence);
    let call = quiet.invite("501").expect("sent");
    call.answered(SOON).expect("answered by the flow");
    std::thread::sleep(ms(300));
    assert!(call.press("#"), "a key skips the question");
    let began = Instant::now();
    assert!(call.ended(seconds(30)), "silence ends it\n{}", quiet.trace());
    assert!(began.elapsed() < seconds(18), "long before the longest time");
    let record = server.ended_call(SILENT);
    assert_eq!(record["ivr"]["path"], json!(["ask", "comment/speak", "which", "nothing", "end"]), "{record:#}");
    assert!(record["recordings"][0]["node"].is_null(), "{record:#}");
}
