//! Talks with a bot: where its last word leads, what it may change, and every way in which it can fail.

use bytes::Bytes;

use super::*;

const BOT: &str = "[node.start]\nkind = \"fork\"\nservice = \"crm\"\npath = \"/calls/{caller.number}\"\ntimeout = \"20s\"\n\
                   send = { topic = \"{text}\", lang = \"{lang}\" }\ninto = { text = \"/name\", number = \"/visits\" }\n\
                   results = { billing = \"bill\", agent = \"q\" }\nnext = \"q\"\non = { timeout = \"silent\", error = \"wrong\" }\n\
                   [node.q]\nkind = \"queue\"\nqueue = \"support\"\nskills = [\"s:{text}\"]\n\
                   on = { ended = \"end\", timeout = \"end\", full = \"end\", no_agents = \"end\" }\n\
                   [node.bill]\nkind = \"menu\"\nsay = [{ prompt = \"bill\" }]\nkeys = { \"1\" = \"end\", \"2\" = \"q\" }\n";

impl Call {
    fn bot(&mut self, event: Forked) -> Vec<String> {
        self.give(Input::Forked { fork: self.fork, event })
    }
}

fn done(result: Option<&str>, data: &'static str) -> Forked {
    Forked::Done { result: result.map(str::to_owned), data: Bytes::from_static(data.as_bytes()) }
}

fn failed(is_open: bool) -> Forked {
    Forked::Failed { is_open, detail: "gone".to_owned() }
}

/// In a talk with the bot for a second.
fn talking() -> Call {
    let mut call = Call::with(BOT);
    let words = call.drain();
    assert_eq!(words[2], "fork crm /calls/0501 {\"lang\":\"ar\",\"topic\":\"\"}");
    assert_eq!(call.bot(Forked::Connected), ["hear"]);
    assert_eq!(call.wait(1_000), [""; 0]);
    call
}

#[test]
fn its_last_word_leads_on_and_its_data_fill_variables() {
    for (word, node) in [(Some("agent"), "q"), (Some("else"), "q"), (None, "q"), (Some("billing"), "bill")] {
        let mut call = talking();
        let words = call.bot(done(word, r#"{"name": "Sami", "visits": 3}"#));
        assert_eq!(words[..3], ["part", "[crm ok 1000]", &format!("[{node}]")], "{word:?}");
        assert_eq!(call.run.vars["number"], Value::Number(3));
        let next = if node == "q" { "queue support [\"s:Sami\"] 0 0ns" } else { "say bill/ar" };
        assert_eq!(words[3], next);
    }
}

#[test]
fn a_last_message_without_data_changes_nothing_and_data_that_do_not_fit_are_an_error() {
    for data in ["", "{}", "null", r#"{"name": null}"#] {
        let mut call = talking();
        assert_eq!(call.bot(done(None, data))[1], "[crm ok 1000]", "{data}");
        assert_eq!(call.run.vars["text"], Value::Text(String::new()));
    }
    for data in [r#"{"name": "a", "visits": "many"}"#, r#"{"name": {}}"#, "{"] {
        let mut call = talking();
        assert_eq!(call.bot(done(Some("billing"), data))[1..3], ["[crm invalid 1000]", "[wrong]"], "{data}");
        assert_eq!(call.run.vars["text"], Value::Text(String::new()), "none is changed");
    }
}

#[test]
fn keys_are_the_bots_and_its_keys_are_for_what_comes_after_it() {
    let mut call = talking();
    assert_eq!(call.press("5#"), ["key 5", "key #"]);
    assert_eq!(call.bot(Forked::Keys("x2".to_owned())), [""; 0]);
    let words = call.bot(done(Some("billing"), ""));
    assert_eq!(words[2..], ["[bill]", "[input \"2\" Matched]", "[q]", "queue support [\"s:\"] 0 0ns"]);
}

#[test]
fn what_was_typed_ahead_is_told_to_the_bot() {
    let mut call = Call::with(&BOT.replace("[node.start]", "[node.bot]").replace(
        "[node.q]",
        "[node.start]\nkind = \"play\"\nsay = [{ prompt = \"a\" }]\nbarge_in = false\nnext = \"bot\"\n[node.q]",
    ));
    call.drain();
    assert_eq!(call.press("12"), [""; 0]);
    let words = call.heard();
    assert_eq!(words[2..], ["key 1", "key 2"]);
}

#[test]
fn it_changes_the_language_to_one_that_the_flow_speaks() {
    let mut call = talking();
    assert_eq!(call.bot(Forked::Language("en".to_owned())), ["language en"]);
    assert_eq!(call.bot(Forked::Language("en".to_owned())), [""; 0]);
    assert_eq!(call.bot(Forked::Language("xx".to_owned())), [""; 0]);
    assert_eq!(call.bot(done(Some("billing"), ""))[3], "say bill/en");
}

#[test]
fn who_waits_for_a_bot_hears_music_and_for_one_that_never_comes_five_seconds() {
    let mut call = Call::with(BOT);
    call.drain();
    assert_eq!(call.wait(699), [""; 0]);
    assert_eq!(call.wait(1), ["comfort"]);
    assert_eq!(call.wait(4_299), [""; 0]);
    assert_eq!(call.wait(1), ["stop", "part", "[crm error 5000]", "[wrong]", "say invalid_key/ar"]);

    let mut call = Call::with(BOT);
    call.drain();
    call.wait(1_000);
    assert_eq!(call.bot(Forked::Connected), ["stop", "hear"]);
    assert_eq!(call.bot(Forked::Connected), [""; 0], "once");
}

#[test]
fn the_longest_talk_is_bounded_and_every_failure_has_its_edge() {
    let mut call = talking();
    assert_eq!(call.wait(18_999), [""; 0]);
    assert_eq!(call.wait(1), ["part", "[crm timeout 20000]", "[silent]", "say no_key/ar"]);
    for (is_open, result) in [(false, "error"), (true, "breaker_open")] {
        let mut call = talking();
        let result = format!("[crm {result} 1000]");
        assert_eq!(call.bot(failed(is_open)), ["part", &result, "[wrong]", "say invalid_key/ar"]);
    }
    let mut call = Call::with(&BOT.replace("timeout = \"silent\", ", ""));
    call.drain();
    call.bot(Forked::Connected);
    assert_eq!(call.wait(20_000)[2], "[wrong]", "without an edge of its own");
}

#[test]
fn what_a_bot_says_that_nobody_talks_with_is_not_heard() {
    let mut call = talking();
    call.bot(done(None, ""));
    for event in [Forked::Connected, done(Some("billing"), ""), failed(false), Forked::Language("en".to_owned())] {
        assert_eq!(call.bot(event), [""; 0]);
    }
    let mut call = talking();
    call.fork += 1;
    assert_eq!(call.bot(failed(false)), [""; 0], "another one");
}

#[test]
fn the_bot_is_let_go_when_the_caller_is_gone() {
    let mut call = talking();
    let words = call.give(Input::CallerGone);
    assert_eq!(words, ["[crm hangup 1000]", "part", "[leave t Abandoned]"]);
    assert!(call.run.is_done());
}
