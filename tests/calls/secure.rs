//! What protects the media of a leg: keys in SDP, taken where nobody can read them on their way.

use hatif::call::config::{LegProfile, Srtp};
use hatif::engine::Settings;
use hatif::media::Command as Media;
use hatif::media::seal::Security;
use hatif::sip::Transport;
use hatif::sip::config::Listener;

use crate::centre::*;
use crate::phone::{body, header, sdp};

const KEY: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

/// A phone's description with a key; `protocol` as it says.
fn keyed(at: std::net::SocketAddr, protocol: &str) -> String {
    sdp(at, "sendrecv").replace("RTP/AVP", protocol) + &format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\r\n")
}

fn with_tls(settings: &mut Settings) {
    let address = addr("10.0.0.1:5061");
    settings.sip.listeners.push(Listener { transport: Transport::Tls, address, advertised: None });
}

fn our_key(message: &str) -> Option<&str> {
    body(message).lines().find_map(|line| line.strip_prefix("a=crypto:"))
}

/// How many times media was told of keys, and of none.
fn told(centre: &Centre) -> Vec<bool> {
    let keyed = |command: &Media| match command {
        Media::Update { terms, .. } => Some(matches!(terms.security, Security::Sdes { .. })),
        _ => None,
    };
    centre.media.iter().filter_map(keyed).collect()
}

#[test]
fn keys_over_tls_are_answered_and_go_on_through_a_re_invite() {
    let mut centre = Centre::with(with_tls);
    centre.tls.insert(trunk());
    let mut caller = centre.dial_with(trunk(), "1", "500", "Max-Forwards: 70", &keyed(trunk(), "RTP/SAVP"));
    let answer = centre.answered(&mut caller);
    assert!(body(&answer).contains(" RTP/SAVP 8 101\r\n"), "{answer}");
    let ours = our_key(&answer).expect("our key").to_owned();
    assert!(ours.starts_with("1 AES_CM_128_HMAC_SHA1_80 inline:") && !ours.contains(KEY));
    assert_eq!(told(&centre), [true]);
    // The same key of ours: its packets go on counting (RFC 4568 §7.1.4).
    let hold = keyed(trunk(), "RTP/SAVP").replace("sendrecv", "sendonly");
    let again = centre.reinvites(&mut caller, &hold);
    assert_eq!(our_key(&again), Some(ours.as_str()));
    // Asked for an offer, we do not fall back to a plain one.
    centre.offers(&mut caller, "");
    centre.expect(trunk(), "SIP/2.0 100");
    let ok = centre.expect(trunk(), "SIP/2.0 200");
    assert!(body(&ok).contains(" RTP/SAVP 8 0 101\r\n") && our_key(&ok).is_some(), "{ok}");
    centre.ack_with(&caller, &keyed(trunk(), "RTP/SAVP").replace("crypto:1", "crypto:2"));
    assert_eq!(told(&centre).last(), Some(&true));
    // Keys that were given up are not taken up again: their counters are lost.
    let plain = centre.reinvites(&mut caller, &sdp(trunk(), "sendrecv"));
    assert_eq!((our_key(&plain), told(&centre).last()), (None, Some(&false)));
    let again = centre.reinvites(&mut caller, &keyed(trunk(), "RTP/SAVP"));
    assert!(our_key(&again).is_some_and(|key| key != ours));
    // Nor are those of another suite, when its turn comes again.
    let other = |message: &str| message.replace("AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32");
    centre.reinvites(&mut caller, &other(&keyed(trunk(), "RTP/SAVP")));
    let back = centre.reinvites(&mut caller, &keyed(trunk(), "RTP/SAVP"));
    assert!(our_key(&back).is_some_and(|key| Some(key) != our_key(&again) && key != ours));
    // Another call has another key.
    centre.bye(&mut caller);
    let mut next = centre.dial_with(trunk(), "1", "500", "Max-Forwards: 70", &keyed(trunk(), "RTP/AVP"));
    let answer = centre.answered(&mut next);
    assert!(body(&answer).contains(" RTP/AVP 8 101\r\n"), "opportunistic: {answer}");
    assert!(our_key(&answer).is_some_and(|key| key != ours));
    centre.bye(&mut next);
    centre.nothing_is_left();
}

#[test]
fn keys_that_anybody_could_read_are_not_taken() {
    let mut centre = Centre::new();
    let mut bad = centre.dial_with(trunk(), "1", "500", "Max-Forwards: 70", &keyed(trunk(), "RTP/SAVP"));
    let refusal = centre.refused(&mut bad, 488);
    assert_eq!(header(&refusal, "Warning"), Some("399 10.0.0.1 \"keys in SDP are not taken on this connection\""));
    // An offer that is plain otherwise is as plain as without them.
    let mut caller = centre.dial_with(trunk(), "1", "500", "Max-Forwards: 70", &keyed(trunk(), "RTP/AVP"));
    assert_eq!(our_key(&centre.answered(&mut caller)), None);
    assert_eq!(told(&centre), [false]);
    centre.bye(&mut caller);
    centre.nothing_is_left();
}

#[test]
fn what_must_be_encrypted_never_goes_out_plain() {
    let required = |settings: &mut Settings| {
        with_tls(settings);
        let profile = LegProfile { srtp: Srtp::Required, ..LegProfile::default() };
        settings.call.trunks.get_mut("carrier").expect("carrier").profile = profile.clone();
        settings.call.profiles.insert("102".into(), profile);
    };
    let mut centre = Centre::with(required);
    centre.tls.insert(trunk());
    let mut bad = centre.dial_with(trunk(), "1", "500", "Max-Forwards: 70", &sdp(trunk(), "sendrecv"));
    let refusal = centre.refused(&mut bad, 488);
    assert_eq!(header(&refusal, "Warning"), Some("399 10.0.0.1 \"encryption is required here\""));
    let mut caller = centre.dial_with(trunk(), "1", "500", "Max-Forwards: 70", &keyed(trunk(), "RTP/SAVP"));
    centre.answered(&mut caller);
    let plain = centre.reinvites(&mut caller, &sdp(trunk(), "sendrecv"));
    assert!(plain.starts_with("SIP/2.0 488"), "not later either: {plain}");
    centre.bye(&mut caller);
    // Who leaves the offer to us gets one with keys, best first; over UDP he gets none.
    let mut late = centre.dial_with(trunk(), "1", "500", "Max-Forwards: 70", "");
    let offer = centre.answered_with(&mut late, &keyed(trunk(), "RTP/SAVP").replace("crypto:1", "crypto:2"));
    assert!(body(&offer).contains(" RTP/SAVP 8 0 101\r\n"), "{offer}");
    assert!(our_key(&offer).is_some_and(|line| line.starts_with("1 AEAD_AES_128_GCM inline:")));
    assert_eq!(told(&centre).last(), Some(&true));
    centre.bye(&mut late);
    centre.tls.clear();
    let mut late = centre.dial_with(trunk(), "1", "500", "Max-Forwards: 70", "");
    centre.refused(&mut late, 488);
    // His phone is at a fixed address over UDP: it is not rung.
    let mut caller = centre.dial(desk(103), "103", "102");
    centre.refused(&mut caller, 488);
    centre.nothing_is_left();
}
