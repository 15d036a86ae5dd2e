//! Words of calendars.

use serde::{Deserialize, Serialize};

/// What a calendar says.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hours {
    /// The centre is open.
    Open,
    /// It is closed, as every week at this time or by hand.
    Closed,
    /// It is closed for a holiday.
    Holiday,
    /// It is closed by hand for an emergency.
    Emergency,
}

impl Hours {
    /// All of them, each with its word in the journal, in flows and in the API.
    pub const WORDS: [(&'static str, Self); 4] =
        [("open", Self::Open), ("closed", Self::Closed), ("holiday", Self::Holiday), ("emergency", Self::Emergency)];

    /// Its word.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, hours)| *hours == self).map_or("", |(word, _)| *word)
    }
}
