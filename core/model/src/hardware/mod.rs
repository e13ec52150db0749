//! What the load cost the hardware: figures per cell and a thinned-out
//! timeline, from the samples of a run. They are read one by one and never kept,
//! so that a day of them needs no more memory than an hour.

mod buckets;
mod counter;
mod energy;
mod figures;
mod fold;
mod frame;
mod gpu;
mod host;
pub mod over_time;
mod series;
mod spans;
mod state_durations;
mod timeline;

pub use energy::{CounterScope, CpuEnergy, EnergySource, GpuEnergy, PooledEnergy};
pub use figures::{CellHardware, GpuFigures, HostFigures, SeriesFigure, Served};
pub use fold::{Hardware, HardwareFold};
pub use frame::{CellSpan, Frame, StageSpan};
pub use spans::MemoryPeaks;

#[cfg(test)]
mod tests;
