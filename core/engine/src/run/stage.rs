//! One start of one backend: started, ready, measured at every level, stopped.
//! How it starts is for [`started`](super::started), how a level is measured for
//! [`cell`](super::cell).

use std::time::Duration;

use inferbench_model::config::WorkloadConfig;
use inferbench_model::facts::manifest::{ReportedIn, StageFacts};
use inferbench_model::facts::replicas;
use inferbench_model::facts::samples::Evidence;
use inferbench_model::facts::searched::next_level;
use inferbench_model::facts::warning::{Warning, WarningKind};
use inferbench_model::plan::Stage;
use inferbench_model::text::units::s_between;
use tokio_util::sync::CancellationToken;

use super::failure::{ExitReport, StageError};
use super::server_facts::ServerLog;
use super::session::RunSession;
use super::started::{HttpServer, StartedBackend};
use super::{cache_audit, cell, server_facts};
use crate::event::{RunEvent, with_causes};
use crate::os::clock;
use crate::prepare::{PreparedBackend, ServePlan};
use crate::server::launch::{self, Server};
use crate::server::readiness::{Readiness, Ready, ReadyError};
use crate::worker::note_plugin;

/// Time between two looks at a server that is kept for others.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Seconds between two events that a backend is waited for.
const WAITING_EVERY_S: f64 = 1.0;

/// Runs one stage. A backend that fails is a fact in the manifest, not an
/// error: the run goes on.
pub(super) async fn run(session: &mut RunSession<'_>, stage: &Stage) {
    let backend = &session.prepared.backends[stage.backend_index];
    note_plugin(&backend.plugin.file, Some(&stage.backend));
    let mut facts = StageFacts::new(&stage.backend, stage.block);
    facts.start_ns = Some(clock::now_ns());
    if let Err(error) = session.wait_for_shards().await {
        let report = exit_report(session, stage, None);
        return record_failure(session, stage, facts, (&error.into(), report));
    }
    let started = match StartedBackend::start(session, stage, &mut facts).await {
        Ok(started) => started,
        Err(error) => {
            let report = exit_report(session, stage, None);
            return record_failure(session, stage, facts, (&error, report));
        }
    };
    let pid = started.server.as_ref().map(Server::supervisor_pid);
    session.watch_backend(&stage.backend, pid);
    let measured = match &session.prepared.serve {
        Some(plan) => hold(session, (backend, plan), stage, &started, &mut facts).await,
        None => measure(session, backend, stage, &started, &mut facts).await,
    };
    session.watch_none();
    let report = exit_report(session, stage, started.server.as_ref());
    if let Some(log) = ServerLog::open(&backend.opened, &started) {
        facts.record_evidence(ReportedIn::Log, log.read_all());
    }
    facts.stop_ns = Some(clock::now_ns());
    started.stop(session).await;
    match measured {
        Ok(()) => session.recorder.put_stage(facts),
        Err(error) => record_failure(session, stage, facts, (&error, report)),
    }
}

fn exit_report(session: &RunSession<'_>, stage: &Stage, server: Option<&Server>) -> ExitReport {
    let logs = session.recorder.folder().file("logs");
    let folder = logs.join(&stage.backend).join(stage.block.to_string());
    ExitReport::read(&folder, server)
}

/// Records a failure with its cause, or that the stage was interrupted.
fn record_failure(
    session: &mut RunSession<'_>,
    stage: &Stage,
    mut facts: StageFacts,
    (error, report): (&StageError, ExitReport),
) {
    if session.cancel().is_cancelled() {
        facts.failure = Some("interrupted".to_owned());
        facts.interrupted = true;
        session.recorder.put_stage(facts);
        return;
    }
    // What a start took counts, whatever came of it.
    facts.stop_ns.get_or_insert_with(clock::now_ns);
    let cause = with_causes(error);
    if error.is_not_started() {
        session.not_started = Some(cause.clone());
    }
    let known = report.known_cause(error, &cause);
    let given_up = give_up(session, stage, error);
    session.announce(RunEvent::BackendFailed {
        backend: facts.backend.clone(),
        block: facts.block,
        cause: cause.clone(),
        known: known.clone(),
        log_tail: report.log_tail.clone(),
        given_up,
    });
    facts.failure = Some(cause);
    facts.cause = known;
    facts.log_tail = report.log_tail;
    session.recorder.put_stage(facts);
}

/// Gives a backend up that has never been ready; whether a later repeat thereby goes
/// without it.
fn give_up(session: &mut RunSession<'_>, stage: &Stage, error: &StageError) -> bool {
    let index = stage.backend_index;
    if session.ready.contains(&index) || error.is_of_this_moment() {
        return false;
    }
    session.given_up.insert(index);
    let stages = session.prepared.plan.stages.iter();
    let mut later = stages.filter(|other| other.block > stage.block);
    later.any(|other| other.backend_index == index)
}

/// Waits for the backend, tells others that it is ready, and keeps it until the run is
/// stopped.
async fn hold(
    session: &mut RunSession<'_>,
    (backend, plan): (&PreparedBackend, &ServePlan),
    stage: &Stage,
    started: &StartedBackend,
    facts: &mut StageFacts,
) -> Result<(), StageError> {
    become_ready(session, backend, stage, started, facts).await?;
    session.recorder.put_stage(facts.clone());
    let urls = started.servers().iter();
    let urls: Vec<String> = urls.map(|server| server.target.base_url()).collect();
    if let Some(file) = &plan.ready_file {
        let aside = file.with_extension("part");
        let written = std::fs::write(&aside, urls.join("\n") + "\n");
        let written = written.and_then(|()| std::fs::rename(&aside, file));
        written.map_err(|source| StageError::ReadyFile {
            file: file.clone(),
            source,
        })?;
    }
    while !session.cancel().is_cancelled() {
        if started
            .server
            .as_ref()
            .is_some_and(|server| server.exit().is_some())
        {
            return Err(StageError::Ended);
        }
        session.sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// Waits for the backend. What it says of itself goes to `facts`.
async fn become_ready(
    session: &mut RunSession<'_>,
    backend: &PreparedBackend,
    stage: &Stage,
    started: &StartedBackend,
    facts: &mut StageFacts,
) -> Result<(), StageError> {
    if !started.servers().is_empty() {
        let log = ServerLog::open(&backend.opened, started);
        let waiting = CancellationToken::new();
        let weights = log.map(|log| log.watch_for_weights(&waiting));
        let ready = all_ready(session, backend, stage, started).await;
        waiting.cancel();
        if let Some(weights) = weights {
            facts.weights_ns = weights.await.ok().flatten();
        }
        let ready = ready?;
        facts.ready_s = Some(ready.seconds);
        facts.ready_ns = Some(ready.at_ns);
        for note in ready.notes {
            session.warn(Warning::about(&stage.backend, note));
        }
        let info = ask_info(session, backend, stage, started).await?;
        facts.record_evidence(ReportedIn::Info, info);
    }
    session.ready.insert(stage.backend_index);
    Ok(())
}

/// Waits for the backend, then measures it at each level. What it says of itself
/// goes to `facts`.
async fn measure(
    session: &mut RunSession<'_>,
    backend: &PreparedBackend,
    stage: &Stage,
    started: &StartedBackend,
    facts: &mut StageFacts,
) -> Result<(), StageError> {
    become_ready(session, backend, stage, started, facts).await?;
    facts.cache_audit = cache_audit::audit(session, backend, stage, started, &facts.evidence).await;
    // Its cells must not be without it, whenever the run is cut off.
    session.recorder.put_stage(facts.clone());
    let sampling = CancellationToken::new();
    let controls = started
        .servers()
        .iter()
        .map(|server| server.control.clone());
    let controls = controls.collect();
    let sampler =
        server_facts::sample_metrics(session, &backend.opened, stage, controls, &sampling);
    let measured = measure_levels(session, backend, stage, started).await;
    let measured = match measured {
        Ok(()) => session.decide_by_energy().await.map_err(StageError::from),
        failed => failed,
    };
    sampling.cancel();
    if let Some(sampler) = sampler
        && let Ok(last) = sampler.await
    {
        facts.record_evidence(ReportedIn::Metrics, last);
    }
    measured
}

async fn measure_levels(
    session: &mut RunSession<'_>,
    backend: &PreparedBackend,
    stage: &Stage,
    started: &StartedBackend,
) -> Result<(), StageError> {
    if session.prepared.config.load.search.is_some() {
        return search_levels(session, backend, stage, started).await;
    }
    if session.prepared.config.tune.is_some() {
        for planned in &stage.levels {
            session.recorder.plan_level(stage, *planned);
        }
    }
    for planned in &stage.levels {
        if session.cancel().is_cancelled() {
            break;
        }
        cell::run(session, backend, stage, *planned, started).await?;
    }
    Ok(())
}

/// Measures one level after the other, each as the ones before it call for.
async fn search_levels(
    session: &mut RunSession<'_>,
    backend: &PreparedBackend,
    stage: &Stage,
    started: &StartedBackend,
) -> Result<(), StageError> {
    let config = &session.prepared.config;
    while !session.cancel().is_cancelled() {
        let cells = &session.recorder.manifest().cells;
        let Some(planned) = next_level(config, cells, stage) else {
            break;
        };
        session.recorder.plan_level(stage, planned);
        cell::run(session, backend, stage, planned, started).await?;
    }
    Ok(())
}

/// Whether some request has an answer of a forced length.
fn forces_output(workload: &WorkloadConfig) -> bool {
    let mut parts = workload.parts().into_iter();
    parts.any(|(_, part)| part.force_output)
}

/// A backend all of whose servers are ready.
struct AllReady {
    /// How long that took, s.
    seconds: f64,
    /// Since when, ns.
    at_ns: u64,
    /// What is to be known of them, each once.
    notes: Vec<WarningKind>,
}

/// Waits until the backend is ready, one replica after the other.
async fn all_ready(
    session: &RunSession<'_>,
    backend: &PreparedBackend,
    stage: &Stage,
    started: &StartedBackend,
) -> Result<AllReady, StageError> {
    let began_ns = clock::now_ns();
    let mut all = AllReady {
        seconds: 0.0,
        at_ns: began_ns,
        notes: Vec::new(),
    };
    let servers = started.servers();
    for server in servers {
        let ready = wait_ready(session, backend, stage, server, started.server.as_ref()).await;
        let ready = ready.map_err(|source| match servers.len() {
            1 => StageError::NotReady(source),
            _ => StageError::ReplicaNotReady {
                url: server.target.base_url(),
                source: Box::new(source),
            },
        })?;
        all.at_ns = ready.at_ns;
        all.notes
            .extend(ready.note.filter(|note| !all.notes.contains(note)));
    }
    all.seconds = s_between(began_ns, all.at_ns);
    session.announce(RunEvent::Ready {
        backend: stage.backend.clone(),
        seconds: all.seconds,
    });
    Ok(all)
}

/// What the backend's servers say of themselves, taken together. Replicas of other models
/// are no backend; in what else they differ is a warning.
async fn ask_info(
    session: &mut RunSession<'_>,
    backend: &PreparedBackend,
    stage: &Stage,
    started: &StartedBackend,
) -> Result<Evidence, StageError> {
    let mut said = Vec::new();
    for server in started.servers() {
        said.push(server_facts::ask_info(&backend.opened, &server.control).await);
    }
    let urls = started.servers().iter();
    let urls: Vec<String> = urls.map(|server| server.target.base_url()).collect();
    if let Some(found) = replicas::models_differ(&said) {
        let (one, other) = (found.one, found.other);
        return Err(StageError::ReplicaOfAnotherModel {
            one: urls[one.0].clone(),
            one_model: one.1,
            other: urls[other.0].clone(),
            other_model: other.1,
        });
    }
    for found in replicas::settings_differ(&said) {
        session.warn(Warning::about(&stage.backend, found.warning(&urls)));
    }
    Ok(replicas::together(&said))
}

/// Waits until one server of the backend is ready.
async fn wait_ready(
    session: &RunSession<'_>,
    backend: &PreparedBackend,
    stage: &Stage,
    asked: &HttpServer,
    server: Option<&Server>,
) -> Result<Ready, ReadyError> {
    let config = &session.prepared.config.backends[stage.backend_index];
    let readiness = Readiness {
        backend: &backend.opened,
        target: &asked.target,
        control: &asked.control,
        prompts: &session.prepared.prompts,
        model: session.prepared.served_name(),
        force_output: forces_output(&session.prepared.config.workload),
        attached: config.attach.is_some(),
        check: config.ready_check,
        limit: config.ready_limit(),
        connect_limit: config.connect_limit(),
    };
    let mut announced_s = 0.0;
    let mut on_wait = |seconds: f64, last: &str| {
        if seconds - announced_s >= WAITING_EVERY_S {
            announced_s = seconds;
            // What it does says more than that its port is still closed.
            let said = server.and_then(|server| launch::last_line(server.folder()));
            session.announce(RunEvent::Waiting {
                backend: stage.backend.clone(),
                seconds,
                last: said.unwrap_or_else(|| last.to_owned()),
            });
        }
    };
    readiness.wait(server, session.cancel(), &mut on_wait).await
}
