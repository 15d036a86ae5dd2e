//! Customers who are called back.

use hatif::acd::Wish;
use hatif::acd::way::Way;
use hatif::call::Wanted;
use hatif::call::config::{CallbackConfig, CallbackMode, DialTarget, RecordPolicy};
use hatif::engine::{BookError, Engine, Input, Remains, Settings};
use hatif::id::CallId;
use hatif::journal::{AgentStateName, CallbackResult, EndReason, Hours, Kind, Party, QueueOutcome};
use hatif::media::Command as Media;
use hatif::report::explain::Language;
use hatif::report::live::Live;
use hatif::report::places::Places;
use hatif::report::record::Direction;

use crate::centre::*;
use crate::hours::never_open;
use crate::phone::{Leg, header};
use crate::settings::queue;
use crate::why::{golden, story};

const NUMBER: &str = "0551234";

/// `support` calls back at FAR, by key 2, and 101 alone serves it.
fn calls_back(mode: CallbackMode) -> impl FnOnce(&mut Settings) {
    move |settings| {
        settings.floor.agents.retain(|id, _| id.as_str() != "102");
        let support = settings.floor.queues.get_mut("support").expect("support");
        support.exit_keys = [('2', Way::CallBack)].into();
        let dial = Some(DialTarget::Address { user: "{number}".into(), address: addr(FAR) });
        settings.call.callbacks.insert(queue("support"), CallbackConfig { mode, dial, ..CallbackConfig::default() });
        settings.call.recording.insert(queue("support"), RecordPolicy::Always);
    }
}

fn centre(mode: CallbackMode) -> Centre {
    let mut centre = Centre::with(calls_back(mode));
    centre.want("101", Wish::Pause("lunch".into()));
    centre
}

/// Somebody waits for half a minute and presses the key: he hears that he may hang up.
fn books(centre: &mut Centre, phone: u8, number: &str) {
    let mut customer = centre.connect(stranger(phone), number, "600");
    centre.pass(seconds(30));
    centre.info(&mut customer, '2');
    centre.silent(stranger(phone));
    centre.pass(seconds(2));
    centre.ended(&customer);
}

/// Takes out what the engine has to say.
fn settle(centre: &mut Centre) {
    centre.handle(Input::Committed(0));
}

/// Ends of callbacks and of their tries, as the journal tells them.
fn results(centre: &Centre) -> Vec<(&'static str, CallbackResult, u32)> {
    let of = |kind: &Kind| match kind {
        Kind::CallbackTried { result, tries, .. } => Some(("tried", *result, *tries)),
        Kind::CallbackEnded { result, tries, .. } => Some(("ended", *result, *tries)),
        _ => None,
    };
    centre.journal.iter().filter_map(|entry| of(&entry.kind)).collect()
}

fn bridges(centre: &Centre) -> usize {
    centre.media.iter().filter(|command| matches!(command, Media::Bridge { .. })).count()
}

/// 101 is free, and what he is offered is answered.
#[track_caller]
fn agent_answers(centre: &mut Centre) -> Leg {
    centre.want("101", Wish::Ready);
    let agent = centre.rung(desk(101));
    centre.picks_up(&agent);
    agent
}

#[test]
fn f15_agent_first_he_hears_that_it_rings_and_then_the_customer() {
    let mut centre = centre(CallbackMode::AgentFirst);
    books(&mut centre, 1, NUMBER);
    let first = centre.record(0).clone();
    assert_eq!(first.end.map(|end| (end.by, end.reason)), Some((Party::System, EndReason::Callback)));
    assert_eq!(first.queue_visits[0].outcome, Some(QueueOutcome::Callback));
    centre.pass(seconds(100));

    centre.want("101", Wish::Ready);
    let agent = centre.rung(desk(101));
    assert!(
        header(&agent.invite, "From").is_some_and(|from| from.contains(NUMBER) && from.contains("callback support"))
    );
    centre.silent(addr(FAR));
    centre.picks_up(&agent);
    let mut customer = centre.rung(addr(FAR));
    assert!(customer.invite.starts_with("INVITE sip:0551234@10.4.0.1:5060 "), "{}", customer.invite);
    assert!(header(&customer.invite, "From").is_some_and(|from| from.contains("600")), "{}", customer.invite);
    let is_ringback = |c: &Media| matches!(c, Media::Tone { leg, .. } if *leg == centre.leg(1));
    assert!(centre.media.iter().any(is_ringback), "the agent hears that it rings");
    centre.says(&customer, "180 Ringing");
    centre.pass(seconds(8));
    assert_eq!((bridges(&centre), results(&centre)), (0, vec![]));
    centre.picks_up(&customer);
    assert_eq!((bridges(&centre), results(&centre)), (1, vec![("ended", CallbackResult::Reached, 1)]));
    let recorded =
        centre.media.iter().any(|c| matches!(c, Media::Record { customer, .. } if *customer == centre.leg(2)));
    assert!(recorded, "the customer on his side of the recording");
    centre.pass(seconds(5));
    centre.bye(&mut customer);
    centre.ended(&agent);
    centre.nothing_is_left();

    let record = centre.record(1);
    assert_eq!((record.from.as_str(), record.to.as_str(), record.direction), ("600", NUMBER, Direction::Outbound));
    assert_eq!((record.callback_of, record.callback_of.is_some()), (first.callback, true));
    let visit = &record.queue_visits[0];
    assert_eq!((visit.callback, visit.resumed, visit.outcome), (true, false, Some(QueueOutcome::Answered)));
    // From the booking on; his place is that of his first call.
    assert!(visit.entered_at < record.started_at);
    let score = record.agents[0].why.as_ref().and_then(|why| why.score_s);
    assert!(score.is_some_and(|score| (130..135).contains(&score)), "{score:?}");
    assert_eq!(record.end.map(|end| (end.by, end.reason)), Some((Party::Customer, EndReason::Normal)));
    assert_eq!(record.recordings.len(), 1);
    for language in [Language::Arabic, Language::English] {
        golden(&format!("callback_booked.{}.txt", language.tag()), &story(&centre, 0, language));
        golden(&format!("callback.{}.txt", language.tag()), &story(&centre, 1, language));
    }
}

#[test]
fn f15_customer_first_the_agent_is_kept_for_him_and_rung_when_he_is_there() {
    let mut centre = centre(CallbackMode::CustomerFirst);
    books(&mut centre, 1, NUMBER);
    centre.want("101", Wish::Ready);
    let customer = centre.rung(addr(FAR));
    centre.silent(desk(101));
    assert_eq!(centre.state("101"), AgentStateName::Ringing);
    centre.pass(seconds(20));
    centre.picks_up(&customer);
    let plays = centre.media.iter().filter(|c| matches!(c, Media::Play { leg, .. } if *leg == centre.leg(1))).count();
    assert_eq!(plays, 1, "he hears who calls");
    let mut agent = centre.rung(desk(101));
    centre.pass(seconds(3));
    centre.picks_up(&agent);
    assert_eq!((bridges(&centre), results(&centre)), (1, vec![("ended", CallbackResult::Reached, 1)]));
    centre.pass(seconds(5));
    centre.bye(&mut agent);
    centre.ended(&customer);
    centre.nothing_is_left();
    assert_eq!(centre.record(1).end.map(|end| end.reason), Some(EndReason::Normal));
}

#[test]
fn f15_customer_first_who_is_not_to_be_had_costs_the_agent_no_ring() {
    let mut centre = centre(CallbackMode::CustomerFirst);
    books(&mut centre, 1, NUMBER);
    centre.want("101", Wish::Ready);
    let customer = centre.rung(addr(FAR));
    // Somebody else waits on the line meanwhile: he is next.
    let mut second = centre.connect(stranger(2), "2", "600");
    centre.silent(desk(101));
    centre.says(&customer, "486 Busy Here");
    assert_eq!(results(&centre), [("tried", CallbackResult::Busy, 1)]);
    let agent = centre.rung(desk(101));
    assert!(header(&agent.invite, "From").is_some_and(|from| from.contains("sip:2@")), "{}", agent.invite);
    centre.picks_up(&agent);
    centre.bye(&mut second);
    centre.ended(&agent);
    assert_eq!(centre.record(1).agents[0].result.map(|result| result.as_str()), Some("caller_gone"));
    // The second try comes after its time, at his old place, and he answers.
    centre.pass(seconds(900));
    let mut customer = centre.rung(addr(FAR));
    centre.picks_up(&customer);
    let agent = centre.rung(desk(101));
    centre.picks_up(&agent);
    centre.bye(&mut customer);
    centre.ended(&agent);
    assert_eq!(results(&centre).last(), Some(&("ended", CallbackResult::Reached, 2)));
    centre.nothing_is_left();
    assert!(centre.record(3).queue_visits[0].resumed, "in the figures he is the same caller");
}

#[test]
fn f15_tries_come_at_their_times_and_end() {
    let mut centre = centre(CallbackMode::AgentFirst);
    books(&mut centre, 1, NUMBER);
    for n in 1..=3 {
        let agent = agent_answers(&mut centre);
        let customer = centre.rung(addr(FAR));
        centre.says(&customer, "180 Ringing");
        centre.pass(seconds(29));
        centre.silent(desk(101));
        centre.pass(seconds(1));
        centre.cancelled(&customer);
        centre.ended(&agent);
        assert_eq!(results(&centre)[n - 1], ("tried", CallbackResult::NoAnswer, n as u32));
        centre.pass(seconds(899));
        centre.silent(desk(101));
        centre.pass(seconds(2));
        let record = centre.record(n);
        assert_eq!(record.end.map(|end| end.reason), Some(EndReason::NoAnswer));
    }
    centre.silent(desk(101));
    assert_eq!(results(&centre).last(), Some(&("ended", CallbackResult::Failed, 3)));
    centre.nothing_is_left();
}

#[test]
fn f15_an_agent_who_declines_or_hangs_up_leaves_the_customer_his_place() {
    let mut centre = centre(CallbackMode::AgentFirst);
    books(&mut centre, 1, NUMBER);
    centre.want("101", Wish::Ready);
    let agent = centre.rung(desk(101));
    centre.says(&agent, "603 Decline");
    centre.silent(addr(FAR));
    assert_eq!(results(&centre), []);
    // His delay of 30 s is over, and so is the customer's exclusion: the same call goes on.
    centre.pass(seconds(31));
    let mut agent = centre.rung(desk(101));
    centre.picks_up(&agent);
    let customer = centre.rung(addr(FAR));
    centre.says(&customer, "180 Ringing");
    centre.bye(&mut agent);
    centre.cancelled(&customer);
    assert_eq!(results(&centre), [("tried", CallbackResult::Failed, 1)]);
    assert_eq!(centre.record(1).end.map(|end| end.by), Some(Party::Agent));
    centre.want("101", Wish::Logout);
    centre.pass(seconds(86_400));
    assert_eq!(results(&centre).last(), Some(&("ended", CallbackResult::Expired, 1)));
    centre.nothing_is_left();
}

/// Answer and hang-up of both sides cross; nobody is left alone on the line, and nothing stays behind.
#[test]
fn f15_answers_and_hang_ups_cross() {
    for order in 0..4 {
        let mut centre = centre(CallbackMode::AgentFirst);
        books(&mut centre, 1, NUMBER);
        let mut agent = agent_answers(&mut centre);
        let customer = centre.rung(addr(FAR));
        centre.says(&customer, "180 Ringing");
        match order {
            // The agent hangs up, and the customer's 200 is on its way.
            0 => {
                centre.bye(&mut agent);
                centre.expect(addr(FAR), "CANCEL ");
                centre.picks_up(&customer);
                centre.ended(&customer);
            }
            // The customer answers in the moment in which it has rung long enough.
            1 => {
                centre.pass(seconds(30));
                centre.expect(addr(FAR), "CANCEL ");
                centre.ended(&agent);
                centre.picks_up(&customer);
                centre.ended(&customer);
            }
            // A supervisor ends the call.
            2 => {
                let call = centre.engine.calls().next().map(|call| call.id()).expect("a call");
                centre.command(hatif::engine::Command::HangUp(call));
                centre.cancelled(&customer);
                centre.ended(&agent);
                assert_eq!(results(&centre), [("ended", CallbackResult::Cancelled, 0)]);
            }
            // The customer answers and hangs up at once.
            _ => {
                centre.picks_up(&customer);
                let mut customer = customer;
                centre.bye(&mut customer);
                centre.ended(&agent);
            }
        }
        centre.want("101", Wish::Logout);
        centre.pass(seconds(86_400));
        centre.nothing_is_left();
    }
}

#[test]
fn f15_a_customer_whose_agent_goes_away_while_he_is_rung_waits_on_the_line() {
    let mut centre = centre(CallbackMode::CustomerFirst);
    books(&mut centre, 1, NUMBER);
    centre.want("101", Wish::Ready);
    let customer = centre.rung(addr(FAR));
    centre.want("101", Wish::Pause("lunch".into()));
    assert_eq!(centre.state("101"), AgentStateName::Paused);
    centre.picks_up(&customer);
    centre.silent(desk(101));
    centre.pass(seconds(40));
    centre.silent(addr(FAR));
    let agent = agent_answers(&mut centre);
    let mut customer = customer;
    centre.pass(seconds(3));
    centre.bye(&mut customer);
    centre.ended(&agent);
    // Another one hangs up before his agent has answered.
    centre.want("101", Wish::Pause("lunch".into()));
    books(&mut centre, 2, "0559999");
    centre.want("101", Wish::Ready);
    let mut customer = centre.rung(addr(FAR));
    centre.picks_up(&customer);
    let agent = centre.rung(desk(101));
    centre.says(&agent, "180 Ringing");
    centre.bye(&mut customer);
    centre.cancelled(&agent);
    centre.nothing_is_left();
    assert_eq!(centre.record(3).end.map(|end| end.reason), Some(EndReason::Abandoned));
}

#[test]
fn f15_nobody_is_called_outside_the_hours_and_the_place_is_kept() {
    let mut centre = Centre::with(|settings: &mut Settings| {
        calls_back(CallbackMode::AgentFirst)(settings);
        never_open(settings);
    });
    let set = |centre: &mut Centre, state| {
        let now = centre.now;
        centre.engine.set_calendar(now, "office", Some(state), None, "sara");
        settle(centre);
    };
    set(&mut centre, Hours::Open);
    centre.want("101", Wish::Pause("lunch".into()));
    books(&mut centre, 1, NUMBER);
    set(&mut centre, Hours::Closed);
    centre.want("101", Wish::Ready);
    centre.pass(seconds(3_600));
    centre.silent(desk(101));
    let seen = centre.engine.callbacks(centre.now);
    assert_eq!((seen.len(), seen[0].state, seen[0].booking.number.as_str()), (1, "later", NUMBER));
    set(&mut centre, Hours::Open);
    let agent = centre.rung(desk(101));
    centre.picks_up(&agent);
    let mut customer = centre.rung(addr(FAR));
    centre.picks_up(&customer);
    centre.bye(&mut customer);
    centre.ended(&agent);
    centre.nothing_is_left();
    let waited = centre.record(1).agents[0].why.as_ref().and_then(|why| why.score_s);
    assert!(waited.is_some_and(|waited| waited >= 3_630), "{waited:?}");
}

fn wanted(centre: &Centre, name: &str, number: Option<&str>) -> Wanted {
    Wanted {
        queue: queue(name),
        number: number.map(str::to_owned),
        since: centre.now,
        skills: Vec::new(),
        priority: 0,
        segment: None,
    }
}

fn book(centre: &mut Centre, name: &str, number: Option<&str>) -> Result<CallId, BookError> {
    let (now, wanted) = (centre.now, wanted(centre, name, number));
    let booked = centre.engine.book_callback(now, wanted, "api:crm", Some("ar"));
    settle(centre);
    booked
}

#[test]
fn f15_what_cannot_be_booked_is_refused_and_what_is_can_be_taken_back() {
    let mut centre = centre(CallbackMode::AgentFirst);
    assert_eq!(book(&mut centre, "vip", Some(NUMBER)), Err(BookError::NotOffered));
    for number in [None, Some(""), Some("anonymous"), Some("1"), Some("055 1234"), Some("+"), Some("sip:x@y")] {
        assert_eq!(book(&mut centre, "support", number), Err(BookError::NoNumber), "{number:?}");
    }
    let id = book(&mut centre, "support", Some("+966551234")).expect("booked");
    assert_eq!(book(&mut centre, "support", Some("+966551234")), Ok(id), "nobody is called twice");
    let seen = centre.engine.callbacks(centre.now);
    assert_eq!((seen.len(), seen[0].state, seen[0].position), (1, "waiting", Some(1)));
    let now = centre.now;
    assert!(centre.engine.cancel_callback(now, id) && !centre.engine.cancel_callback(now, id));
    settle(&mut centre);
    centre.want("101", Wish::Ready);
    centre.silent(desk(101));
    assert_eq!(results(&centre), [("ended", CallbackResult::Cancelled, 0)]);
    // Who shows no number is told that nobody is there, as if the key led nowhere.
    centre.want("101", Wish::Pause("lunch".into()));
    let mut customer = centre.connect(stranger(1), "anonymous", "600");
    centre.info(&mut customer, '2');
    centre.pass(seconds(2));
    centre.ended(&customer);
    assert_eq!(centre.record(0).end.map(|end| end.reason), Some(EndReason::NoAgents));
    assert!(centre.words(0).contains("trouble callback_refused"), "{}", centre.words(0));
    // A queue that calls nobody back any more.
    book(&mut centre, "support", Some(NUMBER)).expect("booked");
    let mut settings = centre.settings.clone();
    settings.call.callbacks.clear();
    centre.command(hatif::engine::Command::Reload(Box::new(settings)));
    assert_eq!(results(&centre).last(), Some(&("ended", CallbackResult::Cancelled, 0)));
    centre.nothing_is_left();
}

/// The queue is gone by a reload: whoever was about to be called is called no more, how far it had come.
#[test]
fn f15_a_queue_that_is_gone_calls_nobody_back() {
    for mode in [CallbackMode::AgentFirst, CallbackMode::CustomerFirst] {
        let mut centre = centre(mode);
        books(&mut centre, 1, NUMBER);
        centre.want("101", Wish::Ready);
        let rung = match mode {
            CallbackMode::AgentFirst => {
                let agent = centre.rung(desk(101));
                centre.says(&agent, "603 Decline");
                None
            }
            CallbackMode::CustomerFirst => {
                let customer = centre.rung(addr(FAR));
                centre.says(&customer, "180 Ringing");
                Some(customer)
            }
        };
        let mut settings = centre.settings.clone();
        settings.floor.queues.remove("support");
        centre.command(hatif::engine::Command::Reload(Box::new(settings)));
        if let Some(customer) = rung {
            centre.cancelled(&customer);
        }
        assert_eq!(results(&centre), [("ended", CallbackResult::Cancelled, 0)]);
        centre.nothing_is_left();
    }
}

/// Nobody has Hatif call the police.
#[test]
fn f15_emergency_numbers_are_not_called_back() {
    let mut centre = Centre::with(|settings: &mut Settings| {
        calls_back(CallbackMode::AgentFirst)(settings);
        settings.sip.guard.emergency.insert("911".to_owned());
    });
    assert_eq!(book(&mut centre, "support", Some("911")), Err(BookError::Denied));
}

#[test]
fn f15_a_flow_books_and_goes_on() {
    let mut centre = centre(CallbackMode::AgentFirst);
    let mut customer = centre.connect(stranger(1), NUMBER, "520");
    centre.pass(seconds(2));
    centre.ended(&customer);
    assert_eq!(centre.engine.callbacks(centre.now)[0].booking.number, NUMBER);
    // The other one wants to be called at a number of his own.
    customer = centre.connect(stranger(2), "anonymous", "520");
    centre.pass(seconds(2));
    centre.ended(&customer);
    let record = centre.record(1);
    assert!(record.path.iter().any(|step| step.what.contains("callback_refused")), "{:?}", record.path);
    let agent = agent_answers(&mut centre);
    let mut back = centre.rung(addr(FAR));
    centre.picks_up(&back);
    centre.bye(&mut back);
    centre.ended(&agent);
    centre.nothing_is_left();
}

/// A new process calls back whom the dead one had promised it, at his place.
#[test]
fn f15_a_crash_forgets_nobody() {
    let mut centre = centre(CallbackMode::AgentFirst);
    books(&mut centre, 1, NUMBER);
    books(&mut centre, 2, "0559999");
    let agent = agent_answers(&mut centre);
    let customer = centre.rung(addr(FAR));
    centre.says(&customer, "404 Not Found");
    centre.ended(&agent);
    let (mut live, mut places) = (Live::default(), Places::default());
    for entry in &centre.journal {
        live.handle(entry);
        places.handle(entry);
    }
    let remains = Remains::of(live.at(), &live, &places);
    assert_eq!(remains.callbacks.len(), 2);
    let (now, next_seq) = (centre.now, live.seq() + 1);
    let clock = hatif::clock::Clock::new(now, live.at());
    centre.engine = Engine::new(now, clock, centre.settings.clone(), next_seq, [9; 32]);
    centre.engine.recover(now, remains);
    settle(&mut centre);
    let seen = centre.engine.callbacks(now);
    let numbers: Vec<_> = seen.iter().map(|one| (one.booking.number.as_str(), one.state, one.tries)).collect();
    assert_eq!(numbers, [(NUMBER, "later", 1), ("0559999", "waiting", 0)]);
    centre.ignore(desk(101));
    // The agent's wrap-up of before goes on.
    centre.pass(seconds(15));
    let agent = centre.rung(desk(101));
    centre.picks_up(&agent);
    let mut customer = centre.rung(addr(FAR));
    assert!(customer.invite.contains("0559999"), "{}", customer.invite);
    centre.picks_up(&customer);
    centre.bye(&mut customer);
    centre.ended(&agent);
}
