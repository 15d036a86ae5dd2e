//! Floods, guessing, spoofing: what one stranger does, the others do not feel; all of it is counted.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod common;
#[path = "common/stranger.rs"]
mod stranger;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::*;
use hatif::robot::Source;
use md5::{Digest as _, Md5};
use stranger::{OFFER, Stranger, ack, line_of};

fn server() -> Server {
    let ports = many_ports();
    Server::configured(ports, &config(ports, &floor("")))
}

// ---- registering ------------------------------------------------------------------------------------------------

/// What a challenge says.
#[derive(Clone, Debug)]
struct Challenge {
    realm: String,
    nonce: String,
    stale: bool,
}

/// The MD5 challenge of a 401.
fn challenge_of(answer: &str) -> Challenge {
    let lines = answer.split("\r\n").filter(|line| line.starts_with("WWW-Authenticate:"));
    let line = lines.into_iter().find(|line| line.contains("algorithm=MD5")).expect("an MD5 challenge");
    let field = |name: &str| {
        let rest = line.split_once(&format!("{name}=\"")).map(|(_, rest)| rest);
        rest.and_then(|rest| rest.split('"').next()).unwrap_or_default().to_owned()
    };
    Challenge { realm: field("realm"), nonce: field("nonce"), stale: line.contains("stale=true") }
}

fn hash(text: &str) -> String {
    Md5::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The answer to a challenge (RFC 7616 §3.4).
fn authorization(challenge: &Challenge, user: &str, password: &str, count: u32) -> String {
    let Challenge { realm, nonce, .. } = challenge;
    let (a1, a2) = (hash(&format!("{user}:{realm}:{password}")), hash("REGISTER:sip:127.0.0.1"));
    let response = hash(&format!("{a1}:{nonce}:{count:08x}:abc:auth:{a2}"));
    format!(
        "Authorization: Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"sip:127.0.0.1\", \
         response=\"{response}\", algorithm=MD5, qop=auth, nc={count:08x}, cnonce=\"abc\"\r\n"
    )
}

/// A REGISTER of this user with whole header lines.
fn register(stranger: &Stranger, user: &str, extra: &str) -> String {
    let request = stranger.request("REGISTER", user, extra, "");
    let uri = request.split(' ').nth(1).unwrap_or_default().to_owned();
    let aor = format!("<sip:{user}@127.0.0.1>");
    request
        .replacen(&uri, "sip:127.0.0.1", 1)
        .replace("<sip:stranger@customer.example>", &aor)
        .replace(&format!("To: <{uri}>"), &format!("To: {aor}"))
        .replace("<sip:stranger@", &format!("<sip:{user}@"))
}

/// Sends a request; the final answer and how long it took. `None`: silence.
fn ask(stranger: &Stranger, request: &str) -> Option<(u16, String, Duration)> {
    let began = Instant::now();
    stranger.send(request.as_bytes());
    stranger.answer(ms(400)).map(|(code, text)| (code, text, began.elapsed()))
}

/// A fresh challenge for this user.
#[track_caller]
fn challenged(stranger: &Stranger, user: &str) -> Challenge {
    let (code, text, _) = ask(stranger, &register(stranger, user, "")).expect("an answer");
    assert_eq!(code, 401, "{text}");
    challenge_of(&text)
}

/// Tries a password with a challenge of its own; `None` when nobody listens any more.
fn attempt(stranger: &Stranger, user: &str, password: &str) -> Option<(u16, String, Duration)> {
    let (_, text, _) = ask(stranger, &register(stranger, user, ""))?;
    let answer = authorization(&challenge_of(&text), user, password, 1);
    ask(stranger, &register(stranger, user, &answer))
}

/// Spec reliability §1 "REGISTER brute force", "scanning": after 10 failures hardly any try is looked at, after 20
/// answers nobody listens; the account is open to others.
#[test]
fn guessing_a_password_is_slowed_then_banned() {
    let server = server();
    let guesser = Stranger::at(server.sip, [127, 70, 0, 1], 0);
    for n in 0..10 {
        let (code, text, _) = attempt(&guesser, "101", &format!("guess{n}")).expect("an answer");
        assert_eq!(code, 401, "{text}");
    }
    // The right password is among the next 30: it is not found.
    let tries: Vec<Option<u16>> = (0..30).map(|_| attempt(&guesser, "101", PASSWORD).map(|(code, ..)| code)).collect();
    let looked_at = tries.iter().filter(|code| matches!(code, Some(200 | 401))).count();
    assert!(looked_at <= 3, "{tries:?}");
    assert_eq!(tries.last(), Some(&None), "banned after 20 wrong answers: {tries:?}");
    let guard = |action, reason| server.metric("hatif_sip_guard_total", &[("action", action), ("reason", reason)]);
    assert_eq!(guard("ban", "wrong_answers"), 1.0);
    assert!(guard("refuse", "back_off") >= 5.0 && guard("drop", "banned") >= 10.0);
    assert_eq!(server.metric("hatif_sip_banned_sources", &[]), 1.0);
    assert_eq!(server.metric("hatif_registrations_active", &[]), 0.0);
    let listed = server.command(&["bans", "list", "--json"]);
    assert!(listed.stdout.contains("\"127.70.0.1\""), "{listed:?}");
    assert_eq!(server.command(&["bans", "remove", "127.70.0.1"]).code, Some(0));
    assert!(server.command(&["bans", "list", "--json"]).stdout.trim().is_empty());
    // Nobody else is locked out of the account.
    let owner = Stranger::at(server.sip, [127, 70, 0, 2], 0);
    assert_eq!(attempt(&owner, "101", PASSWORD).map(|(code, ..)| code), Some(200));
}

/// An office is one address: a source with a registered user is slowed for each account, and never banned.
#[test]
fn a_source_with_a_registered_user_is_never_banned() {
    let server = server();
    let office = Stranger::at(server.sip, [127, 70, 1, 1], 0);
    assert_eq!(attempt(&office, "101", PASSWORD).map(|(code, ..)| code), Some(200));
    let tries: Vec<_> = (0..40).map(|_| attempt(&office, "102", "wrong").map(|(code, ..)| code)).collect();
    assert!(tries.iter().all(Option::is_some), "{tries:?}");
    assert!(tries.iter().skip(12).filter(|code| **code == Some(403)).count() >= 25, "{tries:?}");
    assert_eq!(attempt(&office, "103", PASSWORD).map(|(code, ..)| code), Some(200), "a colleague is not slowed");
    assert_eq!(server.metric("hatif_sip_banned_sources", &[]), 0.0);
}

/// RFC 7616 §3.4: an answer is good once, from one address.
#[test]
fn a_replayed_answer_is_stale() {
    let server = server();
    let owner = Stranger::at(server.sip, [127, 70, 2, 1], 0);
    let challenge = challenged(&owner, "101");
    let answer = authorization(&challenge, "101", PASSWORD, 1);
    assert_eq!(ask(&owner, &register(&owner, "101", &answer)).map(|(code, ..)| code), Some(200));
    let (code, text, _) = ask(&owner, &register(&owner, "101", &answer)).expect("an answer");
    assert!(code == 401 && challenge_of(&text).stale, "{text}");
    let next = authorization(&challenge, "101", PASSWORD, 2);
    assert_eq!(
        ask(&owner, &register(&owner, "101", &next)).map(|(code, ..)| code),
        Some(200),
        "a higher count is good"
    );
    let thief = Stranger::at(server.sip, [127, 70, 2, 2], 0);
    let stolen = authorization(&challenge, "101", PASSWORD, 3);
    assert_eq!(ask(&thief, &register(&thief, "101", &stolen)).map(|(code, ..)| code), Some(401));
}

/// What differs between two answers by right: nonces, tags, branches, names.
fn plain(answer: &str, user: &str) -> String {
    let cut = |text: String, from: &str, ends: &[char]| {
        let mut parts = text.split(from);
        let mut out = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            out += from;
            out += part.find(ends).map_or("", |at| &part[at..]);
        }
        out
    };
    let mut text = answer.replace(user, "USER");
    for (from, ends) in
        [("nonce=\"", &['"'][..]), ("tag=", &[';', '\r']), ("branch=", &[';', '\r']), ("Call-ID: ", &['\r'])]
    {
        text = cut(text, from, ends);
    }
    text
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// Spec reliability §1 "scanning": whether a user exists shows in no byte of any answer.
#[test]
fn known_and_unknown_users_get_the_same_answers() {
    let server = server();
    let mut times = BTreeMap::<&str, Vec<Duration>>::new();
    for n in 0..15u8 {
        let mut answers = Vec::new();
        for user in ["101", "999"] {
            // Each try from another source: it is the answer that is compared, not the back-off.
            let scanner = Stranger::at(server.sip, [127, 71, n, user.as_bytes()[0]], 5_060);
            let bare = ask(&scanner, &register(&scanner, user, "")).expect("an answer");
            let wrong = attempt(&scanner, user, "wrong").expect("an answer");
            let invite = scanner.invite("500").replace("stranger@customer.example", &format!("{user}@127.0.0.1"));
            let call = ask(&scanner, &invite).expect("an answer");
            scanner.send(ack(&call.1).as_bytes());
            let options = ask(&scanner, &scanner.request("OPTIONS", user, "", "")).expect("an answer");
            times.entry(user).or_default().push(wrong.2);
            let all = [bare, wrong, call, options];
            answers.push(all.map(|(_, text, _)| {
                plain(&text, user)
                    .replace(&scanner.address.to_string(), "ME")
                    .replace(&scanner.address.ip().to_string(), "IP")
            }));
        }
        assert_eq!(answers[0], answers[1]);
    }
    for (user, times) in times {
        println!("median time of a wrong answer for {user}: {:?}", median(times));
    }
}

/// Spec reliability §1 "Contact flood": ten contacts a user, and no memory for more.
#[test]
fn a_user_has_ten_contacts_at_most() {
    let server = server();
    let owner = Stranger::at(server.sip, [127, 70, 3, 1], 0);
    let challenge = challenged(&owner, "101");
    let mut before = 0;
    let mut kept = 0;
    for n in 1..=1_200u32 {
        let answer = authorization(&challenge, "101", PASSWORD, n);
        let other = format!("<sip:101@{}:{}>", owner.address.ip(), 10_000 + n);
        let request = register(&owner, "101", &answer);
        let contact = line_of(&request, "Contact:").to_owned();
        let request = request.replace(&contact, &format!("Contact: {other}"));
        let (code, text, _) = ask(&owner, &request).expect("an answer");
        assert!(matches!(code, 200 | 403 | 503), "{text}");
        let contacts = text.matches("<sip:101@127.70.3.1:1").count();
        assert!(contacts <= 10, "{contacts} contacts\n{text}");
        kept = kept.max(contacts);
        if n == 200 {
            before = server.resident_bytes();
        }
    }
    let growth = server.resident_bytes().saturating_sub(before);
    println!("{kept} contacts, grown by {} KiB in 1,000 more", growth / 1_024);
    // Each REGISTER leaves a transaction of some 2 KiB for 32 s, and memory is taken in pieces of some MiB.
    assert!(kept == 10 && growth < 20 * 1_024 * 1_024, "{kept} contacts, grown by {growth} bytes");
    assert_eq!(server.metric("hatif_registrations_active", &[]), 10.0);
}

// ---- floods -----------------------------------------------------------------------------------------------------

/// Sends INVITEs at this rate until told to stop, and counts what comes back.
fn flood(stranger: &Stranger, rate: u64, stop: &AtomicBool, sent: &AtomicUsize, answered: &AtomicUsize) {
    let began = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let due = began.elapsed().as_millis() as u64 * rate / 1_000;
        while (sent.load(Ordering::Relaxed) as u64) < due && !stop.load(Ordering::Relaxed) {
            stranger.send(stranger.invite("500").as_bytes());
            sent.fetch_add(1, Ordering::Relaxed);
        }
        while let Some((code, _)) = stranger.response(ms(1)) {
            if code >= 200 {
                answered.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// Spec reliability §1 "INVITE flood 5,000/s": the others call as before.
#[test]
fn a_flood_from_one_source_does_not_stop_the_others() {
    const RATE: u64 = 5_000;
    const LONG: Duration = Duration::from_secs(8);
    let server = server();
    let customer = server.customer("0700", Source::Silence);
    let (stop, sent, answered) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    let before = server.resident_bytes();
    let (mut times, mut failed, mut highest) = (Vec::new(), 0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let flooder = Stranger::at(server.sip, [127, 72, 0, 1], 0);
            flood(&flooder, RATE, &stop, &sent, &answered);
        });
        let began = Instant::now();
        while began.elapsed() < LONG {
            std::thread::sleep(ms(150));
            let dialled = Instant::now();
            let call = customer.invite("500").expect("sent");
            match call.answered(seconds(3)) {
                Ok(()) => {
                    times.push(dialled.elapsed());
                    call.hang_up();
                }
                Err(_) => failed += 1,
            }
            highest = highest.max(server.resident_bytes());
        }
        stop.store(true, Ordering::Relaxed);
    });
    let (sent, answered) = (sent.into_inner(), answered.into_inner());
    let good = times.iter().filter(|time| **time < seconds(1)).count();
    let all = times.len() + failed;
    let growth = highest.saturating_sub(before) / 1_048_576;
    println!("{sent} sent, {answered} answered; {good} of {all} calls, median {:?}; +{growth} MiB", median(times));
    assert!(sent as u64 > RATE * LONG.as_secs() / 2, "the flood was none: {sent}");
    assert!(good * 10 >= all * 9 && all >= 10, "{good} of {all} calls were set up within a second");
    assert!(answered * 2 <= sent, "{answered} of {sent} were answered");
    assert!(growth < 128, "grown by {growth} MiB");
    let dropped = server.metric("hatif_sip_guard_total", &[("action", "drop"), ("reason", "rate")]);
    let refused = server.metric("hatif_sip_guard_total", &[("action", "refuse"), ("reason", "rate")]);
    assert!(dropped + refused > sent as f64 / 4.0, "{dropped} dropped, {refused} refused");
    assert_eq!(server.metric("hatif_panics_total", &[]), 0.0);
}

/// Spec reliability §1 "Amplification": an address in a datagram proves nothing, so nobody is sent more than twice what
/// was said in its name, repetitions included.
#[test]
fn nobody_is_sent_more_than_twice_what_was_said_in_his_name() {
    let server = server();
    let short = |request: &str| {
        // As few bytes as a request can have.
        let keep = |line: &&str| !line.starts_with("Contact:") && !line.starts_with("Max-Forwards:");
        request.split("\r\n").filter(keep).collect::<Vec<_>>().join("\r\n")
    };
    let spoofed = Stranger::at(server.sip, [127, 73, 0, 1], 0);
    let ours = |request: String| request.replace("stranger@customer.example", "101@127.0.0.1");
    let requests = [
        ("OPTIONS", short(&spoofed.request("OPTIONS", "5", "", ""))),
        ("REGISTER", short(&register(&spoofed, "101", ""))),
        ("MESSAGE", short(&spoofed.request("MESSAGE", "5", "", ""))),
        ("BYE", short(&spoofed.request("BYE", "5", "", ""))),
        ("unknown method", short(&spoofed.request("X", "5", "", ""))),
        ("unknown scheme", short(&spoofed.request("OPTIONS", "5", "", "")).replacen("sip:", "foo:", 1)),
        ("INVITE of a user", ours(spoofed.invite("500"))),
        ("INVITE to nobody", spoofed.invite("99999")),
        (
            "INVITE to no domain",
            spoofed.request("INVITE", "500", "Require: teleport\r\nContent-Type: application/sdp\r\n", OFFER),
        ),
    ];
    for (n, (name, request)) in requests.iter().enumerate() {
        let victim = Stranger::at(server.sip, [127, 73, 1, u8::try_from(n).unwrap_or(0) + 1], 0);
        let request = request.replace(&spoofed.address.to_string(), &victim.address.to_string());
        victim.send(request.as_bytes());
        let deadline = Instant::now() + ms(1_200);
        let mut received = 0;
        while let Some(text) = victim.receive(deadline.saturating_duration_since(Instant::now())) {
            received += text.len();
        }
        println!("{name}: {received} for {}", request.len());
        assert!(received <= 2 * request.len(), "{name}: {received} bytes for {}", request.len());
    }
}
