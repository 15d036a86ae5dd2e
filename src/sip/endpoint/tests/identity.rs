//! Who may call and register (CONTRACT, "Who may dial").

use super::super::super::digest::{Algorithm, Answer, Challenge, NONCE_LIFE, answer_challenge};
use super::super::super::header::Method;
use super::*;

/// The Authorization header that answers our 401 with one algorithm.
pub(super) fn authorization(
    refusal: &Message,
    algorithm: Algorithm,
    user: &str,
    password: &str,
    method: Method<'_>,
    nc: u32,
) -> String {
    let challenges = refusal.headers(HeaderName::WwwAuthenticate).filter_map(Challenge::parse).collect::<Vec<_>>();
    let challenge = challenges.iter().find(|c| c.algorithm == Some(algorithm)).unwrap();
    let answer = Answer { username: user, password, method, uri: "sip:500@hatif.test", cnonce: "cn0nce", nc };
    format!("Authorization: {}", answer_challenge(challenge, &answer).unwrap())
}

fn is_stale(refusal: &Message) -> bool {
    refusal.code() == 401 && value(refusal, HeaderName::WwwAuthenticate).contains("stale=true")
}

pub(super) fn ours(method: &'static str, branch: &'static str, cseq: u32) -> Ask {
    Ask { to: "<sip:101@hatif.test>".into(), ..Ask::new(method, branch, cseq) }.from("<sip:101@hatif.test>;tag=ft")
}

fn identity_of(world: &mut World) -> Identity {
    match world.take_events().pop() {
        Some(Event::Incoming { incoming, .. }) => incoming.identity,
        other => panic!("{other:?}"),
    }
}

/// A From in our own domain is challenged, whether the user exists or not, and without state.
#[test]
fn our_own_domain_is_challenged_and_credentials_decide() {
    for (algorithm, nc) in [(Algorithm::Md5, 1), (Algorithm::Sha256, 10), (Algorithm::Sha512Of256, 20)] {
        let mut world = World::new();
        world.receive(udp(PHONE), &Ask::new("INVITE", "a", 1).sdp().from("<sip:nobody@hatif.test>;tag=ft").text());
        let nobody = world.take_one();
        world.receive(udp(PHONE), &ours("INVITE", "b", 1).sdp().text());
        let refusal = world.take_one();
        assert_eq!((nobody.code(), refusal.code()), (401, 401));
        world.receive(udp(PHONE), &ours("ACK", "b", 1).tagged(&tag_of(&value(&refusal, HeaderName::To))).text());
        assert!(world.endpoint.is_idle() && world.take_lines().is_empty());
        let right = authorization(&refusal, algorithm, "101", "secret", Method::Invite, nc);
        let wrong = authorization(&refusal, algorithm, "101", "wrong", Method::Invite, nc);
        let unknown = authorization(&refusal, algorithm, "999", "secret", Method::Invite, nc);
        for bad in [wrong, unknown] {
            world.receive(udp(PHONE), &ours("INVITE", "c", 2).sdp().more(&bad).text());
            assert!(!is_stale(&world.take_one()));
        }
        assert_eq!(world.endpoint.stats().rejected.auth, 2);
        world.receive(udp(PHONE), &ours("INVITE", "d", 3).sdp().more(&right).text());
        assert_eq!(identity_of(&mut world), Identity::User("101".into()));
        assert_eq!(world.take_lines(), ["100 INVITE"]);
        // The same use of the nonce in another call is a replay.
        let replay = ours("INVITE", "e", 4).sdp().more(&right).text().replace("call-1", "call-9");
        world.receive(udp(PHONE), &replay);
        assert!(is_stale(&world.take_one()));
    }
}

/// Credentials, then fixed contact, then trunk, then domain, then stranger.
#[test]
fn credentials_go_before_addresses_and_addresses_before_names() {
    let mut world = World::new();
    world.receive(udp("203.0.113.1:6000"), &ours("INVITE", "a", 1).sdp().text());
    assert_eq!(identity_of(&mut world), Identity::Trunk("carrier".into()));
    let fixed = Ask::new("INVITE", "b", 1).sdp().from("<sip:102@elsewhere.test>;tag=b").text();
    world.receive(udp("203.0.113.1:6001"), &fixed);
    assert_eq!(identity_of(&mut world), Identity::User("102".into()));
    world.receive(udp(PHONE), &fixed.replace("z9hG4bKb", "z9hG4bKc").replace("call-1", "call-2"));
    assert_eq!(identity_of(&mut world), Identity::Stranger);
    world.receive(udp(PHONE), &ours("INVITE", "d", 9).sdp().text());
    let refusal = world.take_sent().pop().unwrap();
    let right = authorization(&refusal, Algorithm::Md5, "101", "secret", Method::Invite, 1);
    // The challenge went elsewhere: it is not ours to answer from here.
    world.receive(udp("203.0.113.1:6000"), &ours("INVITE", "e", 2).sdp().more(&right).text());
    let refusal = world.take_sent().pop().unwrap();
    assert!(is_stale(&refusal));
    let right = authorization(&refusal, Algorithm::Md5, "101", "secret", Method::Invite, 1);
    world.receive(udp("203.0.113.1:6000"), &ours("INVITE", "g", 3).sdp().more(&right).text());
    assert_eq!(identity_of(&mut world), Identity::User("101".into()));
    world.receive(udp(PHONE), &Ask::new("INVITE", "f", 1).sdp().from("<sip:x@192.0.2.1>;tag=f").text());
    assert_eq!(world.take_sent().pop().unwrap().code(), 401, "our address is our domain too");
}

/// libre before 2.1 fails on any challenge that is not MD5.
#[test]
fn old_libre_is_only_challenged_with_md5() {
    let mut world = World::new();
    world.receive(udp(PHONE), &ours("REGISTER", "a", 1).more("User-Agent: baresip v1.0.0 (x86_64/linux)").text());
    assert_eq!(world.take_one().headers(HeaderName::WwwAuthenticate).count(), 1);
    world.receive(udp(PHONE), &ours("REGISTER", "a", 1).text());
    assert_eq!(world.take_one().headers(HeaderName::WwwAuthenticate).count(), 2);
}

/// JsSIP 3.13 keeps the last of several challenges, and MD5 is all it knows: it could not register.
#[test]
fn web_pages_are_only_challenged_with_md5() {
    for transport in [Transport::Ws, Transport::Wss] {
        let mut config = config();
        config.listeners.push(Listener { transport, address: "192.0.2.1:80".parse().unwrap(), advertised: None });
        let mut world = World::with(config);
        world.act(|e, _| e.handle_opened(5, remote(PHONE), None));
        let page = Flow { transport, listener: 2, remote: remote(PHONE), connection: Some(5) };
        world.receive(page, &ours("REGISTER", "a", 1).text());
        let refusal = world.take_one();
        let challenges: Vec<_> = refusal.headers(HeaderName::WwwAuthenticate).collect();
        assert_eq!(challenges.len(), 1);
        assert_eq!(Challenge::parse(challenges[0]).and_then(|c| c.algorithm), Some(Algorithm::Md5));
    }
}

/// A forged source gets little from us: never more than twice what it sent, and where a challenge would be more, 400.
#[test]
fn an_answer_to_a_stranger_is_at_most_twice_its_question() {
    let mut world = World::new();
    let head = "SIP/2.0\r\nv:SIP/2.0/UDP h;branch=z9hG4bKa\r\nf:<sip:a@h>;tag=1\r\nt:<sip:a@h>\r\ni:1\r\n";
    let mut codes = BTreeMap::new();
    for method in ["REGISTER", "INVITE", "OPTIONS", "INFO", "BYE", "CANCEL", "FOO", "SUBSCRIBE"] {
        for padding in (0..1_200).step_by(7) {
            let contact = "m:<sip:a@h>";
            let from = if padding % 2 == 0 { head.to_owned() } else { head.replace("a@h", "a@hatif.test") };
            let text =
                format!("{method} sip:h {from}{contact}\r\nCSeq:1 {method}\r\ns:{}\r\n\r\n", "x".repeat(padding));
            world.receive(udp(PHONE), &text);
            let sent: Vec<Message> = world.take_sent();
            let bytes: usize = sent.iter().map(|m| m.bytes().len()).sum();
            assert!(bytes <= 2 * text.len(), "{bytes} for {}: {text}{sent:?}", text.len());
            for answer in &sent {
                let challenges = answer.headers(HeaderName::WwwAuthenticate).count();
                assert!(answer.code() != 401 || challenges > 0);
                *codes.entry((answer.code(), challenges)).or_insert(0) += 1;
            }
            // What was taken on is given up, so that the next one finds an idle endpoint.
            for event in world.take_events() {
                let Event::Incoming { session, .. } = event else { continue };
                world.act(|e, now| e.reject(now, session, Rejection { code: 403, ..Rejection::default() }));
                world.pass(Duration::from_secs(40));
                assert_eq!(world.take_lines(), ["403 INVITE"], "once");
            }
            world.pass(Duration::from_secs(1));
        }
    }
    assert!(
        [(400, 0), (401, 1), (401, 2), (200, 0), (481, 0)].iter().all(|kind| codes.contains_key(kind)),
        "{codes:?}"
    );
}

/// RFC 3261 §10: register, renew, be found, expire.
#[test]
fn a_phone_registers_renews_and_expires() {
    let mut world = World::new();
    let nat = udp("203.0.113.77:40123");
    world.receive(nat, &ours("REGISTER", "a", 1).text());
    let refusal = world.take_one();
    assert!(world.endpoint.is_idle(), "a challenge keeps no state");
    let proof = |nc| authorization(&refusal, Algorithm::Md5, "101", "secret", Method::Register, nc);
    let register = ours("REGISTER", "b", 2).more(&proof(1)).more("Expires: 120").text();
    world.receive(nat, &register);
    world.receive(nat, &register);
    let sent = world.take_sent();
    assert_eq!(sent.iter().map(line).collect::<Vec<_>>(), ["200 REGISTER", "200 REGISTER"], "repeated: the same 200");
    assert_eq!(value(&sent[0], HeaderName::Contact), format!("<sip:+96650@{PHONE}>;expires=120"));
    assert_eq!(registered(&world.take_events()), [(format!("sip:+96650@{PHONE}"), true)]);
    let contacts = world.endpoint.contacts(world.now, "101");
    let contact = Contact { uri: format!("sip:+96650@{PHONE}"), flow: nat, path: Vec::new() };
    assert_eq!(contacts, [contact], "over the flow it came on");
    world.pass(Duration::from_secs(100));
    world.receive(nat, &ours("REGISTER", "c", 3).more(&proof(2)).more("Expires: 120").text());
    world.pass(Duration::from_secs(119));
    assert_eq!((world.take_lines(), world.take_events()), (vec!["200 REGISTER".into()], vec![]));
    world.pass(Duration::from_secs(1));
    assert_eq!(world.take_events(), [Event::Unregistered { user: "101".into(), loss: Loss::Expired }]);
    assert_eq!(world.endpoint.contacts(world.now, "101"), []);
    world.assert_rests();
}

/// RFC 3261 §10.2.2, §10.3; RFC 7616 §3.3: unregister with `*`; too brief; somebody else; an old nonce.
#[test]
fn a_phone_unregisters_and_may_not_register_others() {
    let mut world = World::new();
    world.receive(udp(PHONE), &ours("REGISTER", "a", 1).text());
    let refusal = world.take_one();
    let proof = |nc| authorization(&refusal, Algorithm::Sha256, "101", "secret", Method::Register, nc);
    world.receive(udp(PHONE), &ours("REGISTER", "b", 2).more(&proof(1)).more("Expires: 10").text());
    let brief = world.take_one();
    assert_eq!((brief.code(), value(&brief, HeaderName::MinExpires)), (423, "60".into()));
    let other = Ask { to: "<sip:102@hatif.test>".into(), ..ours("REGISTER", "c", 3) };
    world.receive(udp(PHONE), &other.more(&proof(2)).text());
    assert_eq!(world.take_one().code(), 403);
    world.receive(udp(PHONE), &ours("REGISTER", "d", 4).more(&proof(3)).text());
    assert!(value(&world.take_one(), HeaderName::Contact).ends_with(";expires=3600"));
    let star = |ask: Ask| ask.text().replace(&format!("<sip:+96650@{PHONE}>\r\n"), "*\r\n");
    world.receive(udp(PHONE), &star(ours("REGISTER", "e", 5).more(&proof(4))));
    assert_eq!(world.take_one().code(), 400, "a star needs Expires: 0");
    world.receive(udp(PHONE), &star(ours("REGISTER", "f", 6).more(&proof(5)).more("Expires: 0")));
    let gone = world.take_one();
    assert_eq!((gone.code(), gone.header(HeaderName::Contact)), (200, None));
    let events = world.take_events();
    assert_eq!(registered(&events), [(format!("sip:+96650@{PHONE}"), true)]);
    assert_eq!(events.last(), Some(&Event::Unregistered { user: "101".into(), loss: Loss::Asked }));
    world.pass(NONCE_LIFE + Duration::from_millis(1));
    world.receive(udp(PHONE), &ours("REGISTER", "g", 7).more(&proof(6)).text());
    assert!(is_stale(&world.take_one()));
    world.assert_rests();
}

/// RFC 5626 §5.3: a registration over TCP ends with its connection; one of a removed user with the reload.
#[test]
fn registrations_end_with_their_connection_or_user() {
    let mut world = World::new();
    let register = |world: &mut World, flow: Flow| {
        let ask = |more: &str| ours("REGISTER", "a", 1).more(more).text().replace("/UDP", "/TCP");
        world.receive(flow, &ask("X-A: b"));
        let refusal = world.take_one();
        let right = authorization(&refusal, Algorithm::Md5, "101", "secret", Method::Register, 1);
        world.receive(
            flow,
            &ask(&right).replace("bKa", "bKb").replace("CSeq: 1", "CSeq: 2").replace("call-1", &right[60..80]),
        );
        assert_eq!(world.take_one().code(), 200);
    };
    register(&mut world, tcp(PHONE, 3));
    world.act(|e, now| e.handle_closed(now, 3));
    assert_eq!(world.take_events().pop(), Some(Event::Unregistered { user: "101".into(), loss: Loss::Closed }));
    register(&mut world, tcp(PHONE, 4));
    world.act(|e, _| e.set_config(SipConfig { users: HashMap::new(), ..config() }));
    assert_eq!(world.take_events().pop(), Some(Event::Unregistered { user: "101".into(), loss: Loss::Asked }));
    assert_eq!(world.endpoint.stats().contacts, 0);
}
