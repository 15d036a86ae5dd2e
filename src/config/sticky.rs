//! Whom callers of a queue wait for before all others: `sticky`.

use crate::acd::config::StickyConfig;

use super::keys::STICKY;
use super::ladder;
use super::people::People;
use super::reader::Reader;

/// Longest time that callers may wait for somebody before all others.
const TIME_MAX: u64 = 3_600;

/// Reads `sticky`.
pub fn read(queue: &Reader) -> StickyConfig {
    let Some(reader) = queue.node("sticky").and_then(|node| queue.inner(&STICKY, node)) else {
        return StickyConfig::default();
    };
    let time = |key| reader.duration(key, 0..=TIME_MAX);
    let (group, group_time) = (reader.text("group").map(|text| text.text), time("group_time"));
    for (key, missing, is_alone) in [
        ("group", "group_time", group.is_some() && group_time.is_none()),
        ("group_time", "group", group.is_none() && group_time.is_some()),
    ] {
        if is_alone {
            reader.bad(reader.key_place(key), format!("\"{key}\" needs \"{missing}\" beside it"), None);
        }
    }
    let last_agent = time("last_agent").filter(|time| !time.is_zero());
    StickyConfig { last_agent, group, group_time: group_time.unwrap_or_default() }
}

/// The group exists.
pub fn check(queue: &Reader, people: &People) {
    let Some(reader) = queue.node("sticky").and_then(|node| queue.inner_again(&STICKY, node)) else { return };
    if reader.node("group").is_some() {
        ladder::are_groups(&reader, "group", people);
    }
}
