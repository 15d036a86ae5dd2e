//! Messages in the box of a queue, from outside: real phones and real sound, with a crash between leaving one and hearing it.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod common;

use common::*;
use hatif::robot::audio::stands_above;
use hatif::robot::{Answering, Source};
use serde_json::json;

const NUMBER: &str = "0551234";
const CUSTOMER_HZ: f64 = 1_404.0;
const AGENT_HZ: f64 = 604.0;
/// The tone after which a message begins.
const BEEP_HZ: f64 = 1_000.0;

#[test]
fn a_message_is_left_outlives_a_crash_is_heard_by_an_agent_and_deleted() {
    let ports = free_ports();
    let keys = "announce_every = \"0s\"\nexit_keys = { \"3\" = \"voicemail\" }\nvoicemail = { min = \"1s\" }";
    let archive = "[recording]\narchive = \"opus\"\n";
    let text = format!("{archive}{}", config(ports, &floor(keys)));
    let mut server = Server::configured(ports, &text);
    let customer = server.customer(NUMBER, Source::Tone(CUSTOMER_HZ));
    let call = customer.invite("600").expect("sent");
    call.answered(SOON).expect("answered by the queue");
    assert!(call.press("3"), "a key");
    // The hash key skips the greeting.
    std::thread::sleep(ms(300));
    assert!(call.press("#"), "a key");
    std::thread::sleep(seconds(3));
    assert!(call.press("#"), "a key");
    assert!(call.ended(seconds(20)), "he is thanked and let go\n{}", customer.trace());
    server.idle(SOON);

    let list = || items(&server.json("/api/v1/voicemails?queue=support"));
    wait_until(SOON, "the message is there", || list().len() == 1);
    let message = list().remove(0);
    assert_eq!((&message["from"], &message["state"]), (&json!(NUMBER), &json!("new")), "{message:#}");
    assert!(message["seconds"].as_f64().is_some_and(|s| (2.5..6.0).contains(&s)), "{message:#}");
    let labels = [("queue", "support"), ("state", "new")];
    wait_until(SOON, "it is counted", || server.metric("hatif_voicemails", &labels) == 1.0);
    // It is archived as Opus meanwhile: an agent hears it all the same.
    let id = message["id"].as_str().expect("an id").to_owned();
    let filed =
        || server.json(&format!("/api/v1/recordings/{id}"))["file"].as_str().is_some_and(|f| f.ends_with("opus"));
    wait_until(seconds(20), "it is archived", filed);
    server.crash();
    server.restart();

    let agent = server.agent("101", AGENT_HZ, Answering::After(ms(200)));
    let line = agent.invite("*17").expect("sent");
    line.answered(SOON).expect("answered");
    let heard = line.listen(seconds(8));
    let hears = |hz: f64| heard.chunks(4_000).any(|piece| stands_above(piece, hz, AGENT_HZ, MARGIN_DB));
    assert!(hears(BEEP_HZ), "the tone before the message");
    assert!(hears(CUSTOMER_HZ), "the message");
    wait_until(SOON, "it was heard", || items(&server.json("/api/v1/voicemails"))[0]["heard_by"] == "agent:101");
    assert!(line.press("3"), "a key");
    assert!(line.ended(seconds(20)), "it was the last one\n{}", agent.trace());
    wait_until(SOON, "it is out of the box", || items(&server.json("/api/v1/voicemails")).is_empty());
    let gone = server.command(&["voicemails", "delete", &id]);
    assert!(gone.code != Some(0) && gone.stderr.contains("GET /api/v1/voicemails"), "{gone:?}");
}
