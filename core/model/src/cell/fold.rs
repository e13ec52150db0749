//! A cell taken in record by record: what its row and its report need of each
//! is kept, packed; the record itself is not.

use std::collections::HashMap;

use indexmap::IndexMap;

pub(crate) use crate::cell::answer_heads::{AnswerHead, AnswerHeads};
use crate::cell::charted::{Charted, ChartedFold};
use crate::cell::steady_state::{TrendFold, Trends};
pub use crate::cell::tally::pooled;
use crate::cell::tally::{Tally, summary};
pub(crate) use crate::cell::tally::{counted, order_statistics};
use crate::config::SloConfig;
use crate::facts::key::Counts;
use crate::facts::record::{Phase, RequestRecord};
use crate::facts::window::Window;
use crate::metrics::{self, Load, Metric, MetricValue, Over, Values};
use crate::text::units::s_between;

/// Bytes of a SHA-256.
pub(crate) type TextHash = [u8; 32];

/// A cell, as far as its records have been taken in.
pub struct CellFold {
    load: Load,
    first_sent_ns: Option<u64>,
    last_end_ns: u64,
    counts: Counts,
    schedule: Schedule,
    tallies: Vec<(&'static Metric, Tally)>,
    work: Work,
    failures: HashMap<String, FailureExample>,
    trends: TrendFold,
    charted: ChartedFold,
}

/// What is kept of a cell's records beside its row: enough to pool cells and
/// to compare their work.
#[derive(Debug)]
pub struct CellDigest {
    pub(super) samples: HashMap<&'static str, Tally>,
    /// What was asked and done.
    pub(crate) work: Work,
    /// When it was planned and done.
    pub(crate) schedule: Schedule,
    /// The first failed measured request of each reason, in sending order.
    pub(crate) failures: Vec<FailureExample>,
    /// What charts of single requests draw.
    pub(crate) charted: Charted,
}

/// One failed measured request.
#[derive(Debug, Clone)]
pub(crate) struct FailureExample {
    pub(crate) reason: String,
    pub(crate) index: u64,
    pub(crate) http_status: Option<u16>,
    pub(crate) message: Option<String>,
}

/// Sums over the requests that count.
#[derive(Debug, Clone, Default)]
pub(crate) struct Work {
    /// Requests that count.
    pub(crate) requests: u64,
    /// Those of them that ended after the measured window, under falling load.
    pub(crate) after_window: u64,
    /// Answers of another length than was asked.
    pub(crate) off_length: u64,
    /// Answers whose tokens the server did not count.
    pub(crate) uncounted: u64,
    /// Prompt tokens asked and counted, over requests that have both.
    pub(crate) prompt: Option<(u64, u64)>,
    /// Answer tokens asked and counted, over requests that have both.
    pub(crate) answer: Option<(u64, u64)>,
    /// Prompt tokens and those from the prefix cache, over requests that have both.
    pub(crate) cached: Option<(u64, u64)>,
    /// Prompt tokens that the server counted.
    pub(crate) input_tokens: u64,
    /// Those of them that came from the prefix cache.
    pub(crate) cached_tokens: u64,
    /// Output events of requests that tell how many shared a read.
    pub(crate) events: u64,
    /// Those that did.
    pub(crate) events_sharing: u64,
    /// Index and hash of each answer's text.
    pub(crate) hashes: Vec<(u64, TextHash)>,
    /// Marks of the first answers' texts.
    pub(crate) answer_heads: AnswerHeads,
}

/// When measured requests of a schedule were planned, sent and over.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Schedule {
    /// Planned times.
    pub(crate) planned: Span,
    /// Ends.
    pub(crate) ended: Span,
    /// Planned times of those that were sent.
    planned_of_sent: Span,
    /// Sends.
    sent: Span,
}

/// First and last of some times, and how many there are.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Span {
    pub(crate) n: usize,
    ends_ns: Option<(u64, u64)>,
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
            failures: HashMap::new(),
            trends: TrendFold::default(),
            charted: ChartedFold::default(),
        }
    }

    /// A cell from all its records.
    #[must_use]
    pub fn of(records: &[RequestRecord], slo: SloConfig) -> Self {
        let mut fold = Self::new(Window::of(records), slo);
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

    fn value(&self, metric: &Metric, tally: &Tally) -> MetricValue {
        let over = match &metric.values {
            Values::PerCell(cell) => cell.over,
            Values::OfHardware(_) => return MetricValue::Number(None),
            _ => return MetricValue::Summary(summary([tally]).0),
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
            schedule: self.schedule,
            failures,
            charted: self.charted.finish(),
        }
    }
}

impl Work {
    fn add(&mut self, record: &RequestRecord) {
        self.requests += 1;
        match record.output_tokens {
            Some(n) => self.off_length += u64::from(n != record.asked_output_tokens),
            None => self.uncounted += 1,
        }
        let asked = Some(record.asked_output_tokens);
        add_pair(
            &mut self.prompt,
            record.asked_input_tokens,
            record.input_tokens,
        );
        add_pair(&mut self.answer, asked, record.output_tokens);
        add_pair(&mut self.cached, record.input_tokens, record.cached_tokens);
        self.input_tokens += u64::from(record.input_tokens.unwrap_or(0));
        self.cached_tokens += u64::from(record.cached_tokens.unwrap_or(0));
        if let Some(sharing) = record.events_sharing_a_read {
            self.events += record.itl_ms.len() as u64 + 1;
            self.events_sharing += u64::from(sharing);
        }
        let hash = record.text_sha256.as_deref().and_then(hash_of_hex);
        self.hashes.extend(hash.map(|hash| (record.index, hash)));
        self.answer_heads.add(record);
    }
}

fn add_pair(sums: &mut Option<(u64, u64)>, a: Option<u32>, b: Option<u32>) {
    if let Some((a, b)) = a.zip(b) {
        let (sum_a, sum_b) = sums.unwrap_or_default();
        *sums = Some((sum_a + u64::from(a), sum_b + u64::from(b)));
    }
}

fn hash_of_hex(text: &str) -> Option<TextHash> {
    let mut hash = TextHash::default();
    if text.len() != 2 * hash.len() {
        return None;
    }
    for (byte, pair) in hash.iter_mut().zip(text.as_bytes().chunks(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        *byte = (digit(0)? << 4 | digit(1)?) as u8;
    }
    Some(hash)
}

impl Schedule {
    fn add(&mut self, record: &RequestRecord) {
        let Some(planned_ns) = record.scheduled_ns else {
            return;
        };
        self.planned.add(planned_ns);
        self.ended.add(record.end_ns);
        if let Some(sent_ns) = record.sent_ns {
            self.planned_of_sent.add(planned_ns);
            self.sent.add(sent_ns);
        }
    }
}

impl Span {
    fn add(&mut self, t_ns: u64) {
        self.n += 1;
        let (first, last) = self.ends_ns.unwrap_or((t_ns, t_ns));
        self.ends_ns = Some((first.min(t_ns), last.max(t_ns)));
    }

    /// From the first to the last, s; 0 if there is none.
    pub(crate) fn length_s(&self) -> f64 {
        self.ends_ns
            .map_or(0.0, |(first, last)| s_between(first, last))
    }

    fn rate(&self) -> Option<f64> {
        let length_s = self.length_s();
        (length_s > 0.0).then(|| (self.n - 1) as f64 / length_s)
    }
}
