//! Carriers on the wire: two of them, played by the test, see what a carrier sees.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod common;

use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};

use common::*;
use hatif::robot::Phone;

/// What a carrier answers to an INVITE.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Mood {
    /// 503.
    Unavailable,
    /// 200.
    Answers,
    /// 407 of somebody else's realm, as when a callee behind it asks for a password.
    CalleeChallenges,
}

/// One carrier's host. Registrations are challenged; OPTIONS are answered while it is awake.
#[derive(Clone)]
struct Carrier {
    address: SocketAddr,
    mood: Arc<Mutex<Mood>>,
    awake: Arc<Mutex<bool>>,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Carrier {
    fn start(ip: &str, mood: Mood) -> Self {
        let socket = UdpSocket::bind((ip, 0)).expect("a socket");
        let address = socket.local_addr().expect("its address");
        let awake = Arc::new(Mutex::new(true));
        let carrier = Self { address, mood: Arc::new(Mutex::new(mood)), awake, heard: Arc::default() };
        let playing = carrier.clone();
        // Ends with the process: it only waits for datagrams.
        std::thread::spawn(move || {
            let mut buffer = [0; 65_536];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let request = String::from_utf8_lossy(&buffer[..length]).into_owned();
                for answer in playing.answers(&request) {
                    let _ = socket.send_to(answer.as_bytes(), from);
                }
            }
        });
        carrier
    }

    fn answers(&self, request: &str) -> Vec<String> {
        self.heard.lock().expect("list").push(request.to_owned());
        let method = request.split(' ').next().unwrap_or_default();
        let challenge = |header: &str, realm: &str| {
            format!("{header}: Digest realm=\"{realm}\", nonce=\"n-{realm}\", qop=\"auth\", algorithm=MD5\r\n")
        };
        let awake = *self.awake.lock().expect("flag");
        match method {
            "REGISTER" if request.contains("\r\nAuthorization: ") => {
                vec![response(request, "200 OK", "Expires: 600\r\n", "")]
            }
            "REGISTER" => {
                vec![response(request, "401 Unauthorized", &challenge("WWW-Authenticate", "carrier.example"), "")]
            }
            "OPTIONS" if !awake => Vec::new(),
            "OPTIONS" | "BYE" => vec![response(request, "200 OK", "", "")],
            "INVITE" => match *self.mood.lock().expect("mood") {
                Mood::Unavailable => vec![response(request, "503 Service Unavailable", "", "")],
                Mood::CalleeChallenges => {
                    let header = challenge("Proxy-Authenticate", "callee.example");
                    vec![response(request, "407 Proxy Authentication Required", &header, "")]
                }
                Mood::Answers => {
                    let more = format!("Contact: <sip:far@{}>\r\nContent-Type: application/sdp\r\n", self.address);
                    let sdp = format!(
                        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 40000 RTP/AVP 8\r\n",
                        ip = self.address.ip()
                    );
                    vec![response(request, "180 Ringing", "", ""), response(request, "200 OK", &more, &sdp)]
                }
            },
            _ => Vec::new(),
        }
    }

    /// Requests of this method so far.
    fn heard(&self, method: &str) -> Vec<String> {
        let all = self.heard.lock().expect("list");
        all.iter().filter(|request| request.starts_with(&format!("{method} "))).cloned().collect()
    }
}

fn response(request: &str, status: &str, more: &str, body: &str) -> String {
    let copied: String = request
        .lines()
        .take_while(|line| !line.is_empty())
        .filter(|line| ["Via:", "From:", "To:", "Call-ID:", "CSeq:"].iter().any(|name| line.starts_with(name)))
        .map(|line| match line.starts_with("To:") && !line.contains(";tag=") {
            true => format!("{line};tag=carrier\r\n"),
            false => format!("{line}\r\n"),
        })
        .collect();
    format!("SIP/2.0 {status}\r\n{copied}{more}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// A centre with one agent and the trunks `first` (registers) and `second`.
fn centre(first: &Carrier, second: &Carrier) -> Server {
    let ports = free_ports();
    let trunks = format!(
        "[[trunk]]\nname = \"first\"\nhosts = [\"{}\"]\nusername = \"acme\"\npassword = \"{PASSWORD}\"\n\
         realm = \"carrier.example\"\nregister = true\noptions_interval = \"5s\"\n\
         [[trunk]]\nname = \"second\"\nhosts = [\"{}\"]\ncaller_id = \"+966112000000\"\n\
         [[number]]\nmatch = \"05*\"\ndial = [\"trunk:first\", \"trunk:second\"]\nfrom = [\"agents\"]\n\
         [[number]]\nmatch = \"00*\"\ndial = \"trunk:second\"\n",
        first.address, second.address
    );
    let text = config(ports, &format!("{}{trunks}", floor("")));
    Server::configured(ports, &text)
}

fn trunk(server: &Server, name: &str) -> serde_json::Value {
    let listed = server.command(&["trunks", "list", "--json"]);
    let found = listed.stdout.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    found.into_iter().find(|trunk| trunk["name"] == name).unwrap_or_else(|| panic!("no trunk {name}: {listed:?}"))
}

/// Registration with digest, then a call that the first carrier cannot take: it goes out over the second, and the list
/// tells of both.
#[test]
fn a_carrier_that_cannot_gives_way_to_the_other() {
    let (first, second) = (Carrier::start("127.0.0.2", Mood::Unavailable), Carrier::start("127.0.0.3", Mood::Answers));
    let server = centre(&first, &second);
    wait_until(SOON, "registered", || trunk(&server, "first")["registered_for_seconds"].is_u64());
    let proof = first.heard("REGISTER").pop().expect("a REGISTER");
    assert!(proof.contains("username=\"acme\"") && !proof.contains(PASSWORD), "{proof}");
    assert!(second.heard("REGISTER").is_empty(), "credentials go to the trunk they are for");

    let phone = Phone::start(server.user("101")).expect("a phone");
    let call = phone.invite("0501234567").expect("sent");
    call.answered(SOON).expect("answered by the second carrier");
    let busy = trunk(&server, "second");
    assert_eq!((busy["state"].as_str(), busy["calls_out"].as_u64()), (Some("up"), Some(1)), "{busy:#}");
    assert_eq!(call.hang_up_and_wait(SOON), Some(200));
    wait_until(SOON, "the place is free", || trunk(&server, "second")["calls_out"] == 0);
    let failed = trunk(&server, "first");
    assert!(failed["last_failure"].as_str().is_some_and(|what| what.starts_with("503 from ")), "{failed:#}");
    assert!(first.heard("INVITE")[0].starts_with("INVITE sip:0501234567@127.0.0.2:"));
    let invite = second.heard("INVITE").pop().expect("an INVITE");
    assert!(invite.contains("From: <sip:+966112000000@"), "our own people show the trunk's number:\n{invite}");
    assert!(server.command(&["trunks", "show", "first"]).stdout.contains("127.0.0.2:"));
    server.idle(seconds(5));
}

/// A callee's challenge that a carrier passes on is not the carrier's: no credentials go out, and the call fails.
#[test]
fn a_callees_challenge_is_not_answered() {
    let (first, second) =
        (Carrier::start("127.0.0.4", Mood::CalleeChallenges), Carrier::start("127.0.0.5", Mood::Answers));
    let server = centre(&first, &second);
    let phone = Phone::start(server.user("101")).expect("a phone");
    let call = phone.invite("0501234567").expect("sent");
    assert_eq!(call.refused(SOON), Some(502), "nothing that the caller could answer");
    let invites = first.heard("INVITE");
    assert!(invites.iter().all(|invite| !invite.contains("Proxy-Authorization") && !invite.contains("acme\"")));
    assert!(second.heard("INVITE").is_empty(), "the callee said so, not the trunk");
}

/// Three silences in a row take a host out, one answer takes it back; the list and the metrics say so.
#[test]
fn a_host_that_answers_no_options_is_down_until_it_does() {
    let (first, second) = (Carrier::start("127.0.0.6", Mood::Answers), Carrier::start("127.0.0.7", Mood::Answers));
    let server = centre(&first, &second);
    wait_until(SOON, "asked", || !first.heard("OPTIONS").is_empty());
    assert_eq!(trunk(&server, "second")["state"], "up");
    *first.awake.lock().expect("flag") = false;
    wait_until(seconds(60), "down", || trunk(&server, "first")["state"] == "down");
    assert_eq!(server.metric("hatif_trunk_up", &[("trunk", "first")]), 0.0);
    let phone = Phone::start(server.user("101")).expect("a phone");
    let call = phone.invite("0501234567").expect("sent");
    call.answered(SOON).expect("answered by the other");
    assert_eq!(call.hang_up_and_wait(SOON), Some(200));
    assert!(first.heard("INVITE").is_empty());
    *first.awake.lock().expect("flag") = true;
    wait_until(seconds(60), "up again", || trunk(&server, "first")["state"] == "up");
}

/// A stolen account is held back and seen: the third call at once and a number abroad are refused before a carrier hears
/// of them, each is counted under its reason, and the record says why.
#[test]
fn calls_held_back_from_the_trunks_are_counted() {
    let (first, second) = (Carrier::start("127.0.0.2", Mood::Answers), Carrier::start("127.0.0.3", Mood::Answers));
    let server = centre(&first, &second);
    let held_back = |reason: &str| server.metric("hatif_outbound_refused_total", &[("reason", reason)]);
    let phone = Phone::start(server.user("101")).expect("a phone");
    let calls = ["0501234561", "0501234562"].map(|number| {
        let call = phone.invite(number).expect("sent");
        call.answered(SOON).expect("within the cap");
        call
    });
    assert_eq!((held_back("cap"), held_back("denied")), (0.0, 0.0));
    assert_eq!(phone.invite("0501234563").expect("sent").refused(SOON), Some(503), "the third at once");
    wait_until(SOON, "it is counted", || held_back("cap") == 1.0);
    assert_eq!(phone.invite("00971501234567").expect("sent").refused(SOON), Some(403), "a number abroad");
    wait_until(SOON, "it is counted too", || held_back("denied") == 1.0);
    assert_eq!(held_back("cap"), 1.0, "each under its own reason");
    assert_eq!(first.heard("INVITE").len() + second.heard("INVITE").len(), 2, "no carrier hears of either");
    for (number, code) in [("0501234563", "outbound_cap"), ("00971501234567", "outbound_denied")] {
        let mut record = serde_json::Value::Null;
        wait_until(SOON, &format!("the record of {number}"), || {
            record = items(&server.json("/api/v1/calls")).into_iter().find(|c| c["to"] == number).unwrap_or_default();
            !record.is_null()
        });
        assert_eq!((&record["from"], &record["trouble"][0]["code"]), (&"101".into(), &code.into()), "{record:#}");
    }
    for call in calls {
        assert_eq!(call.hang_up_and_wait(SOON), Some(200));
    }
    server.idle(SOON);
}
