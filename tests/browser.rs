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
use hatif::robot::audio::{dominant, level_db, tone, write_wav};
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
