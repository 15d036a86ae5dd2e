//! Hatif and a softphone in a real browser: JsSIP in headless Chromium with a WAV file as microphone.
//!
//! Chromium and the packages of `web/softphone` come by `tests/tools/install.sh test`. Where they are missing the tests
//! fail and say so.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "browser/driver.rs"]
mod browser;
mod common;

use browser::Driver;
use common::*;
use hatif::robot::audio::{dominant, level_db, stands_above, tone, write_wav};
use hatif::robot::{Options, Phone, Source};
use serde_json::json;

const PAGE_HZ: f64 = 1_004.0;

/// A microphone that says a tone for ever.
fn microphone() -> String {
    let file = temp_folder().join("tone.wav");
    write_wav(&file, &tone(PAGE_HZ, -10.0, 1_000)).expect("written");
    file.display().to_string()
}

/// The harness itself: the microphone's tone goes through two connections of a page and is heard.
#[test]
fn sound_gets_into_a_page_and_out_of_it() {
    let mut driver = Driver::start();
    driver.must("anna", "open", json!({ "microphone": microphone() }));
    driver.must("anna", "loop", json!({}));
    std::thread::sleep(seconds(1));
    driver.must("anna", "forget", json!({}));
    std::thread::sleep(seconds(2));
    let heard = driver.heard("anna");
    assert!(heard.len() > 8_000, "{} samples", heard.len());
    assert_eq!(dominant(&heard), Some(PAGE_HZ), "{} dBm0", level_db(&heard, PAGE_HZ));
    assert_eq!(driver.ask("anna", "dance", json!({})), Err("no command dance".to_owned()));
}

/// RFC 7118: a page registers over WebSocket, is known for as long as it is there, and registers again after a reload.
#[test]
fn a_page_registers_over_websocket() {
    let ports = free_ports();
    // The page comes from another port than the WebSocket.
    let text = config(ports, &floor("")).replace("[sip]\n", "[sip]\nws_origins = [\"*\"]\n");
    let server = Server::configured(ports, &text);
    let mut driver = Driver::start();
    driver.must("anna", "open", json!({}));
    let line = json!({
        "server": format!("ws://{}/sip", server.http),
        "uri": "sip:101@127.0.0.1",
        "password": PASSWORD,
    });
    for _ in 0..2 {
        driver.must("anna", "start", line.clone());
        driver.wait("anna", json!({ "registered": true }));
        driver.must("anna", "reload", json!({}));
    }
    let mut wrong = line.clone();
    wrong["password"] = json!("not the password");
    driver.must("anna", "start", wrong);
    let state = driver.wait("anna", json!({ "connected": true, "cause": "Authentication Error" }));
    assert_eq!(state["registered"], json!(false));
}

const CUSTOMER_HZ: f64 = 604.0;

/// A customer on a phone and an agent in a page hear each other: SDP with ICE-lite and DTLS-SRTP, each codec; through hold
/// and a restart of ICE.
fn customer_and_page_hear_each_other(codec: &str, spoken: &str, margin_db: f64) {
    let ports = free_ports();
    let text = config(ports, &floor("wrap_up = \"0s\"\nrecord = \"always\""))
        .replace("[sip]\n", "[sip]\nws_origins = [\"*\"]\n")
        .replace("codecs = [\"pcma\", \"pcmu\"]", "codecs = [\"pcma\", \"pcmu\", \"g722\", \"opus\"]")
        .replace("id = \"101\"\n", &format!("id = \"101\"\ncodecs = [\"{codec}\"]\n"));
    let mut server = Server::configured(ports, &text);
    let mut driver = Driver::start();
    driver.must("anna", "open", json!({ "microphone": microphone() }));
    let line = json!({
        "server": format!("ws://{}/sip", server.http),
        "uri": "sip:101@127.0.0.1",
        "password": PASSWORD,
        "autoAnswer": true,
    });
    driver.must("anna", "start", line);
    driver.wait("anna", json!({ "registered": true }));
    server.agents_in("ready", 1.0);
    let mut options = Options::new(server.sip, "0501").says(Source::Tone(CUSTOMER_HZ));
    options.domain = "customer.example".into();
    let customer = Phone::start(options).expect("a phone");
    let call = customer.invite("sip:600@127.0.0.1").expect("sent");
    call.answered(SOON).unwrap_or_else(|e| panic!("600: {e}\n{}", customer.trace()));
    driver.wait("anna", json!({ "call.state": "talking" }));
    for turn in ["answered", "held and back", "ICE restarted"] {
        match turn {
            "held and back" => {
                driver.must("anna", "hold", json!({}));
                driver.must("anna", "unhold", json!({}));
            }
            "ICE restarted" => _ = driver.must("anna", "restart", json!({})),
            _ => {}
        }
        std::thread::sleep(seconds(2));
        driver.must("anna", "forget", json!({}));
        let heard = listen(&[&call], seconds(2));
        let page = driver.heard("anna");
        let stats = driver.must("anna", "stats", json!({}));
        assert!(
            stands_above(&heard[0], PAGE_HZ, CUSTOMER_HZ, margin_db),
            "{turn}: the customer hears the page: {stats}"
        );
        assert!(stands_above(&page, CUSTOMER_HZ, PAGE_HZ, margin_db), "{turn}: the page hears the customer: {stats}");
        assert_eq!((stats["dtls"].as_str(), stats["receives"].as_str()), (Some("connected"), Some(spoken)), "{stats}");
    }
    assert_eq!(call.hang_up_and_wait(SOON), Some(200));
    driver.wait("anna", json!({ "call.state": "ended" }));
    server.agents_in("ready", 1.0);
    server.idle(SOON);
}

#[test]
fn a_customer_and_a_page_hear_each_other_without_transcoding() {
    customer_and_page_hear_each_other("pcma", "audio/PCMA", MARGIN_DB);
}

#[test]
fn a_customer_and_a_page_that_speaks_opus_hear_each_other() {
    customer_and_page_hear_each_other("opus", "audio/opus", 15.0);
}
