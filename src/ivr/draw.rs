//! Pictures of flows: a graph of boxes and arrows, as Mermaid, as Graphviz, or drawn by ourselves as SVG.
//!
//! Ways between the same two nodes are one arrow. The same flow gives the same picture, byte for byte.

mod layout;
mod svg;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::flow::Program;
use super::walk::kinds;

pub use svg::svg;

/// Longest label of an arrow, in characters.
const LABEL_CHARS: usize = 28;

/// How many calls went where, within one flow.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Traffic {
    /// Calls that entered the flow.
    pub calls: u64,
    /// Visits by node.
    pub nodes: BTreeMap<String, u64>,
    /// Callers who hung up, by the node they were in.
    pub left: BTreeMap<String, u64>,
    /// Steps from node to node.
    pub edges: BTreeMap<(String, String), u64>,
}

/// One node.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Figure {
    /// Its name; of a flow this one leads to `flow NAME`.
    pub name: String,
    /// Its kind in the file; `flow` for another flow, `return` for the way back.
    pub kind: &'static str,
    /// What it works with: a queue, a service, …
    pub object: String,
    /// The flow it stands for.
    pub flow: Option<String>,
    /// Visits, and how many of those hung up here.
    pub visits: Option<(u64, u64)>,
}

/// One way, or several between the same two nodes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Arrow {
    /// From this figure, by its number.
    pub from: usize,
    /// To this one.
    pub to: usize,
    /// The words on it, already short.
    pub label: String,
    /// How often it was gone, and its share of all that left `from`, in per cent.
    pub traffic: Option<(u64, u32)>,
}

/// A flow as boxes and arrows.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Graph {
    /// The flow's name.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// The language of the picture; Arabic is drawn from right to left.
    pub language: String,
    /// The first is where the flow begins.
    pub figures: Vec<Figure>,
    /// All arrows, by the order of their figures.
    pub arrows: Vec<Arrow>,
}

impl Graph {
    /// The picture of a flow in a language, with traffic where it is given.
    pub fn new(program: &Program, language: &str, traffic: Option<&Traffic>) -> Self {
        let title = program.title.get(language).or_else(|| program.title.values().next());
        let mut graph = Self {
            name: program.name.clone(),
            title: title.cloned().unwrap_or_else(|| program.name.clone()),
            language: language.to_owned(),
            ..Self::default()
        };
        // In the order of the file, what begins first.
        let mut nodes: Vec<_> = program.nodes.iter().collect();
        nodes.sort_by_key(|(name, node)| (**name != program.start.name, node.span.start));
        for (name, node) in &nodes {
            let count = |of: &BTreeMap<String, u64>| of.get(*name).copied().unwrap_or(0);
            graph.figures.push(Figure {
                name: (*name).clone(),
                kind: kinds::word(node),
                object: kinds::object(node),
                flow: kinds::sub_flow(node).map(str::to_owned),
                visits: traffic.map(|traffic| (count(&traffic.nodes), count(&traffic.left))),
            });
        }
        for (from, (name, node)) in nodes.iter().enumerate() {
            let mut labels: BTreeMap<usize, Vec<String>> = BTreeMap::new();
            for exit in kinds::exits(node).iter().filter(|exit| !exit.to_flow) {
                let to = graph.figure(&exit.target.name);
                let label = if exit.label == "next" { String::new() } else { exit.label.clone() };
                labels.entry(to).or_default().push(label);
            }
            let gone = |to: usize| {
                let to = graph.figures.get(to)?.name.clone();
                Some(traffic?.edges.get(&((*name).clone(), to)).copied().unwrap_or(0))
            };
            let all: u64 = labels.keys().filter_map(|to| gone(*to)).sum();
            let arrows: Vec<Arrow> = labels
                .iter()
                .map(|(to, labels)| {
                    let words: Vec<&str> =
                        labels.iter().map(String::as_str).filter(|label| !label.is_empty()).collect();
                    let share = |count: u64| (count, percent(count, all));
                    Arrow { from, to: *to, label: short(&words.join(", ")), traffic: gone(*to).map(share) }
                })
                .collect();
            graph.arrows.extend(arrows);
        }
        graph
    }

    /// The number of a figure; a target that is no node (`return`) gets one of its own.
    fn figure(&mut self, name: &str) -> usize {
        if let Some(at) = self.figures.iter().position(|figure| figure.name == name) {
            return at;
        }
        let figure = Figure { name: name.to_owned(), kind: "return", object: String::new(), flow: None, visits: None };
        self.figures.push(figure);
        self.figures.len() - 1
    }

    /// Text that Markdown pages show as a picture.
    pub fn mermaid(&self) -> String {
        let mut text = String::from("flowchart TD\n");
        for (at, figure) in self.figures.iter().enumerate() {
            let (open, close) = match figure.kind {
                "menu" | "collect" => ("{{\"", "\"}}"),
                "switch" | "hours" => ("{\"", "\"}"),
                "queue" => ("[[\"", "\"]]"),
                "hangup" | "return" => ("([\"", "\"])"),
                "http" | "fork" => ("[/\"", "\"/]"),
                _ => ("[\"", "\"]"),
            };
            let words = self.words(figure).join("<br>").replace('"', "#quot;");
            let _ = writeln!(text, "  n{at}{open}{words}{close}");
        }
        for arrow in &self.arrows {
            let label = self.label(arrow).replace('"', "#quot;").replace('|', "#124;");
            let label = if label.is_empty() { label } else { format!("|\"{label}\"|") };
            let _ = writeln!(text, "  n{} -->{label} n{}", arrow.from, arrow.to);
        }
        text
    }

    /// Text for Graphviz.
    pub fn dot(&self) -> String {
        let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
        let mut text = format!(
            "digraph {} {{\n  label={};\n  node [shape=box, style=rounded];\n",
            quoted(&self.name),
            quoted(&self.title)
        );
        for (at, figure) in self.figures.iter().enumerate() {
            let shape = match figure.kind {
                "menu" | "collect" => ", shape=hexagon",
                "switch" | "hours" => ", shape=diamond",
                "hangup" | "return" => ", shape=oval",
                _ => "",
            };
            let words = quoted(&self.words(figure).join("\n")).replace('\n', "\\n");
            let _ = writeln!(text, "  n{at} [label={words}{shape}];");
        }
        for arrow in &self.arrows {
            let width = arrow.traffic.map(|(_, share)| format!(", penwidth={}.{}", 1 + share / 20, share % 20 / 2));
            let (from, to, label) = (arrow.from, arrow.to, quoted(&self.label(arrow)));
            let _ = writeln!(text, "  n{from} -> n{to} [label={label}{}];", width.unwrap_or_default());
        }
        text.push_str("}\n");
        text
    }

    /// The lines in a box.
    fn words(&self, figure: &Figure) -> Vec<String> {
        let kind = kind_name(figure.kind, &self.language);
        let head = match figure.object.as_str() {
            "" => kind.to_owned(),
            object => format!("{kind}: {}", cut(object, LABEL_CHARS)),
        };
        let mut words = vec![figure.name.clone(), head];
        words.extend(self.visits(figure));
        words
    }

    fn visits(&self, figure: &Figure) -> Option<String> {
        let (visits, left) = figure.visits?;
        let gone = match (left, self.language.as_str()) {
            (0, _) => String::new(),
            (left, "ar") => format!(" · {}% أنهوا المكالمة", percent(left, visits)),
            (left, _) => format!(" · {}% hung up", percent(left, visits)),
        };
        Some(format!("{visits}{gone}"))
    }

    fn label(&self, arrow: &Arrow) -> String {
        match (arrow.traffic, arrow.label.as_str()) {
            (None, label) => label.to_owned(),
            (Some((count, share)), "") => format!("{count} ({share}%)"),
            (Some((count, share)), label) => format!("{label}: {count} ({share}%)"),
        }
    }
}

/// A share of `all`, rounded.
fn percent(part: u64, all: u64) -> u32 {
    let doubled = part.saturating_mul(200).checked_div(all).unwrap_or(0);
    u32::try_from(doubled.div_ceil(2)).unwrap_or(100)
}

fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

fn short(label: &str) -> String {
    cut(label, LABEL_CHARS)
}

/// What a kind of node is called.
fn kind_name<'k>(kind: &'k str, language: &str) -> &'k str {
    const ARABIC: [(&str, &str); 17] = [
        ("play", "تشغيل"),
        ("menu", "قائمة"),
        ("collect", "إدخال أرقام"),
        ("set", "تعيين"),
        ("switch", "شرط"),
        ("hours", "أوقات العمل"),
        ("http", "خدمة"),
        ("queue", "طابور"),
        ("callback", "معاودة الاتصال"),
        ("voicemail", "بريد صوتي"),
        ("transfer", "تحويل"),
        ("record", "تسجيل"),
        ("fork", "مساعد صوتي"),
        ("flow", "مسار فرعي"),
        ("goto", "انتقال"),
        ("hangup", "إنهاء"),
        ("return", "عودة"),
    ];
    if language != "ar" {
        return kind;
    }
    ARABIC.iter().find(|(word, _)| *word == kind).map_or(kind, |(_, arabic)| arabic)
}
