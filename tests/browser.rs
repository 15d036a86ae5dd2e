//! Hatif and a softphone in a real browser: JsSIP in headless Chromium with a WAV file as microphone.
//!
//! Chromium and the packages of `web/softphone` come by `tests/tools/install.sh test`. Where they are missing the tests
//! fail and say so.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "browser/driver.rs"]
mod browser;
mod common;
#[path = "browser/relay.rs"]
mod relay;

use browser::Driver;
use common::*;
use hatif::robot::audio::{dominant, level_db, stands_above, tone, write_wav};
use hatif::robot::{Answering, Call, Options, Phone, Source};
use relay::Relay;
use serde_json::{Value, json};

const PAGE_HZ: f64 = 1_004.0;

/// A microphone that says a tone for ever.
fn microphone() -> String {
    let file = temp_folder().join("tone.wav");
    write_wav(&file, &tone(PAGE_HZ, -10.0, 1_000)).expect("written");
    file.display().to_string()
}

/// What a page registers with: `place` is where the WebSocket is.
fn line(place: std::net::SocketAddr, user: &str, answers: bool) -> Value {
    json!({
        "server": format!("ws://{place}/sip"),
        "uri": format!("sip:{user}@127.0.0.1"),
        "password": PASSWORD,
        "autoAnswer": answers,
    })
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
    let line = line(server.http, "101", false);
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
    let server = Server::configured(ports, &text);
    let mut driver = Driver::start();
    driver.must("anna", "open", json!({ "microphone": microphone() }));
    let line = line(server.http, "101", true);
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

const MUSIC_HZ: f64 = 404.0;

/// Hatif with one agent in a page, reached through a relay, and music of one tone.
struct Centre {
    server: Server,
    relay: Relay,
    driver: Driver,
    customer: Phone,
}

impl Centre {
    fn new() -> Self {
        let prompts = temp_folder();
        write_wav(&prompts.join("one_tone.wav"), &tone(MUSIC_HZ, -15.0, 1_000)).expect("written");
        let ports = free_ports();
        let queue = "wrap_up = \"0s\"\nrecord = \"always\"\nmusic = \"one_tone.wav\"";
        let text = config(ports, &floor(queue))
            .replace("[sip]\n", "[sip]\nws_origins = [\"*\"]\n")
            .replace(&format!("{}/prompts", root().display()), &prompts.display().to_string());
        let server = Server::configured(ports, &text);
        let relay = Relay::to(server.http);
        let mut options = Options::new(server.sip, "0501").says(Source::Tone(CUSTOMER_HZ));
        options.domain = "customer.example".into();
        let customer = Phone::start(options).expect("a phone");
        let mut driver = Driver::start();
        driver.must("anna", "open", json!({ "microphone": microphone() }));
        Self { server, relay, driver, customer }
    }

    /// The page registers, and answers by itself when it is told so here.
    fn registers(&mut self, answers: bool) {
        let line = line(self.relay.address(), "101", answers);
        self.driver.must("anna", "start", line);
        self.driver.wait("anna", json!({ "registered": true }));
    }

    /// The customer talks with the page.
    fn talk(&mut self) -> Call {
        self.registers(true);
        self.server.agents_in("ready", 1.0);
        let call = self.customer.invite("sip:600@127.0.0.1").expect("sent");
        call.answered(SOON).unwrap_or_else(|e| panic!("600: {e}\n{}", self.customer.trace()));
        self.driver.wait("anna", json!({ "call.state": "talking" }));
        self.both_hear(&call, "answered");
        call
    }

    fn both_hear(&mut self, call: &Call, when: &str) {
        std::thread::sleep(seconds(1));
        self.driver.must("anna", "forget", json!({}));
        let heard = listen(&[call], seconds(2)).remove(0);
        let page = self.driver.heard("anna");
        let stats = self.driver.must("anna", "stats", json!({}));
        let log = || format!("{when}: {stats}\n{}", self.server.log());
        assert!(stands_above(&heard, PAGE_HZ, CUSTOMER_HZ, MARGIN_DB), "the customer hears the page, {}", log());
        assert!(stands_above(&page, CUSTOMER_HZ, PAGE_HZ, MARGIN_DB), "the page hears the customer, {}", log());
    }

    /// What the page says of its talk.
    fn state(&mut self) -> Value {
        self.driver.must("anna", "state", json!({}))
    }
}

/// RFC 7118: the dialog is not its connection. It goes on by the next one, for whatever both sides want of it.
#[test]
fn a_talk_outlives_the_websocket_of_its_page() {
    let mut centre = Centre::new();
    let call = centre.talk();
    centre.relay.cut();
    centre.driver.wait("anna", json!({ "registered": false }));
    centre.driver.wait("anna", json!({ "registered": true }));
    centre.both_hear(&call, "back by another connection");
    let state = centre.state();
    assert_eq!((state["calls"].as_u64(), state["call"]["state"].as_str()), (Some(1), Some("talking")), "{state}");
    // The page holds and is heard by the new way, and so is the phone.
    centre.driver.must("anna", "hold", json!({}));
    centre.driver.must("anna", "unhold", json!({}));
    assert_eq!((call.hold(SOON), call.resume(SOON)), (Some(200), Some(200)));
    centre.both_hear(&call, "held and back");
    assert_eq!(call.hang_up_and_wait(SOON), Some(200));
    centre.driver.wait("anna", json!({ "call.state": "ended" }));
    centre.server.idle(SOON);
}

/// The caller hears music when nothing comes from the page for 5 s, and within 5 s of its registration the new page is in the
/// talk, by nobody's hand.
#[test]
fn a_talk_outlives_the_reload_of_its_page() {
    let mut centre = Centre::new();
    let call = centre.talk();
    centre.driver.must("anna", "reload", json!({}));
    let heard = listen(&[&call], seconds(7)).remove(0);
    let end = &heard[heard.len().saturating_sub(8_000)..];
    assert!(stands_above(end, MUSIC_HZ, PAGE_HZ, MARGIN_DB), "music while he is away\n{}", centre.server.log());
    for turn in ["back after a while", "loaded anew once more"] {
        centre.registers(false);
        let heard = listen(&[&call], seconds(5)).remove(0);
        let end = &heard[heard.len().saturating_sub(8_000)..];
        assert!(stands_above(end, PAGE_HZ, MUSIC_HZ, MARGIN_DB), "{turn}, within 5 s\n{}", centre.server.log());
        centre.both_hear(&call, turn);
        if turn == "back after a while" {
            centre.driver.must("anna", "reload", json!({}));
        }
    }
    let state = centre.state();
    assert_eq!((state["calls"].as_u64(), state["call"]["direction"].as_str()), (Some(1), Some("in")), "{state}");
    assert_eq!(call.hang_up_and_wait(SOON), Some(200));
    centre.driver.wait("anna", json!({ "call.state": "ended" }));
    centre.server.idle(SOON);
    let ended = centre.server.ended_call("0501");
    let path = ended["path"].to_string();
    assert!(path.contains("the page of 101 is gone") && path.contains("101 is back in a new place"), "{path}");
    assert_eq!(
        (ended["agents"].as_array().map(Vec::len), ended["recordings"].as_array().map(Vec::len)),
        (Some(1), Some(1))
    );
}

/// A supervisor whispers by a page. After its reload he hears both again, by nobody's hand, and is heard by the agent alone.
#[test]
fn a_supervisors_line_outlives_the_reload_of_his_page() {
    const AGENT_HZ: f64 = 804.0;
    let ports = free_ports();
    let text = config(ports, &floor("wrap_up = \"0s\"")).replace("[sip]\n", "[sip]\nws_origins = [\"*\"]\n");
    let server = Server::configured(ports, &text);
    let agent = server.agent("101", AGENT_HZ, Answering::After(ms(100)));
    server.agents_in("ready", 1.0);
    let customer = server.customer("0501", Source::Tone(CUSTOMER_HZ));
    let call = customer.invite("sip:600@127.0.0.1").expect("sent");
    call.answered(SOON).unwrap_or_else(|e| panic!("600: {e}\n{}", customer.trace()));
    let inside = agent.incoming(SOON).expect("the agent's phone rings");
    inside.answered(SOON).expect("answers");
    let mut driver = Driver::start();
    driver.must("sara", "open", json!({ "microphone": microphone() }));
    let line = line(server.http, "201", true);
    driver.must("sara", "start", line.clone());
    driver.wait("sara", json!({ "registered": true }));
    driver.must("sara", "call", json!({ "target": "*82101" }));
    for turn in ["dialled", "loaded anew"] {
        driver.wait("sara", json!({ "call.state": "talking" }));
        std::thread::sleep(seconds(1));
        driver.must("sara", "forget", json!({}));
        let heard = listen(&[&call, &inside], seconds(2));
        let page = driver.heard("sara");
        let log = || format!("{turn}\n{}", server.log());
        let hears = |sound: &[i16], hz: f64| level_db(sound, hz) > -30.0;
        assert!(hears(&page, CUSTOMER_HZ) && hears(&page, AGENT_HZ), "the supervisor hears both, {}", log());
        assert!(hears(&heard[1], PAGE_HZ) && hears(&heard[1], CUSTOMER_HZ), "the agent hears both, {}", log());
        assert!(hears(&heard[0], AGENT_HZ), "the customer hears the agent, {}", log());
        assert!(level_db(&heard[0], PAGE_HZ) < SILENT_DBM0, "and nobody else, {}", log());
        if turn == "dialled" {
            driver.must("sara", "reload", json!({}));
            driver.must("sara", "start", line.clone());
            driver.wait("sara", json!({ "registered": true }));
        }
    }
    assert_eq!(call.hang_up_and_wait(SOON), Some(200));
    driver.must("sara", "hangup", json!({}));
    server.idle(SOON);
    let modes = server.ended_call("0501")["supervision"].as_array().map(Vec::len);
    assert_eq!(modes, Some(2), "until the reload, and from then on");
}
