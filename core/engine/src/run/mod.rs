//! Does a whole run: its folder, its samplers, and its stages, one after the other.
//! Every fact goes into the run folder; what follows from them is for `derive`.

pub(crate) mod cache_audit;
pub(crate) mod cell;
mod command;
mod failure;
pub(crate) mod live_view;
mod origin;
mod places;
mod progress;
mod recorder;
mod rendezvous;
pub mod resume;
mod samplers;
pub(crate) mod server_facts;
mod session;
pub(crate) mod settle;
pub mod shard;
pub(crate) mod stage;
mod stages;
mod started;

use std::path::Path;

use inferbench_model::facts::manifest::{BackendFacts, ExitState, Manifest, RUN_SCHEMA_VERSION};
use inferbench_model::facts::warning::{Warning, WarningKind};
use inferbench_plugin_api::Capabilities;
use tokio::sync::mpsc::UnboundedSender;

use crate::event::RunEvent;
use crate::os::clock;
use crate::os::limits;
use crate::prepare::{PreparedBackend, PreparedRun};
pub use crate::server::Stops;
use crate::server::supervise::Journal;
use crate::store::{RunFolder, StoreError};
use crate::store::{calibration, hash};
use crate::telemetry::host;
use crate::worker::{self, Note};
use live_view::Readings;
pub use origin::verify_origin;
pub use places::NotText;
use recorder::Recorder;
use resume::Resumed;
use samplers::Samplers;
pub use session::RunError;
use session::RunSession;
use shard::ShardRun;
pub use stages::Finished;

/// Prompts that the workload's fingerprint covers.
const FINGERPRINT_PROMPTS: u64 = 64;

/// Where the facts of a run go.
#[derive(Debug, Clone, Copy)]
pub enum Destination<'a> {
    /// A new run folder in this folder.
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
    destination: Destination<'_>,
    version: &str,
    events: UnboundedSender<RunEvent>,
    stops: &Stops,
) -> Result<Finished, RunError> {
    let (Destination::New(place) | Destination::Resume(place)) = destination;
    places::must_be_text(place)?;
    // Before any server is started: all of them inherit it, or none. Where it
    // cannot be raised, requests that find no descriptor say so.
    drop(limits::raise_open_files());
    // What a killed run has left in it, and is surely gone, is nobody's any more.
    if let Some(journal) = Journal::of_user() {
        journal.tidy();
    }
    let mut fresh = new_manifest(prepared, version)?;
    let plan = prepared.shard.as_ref();
    let shard = plan
        .map(|plan| ShardRun::begin(plan, &fresh, &stops.gentle))
        .transpose()?;
    fresh.shard = shard.as_ref().map(ShardRun::facts);
    let (folder, mut manifest) = match destination {
        Destination::New(output) => (new_folder(prepared, output)?, fresh),
        Destination::Resume(folder) => {
            let Resumed { folder, manifest } = resume::resume(folder, fresh, prepared)?;
            (folder, manifest)
        }
    };
    worker::note(&Note::Folder(folder.path().to_owned()));
    let watched = host::WatchedBackend::default();
    let stops = Stops {
        // A file that cannot be written ends the run as an interruption would.
        gentle: stops.gentle.child_token(),
        now: stops.now.clone(),
    };
    let readings = Readings::default();
    let samplers = Samplers::start(
        &prepared.config,
        &folder,
        (&watched, &readings),
        &stops.gentle,
        &mut manifest,
    )?;
    let secrets = prepared.secrets.clone();
    let recorder = Recorder::open(folder, manifest, secrets, &stops.gentle)?;
    let seen = (watched, readings);
    let mut session = RunSession::new(prepared, recorder, stops, seen, events, shard);
    // Its future is large, and this one is often held by another.
    let done = Box::pin(session.do_stages()).await;
    // What was done to the folder comes before what followed from that.
    session.recorder.check_folder()?;
    done?;
    for warning in samplers.stop()? {
        let detail = warning;
        session.warn(Warning::about_run(WarningKind::GpuSamplesMissing {
            detail,
        }));
    }
    Ok(session.finish()?)
}

fn new_folder(prepared: &PreparedRun, output: &Path) -> Result<RunFolder, StoreError> {
    let stamp = clock::utc_now().replace([':', '-'], "").replace('.', "");
    RunFolder::create(output, &prepared.config.name, &stamp)
}

/// URLs of the replicas of a backend that has several.
fn replica_urls(backend: &PreparedBackend) -> Vec<String> {
    match backend.attach.as_slice() {
        [] | [_] => Vec::new(),
        several => several.iter().map(|target| target.url("")).collect(),
    }
}

fn can(backend: &PreparedBackend) -> &Capabilities {
    &backend.plugin.description.capabilities
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
        attach: backend.attach.first().map(|target| target.url("")),
        replicas: replica_urls(backend),
        prompt_form: backend.opened.form.name().to_owned(),
        one_request_at_a_time: can(backend).one_request_at_a_time,
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
        shard: None,
        merged: None,
        anchors: vec![clock::anchor()],
        plan: prepared.plan.clone(),
        stages: Vec::new(),
        cells: Vec::new(),
        warnings: Vec::new(),
        files: Default::default(),
        own_sha256: None,
        exit_state: ExitState::Running,
    })
}
