//! A thousand calls at fifty a second, three times, by sipp: none lost, none twice, nothing left behind.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use common::*;

const CALLS: f64 = 1_000.0;
const ROUNDS: u32 = 3;
const AGENTS: u32 = 50;
/// What may be lasting growth in one round, in bytes.
const GROWTH: u64 = 2 * 1024 * 1024;

fn scenario(name: &str) -> String {
    root().join("tests/sipp").join(name).display().to_string()
}

fn sipp(folder: &Path) -> Command {
    let mut command = Command::new("sipp");
    command.current_dir(folder).args(["-i", "127.0.0.1", "-nostdin", "-trace_err", "-trace_stat", "-fd", "1"]);
    command
}

/// Answering agents: one sipp for all, ended by its own process id.
struct Agents {
    child: Child,
    statistics: PathBuf,
}

impl Agents {
    fn start(port: u16, folder: &Path) -> Self {
        let statistics = folder.join("agents.csv");
        let child = sipp(folder)
            .args(["-sf", &scenario("agent.xml"), "-p", &port.to_string(), "-mp", "6000", "-d", "500"])
            .args(["-stf", &statistics.display().to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sipp starts; is it installed?");
        Self { child, statistics }
    }

    /// A cumulative figure of the last line of its statistics.
    fn total(&self, column: &str) -> Option<f64> {
        last_of(&self.statistics, column)
    }
}

impl Drop for Agents {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn last_of(file: &Path, column: &str) -> Option<f64> {
    let text = fs::read_to_string(file).ok()?;
    let at = text.lines().next()?.split(';').position(|c| c == column)?;
    text.lines().last()?.split(';').nth(at)?.parse().ok()
}

/// The whole load on one server: 50 agents by fixed contact, who talk 0.5 s and need no time after it.
#[test]
fn three_thousand_calls_leave_nothing_behind() {
    let ports = many_ports();
    let (caller_port, agent_port) = (ports.spare, ports.spare + 2);
    let mut text = format!(
        "[log]\nlevel = \"warn\"\n[[trunk]]\nname = \"sipp\"\nhosts = [\"127.0.0.1:{caller_port}\"]\noptions_interval = \"0s\"\n\
         max_calls = 5000\nmax_calls_per_second = 1000\n[[number]]\nmatch = \"1020\"\nqueue = \"load\"\n\
         [[queue]]\nname = \"load\"\nwrap_up = \"0s\"\nannounce_every = \"0s\"\n\
         [[queue]]\nname = \"support\"\n[[queue]]\nname = \"vip\"\n"
    );
    for n in 0..AGENTS {
        let id = 2_000 + n;
        text += &format!(
            "[[agent]]\nid = \"{id}\"\ncontact = \"sip:{id}@127.0.0.1:{agent_port}\"\nqueues = [\"load\"]\nauto_ready = true\n"
        );
    }
    // The trace of ended calls is full after the first round, however often a slow machine sends things again.
    let text = config(ports, &text).replacen("[media]", "trace_calls = 100\n[media]", 1);
    let server = Server::configured(ports, &text);
    server.agents_in("ready", f64::from(AGENTS));
    let folder = temp_folder();
    let agents = Agents::start(agent_port, &folder);
    let mut resident = Vec::new();
    for round in 1..=ROUNDS {
        one_round(&server, &folder, caller_port, round);
        server.idle(seconds(40));
        // Transactions stay for 32 s after their end (RFC 3261 timers H, J); memory is compared without them.
        wait_until(seconds(40), "no transaction is left", || {
            server.metric("hatif_sip_transactions_active", &[]) == 0.0
        });
        resident.push(server.resident_bytes());
        let files = server.open_files();
        assert!(files < 200, "round {round}: {files} files are open with no call up");
        balance(&server, round);
        server.agents_in("ready", f64::from(AGENTS));
    }
    let answered = server.metric("hatif_queue_answered_total", &[("queue", "load")]);
    wait_until(SOON, "every answer was one call at an agent", || agents.total("SuccessfulCall(C)") == Some(answered));
    assert_eq!(agents.total("FailedCall(C)"), Some(0.0), "no agent's call went wrong");
    println!("resident after each round, KiB: {:?}", resident.iter().map(|b| b / 1_024).collect::<Vec<_>>());
    assert!(resident[2] <= resident[1] + GROWTH, "memory grows: {resident:?} bytes");
    let _ = fs::remove_dir_all(folder);
}

fn one_round(server: &Server, folder: &Path, port: u16, round: u32) {
    let statistics = folder.join(format!("callers-{round}.csv"));
    let mut callers = sipp(folder);
    callers
        .args(["-sf", &scenario("queue_caller.xml"), "-s", "1020", "-p", &port.to_string(), "-mp", "7000"])
        .args(["-r", "50", "-m", &CALLS.to_string(), "-l", "1000", "-timeout", "120", "-timeout_error"])
        .args(["-stf", &statistics.display().to_string()])
        .arg(server.sip.to_string());
    let done = finish(callers, None, seconds(150));
    let failed = last_of(&statistics, "FailedCall(C)");
    assert_eq!(done.code, Some(0), "round {round}: {failed:?} callers failed; {}\n{}", done.stderr, server.log());
    assert_eq!(last_of(&statistics, "SuccessfulCall(C)"), Some(CALLS), "round {round}");
}

/// Each caller was answered exactly once or is counted as abandoned.
#[track_caller]
fn balance(server: &Server, round: u32) {
    let metrics = server.metrics();
    let sum = |name: &str| metrics.sum(name, &[("queue", "load")]);
    let (entered, answered) = (sum("hatif_queue_entered_total"), sum("hatif_queue_answered_total"));
    let abandoned = sum("hatif_queue_abandoned_total");
    assert_eq!(entered, CALLS * f64::from(round), "all came in");
    assert_eq!(answered + abandoned, entered, "{answered} answered, {abandoned} abandoned");
    assert_eq!(metrics.sum("hatif_acd_offer_total", &[("queue", "load"), ("result", "accepted")]), answered);
    assert_eq!(metrics.sum("hatif_agent_state_repaired_total", &[]), 0.0);
    assert_eq!(metrics.sum("hatif_panics_total", &[]), 0.0);
}
