//! Talks to the running engine: by its socket in the data folder, or from afar by `--server` and `HATIF_API_KEY`.
//!
//! One request per connection over HTTP/1.0, so that the answer ends where the connection does.

#![allow(clippy::disallowed_methods, reason = "this is the shell: it opens the connection")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::Failure;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the engine is.
#[derive(Clone, Debug, clap::Args)]
pub struct Target {
    /// The data folder of a running engine on this machine.
    #[arg(long, value_name = "DIR", global = true)]
    pub data_dir: Option<PathBuf>,
    /// The address of an engine elsewhere, `http://HOST:PORT`; the key comes from HATIF_API_KEY.
    #[arg(long, value_name = "URL", global = true)]
    pub server: Option<String>,
    /// One JSON object a line, with stable names.
    #[arg(long, global = true)]
    pub json: bool,
}

impl Target {
    /// The socket of the engine on this machine: the folder given, else the one a command in this folder would use.
    fn socket(&self) -> PathBuf {
        let given = self.data_dir.clone().or_else(|| std::env::var_os("HATIF_DATA__DIR").map(PathBuf::from));
        let folders = match given {
            Some(folder) => vec![folder],
            None => vec![PathBuf::from("data"), PathBuf::from(".hatif-dev")],
        };
        let sockets: Vec<PathBuf> = folders.iter().map(|folder| folder.join("hatif.sock")).collect();
        let found = sockets.iter().find(|socket| socket.exists()).or(sockets.first()).cloned();
        found.unwrap_or_else(|| PathBuf::from("data/hatif.sock"))
    }

    /// Fetches `path`.
    ///
    /// # Errors
    ///
    /// Exit code 4 when the engine cannot be reached, 5 when there is no such thing, 1 for other refusals.
    pub fn get(&self, path: &str) -> Result<Value, Failure> {
        self.call("GET", path, None)
    }

    /// Sends `body` to `path`.
    ///
    /// # Errors
    ///
    /// As [`Target::get`].
    pub fn send(&self, method: &str, path: &str, body: &Value) -> Result<Value, Failure> {
        self.call(method, path, Some(body))
    }

    fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let (status, answer) = match &self.server {
            None => {
                let socket = self.socket();
                let stream = UnixStream::connect(&socket).map_err(|error| unreachable_socket(&socket, &error))?;
                let _ = stream.set_read_timeout(Some(PATIENCE));
                exchange(stream, method, path, "localhost", "", &body)
            }
            Some(url) => {
                let host = url
                    .strip_prefix("http://")
                    .ok_or_else(|| Failure::new(2, format!("--server {url}: only http://HOST:PORT is built yet")))?;
                let host = host.trim_end_matches('/');
                let key = std::env::var("HATIF_API_KEY").unwrap_or_default();
                let stream = TcpStream::connect(host)
                    .map_err(|error| Failure::new(4, format!("cannot reach {url}: {error}")))?;
                let _ = stream.set_read_timeout(Some(PATIENCE));
                exchange(stream, method, path, host, &format!("Authorization: Bearer {key}\r\n"), &body)
            }
        }
        .map_err(|error| Failure::new(4, format!("the server did not answer: {error}")))?;
        let value: Value = serde_json::from_str(&answer).unwrap_or(Value::Null);
        if (200..300).contains(&status) {
            return Ok(value);
        }
        let detail = value.get("detail").or(value.get("title")).and_then(Value::as_str).unwrap_or(&answer);
        let code = match status {
            404 => 5,
            400 | 422 => 2,
            _ => 1,
        };
        Err(Failure::new(code, detail.to_owned()))
    }
}

fn unreachable_socket(socket: &Path, error: &std::io::Error) -> Failure {
    Failure::new(
        4,
        format!(
            "no engine answers at {} ({error}): start one with `hatif serve`, or name its folder with --data-dir",
            socket.display()
        ),
    )
}

fn exchange(
    mut stream: impl Read + Write,
    method: &str,
    path: &str,
    host: &str,
    headers: &str,
    body: &str,
) -> std::io::Result<(u16, String)> {
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nHost: {host}\r\n{headers}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    stream.flush()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| std::io::Error::other("this is not HTTP"))?;
    Ok((status, body.to_owned()))
}
