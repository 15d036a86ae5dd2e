//! A service as it is met in the field: one that answers, hangs, lies, floods, or is not there.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;

use super::*;

/// What one connection is answered with.
type Script = fn(&mut TcpStream);

/// A server that reads one request of each connection and then does what the script says; the requests it read.
fn server(script: Script) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (requests, read) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, requests) = (stream.unwrap(), requests.clone());
            std::thread::spawn(move || {
                let mut text = Vec::new();
                let mut part = [0; 4_096];
                let is_whole = |text: &[u8]| {
                    let text = String::from_utf8_lossy(text);
                    let length = text.split("content-length: ").nth(1).and_then(|l| l.split("\r\n").next());
                    let length: usize = length.map_or(0, |length| length.parse().unwrap());
                    text.split_once("\r\n\r\n").is_some_and(|(_, body)| body.len() >= length)
                };
                while !is_whole(&text) {
                    match stream.read(&mut part) {
                        Ok(0) | Err(_) => return,
                        Ok(n) => text.extend_from_slice(&part[..n]),
                    }
                }
                let _ = requests.send(String::from_utf8(text).unwrap());
                script(&mut stream);
            });
        }
    });
    (format!("http://{address}/api"), read)
}

fn say(stream: &mut TcpStream, status: &str, body: &str) {
    let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
}

fn fetch(timeout_ms: u64) -> Fetch {
    Fetch {
        id: 1,
        service: "crm".to_owned(),
        method: Method::Post,
        path: "/who".to_owned(),
        body: Some(r#"{"a":1}"#.to_owned()),
        timeout: Duration::from_millis(timeout_ms),
    }
}

fn ask(config: &ServiceConfig, fetches: usize, timeout_ms: u64) -> Vec<Result<Reply, FetchError>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let service = Service::new(config.clone()).unwrap();
    runtime.block_on(async {
        let mut answers = Vec::new();
        for _ in 0..fetches {
            answers.push(service.ask(&fetch(timeout_ms)).await);
        }
        answers
    })
}

#[test]
fn it_is_asked_with_json_and_with_what_proves_who_we_are() {
    let (url, requests) = server(|stream| say(stream, "200 OK", r#"{"agents":["101"]}"#));
    let config = ServiceConfig {
        authorization: Some(crate::config::services::Authorization("Bearer s3cret".to_owned())),
        ..ServiceConfig::new("crm", &url)
    };
    let answers = ask(&config, 1, 5_000);
    assert_eq!(answers, [Ok(Reply { status: 200, body: Bytes::from_static(br#"{"agents":["101"]}"#) })]);
    let request = requests.recv().unwrap();
    assert!(request.starts_with("POST /api/who HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("authorization: Bearer s3cret\r\n") && request.ends_with(r#"{"a":1}"#), "{request}");
    assert!(!format!("{config:?}").contains("s3cret"), "a secret is never shown");
}

#[test]
fn one_that_hangs_is_waited_for_no_longer_than_its_time() {
    let (url, _requests) = server(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        let _ = stream.read(&mut [0; 1]);
    });
    assert_eq!(ask(&ServiceConfig::new("crm", &url), 1, 100), [Err(FetchError::Timeout)]);
}

#[test]
fn an_answer_of_ten_megabytes_is_not_taken_in() {
    let (url, _requests) = server(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
        for _ in 0..1_280 {
            if stream.write_all(&[b'x'; 8_192]).is_err() {
                return;
            }
        }
    });
    assert_eq!(ask(&ServiceConfig::new("crm", &url), 1, 10_000), [Err(FetchError::TooLarge(64 << 10))]);
}

#[test]
fn what_is_no_http_or_is_not_there_fails_with_its_cause() {
    let (url, _requests) = server(|stream| {
        let _ = stream.write_all(b"220 mail.example.com ESMTP\r\n");
    });
    assert!(matches!(&ask(&ServiceConfig::new("crm", &url), 1, 5_000)[0], Err(FetchError::Failed(_))));
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let answer = ask(&ServiceConfig::new("crm", &format!("http://{gone}")), 1, 5_000);
    assert!(matches!(&answer[0], Err(FetchError::Failed(cause)) if cause.contains("refused")), "{answer:?}");
}

#[test]
fn one_that_fails_too_often_is_left_alone_and_repeats_count_as_one() {
    let (url, requests) = server(|stream| say(stream, "503 Service Unavailable", ""));
    let config = ServiceConfig { breaker_failures: 2, retries: 1, ..ServiceConfig::new("crm", &url) };
    let answers = ask(&config, 4, 5_000);
    let busy = Ok(Reply { status: 503, body: Bytes::new() });
    assert_eq!(answers, [busy.clone(), busy, Err(FetchError::BreakerOpen), Err(FetchError::BreakerOpen)]);
    assert_eq!(requests.try_iter().count(), 4, "each was repeated once, and then none was sent");
}

#[test]
fn a_not_found_is_an_answer() {
    let (url, _requests) = server(|stream| say(stream, "404 Not Found", "{}"));
    let config = ServiceConfig { breaker_failures: 1, retries: 3, ..ServiceConfig::new("crm", &url) };
    let answers = ask(&config, 2, 5_000);
    assert!(answers.iter().all(|answer| matches!(answer, Ok(reply) if reply.status == 404)), "{answers:?}");
}

#[test]
fn over_its_bound_of_requests_at_once_one_more_fails_at_once() {
    let (url, _requests) = server(|stream| {
        let _ = stream.read(&mut [0; 1]);
    });
    let service = Service::new(ServiceConfig { max_concurrency: 1, ..ServiceConfig::new("crm", &url) }).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (first, second) = (fetch(200), fetch(200));
    let (first, second) = runtime.block_on(futures_util::future::join(service.ask(&first), service.ask(&second)));
    assert_eq!((first, second), (Err(FetchError::Timeout), Err(FetchError::Busy)));
}
