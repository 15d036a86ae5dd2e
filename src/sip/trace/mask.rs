//! Makes a message fit to be seen: who calls whom and what was answered stay, secrets go.

/// What stands for a secret.
const MASK: &str = "***";

/// Headers that prove who somebody is (RFC 3261 §22.4, RFC 7616 §3).
const PROOFS: [&str; 5] =
    ["authorization", "proxy-authorization", "www-authenticate", "proxy-authenticate", "authentication-info"];

/// Parameters of a challenge or its answer that tell nothing to who would guess the password.
const OPEN: [&str; 8] = ["username", "realm", "algorithm", "qop", "nc", "uri", "stale", "domain"];

/// Parameters whose name is shown without their value. What is in neither list is masked whole.
const CLOSED: [&str; 6] = ["nonce", "cnonce", "response", "opaque", "nextnonce", "rspauth"];

/// The message as text without its secrets.
pub(super) fn masked(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let end = ["\r\n\r\n", "\n\n"].iter().filter_map(|end| Some((text.find(end)?, end.len()))).min();
    let (head, body) = match end {
        Some((at, length)) => text.split_at_checked(at + length).unwrap_or((&text, "")),
        None => (text.as_ref(), ""),
    };
    let mut out = String::with_capacity(text.len());
    for header in headers(head) {
        out.push_str(&masked_header(header));
    }
    let is_info = head.trim_start().starts_with("INFO ");
    for line in body.split_inclusive('\n') {
        let (words, end) = split_line_end(line);
        out.push_str(&masked_body_line(words, is_info));
        out.push_str(end);
    }
    out
}

/// The lines of a head, each with its line end and with the lines it goes on in (RFC 3261 §7.3.1).
fn headers(head: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = head;
    while !rest.is_empty() {
        let mut end = 0;
        loop {
            end += rest.get(end..).and_then(|tail| tail.find('\n')).map_or(rest.len() - end, |at| at + 1);
            if !rest.get(end..).is_some_and(|next| next.starts_with([' ', '\t'])) {
                break;
            }
        }
        let Some((header, next)) = rest.split_at_checked(end) else { break };
        found.push(header);
        rest = next;
    }
    found
}

fn split_line_end(line: &str) -> (&str, &str) {
    let words = line.trim_end_matches(['\r', '\n']);
    line.split_at_checked(words.len()).unwrap_or((line, ""))
}

fn masked_header(header: &str) -> String {
    let (words, end) = split_line_end(header);
    if let Some((name, value)) = words.split_once(':')
        && PROOFS.iter().any(|proof| name.trim().eq_ignore_ascii_case(proof))
    {
        return format!("{name}: {}{end}", without_passwords(&masked_proof(value.trim())));
    }
    format!("{}{end}", without_passwords(words))
}

/// `Digest` keeps what is open; any other scheme keeps its name.
fn masked_proof(value: &str) -> String {
    let (scheme, parameters) = value.split_once(char::is_whitespace).unwrap_or((value, ""));
    if scheme.contains('=') || scheme.contains(',') {
        // Authentication-Info has no scheme.
        return masked_parameters(value);
    }
    match scheme.eq_ignore_ascii_case("digest") {
        true => format!("{scheme} {}", masked_parameters(parameters)),
        false => format!("{scheme} {MASK}"),
    }
}

fn masked_parameters(parameters: &str) -> String {
    let shown = |parameter: &str| {
        let parameter = parameter.trim();
        let Some((name, _)) = parameter.split_once('=') else { return MASK.to_owned() };
        // A second challenge of the same line begins with its scheme.
        let bare = name.trim().rsplit(char::is_whitespace).next().unwrap_or_default();
        let is = |known: &str| bare.eq_ignore_ascii_case(known);
        match (OPEN.iter().any(|known| is(known)), CLOSED.iter().any(|known| is(known))) {
            (true, _) => parameter.to_owned(),
            (false, true) => format!("{}=\"{MASK}\"", name.trim()),
            (false, false) => MASK.to_owned(),
        }
    };
    split_commas(parameters).into_iter().map(shown).collect::<Vec<_>>().join(", ")
}

/// Splits at commas outside quotes.
fn split_commas(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, letter) in text.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => {
                parts.push(text.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text.get(start..).unwrap_or_default());
    parts
}

/// A SIP URI may name a password before its host (RFC 3261 §19.1.1).
fn without_passwords(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = ["sip:", "sips:"].iter().filter_map(|scheme| find_scheme(rest, scheme)).min() {
        let (before, after) = rest.split_at_checked(at).unwrap_or((rest, ""));
        out.push_str(before);
        let end = after.find(|c: char| c.is_whitespace() || matches!(c, '@' | '<' | '>' | '"')).unwrap_or(after.len());
        let (user, tail) = after.split_at_checked(end).unwrap_or((after, ""));
        match user.split_once(':') {
            Some((user, _)) if tail.starts_with('@') && !user.starts_with('[') => {
                out.push_str(user);
                out.push(':');
                out.push_str(MASK);
            }
            Some(_) | None => out.push_str(user),
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

/// Where what follows the scheme begins.
fn find_scheme(text: &str, scheme: &str) -> Option<usize> {
    let found = text.as_bytes().windows(scheme.len()).position(|part| part.eq_ignore_ascii_case(scheme.as_bytes()))?;
    Some(found + scheme.len())
}

/// Keys of media (RFC 4568, RFC 4566 §5.12), passwords of ICE; of an INFO, the digits: they may be a card's.
fn masked_body_line(line: &str, is_info: bool) -> String {
    let words: Vec<&str> = line.splitn(3, ' ').collect();
    if let [tag, suite, _] = words.as_slice()
        && tag.to_ascii_lowercase().starts_with("a=crypto:")
    {
        return format!("{tag} {suite} {MASK}");
    }
    for secret in ["k=", "a=ice-pwd:", "a=key-mgmt:", "a=crypto:"] {
        if let Some(start) = line.get(..secret.len()).filter(|start| start.eq_ignore_ascii_case(secret)) {
            return format!("{start}{MASK}");
        }
    }
    match line.split_once('=') {
        _ if !is_info || line.trim().is_empty() => line.to_owned(),
        Some((name, _)) if name.trim().eq_ignore_ascii_case("duration") => line.to_owned(),
        Some((name, _)) if name.trim().len() > 1 => format!("{name}={MASK}"),
        Some(_) | None => MASK.to_owned(),
    }
}
