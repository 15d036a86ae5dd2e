//! Registering at a trunk, its signs of life, and its challenges, in bytes.

use super::super::super::config::{TrunkAccount, TrunkLogin, TrunkProof};
use super::super::super::digest::{Algorithm, Authorization, challenge};
use super::*;

const HOST: &str = "203.0.113.10:5060";
const OTHER_HOST: &str = "203.0.113.11:5060";

fn account() -> TrunkAccount {
    TrunkAccount {
        login: Some(TrunkLogin { username: "centre".into(), password: "geheim".into(), realm: None }),
        domain: "carrier.test".into(),
        hosts: vec!["carrier.test".into()],
        register: None,
        options_interval: None,
        inbound: TrunkProof::Address,
    }
}

fn world(account: TrunkAccount) -> World {
    let accounts = BTreeMap::from([("stc".to_owned(), account)]);
    let mut world = World::with(SipConfig { trunk_accounts: accounts, ..config() });
    hosts(&mut world, &[HOST]);
    world
}

fn hosts(world: &mut World, hosts: &[&str]) {
    let flows = hosts.iter().map(|host| udp(host)).collect();
    world.act(|e, now| e.set_trunks(now, BTreeMap::from([("stc".to_owned(), flows)])));
}

fn registering() -> World {
    world(TrunkAccount { register: Some(Duration::from_secs(600)), ..account() })
}

fn asks(name: &str, realm: &str, nonce: &str, stale: bool) -> String {
    format!("{name}: {}\r\n", challenge(realm, nonce, stale, Algorithm::Md5))
}

/// The credentials in a request are right for its method and URI; gives the count.
fn assert_login(request: &Message, name: HeaderName, realm: &str) -> u32 {
    let header = request.header(name).unwrap_or_else(|| panic!("{} is missing", name.as_str())).to_vec();
    let answer = Authorization::parse(&header).unwrap();
    assert_eq!((answer.user().as_ref(), &*answer.realm), ("centre", realm.as_bytes()));
    let Start::Request { method, uri } = request.start() else { panic!() };
    assert_eq!(&*answer.uri, uri, "the digest is for this URI");
    assert!(answer.verify(method, "geheim"));
    answer.qop.unwrap().nc
}

fn is_free_of_credentials(message: &Message) -> bool {
    message.header(HeaderName::Authorization).is_none() && message.header(HeaderName::ProxyAuthorization).is_none()
}

fn ok(request: &Message, more: &str) -> String {
    respond(request, 200, "r", more, "")
}

/// RFC 3261 §10.2: the first REGISTER has no credentials; the challenged one goes again with the next CSeq, in the same
/// Call-ID; refreshed after 0.8 of what was granted, the count of the nonce rising.
#[test]
fn a_registration_is_challenged_granted_and_renewed() {
    let mut world = registering();
    let first = world.take_one();
    assert_eq!(line(&first), "REGISTER");
    assert_eq!(first.request_uri().unwrap().host_text(), "carrier.test");
    assert!(is_free_of_credentials(&first));
    assert_eq!(value(&first, HeaderName::To), "<sip:centre@carrier.test>");
    assert_eq!(value(&first, HeaderName::Contact), format!("<sip:centre@{US}>;expires=600"));
    world.receive(udp(HOST), &respond(&first, 401, "r", &asks("WWW-Authenticate", "stc", "n1", false), ""));
    let second = world.take_one();
    assert_eq!(assert_login(&second, HeaderName::Authorization, "stc"), 1);
    assert_eq!(value(&second, HeaderName::CSeq), "2 REGISTER");
    assert_eq!(second.call_id(), first.call_id());
    assert_ne!(second.branch(), first.branch());
    let contacts = format!("Contact: <sip:centre@{US}>;expires=100, <sip:centre@192.0.2.77>;expires=3600\r\n");
    world.receive(udp(HOST), &ok(&second, &contacts));
    let granted = Event::TrunkRegistered { trunk: "stc".into(), ok: true, code: 200, expires_s: 100 };
    assert_eq!(world.take_events(), [granted]);
    assert!(world.endpoint.trunk(world.now, "stc").unwrap().registered_for.is_some());
    world.pass(Duration::from_millis(79_999));
    assert!(world.take_sent().is_empty());
    world.pass(Duration::from_millis(1));
    let renewal = world.take_one();
    assert_eq!(assert_login(&renewal, HeaderName::Authorization, "stc"), 2);
    // The nonce is too old by now: once more with the new one.
    world.receive(udp(HOST), &respond(&renewal, 401, "r", &asks("WWW-Authenticate", "stc", "n2", true), ""));
    let again = world.take_one();
    assert_eq!(assert_login(&again, HeaderName::Authorization, "stc"), 1);
    world.receive(udp(HOST), &ok(&again, "Expires: 600\r\n"));
    world.take_events();
    world.act(|e, now| e.leave_trunks(now));
    let leaving = world.take_one();
    assert_eq!(value(&leaving, HeaderName::Contact), format!("<sip:centre@{US}>;expires=0"));
    assert_eq!(assert_login(&leaving, HeaderName::Authorization, "stc"), 2);
    world.receive(udp(HOST), &ok(&leaving, ""));
    assert_eq!(world.endpoint.trunk(world.now, "stc").unwrap().registered_for, None);
    world.assert_rests();
    assert!(world.take_sent().is_empty(), "it does not register again");
}

#[test]
fn a_wrong_password_is_not_tried_for_ever_and_failures_wait_longer() {
    let mut world = registering();
    let mut pauses = Vec::new();
    for _ in 0..3 {
        for nonce in ["n1", "n2"] {
            let request = world.take_one();
            assert_eq!(line(&request), "REGISTER");
            world.receive(udp(HOST), &respond(&request, 401, "r", &asks("WWW-Authenticate", "stc", nonce, false), ""));
        }
        let failed = Event::TrunkRegistered { trunk: "stc".into(), ok: false, code: 401, expires_s: 0 };
        assert_eq!(world.take_events(), [failed]);
        let before = world.now;
        while world.sent.is_empty() {
            let at = world.endpoint.poll_timeout().unwrap();
            world.pass(at.saturating_duration_since(world.now));
        }
        pauses.push((world.now - before).as_secs_f32());
    }
    for (pause, wanted) in pauses.iter().zip([5.0, 10.0, 20.0]) {
        assert!((wanted * 0.8..=wanted * 1.2).contains(pause), "{pauses:?}");
    }
}

/// RFC 3261 §10.2.8.
#[test]
fn too_brief_is_asked_again_with_what_the_registrar_wants() {
    let mut world = registering();
    let first = world.take_one();
    world.receive(udp(HOST), &respond(&first, 423, "r", "Min-Expires: 1800\r\n", ""));
    let second = world.take_one();
    assert_eq!(value(&second, HeaderName::Expires), "1800");
    world.receive(udp(HOST), &ok(&second, ""));
    let granted = Event::TrunkRegistered { trunk: "stc".into(), ok: true, code: 200, expires_s: 1800 };
    assert_eq!(world.take_events(), [granted]);
}

#[test]
fn a_silent_registrar_gives_way_to_the_next_host() {
    let mut world = registering();
    hosts(&mut world, &[HOST, OTHER_HOST]);
    assert_eq!(world.sent.pop().unwrap().1.remote, remote(HOST));
    world.sent.clear();
    world.pass(Duration::from_secs(40));
    let failed = Event::TrunkRegistered { trunk: "stc".into(), ok: false, code: 408, expires_s: 0 };
    assert_eq!(world.take_events(), [failed]);
    assert_eq!(world.sent.last().unwrap().1.remote, remote(OTHER_HOST));
}

/// Three silences of 5 s are down; any answer is up again; 503 is down at once.
#[test]
fn hosts_are_asked_for_signs_of_life() {
    let mut world = world(TrunkAccount { options_interval: Some(Duration::from_secs(30)), ..account() });
    hosts(&mut world, &[HOST, OTHER_HOST]);
    let asked: Vec<_> = std::mem::take(&mut world.sent);
    assert_eq!(asked.iter().map(|(_, flow, _)| flow.remote).collect::<Vec<_>>(), [remote(HOST), remote(OTHER_HOST)]);
    assert!(asked.iter().all(|(_, _, message)| line(message) == "OPTIONS"));
    world.receive(udp(OTHER_HOST), &respond(&asked[1].2, 405, "o", "", ""));
    world.pass(Duration::from_millis(15_001));
    let down = |host: &str, up: bool, detail: &str| Event::TrunkState {
        trunk: "stc".into(),
        host: remote(host),
        up,
        detail: detail.into(),
    };
    assert_eq!(world.take_events(), [down(HOST, false, "no answer to OPTIONS")]);
    let last = |world: &World, host: &str| {
        world
            .sent
            .iter()
            .rfind(|(_, flow, _)| flow.remote == remote(host))
            .map(|(_, _, message)| message.clone())
            .unwrap()
    };
    world.pass(Duration::from_secs(15));
    let probe = last(&world, OTHER_HOST);
    world.receive(udp(OTHER_HOST), &respond(&probe, 503, "o", "", ""));
    assert_eq!(world.take_events(), [down(OTHER_HOST, false, "503 to OPTIONS")]);
    world.pass(Duration::from_secs(15));
    let probe = last(&world, HOST);
    world.receive(udp(HOST), &respond(&probe, 200, "o", "", ""));
    assert_eq!(world.take_events(), [down(HOST, true, "")]);
}

fn trunk_invite(world: &mut World) -> (SessionId, Message) {
    let mut session = None;
    let invite = Invite {
        flow: udp(HOST),
        uri: "sip:0501234567@carrier.test".into(),
        to: "sip:0501234567@carrier.test".into(),
        trunk: Some("stc".into()),
        ..invite()
    };
    world.act(|e, now| session = Some(e.invite(now, invite)));
    (session.unwrap(), world.take_one())
}

/// RFC 3261 §22.2, §22.3: ACK to the 407, then the same INVITE with the answer: CSeq one higher, same Call-ID and tag,
/// new branch; the ACK to the 200 says the credentials again (§13.2.2.4); re-INVITE and BYE are answered alike.
#[test]
fn challenges_of_the_trunk_are_answered_in_every_request() {
    let mut world = world(account());
    let (session, first) = trunk_invite(&mut world);
    assert!(is_free_of_credentials(&first));
    let asks_proxy = |nonce: &str| asks("Proxy-Authenticate", "carrier.test", nonce, false);
    world.receive(udp(HOST), &respond(&first, 407, "p", &asks_proxy("n1"), ""));
    let mut sent = world.take_sent();
    assert_eq!(sent.iter().map(line).collect::<Vec<_>>(), ["ACK", "INVITE"]);
    let second = sent.remove(1);
    assert_eq!(assert_login(&second, HeaderName::ProxyAuthorization, "carrier.test"), 1);
    assert_eq!((second.call_id(), second.from_tag(), second.to_tag()), (first.call_id(), first.from_tag(), None));
    assert_eq!(value(&second, HeaderName::CSeq), "2 INVITE");
    assert_ne!(second.branch(), first.branch());
    assert_eq!(second.body(), first.body());
    assert_eq!(second.header(HeaderName::Contact), first.header(HeaderName::Contact));
    // A late repetition of the challenge is acknowledged and changes nothing.
    world.receive(udp(HOST), &respond(&first, 407, "p", &asks_proxy("n1"), ""));
    assert_eq!(world.take_lines(), ["ACK"]);
    world.receive(udp(HOST), &respond(&second, 180, "t", "", ""));
    world.receive(udp(HOST), &respond(&second, 200, "t", &format!("Contact: <sip:gw@{HOST}>\r\n"), SDP));
    let ack = world.take_one();
    assert_eq!((line(&ack).as_str(), value(&ack, HeaderName::CSeq).as_str()), ("ACK", "2 ACK"));
    assert_eq!(ack.header(HeaderName::ProxyAuthorization), second.header(HeaderName::ProxyAuthorization));
    assert!(matches!(world.take_events().as_slice(), [Event::Progress { .. }, Event::Answered { .. }]));

    world.act(|e, now| e.reinvite(now, session, Bytes::from(SDP)));
    let offer = world.take_one();
    world.receive(udp(HOST), &respond(&offer, 407, "t", &asks_proxy("n1"), ""));
    let mut sent = world.take_sent();
    assert_eq!(sent.iter().map(line).collect::<Vec<_>>(), ["ACK", "INVITE"]);
    let offer = sent.remove(1);
    assert_eq!(assert_login(&offer, HeaderName::ProxyAuthorization, "carrier.test"), 2, "the same nonce, used again");
    assert_eq!(value(&offer, HeaderName::CSeq), "4 INVITE");
    world.receive(udp(HOST), &respond(&offer, 200, "t", &format!("Contact: <sip:gw@{HOST}>\r\n"), SDP));
    assert_eq!(world.take_lines(), ["ACK"]);
    assert!(matches!(world.take_events().as_slice(), [Event::OfferAnswered { .. }]));

    world.act(|e, now| e.hang_up(now, session, Some("SIP;cause=200".into())));
    let bye = world.take_one();
    world.receive(udp(HOST), &respond(&bye, 407, "t", &asks_proxy("n2"), ""));
    let again = world.take_one();
    assert_eq!(assert_login(&again, HeaderName::ProxyAuthorization, "carrier.test"), 1);
    assert_eq!(value(&again, HeaderName::Reason), "SIP;cause=200");
    assert_eq!(value(&again, HeaderName::CSeq), "6 BYE");
    world.receive(udp(HOST), &ok(&again, ""));
    world.assert_rests();
}

/// `reliability.md` §1: credentials only to the named trunk's realm and address; never to a callee's challenge.
#[test]
fn credentials_never_leave_for_another_realm_address_or_callee() {
    // Another realm, passed on by the trunk itself: a callee asks.
    let mut callee = world(account());
    let (session, request) = trunk_invite(&mut callee);
    callee.receive(udp(HOST), &respond(&request, 407, "c", &asks("Proxy-Authenticate", "callee.test", "n", false), ""));
    let sent = callee.take_sent();
    assert_eq!(sent.iter().map(line).collect::<Vec<_>>(), ["ACK"]);
    assert!(sent.iter().all(is_free_of_credentials));
    let failed = |events: &[Event]| matches!(events, [Event::Failed { session: s, code: 407, .. }] if *s == session);
    assert!(failed(&callee.take_events()));

    // The right realm, but from elsewhere.
    let mut elsewhere = world(account());
    let (_, request) = trunk_invite(&mut elsewhere);
    let asks_own = asks("Proxy-Authenticate", "carrier.test", "n", false);
    elsewhere.receive(udp("198.51.100.66:5060"), &respond(&request, 407, "c", &asks_own, ""));
    assert_eq!(elsewhere.take_lines(), ["ACK"]);

    // A phone of ours that asks in the trunk's realm: no trunk was named.
    let mut phone = world(account());
    let (_, request) = calling(&mut phone);
    phone.receive(udp(PHONE), &respond(&request, 407, "c", &asks_own, ""));
    assert_eq!(phone.take_lines(), ["ACK"]);

    // The request went to an address that is not the trunk's any more.
    let mut moved = world(account());
    let (_, request) = trunk_invite(&mut moved);
    hosts(&mut moved, &[OTHER_HOST]);
    moved.receive(udp(HOST), &respond(&request, 407, "c", &asks_own, ""));
    assert_eq!(moved.take_lines(), ["ACK"]);

    // No login at all, and a registrar at another address.
    let mut without = world(TrunkAccount { login: None, ..account() });
    let (_, request) = trunk_invite(&mut without);
    without.receive(udp(HOST), &respond(&request, 401, "c", &asks("WWW-Authenticate", "carrier.test", "n", false), ""));
    assert_eq!(without.take_lines(), ["ACK"]);
    let mut registrar = registering();
    let request = registrar.take_one();
    let asks_register = asks("WWW-Authenticate", "carrier.test", "n", false);
    registrar.receive(udp("198.51.100.66:5060"), &respond(&request, 401, "c", &asks_register, ""));
    assert!(registrar.take_sent().is_empty());
}

/// Who hung up before the challenge came does not call again.
#[test]
fn a_challenge_to_an_abandoned_call_is_not_answered() {
    let mut world = world(account());
    let (session, request) = trunk_invite(&mut world);
    world.act(|e, now| e.hang_up(now, session, None));
    world.receive(udp(HOST), &respond(&request, 407, "c", &asks("Proxy-Authenticate", "carrier.test", "n", false), ""));
    assert_eq!(world.take_lines(), ["ACK"]);
    world.assert_rests();
    assert_eq!(world.take_events(), []);
}

/// A trunk that registers has our name there in From, and calls us by it: what was dialled stands in To.
#[test]
fn names_at_the_trunk_are_the_trunks() {
    let mut world = registering();
    world.take_sent();
    let (_, request) = trunk_invite(&mut world);
    assert!(value(&request, HeaderName::From).contains("<sip:+96650@carrier.test>"));
    let invite = Ask::new("INVITE", "in", 1).sdp().text();
    let invite = invite.replace("INVITE sip:500@hatif.test", "INVITE sip:centre@192.0.2.1");
    world.receive(udp(HOST), &invite);
    match world.take_events().as_slice() {
        [Event::Incoming { incoming, .. }] => {
            assert_eq!(incoming.to_user, "500");
            assert_eq!(incoming.identity, Identity::Trunk("stc".into()));
        }
        other => panic!("{other:?}"),
    }
}

/// `inbound_auth = "digest"`: the address alone proves nothing, the login does, from wherever it comes.
#[test]
fn a_trunk_may_prove_itself_by_its_login() {
    let mut world = world(TrunkAccount { inbound: TrunkProof::Digest, ..account() });
    world.receive(udp(HOST), &Ask::new("INVITE", "a", 1).sdp().text());
    let asked = world.take_one();
    assert_eq!(line(&asked), "401 INVITE");
    let asked = asked.header(HeaderName::WwwAuthenticate).unwrap().to_vec();
    let parsed = super::super::super::digest::Challenge::parse(&asked).unwrap();
    let mut answer = super::super::super::digest::Answer {
        username: "centre",
        password: "wrong",
        method: Method::Invite,
        uri: "sip:500@hatif.test",
        cnonce: "c",
        nc: 1,
    };
    let header = |answer: &_| super::super::super::digest::answer_challenge(&parsed, answer).unwrap();
    let line_of = |value: String| format!("Authorization: {value}");
    world.receive(udp(PHONE), &Ask::new("INVITE", "b", 2).sdp().more(&line_of(header(&answer))).text());
    // The challenge went to another address; who is here gets his own.
    let asked = world.take_one();
    assert_eq!(line(&asked), "401 INVITE");
    let asked = asked.header(HeaderName::WwwAuthenticate).unwrap().to_vec();
    let parsed = super::super::super::digest::Challenge::parse(&asked).unwrap();
    let header = |answer: &_| super::super::super::digest::answer_challenge(&parsed, answer).unwrap();
    world.receive(udp(PHONE), &Ask::new("INVITE", "w", 3).sdp().more(&line_of(header(&answer))).text());
    assert_eq!(world.take_lines(), ["401 INVITE"]);
    answer.password = "geheim";
    answer.nc = 2;
    let invite = Ask::new("INVITE", "c", 4).sdp().more(&line_of(header(&answer))).text();
    world.receive(udp(PHONE), &invite.replace("call-1", "call-2"));
    assert_eq!(world.take_lines(), ["100 INVITE"]);
    let events = world.take_events();
    let trunk =
        |e: &Event| matches!(e, Event::Incoming { incoming, .. } if incoming.identity == Identity::Trunk("stc".into()));
    assert!(events.iter().any(trunk), "{events:?}");
    // The login is not a user's: it registers nobody.
    let register = Ask::new("REGISTER", "d", 4).text();
    world.receive(udp(PHONE), &register);
    assert_eq!(world.take_lines(), ["401 REGISTER"]);
}

/// `inbound_auth = "tls"`: only the connection that proved the name is the trunk.
#[test]
fn a_trunk_may_prove_itself_by_its_certificate() {
    let accounts = BTreeMap::from([("stc".to_owned(), TrunkAccount { inbound: TrunkProof::Tls, ..account() })]);
    let peers = BTreeMap::from([("sbc.carrier.test".to_owned(), "stc".to_owned())]);
    let mut world = World::with(SipConfig { trunk_accounts: accounts, trunk_peers: peers, ..config() });
    hosts(&mut world, &[HOST]);
    let mut identity = |peer: Option<&str>, connection: u64| {
        world.act(|e, _| e.handle_opened(connection, remote(HOST), peer.map(str::to_owned)));
        let text = Ask::new("INVITE", "x", 1).sdp().text().replace("z9hG4bKx", &format!("z9hG4bKx{connection}"));
        world.receive(tcp(HOST, connection), &text.replace("call-1", &format!("call-{connection}")));
        world.take_sent();
        match world.take_events().pop() {
            Some(Event::Incoming { incoming, .. }) => incoming.identity,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(identity(None, 1), Identity::Stranger);
    assert_eq!(identity(Some("other.test"), 2), Identity::Stranger);
    assert_eq!(identity(Some("sbc.carrier.test"), 3), Identity::Trunk("stc".into()));
}
