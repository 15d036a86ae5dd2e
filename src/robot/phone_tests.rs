//! Phones against each other, over real sockets of this machine.

use super::super::audio::stands_above;
use super::*;

const SOON: Duration = Duration::from_secs(5);

fn nobody() -> SocketAddr {
    "127.0.0.1:9".parse().expect("address")
}

/// A phone that answers as told, and one that calls it.
fn pair(answering: Answering) -> (Phone, Phone) {
    let called = Options::new(nobody(), "101").says(Source::Tone(604.0)).answers(answering);
    let called = Phone::start(called).expect("sockets");
    let caller = Options::new(called.address(), "customer").says(Source::Tone(1_004.0));
    (Phone::start(caller).expect("sockets"), called)
}

#[test]
fn two_phones_talk_press_hold_and_hang_up() {
    let (caller, called) = pair(Answering::After(Duration::from_millis(300)));
    let out = caller.invite("101").expect("sent");
    let inside = called.incoming(SOON).expect("rings");
    assert_eq!(inside.from, "customer");
    assert_eq!(out.progress(SOON), Some(180));
    out.answered(SOON).expect("answered");
    assert!(called.wait_for(SOON, |e| matches!(e, Event::Acked { .. })).is_some());
    std::thread::sleep(Duration::from_millis(900));
    assert!(stands_above(&out.heard(), 604.0, 1_004.0, 30.0));
    assert!(stands_above(&inside.heard(), 1_004.0, 604.0, 30.0));
    assert!(out.press("42#"));
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(inside.digits(), "42#");

    assert_eq!(out.hold(SOON), Some(200));
    assert!(called.wait_for(SOON, |e| matches!(e, Event::Offered { hold: true, .. })).is_some());
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(out.listen(Duration::from_millis(300)).len(), 0, "a held phone does not send");
    assert_eq!(out.resume(SOON), Some(200));
    assert!(out.listen(Duration::from_millis(300)).len() > 1_000);

    assert_eq!(inside.hang_up_and_wait(SOON), Some(200));
    assert!(out.ended(SOON));
    assert!(!out.live() && !inside.live());
    assert_eq!((caller.unreadable(), called.unreadable()), (0, 0));
}

#[test]
fn a_refusal_is_acknowledged_and_comes_once() {
    let (caller, called) = pair(Answering::Reject(486));
    assert_eq!(caller.invite("101").expect("sent").refused(SOON), Some(486));
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!((called.count(true, "SIP/2.0 486"), called.count(false, "ACK")), (1, 1));
}

#[test]
fn a_call_that_rings_can_be_cancelled() {
    let (caller, called) = pair(Answering::RingForever);
    let out = caller.invite("101").expect("sent");
    let inside = called.incoming(SOON).expect("rings");
    assert_eq!(out.progress(SOON), Some(180));
    assert_eq!(out.hang_up_and_wait(SOON), Some(200), "CANCEL is answered");
    assert_eq!(out.refused(SOON), Some(487));
    assert!(inside.ended(SOON));
}

#[test]
fn an_invite_without_answer_is_resent_at_t1_doubled() {
    let (caller, called) = pair(Answering::Silent);
    let _out = caller.invite("101").expect("sent");
    std::thread::sleep(Duration::from_millis(1_800));
    // 0, 500 and 1,500 ms (RFC 3261 §17.1.1.2).
    assert_eq!(caller.count(true, "INVITE"), 3);
    assert_eq!(called.live_after(), 1, "retransmissions are one call");
}

#[test]
fn a_second_call_is_busy_and_options_are_answered() {
    let (caller, _called) = pair(Answering::After(Duration::ZERO));
    let first = caller.invite("101").expect("sent");
    first.answered(SOON).expect("answered");
    assert_eq!(caller.invite("101").expect("sent").refused(SOON), Some(486));
    assert_eq!(caller.options(SOON).expect("answer"), 200);
}

#[test]
fn a_dropped_phone_says_goodbye() {
    let (caller, called) = pair(Answering::After(Duration::ZERO));
    let out = caller.invite("101").expect("sent");
    let inside = called.incoming(SOON).expect("rings");
    out.answered(SOON).expect("answered");
    drop(caller);
    assert!(inside.ended(SOON));
}

#[test]
fn a_stream_is_cut_into_messages() {
    let mut buffer = b"\r\n\r\nSIP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nabSIP/2.0 100 T\r\nl: 0\r\n\r\nSIP".to_vec();
    assert!(take_message(&mut buffer).is_some_and(|m| m.ends_with(b"\r\n\r\nab")));
    assert!(take_message(&mut buffer).is_some_and(|m| m.starts_with(b"SIP/2.0 100")));
    assert_eq!(take_message(&mut buffer), None);
    assert_eq!(buffer, b"SIP");
}

impl Phone {
    fn live_after(&self) -> usize {
        self.shared.lock().live_calls().len()
    }
}
