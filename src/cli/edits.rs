//! Edits of the configuration while the engine runs: checked whole, written down, in force by a reload.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::Failure;
use super::client::Target;
use super::live::{change_line, escape, list};

/// The file of the edits, in the data folder.
pub const FILE: &str = "edits.toml";

/// The edits that are written down; `None` when there are none.
///
/// # Errors
///
/// The file is there and cannot be read.
pub fn read(data_dir: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(data_dir.join(FILE)) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes them down, whole or not at all.
///
/// # Errors
///
/// The disk's.
pub fn write(data_dir: &Path, text: &str) -> io::Result<()> {
    let unfinished: PathBuf = data_dir.join(format!("{FILE}.part"));
    let mut file = fs::File::create(&unfinished)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&unfinished, data_dir.join(FILE))?;
    fs::File::open(data_dir)?.sync_all()
}

/// `queues set`, `agents set`: `kind` is `queues` or `agents`.
pub fn set(kind: &str, name: &str, changes: &[String], dry_run: bool, target: &Target) -> Result<(), Failure> {
    let mut body = Map::new();
    for change in changes {
        let Some((key, value)) = change.split_once('=') else {
            return Err(Failure::new(2, format!("\"{change}\" is not KEY=VALUE")));
        };
        body.insert(key.trim().to_owned(), value_of(value));
    }
    let query = if dry_run { "?dry_run=true" } else { "" };
    let path = format!("/api/v1/{kind}/{}/settings{query}", escape(name));
    let answer = target.send("PATCH", &path, &Value::Object(body))?;
    let changes = answer.get("changes").and_then(Value::as_array).cloned().unwrap_or_default();
    if target.json {
        changes.iter().for_each(|change| say!("{change}"));
    } else if changes.is_empty() {
        eprintln!("nothing changes");
    } else {
        changes.iter().for_each(|change| say!("{}", change_line(change)));
    }
    Ok(())
}

/// A value as it would stand in the file; what is not TOML is a text, nothing is `null`: as in the files again.
fn value_of(text: &str) -> Value {
    if text.trim().is_empty() {
        return Value::Null;
    }
    let table: Option<toml::Table> = toml::from_str(&format!("v = {text}")).ok();
    let value = table.filter(|table| table.len() == 1).and_then(|table| table.get("v").cloned());
    value.and_then(|value| serde_json::to_value(value).ok()).unwrap_or_else(|| json!(text))
}

/// `hatif edits`.
pub fn show(target: &Target) -> Result<(), Failure> {
    list(&target.get("/api/v1/edits")?, &["kind", "name", "key", "value"], target.json);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_in_the_file_or_as_plain_words() {
        assert_eq!(value_of("20s"), json!("20s"));
        assert_eq!(value_of("3"), json!(3));
        assert_eq!(value_of("true"), json!(true));
        assert_eq!(value_of("[\"ar\", \"en>=3\"]"), json!(["ar", "en>=3"]));
        assert_eq!(value_of("{ ar = 7 }"), json!({ "ar": 7 }));
        assert_eq!(value_of(""), Value::Null);
        assert_eq!(value_of("1\nx = 2"), json!("1\nx = 2"), "one value, not two keys");
    }
}
