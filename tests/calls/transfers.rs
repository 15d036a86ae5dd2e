//! Blind and attended transfer: REFER (RFC 3515) with and without Replaces (RFC 3891).

use hatif::acd::Wish;
use hatif::journal::{AgentStateName, EndReason, Kind};
use hatif::media::Command as Media;

use crate::centre::*;
use crate::phone::{Leg, header, sdp};
use crate::places::take_place;

const CENTRE_HOST: &str = "10.0.0.1";

pub fn uri(user: &str) -> String {
    format!("sip:{user}@{CENTRE_HOST}")
}

/// Who transferred to whom, and whether it was attended.
fn transferred(centre: &Centre) -> Vec<(String, String, bool)> {
    centre.told(|kind| match kind {
        Kind::Transferred { by, to, attended } => Some((by.to_string(), to.clone(), *attended)),
        _ => None,
    })
}

/// Codes of failed transfers, and whether both talk again.
fn failed(centre: &Centre) -> Vec<(u16, bool)> {
    centre.told(|kind| match kind {
        Kind::TransferFailed { sip_code, returned, .. } => Some((*sip_code, *returned)),
        _ => None,
    })
}

#[test]
fn an_agent_sends_the_caller_to_a_colleague_and_is_free_when_that_one_answers() {
    let mut centre = Centre::new();
    centre.want("102", Wish::Pause("x".into()));
    let (mut customer, mut agent) = centre.talk(stranger(1));
    centre.pass(seconds(10));
    centre.refers(&mut agent, &uri("102"));
    let colleague = centre.rung(desk(102));
    // The caller's number, not the agent's, is shown.
    assert!(header(&colleague.invite, "From").is_some_and(|from| from.contains("sip:0551234@")));
    assert_eq!((centre.state("101"), centre.state("102")), (AgentStateName::Busy, AgentStateName::Busy));
    assert!(
        matches!(centre.media.iter().rev().find(|c| matches!(c, Media::Tone { .. })), Some(Media::Tone { leg, .. }) if *leg == centre.leg(0))
    );
    centre.says(&colleague, "180 Ringing");
    assert_eq!(centre.notified(&agent), 180);
    centre.pass(seconds(5));
    centre.picks_up(&colleague);
    assert_eq!(centre.notified(&agent), 200);
    centre.ended(&agent);
    assert_eq!(centre.state("101"), AgentStateName::WrapUp);
    centre.bridged_last(0, 2);
    centre.pass(seconds(7));
    centre.bye(&mut customer);
    centre.ended(&colleague);
    centre.nothing_is_left();
    assert_eq!(centre.state("102"), AgentStateName::Paused);
    // One record: the agent's talk ended with the colleague's answer.
    let record = centre.record(0);
    let talks: Vec<_> = record.agents.iter().map(|v| (v.agent.as_str(), v.talk_seconds.map(|s| s.ms))).collect();
    assert_eq!(talks, [("101", Some(15_000)), ("102", Some(7_000))]);
    assert_eq!(record.transfers.len(), 1);
    assert_eq!(transferred(&centre), [("101".to_owned(), "agent:102".to_owned(), false)]);
    assert_eq!(record.end.map(|end| end.reason), Some(EndReason::Normal));
}

/// Most phones hang up as soon as the REFER is accepted.
#[test]
fn an_agent_who_hangs_up_at_once_is_free_at_once_and_the_transfer_goes_on() {
    let mut centre = Centre::new();
    let (mut customer, mut agent) = centre.talk(stranger(1));
    centre.refers(&mut agent, &uri("102"));
    let colleague = centre.rung(desk(102));
    centre.bye(&mut agent);
    assert_eq!(centre.state("101"), AgentStateName::WrapUp);
    centre.picks_up(&colleague);
    assert_eq!(centre.notified(&agent), 200);
    centre.bye(&mut customer);
    centre.ended(&colleague);
    centre.nothing_is_left();
    assert_eq!(transferred(&centre).len(), 1);
}

/// He does not wait for the agent who sent him away.
#[test]
fn f21_a_caller_sent_to_a_queue_is_anybodys() {
    let mut centre = Centre::with(|settings| {
        settings.floor.queues.get_mut("support").expect("support").sticky.last_agent = Some(seconds(60));
    });
    let (mut customer, mut agent) = centre.talk(stranger(1));
    centre.pass(seconds(20));
    centre.refers(&mut agent, &uri("600"));
    assert_eq!(centre.notified(&agent), 200);
    centre.ended(&agent);
    let ring = centre.rung(desk(102));
    centre.picks_up(&ring);
    centre.bye(&mut customer);
    centre.ended(&ring);
    centre.nothing_is_left();
}

/// The queue keeps the place that the caller's first entry gave him.
#[test]
fn a_caller_sent_to_a_queue_keeps_his_turn() {
    let mut centre = Centre::new();
    centre.want("102", Wish::Logout);
    let (mut customer, mut agent) = centre.talk(stranger(1));
    centre.pass(seconds(60));
    // Somebody else waits in that queue already, but came later.
    let mut later = centre.connect(stranger(2), "2", "600");
    centre.pass(seconds(5));
    centre.refers(&mut agent, &uri("600"));
    assert_eq!(centre.notified(&agent), 200);
    centre.ended(&agent);
    let queued = centre.told(|kind| match kind {
        Kind::Queued { position, transferred, .. } => Some((*position, *transferred)),
        _ => None,
    });
    assert_eq!(queued, [(1, false), (1, false), (1, true)]);
    centre.want("102", Wish::Ready);
    let ring = centre.rung(desk(102));
    assert!(header(&ring.invite, "From").is_some_and(|from| from.contains("sip:0551234@")), "{}", ring.invite);
    centre.pass(seconds(4));
    centre.picks_up(&ring);
    centre.bye(&mut customer);
    centre.ended(&ring);
    centre.bye(&mut later);
    centre.ignore(desk(101));
    centre.ignore(desk(102));
    centre.pass(seconds(40));
    centre.nothing_is_left();
    // His wait in the queue counts from the transfer.
    let visits = &centre.record(0).queue_visits;
    assert_eq!(visits.iter().map(|v| v.transferred).collect::<Vec<_>>(), [false, true]);
    assert_eq!(visits[1].wait_seconds.map(|s| s.ms), Some(4_000));
}

#[test]
fn a_caller_may_be_sent_to_a_flow_or_an_address() {
    let mut centre = Centre::new();
    let (mut customer, mut agent) = centre.talk(stranger(1));
    centre.refers(&mut agent, &uri("500"));
    assert_eq!(centre.notified(&agent), 200);
    centre.ended(&agent);
    let leg = centre.leg(0);
    centre.digit(leg, '2');
    let nodes = centre.told(|kind| if let Kind::NodeVisited { node, .. } = kind { Some(node.clone()) } else { None });
    assert_eq!(nodes, ["language", "english", "topic"]);
    centre.bye(&mut customer);
    centre.nothing_is_left();

    let mut centre = Centre::new();
    let (customer, mut agent) = centre.talk(stranger(1));
    centre.refers(&mut agent, &uri("7001"));
    let mut far = centre.rung(addr(FAR));
    centre.picks_up(&far);
    assert_eq!(centre.notified(&agent), 200);
    centre.ended(&agent);
    centre.bye(&mut far);
    centre.ended(&customer);
    centre.nothing_is_left();
    assert_eq!(transferred(&centre), [("101".to_owned(), "sip:7001@10.4.0.1:5060".to_owned(), false)]);
}

/// Whatever goes wrong, the caller is not dropped: the agent has him back.
#[test]
fn a_transfer_that_fails_returns_the_caller_to_the_agent() {
    let targets = [("102", "486 Busy Here", 486), ("102", "603 Decline", 603), ("7001", "503 Gone", 503)];
    for (target, answer, code) in targets.into_iter().chain([("7001", "401 Unauthorized", 502)]) {
        let mut centre = Centre::new();
        let (mut customer, mut agent) = centre.talk(stranger(1));
        centre.refers(&mut agent, &uri(target));
        let at = if target == "102" { desk(102) } else { addr(FAR) };
        let ring = centre.rung(at);
        centre.says(&ring, answer);
        assert_eq!(centre.notified(&agent), code, "{answer}");
        centre.bridged_last(0, 1);
        assert_eq!(centre.state("101"), AgentStateName::Busy);
        // It can be tried again.
        centre.refers(&mut agent, &uri("604"));
        assert_eq!(centre.notified(&agent), 480);
        centre.bridged_last(0, 1);
        centre.bye(&mut customer);
        centre.ended(&agent);
        centre.nothing_is_left();
        assert_eq!(failed(&centre), [(code, true), (480, true)]);
    }
}

#[test]
fn a_target_that_cannot_take_a_caller_leaves_the_talk_as_it_is() {
    let mut centre = Centre::new();
    let (mut customer, mut agent) = centre.talk(stranger(1));
    // Nobody, a code, the test tone, himself (busy), a full queue.
    for (target, code) in [("12345", 404), ("*11", 403), ("9197", 403), ("101", 486), ("603", 486)] {
        centre.refers(&mut agent, &uri(target));
        assert_eq!(centre.notified(&agent), code, "{target}");
    }
    assert_eq!(centre.state("101"), AgentStateName::Busy);
    centre.bye(&mut customer);
    centre.ended(&agent);
    centre.nothing_is_left();
    assert!(transferred(&centre).is_empty());
}

/// The agent is gone when the target refuses: the queue he came from has the caller again.
#[test]
fn a_caller_whose_transfer_fails_without_the_agent_goes_back_to_his_queue() {
    let mut centre = Centre::new();
    centre.want("102", Wish::Pause("x".into()));
    let (mut customer, mut agent) = centre.talk(stranger(1));
    centre.refers(&mut agent, &uri("102"));
    let colleague = centre.rung(desk(102));
    centre.bye(&mut agent);
    centre.says(&colleague, "486 Busy Here");
    assert_eq!(centre.notified(&agent), 486);
    assert_eq!(centre.engine.calls().filter(|call| call.waiting_in().is_some()).count(), 1);
    // After his wrap-up the same agent gets him.
    centre.pass(seconds(40));
    let again = centre.rung(desk(101));
    centre.picks_up(&again);
    centre.bye(&mut customer);
    centre.ended(&again);
    centre.nothing_is_left();
    assert_eq!(failed(&centre), [(486, false)]);
}

#[test]
fn a_caller_who_hangs_up_during_a_transfer_frees_all() {
    for agent_gone in [false, true] {
        let mut centre = Centre::new();
        let (mut customer, mut agent) = centre.talk(stranger(1));
        centre.refers(&mut agent, &uri("102"));
        let colleague = centre.rung(desk(102));
        centre.says(&colleague, "180 Ringing");
        assert_eq!(centre.notified(&agent), 180);
        if agent_gone {
            centre.bye(&mut agent);
        }
        centre.bye(&mut customer);
        centre.cancelled(&colleague);
        assert_eq!(centre.notified(&agent), 487);
        if !agent_gone {
            centre.ended(&agent);
        }
        assert_eq!(centre.state("102"), AgentStateName::Ready);
        centre.nothing_is_left();
    }
}

/// Only people of ours may send others elsewhere.
#[test]
fn trunks_and_strangers_may_not_transfer() {
    let mut centre = Centre::new();
    let (mut customer, agent) = centre.talk(stranger(1));
    centre.refers(&mut customer, &uri("102"));
    assert_eq!(centre.notified(&customer), 603);
    centre.bye(&mut customer);
    centre.ended(&agent);

    let mut caller = centre.dial(trunk(), "1", "7001");
    let mut far = centre.rung(addr(FAR));
    centre.picks_up(&far);
    centre.answered(&mut caller);
    centre.refers(&mut far, &uri("102"));
    assert_eq!(centre.notified(&far), 603);
    centre.refers(&mut caller, &uri("102"));
    assert_eq!(centre.notified(&caller), 603);
    centre.silent(desk(102));
    centre.bye(&mut caller);
    centre.ended(&far);
    centre.nothing_is_left();
}

/// A transfer goes by the agent's right, not by the caller's: a stranger may not dial 7001.
#[test]
fn an_agent_on_hold_transfers_and_gets_the_caller_back_on_hold() {
    let mut centre = Centre::new();
    let (mut customer, mut agent) = centre.talk(stranger(1));
    centre.reinvites(&mut agent, &sdp(desk(101), "sendonly"));
    centre.refers(&mut agent, &uri("7001"));
    let far = centre.rung(addr(FAR));
    centre.says(&far, "404 Not Found");
    assert_eq!(centre.notified(&agent), 404);
    assert!(matches!(centre.media.last(), Some(Media::Music { leg, .. }) if *leg == centre.leg(0)));
    assert_eq!(centre.state("101"), AgentStateName::Hold);
    centre.reinvites(&mut agent, &sdp(desk(101), "sendrecv"));
    assert_eq!(centre.state("101"), AgentStateName::Busy);
    centre.bye(&mut customer);
    centre.ended(&agent);
    centre.nothing_is_left();
}

/// Who called may send the one he called elsewhere: the sides change places.
#[test]
fn a_user_transfers_whom_he_called() {
    let mut centre = Centre::new();
    let mut user = centre.dial(desk(103), "103", "7001");
    let mut far = centre.rung(addr(FAR));
    centre.picks_up(&far);
    centre.answered(&mut user);
    centre.pass(seconds(3));
    centre.refers(&mut user, &uri("102"));
    let colleague = centre.rung(desk(102));
    assert!(header(&colleague.invite, "From").is_some_and(|from| from.contains("sip:7001@")), "{}", colleague.invite);
    centre.picks_up(&colleague);
    assert_eq!(centre.notified(&user), 200);
    centre.ended(&user);
    assert_eq!((centre.state("103"), centre.state("102")), (AgentStateName::Ready, AgentStateName::Busy));
    centre.bridged_last(1, 2);
    centre.pass(seconds(3));
    centre.bye(&mut far);
    centre.ended(&colleague);
    centre.nothing_is_left();
    assert_eq!(transferred(&centre), [("103".to_owned(), "agent:102".to_owned(), false)]);
}

/// A colleague who was called and is sent on stays busy until his own call is over.
#[test]
fn a_user_transfers_a_colleague_or_the_agent_of_a_queue() {
    let mut centre = Centre::new();
    centre.want("102", Wish::Logout);
    let mut user = centre.connect(desk(103), "103", "600");
    let mut agent = centre.rung(desk(101));
    centre.picks_up(&agent);
    centre.pass(seconds(2));
    centre.refers(&mut user, &uri("7001"));
    let far = centre.rung(addr(FAR));
    centre.picks_up(&far);
    assert_eq!(centre.notified(&user), 200);
    centre.ended(&user);
    assert_eq!((centre.state("103"), centre.state("101")), (AgentStateName::Ready, AgentStateName::Busy));
    centre.pass(seconds(30));
    assert_eq!(centre.state("101"), AgentStateName::Busy);
    centre.bye(&mut agent);
    centre.ended(&far);
    assert_eq!(centre.state("101"), AgentStateName::Ready);
    centre.nothing_is_left();
}

/// The flow that a colleague dialled served him: whom he transfers is not its caller.
#[test]
fn a_flow_ends_with_the_caller_who_transfers() {
    let mut centre = Centre::new();
    let mut user = centre.connect(desk(103), "103", "510");
    let colleague = centre.rung(desk(102));
    centre.picks_up(&colleague);
    centre.refers(&mut user, &uri("7001"));
    let mut far = centre.rung(addr(FAR));
    centre.picks_up(&far);
    assert_eq!(centre.notified(&user), 200);
    centre.ended(&user);
    centre.bye(&mut far);
    centre.ended(&colleague);
    assert_eq!((centre.state("102"), centre.state("103")), (AgentStateName::Ready, AgentStateName::Ready));
    centre.nothing_is_left();
}

/// RFC 5589 §7.1 as a B2BUA sees it: the agent consults, then both others talk and he is free.
#[test]
fn an_agent_consults_a_colleague_and_joins_him_with_the_caller() {
    let mut centre = Centre::new();
    let (mut customer, mut agent) = centre.talk(stranger(1));
    centre.reinvites(&mut agent, &sdp(desk(101), "sendonly"));
    let colleague = centre.consults_and_joins(&mut agent);
    assert_eq!((centre.state("101"), centre.state("102")), (AgentStateName::WrapUp, AgentStateName::Busy));
    centre.bridged_last(0, 3);
    centre.pass(seconds(9));
    centre.bye(&mut customer);
    centre.ended(&colleague);
    assert_eq!(centre.state("102"), AgentStateName::Ready);
    centre.nothing_is_left();
    assert_eq!(transferred(&centre), [("101".to_owned(), "agent:102".to_owned(), true)]);
    let record = centre.record(0);
    let talks: Vec<_> = record.agents.iter().map(|v| (v.agent.as_str(), v.talk_seconds.map(|s| s.ms))).collect();
    assert_eq!(talks, [("101", Some(5_000)), ("102", Some(9_000))]);
    assert_eq!(centre.record(1).agents[0].talk_seconds.map(|s| s.ms), Some(5_000));
}

/// The REFER may also come in the consultation call, meaning the caller's.
#[test]
fn the_consultation_may_be_referred_to_the_caller() {
    let mut centre = Centre::new();
    let (mut customer, mut agent) = centre.talk(stranger(1));
    let mut consult = centre.dial(desk(101), "101", "7001");
    let far = centre.rung(addr(FAR));
    centre.picks_up(&far);
    centre.answered(&mut consult);
    let target = replacing("0551234", &agent);
    agent.cseq = 100;
    centre.refers(&mut consult, &target);
    centre.ended(&consult);
    assert_eq!(centre.notified(&consult), 200);
    centre.ended(&agent);
    centre.bridged_last(0, 3);
    centre.bye(&mut customer);
    centre.ended(&far);
    centre.nothing_is_left();
    assert_eq!(transferred(&centre), [("101".to_owned(), "sip:7001@10.4.0.1:5060".to_owned(), true)]);
}

/// Semi-attended: the agent does not wait for the colleague's answer.
#[test]
fn a_consultation_that_still_rings_is_taken_over() {
    let mut centre = Centre::new();
    let (mut customer, mut agent) = centre.talk(stranger(1));
    let mut consult = centre.dial(desk(101), "101", "102");
    let colleague = centre.rung(desk(102));
    centre.says(&colleague, "180 Ringing");
    centre.expect(desk(101), "SIP/2.0 100");
    let ringing = centre.expect(desk(101), "SIP/2.0 180");
    consult.remote = header(&ringing, "To").expect("To").to_owned();
    centre.refers(&mut agent, &replacing("102", &consult));
    centre.refused(&mut consult, 487);
    assert_eq!(centre.notified(&agent), 180);
    centre.picks_up(&colleague);
    assert_eq!(centre.notified(&agent), 200);
    centre.ended(&agent);
    centre.bridged_last(0, 3);
    centre.bye(&mut customer);
    centre.ended(&colleague);
    centre.nothing_is_left();

    // He declines: the agent has the caller back.
    let mut centre = Centre::new();
    let (mut customer, mut agent) = centre.talk(stranger(1));
    let mut consult = centre.dial(desk(101), "101", "102");
    let colleague = centre.rung(desk(102));
    centre.says(&colleague, "180 Ringing");
    centre.expect(desk(101), "SIP/2.0 100");
    let ringing = centre.expect(desk(101), "SIP/2.0 180");
    consult.remote = header(&ringing, "To").expect("To").to_owned();
    centre.refers(&mut agent, &replacing("102", &consult));
    centre.refused(&mut consult, 487);
    assert_eq!(centre.notified(&agent), 180);
    centre.says(&colleague, "603 Decline");
    assert_eq!(centre.notified(&agent), 603);
    assert_eq!((centre.state("101"), centre.state("102")), (AgentStateName::Busy, AgentStateName::Ready));
    centre.bridged_last(0, 1);
    centre.bye(&mut customer);
    centre.ended(&agent);
    centre.nothing_is_left();
}

/// The agent consults a queue: its agent goes on with the caller; or the caller waits there instead of the agent.
#[test]
fn a_queue_may_be_consulted() {
    let mut centre = Centre::new();
    let (mut customer, mut agent) = centre.talk(stranger(1));
    let mut consult = centre.connect(desk(101), "101", "600");
    let other = centre.rung(desk(102));
    centre.picks_up(&other);
    centre.refers(&mut agent, &replacing("600", &consult));
    centre.ended(&consult);
    assert_eq!(centre.notified(&agent), 200);
    centre.ended(&agent);
    assert_eq!(centre.state("102"), AgentStateName::Busy);
    centre.pass(seconds(40));
    assert_eq!(centre.state("102"), AgentStateName::Busy);
    centre.bye(&mut customer);
    centre.ended(&other);
    assert_eq!(centre.state("102"), AgentStateName::Ready);
    centre.nothing_is_left();

    let mut centre = Centre::new();
    centre.want("102", Wish::Logout);
    let (mut customer, mut agent) = centre.talk(stranger(1));
    consult = centre.connect(desk(101), "101", "600");
    centre.refers(&mut agent, &replacing("600", &consult));
    centre.ended(&consult);
    assert_eq!(centre.notified(&agent), 200);
    centre.ended(&agent);
    assert_eq!(centre.engine.calls().filter(|call| call.waiting_in().is_some()).count(), 1);
    centre.bye(&mut customer);
    centre.nothing_is_left();
}

/// Nobody takes the place of what is not his own.
#[test]
fn an_agent_joins_only_his_own_calls() {
    let mut centre = Centre::new();
    let (mut customer, mut agent) = centre.talk(stranger(1));
    let mut other = centre.dial(desk(103), "103", "102");
    let colleague = centre.rung(desk(102));
    centre.picks_up(&colleague);
    centre.answered(&mut other);
    centre.refers(&mut agent, &replacing("102", &other));
    assert_eq!(centre.notified(&agent), 403);
    // Nor of what there is not.
    let gone = Leg { call_id: "nowhere".into(), ..other.clone() };
    centre.asks(&mut agent, "REFER", &format!("Refer-To: <{}>\r\n", replacing("102", &gone)), "");
    assert_eq!(centre.notified(&agent), 481);
    centre.bye(&mut other);
    centre.ended(&colleague);
    centre.bye(&mut customer);
    centre.ended(&agent);
    centre.nothing_is_left();
}

/// A user's calls are on one media thread, however many there are: he can join them.
#[test]
fn a_consultation_is_where_the_talk_is() {
    let mut centre = Centre::with(|settings| settings.media.shards = 3);
    centre.want("102", Wish::Pause("x".into()));
    for round in 1..=4 {
        let (mut customer, mut agent) = centre.talk(stranger(round));
        let mut consult = centre.dial(desk(101), "101", "7001");
        let far = centre.rung(addr(FAR));
        centre.picks_up(&far);
        centre.answered(&mut consult);
        centre.refers(&mut agent, &replacing("7001", &consult));
        centre.ended(&consult);
        assert_eq!(centre.notified(&agent), 200, "round {round}");
        centre.ended(&agent);
        centre.bye(&mut customer);
        centre.ended(&far);
        centre.pass(seconds(20));
    }
    centre.nothing_is_left();
}

/// Who takes over a colleague's talk while he has a call of his own may have them on two media threads. They cannot be
/// joined; he hears that, and both go on.
#[test]
fn calls_on_two_media_threads_are_not_joined_and_both_go_on() {
    let mut centre = Centre::with(|settings| settings.media.shards = 2);
    let (mut customer, agent) = centre.talk(stranger(1));
    let mut own = centre.dial(desk(102), "102", "7001");
    let far = centre.rung(addr(FAR));
    centre.picks_up(&far);
    centre.answered(&mut own);
    let mut taken = take_place(&mut centre, 102, &agent);
    centre.ended(&agent);
    let shards: Vec<usize> = centre.engine.calls().map(|call| call.shard()).collect();
    assert_ne!(shards[0], shards[1]);
    centre.refers(&mut taken, &replacing("7001", &own));
    assert_eq!(centre.notified(&taken), 503);
    centre.refers(&mut own, &replacing("0551234", &taken));
    assert_eq!(centre.notified(&own), 503);
    assert_eq!(centre.engine.calls().count(), 2);
    for leg in [&customer, &taken, &own, &far] {
        centre.silent(leg.at);
    }
    centre.bye(&mut customer);
    centre.ended(&taken);
    centre.bye(&mut own);
    centre.ended(&far);
    centre.nothing_is_left();
    assert_eq!(transferred(&centre), []);
}
