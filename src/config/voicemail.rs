//! The box of a queue: `voicemail`.

use crate::call::config::VoicemailConfig;
use crate::id::QueueName;

use super::keys::VOICEMAIL;
use super::people::People;
use super::reader::Reader;
use super::source::Value;

const DAY: u64 = 24 * 3_600;

/// Reads `voicemail` of one queue.
pub fn read(queue: &Reader, people: &mut People) {
    let Some(reader) = queue.node("voicemail").and_then(|node| queue.inner(&VOICEMAIL, node)) else { return };
    let Some(Value::Text(name)) = queue.node("name").map(|node| &node.value) else { return };
    let default = VoicemailConfig::default();
    let config = VoicemailConfig {
        greeting: reader.text("greeting").map_or(default.greeting, |greeting| greeting.text),
        min: reader.duration("min", 0..=60).unwrap_or(default.min),
        max: reader.duration("max", 5..=1_800).unwrap_or(default.max),
        keep: reader.duration("keep", DAY..=3_650 * DAY).unwrap_or(default.keep),
    };
    people.call.voicemail.insert(QueueName::from(name.as_str()), config);
}
