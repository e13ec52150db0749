//! The samples of the host and of the process trees that matter.

use super::buckets::Buckets;
use super::counter::{CounterFold, NoRise};
use super::energy::CpuEnergy;
use super::figures::{HostFigures, SeriesFigure};
use super::frame::Frame;
use super::series::{BACKEND_RSS, HOST, Kind, PACKAGE_POWER};
use super::spans::{CellSpanIndexes, SpanFold, Spans};
use super::timeline::Drawn;
use crate::facts::samples::HostSample;
use crate::hardware::over_time::SeriesOf;
use crate::text::units::{ns_of_ms, s_between};

/// What is kept of the samples of the host.
pub(super) struct HostFold {
    pub(super) last_ns: Option<u64>,
    gap_ns: u64,
    series: Vec<(SpanFold, Buckets)>,
    energy: CounterFold,
    last_energy: Option<(u64, f64)>,
    power: (SpanFold, Buckets),
}

impl HostFold {
    pub(super) fn new(frame: &Frame, spans: &Spans) -> Self {
        let gap_ns = Frame::gap_ns(frame.sample_every_ns);
        let one = || {
            let buckets = Buckets::new(frame.zero_ns);
            (SpanFold::new(spans, gap_ns), buckets)
        };
        Self {
            last_ns: None,
            gap_ns,
            series: HOST.iter().map(|_| one()).collect(),
            energy: CounterFold::new(spans, gap_ns),
            last_energy: None,
            power: one(),
        }
    }

    pub(super) fn add(&mut self, sample: &HostSample) {
        let t_ns = sample.t_ns;
        let before_ns = self.last_ns.replace(t_ns);
        for (series, (spans, buckets)) in HOST.iter().zip(&mut self.series) {
            let Some(value) = (series.of)(sample).filter(|value| value.is_finite()) else {
                continue;
            };
            match (series.kind, before_ns) {
                (Kind::Since, Some(from_ns)) => spans.add_since(from_ns, t_ns, value),
                // The first sample has no start: its mean covers an unknown time.
                (Kind::Since, None) => continue,
                (Kind::AtOnce, _) => spans.add(t_ns, value),
                (Kind::Slow, _) => {
                    let every_ns = sample.pss_every_ms.map_or(0, |ms| ns_of_ms(ms as f64));
                    spans.widen(Frame::gap_ns(every_ns));
                    spans.add(t_ns, value);
                }
            }
            buckets.add(t_ns, value);
        }
        if let Some(joules) = sample.cpu_energy_joules.filter(|joules| joules.is_finite()) {
            self.add_energy(t_ns, joules);
        }
    }

    fn add_energy(&mut self, t_ns: u64, joules: f64) {
        self.energy.add(t_ns, joules);
        if let Some((from_ns, before)) = self.last_energy.replace((t_ns, joules))
            && t_ns > from_ns
            && joules >= before
        {
            let watts = (joules - before) / s_between(from_ns, t_ns);
            self.power.0.add_since(from_ns, t_ns, watts);
            self.power.1.add(t_ns, watts);
        }
    }

    pub(super) fn figures(&self, at: &CellSpanIndexes) -> HostFigures {
        let names = HOST.iter().map(|series| series.name);
        let all = self.series.iter().chain([&self.power]);
        let series = names.chain([PACKAGE_POWER.name]).zip(all);
        let series = series.map(|(name, (spans, _))| {
            let figure = SeriesFigure::from_stats(&spans.over(at.window));
            (name.to_owned(), figure)
        });
        let rise = match at.window {
            Some(window) => self.energy.rise(window),
            None => Err(NoRise::NoWindow),
        };
        HostFigures {
            series: series.collect(),
            memory: self.series[BACKEND_RSS].0.peaks(at),
            cpu_energy: CpuEnergy::from_rise(rise),
        }
    }

    pub(super) fn drawn(self) -> impl Iterator<Item = Drawn> {
        let gap_ns = self.gap_ns;
        let all = HOST.iter().chain([&PACKAGE_POWER]);
        let all = all.zip(self.series.into_iter().chain([self.power]));
        all.map(move |(series, (spans, buckets))| Drawn {
            gap_ns: spans.gap_ns().max(gap_ns),
            ..Drawn::from_series(SeriesOf::Host, series, buckets)
        })
    }
}
