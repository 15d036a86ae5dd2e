//! Who calls, as the callee, the record and the flow are told; who was dialled before; why somebody hung up.

use hatif::call::config::TrunkIdentity;
use hatif::journal::{EndReason, Kind, Party};

use crate::centre::*;
use crate::phone::{header, sdp};

fn with_identity(identity: TrunkIdentity) -> Centre {
    Centre::with(|settings| {
        settings.call.trunks.get_mut("carrier").expect("the trunk").identity = identity;
    })
}

/// Dials queue `support` from the trunk with these headers; gives the From of the ring and the record's caller.
fn shown(identity: TrunkIdentity, headers: &str) -> (String, String) {
    let mut centre = with_identity(identity);
    let headers = format!("Max-Forwards: 70\r\n{headers}");
    let mut customer = centre.dial_with(trunk(), "0551234", "600", headers.trim_end(), &sdp(trunk(), "sendrecv"));
    centre.answered(&mut customer);
    let ring = centre.rung(desk(101));
    centre.picks_up(&ring);
    centre.bye(&mut customer);
    centre.ended(&ring);
    centre.nothing_is_left();
    let from = header(&ring.invite, "From").unwrap_or_default();
    let user = from.split("sip:").nth(1).and_then(|rest| rest.split('@').next()).unwrap_or_default();
    (user.to_owned(), centre.record(0).from.clone())
}

/// RFC 3325 §9.1: only a trusted peer's assertion counts, and which header that is the trunk's policy says.
#[test]
fn a_trunk_tells_who_calls_by_its_policy() {
    let asserted = "P-Asserted-Identity: <tel:+966500>\r\n";
    let both = |number: &str| (number.to_owned(), number.to_owned());
    assert_eq!(shown(TrunkIdentity::From, asserted), both("0551234"));
    assert_eq!(shown(TrunkIdentity::Asserted, asserted), both("+966500"));
    assert_eq!(shown(TrunkIdentity::Asserted, ""), both("0551234"));
    let remote_party = "Remote-Party-ID: <sip:0777@h>;party=calling;privacy=off\r\n";
    assert_eq!(shown(TrunkIdentity::RemoteParty, remote_party), both("0777"));
}

#[test]
fn who_asks_not_to_be_shown_is_anonymous() {
    let anonymous = ("anonymous".to_owned(), "anonymous".to_owned());
    let headers = "P-Asserted-Identity: <tel:+966500>\r\nPrivacy: id\r\n";
    assert_eq!(shown(TrunkIdentity::Asserted, headers), anonymous);
    let headers = "Remote-Party-ID: <sip:0777@h>;privacy=full\r\n";
    assert_eq!(shown(TrunkIdentity::RemoteParty, headers), anonymous);

    // Further on the next hop is asked for the same.
    let mut centre = with_identity(TrunkIdentity::Asserted);
    let headers = "Max-Forwards: 70\r\nPrivacy: id";
    let mut caller = centre.dial_with(trunk(), "0551234", "7001", headers, &sdp(trunk(), "sendrecv"));
    let far = centre.rung(addr(FAR));
    assert_eq!(header(&far.invite, "Privacy"), Some("id"));
    assert!(!far.invite.contains("0551234"), "{}", far.invite);
    centre.says(&far, "486 Busy Here");
    centre.refused(&mut caller, 486);
    centre.nothing_is_left();
}

/// A user is who he proved to be, whatever his phone writes into From or asserts; a stranger's assertions are nothing.
#[test]
fn a_claim_is_no_identity() {
    let mut centre = Centre::new();
    let headers = "Max-Forwards: 70\r\nP-Asserted-Identity: <sip:201@10.0.0.1>\r\nPrivacy: id";
    let mut thief = centre.dial_with(desk(103), "201", "102", headers, &sdp(desk(103), "sendrecv"));
    centre.refused(&mut thief, 403);
    let mut caller = centre.dial_with(desk(103), "103", "102", headers, &sdp(desk(103), "sendrecv"));
    let ring = centre.rung(desk(102));
    assert!(header(&ring.invite, "From").is_some_and(|from| from.contains("<sip:103@")), "{}", ring.invite);
    centre.picks_up(&ring);
    centre.answered(&mut caller);
    centre.bye(&mut caller);
    centre.ended(&ring);
    let headers = "Max-Forwards: 70\r\nP-Asserted-Identity: <sip:201@10.0.0.1>";
    let mut customer = centre.dial_with(stranger(1), "0551", "600", headers, &sdp(stranger(1), "sendrecv"));
    centre.answered(&mut customer);
    let ring = centre.rung(desk(101));
    assert!(header(&ring.invite, "From").is_some_and(|from| from.contains("<sip:0551@")), "{}", ring.invite);
    centre.says(&ring, "180 Ringing");
    centre.bye(&mut customer);
    centre.cancelled(&ring);
    centre.nothing_is_left();
    assert_eq!((centre.record(0).from.as_str(), centre.record(1).from.as_str()), ("103", "0551"));
}

/// RFC 5806, RFC 7044: the newest of those who sent the call on.
#[test]
fn who_was_dialled_before_stands_in_the_record() {
    let mut centre = Centre::new();
    let headers = "Max-Forwards: 70\r\nDiversion: <sip:0114000@h>;reason=no-answer, <sip:0113000@h>";
    let mut customer = centre.dial_with(trunk(), "0551234", "500", headers, &sdp(trunk(), "sendrecv"));
    centre.answered(&mut customer);
    centre.bye(&mut customer);
    centre.nothing_is_left();
    assert_eq!(centre.record(0).diverted_from.as_deref(), Some("0114000"));
}

/// RFC 3326: what one side says why, the other one hears; written anew.
#[test]
fn a_reason_is_kept_and_passed_on() {
    let mut centre = Centre::new();
    let (mut customer, agent) = centre.talk(stranger(1));
    let answer = centre.asks(&mut customer, "BYE", "Reason: Q.850;cause=31;text=\"x\"\r\n", "");
    assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
    let bye = centre.ended(&agent);
    assert_eq!(header(&bye, "Reason"), Some("Q.850;cause=31"));
    centre.nothing_is_left();
    let told = centre.told(|kind| match kind {
        Kind::ReasonGiven { by, reason } => Some((*by, reason.clone())),
        _ => None,
    });
    assert_eq!(told, [(Party::Customer, "Q.850;cause=31".to_owned())]);

    // And what we say ourselves.
    let mut centre = Centre::new();
    let (customer, agent) = centre.talk(stranger(1));
    let leg = centre.leg(0);
    centre.handle(hatif::engine::Input::Media(hatif::media::Event::MediaTimeout { leg }));
    for leg in [agent, customer] {
        let bye = centre.ended(&leg);
        assert_eq!(header(&bye, "Reason"), Some("Q.850;cause=102;text=\"No audio\""));
    }
    centre.nothing_is_left();
    assert_eq!(centre.record(0).end.map(|end| end.reason), Some(EndReason::MediaTimeout));
}
