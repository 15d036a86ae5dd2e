//! The Rust side of `driver.mjs`: softphones in a headless Chromium.
#![allow(dead_code)]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use serde_json::{Value, json};

/// How long a command may take: longer than any `wait`.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// And one that starts a browser, on a machine that never did.
const OPEN_WITHIN: Duration = Duration::from_secs(90);
/// Samples a second of what a page hears.
const RATE: u32 = 48_000;

/// A running driver with its browsers; they end with it.
pub struct Driver {
    child: Child,
    commands: ChildStdin,
    answers: Receiver<String>,
    last: u64,
}

impl Driver {
    /// Starts it. Its messages and the pages' consoles go to stderr.
    pub fn start() -> Self {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/driver.mjs");
        let mut child =
            Command::new("node").arg(file).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap_or_else(|e| {
                panic!("node does not start: {e}; tests/tools/install.sh test says what is missing")
            });
        let commands = child.stdin.take().expect("stdin");
        let stdout = BufReader::new(child.stdout.take().expect("stdout"));
        let (tell, answers) = channel();
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        Self { child, commands, answers, last: 0 }
    }

    /// Does one command and waits for its answer; what they are stands in `driver.mjs`.
    ///
    /// # Errors
    ///
    /// The words of the page or of the driver, when it could not be done.
    ///
    /// # Panics
    ///
    /// When no answer comes within 30 s; to `open` within 90 s.
    pub fn ask(&mut self, phone: &str, what: &str, more: Value) -> Result<Value, String> {
        self.last += 1;
        let mut command = json!({ "id": self.last, "do": what, "phone": phone });
        if let (Some(into), Some(more)) = (command.as_object_mut(), more.as_object()) {
            into.extend(more.clone());
        }
        writeln!(self.commands, "{command}").map_err(|e| e.to_string())?;
        let limit = if what == "open" { OPEN_WITHIN } else { ANSWER_WITHIN };
        let line = match self.answers.recv_timeout(limit) {
            Ok(line) => line,
            Err(RecvTimeoutError::Disconnected) => return Err("the driver ended: its reason stands above".to_owned()),
            Err(RecvTimeoutError::Timeout) => {
                panic!("{phone}: no answer to `{what}` within {limit:?}: the driver or its browser hangs")
            }
        };
        let mut answer: Value = serde_json::from_str(&line).map_err(|e| format!("no JSON of the driver: {e}"))?;
        match answer["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(answer["ok"].take()),
        }
    }

    /// The same for what must succeed.
    pub fn must(&mut self, phone: &str, what: &str, more: Value) -> Value {
        self.ask(phone, what, more).unwrap_or_else(|e| panic!("{phone}: {what}: {e}"))
    }

    /// Waits for up to 20 s until the phone's state has these values.
    pub fn wait(&mut self, phone: &str, wanted: Value) -> Value {
        self.must(phone, "wait", json!({ "for": wanted, "ms": 20_000 }))
    }

    /// What the phone heard since `forget`, as samples of 8 kHz.
    pub fn heard(&mut self, phone: &str) -> Vec<i16> {
        let (samples, _) = self.heard_at_its_rate(phone);
        // Six neighbours make one: enough of a filter for tones of telephony.
        samples.chunks_exact(6).map(|six| (six.iter().copied().map(i32::from).sum::<i32>() / 6) as i16).collect()
    }

    /// The same as the page took it, with its samples a second.
    pub fn heard_at_its_rate(&mut self, phone: &str) -> (Vec<i16>, u32) {
        let heard = self.must(phone, "pcm", json!({}));
        assert_eq!(heard["rate"].as_u64(), Some(u64::from(RATE)));
        let bytes = base64(heard["samples"].as_str().expect("samples"));
        (bytes.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect(), RATE)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // It closes its browsers on `quit`; whatever it could not do ends with it.
        let _ = writeln!(self.commands, r#"{{"do":"quit"}}"#);
        for _ in 0..100 {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads base64 (RFC 4648 §4).
fn base64(text: &str) -> Vec<u8> {
    let value = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    for four in text.trim_end_matches('=').as_bytes().chunks(4) {
        let bits = four.iter().fold(0u32, |bits, c| (bits << 6) | u32::from(value(*c))) << (6 * (4 - four.len()));
        bytes.extend_from_slice(&bits.to_be_bytes()[1..four.len()]);
    }
    bytes
}
