//! `hatif calls trace`: the SIP messages of a call as a ladder, us on the left, one column a peer.

use std::fmt::Write as _;

use serde_json::Value;

use crate::clock::Wall;

/// Letters between two lifelines, at least.
const WIDTH: usize = 36;
/// What is at the left of the first lifeline.
const MARGIN: usize = 10;
/// Headers that tell why, shown below their message.
const WHY: [&str; 9] = [
    "Reason",
    "Warning",
    "Retry-After",
    "Unsupported",
    "Min-Expires",
    "Min-SE",
    "Refer-To",
    "Replaces",
    "WWW-Authenticate",
];

/// Draws the answer of the API. `whole`: each message stands below its arrow.
pub fn ladder(answer: &Value, whole: bool) -> String {
    let messages: Vec<&Value> = array(answer, "messages").iter().collect();
    let mut peers: Vec<String> = Vec::new();
    for message in &messages {
        let peer = peer(message);
        if !peers.contains(&peer) {
            peers.push(peer);
        }
    }
    let width = peers.iter().map(|peer| peer.chars().count() + 2).max().unwrap_or(0).max(WIDTH);
    let mut out = String::new();
    head(&mut out, answer, &messages);
    let columns = peers.iter().map(|peer| format!("{peer:>width$} ")).collect::<String>();
    let _ = writeln!(out, "{:>MARGIN$}hatif{}", "", columns.get(4..).unwrap_or_default().trim_end());
    let start = messages.first().and_then(|message| time(message));
    for message in messages {
        let at = peers.iter().position(|known| *known == peer(message)).unwrap_or(0);
        let seconds = match (time(message), start) {
            (Some(at), Some(start)) => at.since(start).as_secs_f64(),
            _ => 0.0,
        };
        let _ = writeln!(out, "{seconds:>8.3}  {}", arrow(message, at, peers.len(), width));
        notes(&mut out, message, whole);
    }
    if let Some(count) = answer.get("left_out").and_then(Value::as_u64).filter(|count| *count > 0) {
        let _ = writeln!(out, "{count} messages between the first and the last ones are not kept");
    }
    out
}

/// Whose messages these are: the calls, and each leg with who it is from and to.
fn head(out: &mut String, answer: &Value, messages: &[&Value]) {
    let calls: Vec<&str> = array(answer, "calls").iter().filter_map(Value::as_str).collect();
    let calls = if calls.is_empty() { "no call came of it".to_owned() } else { calls.join(" ") };
    let _ = writeln!(out, "{calls}  {}", messages.first().map(|m| field(m, "at")).unwrap_or_default());
    for call_id in array(answer, "sip_call_ids").iter().filter_map(Value::as_str) {
        let Some(first) = messages.iter().find(|m| field(m, "sip_call_id") == call_id) else { continue };
        let of = |name| header(first, name).unwrap_or_default();
        let from = of("From");
        let _ = writeln!(out, "  Call-ID {call_id}");
        let _ = writeln!(out, "    {} -> {}", without_tag(&from), without_tag(&of("To")));
    }
    out.push('\n');
}

fn without_tag(address: &str) -> &str {
    address.split(";tag=").next().unwrap_or_default()
}

/// One line of the ladder: lifelines, and the arrow to the peer of column `at`.
fn arrow(message: &Value, at: usize, peers: usize, width: usize) -> String {
    let out = field(message, "direction") == "out";
    let mut label = label(message);
    if label.chars().count() > width - 6 {
        label = label.chars().take(width - 8).chain("..".chars()).collect();
    }
    let mut line = String::from("|");
    for column in 0..peers {
        let (first, last) = (column == 0, column == at);
        let mut segment = match column {
            _ if column > at => " ".repeat(width),
            _ if last => format!("{:-^width$}", format!(" {label} ")),
            _ => "-".repeat(width),
        };
        if column <= at {
            if !out && first {
                segment.replace_range(..1, "<");
            }
            if out && last {
                segment.replace_range(segment.len() - 1.., ">");
            }
        }
        line.push_str(&segment);
        line.push(if column < at { '-' } else { '|' });
    }
    line
}

fn label(message: &Value) -> String {
    let first = field(message, "first_line");
    let mut label = match message.get("code").and_then(Value::as_u64) {
        Some(_) => format!("{} ({})", first.trim_start_matches("SIP/2.0 "), field(message, "method")),
        None => first.trim_end_matches(" SIP/2.0").to_owned(),
    };
    if flag(message, "sdp") {
        label.push_str(" SDP");
    }
    if flag(message, "again") {
        label.insert_str(0, "again: ");
    }
    // A letter that is no single byte would break the line where the arrow's end is put.
    label.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect()
}

/// What stands below an arrow: the whole message, or the headers that tell why.
fn notes(out: &mut String, message: &Value, whole: bool) {
    if whole {
        for line in field(message, "text").lines() {
            let line = format!("{:>MARGIN$}|   {line}", "");
            let _ = writeln!(out, "{}", line.trim_end());
        }
        return;
    }
    for name in WHY {
        if let Some(value) = header(message, name) {
            let _ = writeln!(out, "{:>MARGIN$}|   {name}: {value}", "");
        }
    }
}

fn header(message: &Value, name: &str) -> Option<String> {
    let text = field(message, "text");
    let head = text.split("\r\n\r\n").next().unwrap_or_default();
    let compact = match name {
        "From" => "f",
        "To" => "t",
        "Refer-To" => "r",
        _ => name,
    };
    head.lines().skip(1).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        let found = found.trim();
        let is = found.eq_ignore_ascii_case(name) || found.eq_ignore_ascii_case(compact);
        is.then(|| value.trim().to_owned())
    })
}

fn peer(message: &Value) -> String {
    format!("{} {}", field(message, "transport"), field(message, "peer"))
}

fn time(message: &Value) -> Option<Wall> {
    message.get("at")?.as_str()?.parse().ok()
}

fn field<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn flag(value: &Value, name: &str) -> bool {
    value.get(name).and_then(Value::as_bool).unwrap_or(false)
}

fn array<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message(ms: u64, direction: &str, peer: &str, first_line: &str, more: &str) -> Value {
        let code = first_line.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3)?.parse::<u16>().ok());
        json!({
            "at": format!("2026-11-22T09:00:00.{ms:03}Z"), "direction": direction, "transport": "udp", "peer": peer,
            "sip_call_id": peer, "method": "INVITE", "code": code, "first_line": first_line,
            "sdp": false, "again": ms == 500, "bytes": 1,
            "text": format!("{first_line}\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\n{more}\r\n"),
        })
    }

    /// Each peer has its column in the order it came in; an arrow to the second one passes the first one's.
    #[test]
    fn each_peer_has_a_column_and_each_message_an_arrow() {
        let (a, b) = ("127.0.0.1:5070", "127.0.0.1:5080");
        let answer = json!({
            "calls": ["call_1"], "sip_call_ids": [a, b], "left_out": 2,
            "messages": [
                message(0, "in", a, "INVITE sip:b@h SIP/2.0", ""),
                message(500, "in", a, "INVITE sip:b@h SIP/2.0", ""),
                message(501, "out", b, "INVITE sip:b@h SIP/2.0", ""),
                message(700, "in", b, "SIP/2.0 486 Busy Here", "Reason: Q.850;cause=17\r\n"),
            ],
        });
        let expected = "\
call_1  2026-11-22T09:00:00.000Z
  Call-ID 127.0.0.1:5070
    <sip:a@h> -> <sip:b@h>
  Call-ID 127.0.0.1:5080
    <sip:a@h> -> <sip:b@h>

          hatif              udp 127.0.0.1:5070                   udp 127.0.0.1:5080
   0.000  |<--------- INVITE sip:b@h ----------|                                    |
   0.500  |<----- again: INVITE sip:b@h -------|                                    |
   0.501  |----------------------------------------------- INVITE sip:b@h --------->|
   0.700  |<------------------------------------------ 486 Busy Here (INVITE) ------|
          |   Reason: Q.850;cause=17
2 messages between the first and the last ones are not kept
";
        assert_eq!(ladder(&answer, false), expected);
        assert!(ladder(&answer, true).contains("          |   To: <sip:b@h>\n"));
    }

    #[test]
    fn an_answer_without_messages_is_no_fault() {
        assert!(ladder(&json!({}), true).starts_with("no call came of it"));
    }
}
