//! Calls to queues and flows that go by a calendar.

use std::collections::BTreeMap;

use hatif::acd::calendar::Calendar;
use hatif::engine::Settings;
use hatif::journal::{EndReason, Hours, Party, QueueOutcome};

use crate::centre::{Centre, desk, seconds, stranger};
use crate::settings::queue;

/// Calendar `office` is never open by itself; queue `support` and flow `office` go by it.
pub fn never_open(settings: &mut Settings) {
    let zone = jiff::tz::TimeZone::get("Asia/Riyadh").expect("a zone");
    let office = Calendar { zone, week: Default::default(), holidays: Vec::new() };
    settings.floor.calendars = BTreeMap::from([("office".to_owned(), office)]);
    settings.floor.queues.get_mut(&queue("support")).expect("support").calendar = Some("office".to_owned());
}

#[test]
fn f20_a_queue_outside_its_hours_takes_nobody_in_and_says_so() {
    let mut centre = Centre::with(never_open);
    let customer = centre.connect(stranger(1), "1", "600");
    centre.silent(desk(101));
    centre.pass(seconds(2));
    centre.ended(&customer);
    let record = centre.record(0);
    assert_eq!(record.end.map(|end| (end.by, end.reason)), Some((Party::System, EndReason::Closed)));
    assert_eq!(record.queue_visits[0].outcome, Some(QueueOutcome::Closed));

    // Somebody opens it by hand for a minute: the next caller is served, and the one after that minute is not.
    let now = centre.now;
    let said =
        centre.engine.set_calendar(now, "office", Some(Hours::Open), Some(seconds(60)), "sara").expect("it is there");
    assert_eq!((said.state, said.because.as_deref()), (Hours::Open, Some("sara")));
    let mut customer = centre.connect(stranger(2), "2", "600");
    let ring = centre.rung(desk(101));
    centre.picks_up(&ring);
    centre.bye(&mut customer);
    centre.ended(&ring);
    centre.pass(seconds(61));
    let customer = centre.connect(stranger(3), "3", "600");
    centre.pass(seconds(2));
    centre.ended(&customer);
    centre.nothing_is_left();
}

/// Who waits when it closes is still served.
#[test]
fn f20_closing_sends_nobody_away_who_waits() {
    let mut centre = Centre::with(|settings| {
        never_open(settings);
        settings.floor.agents.remove("102");
    });
    let now = centre.now;
    centre.engine.set_calendar(now, "office", Some(Hours::Open), None, "sara");
    let mut first = centre.connect(stranger(1), "1", "600");
    let ring = centre.rung(desk(101));
    centre.picks_up(&ring);
    let mut second = centre.connect(stranger(2), "2", "600");
    let now = centre.now;
    centre.engine.set_calendar(now, "office", None, None, "sara");
    centre.bye(&mut first);
    centre.ended(&ring);
    centre.pass(seconds(11));
    let ring = centre.rung(desk(101));
    centre.picks_up(&ring);
    centre.bye(&mut second);
    centre.ended(&ring);
    centre.nothing_is_left();
}

#[test]
fn f20_a_flow_goes_where_the_hours_lead() {
    for (by_hand, node) in [(None, "closed"), (Some(Hours::Open), "open"), (Some(Hours::Emergency), "emergency")] {
        let mut centre = Centre::with(never_open);
        let now = centre.now;
        centre.engine.set_calendar(now, "office", by_hand, None, "sara");
        let customer = centre.connect(stranger(1), "1", "516");
        centre.pass(seconds(3));
        centre.ended(&customer);
        centre.nothing_is_left();
        let ivr = centre.record(0).ivr.clone().expect("a flow");
        assert!(ivr.path.iter().any(|name| name == node), "{node}: {:?}", ivr.path);
    }
}
