//! A web page is loaded anew, closed or cut off in the middle of its talk: the call goes on.

use hatif::acd::Wish;
use hatif::engine::Input;
use hatif::id::{CallId, LegId};
use hatif::journal::{AgentStateName, EndReason, Kind};
use hatif::media::{Command as Media, Event};

use crate::centre::*;
use crate::pages::{page, sdp, with_pages};
use crate::phone::{Leg, header};

/// Agent 101 talks with a caller of queue `support` at page 1, which is called `a`.
fn talk_at_page() -> (Centre, Leg, Leg) {
    let mut centre = Centre::with(with_pages);
    centre.want("102", Wish::Logout);
    centre.loads(page(1), "101", "a");
    let customer = centre.connect(stranger(1), "0551234", "600");
    let agent = centre.rung(page(1));
    centre.picks_up_with(&agent, &sdp("active", "sendrecv"));
    assert_eq!(centre.state("101"), AgentStateName::Busy);
    centre.pass(seconds(3));
    (centre, customer, agent)
}

/// The new page is rung as one that is to answer at once.
#[track_caller]
fn rung_anew(centre: &mut Centre, at: std::net::SocketAddr) -> Leg {
    let leg = centre.rung(at);
    let says = |name: &str| header(&leg.invite, name).unwrap_or_default().to_owned();
    let call = says("X-Hatif-Call");
    assert_eq!((says("Answer-Mode").as_str(), says("X-Hatif-Rejoin")), ("Auto", call.clone()), "{}", leg.invite);
    assert!(call.parse::<CallId>().is_ok() && says("Alert-Info").ends_with(";info=alert-autoanswer"));
    assert!(says("Call-Info").ends_with(";answer-after=0"));
    leg
}

/// Page 1 of `user` is loaded anew as page 2, which is rung for his place.
#[track_caller]
fn loaded_anew(centre: &mut Centre, user: &str) -> Leg {
    centre.closes(page(1));
    centre.loads(page(2), user, "b");
    centre.pass(seconds(2));
    rung_anew(centre, page(2))
}

/// What a leg hears besides the other side: `true` for music, `false` for nothing.
fn heard(centre: &Centre, leg: LegId) -> Vec<bool> {
    let of = |command: &Media| match command {
        Media::Music { leg: to, .. } if *to == leg => Some(true),
        Media::Silence { leg: to } if *to == leg => Some(false),
        _ => None,
    };
    let mut heard: Vec<bool> = centre.media.iter().filter_map(of).collect();
    heard.dedup();
    heard
}

fn steps(centre: &Centre) -> Vec<String> {
    centre.told(|kind| match kind {
        Kind::PageLost { user, .. } => Some(format!("{user} lost")),
        Kind::Rejoined { user, anew, .. } => Some(format!("{user} back{}", if *anew { " anew" } else { "" })),
        Kind::RejoinFailed { user, sip_code, .. } => Some(format!("{user} failed {sip_code}")),
        Kind::Queued { transferred: true, .. } => Some("queued again".to_owned()),
        Kind::Transferred { .. } => Some("transferred".to_owned()),
        _ => None,
    })
}

fn silent(centre: &mut Centre, leg: LegId, silent: bool) {
    centre.handle(Input::Media(Event::OneWay { leg, silent }));
}

fn last_bridge(centre: &Centre) -> Option<(LegId, LegId)> {
    let of = |command: &Media| if let Media::Bridge { a, b } = command { Some((*a, *b)) } else { None };
    centre.media.iter().rev().find_map(of)
}

#[test]
fn a_page_that_is_loaded_anew_gets_its_talk_back() {
    let (mut centre, mut customer, _old) = talk_at_page();
    centre.closes(page(1));
    centre.pass(seconds(2));
    assert_eq!(heard(&centre, centre.leg(0)), [true, false], "music of the wait, and then the talk");
    centre.loads(page(2), "101", "b");
    centre.pass(seconds(2));
    let new = rung_anew(&mut centre, page(2));
    assert!(header(&new.invite, "From").is_some_and(|from| from.contains("support") && from.contains("0551234")));
    assert_eq!(heard(&centre, centre.leg(0)), [true, false, true]);
    assert_eq!(steps(&centre), ["101 lost"]);
    centre.picks_up_with(&new, &sdp("active", "sendrecv"));
    assert_eq!(heard(&centre, centre.leg(0)), [true, false, true, false]);
    assert_eq!(last_bridge(&centre), Some((centre.leg(0), centre.leg(2))));
    let sides = centre.media.iter().rev().find_map(|c| match c {
        Media::Record { others, .. } => Some(others.to_vec()),
        _ => None,
    });
    assert_eq!(sides, Some(vec![centre.leg(2)]), "the recording goes on with the new leg");
    assert!(centre.media.iter().any(|c| matches!(c, Media::Close { leg } if *leg == centre.leg(1))));
    assert_eq!((steps(&centre).len(), centre.state("101")), (2, AgentStateName::Busy));
    centre.pass(seconds(10));
    centre.silent(page(1));
    centre.bye(&mut customer);
    centre.ended(&new);
    centre.nothing_is_left();
    // One talk: one offer, no wrap-up in its middle, its whole length.
    let record = centre.record(0);
    assert_eq!(record.agents.len(), 1, "{:#?}", record.path);
    assert_eq!(record.agents[0].talk_seconds.map(|s| s.to_string()).as_deref(), Some("17.0 s"));
    assert!(centre.words(0).contains("the page of 101 is gone: his place is kept\n101 is back in a new place\n"));
    assert_eq!(record.recordings.len(), 1);
    centre.silent(page(1));
}

/// Music within 5 s of silence, then the queue again with the turn he had.
#[test]
fn a_caller_whose_agents_page_never_comes_back_waits_in_his_queue_again() {
    let (mut centre, mut customer, _) = talk_at_page();
    let (caller, old) = (centre.leg(0), centre.leg(1));
    centre.closes(page(1));
    centre.pass(seconds(5));
    silent(&mut centre, old, true);
    assert_eq!((steps(&centre), heard(&centre, caller)), (vec!["101 lost".to_owned()], vec![true, false, true]));
    centre.pass(seconds(54));
    assert_eq!(steps(&centre).len(), 1);
    centre.handle(Input::Media(Event::MediaTimeout { leg: old }));
    assert_eq!(steps(&centre), ["101 lost", "101 failed 408", "queued again"]);
    assert_eq!(centre.state("101"), AgentStateName::Unreachable);
    centre.want("102", Wish::Ready);
    let other = centre.rung(desk(102));
    centre.picks_up(&other);
    assert_eq!(last_bridge(&centre), Some((caller, centre.leg(2))));
    centre.bye(&mut customer);
    centre.ended(&other);
    centre.nothing_is_left();
    let record = centre.record(0);
    let talks: Vec<_> = record.agents.iter().filter(|visit| visit.talk_seconds.is_some()).collect();
    assert_eq!((talks.len(), record.recordings.len(), record.queue_visits.len()), (2, 1, 2));
}

/// Without any word of media the wait ends by itself.
#[test]
fn nobody_waits_longer_than_a_minute() {
    let (mut centre, mut customer, _) = talk_at_page();
    let old = centre.leg(1);
    centre.closes(page(1));
    silent(&mut centre, old, true);
    centre.pass(seconds(61));
    assert_eq!(steps(&centre), ["101 lost", "101 failed 408", "queued again"]);
    centre.bye(&mut customer);
    centre.nothing_is_left();
}

/// A page that is only cut off from signalling goes on talking, and hears of the end when it is back.
#[test]
fn a_page_that_still_sends_is_not_gone() {
    let (mut centre, mut customer, old) = talk_at_page();
    let leg = centre.leg(1);
    centre.speaks.insert(leg);
    centre.closes(page(1));
    // Another page of his, as after a trouble of the network.
    centre.loads(page(2), "101", "b");
    centre.pass(seconds(4));
    centre.silent(page(2));
    assert_eq!((steps(&centre).len(), heard(&centre, centre.leg(0))), (0, vec![true, false]));
    centre.bye(&mut customer);
    centre.silent(page(2));
    centre.loads(page(3), "101", "a");
    let bye = centre.expect(page(3), "BYE ");
    assert_eq!(header(&bye, "Call-ID"), Some(old.call_id.as_str()));
    centre.nothing_is_left();
}

#[test]
fn a_second_page_of_the_same_user_takes_nothing_from_the_first() {
    let (mut centre, mut customer, mut agent) = talk_at_page();
    centre.loads(page(2), "101", "b");
    centre.pass(seconds(8));
    centre.silent(page(2));
    centre.closes(page(2));
    centre.pass(seconds(8));
    assert!(steps(&centre).is_empty());
    // Cut off and back by another socket: the same dialog.
    centre.closes(page(1));
    centre.loads(page(3), "101", "a");
    centre.pass(seconds(8));
    agent.at = page(3);
    assert!(centre.reinvites(&mut agent, &sdp("actpass", "sendonly")).starts_with("SIP/2.0 200"));
    assert_eq!(centre.state("101"), AgentStateName::Hold);
    centre.bye(&mut customer);
    centre.ended(&agent);
    assert!(steps(&centre).is_empty());
    centre.nothing_is_left();
}

/// Nothing comes from the page, which then is back after all: by its packets, or by its socket while another is rung.
#[test]
fn a_page_that_is_back_after_all_goes_on() {
    for by_packets in [true, false] {
        let (mut centre, mut customer, mut agent) = talk_at_page();
        let (caller, old) = (centre.leg(0), centre.leg(1));
        centre.closes(page(1));
        centre.pass(seconds(5));
        silent(&mut centre, old, true);
        if by_packets {
            silent(&mut centre, old, false);
        }
        if !by_packets {
            centre.loads(page(2), "101", "b");
            centre.pass(seconds(2));
            let new = rung_anew(&mut centre, page(2));
            centre.says(&new, "180 Ringing");
            centre.loads(page(3), "101", "a");
            centre.cancelled(&new);
        } else {
            centre.loads(page(3), "101", "a");
        }
        agent.at = page(3);
        assert_eq!(steps(&centre), ["101 lost", "101 back"]);
        assert_eq!(heard(&centre, caller), [true, false, true, false]);
        centre.pass(seconds(90));
        centre.bye(&mut customer);
        centre.ended(&agent);
        centre.nothing_is_left();
    }
}

#[test]
fn a_new_page_that_refuses_or_is_silent_gives_the_caller_back() {
    for refuses in [true, false] {
        let (mut centre, mut customer, _) = talk_at_page();
        let new = loaded_anew(&mut centre, "101");
        if refuses {
            centre.says(&new, "486 Busy Here");
        } else {
            centre.says(&new, "180 Ringing");
            centre.pass(seconds(20));
            centre.cancelled(&new);
        }
        let code = if refuses { 486 } else { 408 };
        assert_eq!(steps(&centre), ["101 lost".to_owned(), format!("101 failed {code}"), "queued again".to_owned()]);
        assert_eq!(centre.state("101"), AgentStateName::WrapUp);
        centre.bye(&mut customer);
        centre.nothing_is_left();
        assert_eq!(centre.record(0).agents.len(), 1);
    }
}

#[test]
fn a_customer_who_hangs_up_cancels_the_ring_at_the_new_page() {
    let (mut centre, mut customer, _) = talk_at_page();
    let new = loaded_anew(&mut centre, "101");
    centre.says(&new, "180 Ringing");
    centre.bye(&mut customer);
    centre.cancelled(&new);
    assert_eq!(centre.state("101"), AgentStateName::WrapUp);
    centre.nothing_is_left();
    assert_eq!(centre.record(0).end.map(|end| end.reason), Some(EndReason::Normal));
}

/// While packets are counted, while the page rings, and after it answered.
#[test]
fn a_page_may_be_loaded_anew_again_and_again() {
    let (mut centre, mut customer, _) = talk_at_page();
    centre.closes(page(1));
    centre.loads(page(2), "101", "b");
    centre.pass(ms(500));
    centre.closes(page(2));
    centre.loads(page(3), "101", "c");
    centre.pass(seconds(2));
    centre.silent(page(2));
    rung_anew(&mut centre, page(3));
    centre.closes(page(3));
    centre.pass(seconds(30));
    assert_eq!(steps(&centre), ["101 lost"]);
    centre.loads(page(4), "101", "d");
    centre.pass(seconds(2));
    let new = rung_anew(&mut centre, page(4));
    centre.picks_up_with(&new, &sdp("active", "sendrecv"));
    centre.pass(seconds(5));
    centre.closes(page(4));
    centre.loads(page(5), "101", "e");
    centre.pass(seconds(2));
    let last = rung_anew(&mut centre, page(5));
    // That page is loaded anew as well, and nobody has noticed that its socket is dead.
    centre.loads(page(6), "101", "f");
    centre.pass(seconds(2));
    centre.ignore(page(5));
    assert!(last.at == page(5));
    let last = rung_anew(&mut centre, page(6));
    centre.picks_up_with(&last, &sdp("active", "sendrecv"));
    assert_eq!(steps(&centre), ["101 lost", "101 back anew", "101 lost", "101 back anew"]);
    centre.bye(&mut customer);
    centre.ended(&last);
    centre.nothing_is_left();
    assert_eq!(centre.record(0).agents.len(), 1);
}

/// The transfer takes its course; when it fails, who transferred has his talk at the new page.
#[test]
fn a_transfer_under_way_is_waited_for() {
    for fails in [true, false] {
        let (mut centre, mut customer, mut agent) = talk_at_page();
        centre.refers(&mut agent, "sip:102@10.0.0.1");
        let target = centre.rung(desk(102));
        centre.says(&target, "180 Ringing");
        centre.closes(page(1));
        centre.loads(page(2), "101", "b");
        centre.pass(seconds(3));
        centre.silent(page(2));
        if fails {
            centre.says(&target, "486 Busy Here");
            centre.pass(seconds(2));
            let new = rung_anew(&mut centre, page(2));
            centre.picks_up_with(&new, &sdp("active", "sendrecv"));
            assert_eq!(steps(&centre), ["101 lost", "101 back anew"]);
            centre.bye(&mut customer);
            centre.ended(&new);
        } else {
            centre.picks_up(&target);
            assert_eq!(steps(&centre), ["transferred"]);
            centre.bye(&mut customer);
            centre.ended(&target);
            centre.silent(page(2));
        }
        centre.nothing_is_left();
    }
}

/// Existing rules: the phone could not be reached, the next one is rung.
#[test]
fn an_offer_that_rings_at_a_page_that_goes_is_lost() {
    let mut centre = Centre::with(with_pages);
    centre.want("102", Wish::Logout);
    centre.loads(page(1), "101", "a");
    let mut customer = centre.connect(stranger(1), "0551234", "600");
    let agent = centre.rung(page(1));
    centre.says(&agent, "180 Ringing");
    centre.closes(page(1));
    assert!(centre.told(|kind| matches!(kind, Kind::OfferEnded { .. }).then_some(())).len() == 1);
    centre.loads(page(2), "101", "b");
    centre.pass(seconds(60));
    let again = centre.rung(page(2));
    assert_eq!(header(&again.invite, "X-Hatif-Rejoin"), None);
    centre.picks_up_with(&again, &sdp("active", "sendrecv"));
    centre.bye(&mut customer);
    centre.ended(&again);
    assert!(steps(&centre).is_empty());
    centre.nothing_is_left();
}

/// A page that called out is on the customer's side.
#[test]
fn a_page_that_called_out_gets_its_talk_back() {
    let mut centre = centre_of_page("103", |_| {});
    let mut own = centre.dial_with(page(1), "103", "7001", "Max-Forwards: 70", &sdp("actpass", "sendrecv"));
    let mut far = centre.rung(addr(FAR));
    centre.picks_up(&far);
    centre.answered(&mut own);
    centre.pass(seconds(3));
    let new = loaded_anew(&mut centre, "103");
    assert!(header(&new.invite, "From").is_some_and(|from| from.contains("sip:7001@")), "{}", new.invite);
    assert_eq!(heard(&centre, centre.leg(1)), [true]);
    centre.picks_up_with(&new, &sdp("active", "sendrecv"));
    assert_eq!(heard(&centre, centre.leg(1)), [true, false]);
    assert_eq!(last_bridge(&centre), Some((centre.leg(2), centre.leg(1))));
    assert_eq!(steps(&centre), ["103 lost", "103 back anew"]);
    centre.bye(&mut far);
    centre.ended(&new);
    centre.nothing_is_left();
    assert_eq!(centre.record(0).recordings.len(), 1);
}

/// The new page knows of no hold: the caller is back in the talk.
#[test]
fn a_hold_ends_with_its_page() {
    let (mut centre, mut customer, mut agent) = talk_at_page();
    assert!(centre.reinvites(&mut agent, &sdp("actpass", "sendonly")).starts_with("SIP/2.0 200"));
    assert_eq!(centre.state("101"), AgentStateName::Hold);
    let new = loaded_anew(&mut centre, "101");
    assert_eq!(heard(&centre, centre.leg(0)), [true, false, true], "the music of the hold");
    centre.picks_up_with(&new, &sdp("active", "sendrecv"));
    assert_eq!(heard(&centre, centre.leg(0)), [true, false, true, false]);
    assert_eq!(centre.state("101"), AgentStateName::Busy);
    centre.bye(&mut customer);
    centre.ended(&new);
    centre.nothing_is_left();
    assert_eq!(centre.record(0).agents[0].hold_count, 1);
}

/// A supervisor goes on hearing the talk.
#[test]
fn who_listens_hears_the_new_page() {
    let (mut centre, mut customer, _) = talk_at_page();
    let mut ear = centre.connect(desk(201), "201", "*81101");
    let new = loaded_anew(&mut centre, "101");
    centre.picks_up_with(&new, &sdp("active", "sendrecv"));
    let heard = centre.media.iter().rev().find_map(|c| match c {
        Media::Mix { leg, voices } if *leg == centre.leg(2) => Some(voices.to_vec()),
        _ => None,
    });
    assert_eq!(heard, Some(vec![centre.leg(0), centre.leg(3)]));
    centre.bye(&mut ear);
    centre.bye(&mut customer);
    centre.ended(&new);
    centre.nothing_is_left();
}

/// Two agents in pages, and both pages are loaded anew at once.
#[test]
fn both_sides_may_lose_their_pages() {
    let mut centre = Centre::with(with_pages);
    centre.loads(page(1), "101", "a");
    centre.loads(page(2), "103", "b");
    centre.settings.sip.fixed.insert(page(2), ["103".to_owned()].into());
    let settings = centre.settings.clone();
    centre.command(hatif::engine::Command::Reload(Box::new(settings)));
    let mut own = centre.dial_with(page(2), "103", "101", "Max-Forwards: 70", &sdp("actpass", "sendrecv"));
    let called = centre.rung(page(1));
    centre.picks_up_with(&called, &sdp("active", "sendrecv"));
    centre.answered(&mut own);
    centre.pass(seconds(3));
    centre.closes(page(1));
    centre.closes(page(2));
    centre.loads(page(3), "101", "c");
    centre.loads(page(4), "103", "d");
    centre.pass(seconds(2));
    let first = rung_anew(&mut centre, page(3));
    centre.silent(page(4));
    centre.picks_up_with(&first, &sdp("active", "sendrecv"));
    centre.pass(seconds(2));
    let mut second = rung_anew(&mut centre, page(4));
    centre.picks_up_with(&second, &sdp("active", "sendrecv"));
    assert_eq!(steps(&centre), ["101 lost", "101 back anew", "103 lost", "103 back anew"]);
    centre.bye(&mut second);
    centre.ended(&first);
    centre.nothing_is_left();
}

/// A centre in which a page of `user`, connected from page 1, may call.
fn centre_of_page(user: &str, more: impl FnOnce(&mut hatif::engine::Settings)) -> Centre {
    let mut centre = Centre::with(|settings| {
        with_pages(settings);
        more(settings);
    });
    centre.loads(page(1), user, "a");
    centre.settings.sip.fixed.insert(page(1), [user.to_owned()].into());
    let settings = centre.settings.clone();
    centre.command(hatif::engine::Command::Reload(Box::new(settings)));
    centre
}

/// A user of ours waits in a queue by his page: his turn is kept, and the music goes on at the new page.
#[test]
fn a_page_that_waits_in_a_queue_keeps_its_place() {
    for answered_meanwhile in [false, true] {
        let mut centre = centre_of_page("103", |_| {});
        ["101", "102"].into_iter().for_each(|agent| centre.want(agent, Wish::Logout));
        let mut own = centre.dial_with(page(1), "103", "600", "Max-Forwards: 70", &sdp("actpass", "sendrecv"));
        centre.answered(&mut own);
        centre.pass(seconds(3));
        let new = loaded_anew(&mut centre, "103");
        assert_eq!(steps(&centre), ["103 lost"]);
        if !answered_meanwhile {
            centre.picks_up_with(&new, &sdp("active", "sendrecv"));
            assert_eq!(heard(&centre, centre.leg(1)), [true], "the music of his queue");
        }
        centre.want("102", Wish::Ready);
        let mut agent = centre.rung(desk(102));
        centre.picks_up(&agent);
        if answered_meanwhile {
            assert_eq!(heard(&centre, centre.leg(2)), [true], "the agent hears that somebody will be there");
            centre.picks_up_with(&new, &sdp("active", "sendrecv"));
            assert_eq!(heard(&centre, centre.leg(2)), [true, false]);
        }
        assert_eq!(last_bridge(&centre), Some((centre.leg(1), centre.leg(2))));
        assert_eq!(steps(&centre), ["103 lost", "103 back anew"]);
        centre.pass(seconds(5));
        centre.silent(page(1));
        centre.bye(&mut agent);
        centre.ended(&new);
        centre.nothing_is_left();
        assert_eq!(centre.record(0).queue_visits.len(), 1);
    }
}

/// He never comes back: he gave up, and no agent is rung for him.
#[test]
fn a_page_that_waits_and_never_comes_back_has_abandoned() {
    let mut centre = centre_of_page("103", |_| {});
    ["101", "102"].into_iter().for_each(|agent| centre.want(agent, Wish::Logout));
    let mut own = centre.dial_with(page(1), "103", "600", "Max-Forwards: 70", &sdp("actpass", "sendrecv"));
    centre.answered(&mut own);
    centre.closes(page(1));
    centre.pass(seconds(60));
    centre.handle(Input::Media(Event::MediaTimeout { leg: centre.leg(0) }));
    assert_eq!(steps(&centre), ["103 lost"], "a minute more");
    centre.pass(seconds(60));
    assert_eq!(steps(&centre), ["103 lost", "103 failed 408"]);
    centre.want("102", Wish::Ready);
    centre.pass(seconds(5));
    centre.silent(desk(102));
    centre.nothing_is_left();
    let record = centre.record(0);
    assert_eq!(record.end.map(|end| end.reason), Some(EndReason::MediaTimeout));
    assert_eq!(record.queue_visits[0].outcome, Some(hatif::journal::QueueOutcome::Abandoned));
}

/// His wait is over while he is away: nobody hears what would come now, and no phone of his is rung for nothing.
#[test]
fn a_wait_that_ends_while_the_page_is_away_is_the_end() {
    let mut centre = centre_of_page("103", |settings| {
        settings.floor.queues.get_mut("support").expect("support").max_wait = seconds(20);
    });
    ["101", "102"].into_iter().for_each(|agent| centre.want(agent, Wish::Logout));
    let mut own = centre.dial_with(page(1), "103", "600", "Max-Forwards: 70", &sdp("actpass", "sendrecv"));
    centre.answered(&mut own);
    centre.pass(seconds(15));
    let new = loaded_anew(&mut centre, "103");
    centre.says(&new, "180 Ringing");
    centre.pass(seconds(4));
    assert_eq!(steps(&centre), ["103 lost", "103 failed 480"]);
    centre.cancelled(&new);
    centre.nothing_is_left();
    assert_eq!(centre.record(0).queue_visits[0].outcome, Some(hatif::journal::QueueOutcome::Timeout));
}

/// A caller talks with agent 102, who brought in 103 at page 1.
fn conference_with_page() -> (Centre, Leg, Leg) {
    let mut centre = Centre::with(with_pages);
    centre.want("101", Wish::Logout);
    centre.loads(page(1), "103", "a");
    let customer = centre.connect(stranger(1), "0551234", "600");
    let agent = centre.rung(desk(102));
    centre.picks_up(&agent);
    let id = centre.engine.calls().next().expect("a call").id();
    assert_eq!(centre.add(id, "103"), Ok(()));
    let guest = centre.rung(page(1));
    centre.picks_up_with(&guest, &sdp("active", "sendrecv"));
    (centre, customer, agent)
}

/// Who was brought into a talk is not waited for with music, and is back where he was.
#[test]
fn a_guests_page_keeps_its_place_in_the_conference() {
    for comes_back in [true, false] {
        let (mut centre, mut customer, agent) = conference_with_page();
        centre.pass(seconds(3));
        let new = loaded_anew(&mut centre, "103");
        assert_eq!(heard(&centre, centre.leg(0)), [true, false], "nothing but the wait in the queue");
        if comes_back {
            centre.picks_up_with(&new, &sdp("active", "sendrecv"));
            let [c, a, g] = [0, 1, 3].map(|n| centre.leg(n));
            assert_eq!([c, a, g].map(|leg| hears(&centre, leg)), [vec![a, g], vec![c, g], vec![c, a]]);
            assert_eq!(steps(&centre), ["103 lost", "103 back anew"]);
            assert_eq!(centre.state("103"), AgentStateName::Busy);
            centre.bye(&mut customer);
            centre.ended(&new);
        } else {
            centre.says(&new, "486 Busy Here");
            assert_eq!([0, 1].map(|n| hears(&centre, centre.leg(n))), [vec![], vec![]], "two again");
            assert_eq!(steps(&centre), ["103 lost", "103 failed 486"]);
            centre.bye(&mut customer);
        }
        centre.ended(&agent);
        centre.nothing_is_left();
    }
}

/// The guest is away when the agent leaves: the customer hears music until his page is back, as if he were called.
#[test]
fn a_guest_who_is_away_may_become_the_one_who_talks() {
    let (mut centre, mut customer, mut agent) = conference_with_page();
    let new = loaded_anew(&mut centre, "103");
    centre.bye(&mut agent);
    assert_eq!(heard(&centre, centre.leg(0)), [true, false, true]);
    centre.picks_up_with(&new, &sdp("active", "sendrecv"));
    assert_eq!(heard(&centre, centre.leg(0)), [true, false, true, false]);
    assert_eq!(last_bridge(&centre), Some((centre.leg(0), centre.leg(3))));
    centre.bye(&mut customer);
    centre.ended(&new);
    centre.nothing_is_left();
}

/// A supervisor's page: he hears the talk by the new one, in the way he chose.
#[test]
fn a_supervisors_page_keeps_his_line() {
    use hatif::journal::SupervisionMode;
    let mut centre = centre_of_page("201", |settings| {
        settings.sip.fixed.retain(|at, _| *at != desk(201));
        let user = hatif::sip::config::UserConfig { password: "secret".to_owned() };
        settings.sip.users.insert("201".to_owned(), user);
        settings.sip.watched.users.insert("201".to_owned());
    });
    centre.want("101", Wish::Logout);
    let mut customer = centre.connect(stranger(1), "0551234", "600");
    let agent = centre.rung(desk(102));
    centre.picks_up(&agent);
    let mut ear = centre.dial_with(page(1), "201", "*82102", "Max-Forwards: 70", &sdp("actpass", "sendrecv"));
    centre.answered(&mut ear);
    let modes = |centre: &Centre| {
        centre.told(|kind| match kind {
            Kind::SupervisionStarted { mode, .. } => Some((true, *mode)),
            Kind::SupervisionEnded { mode, .. } => Some((false, *mode)),
            _ => None,
        })
    };
    assert_eq!(modes(&centre), [(true, SupervisionMode::Whisper)]);
    let mut new = loaded_anew(&mut centre, "201");
    centre.picks_up_with(&new, &sdp("active", "sendrecv"));
    let [c, a, s] = [0, 1, 3].map(|n| centre.leg(n));
    assert_eq!([hears(&centre, a), hears(&centre, s)], [vec![c, s], vec![c, a]]);
    let whispers = SupervisionMode::Whisper;
    assert_eq!(modes(&centre), [(true, whispers), (false, whispers), (true, whispers)]);
    assert_eq!(heard(&centre, centre.leg(3)), Vec::<bool>::new(), "nobody plays him anything");
    centre.bye(&mut new);
    assert_eq!(hears(&centre, a), vec![]);
    centre.bye(&mut customer);
    centre.ended(&agent);
    centre.nothing_is_left();
}
