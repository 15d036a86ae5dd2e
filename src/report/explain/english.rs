//! Stories in English.

use super::{Asks, Event, Roster, Scene, agent_name, isolated, named, rivals};
use crate::id::AgentId;
use crate::journal::{
    AgentStateName, CallbackResult, DispatchResult, EndReason, OfferResult, Party, QueueOutcome, Whom, Why,
};

/// One sentence, and its reasons.
pub(super) fn tell(event: &Event, roster: &Roster) -> (String, Vec<String>) {
    let who = |agent: &AgentId| id(&agent_name(agent, roster));
    let plain = |text: String| (text, Vec::new());
    match event {
        Event::Started { from, to } => plain(format!("{} called {}.", id(from), id(to))),
        Event::CallsBack { from, to } if from.is_empty() => plain(format!("Hatif called {} back.", id(to))),
        Event::CallsBack { from, to } => plain(format!("Hatif called {} back, who had called {}.", id(to), id(from))),
        Event::Booked { queue, number } => plain(format!(
            "A call back to {} was booked: his place in queue {} is kept.",
            id(number),
            id(queue.as_str())
        )),
        Event::Tried { tries, result, is_last } => {
            let next = if *is_last { "It is given up" } else { "It is tried again later" };
            plain(format!("Try {tries} to call back came to nothing: {}. {next}.", callback(*result)))
        }
        Event::Awaits { agent, wait_ms } => plain(format!(
            "{} was there for the customer after {}, and heard his phone ring.",
            who(agent),
            time(*wait_ms)
        )),
        Event::Reached => plain("The customer answered.".to_owned()),
        Event::CallbackOver { result } => plain(format!("Nobody calls back any more: {}.", callback(*result))),
        Event::Flow { flow } => plain(format!("The flow {} served the caller.", id(flow))),
        Event::Queued { queue, position, asks, scene } => {
            let queue = id(queue.as_str());
            let text = match asks.callback {
                true => format!("His place in queue {queue} was kept while nobody was on the line: number {position}."),
                false => format!("The caller entered queue {queue} at place {position}."),
            };
            (text, wishes(asks).into_iter().chain(crew(scene, roster)).collect())
        }
        Event::Escalated { queue, step: Some(step) } => plain(format!(
            "He had waited for so long that the step {} of the ladder of queue {} began: others may serve him.",
            id(step),
            id(queue.as_str())
        )),
        Event::Escalated { queue, step: None } => plain(format!(
            "A new configuration put him before the first step of the ladder of queue {}.",
            id(queue.as_str())
        )),
        Event::Relaxed { queue, skills, wait_ms } => plain(format!(
            "He had waited {} s in queue {}, so the flow asks for less: {}.",
            wait_ms / 1_000,
            id(queue.as_str()),
            match skills.is_empty() {
                true => "no skill".to_owned(),
                false => skills.iter().map(|skill| id(skill)).collect::<Vec<_>>().join(", "),
            }
        )),
        Event::Sticky { queue, whom, agent } => plain(match (whom, agent) {
            (Some(Whom::LastAgent), Some(agent)) => format!(
                "In queue {} he waits first for {}, who talked with him last.",
                id(queue.as_str()),
                agent_name(agent, roster)
            ),
            (Some(Whom::LastAgent | Whom::Group), _) => {
                format!("In queue {} he waits first for the preferred group.", id(queue.as_str()))
            }
            (Some(Whom::Dispatch), _) => {
                format!("In queue {} he waits for what the dispatch service says.", id(queue.as_str()))
            }
            (Some(Whom::Chosen), _) => {
                format!("In queue {} he waits first for those whom the dispatch service named.", id(queue.as_str()))
            }
            (None, _) => format!("From now on anybody of queue {} may serve him.", id(queue.as_str())),
        }),
        Event::Message { queue, length_ms } => {
            plain(format!("He left a message of {} s in the box of queue {}.", length_ms / 1_000, id(queue.as_str())))
        }
        Event::Said { node, length_ms } => {
            plain(format!("He was recorded for {} s, as node {} asked.", length_ms / 1_000, id(node)))
        }
        Event::Dispatched { service, result, took_ms, agents, detail } => {
            let said = match result {
                DispatchResult::Decided if agents.is_empty() => "decided".to_owned(),
                DispatchResult::Decided => {
                    let names: Vec<String> = agents.iter().map(|agent| agent_name(agent, roster)).collect();
                    format!("named {}", names.join(", "))
                }
                DispatchResult::LeftToUs => "left it to the queue".to_owned(),
                DispatchResult::Timeout => "did not answer in time: the queue decides".to_owned(),
                DispatchResult::Failed => "could not be asked: the queue decides".to_owned(),
                DispatchResult::Invalid => "gave an answer that cannot be used: the queue decides".to_owned(),
            };
            let detail = detail.as_ref().map(|detail| format!(" ({detail})")).unwrap_or_default();
            plain(format!("The dispatch service {} {said} after {took_ms} ms{detail}.", id(service)))
        }
        Event::Moved { queue, position } => {
            plain(format!("A rule moved him to place {position} of queue {}.", id(queue.as_str())))
        }
        Event::Diverted { queue, to, rule, figures } => {
            let figures = figures.map(|(is, most)| format!(" ({is} of {most})")).unwrap_or_default();
            plain(format!("Rule {} of queue {}{figures} sent him on: {}.", id(rule), id(queue.as_str()), id(to)))
        }
        Event::Reminded { prompt } => plain(format!("He heard the announcement {}.", id(prompt))),
        Event::Announced { position, within_minutes } => {
            let wait = within_minutes.map(|minutes| match minutes {
                1 => ", and to expect an answer in less than a minute".to_owned(),
                _ => format!(", and to expect an answer within {minutes} minutes"),
            });
            plain(format!("He was told that he is number {position}{}.", wait.unwrap_or_default()))
        }
        Event::Offered { agent, queue, why, scene } => {
            let text = format!("{} was rung for him, for queue {}.", who(agent), id(queue.as_str()));
            (text, reasons(agent, why, scene, roster))
        }
        Event::OfferEnded { agent, result, ring_ms, sip_code } => {
            plain(ring_end(&who(agent), *result, &time(*ring_ms), *sip_code))
        }
        Event::Connected { agent, wait_ms, service_level_ms } => {
            let target = time(*service_level_ms);
            let kept = if wait_ms <= service_level_ms { "within" } else { "later than" };
            let text = format!("{} and the caller talked, after a wait of {}.", who(agent), time(*wait_ms));
            (text, vec![format!("That is {kept} the target of {target}.")])
        }
        Event::Left { queue, outcome, wait_ms, scene } => {
            let text = format!("{} {}.", left(*outcome, &id(queue.as_str())), after_wait(*wait_ms));
            (text, crew(scene, roster).into_iter().collect())
        }
        Event::TakenAway { agent, code: Some(code) } => {
            plain(format!("{} missed too many rings in a row and was paused ({}).", who(agent), id(code)))
        }
        Event::TakenAway { agent, code: None } => {
            plain(format!("{} missed too many rings in a row and was logged out.", who(agent)))
        }
        Event::WrapUp { agent } => plain(format!("{} began the work after the call.", who(agent))),
        Event::TalkEnded { agent, talk_ms, hold_ms } => {
            let hold = if *hold_ms == 0 { String::new() } else { format!(", {} of it on hold", time(*hold_ms)) };
            plain(format!("The talk with {} was over after {}{hold}.", who(agent), time(*talk_ms)))
        }
        Event::Dialed { target } => plain(format!("{} was dialled for him.", id(target))),
        Event::Bridged { target } => plain(format!("{} answered, and both talked.", id(target))),
        Event::DialFailed { target, sip_code } => {
            plain(format!("{} could not be had (SIP status {sip_code}).", id(target)))
        }
        Event::Transferred { by, to } => plain(format!("{} sent the caller on to {}.", who(by), id(to))),
        Event::TransferFailed { by, to, sip_code } => {
            plain(format!("{} tried to send him on to {}, in vain (SIP status {sip_code}).", who(by), id(to)))
        }
        Event::TakenOver { by, agent } => plain(format!("{} took the call over from {}.", who(by), who(agent))),
        Event::FlowFailed { flow, node, detail, fallback } => {
            let then = match fallback {
                Some(queue) => format!("Queue {} took him over.", id(queue.as_str())),
                None => "He heard an apology and the call ended.".to_owned(),
            };
            plain(format!("Flow {} failed at node {}: {}. {then}", id(flow), id(node), id(detail)))
        }
        Event::Trouble { code, detail } => plain(format!("Trouble: {} ({}).", id(detail), id(code))),
        Event::Restarted => plain("Hatif was started anew while the call was up.".to_owned()),
        Event::Ended { by, reason, sip_code } => {
            let by = match by {
                Party::Customer => "The caller",
                Party::Agent => "The other side",
                Party::System => "Hatif",
            };
            plain(format!("{by} ended the call: {} (SIP status {sip_code}).", end(*reason)))
        }
    }
}

/// An identifier in a sentence; one with letters of another script could turn the sentence around.
fn id(text: &str) -> String {
    if text.is_ascii() { text.to_owned() } else { isolated(text) }
}

/// `4.2 s`, `2 min 5 s`.
fn time(ms: u64) -> String {
    let (minutes, seconds) = (ms / 60_000, ms / 1_000 % 60);
    match (minutes, seconds) {
        (0, _) if ms < 10_000 && ms % 1_000 >= 100 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        (0, _) => format!("{seconds} s"),
        (_, 0) => format!("{minutes} min"),
        (_, _) => format!("{minutes} min {seconds} s"),
    }
}

fn after_wait(wait_ms: u64) -> String {
    if wait_ms == 0 { "at once".to_owned() } else { format!("after a wait of {}", time(wait_ms)) }
}

fn counted(count: u32, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

fn joined<'a>(names: impl IntoIterator<Item = &'a AgentId>, roster: &Roster) -> String {
    names.into_iter().map(|agent| id(&agent_name(agent, roster))).collect::<Vec<_>>().join(", ")
}

fn wishes(asks: &Asks) -> Option<String> {
    let mut parts = Vec::new();
    if !asks.skills.is_empty() {
        parts.push(format!("skills {}", asks.skills.iter().map(|s| id(s)).collect::<Vec<_>>().join(", ")));
    }
    if asks.priority > 0 {
        parts.push(format!("a head start of {}", counted(asks.priority, "minute", "minutes")));
    }
    parts.extend(asks.segment.as_ref().map(|segment| format!("segment {}", id(segment))));
    if asks.transferred {
        parts.push("the place of his first wait".to_owned());
    }
    if asks.resumed {
        parts.push("the place he had before he hung up a moment ago".to_owned());
    }
    (!parts.is_empty()).then(|| format!("He came with {}.", parts.join(", ")))
}

/// Who was there for a queue, by state.
fn crew(scene: &Scene, roster: &Roster) -> Option<String> {
    let groups = scene.iter().map(|(state, agents)| {
        let count = u32::try_from(agents.len()).unwrap_or(u32::MAX);
        group(state.as_str(), count, scene, roster)
    });
    let groups: Vec<String> = groups.collect();
    (!groups.is_empty()).then(|| format!("Its agents then: {}.", groups.join("; ")))
}

/// `2 busy (Omar (102), Sara (103))`.
fn group(cause: &str, count: u32, scene: &Scene, roster: &Roster) -> String {
    let names: Vec<String> = named(scene, cause, count)
        .iter()
        .map(|(agent, code)| {
            let name = id(&agent_name(agent, roster));
            code.as_ref().map_or(name.clone(), |code| format!("{name}: {}", id(code)))
        })
        .collect();
    let names = if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) };
    match cause.strip_prefix("skill ") {
        Some(skill) => format!("{count} without {}", id(skill)),
        None => format!("{count} {}{names}", condition(cause)),
    }
}

/// A state of an agent, or what else keeps him from being offered.
fn condition(cause: &str) -> &str {
    let state = AgentStateName::ALL.into_iter().find(|state| state.as_str() == cause);
    match state {
        Some(AgentStateName::Offline) => "logged out",
        Some(AgentStateName::Ready) => "free",
        Some(AgentStateName::Ringing) => "rung for another caller",
        Some(AgentStateName::Busy) => "in a talk",
        Some(AgentStateName::Hold) => "with a caller on hold",
        Some(AgentStateName::WrapUp) => "in wrap-up",
        Some(AgentStateName::Paused) => "paused",
        Some(AgentStateName::Unreachable) => "without a phone",
        None if cause == "delayed" => "not yet offered again after a ring that came to nothing",
        None if cause == "excluded" => "who did not take this caller a moment ago",
        None => cause,
    }
}

fn reasons(agent: &AgentId, why: &Why, scene: &Scene, roster: &Roster) -> Vec<String> {
    // Whoever is waited for is not chosen among others.
    let mut told: Vec<String> = if why.sticky == Some(Whom::LastAgent) { Vec::new() } else { vec![choice(why)] };
    if why.beside > 0 {
        told.push(format!("{} for the same caller already.", counted(why.beside, "phone rang", "phones rang")));
    }
    match why.sticky {
        Some(Whom::LastAgent) => told.push("He talked with this caller last, so the caller waited for him.".to_owned()),
        Some(Whom::Chosen) => told.push("The dispatch service named him for this caller.".to_owned()),
        Some(Whom::Group) => told.push("He is of the group for which the caller waited first.".to_owned()),
        Some(Whom::Dispatch) | None => {}
    }
    if let Some(step) = &why.step {
        told.push(format!("He serves this caller by the step {} of the ladder.", id(step)));
    }
    let others = rivals(scene, why, agent);
    told.push(match (why.eligible, others.is_empty()) {
        (0 | 1, _) => "Nobody else could have been offered.".to_owned(),
        (all, true) => format!("{all} agents could have been offered."),
        (_, false) => format!("Also considered: {}.", joined(others, roster)),
    });
    if !why.passed_over.is_empty() {
        let groups = why.passed_over.iter().map(|(cause, count)| group(cause, *count, scene, roster));
        told.push(format!("Passed over: {}.", groups.collect::<Vec<_>>().join("; ")));
    }
    let listed = |skills: &[String]| skills.iter().map(|s| id(s)).collect::<Vec<_>>().join(", ");
    if !why.preferred.is_empty() {
        told.push(format!("He meets the preference for {}.", listed(&why.preferred)));
    }
    if !why.unmet.is_empty() {
        told.push(format!("Nobody who was free meets more preferences; {} is not met.", listed(&why.unmet)));
    }
    told.push(turn(why));
    told
}

fn choice(why: &Why) -> String {
    let idle = time(why.idle_ms);
    let figure = why.figure.unwrap_or_default();
    match why.rule.as_str() {
        "longest_idle" => format!("He had been idle the longest: {idle}."),
        "ring_all" => format!("Everybody who was free was rung. Idle for {idle}."),
        "ring_progressive" => format!("Of those not rung yet he had been idle the longest: {idle}."),
        "fewest_calls" => format!("He had answered the fewest callers: {figure}. Idle for {idle}."),
        "least_talk" => format!("He had talked the least: {}. Idle for {idle}.", time(figure)),
        "round_robin" => format!("It was his turn in the round (place {figure} in the file). Idle for {idle}."),
        "linear" => format!("He stands first in the file of those who were free (place {figure}). Idle for {idle}."),
        "random" => format!("The lot fell on him. Idle for {idle}."),
        "weighted" => format!("The lot fell on him, with weight {figure}. Idle for {idle}."),
        rule => format!("Chosen by rule {}. Idle for {idle}.", id(rule)),
    }
}

/// Why it was this caller's turn.
fn turn(why: &Why) -> String {
    let waiting = counted(why.waiting, "caller", "callers");
    let mut text = format!("The caller had waited {}; {waiting} waited in the queue", time(why.waited_ms));
    if let Some(score) = why.score_s {
        text.push_str(&format!("; his score was {score}"));
    }
    if let Some(ahead) = &why.ahead {
        text.push_str(&match ahead.strip_prefix("priority ") {
            Some(priority) => format!("; strict priority {priority} went before scores"),
            None if ahead == "overdue" => "; after so long a wait nobody may overtake him".to_owned(),
            None => format!("; ahead by {}", id(ahead)),
        });
    }
    text.push('.');
    text
}

fn ring_end(who: &str, result: OfferResult, rang: &str, sip_code: Option<u16>) -> String {
    let status = sip_code.map(|code| format!(" (SIP status {code})")).unwrap_or_default();
    match result {
        OfferResult::Accepted => format!("{who} answered after {rang}."),
        OfferResult::NoAnswer => format!("{who} did not answer for {rang}."),
        OfferResult::Rejected => format!("{who} declined after {rang}{status}."),
        OfferResult::Busy => format!("The phone of {who} was busy{status}."),
        OfferResult::Unreachable => format!("The phone of {who} could not be reached{status}."),
        OfferResult::Timeout => format!("The phone of {who} said nothing at all{status}."),
        OfferResult::CallerGone => format!("The ring at {who} was withdrawn after {rang}: the caller was gone."),
        OfferResult::LostRace => format!("The ring at {who} was withdrawn after {rang}: another one had answered."),
        OfferResult::Withdrawn => format!("The ring at {who} was withdrawn after {rang}: his state had changed."),
    }
}

fn callback(result: CallbackResult) -> &'static str {
    match result {
        CallbackResult::Reached => "he was reached",
        CallbackResult::NoAnswer => "nobody answered",
        CallbackResult::Busy => "the phone was busy",
        CallbackResult::Failed => "the number could not be had",
        CallbackResult::Expired => "the time for it was over",
        CallbackResult::Cancelled => "somebody took it back",
    }
}

fn left(outcome: QueueOutcome, queue: &str) -> String {
    match outcome {
        QueueOutcome::Answered => format!("He was answered and left queue {queue}"),
        QueueOutcome::Abandoned => format!("He hung up in queue {queue}"),
        QueueOutcome::Timeout => format!("The longest wait of queue {queue} was over: he left it"),
        QueueOutcome::Full => format!("Queue {queue} had no room for him: he was turned away"),
        QueueOutcome::NoneLoggedIn => format!("Nobody of queue {queue} was logged in: he left it"),
        QueueOutcome::NoneSkilled => format!("Nobody who was logged in for queue {queue} had the skills: he left it"),
        QueueOutcome::AllPaused => format!("All who could have served him in queue {queue} were paused: he left it"),
        QueueOutcome::Key => format!("By a key he left queue {queue}"),
        QueueOutcome::Callback => format!("By a key he left queue {queue}, to be called back"),
        QueueOutcome::Withdrawn => format!("His kept place was taken out of queue {queue}"),
        QueueOutcome::Overflow => format!("Queue {queue} was too much for its agents: he left it"),
        QueueOutcome::NoAgents => format!("Nobody was there to serve queue {queue}: he left it"),
        QueueOutcome::Closed => format!("Queue {queue} was outside its hours: he was not let in"),
        QueueOutcome::Transferred => format!("He was taken out of queue {queue} by somebody"),
    }
}

fn end(reason: EndReason) -> &'static str {
    match reason {
        EndReason::Normal => "all was done",
        EndReason::Abandoned => "before he was served",
        EndReason::NoAnswer => "nobody answered",
        EndReason::Busy => "the other side was busy",
        EndReason::Rejected => "it was refused",
        EndReason::QueueTimeout => "the longest wait was over",
        EndReason::QueueFull => "the queue was full",
        EndReason::NoAgents => "nobody serves the queue",
        EndReason::Closed => "the queue was closed at this hour",
        EndReason::Callback => "he is called back",
        EndReason::NoAck => "the caller's phone did not confirm our answer",
        EndReason::NoPort => "no media port was free",
        EndReason::NoCodec => "there was no codec in common",
        EndReason::MediaTimeout => "no audio came any more",
        EndReason::FlowError => "the flow failed",
        EndReason::Limit => "it had lasted as long as it may",
        EndReason::Shutdown => "Hatif was being stopped",
        EndReason::InternalError => "a fault of Hatif",
        EndReason::NodeFailure => "Hatif's process had died",
    }
}
