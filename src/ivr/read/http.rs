//! Reads nodes of kind `http`: a question to a service of the house.

use std::time::Duration;

use super::super::expr::LANGUAGE_VARIABLE;
use super::super::flow::{Edge, Http, NodeKind};
use super::super::value::{Reader, Table};
use super::vars::{fields, is_map};
use crate::diagnostic::suggestion;

/// Least and greatest time-out: a caller waits for no answer longer.
const TIMEOUT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
const DEFAULT_TIMEOUT: Duration = Duration::from_millis(1_500);

impl Reader<'_> {
    pub(super) fn http(&mut self, table: &Table<'_>, owner: &str) -> (Option<NodeKind>, Vec<Edge>) {
        self.only_keys(table, &["kind", "service", "get", "post", "body", "timeout", "into", "next", "on"], owner);
        let service = self.service(table, owner);
        let is_post = table.find("post").is_some();
        match (table.find("get"), table.find("post")) {
            (Some(_), Some(post)) => {
                self.error("bad-value", post.span(), "a service is asked by \"get\" or by \"post\", not by both", None);
            }
            (None, None) => {
                let help = Some("write get = \"/customers/{caller.number}\"".to_owned());
                self.error(
                    "missing-key",
                    table.span.clone(),
                    format!("key \"get\" or \"post\" is missing in {owner}"),
                    help,
                );
            }
            (Some(_), None) | (None, Some(_)) => {}
        }
        let value = table.find("get").or(table.find("post"));
        if let Some(value) = value
            && self.string(value).is_some_and(|path| !path.starts_with('/'))
        {
            let help = Some("it is put behind the service's base_url".to_owned());
            self.error("bad-value", value.span(), "a path begins with \"/\"", help);
        }
        let path = value.and_then(|value| self.template(value));
        let mut body = Vec::new();
        if let Some(value) = table.find("body") {
            if !is_post {
                self.error("bad-value", value.span(), "only what is sent by \"post\" has a body", None);
            }
            for entry in self.table(value).map(|table| table.entries).unwrap_or_default() {
                body.extend(self.template(entry.value).map(|template| (entry.key.to_owned(), template)));
            }
        }
        let timeout = self.duration(table, "timeout", TIMEOUT.0, TIMEOUT.1).unwrap_or(DEFAULT_TIMEOUT);
        let into = self.answers(table);
        let next = self.required(table, "next", owner).and_then(|value| self.target(value));
        let kind = service.zip(path).zip(next).map(|((service, path), next)| {
            NodeKind::Http(Box::new(Http { service, is_post, path, body, timeout, into, next }))
        });
        (kind, vec![Edge::Error])
    }

    pub(super) fn service(&mut self, table: &Table<'_>, owner: &str) -> Option<String> {
        let value = self.required(table, "service", owner)?;
        let name = self.string(value)?;
        if self.declared.services.contains(name) {
            return Some(name.to_owned());
        }
        let names: Vec<&str> = self.declared.services.iter().map(String::as_str).collect();
        let help = suggestion(name, &names).unwrap_or_else(|| match names.as_slice() {
            [] => "no [[service]] is configured".to_owned(),
            names => format!("services: {}", names.join(", ")),
        });
        self.error("unknown-service", value.span(), format!("no service \"{name}\""), Some(help));
        None
    }

    /// `into = { tier = "/customer/tier" }`: variables, and where in the answer their values stand (RFC 6901). With `into =
    /// "customer"` the object that was answered is laid over a map: the whole of it, as the empty pointer says, and its fields.
    pub(super) fn answers(&mut self, table: &Table<'_>) -> Vec<(String, String)> {
        let Some(value) = table.find("into") else { return Vec::new() };
        let mut into = Vec::new();
        if let Some(map) = value.get_ref().as_str() {
            if is_map(&self.vars, map) {
                into.push((map.to_owned(), String::new()));
                into.extend(fields(&self.vars, map).map(|(field, _)| (format!("{map}.{field}"), format!("/{field}"))));
            } else if self.vars.contains_key(map) {
                let help = Some(format!("write into = {{ {map} = \"/where/it/stands\" }}, or name a map"));
                self.error("wrong-type", value.span(), format!("variable \"{map}\" is no map"), help);
            } else {
                self.known_variable(map, value.span());
            }
            return into;
        }
        for entry in self.table(value).map(|table| table.entries).unwrap_or_default() {
            if entry.key == LANGUAGE_VARIABLE {
                let help = Some("the language is changed by a set node".to_owned());
                let message = format!("no variable \"{}\"", entry.key);
                self.error("unknown-variable", entry.key_span.clone(), message, help);
            } else {
                self.known_variable(entry.key, entry.key_span.clone());
            }
            let Some(pointer) = self.string(entry.value) else { continue };
            if !pointer.starts_with('/') {
                let help = Some(format!("write \"/{pointer}\" (RFC 6901)"));
                let message = format!("\"{pointer}\" says no place in a JSON answer");
                self.error("bad-value", entry.value.span(), message, help);
            }
            into.push((entry.key.to_owned(), pointer.to_owned()));
        }
        into
    }
}
