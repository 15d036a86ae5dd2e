//! The engine: owns signalling, calls, the floor and the ports, and routes each event one way.
//!
//! Everything the process does is [`Engine::handle`] with an [`Input`], then [`Engine::poll_output`] until it is
//! empty, then sleep until [`Engine::poll_timeout`]. The engine has no socket, file, thread or clock of its own,
//! so a whole centre runs on virtual time (`sim`).
//!
//! ```text
//!   Input::Message ──> endpoint ──Event──> inbound / call ──Action──> floor ──Output──> offers
//!   Input::Media   ──> call, ring                 │                                       │
//!   Input::Committed ─> call                      └──> Output::{Media, Journal, Commit} <─┘
//! ```

mod actions;
mod call_out;
mod callbacks;
mod caps;
mod conference;
mod edits;
pub mod forks;
mod guards;
mod help;
mod hours;
mod inbound;
mod message;
mod mix;
mod quality;
mod recording;
mod rejoin;
mod rings;
pub mod services;
mod speech;
mod supervise;
mod survival;
mod synthesis;
#[cfg(test)]
mod tests;
mod trace;
mod transfer;
mod trunk_view;
mod trunks;
mod view;
mod voicemail;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use crate::acd::{self, Floor, calendar::Override, config::FloorConfig};
use crate::call::{Call, Context, Onward};
use crate::clock::Clock;
use crate::id::{AgentId, CallId, LegId, OfferId, RecordingId};
use crate::journal::{About, EndReason, Entry, Kind, Party, SupervisionMode};
use crate::media::{self, Port, PortRange};
use crate::report::regulars::Regulars;
use crate::sip::trace::{Direction, Trace};
use crate::sip::{self, Endpoint, Host, SessionId, Target};

pub use crate::call::{Switch, Wanted};
use callbacks::Callbacks;
pub use callbacks::{BookError, CallbackView};
use caps::{Account, OnTrunk};
use forks::Forks;
pub use forks::{ForkOpen, ForkOrder, Forked};
use help::Help;
pub use message::{Command, Input, Output, Settings};
use mix::Voices;
use rejoin::Rejoins;
use rings::Ring;
use services::Fetches;
pub use services::{Fetch, FetchError, Method, Reply};
use supervise::Hearing;
pub use supervise::{SuperviseError, Supervised};
pub use survival::Remains;
use survival::Survival;
use synthesis::Sentences;
pub use synthesis::{Synthesis, SynthesisError};
pub use trace::{Kept, Ladder, Rung};
pub use trunk_view::TrunkStatus;
use trunks::TrunkLoad;
pub use view::Stats;
use voicemail::Voicemails;

/// How long a 200 waits for a disk that does not answer.
const COMMIT_PATIENCE: Duration = Duration::from_millis(200);
/// Most recordings whose file is not complete yet; beyond, the oldest is no longer waited for.
const RECORDINGS_MAX: usize = 50_000;

/// What a session belongs to.
#[derive(Clone, Copy, Debug)]
enum Owner {
    /// The call's caller or the one he talks with.
    Call(CallId),
    /// A phone that rings.
    Ring(LegId),
}

/// What a leg's port belongs to.
#[derive(Clone, Copy, Debug)]
struct Home {
    call: CallId,
    shard: usize,
    port: Port,
    role: crate::journal::LegRole,
    /// Ports tried before this one.
    tries: u8,
}

/// The engine. See the module.
pub struct Engine {
    settings: Settings,
    clock: Clock,
    random: ChaCha8Rng,
    endpoint: Endpoint,
    trace: Trace,
    floor: Floor,
    ports: PortRange,
    calls: BTreeMap<CallId, Call>,
    sessions: BTreeMap<SessionId, Owner>,
    legs: BTreeMap<LegId, Home>,
    /// How the media of legs is, as asked last.
    qualities: BTreeMap<LegId, media::Quality>,
    rings: BTreeMap<LegId, Ring>,
    offers: BTreeMap<OfferId, LegId>,
    /// Phones that ring for a call beside the queues.
    dials: BTreeMap<CallId, LegId>,
    /// Talks of users whose pages are gone.
    rejoins: Rejoins,
    /// Messages in the boxes of queues.
    voicemails: Voicemails,
    /// What services were asked and have not answered.
    fetches: Fetches,
    /// Sentences that a voice was asked to speak.
    sentences: Sentences,
    /// Bots that hear callers in flows.
    forks: Forks,
    /// Who is to be called back.
    callbacks: Callbacks,
    /// Agents who asked for help, by the line to the supervisor who is rung.
    hands: BTreeMap<CallId, Help>,
    /// What the floor asked for and is not done yet.
    errands: VecDeque<acd::Output>,
    /// The talks of each agent in the order they began.
    talks: BTreeMap<AgentId, Vec<CallId>>,
    /// Calls an agent made or was dialled for, beside the queues.
    own_calls: BTreeMap<AgentId, BTreeSet<CallId>>,
    /// The lines of supervisors to each agent, and how they take part.
    listeners: BTreeMap<AgentId, BTreeMap<CallId, SupervisionMode>>,
    hearing: BTreeMap<CallId, Hearing>,
    /// Whom legs hear in place of their bridge.
    voices: BTreeMap<LegId, Voices>,
    /// Calls that begin with a phone of ours, until it is rung.
    call_outs: BTreeMap<CallId, sip::Invite>,
    /// Legs of supervisors that are on their way to another media thread.
    moves: BTreeSet<LegId>,
    recordings: BTreeMap<RecordingId, CallId>,
    commits: BTreeMap<u64, (Instant, CallId)>,
    deadlines: BTreeSet<(Instant, CallId)>,
    deadline_of: BTreeMap<CallId, Instant>,
    trunks: BTreeMap<String, TrunkLoad>,
    /// Sessions that have a place on a trunk because we call over it.
    trunk_sessions: BTreeMap<SessionId, OnTrunk>,
    /// What each user has going over trunks.
    accounts: BTreeMap<AgentId, Account>,
    /// When users' talks over trunks have been up for as long as they may.
    longest: BTreeSet<(Instant, SessionId)>,
    /// What went wrong last at each trunk.
    trunk_failures: BTreeMap<String, (crate::clock::Wall, String)>,
    /// When hosts of trunks must have said something to these rings.
    silences: BTreeSet<(Instant, LegId)>,
    /// Where host names lead, by their text; absent until they are looked up.
    names: BTreeMap<String, Vec<Target>>,
    /// Calls whose actions are being done.
    acting: Vec<CallId>,
    survival: Survival,
    /// Calendars that people opened or closed by hand.
    hours_set: BTreeMap<String, Override>,
    /// Who talked last with whom.
    regulars: Regulars,
    next_seq: u64,
    next_leg: u64,
    next_shard: usize,
    /// Media threads that have no processor left: they get no new call.
    behind: BTreeSet<usize>,
    draining: bool,
    panics: u64,
    outputs: VecDeque<Output>,
}

impl Engine {
    /// Makes the engine of a centre.
    ///
    /// `next_seq` is the journal's next number; `seed` feeds every random choice: the same inputs and the same seed
    /// give the same outputs, byte for byte.
    pub fn new(now: Instant, clock: Clock, settings: Settings, next_seq: u64, seed: [u8; 32]) -> Self {
        let mut random = ChaCha8Rng::from_seed(seed);
        let mut endpoint_seed = [0; 32];
        random.fill_bytes(&mut endpoint_seed);
        let mut engine = Self {
            endpoint: Endpoint::new(settings.sip.clone(), endpoint_seed),
            trace: Trace::new(settings.sip.trace_calls),
            floor: Floor::new(now, FloorConfig::default()),
            ports: PortRange::without(settings.media.ports.clone(), &settings.media.shared),
            calls: BTreeMap::new(),
            sessions: BTreeMap::new(),
            legs: BTreeMap::new(),
            qualities: BTreeMap::new(),
            rings: BTreeMap::new(),
            offers: BTreeMap::new(),
            dials: BTreeMap::new(),
            rejoins: Rejoins::default(),
            voicemails: Voicemails::default(),
            fetches: Fetches::default(),
            sentences: Sentences::default(),
            forks: Forks::default(),
            callbacks: Callbacks::default(),
            hands: BTreeMap::new(),
            errands: VecDeque::new(),
            talks: BTreeMap::new(),
            own_calls: BTreeMap::new(),
            listeners: BTreeMap::new(),
            hearing: BTreeMap::new(),
            voices: BTreeMap::new(),
            call_outs: BTreeMap::new(),
            moves: BTreeSet::new(),
            recordings: BTreeMap::new(),
            commits: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            deadline_of: BTreeMap::new(),
            trunks: BTreeMap::new(),
            trunk_sessions: BTreeMap::new(),
            accounts: BTreeMap::new(),
            longest: BTreeSet::new(),
            trunk_failures: BTreeMap::new(),
            silences: BTreeSet::new(),
            names: BTreeMap::new(),
            acting: Vec::new(),
            survival: Survival::default(),
            hours_set: BTreeMap::new(),
            regulars: Regulars::default(),
            next_seq,
            next_leg: 1,
            next_shard: 0,
            behind: BTreeSet::new(),
            draining: false,
            panics: 0,
            outputs: VecDeque::new(),
            settings,
            clock,
            random,
        };
        engine.journal(now, About::Node, Kind::NodeStarted { version: env!("CARGO_PKG_VERSION").to_owned() });
        engine.floor.apply(now, engine.settings.floor.clone());
        engine.hear_floor(now);
        engine.tell_trunks(now);
        engine.pump(now);
        engine
    }

    /// One thing happened.
    pub fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Message { received, from, bytes } => {
                let noted = self.trace.is_on().then(|| bytes.clone());
                let heard = self.endpoint.handle_message(now, received, from, bytes);
                // Noted before `pump` moves the answers out: a trace tells things in their order.
                if let Some(bytes) = noted.filter(|_| heard) {
                    self.trace.note(now, Direction::In, from, &bytes);
                }
            }
            Input::ConnectionOpened { connection, remote, peer } => {
                self.endpoint.handle_opened(connection, remote, peer);
            }
            Input::ConnectionClosed(connection) => self.endpoint.handle_closed(now, connection),
            Input::SendFailed(flow) => self.endpoint.handle_send_failed(now, flow),
            Input::Resolved { name, targets } => {
                self.names.insert(name, targets);
                self.tell_trunks(now);
            }
            Input::Media(event) => self.handle_media(now, event),
            Input::Committed(seq) => self.handle_committed(now, seq),
            Input::RecordingStored { recording, length_ms, lost_ms } => {
                if let Some(call) = self.recordings.remove(&recording) {
                    let kind = Kind::RecordingEnded { recording, length_ms, lost_ms, partial: false };
                    self.journal(now, About::Call(call), kind);
                }
            }
            Input::RecordingFiled { call, recording, file, sha256 } => {
                self.journal(now, About::Call(call), Kind::RecordingFiled { recording, file, sha256 });
            }
            Input::SoundLoaded { call, recording, clip } => self.sound_loaded(now, call, recording, clip),
            Input::Fetched { id, answer } => self.fetched(now, id, answer),
            Input::Synthesized { id, sound } => self.synthesized(now, id, sound),
            Input::Forked { id, event } => self.forked(now, id, event),
            Input::Command(command) => self.handle_command(now, command),
        }
        self.pump(now);
    }

    /// Where this host is, best first; empty when its name is not resolved or leads nowhere. An address is reached
    /// over UDP where we have a listener for it, else over TCP.
    pub fn targets(&self, host: &Host) -> Vec<Target> {
        match host {
            Host::Address(address) => {
                let udp = self.settings.sip.listener_for(sip::Transport::Udp, *address).is_some();
                let transport = if udp { sip::Transport::Udp } else { sip::Transport::Tcp };
                vec![Target { priority: 0, weight: 0, transport, address: *address }]
            }
            Host::Name { .. } => self.names.get(&host.to_string()).cloned().unwrap_or_default(),
        }
    }

    /// When to call [`Engine::handle_timeout`] next; `None` when no timer runs.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let commit = self.commits.values().map(|(deadline, _)| *deadline).next();
        let call = self.deadlines.first().map(|(at, _)| *at);
        let survival = self.survival.poll_timeout();
        let silence = self.silences.first().map(|(at, _)| *at);
        let longest = self.longest.first().map(|(at, _)| *at);
        let cores = [self.endpoint.poll_timeout(), self.floor.poll_timeout()];
        let (pages, callbacks) = (self.rejoins.poll_timeout(), self.callbacks.poll_timeout());
        cores.into_iter().chain([commit, call, survival, silence, longest, pages, callbacks]).flatten().min()
    }

    /// Lets deadlines act; calling it early does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
        self.survival_due(now);
        self.silences_due(now);
        self.longest_due(now);
        self.rejoins_due(now);
        self.callbacks_due(now);
        self.pump(now);
        self.floor.handle_timeout(now);
        self.hear_floor(now);
        self.pump(now);
        // Sequence numbers grow with time, so the first one is the oldest.
        while let Some(seq) = self.commits.first_key_value().filter(|(_, (at, _))| *at <= now).map(|(seq, _)| *seq) {
            tracing::warn!(seq, "the disk does not answer: the call goes on before its entry is written");
            self.handle_committed(now, seq);
        }
        while let Some((_, call)) = self.deadlines.first().copied().filter(|(at, _)| *at <= now) {
            self.with_call(now, call, |call, context| call.handle_timeout(context));
        }
        self.pump(now);
    }

    /// Next thing for the outside to do; call until it returns `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Moves what the cores put out until all are quiet.
    fn pump(&mut self, now: Instant) {
        loop {
            if let Some(output) = self.endpoint.poll_output() {
                match output {
                    sip::Output::Send { flow, bytes } => {
                        self.trace.note(now, Direction::Out, flow, &bytes);
                        self.outputs.push_back(Output::Send { flow, bytes });
                    }
                    sip::Output::Link(order) => self.outputs.push_back(Output::Link(order)),
                    sip::Output::Dialog(note) => self.note_dialog(now, note),
                    sip::Output::Event(event) => self.handle_sip(now, event),
                }
            } else if let Some(errand) = self.errands.pop_front() {
                self.handle_floor(now, errand);
            } else {
                break;
            }
        }
    }

    /// Tells the floor something. What it has to write is written at once, so that an entry about the floor stands
    /// before the end of its call; what it wants done waits in `errands`.
    fn tell_floor(&mut self, now: Instant, input: acd::Input) {
        self.floor.handle(now, input);
        self.hear_floor(now);
    }

    fn hear_floor(&mut self, now: Instant) {
        while let Some(output) = self.floor.poll_output() {
            match output {
                acd::Output::Journal { about, kind } => self.journal(now, about, kind),
                // At once as well: what is written of the offer is written of a call.
                acd::Output::CallBack { call } => self.begin_callback(now, call),
                errand => self.errands.push_back(errand),
            }
        }
    }

    fn handle_sip(&mut self, now: Instant, event: sip::Event) {
        match event {
            sip::Event::Incoming { session, incoming } => self.handle_incoming(now, session, *incoming),
            sip::Event::Progress { session, sdp, .. } => self.ring_progress(now, session, sdp),
            sip::Event::Answered { session, sdp } => self.ring_answered(now, session, sdp),
            sip::Event::Failed { session, code, .. } => self.ring_failed(now, session, code),
            sip::Event::Acked { .. } => {}
            sip::Event::Cancelled { session, reason } => self.session_gone(now, session, None, reason.as_deref()),
            sip::Event::Ended { session, cause, reason } => {
                if cause == sip::EndCause::Bye {
                    self.page_heard(now, session);
                }
                let end = matches!(cause, sip::EndCause::NoAck).then_some(EndReason::NoAck);
                self.session_gone(now, session, end, reason.as_deref());
            }
            sip::Event::Offer { session, sdp } => match self.sessions.get(&session) {
                Some(Owner::Call(call)) => {
                    let call = *call;
                    self.with_call(now, call, |call, context| call.handle_offer(context, session, sdp));
                }
                Some(Owner::Ring(leg)) => self.ring_offered(now, session, *leg, sdp),
                None => self.endpoint.refuse_offer(now, session, 481, None),
            },
            sip::Event::OfferAnswered { session, sdp } => {
                if let Some(Owner::Call(call)) = self.sessions.get(&session).copied() {
                    self.with_call(now, call, |call, context| call.handle_offer_answered(context, session, sdp));
                }
            }
            sip::Event::OfferRefused { session, code } => {
                if let Some(Owner::Call(call)) = self.sessions.get(&session).copied() {
                    self.with_call(now, call, |call, _| call.handle_offer_refused(code));
                }
            }
            sip::Event::Dtmf { session, digit, .. } => {
                if let Some(Owner::Call(call)) = self.sessions.get(&session).copied() {
                    self.with_call(now, call, |call, context| call.handle_info_digit(context, session, digit));
                }
            }
            sip::Event::TrunkState { trunk, host, up, detail } => self.trunk_state(now, &trunk, host, up, &detail),
            sip::Event::TrunkRegistered { trunk, ok, code, .. } => self.trunk_registered(now, &trunk, ok, code),
            sip::Event::Refer { session, refer, to_user, replaces, .. } => {
                self.refer(now, session, refer, &to_user, replaces);
            }
            sip::Event::Registered { user, binding, .. } => self.phone_registered(now, user, *binding),
            sip::Event::ContactGone { user, uri, loss } => self.phone_gone(now, user, uri, loss),
            sip::Event::Unregistered { user, loss } => self.phones_gone(now, user, loss),
            sip::Event::Banned { address, seconds, times } => {
                let detail = format!("{address} is not heard for {seconds} s: too many wrong passwords (ban {times})");
                tracing::warn!(seconds, times, "a source is banned: see `hatif bans list`");
                self.journal(now, About::Node, Kind::Trouble { code: "source_banned".into(), detail });
            }
        }
    }

    /// A caller or a talking peer is gone; `said` is the Reason of his BYE or CANCEL.
    fn session_gone(&mut self, now: Instant, session: SessionId, reason: Option<EndReason>, said: Option<&str>) {
        match self.forget_session(&session) {
            Some(Owner::Call(call)) => self.with_call(now, call, |call, context| {
                let by_customer = call.customer().session == session;
                if let Some(said) = said {
                    call.note_reason(if by_customer { Party::Customer } else { Party::Agent }, said);
                }
                if by_customer {
                    call.handle_customer_gone(context, reason);
                } else {
                    call.handle_peer_gone(context, session);
                }
            }),
            Some(Owner::Ring(leg)) => self.ring_lost(now, leg, 487),
            None => {}
        }
    }

    fn handle_floor(&mut self, now: Instant, output: acd::Output) {
        match output {
            acd::Output::Offer { offer, call, agent, queue, .. } => self.offer(now, offer, call, agent, queue),
            acd::Output::Withdraw { offer } | acd::Output::Discard { offer } => self.withdraw(now, offer),
            acd::Output::Connect { offer, call, .. } => self.connect_offer(now, offer, call),
            acd::Output::Announce { call, position, within_minutes } => {
                self.with_call(now, call, |call, context| call.handle_announce(context, position, within_minutes));
            }
            acd::Output::Remind { call, prompt } => {
                self.with_call(now, call, |call, context| call.handle_remind(context, prompt));
            }
            acd::Output::Dispatch { call, queue } => self.ask_dispatch(now, call, queue),
            acd::Output::CallBack { call } => self.begin_callback(now, call),
            acd::Output::Left { call, .. } if self.callbacks.is_try(call) => self.callback_left(now, call),
            acd::Output::Left { call, outcome, way, .. } => self.with_call(now, call, |call, context| match way {
                acd::Way::Number(number) => call.handle_sent_on(context, outcome, Onward::Number(number)),
                acd::Way::Flow(flow) => call.handle_sent_on(context, outcome, Onward::Flow(flow)),
                acd::Way::CallBack => call.handle_sent_on(context, outcome, Onward::CallBack),
                acd::Way::Voicemail => call.handle_sent_on(context, outcome, Onward::Voicemail),
                acd::Way::HangUp | acd::Way::Wait | acd::Way::Queue(_) => call.handle_queue_left(context, outcome),
            }),
            acd::Output::Moved { call, queue } => {
                self.with_call(now, call, |call, context| call.handle_moved(context, queue));
            }
            acd::Output::Journal { about, kind } => self.journal(now, about, kind),
        }
    }

    fn handle_media(&mut self, now: Instant, event: media::Event) {
        match event {
            media::Event::Opened { leg } => match self.legs.get(&leg).copied() {
                Some(_) if self.rings.contains_key(&leg) => self.ring_opened(now, leg),
                Some(home) => {
                    self.with_customer(now, leg, Call::handle_opened);
                    self.ear_opened(now, home.call);
                }
                None => {}
            },
            media::Event::OpenFailed { leg, error } => self.open_failed(now, leg, &error),
            media::Event::Digit { leg, digit } => {
                if let Some(home) = self.legs.get(&leg).copied() {
                    self.with_call(now, home.call, |call, context| call.handle_leg_digit(context, leg, digit));
                }
            }
            media::Event::PlayDone { leg, play } => self.with_customer(now, leg, |call, context| {
                call.handle_play_done(context, play);
            }),
            media::Event::Quality { leg, quality } => self.quality_told(now, leg, quality),
            media::Event::Quiet { leg, recording, spoke } => self.with_customer(now, leg, |call, context| {
                call.handle_quiet(context, recording, spoke);
            }),
            media::Event::OneWay { leg, silent } => self.one_way(now, leg, silent),
            media::Event::Closed { leg, quality } => {
                self.qualities.remove(&leg);
                self.voices.remove(&leg);
                self.page_closed(leg);
                if let Some(home) = self.legs.remove(&leg) {
                    if !self.ear_closed(now, leg, home) {
                        self.give_port(now, home.port);
                    }
                    if quality.received > 0 || quality.sent > 0 {
                        self.journal(now, About::Call(home.call), Kind::LegQuality { leg: home.role, quality });
                    }
                }
            }
            media::Event::MediaTimeout { leg } => {
                if let Some(home) = self.legs.get(&leg).copied()
                    && !self.page_timed_out(now, leg, home.call)
                {
                    self.with_call(now, home.call, |call, context| call.handle_media_timeout(context, leg));
                }
            }
            media::Event::Behind { shard, behind: true } => {
                tracing::error!(shard, "a media thread is late: no processor is left, new calls are refused");
                self.behind.insert(shard);
            }
            media::Event::Behind { shard, behind: false } => {
                tracing::warn!(shard, "the media thread is on time again");
                self.behind.remove(&shard);
            }
            // Storage says it when the file is complete: `Input::RecordingStored`.
            media::Event::RecordingEnded { .. } => {}
        }
    }

    fn with_customer(&mut self, now: Instant, leg: LegId, act: impl FnOnce(&mut Call, &Context<'_>)) {
        if let Some(home) = self.legs.get(&leg).copied() {
            self.with_call(now, home.call, |call, context| {
                if call.customer().id == leg {
                    act(call, context);
                }
            });
        }
    }

    fn handle_committed(&mut self, now: Instant, seq: u64) {
        while let Some((first, (_, call))) = self.commits.first_key_value().map(|(k, v)| (*k, *v)) {
            if first > seq {
                break;
            }
            self.commits.remove(&first);
            self.with_call(now, call, |call, context| call.handle_committed(context));
        }
    }

    fn handle_command(&mut self, now: Instant, command: Command) {
        match command {
            Command::Agent { agent, wish, by } => self.tell_floor(now, acd::Input::Want { agent, wish, by }),
            Command::Reload(settings) => {
                self.endpoint.set_config(settings.sip.clone());
                self.trace.set_calls_max(settings.sip.trace_calls);
                self.settings = *settings;
                self.journal(now, About::Node, Kind::ConfigReloaded { accepted: true });
                self.floor.apply(now, self.settings.floor.clone());
                self.hear_floor(now);
                self.tell_trunks(now);
                self.seek_callbacks(now);
            }
            Command::Flows(flows) => self.settings.flows = flows,
            Command::Prompts(prompts) => self.settings.prompts = prompts,
            Command::Drain => {
                self.draining = true;
                self.seek_callbacks(now);
                self.endpoint.leave_trunks(now);
                self.report_drained();
            }
            Command::Recording { call, pause, by, why } => {
                self.with_call(now, call, |call, context| {
                    let _ = call.handle_pause(context.now, pause, by, why);
                });
            }
            Command::HangUp(call) => {
                self.with_call(now, call, |call, context| call.end(context, Party::System, EndReason::Normal, 480));
            }
        }
    }

    fn report_drained(&mut self) {
        if self.draining && self.calls.is_empty() {
            self.outputs.push_back(Output::Drained);
        }
    }

    /// Ends all calls at once: the second SIGTERM, or the end of the patience for the first.
    pub fn end_all(&mut self, now: Instant) {
        let calls: Vec<CallId> = self.calls.keys().copied().collect();
        for id in calls {
            self.with_call(now, id, |call, context| call.end(context, Party::System, EndReason::Shutdown, 503));
        }
        self.pump(now);
    }

    /// Writes the last entry. Nothing may be handled afterwards.
    pub fn stop(&mut self, now: Instant) {
        self.journal(now, About::Node, Kind::NodeStopped);
    }

    /// Lets one call act, then does what it asks. A fault of ours ends this call alone.
    fn with_call(&mut self, now: Instant, id: CallId, act: impl FnOnce(&mut Call, &Context<'_>)) {
        let (wall, calendars) = (self.clock.wall(now), &self.settings.floor.calendars);
        let world = actions::FloorWorld { floor: &self.floor, now, wall, calendars, hours_set: &self.hours_set };
        let context = actions::context(now, self.clock, &self.settings, &world);
        let Some(call) = self.calls.get_mut(&id) else { return };
        if std::panic::catch_unwind(AssertUnwindSafe(|| act(call, &context))).is_err() {
            self.handle_fault(now, id);
        }
        // What a call does while its actions are being done is done with them, in order and without recursion.
        if !self.acting.contains(&id) {
            self.acting.push(id);
            self.do_actions(now, id);
            self.acting.pop();
            self.remix(id);
        }
        self.set_deadline(id);
    }

    fn set_deadline(&mut self, id: CallId) {
        let wanted = self.calls.get(&id).and_then(Call::poll_timeout);
        let known = self.deadline_of.get(&id).copied();
        if wanted == known {
            return;
        }
        if let Some(at) = known {
            self.deadlines.remove(&(at, id));
            self.deadline_of.remove(&id);
        }
        if let Some(at) = wanted {
            self.deadlines.insert((at, id));
            self.deadline_of.insert(id, at);
        }
    }

    fn journal(&mut self, now: Instant, about: About, kind: Kind) {
        let entry = Entry { seq: self.next_seq, at: self.clock.wall(now), about, kind };
        self.next_seq += 1;
        self.regulars.handle(&entry);
        self.outputs.push_back(Output::Journal(entry));
    }

    fn media(&mut self, shard: usize, command: media::Command) {
        self.outputs.push_back(Output::Media { shard, command });
    }

    fn new_call_id(&mut self, now: Instant) -> CallId {
        CallId::new(self.clock.wall(now).ms(), self.random_bits())
    }

    fn new_recording_id(&mut self, now: Instant) -> RecordingId {
        RecordingId::new(self.clock.wall(now).ms(), self.random_bits())
    }

    fn random_bits(&mut self) -> u128 {
        (u128::from(self.random.next_u64()) << 64) | u128::from(self.random.next_u64())
    }

    fn new_leg_id(&mut self) -> LegId {
        let leg = LegId(self.next_leg);
        self.next_leg += 1;
        leg
    }
}
