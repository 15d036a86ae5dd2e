//! How callers of a queue are called back: `callback`.

use crate::call::config::{CallbackConfig, CallbackMode};
use crate::id::QueueName;

use super::calendars;
use super::keys::CALLBACK;
use super::numbers;
use super::people::{Names, People};
use super::reader::Reader;
use super::source::Value;

const DAY: u64 = 24 * 3_600;

/// Reads `callback` of one queue; to be done when trunks and calendars are known.
pub fn read(queue: &Reader, names: &Names, people: &mut People) {
    let Some(reader) = queue.node("callback").and_then(|node| queue.inner(&CALLBACK, node)) else { return };
    let Some(Value::Text(name)) = queue.node("name").map(|node| &node.value) else { return };
    let default = CallbackConfig::default();
    let is_known = |calendar: &super::reader::Text| calendars::exists(&reader, &people.floor.calendars, calendar);
    let config = CallbackConfig {
        mode: reader.word("mode", &CallbackMode::WORDS, &[]).unwrap_or(default.mode),
        dial: numbers::dial(&reader, names),
        tries: reader.number("tries", 1..=20).unwrap_or(default.tries),
        retry_after: reader.duration("retry_after", 60..=3 * DAY).unwrap_or(default.retry_after),
        expires_after: reader.duration("expires_after", 60..=7 * DAY).unwrap_or(default.expires_after),
        ring: reader.duration("ring", 5..=120).unwrap_or(default.ring),
        calendar: reader.text("calendar").filter(is_known).map(|calendar| calendar.text),
    };
    people.call.callbacks.insert(QueueName::from(name.as_str()), config);
}
