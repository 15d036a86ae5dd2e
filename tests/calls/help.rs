//! `*15`: an agent asks for help, and a free supervisor's phone rings.

use hatif::acd::config::AgentConfig;
use hatif::call::config::SupervisorConfig;
use hatif::engine::Settings;
use hatif::id::AgentId;
use hatif::journal::{Kind, SupervisionMode};
use hatif::media::Command as Media;

use crate::centre::*;

/// The phones of the supervisors have fixed addresses.
fn with_phones(settings: &mut Settings) {
    for number in [201, 202] {
        let id = AgentId::from(number.to_string());
        let phone = AgentConfig { contact: Some(desk(number)), ..AgentConfig::new(id.clone()) };
        settings.floor.agents.insert(id, phone);
    }
}

/// Who was rung for it, in order; `-` for nobody.
fn asked(centre: &Centre) -> Vec<String> {
    let of = |kind: &Kind| match kind {
        Kind::HelpAsked { supervisor } => Some(supervisor.as_ref().map_or("-".to_owned(), ToString::to_string)),
        _ => None,
    };
    centre.journal.iter().filter_map(|entry| of(&entry.kind)).collect()
}

fn plays(centre: &Centre) -> usize {
    centre.media.iter().filter(|command| matches!(command, Media::Play { .. })).count()
}

#[test]
fn a_supervisor_who_answers_is_heard_by_the_agent_alone() {
    let mut centre = Centre::with(with_phones);
    let (mut customer, agent) = centre.talk(stranger(1));
    let line = centre.connect(desk(101), "101", "*15");
    let supervisor = centre.rung(desk(201));
    assert!(supervisor.invite.contains("101"), "{}", supervisor.invite);
    assert_eq!((plays(&centre), asked(&centre)), (1, vec!["201".to_owned()]));
    centre.pass(seconds(2));
    centre.ended(&line);
    // Once more changes nothing: his phone rings already.
    let line = centre.connect(desk(101), "101", "*15");
    centre.pass(seconds(2));
    centre.ended(&line);
    assert_eq!(asked(&centre).len(), 1);
    centre.picks_up(&supervisor);
    let modes = centre.told(|kind| match kind {
        Kind::SupervisionStarted { supervisor, agent, mode } => Some((supervisor.clone(), agent.clone(), *mode)),
        _ => None,
    });
    assert_eq!(modes, [("201".into(), "101".into(), SupervisionMode::Whisper)]);
    centre.pass(seconds(5));
    centre.bye(&mut customer);
    centre.ended(&agent);
    let mut supervisor = supervisor;
    centre.bye(&mut supervisor);
    centre.nothing_is_left();
    assert!(centre.words(0).contains("the agent asks for help: 201 is rung\n"), "{}", centre.words(0));
}

/// Who does not answer, or declines, is followed by the next; the last one leaves the agent alone.
#[test]
fn the_next_supervisor_is_rung_when_one_does_not_answer() {
    let mut centre = Centre::with(|settings: &mut Settings| {
        with_phones(settings);
        let second = SupervisorConfig { id: "202".into(), name: "202".into(), queues: None };
        settings.call.supervisors.insert("202".into(), second);
    });
    let (mut customer, agent) = centre.talk(stranger(1));
    let line = centre.connect(desk(101), "101", "*15");
    let first = centre.rung(desk(201));
    centre.says(&first, "180 Ringing");
    centre.pass(seconds(29));
    centre.ended(&line);
    centre.silent(desk(202));
    centre.pass(seconds(1));
    centre.cancelled(&first);
    let second = centre.rung(desk(202));
    centre.says(&second, "603 Decline");
    assert_eq!(asked(&centre), ["201", "202", "-"]);
    centre.bye(&mut customer);
    centre.ended(&agent);
    centre.nothing_is_left();
}

#[test]
fn an_agent_hears_when_nobody_is_free() {
    let mut centre = Centre::with(with_phones);
    let mut busy = centre.connect(desk(201), "201", "9196");
    let (mut customer, agent) = centre.talk(stranger(1));
    let line = centre.connect(desk(101), "101", "*15");
    centre.silent(desk(201));
    assert_eq!((plays(&centre), asked(&centre)), (1, vec!["-".to_owned()]));
    centre.pass(seconds(2));
    centre.ended(&line);
    centre.bye(&mut busy);
    centre.bye(&mut customer);
    centre.ended(&agent);
    centre.nothing_is_left();
}
