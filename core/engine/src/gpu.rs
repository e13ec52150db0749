//! Samples GPUs through NVML, or states once why there are none to sample.
//!
//! A figure that a device does not give is absent for that device alone.

mod device;
mod select;

use std::ffi::OsStr;
use std::io;

use inferbench_model::config::GpuConfig;
use inferbench_model::manifest::GpuFacts;
use inferbench_model::record::GpuSample;
use nvml_wrapper::Nvml;
use nvml_wrapper::error::NvmlError;
use thiserror::Error;

pub use select::{Listed, SelectError, select};

use crate::clock::now_ns;
use crate::ticker::Ticker;
use device::Watched;

/// Where NVML is looked for, in order; a bare name is the loader's business.
const LIBRARIES: [&str; 3] = [
    "libnvidia-ml.so.1",
    "libnvidia-ml.so",
    "/usr/lib/wsl/lib/libnvidia-ml.so.1",
];

/// Why GPUs cannot be sampled as asked.
#[derive(Debug, Error)]
pub enum GpuError {
    /// `gpu.devices` names a device that is not there.
    #[error(transparent)]
    Select(#[from] SelectError),
    /// The sampling thread could not be started.
    #[error("no thread for GPU samples")]
    Thread(#[source] io::Error),
}

/// What is sampled.
#[derive(Debug)]
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
    ticker: Ticker<Vec<String>>,
}

impl GpuSampler {
    /// Finds the devices that `config` asks for and begins to sample them,
    /// each sample handed to `sink` on the sampler's own thread. No NVML, or
    /// no device, is no error but an `absence`.
    ///
    /// # Errors
    /// `Select` if a listed device is not there or not unique; `Thread`.
    pub fn start(
        config: &GpuConfig,
        sink: impl Fn(GpuSample) + Send + 'static,
    ) -> Result<GpuStatus, GpuError> {
        use inferbench_model::config::Devices;
        if config.devices == Devices::None {
            return Ok(absent("`gpu.devices` is none"));
        }
        let nvml = match nvml() {
            Ok(nvml) => nvml,
            Err(absence) => return Ok(absent(absence)),
        };
        let there = match device::list(&nvml) {
            Ok(there) if there.is_empty() => return Ok(absent("NVML lists no GPU")),
            Ok(there) => there,
            Err(error) => return Ok(absent(format!("NVML does not list its GPUs: {error}"))),
        };
        let indices = select(&config.devices, &there)?;
        if indices.is_empty() {
            return Ok(absent("`gpu.devices` is an empty list"));
        }
        let facts = indices.iter().map(|index| device::facts(&nvml, *index));
        Ok(GpuStatus {
            facts: facts.collect(),
            absence: None,
            sampler: Some(Self::spawn(nvml, indices, config, sink)?),
        })
    }

    fn spawn(
        nvml: Nvml,
        indices: Vec<u32>,
        config: &GpuConfig,
        sink: impl Fn(GpuSample) + Send + 'static,
    ) -> Result<Self, GpuError> {
        let ticker = Ticker::start("gpu-samples", config.sample_every.0, move |ticks| {
            let devices = indices.into_iter();
            let mut watched: Vec<_> = devices
                .map(|index| Watched::new(index, nvml.device_by_index(index)))
                .collect();
            while ticks.wait() {
                for device in &mut watched {
                    sink(device.sample(now_ns()));
                }
            }
            watched.into_iter().flat_map(Watched::into_notes).collect()
        });
        let ticker = ticker.map_err(GpuError::Thread)?;
        Ok(Self { ticker })
    }

    /// Ends sampling and waits for the thread. Returns a line for each figure
    /// that a device told at first and later did not.
    #[must_use]
    pub fn stop(self) -> Vec<String> {
        self.ticker.stop().unwrap_or_else(|| {
            vec!["the GPU sampler panicked: its later samples are missing".into()]
        })
    }
}

fn absent(why: impl Into<String>) -> GpuStatus {
    GpuStatus {
        facts: Vec::new(),
        absence: Some(why.into()),
        sampler: None,
    }
}

/// NVML, wherever it lies; otherwise why there is none, in one line.
pub(crate) fn nvml() -> Result<Nvml, String> {
    open(&LIBRARIES)
}

/// The first library that loads and starts; otherwise why none does.
fn open(libraries: &[&str]) -> Result<Nvml, String> {
    for library in libraries {
        match Nvml::builder().lib_path(OsStr::new(library)).init() {
            Ok(nvml) => return Ok(nvml),
            // There is a library: another name would only lead to the same one.
            Err(error) if !is_no_library(&error) => return Err(init_absence(&error)),
            Err(_) => {}
        }
    }
    Err(format!(
        "no NVIDIA library: none of {} loads",
        libraries.join(", ")
    ))
}

fn is_no_library(error: &NvmlError) -> bool {
    matches!(error, NvmlError::LibloadingError(_))
}

fn init_absence(error: &NvmlError) -> String {
    match error {
        NvmlError::LibRmVersionMismatch => {
            "the NVIDIA library and the loaded driver have different versions: reboot, or reload the driver".to_owned()
        }
        NvmlError::DriverNotLoaded => "the NVIDIA driver is not loaded".to_owned(),
        other => format!("NVML does not start: {other}"),
    }
}

#[cfg(test)]
mod tests;
