//! One start of one backend: launch or attach, wait, measure every level, stop.

use std::sync::Arc;
use std::time::Duration;

use inferbench_model::cell::CellKey;
use inferbench_model::config::Level;
use inferbench_model::manifest::{CellFacts, StageFacts};
use inferbench_model::plan::Stage;
use inferbench_model::record::{Evidence, ServerSample};
use inferbench_model::seed;
use inferbench_plugin_api::EvidenceSource;
use inferbench_plugin_api::client::EngineClient;
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::control::ControlPlane;
use crate::event::RunEvent;
use crate::http::Target;
use crate::launch::{self, Server};
use crate::load::{self, CellLoad, EngineHub, Progress, Transport};
use crate::prepare::{self, PreparedBackend};
use crate::prompts::CellSource;
use crate::ready::{Readiness, ReadyError};
use crate::run::Running;

/// Longest that a control request may take.
const CONTROL_LIMIT: Duration = Duration::from_secs(10);
/// Time between two readings of a server's metrics.
const METRICS_EVERY: Duration = Duration::from_secs(1);
/// Time between two looks at the progress of a cell.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);
/// How long a server may take to work off what an earlier cell left.
const IDLE_LIMIT: Duration = Duration::from_secs(10);
/// What the requests of a dead server get to fail by themselves.
const AFTER_DEATH: Duration = Duration::from_millis(500);

/// What a stage measures through.
struct Live {
    transport: Transport,
    control: Option<ControlPlane>,
    server: Option<Server>,
}

/// Runs one stage. A backend that fails is a fact in the manifest, not an
/// error: the run goes on.
pub(crate) async fn run(running: &mut Running<'_>, stage: &Stage) {
    let backend = &running.prepared.backends[stage.backend_index];
    let mut facts = StageFacts {
        backend: stage.backend.clone(),
        block: stage.block,
        command: None,
        ready_s: None,
        failure: None,
        log_tail: Vec::new(),
        evidence: Evidence::default(),
    };
    let began = start(running, backend, stage, &mut facts).await;
    let live = match began {
        Ok(live) => live,
        Err(cause) => {
            fail(running, facts, cause, Vec::new());
            return;
        }
    };
    running.watch(Some(&stage.backend), live.server.as_ref().map(Server::pid));
    let outcome = measure(running, backend, stage, &live, &mut facts).await;
    running.watch(None, None);
    let log_tail = live.server.as_ref().map(Server::log_tail);
    if live.server.is_some() {
        facts.evidence.absorb(log_evidence(running, backend, stage));
    }
    stop(running, live).await;
    match outcome {
        Ok(()) => running.manifest.stages.push(facts),
        Err(_) if running.cancel.is_cancelled() => {
            facts.failure = Some("interrupted".to_owned());
            running.manifest.stages.push(facts);
        }
        Err(cause) => fail(running, facts, cause, log_tail.unwrap_or_default()),
    }
}

fn fail(running: &mut Running<'_>, mut facts: StageFacts, cause: String, log_tail: Vec<String>) {
    running.tell(RunEvent::BackendFailed {
        backend: facts.backend.clone(),
        block: facts.block,
        cause: cause.clone(),
        log_tail: log_tail.clone(),
    });
    facts.failure = Some(cause);
    facts.log_tail = log_tail;
    running.manifest.stages.push(facts);
}

async fn start(
    running: &mut Running<'_>,
    backend: &PreparedBackend,
    stage: &Stage,
    facts: &mut StageFacts,
) -> Result<Live, String> {
    if backend.plugin.description.capabilities.in_process {
        return start_engine(running, backend, stage);
    }
    if let Some(target) = &backend.attach {
        running.tell(RunEvent::Starting {
            backend: stage.backend.clone(),
            block: stage.block,
            what: target.url(""),
        });
        return Ok(live(target.clone(), None));
    }
    let folder = running
        .folder
        .stage_folder(&stage.backend, stage.block)
        .map_err(|error| error.to_string())?;
    let port = free_port().map_err(|error| format!("no free port: {error}"))?;
    let context = running.prepared.launch_context(port, &folder);
    let plan = prepare::launch_plan(backend, &context)?.ok_or("nothing to launch")?;
    let text = launch::command_text(&plan, &backend.env);
    running.tell(RunEvent::Starting {
        backend: stage.backend.clone(),
        block: stage.block,
        what: text.clone(),
    });
    facts.command = Some(plan.command.clone());
    let server = Server::start(&plan, &backend.env, &folder).map_err(|error| error.to_string())?;
    let target = Target::http(&context.host, port);
    Ok(live(target, Some(server)))
}

fn live(target: Target, server: Option<Server>) -> Live {
    Live {
        control: Some(ControlPlane::new(target.clone(), CONTROL_LIMIT)),
        transport: Transport::Http(target),
        server,
    }
}

fn start_engine(
    running: &Running<'_>,
    backend: &PreparedBackend,
    stage: &Stage,
) -> Result<Live, String> {
    let folder = running
        .folder
        .stage_folder(&stage.backend, stage.block)
        .map_err(|error| error.to_string())?;
    let context = running.prepared.launch_context(0, &folder);
    let description = &backend.plugin.description;
    running.tell(RunEvent::Starting {
        backend: stage.backend.clone(),
        block: stage.block,
        what: format!("engine of {} in this process", description.name),
    });
    let engine = EngineClient::open(
        backend.plugin.module,
        &description.name,
        &backend.context,
        &context,
    );
    let engine = engine.map_err(|error| error.to_string())?;
    Ok(Live {
        transport: Transport::InProcess(Arc::new(EngineHub::new(engine))),
        control: None,
        server: None,
    })
}

fn free_port() -> std::io::Result<u16> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    Ok(listener.local_addr()?.port())
}

async fn measure(
    running: &mut Running<'_>,
    backend: &PreparedBackend,
    stage: &Stage,
    live: &Live,
    facts: &mut StageFacts,
) -> Result<(), String> {
    if let (Transport::Http(target), Some(control)) = (&live.transport, &live.control) {
        let ready = wait_ready(running, backend, stage, target, control, live).await;
        facts.ready_s = Some(ready.map_err(|error| error.to_string())?);
        facts.evidence = info_evidence(backend, control).await;
    }
    let sampling = CancellationToken::new();
    let sampler = live
        .control
        .clone()
        .and_then(|control| start_metrics(running, backend, stage, control, &sampling));
    let mut outcome = Ok(());
    for level in &stage.levels {
        if running.cancel.is_cancelled() {
            break;
        }
        outcome = cell(running, backend, stage, *level, live).await;
        if outcome.is_err() {
            break;
        }
    }
    sampling.cancel();
    if let Some(sampler) = sampler
        && let Ok(last) = sampler.await
    {
        facts.evidence.absorb(last);
    }
    outcome
}

async fn wait_ready(
    running: &Running<'_>,
    backend: &PreparedBackend,
    stage: &Stage,
    target: &Target,
    control: &ControlPlane,
    live: &Live,
) -> Result<f64, ReadyError> {
    let config = &running.prepared.config.backends[stage.backend_index];
    let readiness = Readiness {
        backend,
        target,
        control,
        prompts: &running.prepared.prompts,
        model: running.prepared.served_name(),
        check: config.ready_check,
        limit: config.ready_timeout.0,
    };
    let mut told_s = 0.0;
    let mut tell = |seconds: f64, last: &str| {
        if seconds - told_s >= 5.0 {
            told_s = seconds;
            running.tell(RunEvent::Waiting {
                backend: stage.backend.clone(),
                seconds,
                last: last.to_owned(),
            });
        }
    };
    let seconds = readiness
        .wait(live.server.as_ref(), &running.cancel, &mut tell)
        .await?;
    running.tell(RunEvent::Ready {
        backend: stage.backend.clone(),
        seconds,
    });
    Ok(seconds)
}

async fn info_evidence(backend: &PreparedBackend, control: &ControlPlane) -> Evidence {
    let mut evidence = Evidence::default();
    for probe in &backend.probes.info {
        // A server that does not answer this question tells less; that is all.
        if let Ok(body) = control.ask(&probe.request).await {
            let source = EvidenceSource::Info(probe.name.clone());
            evidence.absorb(backend.client.evidence(&source, &body).unwrap_or_default());
        }
    }
    evidence
}

/// What the server's log says, from the lines that the launch plan asks for.
fn log_evidence(running: &Running<'_>, backend: &PreparedBackend, stage: &Stage) -> Evidence {
    let mut evidence = Evidence::default();
    let Ok(folder) = running.folder.stage_folder(&stage.backend, stage.block) else {
        return evidence;
    };
    let context = running.prepared.launch_context(0, &folder);
    let Ok(Some(plan)) = prepare::launch_plan(backend, &context) else {
        return evidence;
    };
    for name in ["stdout.log", "stderr.log"] {
        let bytes = std::fs::read(folder.join(name)).unwrap_or_default();
        for line in String::from_utf8_lossy(&bytes).lines() {
            if plan
                .log_patterns
                .iter()
                .any(|pattern| line.contains(pattern))
            {
                let read = backend
                    .client
                    .evidence(&EvidenceSource::LogLine, line.as_bytes());
                evidence.absorb(read.unwrap_or_default());
            }
        }
    }
    evidence
}

/// Reads the server's metrics again and again, until told to stop; gives the
/// last reading.
fn start_metrics(
    running: &Running<'_>,
    backend: &PreparedBackend,
    stage: &Stage,
    control: ControlPlane,
    stop: &CancellationToken,
) -> Option<tokio::task::JoinHandle<Evidence>> {
    let request = backend.probes.metrics.clone()?;
    let client = Arc::clone(&backend.client);
    let sink = running.server_metrics.sink();
    let (label, block, stop) = (stage.backend.clone(), stage.block, stop.clone());
    Some(tokio::spawn(async move {
        let mut last = Evidence::default();
        let mut ticks = tokio::time::interval(METRICS_EVERY);
        loop {
            if let Ok(body) = control.ask(&request).await
                && let Ok(evidence) = client.evidence(&EvidenceSource::Metrics, &body)
            {
                last.clone_from(&evidence);
                sink.send(ServerSample {
                    t_ns: clock::now_ns(),
                    backend: label.clone(),
                    block,
                    evidence,
                });
            }
            if stop.is_cancelled() {
                return last;
            }
            tokio::select! {
                _ = ticks.tick() => {}
                () = stop.cancelled() => {}
            }
        }
    }))
}

async fn cell(
    running: &mut Running<'_>,
    backend: &PreparedBackend,
    stage: &Stage,
    level: Level,
    live: &Live,
) -> Result<(), String> {
    let key = CellKey {
        backend: stage.backend.clone(),
        block: stage.block,
        level,
    };
    if let Some(control) = &live.control {
        reset(running, backend, control).await;
        wait_idle(backend, control).await;
    }
    let load = &running.prepared.config.load;
    running.tell(RunEvent::CellStarted {
        key: key.clone(),
        requests: load.requests,
        duration_s: load.duration.map(|duration| duration.as_s()),
    });
    let progress = Arc::new(Progress::default());
    let cancel = running.cancel.child_token();
    let start_ns = clock::now_ns();
    let mut ran = spawn_cell(running, backend, stage, &key, live, &progress, &cancel);
    let died = live.server.as_ref().map(|server| server.died.clone());
    let mut ticks = tokio::time::interval(PROGRESS_EVERY);
    let ended = loop {
        tokio::select! {
            ended = &mut ran => break ended,
            _ = ticks.tick() => running.tell_progress(&progress),
            () = death(died.as_ref()), if !cancel.is_cancelled() => {
                tokio::time::sleep(AFTER_DEATH).await;
                cancel.cancel();
            }
        }
    };
    let self_check = ended
        .map_err(|_| "the load thread panicked".to_owned())?
        .map_err(|error| error.to_string())?;
    running.manifest.cells.push(CellFacts {
        key: key.clone(),
        start_ns,
        end_ns: clock::now_ns(),
        self_check,
    });
    running.cell_ended(key);
    match live.server.as_ref().and_then(Server::exit) {
        Some(exit) => Err(format!(
            "ended with {exit} while it was measured at {level}"
        )),
        None => Ok(()),
    }
}

async fn death(died: Option<&CancellationToken>) {
    match died {
        Some(died) => died.cancelled().await,
        None => std::future::pending().await,
    }
}

fn spawn_cell(
    running: &Running<'_>,
    backend: &PreparedBackend,
    stage: &Stage,
    key: &CellKey,
    live: &Live,
    progress: &Arc<Progress>,
    cancel: &CancellationToken,
) -> tokio::task::JoinHandle<Result<inferbench_model::cell::SelfCheck, load::LoadError>> {
    let config = &running.prepared.config;
    let levels = config.load.levels();
    let level = levels.iter().position(|l| *l == key.level).unwrap_or(0);
    let source = CellSource {
        prompts: Arc::clone(&running.prepared.prompts),
        client: Arc::clone(&backend.client),
        form: backend.form,
        target: match &live.transport {
            Transport::Http(target) => Some(target.clone()),
            Transport::InProcess(_) => None,
        },
        model: running.prepared.served_name().to_owned(),
        block: stage.block,
        level,
        force_output: config.workload.force_output,
    };
    let path = [seed::ARRIVALS, u64::from(stage.block), level as u64];
    let load = CellLoad {
        key: key.clone(),
        load: config.load.clone(),
        arrivals_seed: seed::derive(config.seed, &path),
        keep_text: config.output_text,
    };
    let records = running.record_sink();
    let (transport, progress, cancel) =
        (live.transport.clone(), Arc::clone(progress), cancel.clone());
    tokio::task::spawn_blocking(move || {
        load::run_cell(&load, &transport, source, records, &progress, &cancel)
    })
}

/// Drops the prefix cache. A server that will not is a warning, once.
async fn reset(running: &mut Running<'_>, backend: &PreparedBackend, control: &ControlPlane) {
    let requests = match backend.client.reset() {
        Ok(requests) => requests,
        Err(error) => {
            running.warn(format!("{}: no cache reset: {error}", backend.label));
            return;
        }
    };
    for request in requests {
        if let Err(error) = control.ask(&request).await {
            running.warn(format!(
                "{}: the prefix cache was not reset between levels: {error}",
                backend.label
            ));
        }
    }
}

/// Waits until the server says that it has nothing to do, if it says so at all.
async fn wait_idle(backend: &PreparedBackend, control: &ControlPlane) {
    let Some(request) = &backend.probes.metrics else {
        return;
    };
    let idle = async {
        while let Ok(body) = control.ask(request).await {
            let read = backend.client.evidence(&EvidenceSource::Metrics, &body);
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

async fn stop(running: &mut Running<'_>, live: Live) {
    if let Transport::InProcess(hub) = &live.transport {
        hub.shutdown();
    }
    let Some(server) = live.server else {
        return;
    };
    let now = running.now.clone();
    let group = server.pid();
    let stopped = tokio::select! {
        stopped = server.stop() => stopped,
        () = now.cancelled() => {
            launch::kill_group(group);
            Ok(())
        }
    };
    if let Err(words) = stopped {
        running.warn(words);
    }
}
