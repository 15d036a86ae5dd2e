//! What the journal must look like, entry by entry, and what its folds must say.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use crate::clock::Wall;
use crate::id::{AgentId, CallId, OfferId, QueueName, RecordingId};
use crate::ivr::run::DEPTH;
use crate::journal::{About, AgentStateName, EndReason, Entry, Kind, OfferResult, QueueOutcome};
use crate::report::live::Live;
use crate::report::places::Places;
use crate::report::record::{CallRecord, Fold};

/// The journal's reader in this world: checks each entry, folds it, counts it.
#[derive(Clone, Default)]
pub struct Ledger {
    /// The present by the journal.
    pub live: Live,
    /// What a new process would take over.
    pub places: Places,
    /// The records by the journal.
    pub fold: Fold,
    /// What happened how often, by words.
    pub happened: BTreeMap<String, u64>,
    /// The last entry's number.
    pub last_seq: u64,
    /// The last entry's time.
    pub last_at: Wall,
    hash: Sha256,
    open: BTreeMap<CallId, Course>,
    /// Places of who is called back and whose calls have not begun.
    kept: BTreeMap<CallId, QueueName>,
    /// Everybody who ever called.
    callers: BTreeSet<String>,
    /// Ended calls; ids are never used again.
    ended: BTreeSet<CallId>,
    recordings: BTreeMap<RecordingId, CallId>,
    ringing: BTreeMap<AgentId, (CallId, OfferId)>,
    /// Agents told of in the present step.
    pub just_told: Vec<AgentId>,
    /// Calls that ended in the present step.
    just_ended: Vec<CallId>,
}

/// One call so far.
#[derive(Clone, Default)]
struct Course {
    ended: Option<EndReason>,
    queue: Option<QueueName>,
    offers: BTreeSet<(OfferId, AgentId)>,
    talk: Option<AgentId>,
    /// One entry for each line he listens on.
    hearing: Vec<AgentId>,
    /// Flows that serve the caller, those that wait for others included.
    flows: usize,
    on_hold: bool,
}

impl Ledger {
    /// Takes the next entry.
    ///
    /// # Errors
    ///
    /// What it contradicts.
    pub fn write(&mut self, entry: &Entry) -> Result<(), String> {
        if entry.seq != self.last_seq + 1 {
            return Err(format!("entry {} follows {}", entry.seq, self.last_seq));
        }
        (self.last_seq, self.last_at) = (entry.seq, entry.at);
        let line = serde_json::to_vec(entry).map_err(|error| error.to_string())?;
        self.hash.update(&line);
        self.hash.update(b"\n");
        self.live.handle(entry);
        self.places.handle(entry);
        let checked = self.check(entry);
        checked.map_err(|fault| format!("{fault}: {}", String::from_utf8_lossy(&line)))?;
        if let Some(record) = self.fold.handle(entry) {
            check_times(record).map_err(|fault| format!("{fault} in the record of {}", record.call_id))?;
        }
        Ok(())
    }

    fn check(&mut self, entry: &Entry) -> Result<(), String> {
        match (&entry.about, &entry.kind) {
            (_, Kind::AgentRepaired { detail }) => Err(format!("an agent had to be repaired: {detail}")),
            (_, Kind::Trouble { code, detail }) if code == "internal_error" => Err(detail.clone()),
            (About::Call(call), Kind::RecordingEnded { recording, partial, .. }) => {
                self.count(if *partial { "recording.partial" } else { "recording.whole" });
                let owner = self.recordings.remove(recording);
                holds(owner == Some(*call), || "a recording ends that nobody began".into())
            }
            // Places of who is called back are taken before his call begins.
            (About::Call(call), Kind::Queued { queue, callback: true, .. }) if !self.open.contains_key(call) => {
                self.count("callback.kept");
                let before = self.kept.insert(*call, queue.clone());
                holds(before.is_none() && !self.ended.contains(call), || "kept in two queues".into())
            }
            (About::Call(call), Kind::QueueLeft { queue, .. }) if self.kept.contains_key(call) => {
                self.count("callback.withdrawn");
                holds(self.kept.remove(call).as_ref() == Some(queue), || "left another queue".into())
            }
            (About::Call(call), Kind::Moved { .. } | Kind::Escalated { .. } | Kind::Sticky { .. })
                if self.kept.contains_key(call) =>
            {
                Ok(())
            }
            (_, Kind::CallbackEnded { result, .. }) => self.counted(&format!("callback.{}", result.as_str())),
            (About::Call(call), Kind::CallStarted { from, purpose, .. }) => {
                self.count_word("call", purpose);
                holds(!self.ended.contains(call), || "a call begins after its end".into())?;
                self.callers.insert(from.clone());
                let course = Course { queue: self.kept.remove(call), ..Course::default() };
                let before = self.open.insert(*call, course);
                holds(before.is_none(), || "a call begins twice".into())
            }
            (About::Call(_), Kind::LegQuality { .. }) => Ok(()),
            // The files are put in order after the call.
            (About::Call(_), Kind::RecordingFiled { recording, .. }) => {
                holds(!self.recordings.contains_key(recording), || "a recording is filed before its end".into())?;
                self.counted("recording.filed")
            }
            // The end of a dialog may follow that of its call: its BYE has to be answered first.
            (About::Call(_), Kind::LegUp { .. }) => self.counted("leg.up"),
            (About::Call(_), Kind::LegDown { .. }) => self.counted("leg.down"),
            (About::Call(call), kind) => {
                let Some(mut course) = self.open.remove(call) else {
                    return Err("about a call that is not up".into());
                };
                let checked = self.course(*call, &mut course, kind);
                self.open.insert(*call, course);
                checked
            }
            (About::Agent(agent), Kind::AgentState { state, .. }) => {
                self.just_told.push(agent.clone());
                self.count(match state {
                    AgentStateName::Paused => "agent.paused",
                    AgentStateName::Unreachable => "agent.unreachable",
                    AgentStateName::Hold => "agent.hold",
                    AgentStateName::WrapUp => "agent.wrap_up",
                    AgentStateName::Offline => "agent.offline",
                    AgentStateName::Ready | AgentStateName::Ringing | AgentStateName::Busy => "agent.other",
                });
                let rings = self.ringing.contains_key(agent);
                holds(rings || *state != AgentStateName::Ringing, || "he rings for nobody".into())
            }
            (About::Agent(_), Kind::Registered { .. }) => self.counted("agent.registered"),
            (About::Agent(_), Kind::Unregistered { expired: true }) => self.counted("agent.expired"),
            (About::Agent(_), Kind::Unregistered { expired: false }) => self.counted("agent.unregistered"),
            (About::Node, Kind::NodeStarted { .. }) => {
                self.count("node.started");
                self.kept.clear();
                holds(self.open.is_empty(), || format!("{} calls are open in a new process", self.open.len()))
            }
            (About::Node, Kind::ConfigReloaded { .. }) => self.counted("node.reloaded"),
            (About::Agent(_) | About::Node, _) => Ok(()),
        }
    }

    fn course(&mut self, id: CallId, course: &mut Course, kind: &Kind) -> Result<(), String> {
        match kind {
            Kind::CallEnded { reason, .. } => {
                self.count_word("end", reason);
                self.just_ended.push(id);
                holds(course.ended.replace(*reason).is_none(), || "a call ends twice".into())
            }
            Kind::CallAnswered => self.counted("answered"),
            Kind::Queued { queue, resumed, .. } => {
                if *resumed {
                    self.count("queue.resumed");
                }
                let before = course.queue.replace(queue.clone());
                holds(before.is_none() && course.ended.is_none(), || "in two queues, or ended".into())
            }
            Kind::Relaxed { queue, .. } => {
                self.count("queue.relaxed");
                holds(course.queue.as_ref() == Some(queue), || "asks for less in a queue he is not in".into())
            }
            Kind::Escalated { queue, .. } | Kind::Sticky { queue, .. } => {
                self.count(if matches!(kind, Kind::Sticky { .. }) { "queue.sticky" } else { "queue.escalated" });
                holds(course.queue.as_ref() == Some(queue), || "a step of a queue he is not in".into())
            }
            Kind::QueueLeft { queue, outcome, .. } => {
                self.count_word("queue", outcome);
                // Who finds no room was never in it.
                let was_in = course.queue.take();
                let is_full = matches!(outcome, QueueOutcome::Full | QueueOutcome::NoAgents | QueueOutcome::Overflow);
                holds(was_in.as_ref() == Some(queue) || (is_full && was_in.is_none()), || "left no queue".into())
            }
            Kind::Offered { offer, agent, .. } => {
                self.count("offer.all");
                let before = self.ringing.insert(agent.clone(), (id, *offer));
                holds(before.is_none(), || format!("{agent} has two offers: {before:?}"))?;
                holds(course.queue.is_some(), || "offered while in no queue".into())?;
                holds(course.offers.insert((*offer, agent.clone())), || "offered twice".into())
            }
            Kind::OfferEnded { offer, agent, result, .. } => {
                self.count_word("offer", result);
                let both = (self.ringing.remove(agent), course.offers.remove(&(*offer, agent.clone())));
                holds(both == (Some((id, *offer)), true), || "an offer ends that is not open".into())
            }
            Kind::Connected { agent, .. } => {
                self.count("talk.queue");
                holds(course.talk.replace(agent.clone()).is_none(), || "talks with two".into())
            }
            Kind::TalkEnded { agent, .. } => {
                course.on_hold = false;
                holds(course.talk.take().as_ref() == Some(agent), || "a talk ends that never began".into())
            }
            Kind::Held { on, .. } => {
                self.count(if *on { "talk.held" } else { "talk.resumed" });
                holds(std::mem::replace(&mut course.on_hold, *on) != *on, || "held twice or resumed twice".into())
            }
            Kind::RecordingStarted { recording, .. } => {
                let before = self.recordings.insert(*recording, id);
                holds(before.is_none(), || "a recording begins twice".into())
            }
            Kind::SupervisionStarted { supervisor, .. } => {
                course.hearing.push(supervisor.clone());
                self.counted("talk.supervised")
            }
            Kind::SupervisionEnded { supervisor, .. } => {
                let place = course.hearing.iter().position(|other| other == supervisor);
                holds(place.map(|place| course.hearing.remove(place)).is_some(), || "he did not hear it".into())
            }
            Kind::FlowEntered { .. } => {
                course.flows += 1;
                holds(course.flows <= DEPTH, || "more flows than may wait for each other".into())
            }
            Kind::FlowLeft { .. } => {
                let before = course.flows;
                course.flows = before.saturating_sub(1);
                holds(before > 0, || "leaves no flow".into())
            }
            Kind::Dialed { .. } => self.counted("dial.all"),
            Kind::Bridged { target } => {
                self.count("dial.bridged");
                match target.strip_prefix("agent:") {
                    Some(agent) => {
                        holds(course.talk.replace(AgentId::from(agent)).is_none(), || "talks with two".into())
                    }
                    None => Ok(()),
                }
            }
            Kind::DialFailed { .. } => self.counted("dial.failed"),
            Kind::CallbackBooked { .. } => self.counted("callback.booked"),
            Kind::CallbackTried { .. } => self.counted("callback.tried"),
            Kind::Survey { .. } => self.counted("survey"),
            Kind::Transferred { attended, .. } => {
                self.counted(if *attended { "transfer.attended" } else { "transfer.blind" })
            }
            Kind::TransferFailed { returned, .. } => {
                self.counted(if *returned { "transfer.returned" } else { "transfer.failed" })
            }
            _ => Ok(()),
        }
    }

    /// At the end of a step nothing of a call that ended in it may be open.
    ///
    /// # Errors
    ///
    /// What is open, or what its record contradicts.
    pub fn settle(&mut self) -> Result<(), String> {
        for call in std::mem::take(&mut self.just_ended) {
            let Some(course) = self.open.remove(&call) else { continue };
            self.ended.insert(call);
            if course.ended == Some(EndReason::NodeFailure) {
                self.ringing.retain(|_, (of, _)| *of != call);
                continue;
            }
            let left = [
                ("a queue", course.queue.is_some()),
                ("an offer", !course.offers.is_empty()),
                ("a talk", course.talk.is_some()),
                ("a listener", !course.hearing.is_empty()),
                ("a flow", course.flows > 0),
            ];
            if let Some((what, _)) = left.iter().find(|(_, open)| *open) {
                return Err(format!("{call} ended and left {what} open"));
            }
            let record = self.fold.record(call).ok_or_else(|| format!("{call} ended without a record"))?;
            check_record(record).map_err(|fault| format!("{fault} in the record of {call}"))?;
        }
        Ok(())
    }

    /// The process died: what it had begun in memory is forgotten.
    pub fn crash(&mut self) {
        self.ringing.clear();
        self.just_ended.clear();
        self.just_told.clear();
        // The end of these was written before; what should have followed it is lost.
        let over: Vec<CallId> = self.open.iter().filter(|(_, c)| c.ended.is_some()).map(|(id, _)| *id).collect();
        for call in over {
            self.open.remove(&call);
            self.ended.insert(call);
        }
    }

    /// Whether a call from this number is in the journal.
    pub fn knows_caller(&self, from: &str) -> bool {
        self.callers.contains(from)
    }

    /// Recordings whose end is not written.
    pub fn open_recordings(&self) -> usize {
        self.recordings.len()
    }

    /// SHA-256 of all entries as they would be written, in hex.
    pub fn digest(&self) -> String {
        self.hash.clone().finalize().iter().map(|b| format!("{b:02x}")).collect()
    }

    /// One more of these.
    pub fn count(&mut self, what: &str) {
        match self.happened.get_mut(what) {
            Some(count) => *count += 1,
            None => {
                self.happened.insert(what.to_owned(), 1);
            }
        }
    }

    fn counted(&mut self, what: &str) -> Result<(), String> {
        self.count(what);
        Ok(())
    }

    fn count_word(&mut self, area: &str, word: &impl std::fmt::Debug) {
        self.count(&format!("{area}.{word:?}"));
    }
}

/// What holds in every revision of a record. The wall clock may have stepped back over a restart, never in a call.
fn check_times(record: &CallRecord) -> Result<(), String> {
    let end = record.end.ok_or("no end")?;
    let ended_at = record.ended_at.ok_or("no time of the end")?;
    let inside = |at: Option<Wall>| at.is_none_or(|at| record.started_at <= at && at <= ended_at);
    holds(inside(Some(ended_at)) && inside(record.answered_at), || "answered or ended out of time".into())?;
    holds(record.queue_visits.iter().all(|v| (v.callback || inside(Some(v.entered_at))) && inside(v.left_at)), || {
        "a queue visit out of time".into()
    })?;
    holds(record.answered_at.is_some() || end.sip_code >= 300, || "refused with a success".into())
}

/// What holds when the step that ended the call is over.
fn check_record(record: &CallRecord) -> Result<(), String> {
    holds(record.revision >= 1, || "revision 0".into())?;
    let visits = &record.queue_visits;
    holds(visits.iter().all(|v| v.outcome.is_some() && v.left_at.is_some() && v.wait_seconds.is_some()), || {
        "a queue visit without its end".into()
    })?;
    let served = visits.iter().filter(|v| v.outcome == Some(QueueOutcome::Answered)).count();
    let talks = record.agents.iter().filter(|v| v.queue.is_some() && v.answered_at.is_some()).count();
    holds(served == talks, || format!("{served} queue visits were answered by {talks} talks"))?;
    for visit in record.agents.iter().filter(|v| v.offer.is_some()) {
        let accepted = visit.result == Some(OfferResult::Accepted);
        holds(visit.result.is_some() && visit.ring_seconds.is_some(), || "a ring without its end".into())?;
        holds(accepted == visit.answered_at.is_some(), || "accepted and answered differ".into())?;
        holds(accepted == visit.talk_seconds.is_some(), || "a talk without its length".into())?;
    }
    let whole = record.duration_seconds.unwrap_or_default();
    let talk: u64 = record.agents.iter().filter_map(|v| v.talk_seconds).map(|s| s.ms).sum();
    // Each length is rounded by itself.
    holds(talk <= whole.ms + 2 * (1 + talks as u64), || format!("{talk} ms of talk in a call of {} ms", whole.ms))?;
    let unheard = record.end.is_some_and(|end| end.reason == EndReason::Abandoned);
    holds(!unheard || talks == 0, || "abandoned after a talk".into())?;
    holds(record.supervision.iter().all(|s| s.ended_at.is_some()), || "supervised without an end".into())
}

fn holds(what: bool, else_say: impl FnOnce() -> String) -> Result<(), String> {
    if what { Ok(()) } else { Err(else_say()) }
}
