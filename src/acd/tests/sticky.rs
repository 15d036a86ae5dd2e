//! Acceptance row F21: the last agent, then a preferred group, then all.

use super::*;
use crate::journal::Whom;

/// 101 and 102 serve `support`, 103 does by the group `gold` alone; all are free. 15 s, then 30 s.
fn three() -> World {
    let mut w = world(&["101", "102"]);
    let mut third = person("103", &[], &[]);
    third.groups.insert("gold".to_owned());
    w.config.agents.insert("103".into(), third);
    let sticky = &mut w.queue(SUPPORT).sticky;
    sticky.last_agent = Some(Duration::from_secs(15));
    (sticky.group, sticky.group_time) = (Some("gold".to_owned()), Duration::from_secs(30));
    w.queue(SUPPORT).max_wait = Duration::from_secs(500);
    w.apply();
    w
}

/// A caller who talked with this agent last.
fn again(w: &mut World, n: u64, last: &str) -> Vec<Output> {
    w.known(n, None, Some(last))
}

/// There, but not to be had: in a call of his own.
fn occupy(w: &mut World, agent: &str) {
    let own = call(1_000 + agent.parse::<u64>().unwrap());
    w.input(Input::OwnCall { agent: agent.into(), call: own, rings: false });
}

fn vacate(w: &mut World, agent: &str) -> Vec<Output> {
    let own = call(1_000 + agent.parse::<u64>().unwrap());
    w.input(Input::OwnCallEnded { agent: agent.into(), call: own })
}

#[test]
fn f21_a_caller_waits_for_his_last_agent_then_for_the_group_then_for_all() {
    let mut w = three();
    occupy(&mut w, "102");
    occupy(&mut w, "103");
    assert_eq!(offers(&again(&mut w, 1, "102")), [], "101 is free, but not the one he knows");
    assert_eq!(timed(&w.pass(44.0)), [], "15 s for 102, then for the group");
    assert_eq!(timed(&w.pass(1.0)), [(45.0, 1, "101".to_owned())], "after 15 + 30 s all");
    assert_eq!(why(&w.log).sticky, None);
    assert_eq!(w.floor.position(call(1)), Some(1));
}

#[test]
fn f21_the_last_agent_takes_him_in_his_time_and_the_group_in_its_own() {
    let mut w = three();
    occupy(&mut w, "102");
    again(&mut w, 1, "102");
    w.pass(10.0);
    let out = vacate(&mut w, "102");
    assert_eq!(offers(&out), offer(1, 1, "102"));
    assert_eq!(why(&out).sticky, Some(Whom::LastAgent));

    let mut w = three();
    occupy(&mut w, "102");
    again(&mut w, 1, "102");
    let out: Vec<Output> = w.pass(20.0).into_iter().map(|(_, o)| o).collect();
    assert_eq!(offers(&out), offer(1, 1, "103"));
    assert_eq!(why(&out).sticky, Some(Whom::Group));
    assert_eq!(why(&out).waited_ms, 15_000);
}

/// Offline or paused is not there: at entry, and when he leaves while the caller waits for him.
#[test]
fn f21_who_is_not_there_is_skipped_at_once() {
    let mut w = three();
    w.pause("102");
    assert_eq!(offers(&again(&mut w, 1, "102")), offer(1, 1, "103"), "at once for the group");
    w.want("103", Wish::Logout);
    assert_eq!(timed(&w.pass(0.0)), [(0.0, 2, "101".to_owned())], "nobody of the group is left: all");

    let mut w = three();
    w.want("103", Wish::Logout);
    occupy(&mut w, "102");
    again(&mut w, 1, "102");
    w.pass(5.0);
    w.want("102", Wish::Logout);
    vacate(&mut w, "102");
    assert_eq!(timed(&w.pass(0.0)), [(5.0, 1, "101".to_owned())]);
}

/// Who has no last agent, or one who does not serve the queue any more, begins with the group; its time counts from then.
#[test]
fn f21_the_group_comes_first_for_who_has_no_last_agent() {
    for last in ["999", "103"] {
        let mut w = three();
        occupy(&mut w, "103");
        again(&mut w, 1, last);
        assert_eq!(timed(&w.pass(40.0)), [(30.0, 1, "101".to_owned())], "{last}");
    }
    let mut w = three();
    assert_eq!(offers(&w.enqueue(1)), offer(1, 1, "103"));
}

/// A reload reaches those who wait: without `sticky` they are everybody's.
#[test]
fn f21_a_reload_lets_those_who_wait_go_on() {
    let mut w = three();
    occupy(&mut w, "102");
    again(&mut w, 1, "102");
    w.pass(5.0);
    w.queue(SUPPORT).wrap_up = Duration::ZERO;
    assert_eq!(offers(&w.apply()), [], "nothing of his changed");
    w.queue(SUPPORT).sticky = Default::default();
    assert_eq!(offers(&w.apply()), offer(1, 1, "101"));
}

/// Who declines or does not answer is not waited for any longer.
#[test]
fn f21_a_last_agent_who_declines_is_waited_for_no_more() {
    let mut w = three();
    w.want("103", Wish::Logout);
    let out = again(&mut w, 1, "102");
    let Some((offer, ..)) = offers(&out).first().cloned() else { panic!("{out:?}") };
    assert_eq!(offers(&w.log).last().unwrap().2, "102");
    w.input(Input::Failed { offer: OfferId(offer), result: OfferResult::Rejected, sip_code: Some(486) });
    assert_eq!(offers(&w.log).last().unwrap().2, "101");
}

/// Each has a lane to himself, and lanes without callers do not pile up.
#[test]
fn f21_many_callers_with_agents_of_their_own_leave_no_lanes_behind() {
    let mut w = three();
    for n in 0..300u64 {
        let id = format!("5{n:03}");
        w.config.agents.insert(id.as_str().into(), person(&id, &[], &[SUPPORT]));
    }
    w.apply();
    for n in 0..300u64 {
        let id = format!("5{n:03}");
        assert_eq!(offers(&again(&mut w, n, &id)).first().map(|o| o.2.clone()), Some(id));
        w.input(Input::Leave { call: call(n) });
        w.log.clear();
    }
    assert!(w.floor.lanes.len() < 10, "{}", w.floor.lanes.len());
}
