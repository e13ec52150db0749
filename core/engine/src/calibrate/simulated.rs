//! A running simulator, and cells that are measured against it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use inferbench_model::cell::row::{self, CellRow};
use inferbench_model::config::{self, Level, Requests, SloConfig};
use inferbench_model::facts::calibration::TrueRequest;
use inferbench_model::facts::key::CellKey;
use inferbench_model::facts::record::RequestRecord;
use inferbench_plugin_api::ControlRequest;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::error::CalibrateError;
use crate::event::with_causes;
use crate::http::Target;
use crate::http::control::ControlPlane;
use crate::load::conversations::Conversations;
use crate::load::encoded::EncodedRequest;
use crate::load::requests::CellSource;
use crate::load::{self, CellLoad, Progress, RequestError, RequestSource, Transport};
use crate::os::port::Port;
use crate::os::private;
use crate::plugins::host::PluginHost;
use crate::prepare::{PreparedRun, prepare};
use crate::server::launch::{Server, Start};
use crate::server::readiness::Readiness;

/// Plugin whose server records what it did.
pub const SIMULATOR: &str = "sim";
/// Longest that the simulator may take to be ready.
const READY_LIMIT: Duration = Duration::from_secs(30);
/// Longest that the truth of a level may take to come.
const CONTROL_LIMIT: Duration = Duration::from_secs(30);

/// How the simulator answers, whatever the load.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paced {
    /// Time to the first token, ms.
    pub(super) ttft_ms: u32,
    /// Gap between tokens, ms; 0 as fast as the socket takes them.
    pub(super) itl_ms: u32,
    /// Tokens of each answer.
    pub(super) tokens: u32,
    /// Tokens that are due together.
    pub(super) burst: Option<u32>,
}

/// The id that the request with this index bears.
pub(super) fn request_id(index: u64) -> String {
    format!("calibrate-{index}")
}

/// Requests of a cell, each with an id by which the truth is found.
struct NamedSource(CellSource);

impl RequestSource for NamedSource {
    fn make(&mut self, index: u64) -> Result<EncodedRequest, RequestError> {
        let mut request = self.0.make(index)?;
        if let Some(wire) = &mut request.wire {
            let header = format!("X-Request-Id: {}\r\n", request_id(index));
            let first_line = memchr::memchr(b'\n', &wire.bytes).ok_or(RequestError::NoFirstLine)?;
            let after = first_line + 1;
            wire.bytes.splice(after..after, header.into_bytes());
        }
        Ok(request)
    }
}

/// A running simulator and what is asked of it.
pub(super) struct Simulated {
    prepared: PreparedRun,
    target: Target,
    control: ControlPlane,
    server: Server,
    folder: PathBuf,
}

impl Simulated {
    pub(super) async fn start(
        plugins: &PluginHost,
        paced: Paced,
        levels: &[u32],
        cancel: &CancellationToken,
    ) -> Result<Self, CalibrateError> {
        let prepared = prepared(plugins, paced, levels)?;
        let name = format!("inferbench-calibrate-{}", std::process::id());
        let folder = private::make_temporary(&name).map_err(CalibrateError::FolderOrPort)?;
        let port = Port::reserve().map_err(CalibrateError::FolderOrPort)?;
        let context = prepared.launch_context(port.number, &folder);
        let backend = &prepared.backends[0];
        let plan = backend.launch_plan(&context)?;
        let plan = plan.ok_or(CalibrateError::NothingToLaunch)?;
        let target = Target::http(&context.host, port.number);
        let start = Start {
            plan: &plan,
            extra_env: &backend.env,
            folder: &folder,
            port,
            stop_commands: Vec::new(),
            secrets: &prepared.secrets,
        };
        let server = Server::start(start).await?;
        let simulated = Self {
            control: ControlPlane::new(target.clone(), CONTROL_LIMIT),
            prepared,
            target,
            server,
            folder,
        };
        match simulated.wait(cancel).await {
            Ok(()) => Ok(simulated),
            Err(error) => {
                simulated.stop().await;
                Err(error)
            }
        }
    }

    async fn wait(&self, cancel: &CancellationToken) -> Result<(), CalibrateError> {
        let backend = &self.prepared.backends[0];
        let readiness = Readiness {
            backend: &backend.opened,
            target: &self.target,
            control: &self.control,
            prompts: &self.prepared.prompts,
            model: self.prepared.served_name(),
            force_output: true,
            attached: false,
            check: self.prepared.config.backends[0].ready_check,
            limit: READY_LIMIT,
            connect_limit: None,
        };
        let waited = readiness
            .wait(Some(&self.server), cancel, &mut |_, _| ())
            .await;
        match waited {
            Ok(_) => Ok(()),
            Err(_) if cancel.is_cancelled() => Err(CalibrateError::Interrupted),
            Err(error) => Err(CalibrateError::NotReady(with_causes(&error))),
        }
    }

    /// One cell through the load path of every run.
    pub(super) async fn measure(
        &self,
        place: usize,
        streams: u32,
        requests: u64,
        cancel: &CancellationToken,
    ) -> Result<(CellRow, Vec<RequestRecord>), CalibrateError> {
        let backend = &self.prepared.backends[0];
        let source = NamedSource(CellSource {
            prompts: Arc::clone(&self.prepared.prompts),
            client: Arc::clone(&backend.opened.client),
            form: backend.opened.form,
            target: Some(self.target.clone()),
            model: self.prepared.served_name().to_owned(),
            block: 0,
            level: place,
            conversations: Conversations::default(),
        });
        let mut cell = CellLoad {
            key: CellKey {
                backend: backend.label.clone(),
                block: 0,
                level: Level::Concurrency(streams),
            },
            load: self.prepared.config.load.clone(),
            arrivals_seed: 0,
            trace: None,
            keep_text: false,
            shard: Default::default(),
            gate: None,
        };
        cell.load.requests = Some(Requests::Fixed(requests));
        let key = cell.key.clone();
        let records = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&records);
        let transports = [Transport::Http(self.target.clone())];
        let cancel = cancel.clone();
        let ran = tokio::task::spawn_blocking(move || {
            let sink = Box::new(move |record| {
                kept.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(record);
            });
            let progress = Arc::new(Progress::default());
            let check = load::run_cell(&cell, &transports, source, sink, &progress, &cancel);
            (check, cancel.is_cancelled())
        });
        let (check, interrupted) = ran.await.map_err(|_| CalibrateError::Panicked)?;
        if interrupted {
            return Err(CalibrateError::Interrupted);
        }
        let records = std::mem::take(&mut *records.lock().unwrap_or_else(PoisonError::into_inner));
        let row = row::row(key, &records, SloConfig::default(), check?);
        Ok((row, records))
    }

    pub(super) async fn forget_truth(&self) -> Result<(), CalibrateError> {
        let request = ControlRequest {
            method: "POST".to_owned(),
            ..ControlRequest::get("/truth/reset")
        };
        self.control.ask(&request).await?;
        Ok(())
    }

    pub(super) async fn truth(&self) -> Result<Vec<TrueRequest>, CalibrateError> {
        let body = self.control.ask(&ControlRequest::get("/truth")).await?;
        let lines = body.split(|byte| *byte == b'\n').enumerate();
        lines
            .filter(|(_, line)| !line.is_empty())
            .map(|(index, line)| {
                serde_json::from_slice(line).map_err(|error| CalibrateError::TruthLine {
                    line: index + 1,
                    reason: error.to_string(),
                })
            })
            .collect()
    }

    pub(super) async fn stop(mut self) {
        // A simulator that stays is killed by its group; its folder is all that
        // could be left.
        drop(self.server.stop().await);
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

fn prepared(
    plugins: &PluginHost,
    paced: Paced,
    levels: &[u32],
) -> Result<PreparedRun, CalibrateError> {
    let mut options = json!({"fixed_ttft_ms": paced.ttft_ms, "fixed_itl_ms": paced.itl_ms});
    if let Some(burst) = paced.burst {
        options["fixed_burst"] = json!(burst);
    }
    let config = json!({
        "name": "calibrate",
        "model": {"id": "simulated"},
        "backends": [{"plugin": SIMULATOR, "options": options}],
        "workload": {"input_tokens": 128, "output_tokens": paced.tokens, "seed": 7},
        // How many requests there are is for each cell.
        "load": {"concurrency": levels, "requests": 1, "warmup_requests": 0},
        "repeats": 1,
        "seed": 1,
    });
    let loaded = config::load("calibration", &config.to_string(), &|_| None);
    let loaded = loaded.map_err(CalibrateError::Config)?;
    prepare(&loaded, plugins).map_err(CalibrateError::Config)
}
