//! `[outbound]`: what may go out over trunks.

use crate::call::config::OutboundConfig;

use super::build::duplicate;
use super::reader::Reader;
use super::values::pattern_fault;

/// Reads `[outbound]`.
pub fn read(reader: &Reader) -> OutboundConfig {
    let default = OutboundConfig::default();
    OutboundConfig {
        calls_per_user: reader.number("calls_per_user", 0..=10_000).unwrap_or(default.calls_per_user),
        calls_per_minute_per_user: reader
            .number("calls_per_minute_per_user", 0..=10_000)
            .unwrap_or(default.calls_per_minute_per_user),
        max_call: reader.duration("max_call", 0..=86_400).unwrap_or(default.max_call),
        deny: patterns(reader, "deny").unwrap_or(default.deny),
        allow_international: reader.boolean("allow_international").unwrap_or(default.allow_international),
        allow: patterns(reader, "allow").unwrap_or(default.allow),
    }
}

fn patterns(reader: &Reader, key: &str) -> Option<Vec<String>> {
    let mut patterns = Vec::new();
    for text in reader.texts(key)? {
        if let Some(fault) = pattern_fault(&text.text) {
            reader.bad(text.place, format!("\"{}\" is not a pattern", text.text), fault.to_owned());
        } else if patterns.contains(&text.text) {
            duplicate(reader, &text, "pattern");
        } else {
            patterns.push(text.text);
        }
    }
    Some(patterns)
}
