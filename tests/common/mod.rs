//! What the outside tests share: a running `hatif`, its HTTP door, its commands, its figures, and raw SIP.
//!
//! Everything is bounded in time and every server is ended by its own process id. Nothing here reads the engine's
//! code: only the binary, the wire and what `CONTRACT` promises.
#![allow(dead_code, clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use hatif::robot::{Answering, Call, Options, Phone, Source};
use serde_json::Value;

/// Long enough for anything that should happen at once, on a busy machine.
pub const SOON: Duration = Duration::from_secs(10);
/// The password of every user of a test server.
pub const PASSWORD: &str = "dev-test-7Q2M";
/// How far every other tone must be below the wanted one, as a level: tones are sent at −16 dBm0.
pub const SILENT_DBM0: f64 = -46.0;
/// The margin by which the wanted tone must stand above every other, in dB.
pub const MARGIN_DB: f64 = 30.0;

pub const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub const fn seconds(s: u64) -> Duration {
    Duration::from_secs(s)
}

/// Polls until `done`; fails the test with `what` when `within` passes.
#[track_caller]
pub fn wait_until(within: Duration, what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + within;
    while !done() {
        assert!(Instant::now() < deadline, "not within {within:?}: {what}");
        std::thread::sleep(ms(50));
    }
}

// ---- the server -------------------------------------------------------------------------------------------------

/// One running `hatif serve`; killed and its data removed on drop (kept when the test fails).
pub struct Server {
    child: Child,
    arguments: Vec<String>,
    pub folder: PathBuf,
    pub data: PathBuf,
    pub sip: SocketAddr,
    pub http: SocketAddr,
    pub rtp_ports: (u16, u16),
    pub api_key: String,
    /// The JSON of the first line.
    pub line: Value,
}

/// Ports of one server: a slot below the range the system gives to clients.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    pub sip: u16,
    pub http: u16,
    /// For phones with a fixed address and for test tools.
    pub spare: u16,
    pub rtp: (u16, u16),
}

const SLOT: u16 = 500;

/// A free slot with `rtp` ports of its own range.
pub fn free_ports() -> Ports {
    free_slot(SLOT, 12_000, 20_000)
}

/// A free slot with about 6,000 RTP ports, for loads.
pub fn many_ports() -> Ports {
    free_slot(6_100, 20_000, 32_300)
}

fn free_slot(size: u16, from: u16, to: u16) -> Ports {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let slots = (to - from) / size;
    let seed = std::process::id() * 7 + NEXT.fetch_add(1, Ordering::Relaxed);
    for n in 0..slots {
        let base = from + ((seed + u32::from(n)) % u32::from(slots)) as u16 * size;
        let udp = |port: u16| UdpSocket::bind(("127.0.0.1", port)).is_ok();
        let tcp = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
        let rtp = (base + 40, base + size - 1);
        let sample = (0..10u16).map(|k| rtp.0 + k * 40);
        if (base..base + 40).all(|p| udp(p) && tcp(p)) && sample.clone().all(udp) {
            return Ports { sip: base, http: base + 1, spare: base + 2, rtp };
        }
    }
    panic!("no free ports between {from} and {to}");
}

/// A folder of this test's own.
pub fn temp_folder() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("hatif-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let folder = std::env::temp_dir().join(name);
    fs::create_dir_all(&folder).expect("a folder for the test");
    folder
}

/// The sources: shipped flows, prompts, scenarios.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

impl Server {
    /// `serve --dev` without robots.
    pub fn dev() -> Self {
        let folder = temp_folder();
        let data = folder.join("data");
        let ports = free_ports();
        let arguments = [
            "serve",
            "--dev",
            "--json",
            "--demo-calls",
            "0",
            "--dev-password",
            PASSWORD,
            "--data-dir",
            &data.display().to_string(),
            "--sip-port",
            &ports.sip.to_string(),
            "--http-port",
            &ports.http.to_string(),
            "--rtp-ports",
            &format!("{}-{}", ports.rtp.0, ports.rtp.1),
        ]
        .map(str::to_owned)
        .to_vec();
        Self::start(arguments, folder, data, ports)
    }

    /// `serve --config` with this text; see [`config`].
    pub fn configured(ports: Ports, text: &str) -> Self {
        let folder = temp_folder();
        let data = folder.join("data");
        let file = folder.join("hatif.toml");
        fs::write(&file, text).expect("config written");
        let arguments =
            ["serve", "--json", "--config", &file.display().to_string(), "--data-dir", &data.display().to_string()];
        Self::start(arguments.map(str::to_owned).to_vec(), folder, data, ports)
    }

    fn start(arguments: Vec<String>, folder: PathBuf, data: PathBuf, ports: Ports) -> Self {
        let (child, line) = spawn(&arguments, &folder);
        let api_key = line["api_key"].as_str().unwrap_or_default().to_owned();
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let mut server = Self {
            child,
            arguments,
            folder,
            data,
            sip: address(ports.sip),
            http: address(ports.http),
            rtp_ports: ports.rtp,
            api_key,
            line,
        };
        server.ready();
        if server.api_key.is_empty() {
            let folder = server.data.display().to_string();
            let made = run(&["key", "add", "test", "--json", "--data-dir", &folder], &[]);
            assert_eq!(made.code, Some(0), "{made:?}");
            server.api_key = made.lines()[0]["key"].as_str().expect("the new key").to_owned();
        }
        server
    }

    fn ready(&mut self) {
        let deadline = Instant::now() + seconds(60);
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("hatif ended with {status}: {}", self.log());
            }
            if self.try_get("/readyz").is_some_and(|(status, _)| status == 200) {
                return;
            }
            assert!(Instant::now() < deadline, "not ready after 60 s: {}", self.log());
            std::thread::sleep(ms(50));
        }
    }

    /// `kill -9`, as a power cut would do it.
    pub fn crash(&mut self) {
        self.child.kill().expect("killed");
        let _ = self.child.wait();
    }

    /// Starts again with the same arguments and data.
    pub fn restart(&mut self) {
        let (child, line) = spawn(&self.arguments, &self.folder);
        self.child = child;
        // A key that was made lives in the data; the one of `--dev` is new at each start.
        if let Some(key) = line["api_key"].as_str().filter(|k| !k.is_empty()) {
            self.api_key = key.to_owned();
        }
        self.line = line;
        self.ready();
    }

    /// Sends a signal by name, e.g. `HUP`.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args([&format!("-{name}"), &pid]).status().expect("kill runs");
        assert!(status.success());
    }

    /// Waits for the process to end by itself; its exit code.
    pub fn exit_code(&mut self, within: Duration) -> Option<i32> {
        let deadline = Instant::now() + within;
        while Instant::now() < deadline {
            if let Ok(Some(status)) = self.child.try_wait() {
                return status.code();
            }
            std::thread::sleep(ms(20));
        }
        None
    }

    /// Resident memory in bytes.
    pub fn resident_bytes(&self) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = text.lines().find(|l| l.starts_with("VmRSS:")).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|k| k.parse::<u64>().ok()).unwrap_or(0) * 1_024
    }

    /// Open file descriptors.
    pub fn open_files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).map(Iterator::count).unwrap_or(0)
    }

    /// The last lines of its log.
    pub fn log(&self) -> String {
        let text = fs::read_to_string(self.folder.join("stderr.txt")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }

    // ---- HTTP ----------------------------------------------------------------------------------------------------

    /// GET with the API key: status and body. Fails the test when nobody answers.
    #[track_caller]
    pub fn get(&self, path: &str) -> (u16, String) {
        self.try_get(path).unwrap_or_else(|| panic!("no answer to GET {path}: {}", self.log()))
    }

    fn try_get(&self, path: &str) -> Option<(u16, String)> {
        http(self.http, "GET", path, Some(&self.api_key))
    }

    /// A JSON document of the API.
    #[track_caller]
    pub fn json(&self, path: &str) -> Value {
        let (status, body) = self.get(path);
        assert_eq!(status, 200, "GET {path}: {body}");
        serde_json::from_str(&body).unwrap_or_else(|e| panic!("GET {path} is not JSON ({e}): {body}"))
    }

    /// The record of the newest ended call from this number, else his live one.
    pub fn call_from(&self, number: &str) -> Option<Value> {
        ["/api/v1/calls?limit=200", "/api/v1/calls?state=live"]
            .iter()
            .flat_map(|path| items(&self.json(path)))
            .find(|c| c["from"] == number)
    }

    /// Waits until the call of this number has ended and its record is whole, and returns it.
    #[track_caller]
    pub fn ended_call(&self, number: &str) -> Value {
        let mut record = Value::Null;
        wait_until(seconds(15), &format!("the record of {number} is closed"), || {
            record = self.call_from(number).unwrap_or_default();
            let open = |r: &Value| r["seconds"].is_null();
            // A listed call may be shortened; the whole record is at its own address.
            if let Some(id) = record["call_id"].as_str().filter(|_| !record["end"].is_null()) {
                record = self.json(&format!("/api/v1/calls/{id}"));
            }
            !record["end"].is_null() && !record["recordings"].as_array().is_some_and(|l| l.iter().any(open))
        });
        record
    }

    /// Where figures are: the address of the first line, else the HTTP listener.
    fn metrics_text(&self) -> String {
        let url = self.line["metrics"].as_str().unwrap_or_default();
        let host = url.split("//").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
        let address = host.replace("localhost", "127.0.0.1").parse().unwrap_or(self.http);
        let (status, body) = http(address, "GET", "/metrics", None).expect("metrics answer");
        assert_eq!(status, 200, "{body}");
        body
    }

    /// All figures now.
    pub fn metrics(&self) -> Metrics {
        Metrics::parse(self.metrics_text())
    }

    /// One figure: the sum over all series of `name` with these labels; 0 when there is none.
    pub fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.metrics().sum(name, labels)
    }

    /// Waits until so many agents are in a state.
    #[track_caller]
    pub fn agents_in(&self, state: &str, count: f64) {
        let what = format!("{count} agents {state}");
        wait_until(SOON, &what, || self.metric("hatif_agents", &[("state", state)]) == count);
    }

    /// Waits until no call, port or SIP transaction is left.
    #[track_caller]
    pub fn idle(&self, within: Duration) {
        let left = |m: &Metrics| m.left_over();
        let mut found = Vec::new();
        let deadline = Instant::now() + within;
        loop {
            let now = left(&self.metrics());
            if now.is_empty() {
                return;
            }
            found.clone_from(&now);
            assert!(Instant::now() < deadline, "left after {within:?}: {found:?}\n{}", self.log());
            std::thread::sleep(ms(200));
        }
    }

    // ---- commands ------------------------------------------------------------------------------------------------

    /// A command about this server, over its API.
    pub fn command(&self, arguments: &[&str]) -> Output {
        let mut all = arguments.to_vec();
        let url = format!("http://{}", self.http);
        all.extend(["--server", &url]);
        run(&all, &[("HATIF_API_KEY", &self.api_key)])
    }

    // ---- phones --------------------------------------------------------------------------------------------------

    /// A caller nobody knows: a stranger with this number.
    pub fn customer(&self, number: &str, source: Source) -> Phone {
        let mut options = Options::new(self.sip, number).says(source);
        // Not our domain: a From in our own domain is asked for a password.
        options.domain = "customer.example".into();
        Phone::start(options).expect("a customer's phone")
    }

    /// Options of an agent's or supervisor's phone.
    pub fn user(&self, id: &str) -> Options {
        Options::new(self.sip, id).password(PASSWORD)
    }

    /// A registered agent who takes calls like this and says a tone.
    pub fn agent(&self, id: &str, hz: f64, answering: Answering) -> Phone {
        let mut options = self.user(id).says(Source::Tone(hz)).answers(answering);
        options.lines = 2;
        let phone = Phone::start(options).expect("an agent's phone");
        phone.register(SOON).unwrap_or_else(|e| panic!("{id} cannot register: {e}\n{}", phone.trace()));
        phone
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("data kept in {}; log ends:\n{}", self.folder.display(), self.log());
        } else {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

fn spawn(arguments: &[String], folder: &Path) -> (Child, Value) {
    let log = File::options().create(true).append(true).open(folder.join("stderr.txt")).expect("log");
    let mut child = Command::new(env!("CARGO_BIN_EXE_hatif"))
        .args(arguments)
        .current_dir(root())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .expect("hatif starts");
    let stdout = child.stdout.take().expect("stdout");
    let (sender, receiver) = std::sync::mpsc::channel();
    // Reads on to the end, so that the server never blocks on a full pipe.
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    let first = receiver.recv_timeout(seconds(60)).unwrap_or_default();
    let line = serde_json::from_str(&first).unwrap_or_else(|e| {
        let log = fs::read_to_string(folder.join("stderr.txt")).unwrap_or_default();
        let _ = child.kill();
        panic!("the first line of stdout is not JSON ({e}): {first:?}\n{log}")
    });
    (child, line)
}

/// A whole configuration for tests on these ports. `extra` is appended: numbers, agents, queues. Its flows are `main` and
/// `survey`, and no more: the library names services and calendars that these tests do not have.
pub fn config(ports: Ports, extra: &str) -> String {
    let Ports { sip, http, rtp, .. } = ports;
    format!(
        r#"[centre]
languages = ["ar", "en"]
[sip]
listen = ["udp:127.0.0.1:{sip}", "tcp:127.0.0.1:{sip}"]
domain = "127.0.0.1"
[media]
address = "127.0.0.1"
ports = "{}-{}"
codecs = ["pcma", "pcmu"]
[http]
listen = "127.0.0.1:{http}"
[ivr]
flows = "{root}/tests/common/flows"
prompts = "{root}/prompts"
{extra}"#,
        rtp.0,
        rtp.1,
        root = root().display(),
    )
}

/// Agents 101–103, supervisor 201, queues `support` (600) and `vip`, flow `main` (500), with these queue keys.
pub fn floor(queue_keys: &str) -> String {
    let mut text = String::from(
        "[[number]]\nmatch = \"500\"\nflow = \"main\"\npublic = true\n\
         [[number]]\nmatch = \"600\"\nqueue = \"support\"\npublic = true\n\
         [[number]]\nmatch = \"602\"\nqueue = \"support\"\n",
    );
    for queue in ["support", "vip"] {
        text += &format!("[[queue]]\nname = \"{queue}\"\n{queue_keys}\n");
    }
    for id in ["101", "102", "103"] {
        text += &format!(
            "[[agent]]\nid = \"{id}\"\npassword = \"{PASSWORD}\"\nqueues = [\"support\", \"vip\"]\nauto_ready = true\n"
        );
    }
    text + &format!("[[supervisor]]\nid = \"201\"\npassword = \"{PASSWORD}\"\n")
}

// ---- HTTP -------------------------------------------------------------------------------------------------------

/// One request on a connection of its own: status and body; `None` when nobody answers.
pub fn http(address: SocketAddr, method: &str, path: &str, key: Option<&str>) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, seconds(2)).ok()?;
    stream.set_read_timeout(Some(seconds(10))).ok()?;
    let key = key.map(|k| format!("Authorization: Bearer {k}\r\n")).unwrap_or_default();
    let request = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{key}\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).ok()?;
    let at = bytes.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..at]).to_ascii_lowercase();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let body = match head.contains("transfer-encoding: chunked") {
        true => join_chunks(&bytes[at + 4..]),
        false => bytes[at + 4..].to_vec(),
    };
    Some((status, String::from_utf8_lossy(&body).into_owned()))
}

fn join_chunks(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(at) = rest.windows(2).position(|w| w == b"\r\n") {
        let length = std::str::from_utf8(&rest[..at]).ok().and_then(|t| usize::from_str_radix(t.trim(), 16).ok());
        let Some(length) = length.filter(|l| *l > 0) else { break };
        let Some(chunk) = rest.get(at + 2..at + 2 + length) else { break };
        body.extend_from_slice(chunk);
        rest = rest.get(at + 4 + length..).unwrap_or_default();
    }
    body
}

/// The elements of a list answer, bare or under a name.
pub fn items(list: &Value) -> Vec<Value> {
    let named = ["items", "calls", "agents", "queues", "data"].iter().find_map(|k| list[*k].as_array());
    list.as_array().or(named).cloned().unwrap_or_else(|| panic!("no list in {list}"))
}

// ---- figures ----------------------------------------------------------------------------------------------------

/// One reading of `/metrics`.
pub struct Metrics {
    pub text: String,
    series: Vec<(String, BTreeMap<String, String>, f64)>,
}

impl Metrics {
    fn parse(text: String) -> Self {
        let series = text.lines().filter(|l| !l.starts_with('#') && !l.is_empty()).filter_map(parse_series).collect();
        Self { text, series }
    }

    /// The sum over all series of this name that have these labels.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let fits = |found: &BTreeMap<String, String>| {
            labels.iter().all(|(k, v)| found.get(*k).is_some_and(|value| value == v))
        };
        self.series.iter().filter(|(n, l, _)| n == name && fits(l)).map(|(.., value)| value).sum()
    }

    /// Whether there is any series of this name.
    pub fn has(&self, name: &str) -> bool {
        self.series.iter().any(|(n, ..)| n == name)
    }

    /// Gauges that must be zero when nothing happens, and are not.
    pub fn left_over(&self) -> Vec<(String, f64)> {
        const MUST: [&str; 6] = [
            "hatif_calls_active",
            "hatif_rtp_ports_in_use",
            "hatif_rtp_streams_active",
            "hatif_sip_sessions_active",
            "hatif_recordings_active",
            "hatif_forks_active",
        ];
        assert!(self.has("hatif_rtp_ports_in_use") && self.has("hatif_sip_sessions_active"), "the gauges are there");
        let left = MUST.iter().map(|name| ((*name).to_owned(), self.sum(name, &[])));
        left.filter(|(_, value)| *value != 0.0).collect()
    }
}

fn parse_series(line: &str) -> Option<(String, BTreeMap<String, String>, f64)> {
    let (series, value) = line.rsplit_once(' ')?;
    let value = value.parse().ok()?;
    let Some((name, labels)) = series.split_once('{') else {
        return Some((series.to_owned(), BTreeMap::new(), value));
    };
    let labels = labels.trim_end_matches('}').split("\",");
    let pairs =
        labels.filter_map(|l| l.split_once("=\"").map(|(k, v)| (k.to_owned(), v.trim_end_matches('"').to_owned())));
    Some((name.to_owned(), pairs.collect(), value))
}

// ---- programs ---------------------------------------------------------------------------------------------------

/// What a program said.
#[derive(Debug)]
pub struct Output {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Output {
    /// NDJSON: one document a line.
    #[track_caller]
    pub fn lines(&self) -> Vec<Value> {
        let read = |l: &str| serde_json::from_str(l).unwrap_or_else(|e| panic!("not NDJSON ({e}): {l}"));
        self.stdout.lines().map(read).collect()
    }
}

/// Runs `hatif` with these arguments, at most 30 s.
pub fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hatif"));
    command.args(arguments).envs(environment.iter().copied()).env("NO_COLOR", "1").current_dir(root());
    finish(command, None, seconds(30))
}

/// Runs a program to its end within a time, with this on its stdin; killed when it takes longer.
pub fn finish(mut command: Command, stdin: Option<&str>, within: Duration) -> Output {
    let name = format!("{command:?}");
    let input = if stdin.is_some() { Stdio::piped() } else { Stdio::null() };
    let mut child = command
        .stdin(input)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{name} does not start ({e}); is it installed?"));
    if let (Some(mut pipe), Some(text)) = (child.stdin.take(), stdin) {
        let text = text.to_owned();
        std::thread::spawn(move || pipe.write_all(text.as_bytes()));
    }
    let (out, err) = (child.stdout.take().expect("stdout"), child.stderr.take().expect("stderr"));
    let read = |mut pipe: Box<dyn Read + Send>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = pipe.read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        })
    };
    let (out, err) = (read(Box::new(out)), read(Box::new(err)));
    let deadline = Instant::now() + within;
    let code = loop {
        if let Ok(Some(status)) = child.try_wait() {
            break status.code();
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            panic!("{name} took longer than {within:?}");
        }
        std::thread::sleep(ms(20));
    };
    Output { code, stdout: out.join().unwrap_or_default(), stderr: err.join().unwrap_or_default() }
}

// ---- calls ------------------------------------------------------------------------------------------------------

/// A customer calls 500 and presses 1 until the agent's phone rings; both ends of the talk.
#[track_caller]
pub fn through_the_menu(customer: &Phone, agent: &Phone) -> (Call, Call) {
    let out = customer.invite("500").expect("sent");
    out.answered(SOON).unwrap_or_else(|e| panic!("500 is not answered: {e}\n{}", customer.trace()));
    for _press in 0..6 {
        std::thread::sleep(ms(1_500));
        assert!(out.press("1"), "no telephone-event was agreed\n{}", customer.trace());
        if let Ok(inside) = agent.incoming(seconds(4)) {
            return (out, inside);
        }
    }
    panic!("the agent's phone does not ring\n{}", customer.trace());
}

/// Audio heard on several calls during the same time.
pub fn listen(calls: &[&Call], length: Duration) -> Vec<Vec<i16>> {
    let from = Instant::now();
    std::thread::sleep(length);
    calls.iter().map(|c| c.heard_since(from)).collect()
}

// ---- raw SIP ----------------------------------------------------------------------------------------------------

/// A socket that says what no phone would.
pub struct Raw {
    socket: UdpSocket,
    server: SocketAddr,
}

impl Raw {
    pub fn new(server: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("socket");
        socket.set_read_timeout(Some(seconds(3))).expect("timeout");
        Self { socket, server }
    }

    pub fn port(&self) -> u16 {
        self.socket.local_addr().map(|a| a.port()).unwrap_or(0)
    }

    pub fn send(&self, bytes: &[u8]) {
        self.socket.send_to(bytes, self.server).expect("sent");
    }

    /// The next response above 100, with its status; `None` after 3 s of silence.
    pub fn answer(&self) -> Option<(u16, String)> {
        let mut buffer = [0u8; 65_536];
        loop {
            let (length, _) = self.socket.recv_from(&mut buffer).ok()?;
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            let code = text.strip_prefix("SIP/2.0 ").and_then(|t| t.get(..3)).and_then(|c| c.parse().ok());
            if let Some(code) = code.filter(|c| *c > 100) {
                return Some((code, text));
            }
        }
    }

    /// A request outside of any dialog, from a stranger; `extra` are whole header lines.
    pub fn request(&self, method: &str, user: &str, extra: &str, body: &str) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let (port, server, pid) = (self.port(), self.server, std::process::id());
        let forwards = if extra.contains("Max-Forwards") { "" } else { "Max-Forwards: 70\r\n" };
        format!(
            "{method} sip:{user}@{server} SIP/2.0\r\n\
             Via: SIP/2.0/UDP 127.0.0.1:{port};rport;branch=z9hG4bKraw{pid}x{n}\r\n{forwards}\
             From: <sip:stranger@customer.example>;tag=raw{n}\r\nTo: <sip:{user}@{server}>\r\n\
             Call-ID: raw-{pid}-{n}\r\nCSeq: {n} {method}\r\nContact: <sip:stranger@127.0.0.1:{port}>\r\n\
             {extra}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    /// Sends a request and acknowledges a refusal of INVITE; the final response.
    #[track_caller]
    pub fn ask(&self, request: &str) -> (u16, String) {
        self.send(request.as_bytes());
        let mut tries = 3;
        let (code, text) = loop {
            let Some((code, text)) = self.answer() else {
                // As a phone does: the first may be lost, or be more than this source may send just now.
                tries -= 1;
                assert!(tries > 0, "no answer to\n{request}");
                self.send(request.as_bytes());
                continue;
            };
            if code >= 200 {
                break (code, text);
            }
        };
        if request.starts_with("INVITE ") && code >= 300 {
            let line = |from: &str, name: &str| {
                from.lines().find(|l| l.starts_with(name)).map(|l| format!("{l}\r\n")).unwrap_or_default()
            };
            let uri = request.split(' ').nth(1).unwrap_or_default();
            let ack = format!(
                "ACK {uri} SIP/2.0\r\n{}Max-Forwards: 70\r\n{}{}{}{}Content-Length: 0\r\n\r\n",
                line(request, "Via:"),
                line(request, "From:"),
                line(&text, "To:"),
                line(request, "Call-ID:"),
                line(request, "CSeq:").replace("INVITE", "ACK"),
            );
            self.send(ack.as_bytes());
        }
        (code, text)
    }
}

/// An audio offer for a raw INVITE with these payload types.
pub fn offer(formats: &str, maps: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP {formats}\r\n{maps}"
    )
}
