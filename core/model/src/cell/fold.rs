//! A cell taken in record by record: what its row and its report need of each
//! is kept, packed; the record itself is not.

use std::collections::HashMap;

use indexmap::IndexMap;

pub(crate) use crate::cell::answer_heads::AnswerHead;
use crate::cell::charted::ChartedFold;
pub use crate::cell::digest::{CellDigest, pooled};
pub(crate) use crate::cell::digest::{
    FailureExample, Schedule, TextHash, Work, counted, order_statistics,
};
use crate::cell::sharing::Sharing;
use crate::cell::steady_state::{TrendFold, Trends};
use crate::cell::stream_faults::StreamFaults;
use crate::cell::tally::{Tally, summary};
use crate::config::SloConfig;
use crate::facts::key::Counts;
use crate::facts::record::{Phase, RequestRecord};
use crate::facts::window::Window;
use crate::metrics::{self, Load, Metric, MetricValue, Over, Values};
use crate::text::units::s_between;

/// A cell, as far as its records have been taken in.
pub struct CellFold {
    load: Load,
    first_sent_ns: Option<u64>,
    last_end_ns: u64,
    counts: Counts,
    schedule: Schedule,
    tallies: Vec<(&'static Metric, Tally)>,
    work: Work,
    faults: StreamFaults,
    failures: HashMap<String, FailureExample>,
    trends: TrendFold,
    charted: ChartedFold,
}

impl CellFold {
    /// A cell of which nothing is known but its window.
    #[must_use]
    pub fn new(window: Option<Window>, slo: SloConfig) -> Self {
        Self {
            load: Load { window, slo },
            first_sent_ns: None,
            last_end_ns: 0,
            counts: Counts::default(),
            schedule: Schedule::default(),
            tallies: metrics::all()
                .into_iter()
                .map(|metric| (metric, Tally::new(metric)))
                .collect(),
            work: Work::default(),
            faults: StreamFaults::default(),
            failures: HashMap::new(),
            trends: TrendFold::default(),
            charted: ChartedFold::default(),
        }
    }

    /// A cell from all its records.
    #[must_use]
    pub fn from_records(records: &[RequestRecord], slo: SloConfig) -> Self {
        let mut fold = Self::new(Window::from_records(records), slo);
        records.iter().for_each(|record| fold.add(record));
        fold
    }

    /// Takes in a record, of any phase and in any order.
    pub fn add(&mut self, record: &RequestRecord) {
        let sent_ns = record.sent_ns;
        self.first_sent_ns = self.first_sent_ns.into_iter().chain(sent_ns).min();
        self.last_end_ns = self.last_end_ns.max(record.end_ns);
        for (metric, tally) in &mut self.tallies {
            tally.add(metric, &self.load, record);
        }
        self.charted.add(record);
        if record.phase == Phase::Measured {
            self.counts.note(record);
            self.faults.add(record);
            self.schedule.add(record);
            self.note_failure(record);
        }
        if let Some(window) = self.load.window.filter(|_| record.is_ok()) {
            self.trends.add(window, &record.into());
        }
        if record.counts() {
            self.work.add(record);
            let window = self.load.window;
            let after = window.is_some_and(|window| record.end_ns > window.end_ns);
            self.work.after_window += u64::from(after);
        }
    }

    fn note_failure(&mut self, record: &RequestRecord) {
        if record.is_ok() {
            return;
        }
        let reason = record.reason.as_deref().unwrap_or("unknown");
        let known = self.failures.get(reason);
        if known.is_none_or(|known| record.index < known.index) {
            let example = FailureExample {
                reason: reason.to_owned(),
                index: record.index,
                http_status: record.http_status,
                message: record.message.clone(),
            };
            self.failures.insert(reason.to_owned(), example);
        }
    }

    /// Packs what has come so far: to be called when no record comes for now.
    pub fn pack(&mut self) {
        self.tallies.iter_mut().for_each(|(_, tally)| tally.pack());
        self.charted.pack();
        self.work.hashes.shrink_to_fit();
    }

    /// Measured requests by outcome.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The measured window.
    #[must_use]
    pub fn window(&self) -> Option<Window> {
        self.load.window
    }

    /// The trends over the measured window.
    pub(crate) fn trends(&self) -> Trends {
        self.trends.trends()
    }

    pub(crate) fn faults(&self) -> &StreamFaults {
        &self.faults
    }

    /// How reads were shared: by the server's writes or a late client. Answers that
    /// are held back as a rule say nothing of the client.
    pub(crate) fn sharing(&self) -> Sharing {
        match self.faults.hides_time_between_tokens() {
            true => self.work.streamed,
            false => self.work.streamed.with(self.work.at_once),
        }
    }

    pub(crate) fn work(&self) -> &Work {
        &self.work
    }

    /// Requests per second that were sent and that were planned, over the
    /// measured requests that were sent; `None` if they were not planned apart.
    pub(crate) fn rates(&self) -> Option<(f64, f64)> {
        let schedule = &self.schedule;
        Some((schedule.sent.rate()?, schedule.planned_of_sent.rate()?))
    }

    /// The value of every metric.
    #[must_use]
    pub fn metrics(&self) -> IndexMap<String, MetricValue> {
        let all = self.tallies.iter();
        all.map(|(metric, tally)| (metric.name.to_owned(), self.value(metric, tally)))
            .collect()
    }

    /// Whether a metric cannot be had of answers whose time between tokens is not
    /// known.
    fn is_hidden(&self, metric: &Metric) -> bool {
        let hidden = self.faults.hides_time_between_tokens();
        hidden && metrics::needs_time_between_tokens(metric.name, &self.load.slo)
    }

    fn value(&self, metric: &Metric, tally: &Tally) -> MetricValue {
        if self.is_hidden(metric) {
            return match metric.values.is_one_per_cell() {
                true => MetricValue::Number(None),
                false => MetricValue::Summary(summary([&Tally::new(metric)])),
            };
        }
        let over = match &metric.values {
            Values::PerCell(cell) => cell.over,
            Values::OfHardware(_) | Values::OfPrice(_) => return MetricValue::Number(None),
            _ => return MetricValue::Summary(summary([tally])),
        };
        let seconds = match over {
            Over::Window => self.load.window.map(|window| window.length_s()),
            Over::Cell => self
                .first_sent_ns
                .map(|first| s_between(first, self.last_end_ns)),
        };
        let sum = match tally {
            Tally::Sum(sum) => *sum,
            _ => None,
        };
        let value = sum.zip(seconds).map(|(sum, seconds)| sum / seconds);
        MetricValue::Number(value.filter(|value| value.is_finite()))
    }

    /// What is kept for the report.
    #[must_use]
    pub fn digest(mut self) -> CellDigest {
        self.pack();
        let hides = self.faults.hides_time_between_tokens();
        let slo = self.load.slo;
        for (metric, tally) in &mut self.tallies {
            if hides && metrics::needs_time_between_tokens(metric.name, &slo) {
                *tally = Tally::new(metric);
            }
        }
        self.work.hashes.sort_unstable_by_key(|(index, _)| *index);
        let mut failures: Vec<FailureExample> = self.failures.into_values().collect();
        failures.sort_by_key(|failure| failure.index);
        CellDigest {
            samples: self
                .tallies
                .into_iter()
                .map(|(metric, tally)| (metric.name, tally))
                .collect(),
            work: self.work,
            decode_is_estimated: self.faults.has_estimates(),
            schedule: self.schedule,
            failures,
            charted: self.charted.finish(),
        }
    }
}
