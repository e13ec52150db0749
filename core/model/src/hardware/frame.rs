//! The spans of time that samples are summed up over: cells, starts of backends,
//! and the time before the first of these.

use crate::config::Config;
use crate::facts::key::CellKey;
use crate::facts::manifest::Manifest;
use crate::facts::window::Window;

/// Shortest gap between two readings that are not joined.
const LEAST_GAP_NS: u64 = 1_000_000_000;
/// Intervals between readings that may be missing before there is a gap.
const INTERVALS_OF_GAP: u64 = 5;

/// The load of a run on its clock.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Frame {
    /// Start of the run.
    pub zero_ns: u64,
    /// End of the run; absent if it was not written. Samples after it are
    /// skipped.
    pub end_ns: Option<u64>,
    /// Time between two samples.
    pub sample_every_ns: u64,
    /// Names of the GPUs by their index.
    pub gpu_names: Vec<(u32, Option<String>)>,
    /// Starts of backends.
    pub stages: Vec<StageSpan>,
    /// The cells.
    pub cells: Vec<CellSpan>,
}

/// One start of a backend.
#[derive(Debug, Clone, PartialEq)]
pub struct StageSpan {
    /// Label of the backend.
    pub backend: String,
    /// Block, from 0.
    pub block: u32,
    /// It was launched or attached to.
    pub start_ns: Option<u64>,
    /// It was ready.
    pub ready_ns: Option<u64>,
    /// It was stopped.
    pub end_ns: Option<u64>,
}

/// One cell.
#[derive(Debug, Clone, PartialEq)]
pub struct CellSpan {
    /// Which cell.
    pub key: CellKey,
    /// First and last moment; absent if the run ended in the middle of it.
    pub ends_ns: Option<(u64, u64)>,
    /// The measured window.
    pub window: Option<Window>,
}

impl Frame {
    /// The frame of a run; `cells`: every cell with its measured window.
    #[must_use]
    pub fn of_run(
        manifest: &Manifest,
        config: &Config,
        cells: &[(CellKey, Option<Window>)],
    ) -> Self {
        let anchors = &manifest.anchors;
        let stages = manifest.stages.iter().map(|stage| StageSpan {
            backend: stage.backend.clone(),
            block: stage.block,
            start_ns: stage.start_ns,
            ready_ns: stage.ready_ns,
            end_ns: stage.stop_ns,
        });
        let cells = cells.iter().map(|(key, window)| {
            let facts = manifest.cells.iter().find(|facts| facts.key == *key);
            CellSpan {
                key: key.clone(),
                ends_ns: facts.map(|facts| (facts.start_ns, facts.end_ns)),
                window: *window,
            }
        });
        let gpus = manifest.gpus.iter();
        Self {
            zero_ns: anchors.first().map_or(0, |anchor| anchor.monotonic_ns),
            end_ns: (anchors.len() > 1)
                .then(|| anchors.last().map(|anchor| anchor.monotonic_ns))
                .flatten(),
            sample_every_ns: config.gpu.sample_every.as_ns(),
            gpu_names: gpus.map(|gpu| (gpu.index, gpu.name.clone())).collect(),
            stages: stages.collect(),
            cells: cells.collect(),
        }
    }

    /// Longest time between two readings, one every `every_ns`, that are
    /// joined: five intervals, at least a second.
    pub(super) fn gap_ns(every_ns: u64) -> u64 {
        every_ns.saturating_mul(INTERVALS_OF_GAP).max(LEAST_GAP_NS)
    }

    /// From the start of the run to the first start of a backend.
    pub(super) fn idle(&self) -> Option<Window> {
        let starts: Option<Vec<u64>> = self.stages.iter().map(|stage| stage.start_ns).collect();
        window(self.zero_ns, starts?.into_iter().min()?)
    }

    /// From the start of a cell's backend to its first cell.
    pub(super) fn startup(&self, cell: &CellSpan) -> Option<Window> {
        let own = |key: (&str, u32)| key == (cell.key.backend.as_str(), cell.key.block);
        let stage = (self.stages.iter()).find(|s| own((s.backend.as_str(), s.block)))?;
        let start_ns = stage.start_ns?;
        let cells = self.cells.iter();
        let cells = cells.filter(|c| own((c.key.backend.as_str(), c.key.block)));
        let first_ns = cells
            .filter_map(|cell| Some(cell.ends_ns?.0))
            .filter(|first_ns| *first_ns >= start_ns)
            .min()?;
        // The peak at the first start is no peak of a backend that was restarted.
        let begins_ns = cell.ends_ns?.0;
        window(start_ns, first_ns).filter(|_| begins_ns >= first_ns)
    }
}

/// A span of time; `None` if it has no length.
pub(super) fn window(start_ns: u64, end_ns: u64) -> Option<Window> {
    (end_ns > start_ns).then_some(Window { start_ns, end_ns })
}
