//! A cell taken in record by record: what its row and its report need of each
//! is kept, packed; the record itself is not.

use std::collections::HashMap;

use indexmap::IndexMap;

pub(crate) use crate::cell::answer_heads::AnswerHead;
use crate::cell::charted::ChartedFold;
use crate::cell::classes::{ClassFigures, Classes};
pub use crate::cell::digest::{CellDigest, pooled};
pub(crate) use crate::cell::digest::{
    FailureExample, Schedule, TextHash, Work, counted, order_statistics,
};
use crate::cell::replicas::{ReplicaFigures, Replicas};
use crate::cell::sharing::Sharing;
use crate::cell::steady_state::{TrendFold, Trends};
use crate::cell::stream_faults::StreamFaults;
use crate::cell::tallies::Tallies;
use crate::config::Slos;
use crate::facts::key::Counts;
use crate::facts::record::{Phase, RequestRecord};
use crate::facts::window::Window;
use crate::metrics::{Load, MetricValue};

/// A cell, as far as its records have been taken in.
pub struct CellFold {
    counts: Counts,
    schedule: Schedule,
    tallies: Tallies,
    classes: Classes,
    replicas: Replicas,
    work: Work,
    /// Hashes of the answers' texts are kept.
    compares_texts: bool,
    faults: StreamFaults,
    failures: HashMap<String, FailureExample>,
    trends: TrendFold,
    charted: ChartedFold,
}

impl CellFold {
    /// A cell of which nothing is known but its window.
    #[must_use]
    pub fn new(window: Option<Window>, slos: Slos) -> Self {
        Self {
            counts: Counts::default(),
            schedule: Schedule::default(),
            tallies: Tallies::new(Load { window, slos }),
            classes: Classes::default(),
            replicas: Replicas::default(),
            work: Work::default(),
            compares_texts: true,
            faults: StreamFaults::default(),
            failures: HashMap::new(),
            trends: TrendFold::default(),
            charted: ChartedFold::default(),
        }
    }

    /// The same without hashes of the answers' texts: for a report with nothing to
    /// compare them with.
    #[must_use]
    pub fn without_texts(mut self) -> Self {
        self.compares_texts = false;
        self
    }

    /// A cell from all its records.
    #[must_use]
    pub fn from_records(records: &[RequestRecord], slos: Slos) -> Self {
        let mut fold = Self::new(Window::from_records(records), slos);
        records.iter().for_each(|record| fold.add(record));
        fold
    }

    /// Takes in a record, of any phase and in any order.
    pub fn add(&mut self, record: &RequestRecord) {
        self.tallies.add(record);
        self.classes.take(&self.tallies.load, record);
        self.replicas.take(&self.tallies.load, record);
        self.charted.add(record);
        if record.phase == Phase::Measured {
            self.counts.note(record);
            self.faults.add(record);
            self.schedule.add(record);
            self.note_failure(record);
        }
        let load = &self.tallies.load;
        if let Some(window) = load.window.filter(|_| record.is_ok()) {
            self.trends.add(window, &record.into());
        }
        if record.counts() {
            self.work.add(record, load.meets(record));
            if self.compares_texts {
                self.work.add_text(record);
            }
            let after = load
                .window
                .is_some_and(|window| record.end_ns > window.end_ns);
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
        self.tallies.pack();
        self.classes.pack();
        self.replicas.pack();
        self.charted.pack();
        self.trends.pack();
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
        self.tallies.load.window
    }

    /// The trends over the measured window.
    pub(crate) fn trends(&self) -> Trends {
        self.trends.trends()
    }

    pub(crate) fn schedule(&self) -> &Schedule {
        &self.schedule
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
        self.tallies.metrics(self.hides())
    }

    /// The figures of each class of traffic; empty if the cell has none.
    #[must_use]
    pub fn classes(&self) -> Vec<ClassFigures> {
        self.classes.by_class(self.hides())
    }

    /// The figures of each replica; empty if the backend is one server.
    #[must_use]
    pub fn replicas(&self) -> Vec<ReplicaFigures> {
        self.replicas.by_replica(self.hides())
    }

    /// Whether the time between tokens is not known.
    fn hides(&self) -> bool {
        self.faults.hides_time_between_tokens()
    }

    /// What is kept for the report.
    #[must_use]
    pub fn digest(mut self) -> CellDigest {
        self.pack();
        let hides = self.hides();
        self.work.hashes.sort_unstable_by_key(|(index, _)| *index);
        let mut failures: Vec<FailureExample> = self.failures.into_values().collect();
        failures.sort_by_key(|failure| failure.index);
        CellDigest {
            samples: self.tallies.into_samples(hides),
            classes: self.classes.digests(hides),
            replicas: self.replicas.digests(hides),
            work: self.work,
            decode_is_estimated: self.faults.has_estimates(),
            schedule: self.schedule,
            failures,
            charted: self.charted.finish(),
        }
    }
}
