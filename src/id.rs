//! Names of things: newtypes, so that a leg can never be taken for a call.
//!
//! Ids that leave the house (`call_…`, `rec_…`) are a prefix and a ULID: 48 bits of wall time in ms and 80
//! random bits, in Crockford base 32, so that text order is time order.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Why a text is not an id of the wanted kind.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
#[error("not an id: expected {expected} and 26 letters or digits")]
pub struct IdError {
    /// The prefix that was expected, with its underscore.
    pub expected: &'static str,
}

fn write_ulid(f: &mut fmt::Formatter<'_>, prefix: &str, value: u128) -> fmt::Result {
    let mut text = [0u8; 26];
    for (place, letter) in text.iter_mut().rev().enumerate() {
        let digit = (value >> (5 * place)) & 31;
        *letter = CROCKFORD.get(digit as usize).copied().unwrap_or(b'0');
    }
    f.write_str(prefix)?;
    f.write_str(std::str::from_utf8(&text).unwrap_or_default())
}

fn read_ulid(text: &str, prefix: &'static str) -> Result<u128, IdError> {
    let wrong = IdError { expected: prefix };
    let body = match text.strip_prefix(prefix) {
        Some(body) if body.len() == 26 => body,
        _ => return Err(wrong),
    };
    let mut value: u128 = 0;
    for letter in body.bytes() {
        let digit = CROCKFORD.iter().position(|c| *c == letter.to_ascii_uppercase());
        match digit {
            Some(digit) => value = (value << 5) | digit as u128,
            None => return Err(wrong),
        }
    }
    Ok(value)
}

macro_rules! ulid_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Eq, PartialEq, Ord, PartialOrd, Hash)]
        pub struct $name(u128);

        impl $name {
            /// Makes an id from wall time in ms since 1970 and 80 random bits (higher bits are ignored).
            pub fn new(wall_ms: u64, random: u128) -> Self {
                Self((u128::from(wall_ms) << 80) | (random & ((1 << 80) - 1)))
            }

            /// The wall time it was made at, in ms since 1970.
            pub fn wall_ms(&self) -> u64 {
                (self.0 >> 80) as u64
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write_ulid(f, $prefix, self.0) }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write_ulid(f, $prefix, self.0) }
        }
        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> { read_ulid(text, $prefix).map(Self) }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> { s.collect_str(self) }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    };
}

ulid_id!(
    /// One customer's passage through the centre, whatever transfers happen in it.
    CallId, "call_"
);
ulid_id!(
    /// One recording of a call.
    RecordingId, "rec_"
);

impl RecordingId {
    /// Where its audio is, relative to the data folder: `recordings/2026/11/22/rec_….wav`, by the day (UTC) of the id.
    pub fn file(&self) -> String {
        self.beside("wav")
    }

    /// As [`RecordingId::file`], with another ending: `recordings/2026/11/22/rec_….json`.
    pub fn beside(&self, ending: &str) -> String {
        let made = crate::clock::Wall(i64::try_from(self.wall_ms()).unwrap_or(0) * 1_000).to_string();
        let day = made.get(..10).unwrap_or("1970-01-01").replace('-', "/");
        format!("recordings/{day}/{self}.{ending}")
    }
}

macro_rules! name_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Eq, PartialEq, Ord, PartialOrd, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as written in the configuration.
            pub fn as_str(&self) -> &str { &self.0 }
        }
        impl From<&str> for $name {
            fn from(text: &str) -> Self { Self(text.into()) }
        }
        impl From<String> for $name {
            fn from(text: String) -> Self { Self(text.into()) }
        }
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str { &self.0 }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&self.0) }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&self.0) }
        }
    };
}

name_id!(
    /// An agent: the id in the configuration, which is also his SIP user and his number.
    AgentId
);
name_id!(
    /// A queue, by its configured name.
    QueueName
);

/// One leg of a call: one SIP dialog and one media port. Unique while the process runs, never used again.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LegId(pub u64);

/// One ring at one agent. Unique while the process runs, never used again.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OfferId(pub u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_id_reads_back_as_written_and_sorts_by_time() {
        let early = CallId::new(1_700_000_000_000, 7);
        let late = CallId::new(1_700_000_000_001, 3);
        assert_eq!(early.to_string().parse::<CallId>(), Ok(early));
        assert!(early.to_string() < late.to_string());
        assert_eq!("rec_00".parse::<CallId>(), Err(IdError { expected: "call_" }));
    }
    #[test]
    fn a_recording_lies_in_the_folder_of_its_day() {
        // 2026-11-22T23:59:59.999Z
        let id = RecordingId::new(1_795_391_999_999, 7);
        assert_eq!(id.file(), format!("recordings/2026/11/22/{id}.wav"));
    }
}
