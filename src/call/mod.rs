//! One call: a customer's passage through the centre, from INVITE to the last BYE.
//!
//! A [`Call`] is a pure machine. The engine tells it what happened to its legs, its flow and its place in a queue;
//! it answers with [`Action`]s. It joins the cores that do not know each other: SDP, media and flows.
//!
//! ```text
//!             committed + port open                   queue                offer answered
//!  Starting ------------------------> InFlow --------------------> Waiting --------------> Talking
//!     |                                 ^   `-- transfer --> Dialing --answer--> Talking      |
//!     | dial, direct                    |                                                     |
//!     +--------------> Dialing          +------------------- talk over, flow goes on ---------+
//!                                       any --hang-up, end of flow, limit--> Ended
//!                   a transfer (REFER) leads from Talking to Dialing or Waiting, and back when it fails
//! ```

mod action;
mod callback;
mod conference;
pub mod config;
mod flow;
mod keys;
pub mod leg;
pub mod number;
mod offers;
pub mod prompts;
mod reason;
mod recording;
mod rejoin;
mod replace;
pub mod route;
pub mod secret;
mod speech;
mod spoken;
mod talk;
mod told;
mod transfer;
mod view;
mod voicemail;
mod waiting;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clock::Wall;
use crate::id::{AgentId, CallId, LegId, QueueName};
use crate::ivr;
use crate::journal::{EndReason, Kind, Origin, Party, QueueOutcome};
use crate::media;
use crate::sdp::Sdp;
use crate::sip::SessionId;

use callback::Absent;
use conference::Invited;
use config::{RecordPolicy, VoicemailConfig};
use keys::Keys;
use leg::Leg;
use prompts::Prompts;
use route::{Feature, Route};

use recording::Recorded;
use rejoin::Away;
use speech::Speech;
use talk::Talk;
use told::Told;
use transfer::Transfer;
use voicemail::{Leaving, Listening};

pub use action::{Action, Switch};
pub use callback::{CallBack, Wanted};
pub use flow::Onward;
pub use offers::warning;
pub use recording::RecordingFault;
pub use talk::{Early, Peer, PeerKind};
pub use transfer::{Asked, Party as Consulted, Turn};

/// Play numbers with this bit are the call's own (announcements, apologies), all others the flow's.
const OWN_PLAY: u64 = 1 << 63;

/// How long the phone that a call of ours begins with rings.
const CALL_OUT: Duration = Duration::from_secs(30);

/// Who calls, as told to everybody, when he does not want to be shown (RFC 3323 §4.1.1.3).
pub const ANONYMOUS: &str = "anonymous";

/// What a call may look at while it acts.
pub struct Context<'a> {
    /// The moment.
    pub now: Instant,
    /// The moment in wall time.
    pub wall: Wall,
    /// Minutes by which the centre's clock is ahead of UTC.
    pub utc_offset_minutes: i32,
    /// Sounds by id and language.
    pub prompts: &'a Prompts,
    /// The checked flows.
    pub flows: &'a Arc<ivr::Library>,
    /// Live figures for expressions in flows.
    pub world: &'a dyn ivr::World,
    /// What our SDP says.
    pub address: std::net::IpAddr,
    /// After how long a pause of a recording ends by itself, by queue.
    pub pauses: &'a BTreeMap<QueueName, Duration>,
    /// The boxes of queues.
    pub voicemail: &'a BTreeMap<QueueName, VoicemailConfig>,
    /// The queue of callers whose flow failed.
    pub fallback: Option<&'a QueueName>,
}

/// What a call is made of.
pub struct Setup {
    /// Its name.
    pub id: CallId,
    /// The media shard that carries all its legs.
    pub shard: usize,
    /// The caller's leg, with the answer to his offer.
    pub customer: Leg,
    /// Who calls, as told to the agent.
    pub from: String,
    /// He does not want to be shown; `from` is [`ANONYMOUS`] then.
    pub private: bool,
    /// What he dialled.
    pub to: String,
    /// The number that sent him on to `to`.
    pub diverted_from: Option<String>,
    /// By what right.
    pub origin: Origin,
    /// The language to begin in.
    pub language: String,
    /// What the number does.
    pub route: Route,
    /// Whether a dialled talk is recorded; queues say it themselves.
    pub record: RecordPolicy,
    /// Max-Forwards of the INVITE: what goes on from here says one less.
    pub hops: u8,
}

/// Where the call is.
#[derive(Debug)]
enum Phase {
    /// The INVITE is not answered yet: waits for the journal and the port, or for the phone that we ring.
    Starting,
    /// A flow serves the caller.
    InFlow,
    /// The caller waits in a queue.
    Waiting {
        queue: QueueName,
    },
    /// Somebody outside the queues is being rung.
    Dialing {
        target: String,
        give_up_at: Instant,
    },
    /// The caller talks.
    Talking(Box<Peer>),
    /// The caller leaves a message in the box of a queue.
    Leaving(Box<Leaving>),
    /// An agent listens to such messages.
    Listening(Box<Listening>),
    /// Echo, tone, or a supervisor who listens.
    Service,
    /// A last sentence is played, then the call ends.
    Closing {
        play: u64,
        reason: EndReason,
        give_up_at: Instant,
    },
    Ended,
}

/// One customer's call. See the module for its phases.
pub struct Call {
    id: CallId,
    shard: usize,
    customer: Leg,
    from: String,
    private: bool,
    to: String,
    diverted_from: Option<String>,
    origin: Origin,
    language: String,
    route: Route,
    phase: Phase,
    started: Instant,
    /// The first entry is on disk, or the disk is silent: the 200 may go.
    committed: bool,
    /// Our side wants to answer.
    wants_answer: bool,
    /// The call begins with a phone that we ring; given up at this moment.
    calls_out: Option<Instant>,
    answered: bool,
    /// Somebody talked with the caller, or he got what he dialled.
    served: bool,
    /// The agent of the last talk: whom a survey is about.
    last_agent: Option<AgentId>,
    /// What rings, waits or talks began with the flow's `transfer`: the flow wants to hear how that ends.
    in_transfer: bool,
    transfers: u32,
    /// A flow failed and the fallback queue took the caller over.
    fell_back: bool,
    /// Who else is in the talk: a conference.
    guests: Vec<Peer>,
    /// Who is being rung for the talk that goes on.
    invited: Option<Invited>,
    /// Whose page is gone in the middle of the talk.
    away: Option<Away>,
    /// The customer is called back and not on the line yet.
    absent: Option<Box<Absent>>,
    /// The transfer under way, asked for by who talks with the customer.
    transfer: Option<Box<Transfer>>,
    /// The customer's turn in the queues.
    turn: Option<Turn>,
    /// What he is told while he waits.
    told: Told,
    /// The user of ours on the customer's side.
    user: Option<AgentId>,
    hops: u8,
    run: Option<ivr::Run>,
    /// What the customer pressed a moment ago.
    keys: Keys,
    /// The talk that goes on, for its figures.
    talk: Talk,
    recording: Option<Recorded>,
    /// What our side pressed a moment ago, and when it pressed the star of a code.
    agent_keys: Keys,
    code_begun: Option<Instant>,
    record: RecordPolicy,
    plays: u64,
    missing_told: bool,
    /// What is spoken by a voice.
    speech: Speech,
    /// The leg that rings and whose sounds the caller hears already.
    early: Option<LegId>,
    /// The caller was told that it rings.
    rung: bool,
    /// Why one side hung up, for the other one (RFC 3326).
    reason: Option<String>,
    /// The session whose re-INVITE was passed on and waits for its answer (bypass).
    offer_from: Option<(SessionId, bytes::Bytes)>,
    /// The session that asked for our offer and was told the other side's (bypass).
    offered_to: Option<SessionId>,
    outputs: VecDeque<Action>,
}

impl Call {
    /// A call whose INVITE came at `now`; nothing is sent before [`Call::start`].
    pub fn new(now: Instant, setup: Setup) -> Self {
        let user = match &setup.origin {
            Origin::User(user) => Some(user.clone()),
            Origin::Trunk(_) | Origin::Stranger | Origin::System => None,
        };
        Self {
            id: setup.id,
            shard: setup.shard,
            customer: setup.customer,
            from: setup.from,
            private: setup.private,
            to: setup.to,
            diverted_from: setup.diverted_from,
            origin: setup.origin,
            language: setup.language,
            route: setup.route,
            phase: Phase::Starting,
            started: now,
            committed: false,
            wants_answer: false,
            calls_out: None,
            answered: false,
            served: false,
            last_agent: None,
            in_transfer: false,
            transfers: 0,
            fell_back: false,
            guests: Vec::new(),
            invited: None,
            away: None,
            absent: None,
            transfer: None,
            turn: None,
            told: Told::default(),
            user,
            hops: setup.hops,
            run: None,
            keys: Keys::default(),
            talk: Talk::default(),
            recording: None,
            agent_keys: Keys::default(),
            code_begun: None,
            record: setup.record,
            plays: 0,
            missing_told: false,
            speech: Speech::default(),
            early: None,
            rung: false,
            reason: None,
            offer_from: None,
            offered_to: None,
            outputs: VecDeque::new(),
        }
    }

    /// A call that begins with a phone of ours that is rung: its leg has our offer.
    pub fn calling_out(now: Instant, setup: Setup) -> Self {
        Self { calls_out: Some(now + CALL_OUT), ..Self::new(now, setup) }
    }

    /// Begins: opens the port, and rings on when the number leads elsewhere.
    pub fn start(&mut self, context: &Context<'_>) {
        if let Some(open) = self.customer.open_command() {
            self.outputs.push_back(Action::Media(open));
        }
        match self.route.clone() {
            Route::Dial(dial) => self.dial(context, dial),
            Route::Direct(agent) => self.direct(context, agent),
            Route::Flow(_) | Route::Queue(_) | Route::Feature(_) | Route::Supervise(..) | Route::Echo | Route::Tone => {
                self.wants_answer = true;
            }
            Route::Refuse(_) => self.end(context, Party::System, EndReason::Rejected, 404),
        }
    }

    /// The call's first entry is on disk (or the disk stays silent): the 200 may go.
    pub fn handle_committed(&mut self, context: &Context<'_>) {
        self.committed = true;
        self.try_answer(context);
    }

    /// The customer's port is open.
    pub fn handle_opened(&mut self, context: &Context<'_>) {
        self.customer.opened = true;
        self.try_answer(context);
    }

    /// The customer's port could not be opened and nobody was told of it: he gets another.
    pub fn move_customer(&mut self, id: LegId, port: crate::media::Port) {
        self.customer.move_to(id, port);
        self.outputs.extend(self.customer.open_command().map(Action::Media));
    }

    /// The customer's port opens again on another media thread, under a new name.
    pub fn move_to_shard(&mut self, shard: usize, id: LegId) {
        self.shard = shard;
        self.customer.id = id;
        self.customer.opened = false;
        self.outputs.extend(self.customer.open_command().map(Action::Media));
        self.outputs.extend(self.customer.update_command().map(Action::Media));
    }

    fn try_answer(&mut self, context: &Context<'_>) {
        if self.calls_out.is_some() {
            return self.try_ring();
        }
        let ready = self.wants_answer && self.committed && (self.customer.opened || self.customer.port.is_none());
        if !ready || self.answered || matches!(self.phase, Phase::Ended) {
            return;
        }
        self.answered = true;
        self.outputs.push_back(Action::Answer);
        // The time in which a strange source may be learnt counts from the answer.
        self.outputs.extend(self.customer.update_command().map(Action::Media));
        self.journal(Kind::CallAnswered);
        if !self.customer.awaits_answer() {
            self.serve(context);
        }
    }

    fn try_ring(&mut self) {
        if self.customer.opened && matches!(self.phase, Phase::Starting) && !std::mem::replace(&mut self.rung, true) {
            self.outputs.push_back(Action::CallOut);
        }
    }

    /// The phone that this call begins with is rung in this session.
    pub fn set_session(&mut self, session: SessionId) {
        self.customer.session = session;
    }

    /// The phone that this call begins with was answered.
    pub fn handle_call_out_answered(&mut self, context: &Context<'_>, sdp: Option<bytes::Bytes>) {
        if self.calls_out.is_none() || self.answered || !matches!(self.phase, Phase::Starting) {
            return;
        }
        self.answered = true;
        let answer = sdp.and_then(|sdp| Sdp::parse(&sdp).ok());
        if answer.is_none_or(|answer| self.customer.accept(&answer).is_err()) {
            return self.end(context, Party::System, EndReason::NoCodec, 488);
        }
        self.outputs.extend(self.customer.update_command().map(Action::Media));
        self.journal(Kind::CallAnswered);
        self.serve(context);
    }

    /// The phone that this call begins with cannot be had: `code` is its SIP status.
    pub fn handle_call_out_failed(&mut self, context: &Context<'_>, code: u16) {
        self.customer.alive = false;
        let reason = match code {
            486 | 600 => EndReason::Busy,
            408 | 480 | 487 => EndReason::NoAnswer,
            _ => EndReason::Rejected,
        };
        self.end(context, Party::Customer, reason, code);
    }

    /// Begins what the dialled number does, once the caller can hear it.
    fn serve(&mut self, context: &Context<'_>) {
        if !matches!(self.phase, Phase::Starting) || !self.answered {
            return;
        }
        match self.route.clone() {
            Route::Flow(flow) => self.enter_flow(context, &flow),
            Route::Queue(queue) => self.enter_queue(context, Turn::begin(context.now, queue), None),
            Route::Feature(feature) => {
                let prompt = match &feature {
                    // What comes of it is said: `handle_helped`, `handle_messages`.
                    Feature::Help | Feature::Voicemail => {
                        self.served = true;
                        return self.outputs.push_back(Action::Feature(feature));
                    }
                    Feature::Ready => "code_ready",
                    Feature::Pause(_) => "code_paused",
                    Feature::NoPause => "code_no_pause",
                    Feature::LogOut => "code_logged_out",
                    Feature::FinishWrapUp => "code_wrap_up",
                    Feature::WrapUp => "code_wrap_up_more",
                };
                self.served = true;
                self.outputs.push_back(Action::Feature(feature));
                self.say_and_end(context, prompt, EndReason::Normal);
            }
            Route::Echo => {
                self.served = true;
                self.phase = Phase::Service;
                self.media(media::Command::Echo { leg: self.customer.id });
            }
            Route::Tone => {
                self.served = true;
                self.phase = Phase::Service;
                self.media(media::Command::Tone { leg: self.customer.id, tone: context.prompts.milliwatt() });
            }
            Route::Supervise(..) => {
                self.phase = Phase::Service;
                self.served = true;
            }
            Route::Dial(_) | Route::Direct(_) | Route::Refuse(_) => {}
        }
    }

    /// Whether a supervisor is rung for the agent who asked for help.
    pub fn handle_helped(&mut self, context: &Context<'_>, is_rung: bool) {
        if matches!(self.phase, Phase::Starting) && self.answered {
            self.say_and_end(context, if is_rung { "code_help" } else { "code_no_help" }, EndReason::Normal);
        }
    }

    /// The caller's number, when he lets it be shown.
    pub fn shown_number(&self) -> Option<&str> {
        let is_shown = !self.private && !self.from.is_empty() && self.from != ANONYMOUS;
        is_shown.then_some(self.from.as_str())
    }

    /// A sound was played to its end.
    pub fn handle_play_done(&mut self, context: &Context<'_>, play: u64) {
        match &self.phase {
            Phase::Closing { play: last, reason, .. } if *last == play => {
                let reason = *reason;
                self.end(context, Party::System, reason, 200);
            }
            Phase::Waiting { .. } if play & OWN_PLAY != 0 => self.told_all(context, play),
            Phase::InFlow if play & OWN_PLAY == 0 => self.drive_run(context, ivr::Input::PlayDone { play }),
            Phase::Leaving(_) => self.greeted(play),
            Phase::Listening(_) => self.listened(context, play),
            Phase::Starting | Phase::InFlow | Phase::Waiting { .. } | Phase::Dialing { .. } | Phase::Talking(_) => {}
            Phase::Service | Phase::Closing { .. } | Phase::Ended => {}
        }
    }

    /// When to call [`Call::handle_timeout`] next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let phase = match &self.phase {
            Phase::InFlow | Phase::Waiting { .. } => {
                let run = self.run.as_ref().and_then(ivr::Run::poll_timeout);
                run.into_iter().chain(self.speech.deadline()).min()
            }
            Phase::Closing { give_up_at, .. } | Phase::Dialing { give_up_at, .. } => Some(*give_up_at),
            Phase::Starting => self.calls_out,
            Phase::Talking(_) => self.invited.as_ref().map(|invited| invited.give_up_at),
            Phase::Leaving(leaving) => Some(leaving.deadline()),
            Phase::Listening(listening) => Some(listening.deadline()),
            Phase::Service | Phase::Ended => None,
        };
        let away = self.away.as_ref().map(Away::deadline);
        phase.into_iter().chain(self.pause_deadline()).chain(away).min()
    }

    /// Lets deadlines act; calling it early does nothing.
    pub fn handle_timeout(&mut self, context: &Context<'_>) {
        self.end_long_pause(context.now);
        self.away_due(context);
        match &self.phase {
            Phase::InFlow | Phase::Waiting { .. } => {
                self.speech_due(context);
                if let Some(run) = &mut self.run {
                    run.handle_timeout(context.now, context.world);
                    self.follow_run(context);
                }
            }
            Phase::Closing { give_up_at, reason, .. } if *give_up_at <= context.now => {
                let reason = *reason;
                self.end(context, Party::System, reason, 200);
            }
            Phase::Starting if self.calls_out.is_some_and(|at| at <= context.now) => {
                self.end(context, Party::System, EndReason::NoAnswer, 408);
            }
            Phase::Talking(_) if self.invited.as_ref().is_some_and(|invited| invited.give_up_at <= context.now) => {
                self.stop_inviting();
            }
            Phase::Dialing { target, give_up_at } if *give_up_at <= context.now => {
                let target = target.clone();
                self.outputs.push_back(Action::DropDial { reason: None });
                self.handle_dial_failed(context, target, 408);
            }
            Phase::Leaving(_) => self.leaving_due(context),
            Phase::Listening(_) => self.listening_due(context),
            Phase::Starting | Phase::Dialing { .. } | Phase::Talking(_) => {}
            Phase::Service | Phase::Closing { .. } | Phase::Ended => {}
        }
    }

    /// Next thing for the engine to do; call until it returns `None`.
    pub fn poll_output(&mut self) -> Option<Action> {
        self.outputs.pop_front()
    }

    /// The caller hung up, before or after our answer.
    pub fn handle_customer_gone(&mut self, context: &Context<'_>, reason: Option<EndReason>) {
        let reason = reason.unwrap_or(if self.served { EndReason::Normal } else { EndReason::Abandoned });
        let code = if self.answered { 200 } else { 487 };
        self.customer.alive = false;
        self.end(context, Party::Customer, reason, code);
    }

    /// One side said why it hangs up: the journal keeps it and the other side hears it.
    pub fn note_reason(&mut self, by: Party, reason: &str) {
        if let Some(reason) = reason::passed_on(reason) {
            self.journal(Kind::ReasonGiven { by, reason: reason.clone() });
            self.reason = Some(reason);
        }
    }

    /// Ends the call, whatever it does. `code` answers an INVITE that is still open.
    pub fn end(&mut self, context: &Context<'_>, by: Party, reason: EndReason, code: u16) {
        if self.reason.is_none() {
            self.reason = reason::of(reason).map(str::to_owned);
        }
        match std::mem::replace(&mut self.phase, Phase::Ended) {
            Phase::Ended => return,
            // `abandon_absent` says it.
            Phase::Waiting { .. } if self.absent.is_some() => {}
            Phase::Waiting { .. } => {
                // Who fell silent for good has hung up, whatever became of his BYE.
                let outcome = match (by, reason) {
                    (Party::Customer, _) | (_, EndReason::MediaTimeout) => QueueOutcome::Abandoned,
                    (Party::Agent | Party::System, _) => QueueOutcome::Transferred,
                };
                self.outputs.push_back(Action::LeaveQueue { outcome });
            }
            Phase::Dialing { .. } => self.outputs.push_back(Action::DropDial { reason: self.reason.clone() }),
            Phase::Talking(peer) => {
                self.drop_guests();
                self.part(context, *peer, true);
            }
            Phase::Leaving(leaving) => _ = self.keep_message(context, *leaving),
            Phase::Starting | Phase::InFlow | Phase::Listening(_) | Phase::Service | Phase::Closing { .. } => {}
        }
        self.end_absence();
        self.abandon_transfer(context);
        self.abandon_absent();
        self.stop_recording();
        self.leave_flow(context);
        if self.customer.alive {
            self.customer.alive = false;
            if self.answered || self.calls_out.is_some() {
                let reason = self.reason.clone();
                self.outputs.push_back(Action::HangUp { session: self.customer.session, reason });
            } else {
                let retry_after = matches!(code, 503).then_some(5);
                self.outputs.push_back(Action::Reject { code, retry_after });
            }
        }
        if self.customer.port.is_some() {
            self.media(media::Command::Close { leg: self.customer.id });
        }
        self.journal(Kind::CallEnded { by, reason, sip_code: code });
        self.outputs.push_back(Action::Ended);
    }

    fn say_and_end(&mut self, context: &Context<'_>, prompt: &str, reason: EndReason) {
        let play = self.own_play();
        // Nobody waits for a sound that never ends: the longest sentence is far shorter.
        self.phase = Phase::Closing { play, reason, give_up_at: context.now + Duration::from_secs(30) };
        let prompt = ivr::Prompt { id: prompt.to_owned(), language: self.language.clone() };
        self.play(context, play, &[prompt]);
    }

    fn play(&mut self, context: &Context<'_>, play: u64, prompts: &[ivr::Prompt]) {
        let clips = self.clips(context, prompts);
        self.media(media::Command::Play { leg: self.customer.id, play, clips });
    }

    /// The sounds of these; who is missing is told of once a call.
    fn clips(&mut self, context: &Context<'_>, prompts: &[ivr::Prompt]) -> Vec<Arc<media::Clip>> {
        let mut clips = Vec::with_capacity(prompts.len());
        for prompt in prompts {
            let (clip, missing) = context.prompts.clip(&prompt.language, &prompt.id);
            if missing && !self.missing_told {
                self.missing_told = true;
                self.journal(Kind::Trouble {
                    code: "prompt_missing".into(),
                    detail: format!(
                        "no recording of {} in {}: put prompts/{}/{}.wav (8 kHz mono) there, or run `hatif prompts make`",
                        prompt.id, prompt.language, prompt.language, prompt.id
                    ),
                });
            }
            clips.push(clip);
        }
        clips
    }

    fn own_play(&mut self) -> u64 {
        self.plays += 1;
        OWN_PLAY | self.plays
    }

    fn media(&mut self, command: media::Command) {
        self.outputs.push_back(Action::Media(command));
    }

    fn journal(&mut self, kind: Kind) {
        self.outputs.push_back(Action::Journal(kind));
    }
}
