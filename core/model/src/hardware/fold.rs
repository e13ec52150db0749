//! Folds the samples of a run into figures per cell and series over time.

use std::collections::BTreeMap;

use super::buckets::Buckets;
use super::energy::{GpuEnergy, PooledEnergy};
use super::figures::CellHardware;
use super::frame::{CellSpan, Frame, window};
use super::gpu::GpuFold;
use super::host::HostFold;
use super::series::SERVER;
use super::spans::{CellSpanIndexes, Spans};
use super::timeline::{self, Drawn};
use crate::facts::samples::{GpuSample, HostSample, ServerSample};
use crate::facts::window::Window;
use crate::hardware::over_time::{SeriesOf, Timeline};

/// Time between two readings of a server's own metrics.
const SERVER_EVERY_NS: u64 = 1_000_000_000;

/// Figures per cell and series over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Hardware {
    /// One entry per cell of the frame; absent if nothing was sampled.
    pub cells: Vec<Option<CellHardware>>,
    /// Everything over time.
    pub timeline: Timeline,
}

/// What is kept of the samples of a run so far.
pub struct HardwareFold {
    frame: Frame,
    spans: Spans,
    gpus: BTreeMap<u32, GpuFold>,
    host: HostFold,
    servers: BTreeMap<String, Vec<Buckets>>,
    skipped: BTreeMap<&'static str, u64>,
    notes: Vec<String>,
}

impl HardwareFold {
    /// Without any sample.
    #[must_use]
    pub fn new(frame: Frame) -> Self {
        let mut spans: Vec<Window> = frame.idle().into_iter().collect();
        for cell in &frame.cells {
            let load = cell.ends_ns.and_then(|(start, end)| window(start, end));
            spans.extend(
                [cell.window, load, frame.startup(cell)]
                    .into_iter()
                    .flatten(),
            );
        }
        spans.sort_unstable_by_key(|span| (span.start_ns, span.end_ns));
        spans.dedup();
        let spans: Spans = spans.into();
        Self {
            host: HostFold::new(&frame, &spans),
            frame,
            spans,
            gpus: BTreeMap::new(),
            servers: BTreeMap::new(),
            skipped: BTreeMap::new(),
            notes: Vec::new(),
        }
    }

    /// Adds a sample of a GPU, those of one GPU in order of time. Samples whose time
    /// runs backwards, from outside the run or from a GPU that the run does not list
    /// are skipped and counted. A MIG instance is a part of its device: its samples
    /// stay in `gpu.jsonl` alone.
    pub fn add_gpu(&mut self, sample: &GpuSample) {
        if sample.mig.is_some() {
            return;
        }
        let listed = self.frame.gpu_names.iter();
        if !listed.map(|(index, _)| *index).any(|i| i == sample.index) {
            self.skip("samples skipped, of a GPU that `run.json` does not list");
            return;
        }
        let last_ns = self.gpus.get(&sample.index).map_or(0, |gpu| gpu.last_ns);
        if !self.is_in_order(sample.t_ns, last_ns) {
            return;
        }
        let (frame, spans) = (&self.frame, &self.spans);
        let gpu = self.gpus.entry(sample.index);
        gpu.or_insert_with(|| GpuFold::new(frame, spans))
            .add(sample);
    }

    /// Adds a sample of the host; as [`Self::add_gpu`].
    pub fn add_host(&mut self, sample: &HostSample) {
        if self.is_in_order(sample.t_ns, self.host.last_ns.unwrap_or(0)) {
            self.host.add(sample);
        }
    }

    /// Adds a sample of a backend's own metrics; as [`Self::add_gpu`].
    pub fn add_server(&mut self, sample: &ServerSample) {
        if !self.is_in_order(sample.t_ns, 0) {
            return;
        }
        let zero_ns = self.frame.zero_ns;
        let all = self
            .servers
            .entry(sample.backend.clone())
            .or_insert_with(|| SERVER.iter().map(|_| Buckets::new(zero_ns)).collect());
        for (series, buckets) in SERVER.iter().zip(all) {
            if let Some(value) = (series.of)(&sample.evidence).filter(|v| v.is_finite()) {
                buckets.add(sample.t_ns, value);
            }
        }
    }

    /// Adds a line on what was wrong with the samples.
    pub fn note(&mut self, words: String) {
        self.notes.push(words);
    }

    fn is_in_order(&mut self, t_ns: u64, last_ns: u64) -> bool {
        let is_after = self.frame.end_ns.is_some_and(|end_ns| t_ns > end_ns);
        if is_after || t_ns < self.frame.zero_ns {
            self.skip("samples skipped, outside the run");
        } else if t_ns < last_ns {
            self.skip("samples skipped, with a time that runs backwards");
        } else {
            return true;
        }
        false
    }

    fn skip(&mut self, why: &'static str) {
        *self.skipped.entry(why).or_default() += 1;
    }

    /// The figures of all samples that were added.
    #[must_use]
    pub fn finish(mut self) -> Hardware {
        let mut cells: Vec<_> = self
            .frame
            .cells
            .iter()
            .map(|cell| self.cell(cell))
            .collect();
        leave_misfit_counters(&mut cells, &self.frame);
        pool(&mut cells);
        for (why, n) in std::mem::take(&mut self.skipped) {
            self.notes.push(format!("{why}: {n}"));
        }
        let mut drawn: Vec<Drawn> = Vec::new();
        for (index, gpu) in self.gpus {
            drawn.extend(gpu.drawn(index));
        }
        drawn.extend(self.host.drawn());
        for (backend, all) in self.servers {
            let all = SERVER.iter().zip(all);
            drawn.extend(all.map(|(series, buckets)| Drawn {
                backend: Some(backend.clone()),
                gap_ns: Frame::gap_ns(SERVER_EVERY_NS),
                ..Drawn::from_series(SeriesOf::Server, series, buckets)
            }));
        }
        Hardware {
            cells,
            timeline: timeline::build(&self.frame, drawn, self.notes),
        }
    }

    fn index_of_span(&self, span: Option<Window>) -> Option<usize> {
        let span = span?;
        let key = |span: &Window| (span.start_ns, span.end_ns);
        self.spans.binary_search_by_key(&key(&span), key).ok()
    }

    fn cell(&self, cell: &CellSpan) -> Option<CellHardware> {
        if self.gpus.is_empty() && self.host.last_ns.is_none() {
            return None;
        }
        let load = cell.ends_ns.and_then(|(start, end)| window(start, end));
        let indexes = CellSpanIndexes {
            window: self.index_of_span(cell.window),
            window_s: cell.window.map_or(0.0, |window| window.length_s()),
            load: self.index_of_span(load),
            startup: self.index_of_span(self.frame.startup(cell)),
            idle: self.index_of_span(self.frame.idle()),
        };
        let gpus = self.gpus.iter().map(|(index, gpu)| {
            let named = self.frame.gpu_names.iter().find(|(i, _)| i == index);
            gpu.figures(*index, named.and_then(|(_, name)| name.clone()), &indexes)
        });
        Some(CellHardware {
            gpus: gpus.collect(),
            gpu_energy: None,
            host: self.host.figures(&indexes),
        })
    }
}

/// Takes the power of a GPU in every cell if its counter does not fit it in one.
fn leave_misfit_counters(cells: &mut [Option<CellHardware>], frame: &Frame) {
    let gpus = cells.iter().flatten().flat_map(|cell| &cell.gpus);
    let misfits: Vec<u32> = gpus
        .filter(|gpu| gpu.energy.counter_unused.is_some())
        .map(|gpu| gpu.index)
        .collect();
    for (cell, span) in cells.iter_mut().zip(&frame.cells) {
        let window_s = span.window.map_or(0.0, |window| window.length_s());
        let gpus = cell.iter_mut().flat_map(|cell| &mut cell.gpus);
        for gpu in gpus.filter(|gpu| misfits.contains(&gpu.index)) {
            gpu.energy.leave_counter(window_s);
        }
    }
}

/// Sums up the energy of each cell's GPUs.
fn pool(cells: &mut [Option<CellHardware>]) {
    let gpus = cells.iter().flatten().flat_map(|cell| &cell.gpus);
    let mut ever: Vec<u32> = gpus
        .filter(|gpu| gpu.energy.joules.is_some())
        .map(|gpu| gpu.index)
        .collect();
    ever.sort_unstable();
    ever.dedup();
    for cell in cells.iter_mut().flatten() {
        let gpus = cell.gpus.iter();
        let energies: Vec<(u32, &GpuEnergy)> = gpus.map(|gpu| (gpu.index, &gpu.energy)).collect();
        if !energies.is_empty() {
            cell.gpu_energy = Some(PooledEnergy::sum_up(&energies, &ever));
        }
    }
}
