//! Puts the thinned-out series of a run on one time axis with its load.

use super::buckets::{Buckets, MOST_BUCKETS};
use super::frame::Frame;
use super::series::Series;
use crate::hardware::over_time::{CellPhase, SeriesOf, StagePhase, Timeline, TimelineSeries};
use crate::text::units::s_between;

/// Buckets of all series together, as far as each keeps [`LEAST_BUCKETS`]: more
/// would make a page slow that shows no more.
const ALL_BUCKETS: usize = 32_000;
/// Buckets that each series may keep however many series there are.
const LEAST_BUCKETS: usize = 200;

/// One series as it is drawn.
pub(super) struct Drawn {
    pub(super) of: SeriesOf,
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) unit: &'static str,
    pub(super) device: Option<u32>,
    pub(super) backend: Option<String>,
    pub(super) gap_ns: u64,
    pub(super) buckets: Buckets,
}

impl Drawn {
    pub(super) fn from_series<S>(of: SeriesOf, series: &Series<S>, buckets: Buckets) -> Self {
        Self {
            of,
            name: series.name,
            label: series.label,
            unit: series.unit,
            device: None,
            backend: None,
            gap_ns: 0,
            buckets,
        }
    }

    fn shown(mut self, most: usize) -> TimelineSeries {
        self.buckets.keep_to(most);
        let lists = self.buckets.lists();
        TimelineSeries {
            of: self.of,
            name: self.name.to_owned(),
            label: self.label.to_owned(),
            unit: self.unit.to_owned(),
            device: self.device,
            backend: self.backend,
            bucket_s: self.buckets.width_s(),
            gap_s: s_between(0, self.gap_ns.saturating_add(self.buckets.most_spread_ns())),
            t_s: lists.t_s,
            min: lists.min,
            mean: lists.mean,
            max: lists.max,
        }
    }
}

/// The timeline of a run.
pub(super) fn build(frame: &Frame, drawn: Vec<Drawn>, notes: Vec<String>) -> Timeline {
    let read = drawn.into_iter().filter(|one| !one.buckets.is_empty());
    let read: Vec<Drawn> = read.collect();
    let most = (ALL_BUCKETS / read.len().max(1)).clamp(LEAST_BUCKETS, MOST_BUCKETS);
    let series: Vec<TimelineSeries> = read.into_iter().map(|one| one.shown(most)).collect();
    let at = |t_ns: u64| (s_between(frame.zero_ns, t_ns) * 1e3).round() / 1e3;
    let cells = cells(frame, &at);
    let ends = cells.iter().map(|cell| cell.end_s);
    let lasts = series.iter().filter_map(|one| one.t_s.last().copied());
    Timeline {
        zero_ns: frame.zero_ns,
        end_s: ends
            .chain(lasts)
            .chain(frame.end_ns.map(at))
            .fold(0.0, f64::max),
        stages: frame
            .stages
            .iter()
            .map(|stage| StagePhase {
                backend: stage.backend.clone(),
                block: stage.block,
                start_s: stage.start_ns.map(at),
                ready_s: stage.ready_ns.map(at),
                end_s: stage.end_ns.map(at),
            })
            .collect(),
        cells,
        series,
        notes,
    }
}

/// The cells of which any time is known.
fn cells(frame: &Frame, at: &impl Fn(u64) -> f64) -> Vec<CellPhase> {
    let cells = frame.cells.iter().filter_map(|cell| {
        let window = cell.window.map(|window| (window.start_ns, window.end_ns));
        let (start_ns, end_ns) = cell.ends_ns.or(window)?;
        Some(CellPhase {
            backend: cell.key.backend.clone(),
            block: cell.key.block,
            level: cell.key.level,
            start_s: at(start_ns),
            end_s: at(end_ns),
            window_start_s: window.map(|(start_ns, _)| at(start_ns)),
            window_end_s: window.map(|(_, end_ns)| at(end_ns)),
        })
    });
    cells.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hardware::series::PACKAGE_POWER;

    const MS: u64 = 1_000_000;

    /// Stretches of the line through readings every 100 ms, of which those from
    /// `from_s` to `to_s` are missing.
    fn stretches(length_s: u64, (from_s, to_s): (u64, u64)) -> usize {
        let mut buckets = Buckets::new(0);
        for at_ms in (0..length_s * 1000).step_by(100) {
            if !(from_s * 1000..to_s * 1000).contains(&at_ms) {
                buckets.add(at_ms * MS, 1.0);
            }
        }
        let drawn = Drawn {
            gap_ns: Frame::gap_ns(100 * MS),
            ..Drawn::from_series(SeriesOf::Host, &PACKAGE_POWER, buckets)
        };
        let series = drawn.shown(MOST_BUCKETS);
        let pairs = series.t_s.windows(2);
        let gaps = pairs.filter(|t| t[1] - t[0] > series.gap_s);
        gaps.count() + 1
    }

    #[test]
    fn a_line_has_a_gap_where_readings_are_missing_in_a_run_of_any_length() {
        for length_s in [60, 360, 720, 3_600, 86_400] {
            assert_eq!(stretches(length_s, (0, 0)), 1, "{length_s} s");
            let tenth = length_s / 10;
            let missing = (4 * tenth, 5 * tenth);
            assert_eq!(stretches(length_s, missing), 2, "{length_s} s");
        }
    }
}
