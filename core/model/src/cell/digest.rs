//! What is kept of a cell beside its row, and figures over several cells
//! together. How it is folded from records is for `fold`.

use std::collections::{BTreeMap, HashMap};

use crate::cell::answer_heads::AnswerHeads;
use crate::cell::charted::Charted;
use crate::cell::parts::PartDigest;
use crate::cell::sharing::Sharing;
use crate::cell::tally::{Part, Sample, Tally, summary};
use crate::cell::turns::Turns;
use crate::facts::record::RequestRecord;
use crate::metrics::Metric;
use crate::stats::Summary;
use crate::text::units::s_between;

/// The first bytes of a SHA-256: two different texts share them once in 10^19 pairs.
pub(crate) type TextHash = [u8; 8];

/// What is kept of a cell's records beside its row: enough to pool cells and
/// to compare their work.
#[derive(Debug)]
pub struct CellDigest {
    pub(super) samples: HashMap<&'static str, Tally>,
    /// The same by class of traffic.
    pub(crate) classes: BTreeMap<String, PartDigest>,
    /// The same by replica.
    pub(crate) replicas: BTreeMap<u32, PartDigest>,
    /// What was asked and done.
    pub(crate) work: Work,
    /// Some decode time per token is an estimate.
    pub(crate) decode_is_estimated: bool,
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
    /// Answers whose length is not the one asked for.
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
    /// Those of them that came from the prefix cache, though no earlier request of the
    /// cell is known to have had them.
    pub(crate) warm_tokens: u64,
    /// How reads were shared, in answers that came piece by piece.
    pub(crate) streamed: Sharing,
    /// The same in answers that came at once.
    pub(crate) at_once: Sharing,
    /// Index and hash of each answer's text.
    pub(crate) hashes: Vec<(u32, TextHash)>,
    /// Requests by their turn in a conversation.
    pub(crate) turns: Turns,
    /// Marks of the first answers' texts.
    pub(crate) answer_heads: AnswerHeads,
}

/// When measured requests of a schedule were planned, sent and over.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Schedule {
    pub(crate) planned: Span,
    /// Ends.
    pub(crate) ended: Span,
    /// Planned times of those that were sent.
    pub(super) planned_of_sent: Span,
    /// Sends.
    pub(super) sent: Span,
}

/// First and last of some times, and how many there are.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Span {
    pub(crate) n: usize,
    ends_ns: Option<(u64, u64)>,
}

/// Summary of one metric over the requests of several cells together; empty for a
/// metric that has one value per cell.
#[must_use]
pub fn pooled<'a>(metric: &Metric, cells: impl IntoIterator<Item = &'a CellDigest>) -> Summary {
    summary(of_cells(metric, cells))
}

/// The number of values of one metric over the requests of several cells
/// together, and those that stand at `ranks` of it when they are sorted, from 0.
pub(crate) fn order_statistics<'a>(
    metric: &Metric,
    cells: impl IntoIterator<Item = &'a CellDigest>,
    ranks: impl FnOnce(usize) -> Vec<usize>,
) -> (usize, Vec<f64>) {
    match Sample::pooled(of_cells(metric, cells)) {
        Sample::Whole(pool, per_unit) => {
            let values = pool.at(&ranks(pool.len()));
            let in_units = values.into_iter().map(|value| value as f64 / per_unit);
            (pool.len(), in_units.collect())
        }
        Sample::Numbers(parts) => {
            let mut sorted: Vec<f64> = parts.iter().flat_map(Part::iter).collect();
            sorted.sort_unstable_by(f64::total_cmp);
            let at = |rank: usize| sorted.get(rank).copied();
            let values = ranks(sorted.len()).into_iter().filter_map(at);
            (sorted.len(), values.collect())
        }
    }
}

/// How often each value stands among those of a pooled metric of whole numbers,
/// over the requests of several cells together; empty for any other metric.
pub(crate) fn counted<'a>(
    metric: &str,
    cells: impl IntoIterator<Item = &'a CellDigest>,
) -> BTreeMap<u32, u64> {
    let cells = cells.into_iter();
    match Sample::pooled(cells.filter_map(|cell| cell.samples.get(metric))) {
        Sample::Whole(pool, _) => pool.tally(),
        Sample::Numbers(_) => BTreeMap::new(),
    }
}

fn of_cells<'a>(
    metric: &Metric,
    cells: impl IntoIterator<Item = &'a CellDigest>,
) -> impl Iterator<Item = &'a Tally> {
    let cells = cells.into_iter();
    cells.filter_map(|cell| cell.samples.get(metric.name))
}

impl Work {
    /// `meets`: whether it met its limits, if there are any.
    pub(super) fn add(&mut self, record: &RequestRecord, meets: Option<bool>) {
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
        let cached = record.cached_tokens.unwrap_or(0);
        let repeated = record.repeated_tokens.unwrap_or(0);
        self.warm_tokens += u64::from(cached.saturating_sub(repeated));
        match record.came_at_once() {
            true => self.at_once.add(record),
            false => self.streamed.add(record),
        }
        self.turns.add(record, meets);
    }

    /// Takes what the answer's text is compared by.
    pub(super) fn add_text(&mut self, record: &RequestRecord) {
        let hash = record.text_sha256.as_deref().and_then(hash_of_hex);
        // No cell has more requests than that.
        let index = u32::try_from(record.index).ok();
        self.hashes.extend(index.zip(hash));
        self.answer_heads.add(record);
    }
}

fn add_pair(sums: &mut Option<(u64, u64)>, a: Option<u32>, b: Option<u32>) {
    if let Some((a, b)) = a.zip(b) {
        let (sum_a, sum_b) = sums.unwrap_or_default();
        *sums = Some((sum_a + u64::from(a), sum_b + u64::from(b)));
    }
}

/// Digits of a SHA-256.
const HASH_DIGITS: usize = 64;

fn hash_of_hex(text: &str) -> Option<TextHash> {
    let mut hash = TextHash::default();
    if text.len() != HASH_DIGITS {
        return None;
    }
    for (byte, pair) in hash.iter_mut().zip(text.as_bytes().chunks(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        *byte = (digit(0)? << 4 | digit(1)?) as u8;
    }
    Some(hash)
}

impl Schedule {
    pub(super) fn add(&mut self, record: &RequestRecord) {
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

    pub(super) fn rate(&self) -> Option<f64> {
        let length_s = self.length_s();
        (length_s > 0.0).then(|| (self.n - 1) as f64 / length_s)
    }
}
