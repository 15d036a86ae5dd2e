//! Agents, supervisors, queues and trunks, and what they say of each other.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::acd::config::{AgentConfig, FloorConfig, QueueConfig, Strategy};
use crate::call::config::{CallConfig, RecordPolicy, SupervisorConfig, TrunkDirection};
use crate::id::{AgentId, QueueName};
use crate::sip::config::{Host, TrunkAccount, UserConfig};

use super::CentreConfig;
use super::build::{duplicate, known, name};
use super::calendars;
use super::callback;
use super::desk;
use super::ladder;
use super::legs;
use super::numbers;
use super::reader::{Reader, Text};
use super::services;
use super::source::{Entry, Place, Problems, Value};
use super::sticky;
use super::trunks;
use super::values::{is_skill, is_skill_wish, sip_address};
use super::voicemail;
use super::waiting;

/// Shorter passwords are guessed by the scanners that every public SIP port meets.
const PASSWORD_LETTERS: usize = 8;

/// All that is read here.
#[derive(Default)]
pub struct People {
    /// Who may register, with passwords.
    pub users: HashMap<String, UserConfig>,
    /// Agents by fixed address.
    pub fixed: BTreeMap<SocketAddr, BTreeSet<String>>,
    /// Trunks by source address.
    pub trunk_addresses: BTreeMap<IpAddr, String>,
    /// What signalling does for each trunk.
    pub trunk_accounts: BTreeMap<String, TrunkAccount>,
    /// Trunks by the name in their certificate.
    pub trunk_peers: BTreeMap<String, String>,
    /// Host names of trunks.
    pub trunk_names: BTreeSet<Host>,
    /// Agents and queues.
    pub floor: FloorConfig,
    /// Trunks, supervisors, numbers, recording.
    pub call: CallConfig,
    /// HTTP services.
    pub services: BTreeMap<String, services::ServiceConfig>,
}

/// What names may be referred to.
pub struct Names<'a> {
    /// Queues.
    pub queues: BTreeSet<String>,
    /// Trunks.
    pub trunks: BTreeSet<String>,
    /// Trunks that no call may go out by.
    pub trunks_in: BTreeSet<String>,
    /// Flows.
    pub flows: &'a BTreeSet<String>,
}

/// Reads every list of tables. `flows` are the names of the flows there are.
pub fn read(root: &[Entry], centre: &CentreConfig, flows: &BTreeSet<String>, problems: &Problems) -> People {
    let tables = |name| Reader::tables(root, known(name), problems);
    let mut people = People::default();
    people.call.languages = centre.languages.clone();
    let mut seen = Seen::default();

    people.floor.calendars = calendars::read(&tables("calendar"), &tables("holiday"), &centre.timezone, &mut seen);
    let centre = Reader::table(root, known("centre"), problems);
    people.floor.pauses = desk::pauses(&tables("pause_code"), &centre, &mut seen);
    let queues = tables("queue");
    for reader in &queues {
        queue(reader, &mut people, &mut seen);
    }
    for reader in &tables("trunk") {
        trunks::read(reader, &mut people, &mut seen);
    }
    // Names that stand in the file, whether the rest of their table is right or not: one fault, one finding.
    let inward = people.call.trunks.values().filter(|trunk| trunk.direction == TrunkDirection::In);
    let trunks_in = inward.map(|trunk| trunk.name.clone()).collect();
    let names = Names { queues: seen.names("queue"), trunks: seen.names("trunk"), trunks_in, flows };
    for reader in &tables("agent") {
        agent(reader, &names, &mut people, &mut seen);
    }
    for reader in &tables("supervisor") {
        supervisor(reader, &names, &mut people, &mut seen);
    }
    let ivr = Reader::table(root, known("ivr"), problems);
    if let Some(queue) = ivr.text("fallback").filter(|queue| queue_exists(&ivr, &names, queue)) {
        people.call.fallback = Some(QueueName::from(queue.text));
    }
    people.call.numbers = numbers::read(&tables("number"), &names);
    let known_services = services::read(&tables("service"), &mut seen);
    for reader in &queues {
        nobody_serves(reader, &people);
        ladder::check(reader, &people);
        sticky::check(reader, &people);
        callback::read(reader, &names, &mut people);
        voicemail::read(reader, &mut people);
        services::read_dispatch(reader, &known_services, &mut people);
        waiting::read(reader, &names, &mut people);
    }
    waiting::refuse_circles(&queues);
    people.services = known_services;
    people
}

/// First places of names, by kind.
#[derive(Default)]
pub struct Seen(BTreeMap<(&'static str, String), Place>);

impl Seen {
    /// The name of a table; empty (with a finding) when it is missing, unusable or taken, so that the rest of the
    /// table is still looked at.
    pub fn name(&mut self, reader: &Reader, key: &str, kind: &'static str) -> Text {
        let good = name(reader, key).filter(|text| self.take(reader, kind, text));
        good.unwrap_or(Text { text: String::new(), place: reader.place })
    }

    /// Notes a name; false (with a finding) when it is taken.
    pub fn take(&mut self, reader: &Reader, kind: &'static str, text: &Text) -> bool {
        let Some(first) = self.0.insert((kind, text.text.clone()), text.place) else { return true };
        let help = format!("the first is at {}", reader.problems.location(first));
        let message = format!("a second {kind} \"{}\"", text.text);
        reader.problems.error(text.place, "config::duplicate", message, help);
        self.0.insert((kind, text.text.clone()), first);
        false
    }

    fn names(&self, kind: &str) -> BTreeSet<String> {
        self.0.keys().filter(|(k, _)| *k == kind).map(|(_, name)| name.clone()).collect()
    }
}

fn queue(reader: &Reader, people: &mut People, seen: &mut Seen) {
    let not_built = ["most_skilled", "least_occupied"];
    let name = QueueName::from(seen.name(reader, "name", "queue").text);
    let default = QueueConfig::new(name.clone());
    let hour = 3_600;
    let max_wait = reader.duration("max_wait", 1..=24 * hour).unwrap_or(default.max_wait);
    let mut queue = QueueConfig {
        name: name.clone(),
        strategy: reader.word("strategy", &Strategy::WORDS, &not_built).unwrap_or(default.strategy),
        calendar: reader
            .text("calendar")
            .filter(|name| calendars::exists(reader, &people.floor.calendars, name))
            .map(|t| t.text),
        service_level: reader.duration("service_level", 1..=hour).unwrap_or(default.service_level),
        ring_timeout: reader.duration("ring_timeout", 1..=300).unwrap_or(default.ring_timeout),
        ring_progressive_delay: reader
            .duration("ring_progressive_delay", 1..=300)
            .unwrap_or(default.ring_progressive_delay),
        ring_max: reader.number("ring_max", 1..=1_000).unwrap_or(default.ring_max),
        max_wait,
        max_waiting: reader.number("max_waiting", 1..=100_000).unwrap_or(default.max_waiting),
        skills: skill_wishes(reader),
        ladder: ladder::read(reader, max_wait),
        sticky: sticky::read(reader),
        weight: reader.number("weight", 1..=1_000_000).unwrap_or(default.weight),
        strict_priority: reader.boolean("strict_priority").unwrap_or(default.strict_priority),
        max_wait_strict: reader.duration("max_wait_strict", 0..=24 * hour).filter(|wait| !wait.is_zero()),
        segments: segments(reader),
        no_agents: default.no_agents,
        overflow: default.overflow,
        resume_within: reader.duration("resume_within", 0..=hour).filter(|within| !within.is_zero()),
        announce_every: match reader.duration("announce_every", 0..=hour) {
            None => default.announce_every,
            Some(every) if every.is_zero() => None,
            Some(every) => {
                if every.as_secs() < 5 {
                    let place = reader.node("announce_every").map_or(reader.place, |n| n.place);
                    reader.bad(place, "\"announce_every\" must be at least 5s", "\"0s\" = never".to_owned());
                }
                Some(every)
            }
        },
        announcements: prompts(reader),
        announcements_every: reader.duration("announcements_every", 10..=hour).unwrap_or(default.announcements_every),
        announce_wait: reader.boolean("announce_wait").unwrap_or(default.announce_wait),
        exclude_agent: reader.duration("exclude_agent", 0..=hour).unwrap_or(default.exclude_agent),
        ..default
    };
    desk::wrap_up(reader, &mut queue);
    desk::misses(reader, &mut queue);
    if queue.strict_priority && queue.max_wait_strict.is_none() {
        let message = "with \"strict_priority\" a caller of low priority may wait for ever";
        let help = "max_wait_strict = \"5m\" lets him go first after that time".to_owned();
        reader.problems.warning(reader.key_place("strict_priority"), "config::starvation", message, help);
    }
    people.call.recording.insert(name.clone(), record(reader));
    if let Some(longest) = reader.duration("record_pause_max", 10..=hour) {
        people.call.record_pauses.insert(name.clone(), longest);
    }
    if let Some(number) = trunks::caller_id(reader) {
        people.call.queue_caller_ids.insert(name.clone(), number);
    }
    if let Some(file) = music(reader) {
        people.call.music.insert(name.clone(), file);
    }
    people.floor.queues.insert(name, queue);
}

/// The head start of each segment of callers.
fn segments(reader: &Reader) -> BTreeMap<String, Duration> {
    let mut segments = BTreeMap::new();
    let Some(node) = reader.node("segments") else { return segments };
    let Value::Table(entries) = &node.value else {
        reader.wrong_type("segments", node.place, "a table as { gold = \"3m\" }", &node.value);
        return segments;
    };
    for entry in entries {
        if let Some(boost) = reader.duration_of(&entry.name, &entry.node, 0..=24 * 3_600) {
            segments.insert(entry.name.clone(), boost);
        }
    }
    segments
}

/// The `announcements` of a queue.
fn prompts(reader: &Reader) -> Vec<String> {
    let good = |prompt: Text| {
        if is_skill(&prompt.text) {
            return Some(prompt.text);
        }
        let help = "the name of a prompt, as in `prompts.toml`: letters, digits, `_` and `-`".to_owned();
        reader.bad(prompt.place, format!("\"{}\" is not the name of a prompt", prompt.text), help);
        None
    };
    reader.texts("announcements").unwrap_or_default().into_iter().filter_map(good).collect()
}

/// A file of the prompts' own folder: no path leads out of it.
fn music(reader: &Reader) -> Option<String> {
    let text = reader.text("music")?;
    let plain = !text.text.contains(['/', '\\']) && !text.text.starts_with('.') && text.text.ends_with(".wav");
    if !plain {
        let help = "the name of a WAV file in the folder of prompts, as \"support.wav\"".to_owned();
        reader.bad(text.place, format!("\"{}\" is not hold music", text.text), help);
        return None;
    }
    Some(text.text)
}

/// The `record` key of a queue or a number.
pub fn record(reader: &Reader) -> RecordPolicy {
    let words = [("always", RecordPolicy::Always), ("never", RecordPolicy::Never)];
    reader.word("record", &words, &["opt_in", "opt_out"]).unwrap_or_default()
}

/// The `skills` that a queue or a step of its ladder asks for.
pub fn skill_wishes(reader: &Reader) -> Vec<String> {
    let good = |wish: Text| {
        if is_skill_wish(&wish.text) {
            return Some(wish.text);
        }
        let help = "write NAME, NAME>=3, !NAME or A|B, with ? at the end when it is preferred only".to_owned();
        reader.bad(wish.place, format!("\"{}\" is not a skill wish", wish.text), help);
        None
    };
    reader.texts("skills").unwrap_or_default().into_iter().filter_map(good).collect()
}

fn nobody_serves(reader: &Reader, people: &People) {
    let Some(Value::Text(name)) = reader.node("name").map(|n| &n.value) else { return };
    if !people.floor.agents.values().any(|a| a.queues.iter().any(|q| q.as_str() == name)) {
        let place = reader.node("name").map_or(reader.place, |n| n.place);
        let message = format!("no agent serves queue \"{name}\"");
        let help = "its callers wait until max_wait".to_owned();
        reader.problems.warning(place, "config::queue-unserved", message, help);
    }
}

fn agent(reader: &Reader, names: &Names, people: &mut People, seen: &mut Seen) {
    let id = seen.name(reader, "id", "user");
    let contact = contact(reader);
    let password = secret(reader, "password", "password_file");
    if password.is_none() && ["contact", "password", "password_file"].iter().all(|k| reader.node(k).is_none()) {
        reader.missing("\"password\" (or \"password_file\", or a fixed \"contact\")");
    }
    user(reader, people, &id, password);
    if let Some((_, address)) = &contact {
        people.fixed.entry(*address).or_default().insert(id.text.clone());
    }
    let queues = queues(reader, names).unwrap_or_default();
    let agent = AgentConfig {
        id: AgentId::from(id.text.as_str()),
        name: reader.text("name").map_or_else(|| id.text.clone(), |t| t.text),
        skills: skills(reader),
        weights: weights(reader, &queues),
        queues,
        groups: ladder::groups(reader),
        position: u32::try_from(people.floor.agents.len()).unwrap_or(u32::MAX),
        auto_ready: reader.boolean("auto_ready").unwrap_or(false),
        contact: contact.as_ref().map(|(_, address)| *address),
        contact_user: contact.and_then(|(user, _)| user),
        capacity: reader.number("capacity", 1..=9).unwrap_or(1),
    };
    people.call.profiles.insert(agent.id.clone(), legs::profile(reader));
    people.floor.agents.insert(agent.id.clone(), agent);
}

fn contact(reader: &Reader) -> Option<(Option<String>, SocketAddr)> {
    let text = reader.text("contact")?;
    match sip_address(&text.text) {
        Ok((user, address)) => Some((user.map(str::to_owned), address)),
        Err((message, help)) => {
            reader.bad(text.place, message, help);
            None
        }
    }
}

fn user(reader: &Reader, people: &mut People, id: &Text, password: Option<Text>) {
    let Some(password) = password else { return };
    let guessable = password.text.chars().count() < PASSWORD_LETTERS || password.text == id.text;
    if guessable {
        let message = format!("the password of \"{}\" is easily guessed", id.text);
        let help = format!("take at least {PASSWORD_LETTERS} letters, not the id");
        reader.problems.warning(password.place, "config::weak-password", message, help);
    }
    people.users.insert(id.text.clone(), UserConfig { password: password.text });
}

/// A secret written in the file, or the first line of the file that `file_key` names.
pub fn secret(reader: &Reader, key: &str, file_key: &str) -> Option<Text> {
    let written = reader.text(key);
    let Some(file) = reader.text(file_key) else { return written };
    if reader.node(key).is_some() {
        let message = format!("\"{key}\" and \"{file_key}\" exclude each other");
        reader.problems.error(reader.key_place(file_key), "config::duplicate", message, None);
        return written;
    }
    let path = reader.problems.base(file.place).join(&file.text);
    match fs::read_to_string(&path) {
        Ok(text) => match text.lines().next().map(str::trim).filter(|line| !line.is_empty()) {
            Some(line) => Some(Text { text: line.to_owned(), place: file.place }),
            None => {
                reader.bad(file.place, format!("the first line of {} is empty", path.display()), None);
                None
            }
        },
        Err(error) => {
            let message = format!("{} cannot be read: {error}", path.display());
            reader.problems.error(file.place, "config::unreadable", message, None);
            None
        }
    }
}

fn skills(reader: &Reader) -> BTreeMap<String, u8> {
    let mut skills = BTreeMap::new();
    let Some(node) = reader.node("skills") else { return skills };
    let Value::Table(entries) = &node.value else {
        reader.wrong_type("skills", node.place, "a table as { billing = 5 }", &node.value);
        return skills;
    };
    for entry in entries {
        if !is_skill(&entry.name) {
            reader.bad(entry.place, format!("\"{}\" is not a skill name", entry.name), None);
        }
        match &entry.node.value {
            Value::Integer(Some(level @ 1..=10)) => {
                skills.insert(entry.name.clone(), u8::try_from(*level).unwrap_or(10));
            }
            Value::Integer(_) => reader.bad(entry.node.place, "a skill level is from 1 to 10", None),
            other => reader.wrong_type(&entry.name, entry.node.place, "a level from 1 to 10", other),
        }
    }
    skills
}

/// How likely he is in each of his queues.
fn weights(reader: &Reader, queues: &BTreeSet<QueueName>) -> BTreeMap<QueueName, u32> {
    let mut weights = BTreeMap::new();
    let Some(node) = reader.node("weights") else { return weights };
    let Value::Table(entries) = &node.value else {
        reader.wrong_type("weights", node.place, "a table as { support = 3 }", &node.value);
        return weights;
    };
    for entry in entries {
        if !queues.contains(entry.name.as_str()) {
            let help = "it must be one of his `queues`".to_owned();
            reader.bad(entry.place, format!("he does not serve queue \"{}\"", entry.name), help);
        }
        match &entry.node.value {
            Value::Integer(Some(weight @ 1..=1_000)) => {
                weights.insert(QueueName::from(entry.name.as_str()), u32::try_from(*weight).unwrap_or(1));
            }
            Value::Integer(_) => reader.bad(entry.node.place, "a weight is from 1 to 1000", None),
            other => reader.wrong_type(&entry.name, entry.node.place, "a weight from 1 to 1000", other),
        }
    }
    weights
}

fn queues(reader: &Reader, names: &Names) -> Option<BTreeSet<QueueName>> {
    let mut queues = BTreeSet::new();
    for text in reader.texts("queues")? {
        if !queue_exists(reader, names, &text) {
            continue;
        }
        if !queues.insert(QueueName::from(text.text.as_str())) {
            duplicate(reader, &text, "queue");
        }
    }
    Some(queues)
}

/// True when a queue of this name stands in the files; notes it otherwise.
pub fn queue_exists(reader: &Reader, names: &Names, text: &Text) -> bool {
    let exists = names.queues.contains(&text.text);
    if !exists {
        let message = format!("there is no queue \"{}\"", text.text);
        let candidates = names.queues.iter().map(String::as_str);
        reader.problems.unknown(text.place, "config::unknown-queue", message, &text.text, candidates);
    }
    exists
}

fn supervisor(reader: &Reader, names: &Names, people: &mut People, seen: &mut Seen) {
    let id = seen.name(reader, "id", "user");
    let password = secret(reader, "password", "password_file");
    if password.is_none() && ["password", "password_file"].iter().all(|k| reader.node(k).is_none()) {
        reader.missing("\"password\" (or \"password_file\")");
    }
    user(reader, people, &id, password);
    let supervisor = SupervisorConfig {
        id: AgentId::from(id.text.as_str()),
        name: reader.text("name").map_or_else(|| id.text.clone(), |t| t.text),
        queues: queues(reader, names),
    };
    people.call.supervisors.insert(supervisor.id.clone(), supervisor);
}
