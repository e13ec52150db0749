//! Samples GPUs through NVML, or states once why there are none to sample.
//!
//! A figure that a device does not give is absent for that device alone. NVML
//! is called on the sampler's own thread only: where it hangs, samples end and
//! nothing waits for them.

mod counter;
mod device;
mod figures;
mod library;
pub(crate) mod memory;
mod notes;
mod owners;
mod plausible;
pub mod select;
mod watched;

use std::ffi::OsString;
use std::io;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use inferbench_model::config::{BackendConfig, Config, Devices};
use inferbench_model::facts::machine::GpuFacts;
use inferbench_model::facts::samples::GpuSample;
use nvml_wrapper::Nvml;
use thiserror::Error;

use library::GpuAbsence;
pub use library::LIBRARY_VARIABLE;
pub(crate) use library::nvml;

use crate::os::clock::now_ns;
use crate::os::ticker::{Stopped, Ticker, Ticks};
use crate::telemetry::host::WatchedBackend;
use notes::Notes;
use select::{Chosen, Listed, SelectError, VisibleTo};
use watched::Watched;

/// How long NVML may take to start: with many cards and a driver that has to be
/// loaded first it takes long.
const OPEN_LIMIT: Duration = Duration::from_secs(30);
/// How long a reading in progress, and the last one after it, may take when
/// sampling is to end.
const STOP_LIMIT: Duration = Duration::from_secs(2);

/// Why GPUs cannot be sampled as asked.
#[derive(Debug, Error)]
pub enum GpuError {
    /// `gpu.devices` or `CUDA_VISIBLE_DEVICES` names a device that is not there.
    #[error(transparent)]
    Select(#[from] SelectError),
    /// The sampling thread could not be started.
    #[error("no thread for GPU samples")]
    Thread(#[source] io::Error),
}

/// What is to be sampled.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// Time between samples.
    pub every: Duration,
    pub devices: Devices,
    /// What each backend sees, where that decides.
    pub visible_to: Vec<VisibleTo>,
    /// NVML's library; absent for where it is usually.
    pub library: Option<OsString>,
}

impl Wanted {
    /// What a config asks for.
    #[must_use]
    pub fn from_config(config: &Config) -> Self {
        Self {
            every: config.gpu.sample_every.0,
            devices: config.gpu.devices.clone(),
            visible_to: config.backends.iter().map(visible_to).collect(),
            library: std::env::var_os(LIBRARY_VARIABLE),
        }
    }
}

/// A server has its own environment on top of InferBench's.
fn visible_to(backend: &BackendConfig) -> VisibleTo {
    let variable = |name| {
        let own = backend.env.get(name).cloned();
        own.or_else(|| std::env::var(name).ok())
    };
    VisibleTo {
        backend: backend.label().to_owned(),
        devices: variable("CUDA_VISIBLE_DEVICES"),
        order: variable("CUDA_DEVICE_ORDER"),
    }
}

/// What is sampled.
#[derive(Debug, Default)]
pub struct GpuStatus {
    /// The devices that are sampled, in NVML's order.
    pub facts: Vec<GpuFacts>,
    /// Why none is, in one line; absent if any is.
    pub absence: Option<String>,
    /// The running sampler, if any device is sampled.
    pub sampler: Option<GpuSampler>,
}

/// A thread that samples GPUs. It ends when this is stopped or dropped.
#[derive(Debug)]
pub struct GpuSampler {
    ticker: Option<Ticker<()>>,
    gate: Gate,
    notes: Notes,
}

/// What the sampling thread reports when NVML is open, or is not.
type Opened = Result<Result<Vec<GpuFacts>, SelectError>, GpuAbsence>;

impl GpuSampler {
    /// Finds the devices that are wanted and begins to sample them, each sample
    /// handed to `sink` on the sampler's own thread. No NVML, or no device, is
    /// no error but an `absence`.
    ///
    /// # Errors
    /// `Select` if a listed device is not there or not unique; `Thread`.
    pub fn start(
        wanted: Wanted,
        backend: WatchedBackend,
        sink: impl Fn(GpuSample) + Send + 'static,
    ) -> Result<GpuStatus, GpuError> {
        if wanted.devices == Devices::None {
            return Ok(absent("`gpu.devices` is none"));
        }
        let gate = Gate::new(sink);
        let notes = Notes::default();
        let (send_opened, opened) = mpsc::channel();
        let (to, kept) = (gate.clone(), notes.clone());
        let ticker = Ticker::start("gpu-samples", wanted.every, move |ticks| {
            sample(ticks, &wanted, &backend, &to, &kept, send_opened);
        });
        let sampler = Self {
            ticker: Some(ticker.map_err(GpuError::Thread)?),
            gate,
            notes,
        };
        match opened.recv_timeout(OPEN_LIMIT) {
            Ok(Ok(facts)) => Ok(GpuStatus {
                facts: facts?,
                absence: None,
                sampler: Some(sampler),
            }),
            Ok(Err(absence)) => Ok(absent(absence.to_string())),
            Err(RecvTimeoutError::Timeout) => Ok(absent(format!(
                "NVML has not started after {} s",
                OPEN_LIMIT.as_secs()
            ))),
            Err(RecvTimeoutError::Disconnected) => Ok(absent("the GPU sampler panicked")),
        }
    }

    /// Ends sampling. Returns a line for each thing that a reader of the samples
    /// should know. It waits for a reading in progress, but not for one that
    /// hangs.
    #[must_use]
    pub fn stop(mut self) -> Vec<String> {
        let has_panicked = self.end() == Some(Stopped::Panicked);
        let mut lines = self.notes.lines(now_ns());
        if has_panicked {
            lines.push("the GPU sampler panicked: its later samples are missing".to_owned());
        }
        lines
    }

    fn end(&mut self) -> Option<Stopped<()>> {
        let stopped = self.ticker.take()?.stop_within(STOP_LIMIT);
        self.gate.close();
        Some(stopped)
    }
}

impl Drop for GpuSampler {
    fn drop(&mut self) {
        self.end();
    }
}

fn absent(why: impl Into<String>) -> GpuStatus {
    GpuStatus {
        absence: Some(why.into()),
        ..GpuStatus::default()
    }
}

/// The work of the sampling thread, from the opening of NVML to its closing.
fn sample(
    ticks: &mut Ticks,
    wanted: &Wanted,
    backend: &WatchedBackend,
    gate: &Gate,
    notes: &Notes,
    opened: Sender<Opened>,
) {
    let (nvml, chosen) = match open(wanted, notes) {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => return drop(opened.send(Ok(Err(error)))),
        Err(absence) => return drop(opened.send(Err(absence))),
    };
    let facts = chosen.iter().map(|one| device::facts(&nvml, *one, notes));
    let facts = facts.collect();
    let watch = |one: &Chosen| Watched::new(*one, device::open(&nvml, *one), notes.clone());
    let mut watched: Vec<_> = chosen.iter().map(watch).collect();
    // Whoever waits may have given up.
    drop(opened.send(Ok(Ok(facts))));
    drop(opened);
    let mut read = || {
        let running = backend.running();
        for device in &mut watched {
            gate.send(device.sample(&running));
        }
    };
    while ticks.wait() {
        read();
    }
    // The last window ends after the last tick, and needs a reading behind it.
    read();
    for device in &watched {
        device.conclude();
    }
}

/// NVML and the devices that are wanted; otherwise why there is none.
fn open(
    wanted: &Wanted,
    notes: &Notes,
) -> Result<Result<(Nvml, Vec<Chosen>), SelectError>, GpuAbsence> {
    let nvml = match &wanted.library {
        Some(library) => library::by_hand(library.clone())?,
        None => nvml()?,
    };
    let there = device::list(&nvml)?;
    match choose(wanted, &there, notes) {
        Ok(chosen) if chosen.is_empty() => Err(match wanted.devices {
            Devices::Visible => GpuAbsence::NoneVisible,
            _ => GpuAbsence::EmptyList,
        }),
        Ok(chosen) => Ok(Ok((nvml, chosen))),
        Err(error) => Ok(Err(error)),
    }
}

fn choose(wanted: &Wanted, there: &[Listed], notes: &Notes) -> Result<Vec<Chosen>, SelectError> {
    match &wanted.devices {
        Devices::None => Ok(Vec::new()),
        Devices::All => Ok(select::all(there)),
        Devices::Listed(names) => select::listed(names, there),
        Devices::Visible => {
            let mut chosen = Vec::new();
            for to in &wanted.visible_to {
                let visible = select::visible(to, there)?;
                chosen.extend(visible.chosen);
                visible
                    .doubt
                    .into_iter()
                    .for_each(|doubt| notes.line(doubt));
            }
            chosen.sort_unstable();
            chosen.dedup();
            Ok(chosen)
        }
    }
}

/// Where samples go until it is closed. A thread that hangs must not keep what
/// is behind it open.
#[derive(Clone)]
struct Gate(Arc<Mutex<Option<Sink>>>);

type Sink = Box<dyn Fn(GpuSample) + Send>;

impl Gate {
    fn new(sink: impl Fn(GpuSample) + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(Some(Box::new(sink)))))
    }

    fn send(&self, sample: GpuSample) {
        let sink = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sink) = &*sink {
            sink(sample);
        }
    }

    fn close(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gate")
    }
}
