//! The hard messages of RFC 4475 and RFC 5118, and thousands of spoilt ones, against the running program: each of the
//! first is answered as the RFCs ask, none of the others leaves a trace.
//!
//! The long part is ignored here: `make torture` runs it and writes the scoreboard of `docs/security.md`.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod common;
#[path = "torture/mutate.rs"]
mod mutate;
#[path = "common/stranger.rs"]
mod stranger;
#[allow(dead_code)]
mod table {
    include!("torture/table.rs");
}

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Instant;

use common::*;
use hatif::robot::Source;
use mutate::Dice;
use stranger::{Stranger, code_of};
use table::{Answer, TORTURE, Torture};

/// Messages of one stranger; within what the guard lets a stranger say at once.
const AT_ONCE: usize = 50;
/// What the memory may grow by in all batches, in bytes.
const GROWTH_MAX: u64 = 20 * 1024 * 1024;
const BATCH: usize = 5_000;
const SEEDS: u64 = 5;

/// `example.com` is our domain, as in the RFCs; 500 is public.
fn server(ports: Ports) -> Server {
    let text = config(ports, &floor("")).replace("domain = \"127.0.0.1\"", "domain = \"example.com\"");
    Server::configured(ports, &text)
}

/// A stranger's call gets through and ends.
#[track_caller]
fn a_call_completes(server: &Server, number: &str) {
    let phone = server.customer(number, Source::Silence);
    let call = phone.invite("500").expect("sent");
    call.answered(SOON).unwrap_or_else(|e| panic!("500 is not answered: {e}\n{}\n{}", phone.trace(), server.log()));
    assert_eq!(call.hang_up_and_wait(SOON), Some(200));
    assert_eq!(server.metric("hatif_panics_total", &[]), 0.0, "a panic was caught");
}

// ---- the 61 messages --------------------------------------------------------------------------------------------

/// What came of one message.
struct Row {
    torture: &'static Torture,
    udp: Option<u16>,
    tcp: Option<u16>,
}

impl Row {
    /// As asked over UDP, and over TCP unless the message never ends there.
    fn is_right(&self) -> bool {
        let stream = if never_ends(self.torture) { Answer::Silence } else { self.torture.answer };
        self.torture.answer.allows(self.udp) && stream.allows(self.tcp)
    }
}

/// A body that is shorter than its Content-Length: on a stream the rest may still come (RFC 3261 §18.3).
fn never_ends(torture: &Torture) -> bool {
    matches!(torture.name, "clerr" | "ipv6-in-sdp")
}

/// The port of the top Via, to which answers go (RFC 3261 §18.2.2): these messages have no `rport`.
fn port_of_via(torture: &Torture) -> u16 {
    match torture.name {
        "quotbal" => 5_050,
        "mpart01" => 5_070,
        "ipv4-mapped-ipv6" => 19_823,
        "mult-ip-in-header" => 6_050,
        _ => 5_060,
    }
}

fn over_udp(server: &Server, torture: &Torture, last: u8) -> Option<u16> {
    let stranger = Stranger::at(server.sip, [127, 44, 75, last], port_of_via(torture));
    stranger.send(torture.bytes);
    let answer = match torture.answer {
        // Behind it comes a message that is answered: had there been an answer to the first, it would be here.
        Answer::Silence => None,
        Answer::Served | Answer::Code(_) => stranger.answer(seconds(3)),
    };
    if let Some((code, text)) = &answer {
        stranger.tidy_up(*code, text);
    }
    let witness = Stranger::at(server.sip, [127, 44, 75, last], 0);
    witness.send(witness.request("OPTIONS", "500", "", "").as_bytes());
    let alive = witness.answer(SOON).map(|(code, _)| code);
    assert_eq!(alive, Some(200), "alive after {}\n{}", torture.name, server.log());
    answer.map(|(code, _)| code).or_else(|| stranger.response(ms(20)).map(|(code, _)| code))
}

fn over_tcp(server: &Server, torture: &Torture, last: u8) -> Option<u16> {
    let mut stream = Stranger::stream(server.sip, [127, 51, 18, last]);
    stream.write_all(torture.bytes).expect("sent");
    let silent = never_ends(torture) || torture.answer == Answer::Silence;
    stream.set_read_timeout(Some(if silent { ms(200) } else { seconds(3) })).expect("timeout");
    let code = final_code(&mut stream);
    let _ = stream.shutdown(Shutdown::Both);
    let mut fresh = Stranger::stream(server.sip, [127, 51, 19, last]);
    let options = Stranger::at(server.sip, [127, 51, 19, last], 0).request("OPTIONS", "500", "", "");
    fresh.write_all(options.replace("SIP/2.0/UDP", "SIP/2.0/TCP").as_bytes()).expect("sent");
    assert_eq!(final_code(&mut fresh), Some(200), "alive after {} over TCP\n{}", torture.name, server.log());
    code
}

/// The first final response on a stream, until it is silent or closed.
fn final_code(stream: &mut TcpStream) -> Option<u16> {
    let mut text = String::new();
    let mut buffer = [0u8; 4_096];
    loop {
        let begun = text.match_indices("SIP/2.0 ").filter(|(at, _)| *at == 0 || text[..*at].ends_with("\r\n\r\n"));
        if let Some(code) = begun.filter_map(|(at, _)| code_of(&text[at..])).find(|code| *code >= 200) {
            return Some(code);
        }
        match stream.read(&mut buffer) {
            Ok(length) if length > 0 => text += &String::from_utf8_lossy(&buffer[..length]),
            Ok(_) | Err(_) => return None,
        }
    }
}

/// All of them over UDP, then over TCP to another server: there they are no retransmissions of the first.
fn all_of_them() -> Vec<Row> {
    let (udp, tcp) = (server(free_ports()), server(free_ports()));
    let number = |n: usize| u8::try_from(n + 1).expect("few messages");
    let rows = TORTURE.iter().enumerate().map(|(n, torture)| Row {
        torture,
        udp: over_udp(&udp, torture, number(n)),
        tcp: over_tcp(&tcp, torture, number(n)),
    });
    let rows: Vec<Row> = rows.collect();
    for server in [&udp, &tcp] {
        a_call_completes(server, "0475");
    }
    rows
}

/// RFC 4475 and RFC 5118: each message as printed there, over UDP and over TCP.
#[test]
fn each_message_of_the_torture_rfcs_is_answered_as_asked() {
    let rows = all_of_them();
    let wrong = rows.iter().filter(|row| !row.is_right());
    let wrong = wrong.map(|r| format!("{}: {:?}, {:?}, asked {:?}", r.torture.name, r.udp, r.tcp, r.torture.answer));
    assert_eq!(wrong.collect::<Vec<_>>(), Vec::<String>::new());
}

// ---- spoilt messages --------------------------------------------------------------------------------------------

/// What came of one batch.
#[derive(Default)]
struct Batch {
    sent: usize,
    /// Responses by class, `2` = 2xx.
    answers: BTreeMap<u16, usize>,
}

impl Batch {
    fn count(&mut self, code: u16) {
        *self.answers.entry(code / 100).or_default() += 1;
    }
}

/// What is spoilt: the messages of the RFCs, those of every day, and those of a call that is up.
fn originals(stranger: &Stranger, call: Option<&str>) -> Vec<Vec<u8>> {
    let mut all: Vec<String> = ["OPTIONS", "REGISTER", "CANCEL", "BYE", "SUBSCRIBE", "NOTIFY", "PUBLISH", "MESSAGE"]
        .map(|method| stranger.request(method, "500", "", ""))
        .to_vec();
    let digest = "Authorization: Digest username=\"101\", realm=\"example.com\", nonce=\"5f2c\", uri=\"sip:example.com\", \
                  response=\"0123456789abcdef0123456789abcdef\", algorithm=SHA-256, qop=auth, nc=00000001, cnonce=\"x\"\r\n";
    all.push(stranger.request("REGISTER", "101", &format!("{digest}Expires: 60\r\n"), ""));
    all.push(stranger.invite("500"));
    all.push(stranger.request("INVITE", "500", "Supported: 100rel, timer, replaces\r\nSession-Expires: 90\r\n", ""));
    all.push(stranger.request("INVITE", "500", "Replaces: a@b;to-tag=1;from-tag=2\r\nRequire: replaces\r\n", ""));
    if let Some(call) = call {
        let sdp = "Content-Type: application/sdp\r\n";
        for (method, extra, body) in [
            ("INVITE", sdp, stranger::OFFER),
            ("UPDATE", sdp, stranger::OFFER),
            ("UPDATE", "Session-Expires: 90;refresher=uac\r\n", ""),
            ("INFO", "Content-Type: application/dtmf-relay\r\n", "Signal=5\r\nDuration=160\r\n"),
            ("PRACK", "RAck: 1 1 INVITE\r\n", ""),
            ("REFER", "Refer-To: <sip:600@example.com>\r\n", ""),
            ("REFER", "Refer-To: <sip:600@example.com?Replaces=a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2>\r\n", ""),
            (
                "NOTIFY",
                "Event: refer\r\nSubscription-State: active\r\nContent-Type: message/sipfrag\r\n",
                "SIP/2.0 200 OK",
            ),
        ] {
            all.push(stranger.within(call, method, 2, extra, body));
        }
        all.push(call.to_owned());
    }
    TORTURE.iter().map(|t| t.bytes.to_vec()).chain(all.into_iter().map(String::into_bytes)).collect()
}

/// Sends `messages` spoilt ones, a few from each stranger, every tenth stranger over TCP.
fn batch(server: &Server, seed: u64, messages: usize) -> Batch {
    let mut dice = Dice::new(seed);
    let mut batch = Batch::default();
    for n in 0..messages.div_ceil(AT_ONCE) {
        let net = u8::try_from(seed).unwrap_or(0).wrapping_add(60);
        let ip = [127, net, 1 + u8::try_from(n / 250).unwrap_or(0), 1 + u8::try_from(n % 250).unwrap_or(0)];
        let stranger = Stranger::at(server.sip, ip, 5_060);
        stranger.send(stranger.invite("500").as_bytes());
        let call = stranger.answer(seconds(3)).filter(|(code, _)| *code == 200).map(|(_, text)| text);
        if let Some(call) = &call {
            stranger.send(stranger.within(call, "ACK", 1, "", "").as_bytes());
        }
        let from = originals(&stranger, call.as_deref());
        let spoilt: Vec<Vec<u8>> = (0..AT_ONCE).map(|_| dice.spoil(&from)).collect();
        batch.sent += spoilt.len();
        if n % 10 == 9 {
            through_streams(server, ip, &spoilt);
        } else {
            spoilt.iter().for_each(|bytes| stranger.send(bytes));
        }
        if let Some(call) = &call {
            stranger.send(stranger.within(call, "BYE", 2_147_483_600, "", "").as_bytes());
        }
        let witness = Stranger::at(server.sip, [127, net, 0, ip[3]], 0);
        witness.send(witness.request("OPTIONS", "500", "", "").as_bytes());
        let alive = witness.answer(SOON).map(|(code, _)| code);
        assert_eq!(alive, Some(200), "alive after the {n}th stranger of seed {seed}\n{}", server.log());
        while let Some((code, text)) = stranger.response(ms(2)) {
            batch.count(code);
            stranger.tidy_up(code, &text);
        }
    }
    batch
}

/// One after the other over a stream; a new one when the last was closed.
fn through_streams(server: &Server, ip: [u8; 4], spoilt: &[Vec<u8>]) {
    let mut stream = Stranger::stream(server.sip, ip);
    for bytes in spoilt {
        let sent = stream.write_all(bytes);
        stream.set_read_timeout(Some(ms(2))).expect("timeout");
        let closed = matches!(stream.read(&mut [0; 4_096]), Ok(0)) || sent.is_err();
        if closed {
            stream = Stranger::stream(server.sip, ip);
        }
    }
}

/// Spec "Promises" 1, in short: nothing dies, a call completes after it.
#[test]
fn a_thousand_spoilt_messages_do_no_harm() {
    let server = server(free_ports());
    // What is allocated once is not growth: buffers, tables, the first prompts.
    batch(&server, 99, 500);
    a_call_completes(&server, "0476");
    let before = server.resident_bytes();
    let batch = batch(&server, 0, 1_000);
    a_call_completes(&server, "0477");
    let growth = server.resident_bytes().saturating_sub(before);
    println!("{} sent, answers by class {:?}, grown by {} KiB", batch.sent, batch.answers, growth / 1_024);
    assert!(growth < GROWTH_MAX, "grown by {growth} bytes");
    assert!(server.metric("hatif_sip_parse_errors_total", &[]) > 50.0, "they were spoilt");
    assert!(batch.answers.get(&4).is_some_and(|n| *n > 100), "and read: {:?}", batch.answers);
}

// ---- the scoreboard ---------------------------------------------------------------------------------------------

const BEGIN: &str = "<!-- scoreboard: written by make torture -->\n";
const END: &str = "<!-- end of scoreboard -->";

/// The whole of it: the 61 messages, then 5 seeds of 5,000 spoilt ones. Writes `docs/security.md`.
#[test]
#[ignore = "some minutes: make torture"]
fn the_scoreboard() {
    let rows = all_of_them();
    let server = server(many_ports());
    // What is allocated once is not growth: buffers, tables, the first prompts.
    batch(&server, 99, 500);
    // A caller who never acknowledges and never answers our BYE is kept for twice 64·T1.
    let settle = || {
        server.idle(seconds(75));
        wait_until(seconds(45), "no transaction is left", || {
            server.metric("hatif_sip_transactions_active", &[]) == 0.0
        });
        server.resident_bytes()
    };
    let first = settle();
    let mut text = messages_table(&rows);
    text += "\n| seed | messages | answered 2xx · 4xx · 5xx | deaths | a call after it | memory, MiB |\n";
    text += "| --- | --- | --- | --- | --- | --- |\n";
    for seed in 1..=SEEDS {
        let began = Instant::now();
        let batch = batch(&server, seed, BATCH);
        println!("seed {seed}: {} messages in {:?}: {:?}", batch.sent, began.elapsed(), batch.answers);
        a_call_completes(&server, "0478");
        let grown = settle().saturating_sub(first);
        let class = |c| batch.answers.get(&c).copied().unwrap_or(0);
        let _ = writeln!(
            text,
            "| {seed} | {} | {} · {} · {} | 0 | completes | +{:.1} |",
            batch.sent,
            class(2),
            class(4),
            class(5),
            grown as f64 / 1_048_576.0
        );
        assert!(grown < GROWTH_MAX, "seed {seed}: grown by {grown} bytes");
    }
    write_scoreboard(&text);
    let wrong = rows.iter().filter(|row| !row.is_right()).map(|row| row.torture.name).collect::<Vec<_>>();
    assert!(wrong.len() <= 1, "not as asked: {wrong:?}");
}

fn messages_table(rows: &[Row]) -> String {
    let shown = |code: Option<u16>| code.map_or("silence".to_owned(), |code| code.to_string());
    let right = rows.iter().filter(|row| row.is_right()).count();
    let mut text = format!("{right} of {} as asked, alive after each of them.\n\n", rows.len());
    text += "| message | RFC | asked | UDP | TCP | |\n| --- | --- | --- | --- | --- | --- |\n";
    for row in rows {
        let asked = match row.torture.answer {
            Answer::Served => "served".to_owned(),
            Answer::Silence => "silence".to_owned(),
            Answer::Code(codes) => codes.iter().map(u16::to_string).collect::<Vec<_>>().join(" or "),
        };
        let _ = writeln!(
            text,
            "| `{}` | {} §{} | {asked}: {} | {} | {} | {} |",
            row.torture.name,
            row.torture.rfc,
            row.torture.section,
            row.torture.why,
            shown(row.udp),
            if never_ends(row.torture) { "waits for the rest".to_owned() } else { shown(row.tcp) },
            if row.is_right() { "ok" } else { "**no**" }
        );
    }
    text
}

fn write_scoreboard(text: &str) {
    let path = root().join("docs/security.md");
    let page = std::fs::read_to_string(&path).expect("docs/security.md");
    let (head, rest) = page.split_once(BEGIN).expect("begin mark");
    let (_, tail) = rest.split_once(END).expect("end mark");
    std::fs::write(&path, format!("{head}{BEGIN}\n{text}\n{END}{tail}")).expect("written");
}
