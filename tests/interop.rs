//! Programs of others beside the engine: Kamailio in front of it, linphone as a phone.
//!
//! Both come from Debian by `tests/tools/install.sh test`. Where one is missing its tests fail and say so.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod common;

use std::fs::{self, File};
use std::io::Write;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use common::*;
use hatif::robot::audio::{level_db, stands_above, tone, write_wav};
use hatif::robot::{Answering, Call, Options, Phone, Source};

const CALLER_HZ: f64 = 1_004.0;
const AGENT_HZ: f64 = 604.0;

// ---- Kamailio ---------------------------------------------------------------------------------------------------

/// A running Kamailio with `tests/interop/kamailio.cfg`, ended by its own process id.
struct Kamailio {
    child: Child,
    folder: PathBuf,
    address: SocketAddr,
    /// Where Hatif listens: the other side of it.
    hatif: u16,
}

impl Kamailio {
    /// On this port, in front of the Hatif at `hatif`.
    fn start(port: u16, hatif: u16) -> Self {
        let (program, modules) = kamailio();
        let folder = temp_folder();
        let log = File::create(folder.join("log.txt")).expect("log");
        let mut command = Command::new(&program);
        // In the foreground, with little memory; its master ends its workers when it is ended.
        command.args(["-DD", "-m", "16", "-M", "4", "-f"]).arg(root().join("tests/interop/kamailio.cfg"));
        command.arg("-L").arg(&modules).arg("-w").arg(&folder).arg("-Y").arg(&folder);
        command.args(["-l", &format!("udp:127.0.0.1:{port}"), "-A", &format!("HATIF_PORT={hatif}")]);
        command.args(["-A", &format!("HATIF_URI=\"sip:127.0.0.1:{hatif}\"")]);
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("log"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|e| panic!("{} does not start: {e}", program.display()));
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let kamailio = Self { child, folder, address, hatif };
        let probe = Phone::start(Options::new(address, "probe")).expect("a phone");
        wait_until(SOON, "Kamailio answers", || probe.options(seconds(1)).is_ok());
        kamailio
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log.txt")).unwrap_or_default()
    }

    /// How many requests of this method it passed on in this manner: `in a call`, `by path`, `to Hatif`.
    fn relayed(&self, method: &str, from_hatif: bool, manner: &str) -> usize {
        let start = format!("relayed {method} from ");
        let ours = format!("{} ", self.hatif);
        let lines = self.log();
        let found = lines.lines().filter_map(|l| l.split_once(&start)).map(|(_, rest)| rest);
        found.filter(|rest| rest.starts_with(&ours) == from_hatif && rest.ends_with(manner)).count()
    }

    /// A phone that knows only this address.
    fn phone(&self, user: &str, source: Source) -> Options {
        Options::new(self.address, user).says(source)
    }

    fn user(&self, id: &str, hz: f64, answering: Answering) -> Phone {
        let options = self.phone(id, Source::Tone(hz)).password(PASSWORD).answers(answering);
        let phone = Phone::start(options).expect("a phone");
        phone.register(SOON).unwrap_or_else(|e| panic!("{id} cannot register: {e}\n{}\n{}", phone.trace(), self.log()));
        phone
    }
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let deadline = Instant::now() + seconds(5);
        while !matches!(self.child.try_wait(), Ok(Some(_))) {
            if Instant::now() > deadline {
                let _ = self.child.kill();
            }
            std::thread::sleep(ms(20));
        }
        if std::thread::panicking() {
            eprintln!("Kamailio's log:\n{}", self.log());
        } else {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// The program and its modules: unpacked by `install.sh`, else installed.
fn kamailio() -> (PathBuf, PathBuf) {
    let tools = root().join("target/tools");
    let usual = Path::new("/usr/lib/x86_64-linux-gnu/kamailio/modules").to_owned();
    let places = [
        (tools.join("bin/kamailio"), tools.join("lib/kamailio/modules")),
        ("/usr/sbin/kamailio".into(), usual),
        ("/usr/sbin/kamailio".into(), "/usr/lib/kamailio/modules".into()),
    ];
    let found = places.into_iter().find(|(program, modules)| program.exists() && modules.join("path.so").exists());
    found.unwrap_or_else(|| {
        panic!("Kamailio is neither in {} nor installed: tests/tools/install.sh test", tools.display())
    })
}

/// Each side hears the tone of the other and not its own.
#[track_caller]
fn both_hear(out: &Call, inside: &Call, kamailio: &Kamailio) {
    std::thread::sleep(seconds(1));
    let heard = listen(&[out, inside], seconds(2));
    assert!(stands_above(&heard[0], AGENT_HZ, CALLER_HZ, MARGIN_DB), "the caller hears the agent\n{}", kamailio.log());
    assert!(stands_above(&heard[1], CALLER_HZ, AGENT_HZ, MARGIN_DB), "the agent hears the caller\n{}", kamailio.log());
}

/// RFC 3327, RFC 3261 §12.2 and §16.12: behind a proxy that recorded itself into the registration and into the calls,
/// everything goes through it: INVITE by the Path, ACK, re-INVITE, CANCEL and BYE of either side by the route. The Path
/// outlives a crash with the registration that it belongs to.
#[test]
fn kamailio_in_front_stays_in_the_way_of_registrations_and_calls() {
    let ports = free_ports();
    let mut server = Server::configured(ports, &config(ports, &floor("wrap_up = \"0s\"")));
    let kamailio = Kamailio::start(ports.spare, ports.sip);
    let agent = kamailio.user("101", AGENT_HZ, Answering::After(ms(500)));
    server.agents_in("ready", 1.0);
    let mut options = kamailio.phone("0501", Source::Tone(CALLER_HZ));
    options.domain = "customer.example".into();
    let customer = Phone::start(options).expect("a phone");
    for (n, caller_ends) in [(1, true), (2, false)] {
        let out = customer.invite("sip:600@127.0.0.1").expect("sent");
        out.answered(SOON).unwrap_or_else(|e| panic!("600: {e}\n{}\n{}", customer.trace(), kamailio.log()));
        let inside =
            agent.incoming(SOON).unwrap_or_else(|e| panic!("the agent is not called: {e}\n{}", kamailio.log()));
        inside.answered(SOON).expect("answered");
        both_hear(&out, &inside, &kamailio);
        let (leaves, stays) = if caller_ends { (&out, &inside) } else { (&inside, &out) };
        assert_eq!(leaves.hang_up_and_wait(SOON), Some(200), "{}", kamailio.log());
        assert!(stays.ended(SOON), "the other side is hung up\n{}", kamailio.log());
        server.idle(SOON);
        server.agents_in("ready", 1.0);
        assert_eq!(kamailio.relayed("INVITE", true, "by path"), n, "Hatif calls by the Path");
        // A 200 that came late comes again, and is acknowledged again.
        assert!(kamailio.relayed("ACK", true, "in a call") >= n, "and acknowledges by the route\n{}", kamailio.log());
        assert!(kamailio.relayed("ACK", false, "in a call") >= n, "as the caller does\n{}", kamailio.log());
        assert_eq!(kamailio.relayed("BYE", true, "in a call"), n, "BYE of Hatif");
        assert_eq!(kamailio.relayed("BYE", false, "in a call"), n, "BYE of a phone");
    }
    let colleague = kamailio.user("102", CALLER_HZ, Answering::RingForever);
    let out = agent.invite("sip:102@127.0.0.1").expect("sent");
    let ringing = colleague.incoming(SOON).unwrap_or_else(|e| panic!("102 is not called: {e}\n{}", kamailio.log()));
    assert_eq!(out.hang_up_and_wait(SOON), Some(200), "CANCEL is answered");
    assert!(ringing.ended(SOON), "and reaches who rings");
    assert_eq!(
        (kamailio.relayed("CANCEL", true, "after its INVITE"), kamailio.relayed("CANCEL", false, "after its INVITE")),
        (1, 1)
    );
    let echo = agent.invite("sip:9196@127.0.0.1").expect("sent");
    echo.answered(SOON).unwrap_or_else(|e| panic!("9196: {e}\n{}", agent.trace()));
    assert_eq!((echo.hold(SOON), echo.resume(SOON)), (Some(200), Some(200)), "re-INVITEs\n{}", kamailio.log());
    assert_eq!(kamailio.relayed("INVITE", false, "in a call"), 2);
    assert_eq!(echo.hang_up_and_wait(SOON), Some(200));
    server.idle(SOON);
    drop(colleague);
    server.agents_in("ready", 1.0);
    server.crash();
    server.restart();
    server.agents_in("ready", 1.0);
    let out = customer.invite("sip:600@127.0.0.1").expect("sent");
    out.answered(SOON).unwrap_or_else(|e| panic!("600 after the restart: {e}\n{}", customer.trace()));
    let inside = agent.incoming(SOON).unwrap_or_else(|e| panic!("the Path is lost: {e}\n{}", kamailio.log()));
    inside.answered(SOON).expect("answered");
    assert_eq!(out.hang_up_and_wait(SOON), Some(200));
    assert!(inside.ended(SOON), "{}", kamailio.log());
    assert_eq!(kamailio.log().matches("refused").count(), 0, "{}", kamailio.log());
    server.idle(SOON);
}

// ---- linphone ---------------------------------------------------------------------------------------------------

/// A running `linphonec` on UDP, told what to do on its stdin. Its microphone and loudspeaker are files.
struct Linphone {
    child: Child,
    folder: PathBuf,
}

impl Linphone {
    /// Registers as this user with his password. Uses `port` for SIP and `port + 2` for RTP.
    fn start(server: &Server, user: &str, hz: f64, port: u16) -> Self {
        let folder = temp_folder();
        // It opens a database there, and makes no folder for it.
        fs::create_dir_all(folder.join(".local/share/linphone")).expect("a folder");
        write_wav(&folder.join("microphone.wav"), &tone(hz, -16.0, 120_000)).expect("a tone");
        let config = format!(
            "[sip]\nsip_port={port}\nsip_tcp_port=0\nsip_tls_port=0\nguess_hostname=0\nuse_ipv6=0\ndefault_proxy=0\n\
             [rtp]\naudio_rtp_port={}\n\
             [proxy_0]\nreg_proxy=<sip:{};transport=udp>\nreg_identity=sip:{user}@127.0.0.1\nreg_expires=120\n\
             reg_sendregister=1\npublish=0\n\
             [auth_info_0]\nusername={user}\npasswd={PASSWORD}\nrealm=127.0.0.1\ndomain=127.0.0.1\n",
            port + 2,
            server.sip,
        );
        fs::write(folder.join("linphonerc"), config).expect("written");
        let out = File::create(folder.join("stdout.txt")).expect("log");
        let mut command = Command::new("linphonec");
        command.args(["-d", "6", "-c"]).arg(folder.join("linphonerc")).arg("-l").arg(folder.join("log.txt"));
        told_that_it_is_on_line(&folder, &mut command);
        let child = command
            .env("HOME", &folder)
            .env_remove("XDG_DATA_HOME")
            .stdin(Stdio::piped())
            .stdout(out.try_clone().expect("log"))
            .stderr(out)
            .spawn()
            .unwrap_or_else(|e| panic!("linphonec does not start ({e}): tests/tools/install.sh test"));
        let mut linphone = Self { child, folder };
        linphone.tell("soundcard use files");
        linphone.tell(&format!("play {}", linphone.folder.join("microphone.wav").display()));
        linphone
    }

    /// One command, as people type it.
    #[track_caller]
    fn tell(&mut self, command: &str) {
        let told = self.child.stdin.as_mut().expect("its stdin").write_all(format!("{command}\n").as_bytes());
        told.unwrap_or_else(|e| panic!("linphonec does not hear {command:?}: {e}\n{}", self.said()));
    }

    /// What the next call sounds like goes into this file.
    fn records_to(&mut self, name: &str) -> PathBuf {
        let file = self.folder.join(name);
        self.tell(&format!("record {}", file.display()));
        file
    }

    /// What it printed.
    fn said(&self) -> String {
        fs::read_to_string(self.folder.join("stdout.txt")).unwrap_or_default()
    }

    /// Waits until it printed this so many times.
    #[track_caller]
    fn says(&self, words: &str, times: usize) {
        let deadline = Instant::now() + SOON;
        while self.said().matches(words).count() < times {
            assert!(Instant::now() < deadline, "linphonec does not say {words:?} {times} times:\n{}", self.said());
            std::thread::sleep(ms(50));
        }
    }
}

impl Drop for Linphone {
    fn drop(&mut self) {
        let _ = self.child.stdin.as_mut().map(|stdin| stdin.write_all(b"quit\n"));
        let deadline = Instant::now() + seconds(5);
        while !matches!(self.child.try_wait(), Ok(Some(_))) {
            if Instant::now() > deadline {
                let _ = self.child.kill();
            }
            std::thread::sleep(ms(20));
        }
        if std::thread::panicking() {
            eprintln!("linphonec's folder is kept: {}; it said:\n{}", self.folder.display(), self.said());
        } else {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// linphone takes a machine that has only loopback addresses for one without network, and closes its sockets there.
/// Then it is told otherwise (`tests/interop/online.c`); on any other machine nothing is done to it.
fn told_that_it_is_on_line(folder: &Path, linphone: &mut Command) {
    let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
    // A datagram socket sends nothing when it connects; it only asks for a route.
    if socket.connect("192.0.2.1:9").is_ok() {
        return;
    }
    let library = folder.join("online.so");
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(root().join("tests/interop/online.c")).arg("-ldl");
    let built = finish(cc, None, seconds(30));
    assert_eq!(built.code, Some(0), "{built:?}");
    linphone.env("LD_PRELOAD", library);
}

/// What linphone recorded at 8 kHz, without its first and last half second. Read without the length in the header:
/// linphone goes on with the file after a hold and counts the header to the sound then.
#[track_caller]
fn recorded(file: &Path) -> Vec<i16> {
    let bytes = fs::read(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let sound: Vec<i16> = bytes.chunks_exact(2).skip(22).map(|b| i16::from_le_bytes([b[0], b[1]])).collect();
    assert!(sound.len() > 16_000, "only {} samples in {}", sound.len(), file.display());
    sound[4_000..sound.len() - 4_000].to_vec()
}

/// As an agent: registers with digest, is called, answers, holds, takes the caller back, is hung up; then calls a
/// colleague and hangs up; then the echo, and hears itself.
#[test]
fn linphone_registers_is_called_holds_and_calls() {
    let ports = free_ports();
    let server = Server::configured(ports, &config(ports, &floor("wrap_up = \"0s\"")));
    let mut linphone = Linphone::start(&server, "101", AGENT_HZ, ports.spare);
    server.agents_in("ready", 1.0);
    let file = linphone.records_to("called.wav");
    let customer = server.customer("0502", Source::Tone(CALLER_HZ));
    let out = customer.invite("600").expect("sent");
    out.answered(SOON).expect("in the queue");
    linphone.says("Receiving new incoming call", 1);
    linphone.tell("answer");
    server.agents_in("busy", 1.0);
    std::thread::sleep(seconds(1));
    let heard = out.listen(seconds(2));
    assert!(stands_above(&heard, AGENT_HZ, CALLER_HZ, MARGIN_DB), "the customer hears linphone\n{}", linphone.said());
    linphone.tell("pause");
    linphone.says("is now paused", 1);
    std::thread::sleep(ms(500));
    let level = level_db(&out.listen(seconds(1)), AGENT_HZ);
    assert!(level < SILENT_DBM0, "on hold the customer hears linphone at {level:.1} dBm0");
    linphone.tell("resume");
    linphone.says("Media streams established", 2);
    std::thread::sleep(seconds(1));
    let heard = out.listen(seconds(2));
    assert!(stands_above(&heard, AGENT_HZ, CALLER_HZ, MARGIN_DB), "and again after the hold\n{}", linphone.said());
    assert_eq!(out.hang_up_and_wait(SOON), Some(200));
    linphone.says("ended", 1);
    assert!(stands_above(&recorded(&file), CALLER_HZ, AGENT_HZ, MARGIN_DB), "linphone hears the customer");
    server.idle(SOON);

    let colleague = server.agent("102", CALLER_HZ, Answering::After(ms(500)));
    let file = linphone.records_to("calls.wav");
    linphone.tell("call 102");
    let inside = colleague.incoming(SOON).unwrap_or_else(|e| panic!("102 is not called: {e}\n{}", linphone.said()));
    inside.answered(SOON).expect("answered");
    std::thread::sleep(seconds(1));
    let heard = inside.listen(seconds(2));
    assert!(stands_above(&heard, AGENT_HZ, CALLER_HZ, MARGIN_DB), "the colleague hears linphone\n{}", linphone.said());
    linphone.tell("terminate");
    assert!(inside.ended(SOON), "BYE of linphone reaches the colleague");
    linphone.says("ended", 2);
    assert!(stands_above(&recorded(&file), CALLER_HZ, AGENT_HZ, MARGIN_DB), "linphone hears the colleague");
    server.idle(SOON);

    let file = linphone.records_to("echo.wav");
    linphone.tell("call 9196");
    linphone.says("Media streams established", 4);
    std::thread::sleep(seconds(4));
    linphone.tell("terminate");
    linphone.says("ended", 3);
    assert!(stands_above(&recorded(&file), AGENT_HZ, CALLER_HZ, MARGIN_DB), "linphone hears itself");
    server.idle(SOON);
    drop(linphone);
    server.agents_in("ready", 1.0);
}
