//! The day as a picture: a panel for each queue, with its service level, occupancy and callers over the day.

use std::fmt::Write as _;

use super::day::Day;
use super::figures::{Estimate, Line, NAMES};

const WIDTH: f64 = 960.0;
/// Height of one panel, its title and its time axis included.
const PANEL: f64 = 240.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 900.0;
/// The plot within a panel, from its top.
const TOP: f64 = 40.0;
const BOTTOM: f64 = 200.0;

/// Colours that are told apart without seeing red and green (Okabe and Ito 2008).
const LEVEL: &str = "#0072b2";
const BUSY: &str = "#d55e00";
const CALLERS: &str = "#bbbbbb";

/// An SVG document (1.1, without scripts and fonts of its own) of these lines.
pub fn svg(day: &Day, lines: &[Line]) -> String {
    let queues = day.queues();
    let height = PANEL * queues.len() as f64;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>\n"
    );
    for (queue, at) in queues.iter().zip(0u32..) {
        let of_queue: Vec<&Line> = lines.iter().filter(|l| l.queue == *queue && l.interval.is_some()).collect();
        let _ = writeln!(out, "<g transform=\"translate(0 {})\">", f64::from(at) * PANEL);
        panel(&mut out, day, queue.as_str(), &of_queue);
        out.push_str("</g>\n");
    }
    out.push_str("</svg>\n");
    out
}

fn panel(out: &mut String, day: &Day, title: &str, lines: &[&Line]) {
    let intervals = || lines.iter().filter_map(|line| line.interval);
    let (first, last) = (intervals().min().unwrap_or(0), intervals().max().unwrap_or(0));
    let slot = (RIGHT - LEFT) / (last - first + 1) as f64;
    let x = |interval: usize| LEFT + (interval - first) as f64 * slot;
    let y = |share: f64| BOTTOM - share.clamp(0.0, 1.0) * (BOTTOM - TOP);
    let most = lines.iter().filter_map(|line| figure(line, "offered")).map(|f| f.mean).fold(1.0, f64::max);

    let _ = writeln!(out, "<text x=\"{LEFT}\" y=\"20\" font-weight=\"bold\">{}</text>", escaped(title));
    for (word, colour, at) in
        [("service level", LEVEL, 420.0), ("occupancy", BUSY, 560.0), ("callers (right)", CALLERS, 680.0)]
    {
        let _ = writeln!(out, "<rect x=\"{at}\" y=\"10\" width=\"12\" height=\"12\" fill=\"{colour}\"/>");
        let _ = writeln!(out, "<text x=\"{}\" y=\"20\">{word}</text>", at + 18.0);
    }
    for line in lines {
        let (Some(interval), Some(offered)) = (line.interval, figure(line, "offered")) else { continue };
        let top = y(offered.mean / most);
        let _ = writeln!(
            out,
            "<rect x=\"{:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{CALLERS}\"/>",
            x(interval) + slot * 0.1,
            slot * 0.8,
            BOTTOM - top
        );
    }
    for step in 0..=4 {
        let share = f64::from(step) / 4.0;
        let _ = writeln!(
            out,
            "<path d=\"M{LEFT} {0:.1}H{RIGHT}\" stroke=\"#dddddd\" fill=\"none\"/>\n\
             <text x=\"{1}\" y=\"{2:.1}\" text-anchor=\"end\">{3}%</text>\n<text x=\"{4}\" y=\"{2:.1}\">{5:.0}</text>",
            y(share),
            LEFT - 6.0,
            y(share) + 4.0,
            step * 25,
            RIGHT + 6.0,
            most * share
        );
    }
    for (name, colour) in [("service_level", LEVEL), ("occupancy", BUSY)] {
        let points: Vec<(f64, Estimate)> =
            lines.iter().filter_map(|line| Some((x(line.interval?) + slot / 2.0, figure(line, name)?))).collect();
        curve(out, &points, colour, y);
    }
    // At most a dozen times of day, so that they do not run into each other.
    let every = ((last - first) / 12 + 1).max(1);
    for interval in (first..=last).step_by(every) {
        let at = x(interval) + slot / 2.0;
        let label = day.label(interval);
        let _ = writeln!(out, "<text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{label}</text>", BOTTOM + 18.0);
    }
}

/// A line through the figures, over the area of their bands.
fn curve(out: &mut String, points: &[(f64, Estimate)], colour: &str, y: impl Fn(f64) -> f64) {
    if points.is_empty() {
        return;
    }
    let edge = |sign: f64| move |(x, figure): &(f64, Estimate)| (*x, figure.mean + sign * figure.half.unwrap_or(0.0));
    let joined = |points: Vec<(f64, f64)>| {
        points.iter().map(|(x, share)| format!("{x:.1},{:.1}", y(*share))).collect::<Vec<_>>().join(" ")
    };
    let band: Vec<(f64, f64)> = points.iter().map(edge(1.0)).chain(points.iter().rev().map(edge(-1.0))).collect();
    let _ = writeln!(out, "<polygon points=\"{}\" fill=\"{colour}\" fill-opacity=\"0.2\"/>", joined(band));
    let line = joined(points.iter().map(|(x, figure)| (*x, figure.mean)).collect());
    let _ = writeln!(out, "<polyline points=\"{line}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>");
}

fn figure(line: &Line, name: &str) -> Option<Estimate> {
    let at = NAMES.iter().position(|known| *known == name)?;
    line.figures.get(at).copied().flatten()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
