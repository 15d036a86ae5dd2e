//! Calls over trunks: order of hosts, failing over, places, and what a carrier is told.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use hatif::call::config::*;
use hatif::call::number::{Format, Numbering};
use hatif::engine::{Command, Settings};
use hatif::journal::{Entry, Kind};
use hatif::sip::config::{Host, TrunkAccount};

use crate::centre::*;
use crate::phone::{Leg, header};

const A1: &str = "10.6.0.1:5060";
const A2: &str = "10.6.0.2:5060";
const B1: &str = "10.7.0.1:5060";

fn host(address: &str, priority: u16, weight: u16) -> TrunkHost {
    TrunkHost { priority, weight, ..TrunkHost::new(Host::Address(addr(address))) }
}

/// `0*` goes over trunk `a` with two hosts in order, then over trunk `b`.
fn two_carriers(settings: &mut Settings) {
    let a = TrunkConfig { hosts: vec![host(A2, 20, 10), host(A1, 10, 10)], ..TrunkConfig::new("a", &[]) };
    let b = TrunkConfig::new("b", &[addr(B1)]);
    settings.call.trunks.extend([("a".to_owned(), a), ("b".to_owned(), b)]);
    let number = settings.call.numbers.first().expect("a number").clone();
    let target = DialTarget::Trunks(vec!["a".into(), "b".into()]);
    let outside = NumberConfig { pattern: "0*".into(), action: NumberAction::Dial(target), public: false, ..number };
    settings.call.numbers.push(outside);
}

fn trunk_mut<'a>(settings: &'a mut Settings, name: &str) -> &'a mut TrunkConfig {
    settings.call.trunks.get_mut(name).expect("a trunk")
}

fn calls_on(centre: &Centre, trunk: &str) -> u32 {
    centre.engine.stats().trunk_calls.get(trunk).copied().unwrap_or(0)
}

fn out(centre: &mut Centre) -> Leg {
    centre.dial(desk(101), "101", "0501234567")
}

/// What the journal says of each try: where, and the code of those that failed.
fn tries(centre: &Centre) -> Vec<(String, Option<u16>)> {
    centre.record(0).dial.iter().map(|dial| (dial.target.clone(), dial.sip_code)).collect()
}

#[test]
fn a_call_goes_to_the_first_host_and_gives_its_place_back() {
    let mut centre = Centre::with(two_carriers);
    let mut caller = out(&mut centre);
    let far = centre.rung(addr(A1));
    assert!(far.invite.starts_with("INVITE sip:0501234567@10.6.0.1:5060 SIP/2.0\r\n"), "{}", far.invite);
    assert_eq!(calls_on(&centre, "a"), 1);
    centre.picks_up(&far);
    centre.answered(&mut caller);
    centre.pass(seconds(600));
    assert_eq!(calls_on(&centre, "a"), 1);
    centre.bye(&mut caller);
    centre.ended(&far);
    assert_eq!(calls_on(&centre, "a"), 0);
    centre.nothing_is_left();
    assert_eq!(tries(&centre), [("trunk:a@10.6.0.1:5060".to_owned(), None)]);
}

#[test]
fn a_trunk_that_fails_is_left_for_the_next_and_the_caller_hears_one_ring() {
    let mut centre = Centre::with(two_carriers);
    let mut caller = out(&mut centre);
    let first = centre.rung(addr(A1));
    centre.expect(desk(101), "SIP/2.0 100");
    centre.says(&first, "180 Ringing");
    centre.expect(desk(101), "SIP/2.0 180");
    centre.says(&first, "503 Service Unavailable");
    let second = centre.rung(addr(A2));
    assert_eq!(calls_on(&centre, "a"), 1);
    centre.says(&second, "500 Server Internal Error");
    let third = centre.rung(addr(B1));
    assert_eq!((calls_on(&centre, "a"), calls_on(&centre, "b")), (0, 1));
    centre.says(&third, "180 Ringing");
    centre.silent(desk(101));
    centre.picks_up(&third);
    centre.answered(&mut caller);
    centre.bye(&mut caller);
    centre.ended(&third);
    centre.nothing_is_left();
    let tried = [("a@10.6.0.1", Some(503)), ("a@10.6.0.2", Some(500)), ("b@10.7.0.1", None)];
    assert_eq!(tries(&centre), tried.map(|(host, code)| (format!("trunk:{host}:5060"), code)));
}

#[test]
fn the_callee_ends_the_search_and_the_last_trunk_does_too() {
    for (answer, code) in [("486 Busy Here", 486), ("603 Decline", 603), ("404 Not Found", 404)] {
        let mut centre = Centre::with(two_carriers);
        let mut caller = out(&mut centre);
        let first = centre.rung(addr(A1));
        centre.says(&first, answer);
        centre.refused(&mut caller, code);
        centre.silent(addr(A2));
        centre.nothing_is_left();
    }
    let mut centre = Centre::with(two_carriers);
    let mut caller = out(&mut centre);
    for at in [A1, A2, B1] {
        let far = centre.rung(addr(at));
        centre.says(&far, "502 Bad Gateway");
    }
    centre.refused(&mut caller, 502);
    centre.nothing_is_left();
}

#[test]
fn a_silent_host_is_left_after_its_time_but_not_one_that_said_trying() {
    let mut centre = Centre::with(|settings| {
        two_carriers(settings);
        trunk_mut(settings, "a").dial_timeout = seconds(3);
    });
    let mut caller = out(&mut centre);
    centre.pass(ms(2_900));
    centre.silent(addr(A2));
    centre.pass(ms(200));
    let second = centre.rung(addr(A2));
    centre.says(&second, "100 Trying");
    centre.pass(seconds(30));
    centre.silent(addr(B1));
    centre.picks_up(&second);
    centre.answered(&mut caller);
    centre.bye(&mut caller);
    centre.ended(&second);
    centre.ignore(addr(A1));
    centre.nothing_is_left();
    assert_eq!(tries(&centre).first().map(|(_, code)| *code), Some(Some(408)));
}

/// The host wakes up when the next one rings already: its answer is ended, the caller talks once.
#[test]
fn a_late_answer_of_a_host_that_was_left_is_ended() {
    let mut centre = Centre::with(two_carriers);
    let mut caller = out(&mut centre);
    let first = centre.rung(addr(A1));
    centre.pass(seconds(6));
    let second = centre.rung(addr(A2));
    centre.ignore(addr(A1));
    centre.picks_up(&first);
    centre.ended(&first);
    centre.picks_up(&second);
    centre.answered(&mut caller);
    centre.bye(&mut caller);
    centre.ended(&second);
    centre.nothing_is_left();
}

#[test]
fn full_and_inbound_trunks_are_passed_over() {
    let mut centre = Centre::with(|settings| {
        two_carriers(settings);
        trunk_mut(settings, "a").max_calls = 1;
        trunk_mut(settings, "b").max_calls = 1;
    });
    let mut first = out(&mut centre);
    let far = centre.rung(addr(A1));
    centre.picks_up(&far);
    centre.answered(&mut first);
    let second = centre.dial(desk(103), "103", "0501234567");
    let over_b = centre.rung(addr(B1));
    centre.ignore(desk(103));
    let mut third = centre.dial(trunk(), "1", "0501234567");
    centre.refused(&mut third, 503);
    centre.says(&over_b, "180 Ringing");
    centre.ignore(desk(103));
    centre.cancel(&second);
    centre.cancelled(&over_b);
    assert_eq!(calls_on(&centre, "b"), 0);
    centre.bye(&mut first);
    centre.ended(&far);
    centre.ignore(desk(103));
    centre.nothing_is_left();

    let mut centre = Centre::with(|settings| {
        two_carriers(settings);
        trunk_mut(settings, "a").direction = TrunkDirection::In;
    });
    let mut caller = out(&mut centre);
    let far = centre.rung(addr(B1));
    centre.silent(addr(A1));
    centre.says(&far, "486 Busy Here");
    centre.refused(&mut caller, 486);
    centre.nothing_is_left();
}

#[test]
fn equals_share_by_weight() {
    let mut centre = Centre::with(|settings| {
        two_carriers(settings);
        trunk_mut(settings, "a").hosts = vec![host(A1, 10, 3), host(A2, 10, 1)];
        trunk_mut(settings, "a").max_calls_per_second = 1_000;
    });
    let mut shares: BTreeMap<SocketAddr, u32> = BTreeMap::new();
    for _ in 0..400 {
        let mut caller = out(&mut centre);
        let began = centre.told(|kind| if let Kind::Dialed { target } = kind { Some(target.clone()) } else { None });
        let at = began.last().and_then(|target| target.strip_prefix("trunk:a@")).map(addr).expect("a host");
        let far = centre.rung(at);
        centre.says(&far, "486 Busy Here");
        centre.refused(&mut caller, 486);
        *shares.entry(at).or_default() += 1;
        centre.ignore(at);
        centre.pass(seconds(40));
    }
    let first = shares.get(&addr(A1)).copied().unwrap_or(0);
    assert!((270..=330).contains(&first), "three of four: {shares:?}");
}

#[test]
fn a_host_that_options_found_down_is_passed_over_unless_all_are() {
    let mut centre = Centre::with(|settings| {
        two_carriers(settings);
        let account = TrunkAccount { options_interval: Some(seconds(10)), ..TrunkAccount::default() };
        settings.sip.trunk_accounts.insert("a".into(), account);
    });
    // A1 is silent, A2 answers.
    for _ in 0..60 {
        centre.pass(seconds(1));
        for _ in 0..2 {
            if let Some(probe) = centre.take(addr(A2)) {
                assert!(probe.starts_with("OPTIONS "), "{probe}");
                let answer = crate::phone::response(&probe, "200 OK", "", addr(A2), "");
                centre.send(addr(A2), answer);
            }
        }
    }
    centre.ignore(addr(A1));
    let down = |entry: &Entry| match &entry.kind {
        Kind::Trouble { code, detail } if code == "trunk_host_down" => Some(detail.clone()),
        _ => None,
    };
    let told: Vec<String> = centre.journal.iter().filter_map(down).collect();
    assert!(matches!(told.as_slice(), [once] if once.starts_with("trunk a: 10.6.0.1:5060 is down")), "{told:?}");
    let mut caller = out(&mut centre);
    let far = centre.rung(addr(A2));
    centre.says(&far, "486 Busy Here");
    centre.refused(&mut caller, 486);
    centre.silent(addr(A1));
    assert_eq!(centre.engine.stats().trunks_up.get("a"), Some(&true));
    // Now both are silent: the other trunk goes before, then the first host is tried after all.
    centre.pass(seconds(60));
    assert_eq!(centre.engine.stats().trunks_up.get("a"), Some(&false));
    centre.ignore(addr(A1));
    centre.ignore(addr(A2));
    let mut caller = out(&mut centre);
    let far = centre.rung(addr(B1));
    centre.says(&far, "503 Service Unavailable");
    let far = centre.rung(addr(A1));
    centre.says(&far, "486 Busy Here");
    centre.refused(&mut caller, 486);
}

#[test]
fn each_trunk_gets_its_own_form_of_the_number_and_of_the_caller() {
    let formed = |format| Some(Numbering { format, ..Numbering::of_country("966") });
    let mut centre = Centre::with(|settings| {
        two_carriers(settings);
        let a = trunk_mut(settings, "a");
        a.numbering = formed(Format::Plus);
        a.identity = TrunkIdentity::Asserted;
        a.caller_id = Some("0112345678".into());
        a.hosts.pop();
        let b = trunk_mut(settings, "b");
        b.numbering = formed(Format::National);
        b.identity = TrunkIdentity::RemoteParty;
    });
    let mut caller = out(&mut centre);
    let far = centre.rung(addr(A2));
    assert!(far.invite.starts_with("INVITE sip:+966501234567@10.6.0.2:5060 SIP/2.0\r\n"), "{}", far.invite);
    let asserted = header(&far.invite, "P-Asserted-Identity");
    assert_eq!(asserted, Some("<sip:+966112345678@10.0.0.1>"));
    assert!(header(&far.invite, "From").is_some_and(|from| from.starts_with("<sip:+966112345678@10.0.0.1>")));
    centre.says(&far, "503 Service Unavailable");
    let far = centre.rung(addr(B1));
    assert!(far.invite.starts_with("INVITE sip:0501234567@10.7.0.1:5060 SIP/2.0\r\n"), "{}", far.invite);
    let remote = header(&far.invite, "Remote-Party-ID");
    assert_eq!(remote, Some("<sip:101@10.0.0.1>;party=calling;screen=yes;privacy=off"));
    assert_eq!(header(&far.invite, "P-Asserted-Identity"), None);
    centre.says(&far, "486 Busy Here");
    centre.refused(&mut caller, 486);
    centre.ignore(addr(A2));
    centre.nothing_is_left();
}

/// `[[number]]`, then the queue of who calls, then the trunk, then himself.
#[test]
fn the_nearest_caller_id_is_shown() {
    let shown = |change: fn(&mut Settings), from: SocketAddr, user: &str| {
        let mut centre = Centre::with(|settings| {
            two_carriers(settings);
            trunk_mut(settings, "a").caller_id = Some("3333".into());
            change(settings);
        });
        let mut caller = centre.dial(from, user, "0501234567");
        let far = centre.rung(addr(A1));
        let from = header(&far.invite, "From").expect("From").to_owned();
        centre.says(&far, "486 Busy Here");
        centre.refused(&mut caller, 486);
        centre.nothing_is_left();
        from.split('@').next().unwrap_or_default().trim_start_matches("<sip:").to_owned()
    };
    let queues: fn(&mut Settings) = |settings| {
        settings.call.queue_caller_ids.insert(crate::settings::queue("support"), "2222".into());
    };
    let numbers: fn(&mut Settings) = |settings| {
        settings.call.queue_caller_ids.insert(crate::settings::queue("support"), "2222".into());
        settings.call.numbers.last_mut().expect("a number").caller_id = Some("1111".into());
    };
    let plain: fn(&mut Settings) = |_| {};
    assert_eq!(shown(numbers, desk(101), "101"), "1111");
    assert_eq!(shown(queues, desk(101), "101"), "2222");
    assert_eq!(shown(queues, desk(103), "103"), "3333");
    assert_eq!(shown(plain, desk(101), "101"), "3333");
    assert_eq!(shown(plain, trunk(), "0559876543"), "0559876543", "who calls from outside keeps his number");
}

#[test]
fn who_hides_himself_is_hidden_from_the_next_carrier_too() {
    let mut centre = Centre::with(|settings| {
        two_carriers(settings);
        trunk_mut(settings, "a").identity = TrunkIdentity::Asserted;
    });
    let offer = crate::phone::sdp(trunk(), "sendrecv");
    let mut caller = centre.dial_with(trunk(), "0559876543", "0501234567", "Privacy: id\r\nMax-Forwards: 70", &offer);
    let far = centre.rung(addr(A1));
    assert!(!far.invite.contains("0559876543"), "{}", far.invite);
    assert!(header(&far.invite, "From").is_some_and(|from| from.contains("anonymous@anonymous.invalid")));
    assert_eq!(header(&far.invite, "Privacy"), Some("id"));
    centre.says(&far, "486 Busy Here");
    centre.refused(&mut caller, 486);
    centre.nothing_is_left();
}

#[test]
fn ending_all_while_a_trunk_rings_frees_its_place() {
    let mut centre = Centre::with(two_carriers);
    let mut caller = out(&mut centre);
    let far = centre.rung(addr(A1));
    centre.says(&far, "180 Ringing");
    centre.ignore(desk(101));
    centre.engine.end_all(centre.now);
    centre.command(Command::Drain);
    centre.refused(&mut caller, 503);
    centre.cancelled(&far);
    centre.nothing_is_left();
}

#[test]
fn a_number_is_reached_however_its_carrier_writes_it() {
    for dialled in ["+966112345678", "966112345678", "0112345678", "00966112345678"] {
        let mut centre = Centre::with(|settings| {
            trunk_mut(settings, "carrier").numbering = Some(Numbering::of_country("966"));
            let number = settings.call.numbers.iter().find(|n| n.pattern == "602").expect("602").clone();
            settings.call.numbers.push(NumberConfig { pattern: "0112345678".into(), ..number });
        });
        let mut caller = centre.connect(trunk(), "1", dialled);
        centre.bye(&mut caller);
        centre.nothing_is_left();
    }
}

/// A stranger who wants to telephone at our cost: however he writes the number, nothing goes out and nobody rings.
#[test]
fn no_way_of_writing_a_number_lets_a_stranger_out() {
    let tricks = [
        ("sip:00966501234567@10.0.0.1", ""),
        ("sip:+966501234567@10.0.0.1", ""),
        ("sip:90501234567@10.0.0.1", ""),
        ("sip:011966501234567@10.0.0.1", ""),
        ("sip:0501234567;phone-context=+966@10.0.0.1", ""),
        ("sip:%30501234567@10.0.0.1", ""),
        ("sip:0501234567@10.6.0.1", ""),
        ("sip:0501234567@10.0.0.1;maddr=10.6.0.1", ""),
        ("sip:0501234567@10.0.0.1", "Route: <sip:10.6.0.1;lr>\r\n"),
        ("tel:+966501234567", ""),
        ("sip:500@10.6.0.1@10.0.0.1", ""),
        ("sip:0501234567@10.6.0.1", "Route: <sip:10.0.0.1;lr>, <sip:10.6.0.1;lr>\r\n"),
    ];
    for (number, (uri, route)) in tricks.into_iter().enumerate() {
        let mut centre = Centre::with(two_carriers);
        let (at, offer) = (stranger(9), crate::phone::sdp(stranger(9), "sendrecv"));
        let invite = format!(
            "INVITE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bKx{number}\r\nMax-Forwards: 70\r\n{route}\
             From: <sip:x@phones.example>;tag=x\r\nTo: <{uri}>\r\nCall-ID: trick{number}\r\nCSeq: 1 INVITE\r\n\
             Contact: <sip:x@{at}>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{offer}",
            offer.len()
        );
        centre.send(at, invite);
        while let Some(answer) = centre.take(at) {
            let code = crate::phone::status(&answer).unwrap_or(0);
            assert!(code == 100 || code >= 300, "{uri} {route}: {answer}");
        }
        centre.pass(seconds(10));
        for other in [A1, A2, B1, FAR] {
            centre.silent(addr(other));
        }
    }
}
