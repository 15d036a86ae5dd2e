//! Draws a graph as SVG: boxes in layers from top to bottom, in Arabic mirrored.

use std::fmt::Write as _;

use super::layout::{self, Layout, Plan};
use super::{Arrow, Figure, Graph, kind_name};

const BAND: f64 = 30.0;
const LINE: f64 = 17.0;
const SPACE: f64 = 26.0;
const MARGIN: f64 = 24.0;
const TITLE: f64 = 40.0;
/// Space at the side of a box for an arrow that leads back to it.
const LOOP: f64 = 30.0;
const FONT: &str = "font-family=\"'Noto Sans','Noto Sans Arabic','Noto Naskh Arabic','Segoe UI',Tahoma,sans-serif\"";

/// A box with its place.
struct Placed {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

/// A label that waits for a place of its own.
struct Label {
    text: String,
    x: f64,
    y: f64,
    width: f64,
}

/// The picture; `link` gives the address of the picture of another flow.
pub fn svg(graph: &Graph, link: impl Fn(&str) -> String) -> String {
    let texts: Vec<Vec<String>> = graph.figures.iter().map(|figure| lines(graph, figure)).collect();
    let sizes: Vec<(f64, f64)> = texts
        .iter()
        .map(|lines| {
            // The name is bold, the rest is smaller.
            let width = |(at, line): (usize, &String)| width_of(line) * if at == 0 { 1.1 } else { 0.88 };
            let widest = lines.iter().enumerate().map(width).fold(40.0, f64::max);
            ((widest + BAND + 16.0).round(), 16.0 + LINE * lines.len() as f64)
        })
        .collect();
    let loops = |at: usize| graph.arrows.iter().find(|arrow| arrow.from == at && arrow.to == at);
    // A box keeps room on both sides for its loop, so that it stays in the middle of its place.
    let room = |at: usize| loops(at).map_or(0.0, |arrow| 2.0 * (LOOP + width_of(&graph.label(arrow))));
    let widths = sizes.iter().enumerate().map(|(at, (width, _))| width + room(at)).collect();
    let arrows: Vec<&Arrow> = graph.arrows.iter().filter(|arrow| arrow.from != arrow.to).collect();
    let plan = Plan { widths, arrows: arrows.iter().map(|arrow| (arrow.from, arrow.to)).collect(), gap: SPACE };
    let layout = layout::place(&plan);
    let (tops, height) = rows(graph, &layout, &sizes, &arrows);
    let title_width = width_of(&graph.title) * 1.5;
    let width = (layout.width.max(title_width) + 2.0 * MARGIN).ceil();
    let aside = (width - layout.width) / 2.0;
    let mirrored = graph.language == "ar";
    let across = |x: f64| if mirrored { width - aside - x } else { aside + x };
    let placed: Vec<Placed> = sizes
        .iter()
        .enumerate()
        .map(|(at, (width, height))| Placed {
            x: across(layout.x.get(at).copied().unwrap_or(0.0)),
            y: tops.get(layout.layer.get(at).copied().unwrap_or(0)).map_or(0.0, |row| row.0),
            width: *width,
            height: *height,
        })
        .collect();

    let mut body = String::new();
    let mut labels = Vec::new();
    draw_arrows(
        &mut body,
        &mut labels,
        &Scene { graph, layout: &layout, placed: &placed, tops: &tops, arrows: &arrows },
        &across,
    );
    for (at, figure) in graph.figures.iter().enumerate() {
        let (Some(place), Some(lines)) = (placed.get(at), texts.get(at)) else { continue };
        if let Some(arrow) = loops(at) {
            draw_loop(&mut body, &mut labels, graph, arrow, place, mirrored);
        }
        draw_figure(&mut body, figure, place, lines, mirrored, &link, at == 0);
    }
    // A label beside the outermost arrow may need more room than the boxes do.
    let left = labels.iter().map(|label| label.x - label.width / 2.0 - 4.0).fold(0.0, f64::min).floor();
    let right = labels.iter().map(|label| label.x + label.width / 2.0 + 4.0).fold(width, f64::max).ceil();
    let wide = right - left;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"{left} 0 {wide} {height}\" width=\"{wide}\" height=\"{height}\" {FONT} \
         font-size=\"13\">\n<title>{}</title>\n<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"8\" \
         markerHeight=\"8\" markerUnits=\"userSpaceOnUse\" orient=\"auto-start-reverse\"><path d=\"M0 0.5L7.5 4L0 7.5z\" fill=\"#475569\"/></marker></defs>\n\
         <rect x=\"{left}\" width=\"{wide}\" height=\"{height}\" fill=\"#ffffff\"/>\n\
         <text x=\"{}\" y=\"30\" text-anchor=\"middle\" font-size=\"19\" font-weight=\"600\" fill=\"#0f172a\">{}</text>\n",
        escaped(&graph.title),
        number(width / 2.0),
        escaped(&graph.title)
    );
    out.push_str(&body);
    draw_labels(&mut out, labels);
    out.push_str("</svg>\n");
    out
}

/// The lines in a box; the first is its name.
fn lines(graph: &Graph, figure: &Figure) -> Vec<String> {
    let kind = kind_name(figure.kind, &graph.language);
    let second = match figure.object.as_str() {
        "" => kind.to_owned(),
        object => format!("{kind}: {}", super::cut(object, 26)),
    };
    let mut lines = vec![figure.name.clone(), second];
    lines.extend(graph.visits(figure));
    lines
}

/// Top and height of each layer, and the height of the whole.
fn rows(graph: &Graph, layout: &Layout, sizes: &[(f64, f64)], arrows: &[&Arrow]) -> (Vec<(f64, f64)>, f64) {
    let mut rows = Vec::new();
    let mut y = TITLE + MARGIN;
    for layer in 0..layout.layers {
        let in_layer = layout.layer.iter().zip(sizes).filter(|(of, _)| **of == layer);
        let height = in_layer.map(|(_, (_, height))| *height).fold(0.0, f64::max);
        rows.push((y, height));
        // More labels below a layer need more room to keep off each other.
        let below = arrows.iter().zip(&layout.upwards).filter(|(arrow, up)| {
            let source = layout.layer.get(if **up { arrow.to } else { arrow.from });
            source == Some(&layer) && !graph.label(arrow).is_empty()
        });
        let labels = below.count();
        y += height + (46.0 + 6.0 * labels as f64).min(120.0);
    }
    let last = rows.last().map_or(TITLE, |(top, height)| top + height);
    (rows, (last + MARGIN).ceil())
}

/// What arrows are drawn between.
struct Scene<'a> {
    graph: &'a Graph,
    layout: &'a Layout,
    placed: &'a [Placed],
    tops: &'a [(f64, f64)],
    arrows: &'a [&'a Arrow],
}

impl Scene<'_> {
    /// Upper and lower end of an arrow.
    fn ends(&self, number: usize) -> Option<(usize, usize)> {
        let arrow = self.arrows.get(number)?;
        let up = self.layout.upwards.get(number).copied().unwrap_or(false);
        Some(if up { (arrow.to, arrow.from) } else { (arrow.from, arrow.to) })
    }

    /// Where on the lower (or upper) side of a box each of its arrows begins: spread, in the order of where they go.
    fn port(&self, number: usize, lower_side: bool, across: &impl Fn(f64) -> f64) -> f64 {
        let Some((upper, lower)) = self.ends(number) else { return 0.0 };
        let at = if lower_side { upper } else { lower };
        let aim = |number: usize| -> f64 {
            let bends = self.layout.bends.get(number).map_or(&[][..], Vec::as_slice);
            let bend = if lower_side { bends.first() } else { bends.last() };
            let far = self.ends(number).map_or(0, |(upper, lower)| if lower_side { lower } else { upper });
            bend.map_or_else(|| self.placed.get(far).map_or(0.0, |p| p.x), |(_, x)| across(*x))
        };
        let mut all: Vec<usize> = (0..self.arrows.len())
            .filter(|other| {
                self.ends(*other).is_some_and(|(upper, lower)| if lower_side { upper == at } else { lower == at })
            })
            .collect();
        all.sort_by(|a, b| aim(*a).total_cmp(&aim(*b)).then(a.cmp(b)));
        let Some(place) = self.placed.get(at) else { return 0.0 };
        let rank = all.iter().position(|other| *other == number).unwrap_or(0);
        let step = ((place.width - 24.0) / all.len().max(1) as f64).min(34.0);
        place.x + step * (rank as f64 - (all.len() as f64 - 1.0) / 2.0)
    }
}

fn draw_arrows(out: &mut String, labels: &mut Vec<Label>, scene: &Scene<'_>, across: &impl Fn(f64) -> f64) {
    let most = scene.arrows.iter().filter_map(|arrow| arrow.traffic).map(|(count, _)| count).max().unwrap_or(0);
    for (number_of, arrow) in scene.arrows.iter().enumerate() {
        let Some((upper, lower)) = scene.ends(number_of) else { continue };
        let (Some(above), Some(below)) = (scene.placed.get(upper), scene.placed.get(lower)) else { continue };
        let up = scene.layout.upwards.get(number_of).copied().unwrap_or(false);
        let mut points = vec![(scene.port(number_of, true, across), above.y + above.height)];
        for (layer, x) in scene.layout.bends.get(number_of).into_iter().flatten() {
            let (top, height) = scene.tops.get(*layer).copied().unwrap_or_default();
            points.push((across(*x), top));
            points.push((across(*x), top + height));
        }
        points.push((scene.port(number_of, false, across), below.y));
        // The tip stands a little off the box.
        if up {
            if let Some(first) = points.first_mut() {
                first.1 += 2.0;
            }
        } else if let Some(last) = points.last_mut() {
            last.1 -= 2.0;
        }
        let mut path = String::new();
        for (at, (x, y)) in points.iter().enumerate() {
            let before = at.checked_sub(1).and_then(|at| points.get(at));
            let _ = match before {
                None => write!(path, "M{} {}", number(*x), number(*y)),
                Some((px, _)) if (px - x).abs() < 0.5 => write!(path, "L{} {}", number(*x), number(*y)),
                Some((px, py)) => {
                    let half = (y - py) * 0.55;
                    let (a, b) = (number(py + half), number(y - half));
                    write!(path, "C{} {a} {} {b} {} {}", number(*px), number(*x), number(*x), number(*y))
                }
            };
        }
        let (width, colour) = match arrow.traffic {
            None => (1.4, "#475569"),
            Some((0, _)) => (1.0, "#cbd5e1"),
            Some((count, _)) => (1.2 + 6.8 * count as f64 / most.max(1) as f64, "#475569"),
        };
        let dashes = if up { " stroke-dasharray=\"5 4\"" } else { "" };
        let tip = if up { "marker-start=\"url(#tip)\"" } else { "marker-end=\"url(#tip)\"" };
        let _ = writeln!(
            out,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{}\"{dashes} {tip}/>",
            number(width)
        );
        let text = scene.graph.label(arrow);
        if text.is_empty() {
            continue;
        }
        // Where it leaves its box.
        let pair = if up { points.windows(2).last() } else { points.windows(2).next() };
        if let Some([(x0, y0), (x1, y1)]) = pair {
            let width = width_of(&text) * 0.85;
            let free = |t: f64| {
                let (x, y) = (x0 + (x1 - x0) * t * t * (3.0 - 2.0 * t), y0 + (y1 - y0) * t);
                let clear = |other: &Label| {
                    (other.x - x).abs() > f64::midpoint(other.width, width) + 4.0 || (other.y - y).abs() > 14.0
                };
                labels.iter().all(clear).then_some((x, y))
            };
            let tries: &[f64] =
                if up { &[0.6, 0.75, 0.45, 0.85, 0.3, 0.2] } else { &[0.45, 0.3, 0.6, 0.75, 0.2, 0.85] };
            let (x, y) =
                tries.iter().find_map(|t| free(*t)).unwrap_or((f64::midpoint(*x0, *x1), f64::midpoint(*y0, *y1)));
            labels.push(Label { text, x, y, width });
        }
    }
}

fn draw_loop(out: &mut String, labels: &mut Vec<Label>, graph: &Graph, arrow: &Arrow, place: &Placed, mirrored: bool) {
    let side = if mirrored { -1.0 } else { 1.0 };
    let x = place.x + side * place.width / 2.0;
    let (top, bottom) = (place.y + place.height * 0.3, place.y + place.height * 0.7);
    let far = x + side * LOOP;
    let _ = writeln!(
        out,
        "<path d=\"M{x} {t}C{far} {a} {far} {b} {end} {bo}\" fill=\"none\" stroke=\"#475569\" stroke-width=\"1.4\" \
         marker-end=\"url(#tip)\"/>",
        x = number(x),
        t = number(top),
        a = number(top - 8.0),
        b = number(bottom + 8.0),
        far = number(far),
        end = number(x + side * 2.0),
        bo = number(bottom)
    );
    let text = graph.label(arrow);
    let width = width_of(&text) * 0.85;
    labels.push(Label { x: x + side * (LOOP * 0.8 + width / 2.0 + 2.0), y: f64::midpoint(top, bottom), width, text });
}

fn draw_figure(
    out: &mut String,
    figure: &Figure,
    place: &Placed,
    lines: &[String],
    mirrored: bool,
    link: &impl Fn(&str) -> String,
    is_start: bool,
) {
    let (colour, icon) = look(figure.kind);
    let (x, y, w, h) = (place.x - place.width / 2.0, place.y, place.width, place.height);
    if let Some(flow) = &figure.flow {
        let _ = writeln!(out, "<a href=\"{}\">", escaped(&link(flow)));
        let _ = writeln!(
            out,
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"13\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.2\"/>",
            number(x - 4.0),
            number(y - 4.0),
            number(w + 8.0),
            number(h + 8.0)
        );
    }
    let round = if matches!(figure.kind, "hangup" | "return") { h / 2.0 } else { 9.0 };
    let border = if is_start { 2.6 } else { 1.4 };
    let _ = writeln!(
        out,
        "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"{}\" fill=\"#ffffff\" stroke=\"{colour}\" stroke-width=\"{border}\"/>",
        number(x),
        number(y),
        number(w),
        number(h),
        number(round)
    );
    let icon_x = if mirrored { x + w - BAND + 4.0 } else { x + 10.0 };
    let _ = writeln!(
        out,
        "<path transform=\"translate({} {})\" d=\"{icon}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.7\" stroke-linecap=\"round\" \
         stroke-linejoin=\"round\"/>",
        number(icon_x),
        number(y + h / 2.0 - 8.0)
    );
    let (text_x, direction) = if mirrored { (x + w - BAND - 2.0, " direction=\"rtl\"") } else { (x + BAND + 2.0, "") };
    for (at, line) in lines.iter().enumerate() {
        let style =
            if at == 0 { "font-weight=\"600\" fill=\"#0f172a\"" } else { "font-size=\"11.5\" fill=\"#475569\"" };
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{}\"{direction} {style}>{}</text>",
            number(text_x),
            number(y + 20.0 + LINE * at as f64),
            escaped(line)
        );
    }
    if figure.flow.is_some() {
        out.push_str("</a>\n");
    }
}

fn draw_labels(out: &mut String, labels: Vec<Label>) {
    for label in labels {
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\" font-size=\"11\" fill=\"#1e293b\" stroke=\"#ffffff\" stroke-width=\"4\" \
             stroke-linejoin=\"round\" paint-order=\"stroke\">{}</text>",
            number(label.x),
            number(label.y + 4.0),
            escaped(&label.text)
        );
    }
}

/// Colour and icon, in a square of sixteen, of a kind of node.
fn look(kind: &str) -> (&'static str, &'static str) {
    match kind {
        "play" => ("#2563eb", "M2 6v4h3l4 3V3L5 6zM11.5 5.5q2 2.5 0 5M13.5 3.5q3.5 4.5 0 9"),
        "menu" => ("#7c3aed", "M3 3h.1M8 3h.1M13 3h.1M3 8h.1M8 8h.1M13 8h.1M3 13h.1M8 13h.1M13 13h.1"),
        "collect" => ("#7c3aed", "M1 4h14v8H1zM4.5 7v2M8 7v2M11.5 7v2"),
        "set" => ("#64748b", "M3 6h10M3 10h10"),
        "switch" => ("#64748b", "M8 1l7 7l-7 7l-7-7z"),
        "hours" => ("#64748b", "M8 1a7 7 0 1 0 .1 0zM8 4v4l3 2"),
        "goto" => ("#4f46e5", "M2 8h11M9 4l4 4l-4 4"),
        "flow" => ("#4f46e5", "M2 2h8v8h-8zM6 6h8v8h-8z"),
        "http" => ("#0891b2", "M8 1a7 7 0 1 0 .1 0zM1 8h14M8 1q-5 7 0 14q5-7 0-14"),
        "fork" => ("#0891b2", "M3 14v-3a5 5 0 0 1 10 0v3M8 2a3 3 0 1 0 .1 0z"),
        "queue" => (
            "#059669",
            "M3 5a1.5 1.5 0 1 0 .1 0zM8 5a1.5 1.5 0 1 0 .1 0zM13 5a1.5 1.5 0 1 0 .1 0zM1 13v-2h4v2M6 13v-2h4v2M11 13v-2h4v2",
        ),
        "callback" => ("#d97706", "M2 8a6 6 0 1 1 2 4.5M2 13v-1h2.5"),
        "voicemail" => ("#d97706", "M4 5a3 3 0 1 0 .1 0zM12 5a3 3 0 1 0 .1 0zM4 11h8"),
        "record" => ("#d97706", "M8 1a7 7 0 1 0 .1 0zM8 6a2 2 0 1 0 .1 0z"),
        "transfer" => ("#d97706", "M1 5h12M10 2l3 3l-3 3M15 11H3M6 8l-3 3l3 3"),
        "hangup" => ("#dc2626", "M3 3l10 10M13 3L3 13"),
        _ => ("#475569", "M13 8H3M7 4L3 8l4 4"),
    }
}

/// About how wide a text is drawn, in pixels.
fn width_of(text: &str) -> f64 {
    text.chars()
        .map(|c| match c {
            '\u{0300}'..='\u{036F}' | '\u{064B}'..='\u{065F}' | '\u{0670}' => 0.0,
            'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | '\'' | '|' | ' ' => 4.2,
            'm' | 'w' | 'M' | 'W' | '@' => 11.0,
            'A'..='Z' => 8.6,
            '\u{0600}'..='\u{06FF}' => 7.0,
            _ => 7.4,
        })
        .sum()
}

/// At most one digit behind the point.
fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
