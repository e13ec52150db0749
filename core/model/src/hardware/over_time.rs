//! The hardware over the time of a run, thinned out, beside the load: what the
//! page draws.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::Level;

/// Everything that was sampled during a run, on one time axis with the load.
/// Times ending in `_s` are seconds after `zero_ns`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Timeline {
    /// Start of the axis, monotonic nanoseconds: the start of the run.
    pub zero_ns: u64,
    /// Last moment on the axis.
    pub end_s: f64,
    /// Starts of backends in their order.
    pub stages: Vec<StagePhase>,
    /// Cells in the order in which they were measured.
    pub cells: Vec<CellPhase>,
    /// One entry per quantity and device that had at least one reading: GPUs
    /// first by device, then the host, then the servers.
    pub series: Vec<TimelineSeries>,
    /// What was wrong with the samples, such as times that ran backwards.
    pub notes: Vec<String>,
}

/// One start of one backend on the axis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StagePhase {
    /// Label of the backend.
    pub backend: String,
    /// Block, from 0.
    pub block: u32,
    /// It was launched or attached to; absent if the folder does not have it.
    pub start_s: Option<f64>,
    /// It answered for the first time; absent if it never did.
    pub ready_s: Option<f64>,
    /// It was stopped; absent if that was not written.
    pub end_s: Option<f64>,
}

/// One cell on the axis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CellPhase {
    /// Label of the backend.
    pub backend: String,
    /// Block, from 0.
    pub block: u32,
    /// Level of the load.
    pub level: Level,
    /// Its first moment, warm-up included.
    pub start_s: f64,
    /// Its last moment.
    pub end_s: f64,
    /// Start of the measured window; absent if it has none.
    pub window_start_s: Option<f64>,
    /// End of the measured window; absent like its start.
    pub window_end_s: Option<f64>,
}

/// What a series belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SeriesOf {
    /// One GPU: `device` is set.
    Gpu,
    /// The machine, InferBench, or the process tree of the backend under test.
    Host,
    /// A backend's own metrics: `backend` is set.
    Server,
}

/// One quantity over time, in buckets of equal width. The four lists are of
/// equal length, one entry per bucket that has a reading, in order of time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TimelineSeries {
    /// What it belongs to.
    pub of: SeriesOf,
    /// Name with its unit, such as `power_watts`: the name of the field in the
    /// file of samples.
    pub name: String,
    /// Heading for a reader.
    pub label: String,
    /// Unit of its values: `bytes`, `percent`, `watts`, `mhz`, `celsius`,
    /// `requests`, `ratio` or `1` for a plain number.
    pub unit: String,
    /// Index of the GPU in NVML's order.
    pub device: Option<u32>,
    /// Label of the backend that reported it.
    pub backend: Option<String>,
    /// Width of a bucket.
    pub bucket_s: f64,
    /// Buckets whose times lie further apart than this have a gap between them: no
    /// line is drawn there. It grows with the width of a bucket.
    pub gap_s: f64,
    /// Mean time of the readings in the bucket.
    pub t_s: Vec<f64>,
    /// Smallest reading in the bucket.
    pub min: Vec<f64>,
    /// Mean of the readings in the bucket.
    pub mean: Vec<f64>,
    /// Largest reading in the bucket.
    pub max: Vec<f64>,
}
