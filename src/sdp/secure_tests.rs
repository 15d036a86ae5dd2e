//! What protects a stream, by texts: keys in SDP, DTLS with a browser, and what is refused.

use proptest::prelude::*;

use super::crypto::{Crypto, Suite};
use super::*;

const CODECS: &[Codec] = &[Codec::Pcma, Codec::Pcmu, Codec::Opus];
const KEY: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
const GCM_KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYg==";

fn local(srtp: Srtp, dtls: bool) -> Local {
    let mut random = [0; OwnKeys::BYTES];
    (0u8..).zip(&mut random).for_each(|(n, byte)| *byte = n);
    let ice = Ice { ufrag: "hAtF".into(), password: "0123456789abcdefghijkl".into() };
    let dtls = dtls.then(|| OwnDtls { fingerprint: "sha-256 0A:1B".into(), ice });
    let keys = (srtp != Srtp::Never).then(|| OwnKeys::new(random));
    let address = "192.0.2.1".parse().unwrap();
    Local { address, port: 20_000, session: 11, version: 2, security: Own { srtp, keys, dtls } }
}

fn sdp(media: &str) -> Sdp {
    let text = format!("v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n{media}");
    Sdp::parse(text.as_bytes()).unwrap()
}

fn answered(offer: &Sdp, local: &Local) -> Result<(String, Negotiated), SdpError> {
    let (bytes, negotiated) = answer(offer, local, CODECS, None)?;
    Ok((String::from_utf8(bytes.to_vec()).unwrap(), negotiated))
}

fn sdes(negotiated: &Negotiated) -> (&Crypto, &Crypto) {
    match &negotiated.security {
        Security::Sdes { ours, theirs } => (ours, theirs),
        other => panic!("{other:?}"),
    }
}

fn dtls(negotiated: &Negotiated) -> &Dtls {
    match &negotiated.security {
        Security::Dtls(dtls) => dtls,
        other => panic!("{other:?}"),
    }
}

/// RFC 4568 §5.1.2, §5.1.3: one line is taken, by its tag; the answer's key is ours.
#[test]
fn keys_are_answered_with_ours_of_the_best_suite() {
    let offer = sdp(&format!(
        "m=audio 4000 RTP/SAVP 8\r\na=crypto:1 F8_128_HMAC_SHA1_80 inline:{KEY}\r\n\
         a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^20\r\na=crypto:7 AEAD_AES_128_GCM inline:{GCM_KEY}\r\n"
    ));
    let (text, n) = answered(&offer, &local(Srtp::Offer, false)).unwrap();
    let (ours, theirs) = sdes(&n);
    assert_eq!((ours.tag, ours.suite, theirs.suite), (7, Suite::AeadAes128Gcm, Suite::AeadAes128Gcm));
    assert_eq!(theirs.key_salt, b"0123456789abcdef0123456789ab");
    assert_eq!(ours.key_salt, (0u8..28).collect::<Vec<_>>());
    assert!(text.contains("m=audio 20000 RTP/SAVP 8\r\n"), "{text}");
    let lines: Vec<_> = text.lines().filter(|line| line.starts_with("a=crypto")).collect();
    assert_eq!(lines, ["a=crypto:7 AEAD_AES_128_GCM inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw=="]);
}

/// RFC 8643 §3.1: a plain offer with keys is answered by keys, its transport stays.
#[test]
fn keys_of_a_plain_offer_are_taken_too() {
    let offer = sdp(&format!("m=audio 4000 RTP/AVP 8\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\r\n"));
    let (text, n) = answered(&offer, &local(Srtp::Offer, false)).unwrap();
    assert_eq!(sdes(&n).1.suite, Suite::AesCm128HmacSha1_80);
    assert!(
        text.contains("m=audio 20000 RTP/AVP 8\r\n") && text.contains("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:")
    );
    // Where keys are not taken, or cannot be read, the offer is as plain as it says.
    let (text, n) = answered(&offer, &local(Srtp::Never, false)).unwrap();
    assert_eq!((n.security, text.contains("a=crypto")), (Security::None, false));
    let offer = sdp("m=audio 4000 RTP/AVP 8\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:xx\r\n");
    assert_eq!(answered(&offer, &local(Srtp::Offer, false)).unwrap().1.security, Security::None);
}

#[test]
fn what_cannot_be_protected_is_refused_with_the_cause() {
    let keyed = format!("m=audio 4000 RTP/SAVP 8\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\r\n");
    let mki = format!("m=audio 4000 RTP/SAVP 8\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^20|1:4\r\n");
    let error = |media: &str, srtp, dtls| answered(&sdp(media), &local(srtp, dtls)).unwrap_err().to_string();
    assert_eq!(error(&keyed, Srtp::Never, false), "keys in SDP are not taken on this connection");
    assert_eq!(error(&mki, Srtp::Offer, false), "none of the keys can be used");
    assert_eq!(error("m=audio 4000 RTP/AVP 8\r\n", Srtp::Required, true), "encryption is required here");
    assert_eq!(error("m=audio 4000 RTP/SAVP 8\r\n", Srtp::Offer, false), "audio over RTP/SAVP is not taken here");
    let browser = |lines: &str| format!("m=audio 9 UDP/TLS/RTP/SAVPF 8\r\n{lines}");
    assert_eq!(error(&browser(""), Srtp::Offer, false), "audio over UDP/TLS/RTP/SAVPF is not taken here");
    let ice = "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n";
    for (lines, cause) in [
        (String::new(), "DTLS without a role that we can answer (a=setup)"),
        (format!("{ice}a=setup:holdconn\r\n"), "DTLS without a role that we can answer (a=setup)"),
        (format!("{ice}a=setup:actpass\r\n"), "DTLS without a fingerprint"),
        (format!("{ice}a=setup:actpass\r\na=fingerprint:sha-256 zz\r\n"), "DTLS without a fingerprint"),
        ("a=setup:actpass\r\na=fingerprint:sha-256 AB:CD\r\n".into(), "DTLS without ICE"),
        (
            "a=setup:active\r\na=fingerprint:sha-1 AB\r\na=ice-ufrag:abc\r\na=ice-pwd:short\r\n".into(),
            "DTLS without ICE",
        ),
    ] {
        assert_eq!(error(&browser(&lines), Srtp::Offer, true), cause);
    }
    // The first stream that can be taken is taken, whatever stands before it.
    let (text, n) =
        answered(&sdp(&format!("m=audio 4002 RTP/AVP 8\r\n{keyed}")), &local(Srtp::Required, false)).unwrap();
    assert_eq!(n.remote, Some("198.51.100.7:4000".parse().unwrap()));
    assert!(text.contains("m=audio 0 RTP/AVP 8\r\n"));
}

#[test]
fn required_keys_are_offered_and_the_answers_taken_by_their_tag() {
    let (ours, formats) = (local(Srtp::Required, false), Formats::new(&[Codec::Pcma], false));
    let text = offer(&ours, &formats);
    let text = std::str::from_utf8(&text).unwrap();
    assert!(text.contains("m=audio 20000 RTP/SAVP 8 101\r\n"), "{text}");
    assert!(
        text.contains("a=crypto:1 AEAD_AES_128_GCM inline:")
            && text.contains("a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:")
    );
    let reply = |protocol: &str, line: &str| sdp(&format!("m=audio 4000 {protocol} 8\r\n{line}\r\n"));
    let good = reply("RTP/SAVP", &format!("a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:{KEY}"));
    let n = accept(&good, &ours, &formats).unwrap();
    let (mine, theirs) = sdes(&n);
    assert_eq!((mine.tag, mine.suite, mine.key_salt.len()), (2, Suite::AesCm128HmacSha1_80, 30));
    assert_eq!(theirs.key_salt, b"YS___semctl () {\t220;}\n}\nunles");
    // Another suite by that tag, a tag that we did not give, no encryption at all: nothing was agreed.
    for bad in [
        reply("RTP/SAVP", &format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}")),
        reply("RTP/SAVP", &format!("a=crypto:3 AES_CM_128_HMAC_SHA1_80 inline:{KEY}")),
        reply("RTP/SAVP", "a=sendrecv"),
        reply("RTP/AVP", "a=sendrecv"),
    ] {
        assert!(accept(&bad, &ours, &formats).is_err());
    }
    // Where nothing is there to protect it with, a plain answer is none.
    let bare = Local { security: Own { keys: None, ..ours.security.clone() }, ..ours.clone() };
    assert!(accept(&reply("RTP/AVP", "a=sendrecv"), &bare, &formats).is_err());
    // Nor is a key where none was offered: nobody would know ours.
    assert!(accept(&good, &local(Srtp::Offer, false), &formats).is_err());
}

/// What Chromium 142 sends by JsSIP 3: trickle, BUNDLE, no candidates yet.
const CHROMIUM: &str = "v=0\r\no=- 4962303333179871722 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n\
    a=extmap-allow-mixed\r\na=msid-semantic: WMS 0cb3\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126\r\n\
    c=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:ETEn\r\na=ice-pwd:OtSK0WpNtpUjkY4+86js7Z/l\r\n\
    a=ice-options:trickle\r\na=fingerprint:sha-256 49:66:12:17:0D:1C:91:AE:57:4C:C6:36:DD:D5:97:D2:7D:62:C9:9A:7F:\
    B9:A3:F4:70:03:E7:43:91:73:23:5E\r\na=setup:actpass\r\na=mid:0\r\n\
    a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\na=sendrecv\r\na=msid:0cb3 7f2e\r\na=rtcp-mux\r\n\
    a=rtcp-rsize\r\na=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n\
    a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\na=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
    a=rtpmap:13 CN/8000\r\na=rtpmap:110 telephone-event/48000\r\na=rtpmap:126 telephone-event/8000\r\n\
    a=ssrc:2570980487 cname:Qn6NtbO3\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\n\
    a=rtpmap:96 VP8/90000\r\n";

#[test]
fn a_browser_is_answered_with_ice_lite_and_g711() {
    let (text, n) = answered(&Sdp::parse(CHROMIUM.as_bytes()).unwrap(), &local(Srtp::Offer, true)).unwrap();
    assert_eq!(
        text,
        "v=0\r\no=hatif 11 2 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\na=group:BUNDLE 0\r\na=ice-lite\r\n\
         m=audio 20000 UDP/TLS/RTP/SAVPF 8 13 126\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:13 CN/8000\r\n\
         a=rtpmap:126 telephone-event/8000\r\na=fmtp:126 0-15\r\na=ptime:20\r\na=sendrecv\r\na=rtcp-mux\r\na=mid:0\r\n\
         a=setup:passive\r\na=fingerprint:sha-256 0A:1B\r\na=ice-ufrag:hAtF\r\na=ice-pwd:0123456789abcdefghijkl\r\n\
         a=candidate:1 1 UDP 2130706431 192.0.2.1 20000 typ host\r\na=end-of-candidates\r\n\
         m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\n"
    );
    let agreed = dtls(&n);
    assert_eq!(
        (agreed.role, agreed.theirs.ufrag.as_str(), agreed.ours.ufrag.as_str()),
        (Role::Passive, "ETEn", "hAtF")
    );
    assert_eq!(agreed.theirs.password, "OtSK0WpNtpUjkY4+86js7Z/l");
    assert_eq!(agreed.fingerprints[0].0, "sha-256");
    assert!(agreed.fingerprints[0].1.starts_with("49:66:12") && agreed.fingerprints[0].1.len() == 95);
    // ICE finds the way: 0.0.0.0 is no hold here.
    assert_eq!((n.remote, n.direction, n.rtcp_mux), (None, Direction::SendRecv, true));
    let opus = answer(&Sdp::parse(CHROMIUM.as_bytes()).unwrap(), &local(Srtp::Never, true), &[Codec::Opus], None);
    assert_eq!(opus.unwrap().1.events, Some(Events { send: 110, receive: 110 }));
    assert!(!format!("{n:?}").contains("OtSK0"), "no password in a log");
}

/// The offer that a browser gets from us, and the answer that Chromium gives to it.
#[test]
fn a_browser_is_offered_what_it_would_offer() {
    let (ours, formats) = (local(Srtp::Required, true), Formats::new(&[Codec::Pcma, Codec::Opus], false));
    let text = offer(&ours, &formats);
    let text = std::str::from_utf8(&text).unwrap();
    for line in ["a=group:BUNDLE 0", "a=ice-lite", "a=mid:0", "a=rtcp-mux", "a=setup:actpass", "a=end-of-candidates"] {
        assert!(text.contains(&format!("\r\n{line}\r\n")), "{line}\n{text}");
    }
    assert!(text.contains("m=audio 20000 UDP/TLS/RTP/SAVPF 8 111 101 110\r\n") && !text.contains("a=crypto"));
    let reply =
        CHROMIUM.replace("a=setup:actpass", "a=setup:active").replace("111 63 9 0 8 13 110 126", "8 111 126 110");
    let n = accept(&Sdp::parse(reply.as_bytes()).unwrap(), &ours, &formats).unwrap();
    assert_eq!((dtls(&n).role, n.rtcp_mux, n.direction), (Role::Passive, true, Direction::SendRecv));
    assert_eq!((n.codec, n.events), (Codec::Pcma, Some(Events { send: 126, receive: 101 })));
    // An answer has to choose a role (RFC 5763 §5).
    assert!(accept(&Sdp::parse(CHROMIUM.as_bytes()).unwrap(), &ours, &formats).is_err());
    // Keys in SDP are not what was offered.
    let keyed = sdp(&format!("m=audio 4000 RTP/SAVP 8\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\r\n"));
    assert!(accept(&keyed, &ours, &formats).is_err());
}

/// Linphone with SRTP by keys: two suites that we have, two that we have not; RTP/SAVPF.
#[test]
fn a_phones_offer_of_keys_is_answered() {
    let offer = sdp(&format!(
        "m=audio 7078 RTP/SAVPF 96 0 8 101\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:101 telephone-event/48000\r\n\
         a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\r\na=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:{KEY}\r\n\
         a=crypto:3 AES_CM_256_HMAC_SHA1_80 inline:{KEY}\r\na=crypto:4 AES_CM_256_HMAC_SHA1_32 inline:{KEY}\r\n"
    ));
    let (text, n) = answered(&offer, &local(Srtp::Required, true)).unwrap();
    assert_eq!((sdes(&n).1.tag, n.codec), (1, Codec::Pcma));
    assert!(text.contains("m=audio 20000 RTP/SAVPF 8\r\n"));
}

proptest! {
    /// Two of us, whatever they allow: an offer is answered and accepted with keys that cross, or refused.
    #[test]
    fn keys_of_both_sides_cross(asks in 0..3usize, takes in 0..3usize, browsers in any::<[bool; 2]>()) {
        let policies = [Srtp::Never, Srtp::Offer, Srtp::Required];
        let (ours, theirs) = (local(policies[asks], browsers[0]), local(policies[takes], browsers[1]));
        let formats = Formats::new(CODECS, false);
        let text = Sdp::parse(&offer(&ours, &formats)).unwrap();
        match answer(&text, &theirs, CODECS, None) {
            Ok((reply, far)) => {
                let near = accept(&Sdp::parse(&reply).unwrap(), &ours, &formats).unwrap();
                match (&near.security, &far.security) {
                    (Security::None, Security::None) => {}
                    (Security::Sdes { ours: a, theirs: b }, Security::Sdes { ours: c, theirs: d }) => {
                        prop_assert_eq!((a, b), (d, c));
                    }
                    (Security::Dtls(a), Security::Dtls(b)) => {
                        prop_assert_eq!((a.role, b.role), (Role::Active, Role::Passive));
                    }
                    other => prop_assert!(false, "{other:?}"),
                }
                let plain = near.security == Security::None;
                prop_assert!(!(plain && (asks == 2 || takes == 2)), "required means protected");
            }
            Err(error) => prop_assert!(matches!(error, SdpError::NoTransport(_) | SdpError::NoSecurity(_))),
        }
    }
}
