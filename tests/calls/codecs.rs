//! What the legs of a call speak: the same where that can be, an agent's or a trunk's own where he asks for it.

use hatif::call::config::{LegProfile, NumberAction, NumberConfig};
use hatif::media::{Codec, Command as Media};

use crate::centre::*;
use crate::phone::{body, header, sdp};

const ALL: &[Codec] = &[Codec::Pcma, Codec::Pcmu, Codec::G722, Codec::Opus, Codec::G729];

/// The description of a phone that lists `formats`, with `maps` for them.
fn speaks(at: std::net::SocketAddr, formats: &str, maps: &str) -> String {
    sdp(at, "sendrecv")
        .replace("RTP/AVP 8 101", &format!("RTP/AVP {formats}"))
        .replace("a=rtpmap:8 PCMA/8000\r\n", maps)
}

/// The formats in the `m=` line of a message's description.
fn formats(message: &str) -> &str {
    let line = body(message).lines().find(|line| line.starts_with("m=audio")).expect("an audio stream");
    line.splitn(4, ' ').nth(3).expect("formats")
}

/// The codecs that the media thread was told last, by their order in time.
fn told(centre: &Centre) -> Vec<Codec> {
    let codec = |command: &Media| match command {
        Media::Update { terms, .. } => Some(terms.codec),
        _ => None,
    };
    centre.media.iter().filter_map(codec).collect()
}

fn with_all(settings: &mut hatif::engine::Settings) {
    settings.media.codecs = ALL.to_vec();
    let dial = settings.call.numbers.iter().find(|n| n.pattern == "7XXX").expect("the number").clone();
    let unrecorded = NumberConfig { pattern: "6XXX".into(), record: hatif::call::config::RecordPolicy::Never, ..dial };
    assert!(matches!(unrecorded.action, NumberAction::Dial(_)));
    settings.call.numbers.push(unrecorded);
}

#[test]
fn the_callers_codec_is_offered_first_and_kept_across_both_legs() {
    let mut centre = Centre::with(with_all);
    let offer = speaks(trunk(), "9 0 13 101", "");
    let mut caller = centre.dial_with(trunk(), "1", "7001", "Max-Forwards: 70", &offer);
    let far = centre.rung(addr(FAR));
    // PCMU stands before G.722 in our order, and what the caller was answered before both; G.729 goes with nothing else.
    assert_eq!(formats(&far.invite), "0 8 9 111 13 101 110");
    centre.picks_up_with(&far, &speaks(addr(FAR), "0 101", ""));
    assert_eq!(formats(&centre.answered(&mut caller)), "0 13 101");
    assert_eq!(told(&centre), [Codec::Pcmu, Codec::Pcmu]);
    centre.bye(&mut caller);
    centre.ended(&far);
    centre.nothing_is_left();
}

/// The second leg may answer another codec: it is transcoded, and the first leg hears nothing of it.
#[test]
fn another_codec_of_the_second_leg_makes_no_re_invite() {
    let mut centre = Centre::with(with_all);
    let mut caller = centre.dial_with(trunk(), "1", "7001", "Max-Forwards: 70", &speaks(trunk(), "9 101", ""));
    let far = centre.rung(addr(FAR));
    assert!(formats(&far.invite).starts_with("9 8 0 111"));
    centre.picks_up_with(&far, &speaks(addr(FAR), "96 97", "a=rtpmap:96 opus/48000/2\r\n"));
    assert_eq!(formats(&centre.answered(&mut caller)), "9 101");
    assert_eq!(told(&centre), [Codec::Opus, Codec::G722]);
    let terms = centre.media.iter().find_map(|command| match command {
        Media::Update { terms, .. } if terms.codec == Codec::Opus => Some(terms.clone()),
        _ => None,
    });
    let terms = terms.expect("the far leg");
    assert_eq!((terms.payload_type, terms.accepts.as_slice()), (96, [(111, Codec::Opus)].as_slice()));
    centre.silent(trunk());
    centre.bye(&mut caller);
    centre.ended(&far);
    centre.nothing_is_left();
}

#[test]
fn an_agents_profile_rules_his_own_legs_alone() {
    let mut centre = Centre::with(|settings| {
        with_all(settings);
        let profile = LegProfile { codecs: vec![Codec::Opus, Codec::Pcma], ..LegProfile::default() };
        settings.call.profiles.insert("101".into(), profile);
    });
    // He is rung for a caller who speaks PCMU: his order stands.
    let mut customer = centre.dial_with(stranger(1), "1", "600", "Max-Forwards: 70", &speaks(stranger(1), "0 101", ""));
    centre.answered(&mut customer);
    let agent = centre.rung(desk(101));
    assert_eq!(formats(&agent.invite), "111 8 101 110");
    centre.picks_up_with(&agent, &speaks(desk(101), "111 110", "a=rtpmap:111 opus/48000/2\r\n"));
    centre.ignore(desk(101));
    centre.bye(&mut customer);
    centre.ended(&agent);
    // He calls: of what his phone offers, his order is taken; the other is rung with that first.
    let offer = speaks(desk(101), "8 96 101", "a=rtpmap:96 opus/48000/2\r\n");
    let mut agent = centre.dial_with(desk(101), "101", "6001", "Max-Forwards: 70", &offer);
    let far = centre.rung(addr(FAR));
    assert_eq!(formats(&far.invite), "111 8 0 9 101 110");
    centre.picks_up_with(&far, &speaks(addr(FAR), "8 101", ""));
    assert_eq!(formats(&centre.answered(&mut agent)), "96");
    centre.bye(&mut agent);
    centre.ended(&far);
    centre.nothing_is_left();
}

#[test]
fn a_trunks_profile_narrows_what_its_calls_speak() {
    let mut centre = Centre::with(|settings| {
        with_all(settings);
        settings.call.trunks.get_mut("carrier").expect("carrier").profile.codecs = vec![Codec::G722, Codec::Pcma];
    });
    let mut bad = centre.dial_with(trunk(), "1", "7001", "Max-Forwards: 70", &speaks(trunk(), "0 101", ""));
    let refusal = centre.refused(&mut bad, 488);
    assert_eq!(header(&refusal, "Warning"), Some("305 10.0.0.1 \"no codec in common, offered were: PCMU\""));
    // In: its order, not the offer's.
    let mut caller = centre.dial_with(trunk(), "1", "600", "Max-Forwards: 70", &speaks(trunk(), "8 9 101", ""));
    assert_eq!(formats(&centre.answered(&mut caller)), "9 101");
    centre.ignore(desk(101));
    centre.bye(&mut caller);
    centre.ignore(desk(101));
    // Out: the same list, whatever the caller speaks.
    let mut agent = centre.dial_with(desk(103), "103", "9000", "Max-Forwards: 70", &speaks(desk(103), "0 101", ""));
    let far = centre.rung(trunk());
    assert_eq!(formats(&far.invite), "9 8 101");
    centre.picks_up_with(&far, &speaks(trunk(), "8 101", ""));
    centre.answered(&mut agent);
    centre.bye(&mut agent);
    centre.ended(&far);
}

/// G.729 is passed on where nobody hears it here, and only when the caller has nothing else.
#[test]
fn g729_passes_through_a_dialled_bridge_and_nowhere_else() {
    let g729 = |at| speaks(at, "18 101", "");
    let mut centre = Centre::with(with_all);
    // A flow, a queue, a recorded number, an agent: somebody here must hear it.
    for number in ["500", "600", "7001"] {
        let mut bad = centre.dial_with(trunk(), "1", number, "Max-Forwards: 70", &g729(trunk()));
        let refusal = centre.refused(&mut bad, 488);
        assert_eq!(header(&refusal, "Warning"), Some("305 10.0.0.1 \"no codec in common, offered were: G729\""));
    }
    let mut caller = centre.dial_with(desk(103), "103", "6001", "Max-Forwards: 70", &g729(desk(103)));
    let mut far = centre.rung(addr(FAR));
    assert_eq!(formats(&far.invite), "18 101");
    centre.picks_up_with(&far, &g729(addr(FAR)));
    assert_eq!(formats(&centre.answered(&mut caller)), "18 101");
    assert_eq!(told(&centre), [Codec::G729, Codec::G729]);
    // It stays so: no other codec can come into this call, and nobody else.
    assert!(centre.reinvites(&mut far, &sdp(addr(FAR), "sendrecv")).starts_with("SIP/2.0 488"));
    assert!(centre.reinvites(&mut far, &speaks(addr(FAR), "8 18 101", "")).contains("RTP/AVP 18 101"));
    centre.refers(&mut caller, "sip:600@10.0.0.1");
    assert_eq!(centre.notified(&caller), 488);
    centre.bye(&mut caller);
    centre.ended(&far);
    // With anything else in the offer that is taken, and G.729 is offered to nobody.
    let mut caller = centre.dial_with(trunk(), "1", "6001", "Max-Forwards: 70", &speaks(trunk(), "18 8 101", ""));
    let far = centre.rung(addr(FAR));
    assert_eq!(formats(&far.invite), "8 0 9 111 101 110");
    centre.picks_up(&far);
    centre.answered(&mut caller);
    centre.bye(&mut caller);
    centre.ended(&far);
    centre.nothing_is_left();
}

/// RFC 3261 §20.43: the cause of each 488 stands in its Warning, in a dialog too.
#[test]
fn every_488_says_what_is_wrong() {
    let mut centre = Centre::new();
    let video = sdp(trunk(), "sendrecv").replace("m=audio", "m=video");
    let garbled = sdp(trunk(), "sendrecv").replace("t=0 0", "nonsense");
    let secret = sdp(trunk(), "sendrecv").replace("RTP/AVP", "RTP/XYZ");
    for (offer, warning) in [
        (video, "304 10.0.0.1 \"no audio stream in the session description\""),
        (secret, "302 10.0.0.1 \"audio over RTP/XYZ is not taken here\""),
        (garbled, "399 10.0.0.1 \"line 5 of the session description: not a letter, an equals sign and a value\""),
    ] {
        let mut bad = centre.dial_with(trunk(), "1", "600", "Max-Forwards: 70", &offer);
        let refusal = centre.refused(&mut bad, 488);
        assert_eq!(header(&refusal, "Warning"), Some(warning));
    }
    let (mut customer, mut agent) = centre.talk(stranger(1));
    let refusal = centre.reinvites(&mut agent, &speaks(desk(101), "3", ""));
    assert_eq!(header(&refusal, "Warning"), Some("305 10.0.0.1 \"no codec in common, offered were: GSM\""));
    centre.bye(&mut customer);
    centre.ended(&agent);
}
