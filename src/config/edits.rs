//! Edits: what somebody changed of queues and agents while the engine runs, laid over the files.
//!
//! They are kept as a document of their own, `edits.toml` in the data folder, so that a restart and a reload have them too and
//! the files stay as their owners wrote them:
//!
//! ```toml
//! [queue.support]
//! wrap_up = "20s"
//! [agent.101]
//! skills = { billing = 7 }
//! ```

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::source::{Entry, Problems, Value as Read};

/// What may be edited, with the key that names one.
pub const KINDS: [(&str, &str); 2] = [("queue", "name"), ("agent", "id")];
/// Keys that stay in the files: what one is called by, and secrets.
const KEPT: [&str; 4] = ["name", "id", "password", "password_file"];
/// Most bytes of all edits.
const TEXT_MAX: usize = 1 << 20;

/// The edits in force, by kind and name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Edits(BTreeMap<String, BTreeMap<String, toml::Table>>);

/// Why a change cannot be taken.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// A key that stays in the files.
    #[error("\"{0}\" is changed in the file of the configuration alone")]
    Kept(String),
    /// A value that TOML has no form for, e.g. a `null` within a table.
    #[error("\"{0}\" has a value that a configuration cannot hold")]
    Value(String),
    /// There is too much already.
    #[error("all edits together are over {TEXT_MAX} bytes: move them into the files")]
    TooMuch,
}

impl Edits {
    /// Reads what [`Edits::text`] wrote.
    ///
    /// # Errors
    ///
    /// It is not TOML, or something else than tables of tables.
    pub fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map(Self).map_err(|error| error.to_string())
    }

    /// As TOML.
    pub fn text(&self) -> String {
        let tables = toml::to_string(&self.0).unwrap_or_default();
        format!("# Written by Hatif: what was edited while it ran. Laid over the files of the configuration.\n{tables}")
    }

    /// Lays `changes` over what is edited of one queue or agent: a key with a value is edited, one with `null` is as in the
    /// files again.
    ///
    /// # Errors
    ///
    /// [`EditError`]; then nothing is changed.
    pub fn patch(&mut self, kind: &str, name: &str, changes: &Map<String, Value>) -> Result<(), EditError> {
        let mut edited = self.0.get(kind).and_then(|names| names.get(name)).cloned().unwrap_or_default();
        for (key, value) in changes {
            if KEPT.contains(&key.as_str()) {
                return Err(EditError::Kept(key.clone()));
            }
            match value {
                Value::Null => drop(edited.remove(key)),
                value => {
                    let value = toml::Value::try_from(value).map_err(|_| EditError::Value(key.clone()))?;
                    edited.insert(key.clone(), value);
                }
            }
        }
        let mut all = self.clone();
        let names = all.0.entry(kind.to_owned()).or_default();
        match edited.is_empty() {
            true => drop(names.remove(name)),
            false => drop(names.insert(name.to_owned(), edited)),
        }
        all.0.retain(|_, names| !names.is_empty());
        if all.text().len() > TEXT_MAX {
            return Err(EditError::TooMuch);
        }
        *self = all;
        Ok(())
    }

    /// Each edited key: kind, name, key and value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, &str, &toml::Value)> {
        self.0.iter().flat_map(|(kind, names)| {
            names.iter().flat_map(move |(name, keys)| {
                keys.iter().map(move |(key, value)| (kind.as_str(), name.as_str(), key.as_str(), value))
            })
        })
    }
}

/// Lays a document of edits over the tables that the files gave. One for somebody who is not there any more is left out, with a
/// warning.
pub fn lay_over(root: &mut [Entry], edits: Vec<Entry>, problems: &Problems) {
    for kind in edits {
        let Some((_, key)) = KINDS.iter().find(|(name, _)| *name == kind.name) else {
            let names = KINDS.iter().map(|(name, _)| *name);
            let message = format!("[{}] cannot be edited", kind.name);
            problems.unknown(kind.place, "config::unknown-key", message, &kind.name, names);
            continue;
        };
        let Read::Table(named) = kind.node.value else { continue };
        for one in named {
            let Read::Table(keys) = one.node.value else { continue };
            let Some(entries) = find(root, &kind.name, key, &one.name) else {
                let message =
                    format!("there is no {} \"{}\" any more: what was edited of it is left out", kind.name, one.name);
                problems.warning(one.place, "config::stale-edit", message, None);
                continue;
            };
            for entry in keys {
                match entries.iter_mut().find(|known| known.name == entry.name) {
                    Some(known) => *known = entry,
                    None => entries.push(entry),
                }
            }
        }
    }
}

/// The keys of the table of this list whose `key` is `name`.
fn find<'a>(root: &'a mut [Entry], kind: &str, key: &str, name: &str) -> Option<&'a mut Vec<Entry>> {
    let list = root.iter_mut().find(|entry| entry.name == kind)?;
    let Read::List(list) = &mut list.node.value else { return None };
    list.iter_mut().find_map(|node| match &mut node.value {
        Read::Table(entries) => {
            let is_it =
                |entry: &Entry| entry.name == key && matches!(&entry.node.value, Read::Text(text) if text == name);
            entries.iter().any(is_it).then_some(entries)
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{Config, Document, Layer, Machine};
    use super::*;

    const FILE: &str = "[[queue]]\nname = \"support\"\nwrap_up = \"10s\"\n[[agent]]\nid = \"101\"\npassword = \"long enough\"\nqueues = [\"support\"]\n";

    fn patched(changes: &[(&str, &str, Value)]) -> Edits {
        let mut edits = Edits::default();
        for (kind, name, value) in changes {
            edits.patch(kind, name, value.as_object().unwrap()).unwrap();
        }
        assert_eq!(Edits::parse(&edits.text()), Ok(edits.clone()));
        edits
    }

    fn read(edits: &Edits) -> Result<(Config, Vec<crate::diagnostic::Diagnostic>), Vec<crate::diagnostic::Diagnostic>> {
        let document =
            |name: &str, text: &str, layer| Document { name: name.into(), text: text.into(), base: "".into(), layer };
        let documents = vec![document("f", FILE, Layer::File), document("edits.toml", &edits.text(), Layer::Edits)];
        Config::read(documents, &Machine::default())
    }

    #[test]
    fn edits_lie_over_the_files_and_are_taken_back_by_null() {
        let mut edits = patched(&[
            (
                "queue",
                "support",
                json!({ "wrap_up": "20s", "skills": ["ar"], "ladder": [{ "after": "30s", "relax": 2 }] }),
            ),
            ("agent", "101", json!({ "skills": { "ar": 7 } })),
        ]);
        let (config, warnings) = read(&edits).unwrap();
        let queue = &config.floor.queues["support"];
        assert_eq!((queue.wrap_up.as_secs(), queue.skills.len(), queue.ladder[0].relax), (20, 1, 2));
        assert_eq!(config.floor.agents["101"].skills["ar"], 7);
        assert!(warnings.is_empty(), "{warnings:?}");

        edits.patch("queue", "support", json!({ "wrap_up": null, "ladder": null }).as_object().unwrap()).unwrap();
        let (config, _) = read(&edits).unwrap();
        assert_eq!(
            (config.floor.queues["support"].wrap_up.as_secs(), config.floor.queues["support"].ladder.len()),
            (10, 0)
        );
        assert_eq!(
            edits.iter().map(|(kind, name, key, _)| (kind, name, key)).collect::<Vec<_>>(),
            [("agent", "101", "skills"), ("queue", "support", "skills")]
        );
    }

    #[test]
    fn what_is_wrong_is_told_at_its_place_in_the_edits() {
        let errors = read(&patched(&[("queue", "support", json!({ "wrap_upp": "20s" }))])).unwrap_err();
        assert_eq!(
            (errors[0].file.as_str(), errors[0].line, errors[0].code.as_str()),
            ("edits.toml", 3, "config::unknown-key")
        );
    }

    #[test]
    fn an_edit_of_somebody_who_is_gone_is_left_out_with_a_warning() {
        let (_, warnings) = read(&patched(&[("queue", "vip", json!({ "wrap_up": "20s" }))])).unwrap();
        assert_eq!(warnings.iter().map(|w| w.code.as_str()).collect::<Vec<_>>(), ["config::stale-edit"]);
    }

    #[test]
    fn names_and_secrets_stay_in_the_files() {
        let mut edits = Edits::default();
        let patch = |edits: &mut Edits, value: Value| edits.patch("agent", "101", value.as_object().unwrap());
        assert_eq!(patch(&mut edits, json!({ "password": "x" })), Err(EditError::Kept("password".into())));
        assert_eq!(patch(&mut edits, json!({ "skills": { "ar": null } })), Err(EditError::Value("skills".into())));
        assert_eq!(patch(&mut edits, json!({ "name": "x" })), Err(EditError::Kept("name".into())));
        assert_eq!(edits, Edits::default());
    }
}
