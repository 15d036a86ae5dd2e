//! A router that reads SIP (an "ALG"): it stands between a phone we cannot change and the server, and leads the phone's
//! media through a [`Line`], by rewriting the addresses in every SDP that passes.
#![allow(dead_code, clippy::disallowed_methods, clippy::disallowed_types)]

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use hatif::robot::Line as _;

use super::line::Line;

/// Between one phone and the server; both send their requests outside of a dialog to its address.
pub struct Alg {
    pub address: SocketAddr,
    pub line: Arc<Line>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Alg {
    pub fn start(port: u16, phone: SocketAddr, server: SocketAddr, line: Arc<Line>) -> Self {
        let socket = UdpSocket::bind((server.ip(), port)).expect("the router's port");
        socket.set_read_timeout(Some(Duration::from_millis(20))).expect("timeout");
        let address = socket.local_addr().expect("an address");
        let stop = Arc::new(AtomicBool::new(false));
        let mut router = Router { address, phone, server, line: Arc::clone(&line), media: None };
        let flag = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut buffer = [0u8; 65_536];
            while !flag.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
                let (text, to) = router.pass(&String::from_utf8_lossy(&buffer[..length]), from);
                let _ = socket.send_to(text.as_bytes(), to);
            }
        });
        Self { address, line, stop, thread: Some(thread) }
    }
}

impl Drop for Alg {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Router {
    address: SocketAddr,
    phone: SocketAddr,
    server: SocketAddr,
    line: Arc<Line>,
    /// The phone's RTP address in its last SDP.
    media: Option<SocketAddr>,
}

impl Router {
    /// What a message becomes and where it goes.
    fn pass(&mut self, text: &str, from: SocketAddr) -> (String, SocketAddr) {
        let to_server = from != self.server;
        let to = if to_server { self.server } else { self.phone };
        let Some((head, body)) = text.split_once("\r\n\r\n") else { return (text.to_owned(), to) };
        // Who dials the router means the server.
        let head =
            if to_server { head.replace(&self.address.to_string(), &self.server.to_string()) } else { head.into() };
        let Some(found) = media_of(body) else { return (format!("{head}\r\n\r\n{body}"), to) };
        let shown = match (to_server, self.media) {
            (true, _) => {
                self.media = Some(found);
                self.line.outside(found)
            }
            (false, Some(local)) => self.line.towards(local, found),
            // The server's offer comes before the phone has said where it is: its answer tells.
            (false, None) => return (format!("{head}\r\n\r\n{body}"), to),
        };
        let body = with_media(body, shown);
        let lines = head.split("\r\n").map(|line| match line.split_once(':') {
            Some((name, _)) if name.eq_ignore_ascii_case("content-length") => format!("{name}: {}", body.len()),
            _ => line.to_owned(),
        });
        let head = lines.collect::<Vec<_>>().join("\r\n");
        (format!("{head}\r\n\r\n{body}"), to)
    }
}

/// The RTP address of the first stream.
fn media_of(body: &str) -> Option<SocketAddr> {
    let ip = body.lines().find_map(|line| line.strip_prefix("c=IN IP4 "))?.trim().parse().ok()?;
    let port = body.lines().find_map(|line| line.strip_prefix("m=audio "))?.split(' ').next()?.parse().ok()?;
    Some(SocketAddr::new(ip, port))
}

fn with_media(body: &str, shown: SocketAddr) -> String {
    let line = |line: &str| {
        if line.starts_with("c=") {
            return Some(format!("c=IN IP4 {}", shown.ip()));
        }
        if let Some(rest) = line.strip_prefix("m=audio ") {
            return Some(format!("m=audio {} {}", shown.port(), rest.split_once(' ')?.1));
        }
        (!line.starts_with("a=rtcp:")).then(|| line.to_owned())
    };
    body.lines().filter_map(line).map(|line| line + "\r\n").collect()
}
