//! `hatif ivr graph`.

#![allow(clippy::disallowed_methods, reason = "the days of --traffic are counted back from the present")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use jiff::Timestamp;

use super::super::Failure;
use super::{Stock, unknown};
use crate::clock::Wall;
use crate::id::CallId;
use crate::ivr::draw::{self, Graph, Traffic};
use crate::journal::{About, Entry, FlowOutcome, Kind};
use crate::storage::replay;

/// `hatif ivr graph …`
#[derive(Args)]
pub struct Options {
    /// The flow, by name or file.
    flow: String,
    /// What the picture is made of.
    #[arg(long, value_enum, default_value = "mermaid")]
    format: Format,
    /// The language of titles and kinds; Arabic is drawn from right to left. Default: the flow's first.
    #[arg(long, value_name = "LANGUAGE")]
    lang: Option<String>,
    /// Show how many callers went where in the last days, hours or minutes, as 7d, 12h or 30m.
    #[arg(long, value_name = "TIME", value_parser = back)]
    traffic: Option<Duration>,
    /// Where the journal of --traffic lies; default that of the configuration.
    #[arg(long, value_name = "DIR", requires = "traffic")]
    data_dir: Option<PathBuf>,
    /// Where queues and flows are declared; default ./hatif.toml, else the demo tenant.
    #[arg(long, short)]
    config: Option<PathBuf>,
}

/// What a picture is made of.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Format {
    /// Text that Markdown pages show as a picture.
    Mermaid,
    /// Text for Graphviz.
    Dot,
    /// A picture.
    Svg,
}

/// Draws a flow.
pub fn run(options: &Options) -> Result<(), Failure> {
    let stock = Stock::open(options.config.as_deref(), Some(&options.flow))?;
    let flow = stock.flow(&options.flow)?;
    let language = match &options.lang {
        Some(language) if flow.languages.contains(language) => language.clone(),
        Some(language) => {
            return Err(unknown(2, "language", language, flow.languages.iter().map(String::as_str)));
        }
        None => flow.languages.first().cloned().unwrap_or_default(),
    };
    let traffic = match options.traffic {
        Some(back) => {
            let dir = options.data_dir.as_ref().unwrap_or(&stock.config.data_dir).join("journal");
            Some(counted(&dir, &flow.name, back)?)
        }
        None => None,
    };
    let graph = Graph::new(flow, &language, traffic.as_ref());
    let text = match options.format {
        Format::Mermaid => graph.mermaid(),
        Format::Dot => graph.dot(),
        Format::Svg => draw::svg(&graph, |other| match language.as_str() {
            "ar" => format!("{other}-ar.svg"),
            _ => format!("{other}.svg"),
        }),
    };
    say!("{}", text.trim_end());
    Ok(())
}

/// `7d`, `12h`, `30m`.
fn back(text: &str) -> Result<Duration, String> {
    let wrong = || "days, hours or minutes, as 7d, 12h or 30m".to_owned();
    let at = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(at);
    let minutes: u64 = match unit {
        "d" => 1_440,
        "h" => 60,
        "m" => 1,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    match number.checked_mul(minutes * 60) {
        Some(seconds) if (60..=3_660 * 86_400).contains(&seconds) => Ok(Duration::from_secs(seconds)),
        _ => Err(wrong()),
    }
}

fn counted(dir: &Path, flow: &str, back: Duration) -> Result<Traffic, Failure> {
    let micros = i64::try_from(back.as_micros()).unwrap_or(i64::MAX);
    let since = Wall(Timestamp::now().as_microsecond().saturating_sub(micros));
    let mut count = Count { flow, traffic: Traffic::default(), at: BTreeMap::new() };
    let damaged = replay::read(
        dir,
        Some(since),
        |_, _| {},
        |entry| {
            if entry.at >= since {
                count.note(entry);
            }
        },
    );
    let damaged = damaged.map_err(|error| {
        let what =
            format!("cannot read the journal in {}: {error}; name the data folder with --data-dir", dir.display());
        Failure::new(1, what)
    })?;
    if damaged > 0 {
        eprintln!("{damaged} entries of the journal cannot be read and are left out");
    }
    Ok(count.traffic)
}

/// Counts the steps of callers through one flow.
struct Count<'f> {
    flow: &'f str,
    traffic: Traffic,
    /// The node in which a caller is.
    at: BTreeMap<CallId, String>,
}

impl Count<'_> {
    fn note(&mut self, entry: &Entry) {
        let About::Call(call) = &entry.about else { return };
        match &entry.kind {
            Kind::FlowEntered { flow, .. } if flow == self.flow => {
                self.traffic.calls += 1;
                self.at.remove(call);
            }
            Kind::NodeVisited { flow, node } if flow == self.flow => {
                *self.traffic.nodes.entry(node.clone()).or_default() += 1;
                if let Some(before) = self.at.insert(*call, node.clone()) {
                    *self.traffic.edges.entry((before, node.clone())).or_default() += 1;
                }
            }
            Kind::FlowLeft { flow, outcome } if flow == self.flow => {
                let node = self.at.remove(call);
                if let (Some(node), FlowOutcome::Abandoned) = (node, outcome) {
                    *self.traffic.left.entry(node).or_default() += 1;
                }
            }
            _ => {}
        }
    }
}
