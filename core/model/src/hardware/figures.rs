//! The hardware figures of a cell's row.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::energy::{CpuEnergy, GpuEnergy, PooledEnergy};
use super::spans::{MemoryPeaks, SpanStats};
use crate::facts::warning::WarningKind;
use crate::text::units::s_between;

/// What the load of one cell cost the hardware, over its measured window.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CellHardware {
    /// The GPUs that were sampled, by index.
    pub gpus: Vec<GpuFigures>,
    /// Energy of all of them; absent if none was sampled.
    pub gpu_energy: Option<PooledEnergy>,
    /// The machine and the processes.
    pub host: HostFigures,
}

/// One GPU over a window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GpuFigures {
    /// Index in NVML's order.
    pub index: u32,
    /// Name of the device.
    pub name: Option<String>,
    /// Each series by the name of its field in `gpu.jsonl`.
    pub series: IndexMap<String, SeriesFigure>,
    /// Peaks of the memory in use.
    pub memory: MemoryPeaks,
    /// Energy.
    pub energy: GpuEnergy,
    /// Time in which it was throttled for any reason, s; null if it reports none.
    pub throttled_s: Option<f64>,
    /// The same for each reason, in NVML's words; they may overlap.
    pub throttled_s_by_reason: BTreeMap<String, f64>,
}

/// The machine and the processes over a window.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HostFigures {
    /// Each series by the name of its field in `host.jsonl`, and
    /// `cpu_package_watts`.
    pub series: IndexMap<String, SeriesFigure>,
    /// Peaks of the resident memory of the backend's process tree.
    pub memory: MemoryPeaks,
    /// Energy of the CPU packages.
    pub cpu_energy: CpuEnergy,
}

/// One series over a window: the line through its readings, cut at the edges.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SeriesFigure {
    /// Mean over the covered time; null if no time is covered.
    pub mean: Option<f64>,
    /// Largest value; null without any.
    pub max: Option<f64>,
    /// Seconds of the window between readings without a gap.
    pub covered_s: f64,
    /// Readings in the window.
    pub n: u64,
}

/// What the cell's requests received, by which figures are divided.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Served {
    /// Length of the measured window, s.
    pub window_s: Option<f64>,
    /// Output tokens in the window.
    pub output_tokens: Option<f64>,
    /// Requests completed in the window.
    pub requests: Option<f64>,
}

impl SeriesFigure {
    pub(super) fn from_stats(stats: &SpanStats) -> Self {
        Self {
            mean: stats.mean(),
            max: stats.max,
            covered_s: s_between(0, stats.covered_ns),
            n: stats.n,
        }
    }
}

impl CellHardware {
    /// A series of every GPU that has it.
    pub(crate) fn of_gpus(&self, name: &str) -> impl Iterator<Item = &SeriesFigure> {
        self.gpus.iter().filter_map(move |gpu| gpu.series.get(name))
    }

    /// A series of the host.
    pub(crate) fn of_host(&self, name: &str) -> Option<&SeriesFigure> {
        self.host.series.get(name)
    }

    /// Warnings about the figures.
    #[must_use]
    pub fn warnings(&self) -> Vec<WarningKind> {
        let mut found = Vec::new();
        let energy = self.gpu_energy.as_ref();
        let without = energy.map_or_else(Vec::new, |energy| energy.without_gpus.clone());
        if !without.is_empty() {
            found.push(WarningKind::EnergyPartial { gpus: without });
        }
        for gpu in &self.gpus {
            found.extend(gpu.energy.disagreement(gpu.index));
            found.extend(gpu.slowed());
        }
        found
    }
}

impl GpuFigures {
    /// Names the reasons that are not the power limit, which many cards reach
    /// in normal work.
    fn slowed(&self) -> Option<WarningKind> {
        let reasons = self.throttled_s_by_reason.iter();
        let reasons = reasons.filter(|(reason, _)| *reason != "sw_power_cap");
        let seconds_by_reason: BTreeMap<String, f64> =
            reasons.map(|(reason, s)| (reason.clone(), *s)).collect();
        (!seconds_by_reason.is_empty()).then_some(WarningKind::GpuThrottled {
            gpu: self.index,
            seconds_by_reason,
        })
    }
}
