//! The values of every metric, over the requests of a cell or of a part of it.

use std::collections::HashMap;
use std::sync::Arc;

use indexmap::IndexMap;

use crate::cell::tally::{Tally, summary};
use crate::facts::record::{Phase, RequestRecord};
use crate::metrics::{self, Load, Metric, MetricValue, Over, Values};
use crate::text::units::s_between;

/// Metrics that mostly have the values of another one that comes before: where no
/// reasoning comes first, and where every event carries one token.
const MOSTLY_AS: [(&str, &str); 2] = [
    ("ttft_answer_ms", "ttft_ms"),
    ("decode_ms_per_token", "tpot_ms"),
];

/// The values of every metric, as far as records have been taken in.
pub(super) struct Tallies {
    pub(super) load: Load,
    first_sent_ns: Option<u64>,
    last_end_ns: u64,
    measured: u64,
    each: Vec<Kept>,
}

/// The values of one metric.
struct Kept {
    metric: &'static Metric,
    tally: Tally,
    /// Place of the metric that has its values, or what they follow from; the own tally is
    /// then empty.
    source: Option<usize>,
}

impl Tallies {
    pub(super) fn new(load: Load) -> Self {
        Self::with(load, Tally::new)
    }

    /// Those of one of many parts of a cell.
    pub(super) fn new_of_part(load: Load) -> Self {
        Self::with(load, Tally::new_of_part)
    }

    fn with(load: Load, tally: fn(&Metric) -> Tally) -> Self {
        let all: Vec<&'static Metric> = metrics::all().into_iter().collect();
        let place = |name: &str| all.iter().position(|metric| metric.name == name);
        let each = all.iter().map(|metric| Kept {
            metric,
            tally: tally(metric),
            source: source_name(metric).and_then(place),
        });
        Self {
            load,
            first_sent_ns: None,
            last_end_ns: 0,
            measured: 0,
            each: each.collect(),
        }
    }

    /// Takes in a record, of any phase and in any order.
    pub(super) fn add(&mut self, record: &RequestRecord) {
        let sent_ns = record.sent_ns;
        self.first_sent_ns = self.first_sent_ns.into_iter().chain(sent_ns).min();
        self.last_end_ns = self.last_end_ns.max(record.end_ns);
        self.measured += u64::from(record.phase == Phase::Measured);
        if record.counts() {
            self.part_what_differs(record);
        }
        for kept in self.each.iter_mut().filter(|kept| kept.source.is_none()) {
            kept.tally.add(kept.metric, &self.load, record);
        }
    }

    /// Gives a metric values of its own if that of this record is not the one of its
    /// source. It has those that came before.
    fn part_what_differs(&mut self, record: &RequestRecord) {
        for place in 0..self.each.len() {
            let Some(source) = self.each[place].source else {
                continue;
            };
            let bits = |place: usize| match self.each[place].metric.values {
                Values::PerRequest(of) => Some(of(record).map(f64::to_bits)),
                _ => None,
            };
            if bits(place).is_some_and(|own| Some(own) != bits(source)) {
                self.each[place].tally = self.each[source].tally.clone();
                self.each[place].source = None;
            }
        }
    }

    pub(super) fn pack(&mut self) {
        self.each.iter_mut().for_each(|kept| kept.tally.pack());
    }

    /// The value of every metric. `hides`: the time between tokens is not known.
    pub(super) fn metrics(&self, hides: bool) -> IndexMap<String, MetricValue> {
        let value = |kept: &Kept| {
            let metric = kept.metric;
            let value = match hides && self.needs_time_between_tokens(metric) {
                true if metric.values.is_one_per_cell() => MetricValue::Number(None),
                true => MetricValue::Summary(summary([&Tally::new(metric)])),
                false => match self.tally_of_source(kept) {
                    Some(tally) => self.value(metric, &tally),
                    None => self.value(metric, &kept.tally),
                },
            };
            (metric.name.to_owned(), value)
        };
        self.each.iter().map(value).collect()
    }

    /// The values that a metric has from another one.
    fn tally_of_source(&self, kept: &Kept) -> Option<Tally> {
        let source = &self.each[kept.source?].tally;
        Some(match (&kept.metric.values, source) {
            (Values::OfMetric(other), Tally::Numbers(values)) => {
                Tally::From(Arc::clone(values), other.of)
            }
            _ => source.clone(),
        })
    }

    fn needs_time_between_tokens(&self, metric: &Metric) -> bool {
        metrics::needs_time_between_tokens(metric.name, &self.load.slos)
    }

    fn value(&self, metric: &Metric, tally: &Tally) -> MetricValue {
        let over = match &metric.values {
            Values::PerCell(cell) => cell.over,
            Values::OfHardware(_) | Values::OfPrice(_) => return MetricValue::Number(None),
            _ => return MetricValue::Summary(summary([tally])),
        };
        let first = self.first_sent_ns;
        let whole = match over {
            Over::Window => self.load.window.map(|window| window.length_s()),
            Over::Cell => first.map(|first| s_between(first, self.last_end_ns)),
            Over::Measured => Some(self.measured as f64),
        };
        let sum = match tally {
            Tally::Sum(sum) => *sum,
            _ => None,
        };
        let value = sum.zip(whole).map(|(sum, whole)| sum / whole);
        MetricValue::Number(value.filter(|value| value.is_finite()))
    }

    /// The values of each metric by its name, without those that need the time between
    /// tokens if it is not known.
    pub(super) fn into_samples(self, hides: bool) -> HashMap<&'static str, Tally> {
        let from_sources: Vec<Option<Tally>> = self
            .each
            .iter()
            .map(|kept| self.tally_of_source(kept))
            .collect();
        let slos = &self.load.slos;
        let each = self.each.into_iter().zip(from_sources);
        let kept = each.map(|(kept, from_source)| {
            let metric = kept.metric;
            let hidden = hides && metrics::needs_time_between_tokens(metric.name, slos);
            let tally = match hidden {
                true => Tally::new(metric),
                false => from_source.unwrap_or(kept.tally),
            };
            (metric.name, tally)
        });
        kept.collect()
    }
}

/// The metric whose values this one has, or has its own from.
fn source_name(metric: &Metric) -> Option<&'static str> {
    if let Values::OfMetric(other) = &metric.values {
        return Some(other.name);
    }
    let mut mostly = MOSTLY_AS.iter();
    let found = mostly.find(|(name, _)| *name == metric.name);
    found.map(|(_, source)| *source)
}
