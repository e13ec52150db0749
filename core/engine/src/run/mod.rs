//! A whole run: stage after stage, every fact into the run folder.

pub(crate) mod cache_audit;
pub(crate) mod cell;
mod command;
pub(crate) mod live_view;
mod progress;
pub mod resume;
mod samplers;
pub(crate) mod server_facts;
pub(crate) mod settle;
pub(crate) mod stage;

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use inferbench_model::config::Level;
use inferbench_model::facts::manifest::{
    BackendFacts, CellFacts, ExitState, Manifest, RUN_SCHEMA_VERSION, StageFacts,
};
use inferbench_model::facts::record::{Evidence, RequestRecord, ServerSample};
use inferbench_model::plan::Stage;
use thiserror::Error;
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

use crate::event::RunEvent;
use crate::http::Target;
use crate::os::clock;
use crate::os::limits;
use crate::prepare::PreparedRun;
use crate::prepare::kv_forecast;
use crate::run::resume::{ResumeError, Resumed};
use crate::run::settle::Before;
use crate::store::{LineWriter, RunFolder, StoreError};
use crate::store::{calibration, hash};
use crate::telemetry::gpu::GpuError;
use crate::telemetry::host;
use live_view::{Readings, Recent};
use progress::SoFar;
use samplers::Samplers;

/// Prompts that the workload's fingerprint covers.
const FINGERPRINT_PROMPTS: u64 = 64;

/// Time for which GPUs are sampled before the first start.
const IDLE_FOR: Duration = Duration::from_millis(1200);
/// The same where samples are far apart.
const IDLE_AT_MOST: Duration = Duration::from_secs(5);

/// A run that could not be done.
#[derive(Debug, Error)]
pub enum RunError {
    /// Its folder cannot be made or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The GPUs cannot be sampled as asked.
    #[error(transparent)]
    Gpu(#[from] GpuError),
    /// The run cannot be taken up.
    #[error(transparent)]
    Resume(#[from] ResumeError),
    /// A prompt cannot be made.
    #[error(transparent)]
    Prompt(#[from] inferbench_model::plan::prompt::PromptError),
    /// A sampler cannot be started.
    #[error("the host sampler cannot start")]
    Host(#[source] std::io::Error),
}

/// A run that has ended.
#[derive(Debug)]
pub struct Finished {
    /// Its folder.
    pub folder: RunFolder,
    /// How it ended.
    pub exit_state: ExitState,
}

/// How a run is stopped: `gentle` stops sending, stops the servers and writes
/// what there is; `now` leaves the servers no grace.
#[derive(Debug, Clone, Default)]
pub struct Stops {
    /// Stop in order.
    pub gentle: CancellationToken,
    /// Stop at once.
    pub now: CancellationToken,
}

/// What a stage works with.
pub(crate) struct Running<'a> {
    pub(crate) prepared: &'a PreparedRun,
    pub(crate) folder: RunFolder,
    pub(crate) manifest: Manifest,
    pub(crate) server_metrics: LineWriter<ServerSample>,
    pub(crate) cancel: CancellationToken,
    pub(crate) now: CancellationToken,
    events: UnboundedSender<RunEvent>,
    requests: LineWriter<RequestRecord>,
    current: Arc<Mutex<SoFar>>,
    recent: Arc<Mutex<Recent>>,
    /// A cell had no successful request.
    any_cell_failed: bool,
    watched: host::WatchedBackend,
    pub(crate) readings: Readings,
    /// Backends, by index, of which everything was fetched that a start needs.
    pub(crate) fetched: HashSet<usize>,
}

/// Where a run's folder is.
#[derive(Debug, Clone, Copy)]
pub enum Place<'a> {
    /// A new one in this folder.
    New(&'a Path),
    /// The folder of a run that did not come to its end; what is missing is done.
    Resume(&'a Path),
}

/// Does a prepared run.
///
/// # Errors
/// See [`RunError`]; backends that fail are facts, not errors.
pub async fn run(
    prepared: &PreparedRun,
    place: Place<'_>,
    version: &str,
    events: UnboundedSender<RunEvent>,
    stops: &Stops,
) -> Result<Finished, RunError> {
    // Before any server is started: all of them inherit it, or none. Where it
    // cannot be raised, requests that find no descriptor say so.
    drop(limits::raise_open_files());
    let fresh = new_manifest(prepared, version)?;
    let (folder, mut manifest) = match place {
        Place::New(output) => (new_folder(prepared, output)?, fresh),
        Place::Resume(folder) => {
            let Resumed { folder, manifest } = resume::resume(folder, fresh)?;
            (folder, manifest)
        }
    };
    let watched = host::WatchedBackend::default();
    // A file that cannot be written ends the run as an interruption would.
    let cancel = stops.gentle.child_token();
    let readings = Readings::default();
    let samplers = Samplers::start(
        &prepared.config,
        &folder,
        (&watched, &readings),
        &cancel,
        &mut manifest,
    )?;
    let mut running = Running {
        prepared,
        requests: LineWriter::open(folder.file("requests.jsonl"), &cancel)?,
        server_metrics: LineWriter::of_samples(folder.file("server_metrics.jsonl"), &cancel)?,
        folder,
        manifest,
        cancel,
        now: stops.now.clone(),
        events,
        current: Arc::default(),
        recent: Arc::default(),
        any_cell_failed: false,
        watched,
        readings,
        fetched: HashSet::new(),
    };
    // Its future is large, and this one is often held by another.
    Box::pin(running.do_stages()).await?;
    for warning in samplers.stop()? {
        running.warn(warning);
    }
    running.finish()
}

fn new_folder(prepared: &PreparedRun, output: &Path) -> Result<RunFolder, StoreError> {
    let stamp = clock::utc_now().replace([':', '-'], "").replace('.', "");
    RunFolder::create(output, &prepared.config.name, &stamp)
}

fn new_manifest(prepared: &PreparedRun, version: &str) -> Result<Manifest, RunError> {
    let backends = prepared.backends.iter().map(|backend| BackendFacts {
        label: backend.label.clone(),
        plugin: backend.plugin.description.name.clone(),
        plugin_version: backend.plugin.description.version.clone(),
        plugin_api: backend.plugin.api.clone(),
        plugin_file: backend.plugin.file.display().to_string(),
        plugin_sha256: hash::file_sha256(&backend.plugin.file),
        simulated: backend.plugin.description.simulated,
        attach: backend.attach.as_ref().map(|target| target.url("")),
        prompt_form: backend.opened.form.name().to_owned(),
        kv_estimate: None,
    });
    let host = host::host_facts();
    Ok(Manifest {
        schema_version: RUN_SCHEMA_VERSION,
        inferbench_version: version.to_owned(),
        command: command::line(&prepared.secrets),
        config: prepared.secrets.masked_json(&prepared.config),
        workload_sha256: Some(prepared.prompts.fingerprint(FINGERPRINT_PROMPTS)?),
        backends: backends.collect(),
        calibration: calibration::stored_for(&host),
        host,
        gpus: Vec::new(),
        gpu_absence: None,
        anchors: vec![clock::anchor()],
        plan: prepared.plan.clone(),
        stages: Vec::new(),
        cells: Vec::new(),
        warnings: Vec::new(),
        files: Default::default(),
        exit_state: ExitState::Running,
    })
}

impl Running<'_> {
    /// Every stage of which a cell is missing, one after the other.
    async fn do_stages(&mut self) -> Result<(), StoreError> {
        let mut before = Before::now();
        let stages = self.missing_stages();
        self.begin(&stages)?;
        self.warn_of_trust();
        self.record_kv_estimates();
        self.idle().await;
        for (place, stage) in stages.iter().enumerate() {
            if self.cancel.is_cancelled() {
                break;
            }
            if place > 0 {
                self.rest().await;
            }
            stage::run(self, stage).await;
            for left in before.wait(&self.cancel).await {
                self.warn(format!("{}: {left}", stage.backend));
            }
            self.save()?;
        }
        Ok(())
    }

    /// Puts the estimates of the KV caches into the manifest, and warns of levels
    /// that will not fit.
    fn record_kv_estimates(&mut self) {
        let forecasts = kv_forecast::kv_forecasts(self.prepared);
        let memory = self.manifest.gpus.iter().map(|gpu| gpu.memory_bytes);
        let warnings = kv_forecast::kv_warnings(self.prepared, &forecasts, memory.flatten().min());
        for (facts, one) in self.manifest.backends.iter_mut().zip(forecasts) {
            facts.kv_estimate = one.and_then(|one| one.estimate.ok());
        }
        for warning in warnings {
            self.warn(warning);
        }
    }

    /// Lets the GPUs be sampled before anything runs: what they draw then is
    /// told apart from what the load costs.
    async fn idle(&self) {
        let is_known = self.manifest.stages.iter().any(|s| s.start_ns.is_some());
        if self.manifest.gpus.is_empty() || is_known {
            return;
        }
        let every = self.prepared.config.gpu.sample_every.0;
        let time = (IDLE_FOR + every * 2).min(IDLE_AT_MOST);
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            () = self.cancel.cancelled() => {}
        }
    }

    /// Lets the machine cool down, if the config asks for it.
    async fn rest(&self) {
        if let Some(cooldown) = self.prepared.config.load.cooldown {
            tokio::select! {
                () = tokio::time::sleep(cooldown.0) => {}
                () = self.cancel.cancelled() => {}
            }
        }
    }

    /// The plan's stages with the levels that are not measured yet.
    fn missing_stages(&self) -> Vec<Stage> {
        let cells = &self.manifest.cells;
        let is_missing = |stage: &Stage, level: &Level| {
            !cells.iter().any(|cell| {
                let key = &cell.key;
                key.backend == stage.backend && key.block == stage.block && key.level == *level
            })
        };
        let stages = self.prepared.plan.stages.iter().map(|stage| {
            let levels = stage.levels.iter().copied();
            Stage {
                levels: levels.filter(|level| is_missing(stage, level)).collect(),
                ..stage.clone()
            }
        });
        stages.filter(|stage| !stage.levels.is_empty()).collect()
    }

    fn begin(&mut self, stages: &[Stage]) -> Result<(), StoreError> {
        self.tell(RunEvent::Started {
            folder: self.folder.path().to_owned(),
            stages: stages.to_vec(),
            simulated: self.manifest.is_simulated(),
        });
        self.save()?;
        Ok(())
    }

    /// Says whose certificate is not checked.
    fn warn_of_trust(&mut self) {
        for backend in &self.prepared.backends {
            if backend.attach.as_ref().is_some_and(Target::is_unverified) {
                self.warn(format!(
                    "{}: `tls.verify` is false: the server's certificate is not checked, and whoever answers is measured",
                    backend.label
                ));
            }
        }
    }

    /// Writes the manifest as it stands.
    fn save(&self) -> Result<(), StoreError> {
        let manifest = self.prepared.secrets.masked_json(&self.manifest);
        self.folder.write_json("run.json", &manifest)
    }

    pub(crate) fn tell(&self, mut event: RunEvent) {
        event.mask(&self.prepared.secrets);
        // An onlooker who has gone away changes nothing about the run.
        drop(self.events.send(event));
    }

    /// A warning of the run as a whole, told and kept once.
    pub(crate) fn warn(&mut self, warning: String) {
        let warning = self.prepared.secrets.masked(&warning);
        if !self.manifest.warnings.contains(&warning) {
            self.tell(RunEvent::Warning(warning.clone()));
            self.manifest.warnings.push(warning);
        }
    }

    /// Whose process tree the host sampler watches from now on.
    pub(crate) fn watch(&self, backend: Option<&str>, pid: Option<i32>) {
        match backend {
            Some(label) => self
                .watched
                .set(label, pid.and_then(|pid| u32::try_from(pid).ok())),
            None => {
                self.watched.clear();
                self.readings
                    .note_server(&Evidence::default(), clock::now_ns());
            }
        }
    }

    /// Keeps the facts of the cell that has just ended, after its records, and
    /// sums it up for onlookers.
    ///
    /// Gives the words if they cannot be written.
    pub(crate) fn cell_ended(&mut self, facts: CellFacts) -> Result<(), String> {
        let current = self.current.lock();
        let ended = current.map(|mut current| std::mem::take(&mut *current));
        let ended = ended.unwrap_or_default();
        let throughput = ended.overall_token_throughput();
        self.any_cell_failed |= ended.counts.ok == 0;
        self.tell(RunEvent::CellEnded {
            key: facts.key.clone(),
            counts: ended.counts,
            overall_token_throughput: throughput,
        });
        self.manifest.cells.push(facts);
        self.requests.flush();
        self.save().map_err(|error| error.to_string())
    }

    fn finish(mut self) -> Result<Finished, RunError> {
        self.requests.close()?;
        self.server_metrics.close()?;
        let cells_missing = self.manifest.cells.len() < self.prepared.plan.cells();
        let exit_state = exit_state(
            &self.manifest.stages,
            cells_missing || self.any_cell_failed,
            self.cancel.is_cancelled(),
        );
        self.manifest.anchors.push(clock::anchor());
        self.manifest.files = hash::file_facts(&self.folder)?;
        self.manifest.exit_state = exit_state;
        let manifest = self.prepared.secrets.masked_json(&self.manifest);
        self.folder.write_json("run.json", &manifest)?;
        Ok(Finished {
            folder: self.folder,
            exit_state,
        })
    }
}

fn exit_state(stages: &[StageFacts], cells_lack: bool, interrupted: bool) -> ExitState {
    if interrupted {
        return ExitState::Interrupted;
    }
    let failed: HashSet<&str> = stages
        .iter()
        .filter(|stage| stage.failure.is_some())
        .map(|stage| stage.backend.as_str())
        .collect();
    if failed.is_empty() && !cells_lack {
        ExitState::Done
    } else {
        ExitState::Incomplete
    }
}
