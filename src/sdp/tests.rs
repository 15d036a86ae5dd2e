//! Offer and answer by texts: rules one by one, then what real phones say.

use proptest::prelude::*;

use super::*;

const BOTH: &[Codec] = &[Codec::Pcma, Codec::Pcmu];

fn local() -> Local {
    Local { address: "192.0.2.1".parse().unwrap(), port: 20_000, session: 11, version: 2, security: Own::default() }
}

fn sdp(media: &str) -> Sdp {
    let text = format!("v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n{media}");
    Sdp::parse(text.as_bytes()).unwrap()
}

fn answered(media: &str) -> (String, Negotiated) {
    let (bytes, negotiated) = answer(&sdp(media), &local(), BOTH, None).unwrap();
    (String::from_utf8(bytes.to_vec()).unwrap(), negotiated)
}

#[test]
fn our_offer_is_answered_and_both_sides_agree() {
    let bytes = offer(&local(), &Formats::new(BOTH, false));
    assert_eq!(
        bytes,
        "v=0\r\no=hatif 11 2 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
         m=audio 20000 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
    );
    let peer = Local {
        address: "198.51.100.7".parse().unwrap(),
        port: 4000,
        session: 1,
        version: 1,
        security: Own::default(),
    };
    let (reply, theirs) = answer(&Sdp::parse(&bytes).unwrap(), &peer, &[Codec::Pcmu], None).unwrap();
    let ours = accept(&Sdp::parse(&reply).unwrap(), &local(), &Formats::new(BOTH, false)).unwrap();
    assert_eq!((theirs.codec, theirs.payload_type, theirs.events.map(|e| e.send)), (Codec::Pcmu, 0, Some(101)));
    assert_eq!((ours.codec, ours.payload_type, ours.events.map(|e| e.send)), (Codec::Pcmu, 0, Some(101)));
    assert_eq!(theirs.remote, Some("192.0.2.1:20000".parse().unwrap()));
    assert_eq!(ours.remote_rtcp, Some("198.51.100.7:4001".parse().unwrap()));
    assert_eq!((ours.ptime_ms, ours.direction), (20, Direction::SendRecv));
}

#[test]
fn the_other_legs_codec_is_taken_before_our_own_order() {
    let both = sdp("m=audio 4000 RTP/AVP 0 8\r\n");
    let codec = |prefer| answer(&both, &local(), BOTH, prefer).unwrap().1.codec;
    assert_eq!(codec(None), Codec::Pcma);
    assert_eq!(codec(Some(Codec::Pcmu)), Codec::Pcmu);
    let only = sdp("m=audio 4000 RTP/AVP 0\r\n");
    assert_eq!(answer(&only, &local(), BOTH, Some(Codec::Pcma)).unwrap().1.codec, Codec::Pcmu);
    assert_eq!(answer(&only, &local(), &[Codec::Pcma], Some(Codec::Pcmu)), Err(SdpError::NoCodec("PCMU".into())));
}

#[test]
fn dynamic_payload_types_are_mirrored_and_a_remapped_static_one_is_not_mistaken() {
    let (text, n) = answered(
        "m=audio 4000 RTP/AVP 8 97 96 98\r\na=rtpmap:8 G729/8000\r\na=rtpmap:97 pcmu/8000/1\r\n\
         a=rtpmap:98 telephone-event/48000\r\na=rtpmap:96 Telephone-Event/8000\r\n",
    );
    assert_eq!((n.codec, n.payload_type, n.events.map(|e| e.send)), (Codec::Pcmu, 97, Some(96)));
    assert!(text.contains("m=audio 20000 RTP/AVP 97 96\r\na=rtpmap:97 PCMU/8000\r\na=rtpmap:96 telephone-event"));
}

#[test]
fn further_streams_keep_their_place_with_port_0() {
    let (text, n) = answered(
        "m=video 5000 RTP/AVP 31 34\r\nm=audio 4000 RTP/SAVP 0\r\nm=audio 4002 RTP/AVP 0\r\nm=audio 4004 RTP/AVP 0\r\n",
    );
    assert_eq!(n.remote, Some("198.51.100.7:4002".parse().unwrap()));
    let lines: Vec<&str> = text.lines().filter(|l| l.starts_with("m=")).collect();
    let wanted = ["m=video 0 RTP/AVP 31 34", "m=audio 0 RTP/SAVP 0", "m=audio 20000 RTP/AVP 0", "m=audio 0 RTP/AVP 0"];
    assert_eq!(lines, wanted);
}

#[test]
fn hold_is_mirrored_media_level_before_session_level() {
    for (theirs, ours) in [
        ("sendrecv", Direction::SendRecv),
        ("sendonly", Direction::RecvOnly),
        ("recvonly", Direction::SendOnly),
        ("inactive", Direction::Inactive),
    ] {
        let (text, n) = answered(&format!("a=inactive\r\nm=audio 4000 RTP/AVP 0\r\na={theirs}\r\n"));
        assert_eq!(n.direction, ours);
        assert!(text.ends_with(&format!("a={}\r\n", ours.as_str())));
    }
    assert_eq!(answered("a=sendonly\r\nm=audio 4000 RTP/AVP 0\r\n").1.direction, Direction::RecvOnly);
}

/// RFC 3264 §8.4: the hold of RFC 2543 phones.
#[test]
fn nothing_is_sent_to_the_unspecified_address() {
    let (_, n) = answered("m=audio 4000 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\n");
    assert_eq!((n.remote, n.remote_rtcp, n.direction), (None, None, Direction::RecvOnly));
}

#[test]
fn rtcp_port_and_ptime_of_the_peer_are_read() {
    let rtcp = |line: &str| answered(&format!("m=audio 4000 RTP/AVP 0\r\n{line}")).1.remote_rtcp;
    assert_eq!(rtcp(""), Some("198.51.100.7:4001".parse().unwrap()));
    assert_eq!(rtcp("a=rtcp:5001\r\n"), Some("198.51.100.7:5001".parse().unwrap()));
    assert_eq!(rtcp("a=rtcp:5001 IN IP4 203.0.113.5\r\n"), Some("203.0.113.5:5001".parse().unwrap()));
    assert_eq!(rtcp("a=rtcp:0\r\n"), None);
    let ptime = |lines: &str| answered(&format!("m=audio 4000 RTP/AVP 0\r\n{lines}")).1.ptime_ms;
    for (said, kept) in
        [("30", 30), ("20.0", 20), ("25", 20), ("50", 40), ("120", 60), ("1", 10), ("0", 20), ("9999", 20)]
    {
        assert_eq!(ptime(&format!("a=ptime:{said}\r\n")), kept, "{said}");
    }
    assert_eq!((ptime("a=maxptime:15\r\n"), ptime("a=ptime:60\r\na=maxptime:40\r\n")), (10, 40));
    assert_eq!((ptime("a=ptime:20\r\na=maxptime:150\r\n"), ptime("a=maxptime:5\r\n")), (20, 10));
    assert_eq!(answered("m=audio 65535 RTP/AVP 0\r\n").1.remote_rtcp, None);
    // RFC 5761: one port, when he asks for it.
    let (text, n) = answered("m=audio 4000 RTP/AVP 0\r\na=rtcp-mux\r\n");
    assert!(text.contains("\r\na=rtcp-mux\r\n") && n.rtcp_mux);
    assert_eq!(n.remote_rtcp, Some("198.51.100.7:4000".parse().unwrap()));
}

#[test]
fn an_offer_without_anything_for_us_says_what_is_missing() {
    let error = |media: &str| answer(&sdp(media), &local(), BOTH, None).unwrap_err();
    let told = |media: &str| (error(media).warn_code(), error(media).to_string());
    assert_eq!(error(""), SdpError::NoAudio);
    assert_eq!(error("m=audio 0 RTP/AVP 0\r\n"), SdpError::NoAudio);
    assert_eq!(told("m=video 4 RTP/AVP 31\r\n"), (304, "no audio stream in the session description".into()));
    assert_eq!(told("m=audio 9 UDP/TLS/FOO 0\r\n"), (302, "audio over UDP/TLS/FOO is not taken here".into()));
    assert_eq!(
        told(
            "m=audio 4000 RTP/AVP 18 13 96 97 101\r\na=rtpmap:101 telephone-event/8000\r\n\
             a=rtpmap:96 i\"L\\B\u{e9}C/8000\r\n"
        ),
        (305, "no codec in common, offered were: G729, iLBC, 97".into())
    );
    assert_eq!(told("m=audio 4000 RTP/AVP 101\r\na=rtpmap:101 telephone-event/8000\r\n").1[34..], *"none");
    let bare = Sdp::parse(b"v=0\r\nm=audio 4000 RTP/AVP 0\r\n").unwrap();
    assert_eq!(answer(&bare, &local(), BOTH, None).unwrap_err(), SdpError::NoConnection);
    assert_eq!(SdpError::NoConnection.warn_code(), 399);
}

#[test]
fn an_answer_may_refuse_choose_and_forget_the_event_map() {
    let both = Formats::new(BOTH, false);
    assert_eq!(accept(&sdp("m=audio 0 RTP/AVP 0\r\n"), &local(), &both), Err(SdpError::NoAudio));
    let pcmu = Formats::new(&[Codec::Pcmu], false);
    assert_eq!(accept(&sdp("m=audio 4000 RTP/AVP 8\r\n"), &local(), &pcmu), Err(SdpError::NoCodec("PCMA".into())));
    let n = accept(&sdp("m=audio 4000 RTP/AVP 0 8 101\r\n"), &local(), &both).unwrap();
    assert_eq!((n.codec, n.events.map(|e| e.send)), (Codec::Pcmu, Some(101)));
    assert_eq!(n.accepts.as_slice(), [(0, Codec::Pcmu), (8, Codec::Pcma)]);
    assert_eq!(accept(&sdp("m=audio 4000 RTP/AVP 0\r\n"), &local(), &both).unwrap().events, None);
}

const ALL: &[Codec] = &[Codec::Opus, Codec::G722, Codec::Pcma, Codec::Pcmu, Codec::G729];

#[test]
fn all_codecs_are_offered_with_events_at_each_clock() {
    let text = String::from_utf8(offer(&local(), &Formats::new(ALL, true)).to_vec()).unwrap();
    let (_, stream) = text.split_once("t=0 0\r\n").unwrap();
    assert_eq!(
        stream,
        "m=audio 20000 RTP/AVP 111 9 8 0 18 13 101 110\r\na=rtpmap:111 opus/48000/2\r\n\
         a=fmtp:111 minptime=10;useinbandfec=1\r\na=rtpmap:9 G722/8000\r\na=rtpmap:8 PCMA/8000\r\n\
         a=rtpmap:0 PCMU/8000\r\na=rtpmap:18 G729/8000\r\na=fmtp:18 annexb=no\r\na=rtpmap:13 CN/8000\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=rtpmap:110 telephone-event/48000\r\n\
         a=fmtp:110 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
    );
    // Opus has no use for RFC 3389, and an offer without an 8,000 clock none for its events.
    let opus = String::from_utf8(offer(&local(), &Formats::new(&[Codec::Opus], true)).to_vec()).unwrap();
    assert!(opus.contains("m=audio 20000 RTP/AVP 111 110\r\n"), "{opus}");
}

/// RFC 4733 §2.1: key presses run by the clock of the sound.
#[test]
fn events_and_noise_of_an_answer_fit_its_codec() {
    let offered = sdp("m=audio 4000 RTP/AVP 96 9 13 97 98\r\na=rtpmap:96 opus/48000/2\r\n\
         a=rtpmap:97 telephone-event/8000\r\na=rtpmap:98 telephone-event/48000\r\n");
    let chosen = |codec: Codec| answer(&offered, &local(), &[codec], None).unwrap();
    let (text, n) = chosen(Codec::Opus);
    assert!(std::str::from_utf8(&text).unwrap().contains("m=audio 20000 RTP/AVP 96 98\r\n"));
    assert_eq!((n.payload_type, n.events, n.comfort_noise), (96, Some(Events { send: 98, receive: 98 }), false));
    let (text, n) = chosen(Codec::G722);
    assert!(std::str::from_utf8(&text).unwrap().contains("m=audio 20000 RTP/AVP 9 13 97\r\na=rtpmap:9 G722/8000\r\n"));
    assert_eq!((n.payload_type, n.events, n.comfort_noise), (9, Some(Events { send: 97, receive: 97 }), true));
    // Another clock than the codec's is of no use, nor is Opus with one channel.
    let lone = sdp("m=audio 4000 RTP/AVP 97 96 95\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:97 telephone-event/8000\r\n\
         a=rtpmap:95 opus/48000\r\na=ptime:30\r\n");
    let (_, n) = answer(&lone, &local(), ALL, None).unwrap();
    assert_eq!((n.payload_type, n.events, n.ptime_ms), (96, None, 20));
}

/// RFC 3264 §5.1, §6.1: we send by the answer's numbers, the peer by ours.
#[test]
fn an_answer_with_other_numbers_is_honoured_both_ways() {
    let formats = Formats::new(&[Codec::Opus, Codec::Pcma], true);
    let reply = sdp("m=audio 4000 RTP/AVP 120 8 13 121 96\r\na=rtpmap:120 OPUS/48000/2\r\n\
         a=rtpmap:121 telephone-event/48000\r\na=rtpmap:96 telephone-event/8000\r\n");
    let n = accept(&reply, &local(), &formats).unwrap();
    assert_eq!((n.codec, n.payload_type), (Codec::Opus, 120));
    assert_eq!(n.accepts.as_slice(), [(111, Codec::Opus), (8, Codec::Pcma)]);
    assert_eq!((n.events, n.comfort_noise), (Some(Events { send: 121, receive: 110 }), true));
    // A codec that we did not offer is none, though it stands first.
    let n = accept(&sdp("m=audio 4000 RTP/AVP 0 9 8 101\r\n"), &local(), &formats).unwrap();
    assert_eq!((n.codec, n.accepts.as_slice()), (Codec::Pcma, [(8, Codec::Pcma)].as_slice()));
    assert_eq!(n.events, Some(Events { send: 101, receive: 101 }));
}

/// RFC 3264 §8.3.2: what a number meant once in a session it means always.
#[test]
fn a_later_offer_keeps_the_numbers_of_the_first_agreement() {
    let first =
        sdp("m=audio 4000 RTP/AVP 101 111\r\na=rtpmap:101 opus/48000/2\r\na=rtpmap:111 telephone-event/48000\r\n");
    let (_, n) = answer(&first, &local(), ALL, None).unwrap();
    let text = offer(&local(), &Formats::keeping(&[Codec::Opus, Codec::Pcma], &n));
    let text = std::str::from_utf8(&text).unwrap();
    assert!(text.contains("m=audio 20000 RTP/AVP 101 8 96 111\r\n"), "{text}");
    assert!(text.contains("a=rtpmap:111 telephone-event/48000") && text.contains("a=rtpmap:96 telephone-event/8000"));
}

/// What phones say: the offer, our codecs, and what must come of it (codec, its number, events, ptime).
#[test]
fn offers_of_real_phones_are_understood() {
    const SOFT: &[Codec] = &[Codec::Pcma, Codec::Pcmu, Codec::G722, Codec::Opus];
    const WIDE: &[Codec] = &[Codec::Opus, Codec::G722, Codec::Pcma];
    for (name, text, codecs, wanted) in [
        ("linphone", LINPHONE, SOFT, (Codec::Pcma, 8, Some(100), 20)),
        ("linphone", LINPHONE, WIDE, (Codec::Opus, 96, Some(101), 20)),
        ("baresip", BARESIP, SOFT, (Codec::Pcma, 8, Some(101), 20)),
        ("baresip", BARESIP, WIDE, (Codec::Opus, 96, None, 20)),
        ("polycom", POLYCOM, SOFT, (Codec::Pcma, 8, Some(127), 20)),
        ("polycom", POLYCOM, WIDE, (Codec::G722, 9, Some(127), 20)),
        ("cisco", CISCO, SOFT, (Codec::Pcma, 8, Some(101), 20)),
        ("cisco", CISCO, &[Codec::G729], (Codec::G729, 18, Some(101), 20)),
    ] {
        let offered = Sdp::parse(text.as_bytes()).unwrap();
        let (reply, n) = answer(&offered, &local(), codecs, None).unwrap();
        assert_eq!((n.codec, n.payload_type, n.events.map(|e| e.receive), n.ptime_ms), wanted, "{name}");
        let reply = Sdp::parse(&reply).unwrap();
        assert_eq!(reply.media.len(), offered.media.len(), "{name}");
        assert!(reply.media.iter().filter(|m| m.port != 0).count() == 1, "{name}");
    }
    let (text, _) = answer(&Sdp::parse(CISCO.as_bytes()).unwrap(), &local(), &[Codec::G729], None).unwrap();
    assert!(std::str::from_utf8(&text).unwrap().contains("a=fmtp:18 annexb=no\r\n"));
}

const LINPHONE: &str = "v=0\r\no=amal 3418 3216 IN IP4 198.51.100.20\r\ns=Talk\r\nc=IN IP4 198.51.100.20\r\nt=0 0\r\n\
    a=rtcp-xr:rcvr-rtt=all:10000 stat-summary=loss,dup,jitt,TTL voip-metrics\r\na=record:off\r\n\
    m=audio 59042 RTP/AVP 96 97 98 0 8 101 99 100\r\na=rtpmap:96 opus/48000/2\r\na=fmtp:96 useinbandfec=1\r\n\
    a=rtpmap:97 speex/16000\r\na=fmtp:97 vbr=on\r\na=rtpmap:98 speex/8000\r\na=fmtp:98 vbr=on\r\n\
    a=rtpmap:101 telephone-event/48000\r\na=rtpmap:99 telephone-event/16000\r\na=rtpmap:100 telephone-event/8000\r\n\
    a=rtcp:53307\r\na=rtcp-fb:* trr-int 5000\r\na=rtcp-fb:* ccm tmmbr\r\n\
    m=video 62480 RTP/AVP 96 97\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:97 H264/90000\r\n\
    a=fmtp:97 profile-level-id=42801F\r\n";

const BARESIP: &str = "v=0\r\no=- 1764372041 2 IN IP4 198.51.100.21\r\ns=-\r\nc=IN IP4 198.51.100.21\r\nt=0 0\r\n\
    a=tool:baresip 1.0.0\r\nm=audio 24866 RTP/AVP 96 9 0 8 101\r\nb=AS:125\r\na=rtpmap:96 opus/48000/2\r\n\
    a=fmtp:96 stereo=1;sprop-stereo=1\r\na=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
    a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=rtcp:24867\r\na=sendrecv\r\na=label:1\r\n\
    a=rtcp-rsize\r\na=ssrc:3215921183 cname:sip:bob@198.51.100.21\r\na=ptime:20\r\n";

const POLYCOM: &str = "v=0\r\no=- 1764372041 1764372041 IN IP4 198.51.100.22\r\ns=Polycom IP Phone\r\n\
    c=IN IP4 198.51.100.22\r\nt=0 0\r\na=sendrecv\r\nm=audio 2246 RTP/AVP 9 102 0 8 18 127\r\na=rtpmap:9 G722/8000\r\n\
    a=rtpmap:102 G7221/16000\r\na=fmtp:102 bitrate=32000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
    a=rtpmap:18 G729/8000\r\na=fmtp:18 annexb=no\r\na=rtpmap:127 telephone-event/8000\r\n";

const CISCO: &str = "v=0\r\no=Cisco-SIPUA 26092 0 IN IP4 198.51.100.23\r\ns=SIP Call\r\nt=0 0\r\n\
    m=audio 16444 RTP/AVP 18 0 8 116 101\r\nc=IN IP4 198.51.100.23\r\na=rtpmap:18 G729/8000\r\na=fmtp:18 annexb=yes\r\n\
    a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:116 iLBC/8000\r\na=fmtp:116 mode=20\r\n\
    a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=sendrecv\r\n";

proptest! {
    /// Whatever subset and order of codecs two sides have: the answer is one that the offerer accepts, both name the same
    /// codec, and each sends by numbers that the other takes.
    #[test]
    fn an_answer_to_our_offer_is_accepted(
        offered in proptest::sample::subsequence(ALL.to_vec(), 1..=5).prop_shuffle(),
        allowed in proptest::sample::subsequence(ALL.to_vec(), 1..=5).prop_shuffle(),
        noise in any::<bool>(),
        before in 96u8..=127,
    ) {
        let events = Some(Events { send: before ^ 1, receive: before ^ 1 });
        let agreed = Negotiated { accepts: smallvec::smallvec![(before, Codec::Opus)], codec: Codec::Opus, events, ..agreed() };
        for formats in [Formats::new(&offered, noise), Formats::keeping(&offered, &agreed)] {
            let text = Sdp::parse(&offer(&local(), &formats)).unwrap();
            let mut numbers: Vec<u8> = text.media[0].payload_types().collect();
            numbers.sort_unstable();
            numbers.dedup();
            prop_assert_eq!(numbers.len(), text.media[0].formats.len(), "a number for each format");
            match answer(&text, &local(), &allowed, None) {
                Ok((reply, theirs)) => {
                    let ours = accept(&Sdp::parse(&reply).unwrap(), &local(), &formats).unwrap();
                    prop_assert_eq!(ours.codec, theirs.codec);
                    prop_assert!(theirs.accepts.contains(&(ours.payload_type, ours.codec)));
                    prop_assert!(ours.accepts.contains(&(theirs.payload_type, theirs.codec)));
                    prop_assert_eq!(ours.events.map(|e| e.send), theirs.events.map(|e| e.receive));
                    prop_assert_eq!(ours.comfort_noise, theirs.comfort_noise);
                    prop_assert!(ours.events.is_some());
                }
                Err(error) => {
                    prop_assert_eq!(error.warn_code(), 305);
                    prop_assert!(!offered.iter().any(|codec| allowed.contains(codec)));
                }
            }
        }
    }
}

fn agreed() -> Negotiated {
    answered("m=audio 4000 RTP/AVP 0\r\n").1
}

/// RFC 7587 §6.1: the parameter stands for the codec of its own number, and for Opus alone.
#[test]
fn a_peer_that_wants_no_pauses_of_opus_says_so() {
    let opus = "m=audio 4000 RTP/AVP 96 0\r\na=rtpmap:96 opus/48000/2\r\n";
    for (line, wanted) in [
        ("a=fmtp:96 useinbandfec=1; usedtx=1\r\n", true),
        ("a=fmtp:96 UseDTX=1\r\n", true),
        ("a=fmtp:96 usedtx=0\r\n", false),
        ("a=fmtp:0 usedtx=1\r\n", false),
        ("a=fmtp:96\r\n", false),
        ("", false),
    ] {
        let text = sdp(&format!("{opus}{line}"));
        assert_eq!(answer(&text, &local(), ALL, Some(Codec::Opus)).unwrap().1.dtx, wanted, "{line}");
        assert!(!answer(&text, &local(), ALL, Some(Codec::Pcmu)).unwrap().1.dtx);
    }
}
