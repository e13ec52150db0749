//! Energy over a measured window: by the counter and by the integral of power,
//! with and without what the device draws when idle, and over all devices.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::counter::NoRise;
use super::spans::SpanStats;
use crate::facts::warning::WarningKind;
use crate::text::units::s_between;

/// Share of the window for which power must be known.
const COVERED_SHARE: f64 = 0.99;
/// Time before the first start for which power must be known, s.
const IDLE_S: f64 = 1.0;
/// Difference between both energies from which on a row has a warning, percent.
const DIFFERENCE_PERCENT: f64 = 10.0;
/// Time by which counter and power may lag each other at an edge of a window, s:
/// NVML's readings are brought up to date every 20 to 100 ms (arXiv:2312.02741).
const COUNTER_LAG_S: f64 = 0.1;
/// The same for a power that is the mean over a second and not of the instant.
const MEAN_POWER_LAG_S: f64 = 0.25;

/// Where an energy comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EnergySource {
    /// The device's own counter.
    Counter,
    /// The integral of its power.
    Power,
}

/// What an energy counter counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CounterScope {
    /// The GPU: it agrees with the GPU's own power.
    Gpu,
    /// More than the GPU, as on a superchip whose counter is that of the module.
    Module,
}

/// Energy of one GPU over a window, J.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GpuEnergy {
    /// The figure that is used: of the counter where it fits the GPU's own power,
    /// else of the power.
    pub joules: Option<f64>,
    /// Where it comes from.
    pub source: Option<EnergySource>,
    /// What the counter rose by, interpolated at the window's edges.
    pub counter_joules: Option<f64>,
    /// Why the counter gives none.
    pub counter_absence: Option<String>,
    /// What the counter counts; absent where the power does not show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counter_scope: Option<CounterScope>,
    /// Why the counter is not used, where it gives a figure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counter_unused: Option<String>,
    /// Integral of the power by trapezoids.
    pub power_joules: Option<f64>,
    /// Why the power gives none.
    pub power_absence: Option<String>,
    /// (Power's - counter's) / counter's, percent.
    pub difference_percent: Option<f64>,
    /// Mean power before the first start of any backend, W.
    pub idle_watts: Option<f64>,
    /// Why it is not known.
    pub idle_absence: Option<String>,
    /// What is left of `joules` without `idle_watts` over the window.
    pub above_idle_joules: Option<f64>,
    /// Why nothing is, where both are known: the device drew less than before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub above_idle_absence: Option<String>,
}

/// Energy of several GPUs over a window, J.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PooledEnergy {
    /// Sum over the GPUs that give one.
    pub joules: Option<f64>,
    /// The same without what they draw when idle; null if that of one is not known.
    pub above_idle_joules: Option<f64>,
    /// Indices of the GPUs that give no energy and are not in the sum.
    #[serde(default)]
    pub without_gpus: Vec<u32>,
    /// Why there is no sum.
    pub absence: Option<String>,
}

/// Energy of the CPU packages over a window, J.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CpuEnergy {
    /// What their counter rose by, interpolated at the window's edges.
    pub joules: Option<f64>,
    /// Why there is none.
    pub absence: Option<String>,
}

impl CpuEnergy {
    pub(super) fn from_rise(rise: Result<f64, NoRise>) -> Self {
        let (joules, absence) = value_or_reason(rise.map_err(|why| match why {
            NoRise::NotReported => "no CPU energy counter can be read".to_owned(),
            why => why.words("the CPU"),
        }));
        Self { joules, absence }
    }
}

impl GpuEnergy {
    pub(super) fn from_readings(
        window_s: f64,
        counter: Result<f64, NoRise>,
        power: &Powers<'_>,
    ) -> Self {
        let (counter_joules, counter_absence) =
            value_or_reason(counter.map_err(|why| why.words("the device")));
        let (power_joules, power_absence) = value_or_reason(integral(window_s, power.window));
        let (idle_watts, idle_absence) = value_or_reason(idle_power(power.idle));
        let both = power_joules.zip(counter_joules);
        let difference_percent = both.map(|(power, counter)| (power - counter) / counter * 100.0);
        let within = DIFFERENCE_PERCENT + power.lag_s() / window_s * 100.0;
        let mut energy = Self {
            counter_joules,
            counter_absence,
            counter_scope: difference_percent.and_then(|percent| scope(percent, within)),
            counter_unused: difference_percent.and_then(|percent| misfit(percent, within)),
            power_joules,
            power_absence,
            difference_percent,
            idle_watts,
            idle_absence,
            ..Self::default()
        };
        energy.settle(window_s);
        energy
    }

    /// Takes the power in place of a counter that does not fit it in another
    /// window of the run: figures of both are never set side by side.
    pub(super) fn leave_counter(&mut self, window_s: f64) {
        if self.counter_joules.is_some() && self.counter_unused.is_none() {
            let why = "it does not fit the GPU's own power in other windows of this run";
            self.counter_unused = Some(why.to_owned());
            self.counter_scope = None;
        }
        self.settle(window_s);
    }

    /// Picks the figure that is used, and what is above idle in it.
    fn settle(&mut self, window_s: f64) {
        let counter = self
            .counter_joules
            .filter(|_| self.counter_unused.is_none());
        self.joules = counter.or(self.power_joules);
        self.source = match (counter, self.power_joules) {
            (Some(_), _) => Some(EnergySource::Counter),
            (None, Some(_)) => Some(EnergySource::Power),
            (None, None) => None,
        };
        let above = self.joules.zip(self.idle_watts);
        let above = above.map(|(joules, watts)| above_idle(joules, watts * window_s));
        (self.above_idle_joules, self.above_idle_absence) =
            above.map(value_or_reason).unwrap_or_default();
    }

    pub(super) fn disagreement(&self, gpu: u32) -> Option<WarningKind> {
        let difference_percent = self.difference_percent?;
        if self.counter_unused.is_some() {
            return Some(WarningKind::EnergyCounterUnused {
                gpu,
                difference_percent,
            });
        }
        (difference_percent.abs() > DIFFERENCE_PERCENT).then_some(WarningKind::EnergyDisagrees {
            gpu,
            difference_percent,
        })
    }
}

impl PooledEnergy {
    /// Of the devices in one cell; `ever`: which of them have an energy in some
    /// cell of the run.
    ///
    /// A device that never has one makes the sum partial. One that has it only in
    /// other cells leaves this cell without a sum, which would be too small.
    pub(super) fn sum_up(devices: &[(u32, &GpuEnergy)], ever: &[u32]) -> Self {
        let names = |of: &dyn Fn(&u32, &GpuEnergy) -> bool| {
            let these = devices.iter().filter(|(index, energy)| of(index, energy));
            let names: Vec<String> = these.map(|(index, _)| format!("GPU {index}")).collect();
            names.join(", ")
        };
        let lost = names(&|index, energy| energy.joules.is_none() && ever.contains(index));
        if ever.is_empty() || !lost.is_empty() {
            let absence = match ever.is_empty() {
                true => "no GPU gives an energy".to_owned(),
                false => format!("{lost} gives no energy over this window"),
            };
            return Self {
                absence: Some(absence),
                ..Self::default()
            };
        }
        let given = devices.iter().filter(|(index, _)| ever.contains(index));
        let given: Vec<&GpuEnergy> = given.map(|(_, energy)| *energy).collect();
        let without = devices.iter().map(|(index, _)| *index);
        Self {
            joules: given.iter().map(|energy| energy.joules).sum(),
            above_idle_joules: given.iter().map(|energy| energy.above_idle_joules).sum(),
            without_gpus: without.filter(|index| !ever.contains(index)).collect(),
            absence: None,
        }
    }
}

/// The power of one GPU.
pub(super) struct Powers<'a> {
    /// Over the window.
    pub(super) window: &'a SpanStats,
    /// Before the first start; absent if that is not known.
    pub(super) idle: Option<&'a SpanStats>,
    /// It is that of the instant, for the mean is reported apart.
    pub(super) is_instant: bool,
}

impl Powers<'_> {
    /// Time by which counter and power may lag each other at both edges together.
    fn lag_s(&self) -> f64 {
        let lag_s = match self.is_instant {
            true => COUNTER_LAG_S,
            false => MEAN_POWER_LAG_S,
        };
        2.0 * lag_s
    }
}

/// What a counter counts from which the power is `percent` off, where both are
/// right `within` so many percent.
fn scope(percent: f64, within: f64) -> Option<CounterScope> {
    match percent {
        percent if percent < -within => Some(CounterScope::Module),
        percent if percent <= within => Some(CounterScope::Gpu),
        _ => None,
    }
}

/// Why such a counter is not used; `None` if it fits.
fn misfit(percent: f64, within: f64) -> Option<String> {
    let by = format!(
        "{:.1} % off, more than the {within:.1} % that both may err",
        percent.abs()
    );
    match scope(percent, within) {
        Some(CounterScope::Gpu) => None,
        Some(CounterScope::Module) => Some(format!(
            "it counts more than the GPU's own power adds up to ({by}), as that of a whole module does"
        )),
        None => Some(format!(
            "it counts less than the GPU's own power adds up to ({by})"
        )),
    }
}

fn value_or_reason(found: Result<f64, String>) -> (Option<f64>, Option<String>) {
    match found {
        Ok(value) => (Some(value), None),
        Err(why) => (None, Some(why)),
    }
}

/// What a device took above its idle energy over the same time, J. Less than that is no
/// energy above idle: the idle power is not that of this time.
fn above_idle(joules: f64, idle_joules: f64) -> Result<f64, String> {
    let above = joules - idle_joules;
    if above < 0.0 {
        return Err(format!(
            "{joules:.1} J in the window, {idle_joules:.1} J at the power before the first start"
        ));
    }
    Ok(above)
}

/// Mean power over the covered time, times the length of the window.
fn integral(window_s: f64, power: &SpanStats) -> Result<f64, String> {
    let covered_s = s_between(0, power.covered_ns);
    match power.mean() {
        Some(mean) if covered_s >= COVERED_SHARE * window_s => Ok(mean * window_s),
        Some(_) => Err(format!(
            "power is known for {covered_s:.1} of {window_s:.1} s, needs 99 %"
        )),
        None => Err("no two readings of power in the window".to_owned()),
    }
}

fn idle_power(idle: Option<&SpanStats>) -> Result<f64, String> {
    let idle = idle.ok_or("the time before the first start of a backend is not known")?;
    let covered_s = s_between(0, idle.covered_ns);
    match idle.mean() {
        Some(mean) if covered_s >= IDLE_S => Ok(mean),
        _ => Err(format!(
            "power is known for {covered_s:.1} s before the first start of a backend, needs {IDLE_S} s"
        )),
    }
}
