//! Starts and ends what samples the machine while a run goes on. How it samples is
//! for `telemetry`.

use inferbench_model::config::Config;
use inferbench_model::facts::manifest::Manifest;
use inferbench_model::facts::samples::{GpuSample, HostSample};
use tokio_util::sync::CancellationToken;

use super::live_view::Readings;
use super::session::RunError;
use crate::store::{LineWriter, RunFolder, StoreError};
use crate::telemetry::gpu::{self, GpuSampler};
use crate::telemetry::host;

/// The samplers with their files.
pub(super) struct Samplers {
    gpu: Option<GpuSampler>,
    gpu_file: LineWriter<GpuSample>,
    host: host::HostSampler,
    host_file: LineWriter<HostSample>,
}

impl Samplers {
    /// Starts them; what GPUs there are, or why there are none, goes to the manifest.
    pub(super) fn start(
        config: &Config,
        folder: &RunFolder,
        (watched, readings): (&host::WatchedBackend, &Readings),
        cancel: &CancellationToken,
        manifest: &mut Manifest,
    ) -> Result<Self, RunError> {
        let gpu_file = LineWriter::of_samples(folder.file("gpu.jsonl"), cancel)?;
        let gpu_sink = gpu_file.sink();
        let readings = readings.clone();
        let gpu = GpuSampler::start(
            gpu::Wanted::from_config(config),
            watched.clone(),
            move |sample| {
                readings.note_gpu(&sample);
                gpu_sink.send(sample);
            },
        )?;
        manifest.gpus = gpu.facts;
        manifest.gpu_absence = gpu.absence;
        let host_file = LineWriter::of_samples(folder.file("host.jsonl"), cancel)?;
        let host_sink = host_file.sink();
        let take = move |sample| host_sink.send(sample);
        let host = host::HostSampler::start(config.gpu.sample_every.0, watched.clone(), take)
            .map_err(RunError::Host)?;
        Ok(Self {
            gpu: gpu.sampler,
            gpu_file,
            host,
            host_file,
        })
    }

    /// Ends them and gives their warnings.
    pub(super) fn stop(self) -> Result<Vec<String>, StoreError> {
        let warnings = self.gpu.map(GpuSampler::stop).unwrap_or_default();
        self.host.stop();
        self.gpu_file.close()?;
        self.host_file.close()?;
        Ok(warnings)
    }
}
