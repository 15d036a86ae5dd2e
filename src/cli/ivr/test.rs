//! `hatif ivr test`: scenario files, and every way of every flow.

#![allow(clippy::disallowed_methods, reason = "the zero of virtual time")]

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use serde_json::json;

use super::super::{Failure, offline};
use super::{Stock, toml_files};
use crate::diagnostic::Diagnostic;
use crate::ivr::expr::Facts;
use crate::ivr::walk::explore::{COMBINED, Explorer, Report};
use crate::ivr::walk::judge::{Difference, differences};
use crate::ivr::walk::scenario::{self, Scenario};
use crate::ivr::walk::{Trace, Walk};

/// `hatif ivr test …`
#[derive(Args)]
pub struct Options {
    /// The test files; none: all of ivr-scripts/tests/.
    files: Vec<PathBuf>,
    /// Also go every way of every flow, with a world that does whatever leads there.
    #[arg(long)]
    explore: bool,
    /// With --explore: most walks of a flow that combine its ways.
    #[arg(long, value_name = "N", default_value_t = COMBINED, requires = "explore")]
    walks: usize,
    /// One JSON object per test and per flow.
    #[arg(long)]
    json: bool,
    /// Where queues, calendars and services are declared; default ./hatif.toml, else the demo tenant.
    #[arg(long, short)]
    config: Option<PathBuf>,
}

/// Runs the tests.
pub fn run(options: &Options) -> Result<(), Failure> {
    let stock = Stock::open(options.config.as_deref(), None)?;
    let files = match options.files.is_empty() {
        true => toml_files(&stock.folder.join("tests")),
        false => options.files.clone(),
    };
    let (mut faults, mut tests) = (Vec::new(), Vec::new());
    for path in &files {
        match read(path, &stock) {
            Ok(read) => tests.extend(read.into_iter().map(|test| (path.display().to_string(), test))),
            Err(found) => faults.extend(found),
        }
    }
    offline::report(&faults, false, options.json)?;
    let (mut passed, mut failed) = (0_usize, 0_usize);
    for (file, test) in tests {
        let (found, trace) = walked(&test, &stock)?;
        if found.is_empty() {
            passed += 1
        } else {
            failed += 1
        }
        tell(&file, &test, &found, &trace, options.json);
    }
    if !options.json {
        say!("{passed} passed, {failed} failed");
    }
    let faulty = if options.explore { explore(&stock, options)? } else { 0 };
    match (failed, faulty) {
        (0, 0) => Ok(()),
        (_, 0) => Err(Failure::new(1, format!("{failed} of {} tests failed", passed + failed))),
        (0, _) => Err(Failure::new(1, format!("{faulty} flows have walks that go wrong"))),
        _ => Err(Failure::new(1, format!("{failed} tests failed, {faulty} flows have walks that go wrong"))),
    }
}

fn read(path: &Path, stock: &Stock) -> Result<Vec<Scenario>, Vec<Diagnostic>> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| vec![Diagnostic::whole_file("ivr::unreadable", &name, format!("cannot read it: {error}"))])?;
    let beside = path.parent().map(Path::to_path_buf).unwrap_or_default();
    let open = |file: &str| std::fs::read(beside.join(file)).map_err(|error| error.to_string());
    scenario::read(&name, &text, &stock.library, &stock.declared, &open)
}

/// Walks one test; all that is not as expected.
fn walked(test: &Scenario, stock: &Stock) -> Result<(Vec<Difference>, Trace), Failure> {
    let mut setting = test.setting.clone();
    let (wall, offset) = scenario::moment(test.at, &stock.config.centre.timezone);
    setting.facts.wall = wall;
    setting.facts.utc_offset_minutes = offset;
    let forced = std::mem::replace(&mut setting.hours, stock.hours(wall));
    setting.hours.extend(forced);
    let walk = Walk::begin(Instant::now(), &stock.library, setting, &stock.voice);
    let mut walk = walk.map_err(|error| Failure::new(5, error.to_string()))?;
    for (step, line) in &test.steps {
        if let Err(misfit) = walk.take(step) {
            let here = walk.trace().path().last().map_or("", |node| node).to_owned();
            let what = format!("step \"{step}\" (line {line}) at node {here}");
            let found = Difference { what, expected: misfit.possible, found: misfit.step };
            return Ok((vec![found], walk.into_trace()));
        }
    }
    // What nobody answers any more ends with the caller.
    if !walk.is_over() {
        let _ = walk.take(&crate::ivr::walk::Step::HangUp);
    }
    let trace = walk.into_trace();
    Ok((differences(&test.expect, &trace), trace))
}

fn tell(file: &str, test: &Scenario, found: &[Difference], trace: &Trace, json: bool) {
    if json {
        let told = json!({ "file": file, "line": test.line, "test": test.name, "ok": found.is_empty(), "differences": found,
            "path": trace.path() });
        return say!("{told}");
    }
    if found.is_empty() {
        return say!("ok      {file}: {}", test.name);
    }
    say!("FAILED  {file}:{}: {}", test.line, test.name);
    for difference in found {
        for line in difference.to_string().lines() {
            say!("          {line}");
        }
    }
}

/// How many flows have walks that go wrong.
fn explore(stock: &Stock, options: &Options) -> Result<usize, Failure> {
    let mut explorer = Explorer::new(Instant::now(), &stock.library);
    let at = scenario::AT.parse().unwrap_or_default();
    let (wall, utc_offset_minutes) = scenario::moment(at, &stock.config.centre.timezone);
    let mut faulty = 0;
    for flow in stock.library.flows.values() {
        let language = flow.languages.first().cloned().unwrap_or_default();
        let facts = Facts {
            caller: scenario::FROM.to_owned(),
            called: scenario::TO.to_owned(),
            language,
            wall,
            utc_offset_minutes,
            ..Facts::default()
        };
        let report = explorer.explore(&flow.name, &facts, options.walks);
        let report = report.map_err(|error| Failure::new(5, error.to_string()))?;
        faulty += usize::from(!report.faults.is_empty());
        tell_report(&report, options.json);
    }
    Ok(faulty)
}

fn tell_report(report: &Report, json: bool) {
    if json {
        return say!("{}", json!({ "explored": report }));
    }
    say!("{}", report.summary());
    for fault in &report.faults {
        say!("  FAILED {}\n         path: {}", fault.what, fault.path.join(" → "));
    }
    if !report.unreached.is_empty() {
        say!("  warning: no walk went {}", report.unreached.join(", "));
    }
    if !report.forced.is_empty() {
        say!("  by force: {}", report.forced.join(", "));
    }
}
