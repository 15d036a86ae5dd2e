//! A dispatch service, from outside: it answers, hangs, and comes back, over real HTTP.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod common;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};

use common::*;
use hatif::robot::{Answering, Source};

/// A service that names 102, or says nothing while `hangs`; the bodies it was sent.
fn service(hangs: Arc<AtomicBool>) -> (u16, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (told, bodies) = mpsc::channel();
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let mut text = Vec::new();
            let mut part = [0; 4_096];
            while !text.ends_with(b"}") {
                match stream.read(&mut part) {
                    Ok(0) | Err(_) => break,
                    Ok(n) => text.extend_from_slice(&part[..n]),
                }
            }
            let _ = told.send(String::from_utf8_lossy(&text).into_owned());
            if hangs.load(Ordering::SeqCst) {
                held.push(stream);
                continue;
            }
            let body = r#"{"agents": ["102"]}"#;
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close";
            let _ = write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        }
    });
    (port, bodies)
}

#[test]
fn the_service_decides_while_it_answers_and_the_queue_when_it_hangs() {
    let hangs = Arc::new(AtomicBool::new(false));
    let (port, bodies) = service(Arc::clone(&hangs));
    let ports = free_ports();
    let keys = "announce_every = \"0s\"\ndispatch = { service = \"crm\", path = \"/who\", timeout = \"400ms\" }";
    let crm = format!("[[service]]\nname = \"crm\"\nbase_url = \"http://127.0.0.1:{port}\"\ntoken = \"s3cret\"\n");
    let server = Server::configured(ports, &format!("{crm}{}", config(ports, &floor(keys))));
    let first = server.agent("101", 604.0, Answering::Manual);
    let second = server.agent("102", 704.0, Answering::Manual);
    server.agents_in("ready", 2.0);

    let customer = server.customer("0551234", Source::Tone(1_004.0));
    let call = customer.invite("600").expect("sent");
    let rung = second.incoming(SOON).expect("whom it named is rung, not the longest idle");
    let request = bodies.recv_timeout(SOON).expect("a request");
    assert!(request.starts_with("POST /who HTTP/1.1\r\n") && request.contains("Bearer s3cret"), "{request}");
    assert!(request.contains("\"caller\":\"0551234\"") && request.contains("\"queue\":\"support\""), "{request}");
    rung.answer();
    assert_eq!(call.hang_up_and_wait(SOON), Some(200));
    let decided = || server.metric("hatif_service_seconds_count", &[("service", "crm"), ("result", "decided")]);
    wait_until(SOON, "it is counted", || decided() == 1.0);

    hangs.store(true, Ordering::SeqCst);
    let customer = server.customer("0552222", Source::Tone(1_004.0));
    let call = customer.invite("600").expect("sent");
    first.incoming(SOON).expect("the longest idle, by the queue's own rule");
    let late = || server.metric("hatif_service_seconds_count", &[("service", "crm"), ("result", "timeout")]);
    wait_until(SOON, "it is counted", || late() == 1.0);
    assert_eq!(call.hang_up_and_wait(SOON), Some(200));
    let record = server.ended_call("0552222");
    let why = server.command(&["explain", record["call_id"].as_str().unwrap_or_default(), "--lang", "en"]);
    assert!(why.stdout.contains("did not answer in time: the queue decides"), "{why:?}");
}
