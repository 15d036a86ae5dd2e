//! The messages between us and a bot: `docs/bots.md` explains them to who writes one.

use serde::{Deserialize, Serialize};

/// What we say in text, after the first message, which the engine writes.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Told<'a> {
    /// The caller pressed a key.
    Dtmf {
        /// Which.
        digit: char,
    },
    /// All that was said before this mark has been heard, or was cleared.
    Mark {
        /// Which.
        name: &'a str,
    },
    /// The caller is gone.
    Hangup,
}

/// What a bot says in text.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Said {
    /// What it said and nobody heard yet is not to be heard.
    Clear,
    /// It wants to know when all before this is heard.
    Mark {
        /// Its own name for it.
        name: String,
    },
    /// Keys for what comes after it.
    Dtmf {
        /// Which.
        digits: String,
    },
    /// The caller speaks this from now on.
    Language {
        /// Which.
        language: String,
    },
    /// It is done.
    Done {
        /// Its last word.
        #[serde(default)]
        result: Option<String>,
        /// For variables of the flow.
        #[serde(default)]
        data: serde_json::Value,
    },
    /// Nothing that we know.
    #[serde(other)]
    Unknown,
}

impl Told<'_> {
    pub(super) fn text(&self) -> String {
        // Of texts alone JSON can always be made.
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_as_the_document_says() {
        assert_eq!(Told::Dtmf { digit: '5' }.text(), r#"{"event":"dtmf","digit":"5"}"#);
        assert_eq!(Told::Mark { name: "a" }.text(), r#"{"event":"mark","name":"a"}"#);
        assert_eq!(Told::Hangup.text(), r#"{"event":"hangup"}"#);
        let read = |text| serde_json::from_str::<Said>(text).ok();
        assert_eq!(read(r#"{"event":"clear"}"#), Some(Said::Clear));
        assert_eq!(read(r#"{"event":"mark","name":"a"}"#), Some(Said::Mark { name: "a".into() }));
        assert_eq!(read(r#"{"event":"dtmf","digits":"12"}"#), Some(Said::Dtmf { digits: "12".into() }));
        assert_eq!(read(r#"{"event":"language","language":"en"}"#), Some(Said::Language { language: "en".into() }));
        assert_eq!(read(r#"{"event":"done"}"#), Some(Said::Done { result: None, data: serde_json::Value::Null }));
        let done = Said::Done { result: Some("agent".into()), data: serde_json::json!({ "a": 1 }) };
        assert_eq!(read(r#"{"event":"done","result":"agent","data":{"a":1}}"#), Some(done));
        assert_eq!(read(r#"{"event":"transcript","text":"…"}"#), Some(Said::Unknown));
        for wrong in ["", "{}", "[]", r#"{"event":"mark"}"#, r#"{"event":"dtmf","digits":7}"#, "clear"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
