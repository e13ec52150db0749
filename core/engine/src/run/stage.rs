//! One start of one backend: launch or attach, wait, measure every level, stop.

use std::sync::Arc;
use std::time::Duration;

use inferbench_model::facts::crash_cause::{self, Ended};
use inferbench_model::facts::manifest::{StageFacts, Voice};
use inferbench_model::plan::Stage;
use inferbench_plugin_api::client::EngineClient;
use tokio_util::sync::CancellationToken;

use crate::event::RunEvent;
use crate::http::Target;
use crate::http::control::ControlPlane;
use crate::load::{EngineHub, Transport};
use crate::os::clock;
use crate::os::port::Port;
use crate::prepare::{self, PreparedBackend};
use crate::run::Running;
use crate::run::{cache_audit, cell, server_facts};
use crate::server::launch::{self, Exit, Server, Start};
use crate::server::method;
use crate::server::readiness::{Readiness, ReadyError};

/// Longest that a control request may take.
const CONTROL_LIMIT: Duration = Duration::from_secs(10);

/// What a stage measures through.
pub(crate) struct Live {
    pub(crate) transport: Transport,
    pub(crate) control: Option<ControlPlane>,
    pub(crate) server: Option<Server>,
}

/// Runs one stage. A backend that fails is a fact in the manifest, not an
/// error: the run goes on.
pub(crate) async fn run(running: &mut Running<'_>, stage: &Stage) {
    let backend = &running.prepared.backends[stage.backend_index];
    let mut facts = StageFacts::new(&stage.backend, stage.block);
    facts.start_ns = Some(clock::now_ns());
    let began = start(running, backend, stage, &mut facts).await;
    let live = match began {
        Ok(live) => live,
        Err(_) if running.cancel.is_cancelled() => {
            facts.failure = Some("interrupted".to_owned());
            running.manifest.put_stage(facts);
            return;
        }
        Err(cause) => {
            let last = LastWords::of(running, stage, None);
            fail(running, facts, cause, last);
            return;
        }
    };
    running.watch(
        Some(&stage.backend),
        live.server.as_ref().map(Server::supervisor_pid),
    );
    let outcome = measure(running, backend, stage, &live, &mut facts).await;
    running.watch(None, None);
    let last = LastWords::of(running, stage, live.server.as_ref());
    if live.server.is_some() {
        facts.hear(Voice::Log, server_facts::of_log(running, backend, stage));
    }
    facts.stop_ns = Some(clock::now_ns());
    stop(running, live).await;
    match outcome {
        Ok(()) => running.manifest.put_stage(facts),
        Err(_) if running.cancel.is_cancelled() => {
            facts.failure = Some("interrupted".to_owned());
            running.manifest.put_stage(facts);
        }
        Err(cause) => fail(running, facts, cause, last),
    }
}

/// What a server left at its end.
struct LastWords {
    tail: Vec<String>,
    lines: Vec<String>,
    ended: Option<Ended>,
}

impl LastWords {
    /// Of a stage whose `server` was started, or could not be. A server that was
    /// attached to has left none here.
    fn of(running: &Running<'_>, stage: &Stage, server: Option<&Server>) -> Self {
        let folder = running.folder.file("logs").join(&stage.backend);
        let folder = folder.join(stage.block.to_string());
        Self {
            tail: launch::log_tail(&folder),
            lines: launch::last_lines(&folder),
            ended: server.and_then(Server::exit).and_then(Exit::ended),
        }
    }
}

fn fail(running: &mut Running<'_>, mut facts: StageFacts, cause: String, last: LastWords) {
    let log_tail = last.tail;
    let told = last.lines.iter().map(String::as_str);
    let known = crash_cause::find(told.chain([cause.as_str()]), last.ended);
    running.tell(RunEvent::BackendFailed {
        backend: facts.backend.clone(),
        block: facts.block,
        cause: cause.clone(),
        known: known.clone(),
        log_tail: log_tail.clone(),
    });
    facts.failure = Some(cause);
    facts.cause = known;
    facts.log_tail = log_tail;
    running.manifest.put_stage(facts);
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
        running.tell(RunEvent::Attaching {
            backend: stage.backend.clone(),
            block: stage.block,
            address: target.base_url(),
        });
        return Ok(live(target.clone(), None));
    }
    let folder = running
        .folder
        .stage_folder(&stage.backend, stage.block)
        .map_err(|error| error.to_string())?;
    let folder = std::path::absolute(&folder).map_err(|error| error.to_string())?;
    crate::server::fetch::fetch(running, stage, &folder).await?;
    let port = Port::reserve().map_err(|error| format!("no free port: {error}"))?;
    let launch = method::of_stage(running, stage, port.number, &folder)?;
    let plan = launch.plan;
    let secrets = &running.prepared.secrets;
    let text = launch::command_text(&plan, &[], secrets);
    running.tell(RunEvent::Starting {
        backend: stage.backend.clone(),
        block: stage.block,
        what: text.clone(),
    });
    facts.command = Some(plan.command.clone());
    let target = Target::http(prepare::HOST, port.number);
    let start = Start {
        plan: &plan,
        extra_env: &[],
        folder: &folder,
        port,
        stop_commands: launch.stop_commands,
        secrets,
    };
    let server = Server::start(start)
        .await
        .map_err(|error| error.to_string())?;
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

async fn measure(
    running: &mut Running<'_>,
    backend: &PreparedBackend,
    stage: &Stage,
    live: &Live,
    facts: &mut StageFacts,
) -> Result<(), String> {
    if let (Transport::Http(target), Some(control)) = (&live.transport, &live.control) {
        let waiting = CancellationToken::new();
        let weights = live
            .server
            .as_ref()
            .and_then(|_| server_facts::watch_weights(running, backend, stage, &waiting));
        let ready = wait_ready(running, backend, stage, target, control, live).await;
        let ready_ns = clock::now_ns();
        waiting.cancel();
        if let Some(weights) = weights {
            facts.weights_ns = weights.await.ok().flatten();
        }
        facts.ready_s = Some(ready.map_err(|error| error.to_string())?);
        facts.ready_ns = Some(ready_ns);
        facts.hear(Voice::Info, server_facts::of_info(backend, control).await);
    }
    facts.cache_audit = cache_audit::audit(running, backend, stage, live, &facts.evidence).await;
    // Its cells must not be without it, whenever the run is cut off.
    running.manifest.put_stage(facts.clone());
    let sampling = CancellationToken::new();
    let sampler = live.control.clone().and_then(|control| {
        server_facts::sample_metrics(running, backend, stage, control, &sampling)
    });
    let mut outcome = Ok(());
    for level in &stage.levels {
        if running.cancel.is_cancelled() {
            break;
        }
        outcome = cell::run(running, backend, stage, *level, live).await;
        if outcome.is_err() {
            break;
        }
    }
    sampling.cancel();
    if let Some(sampler) = sampler
        && let Ok(last) = sampler.await
    {
        facts.hear(Voice::Metrics, last);
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
        backend: &backend.opened,
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

async fn stop(running: &mut Running<'_>, live: Live) {
    if let Transport::InProcess(hub) = &live.transport {
        hub.shutdown();
    }
    let Some(mut server) = live.server else {
        return;
    };
    let now = running.now.clone();
    let stopped = tokio::select! {
        stopped = server.stop() => Some(stopped),
        () = now.cancelled() => None,
    };
    let stopped = match stopped {
        Some(stopped) => stopped,
        None => {
            server.kill();
            server.stop().await
        }
    };
    if let Err(words) = stopped {
        running.warn(words);
    }
}
