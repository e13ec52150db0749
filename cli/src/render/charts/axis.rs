//! The axis of the values: linear from zero, or logarithmic.

use plotly::layout::{Axis, AxisRange, AxisType, RangeMode};

/// Range of values, largest over smallest, above which an axis is logarithmic.
const LOG_FROM: f64 = 30.0;

/// The axis of the values, from zero, or logarithmic for latencies that range
/// widely.
pub(super) struct ValueAxis {
    /// Ends in the coordinates of `at`.
    pub(super) low: f64,
    pub(super) high: f64,
    log: bool,
}

impl ValueAxis {
    pub(super) fn of(values: impl Iterator<Item = f64>, may_be_log: bool) -> Self {
        let (low, high) = values.fold((f64::INFINITY, 0.0f64), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        if may_be_log && low > 0.0 && high / low > LOG_FROM {
            Self {
                low: (low / 1.3).log10(),
                high: (high * 1.3).log10(),
                log: true,
            }
        } else {
            Self {
                low: 0.0,
                high: if high > 0.0 { high * 1.08 } else { 1.0 },
                log: false,
            }
        }
    }

    pub(super) fn to_axis(&self) -> Axis {
        let axis = Axis::new()
            .range(AxisRange::new(self.low, self.high))
            .fixed_range(true)
            .zero_line(false);
        if self.log {
            log_ticks(axis.type_(AxisType::Log))
        } else {
            axis.range_mode(RangeMode::ToZero)
                .tick_format(",")
                .n_ticks(6)
        }
    }

    /// Place of a value in the coordinates that plotly wants for annotations.
    pub(super) fn at(&self, value: f64) -> f64 {
        if self.log { value.log10() } else { value }
    }
}

/// Ticks at 1, 2 and 5 of each decade.
fn log_ticks(axis: Axis) -> Axis {
    let values: Vec<f64> = (-4..7)
        .flat_map(|decade| [1.0, 2.0, 5.0].map(|step| step * 10f64.powi(decade)))
        .collect();
    let texts: Vec<String> = values.iter().map(ToString::to_string).collect();
    axis.tick_values(values).tick_text(texts)
}
