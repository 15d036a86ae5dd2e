//! A flow asks a service that hangs, lies or sends far too much, from outside: the caller goes on by the edge that the flow
//! names, hears music meanwhile, and the process does not grow.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use common::*;
use hatif::robot::{Call, Phone, Source};
use serde_json::Value;

const TIMEOUT_MS: u64 = 2_000;

/// What the service does, by the path that is asked for; counts what it was asked.
fn service() -> (u16, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            count.fetch_add(1, Ordering::SeqCst);
            std::thread::spawn(move || serve(stream));
        }
    });
    (port, asked)
}

fn serve(mut stream: TcpStream) {
    let mut head = Vec::new();
    let mut part = [0; 4_096];
    while !head.windows(4).any(|w| w == b"\r\n\r\n") {
        match stream.read(&mut part) {
            Ok(0) | Err(_) => return,
            Ok(n) => head.extend_from_slice(&part[..n]),
        }
    }
    let path = String::from_utf8_lossy(&head).split(' ').nth(1).unwrap_or_default().to_owned();
    let mut answer = |kind: &str, body: &str| {
        let length = body.len();
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
    };
    match path.as_str() {
        "/good" => answer("application/json", r#"{"tier": "gold", "open": 3}"#),
        "/html" => answer("text/html", "<html>a proxy's page</html>"),
        "/cut" => answer("application/json", r#"{"tier": "gol"#),
        "/types" => answer("application/json", r#"{"tier": {"deep": []}, "open": "many"}"#),
        // 10 MB, as fast as they are taken.
        "/huge" => answer("application/json", &format!("{{\"tier\": \"{}\"}}", "x".repeat(10 << 20))),
        // The same without saying how long it is.
        "/endless" => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n");
            let piece = vec![b'x'; 64 << 10];
            for _piece in 0..160 {
                if stream.write_all(&piece).is_err() {
                    return;
                }
            }
        }
        // One byte at a time, for ever: each of them is in time, the answer is not.
        "/drip" => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
            while stream.write_all(b" ").is_ok() {
                std::thread::sleep(ms(100));
            }
        }
        // Nothing at all, and the line stays.
        _ => {
            while let Ok(n) = stream.read(&mut part) {
                if n == 0 {
                    return;
                }
            }
        }
    }
}

/// A flow for each path of the service, behind a number of its own; each edge leads to a node that says its name.
fn server(port: u16, paths: &[&str], service: &str) -> Server {
    let folder = temp_folder();
    fs::copy(root().join("ivr-scripts/prompts.toml"), folder.join("prompts.toml")).expect("the manifest");
    let play =
        |node: &str| format!("[node.{node}]\nkind = \"play\"\nsay = [{{ prompt = \"goodbye\" }}]\nnext = \"end\"\n");
    let mut numbers = String::new();
    for (n, path) in paths.iter().enumerate() {
        let text = format!(
            "flow = 1\nname = \"{path}\"\nlanguages = [\"en\"]\nstart = \"ask\"\n\
             [vars]\ntier = {{ type = \"text\", default = \"none\" }}\nopen = {{ type = \"number\", default = 0 }}\n\
             [node.ask]\nkind = \"http\"\nservice = \"crm\"\nget = \"/{path}\"\ntimeout = \"{TIMEOUT_MS}ms\"\n\
             into = {{ tier = \"/tier\", open = \"/open\" }}\nnext = \"fine\"\n\
             on = {{ timeout = \"late\", error = \"broken\", status_404 = \"unknown\" }}\n{}{}{}{}\
             [node.end]\nkind = \"hangup\"\n",
            play("fine"),
            play("late"),
            play("broken"),
            play("unknown"),
        );
        fs::write(folder.join(format!("{path}.toml")), text).expect("written");
        numbers += &format!("[[number]]\nmatch = \"70{n}\"\nflow = \"{path}\"\npublic = true\n");
    }
    let ports = free_ports();
    let text = config(ports, &floor("").replace("flow = \"main\"", &format!("flow = \"{}\"", paths[0])));
    let text = text.replace(&format!("{}/tests/common/flows", root().display()), &folder.display().to_string());
    let text =
        format!("{text}{numbers}[[service]]\nname = \"crm\"\nbase_url = \"http://127.0.0.1:{port}\"\n{service}\n");
    let server = Server::configured(ports, &text);
    let _ = fs::remove_dir_all(folder);
    server
}

/// One caller of a number, when he was answered, and what he does next is up to the flow.
fn caller(server: &Server, from: &str, number: &str) -> (Phone, Call, Instant) {
    let phone = server.customer(from, Source::Silence);
    let call = phone.invite(number).expect("sent");
    call.answered(SOON).unwrap_or_else(|e| panic!("{number}: {e}\n{}", phone.trace()));
    (phone, call, Instant::now())
}

/// The node after the question, and how long the service was waited for in ms.
fn went(server: &Server, from: &str) -> (String, f64) {
    let record = server.ended_call(from);
    let node = record["ivr"]["path"][1].as_str().unwrap_or_default().to_owned();
    let asked = record["path"].as_array().into_iter().flatten().filter_map(|step| step["what"].as_str());
    let asked: Vec<&str> = asked.filter(|what| what.contains("crm")).collect();
    assert!(!asked.is_empty(), "the record says what was asked: {record:#}");
    let at = |needle: &str| {
        let steps = record["path"].as_array().cloned().unwrap_or_default();
        let step = steps.iter().find(|step| step["what"].as_str().is_some_and(|what| what.contains(needle))).cloned();
        let text = step.map(|step| step["at"].as_str().unwrap_or_default().to_owned()).unwrap_or_default();
        let time = text.split('T').nth(1).unwrap_or_default().trim_end_matches('Z').to_owned();
        time.split(':').fold(0.0, |sum, part| sum * 60.0 + part.parse::<f64>().unwrap_or_default())
    };
    (node.clone(), (at(&format!("node {node}")) - at("node ask")) * 1_000.0)
}

fn rms(samples: &[i16]) -> f64 {
    (samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / samples.len().max(1) as f64).sqrt()
}

/// The answer is not there in time, whether nothing comes or a byte now and then: edge `timeout`, with music from 0.7 s on.
#[test]
fn a_service_that_hangs_takes_the_timeout_edge_and_the_caller_hears_music_meanwhile() {
    let (port, _) = service();
    let server = server(port, &["hang", "drip", "good"], "breaker_failures = 0");
    for (number, from) in [("700", "0551000"), ("701", "0551001")] {
        let (phone, call, answered) = caller(&server, from, number);
        std::thread::sleep(ms(TIMEOUT_MS - 200));
        let (sound, packets) = (call.heard(), call.packets());
        // By when the packets came: before the music there may be none.
        let part = |from: u64, to: u64| {
            let while_it_came = packets.iter().filter(|p| (answered + ms(from)..answered + ms(to)).contains(&p.at));
            let samples: Vec<i16> =
                while_it_came.flat_map(|p| &sound[p.offset..p.offset + p.samples]).copied().collect();
            (rms(&samples), samples.len())
        };
        let ((quiet, _), (music, length)) = (part(0, 500), part(1_100, 1_600));
        assert!(length > 2_000, "{number}: {length} samples");
        assert!(quiet < 30.0 && music > 300.0, "{number}: {quiet:.0}, then {music:.0}");
        assert!(call.ended(seconds(30)), "{}", phone.trace());
        let (node, took) = went(&server, from);
        assert_eq!(node, "late");
        assert!((TIMEOUT_MS as f64 - 50.0..TIMEOUT_MS as f64 + 700.0).contains(&took), "{took} ms");
    }
    let (_phone, call, _) = caller(&server, "0551002", "702");
    assert!(call.ended(seconds(30)));
    assert_eq!(went(&server, "0551002").0, "fine", "a slow service keeps nobody else waiting");
    let late = server.metric("hatif_service_seconds_count", &[("service", "crm"), ("result", "timeout")]);
    assert_eq!(late, 2.0);
}

/// What is no JSON, is cut short, or has other types than the variables: edge `error`, and the flow's values stay.
#[test]
fn a_service_that_lies_takes_the_error_edge() {
    let (port, _) = service();
    let paths = ["html", "cut", "types", "good"];
    let server = server(port, &paths, "breaker_failures = 0");
    for (n, path) in paths.iter().enumerate() {
        let from = format!("055200{n}");
        let (phone, call, _) = caller(&server, &from, &format!("70{n}"));
        assert!(call.ended(seconds(30)), "{}", phone.trace());
        let node = if *path == "good" { "fine" } else { "broken" };
        assert_eq!(went(&server, &from).0, node, "{path}");
    }
    let count = |result: &str| server.metric("hatif_service_seconds_count", &[("service", "crm"), ("result", result)]);
    assert_eq!((count("invalid"), count("ok")), (3.0, 1.0));
}

/// 50 callers, each of whom is answered with 10 MB: edge `error`, at once, and the process is as large as before.
#[test]
fn a_service_that_sends_10_mb_takes_the_error_edge_and_memory_stays_flat() {
    let (port, asked) = service();
    let server = server(port, &["huge", "endless"], "breaker_failures = 0");
    let round = |first: u32, count: u32| {
        let calls: Vec<_> = (first..first + count)
            .map(|n| {
                let from = format!("0553{n:03}");
                let (phone, call, _) = caller(&server, &from, if n % 2 == 0 { "700" } else { "701" });
                (from, phone, call)
            })
            .collect();
        for (from, phone, call) in &calls {
            assert!(call.ended(seconds(30)), "{from}: {}", phone.trace());
            let (node, took) = went(&server, from);
            assert_eq!(node, "broken", "{from}");
            assert!(
                took < TIMEOUT_MS as f64,
                "{from}: refused when it is too long, not when the time is over: {took} ms"
            );
        }
    };
    // What is made once and kept, the pools of buffers and connections, is there after the first few.
    round(0, 10);
    server.idle(seconds(20));
    let before = server.resident_bytes();
    for first in [10, 20, 30, 40, 50] {
        round(first, 10);
    }
    server.idle(seconds(20));
    let grown = server.resident_bytes().saturating_sub(before);
    assert_eq!(asked.load(Ordering::SeqCst), 60);
    // 500 MB were offered. Freed memory is not given back to the system at once.
    assert!(grown < 32 << 20, "{} KB more than before", grown >> 10);
}

/// After so many failures in a row nobody waits any more: the error edge at once, without the service being asked.
#[test]
fn the_breaker_opens_and_the_figures_show_it() {
    let (port, asked) = service();
    let server = server(port, &["hang", "good"], "breaker_failures = 2\nbreaker_open = \"1m\"");
    let call = |from: &str, number: &str| {
        let (phone, call, _) = caller(&server, from, number);
        assert!(call.ended(seconds(30)), "{}", phone.trace());
        went(&server, from)
    };
    for from in ["0554000", "0554001"] {
        assert_eq!(call(from, "700").0, "late");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    // The good page of the same service is not asked either.
    for (from, number) in [("0554002", "700"), ("0554003", "701")] {
        let (node, took) = call(from, number);
        assert_eq!(node, "broken");
        assert!(took < 300.0, "{took} ms");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 2, "the service is left alone");
    let open = || server.metric("hatif_service_seconds_count", &[("service", "crm"), ("result", "breaker_open")]);
    wait_until(SOON, "it is counted", || open() == 2.0);
    assert!(server.log().contains("failed too often"), "{}", server.log());
    let record: Value = server.ended_call("0554002");
    assert!(record["path"].to_string().contains("breaker_open"), "{record:#}");
}
