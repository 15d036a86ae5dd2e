//! Flows that call each other, and what a caller says: frames, parameters, what comes back, how each is left.

use super::*;

/// Asks for a number of the range 1 to 5, said with `topic`, and gives it back.
const RATE: &str = "flow = 1\nname = \"rate\"\nlanguages = [\"ar\", \"en\"]\nstart = \"ask\"\nreturns = [\"score\", \"note.how\"]\n\
                    [params]\ntopic = { type = \"text\" }\nloud = { type = \"bool\", default = false }\n\
                    [vars]\nscore = { type = \"number\", default = 9 }\ntext = { type = \"text\", default = \"own\" }\n\
                    note = { type = \"map\", default = { how = \"\" } }\n\
                    [node.ask]\nkind = \"collect\"\nsay = [{ prompt = \"survey_question\" }]\nmax = 1\nrange = [1, 5]\ninto = \"score\"\n\
                    tries = 1\nnext = \"note\"\non = { no_input = \"return\", invalid = \"bye\" }\n\
                    [node.note]\nkind = \"set\"\nset = { \"note.how\" = 'topic + (loud ? \"!\" : \"\")' }\nnext = \"return\"\non = { error = \"return\" }\n\
                    [node.bye]\nkind = \"hangup\"\n";
const CALL: &str = "[node.start]\nkind = \"flow\"\nflow = \"rate\"\nwith = { topic = 'caller.number', loud = 'true' }\n\
                    into = { number = \"score\", text = \"note.how\" }\nnext = \"show\"\n\
                    [node.show]\nkind = \"transfer\"\nto = \"{number}:{text}\"\n\
                    on = { ended = \"end\", busy = \"start\", no_answer = \"end\", failed = \"end\" }\n";

#[test]
fn a_flow_is_called_with_values_and_gives_some_back() {
    let mut call = Call::among(CALL, &[RATE]);
    assert_eq!(call.drain(), ["[enter t]", "[start]", "[enter rate]", "[ask]", "say survey_question/ar"]);
    assert_eq!(call.run.place(), ("rate", "ask"));
    let back = ["stop", "[input \"4\" Matched]", "[note]", "[leave rate Returned]", "[show]", "transfer 4:0501!"];
    assert_eq!(call.press("4"), back);
    assert_eq!(call.run.place(), ("t", "show"));
    // A second visit begins anew: nothing of the first is left.
    let again = call.give(Input::TransferEnded { outcome: TransferEnd::Busy });
    assert_eq!(again, ["[start]", "[enter rate]", "[ask]", "say survey_question/ar"]);
    call.heard();
    let words = call.wait(6_000);
    assert_eq!(words[1..], ["[leave rate Returned]", "[show]", "transfer 9:"], "{words:?}");
    assert_eq!(call.give(Input::CallerGone), ["[leave t Transferred]"]);
}

#[test]
fn the_end_of_the_call_inside_leaves_every_flow() {
    let mut call = Call::among(CALL, &[RATE]);
    call.drain();
    let words = call.press("7");
    assert_eq!(
        words[1..],
        ["[input \"7\" Invalid]", "[bye]", "[leave rate Contained]", "[leave t Contained]", "hangup"]
    );
    let mut call = Call::among(CALL, &[RATE]);
    call.drain();
    assert_eq!(call.give(Input::CallerGone), ["[leave rate Abandoned]", "[leave t Abandoned]"]);
    assert!(call.run.is_done());
}

/// Whoever reaches `return` in a flow that nobody called hangs up.
#[test]
fn the_way_out_of_a_flow_that_nobody_called_is_the_end() {
    let nodes = "[node.start]\nkind = \"play\"\nsay = [{ prompt = \"hello\" }]\nnext = \"return\"\n";
    let mut call = Call::with(nodes);
    call.drain();
    assert_eq!(call.heard(), ["[leave t Contained]", "hangup"]);
}

/// A queue in a called flow is one of its caller's too; a goto takes the place of the flow that is called.
#[test]
fn how_a_called_flow_ends_counts_for_its_callers() {
    let other = |name: &str, nodes: &str| {
        format!("flow = 1\nname = \"{name}\"\nlanguages = [\"ar\", \"en\"]\nstart = \"start\"\n{nodes}")
    };
    let line = other(
        "line",
        "[node.start]\nkind = \"queue\"\nqueue = \"support\"\n\
         on = { ended = \"on\", timeout = \"return\", full = \"return\", no_agents = \"return\" }\n\
         [node.on]\nkind = \"goto\"\nflow = \"after\"\n",
    );
    let after = other("after", "[node.start]\nkind = \"play\"\nsay = [{ prompt = \"thanks\" }]\nnext = \"return\"\n");
    let nodes = "[node.start]\nkind = \"flow\"\nflow = \"line\"\nnext = \"silent\"\n";
    let mut call = Call::among(nodes, &[&line, &after]);
    call.drain();
    let words = call.give(Input::QueueLeft { outcome: QueueEnd::Ended });
    assert_eq!(words, ["[on]", "[leave line Queued]", "[enter after]", "[start]", "say thanks/ar"]);
    assert_eq!(call.heard(), ["[leave after Returned]", "[silent]", "say no_key/ar"]);
    assert_eq!(call.heard(), ["[end]", "[leave t Queued]", "hangup"]);
    let mut call = Call::among(nodes, &[&line, &after]);
    call.drain();
    let words = call.give(Input::QueueLeft { outcome: QueueEnd::Full });
    assert_eq!(words, ["[leave line Queued]", "[silent]", "say no_key/ar"]);
}

/// All flows share the language; that of a flow which does not speak the caller's is its own affair.
#[test]
fn a_called_flow_may_change_the_language_and_lends_its_own() {
    let flow = |languages: &str, nodes: &str| {
        format!("flow = 1\nname = \"other\"\nlanguages = {languages}\nstart = \"start\"\n{nodes}")
    };
    let nodes = "[node.start]\nkind = \"flow\"\nflow = \"other\"\nnext = \"silent\"\n";
    let set = flow("[\"ar\", \"en\"]", "[node.start]\nkind = \"set\"\nset = { lang = '\"en\"' }\nnext = \"return\"\n");
    let words = Call::among(nodes, &[&set]).drain();
    assert_eq!(words.last().map(String::as_str), Some("say no_key/en"), "{words:?}");
    let english =
        flow("[\"en\"]", "[node.start]\nkind = \"play\"\nsay = [{ prompt = \"hello\" }]\nnext = \"return\"\n");
    let mut call = Call::among(nodes, &[&english]);
    assert_eq!(call.drain()[2..], ["[enter other]", "language en", "[start]", "say hello/en"]);
    assert_eq!(call.heard(), ["[leave other Returned]", "language ar", "[silent]", "say no_key/ar"]);
}

#[test]
fn what_cannot_be_given_takes_the_error_edge() {
    let nodes = CALL.replace("'caller.number'", "'string(1 / number)'");
    let mut call = Call::among(&nodes, &[RATE]);
    let expected = ["[enter t]", "[start]", "[trouble flow_expression]", "[wrong]", "say invalid_key/ar"];
    assert_eq!(call.drain(), expected);
}

/// The check finds flows that are nested too deep; a run does not rely on it.
#[test]
fn more_than_eight_flows_do_not_wait_for_each_other() {
    let mut call = Call::among(CALL, &[RATE]);
    let given = || vec![("topic".to_owned(), Value::Text(String::new()))];
    call.drain();
    for depth in 3..=DEPTH {
        assert_eq!(call.run.call_flow("rate", given()), Ok(()), "{depth}");
    }
    assert!(call.run.call_flow("rate", given()).is_err());
    let words = call.give(Input::CallerGone);
    assert_eq!(words.iter().filter(|word| word.starts_with("[leave")).count(), DEPTH, "{words:?}");
}

const RECORD: &str = "[node.start]\nkind = \"record\"\nsay = [{ prompt = \"say_comment\" }]\nmax = \"45s\"\nsilence = \"4s\"\n\
                      into = \"text\"\nsurvey = \"csat\"\nnext = \"show\"\n\
                      [node.show]\nkind = \"transfer\"\nto = \"{text}\"\n\
                      on = { ended = \"end\", busy = \"end\", no_answer = \"end\", failed = \"end\" }\n";

#[test]
fn what_a_caller_says_is_recorded_and_known_by_its_id() {
    let recording = crate::id::RecordingId::new(1_700_000_000_000, 7);
    let mut call = Call::with(RECORD);
    assert_eq!(call.drain(), ["[enter t]", "[start]", "say say_comment/ar"]);
    assert_eq!(call.press("5"), [""; 0], "keys pressed while he is asked mean nothing");
    assert_eq!(call.heard(), ["record 45s Some(4s) Some('#') Some(\"csat\")"]);
    assert!(call.run.is_recording() && call.run.poll_timeout().is_none());
    let words = call.give(Input::Recorded(Recorded::Kept { recording }));
    assert_eq!(words, ["[show]".to_owned(), format!("transfer {recording}")]);
    assert_eq!(call.give(Input::Recorded(Recorded::Nothing)), [""; 0], "once");
}

#[test]
fn the_terminator_cuts_the_question_short_and_nothing_said_is_no_input() {
    for (recorded, node) in [(Recorded::Nothing, "[silent]"), (Recorded::Failed, "[wrong]")] {
        let mut call = Call::with(RECORD);
        call.drain();
        assert_eq!(call.press("#")[..1], ["stop"]);
        assert_eq!(call.give(Input::Recorded(recorded))[0], node);
    }
    let mut call = Call::with(&RECORD.replace("into", "terminator = \"\"\ninto"));
    call.drain();
    assert_eq!(call.press("#"), [""; 0]);
    assert_eq!(call.heard(), ["record 45s Some(4s) None Some(\"csat\")"]);
    assert_eq!(call.give(Input::CallerGone), ["[leave t Abandoned]"]);
}
