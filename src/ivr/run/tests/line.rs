//! What a queue node does while the caller waits: skills that give way, and the offer to be called back.

use super::*;

const LINE: &str = "[node.start]\nkind = \"queue\"\nqueue = \"support\"\nskills = [\"lang:{lang}\", \"topic:{text}\"]\n\
                    relax = [{ after = \"60s\", skills = [\"lang:{lang}\"] }, { after = \"120s\", skills = [] }]\n\
                    offer_callback = { when = 'queue.support.ewt > 180 && number == 0', every = \"45s\", key = \"2\", next = \"home\" }\n\
                    on = { ended = \"end\", timeout = \"silent\", full = \"end\", no_agents = \"end\" }\n\
                    [node.home]\nkind = \"callback\"\nqueue = \"support\"\nnext = \"end\"\non = { failed = \"silent\" }\n";

#[test]
fn skills_give_way_and_the_offer_comes_back() {
    let mut call = Call::with(LINE);
    let begun = call.drain();
    assert_eq!(begun.last().map(String::as_str), Some("queue support [\"lang:ar\", \"topic:\"] 0 0ns"));
    assert_eq!(call.wait(44_999), [""; 0]);
    assert_eq!(call.wait(1), ["tell callback_offer"]);
    assert_eq!(call.wait(14_999), [""; 0]);
    assert_eq!(call.wait(1), ["relax [\"lang:ar\"]"]);
    assert_eq!(call.wait(60_000), ["tell callback_offer", "relax []"]);
    assert_eq!(call.wait(15_000), ["tell callback_offer"]);
    let words = call.give(Input::QueueLeft { outcome: QueueEnd::Timeout });
    assert_eq!(words, ["[silent]", "say no_key/ar"], "what was still to come is gone");
    assert_eq!(call.press("2"), ["stop", "[end]", "[leave t Queued]", "hangup"]);
}

#[test]
fn the_key_of_an_offer_counts_once_he_heard_it() {
    let mut call = Call::with(LINE);
    call.drain();
    assert!(!call.run.takes_key('2'));
    assert_eq!(call.press("2"), [""; 0]);
    call.wait(45_000);
    assert!(call.run.takes_key('2') && !call.run.takes_key('3'));
    assert_eq!(call.press("3"), [""; 0]);
    let taken = ["[input \"2\" Matched]", "out of the queue true", "[home]", "book support "];
    assert_eq!(call.press("2"), taken);
    assert_eq!(call.run.poll_timeout(), None);
    assert_eq!(call.give(Input::Booked { ok: true }), ["[end]", "[leave t Queued]", "hangup"]);
}

/// Nobody offers to call back while the condition does not hold, or cannot be worked out.
#[test]
fn no_offer_is_made_while_the_condition_does_not_hold() {
    for when in ["queue.support.ewt > 600", "queue.vip.waiting > 0", "1 / number > 0"] {
        let mut call = Call::with(&LINE.replace("queue.support.ewt > 180 && number == 0", when));
        call.drain();
        let words = call.wait(50_000);
        assert!(words.iter().all(|word| word == "[trouble flow_expression]"), "{when}: {words:?}");
        assert!(!call.run.takes_key('2'));
    }
}

#[test]
fn who_talks_hears_no_offer() {
    let mut call = Call::with(LINE);
    call.drain();
    call.wait(45_000);
    call.run.leave_line();
    assert_eq!(call.wait(200_000), [""; 0]);
    assert!(!call.run.takes_key('2'));
}
