//! Pictures are whole, the same each time, and nothing in them lies on something else.

use std::sync::Arc;

use super::layout::{Plan, place};
use super::*;
use crate::ivr::check::{Declared, load};
use crate::ivr::{Library, SHIPPED_FLOWS};

fn shipped() -> Arc<Library> {
    let declared = Declared {
        queues: ["support", "vip"].map(str::to_owned).into(),
        languages: vec!["ar".to_owned(), "en".to_owned()],
        ..Declared::default()
    };
    let files = SHIPPED_FLOWS.map(|(file, text)| (file.to_owned(), text.to_owned()));
    Arc::new(load(&files, &declared).0.unwrap())
}

#[test]
fn mermaid_and_dot_hold_every_node_and_way() {
    let library = shipped();
    let graph = Graph::new(&library.flows["main"], "en", None);
    let names: Vec<&str> = graph.figures.iter().map(|figure| figure.name.as_str()).collect();
    assert_eq!(names[..3], ["language", "arabic", "english"], "in the order of the file");
    let mermaid = graph.mermaid();
    assert!(mermaid.starts_with("flowchart TD\n  n0{{\"language<br>menu\"}}\n"), "{mermaid}");
    for line in [
        "  n4[[\"support<br>queue: support\"]]",
        "  n0 -->|\"1\"| n1",
        "  n1 --> n3",
        "  n0 -->|\"no_input, invalid\"| n3",
    ] {
        assert!(mermaid.lines().any(|found| found == line), "{line}\n{mermaid}");
    }
    let dot = graph.dot();
    assert!(dot.starts_with("digraph \"main\" {") && dot.ends_with("}\n"), "{dot}");
    assert!(dot.contains("n4 -> n6 [label=\"ended\"];") && dot.contains("label=\"support\\nqueue: support\""), "{dot}");
}

#[test]
fn a_picture_is_the_same_each_time_and_mirrored_in_arabic() {
    let library = shipped();
    let draw = |language| svg(&Graph::new(&library.flows["main"], language, None), |flow| format!("{flow}.svg"));
    assert_eq!(draw("en"), draw("en"));
    let (english, arabic) = (draw("en"), draw("ar"));
    assert!(english.contains("href=\"survey.svg\"") && english.contains(">menu<"));
    assert!(arabic.contains("direction=\"rtl\"") && arabic.contains(">قائمة<") && arabic.contains("القائمة الرئيسية"));
    for text in [&english, &arabic] {
        assert!(text.starts_with("<svg") && text.ends_with("</svg>\n"));
        assert_eq!(text.matches("<text").count(), text.matches("</text>").count());
    }
}

#[test]
fn traffic_is_counts_shares_and_width() {
    let library = shipped();
    let step = |from: &str, to: &str, count| ((from.to_owned(), to.to_owned()), count);
    let traffic = Traffic {
        calls: 10,
        nodes: [("language".to_owned(), 10), ("arabic".to_owned(), 6)].into(),
        left: [("language".to_owned(), 1)].into(),
        edges: [step("language", "arabic", 6), step("language", "topic", 3)].into(),
    };
    let graph = Graph::new(&library.flows["main"], "en", Some(&traffic));
    let mermaid = graph.mermaid();
    assert!(mermaid.contains("-->|\"1: 6 (67%)\"| n1") && mermaid.contains("10 · 10% hung up"), "{mermaid}");
    let text = svg(&graph, str::to_owned);
    assert!(text.contains("stroke-width=\"8\"") && text.contains("#cbd5e1"), "the widest, and one nobody went");
}

/// Boxes of a layer keep their distance, arrows lead downwards but for those that close a circle.
#[test]
fn nothing_overlaps_however_the_arrows_go() {
    for seed in 0..60_u64 {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut dice = |most: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state % most).unwrap()
        };
        let count = 2 + dice(40);
        let widths: Vec<f64> = (0..count).map(|_| 60.0 + dice(150) as f64).collect();
        let arrows: Vec<(usize, usize)> =
            (0..count * 2).map(|_| (dice(count as u64), dice(count as u64))).filter(|(from, to)| from != to).collect();
        let layout = place(&Plan { widths: widths.clone(), arrows: arrows.clone(), gap: 20.0 });
        for a in 0..count {
            assert!(layout.x[a] - widths[a] / 2.0 >= -0.01 && layout.x[a] + widths[a] / 2.0 <= layout.width + 0.01);
            for b in 0..a {
                let apart = (layout.x[a] - layout.x[b]).abs() - f64::midpoint(widths[a], widths[b]);
                assert!(layout.layer[a] != layout.layer[b] || apart > 19.9, "seed {seed}: {a} and {b}: {apart}");
            }
        }
        for (number, (from, to)) in arrows.iter().enumerate() {
            let (from, to) = if layout.upwards[number] { (to, from) } else { (from, to) };
            let (from, to) = (layout.layer[*from], layout.layer[*to]);
            assert!(from < to, "seed {seed}");
            assert_eq!(layout.bends[number].len(), to - from - 1);
        }
    }
}
