//! A softphone that people use, on either end: baresip with a tone in its microphone.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod common;
#[path = "common/baresip.rs"]
mod softphone;
#[path = "common/wire.rs"]
mod wire;

use std::fs;

use common::*;
use hatif::robot::audio::stands_above;
use hatif::robot::{Answering, Source};
use softphone::Baresip;

/// The last seconds of a call, without its very end.
fn late(sound: &[i16]) -> &[i16] {
    &sound[sound.len().saturating_sub(26_000)..sound.len().saturating_sub(2_000)]
}

/// As a customer: dials 500, presses 1, talks with an agent.
#[test]
fn baresip_as_the_customer() {
    let server = Server::dev();
    let agent = server.agent("101", 604.0, Answering::After(ms(500)));
    server.agents_in("ready", 1.0);
    let account = "<sip:0501@customer.example;transport=udp>;regint=0;audio_codecs=pcma,pcmu;dtmfmode=rtpevent\n";
    let baresip = Baresip::start(account, 1_004.0, server.sip.port() + 4);
    baresip.command("dial", &format!("sip:500@{}", server.sip));
    wait_until(SOON, "the menu answers", || baresip.log().contains("Call established"));
    let mut inside = None;
    for _press in 0..5 {
        std::thread::sleep(seconds(2));
        baresip.command("sndcode", "1");
        inside = agent.incoming(seconds(4)).ok();
        if inside.is_some() {
            break;
        }
    }
    let inside = inside.unwrap_or_else(|| panic!("the key did not reach the menu\n{}", baresip.log()));
    inside.answered(SOON).expect("answers");
    std::thread::sleep(seconds(1));
    let heard = inside.listen(seconds(4));
    assert!(stands_above(&heard, 1_004.0, 604.0, MARGIN_DB), "the agent hears baresip");
    assert_eq!(inside.hang_up_and_wait(SOON), Some(200));
    std::thread::sleep(ms(500));
    baresip.command("hangup", "");
    server.ended_call("0501");
    let heard = baresip.heard();
    // The survey's words follow the talk: 604 Hz must stand out of the whole call, 1,004 Hz must not be in it.
    assert!(stands_above(&heard, 604.0, 1_004.0, MARGIN_DB) || stands_above(late(&heard), 604.0, 1_004.0, MARGIN_DB));
    server.idle(seconds(10));
}

/// As an agent: registers with digest, answers by itself, talks, and hangs up the customer with the call.
#[test]
fn baresip_as_the_agent() {
    let server = Server::dev();
    let account = format!(
        "<sip:101@{};transport=udp>;auth_user=101;auth_pass={PASSWORD};answermode=auto;regint=120;audio_codecs=pcmu,pcma\n",
        server.sip
    );
    let baresip = Baresip::start(&account, 604.0, server.sip.port() + 4);
    server.agents_in("ready", 1.0);
    let customer = server.customer("0502", Source::Tone(1_004.0));
    let out = customer.invite("600").expect("sent");
    out.answered(SOON).expect("in the queue");
    server.agents_in("busy", 1.0);
    std::thread::sleep(seconds(1));
    let heard = out.listen(seconds(4));
    assert!(stands_above(&heard, 604.0, 1_004.0, MARGIN_DB), "the customer hears baresip\n{}", baresip.log());
    assert_eq!(out.hang_up_and_wait(SOON), Some(200));
    wait_until(SOON, "baresip is hung up", || baresip.log().contains("terminated"));
    std::thread::sleep(ms(300));
    assert!(stands_above(late(&baresip.heard()), 1_004.0, 604.0, MARGIN_DB), "baresip hears the customer");
    server.ended_call("0502");
    server.idle(seconds(10));
}

/// Over TLS, with an authority of its own, and over TCP: registers with digest, takes a call over the connection it
/// registered on, talks, is hung up; then dials the echo and hears itself.
#[test]
fn baresip_over_tls_and_tcp() {
    let (ports, folder) = (free_ports(), temp_folder());
    let authority = wire::Authority::new("test authority");
    authority.server().write(&folder, "server");
    fs::write(folder.join("ca.pem"), authority.pem()).expect("written");
    let (sip, tls) = (ports.sip, ports.sip + 3);
    let plain = format!("listen = [\"udp:127.0.0.1:{sip}\", \"tcp:127.0.0.1:{sip}\"]");
    let keys = format!(
        "listen = [\"udp:127.0.0.1:{sip}\", \"tcp:127.0.0.1:{sip}\", \"tls:127.0.0.1:{tls}\"]\n\
         tls_certificate = \"{0}/server.pem\"\ntls_key = \"{0}/server.key\"",
        folder.display()
    );
    let server = Server::configured(ports, &config(ports, &floor("")).replace(&plain, &keys));
    for (transport, port, own, number) in [("tls", tls, sip + 6, "0503"), ("tcp", sip, sip + 23, "0504")] {
        let account = format!(
            "<sip:101@127.0.0.1:{port};transport={transport}>;auth_user=101;auth_pass={PASSWORD};answermode=auto;\
             regint=120;audio_codecs=pcmu,pcma\n"
        );
        let lines = format!("sip_cafile {}/ca.pem\n", folder.display());
        let baresip = Baresip::start_with(&account, 604.0, own, &lines);
        server.agents_in("ready", 1.0);
        assert_eq!(server.metric("hatif_sip_connections", &[("transport", transport)]), 1.0, "its connection");
        let customer = server.customer(number, Source::Tone(1_004.0));
        let out = customer.invite("600").expect("sent");
        out.answered(SOON).expect("in the queue");
        server.agents_in("busy", 1.0);
        std::thread::sleep(seconds(1));
        let heard = out.listen(seconds(3));
        assert!(stands_above(&heard, 604.0, 1_004.0, MARGIN_DB), "{transport}: the customer hears baresip");
        assert_eq!(out.hang_up_and_wait(SOON), Some(200));
        wait_until(SOON, "baresip is hung up", || baresip.log().contains("terminated"));
        std::thread::sleep(ms(300));
        assert!(stands_above(late(&baresip.heard()), 1_004.0, 604.0, MARGIN_DB), "{transport}: baresip hears");
        baresip.command("dial", &format!("sip:9196@127.0.0.1:{port};transport={transport}"));
        wait_until(SOON, "the echo answers", || baresip.log().matches("Call established").count() >= 2);
        baresip.command("hangup", "");
        server.idle(seconds(10));
        drop(baresip);
        wait_until(SOON, "its connection is gone", || {
            server.metric("hatif_sip_connections", &[("transport", transport)]) == 0.0
        });
    }
    let _ = fs::remove_dir_all(folder);
}
