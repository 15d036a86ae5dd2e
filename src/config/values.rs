//! Small words of the file: durations, addresses, port ranges, SIP addresses, dialled patterns.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

/// Reads `"20s"`, `"10m"`, `"1h30m"`, `"500ms"`: units h, m, s, ms, each once, the larger first.
pub fn duration(text: &str) -> Option<Duration> {
    const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
    let mut rest = text;
    let mut units = UNITS.iter();
    let mut total_ms: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at_checked(digits)?;
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(letters)?;
        let (_, unit_ms) = units.by_ref().find(|(name, _)| *name == unit)?;
        total_ms = total_ms.checked_add(number.parse::<u64>().ok()?.checked_mul(*unit_ms)?)?;
        rest = after;
    }
    (!text.is_empty()).then(|| Duration::from_millis(total_ms))
}

/// Writes a duration as it would stand in the file.
pub fn write_duration(value: Duration) -> String {
    let mut rest = u64::try_from(value.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, unit_ms) in [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)] {
        if rest >= unit_ms {
            text.push_str(&format!("{}{unit}", rest / unit_ms));
            rest %= unit_ms;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// Why a text is not an address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AddressError {
    /// A host name: nothing looks names up yet.
    HostName,
    /// The port is missing or no number from 0 to 65535.
    Port,
    /// A network as `10.0.0.0/8`.
    Network,
    /// Not an address at all.
    Form,
}

impl AddressError {
    /// What to tell the operator about `text`, and what to do.
    pub fn explain(self, text: &str) -> (String, String) {
        match self {
            Self::HostName => (
                format!("\"{text}\" is a host name: looking names up is not built yet"),
                "write the IP address (`localhost` is known)".to_owned(),
            ),
            Self::Port => (format!("\"{text}\" has no usable port"), "write ADDRESS:PORT, port 1 to 65535".to_owned()),
            Self::Network => (
                format!("\"{text}\" is a network: only single addresses are built"),
                "list each address by itself".to_owned(),
            ),
            Self::Form => {
                (format!("\"{text}\" is not an IP address"), "write it as 192.0.2.10 or 2001:db8::10".to_owned())
            }
        }
    }
}

/// Reads an IP address; `localhost` is 127.0.0.1; brackets around IPv6 are allowed.
pub fn ip(text: &str) -> Result<IpAddr, AddressError> {
    if text == "localhost" {
        return Ok(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(address);
    }
    let numeric = |t: &str| t.chars().all(|c| c.is_ascii_digit() || c == '.');
    match text.split_once('/') {
        Some((network, bits)) if numeric(bits) && network.parse::<IpAddr>().is_ok() => Err(AddressError::Network),
        _ if numeric(text) || text.is_empty() => Err(AddressError::Form),
        _ if text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')) => {
            Err(AddressError::HostName)
        }
        _ => Err(AddressError::Form),
    }
}

/// Reads `ADDRESS:PORT`; a missing port is `default_port`, or an error without one.
pub fn socket(text: &str, default_port: Option<u16>) -> Result<SocketAddr, AddressError> {
    let bare_ip = ip(text);
    if let Ok(address) = bare_ip {
        return default_port.map(|port| SocketAddr::new(address, port)).ok_or(AddressError::Port);
    }
    match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.starts_with('[') => {
            let address = ip(host)?;
            let digits = port.chars().all(|c| c.is_ascii_digit());
            let port = port.parse().ok().filter(|_| digits).ok_or(AddressError::Port)?;
            Ok(SocketAddr::new(address, port))
        }
        Some(_) => Err(AddressError::Form),
        None => bare_ip.map(|address| SocketAddr::new(address, 0)),
    }
}

/// Reads `"FIRST-LAST"`.
pub fn ports(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-')?;
    let port = |t: &str| t.trim().parse::<u16>().ok().filter(|_| t.trim().chars().all(|c| c.is_ascii_digit()));
    let (first, last) = (port(first)?, port(last)?);
    // An even first port and the odd one above it.
    let even = u32::from(first) + u32::from(first % 2);
    (first >= 1024 && even < u32::from(last)).then_some(first..=last)
}

/// Reads `sip:[USER@]ADDRESS[:PORT]`: the user and the address.
pub fn sip_address(text: &str) -> Result<(Option<&str>, SocketAddr), (String, String)> {
    const FORM: &str = "write it as sip:USER@192.0.2.10:5060";
    let Some(rest) = text.strip_prefix("sip:") else {
        return Err(match text.starts_with("sips:") {
            true => (format!("\"{text}\": sips is not built yet"), FORM.to_owned()),
            false => (format!("\"{text}\" is not a SIP address"), FORM.to_owned()),
        });
    };
    if let Some(parameter) = rest.split_once([';', '?']).map(|(_, parameter)| parameter) {
        return Err((format!("parameter \"{parameter}\" is not built yet"), FORM.to_owned()));
    }
    let (user, host) = match rest.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, rest),
    };
    if user.is_some_and(|u| u.is_empty() || !u.chars().all(is_user_letter)) {
        return Err((format!("\"{text}\" has an unusable user part"), FORM.to_owned()));
    }
    let address = socket(host, Some(5060)).map_err(|e| e.explain(host))?;
    Ok((user, address))
}

fn is_user_letter(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.' | '+' | '*' | '#' | '{' | '}')
}

/// True for names of queues, trunks, agents: what is safe in a SIP user, a file name and a metric label.
pub fn is_name(text: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=64).contains(&text.len()) && text.chars().all(letter)
}

/// True for a number that can be shown as a caller's.
pub fn is_phone_number(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    (1..=32).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
}

/// What is wrong with a dialled pattern, if anything.
pub fn pattern_fault(pattern: &str) -> Option<&'static str> {
    let body = pattern.strip_suffix('*').unwrap_or(pattern);
    if body.contains('x') {
        return Some("one digit is a capital X");
    }
    if pattern.len() > 32 {
        return Some("at most 32 letters");
    }
    let letter = |c: char| c.is_ascii_digit() || matches!(c, 'X' | '#' | '*' | '+');
    (!body.chars().all(letter)).then_some("digits, +, #, X for one digit, * at the end for the rest")
}

/// True when every number that `later` matches is matched by `earlier` before it.
pub fn covers(earlier: &str, later: &str) -> bool {
    let (body, open) = split_rest(earlier);
    let (other, other_open) = split_rest(later);
    let fits = |(a, b): (char, char)| a == b || (a == 'X' && b.is_ascii_digit());
    let longer = if open { other.len() >= body.len() } else { other.len() == body.len() && !other_open };
    longer && body.chars().zip(other.chars()).all(fits)
}

fn split_rest(pattern: &str) -> (&str, bool) {
    match pattern.strip_suffix('*') {
        Some(body) => (body, true),
        None => (pattern, false),
    }
}

/// True for a skill name: `billing`, `lang:ar`.
pub fn is_skill(text: &str) -> bool {
    let letter = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    !text.is_empty() && text.chars().all(letter)
}

/// True for one entry of a skills list: `name`, `name>=3`, `!name`, `a|b`, and any of them with `?` at its end.
pub fn is_skill_wish(text: &str) -> bool {
    let text = text.strip_suffix('?').unwrap_or(text);
    text.split('|').all(|part| {
        let part = part.trim();
        let (name, level) = part.split_once(">=").map_or((part, None), |(name, level)| (name, Some(level)));
        let level_ok = level.is_none_or(|l| l.trim().parse::<u8>().is_ok_and(|l| (1..=10).contains(&l)));
        let name = name.trim();
        level_ok && is_skill(name.strip_prefix('!').unwrap_or(name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_numbers_with_units_larger_first() {
        let read = |text| duration(text).map(|d| d.as_millis());
        assert_eq!(read("20s"), Some(20_000));
        assert_eq!(read("10m"), Some(600_000));
        assert_eq!(read("1h30m"), Some(5_400_000));
        assert_eq!(read("500ms"), Some(500));
        assert_eq!(read("1m500ms"), Some(60_500));
        assert_eq!(read("0s"), Some(0));
        for bad in ["", "20", "s", "-5s", "1.5s", "20 s", "30m1h", "5s5s", "5d", "99999999999999999999h", "٢٠s"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_written_duration_reads_back() {
        for text in ["0s", "20s", "10m", "1h30m", "500ms", "2h1s7ms"] {
            assert_eq!(duration(text).map(write_duration).as_deref(), Some(text));
        }
    }

    #[test]
    fn addresses_are_numeric_with_a_port() {
        let ok = |text: &str| socket(text, None).map(|a| a.to_string());
        assert_eq!(ok("127.0.0.1:5060").as_deref(), Ok("127.0.0.1:5060"));
        assert_eq!(ok("localhost:8080").as_deref(), Ok("127.0.0.1:8080"));
        assert_eq!(ok("[::1]:5060").as_deref(), Ok("[::1]:5060"));
        assert_eq!(socket("::1", Some(5060)).map(|a| a.to_string()).as_deref(), Ok("[::1]:5060"));
        assert_eq!(ok("127.0.0.1"), Err(AddressError::Port));
        assert_eq!(ok("127.0.0.1:70000"), Err(AddressError::Port));
        assert_eq!(ok("127.0.0.1:+80"), Err(AddressError::Port));
        assert_eq!(ok("sip.example.com:5060"), Err(AddressError::HostName));
        assert_eq!(ok("300.0.0.1:5060"), Err(AddressError::Form));
        assert_eq!(ok("::1:5060"), Err(AddressError::Port), "without brackets it is an address");
        assert_eq!(ip("10.0.0.0/8"), Err(AddressError::Network));
    }

    #[test]
    fn a_port_range_holds_at_least_one_even_and_odd_pair() {
        assert_eq!(ports("20000-29999"), Some(20000..=29999));
        assert_eq!(ports("20000-20001"), Some(20000..=20001));
        for bad in ["20000", "29999-20000", "20001-20002", "80-90", "20000-70000", "a-b"] {
            assert_eq!(ports(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_sip_address_has_an_optional_user_and_port() {
        let read = |text| sip_address(text).map(|(user, address)| (user, address.to_string()));
        assert_eq!(read("sip:2000@127.0.0.1:15070"), Ok((Some("2000"), "127.0.0.1:15070".to_owned())));
        assert_eq!(read("sip:127.0.0.1"), Ok((None, "127.0.0.1:5060".to_owned())));
        assert_eq!(read("sip:{number}@[::1]:6000"), Ok((Some("{number}"), "[::1]:6000".to_owned())));
        for bad in [
            "127.0.0.1",
            "sips:a@127.0.0.1",
            "sip:a@example.com",
            "sip:@127.0.0.1",
            "sip:a b@127.0.0.1",
            "sip:a@127.0.0.1;transport=tls",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_earlier_pattern_covers_a_later_one_it_always_wins_over() {
        assert!(covers("7XXX", "7123"));
        assert!(covers("7XXX", "71XX"));
        assert!(covers("7*", "7XXX"));
        assert!(covers("*", "500"));
        assert!(covers("500", "500"));
        assert!(!covers("7123", "7XXX"));
        assert!(!covers("7XXX", "7*"));
        assert!(!covers("500", "5000"));
    }

    #[test]
    fn skill_wishes_follow_their_small_grammar() {
        for good in ["billing", "lang:ar", "lang:ar>=5", "!trainee", "billing|sales>=3", "lang:fr?", "a|b>=3?"] {
            assert!(is_skill_wish(good), "{good}");
        }
        for bad in ["", "a>=11", "a>=x", "a b", "|a", "!", "?", "a?|b", "a??"] {
            assert!(!is_skill_wish(bad), "{bad}");
        }
    }
}
