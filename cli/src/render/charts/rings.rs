//! Rings around the points at which the KV cache was the limit.

use inferbench_model::config::Level;
use inferbench_model::report::Report;
use inferbench_model::report::kv::{KvReport, KvUse};

use super::drawing::{Point, Role, Series};

/// What the rings mean, added to a chart's subtitle.
pub(super) const RINGED: &str = "; ringed where the KV cache was full or requests were preempted";

/// Whether the KV cache was the limit at any level.
pub(super) fn any_is_pressed(report: &Report) -> bool {
    let pressed = |kv: &KvReport| kv.usage.iter().any(KvUse::is_pressed);
    report.kv.as_ref().is_some_and(pressed)
}

/// Rings around the points of a backend's line at which the KV cache was full or
/// requests were preempted: that is where the curve bends.
pub(super) fn rings<'r>(
    report: &Report,
    line: &Series,
    level_of: impl Fn(&Point) -> Option<&'r Level>,
) -> Option<Series> {
    let kv = report.kv.as_ref()?;
    let pressed =
        |point: &&Point| level_of(point).is_some_and(|level| kv.is_pressed(&line.name, level));
    let points = line.points.iter().filter(pressed).map(|point| Point {
        labelled: false,
        ..point.clone()
    });
    let points: Vec<Point> = points.collect();
    (!points.is_empty()).then(|| Series {
        role: Role::Ring,
        place: line.place,
        name: "KV cache full".to_owned(),
        hover: String::new(),
        points,
    })
}
