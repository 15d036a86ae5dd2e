//! Reads nodes of kind `fork`: a bot on a WebSocket hears the caller and speaks to him.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::flow::{Edge, Fork, NodeKind, Target};
use super::super::value::{Reader, Table};

/// Least and greatest length of the talk.
const TIMEOUT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3_600));
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(300);
/// Most words that lead somewhere.
const RESULTS: usize = 100;
/// Longest of them, in bytes.
const WORD_BYTES: usize = 64;

impl Reader<'_> {
    pub(super) fn fork(&mut self, table: &Table<'_>, owner: &str) -> (Option<NodeKind>, Vec<Edge>) {
        let keys = ["kind", "service", "path", "send", "into", "timeout", "results", "next", "on"];
        self.only_keys(table, &keys, owner);
        let service = self.service(table, owner);
        let path = self.required(table, "path", owner);
        if let Some(value) = path
            && self.string(value).is_some_and(|path| !path.starts_with('/'))
        {
            let help = Some("it is put behind the service's base_url".to_owned());
            self.error("bad-value", value.span(), "a path begins with \"/\"", help);
        }
        let path = path.and_then(|value| self.template(value));
        let mut send = Vec::new();
        for entry in self.table_at(table, "send").map(|table| table.entries).unwrap_or_default() {
            send.extend(self.template(entry.value).map(|template| (entry.key.to_owned(), template)));
        }
        let timeout = self.duration(table, "timeout", TIMEOUT.0, TIMEOUT.1).unwrap_or(DEFAULT_TIMEOUT);
        let into = self.answers(table);
        let results = self.results(table);
        let next = self.required_target(table, "next", owner);
        let kind = service.zip(path).zip(next).map(|((service, path), next)| {
            NodeKind::Fork(Box::new(Fork { service, path, send, timeout, into, results, next }))
        });
        (kind, vec![Edge::Error])
    }

    /// `results = { billing = "q_billing" }`: where the bot's last word leads.
    fn results(&mut self, table: &Table<'_>) -> BTreeMap<String, Target> {
        let Some(value) = table.find("results") else { return BTreeMap::new() };
        let entries = self.table(value).map(|table| table.entries).unwrap_or_default();
        if entries.len() > RESULTS {
            self.error("too-large", value.span(), format!("a bot has at most {RESULTS} last words"), None);
        }
        let mut results = BTreeMap::new();
        for entry in entries {
            if !(1..=WORD_BYTES).contains(&entry.key.len()) {
                let message = format!("a bot's last word has 1 to {WORD_BYTES} bytes");
                self.error("bad-value", entry.key_span.clone(), message, None);
            }
            results.extend(self.target(entry.value).map(|target| (entry.key.to_owned(), target)));
        }
        results
    }
}
