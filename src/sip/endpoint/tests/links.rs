use super::*;
use crate::sip::{LinkOrder, Standing};

fn tls_config() -> SipConfig {
    let address = "192.0.2.1:5061".parse().unwrap();
    let mut config = config();
    config.listeners.push(Listener { transport: Transport::Tls, address, advertised: None });
    config.listeners.push(Listener {
        transport: Transport::Wss,
        address: "[2001:db8::1]:443".parse().unwrap(),
        advertised: None,
    });
    config.trunk_peers.insert("a.example".into(), "carrier-a".into());
    config
}

fn tls(connection: u64) -> Flow {
    Flow { transport: Transport::Tls, listener: 2, remote: remote(PHONE), connection: Some(connection) }
}

/// RFC 5923 §8: who proved to be a.example at an address is not asked for b.example at the same address.
#[test]
fn a_path_belongs_to_one_name_at_one_address() {
    let mut world = World::with(tls_config());
    let at = "203.0.113.9:5061".parse().unwrap();
    let mut flows = Vec::new();
    for name in ["a.example", "b.example", "A.Example"] {
        world.act(|e, _| flows.push(e.flow_to(Transport::Tls, at, name).unwrap()));
    }
    assert_eq!(flows[0], flows[2]);
    assert_ne!(flows[0].connection, flows[1].connection);
    let path = |flow, name: &str| LinkOrder::Path { flow, name: name.into() };
    assert_eq!(std::mem::take(&mut world.orders), [path(flows[0], "a.example"), path(flows[1], "b.example")]);
    // Nothing is told twice, and a path is never lost: the outside opens it again.
    world.act(|e, _| e.handle_opened(flows[0].connection.unwrap(), at, Some("a.example".into())));
    world.act(|e, now| e.handle_closed(now, flows[0].connection.unwrap()));
    assert_eq!(world.endpoint.open_flow(flows[0]), flows[0]);
    // No name is proved in clear, and no listener means no Via.
    let clear = world.endpoint.flow_to(Transport::Tcp, at, "a.example").unwrap();
    assert_eq!((clear.connection, clear.listener), (None, 1));
    assert_eq!(world.endpoint.flow_to(Transport::Wss, at, "a.example"), None);
}

#[test]
fn a_proved_name_is_a_trunk_and_others_on_its_address_are_strangers() {
    let mut world = World::with(tls_config());
    let invite = Ask::new("INVITE", "inv", 1).sdp().text().replace("/UDP", "/TLS");
    world.act(|e, _| e.handle_opened(7, remote(PHONE), Some("a.example".into())));
    world.act(|e, _| e.handle_opened(8, remote(PHONE), Some("b.example".into())));
    let known = LinkOrder::Standing { connection: 7, standing: Standing::Known };
    assert_eq!(std::mem::take(&mut world.orders), [known]);
    for (connection, identity) in [(7, Identity::Trunk("carrier-a".into())), (8, Identity::Stranger)] {
        let invite =
            invite.replace("bKinv", &format!("bKinv{connection}")).replace("call-1", &format!("call-{connection}"));
        world.receive(tls(connection), &invite);
        let Some(Event::Incoming { incoming, session }) = world.take_events().pop() else { panic!() };
        assert_eq!(incoming.identity, identity);
        world.act(|e, now| e.reject(now, session, Rejection { code: 480, ..Rejection::default() }));
    }
    let busy = LinkOrder::Standing { connection: 8, standing: Standing::Busy };
    assert_eq!(std::mem::take(&mut world.orders), [busy], "the trunk's was told before");
}

/// RFC 3261 §18.2.2: a response whose connection is gone goes to the port of sent-by, over a new one.
#[test]
fn a_response_outlives_its_connection() {
    let mut world = World::new();
    let text = Ask::new("INVITE", "inv", 1).sdp().text().replace("/UDP", "/TCP");
    world.receive(tcp("198.51.100.7:51000", 4), &text);
    let Some(Event::Incoming { session, .. }) = world.take_events().pop() else { panic!() };
    world.act(|e, now| e.handle_closed(now, 4));
    world.act(|e, now| e.reject(now, session, Rejection { code: 486, ..Rejection::default() }));
    let (_, flow, busy) = world.sent.pop().unwrap();
    assert_eq!((line(&busy).as_str(), flow.connection), ("486 INVITE", None));
    assert_eq!(flow.remote, SocketAddr::new(remote("198.51.100.7:1").ip(), busy.via().unwrap().port.unwrap_or(5060)));
}

/// Only what was to go there fails: not what goes to the same address for another name.
#[test]
fn a_path_that_cannot_be_opened_fails_its_own_requests() {
    let mut world = World::with(tls_config());
    let at = "203.0.113.9:5061".parse().unwrap();
    let mut calls = Vec::new();
    for name in ["a.example", "b.example"] {
        world.act(|e, now| {
            let flow = e.flow_to(Transport::Tls, at, name).unwrap();
            let uri = format!("sip:100@{name}");
            calls.push((flow, e.invite(now, Invite { flow, uri, ..invite() })));
        });
    }
    let sent = std::mem::take(&mut world.sent);
    assert_eq!(sent.iter().map(|(_, flow, _)| *flow).collect::<Vec<_>>(), [calls[0].0, calls[1].0]);
    assert!(value(&sent[0].2, HeaderName::Via).starts_with("SIP/2.0/TLS 192.0.2.1:5061;"));
    assert!(value(&sent[0].2, HeaderName::Contact).contains("@192.0.2.1:5061;transport=tls>"));
    world.act(|e, now| e.handle_send_failed(now, calls[1].0));
    let events = world.take_events();
    let [Event::Failed { session, code: 503, .. }] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(*session, calls[1].1);
}

/// RFC 7118 §5.2: `WSS` in Via, `ws` in URIs, IPv6 in brackets.
#[test]
fn a_listener_says_its_transport_in_via_and_contact() {
    let world = World::with(tls_config());
    let flow =
        Flow { transport: Transport::Wss, listener: 3, remote: remote("[2001:db8::9]:5000"), connection: Some(9) };
    assert!(world.endpoint.via(flow, 2).starts_with("SIP/2.0/WSS [2001:db8::1]:443;rport;branch=z9hG4bK"));
    assert_eq!(world.endpoint.contact(flow, "600"), "<sip:600@[2001:db8::1]:443;transport=ws>");
}

/// RFC 7118 §5.2, §5.5: a page has no address. When its socket was cut and it registers over another, the dialogs that it had go
/// on there; those of another page of the same user do not.
#[test]
fn the_dialogs_of_a_page_follow_it_to_its_next_connection() {
    let address = "192.0.2.1:80".parse().unwrap();
    let mut config = config();
    config.listeners.push(Listener { transport: Transport::Ws, address, advertised: None });
    let ws = |connection| Flow { transport: Transport::Ws, listener: 2, remote: remote(PHONE), connection };
    let page = "sip:k2a9@8df3.invalid;transport=ws";
    let mut world = World::with(config);
    let register = |world: &mut World, connection, page: &str, cseq| {
        world.act(|e, _| e.handle_opened(connection, remote(PHONE), None));
        let edit = |text: String| {
            let (before, rest) = text.split_once("Contact: ").unwrap();
            let (_, after) = rest.split_once("\r\n").unwrap();
            format!("{before}Contact: <{page}>\r\n{after}").replace("/UDP", "/WS")
        };
        super::register::register_again(world, ws(Some(connection)), "", edit, cseq);
        world.take_events();
    };
    register(&mut world, 5, page, 1);
    let mut session = SessionId(0);
    let to = "sip:101@hatif.test".to_owned();
    world.act(|e, now| session = e.invite(now, Invite { flow: ws(Some(5)), uri: page.into(), to, ..invite() }));
    let request = world.take_one();
    let contact = format!("Contact: <{page};ob>\r\n");
    world.receive(ws(Some(5)), &respond(&request, 200, "t1", &contact, SDP));
    world.take_sent();
    world.act(|e, now| e.handle_closed(now, 5));
    register(&mut world, 6, "sip:other@1111.invalid;transport=ws", 3);
    register(&mut world, 7, page, 5);
    world.sent.clear();
    world.act(|e, now| e.reinvite(now, session, Bytes::from(SDP)));
    let (_, flow, again) = world.sent.pop().unwrap();
    assert_eq!((line(&again).as_str(), flow.connection), ("INVITE", Some(7)));
}
