//! What flows cost: a node with an expression, whole walks, the check, callers in menus.
//!
//! Prints a Markdown table of CPU time of this thread: median, least and most of five rounds. Bars: 5 µs for a node with
//! one expression, 10,000 walks a second through the shipped main flow, 50 ms for the check of 300 nodes, and for each of
//! 1,000 callers in menus 0.03 % of a core.

// Measures with the real clock.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hatif::ivr::{self, Declared, Facts, Input, Library, Output, QueueEnd, QueueFacts, Run, SHIPPED_FLOWS, World};
use hatif::journal::{Hours, Kind};
use rustix::time::{ClockId, clock_gettime};

/// As the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 5;
/// Nodes with an expression between two menus: a run may pass 200 nodes in a second.
const CHAIN: usize = 100;
/// Callers in menus at once.
const CALLERS: usize = 1_000;
/// Runs kept for the figure of memory: one page more or less does not count.
const KEPT: usize = 20_000;

fn main() {
    // `cargo test --benches` runs every bench without the flag: nothing to measure there.
    if !std::env::args().any(|a| a == "--bench") {
        return;
    }
    println!("| Flows | median | least | most | bar |");
    println!("|---|---|---|---|---|");
    let bare = chain(None);
    for (name, expression) in [
        ("a node with one expression: `tier == \"gold\"`", "tier == \"gold\""),
        ("… `tier == \"gold\" || tier == \"vip\"`", "tier == \"gold\" || tier == \"vip\""),
        ("… `caller.number.startsWith(\"+9667\")`", "caller.number.startsWith(\"+9667\")"),
        ("… `queue.support.waiting > 20`", "queue.support.waiting > 20"),
        ("… `now.hour > 24`", "now.hour > 24"),
    ] {
        let library = chain(Some(expression));
        let each = || (press(&library, CHAIN + 1) - press(&bare, 1)) / CHAIN as f64;
        row(name, "µs", each, |median| (median <= 5.0).then_some("≤ 5 µs"), "≤ 5 µs");
    }
    let plain = goto_chain();
    row(
        "a node without one (`goto`)",
        "µs",
        || (press(&plain, CHAIN + 1) - press(&bare, 1)) / CHAIN as f64,
        |_| None,
        "",
    );
    let shipped = shipped();
    row(
        "a walk through `main`: language, topic, queue, survey",
        "µs",
        || walks(&shipped, 5_000),
        |median| (median <= 100.0).then_some("≤ 100 µs"),
        "≤ 100 µs (10,000 a second)",
    );
    for nodes in [30, 300, 900] {
        let files = [("x.toml".to_owned(), generated(nodes))];
        let check = || spent_us(|| drop(black_box(ivr::load(&files, &declared())))) / 1_000.0;
        let bar = if nodes == 300 { "≤ 50 ms" } else { "" };
        row(&format!("check of a flow of {nodes} nodes"), "ms", check, |median| (median <= 50.0).then_some(bar), bar);
    }
    // A caller in a menu presses a key every three seconds, busy people that they are.
    let key = || keys(&shipped);
    row(
        "a key of one of 1,000 callers in menus",
        "µs",
        key,
        |median| (median <= 900.0).then_some(""),
        "≤ 900 µs (0.03 % of a core, one key in 3 s)",
    );
    println!("\nA caller in a menu takes {} bytes.", memory(&shipped));
}

/// Measures one row and prints it; `bar` is what it must reach, marked when it is missed.
fn row(name: &str, unit: &str, mut measure: impl FnMut() -> f64, met: impl Fn(f64) -> Option<&'static str>, bar: &str) {
    measure();
    let mut rounds: Vec<f64> = (0..ROUNDS).map(|_| measure()).collect();
    rounds.sort_by(f64::total_cmp);
    let at = |n: usize| rounds.get(n).copied().unwrap_or(f64::NAN);
    let missed = if bar.is_empty() || met(at(ROUNDS / 2)).is_some() { "" } else { " MISSED" };
    println!(
        "| {name} | {:.2} {unit} | {:.2} {unit} | {:.2} {unit} | {bar}{missed} |",
        at(ROUNDS / 2),
        at(0),
        at(ROUNDS - 1)
    );
}

/// CPU time of this thread for `work`, in µs.
fn spent_us(work: impl FnOnce()) -> f64 {
    let now = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
    };
    let begin = now();
    work();
    now() - begin
}

struct Floor;

impl World for Floor {
    fn queue(&self, _: &str) -> Option<QueueFacts> {
        Some(QueueFacts { waiting: 3, agents_ready: 1, ..QueueFacts::default() })
    }

    fn hours(&self, _: &str) -> Option<Hours> {
        Some(Hours::Open)
    }
}

fn declared() -> Declared {
    Declared {
        queues: ["support", "vip"].map(str::to_owned).into(),
        languages: vec!["ar".to_owned(), "en".to_owned()],
        ..Declared::default()
    }
}

fn load(files: &[(String, String)]) -> Arc<Library> {
    let (library, found) = ivr::load(files, &declared());
    Arc::new(library.unwrap_or_else(|| panic!("{found:?}")))
}

fn shipped() -> Arc<Library> {
    load(&SHIPPED_FLOWS.map(|(file, text)| (file.to_owned(), text.to_owned())))
}

fn facts() -> Facts {
    Facts { caller: "+966501234567".into(), called: "500".into(), language: "ar".into(), ..Facts::default() }
}

const HEAD: &str = "flow = 1\nname = \"main\"\nlanguages = [\"ar\", \"en\"]\nstart = \"ask\"\n\
    [vars]\ntier = { type = \"text\", default = \"none\" }\ncount = { type = \"number\", default = 0 }\n\
    [defaults]\non = { no_input = \"end\", invalid = \"end\", error = \"end\" }\n\
    [node.end]\nkind = \"hangup\"\n";

/// A menu whose key 1 leads through [`CHAIN`] switches back to it; without an expression straight back.
fn chain(expression: Option<&str>) -> Arc<Library> {
    let Some(expression) = expression else {
        return load(&[("x.toml".to_owned(), format!("{HEAD}{}", menu("ask", "ask")))]);
    };
    let mut text = format!("{HEAD}{}", menu("ask", "n0"));
    for n in 0..CHAIN {
        let next = if n + 1 == CHAIN { "ask".to_owned() } else { format!("n{}", n + 1) };
        let _ = writeln!(
            text,
            "[node.n{n}]\nkind = \"switch\"\ncase = [{{ when = '{expression}', next = \"end\" }}]\nelse = \"{next}\""
        );
    }
    load(&[("x.toml".to_owned(), text)])
}

fn goto_chain() -> Arc<Library> {
    let mut text = format!("{HEAD}{}", menu("ask", "n0"));
    for n in 0..CHAIN {
        let next = if n + 1 == CHAIN { "ask".to_owned() } else { format!("n{}", n + 1) };
        let _ = writeln!(text, "[node.n{n}]\nkind = \"goto\"\nnode = \"{next}\"");
    }
    load(&[("x.toml".to_owned(), text)])
}

fn menu(name: &str, one: &str) -> String {
    format!(
        "[node.{name}]\nkind = \"menu\"\nsay = [{{ prompt = \"x\" }}]\nkeys = {{ \"1\" = \"{one}\", \"9\" = \"end\" }}\n"
    )
}

/// CPU of one key that leads through so many nodes, the menu included, in µs.
fn press(library: &Arc<Library>, nodes: usize) -> f64 {
    let keys = 2_000;
    let mut now = Instant::now();
    let mut run = Run::new(now, Arc::clone(library), "main", facts(), &Floor).expect("the flow");
    while run.poll_output().is_some() {}
    let spent = spent_us(|| {
        for _ in 0..keys {
            now += Duration::from_secs(2);
            run.handle(now, Input::Digit('1'), &Floor);
            while let Some(output) = run.poll_output() {
                black_box(output);
            }
        }
    });
    now += Duration::from_secs(2);
    run.handle(now, Input::Digit('1'), &Floor);
    let outputs: Vec<Output> = std::iter::from_fn(|| run.poll_output()).collect();
    let visited = outputs.iter().filter(|o| matches!(o, Output::Journal(Kind::NodeVisited { .. }))).count();
    assert_eq!((run.place(), visited), (("main", "ask"), nodes), "a key leads through all nodes, back to the menu");
    spent / keys as f64
}

/// CPU of one walk through the shipped flows with prompts that end at once, in µs.
fn walks(library: &Arc<Library>, count: usize) -> f64 {
    let start = Instant::now();
    let spent = spent_us(|| {
        for _ in 0..count {
            let mut run = Run::new(start, Arc::clone(library), "main", facts(), &Floor).expect("the flow");
            let mut keys = ['1', '1', '5'].into_iter();
            let mut now = start;
            while !run.is_done() {
                let (mut input, mut asked) = (None, false);
                while let Some(output) = run.poll_output() {
                    match output {
                        Output::Play { play, .. } => (input, asked) = (Some(Input::PlayDone { play }), true),
                        Output::Queue { .. } => input = Some(Input::QueueLeft { outcome: QueueEnd::Ended }),
                        other => _ = black_box(other),
                    }
                }
                now += Duration::from_secs(1);
                run.handle(now, input.expect("it waits for something"), &Floor);
                if asked && !run.is_done() && run.poll_timeout().is_some_and(|at| at < now + Duration::from_secs(60)) {
                    run.handle(now, Input::Digit(keys.next().unwrap_or('1')), &Floor);
                }
            }
            assert!(keys.next().is_none(), "it went through all menus");
        }
    });
    spent / count as f64
}

/// CPU of a key of one of [`CALLERS`] runs, each in the first menu: English, then back to the languages by `*`, in µs.
fn keys(library: &Arc<Library>) -> f64 {
    let mut now = Instant::now();
    let mut runs = in_menus(library, CALLERS, now);
    let mut pressed = 0_u32;
    let spent = spent_us(|| {
        for _ in 0..10 {
            for key in ['2', '*'] {
                now += Duration::from_secs(2);
                for run in &mut runs {
                    run.handle(now, Input::Digit(key), &Floor);
                    while let Some(output) = run.poll_output() {
                        black_box(output);
                    }
                    pressed += 1;
                }
            }
        }
    });
    assert!(runs.iter().all(|run| run.place() == ("main", "language")), "all are where they were");
    spent / f64::from(pressed)
}

fn in_menus(library: &Arc<Library>, count: usize, now: Instant) -> Vec<Run> {
    let begin = |_| {
        let mut run = Run::new(now, Arc::clone(library), "main", facts(), &Floor).expect("the flow");
        while run.poll_output().is_some() {}
        run
    };
    (0..count).map(begin).collect()
}

/// Bytes that one caller in a menu takes.
fn memory(library: &Arc<Library>) -> u64 {
    let before = resident_bytes();
    let runs = in_menus(library, KEPT, Instant::now());
    let each = resident_bytes().saturating_sub(before) / KEPT as u64;
    assert_eq!(black_box(&runs).len(), KEPT);
    each
}

/// What the process holds in memory.
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).expect("pages") * 4_096
}

/// A flow of menus, switches, collects and plays: each leads to the next and some way back, as those of people do.
fn generated(nodes: usize) -> String {
    let mut text = HEAD.replace("start = \"ask\"", "start = \"n0\"");
    for n in 0..nodes - 1 {
        let next = if n + 2 == nodes { "end".to_owned() } else { format!("n{}", n + 1) };
        let back = format!("n{}", n - n % 10);
        let node = match n % 5 {
            0 => format!(
                "kind = \"menu\"\nsay = [{{ prompt = \"x\" }}]\nkeys = {{ \"1\" = \"{next}\", \"*\" = \"{back}\" }}"
            ),
            1 => format!("kind = \"set\"\nset = {{ count = 'count + 1' }}\nnext = \"{next}\""),
            2 => format!(
                "kind = \"switch\"\ncase = [{{ when = 'tier == \"gold\" && queue.vip.waiting < {n}', next = \"{next}\" }}, \
                 {{ when = 'caller.number.startsWith(\"+966\")', next = \"end\" }}]\nelse = \"{next}\""
            ),
            3 => {
                format!("kind = \"collect\"\nsay = [{{ prompt = \"x\" }}]\ninto = \"tier\"\nmax = 4\nnext = \"{next}\"")
            }
            _ => format!("kind = \"play\"\nsay = [{{ prompt = \"x\" }}]\nnext = \"{next}\""),
        };
        let _ = writeln!(text, "[node.n{n}]\n{node}");
    }
    text
}
