//! Queues that ring several agents for one caller: exactly one answer counts.

use hatif::acd::config::Strategy;
use hatif::engine::Settings;
use hatif::journal::{AgentStateName, Kind, OfferResult};
use hatif::media::Command as Media;

use crate::centre::*;
use crate::pages::{page, with_pages};
use crate::phone::header;
use crate::settings::queue;

const REASON: Option<&str> = Some("SIP;cause=200;text=\"Call completed elsewhere\"");

/// `support` rings 101 and 102 at once.
fn ringing_all(settings: &mut Settings) {
    if let Some(support) = settings.floor.queues.get_mut(&queue("support")) {
        support.strategy = Strategy::RingAll;
    }
}

fn results(centre: &Centre) -> Vec<(String, OfferResult)> {
    centre.told(|kind| match kind {
        Kind::OfferEnded { agent, result, .. } => Some((agent.to_string(), *result)),
        _ => None,
    })
}

/// spec/acd.md F03: the first 200 is bridged; the second, which crosses the CANCEL, gets ACK and BYE. Its agent has no
/// wrap-up and no missed ring: he is the next caller's.
#[test]
fn f03_of_two_phones_that_answer_one_talks_and_the_other_hears_that_it_is_done() {
    let mut centre = Centre::with(ringing_all);
    let customer = centre.connect(stranger(1), "0551234", "600");
    let (first, mut second) = (centre.rung(desk(101)), centre.rung(desk(102)));
    centre.says(&first, "180 Ringing");
    centre.says(&second, "180 Ringing");
    centre.pass(seconds(4));
    centre.picks_up(&second);
    let cancel = centre.expect(desk(101), "CANCEL ");
    assert_eq!(header(&cancel, "Reason"), REASON);
    centre.picks_up(&first);
    let bye = centre.ended(&first);
    assert_eq!(header(&bye, "Reason"), REASON);
    centre.ignore(desk(101));
    assert_eq!(results(&centre), [("102".into(), OfferResult::Accepted), ("101".into(), OfferResult::LostRace)]);
    assert_eq!((centre.state("101"), centre.state("102")), (AgentStateName::Ready, AgentStateName::Busy));
    assert_eq!(centre.media.iter().filter(|c| matches!(c, Media::Bridge { .. })).count(), 1);
    assert_eq!(centre.media.iter().filter(|c| matches!(c, Media::Record { .. })).count(), 1);
    let missed = centre.engine.floor().agent(&"101".into()).map(|agent| agent.misses.row);
    assert_eq!(missed, Some([0; 5]));

    let mut next = centre.connect(stranger(2), "2", "600");
    let ring = centre.rung(desk(101));
    centre.says(&ring, "180 Ringing");
    centre.silent(desk(102));
    centre.bye(&mut next);
    centre.cancelled(&ring);
    centre.bye(&mut second);
    centre.ended(&customer);
    centre.nothing_is_left();
    assert!(centre.words(0).contains("ring at 101 ended after 4.0 s: lost_race\n"), "{}", centre.words(0));
}

/// An answer that cannot be used is none: the others ring on.
#[test]
fn f03_an_answer_without_usable_media_leaves_the_others_ringing() {
    let mut centre = Centre::with(ringing_all);
    let mut customer = centre.connect(stranger(1), "1", "600");
    let (first, second) = (centre.rung(desk(101)), centre.rung(desk(102)));
    centre.picks_up_with(&first, "v=0\r\n");
    centre.ended(&first);
    assert_eq!((centre.state("101"), centre.state("102")), (AgentStateName::Ready, AgentStateName::Ringing));
    centre.picks_up(&second);
    assert_eq!(results(&centre), [("101".into(), OfferResult::Rejected), ("102".into(), OfferResult::Accepted)]);
    centre.bye(&mut customer);
    centre.ended(&second);
    centre.nothing_is_left();
}

#[test]
fn f03_a_caller_who_hangs_up_stops_every_phone_at_once() {
    let mut centre = Centre::with(ringing_all);
    let mut customer = centre.connect(stranger(1), "1", "600");
    let rings = [centre.rung(desk(101)), centre.rung(desk(102))];
    for ring in &rings {
        centre.says(ring, "180 Ringing");
    }
    centre.bye(&mut customer);
    for ring in &rings {
        centre.cancelled(ring);
    }
    assert_eq!(results(&centre), [("101".into(), OfferResult::CallerGone), ("102".into(), OfferResult::CallerGone)]);
    centre.nothing_is_left();
}

/// freeswitch#2901: an agent with two phones is one agent; one offer rings one of them, and no second one comes.
#[test]
fn f03_an_agent_with_two_phones_is_not_rung_twice() {
    let mut centre = Centre::with(|settings| {
        with_pages(settings);
        ringing_all(settings);
        settings.floor.agents.retain(|id, _| id.as_str() == "101");
    });
    centre.loads(page(1), "101", "a");
    centre.loads(page(2), "101", "b");
    let mut customers = [1, 2].map(|n| centre.connect(stranger(n), "1", "600"));
    let rung = [page(1), page(2)].map(|at| centre.take(at).filter(|text| text.starts_with("INVITE ")));
    assert_eq!(rung.iter().flatten().count(), 1, "{rung:?}");
    let offered = centre.told(|kind| matches!(kind, Kind::Offered { .. }).then_some(()));
    assert_eq!(offered.len(), 1);
    for customer in &mut customers {
        centre.bye(customer);
    }
    // 101 rang for the first, then for the second, and never said a word.
    centre.ignore(page(1));
    centre.ignore(page(2));
    centre.nothing_is_left();
}
