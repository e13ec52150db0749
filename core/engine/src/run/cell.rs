//! Measures one cell, from the reset of the prefix cache to the facts it leaves.
//! Offering the load is for `load`.

use std::sync::Arc;
use std::time::Duration;

use inferbench_model::config::Level;
use inferbench_model::facts::key::CellKey;
use inferbench_model::facts::manifest::CellFacts;
use inferbench_model::facts::self_check::SelfCheck;
use inferbench_model::facts::warning::{Warning, WarningKind};
use inferbench_model::plan::shard::Shard;
use inferbench_model::plan::{PlannedLevel, Stage, seed};
use inferbench_plugin_api::EvidenceSource;
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;

use super::failure::CellError;
use super::session::RunSession;
use super::started::StartedBackend;
use crate::event::RunEvent;
use crate::http::control::ControlPlane;
use crate::load::conversations::Conversations;
use crate::load::requests::CellSource;
use crate::load::{self, CellLoad, LoadError, Progress};
use crate::os::clock;
use crate::prepare::PreparedBackend;

/// Time between two looks at the progress of a cell.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);
/// How long a server may take to work off what an earlier cell left.
const IDLE_LIMIT: Duration = Duration::from_secs(10);
/// What the requests of a dead server get to fail by themselves.
const AFTER_DEATH: Duration = Duration::from_millis(500);

type Ran = JoinHandle<Result<SelfCheck, LoadError>>;

/// Measures one cell: empties the prefix cache, waits for the server to be idle,
/// offers the load, and keeps the facts.
///
/// # Errors
/// If the cell could not be measured or the server ended meanwhile.
pub(super) async fn run(
    session: &mut RunSession<'_>,
    backend: &PreparedBackend,
    stage: &Stage,
    planned: PlannedLevel,
    started: &StartedBackend,
) -> Result<(), CellError> {
    session.wait_for_shards().await?;
    let (source, mut load) = cell_load(session, backend, stage, planned, started);
    if let Some(shard) = &mut session.shard {
        load.shard = shard.shard();
        load.gate = Some(shard.next_gate());
    }
    let (key, level) = (load.key.clone(), planned.level);
    for server in started.servers() {
        if session.prepared.config.workload.prefix_cache.is_reset() {
            reset(session, backend, &server.control).await;
        }
        wait_idle(backend, &server.control).await;
    }
    session.announce(RunEvent::CellStarted {
        key: key.clone(),
        requests: load.requests(),
        duration_s: load.load.duration.map(|duration| duration.as_s()),
    });
    let progress = Arc::new(Progress::default());
    let cancel = session.cancel().child_token();
    let start_ns = clock::now_ns();
    let offered = load.clone();
    let ran = spawn(session, (source, load), started, &progress, &cancel);
    let ended = watch(session, started, ran, &progress, &cancel).await;
    let self_check = ended.map_err(|_| CellError::Panicked)??;
    let lost = lost_server(started, level);
    let facts = CellFacts {
        key,
        start_ns,
        end_ns: clock::now_ns(),
        complete: !cancel.is_cancelled() && lost.is_none(),
        promise_held: None,
        objective: None,
        self_check,
    };
    let shortfall = session.cell_ended(facts, offered.plan())?;
    if let Some(shard) = &session.shard {
        shard.ended(session.cancel())?;
    }
    match (lost, shortfall) {
        (Some(lost), _) => Err(lost),
        // Whoever interrupts the run knows that its last cell is missing.
        (None, Some(shortfall)) if !session.cancel().is_cancelled() => {
            Err(CellError::Short { level, shortfall })
        }
        (None, _) => Ok(()),
    }
}

/// Whether the server that was started is gone, or whoever watches over it.
fn lost_server(started: &StartedBackend, level: Level) -> Option<CellError> {
    let server = started.server.as_ref()?;
    match server.exit() {
        Some(exit) => Some(CellError::ServerEnded { exit, level }),
        None if server.died.is_cancelled() => Some(CellError::Unsupervised { level }),
        None => None,
    }
}

/// Waits for the load to end and announces its progress. A server that dies meanwhile
/// ends it: its requests fail by themselves first, then are cut short.
async fn watch(
    session: &RunSession<'_>,
    started: &StartedBackend,
    mut ran: Ran,
    progress: &Progress,
    cancel: &CancellationToken,
) -> Result<Result<SelfCheck, LoadError>, JoinError> {
    let died = started.server.as_ref().map(|server| server.died.clone());
    let mut ticks = tokio::time::interval(PROGRESS_EVERY);
    loop {
        tokio::select! {
            ended = &mut ran => return ended,
            _ = ticks.tick() => session.announce_progress(progress),
            () = death(died.as_ref()), if !cancel.is_cancelled() => {
                tokio::time::sleep(AFTER_DEATH).await;
                cancel.cancel();
            }
        }
    }
}

async fn death(died: Option<&CancellationToken>) {
    match died {
        Some(died) => died.cancelled().await,
        None => std::future::pending().await,
    }
}

/// The requests of a cell, and how they are offered.
fn cell_load(
    session: &RunSession<'_>,
    backend: &PreparedBackend,
    stage: &Stage,
    planned: PlannedLevel,
    started: &StartedBackend,
) -> (CellSource, CellLoad) {
    let config = &session.prepared.config;
    let source = CellSource {
        prompts: Arc::clone(&session.prepared.prompts),
        client: Arc::clone(&backend.opened.client),
        form: backend.opened.form,
        target: started.servers().first().map(|first| first.target.clone()),
        model: session.prepared.served_name().to_owned(),
        block: stage.block,
        level: planned.index,
        conversations: Conversations::default(),
    };
    let load = CellLoad {
        key: CellKey {
            backend: stage.backend.clone(),
            block: stage.block,
            level: planned.level,
        },
        load: config.load_in(stage.block).into_owned(),
        arrivals_seed: seed::arrivals(config.seed, stage.block, planned.index),
        trace: session.prepared.trace.clone(),
        keep_text: config.output_text,
        shard: Shard::WHOLE,
        gate: None,
    };
    (source, load)
}

/// Offers the load on a thread of its own.
fn spawn(
    session: &RunSession<'_>,
    (source, load): (CellSource, CellLoad),
    started: &StartedBackend,
    progress: &Arc<Progress>,
    cancel: &CancellationToken,
) -> Ran {
    let records = session.record_sink();
    let transports = started.transports();
    let (progress, cancel) = (Arc::clone(progress), cancel.clone());
    tokio::task::spawn_blocking(move || {
        load::run_cell(&load, &transports, source, records, &progress, &cancel)
    })
}

/// Drops the prefix cache. A server that will not is a warning, once.
async fn reset(session: &mut RunSession<'_>, backend: &PreparedBackend, control: &ControlPlane) {
    let requests = match backend.opened.client.reset() {
        Ok(requests) => requests,
        Err(error) => {
            let detail = error.to_string();
            let kind = WarningKind::CacheNotReset { detail };
            session.warn(Warning::about(&backend.label, kind));
            return;
        }
    };
    for request in requests {
        if let Err(error) = control.ask(&request).await {
            let detail = error.to_string();
            let kind = WarningKind::CacheNotReset { detail };
            session.warn(Warning::about(&backend.label, kind));
        }
    }
}

/// Waits until the server says that it has nothing to do, if it says so at all.
async fn wait_idle(backend: &PreparedBackend, control: &ControlPlane) {
    let Some(request) = &backend.opened.probes.metrics else {
        return;
    };
    let idle = async {
        while let Ok(body) = control.ask(request).await {
            let read = backend
                .opened
                .client
                .evidence(&EvidenceSource::Metrics, &body);
            let evidence = read.unwrap_or_default();
            let busy =
                evidence.running_requests.unwrap_or(0.0) + evidence.waiting_requests.unwrap_or(0.0);
            if busy == 0.0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    // A server that never goes idle is measured as it is; its own work shows
    // in the metrics.
    drop(tokio::time::timeout(IDLE_LIMIT, idle).await);
}
