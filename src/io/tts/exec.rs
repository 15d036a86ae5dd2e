//! One sentence by a program: text on stdin, sound on stdout, an end by the clock.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::engine::SynthesisError;

/// How often it is looked whether a program that has said everything is gone.
const LOOK: Duration = Duration::from_millis(5);

/// Runs `command`, `{language}` replaced in its arguments; what it writes, at most `limit` bytes. It and all that it
/// started are killed at `until`.
pub(super) fn run(
    command: &[String],
    language: &str,
    text: &str,
    limit: usize,
    until: Instant,
) -> Result<Vec<u8>, SynthesisError> {
    let failed = |what: String| SynthesisError::Failed(what);
    let (program, arguments) = command.split_first().ok_or(SynthesisError::NoVoice)?;
    let mut child = Command::new(program)
        .args(arguments.iter().map(|argument| argument.replace("{language}", language)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(|error| failed(format!("{program} cannot be run: {error}")))?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let text = text.to_owned();
    let (sender, sound) = std::sync::mpsc::channel();
    // A program that never reads or never writes holds these threads until it is killed, no longer.
    std::thread::spawn(move || {
        if let Some(mut stdin) = stdin {
            // One that does not read to the end may speak all the same.
            let _ = stdin.write_all(text.as_bytes());
        }
    });
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
        let read = stdout.map(|stdout| stdout.take(most).read_to_end(&mut bytes));
        let _ = sender.send((bytes, matches!(read, Some(Ok(_)))));
    });
    let sound = sound.recv_timeout(until.saturating_duration_since(Instant::now()));
    let status = match &sound {
        Ok((bytes, true)) if bytes.len() <= limit => end(&mut child, until),
        Ok(_) | Err(_) => None,
    };
    if status.is_none() {
        kill(&mut child);
    }
    match (sound, status) {
        (Err(_), _) => Err(SynthesisError::Timeout),
        (Ok((bytes, _)), _) if bytes.len() > limit => Err(failed(format!("{program} says more than {limit} bytes"))),
        (Ok((_, false)), _) => Err(failed(format!("{program} cannot be heard"))),
        (Ok(_), None) => Err(SynthesisError::Timeout),
        (Ok(_), Some(false)) => Err(failed(format!("{program} failed"))),
        (Ok((bytes, true)), Some(true)) => Ok(bytes),
    }
}

/// Waits for the end; whether it was a good one.
fn end(child: &mut Child, until: Instant) -> Option<bool> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status.success()),
            Ok(None) if Instant::now() < until => std::thread::sleep(LOOK),
            Ok(None) | Err(_) => return None,
        }
    }
}

/// Ends the program, which runs still, and all that it started.
fn kill(child: &mut Child) {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(group) = group {
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = child.wait();
}
