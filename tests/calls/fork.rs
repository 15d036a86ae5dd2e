//! Callers in a flow whom a bot hears: its events, the caller's, and what is left of both.

use bytes::Bytes;
use hatif::engine::{Command, ForkOpen, ForkOrder, Forked, Input};
use hatif::journal::Kind;
use hatif::media::Command as Media;

use crate::centre::*;

/// A flow that lets a bot talk for 20 s at most, and says which way it went.
pub fn flow() -> (String, String) {
    let play = |node: &str, prompt: &str| {
        format!("[node.{node}]\nkind = \"play\"\nsay = [{{ prompt = \"{prompt}\" }}]\nnext = \"end\"\n")
    };
    let text = format!(
        "flow = 1\nname = \"bot\"\nlanguages = [\"en\", \"ar\"]\nstart = \"go\"\n\
         [vars]\npin = {{ type = \"text\", default = \"4711\" }}\ntopic = {{ type = \"text\", default = \"general\" }}\n\
         [node.go]\nkind = \"fork\"\nservice = \"crm\"\npath = \"/calls\"\nsend = {{ topic = \"{{topic}}\" }}\n\
         into = {{ topic = \"/topic\" }}\ntimeout = \"20s\"\nresults = {{ agent = \"queue\" }}\nnext = \"other\"\n\
         on = {{ timeout = \"late\", error = \"failed\" }}\n\
         [node.queue]\nkind = \"queue\"\nqueue = \"support\"\nskills = [\"{{topic}}?\"]\n\
         on = {{ ended = \"end\", timeout = \"end\", full = \"end\", no_agents = \"end\", error = \"end\" }}\n\
         {}{}{}[node.end]\nkind = \"hangup\"\n",
        play("other", "survey_thanks"),
        play("late", "sorry_timeout"),
        play("failed", "sorry_error"),
    );
    ("bot.toml".to_owned(), text)
}

fn opened(centre: &Centre) -> &ForkOpen {
    let open = centre.forks.iter().rev().find_map(|order| match order {
        ForkOrder::Open(open) => Some(open.as_ref()),
        ForkOrder::Key { .. } | ForkOrder::Close { .. } => None,
    });
    open.expect("a bot is wanted")
}

#[track_caller]
fn bot(centre: &mut Centre, event: Forked) {
    let id = opened(centre).id;
    centre.handle(Input::Forked { id, event });
}

fn done(result: &str, data: &'static str) -> Forked {
    Forked::Done { result: Some(result.to_owned()), data: Bytes::from_static(data.as_bytes()) }
}

/// How bots were let go: true as the caller was gone.
fn closed(centre: &Centre) -> Vec<bool> {
    let closed = |order: &ForkOrder| if let ForkOrder::Close { hangup, .. } = order { Some(*hangup) } else { None };
    centre.forks.iter().filter_map(closed).collect()
}

/// What media was told of bots: true for the beginning.
fn heard(centre: &Centre) -> Vec<bool> {
    let told = |command: &Media| match command {
        Media::Fork { .. } => Some(true),
        Media::Unfork { .. } => Some(false),
        _ => None,
    };
    centre.media.iter().filter_map(told).collect()
}

fn path(centre: &Centre) -> Vec<String> {
    centre.record(0).ivr.as_ref().expect("a flow").path.clone()
}

fn results(centre: &Centre) -> Vec<String> {
    centre.told(|kind| if let Kind::ServiceAsked { result, .. } = kind { Some(result.clone()) } else { None })
}

#[test]
fn a_bot_hears_the_caller_and_hands_him_over_to_a_queue() {
    let mut centre = Centre::new();
    let mut customer = centre.connect(stranger(1), "0551234", "523");
    let open = opened(&centre);
    assert_eq!((open.service.as_str(), open.path.as_str()), ("crm", "/calls"));
    let start: serde_json::Value = serde_json::from_str(&open.start).expect("JSON");
    let call = open.call.to_string();
    let expected = serde_json::json!({
        "event": "start", "call": call, "caller": "0551234", "called": "523", "language": "en", "rate": 8_000,
        "encoding": "s16le", "data": { "topic": "general" },
    });
    assert_eq!(start, expected, "nothing but what is named in `send`");
    assert!(heard(&centre).is_empty(), "not before it is there");

    centre.pass(ms(300));
    bot(&mut centre, Forked::Connected);
    let leg = centre.leg(0);
    let line = match centre.media.last() {
        Some(Media::Fork { leg: of, line }) if *of == leg => line.clone(),
        other => panic!("{other:?}"),
    };
    assert!(std::sync::Arc::ptr_eq(&line, &opened(&centre).line), "both ends of one line");
    centre.digit(leg, '5');
    assert!(matches!(centre.forks.last(), Some(ForkOrder::Key { digit: '5', .. })), "{:?}", centre.forks.last());
    centre.pass(seconds(3));
    bot(&mut centre, Forked::Language("ar".into()));
    bot(&mut centre, done("agent", r#"{"topic": "billing"}"#));
    assert_eq!((heard(&centre), closed(&centre)), (vec![true, false], vec![false]));

    let agent = centre.rung(desk(101));
    centre.picks_up(&agent);
    centre.bye(&mut customer);
    centre.ended(&agent);
    centre.nothing_is_left();
    let record = centre.record(0);
    assert_eq!(record.language, "ar");
    assert_eq!(path(&centre)[..2], ["go", "queue"]);
    assert!(centre.words(0).contains("asked crm at go: ok after 3300 ms"), "{}", centre.words(0));
}

#[test]
fn any_other_word_leads_to_next() {
    let mut centre = Centre::new();
    let customer = centre.connect(stranger(1), "1", "523");
    bot(&mut centre, Forked::Connected);
    bot(&mut centre, done("whatever", ""));
    centre.pass(seconds(2));
    centre.ended(&customer);
    centre.nothing_is_left();
    assert_eq!(path(&centre), ["go", "other", "end"]);
}

#[test]
fn a_bot_that_never_comes_talks_too_long_or_is_lost_takes_its_edge() {
    // Not reached; reached, but without end; reached and lost; refused at once.
    for (connects, fails, node, result) in
        [(false, None, "failed", "error"), (true, None, "late", "timeout"), (true, Some(false), "failed", "error")]
            .into_iter()
            .chain([(false, Some(true), "failed", "breaker_open")])
    {
        let mut centre = Centre::new();
        let customer = centre.connect(stranger(1), "1", "523");
        if connects {
            bot(&mut centre, Forked::Connected);
        }
        if let Some(is_open) = fails {
            bot(&mut centre, Forked::Failed { is_open, detail: "gone".into() });
        } else {
            centre.pass(ms(if connects { 20_000 } else { 5_000 }));
        }
        assert_eq!(closed(&centre), [false]);
        // What it does later changes nothing.
        bot(&mut centre, Forked::Connected);
        bot(&mut centre, done("agent", ""));
        centre.pass(seconds(3));
        centre.ended(&customer);
        centre.nothing_is_left();
        assert_eq!(
            (path(&centre), results(&centre)),
            (vec!["go".into(), node.into(), "end".into()], vec![result.into()])
        );
    }
}

#[test]
fn who_waits_for_a_bot_hears_music_until_it_is_there() {
    let mut centre = Centre::new();
    let mut customer = centre.connect(stranger(1), "1", "523");
    let music = |centre: &Centre| centre.media.iter().filter(|c| matches!(c, Media::Music { .. })).count();
    centre.pass(ms(699));
    assert_eq!(music(&centre), 0);
    centre.pass(ms(1));
    assert_eq!(music(&centre), 1);
    bot(&mut centre, Forked::Connected);
    assert!(matches!(centre.media[centre.media.len() - 2..], [Media::Silence { .. }, Media::Fork { .. }]));
    centre.bye(&mut customer);
    centre.nothing_is_left();
}

#[test]
fn a_caller_who_hangs_up_lets_the_bot_go_connected_or_not() {
    for connects in [false, true] {
        let mut centre = Centre::new();
        let mut customer = centre.connect(stranger(1), "1", "523");
        if connects {
            bot(&mut centre, Forked::Connected);
        }
        centre.pass(ms(500));
        centre.bye(&mut customer);
        assert_eq!(closed(&centre), [true]);
        bot(&mut centre, done("agent", ""));
        centre.nothing_is_left();
        assert_eq!(results(&centre), ["hangup"]);
    }
}

#[test]
fn at_the_end_of_the_process_and_on_order_bots_are_let_go() {
    for by_order in [true, false] {
        let mut centre = Centre::new();
        let customer = centre.connect(stranger(1), "1", "523");
        bot(&mut centre, Forked::Connected);
        match by_order {
            true => {
                let call = opened(&centre).call;
                centre.command(Command::HangUp(call));
            }
            false => {
                let now = centre.now;
                centre.engine.end_all(now);
                centre.command(Command::Drain);
            }
        }
        centre.ended(&customer);
        assert_eq!((closed(&centre), heard(&centre)), (vec![true], vec![true, false]));
        centre.nothing_is_left();
    }
}

#[test]
fn a_withheld_number_is_not_told_to_the_bot() {
    let mut centre = Centre::new();
    let offer = crate::phone::sdp(stranger(1), "sendrecv");
    let headers = "Max-Forwards: 70\r\nPrivacy: id";
    let mut customer = centre.dial_with(stranger(1), "0551234", "523", headers, &offer);
    centre.answered(&mut customer);
    let start: serde_json::Value = serde_json::from_str(&opened(&centre).start).expect("JSON");
    assert!(start.get("caller").is_none(), "{start}");
    centre.bye(&mut customer);
    centre.nothing_is_left();
}
