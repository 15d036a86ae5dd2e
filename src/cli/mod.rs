//! The commands. stdout is data, stderr is messages; exit codes are those of [`Failure`].

/// Prints a line of data. A reader who went away (`| head`) is no fault.
macro_rules! say {
    ($($words:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($words)*);
    }};
}

mod client;
mod edits;
mod erlang;
mod explain;
mod flow_files;
mod ivr;
mod live;
mod offline;
mod preview;
pub mod prompts;
mod recordings;
mod say;
mod serve;
mod trace;
mod twin;
mod versions;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use client::Target;

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub struct Failure {
    /// 1 failed · 2 usage · 3 configuration invalid · 4 cannot reach the server · 5 not found · 6 warnings under
    /// `--strict`.
    pub code: u8,
    /// What went wrong and what to do.
    pub message: String,
}

impl Failure {
    /// A failure with its exit code.
    pub fn new(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::new(1, format!("{error:#}"))
    }
}

/// Hatif (هاتف): a call-centre engine. Customers phone in over SIP, flows greet them, queues find them an agent.
#[derive(Parser)]
#[command(name = "hatif", version, about, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the engine.
    Serve(serve::Options),
    /// Check configuration and flows without starting anything.
    Check {
        /// The files; none: ./hatif.toml.
        files: Vec<PathBuf>,
        /// Warnings count as failure (exit code 6).
        #[arg(long)]
        strict: bool,
        /// One JSON object per finding.
        #[arg(long)]
        json: bool,
    },
    /// Calls, live and ended.
    Calls {
        #[command(subcommand)]
        what: live::Calls,
        #[command(flatten)]
        target: Target,
    },
    /// Why a call went as it did, in sentences: who was considered, who was passed over, what changed when.
    Explain {
        /// Its id, `call_…`.
        call: String,
        /// `ar` or `en`; none: what LANG says, else English.
        #[arg(long, value_name = "LANGUAGE")]
        lang: Option<String>,
        #[command(flatten)]
        target: Target,
    },
    /// Agents and their states.
    Agents {
        #[command(subcommand)]
        what: live::Agents,
        #[command(flatten)]
        target: Target,
    },
    /// Queues and who waits in them.
    Queues {
        #[command(subcommand)]
        what: live::Queues,
        #[command(flatten)]
        target: Target,
    },
    /// Trunks: state, calls, last failure.
    Trunks {
        #[command(subcommand)]
        what: live::Trunks,
        #[command(flatten)]
        target: Target,
    },
    /// Calendars: what they say now, and opening or closing one by hand.
    Calendars {
        #[command(subcommand)]
        what: live::Calendars,
        #[command(flatten)]
        target: Target,
    },
    /// Who is to be called back.
    Callbacks {
        #[command(subcommand)]
        what: live::Callbacks,
        #[command(flatten)]
        target: Target,
    },
    /// What was edited while the engine ran: `queues set`, `agents set`.
    Edits {
        #[command(flatten)]
        target: Target,
    },
    /// Messages in the boxes of queues.
    Voicemails {
        #[command(subcommand)]
        what: live::Voicemails,
        #[command(flatten)]
        target: Target,
    },
    /// Sources that are not listened to after too many wrong passwords.
    Bans {
        #[command(subcommand)]
        what: live::Bans,
        #[command(flatten)]
        target: Target,
    },
    /// Recordings: list them, compare them with their hashes, copy one.
    Recordings {
        #[command(subcommand)]
        what: recordings::Recordings,
    },
    /// Read the configuration again, whole or not at all.
    Reload {
        /// Only tell what would change, when, and for how many who wait.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        target: Target,
    },
    /// API keys.
    Key {
        #[command(subcommand)]
        what: live::Keys,
        #[command(flatten)]
        target: Target,
    },
    /// Flows: check them, try them without a phone, draw them, lay them out.
    Ivr {
        #[command(subcommand)]
        what: ivr::Ivr,
    },
    /// Prompts.
    Prompts {
        #[command(subcommand)]
        what: prompts::Prompts,
    },
    /// How many agents a queue needs: Erlang C, and Erlang A with --patience.
    Erlang(erlang::Options),
    /// How a number, date, time or amount is spoken in Arabic, English or French, and from which recordings.
    Say(say::Options),
    /// Run the engine against a virtual world and check that nothing breaks; with --day or --fit, play a day's callers on
    /// the real floor and tell what service they would get.
    #[command(
        after_help = "Examples:\n\n  hatif sim --config hatif.toml --day forecast.csv --shifts shifts.csv --deltas \
        --svg day.svg\n  hatif sim --config hatif.toml --fit --days 20 --weekday --compare\n\ndocs/planning.md explains the tables and each figure."
    )]
    Sim {
        /// Decides everything; the same seed gives the same journal.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Virtual hours.
        #[arg(long, default_value_t = 1)]
        hours: u64,
        /// Run so many seeds, from `--seed` on.
        #[arg(long, default_value_t = 1)]
        seeds: u64,
        /// One JSON object per seed; with --day or --fit per queue and interval.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        twin: Box<twin::Options>,
    },
}

/// Runs the command line; the exit code says how it went.
pub fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Serve(options) => serve::run(options),
        Command::Check { files, strict, json } => offline::check(&files, strict, json),
        Command::Calls { what, target } => live::calls(&what, &target),
        Command::Explain { call, lang, target } => explain::run(&call, lang.as_deref(), &target),
        Command::Agents { what, target } => live::agents(&what, &target),
        Command::Queues { what, target } => live::queues(&what, &target),
        Command::Trunks { what, target } => live::trunks(&what, &target),
        Command::Calendars { what, target } => live::calendars(&what, &target),
        Command::Callbacks { what, target } => live::callbacks(&what, &target),
        Command::Edits { target } => edits::show(&target),
        Command::Voicemails { what, target } => live::voicemails(&what, &target),
        Command::Bans { what, target } => live::bans(&what, &target),
        Command::Recordings { what } => recordings::recordings(&what),
        Command::Reload { dry_run: true, target } => live::reload_plan(&target),
        Command::Reload { dry_run: false, target } => live::reload(&target),
        Command::Key { what, target } => live::keys(&what, &target),
        Command::Ivr { what } => ivr::run(&what),
        Command::Prompts { what } => prompts::run(&what),
        Command::Erlang(options) => erlang::run(&options),
        Command::Say(options) => say::run(&options),
        Command::Sim { seed, json, twin, .. } if twin.is_asked() => twin::run(seed, json, &twin),
        Command::Sim { seed, hours, seeds, json, .. } => offline::sim(seed, hours, seeds, json),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.message.is_empty() {
                eprintln!("{}", failure.message);
            }
            ExitCode::from(failure.code)
        }
    }
}
