//! `hatif erlang`: how many agents a queue needs, by Erlang C and Erlang A.

use std::collections::BTreeSet;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::{Failure, live};
use crate::config::values;
use crate::report::erlang::staffing::{Formula, Goal, scheduled};
use crate::report::erlang::{AGENTS_MOST, Figures, Load};

/// `hatif erlang …`
#[derive(Args)]
#[command(
    after_help = "Example: 100 calls in half an hour, four minutes each, callers who hang up after a minute and a half on \
    average:\n\n  hatif erlang --calls 100 --per 30m --handle 4m --target 80/20 --patience 90s --shrinkage 30%\n\nWithout \
    --patience nobody hangs up (Erlang C), which asks for more agents than needed. docs/planning.md explains each column."
)]
pub struct Options {
    /// Calls in an interval.
    #[arg(long, value_name = "N")]
    calls: f64,
    /// The interval, as 30m or 1h.
    #[arg(long, visible_alias = "interval", value_name = "TIME", default_value = "30m", value_parser = time)]
    per: Duration,
    /// Mean handle time: talk, hold and wrap-up, as 4m or 3m30s.
    #[arg(long, visible_alias = "aht", value_name = "TIME", value_parser = time)]
    handle: Duration,
    /// Service level: percent answered / within so many seconds.
    #[arg(long, value_name = "PERCENT/TIME", default_value = "80/20", value_parser = target)]
    target: Target,
    /// How long callers wait before they hang up, on average; absent: for ever.
    #[arg(long, value_name = "TIME", value_parser = time)]
    patience: Option<Duration>,
    /// Agents are busy no more than this share of their time, as 85%.
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    max_occupancy: Option<f64>,
    /// No more than this share of the callers hangs up, as 5%.
    #[arg(long, value_name = "PERCENT", value_parser = percent, requires = "patience")]
    max_abandon: Option<f64>,
    /// Share of paid time that goes to leave, illness, breaks, training, as 30%.
    #[arg(long, value_name = "PERCENT", default_value = "0%", value_parser = shrinkage)]
    shrinkage: f64,
    /// Show what so many agents make of it, beside the answer.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(AGENTS_MOST)))]
    agents: Option<u32>,
    /// How the service level is counted: strict, answered, all_positive, after, short.
    #[arg(long, value_name = "NAME", default_value = "strict", value_parser = formula)]
    formula: Formula,
    /// Abandons up to this are short and no abandons; as 5s.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = time, requires = "patience")]
    short: Duration,
    /// One JSON object per number of agents.
    #[arg(long)]
    json: bool,
}

/// A service level: the share answered, and the time within which.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Target {
    level: f64,
    within: Duration,
}

/// How many rows stand above and below a number of agents that matters.
const AROUND: u32 = 3;

/// Runs `hatif erlang`.
pub fn run(options: &Options) -> Result<(), Failure> {
    let load = Load::new(options.calls, options.per, options.handle, options.patience)
        .map_err(|error| Failure::new(2, format!("error: {error}: see --calls, --per, --handle and --patience")))?;
    let goal = Goal {
        formula: options.formula,
        level: options.target.level,
        within: options.target.within,
        short: options.short,
        occupancy_most: options.max_occupancy,
        abandon_most: options.max_abandon,
    };
    let needed = goal.agents_needed(&load).ok_or_else(|| {
        let text = format!("not even {AGENTS_MOST} agents keep this goal: lower --target, raise --max-occupancy");
        Failure::new(1, text)
    })?;
    let rows = rows(&load, needed, options.agents);
    let items: Vec<Value> =
        rows.into_iter().map(|agents| item(options, &load, &goal, agents, agents == needed)).collect();
    if options.json {
        live::list(&json!({ "items": items }), &[], true);
        return Ok(());
    }
    heading(options, &load);
    let table: Vec<Value> = items.iter().map(|item| cells(item, options)).collect();
    live::list(&json!({ "items": table }), &columns(options), false);
    conclusion(options, needed);
    Ok(())
}

/// The numbers of agents to show: around the answer, and around what was asked for. A queue that grows without end has
/// nothing to show, unless it was asked for.
fn rows(load: &Load, needed: u32, asked: Option<u32>) -> BTreeSet<u32> {
    let around = |middle: u32| middle.saturating_sub(AROUND).max(1)..=(middle + AROUND).min(AGENTS_MOST);
    let mut rows: BTreeSet<u32> = asked.into_iter().chain([needed]).flat_map(around).collect();
    rows.retain(|agents| !load.grows_without_end(*agents));
    rows.extend(asked);
    rows
}

/// What so many agents make of the load, with names that stay.
fn item(options: &Options, load: &Load, goal: &Goal, agents: u32, needed: bool) -> Value {
    let figures = goal.figures(load, agents);
    let number = |value: &dyn Fn(&Figures) -> f64| figures.as_ref().map(|figures| rounded(value(figures)));
    let levels: serde_json::Map<String, Value> =
        Formula::ALL.iter().map(|formula| (formula.name().to_owned(), json!(number(&|f| formula.of(f))))).collect();
    json!({
        "agents": agents,
        "scheduled": scheduled(agents, options.shrinkage),
        "load_erlang": rounded(load.erlangs()),
        "service_level": number(&|f| goal.formula.of(f)),
        "service_levels": levels,
        "asa_seconds": number(&|f| f.asa_seconds),
        "wait_seconds": number(&|f| f.wait_seconds),
        "waiting_probability": number(&|f| f.waiting),
        "occupancy": number(&|f| f.occupancy),
        "abandon_rate": number(&|f| f.abandon_rate()),
        "in_queue": number(&|f| f.in_queue),
        "meets": figures.is_some_and(|figures| goal.is_met(&figures)),
        "needed": needed,
    })
}

/// Six digits after the point: what is beyond is noise to a reader and makes lines long.
fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

fn columns(options: &Options) -> Vec<&'static str> {
    let mut columns = vec!["agents"];
    if options.shrinkage > 0.0 {
        columns.push("scheduled");
    }
    columns.extend(["service level", "ASA", "occupancy", "waiting"]);
    if options.patience.is_some() {
        columns.push("abandons");
    }
    columns.push("");
    columns
}

/// A row for people.
fn cells(item: &Value, options: &Options) -> Value {
    let number = |name: &str| item.get(name).and_then(Value::as_f64);
    let percent = |name: &str| number(name).map_or("-".to_owned(), |share| format!("{:.1}%", share * 100.0));
    let asked = item.get("agents").and_then(Value::as_u64) == options.agents.map(u64::from);
    let needed = item.get("needed").and_then(Value::as_bool) == Some(true);
    let endless = number("service_level").is_none();
    let mark = match (asked, needed) {
        (_, _) if endless => "<- --agents: the queue grows without end",
        (true, true) => "<- needed, --agents",
        (false, true) => "<- needed",
        (true, false) => "<- --agents",
        (false, false) => "",
    };
    json!({
        "agents": item.get("agents"),
        "scheduled": item.get("scheduled"),
        "service level": percent("service_level"),
        "ASA": number("asa_seconds").map_or("-".to_owned(), |seconds| format!("{seconds:.1} s")),
        "occupancy": percent("occupancy"),
        "waiting": percent("waiting_probability"),
        "abandons": percent("abandon_rate"),
        "": mark,
    })
}

/// What was asked, in words, so that a table on paper explains itself.
fn heading(options: &Options, load: &Load) {
    let model = match options.patience {
        Some(patience) => format!("Erlang A, patience {}", values::write_duration(patience)),
        None => "Erlang C, nobody hangs up".to_owned(),
    };
    say!(
        "{} calls in {}, {} each: {:.2} erlang · {model}",
        options.calls,
        values::write_duration(options.per),
        values::write_duration(options.handle),
        load.erlangs()
    );
}

fn conclusion(options: &Options, needed: u32) {
    let Target { level, within } = options.target;
    let percent = |share: f64| format!("{}%", rounded(share * 100.0));
    let mut goal = format!("{} within {}", percent(level), values::write_duration(within));
    if options.formula != Formula::Strict {
        goal.push_str(&format!(" ({})", options.formula.name()));
    }
    if let Some(most) = options.max_occupancy {
        goal.push_str(&format!(", occupancy up to {}", percent(most)));
    }
    if let Some(most) = options.max_abandon {
        goal.push_str(&format!(", abandons up to {}", percent(most)));
    }
    let roster = match options.shrinkage > 0.0 {
        true => {
            let roster = scheduled(needed, options.shrinkage);
            format!(", {roster} on the roster with {} shrinkage", percent(options.shrinkage))
        }
        false => String::new(),
    };
    say!("{goal}: {needed} agents{roster}");
}

/// A length of time with its unit.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    values::duration(text).ok_or_else(|| "write a number with its unit, as 20s, 4m, 3m30s or 1h".to_owned())
}

/// A share in percent; the sign may be left out where the number cannot be taken for a fraction.
pub(super) fn percent(text: &str) -> Result<f64, String> {
    let wrong = || "write percent, as 30%".to_owned();
    let (digits, sign) = text.strip_suffix('%').map_or((text, false), |digits| (digits, true));
    let number: f64 = digits.trim_end().parse().map_err(|_| wrong())?;
    if !sign && number > 0.0 && number < 1.0 {
        return Err(format!("is it {}% or {number}%? write the percent sign", rounded(number * 100.0)));
    }
    if (0.0..=100.0).contains(&number) { Ok(number / 100.0) } else { Err("write 0% to 100%".to_owned()) }
}

fn shrinkage(text: &str) -> Result<f64, String> {
    let share = percent(text)?;
    if share <= 0.99 { Ok(share) } else { Err("write 0% to 99%: with more nobody is left to answer".to_owned()) }
}

/// `80/20`, `80%/20s`, `95/1m`: a time without unit is seconds.
fn target(text: &str) -> Result<Target, String> {
    let (level, within) = text.split_once('/').ok_or("write percent and seconds, as 80/20")?;
    let level = percent(level)?;
    if !(level > 0.0 && level < 1.0) {
        return Err("write a service level over 0% and under 100%: all calls in time needs endless agents".to_owned());
    }
    let within = match within.parse::<u32>() {
        Ok(seconds) => Duration::from_secs(seconds.into()),
        Err(_) => time(within)?,
    };
    Ok(Target { level, within })
}

fn formula(text: &str) -> Result<Formula, String> {
    let names = || Formula::ALL.map(Formula::name).join(", ");
    Formula::ALL.into_iter().find(|formula| formula.name() == text).ok_or_else(|| format!("write one of: {}", names()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_as_people_write_them() {
        let within = |level, seconds| Ok(Target { level, within: Duration::from_secs(seconds) });
        for (text, read) in [
            ("80/20", within(0.8, 20)),
            ("80%/20s", within(0.8, 20)),
            ("99.5/1m", within(0.995, 60)),
            ("90/0", within(0.9, 0)),
        ] {
            assert_eq!(target(text), read, "{text}");
        }
        for text in ["", "80", "80/", "/20", "100/20", "0/20", "0.8/20", "80/20x", "80/-1", "nan/20", "-80/20"] {
            assert!(target(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_fraction_is_not_taken_for_percent() {
        assert_eq!(percent("30%"), Ok(0.3));
        assert_eq!(percent("30"), Ok(0.3));
        assert_eq!(percent("0.5%"), Ok(0.005));
        assert!(percent("0.3").is_err_and(|mend| mend.contains("30%") && mend.contains("0.3%")));
        for text in ["", "%", "-1%", "101%", "inf", "NaN", "many"] {
            assert!(percent(text).is_err(), "{text}");
        }
        assert!(shrinkage("100%").is_err());
    }
}
