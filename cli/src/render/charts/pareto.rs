//! Throughput against speed per user, with the Pareto front.

use inferbench_model::report::{KEEPS_SLO_FROM, Reach, Report, Trade, TradePer, TradePoint};
use inferbench_model::text::number::three_digits;

use super::axis::Scale;
use super::drawing::{Drawing, Point, Role, Series};
use super::labels;
use super::rings::{self, RINGED, any_is_pressed};
use super::sizes::HEIGHT;

/// With up to so many lines every point has the label of its level; with more only
/// the ends have, or the labels would overlap.
const LABELLED_LINES: usize = 3;
/// Size of a point's label, as shares of the axes.
const LABEL_ACROSS: f64 = 0.025;
const LABEL_DOWN: f64 = 0.05;
/// Height of a name above the end of its line, px.
const NAMES_UP: f64 = 9.0;

/// The chart and its subtitle; `None` below two points with both figures.
pub(super) fn pareto(report: &Report) -> Option<(Drawing, String)> {
    let trade = report.trade.as_ref()?;
    // One point shows no trade-off.
    if trade.points.len() < 2 {
        return None;
    }
    let mut lines = lines(report, trade);
    let mut series = vec![pareto_front(trade)];
    series.retain(|_| lines.len() > 1);
    let ringed = lines.iter().filter_map(|line| rings(report, line));
    let ringed: Vec<Series> = ringed.collect();
    mark_ringed(&mut lines, &ringed);
    series.extend(ringed);
    let (x, y) = axes(trade);
    join_labels(&mut lines, &x, &y);
    let right = labels::margin(lines.iter().map(|line| line.name.as_str()));
    let right = right + labels::most_shift(&lines);
    let slowest = trade.slowest_within_slo_per_s;
    let shaded = slowest.map(|least| least.min(x.high));
    series.extend(lines);
    let drawing = Drawing {
        x,
        y,
        height: HEIGHT + 90,
        right,
        names_up: NAMES_UP,
        shaded,
        series,
        views: Vec::new(),
        unified: false,
    };
    Some((drawing, subtitle(report, trade)))
}

fn rings(report: &Report, line: &Series) -> Option<Series> {
    rings::rings(report, line, |point| {
        let mut levels = report.levels.iter();
        levels.find(|level| level.value_text() == point.text)
    })
}

/// Notes which points of the lines have a ring.
fn mark_ringed(lines: &mut [Series], rings: &[Series]) {
    for line in lines {
        let own = rings.iter().filter(|ring| ring.place == line.place);
        let own: Vec<&Point> = own.flat_map(|ring| &ring.points).collect();
        for point in &mut line.points {
            point.ringed = own
                .iter()
                .any(|ring| (ring.x, ring.y) == (point.x, point.y));
        }
    }
}

/// Axes of speed per user and of throughput. The speed at which the SLO breaks is
/// on the axis if some point meets the SLO.
fn axes(trade: &Trade) -> (Scale, Scale) {
    let points = || trade.points.iter();
    let speeds = || points().flat_map(|point| ends(&point.speed));
    let fastest = speeds().fold(0.0, f64::max);
    let slowest = trade.slowest_within_slo_per_s;
    let slowest = slowest.filter(|least| *least <= fastest);
    let x = Scale::near_values(speeds().chain(slowest));
    let y = Scale::of_values(points().flat_map(|point| ends(&point.throughput)), false);
    let title = "output tokens/s per user while the answer runs (median)";
    (x.titled(title), y)
}

fn ends(reach: &Reach) -> [f64; 3] {
    [reach.low, reach.typical, reach.high]
}

/// A line per backend, in the order of the levels.
fn lines(report: &Report, trade: &Trade) -> Vec<Series> {
    let backends = report.backends.iter().enumerate();
    let lines = backends.map(|(place, backend)| {
        let own = trade
            .points
            .iter()
            .filter(|point| point.backend == backend.label);
        let mut points: Vec<Point> = own.map(|own| point(report, own)).collect();
        let alone = report.measured().len() < 2;
        points
            .iter_mut()
            .for_each(|point| point.dominated &= !alone);
        let few = report.backends.len() <= LABELLED_LINES;
        let last = points.len().saturating_sub(1);
        for (at, point) in points.iter_mut().enumerate() {
            point.labelled = report.levels.len() > 1 && (few || at == 0 || at == last);
        }
        Series {
            role: Role::Main,
            place,
            name: backend.label.clone(),
            hover: "%{hovertext}: %{y:.3s} tokens/s in all, %{x:.3s} tokens/s per user".to_owned(),
            points,
        }
    });
    lines.filter(|line| !line.points.is_empty()).collect()
}

/// Merges the labels of overlapping points of a line into one, at the last of them,
/// and removes labels that would overlap one of an earlier line.
fn join_labels(lines: &mut [Series], x: &Scale, y: &Scale) {
    let mut taken: Vec<(f64, f64)> = Vec::new();
    for line in lines {
        let mut position = |point: &Point| (x.share(point.x), y.share(point.y));
        for at in 1..line.points.len() {
            let (before, after) = (position(&line.points[at - 1]), position(&line.points[at]));
            if overlap(before, after) && line.points[at - 1].labelled && line.points[at].labelled {
                let joined = format!("{}, {}", line.points[at - 1].label, line.points[at].label);
                line.points[at].label = joined;
                line.points[at - 1].labelled = false;
            }
        }
        for point in &mut line.points {
            let own = position(point);
            point.labelled &= !taken.iter().any(|other| overlap(*other, own));
        }
        taken.extend(
            line.points
                .iter()
                .filter(|point| point.labelled)
                .map(&mut position),
        );
    }
}

/// Whether labels at two positions, as shares of the axes, overlap.
fn overlap(a: (f64, f64), b: (f64, f64)) -> bool {
    (a.0 - b.0).abs() < LABEL_ACROSS && (a.1 - b.1).abs() < LABEL_DOWN
}

fn point(report: &Report, own: &TradePoint) -> Point {
    let reach = |reach: &Reach| (report.blocks > 1).then_some((reach.low, reach.high));
    Point {
        x: own.speed.typical,
        y: own.throughput.typical,
        x_reach: reach(&own.speed),
        y_reach: reach(&own.throughput),
        text: own.level.value_text(),
        label: own.level.value_text(),
        labelled: false,
        ringed: false,
        hollow: own.keeps_slo == Some(false),
        dominated: !own.best && own.keeps_slo != Some(false),
    }
}

/// The Pareto front: points that no other beats in both, by rising speed.
fn pareto_front(trade: &Trade) -> Series {
    let own = trade.points.iter().filter(|point| point.best);
    let mut points: Vec<Point> = own
        .map(|point| Point {
            x: point.speed.typical,
            y: point.throughput.typical,
            ..Point::default()
        })
        .collect();
    points.sort_by(|a, b| a.x.total_cmp(&b.x));
    Series {
        role: Role::Best,
        place: 0,
        name: "best".to_owned(),
        hover: String::new(),
        points,
    }
}

fn subtitle(report: &Report, trade: &Trade) -> String {
    let per = match trade.per {
        TradePer::Gpu => "per GPU",
        TradePer::Machine => "of the machine",
    };
    let mut text = format!("output tokens/s {per}; up and right is better");
    if report.levels.len() > 1 {
        text.push_str("; a point per level");
    }
    if report.measured().len() > 1 {
        text.push_str("; broad band: nothing is better in both; grey points: something is");
    }
    if report.blocks > 1 {
        text.push_str("; crosses: least and most over repeats");
    }
    if let Some(least) = trade.slowest_within_slo_per_s {
        text.push_str(&format!(
            "; shaded: breaks the SLO, below {} tokens/s per user",
            three_digits(least)
        ));
    }
    if trade
        .points
        .iter()
        .any(|point| point.keeps_slo == Some(false))
    {
        let percent = KEEPS_SLO_FROM * 100.0;
        text.push_str(&format!(
            "; hollow: less than {percent} % of requests met the SLO"
        ));
    }
    if any_is_pressed(report) {
        text.push_str(RINGED);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(points: &[(f64, f64, &str)]) -> Series {
        let points = points.iter().map(|(x, y, text)| Point {
            x: *x,
            y: *y,
            label: (*text).to_owned(),
            labelled: true,
            ..Point::default()
        });
        Series {
            role: Role::Main,
            place: 0,
            name: "a".to_owned(),
            hover: String::new(),
            points: points.collect(),
        }
    }

    #[test]
    fn an_slo_that_no_point_meets_does_not_stretch_the_axis() {
        let reach = |typical| Reach {
            typical,
            low: typical,
            high: typical,
        };
        let trade = |slowest| Trade {
            per: TradePer::Machine,
            slowest_within_slo_per_s: Some(slowest),
            points: vec![TradePoint {
                backend: "a".to_owned(),
                level: inferbench_model::config::Level::Concurrency(1),
                speed: reach(200.0),
                throughput: reach(100.0),
                best: false,
                keeps_slo: None,
            }],
        };
        // 8 % above the largest
        assert!((axes(&trade(10_000.0)).0.high - 216.0).abs() < 1e-9);
        // a quarter of the range of 100 below it
        assert!((axes(&trade(100.0)).0.low - 75.0).abs() < 1e-9);
    }

    #[test]
    fn labels_of_overlapping_points_are_joined_or_left_out() {
        let scale = Scale::of_values([100.0].into_iter(), false);
        let mut lines = [
            line(&[(10.0, 50.0, "1"), (10.5, 50.0, "2"), (90.0, 50.0, "4")]),
            line(&[(10.0, 51.0, "1"), (10.0, 90.0, "2")]),
        ];
        join_labels(&mut lines, &scale, &scale);
        let shown = lines.each_ref().map(|line| {
            let own = line.points.iter().filter(|point| point.labelled);
            own.map(|point| point.label.as_str()).collect::<Vec<_>>()
        });
        assert_eq!(shown, [vec!["1, 2", "4"], vec!["2"]]);
    }
}
