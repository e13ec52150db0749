//! The values of every metric, over the requests of a cell or of a part of it.

use std::collections::HashMap;

use indexmap::IndexMap;

use crate::cell::tally::{Tally, summary};
use crate::facts::record::{Phase, RequestRecord};
use crate::metrics::{self, Load, Metric, MetricValue, Over, Values};
use crate::text::units::s_between;

/// The values of every metric, as far as records have been taken in.
pub(super) struct Tallies {
    pub(super) load: Load,
    first_sent_ns: Option<u64>,
    last_end_ns: u64,
    measured: u64,
    each: Vec<(&'static Metric, Tally)>,
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
        let each = metrics::all().into_iter();
        Self {
            load,
            first_sent_ns: None,
            last_end_ns: 0,
            measured: 0,
            each: each.map(|metric| (metric, tally(metric))).collect(),
        }
    }

    /// Takes in a record, of any phase and in any order.
    pub(super) fn add(&mut self, record: &RequestRecord) {
        let sent_ns = record.sent_ns;
        self.first_sent_ns = self.first_sent_ns.into_iter().chain(sent_ns).min();
        self.last_end_ns = self.last_end_ns.max(record.end_ns);
        self.measured += u64::from(record.phase == Phase::Measured);
        for (metric, tally) in &mut self.each {
            tally.add(metric, &self.load, record);
        }
    }

    pub(super) fn pack(&mut self) {
        self.each.iter_mut().for_each(|(_, tally)| tally.pack());
    }

    /// The value of every metric. `hides`: the time between tokens is not known.
    pub(super) fn metrics(&self, hides: bool) -> IndexMap<String, MetricValue> {
        let value = |(metric, tally): &(&'static Metric, Tally)| {
            let value = match hides && self.needs_time_between_tokens(metric) {
                true if metric.values.is_one_per_cell() => MetricValue::Number(None),
                true => MetricValue::Summary(summary([&Tally::new(metric)])),
                false => self.value(metric, tally),
            };
            (metric.name.to_owned(), value)
        };
        self.each.iter().map(value).collect()
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
        let slos = &self.load.slos;
        let each = self.each.into_iter();
        let kept = each.map(|(metric, tally)| {
            let hidden = hides && metrics::needs_time_between_tokens(metric.name, slos);
            (metric.name, if hidden { Tally::new(metric) } else { tally })
        });
        kept.collect()
    }
}
