//! Virtual time throughout.

use super::*;

fn flow(transport: Transport, connection: Option<u64>) -> Flow {
    Flow { transport, listener: 0, remote: "10.0.0.7:40000".parse().unwrap(), connection }
}

fn udp() -> Flow {
    flow(Transport::Udp, None)
}

fn contact(uri: &str, expires_s: Option<u32>) -> WantedContact {
    WantedContact { uri: uri.to_owned(), expires_s, q: 1000, instance: None, reg_id: None }
}

const FREE: Terms = Terms { expires_max_s: EXPIRES_MAX_S, watched: false };
const WATCHED: Terms = Terms { expires_max_s: 120, watched: true };

fn ask(cseq: u32, flow: Flow, contacts: Vec<WantedContact>) -> Registration<'static> {
    let (contacts, path) = (Wanted::Each(contacts), Vec::new());
    Registration { user: "101", terms: FREE, call_id: "c1".into(), cseq, flow, path, contacts }
}

fn gone(loss: Loss) -> Change {
    Change::Gone { user: "101".into(), loss }
}

fn dropped(uri: &str, loss: Loss) -> Change {
    Change::Dropped { user: "101".into(), uri: uri.into(), loss }
}

/// URIs of what was added in these changes, with `first`.
fn added(changes: &[Change]) -> Vec<(String, bool)> {
    let one = |change: &Change| match change {
        Change::Added { binding, first, .. } => Some((binding.uri.clone(), *first)),
        Change::Dropped { .. } | Change::Gone { .. } => None,
    };
    changes.iter().filter_map(one).collect()
}

fn uris(registrar: &Registrar, now: Instant) -> Vec<String> {
    registrar.contacts(now, "101").into_iter().map(|c| c.uri).collect()
}

/// RFC 3261 §10.3: the time granted is ours to cut; when it is over the contact is gone.
#[test]
fn a_contact_lives_as_long_as_granted() {
    let now = Instant::now();
    let mut registrar = Registrar::default();
    let change = registrar.register(now, ask(1, udp(), vec![contact("sip:101@a", Some(90_000))]));
    assert_eq!(added(&change.unwrap()), [("sip:101@a".to_owned(), true)]);
    assert_eq!(
        registrar.remaining(now, "101").map(|(b, left)| (b.uri.as_str(), left)).collect::<Vec<_>>(),
        [("sip:101@a", 3600)]
    );
    let end = now + Duration::from_secs(3600);
    assert_eq!(registrar.poll_timeout(), Some(end));
    assert_eq!(registrar.handle_timeout(end - Duration::from_millis(1)), Due::default());
    assert_eq!(registrar.handle_timeout(end).changes, [gone(Loss::Expired)]);
    assert_eq!((registrar.len(), registrar.poll_timeout()), (0, None));
}

/// RFC 3261 §10.3 step 7: an old request that arrives late changes nothing.
#[test]
fn a_late_request_of_the_same_call_id_is_out_of_order() {
    let now = Instant::now();
    let mut registrar = Registrar::default();
    registrar.register(now, ask(5, udp(), vec![contact("sip:101@a", None)])).unwrap();
    assert_eq!(registrar.register(now, ask(5, udp(), vec![contact("sip:101@a", Some(0))])), Err(Refusal::OutOfOrder));
    let all = Registration { contacts: Wanted::ForgetAll, ..ask(4, udp(), vec![]) };
    assert_eq!(registrar.register(now, all), Err(Refusal::OutOfOrder));
    let other = Registration { call_id: "c2".into(), ..ask(1, udp(), vec![contact("sip:101@a", Some(0))]) };
    assert_eq!(registrar.register(now, other), Ok(vec![gone(Loss::Asked)]));
}

/// RFC 3261 §10.2.8: 423 below the minimum, and nothing is changed.
#[test]
fn too_brief_is_refused_whole() {
    let now = Instant::now();
    let mut registrar = Registrar::default();
    let both = vec![contact("sip:101@a", None), contact("sip:101@b", Some(59))];
    assert_eq!(registrar.register(now, ask(1, udp(), both)), Err(Refusal::TooBrief));
    assert!(registrar.is_empty());
}

#[test]
fn the_eleventh_contact_replaces_the_oldest() {
    let now = Instant::now();
    let mut registrar = Registrar::default();
    for n in 1..=11 {
        registrar.register(now, ask(n, udp(), vec![contact(&format!("sip:101@h{n}"), None)])).unwrap();
    }
    let uris = uris(&registrar, now);
    assert_eq!((uris.len(), registrar.len()), (10, 10));
    assert_eq!(uris.first().map(String::as_str), Some("sip:101@h11"), "the newest is the best guess");
    assert!(!uris.contains(&"sip:101@h1".to_owned()));
}

#[test]
fn contacts_over_a_broken_connection_are_gone_and_others_stay() {
    let now = Instant::now();
    let mut registrar = Registrar::default();
    let tcp = flow(Transport::Tcp, Some(9));
    registrar.register(now, ask(1, tcp, vec![contact("sip:101@t;transport=tcp", None)])).unwrap();
    registrar.register(now, ask(2, udp(), vec![contact("sip:101@u", None)])).unwrap();
    assert_eq!(registrar.handle_closed(9), [dropped("sip:101@t;transport=tcp", Loss::Closed)]);
    assert_eq!(uris(&registrar, now), ["sip:101@u"]);
    assert_eq!(registrar.handle_closed(9), []);
    assert!(registrar.connections.is_empty());
}

#[test]
fn preference_comes_before_age_and_equal_uris_are_one() {
    let now = Instant::now();
    let mut registrar = Registrar::default();
    let low = WantedContact { q: 100, ..contact("sip:101@low", None) };
    registrar.register(now, ask(1, udp(), vec![contact("sip:101@HIGH;x=1", None), low])).unwrap();
    registrar.register(now, ask(2, udp(), vec![contact("sip:101@high;x=1", None)])).unwrap();
    assert_eq!(uris(&registrar, now), ["sip:101@high;x=1", "sip:101@low"]);
    assert_eq!(registrar.keep_users(|_| false), [gone(Loss::Asked)]);
}

/// RFC 5626 §6: the same flow of the same phone has one contact, whatever URI it gives; another flow has its own.
#[test]
fn a_new_flow_of_the_same_number_replaces_the_old_one() {
    let now = Instant::now();
    let mut registrar = Registrar::default();
    let flow_of = |n: u32, uri: &str| WantedContact {
        instance: Some("<urn:uuid:1>".into()),
        reg_id: Some(n),
        ..contact(uri, None)
    };
    registrar.register(now, ask(1, udp(), vec![flow_of(1, "sip:101@a")])).unwrap();
    registrar.register(now, ask(2, udp(), vec![flow_of(2, "sip:101@b")])).unwrap();
    let changes = registrar.register(now, ask(3, udp(), vec![flow_of(1, "sip:101@c")])).unwrap();
    assert_eq!((added(&changes).as_slice(), changes.len()), ([("sip:101@c".to_owned(), false)].as_slice(), 1));
    assert_eq!(uris(&registrar, now), ["sip:101@c", "sip:101@b"]);
}

/// What a later process has to know is told; a renewal that changes nothing is not.
#[test]
fn another_way_to_a_contact_is_told_and_a_renewal_is_not() {
    let now = Instant::now();
    let mut registrar = Registrar::default();
    let moved = Flow { remote: "10.0.0.7:40001".parse().unwrap(), ..udp() };
    let mut take = |request| added(&registrar.register(now, request).unwrap());
    assert_eq!(take(ask(1, udp(), vec![contact("sip:101@a", None)])), [("sip:101@a".to_owned(), true)]);
    assert_eq!(take(ask(2, udp(), vec![contact("sip:101@a", None)])), []);
    assert_eq!(take(ask(3, moved, vec![contact("sip:101@a", None)])), [("sip:101@a".to_owned(), false)]);
    let path = vec!["<sip:proxy.test;lr>".to_owned()];
    let through = Registration { path: path.clone(), ..ask(4, moved, vec![contact("sip:101@a", None)]) };
    assert_eq!(take(through), [("sip:101@a".to_owned(), false)]);
    assert_eq!(registrar.contacts(now, "101").first().map(|c| c.path.clone()), Some(path));
}

/// A phone that lost its power is seen within 45 s of its last sign of life; one that answers stays.
#[test]
fn a_watched_phone_that_is_silent_is_asked_twice_and_then_gone() {
    let start = Instant::now();
    let at = |s: u64| start + Duration::from_secs(s);
    let mut registrar = Registrar::default();
    let request = Registration { terms: WATCHED, ..ask(1, udp(), vec![contact("sip:101@a", Some(3600))]) };
    registrar.register(start, request).unwrap();
    let left = registrar.remaining(start, "101").map(|(_, left)| left).collect::<Vec<_>>();
    assert_eq!(left, [120], "agents' registrations are short");
    registrar.heard(at(10), udp());
    let mut seen = Vec::new();
    while let Some(now) = registrar.poll_timeout().filter(|now| *now < at(90)) {
        let due = registrar.handle_timeout(now);
        let second = (now - start).as_secs();
        // It answers the first question.
        if !due.asks.is_empty() && second == 40 {
            registrar.heard(at(41), udp());
        }
        seen.extend(due.asks.iter().map(|_| (second, "asked")));
        seen.extend(due.changes.iter().map(|change| {
            assert_eq!(*change, gone(Loss::Silent));
            (second, "gone")
        }));
    }
    assert_eq!(seen, [(40, "asked"), (71, "asked"), (78, "asked"), (85, "gone")]);
    assert!(registrar.is_empty() && registrar.remotes.is_empty() && registrar.due.is_empty());
}

/// Over streams the connection says it.
#[test]
fn streams_and_users_that_are_not_watched_are_not_asked() {
    let now = Instant::now();
    let mut registrar = Registrar::default();
    let tcp =
        Registration { terms: WATCHED, ..ask(1, flow(Transport::Tcp, Some(3)), vec![contact("sip:101@t", None)]) };
    registrar.register(now, tcp).unwrap();
    registrar.register(now, Registration { user: "201", ..ask(1, udp(), vec![contact("sip:201@u", None)]) }).unwrap();
    assert_eq!(registrar.poll_timeout(), Some(now + Duration::from_secs(120)));
    assert!(registrar.remotes.is_empty());
}

/// After a restart a phone is called at once, and has to show soon that it is still there.
#[test]
fn a_restored_contact_is_valid_at_once_and_asked_soon() {
    let now = Instant::now();
    let mut registrar = Registrar::default();
    let request = Registration { terms: WATCHED, ..ask(7, udp(), vec![contact("sip:101@a", None)]) };
    let changes = registrar.register(now, request).unwrap();
    let Some(Change::Added { binding, .. }) = changes.into_iter().next() else { panic!("nothing added") };
    let mut next = Registrar::default();
    let changes = next.restore(now, "101", *binding, WATCHED);
    assert_eq!(added(&changes), [("sip:101@a".to_owned(), true)]);
    assert_eq!(uris(&next, now), ["sip:101@a"]);
    assert!(next.poll_timeout().is_some_and(|at| at <= now + Duration::from_secs(6)));
    let late = Registration { terms: WATCHED, ..ask(7, udp(), vec![contact("sip:101@a", None)]) };
    assert_eq!(next.register(now, late), Err(Refusal::OutOfOrder), "Call-ID and CSeq are kept");
}

/// 1,200 contacts that renew for hours need no more room than at first.
#[test]
fn renewals_do_not_grow_the_tables() {
    let start = Instant::now();
    let mut registrar = Registrar::default();
    let users: Vec<String> = (0..120).map(|n| n.to_string()).collect();
    for round in 1..=50 {
        let now = start + Duration::from_secs(u64::from(round) * 60);
        for user in &users {
            for n in 0..10 {
                let flow = Flow { remote: ([10, 0, 0, n], 5060).into(), ..udp() };
                let contacts = vec![contact(&format!("sip:{user}@h{n}"), None)];
                let request =
                    Registration { user, terms: WATCHED, call_id: n.to_string(), ..ask(round, flow, contacts) };
                registrar.register(now, request).unwrap();
            }
        }
        registrar.handle_timeout(now);
    }
    assert_eq!((registrar.len(), registrar.due.len(), registrar.remotes.len()), (1_200, 120, 10));
}
