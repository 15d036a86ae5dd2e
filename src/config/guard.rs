//! `[guard]`: what strangers and load may do to signalling.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::sip::config::{GuardConfig, Network};

use super::build::duplicate;
use super::reader::Reader;

/// Reads `[guard]`, and the emergency numbers of `[centre]`.
pub fn read(reader: &Reader, centre: &Reader) -> GuardConfig {
    let default = GuardConfig::default();
    let rate = |key: &'static str, or: u32| reader.number(key, 0..=1_000_000).unwrap_or(or);
    let ban_time = reader.duration("ban_time", 1..=86_400).unwrap_or(default.ban_time);
    let mut age = reader.duration("max_message_age", 0..=60).unwrap_or(default.max_message_age);
    if !age.is_zero() && age < Duration::from_millis(10) {
        let place = reader.node("max_message_age").map_or(reader.place, |node| node.place);
        let help = "\"0s\" switches it off".to_owned();
        reader.bad(place, "\"max_message_age\" must be at least 10ms, or no call would be taken", help);
        age = default.max_message_age;
    }
    let mut trusted = Vec::new();
    for text in reader.texts("trusted").unwrap_or_default() {
        match Network::parse(&text.text) {
            Some(network) => trusted.push(network),
            None => {
                let help = "an address as \"192.0.2.7\", or a network as \"192.0.2.0/24\" with nothing after its bits";
                reader.bad(text.place, format!("\"{}\" is not a network", text.text), help.to_owned());
            }
        }
    }
    GuardConfig {
        calls_per_second_per_source: rate("calls_per_second_per_source", default.calls_per_second_per_source),
        calls_per_second_per_known_source: rate(
            "calls_per_second_per_known_source",
            default.calls_per_second_per_known_source,
        ),
        ban_after: rate("ban_after", default.ban_after),
        ban_time,
        failures_before_back_off: rate("failures_before_back_off", default.failures_before_back_off),
        max_message_age: age,
        trusted,
        emergency: emergency(centre).unwrap_or(default.emergency),
    }
}

/// `[centre] emergency`: whole numbers, as they are dialled.
fn emergency(reader: &Reader) -> Option<BTreeSet<String>> {
    let mut numbers = BTreeSet::new();
    for text in reader.texts("emergency")? {
        let known = text.text.len() <= 15 && text.text.bytes().all(|b| b.is_ascii_digit());
        if !known {
            let help = "its digits alone, as \"112\"".to_owned();
            reader.bad(text.place, format!("\"{}\" is not an emergency number", text.text), help);
        } else if !numbers.insert(text.text.clone()) {
            duplicate(reader, &text, "number");
        }
    }
    Some(numbers)
}
