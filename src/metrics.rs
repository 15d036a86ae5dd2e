//! Figures for Prometheus: counters folded from the journal, gauges read at each scrape.
//!
//! Names, labels and buckets are those of `docs/operating.md`. Labels come from the configuration or from closed
//! sets, never from callers. Counters that another part keeps by itself (signalling, media, storage) are carried over
//! at the scrape.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use prometheus::{
    Encoder, GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

use crate::acd::config::FloorConfig;
use crate::clock::Wall;
use crate::engine;
use crate::id::{AgentId, CallId, QueueName};
use crate::journal::{About, AgentStateName, EndReason, Entry, Kind, Origin, Purpose, QueueOutcome};
use crate::report::live::{Live, Phase};
use crate::report::word;

mod carry;

use carry::transaction_bounds;

const SETUP: &[f64] = &[0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0];
const WAIT: &[f64] =
    &[1.0, 5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 300.0, 600.0, 1_200.0, 1_800.0];
const TALK: &[f64] =
    &[5.0, 15.0, 30.0, 60.0, 120.0, 180.0, 240.0, 300.0, 420.0, 600.0, 900.0, 1_200.0, 1_800.0, 3_600.0, 7_200.0];
const JITTER: &[f64] = &[0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2];
const TICK: &[f64] = &[0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5];
const LOSS: &[f64] = &[0.0, 0.001, 0.003, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5];
const MOS: &[f64] = &[1.0, 2.0, 2.5, 3.0, 3.25, 3.5, 3.75, 4.0, 4.1, 4.2, 4.3, 4.4, 4.5];
const SCORE: &[f64] = &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0];

/// An abandoned call shorter than this is a short one: a wrong number, not impatience.
const SHORT_ABANDON: Duration = Duration::from_secs(5);

/// Counters that other parts of the process keep; each only rises, except the gauges.
#[derive(Clone, Debug, Default)]
pub struct Readings {
    /// The engine's.
    pub engine: engine::Stats,
    /// How long half and four of five of those who come now wait at most, by queue; absent where nothing is known.
    pub estimates: BTreeMap<QueueName, (Duration, Duration)>,
    /// RTP streams that send or receive now.
    pub rtp_streams: u64,
    /// A media thread is late and new calls are refused.
    pub media_overloaded: bool,
    /// RTP packets by direction: in, out.
    pub rtp_packets: [u64; 2],
    /// RTP bytes by direction: in, out.
    pub rtp_bytes: [u64; 2],
    /// Packets that never came.
    pub rtp_lost: u64,
    /// Packets thrown away on arrival: garbage, or not from whom we listen to.
    pub rtp_dropped: u64,
    /// Bots that talk with callers now.
    pub forks_active: u64,
    /// Frames of callers that their bots did not take in time.
    pub forks_dropped: u64,
    /// Media ticks that came late, by upper bound in seconds; counts of each bucket alone.
    pub tick_late: Vec<(f64, u64)>,
    /// Journal commits, by upper bound in seconds; counts of each bucket alone.
    pub commits: Vec<(f64, u64)>,
    /// The disk does not answer now.
    pub journal_stalled: bool,
    /// Recordings being written.
    pub recordings_active: u64,
    /// Bytes of audio written.
    pub recording_bytes: u64,
    /// Writes that failed.
    pub recording_failures: u64,
    /// Audio lost, in ms.
    pub recording_lost_ms: u64,
    /// Audio is being lost, or the disk stalls.
    pub recording_alarm: bool,
    /// Free bytes where recordings go.
    pub storage_free: Option<u64>,
    /// SIP connections by transport.
    pub sip_connections: Vec<(&'static str, u64)>,
    /// SIP connections refused or closed by us, by reason.
    pub sip_connections_refused: Vec<(&'static str, u64)>,
    /// The last reload was taken.
    pub reload_ok: bool,
    /// When a configuration was taken last.
    pub reload_at: Wall,
    /// Trunks as they are now.
    pub trunks: Vec<engine::TrunkStatus>,
    /// Limits of trunks by name.
    pub trunk_limits: BTreeMap<String, u32>,
}

/// All families, and what the fold must remember between entries.
pub struct Metrics {
    registry: Registry,
    calls_active: IntGaugeVec,
    calls: IntCounterVec,
    call_setup: HistogramVec,
    call_duration: HistogramVec,
    sip_requests: IntCounterVec,
    sip_responses: IntCounterVec,
    sip_retransmissions: IntCounterVec,
    sip_transaction: HistogramVec,
    sip_parse_errors: IntCounter,
    sip_rejected: IntCounterVec,
    sip_guard: IntCounterVec,
    sip_banned: IntGauge,
    sip_transactions: IntGauge,
    sip_sessions: IntGauge,
    sip_connections: IntGaugeVec,
    sip_connections_refused: IntCounterVec,
    registrations: IntGauge,
    registration_attempts: IntCounterVec,
    trunk_in_use: IntGaugeVec,
    trunk_limit: IntGaugeVec,
    trunk_up: IntGaugeVec,
    trunk_registered: IntGaugeVec,
    trunk_rtt: GaugeVec,
    trunk_calls: IntCounterVec,
    outbound_refused: IntCounterVec,
    queue_waiting: IntGaugeVec,
    queue_longest: GaugeVec,
    queue_ewt: GaugeVec,
    queue_ewt_p80: GaugeVec,
    queue_resumed: IntCounterVec,
    callbacks_pending: IntGaugeVec,
    callbacks: IntCounterVec,
    service_seconds: HistogramVec,
    voicemails: IntGaugeVec,
    voicemails_left: IntCounterVec,
    queue_entered: IntCounterVec,
    queue_answered: IntCounterVec,
    queue_within: IntCounterVec,
    queue_abandoned: IntCounterVec,
    queue_exits: IntCounterVec,
    queue_wait: HistogramVec,
    queue_target: GaugeVec,
    offers: IntCounterVec,
    repaired: IntCounter,
    panics: IntCounter,
    commit: HistogramVec,
    stalled: IntGauge,
    agents: IntGaugeVec,
    queue_agents: IntGaugeVec,
    help: IntCounterVec,
    agent_rules: IntCounterVec,
    agent_seconds: prometheus::CounterVec,
    handle: HistogramVec,
    hold: HistogramVec,
    wrap_up: HistogramVec,
    ivr_active: IntGaugeVec,
    ivr_sessions: IntCounterVec,
    ivr_visits: IntCounterVec,
    ivr_input: IntCounterVec,
    ivr_failures: IntCounterVec,
    survey: HistogramVec,
    rtp_streams: IntGauge,
    media_overloaded: IntGauge,
    rtp_packets: IntCounterVec,
    rtp_bytes: IntCounterVec,
    rtp_lost: IntCounterVec,
    rtp_dropped: IntCounterVec,
    rtp_jitter: HistogramVec,
    rtp_loss: HistogramVec,
    rtp_rtt: HistogramVec,
    mos: HistogramVec,
    ports_in_use: IntGauge,
    ports_limit: IntGauge,
    ports_early: IntCounter,
    tick_late: HistogramVec,
    forks_active: IntGauge,
    forks_dropped: IntCounter,
    recordings_active: IntGauge,
    recording_bytes: IntCounter,
    recording_failures: IntCounter,
    recording_loss: prometheus::Counter,
    recording_failing: IntGauge,
    storage_free: IntGauge,
    one_way: IntCounter,
    rejoins: IntCounterVec,
    supervise: IntGaugeVec,
    http_requests: IntCounterVec,
    reload_ok: IntGauge,
    reload_at: IntGauge,
    /// Up to when each agent's time in his state is counted.
    counted: BTreeMap<AgentId, Wall>,
    /// Since when an agent wraps up, and for which queue.
    wrapping: BTreeMap<AgentId, (Wall, QueueName)>,
    served: BTreeMap<CallId, bool>,
    ticks_seen: Vec<u64>,
    commits_seen: Vec<u64>,
    /// What each histogram of transactions had at the last scrape, by method and direction.
    transactions_seen: BTreeMap<(&'static str, &'static str), Vec<u64>>,
    /// What describes each family, by name.
    families: BTreeMap<String, String>,
}

/// Registers families as they are made, and keeps what describes each.
struct Maker<'a>(&'a Registry, BTreeMap<String, String>);

impl Maker<'_> {
    fn add<C: prometheus::core::Collector + Clone + 'static>(&mut self, made: prometheus::Result<C>) -> C {
        // Names and labels are constants of this file: a clash shows in the first test, not in production.
        let collector = made.unwrap_or_else(|error| unreachable!("a metric of ours is misnamed: {error}"));
        let _ = self.0.register(Box::new(collector.clone()));
        for family in collector.collect() {
            let (name, help) = (family.name(), family.help());
            let kind = format!("{:?}", family.get_field_type()).to_lowercase();
            self.1.insert(name.to_owned(), format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
        }
        collector
    }

    fn counters(&mut self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.add(IntCounterVec::new(Opts::new(format!("hatif_{name}"), help), labels))
    }

    fn counter(&mut self, name: &str, help: &str) -> IntCounter {
        self.add(IntCounter::new(format!("hatif_{name}"), help))
    }

    fn gauges(&mut self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.add(IntGaugeVec::new(Opts::new(format!("hatif_{name}"), help), labels))
    }

    fn gauge(&mut self, name: &str, help: &str) -> IntGauge {
        self.add(IntGauge::new(format!("hatif_{name}"), help))
    }

    fn seconds(&mut self, name: &str, help: &str, labels: &[&str]) -> GaugeVec {
        self.add(GaugeVec::new(Opts::new(format!("hatif_{name}"), help), labels))
    }

    fn histogram(&mut self, name: &str, help: &str, labels: &[&str], buckets: &[f64]) -> HistogramVec {
        let options = HistogramOpts::new(format!("hatif_{name}"), help).buckets(buckets.to_vec());
        self.add(HistogramVec::new(options, labels))
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All families, empty.
    pub fn new() -> Self {
        let registry = Registry::new();
        let mut m = Maker(&registry, BTreeMap::new());
        #[cfg(target_os = "linux")]
        let _ = registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()));
        let build = m.gauges("build_info", "The running program; always 1", &["version", "rustc"]);
        build.with_label_values(&[env!("CARGO_PKG_VERSION"), "1.95"]).set(1);
        Self {
            calls_active: m.gauges("calls_active", "Calls that are up or being set up", &["direction"]),
            calls: m.counters("calls_total", "Ended calls by result", &["direction", "result"]),
            call_setup: m.histogram("call_setup_seconds", "INVITE to our 200", &["direction", "trunk"], SETUP),
            call_duration: m.histogram("call_duration_seconds", "Answer to end", &["direction"], TALK),
            sip_requests: m.counters("sip_requests_total", "SIP requests", &["method", "direction", "transport"]),
            sip_responses: m.counters("sip_responses_total", "SIP responses", &["method", "class", "direction"]),
            sip_retransmissions: m.counters(
                "sip_retransmissions_total",
                "Messages seen or sent again",
                &["method", "direction"],
            ),
            sip_transaction: m.histogram(
                "sip_transaction_seconds",
                "Request to final response; the sum is an upper bound",
                &["method", "direction"],
                &transaction_bounds(),
            ),
            sip_parse_errors: m.counter("sip_parse_errors_total", "Datagrams and frames that are no SIP message"),
            sip_rejected: m.counters("sip_rejected_total", "Requests refused at the door", &["reason"]),
            sip_guard: m.counters(
                "sip_guard_total",
                "What was done against floods, guessing and load",
                &["action", "reason"],
            ),
            sip_banned: m.gauge("sip_banned_sources", "Sources that are not listened to now"),
            sip_transactions: m.gauge("sip_transactions_active", "Live SIP transactions"),
            sip_sessions: m.gauge("sip_sessions_active", "Live SIP dialogs of calls"),
            sip_connections: m.gauges("sip_connections", "SIP connections", &["transport"]),
            sip_connections_refused: m.counters(
                "sip_connections_refused_total",
                "SIP connections refused or closed by us",
                &["reason"],
            ),
            registrations: m.gauge("registrations_active", "Registered contacts"),
            registration_attempts: m.counters("registration_attempts_total", "REGISTER by result", &["result"]),
            trunk_in_use: m.gauges("trunk_channels_in_use", "Calls of a trunk now", &["trunk"]),
            trunk_up: m.gauges("trunk_up", "1 when a host of the trunk takes calls", &["trunk"]),
            trunk_registered: m.gauges("trunk_registered", "1 while we are registered at the trunk", &["trunk"]),
            trunk_rtt: m.seconds(
                "trunk_options_rtt_seconds",
                "Answer time of the last OPTIONS of its best host",
                &["trunk"],
            ),
            trunk_limit: m.gauges("trunk_channels_limit", "Most calls of a trunk", &["trunk"]),
            trunk_calls: m.counters("trunk_calls_total", "Ended calls of a trunk", &["trunk", "direction", "result"]),
            outbound_refused: m.counters(
                "outbound_refused_total",
                "Calls that [outbound] held back, or ended",
                &["reason"],
            ),
            queue_waiting: m.gauges("queue_waiting", "Callers in the queue now", &["queue"]),
            queue_longest: m.seconds("queue_longest_wait_seconds", "The longest wait of those who wait", &["queue"]),
            queue_ewt: m.seconds(
                "queue_ewt_seconds",
                "What half of those who come now are estimated to wait at most; absent while nothing is known",
                &["queue"],
            ),
            queue_ewt_p80: m.seconds("queue_ewt_p80_seconds", "The same for four of five", &["queue"]),
            queue_resumed: m.counters(
                "queue_resumed_total",
                "Callers who hung up waiting and came back; not among the entered",
                &["queue"],
            ),
            callbacks_pending: m.gauges("callbacks_pending", "Customers who are to be called back", &["queue"]),
            voicemails: m.gauges("voicemails", "Messages in boxes: new or heard", &["queue", "state"]),
            voicemails_left: m.counters("voicemails_total", "Messages that were left", &["queue"]),
            service_seconds: m.histogram(
                "service_seconds",
                "Requests to HTTP services, by what came of them",
                &["service", "result"],
                SETUP,
            ),
            callbacks: m.counters(
                "callbacks_total",
                "Calls back that were booked, and how they ended",
                &["queue", "result"],
            ),
            queue_entered: m.counters("queue_entered_total", "Callers who entered", &["queue"]),
            queue_answered: m.counters("queue_answered_total", "Callers an agent talked with", &["queue"]),
            queue_within: m.counters("queue_answered_within_sl_total", "… within the service level time", &["queue"]),
            queue_abandoned: m.counters("queue_abandoned_total", "Callers who hung up waiting", &["queue", "kind"]),
            queue_exits: m.counters("queue_exits_total", "Callers let go unanswered by a rule", &["queue", "reason"]),
            queue_wait: m.histogram("queue_wait_seconds", "Time in the queue", &["queue", "outcome"], WAIT),
            queue_target: m.seconds("queue_service_level_target_seconds", "The service level time", &["queue"]),
            offers: m.counters("acd_offer_total", "Rings at agents by result", &["queue", "result"]),
            repaired: m.counter("agent_state_repaired_total", "Agents found in an impossible state; must stay 0"),
            panics: m.counter("panics_total", "Calls ended by a fault of ours; must stay 0"),
            commit: m.histogram("journal_commit_seconds", "Group commits; the sum is an upper bound", &[], SETUP),
            stalled: m.gauge("journal_stalled", "1 while the disk does not answer"),
            agents: m.gauges("agents", "Agents by state, each once", &["state", "code"]),
            queue_agents: m.gauges("queue_agents", "Agents of a queue by state", &["queue", "state"]),
            help: m.counters(
                "help_asked_total",
                "Supervisors rung for agents who asked for help, or none",
                &["result"],
            ),
            agent_rules: m.counters(
                "agent_rule_actions_total",
                "What rules did with agents: pauses too long, rings that failed again and again",
                &["rule", "action"],
            ),
            agent_seconds: m.add(prometheus::CounterVec::new(
                Opts::new("hatif_agent_state_seconds_total", "Time of all agents in a state"),
                &["state"],
            )),
            handle: m.histogram("handle_seconds", "Talk, hold included", &["queue"], TALK),
            hold: m.histogram("hold_seconds", "Hold in a talk that had some", &["queue"], TALK),
            wrap_up: m.histogram("wrap_up_seconds", "Work after a talk", &["queue"], TALK),
            ivr_active: m.gauges("ivr_sessions_active", "Callers in a flow now", &["flow"]),
            ivr_sessions: m.counters("ivr_sessions_total", "Flows left", &["flow", "outcome"]),
            ivr_visits: m.counters("ivr_node_visits_total", "Nodes reached", &["flow", "node"]),
            ivr_failures: m.counters("ivr_failures_total", "Flows that could not go on", &["flow", "node", "cause"]),
            ivr_input: m.counters("ivr_input_total", "Answers of callers", &["flow", "node", "result"]),
            survey: m.histogram("survey_score", "Survey answers", &["queue", "kind"], SCORE),
            rtp_streams: m.gauge("rtp_streams_active", "Legs with open media ports"),
            rtp_packets: m.counters("rtp_packets_total", "RTP packets", &["direction"]),
            rtp_bytes: m.counters("rtp_bytes_total", "RTP bytes", &["direction"]),
            rtp_lost: m.counters("rtp_packets_lost_total", "RTP packets that never came", &["direction"]),
            rtp_dropped: m.counters("rtp_packets_dropped_total", "Packets thrown away", &["reason"]),
            rtp_jitter: m.histogram("rtp_jitter_seconds", "Jitter at the end of a leg", &["leg"], JITTER),
            rtp_loss: m.histogram("rtp_loss_ratio", "Loss of a leg", &["leg"], LOSS),
            rtp_rtt: m.histogram("rtp_rtt_seconds", "Round trip of a leg", &["leg"], JITTER),
            mos: m.histogram("call_mos", "Estimated quality of a leg", &["leg"], MOS),
            ports_in_use: m.gauge("rtp_ports_in_use", "RTP port pairs in use"),
            ports_limit: m.gauge("rtp_ports_limit", "RTP port pairs in all"),
            ports_early: m.counter("rtp_ports_reused_early_total", "Port pairs used again before 30 s"),
            tick_late: m.histogram("media_tick_late_seconds", "Lateness of media ticks; upper bounds", &[], TICK),
            media_overloaded: m.gauge("media_overloaded", "1 while a media thread is late and new calls are refused"),
            forks_active: m.gauge("forks_active", "Bots that hear callers and talk with them now"),
            forks_dropped: m.counter(
                "fork_frames_dropped_total",
                "Frames of 20 ms of callers that their bots did not take in time",
            ),
            recordings_active: m.gauge("recordings_active", "Recordings being written"),
            recording_bytes: m.counter("recording_bytes_total", "Audio bytes written"),
            recording_failures: m.counter("recording_failures_total", "Writes that failed"),
            recording_loss: m
                .add(prometheus::Counter::new("hatif_recording_loss_seconds_total", "Audio that could not be written")),
            recording_failing: m
                .gauge("recording_failing", "1 while the disk refuses recordings or has stalled for over 2 s, else 0"),
            storage_free: m.gauge("recording_storage_free_bytes", "Free space where recordings go"),
            one_way: m.counter("media_one_way_total", "Talks in which one side was not heard for 5 s"),
            rejoins: m.counters("page_rejoins_total", "Talks whose page was gone, by what came of it", &["result"]),
            supervise: m.gauges("supervise_sessions_active", "Supervisors who hear a call", &["mode"]),
            http_requests: m.counters("http_requests_total", "API requests", &["route", "method", "class"]),
            reload_ok: m.gauge("config_last_reload_successful", "1 when the last reload was taken"),
            reload_at: m.gauge("config_last_reload_success_timestamp_seconds", "When a configuration was taken last"),
            counted: BTreeMap::new(),
            wrapping: BTreeMap::new(),
            served: BTreeMap::new(),
            ticks_seen: Vec::new(),
            commits_seen: Vec::new(),
            transactions_seen: BTreeMap::new(),
            families: m.1,
            registry,
        }
    }

    /// One entry of the journal; `live` is the state before it.
    pub fn handle(&mut self, entry: &Entry, live: &Live) {
        match &entry.kind {
            Kind::CallbackBooked { booking } => {
                self.callbacks.with_label_values(&[booking.queue.as_str(), "booked"]).inc();
            }
            Kind::ServiceAsked { service, result, took_ms, .. } => {
                let took = self.service_seconds.with_label_values(&[service.as_str(), result.as_str()]);
                took.observe(Duration::from_millis(*took_ms).as_secs_f64());
            }
            Kind::Dispatched { service, result, took_ms, .. } => {
                let took = self.service_seconds.with_label_values(&[service.as_str(), result.as_str()]);
                took.observe(Duration::from_millis(*took_ms).as_secs_f64());
            }
            Kind::VoicemailLeft { queue, .. } => self.voicemails_left.with_label_values(&[queue.as_str()]).inc(),
            Kind::CallbackEnded { queue, result, .. } => {
                self.callbacks.with_label_values(&[queue.as_str(), result.as_str()]).inc();
            }
            _ => {}
        }
        match &entry.about {
            About::Call(call) => self.handle_call(*call, entry, live),
            About::Agent(agent) => self.handle_agent(agent, entry, live),
            About::Node => {}
        }
    }

    fn handle_call(&mut self, call: CallId, entry: &Entry, live: &Live) {
        let known = live.calls().get(&call);
        let is_callback = known.is_some_and(|known| known.purpose == Purpose::Callback);
        match &entry.kind {
            Kind::CallStarted { .. } => {
                self.served.insert(call, false);
            }
            Kind::CallAnswered => {
                if let Some(known) = known.filter(|_| !is_callback) {
                    let (direction, trunk) = (direction(&known.origin, known.purpose), trunk(&known.origin));
                    let setup = entry.at.since(known.started_at).as_secs_f64();
                    self.call_setup.with_label_values(&[direction, trunk]).observe(setup);
                }
            }
            Kind::CallEnded { reason, .. } => {
                let served = self.served.remove(&call).unwrap_or(false);
                if let Some(known) = known {
                    let result = result(*reason, known.answered_at.is_some(), served);
                    let way = direction(&known.origin, known.purpose);
                    self.calls.with_label_values(&[way, result]).inc();
                    if let Some(answered) = known.answered_at {
                        let seconds = entry.at.since(answered).as_secs_f64();
                        self.call_duration.with_label_values(&[way]).observe(seconds);
                    }
                    if let Origin::Trunk(name) = &known.origin {
                        self.trunk_calls.with_label_values(&[name.as_str(), way, result]).inc();
                    }
                }
            }
            Kind::Connected { queue, wait_ms, service_level_ms, .. } => {
                self.served.insert(call, true);
                if is_callback {
                    return;
                }
                self.queue_answered.with_label_values(&[queue.as_str()]).inc();
                if wait_ms <= service_level_ms {
                    self.queue_within.with_label_values(&[queue.as_str()]).inc();
                }
            }
            Kind::FlowFailed { flow, node, cause, .. } => {
                self.ivr_failures.with_label_values(&[flow.as_str(), node.as_str(), word(cause).as_str()]).inc();
            }
            Kind::Trouble { code, .. } => {
                if let Some(reason @ ("denied" | "cap" | "max_call")) = code.strip_prefix("outbound_") {
                    self.outbound_refused.with_label_values(&[reason]).inc();
                }
            }
            Kind::Bridged { .. } => {
                self.served.insert(call, true);
            }
            // Those who are called back are counted by themselves.
            Kind::Queued { callback: true, .. } => {}
            Kind::Queued { queue, resumed: true, .. } => self.queue_resumed.with_label_values(&[queue.as_str()]).inc(),
            Kind::Queued { queue, .. } => self.queue_entered.with_label_values(&[queue.as_str()]).inc(),
            Kind::QueueLeft { outcome: QueueOutcome::Answered, .. } if is_callback => {}
            Kind::QueueLeft { queue, outcome, wait_ms } => self.queue_left(queue, *outcome, *wait_ms),
            Kind::OfferEnded { queue, result, .. } => {
                self.offers.with_label_values(&[queue.as_str(), result.as_str()]).inc();
            }
            Kind::TalkEnded { agent, queue, talk_ms, hold_ms } => {
                let queue = queue.clone().unwrap_or_else(|| QueueName::from(""));
                self.handle.with_label_values(&[queue.as_str()]).observe(seconds(*talk_ms));
                if *hold_ms > 0 {
                    self.hold.with_label_values(&[queue.as_str()]).observe(seconds(*hold_ms));
                }
                self.wrapping.insert(agent.clone(), (entry.at, queue));
            }
            Kind::FlowLeft { flow, outcome } => {
                self.ivr_sessions.with_label_values(&[flow.as_str(), word(outcome).as_str()]).inc();
            }
            Kind::NodeVisited { flow, node } => self.ivr_visits.with_label_values(&[flow, node]).inc(),
            Kind::Input { flow, node, result, .. } => {
                self.ivr_input.with_label_values(&[flow.as_str(), node.as_str(), word(result).as_str()]).inc();
            }
            Kind::Survey { survey, score, queue, .. } => {
                let queue = queue.as_ref().map_or("", |q| q.as_str());
                self.survey.with_label_values(&[queue, survey.as_str()]).observe(f64::from(*score));
            }
            Kind::OneWay { on: true, .. } => self.one_way.inc(),
            Kind::Rejoined { anew, .. } => {
                self.rejoins.with_label_values(&[if *anew { "new_page" } else { "same_page" }]).inc();
            }
            Kind::RejoinFailed { .. } => self.rejoins.with_label_values(&["failed"]).inc(),
            Kind::SupervisionStarted { mode, .. } => self.supervise.with_label_values(&[word(mode)]).inc(),
            Kind::SupervisionChanged { before, mode, .. } => {
                self.supervise.with_label_values(&[word(before)]).dec();
                self.supervise.with_label_values(&[word(mode)]).inc();
            }
            Kind::SupervisionEnded { mode, .. } => self.supervise.with_label_values(&[word(mode)]).dec(),
            Kind::LegQuality { leg, quality } => {
                let leg = word(leg);
                self.rtp_jitter.with_label_values(&[&leg]).observe(quality.jitter_ms / 1_000.0);
                self.rtp_rtt.with_label_values(&[&leg]).observe(quality.rtt_ms / 1_000.0);
                self.mos.with_label_values(&[&leg]).observe(quality.mos);
                let expected = (quality.received + quality.lost).max(1);
                self.rtp_loss.with_label_values(&[&leg]).observe(quality.lost as f64 / expected as f64);
            }
            _ => {}
        }
    }

    fn queue_left(&mut self, queue: &QueueName, outcome: QueueOutcome, wait_ms: u64) {
        let name = queue.as_str();
        match outcome {
            QueueOutcome::Answered => {
                self.queue_wait.with_label_values(&[name, "answered"]).observe(seconds(wait_ms));
            }
            QueueOutcome::Abandoned => {
                let kind = if wait_ms < SHORT_ABANDON.as_millis() as u64 { "short" } else { "long" };
                self.queue_abandoned.with_label_values(&[name, kind]).inc();
                self.queue_wait.with_label_values(&[name, "abandoned"]).observe(seconds(wait_ms));
            }
            QueueOutcome::Timeout
            | QueueOutcome::Full
            | QueueOutcome::NoAgents
            | QueueOutcome::Closed
            | QueueOutcome::NoneLoggedIn
            | QueueOutcome::NoneSkilled
            | QueueOutcome::AllPaused
            | QueueOutcome::Overflow
            | QueueOutcome::Key
            | QueueOutcome::Callback
            | QueueOutcome::Transferred => {
                self.queue_exits.with_label_values(&[name, word(&outcome).as_str()]).inc();
            }
            // Nobody was on the line.
            QueueOutcome::Withdrawn => {}
        }
    }

    fn handle_agent(&mut self, agent: &AgentId, entry: &Entry, live: &Live) {
        match &entry.kind {
            Kind::AgentState { state, .. } => {
                self.count_time(agent, entry.at, live);
                // Who talks on, or rings for another caller, wraps up when that is over.
                let is_busy = matches!(state, AgentStateName::Busy | AgentStateName::Hold | AgentStateName::Ringing);
                if *state != AgentStateName::WrapUp
                    && let Some((since, queue)) = self.wrapping.remove(agent).filter(|_| !is_busy)
                {
                    let spent = entry.at.since(since).as_secs_f64();
                    self.wrap_up.with_label_values(&[queue.as_str()]).observe(spent);
                }
            }
            Kind::AgentRepaired { .. } => self.repaired.inc(),
            Kind::HelpAsked { supervisor } => {
                self.help.with_label_values(&[if supervisor.is_some() { "rung" } else { "nobody" }]).inc();
            }
            Kind::OffersMissed { result, action, .. } => {
                self.agent_rules.with_label_values(&[result.as_str(), action.as_str()]).inc();
            }
            Kind::PauseOver { action, .. } => {
                self.agent_rules.with_label_values(&["max_pause", action.as_str()]).inc();
            }
            _ => {}
        }
    }

    /// Adds the time since the last count to the agent's present state.
    fn count_time(&mut self, agent: &AgentId, now: Wall, live: &Live) {
        if let Some(known) = live.agents().get(agent) {
            let from = self.counted.get(agent).copied().unwrap_or(known.since).max(known.since);
            let spent = now.since(from).as_secs_f64();
            self.agent_seconds.with_label_values(&[known.state.as_str()]).inc_by(spent);
        }
        self.counted.insert(agent.clone(), now);
    }

    /// The page for Prometheus, in its text format.
    pub fn render(&mut self, now: Wall, live: &Live, floor: &FloorConfig, readings: &Readings) -> String {
        let agents: Vec<AgentId> = live.agents().keys().cloned().collect();
        for agent in &agents {
            self.count_time(agent, now, live);
        }
        self.set_floor(now, live, floor);
        self.set_estimates(&readings.estimates);
        self.set_calls(live);
        self.carry_engine(readings);
        self.carry_others(readings);
        let mut page = Vec::new();
        let families = self.registry.gather();
        let _ = TextEncoder::new().encode(&families, &mut page);
        let mut page = String::from_utf8(page).unwrap_or_default();
        // What has not happened yet is described all the same: who writes a query sees what there is.
        let present: BTreeSet<&str> = families.iter().map(|family| family.name()).collect();
        page.extend(self.families.iter().filter(|(name, _)| !present.contains(name.as_str())).map(|(_, text)| &**text));
        page
    }

    fn set_floor(&mut self, now: Wall, live: &Live, floor: &FloorConfig) {
        self.agents.reset();
        for state in AgentStateName::ALL {
            self.agents.with_label_values(&[state.as_str(), ""]).set(0);
        }
        let state_of = |agent: &AgentId| live.agents().get(agent).map_or(AgentStateName::Offline, |known| known.state);
        for agent in floor.agents.keys() {
            let code = live.agents().get(agent).and_then(|known| known.code.as_deref()).unwrap_or("");
            self.agents.with_label_values(&[state_of(agent).as_str(), code]).inc();
        }
        self.queue_agents.reset();
        self.queue_waiting.reset();
        self.queue_longest.reset();
        self.callbacks_pending.reset();
        self.queue_target.reset();
        for (name, queue) in &floor.queues {
            let label = name.as_str();
            for state in AgentStateName::ALL {
                let of_queue = floor.agents.values().filter(|a| a.queues.contains(name));
                let count = of_queue.filter(|a| state_of(&a.id) == state).count();
                self.queue_agents.with_label_values(&[label, state.as_str()]).set(count as i64);
            }
            let longest = live.on_the_line(label).map(|w| now.since(w.entered_at)).max().unwrap_or_default();
            self.queue_waiting.with_label_values(&[label]).set(live.on_the_line(label).count() as i64);
            self.callbacks_pending.with_label_values(&[label]).set(live.callbacks(label) as i64);
            self.queue_longest.with_label_values(&[label]).set(longest.as_secs_f64());
            self.queue_target.with_label_values(&[label]).set(queue.service_level.as_secs_f64());
            // Families with a series from the start: a rate over the first event is right.
            for family in [&self.queue_entered, &self.queue_resumed, &self.queue_answered, &self.queue_within] {
                family.with_label_values(&[label]).inc_by(0);
            }
            for kind in ["short", "long"] {
                self.queue_abandoned.with_label_values(&[label, kind]).inc_by(0);
            }
        }
    }

    fn set_estimates(&mut self, estimates: &BTreeMap<QueueName, (Duration, Duration)>) {
        self.queue_ewt.reset();
        self.queue_ewt_p80.reset();
        for (queue, (p50, p80)) in estimates {
            self.queue_ewt.with_label_values(&[queue.as_str()]).set(p50.as_secs_f64());
            self.queue_ewt_p80.with_label_values(&[queue.as_str()]).set(p80.as_secs_f64());
        }
    }

    fn set_calls(&mut self, live: &Live) {
        self.voicemails.reset();
        for (queue, counts) in live.voicemails() {
            for (state, count) in ["new", "heard"].into_iter().zip(counts) {
                self.voicemails.with_label_values(&[queue.as_str(), state]).set(count as i64);
            }
        }
        self.calls_active.reset();
        self.ivr_active.reset();
        for way in ["inbound", "outbound", "internal"] {
            self.calls_active.with_label_values(&[way]).set(0);
        }
        for call in live.calls().values() {
            self.calls_active.with_label_values(&[direction(&call.origin, call.purpose)]).inc();
            if let Phase::Flow { flow, .. } = &call.phase {
                self.ivr_active.with_label_values(&[flow]).inc();
            }
        }
    }

    /// One request to the API; `route` is its template.
    pub fn count_http(&self, route: &str, method: &str, status: u16) {
        let class = ["1xx", "2xx", "3xx", "4xx", "5xx"].get(usize::from(status / 100).wrapping_sub(1));
        self.http_requests.with_label_values(&[route, method, class.copied().unwrap_or("other")]).inc();
    }
}

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1_000.0
}

fn direction(origin: &Origin, purpose: Purpose) -> &'static str {
    match (origin, purpose) {
        (Origin::User(_), Purpose::Dial) => "outbound",
        (Origin::User(_), _) => "internal",
        (Origin::System, _) => "outbound",
        (Origin::Trunk(_) | Origin::Stranger, _) => "inbound",
    }
}

fn trunk(origin: &Origin) -> &str {
    match origin {
        Origin::Trunk(name) => name,
        Origin::User(_) | Origin::Stranger | Origin::System => "",
    }
}

fn result(reason: EndReason, answered: bool, served: bool) -> &'static str {
    match reason {
        EndReason::Abandoned => "abandoned",
        EndReason::Busy => "busy",
        EndReason::NoAnswer => "no_answer",
        EndReason::Rejected | EndReason::Shutdown => "rejected",
        EndReason::Normal | EndReason::Limit if answered || served => "answered",
        EndReason::Normal | EndReason::Limit => "no_answer",
        EndReason::Callback => "callback",
        EndReason::QueueTimeout | EndReason::QueueFull | EndReason::NoAgents | EndReason::Closed => "rejected",
        EndReason::NoAck | EndReason::NoPort | EndReason::NoCodec | EndReason::MediaTimeout => "failed",
        EndReason::FlowError | EndReason::InternalError | EndReason::NodeFailure => "failed",
    }
}
