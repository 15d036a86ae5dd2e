//! Two things at the same moment. Whatever wins, nobody is lost, nobody hears two, and the next call works.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod common;

use std::fs;
use std::time::{Duration, Instant};

use common::*;
use hatif::robot::audio::{level_db, stands_above};
use hatif::robot::{Answering, Options, Phone, Source};

/// Quick queues: 1 s to answer, no rest after a missed ring and none after a talk.
const QUICK: &str = "ring_timeout = \"1s\"\nwrap_up = \"0s\"\nannounce_every = \"0s\"\nrna_threshold = 100\n\
                     exclude_agent = \"0s\"\ndelay_no_answer = \"0s\"\ndelay_busy = \"0s\"\ndelay_rejected = \"0s\"";
/// Long enough to answer by hand.
const CALM: &str = "ring_timeout = \"15s\"\nwrap_up = \"0s\"\nannounce_every = \"0s\"";

fn quick_server(queue_keys: &str) -> Server {
    let ports = free_ports();
    Server::configured(ports, &config(ports, &floor(queue_keys)))
}

/// How much later (or earlier, below zero) the second thing happens, in ms.
const OFFSETS_MS: [i64; 9] = [-20, -8, -3, -1, 0, 1, 3, 8, 20];

/// Does `first` and `second` on two threads, `second` later by `offset_ms`.
fn at_once(offset_ms: i64, first: impl FnOnce() + Send, second: impl FnOnce() + Send) {
    let start = Instant::now() + ms(60);
    let at = |shift: i64| start + Duration::from_millis((shift + 30) as u64);
    std::thread::scope(|scope| {
        for (when, what) in
            [(at(0), Box::new(first) as Box<dyn FnOnce() + Send>), (at(offset_ms), Box::new(second) as Box<_>)]
        {
            scope.spawn(move || {
                std::thread::sleep(when.saturating_duration_since(Instant::now()));
                what();
            });
        }
    });
}

/// Nothing had to be mended and no call is lost from the count.
#[track_caller]
fn books_balance(server: &Server) {
    server.idle(seconds(10));
    let sum = |name: &str| server.metric(name, &[("queue", "support")]);
    let (entered, answered) = (sum("hatif_queue_entered_total"), sum("hatif_queue_answered_total"));
    let (abandoned, others) = (sum("hatif_queue_abandoned_total"), sum("hatif_queue_exits_total"));
    assert_eq!(entered, answered + abandoned + others, "{answered} answered, {abandoned} abandoned, {others} others");
    for name in ["hatif_agent_state_repaired_total", "hatif_panics_total"] {
        assert_eq!(server.metric(name, &[]), 0.0, "{name}");
    }
}

/// The caller hangs up as the agent answers: the agent is free again at once, and his phone is silent.
#[test]
fn answer_and_hang_up_at_once() {
    let server = quick_server(CALM);
    let agent = server.agent("101", 604.0, Answering::Manual);
    server.agents_in("ready", 1.0);
    for (n, offset) in OFFSETS_MS.into_iter().enumerate() {
        let customer = server.customer(&format!("051{n}"), Source::Silence);
        let out = customer.invite("600").expect("sent");
        out.answered(SOON).expect("in the queue");
        let inside = agent.incoming(SOON).expect("his phone rings");
        at_once(offset, || inside.answer(), || out.hang_up());
        assert!(inside.ended(seconds(5)), "offset {offset} ms: the agent's phone is hung up\n{}", agent.trace());
        server.agents_in("ready", 1.0);
        let record = server.ended_call(&format!("051{n}"));
        assert_eq!(record["end"]["by"], "customer", "{record:#}");
    }
    books_balance(&server);
}

/// A caller who hangs up while the phone rings: the ring stops at once.
#[test]
fn a_ring_stops_when_its_caller_leaves() {
    let server = quick_server(CALM);
    let agent = server.agent("101", 604.0, Answering::RingForever);
    server.agents_in("ready", 1.0);
    let customer = server.customer("0520", Source::Silence);
    let out = customer.invite("600").expect("sent");
    out.answered(SOON).expect("in the queue");
    let inside = agent.incoming(SOON).expect("rings");
    std::thread::sleep(ms(300));
    let left = Instant::now();
    out.hang_up();
    assert!(inside.ended(seconds(3)), "CANCEL comes");
    assert!(left.elapsed() < ms(500), "at once, not after {:?}", left.elapsed());
    let record = server.ended_call("0520");
    assert_eq!(record["queue_visits"][0]["outcome"], "abandoned", "{record:#}");
    assert_eq!(record["agents"][0]["result"], "caller_gone", "{record:#}");
    books_balance(&server);
}

/// The agent answers at the very end of his ring, as the next one is rung: the caller gets exactly one of them.
#[test]
fn two_agents_answer_at_once() {
    let server = quick_server(QUICK);
    let tones = [604.0, 804.0];
    let agents = [server.agent("101", tones[0], Answering::Manual), server.agent("102", tones[1], Answering::Manual)];
    server.agents_in("ready", 2.0);
    for (n, offset) in [-40i64, -15, -5, 0, 5, 15, 40].into_iter().enumerate() {
        let number = format!("053{n}");
        let customer = server.customer(&number, Source::Silence);
        let out = customer.invite("600").expect("sent");
        out.answered(SOON).expect("in the queue");
        let (first, ring) = first_ring(&agents);
        let due = Instant::now() + ms((1_000 + offset) as u64);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        ring.answer();
        let second = agents[1 - first].incoming(ms(400)).ok();
        if let Some(second) = &second {
            second.answer();
        }
        std::thread::sleep(seconds(1));
        let heard = listen(&[&out], seconds(1)).remove(0);
        let loud: Vec<f64> = tones.into_iter().filter(|hz| level_db(&heard, *hz) > -40.0).collect();
        assert_eq!(loud.len(), 1, "offset {offset} ms: the caller hears {loud:?}\n{}", server.log());
        let talking = usize::from(ring.up()) + usize::from(second.as_ref().is_some_and(|c| c.up()));
        assert_eq!(talking, 1, "offset {offset} ms: one phone talks, the other was hung up");
        assert_eq!(out.hang_up_and_wait(SOON), Some(200));
        wait_until(SOON, "both phones are free", || !ring.live() && second.as_ref().is_none_or(|c| !c.live()));
        server.agents_in("ready", 2.0);
        while agents.iter().any(|a| a.incoming(Duration::ZERO).is_ok()) {}
        let record = server.ended_call(&number);
        let accepted = |v: &&serde_json::Value| v["result"] == "accepted";
        assert_eq!(record["agents"].as_array().map(|a| a.iter().filter(accepted).count()), Some(1), "{record:#}");
    }
    books_balance(&server);
}

fn first_ring(agents: &[Phone; 2]) -> (usize, hatif::robot::Call) {
    let deadline = Instant::now() + SOON;
    while Instant::now() < deadline {
        for (index, agent) in agents.iter().enumerate() {
            if let Ok(call) = agent.incoming(ms(5)) {
                return (index, call);
            }
        }
    }
    panic!("no phone rings");
}

/// `*12` as the offer goes out: the agent ends paused, the caller ends with the other agent or with him, never alone.
#[test]
fn pause_and_offer_at_once() {
    let server = quick_server(CALM);
    let wavering = server.agent("101", 604.0, Answering::After(ms(50)));
    server.agents_in("ready", 1.0);
    for (n, offset) in OFFSETS_MS.into_iter().enumerate() {
        let number = format!("054{n}");
        let customer = server.customer(&number, Source::Silence);
        at_once(
            offset,
            || {
                let call = customer.invite("600").expect("sent");
                call.answered(SOON).expect("in the queue");
            },
            || {
                let pause = wavering.invite("*12").expect("sent");
                pause.answered(SOON).unwrap_or_else(|e| panic!("*12: {e}\n{}", wavering.trace()));
                pause.hang_up();
            },
        );
        std::thread::sleep(ms(500));
        let helper = server.agent("102", 804.0, Answering::After(ms(50)));
        let mut tries = 0;
        wait_until(seconds(10), "somebody serves the caller", || {
            tries += 1;
            server.metric("hatif_queue_answered_total", &[("queue", "support")]) == (n + 1) as f64
        });
        drop(customer);
        let record = server.ended_call(&number);
        assert_eq!(record["queue_visits"][0]["outcome"], "answered", "{record:#}");
        // His choice wins: after that call, if he had it at all, he is paused and stays so.
        wait_until(SOON, "101 is paused", || server.metric("hatif_agents", &[("state", "paused")]) == 1.0);
        drop(helper);
        while wavering.incoming(Duration::ZERO).is_ok() {}
        let back = wavering.invite("*11").expect("sent");
        back.answered(SOON).expect("*11");
        back.hang_up();
        server.agents_in("ready", 1.0);
        wait_until(SOON, "*11 is over", || !back.live());
    }
    books_balance(&server);
}

/// A missed ring costs the caller nothing: the next agent is rung at once and the caller keeps his place.
#[test]
fn a_missed_ring_goes_to_the_next_agent() {
    let server = quick_server("ring_timeout = \"2s\"\nwrap_up = \"0s\"\nannounce_every = \"0s\"");
    let deaf = server.agent("101", 604.0, Answering::RingForever);
    server.agents_in("ready", 1.0);
    let customer = server.customer("0550", Source::Silence);
    let out = customer.invite("600").expect("sent");
    out.answered(SOON).expect("in the queue");
    let ring = deaf.incoming(SOON).expect("rings");
    let _quick = server.agent("102", 804.0, Answering::After(ms(50)));
    assert!(ring.ended(seconds(4)), "after 2 s the ring is over");
    std::thread::sleep(ms(700));
    let heard = listen(&[&out], seconds(1)).remove(0);
    assert!(stands_above(&heard, 804.0, 604.0, MARGIN_DB), "the other agent talks with him");
    assert_eq!(out.hang_up_and_wait(SOON), Some(200));
    let record = server.ended_call("0550");
    assert_eq!(record["agents"][0]["result"], "no_answer", "{record:#}");
    assert_eq!(record["agents"][1]["result"], "accepted", "{record:#}");
    assert_eq!(record["queue_visits"].as_array().map(Vec::len), Some(1), "one stay in the queue: {record:#}");
}

/// A reload in the middle of talks and waits touches none of them; a broken file changes nothing at all.
#[test]
fn reload_in_mid_call() {
    let ports = free_ports();
    let text = config(ports, &floor(CALM));
    let server = Server::configured(ports, &text);
    let file = server.folder.join("hatif.toml");
    let agent = server.agent("101", 604.0, Answering::After(ms(50)));
    server.agents_in("ready", 1.0);
    let talker = server.customer("0560", Source::Tone(1_004.0));
    let talk = talker.invite("600").expect("sent");
    talk.answered(SOON).expect("in the queue");
    let inside = agent.incoming(SOON).expect("rings");
    inside.answered(SOON).expect("answers");
    let waiter = server.customer("0561", Source::Silence);
    let wait = waiter.invite("600").expect("sent");
    wait.answered(SOON).expect("in the queue");

    let reloaded = |good: f64| {
        wait_until(SOON, "the reload is done", || server.metric("hatif_config_last_reload_successful", &[]) == good);
    };
    fs::write(&file, format!("{text}\n[[queue]]\nname = \"broken\"\nstrategie = \"x\"\n")).expect("written");
    server.signal("HUP");
    reloaded(0.0);
    assert!(server.log().contains("hatif.toml"), "the log says where: {}", server.log());
    fs::write(&file, text.replace("wrap_up = \"0s\"", "wrap_up = \"3s\"")).expect("written");
    server.signal("HUP");
    reloaded(1.0);
    for n in 0..10 {
        fs::write(&file, text.replace("ring_timeout = \"15s\"", &format!("ring_timeout = \"{}s\"", 10 + n)))
            .expect("written");
        server.signal("HUP");
        std::thread::sleep(ms(30));
    }

    let heard = listen(&[&talk, &inside], seconds(2));
    assert!(stands_above(&heard[0], 604.0, 1_004.0, MARGIN_DB), "the talk goes on");
    assert!(stands_above(&heard[1], 1_004.0, 604.0, MARGIN_DB));
    assert_eq!(server.metric("hatif_queue_waiting", &[("queue", "support")]), 1.0, "the waiter keeps his place");
    assert_eq!(talk.hang_up_and_wait(SOON), Some(200));
    let next = agent.incoming(SOON).expect("the waiter is next");
    next.answered(SOON).expect("answers");
    assert_eq!(next.from, "0561");
    wait.hang_up();
    books_balance(&server);
}

/// A flow's transfer, and the caller who hangs up as the other side answers: both phones end silent.
#[test]
fn transfer_and_hang_up_at_once() {
    let ports = free_ports();
    let folder = temp_folder();
    for file in fs::read_dir(root().join("tests/common/flows")).expect("shipped flows") {
        let file = file.expect("entry");
        fs::copy(file.path(), folder.join(file.file_name())).expect("copied");
    }
    let flow = "flow = 1\nname = \"out\"\ntitle = { ar = \"خارج\", en = \"Out\" }\nlanguages = [\"ar\", \"en\"]\n\
                start = \"go\"\n[node.go]\nkind = \"transfer\"\nto = \"7001\"\n\
                on = { ended = \"end\", busy = \"end\", no_answer = \"end\", failed = \"end\" }\n\
                [node.end]\nkind = \"hangup\"\n";
    fs::write(folder.join("out.toml"), flow).expect("written");
    let numbers = format!(
        "[[number]]\nmatch = \"501\"\nflow = \"out\"\npublic = true\n\
         [[number]]\nmatch = \"7XXX\"\ndial = \"sip:{{number}}@127.0.0.1:{}\"\n{}",
        ports.spare,
        floor(CALM)
    );
    let shipped = format!("flows = \"{}/tests/common/flows\"", root().display());
    let text = config(ports, &numbers).replace(&shipped, &format!("flows = \"{}\"", folder.display()));
    let server = Server::configured(ports, &text);
    let mut options = Options::new(server.sip, "7001").says(Source::Tone(604.0));
    (options.port, options.lines) = (ports.spare, 3);
    let target = Phone::start(options).expect("phone");
    for (n, offset) in OFFSETS_MS.into_iter().enumerate() {
        let customer = server.customer(&format!("057{n}"), Source::Tone(1_004.0));
        let out = customer.invite("501").expect("sent");
        let inside = target.incoming(SOON).unwrap_or_else(|e| panic!("{e}\n{}\n{}", customer.trace(), server.log()));
        at_once(offset, || inside.answer(), || out.hang_up());
        assert!(inside.ended(seconds(5)), "offset {offset} ms: the other side is hung up\n{}", target.trace());
        server.ended_call(&format!("057{n}"));
    }
    // And one that nobody disturbs: a whole transferred talk.
    let customer = server.customer("0579", Source::Tone(1_004.0));
    let out = customer.invite("501").expect("sent");
    let inside = target.incoming(SOON).expect("rings");
    inside.answer();
    out.answered(SOON).expect("answered");
    std::thread::sleep(seconds(1));
    let heard = listen(&[&out, &inside], seconds(2));
    assert!(stands_above(&heard[0], 604.0, 1_004.0, MARGIN_DB));
    assert!(stands_above(&heard[1], 1_004.0, 604.0, MARGIN_DB));
    assert_eq!(inside.hang_up_and_wait(SOON), Some(200));
    assert!(out.ended(SOON), "nothing follows in this flow: the caller is hung up, not left in dead air");
    books_balance(&server);
    let _ = fs::remove_dir_all(folder);
}

/// A number that dials straight out: both directions, refusals passed on, no port kept.
#[test]
fn a_dialled_address_talks_refuses_and_is_busy() {
    let ports = free_ports();
    let numbers = format!(
        "[[number]]\nmatch = \"7XXX\"\ndial = \"sip:{{number}}@127.0.0.1:{}\"\npublic = true\n{}",
        ports.spare,
        floor(CALM)
    );
    let server = Server::configured(ports, &config(ports, &numbers));
    let mut options = Options::new(server.sip, "7001").says(Source::Tone(604.0)).answers(Answering::After(ms(300)));
    options.port = ports.spare;
    let target = Phone::start(options).expect("phone");
    let customer = server.customer("0580", Source::Tone(1_004.0));
    let out = customer.invite("7123").expect("sent");
    assert_eq!(out.progress(SOON), Some(180), "ringing is passed on");
    out.answered(SOON).expect("answered");
    let inside = target.incoming(SOON).expect("the call");
    std::thread::sleep(ms(500));
    assert!(inside.headers.iter().any(|(n, _)| n == "Via"));
    let heard = listen(&[&out, &inside], seconds(2));
    assert!(stands_above(&heard[0], 604.0, 1_004.0, MARGIN_DB));
    assert!(stands_above(&heard[1], 1_004.0, 604.0, MARGIN_DB));
    assert!(out.press("59#"));
    std::thread::sleep(ms(300));
    assert_eq!(inside.digits(), "59#", "keys go through");
    assert_eq!(inside.hang_up_and_wait(SOON), Some(200));
    assert!(out.ended(SOON));
    for code in [486, 603, 404] {
        target.set_answering(Answering::Reject(code));
        let refused = customer.invite("7123").expect("sent").refused(SOON);
        assert_eq!(refused, Some(code), "the caller is told what the other side said");
    }
    server.idle(seconds(10));
}
