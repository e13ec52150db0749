//! The requests of every measurement over its time: some of them one by one,
//! and how many were in flight.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cell::charted::{Charted, Line, Load};
use crate::cell::measured::MeasuredCell;
use crate::cell::row::CellRow;
use crate::config::Level;
use crate::stats::rounded;
use crate::text::units::s_between;

/// Requests that are listed one by one: of one measurement at most, of all
/// together as far as each has the least, and of each at least.
const MOST_LINES: usize = 256;
const ALL_LINES: usize = 16_000;
const LEAST_LINES: usize = 48;
/// The same of spans of time.
const MOST_SPANS: usize = 256;
const ALL_SPANS: usize = 16_000;
const LEAST_SPANS: usize = 64;
/// Digits of a length of time.
const DIGITS: i32 = 4;
/// Places of a moment, s: 10 us.
const PLACES: f64 = 1e5;

/// The requests of one backend at one level in one repeat, warm-up included.
/// Times are seconds after the first of them was sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RequestsOverTime {
    /// Label of the backend.
    pub backend: String,
    /// Level of the load.
    pub level: Level,
    /// Repeat, from 0.
    pub block: u32,
    /// Requests that were sent.
    pub sent: usize,
    /// The last of them ended.
    pub end_s: f64,
    /// Start of the measured window; absent if there is none.
    pub window_start_s: Option<f64>,
    /// End of the measured window, after which the load falls; absent like its
    /// start.
    pub window_end_s: Option<f64>,
    /// Some requests, or all if they are few.
    pub lines: RequestLines,
    /// Requests in flight.
    pub load: LoadOverTime,
}

/// Requests one by one, in the order in which they were sent: a random sample,
/// and among them the slowest to their first token, the longest and failed
/// ones. The lists are of equal length.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RequestLines {
    /// Index in the measurement, from 0, in sending order.
    pub index: Vec<u64>,
    /// It was sent.
    pub sent_s: Vec<f64>,
    /// From then to the first output, or to the end if none came.
    pub waiting_s: Vec<f64>,
    /// From the first to the last output; null if none came.
    pub running_s: Vec<Option<f64>>,
    /// It failed.
    pub failed: Vec<bool>,
}

/// Requests in flight over time: least and most in each of many spans of equal
/// length, the first of which begins at 0. The lists are of equal length.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LoadOverTime {
    /// Length of a span.
    pub span_s: f64,
    /// Fewest requests sent and not over.
    pub in_flight_min: Vec<u64>,
    /// Most requests sent and not over.
    pub in_flight_max: Vec<u64>,
    /// Fewest requests in flight without any output yet.
    pub waiting_min: Vec<u64>,
    /// Most requests in flight without any output yet.
    pub waiting_max: Vec<u64>,
}

/// The requests of every measurement of which one was sent, as the rows are
/// ordered.
pub(crate) fn all(cells: &[&MeasuredCell<'_>]) -> Vec<RequestsOverTime> {
    let share = |all: usize, least: usize, most: usize| {
        let each = all / cells.len().max(1);
        each.clamp(least, most)
    };
    let lines = share(ALL_LINES, LEAST_LINES, MOST_LINES);
    let spans = share(ALL_SPANS, LEAST_SPANS, MOST_SPANS);
    let cells = cells.iter();
    let drawn = cells.filter_map(|cell| over_time(&cell.row, &cell.digest.charted, lines, spans));
    drawn.collect()
}

fn over_time(
    cell: &CellRow,
    charted: &Charted,
    lines: usize,
    spans: usize,
) -> Option<RequestsOverTime> {
    let load = charted.load.clone()?;
    let at = |t_ns: u64| (s_between(load.start_ns, t_ns) * PLACES).round() / PLACES;
    let span_ns = load.span_ns.saturating_mul(load.spans.len() as u64);
    Some(RequestsOverTime {
        backend: cell.backend.clone(),
        level: cell.level,
        block: cell.block,
        sent: charted.lines.n,
        end_s: at(load.start_ns.saturating_add(span_ns)),
        window_start_s: cell.window.map(|window| at(window.start_ns)),
        window_end_s: cell.window.map(|window| at(window.end_ns)),
        lines: RequestLines::from_lines(&charted.lines.chosen(lines), &at),
        load: LoadOverTime::from_load(load.in_spans(spans)),
    })
}

impl RequestLines {
    fn from_lines(lines: &[Line], at: &dyn Fn(u64) -> f64) -> Self {
        let length = |from_ns: u64, to_ns: u64| rounded(s_between(from_ns, to_ns), DIGITS);
        let mut found = Self::default();
        for line in lines {
            let answered_ns = line.first_ns.unwrap_or(line.last_ns);
            let running_s = line.first_ns.map(|first_ns| length(first_ns, line.last_ns));
            found.index.push(line.index);
            found.sent_s.push(at(line.sent_ns));
            found.waiting_s.push(length(line.sent_ns, answered_ns));
            found.running_s.push(running_s);
            found.failed.push(line.failed);
        }
        found
    }
}

impl LoadOverTime {
    fn from_load(load: Load) -> Self {
        let spans = load.spans.iter();
        Self {
            span_s: s_between(0, load.span_ns),
            in_flight_min: spans.clone().map(|span| span.in_flight.0).collect(),
            in_flight_max: spans.clone().map(|span| span.in_flight.1).collect(),
            waiting_min: spans.clone().map(|span| span.waiting.0).collect(),
            waiting_max: spans.map(|span| span.waiting.1).collect(),
        }
    }
}
