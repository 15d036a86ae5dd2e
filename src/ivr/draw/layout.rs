//! Places the boxes of a graph in layers, after Sugiyama: circles broken, each box below all that lead to it, long
//! arrows cut at every layer they pass, layers ordered to cross little, then each box moved over its neighbours.

/// What is to be placed.
pub(super) struct Plan {
    /// Width of each box.
    pub widths: Vec<f64>,
    /// Arrows as pairs of box numbers.
    pub arrows: Vec<(usize, usize)>,
    /// Least space between two boxes of a layer.
    pub gap: f64,
}

/// Where everything is. `x` is the middle; layers count from 0.
pub(super) struct Layout {
    pub x: Vec<f64>,
    pub layer: Vec<usize>,
    pub layers: usize,
    pub width: f64,
    /// For each arrow the middles it passes on layers between its ends, from the upper to the lower one.
    pub bends: Vec<Vec<(usize, f64)>>,
    /// True of arrows that lead upwards.
    pub upwards: Vec<bool>,
}

/// A point of a layer: a box, or where an arrow passes.
#[derive(Clone)]
struct Point {
    width: f64,
    up: Vec<usize>,
    down: Vec<usize>,
    x: f64,
}

/// How wide an arrow is that passes a layer.
const PASSING: f64 = 18.0;
const SWEEPS: usize = 24;

pub(super) fn place(plan: &Plan) -> Layout {
    let count = plan.widths.len();
    let upwards = circles(count, &plan.arrows);
    let downward: Vec<(usize, usize)> =
        plan.arrows.iter().zip(&upwards).map(|(&(a, b), up)| if *up { (b, a) } else { (a, b) }).collect();
    let layer = layers(count, &downward);
    let depth = layer.iter().copied().max().map_or(0, |last| last + 1);
    let mut points: Vec<Point> =
        plan.widths.iter().map(|width| Point { width: *width, up: vec![], down: vec![], x: 0.0 }).collect();
    let mut rows: Vec<Vec<usize>> = vec![Vec::new(); depth];
    for (at, layer) in layer.iter().enumerate() {
        if let Some(row) = rows.get_mut(*layer) {
            row.push(at);
        }
    }
    let mut passes: Vec<Vec<(usize, usize)>> = Vec::new();
    for (from, to) in &downward {
        let mut chain = Vec::new();
        let (first, last) = (level(&layer, *from), level(&layer, *to));
        let mut above = *from;
        for between in first + 1..last {
            let number = points.len();
            points.push(Point { width: PASSING, up: vec![], down: vec![], x: 0.0 });
            if let Some(row) = rows.get_mut(between) {
                row.push(number);
            }
            connect(&mut points, above, number);
            chain.push((between, number));
            above = number;
        }
        if first != last {
            connect(&mut points, above, *to);
        }
        passes.push(chain);
    }
    order(&points, &mut rows);
    spread(&mut points, &rows, plan.gap);
    let left = points.iter().map(|p| p.x - p.width / 2.0).fold(f64::INFINITY, f64::min);
    let right = points.iter().map(|p| p.x + p.width / 2.0).fold(f64::NEG_INFINITY, f64::max);
    let x_of = |at: usize| points.get(at).map_or(0.0, |point| point.x - left);
    Layout {
        x: (0..count).map(x_of).collect(),
        layer,
        layers: depth,
        width: if count == 0 { 0.0 } else { right - left },
        bends: passes.iter().map(|chain| chain.iter().map(|(layer, at)| (*layer, x_of(*at))).collect()).collect(),
        upwards,
    }
}

fn level(layer: &[usize], at: usize) -> usize {
    layer.get(at).copied().unwrap_or(0)
}

fn connect(points: &mut [Point], above: usize, below: usize) {
    if let Some(point) = points.get_mut(above) {
        point.down.push(below);
    }
    if let Some(point) = points.get_mut(below) {
        point.up.push(above);
    }
}

/// Arrows that close a circle on the way from the first box, and those from a box to itself.
fn circles(count: usize, arrows: &[(usize, usize)]) -> Vec<bool> {
    let mut out: Vec<Vec<(usize, usize)>> = vec![Vec::new(); count];
    for (number, (from, to)) in arrows.iter().enumerate() {
        if let Some(list) = out.get_mut(*from) {
            list.push((number, *to));
        }
    }
    let mut upwards = vec![false; arrows.len()];
    // 0 unseen, 1 on the way, 2 done.
    let mut state = vec![0_u8; count];
    for root in 0..count {
        if state.get(root) != Some(&0) {
            continue;
        }
        let mut way = vec![(root, 0)];
        if let Some(s) = state.get_mut(root) {
            *s = 1;
        }
        while let Some((at, next)) = way.last_mut() {
            let edge = out.get(*at).and_then(|list| list.get(*next)).copied();
            *next += 1;
            match edge {
                Some((number, to)) => match state.get(to) {
                    Some(1) => {
                        if let Some(up) = upwards.get_mut(number) {
                            *up = true;
                        }
                    }
                    Some(0) => {
                        if let Some(s) = state.get_mut(to) {
                            *s = 1;
                        }
                        way.push((to, 0));
                    }
                    _ => {}
                },
                None => {
                    if let Some(s) = state.get_mut(*at) {
                        *s = 2;
                    }
                    way.pop();
                }
            }
        }
    }
    upwards
}

/// Each box one below the lowest of those that lead to it.
fn layers(count: usize, downward: &[(usize, usize)]) -> Vec<usize> {
    let mut layer = vec![0; count];
    // Without circles this ends after as many rounds as the longest way is long.
    for _ in 0..=count {
        let mut changed = false;
        for (from, to) in downward.iter().filter(|(from, to)| from != to) {
            let wanted = level(&layer, *from) + 1;
            if let Some(place) = layer.get_mut(*to).filter(|place| **place < wanted) {
                *place = wanted;
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    layer
}

/// Orders every layer by where the neighbours above, then below, stand; keeps the order with the fewest crossings.
fn order(points: &[Point], rows: &mut [Vec<usize>]) {
    let mut best = (crossings(points, rows), rows.to_vec());
    for sweep in 0..SWEEPS {
        let down = sweep % 2 == 0;
        let numbers: Vec<usize> =
            if down { (1..rows.len()).collect() } else { (0..rows.len().saturating_sub(1)).rev().collect() };
        for number in numbers {
            let beside = if down { number - 1 } else { number + 1 };
            let places = places(points.len(), rows.get(beside).map_or(&[][..], Vec::as_slice));
            let Some(row) = rows.get_mut(number) else { continue };
            let mut weighed: Vec<(f64, usize, usize)> = Vec::new();
            for (at, point) in row.iter().enumerate() {
                let neighbours = points.get(*point).map(|p| if down { &p.up } else { &p.down });
                let list: Vec<f64> =
                    neighbours.into_iter().flatten().filter_map(|n| places.get(*n).copied().flatten()).collect();
                let weight = if list.is_empty() { at as f64 } else { list.iter().sum::<f64>() / list.len() as f64 };
                weighed.push((weight, at, *point));
            }
            weighed.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            *row = weighed.into_iter().map(|(_, _, point)| point).collect();
        }
        let found = crossings(points, rows);
        if found < best.0 {
            best = (found, rows.to_vec());
        }
    }
    rows.clone_from_slice(&best.1);
}

fn places(count: usize, row: &[usize]) -> Vec<Option<f64>> {
    let mut places = vec![None; count];
    for (at, point) in row.iter().enumerate() {
        if let Some(place) = places.get_mut(*point) {
            *place = Some(at as f64);
        }
    }
    places
}

fn crossings(points: &[Point], rows: &[Vec<usize>]) -> usize {
    let mut count = 0;
    for pair in rows.windows(2) {
        let [upper, lower] = pair else { continue };
        let place = places(points.len(), lower);
        let mut ends: Vec<f64> = Vec::new();
        for point in upper {
            let mut of_point: Vec<f64> = points
                .get(*point)
                .into_iter()
                .flat_map(|p| &p.down)
                .filter_map(|n| place.get(*n).copied().flatten())
                .collect();
            of_point.sort_by(f64::total_cmp);
            let before = ends.len();
            for end in of_point {
                count += ends.iter().take(before).filter(|other| **other > end).count();
                ends.push(end);
            }
        }
    }
    count
}

/// Gives every point its place: as near as possible over its neighbours, without changing the order of the layer.
fn spread(points: &mut [Point], rows: &[Vec<usize>], gap: f64) {
    for row in rows {
        let mut at = 0.0;
        for number in row {
            if let Some(point) = points.get_mut(*number) {
                point.x = at + point.width / 2.0;
                at += point.width + gap;
            }
        }
    }
    for sweep in 0..SWEEPS {
        let down = sweep % 2 == 0;
        let mut numbers: Vec<usize> = (0..rows.len()).collect();
        if !down {
            numbers.reverse();
        }
        for row in numbers.into_iter().filter_map(|number| rows.get(number)) {
            let wanted: Vec<(usize, f64, f64)> = row
                .iter()
                .filter_map(|number| {
                    let point = points.get(*number)?;
                    // The last sweeps look both ways.
                    let all = sweep + 6 >= SWEEPS;
                    let up = point.up.iter().filter(|_| down || all);
                    let below = point.down.iter().filter(|_| !down || all);
                    let mut list: Vec<f64> = up.chain(below).filter_map(|n| points.get(*n)).map(|p| p.x).collect();
                    list.sort_by(f64::total_cmp);
                    let middle = match list.len() {
                        0 => point.x,
                        n => f64::midpoint(*list.get((n - 1) / 2)?, *list.get(n / 2)?),
                    };
                    Some((*number, middle, point.width))
                })
                .collect();
            for (number, x) in settle(&wanted, gap) {
                if let Some(point) = points.get_mut(number) {
                    point.x = x;
                }
            }
        }
    }
}

/// Places as near to the wanted ones as order and widths allow: points that would overlap form a block, which stands at the
/// mean of what its points want.
fn settle(wanted: &[(usize, f64, f64)], gap: f64) -> Vec<(usize, f64)> {
    struct Block {
        first: usize,
        last: usize,
        /// Where the middle of its first point stands.
        at: f64,
        /// Sum of what its points want for the first one.
        sum: f64,
    }
    // How far each point lies behind the first one when they touch.
    let mut offsets = Vec::with_capacity(wanted.len());
    let mut before: Option<(f64, f64)> = None;
    for (_, _, width) in wanted {
        let offset = before.map_or(0.0, |(offset, last)| offset + (last + width) / 2.0 + gap);
        offsets.push(offset);
        before = Some((offset, *width));
    }
    let offset = |at: usize| offsets.get(at).copied().unwrap_or(0.0);
    let mut blocks: Vec<Block> = Vec::new();
    for (at, (_, x, _)) in wanted.iter().enumerate() {
        let mut block = Block { first: at, last: at, at: *x, sum: *x - offset(at) };
        while let Some(left) = blocks.last() {
            let touches = left.at + offset(block.first) - offset(left.first);
            if block.at >= touches {
                break;
            }
            let sum = left.sum + block.sum;
            let first = left.first;
            let count = (block.last - first + 1) as f64;
            block = Block { first, last: block.last, at: sum / count + offset(first), sum };
            blocks.pop();
        }
        blocks.push(block);
    }
    let mut placed = Vec::with_capacity(wanted.len());
    for block in blocks {
        for (at, (number, _, _)) in wanted.iter().enumerate().take(block.last + 1).skip(block.first) {
            placed.push((*number, block.at + offset(at) - offset(block.first)));
        }
    }
    placed
}
