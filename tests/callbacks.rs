//! Calling back, from outside: real phones and real sound, with a crash between the booking and the call.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod common;

use common::*;
use hatif::robot::audio::{read_wav, stands_above};
use hatif::robot::{Answering, Call, Options, Phone, Source};
use serde_json::json;

const NUMBER: &str = "0551234";
const CUSTOMER_HZ: f64 = 1_004.0;
const AGENT_HZ: f64 = 604.0;

/// `support` calls back by way of the customer's phone at the spare port.
fn server(mode: &str) -> (Server, Ports) {
    let ports = free_ports();
    let keys = format!(
        "record = \"always\"\nannounce_every = \"0s\"\nexit_keys = {{ \"2\" = \"callback\" }}\n\
         callback = {{ mode = \"{mode}\", dial = \"sip:{{number}}@127.0.0.1:{}\" }}",
        ports.spare
    );
    (Server::configured(ports, &config(ports, &floor(&keys))), ports)
}

/// The phone that is called back.
fn phone(server: &Server, ports: Ports) -> Phone {
    let mut options = Options::new(server.sip, NUMBER).says(Source::Tone(CUSTOMER_HZ)).answers(Answering::Manual);
    options.port = ports.spare;
    Phone::start(options).expect("a phone")
}

/// Waits in the queue, presses the key and is let go.
#[track_caller]
fn books(server: &Server) {
    let customer = server.customer(NUMBER, Source::Tone(CUSTOMER_HZ));
    let call = customer.invite("600").expect("sent");
    call.answered(SOON).expect("answered by the queue");
    assert!(call.press("2"), "a key");
    assert!(call.ended(seconds(20)), "he hears that he may hang up, and is let go\n{}", customer.trace());
    let record = server.ended_call(NUMBER);
    assert_eq!(record["end"]["reason"], "callback", "{record:#}");
}

#[track_caller]
fn both_hear(customer: &Call, agent: &Call) {
    std::thread::sleep(ms(400));
    let sounds = listen(&[customer, agent], seconds(2));
    assert!(stands_above(&sounds[0], AGENT_HZ, CUSTOMER_HZ, MARGIN_DB), "the customer hears the agent");
    assert!(stands_above(&sounds[1], CUSTOMER_HZ, AGENT_HZ, MARGIN_DB), "the agent hears the customer");
}

/// Hangs up, and looks at what is written of it.
#[track_caller]
fn ends(server: &Server, customer: &Call, agent: &Call) {
    assert_eq!(customer.hang_up_and_wait(SOON), Some(200));
    assert!(agent.ended(SOON));
    server.idle(SOON);
    let id = || {
        let list = items(&server.json("/api/v1/calls?limit=100"));
        let record = list.into_iter().find(|call| call["purpose"] == "callback" && !call["end"].is_null())?;
        record["call_id"].as_str().map(str::to_owned)
    };
    wait_until(SOON, "its record is there", || id().is_some());
    let id = id().expect("an id");
    let recorded = || server.json(&format!("/api/v1/calls/{id}"));
    wait_until(SOON, "its recording is whole", || recorded()["recordings"][0]["seconds"].is_number());
    let record = recorded();
    assert_eq!((record["to"].as_str(), record["direction"].as_str()), (Some(NUMBER), Some("outbound")), "{record:#}");
    assert_eq!(record["callback_of"], server.ended_call(NUMBER)["callback"]);
    let file = record["recordings"][0]["file"].as_str().expect("a recording");
    let (channels, _) = read_wav(&server.data.join(file)).expect("the file can be read");
    assert!(stands_above(&channels[0][4_000..], CUSTOMER_HZ, AGENT_HZ, MARGIN_DB), "the customer is on the left");
    assert!(stands_above(&channels[1][4_000..], AGENT_HZ, CUSTOMER_HZ, MARGIN_DB), "the agent on the right");
    let count = |result| server.metric("hatif_callbacks_total", &[("queue", "support"), ("result", result)]);
    assert_eq!((count("reached"), server.metric("hatif_callbacks_pending", &[("queue", "support")])), (1.0, 0.0));
    let why = server.command(&["explain", record["call_id"].as_str().unwrap_or_default(), "--lang", "ar"]);
    assert!(why.stdout.contains("عاود هاتف الاتصال"), "{why:?}");
}

#[test]
fn f15_agent_first_after_a_crash() {
    let (mut server, ports) = server("agent_first");
    books(&server);
    assert_eq!(server.metric("hatif_callbacks_pending", &[("queue", "support")]), 1.0);
    assert_eq!(server.metric("hatif_queue_waiting", &[("queue", "support")]), 0.0, "nobody is on the line");
    // A group commit is due within 50 ms.
    std::thread::sleep(ms(200));
    server.crash();
    server.restart();
    let listed = server.command(&["callbacks", "list"]);
    assert!(listed.stdout.contains(NUMBER) && listed.stdout.contains("waiting"), "{listed:?}");
    let phone = phone(&server, ports);
    let agent = server.agent("101", AGENT_HZ, Answering::After(ms(200)));
    let inside = agent.incoming(SOON).expect("the agent is rung");
    inside.answered(SOON).expect("and answers");
    let customer = phone.incoming(SOON).expect("the customer is rung");
    // He hears that it rings: 425 Hz, a second of each five.
    std::thread::sleep(ms(500));
    let heard = inside.listen(seconds(5));
    assert!(heard.iter().any(|sample| sample.unsigned_abs() > 500), "the agent hears that it rings");
    customer.answer();
    both_hear(&customer, &inside);
    ends(&server, &customer, &inside);
}

#[test]
fn f15_customer_first() {
    let (server, ports) = server("customer_first");
    let phone = phone(&server, ports);
    books(&server);
    let agent = server.agent("101", AGENT_HZ, Answering::After(ms(200)));
    let customer = phone.incoming(SOON).expect("the customer is rung");
    server.agents_in("ringing", 1.0);
    assert!(agent.incoming(seconds(1)).is_err(), "the agent is not, before the customer is there");
    customer.answer();
    let inside = agent.incoming(SOON).expect("and now the agent");
    inside.answered(SOON).expect("answers");
    both_hear(&customer, &inside);
    ends(&server, &customer, &inside);
}

/// The API and the command book, show and take back; what cannot be is refused with the reason.
#[test]
fn f15_what_is_booked_by_the_api_is_shown_and_taken_back() {
    let (server, _) = server("agent_first");
    let booked = server.command(&["callbacks", "book", "support", "+966551234", "--json"]);
    assert_eq!(booked.code, Some(0), "{booked:?}");
    let list = items(&server.json("/api/v1/callbacks"));
    assert_eq!(list.len(), 1);
    let (id, one) = (list[0]["id"].as_str().expect("an id").to_owned(), &list[0]);
    assert_eq!((&one["state"], &one["position"], &one["tries"]), (&json!("waiting"), &json!(1), &json!(0)));
    assert_eq!(server.json(&format!("/api/v1/callbacks/{id}"))["number"], "+966551234");
    let live = server.json("/api/v1/queues/support/live");
    assert_eq!((&live["callbacks"], &live["waiting"]), (&json!(1), &json!(0)), "{live:#}");
    for (arguments, words) in [
        (["callbacks", "book", "support", "call me"], "no number"),
        (["callbacks", "book", "nowhere", "0551234"], "calls nobody back"),
    ] {
        let refused = server.command(&arguments);
        assert!(refused.code != Some(0) && refused.stderr.contains(words), "{refused:?}");
    }
    assert_eq!(server.command(&["callbacks", "cancel", &id]).code, Some(0));
    let again = server.command(&["callbacks", "cancel", &id]);
    assert!(again.code != Some(0) && again.stderr.contains("GET /api/v1/callbacks"), "{again:?}");
    assert!(items(&server.json("/api/v1/callbacks")).is_empty());
}
