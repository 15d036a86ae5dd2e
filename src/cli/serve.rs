//! `hatif serve`: builds everything, runs it, and takes it down in good order.

#![allow(clippy::disallowed_methods, reason = "this is the shell: it reads the clock and opens the listeners")]

mod flows;
mod reload;
mod sounds;
mod sources;
mod versions;

use std::net::{SocketAddr, TcpListener};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use arc_swap::ArcSwap;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

use super::{Failure, offline, prompts};
use crate::clock::{Clock, Wall};
use crate::config::{ArchiveFormat, Config, DevOptions};
use crate::engine::{Command, Engine, Input, Remains, Settings};
use crate::http::{self, Present, Shared};
use crate::id::{CallId, RecordingId};
use crate::io::driver::{self, Driver, Outlets};
use crate::io::fork::Forks;
use crate::io::media::{MediaLines, MediaThreads, ToStorage};
use crate::io::resolve::Names;
use crate::io::services::Services;
use crate::io::stream::Streams;
use crate::io::tts::Tts;
use crate::ivr::Library;
use crate::ivr::prompts::letter_by_letter;
use crate::journal::{About, EndReason, Entry, Kind, Party};
use crate::media::dtls::Identity;
use crate::robot::demo::{Demo, DemoOptions};
use crate::sip::config::Transport;
use crate::storage::journal::{Journal, Recovered};
use crate::storage::recordings::filing::{Filed, Filing};
use crate::storage::recordings::sidecar::Format;
use crate::storage::recordings::{self, Recorder};
use crate::storage::records::Records;
use crate::storage::{self, DataDirLock};

use flows::{Chosen, Flows, Moment};
use reload::{Reloader, lay_edits};
use sources::Sources;

/// How long SIGTERM waits for calls to end by themselves.
const DRAIN_PATIENCE: Duration = Duration::from_secs(300);

/// `hatif serve …`
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// The configuration; default ./hatif.toml.
    #[arg(long, short, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// The demo tenant on loopback, no configuration needed.
    #[arg(long, conflicts_with = "config")]
    dev: bool,
    /// The first line of stdout is one JSON object with all addresses.
    #[arg(long)]
    json: bool,
    /// Journal, records and recordings; default: of the configuration, .hatif-dev with --dev.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// With --dev: default 5060.
    #[arg(long, value_name = "N", requires = "dev")]
    sip_port: Option<u16>,
    /// With --dev: default 8080.
    #[arg(long, value_name = "N", requires = "dev")]
    http_port: Option<u16>,
    /// With --dev: default 20000-20199.
    #[arg(long, value_name = "A-B", requires = "dev", value_parser = ports)]
    rtp_ports: Option<RangeInclusive<u16>>,
    /// With --dev: the password of agents and supervisor; default: a random one, printed.
    #[arg(long, value_name = "PW", requires = "dev")]
    dev_password: Option<String>,
    /// With --dev: robot callers a minute; 0 = no robots at all.
    #[arg(long, value_name = "N", default_value_t = 3)]
    demo_calls: u32,
    /// Messages on stderr: error, warn, info, debug, trace; default: of the configuration.
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
}

fn ports(text: &str) -> Result<RangeInclusive<u16>, String> {
    let range = text.split_once('-').and_then(|(a, b)| Some(a.parse().ok()?..=b.parse().ok()?));
    range.filter(|r| r.start() < r.end()).ok_or_else(|| "two ports as 20000-20199".to_owned())
}

/// Everything that runs.
struct Node {
    driver: Driver,
    media: MediaThreads,
    recorder: Recorder,
    filing: Filing,
    journal: Arc<Journal>,
    follower: storage::records::Follower,
    records: Records,
    present: std::thread::JoinHandle<()>,
    shared: http::App,
    robots: Option<Demo>,
    _lock: DataDirLock,
}

/// Runs the engine until a signal ends it.
pub fn run(options: Options) -> Result<(), Failure> {
    let (config, password) = load(&options)?;
    let config = match options.dev {
        true => config,
        false => lay_edits(&options, config.clone(), None).unwrap_or_else(|failure| {
            eprintln!(
                "{}\nwhat was edited while Hatif ran does not fit the files any more: it is left out",
                failure.message
            );
            config
        }),
    };
    let level = start_log(&options, &config);
    let files = raise_file_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("the runtime cannot be started")?;
    let node = runtime.block_on(start(&options, config, level))?;
    announce(&options, &node, &password, files);
    runtime.block_on(serve_until_signalled(&node));
    stop(node, &runtime);
    Ok(())
}

/// The configuration, and the password of the demo tenant.
fn load(options: &Options) -> Result<(Config, String), Failure> {
    if options.dev {
        let random = |length| http::random_word(length).map_err(|error| Failure::new(1, error.to_string()));
        let password = match &options.dev_password {
            Some(password) => password.clone(),
            None => format!("dev-{}", random(4)?),
        };
        let mut dev = DevOptions::new(password.clone());
        dev.sip_port = options.sip_port.unwrap_or(dev.sip_port);
        dev.http_port = options.http_port.unwrap_or(dev.http_port);
        dev.rtp_ports = options.rtp_ports.clone().unwrap_or(dev.rtp_ports);
        dev.data_dir = options.data_dir.clone().unwrap_or(dev.data_dir);
        dev.prompts_dir = dev.data_dir.join("prompts");
        let mut config = Config::dev(dev);
        config.call.public_tests = true;
        return Ok((config, password));
    }
    let files = if options.config.is_empty() { vec![PathBuf::from("hatif.toml")] } else { options.config.clone() };
    let (mut config, warnings) = offline::read_config(&files).map_err(|faults| {
        let text: String = faults.iter().map(|fault| format!("{fault}\n")).collect();
        Failure::new(3, format!("{text}{} errors: nothing was started", faults.len()))
    })?;
    for warning in warnings {
        eprintln!("{warning}");
    }
    if let Some(dir) = &options.data_dir {
        config.data_dir = dir.clone();
    }
    Ok((config, String::new()))
}

type LevelHandle = tracing_subscriber::reload::Handle<tracing_subscriber::EnvFilter, tracing_subscriber::Registry>;

/// What is logged. DTLS warns of each extension in a browser's hello that it does not know: nobody can mend that.
fn filter_of(level: &str) -> tracing_subscriber::EnvFilter {
    tracing_subscriber::EnvFilter::new(format!("{level},rtc_dtls=error"))
}

fn start_log(options: &Options, config: &Config) -> LevelHandle {
    use tracing_subscriber::prelude::*;
    let level = options.log_level.clone().unwrap_or_else(|| config.log.level.to_owned());
    let (filter, handle) = tracing_subscriber::reload::Layer::new(filter_of(&level));
    let registry = tracing_subscriber::registry().with(filter);
    // A second start in one process (tests) keeps the first log.
    let _ = match config.log.json {
        true => registry.with(tracing_subscriber::fmt::layer().json().with_writer(std::io::stderr)).try_init(),
        false => registry.with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr)).try_init(),
    };
    handle
}

/// Raises the soft limit of open files to the hard one; returns what holds now.
fn raise_file_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

fn wall_now() -> Wall {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Wall(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// The settings of the engine from a configuration and checked flows: prompts are read.
///
/// Returns what is to be looked at beside them.
fn settings(config: &Config, flows: &Chosen) -> (Settings, Vec<String>) {
    let (sounds, faults) = prompts::read(&config.prompts_dir, &config.centre.languages, &config.call.music);
    let mut notes = flows.notes.clone();
    notes.extend(faults);
    if sounds.is_empty() {
        let dir = config.prompts_dir.display();
        notes.push(format!(
            "no prompts in {dir}: a tone stands in for each; `hatif prompts make --dir {dir}` speaks them"
        ));
    }
    let settings = Settings {
        sip: config.sip.clone(),
        media: config.media.clone(),
        floor: config.floor.clone(),
        call: config.call.clone(),
        utc_offset_minutes: 0,
        flows: Arc::clone(&flows.library),
        prompts: Arc::new(sounds),
    };
    (settings, notes)
}

async fn start(options: &Options, mut config: Config, level: LevelHandle) -> Result<Node, Failure> {
    let lock = storage::lock_data_dir(&config.data_dir).map_err(|error| Failure::new(1, error))?;
    let (udp, tcp) = bind_sip(&mut config)?;
    let flows = Flows::new(&config.data_dir);
    let mut chosen = flows.choose(&config, Moment::Start).map_err(|faults| Failure::new(3, faults.join("\n")))?;
    if options.dev {
        make_demo_prompts(&config, &chosen.library);
        // Those of flows that no number leads to are not made.
        chosen.notes.retain(|note| !note.contains("ivr::prompt-missing"));
    }
    let (mut settings, notes) = settings(&config, &chosen);
    for note in notes {
        tracing::warn!("{note}");
    }
    let (inbox, mail) = driver::inbox().context("no file descriptors are left")?;

    // The journal first: it says what was up when the last process ended.
    let committed = inbox.clone();
    let (journal, recovered) =
        Journal::open(&config.data_dir.join("journal"), move |seq| committed.send(Input::Committed(seq)))
            .context("the journal cannot be opened: check the data folder")?;
    let journal = Arc::new(journal);
    let mut present = Present { live: recovered.live.clone(), ..Present::default() };
    let remains = Remains::of(wall_now(), &recovered.live, &recovered.places);
    let next_seq = close_what_was_up(&config, &journal, &mut present, recovered)?;
    let records = Records::open(&config.data_dir).await.map_err(|error| Failure::new(1, error.to_string()))?;
    let follower = records
        .follow(&config.data_dir.join("journal"), Arc::clone(journal.progress()))
        .await
        .map_err(|error| Failure::new(1, error.to_string()))?;

    let origin = Instant::now();
    let clock = Clock::new(origin, wall_now());
    let filing = start_filing(&config, &records, &inbox)?;
    config.media.identity = Some(Identity::generate().context("no certificate for browsers can be made")?);
    let (recorder, media, lines) = start_media(&config, clock, &inbox, filing.inbox())?;
    // Known now that the sockets are bound; a reload keeps them.
    config.media.shared = media.shared_ports();
    settings.media = config.media.clone();
    let present = Arc::new(Mutex::new(present));
    let (entries, present_thread) = http::follow(&present).context("no thread can be started")?;
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).context("the system gives no random numbers")?;
    let mut engine = Engine::new(origin, clock, settings, next_seq, seed);
    engine.recover(origin, remains);
    let runtime = tokio::runtime::Handle::current();
    let streams = Streams::new(runtime.clone(), inbox.clone(), &config.sip, &config.streams)
        .map_err(|error| Failure::new(3, error))?;
    for (index, transport, listener) in tcp {
        streams.listen(index, transport, listener);
    }
    let names = Names::new(runtime, inbox.clone());
    names.set(&config.sip, &config.streams.dns);
    let drained = Arc::new(tokio::sync::Notify::new());
    let services = Services::new(tokio::runtime::Handle::current(), inbox.clone());
    services.set(&config.services).map_err(|error| Failure::new(3, error))?;
    let tts = Tts::new(tokio::runtime::Handle::current(), inbox.clone(), &config.data_dir, letter_by_letter);
    tts.set(&config.tts).map_err(|error| Failure::new(3, error))?;
    let forks = Forks::new(services.clone());
    let fork_stats = forks.stats();
    let sounds = (config.data_dir.clone(), inbox.clone());
    let outlets = outlets(lines, &journal, entries, &streams, (&services, &tts, forks), sounds, &drained);
    let driver = Driver::start(engine, inbox.clone(), mail, udp, outlets).context("the engine cannot be started")?;

    let config = Arc::new(ArcSwap::from_pointee(config));
    let readings = Sources {
        inbox: inbox.clone(),
        media: media.counters(),
        forks: fork_stats,
        journal: Arc::clone(journal.stats()),
        recorder: Arc::clone(recorder.stats()),
        config: Arc::clone(&config),
        streams: streams.clone(),
        reload: Arc::new(Mutex::new((!chosen.refused, wall_now()))),
    };
    let reload = Arc::new(Reloader {
        options: options.clone(),
        config: Arc::clone(&config),
        inbox: inbox.clone(),
        streams: streams.clone(),
        names,
        services,
        tts,
        level,
        outcome: Arc::clone(&readings.reload),
        flows,
        editing: Mutex::default(),
        reloading: Mutex::default(),
    });
    reload.put_in_force(&chosen, "start", "", None);
    let shared = Arc::new(Shared {
        inbox: inbox.clone(),
        present,
        records: records.clone(),
        streams,
        data_dir: config.load().data_dir.clone(),
        own_key: options.dev.then(dev_key).transpose()?,
        readings: Box::new(move || readings.read()),
        plan: {
            let reload = Arc::clone(&reload);
            Box::new(move || reload.plan())
        },
        edit: {
            let reload = Arc::clone(&reload);
            Box::new(move |edit| reload.edit(edit))
        },
        edits: {
            let reload = Arc::clone(&reload);
            Box::new(move || reload.edits())
        },
        flows: Arc::<Reloader>::clone(&reload),
        prompts: Arc::<Reloader>::clone(&reload),
        reload: Box::new(move || reload.reload()),
        ready: Arc::new(AtomicBool::new(true)),
        wall: Box::new(move || clock.wall(Instant::now())),
        config: Arc::clone(&config),
    });
    start_http(&shared).await?;
    let robots = start_robots(options, &config.load());
    Ok(Node {
        driver,
        media,
        recorder,
        filing,
        journal,
        follower,
        records,
        present: present_thread,
        shared,
        robots,
        _lock: lock,
    })
}

fn dev_key() -> Result<String, Failure> {
    Ok(format!("hk_{}", http::random_word(24).map_err(|error| Failure::new(1, error.to_string()))?))
}

/// Speaks what the demo's callers hear: the first of them shall not wait until everything is spoken that flows could say.
fn make_demo_prompts(config: &Config, library: &Library) {
    let languages = &config.centre.languages;
    let mut heard = library.prompts_from(&config.flows());
    heard.extend(crate::ivr::prompts::OWN.map(str::to_owned));
    let made = crate::ivr::prompts::parse("prompts.toml", prompts::SHIPPED, languages)
        .map_err(|faults| faults.iter().map(ToString::to_string).collect::<String>())
        .and_then(|mut list| {
            list.retain(|prompt| heard.contains(&prompt.id));
            prompts::make(&config.prompts_dir, &list)
        });
    if let Err(error) = made {
        eprintln!("the demo has tones instead of spoken prompts: {error}");
    }
}

type Udp = Vec<(u16, std::net::UdpSocket)>;
type Tcp = Vec<(u16, Transport, TcpListener)>;

/// Opens the SIP listeners; a port 0 becomes the one the system gave.
fn bind_sip(config: &mut Config) -> Result<(Udp, Tcp), Failure> {
    let (mut udp, mut tcp) = (Vec::new(), Vec::new());
    let of_http = config.http_sip_listener();
    for (index, listener) in config.sip.listeners.iter_mut().enumerate() {
        let index = u16::try_from(index).unwrap_or(u16::MAX);
        if index == of_http {
            continue;
        }
        let explain = |error: std::io::Error, address: SocketAddr| {
            Failure::new(1, format!("SIP cannot listen on {address}: {error}; is another switch running there?"))
        };
        match listener.transport {
            Transport::Udp => {
                let socket = driver::bind_udp(listener.address).map_err(|e| explain(e, listener.address))?;
                listener.address = socket.local_addr().map_err(|e| explain(e, listener.address))?;
                udp.push((index, socket));
            }
            Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss => {
                let socket = driver::bind_tcp(listener.address).map_err(|e| explain(e, listener.address))?;
                socket.set_nonblocking(true).map_err(|e| explain(e, listener.address))?;
                listener.address = socket.local_addr().map_err(|e| explain(e, listener.address))?;
                tcp.push((index, listener.transport, socket));
            }
        }
    }
    Ok((udp, tcp))
}

/// After a crash: recordings are mended, open calls are closed with the last time that is known.
///
/// Returns the journal's next number.
fn close_what_was_up(
    config: &Config,
    journal: &Journal,
    present: &mut Present,
    recovered: Recovered,
) -> Result<u64, Failure> {
    let mended = recordings::mend(&config.data_dir, &recovered.recordings).context("recordings cannot be read")?;
    let at = recovered.last_at.unwrap_or_else(wall_now);
    let mut next_seq = recovered.next_seq;
    let mut write = |about: About, kind: Kind| {
        let entry = Entry { seq: next_seq, at, about, kind };
        next_seq += 1;
        present.handle(&entry);
        journal.append(entry);
    };
    for file in &mended {
        let kind = Kind::RecordingEnded {
            recording: file.recording,
            length_ms: file.length_ms,
            lost_ms: 0,
            partial: file.partial,
        };
        if let Some(call) = file.call {
            write(About::Call(call), kind);
        }
    }
    for call in &recovered.open_calls {
        let kind = Kind::CallEnded { by: Party::System, reason: EndReason::NodeFailure, sip_code: 500 };
        write(About::Call(*call), kind);
    }
    if !recovered.open_calls.is_empty() {
        tracing::warn!(
            calls = recovered.open_calls.len(),
            recordings = mended.len(),
            "the last process ended with calls up: their records are closed with the cause node_failure"
        );
    }
    Ok(next_seq)
}

fn start_filing(config: &Config, records: &Records, inbox: &driver::Inbox) -> Result<Filing, Failure> {
    let format = match config.recording.archive {
        ArchiveFormat::Wav => Format::Wav,
        ArchiveFormat::Opus => Format::Opus,
        ArchiveFormat::Flac => Format::Flac,
    };
    let inbox = inbox.clone();
    let filed = move |Filed { call, recording, file, sha256 }| {
        inbox.send(Input::RecordingFiled { call, recording, file, sha256 });
    };
    let filing = Filing::start(&config.data_dir, format, records.clone(), filed);
    Ok(filing.context("no thread can be started")?)
}

fn start_media(
    config: &Config,
    clock: Clock,
    inbox: &driver::Inbox,
    to_file: crossbeam_channel::Sender<RecordingId>,
) -> Result<(Recorder, MediaThreads, MediaLines), Failure> {
    let pool = recordings::pool(config.recording.pool_bytes);
    let stored = inbox.clone();
    let recorder = Recorder::start(&config.data_dir, pool.writer, move |ended| {
        stored.send(Input::RecordingStored {
            recording: ended.recording,
            length_ms: ended.length_ms,
            lost_ms: ended.lost_ms,
        });
        let _ = to_file.send(ended.recording);
    })
    .context("the recorder cannot be started")?;
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).context("the system gives no random numbers")?;
    let storage = ToStorage { chunks: pool.chunks, spare: pool.spare };
    let started = MediaThreads::start(&config.media, clock, seed, storage, inbox.bell());
    let (media, lines) = started.context("media cannot be started")?;
    Ok((recorder, media, lines))
}

fn outlets(
    media: MediaLines,
    journal: &Arc<Journal>,
    entries: crossbeam_channel::Sender<Entry>,
    streams: &Streams,
    (services, tts, mut forks): (&Services, &Tts, Forks),
    sounds: (PathBuf, driver::Inbox),
    drained: &Arc<tokio::sync::Notify>,
) -> Outlets {
    let (writer, commits) = (Arc::clone(journal), Arc::clone(journal));
    let drained = Arc::clone(drained);
    let (stream, orders) = (streams.clone(), streams.clone());
    let (services, tts) = (services.clone(), tts.clone());
    let (runtime, sounds) = (tokio::runtime::Handle::current(), sounds);
    Outlets {
        media,
        journal: Box::new(move |entry| {
            writer.append(entry.clone());
            let _ = entries.send(entry);
        }),
        commit: Box::new(move |seq| commits.commit(seq)),
        stream: Box::new(move |flow, bytes| stream.send(flow, bytes)),
        link: Box::new(move |order| orders.order(order)),
        load: Box::new(move |call, recording| load_sound(&runtime, sounds.clone(), call, recording)),
        fetch: Box::new(move |fetch| services.fetch(fetch)),
        speak: Box::new(move |sentence| tts.speak(sentence)),
        fork: Box::new(move |order| forks.order(order)),
        drained: Box::new(move || drained.notify_waiters()),
    }
}

/// Reads the sound of a recording for a call that wants to hear it.
fn load_sound(
    runtime: &tokio::runtime::Handle,
    (data_dir, inbox): (PathBuf, driver::Inbox),
    call: CallId,
    recording: RecordingId,
) {
    runtime.spawn_blocking(move || {
        let samples = recordings::sound::customer_side(&data_dir, recording);
        if let Err(error) = &samples {
            tracing::warn!(%recording, %error, "a message cannot be read");
        }
        let clip = samples.ok().map(|samples| Arc::new(crate::media::Clip::from_pcm16(&samples)));
        inbox.send(Input::SoundLoaded { call, recording, clip });
    });
}

async fn start_http(shared: &http::App) -> Result<(), Failure> {
    let config = shared.config.load();
    let bind = |address: SocketAddr| async move {
        let explain = |error| Failure::new(1, format!("HTTP cannot listen on {address}: {error}"));
        tokio::net::TcpListener::bind(address).await.map_err(explain)
    };
    let public = bind(config.http_listen).await?;
    tokio::spawn(http::serve_public(Arc::clone(shared), public, config.metrics_listen.is_none()));
    if let Some(address) = config.metrics_listen {
        tokio::spawn(http::serve_metrics(Arc::clone(shared), bind(address).await?));
    }
    let socket = http::bind_socket(&config.data_dir).context("hatif.sock cannot be made in the data folder")?;
    tokio::spawn(http::serve_socket(Arc::clone(shared), socket));
    Ok(())
}

fn start_robots(options: &Options, config: &Config) -> Option<Demo> {
    if !options.dev || options.demo_calls == 0 {
        return None;
    }
    let server = config.sip.listeners.iter().find(|l| l.transport == Transport::Udp)?.address;
    let user = |id: &str| Some((id.to_owned(), config.sip.users.get(id)?.password.clone()));
    let speech = |ids: &[&str]| prompts::speech(&config.prompts_dir, &config.centre.languages, ids);
    let agents = ["102", "103"].into_iter().filter_map(user).collect();
    Some(Demo::start(DemoOptions {
        server,
        calls_per_minute: options.demo_calls,
        agents,
        seed: 1,
        agent_speech: speech(&["welcome", "topic_menu", "goodbye"]),
        caller_speech: speech(&["choose_language", "survey_question", "survey_thanks"]),
    }))
}

/// Says where everything is: a person gets lines, a program one JSON object.
fn announce(options: &Options, node: &Node, password: &str, files: u64) {
    let config = node.shared.config.load();
    let address = |transport| config.sip.listeners.iter().find(|l| l.transport == transport).map(|l| l.address);
    let sip = address(Transport::Udp).or(address(Transport::Tcp)).map(|a| a.to_string()).unwrap_or_default();
    let http = format!("http://{}", config.http_listen);
    let metrics = format!("http://{}/metrics", config.metrics_listen.unwrap_or(config.http_listen));
    let key = node.shared.own_key.clone().unwrap_or_default();
    if options.json {
        let line = serde_json::json!({
            "console": format!("{http}/"), "sip": format!("sip:{sip}"), "http": http, "metrics": metrics,
            "password": if options.dev { password } else { "" }, "api_key": if options.dev { &key } else { "" },
        });
        say!("{line}");
        return;
    }
    let (ports, shards) = (&config.media.ports, node.media.shards());
    let pairs = (usize::from(*ports.end()) - usize::from(*ports.start())).div_ceil(2);
    let by_files = files.saturating_sub(200) / 4;
    say!("هاتف hatif {}", env!("CARGO_PKG_VERSION"));
    if options.dev {
        say!("development mode: loopback only, data in {}, NOT for production", config.data_dir.display());
    }
    say!("  SIP          sip:{sip} udp+tcp · RTP {}-{} · {shards} media thread(s)", ports.start(), ports.end());
    say!("  Capacity     {} bridged calls by ports, {by_files} by open files ({files})", pairs / 2);
    say!("  Metrics      {metrics}");
    say!("  API          {http}/api/v1/calls");
    if options.dev {
        say!("  API key      {key}");
        say!("  Demo tenant  queues support(600) vip(601) · IVR main(500) · echo 9196 · tone 9197");
        say!("  Agents       101 amal · 102 omar · 103 sara · supervisor 201 · password: {password}");
        match options.demo_calls {
            0 => say!("  Robots       none"),
            n => say!("  Robots       {n} callers a minute; agents 102 and 103  (--demo-calls 0 to stop)"),
        }
    }
    say!("ready");
}

/// Waits for the end; SIGHUP reads the configuration again.
async fn serve_until_signalled(node: &Node) {
    let (Ok(mut term), Ok(mut int), Ok(mut hup)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()), signal(SignalKind::hangup()))
    else {
        return;
    };
    loop {
        tokio::select! {
            _ = hup.recv() => {
                let shared = Arc::clone(&node.shared);
                let _ = tokio::task::spawn_blocking(move || (shared.reload)()).await;
            }
            // At the keyboard one Ctrl-C is enough.
            _ = int.recv() => return,
            _ = term.recv() => break,
        }
    }
    node.shared.ready.store(false, Ordering::Relaxed);
    node.driver.inbox().send(Input::Command(Command::Drain));
    tracing::info!("draining: no new calls are taken; a second SIGTERM ends those that are up");
    let until = tokio::time::Instant::now() + DRAIN_PATIENCE;
    loop {
        let inbox = node.driver.inbox();
        let calls = tokio::task::spawn_blocking(move || {
            driver::ask(&inbox, Duration::from_secs(1), |engine, _| engine.calls().count())
        });
        if matches!(calls.await, Ok(Some(0) | None)) || tokio::time::Instant::now() >= until {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(200)) => {}
            _ = term.recv() => return,
            _ = int.recv() => return,
        }
    }
}

/// Takes everything down in the order of the data: calls, media, recordings, journal, records.
fn stop(node: Node, runtime: &tokio::runtime::Runtime) {
    drop(node.robots);
    let _ = std::fs::remove_file(node.shared.data_dir.join("hatif.sock"));
    let records = node.records.clone();
    node.driver.stop();
    let Node { media, recorder, filing, journal, follower, present, .. } = node;
    // The media threads hold the senders of chunks; the recorder ends when they are gone, and so on down.
    drop(media);
    recorder.join();
    filing.join();
    drop(journal);
    follower.join();
    let _ = present.join();
    runtime.block_on(records.close());
}
