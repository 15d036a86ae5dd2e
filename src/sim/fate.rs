//! What befalls the process: reloads, a crash and the start after it, the drain; and what must be true at the end.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::centre::settings;
use super::ledger::Ledger;
use super::media::Media;
use super::phone::Phone;
use super::world::{Event, World};
use super::{Outcome, Sabotage};
use crate::acd::AgentView;
use crate::clock::{Clock, Wall};
use crate::engine::{Command, Engine, Input, Remains};
use crate::id::CallId;
use crate::journal::{About, AgentStateName, EndReason, Entry, Kind, Party};

/// Virtual time begins here: a Sunday morning.
pub(super) const MORNING: Wall = Wall(1_795_341_600_000_000);
/// After the last arrival, everything must be over in this time.
const EVENING: Duration = Duration::from_secs(3_600);
/// The journal writes what it has at least this often.
const COMMIT: Duration = Duration::from_millis(50);

/// The state of the process beside its engine.
#[derive(Default)]
pub(super) struct Fate {
    /// The process is dead.
    pub(super) is_down: bool,
    /// How often it was started again: events of an earlier life are void.
    pub(super) life: u32,
    /// The configuration in force.
    edition: u32,
    /// When it was last started again.
    restarted: Option<Instant>,
    /// Shortly before a crash: the journal as it is on disk, and what may not have reached it.
    disk: Option<Disk>,
    /// No new calls are taken.
    is_draining: bool,
    /// The last call ended after that.
    pub(super) is_drained: bool,
}

struct Disk {
    ledger: Ledger,
    tail: Vec<Entry>,
    durable: u64,
}

impl Fate {
    /// The journal is on disk up to here.
    pub(super) fn durable(&mut self, seq: u64) {
        if let Some(disk) = &mut self.disk {
            disk.durable = disk.durable.max(seq);
        }
    }

    /// An entry was given to the journal.
    pub(super) fn remember(&mut self, entry: &Entry) {
        if let Some(disk) = &mut self.disk {
            disk.tail.push(entry.clone());
        }
    }

    /// Whether a request of this moment may go without a final response: the process died after it.
    pub(super) fn may_be_silent(&self, since: Instant) -> bool {
        self.is_down || self.restarted.is_some_and(|at| since <= at)
    }
}

impl World {
    /// Says when what will befall the process.
    pub(super) fn schedule_fate(&mut self) {
        let day = self.plan.hours * 3_600_000;
        for number in 0..self.plan.crashes {
            // Each in its own part of the day, not at its edges.
            let part = day / self.plan.crashes;
            let at = number * part + self.dice.between(part / 10, part * 9 / 10);
            self.schedule(Duration::from_millis(at) - COMMIT, Event::BeforeCrash);
            self.schedule(Duration::from_millis(at), Event::Crash);
        }
        self.schedule(Duration::from_millis(day), Event::Close);
        if self.plan.seed.is_multiple_of(3) {
            let patience = self.dice.between(60, 120);
            self.schedule(Duration::from_millis(day) + Duration::from_secs(patience), Event::EndAll);
        }
    }

    pub(super) fn reload(&mut self) -> Result<(), String> {
        if !self.fate.is_down {
            self.fate.edition += 1;
            let settings = settings(&self.plan, self.fate.edition)?;
            self.engine.handle(self.now, Input::Command(Command::Reload(Box::new(settings))));
        }
        let gap = self.dice.between(200, 700);
        self.schedule(Duration::from_secs(gap), Event::Reload);
        Ok(())
    }

    /// What is written from here on may be lost.
    pub(super) fn before_crash(&mut self) {
        let (ledger, durable) = (self.ledger.clone(), self.ledger.last_seq);
        self.fate.disk = Some(Disk { ledger, tail: Vec::new(), durable });
    }

    /// The process dies; the journal is what reached the disk.
    pub(super) fn crash(&mut self) -> Result<(), String> {
        self.fate.is_down = true;
        self.fate.life += 1;
        let Some(disk) = self.fate.disk.take() else { return Ok(()) };
        let written = self.ledger.happened.clone();
        self.ledger = disk.ledger;
        let sure = disk.tail.iter().filter(|entry| entry.seq <= disk.durable).count();
        let sure = if self.plan.sabotage == Some(Sabotage::CommitsNothing) { 0 } else { sure };
        let kept = self.dice.between(sure as u64, disk.tail.len() as u64);
        let kept = if self.plan.sabotage == Some(Sabotage::CommitsNothing) { 0 } else { kept };
        for entry in disk.tail.iter().take(usize::try_from(kept).unwrap_or(0)) {
            self.ledger.write(entry)?;
        }
        // Phones saw what they saw; only the journal forgets.
        let seen = written.into_iter().filter(|(what, _)| what.starts_with("phone."));
        self.ledger.happened.extend(seen);
        self.ledger.crash();
        self.ledger.count("node.crashed");
        self.media = Media::default();
        for phone in self.passing.iter().filter_map(|address| self.phones.get(address)) {
            if phone.is_up() && !self.ledger.knows_caller(phone.user()) {
                return Err(format!("{} was answered, and the journal does not know him", phone.user()));
            }
        }
        let pause = self.dice.between(500, 8_000);
        self.schedule(Duration::from_millis(pause), Event::Restart);
        Ok(())
    }

    /// The process starts again, as `hatif serve` does: what was up is closed, then the engine begins anew.
    pub(super) fn restart(&mut self) -> Result<(), String> {
        let at = self.ledger.last_at;
        let mended: Vec<_> = self.ledger.fold.unfinished_recordings().collect();
        for file in mended {
            let kind = Kind::RecordingEnded { recording: file.recording, length_ms: 1_000, lost_ms: 0, partial: true };
            self.append(at, About::Call(file.call), kind)?;
        }
        // The wall clock may have been set meanwhile, back or forth.
        let wall = MORNING.0 + i64::try_from(self.elapsed().as_micros()).unwrap_or(0);
        let wall = Wall(wall + 1_000 * i64::try_from(self.dice.between(0, 20_000)).unwrap_or(0) - 10_000_000);
        let remains = Remains::of(wall, &self.ledger.live, &self.ledger.places);
        let open: Vec<CallId> = self.ledger.fold.open().map(|record| record.call_id).collect();
        for call in open {
            let kind = Kind::CallEnded { by: Party::System, reason: EndReason::NodeFailure, sip_code: 500 };
            self.append(at, About::Call(call), kind)?;
        }
        self.ledger.settle()?;
        if self.ledger.open_recordings() > 0 {
            return Err(format!("{} recordings are left after a crash", self.ledger.open_recordings()));
        }
        let settings = settings(&self.plan, self.fate.edition)?;
        let (clock, seed) = (Clock::new(self.now, wall), self.dice.seed());
        self.engine = Engine::new(self.now, clock, settings, self.ledger.last_seq + 1, seed);
        self.engine.recover(self.now, remains);
        (self.fate.is_down, self.fate.restarted) = (false, Some(self.now));
        if self.fate.is_draining {
            self.engine.handle(self.now, Input::Command(Command::Drain));
        }
        self.flush()?;
        self.compare()
    }

    fn append(&mut self, at: Wall, about: About, kind: Kind) -> Result<(), String> {
        self.outcome.entries += 1;
        let seq = self.ledger.last_seq + 1;
        self.ledger.write(&Entry { seq, at, about, kind })
    }

    /// SIGTERM.
    pub(super) fn drain(&mut self) {
        self.fate.is_draining = true;
        self.engine.handle(self.now, Input::Command(Command::Drain));
    }

    /// The second SIGTERM.
    pub(super) fn end_all(&mut self) {
        self.engine.end_all(self.now);
    }

    /// Whether the day is over and everybody is home.
    pub(super) fn is_over(&self) -> Result<bool, String> {
        let minute = Duration::from_secs(60);
        if self.now < self.close + minute || self.fate.is_down {
            return Ok(false);
        }
        let calls = self.engine.calls().count();
        if self.fate.is_drained != (calls == 0) {
            return Err(format!("drained is {} with {calls} calls", self.fate.is_drained));
        }
        if calls == 0 && self.passing.is_empty() && self.phones.values().all(Phone::is_idle) {
            return Ok(true);
        }
        match self.now >= self.close + EVENING {
            true => {
                let mut busy: String = self.phones.values().map(Phone::doing).collect();
                busy.extend(self.engine.calls().map(|call| {
                    let (at, peer) = (call.started() - self.origin, call.peer().map(|peer| &peer.kind));
                    let (route, answered) = (call.route(), call.is_answered());
                    format!("{} since {at:?}: {route:?}, answered {answered}, talks with {peer:?}; ", call.id())
                }));
                Err(format!("{} customers and {calls} calls never end: {busy}", self.passing.len()))
            }
            false => Ok(false),
        }
    }

    /// Those of whom the journal told in this step are as it told.
    pub(super) fn compare_told(&mut self) -> Result<(), String> {
        for agent in std::mem::take(&mut self.ledger.just_told) {
            if let Some(view) = self.engine.floor().agent(&agent) {
                self.compare_agent(&view)?;
            }
        }
        Ok(())
    }

    fn compare_agent(&self, view: &AgentView) -> Result<(), String> {
        let told = self.ledger.live.agents().get(&view.id).map(|agent| (agent.state, &agent.code, agent.call));
        // Of whom nothing is told, he is offline.
        match told.unwrap_or((AgentStateName::Offline, &None, None)) == (view.state, &view.code, view.call) {
            true => Ok(()),
            false => Err(format!("agent {} is {:?}, the journal says {told:?}", view.id, view.state)),
        }
    }

    /// The journal's folds are the live state.
    pub(super) fn compare(&self) -> Result<(), String> {
        if self.fate.is_down {
            return Ok(());
        }
        let live = &self.ledger.live;
        for view in self.engine.floor().agents() {
            self.compare_agent(&view)?;
        }
        let up: BTreeSet<_> = self.engine.calls().map(crate::call::Call::id).collect();
        let told: BTreeSet<_> = live.calls().keys().copied().collect();
        let open: BTreeSet<_> = self.ledger.fold.open().map(|record| record.call_id).collect();
        if up != told || up != open {
            return Err(format!("the calls {up:?} are up, the journal says {told:?}, the records {open:?}"));
        }
        let kept = self.engine.callbacks(self.now).into_iter().filter(|callback| callback.state == "waiting");
        let kept = kept.filter_map(|callback| Some((callback.booking.queue, callback.call?)));
        let on_line = self.engine.calls().filter_map(|c| c.waiting_in().map(|queue| (queue.clone(), c.id())));
        let waiting: BTreeSet<_> = on_line.chain(kept).collect();
        let queues = live.queues().iter();
        let told: BTreeSet<_> =
            queues.flat_map(|(name, callers)| callers.iter().map(|w| (name.clone(), w.call))).collect();
        match waiting == told {
            true => Ok(()),
            false => Err(format!("{waiting:?} wait, the journal says {told:?}")),
        }
    }

    /// After the last call: nothing is left.
    pub(super) fn settle(&mut self) -> Result<Outcome, String> {
        // So that nobody registers again.
        self.phones.values_mut().for_each(Phone::switch_off);
        let end = self.now + Duration::from_secs(120);
        while self.now < end {
            self.step()?;
        }
        self.compare()?;
        let stats = self.engine.stats();
        let left = [
            ("calls", stats.calls),
            ("legs", stats.legs),
            ("ports", stats.ports_in_use),
            ("sessions", stats.sip.sessions + stats.sip.transactions),
            ("open ports of media", self.media.open()),
            ("recordings of media", self.media.recording()),
            ("recordings of the journal", self.ledger.open_recordings()),
            ("dialogs of the journal", self.ledger.places.legs().count()),
            ("calls on trunks", stats.trunk_calls.values().map(|calls| *calls as usize).sum()),
        ];
        if let Some((what, count)) = left.iter().find(|(_, count)| *count > 0) {
            return Err(format!("{count} {what} are left after the last call"));
        }
        if stats.panics > 0 {
            return Err(format!("{} calls ended by a fault of ours", stats.panics));
        }
        self.engine.stop(self.now);
        self.flush()?;
        let happened = self.ledger.happened.clone();
        let count = |area: &str| happened.iter().filter(|(what, _)| what.starts_with(area)).map(|(_, n)| n).sum();
        Ok(Outcome {
            calls: count("call."),
            answered: count("talk.queue"),
            abandoned: count("queue.Abandoned"),
            offers: count("offer.all"),
            steps: self.outcome.steps,
            entries: self.outcome.entries,
            journal: self.ledger.digest(),
            happened,
        })
    }
}
