//! The samples of one GPU.

use super::buckets::Buckets;
use super::counter::{CounterFold, NoRise};
use super::energy::{GpuEnergy, Powers};
use super::figures::{GpuFigures, SeriesFigure};
use super::frame::Frame;
use super::series::{GPU, GPU_MEMORY, GPU_POWERS};
use super::spans::{CellSpanIndexes, SpanFold, Spans};
use super::state_durations::{StateDurations, StateDurationsFold};
use super::timeline::Drawn;
use crate::facts::samples::GpuSample;
use crate::hardware::over_time::SeriesOf;

/// What is kept of the samples of one GPU.
pub(super) struct GpuFold {
    pub(super) last_ns: u64,
    gap_ns: u64,
    series: Vec<(SpanFold, Buckets)>,
    energy: CounterFold,
    throttle: StateDurationsFold,
}

impl GpuFold {
    pub(super) fn new(frame: &Frame, spans: &Spans) -> Self {
        let gap_ns = Frame::gap_ns(frame.sample_every_ns);
        let series = GPU.iter().map(|_| {
            let buckets = Buckets::new(frame.zero_ns);
            (SpanFold::new(spans, gap_ns), buckets)
        });
        Self {
            last_ns: 0,
            gap_ns,
            series: series.collect(),
            energy: CounterFold::new(spans, gap_ns),
            throttle: StateDurationsFold::new(spans, gap_ns),
        }
    }

    pub(super) fn add(&mut self, sample: &GpuSample) {
        let t_ns = sample.t_ns;
        self.last_ns = t_ns;
        for (series, (spans, buckets)) in GPU.iter().zip(&mut self.series) {
            if let Some(value) = (series.of)(sample).filter(|value| value.is_finite()) {
                spans.add(t_ns, value);
                buckets.add(t_ns, value);
            }
        }
        if let Some(joules) = sample.energy_joules.filter(|joules| joules.is_finite()) {
            self.energy.add(t_ns, joules);
        }
        if let Some(reasons) = &sample.throttle_reasons {
            self.throttle.add(t_ns, reasons);
        }
    }

    pub(super) fn figures(
        &self,
        index: u32,
        name: Option<String>,
        at: &CellSpanIndexes,
    ) -> GpuFigures {
        let series = GPU.iter().zip(&self.series).map(|(series, (spans, _))| {
            let figure = SeriesFigure::from_stats(&spans.over(at.window));
            (series.name.to_owned(), figure)
        });
        let throttle = at.window.map(|window| self.throttle.over(window));
        GpuFigures {
            index,
            name,
            series: series.collect(),
            memory: self.series[GPU_MEMORY].0.peaks(at),
            energy: self.energy(at),
            throttled_s: throttle.and_then(StateDurations::throttled_s),
            throttled_s_by_reason: throttle
                .map(StateDurations::by_reason_s)
                .unwrap_or_default(),
        }
    }

    /// The power is the instant one if the device reports it, else the average.
    fn energy(&self, at: &CellSpanIndexes) -> GpuEnergy {
        let powers = GPU_POWERS.map(|power| &self.series[power]);
        let reported = powers.iter().find(|(_, buckets)| !buckets.is_empty());
        let (power, _) = reported.unwrap_or(&powers[0]);
        let rise = match at.window {
            Some(window) => self.energy.rise(window),
            None => Err(NoRise::NoWindow),
        };
        let idle = at.idle.map(|idle| power.over(Some(idle)));
        let has_mean_apart = !self.series[GPU_POWERS[1]].1.is_empty();
        let powers = Powers {
            window: &power.over(at.window),
            idle: idle.as_ref(),
            is_instant: has_mean_apart,
        };
        GpuEnergy::from_readings(at.window_s, rise, &powers)
    }

    pub(super) fn drawn(self, index: u32) -> impl Iterator<Item = Drawn> {
        let all = GPU.iter().zip(self.series);
        all.map(move |(series, (_, buckets))| Drawn {
            device: Some(index),
            gap_ns: self.gap_ns,
            ..Drawn::from_series(SeriesOf::Gpu, series, buckets)
        })
    }
}
