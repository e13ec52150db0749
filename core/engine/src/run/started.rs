//! A backend that is started or attached to: what it is measured through, and how
//! it is stopped. When it is ready is for readiness.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use inferbench_model::facts::manifest::StageFacts;
use inferbench_model::facts::warning::{Warning, WarningKind};
use inferbench_model::plan::Stage;
use inferbench_plugin_api::LaunchPlan;
use inferbench_plugin_api::client::EngineClient;

use super::failure::StageError;
use super::session::RunSession;
use crate::event::RunEvent;
use crate::http::Target;
use crate::http::control::ControlPlane;
use crate::load::{EngineHub, Transport};
use crate::os::loopback;
use crate::os::port::Port;
use crate::prepare::PreparedBackend;
use crate::server::fetch::{FetchEvent, fetch};
use crate::server::launch::{self, Server, Start};
use crate::server::method::{Launch, container_name};

/// Longest that a control request may take.
const CONTROL_LIMIT: Duration = Duration::from_secs(10);

/// A server that is reached over HTTP.
pub(crate) struct HttpServer {
    pub(crate) target: Target,
    pub(crate) control: ControlPlane,
}

/// Through what a backend is asked.
enum Reach {
    /// A server, or several replicas.
    Servers(Vec<HttpServer>),
    /// An engine in this process.
    Engine(Arc<EngineHub>),
}

/// What a stage measures.
pub(crate) struct StartedBackend {
    reach: Reach,
    /// Absent if it is attached to, or in this process.
    pub(crate) server: Option<Server>,
    /// The plan of that server.
    pub(crate) launch_plan: Option<LaunchPlan>,
}

impl StartedBackend {
    /// Starts the stage's backend, or attaches to it. Its command goes to `facts`
    /// also where it then fails.
    pub(super) async fn start(
        session: &mut RunSession<'_>,
        stage: &Stage,
        facts: &mut StageFacts,
    ) -> Result<Self, StageError> {
        let backend = &session.prepared.backends[stage.backend_index];
        if backend.plugin.description.capabilities.in_process {
            return Self::open_engine(session, backend, stage);
        }
        if !backend.attach.is_empty() {
            let urls: Vec<String> = backend.attach.iter().map(Target::base_url).collect();
            session.announce(RunEvent::Attaching {
                backend: stage.backend.clone(),
                block: stage.block,
                address: urls.join(", "),
            });
            return Ok(Self::over_http(&backend.attach));
        }
        Self::launch(session, stage, facts).await
    }

    /// Fetches what the server needs, and starts it.
    async fn launch(
        session: &mut RunSession<'_>,
        stage: &Stage,
        facts: &mut StageFacts,
    ) -> Result<Self, StageError> {
        // Known before anything is fetched or started, which takes minutes.
        loopback::check(Ipv4Addr::LOCALHOST.into())?;
        let secrets = &session.prepared.secrets;
        let folder = session.recorder.folder();
        let folder = folder.stage_folder(&stage.backend, stage.block)?;
        let folder = std::path::absolute(&folder).map_err(StageError::NoAbsolutePath)?;
        fetch_once(session, stage, &folder).await?;
        let port = Port::reserve().map_err(StageError::NoPort)?;
        let launch = stage_launch(session, stage, port.number, &folder)?;
        session.announce(RunEvent::Starting {
            backend: stage.backend.clone(),
            block: stage.block,
            what: launch::command_text(&launch.plan, &[], secrets),
        });
        facts.command = Some(launch.plan.command.clone());
        let target = Target::http(session.prepared.host(), port.number);
        let start = Start {
            plan: &launch.plan,
            extra_env: &[],
            folder: &folder,
            port,
            stop_commands: launch.stop_commands,
            secrets,
        };
        let server = Server::start(start).await?;
        for name in launch::FILES {
            session.recorder.folder().keep(&folder.join(name));
        }
        Ok(Self {
            server: Some(server),
            launch_plan: Some(launch.plan),
            ..Self::over_http(&[target])
        })
    }

    fn over_http(targets: &[Target]) -> Self {
        let servers = targets.iter().map(|target| HttpServer {
            target: target.clone(),
            control: ControlPlane::new(target.clone(), CONTROL_LIMIT),
        });
        Self {
            reach: Reach::Servers(servers.collect()),
            server: None,
            launch_plan: None,
        }
    }

    /// The servers that it is; none for an engine in this process.
    pub(crate) fn servers(&self) -> &[HttpServer] {
        match &self.reach {
            Reach::Servers(servers) => servers,
            Reach::Engine(_) => &[],
        }
    }

    /// What requests go over, one for each server.
    pub(crate) fn transports(&self) -> Vec<Transport> {
        match &self.reach {
            Reach::Servers(servers) => {
                let targets = servers.iter().map(|server| server.target.clone());
                targets.map(Transport::Http).collect()
            }
            Reach::Engine(hub) => vec![Transport::InProcess(Arc::clone(hub))],
        }
    }

    fn open_engine(
        session: &RunSession<'_>,
        backend: &PreparedBackend,
        stage: &Stage,
    ) -> Result<Self, StageError> {
        let folder = session.recorder.folder();
        let folder = folder.stage_folder(&stage.backend, stage.block)?;
        let context = session.prepared.launch_context(0, &folder);
        let name = &backend.plugin.description.name;
        session.announce(RunEvent::Starting {
            backend: stage.backend.clone(),
            block: stage.block,
            what: format!("engine of {name} in this process"),
        });
        let engine = EngineClient::open(backend.plugin.module, name, &backend.context, &context);
        let hub = EngineHub::new(engine.map_err(StageError::Engine)?);
        Ok(Self {
            reach: Reach::Engine(Arc::new(hub)),
            server: None,
            launch_plan: None,
        })
    }

    /// Stops what was started; what would not go is a warning.
    pub(super) async fn stop(self, session: &mut RunSession<'_>) {
        if let Reach::Engine(hub) = &self.reach {
            hub.shutdown();
        }
        let Some(mut server) = self.server else {
            return;
        };
        let stopped = session.stops.stop_server(&mut server).await;
        if let Err(error) = stopped {
            let detail = error.to_string();
            session.warn(Warning::about_run(WarningKind::StopFailed { detail }));
        }
    }
}

/// The launch of the stage's backend, in `folder` and on `port`.
fn stage_launch(
    session: &RunSession<'_>,
    stage: &Stage,
    port: u16,
    folder: &Path,
) -> Result<Launch, StageError> {
    let run = session.recorder.folder().path();
    let run = run.file_name().unwrap_or_default().to_string_lossy();
    let name = container_name(&run, &stage.backend, stage.block);
    let prepared = session.prepared;
    let launch = prepared.launch(stage.backend_index, port, folder, name)?;
    let launch = launch.ok_or(StageError::NothingToLaunch)?;
    for folder in &launch.folders {
        std::fs::create_dir_all(folder).map_err(|source| StageError::Folder {
            folder: folder.clone(),
            source,
        })?;
    }
    Ok(launch)
}

/// Fetches what the stage's backend needs, once a run for each backend.
async fn fetch_once(
    session: &mut RunSession<'_>,
    stage: &Stage,
    folder: &Path,
) -> Result<(), StageError> {
    if session.fetched.contains(&stage.backend_index) {
        return Ok(());
    }
    // The port is chosen afterwards: it would not stay free for so long.
    let Some(wanted) = stage_launch(session, stage, 0, folder)?.fetch else {
        return Ok(());
    };
    let mut left = None;
    let mut on_event = |event: FetchEvent| {
        let (backend, what) = (stage.backend.clone(), wanted.what.clone());
        match event {
            FetchEvent::Line(line) => session.announce(RunEvent::Fetching {
                backend,
                what,
                line,
            }),
            FetchEvent::Fetched { seconds } => session.announce(RunEvent::Fetched {
                backend,
                what,
                seconds,
            }),
            FetchEvent::NotStopped(error) => left = Some(error),
        }
    };
    let secrets = &session.prepared.secrets;
    let fetched = fetch(&wanted, folder, secrets, &session.stops, &mut on_event).await;
    if let Some(error) = left {
        let detail = error.to_string();
        session.warn(Warning::about_run(WarningKind::StopFailed { detail }));
    }
    fetched?;
    session.fetched.insert(stage.backend_index);
    Ok(())
}
