//! Why a side hangs up, in the words of RFC 3326.

use crate::journal::EndReason;

/// Most reasons of one message that are passed on.
const REASONS_MAX: usize = 4;

/// What one side said, written anew for the other one: protocol and cause of each reason, without its text, which is
/// for people on the other side of whom nobody here knows. `None` when nothing of it can be read.
pub(super) fn passed_on(said: &str) -> Option<String> {
    let each = said.split(',').filter_map(|reason| {
        let mut parts = reason.split(';').map(str::trim);
        let protocol = parts.next().filter(|word| ["SIP", "Q.850"].iter().any(|known| known == word))?;
        let cause = parts.find_map(|part| part.strip_prefix("cause=")?.trim().parse::<u16>().ok())?;
        Some(format!("{protocol};cause={cause}"))
    });
    let all: Vec<String> = each.take(REASONS_MAX).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

/// What a side is told when the centre ends a call; nothing when it ends as calls do.
pub(super) fn of(reason: EndReason) -> Option<&'static str> {
    match reason {
        EndReason::MediaTimeout => Some("Q.850;cause=102;text=\"No audio\""),
        EndReason::NoCodec => Some("SIP;cause=488;text=\"No usable answer in SDP\""),
        EndReason::NoPort => Some("Q.850;cause=42;text=\"No room\""),
        EndReason::Limit => Some("Q.850;cause=31;text=\"Longest call\""),
        EndReason::Shutdown => Some("Q.850;cause=41;text=\"Shutting down\""),
        EndReason::FlowError | EndReason::InternalError | EndReason::NodeFailure => Some("Q.850;cause=41"),
        EndReason::Normal
        | EndReason::Abandoned
        | EndReason::NoAnswer
        | EndReason::Busy
        | EndReason::Rejected
        | EndReason::QueueTimeout
        | EndReason::QueueFull
        | EndReason::NoAgents
        | EndReason::Closed
        | EndReason::Callback
        | EndReason::NoAck => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_written_anew() {
        let read = |said: &str| passed_on(said);
        assert_eq!(read("Q.850 ;cause=16;text=\"Terminated\"").as_deref(), Some("Q.850;cause=16"));
        assert_eq!(read("SIP;cause=200;text=\"a\", Q.850;cause=31").as_deref(), Some("SIP;cause=200, Q.850;cause=31"));
        for nothing in ["", "X;cause=1", "SIP", "SIP;cause=x", "SIP;text=\"a\"", "SIP\r\nVia: x;cause=1"] {
            assert_eq!(read(nothing), None, "{nothing}");
        }
        assert_eq!(read(&"SIP;cause=1,".repeat(99)).map(|all| all.len()), Some(50));
    }
}
