//! The house is in order: who may name whom, what cores may not touch, links that lead somewhere.
//!
//! The table below is the one in `docs/` and in the map of `src/lib.rs`. It reads the sources as text (comments,
//! strings and `#[cfg(test)]` items taken out) and needs nothing but the standard library.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Words that everybody shares.
const WORDS: &[&str] = &["id", "clock", "journal", "diagnostic"];

/// Modules without sockets, files, threads, locks, async, clock or random source of their own.
const CORES: &[&str] =
    &["id", "clock", "journal", "diagnostic", "sip", "sdp", "media", "ivr", "acd", "report", "say", "call", "engine"];

/// Which paths each module may name besides itself and [`WORDS`]; `*` = everything.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("id", &[]),
    ("clock", &[]),
    ("journal", &[]),
    ("diagnostic", &[]),
    ("sip", &[]),
    ("sdp", &[]),
    ("media", &[]),
    // What flows say they say in the words of `say`, which is a pure function.
    ("ivr", &["say"]),
    ("acd", &[]),
    ("report", &[]),
    ("say", &[]),
    ("call", &["sip", "sdp", "media", "ivr"]),
    ("engine", &["sip", "sdp", "media", "ivr", "acd", "report", "call"]),
    (
        "config",
        &[
            "acd::calendar",
            "acd::config",
            "call::config",
            "call::number",
            "media::config",
            "media::codec",
            "sip::config",
        ],
    ),
    // The engine's inputs and outputs carry the cores' own words: flows, packets, commands, chunks.
    (
        "io",
        &[
            "engine",
            "report",
            "config",
            "media",
            "sip::config",
            "sip::Flow",
            "sip::LinkOrder",
            "sip::Standing",
            "sip::stream",
            "sip::locate",
        ],
    ),
    ("storage", &["engine", "report", "config", "media"]),
    (
        "http",
        &[
            "engine",
            "report",
            "config",
            "storage",
            "metrics",
            "io::driver",
            "io::stream",
            "io::ws",
            "acd::Wish",
            "acd::calendar",
            "acd::config",
            "acd::preview",
            "call::Switch",
        ],
    ),
    (
        "metrics",
        &[
            "engine",
            "report",
            "config",
            "acd::config",
            "sip::GUARD_LABELS",
            "sip::METHODS",
            "sip::TRANSPORTS",
            "sip::DURATION_BOUNDS_MS",
        ],
    ),
    ("cluster", &["engine", "report", "config"]),
    // Robot phones are the other side of the wire: they share no code with the engine they call.
    ("robot", &[]),
    // The virtual world: the engine on virtual time, with everything pure around it.
    ("sim", &["sip", "sdp", "media", "ivr", "acd", "report", "call", "engine", "config"]),
    ("cli", &["*"]),
    ("main", &["*"]),
    ("lib", &["*"]),
];

/// Words a core may not contain, and why.
const CORE_BANS: &[(&str, &str)] = &[
    ("UdpSocket", "cores have no sockets"),
    ("TcpStream", "cores have no sockets"),
    ("TcpListener", "cores have no sockets"),
    ("Mutex", "cores have no locks"),
    ("RwLock", "cores have no locks"),
    ("Condvar", "cores have no locks"),
    ("async", "cores do not wait"),
    ("await", "cores do not wait"),
    ("tokio", "cores do not wait"),
    ("SystemTime", "cores are given the time"),
    ("OsRng", "cores are given a seed"),
    ("getrandom", "cores are given a seed"),
    ("thread_local", "cores have no global state"),
    ("println", "cores do not print"),
    ("eprintln", "cores do not print"),
    ("todo", "nothing is left open"),
    ("unimplemented", "nothing is left open"),
];

/// Parts of `std` a core may not use.
const CORE_STD_BANS: &[&str] = &["fs", "thread", "env", "process", "io::stdin", "io::stdout", "os"];

/// Longer files are listed, files over [`LINES_MOST`] are refused.
const LINES_WISHED: usize = 600;
const LINES_MOST: usize = 1_200;

#[test]
fn every_module_names_only_what_the_table_allows() {
    let table: BTreeMap<&str, &[&str]> = MAY_NAME.iter().copied().collect();
    let mut wrong = Vec::new();
    for source in sources() {
        let Some(allowed) = table.get(source.module.as_str()) else {
            wrong.push(format!("{}: module {} is not in the table of tests/tidy.rs", source.shown, source.module));
            continue;
        };
        for (line, path) in named(&source) {
            let Some(top) = path.first() else { continue };
            let known = table.contains_key(top.as_str());
            let own = *top == source.module || WORDS.contains(&top.as_str());
            let joined = path.join("::");
            let fits = |a: &&str| *a == "*" || joined == **a || joined.starts_with(&format!("{a}::"));
            if known && !own && !allowed.iter().any(fits) {
                wrong.push(format!("{}:{line}: {} may not name {joined}", source.shown, source.module));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn cores_touch_nothing_of_the_outside() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|s| CORES.contains(&s.module.as_str())) {
        for (at, word) in words(&source.text) {
            let place = || format!("{}:{}", source.shown, line_of(&source.text, at));
            if let Some((_, why)) = CORE_BANS.iter().find(|(ban, _)| *ban == word) {
                wrong.push(format!("{}: {word}: {why}", place()));
            }
            let rest = &source.text[at + word.len()..];
            if word == "Instant" && rest.starts_with("::now") {
                wrong.push(format!("{}: Instant::now: cores are given the time", place()));
            }
            let before = source.text[..at].trim_end();
            if word == "unwrap" && before.ends_with('.') && rest.starts_with("()") {
                wrong.push(format!("{}: unwrap: cores never panic", place()));
            }
        }
        for (at, path) in use_paths(&source.text, "std") {
            let joined = path.join("::");
            if CORE_STD_BANS.iter().any(|b| joined == *b || joined.starts_with(&format!("{b}::"))) {
                wrong.push(format!("{}:{}: std::{joined}", source.shown, line_of(&source.text, at)));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn unsafe_is_nowhere() {
    let found: Vec<String> = sources()
        .iter()
        .flat_map(|s| {
            words(&s.text)
                .into_iter()
                .filter(|(_, w)| *w == "unsafe")
                .map(|(at, _)| format!("{}:{}", s.shown, line_of(&s.text, at)))
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn files_stay_readable() {
    let mut over = Vec::new();
    for path in rust_files(&root().join("src")) {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        if lines > LINES_WISHED {
            println!("{lines} lines (over {LINES_WISHED}): {}", shown(&path));
        }
        if lines > LINES_MOST {
            over.push(format!("{}: {lines} lines", shown(&path)));
        }
    }
    assert!(over.is_empty(), "split these files:\n{}", over.join("\n"));
}

#[test]
fn links_in_the_documents_lead_somewhere() {
    let mut broken = Vec::new();
    for path in tree().into_iter().filter(|p| p.extension().is_some_and(|e| e == "md")) {
        let text = fs::read_to_string(&path).unwrap();
        for target in links(&text) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let folder = path.parent().unwrap();
            let linked = if file.is_empty() { path.clone() } else { folder.join(file) };
            if !linked.exists() {
                broken.push(format!("{}: {target}", shown(&path)));
            } else if !anchor.is_empty() && !anchors(&fs::read_to_string(&linked).unwrap_or_default()).contains(anchor)
            {
                broken.push(format!("{}: {target}: no such heading", shown(&path)));
            }
        }
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn nothing_in_the_tree_tells_of_a_machine_or_a_person() {
    // Written in two halves so that this file does not find itself.
    let machine = [["/ho", "me/"], ["/wo", "rk/"], ["/ro", "ot/"], ["/tmp/", "hb"], ["/Use", "rs/"]]
        .map(|halves| halves.concat());
    let mut found = Vec::new();
    for path in tree() {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let prose = path.extension().is_none_or(|e| e != "rs" && e != "lock" && e != "xml");
        for (at, line) in text.lines().enumerate() {
            let place = format!("{}:{}", shown(&path), at + 1);
            found.extend(machine.iter().filter(|m| line.contains(m.as_str())).map(|m| format!("{place}: {m}")));
            if prose {
                found.extend(addresses(line).map(|a| format!("{place}: e-mail {a}")));
            }
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

// The reader of sources.

struct Source {
    /// `src/sip/uri.rs`.
    shown: String,
    /// `sip`.
    module: String,
    /// `["sip", "uri"]`.
    path: Vec<String>,
    /// Without comments, strings and test items; line breaks kept.
    text: String,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

fn sources() -> Vec<Source> {
    let src = root().join("src");
    let mut list = Vec::new();
    for file in rust_files(&src) {
        let relative = file.strip_prefix(&src).unwrap().with_extension("");
        let mut path: Vec<String> = relative.iter().map(|p| p.to_string_lossy().into_owned()).collect();
        if path.iter().any(|p| p == "tests" || p.ends_with("_tests")) {
            continue;
        }
        if path.len() > 1 && path.last().is_some_and(|l| l == "mod") {
            path.pop();
        }
        let text = without_tests(&without_comments(&fs::read_to_string(&file).unwrap()));
        let module = path.first().cloned().unwrap_or_default();
        list.push(Source { shown: shown(&file), module, path, text });
    }
    assert!(!list.is_empty(), "the sources are there");
    list
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = walk(folder);
    files.retain(|f| f.extension().is_some_and(|e| e == "rs"));
    files
}

/// Files that belong to the project: neither built nor recorded.
fn tree() -> Vec<PathBuf> {
    walk(&root())
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    const LEFT_OUT: [&str; 5] = ["target", ".git", "node_modules", ".hatif-dev", "data"];
    let mut files = Vec::new();
    let Ok(listing) = fs::read_dir(folder) else { return files };
    for entry in listing.flatten() {
        let path = entry.path();
        if LEFT_OUT.contains(&entry.file_name().to_string_lossy().as_ref()) {
            continue;
        }
        match path.is_dir() {
            true => files.extend(walk(&path)),
            false => files.push(path),
        }
    }
    files.sort();
    files
}

/// Crate paths that a source names: `crate::…`, and `super::…` where it leaves the module.
fn named(source: &Source) -> Vec<(usize, Vec<String>)> {
    let mut list: Vec<(usize, Vec<String>)> = Vec::new();
    for (at, path) in use_paths(&source.text, "crate") {
        list.push((line_of(&source.text, at), path));
    }
    for (at, path) in use_paths(&source.text, "super") {
        let supers = 1 + path.iter().take_while(|p| *p == "super").count();
        // `lib` and `main` are the crate itself; the others sit as deep as their path.
        if source.path.len() == supers {
            list.push((line_of(&source.text, at), path.into_iter().skip(supers - 1).collect()));
        }
    }
    list
}

/// Every path that begins with the word `root`, without it, with `{a, b::c}` spread out: (offset, segments).
fn use_paths(text: &str, root: &str) -> Vec<(usize, Vec<String>)> {
    let mut list = Vec::new();
    for (at, word) in words(text) {
        let preceded = text[..at].ends_with("::") || text[..at].ends_with('$');
        if word != root || preceded || !text[at + word.len()..].starts_with("::") {
            continue;
        }
        let mut paths = Vec::new();
        spread(&text[at + word.len() + 2..], &mut Vec::new(), &mut paths);
        list.extend(paths.into_iter().map(|p| (at, p)));
    }
    list
}

/// Reads one use tree; returns how many bytes it took.
fn spread(text: &str, before: &mut Vec<String>, found: &mut Vec<Vec<String>>) -> usize {
    let mut at = text.len() - text.trim_start().len();
    let depth = before.len();
    loop {
        let rest = &text[at..];
        if let Some(inner) = rest.strip_prefix('{') {
            at += 1;
            let mut read = 0;
            loop {
                read += inner[read..].len() - inner[read..].trim_start_matches([' ', '\n', ',', '\t']).len();
                if inner[read..].starts_with('}') || inner[read..].is_empty() {
                    break;
                }
                let took = spread(&inner[read..], before, found);
                if took == 0 {
                    break;
                }
                read += took;
                // `as Name`
                read += inner[read..].find([',', '}']).unwrap_or(0);
            }
            before.truncate(depth);
            return at + read + 1;
        }
        let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        if length == 0 {
            if !before.is_empty() {
                found.push(before.clone());
            }
            before.truncate(depth);
            return at + usize::from(rest.starts_with('*'));
        }
        before.push(rest[..length].to_owned());
        at += length;
        if text[at..].starts_with("::") && !text[at + 2..].starts_with('<') {
            at += 2;
            continue;
        }
        found.push(before.clone());
        before.truncate(depth);
        return at;
    }
}

/// Identifiers with their offsets.
fn words(text: &str) -> Vec<(usize, &str)> {
    let mut list = Vec::new();
    let mut start = None;
    for (at, letter) in text.char_indices().chain([(text.len(), ' ')]) {
        match (letter.is_alphanumeric() || letter == '_', start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                list.push((from, &text[from..at]));
                start = None;
            }
            _ => {}
        }
    }
    list
}

fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// Comments, strings and character literals become blanks; lines stay.
fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let length = match letter {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => block_comment(rest),
            '"' => 1 + string_end(&rest[1..]),
            'r' | 'b' if !out.ends_with(|c: char| c.is_alphanumeric() || c == '_') => {
                raw_string(rest).unwrap_or_default()
            }
            '\'' => char_literal(rest),
            _ => 0,
        };
        if length == 0 {
            out.push(letter);
            rest = &rest[letter.len_utf8()..];
        } else {
            out.extend(rest[..length].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            rest = &rest[length..];
        }
    }
    out
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// Length of a string's inside and closing quote.
fn string_end(inside: &str) -> usize {
    let mut escaped = false;
    for (at, letter) in inside.char_indices() {
        match letter {
            '\\' => escaped = !escaped,
            '"' if !escaped => return at + 1,
            _ => escaped = false,
        }
    }
    inside.len()
}

fn raw_string(text: &str) -> Option<usize> {
    let after_b = text.strip_prefix('b').unwrap_or(text);
    let after = after_b.strip_prefix('r')?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    let inside = after[hashes..].strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let end = inside.find(&close).map_or(inside.len(), |at| at + close.len());
    Some(text.len() - inside.len() + end)
}

fn char_literal(text: &str) -> usize {
    let inside = &text[1..];
    match inside.chars().next() {
        Some('\\') => inside[2.min(inside.len())..].find('\'').map_or(0, |at| at + 4),
        Some(c) if inside[c.len_utf8()..].starts_with('\'') => c.len_utf8() + 2,
        // A lifetime.
        _ => 0,
    }
}

/// Items under `#[cfg(test)]` become blanks; lines stay.
fn without_tests(text: &str) -> String {
    let mut out = text.to_owned();
    while let Some(start) = out.find("#[cfg(test)]") {
        let mut depth = 0_i32;
        let mut end = out.len();
        for (at, letter) in out[start + 12..].char_indices() {
            match letter {
                '{' | '(' | '[' => depth += 1,
                '}' | ')' | ']' => depth -= 1,
                _ => {}
            }
            if depth == 0 && matches!(letter, '}' | ';') {
                end = start + 12 + at + 1;
                break;
            }
        }
        let blank: String = out[start..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        out.replace_range(start..end, &blank);
    }
    out
}

/// Targets of `[text](target)` outside code.
fn links(text: &str) -> Vec<String> {
    let mut targets = Vec::new();
    let mut code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            code = !code;
        }
        if code {
            continue;
        }
        let plain: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
        for rest in plain.split("](").skip(1) {
            targets.extend(rest.split_once(')').map(|(target, _)| target.to_owned()));
        }
    }
    targets
}

/// Anchors of a document's headings, as repositories make them.
fn anchors(text: &str) -> BTreeSet<String> {
    let heading = |line: &str| line.starts_with('#').then(|| line.trim_start_matches('#').trim().to_lowercase());
    let letter = |c: char| match c {
        ' ' => Some('-'),
        c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
        _ => None,
    };
    text.lines().filter_map(heading).map(|h| h.chars().filter_map(letter).collect()).collect()
}

/// E-mail addresses in a line; SIP addresses and reserved names are none.
fn addresses(line: &str) -> impl Iterator<Item = String> + '_ {
    let split = |c: char| c.is_whitespace() || matches!(c, '<' | '>' | '(' | ')' | '"' | '\'' | '`' | ',' | ';' | '|');
    line.split(split).filter_map(|word| {
        let (user, host) = word.split_once('@')?;
        let host = host.trim_end_matches(['.', ':', '/']);
        let name = |s: &str| {
            !s.is_empty() && s.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '+'))
        };
        let (_, top) = host.rsplit_once('.')?;
        let reserved = ["example.com", "example.org", "example.net", ".example", ".invalid", ".test", ".service"];
        let real = top.len() >= 2 && top.chars().all(|c| c.is_ascii_alphabetic());
        let found = name(user) && name(host) && real && !reserved.iter().any(|r| host.ends_with(r));
        found.then(|| word.to_owned())
    })
}

#[test]
fn the_reader_of_sources_sees_what_is_named() {
    let text = "use crate::{sip::uri::Uri, media::{self, rtp::*}};\nfn f() { crate::acd::Floor::new(); \"crate::ivr\"; }\n// crate::http\n#[cfg(test)]\nmod tests { use crate::cli::x; }\n";
    let text = without_tests(&without_comments(text));
    let found: Vec<String> = use_paths(&text, "crate").into_iter().map(|(_, p)| p.join("::")).collect();
    assert_eq!(found, ["sip::uri::Uri", "media::self", "media::rtp", "acd::Floor::new"]);
    let source = Source {
        shown: String::new(),
        module: "sip".to_owned(),
        path: vec!["sip".to_owned(), "uri".to_owned()],
        text: "use super::super::media::rtp;\nuse super::header::Name;".to_owned(),
    };
    assert_eq!(named(&source), [(1, vec!["media".to_owned(), "rtp".to_owned()])]);
    assert_eq!(
        addresses("a sip:bob@biloxi.com, root@machine.org and me@example.com").collect::<Vec<_>>(),
        ["root@machine.org"]
    );
}
