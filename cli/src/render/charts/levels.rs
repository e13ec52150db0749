//! One metric over the levels: a line of typical values per backend, with whiskers
//! over repeats, and a higher percentile on demand.

use inferbench_model::report::{Figure, MetricColumn, Percentile, Report};

use super::axis::Scale;
use super::drawing::{Drawing, Point, Role, Series, View};
use super::labels;
use super::rings::{RINGED, any_is_pressed, rings};
use super::sizes::HEIGHT;

/// The metric whose curve bends where the KV cache is the limit.
pub(super) const THROUGHPUT: &str = "output_token_throughput";

/// Reads a percentile of a figure.
type Take = fn(&Figure) -> Option<Percentile>;

/// Names of the views beside p50.
pub(super) const VIEWS: [&str; UPPER.len()] = [UPPER[0].0, UPPER[1].0];
/// Views beside p50, and the percentile of each.
const UPPER: [(&str, Take); 2] = [("p90", |figure| figure.p90), ("p99", |figure| figure.p99)];

/// The chart and its subtitle.
pub(super) fn levels(report: &Report, metric: &MetricColumn) -> (Drawing, String) {
    let main = series(report, metric, Role::Main, |figure| figure.typical);
    let upper: Vec<Series> = UPPER
        .iter()
        .flat_map(|(name, take)| {
            series(report, metric, Role::Upper(name), |figure| {
                take(figure)?.value
            })
        })
        .collect();
    let has_upper = !upper.is_empty();
    let all = values(&main).chain(values(&upper));
    let widest = Scale::of_values(all, metric.unit == "ms");
    let views = views(&widest, &main, &upper);
    let names = main.iter().map(|series| series.name.as_str());
    let right = labels::margin(names);
    let ringed = metric.name == THROUGHPUT && any_is_pressed(report);
    let level_of = |point: &Point| report.levels.get(point.x as usize);
    let ringed_points = main
        .iter()
        .filter(|_| ringed)
        .filter_map(|line| rings(report, line, level_of));
    let ringed_points: Vec<Series> = ringed_points.collect();
    let drawing = Drawing {
        x: steps(report),
        y: views[0].y.clone(),
        height: HEIGHT,
        right,
        names_up: 0.0,
        shaded: None,
        series: upper.into_iter().chain(ringed_points).chain(main).collect(),
        views: if has_upper { views } else { Vec::new() },
        unified: true,
    };
    (drawing, subtitle(report, metric, ringed))
}

/// The levels as equal steps.
fn steps(report: &Report) -> Scale {
    let title = report.levels.first().map_or("", |level| level.axis());
    let names = report.levels.iter().map(|level| level.value_text());
    Scale::of_steps(title, names.collect())
}

fn series(
    report: &Report,
    metric: &MetricColumn,
    role: Role,
    value: impl Fn(&Figure) -> Option<f64>,
) -> Vec<Series> {
    let series_of = |(place, backend): (usize, &inferbench_model::report::BackendReport)| {
        let points = report.levels.iter().enumerate().filter_map(|(at, level)| {
            let row = report.row(&backend.label, level)?;
            let figure = row.figures.get(&metric.name)?;
            Some(Point {
                x: at as f64,
                y: value(figure)?,
                y_reach: reach(report, role, figure),
                ..Point::default()
            })
        });
        let name = match role {
            Role::Upper(view) => format!("{} {view}", backend.label),
            _ => backend.label.clone(),
        };
        Series {
            role,
            place,
            name,
            hover: hover(metric),
            points: points.collect(),
        }
    };
    let backends = report.backends.iter().enumerate();
    backends
        .map(series_of)
        .filter(|series| !series.points.is_empty())
        .collect()
}

/// Least and most over repeats, for the main lines only.
fn reach(report: &Report, role: Role, figure: &Figure) -> Option<(f64, f64)> {
    let shown = report.blocks > 1 && role == Role::Main;
    figure.block_min.zip(figure.block_max).filter(|_| shown)
}

fn values(series: &[Series]) -> impl Iterator<Item = f64> {
    let points = series.iter().flat_map(|series| &series.points);
    points.flat_map(|point| {
        let (low, high) = point.y_reach.unwrap_or((point.y, point.y));
        [point.y, low, high]
    })
}

/// p50 alone, then p50 with each percentile that has values, all with the same kind
/// of scale.
fn views(widest: &Scale, main: &[Series], upper: &[Series]) -> Vec<View> {
    let p50 = View {
        name: "p50",
        y: widest.over(values(main)),
    };
    let with = UPPER.iter().map(|(name, _)| {
        let own = upper
            .iter()
            .filter(|series| series.role == Role::Upper(name));
        let points = own.flat_map(|series| series.points.iter().map(|point| point.y));
        View {
            name,
            y: widest.over(values(main).chain(points)),
        }
    });
    std::iter::once(p50).chain(with).collect()
}

fn hover(metric: &MetricColumn) -> String {
    format!("%{{y:.3s}} {}", metric.unit)
}

fn subtitle(report: &Report, metric: &MetricColumn, ringed: bool) -> String {
    let mut text = metric.unit.clone();
    if metric.has_percentiles {
        text.push_str(", median");
    }
    if report.blocks > 1 {
        text.push_str("; whiskers over repeats");
    }
    if ringed {
        text.push_str(RINGED);
    }
    text
}
