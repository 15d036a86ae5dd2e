//! The reader against whole texts; the corpus of broken files is walked by `tests/config.rs` of the repository too.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::acd::calendar::Span;
use crate::call::config::{Caller, DialTarget, MediaPath, NumberAction, RecordPolicy};
use crate::media::codec::Codec;
use crate::sip::config::Transport;

fn document(name: &str, text: &str) -> Document {
    Document { name: name.to_owned(), text: text.to_owned(), base: PathBuf::from("/etc/hatif"), layer: Layer::File }
}

fn read(text: &str) -> Result<(Config, Vec<Diagnostic>), Vec<Diagnostic>> {
    Config::read(vec![document("hatif.toml", text)], &Machine { local_ports: Some(32768..=60999), cores: 8 })
}

fn good(text: &str) -> Config {
    match read(text) {
        Ok((config, _)) => config,
        Err(errors) => panic!("{}", shown(&errors)),
    }
}

fn shown(list: &[Diagnostic]) -> String {
    list.iter().map(|d| format!("{d}\n")).collect()
}

/// `(code, line, column)` of every error.
fn faults(text: &str) -> Vec<(String, usize, usize)> {
    match read(text) {
        Ok(_) => Vec::new(),
        Err(list) => list.into_iter().filter(Diagnostic::is_error).map(|d| (d.code, d.line, d.column)).collect(),
    }
}

const CONTRACT: &str = r#"
[centre]
timezone = "Asia/Riyadh"
languages = ["ar", "en"]
[sip]
listen = ["udp:127.0.0.1:5060", "tcp:127.0.0.1:5060"]
domain = "127.0.0.1"
[media]
address = "127.0.0.1"
ports = "20000-29999"
codecs = ["pcma", "pcmu", "g722", "opus"]
[http]
listen = "127.0.0.1:8080"
[metrics]
listen = "127.0.0.1:9464"
[data]
dir = "./data"

[[trunk]]
name = "carrier"
hosts = ["127.0.0.1"]
max_calls = 1000
max_calls_per_second = 100

[[number]]
match = "600"
queue = "support"
public = true
[[number]]
match = "7XXX"
dial = "sip:{number}@127.0.0.1:6000"
record = "always"
media = "relay"
from = ["trunk:carrier", "agents"]

[[agent]]
id = "101"
name = "Amal"
password = "correct horse"
skills = { "lang:ar" = 8, "billing" = 5 }
queues = ["support"]
auto_ready = true
[[agent]]
id = "102"
contact = "sip:bob@127.0.0.1:6001"

[[supervisor]]
id = "201"
name = "Huda"
password = "battery staple"
queues = ["support"]

[[queue]]
name = "support"
strategy = "longest_idle"
service_level = "20s"
ring_timeout = "15s"
wrap_up = "1m30s"
record = "always"
max_wait = "10m"
"#;

#[test]
fn the_contracts_example_is_read_whole() {
    let config = good(CONTRACT);
    assert_eq!(
        config.sip.listeners.iter().map(|l| l.transport).collect::<Vec<_>>(),
        [Transport::Udp, Transport::Tcp, Transport::Ws]
    );
    assert_eq!(config.sip.domain, "127.0.0.1");
    let users: BTreeSet<&str> = config.sip.users.keys().map(String::as_str).collect();
    assert_eq!(users, BTreeSet::from(["101", "201"]));
    assert_eq!(config.sip.trunks.values().collect::<Vec<_>>(), ["carrier"]);
    let fixed: Vec<_> = config.sip.fixed.iter().map(|(a, users)| (a.to_string(), users.len())).collect();
    assert_eq!(fixed, [("127.0.0.1:6001".to_owned(), 1)]);
    assert_eq!(config.media.codecs, [Codec::Pcma, Codec::Pcmu, Codec::G722, Codec::Opus]);
    assert_eq!((config.media.shards, config.media.timeout_s), (4, 60));
    assert_eq!(config.metrics_listen.map(|a| a.port()), Some(9464));
    assert_eq!(config.data_dir, Path::new("/etc/hatif/./data"));
    assert_eq!(config.flows_dir, Path::new("/etc/hatif/ivr-scripts"));
    let queue = config.floor.queues.get("support").expect("the queue");
    assert_eq!((queue.wrap_up, queue.max_wait), (Duration::from_secs(90), Duration::from_secs(600)));
    assert_eq!(config.call.recording.get("support"), Some(&RecordPolicy::Always));
    let amal = config.floor.agents.get("101").expect("the agent");
    assert_eq!((amal.skills.get("lang:ar"), amal.auto_ready, amal.contact), (Some(&8), true, None));
    let bob = config.floor.agents.get("102").expect("the agent");
    assert_eq!((bob.contact_user.as_deref(), bob.name.as_str()), (Some("bob"), "102"));
    let dial = config.call.numbers.last().expect("the number");
    let target = DialTarget::Address { user: "{number}".to_owned(), address: ([127, 0, 0, 1], 6000).into() };
    assert_eq!(
        (&dial.action, dial.record, dial.media),
        (&NumberAction::Dial(target), RecordPolicy::Always, MediaPath::Relay)
    );
    assert_eq!(dial.from, [Caller::Trunk("carrier".to_owned()), Caller::Agents]);
    assert_eq!(config.call.supervisors.get("201").and_then(|s| s.queues.as_ref()).map(|q| q.len()), Some(1));
}

#[test]
fn a_zone_is_a_warning_with_its_place() {
    let (_, warnings) = read(CONTRACT).expect("good");
    let found: Vec<_> = warnings.iter().map(|d| (d.code.as_str(), d.line, d.column)).collect();
    assert_eq!(found, [("config::not-used-yet", 3, 12)]);
}

#[test]
fn an_empty_file_is_a_quiet_system_on_loopback() {
    let config = good("");
    assert!(config.sip.listeners.iter().all(|l| l.address.ip().is_loopback()));
    assert_eq!(config.http_listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.metrics_listen, None);
    assert!(config.call.numbers.is_empty() && config.floor.agents.is_empty());
}

#[test]
fn every_fault_is_told_at_once_in_the_order_of_the_file() {
    let text = "[sip]\nlisten = [\"tls:127.0.0.1:5061\", \"udp:pbx.example:5060\"]\ndomian = \"x\"\n[[queue]]\nname = \"a\"\nwrap_up = 10\nstrategy = \"most_skilled\"\n[[number]]\nmatch = \"5\"\nqueue = \"b\"\n";
    let expected = [
        ("config::bad-value", 2, 11),
        ("config::bad-value", 2, 33),
        ("config::unknown-key", 3, 1),
        ("config::wrong-type", 6, 11),
        ("config::not-built-yet", 7, 12),
        ("config::unknown-queue", 10, 9),
    ];
    assert_eq!(faults(text), expected.map(|(code, line, column)| (code.to_owned(), line, column)));
}

#[test]
fn a_fault_is_shown_with_caret_and_suggestion() {
    let errors =
        read("[[queue]]\nname = \"support\"\n[[number]]\nmatch = \"600\"\nqueue = \"suport\"\n").expect_err("bad");
    let first = errors.first().map(ToString::to_string);
    assert_eq!(
        first.as_deref(),
        Some(
            "error[config::unknown-queue]: there is no queue \"suport\"\n --> hatif.toml:5:9\n5 | queue = \"suport\"\n  |         ^^^^^^^^ did you mean \"support\"?"
        )
    );
}

#[test]
fn parts_are_merged_and_a_value_set_twice_is_refused() {
    let main = "[sip]\ndomain = \"a.example\"\n[[queue]]\nname = \"support\"\n";
    let part = "[media]\ntimeout = \"30s\"\n[[queue]]\nname = \"vip\"\n";
    let documents = vec![document("hatif.toml", main), document("conf.d/10.toml", part)];
    let (config, _) = Config::read(documents.clone(), &Machine::default()).expect("good");
    assert_eq!(config.floor.queues.len(), 2);
    assert_eq!(config.media.timeout_s, 30);

    let mut documents = documents;
    documents.push(document("conf.d/20.toml", "[sip]\ndomain = \"b.example\"\n[[queue]]\nname = \"vip\"\n"));
    let errors = Config::read(documents, &Machine::default()).expect_err("twice");
    let found: Vec<_> = errors
        .iter()
        .filter(|d| d.is_error())
        .map(|d| (d.code.as_str(), d.file.as_str(), d.line, d.help.as_deref()))
        .collect();
    assert_eq!(
        found,
        [
            ("config::duplicate", "conf.d/20.toml", 2, Some("already set at hatif.toml:2")),
            ("config::duplicate", "conf.d/20.toml", 4, Some("the first is at conf.d/10.toml:4")),
        ]
    );
}

#[test]
fn the_environment_overrides_single_keys() {
    let env = [
        ("HATIF_SIP__LISTEN", "udp:127.0.0.1:5070, tcp:127.0.0.1:5070"),
        ("HATIF_MEDIA__SHARDS", "3"),
        ("HATIF_SIP__DOMAIN", "pbx.example"),
        ("HATIF_API_KEY", "hk_of_the_command_line"),
        ("HOME", "/root"),
    ];
    let env: Vec<_> = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let mut documents = vec![document("hatif.toml", "[sip]\ndomain = \"a.example\"\n")];
    documents.extend(build::environment(&env).expect("good"));
    let (config, _) = Config::read(documents, &Machine::default()).expect("good");
    assert_eq!(config.sip.listeners.iter().map(|l| l.address.port()).collect::<Vec<_>>(), [5070, 5070, 8080]);
    assert_eq!((config.media.shards, config.sip.domain.as_str()), (3, "pbx.example"));
}

#[test]
fn a_wrong_variable_is_told_by_its_name() {
    let env = [("HATIF_SIP__DOMIAN".to_owned(), "x".to_owned())];
    let errors = build::environment(&env).expect_err("unknown");
    let found = errors.first().map(|d| (d.file.as_str(), d.help.as_deref()));
    assert_eq!(found, Some(("HATIF_SIP__DOMIAN", Some("did you mean HATIF_SIP__DOMAIN?"))));
    let env = [("HATIF_MEDIA__TIMEOUT".to_owned(), "soon".to_owned())];
    let errors = Config::read(build::environment(&env).expect("a key"), &Machine::default()).expect_err("bad");
    let found = errors.first().map(|d| (d.file.as_str(), d.line, d.excerpt.as_str()));
    assert_eq!(found, Some(("HATIF_MEDIA__TIMEOUT", 1, "media.timeout = \"soon\"")));
}

#[test]
fn secrets_are_never_shown() {
    let cases = [
        "[[agent]]\nid = \"1\"\npassword = \"s3cret-pass\" nonsense\n",
        "[[agent]]\nid = \"1\"\npassword = \"s3cret-pass\n",
        "[[agent]]\nid = \"1\"\npassword = 's3cret-pass' x\n",
        "agent = [{ id = \"1 1\", password = \"s3cret-pass\", nmae = \"x\" }]\n",
        "[data]\ndatabase = \"postgres://u:s3cret@h/d\"\n",
        "[[agent]]\nid = \"1\"\n\"password\" = \"s3cret-pass\" x\n",
        "[[agent]]\nid = \"1\"\npassword = 's3cret-pass'\npasword = 1\npassword = \"s3cret-pass\"\n",
    ];
    for text in cases {
        let errors = read(text).expect_err(text);
        assert!(!errors.is_empty() && !shown(&errors).contains("s3cret"), "{}", shown(&errors));
        assert!(!format!("{errors:?}").contains("s3cret"));
    }
}

#[test]
fn ports_in_the_kernels_own_range_are_warned_of() {
    let (_, warnings) = read("[media]\nports = \"30000-39999\"\n").expect("good");
    assert_eq!(warnings.iter().map(|d| (d.code.as_str(), d.line)).collect::<Vec<_>>(), [("config::port-overlap", 2)]);
    assert!(read("[media]\nports = \"20000-29999\"\n").expect("good").1.is_empty());
}

#[test]
fn behind_nat_the_given_address_is_what_others_see() {
    let config =
        good("[sip]\nlisten = [\"udp:0.0.0.0:5060\"]\naddress = \"203.0.113.5\"\n[media]\nbind = \"0.0.0.0\"\n");
    assert_eq!(config.sip.listeners.first().and_then(|l| l.advertised.as_deref()), Some("203.0.113.5"));
    assert_eq!((config.sip.domain.as_str(), config.media.address.to_string().as_str()), ("203.0.113.5", "203.0.113.5"));
    assert_eq!(config.media.bind.to_string(), "0.0.0.0");
    assert_eq!(faults("[sip]\nlisten = [\"udp:0.0.0.0:5060\"]\n"), [("config::bad-value".to_owned(), 2, 11)]);
}

#[test]
fn only_addresses_folders_and_threads_need_a_restart() {
    let old = good(CONTRACT);
    let new = good(&CONTRACT.replace("wrap_up = \"1m30s\"", "wrap_up = \"5s\"").replace("8080", "8081"));
    assert_eq!(old.needs_restart(&new), ["http.listen"]);
    assert_eq!(old.needs_restart(&old), [""; 0]);
}

#[test]
fn every_documented_key_is_read() {
    let mut text = String::new();
    for section in keys::SECTIONS {
        let (open, close) = if section.list { ("[[", "]]") } else { ("[", "]") };
        text.push_str(&format!("{open}{}{close}\n", section.name));
        // A value of a type that no key takes: each key that is looked at complains.
        section.keys.iter().for_each(|key| text.push_str(&format!("{} = 1979-05-27\n", key.name)));
    }
    let found: BTreeSet<usize> = faults(&text).into_iter().map(|(_, line, _)| line).collect();
    let silent: Vec<&str> = text
        .lines()
        .enumerate()
        .filter(|(at, l)| !l.starts_with('[') && !found.contains(&(at + 1)))
        .map(|(_, l)| l)
        .collect();
    assert_eq!(silent, [""; 0]);
}

/// F20: calendars and holidays are read whole, and each fault is told at its place.
#[test]
fn f20_calendars_are_read_and_their_faults_are_found() {
    let text = "\
[centre]
timezone = \"Asia/Riyadh\"
[[calendar]]
name = \"office\"
open = { \"sun-thu\" = [\"08:00-12:00\", \"13:00-17:00\"], fri = \"22:00-02:00\" }
[[calendar]]
name = \"berlin\"
timezone = \"Europe/Berlin\"
open = { \"mon-sun\" = \"00:00-24:00\" }
[[holiday]]
name = \"Eid\"
hijri = \"10-01\"
days = 4
calendars = [\"office\"]
[[holiday]]
name = \"New Year\"
date = \"01-01\"
[[queue]]
name = \"support\"
calendar = \"office\"
";
    let config = good(text);
    let office = &config.floor.calendars["office"];
    let span = |from, until| Span { from, until };
    assert_eq!(office.week[6], [span(480, 720), span(780, 1_020)]);
    assert_eq!(
        (office.week[4].as_slice(), office.week[5].as_slice()),
        (&[span(1_320, 1_440)][..], &[span(0, 120)][..])
    );
    let names = |name: &str| config.floor.calendars[name].holidays.iter().map(|h| h.name.clone()).collect::<Vec<_>>();
    assert_eq!(
        (names("office"), names("berlin")),
        (vec!["Eid".into(), "New Year".into()], vec!["New Year".to_owned()])
    );
    assert_eq!(config.floor.queues["support"].calendar.as_deref(), Some("office"));

    for (fault, line) in [
        ("name = \"a\"\nopen = { \"mun-fri\" = \"08:00-17:00\" }", 3),
        ("name = \"a\"\nopen = { mon = \"8-17\" }", 3),
        ("name = \"a\"\nopen = { mon = \"08:00-24:01\" }", 3),
        ("name = \"a\"\ntimezone = \"Asia/Nowhere\"\nopen = { mon = \"08:00-17:00\" }", 3),
        ("name = \"a\"\nics = [\"/nowhere/holidays.ics\"]\nopen = { mon = \"08:00-17:00\" }", 3),
        ("name = \"a\"\nopen = { mon = \"08:00-17:00\" }\n[[holiday]]\nname = \"h\"\ndate = \"02-30\"", 6),
        ("name = \"a\"\nopen = { mon = \"08:00-17:00\" }\n[[holiday]]\nname = \"h\"\nhijri = \"13-01\"", 6),
        ("name = \"a\"\nopen = { mon = \"08:00-17:00\" }\n[[holiday]]\nname = \"h\"", 4),
        (
            "name = \"a\"\nopen = { mon = \"08:00-17:00\" }\n[[holiday]]\nname = \"h\"\ndate = \"01-01\"\ncalendars = [\"b\"]",
            7,
        ),
        ("name = \"a\"\nopen = { mon = \"08:00-17:00\" }\n[[queue]]\nname = \"q\"\ncalendar = \"b\"", 6),
    ] {
        let text = format!("[[calendar]]\n{fault}\n");
        let found = faults(&text);
        assert_eq!(found.first().map(|(_, line, _)| *line), Some(line), "{text}\n{found:?}");
    }
}
