//! Keys told by INFO, in the media, or both ways.

use hatif::journal::Kind;
use hatif::media::Command as Media;

use crate::centre::*;
use crate::phone::sdp;

/// The nodes of flow `main` that were reached.
fn nodes(centre: &Centre) -> Vec<String> {
    centre.told(|kind| if let Kind::NodeVisited { node, .. } = kind { Some(node.clone()) } else { None })
}

/// RFC 6086; `application/dtmf-relay` as gateways and old phones send it.
#[test]
fn a_key_told_by_info_reaches_the_flow() {
    let mut centre = Centre::new();
    let mut customer = centre.connect(stranger(1), "1", "500");
    centre.info(&mut customer, '2');
    centre.info(&mut customer, '1');
    let agent = centre.rung(desk(101));
    centre.picks_up(&agent);
    assert_eq!(nodes(&centre), ["language", "english", "topic", "support"]);
    centre.bye(&mut customer);
    centre.ended(&agent);
    centre.nothing_is_left();
}

/// Some phones tell each press both ways: the second telling must not answer the next question.
#[test]
fn a_key_told_both_ways_counts_once() {
    for info_first in [true, false] {
        let mut centre = Centre::new();
        let mut customer = centre.connect(stranger(1), "1", "500");
        let leg = centre.leg(0);
        for (key, reached) in [('2', "topic"), ('2', "vip")] {
            match info_first {
                true => centre.info(&mut customer, key),
                false => centre.digit(leg, key),
            }
            centre.pass(ms(300));
            match info_first {
                true => centre.digit(leg, key),
                false => centre.info(&mut customer, key),
            }
            let last = nodes(&centre).pop();
            assert_eq!(last.as_deref(), Some(reached), "{:?}", nodes(&centre));
            centre.pass(ms(300));
        }
        centre.bye(&mut customer);
        centre.ignore(desk(101));
        centre.ignore(desk(102));
        centre.pass(seconds(40));
        centre.nothing_is_left();
    }
}

/// Keys of either side in a talk are no keys of a flow, and the talk goes on.
#[test]
fn keys_in_a_talk_change_nothing() {
    let mut centre = Centre::new();
    let (mut customer, mut agent) = centre.talk(stranger(1));
    let before = centre.media.len();
    centre.info(&mut agent, '5');
    centre.info(&mut customer, '#');
    let changed = centre.media[before..].iter().any(|c| matches!(c, Media::Play { .. } | Media::Unbridge { .. }));
    assert!(!changed);
    centre.bye(&mut customer);
    centre.ended(&agent);
    centre.nothing_is_left();
}

/// A phone that agreed on no telephone-events tells its keys by INFO alone: the other side gets them in its own way, once.
#[test]
fn a_key_told_by_info_is_pressed_towards_the_other_side() {
    let mut centre = Centre::new();
    let (mut customer, mut agent) = centre.talk(stranger(1));
    let pressed = |centre: &Centre| -> Vec<_> {
        let key = |c: &Media| if let Media::Press { leg, digit, .. } = c { Some((*leg, *digit)) } else { None };
        centre.media.iter().filter_map(key).collect()
    };
    centre.info(&mut agent, '5');
    assert_eq!(pressed(&centre), [], "its events are relayed");
    let silent = sdp(desk(101), "sendrecv").replace("a=rtpmap:101 telephone-event/8000\r\n", "").replace("8 101", "8");
    centre.reinvites(&mut agent, &silent);
    centre.info(&mut agent, '5');
    centre.info(&mut customer, '6');
    assert_eq!(pressed(&centre), [(centre.leg(0), '5')]);
    centre.bye(&mut customer);
    centre.ended(&agent);
    centre.nothing_is_left();
}
