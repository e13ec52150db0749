//! Calibration: the load path of every run against a simulated server that
//! records when it wrote each token, on this machine.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use inferbench_model::cell::row::{self, CellRow};
use inferbench_model::config::{self, Level, SloConfig};
use inferbench_model::facts::calibration::{
    self, CALIBRATION_SCHEMA_VERSION, CalibratedLevel, Calibration, FastFigures, TrueRequest,
};
use inferbench_model::facts::key::CellKey;
use inferbench_model::facts::record::RequestRecord;
use inferbench_model::report::warning_words;
use inferbench_model::text::units::s_between;
use inferbench_model::yaml::YamlError;
use inferbench_plugin_api::ControlRequest;
use serde_json::json;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::event::with_causes;
use crate::http::Target;
use crate::http::control::{ControlError, ControlPlane};
use crate::load::exchange::EncodedRequest;
use crate::load::requests::CellSource;
use crate::load::self_check::process_cpu_ns;
use crate::load::{self, CellLoad, LoadError, Progress, RequestError, RequestSource, Transport};
use crate::os::clock;
use crate::os::limits;
use crate::os::port::Port;
use crate::plugins::host::PluginHost;
use crate::prepare::{NoLaunchPlan, PreparedRun, prepare};
use crate::server::launch::{LaunchError, Server, Start};
use crate::server::readiness::Readiness;
use crate::telemetry::host;

/// Plugin whose server records what it did.
pub const SIMULATOR: &str = "sim";
/// Streams at once of a whole calibration.
const LEVELS: [u32; 5] = [1, 64, 256, 512, 1024];
/// Those of a quick one.
const QUICK_LEVELS: [u32; 3] = [1, 64, 256];
/// Fixed pacing: time to the first token and gap between tokens, ms.
const PACED_MS: (u32, u32) = (50, 10);
/// Tokens of each paced answer.
const PACED_TOKENS: u32 = 32;
/// Requests of a level, per stream, so that connections are used again.
const REQUESTS_PER_STREAM: u64 = 4;
/// Requests of a level at least: a p99 needs 100.
const LEAST_REQUESTS: u64 = 100;
/// The same in a quick calibration, which gives no p99 for one stream.
const QUICK_LEAST_REQUESTS: u64 = 20;
/// Streams at once without pacing.
const FAST_STREAMS: u32 = 64;
/// Tokens of each answer without pacing.
const FAST_TOKENS: u32 = 128;
/// Requests without pacing.
const FAST_REQUESTS: u64 = 4000;
/// The same in a quick calibration.
const QUICK_FAST_REQUESTS: u64 = 1000;
/// Longest that the simulator may take to be ready.
const READY_LIMIT: Duration = Duration::from_secs(30);
/// Longest that the truth of a level may take to come.
const CONTROL_LIMIT: Duration = Duration::from_secs(30);
/// What the simulator gets to note the ends that the client has just seen.
const AFTER_LAST: Duration = Duration::from_millis(100);

/// A calibration that could not be done.
#[derive(Debug, Error)]
pub enum CalibrateError {
    /// Its own config is refused: plugin and program do not fit together.
    #[error("the simulator cannot be prepared: {}", .0.first().map(ToString::to_string).unwrap_or_default())]
    Config(Vec<YamlError>),
    /// The simulator has no launch plan.
    #[error("the simulator cannot be launched")]
    Plan(#[from] NoLaunchPlan),
    /// The simulator needs no launch: it is another plugin of that name.
    #[error("the simulator's plugin launches nothing")]
    NothingToLaunch,
    /// The simulator does not start.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// No folder or port for it is to be had.
    #[error("the simulator has no folder or no port")]
    FolderOrPort(#[source] std::io::Error),
    /// The simulator does not answer.
    #[error("the simulator is not ready: {0}")]
    NotReady(String),
    /// The load cannot be offered.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The simulator does not give what it did.
    #[error(transparent)]
    Truth(#[from] ControlError),
    /// What it gives cannot be understood.
    #[error("`GET /truth`, line {line}: {reason}")]
    TruthLine {
        /// Line, from 1.
        line: usize,
        /// Why.
        reason: String,
    },
    /// The thread of the load is gone.
    #[error("the load thread panicked")]
    Panicked,
    /// It was interrupted.
    #[error("the calibration was interrupted")]
    Interrupted,
}

/// Calibrates this machine. `on_step` gets what is being done, in a line each.
///
/// # Errors
/// See [`CalibrateError`]. On any, the simulator is already gone.
pub async fn calibrate(
    plugins: &PluginHost,
    version: &str,
    quick: bool,
    on_step: &(dyn Fn(&str) + Sync),
    cancel: &CancellationToken,
) -> Result<Calibration, CalibrateError> {
    // Where it cannot be raised, what follows from that shows in the levels.
    drop(limits::raise_open_files());
    let levels: &[u32] = if quick { &QUICK_LEVELS } else { &LEVELS };
    let paced = Simulated::start(plugins, PACED_MS, PACED_TOKENS, levels, cancel).await?;
    let measured = paced_levels(&paced, levels, quick, on_step, cancel).await;
    paced.stop().await;
    let paced = measured?;
    let unpaced = Simulated::start(plugins, (0, 0), FAST_TOKENS, &[FAST_STREAMS], cancel).await?;
    on_step(&format!("{FAST_STREAMS} streams, unpaced"));
    let fast = fast(&unpaced, quick, cancel).await;
    unpaced.stop().await;
    Ok(Calibration {
        schema_version: CALIBRATION_SCHEMA_VERSION,
        inferbench_version: version.to_owned(),
        utc: clock::utc_now(),
        host: host::host_facts(),
        arrival_clock: paced.arrival_clock,
        truth_is_kernels: paced.truth_is_kernels,
        error_passed_at: calibration::error_passed_at(&paced.levels),
        levels: paced.levels,
        fast: Some(fast?),
    })
}

struct Paced {
    levels: Vec<CalibratedLevel>,
    arrival_clock: Option<String>,
    truth_is_kernels: bool,
}

async fn paced_levels(
    simulated: &Simulated,
    levels: &[u32],
    quick: bool,
    on_step: &(dyn Fn(&str) + Sync),
    cancel: &CancellationToken,
) -> Result<Paced, CalibrateError> {
    let least = if quick {
        QUICK_LEAST_REQUESTS
    } else {
        LEAST_REQUESTS
    };
    let mut paced = Paced {
        levels: Vec::new(),
        arrival_clock: None,
        truth_is_kernels: true,
    };
    for (place, streams) in levels.iter().copied().enumerate() {
        on_step(&format!("{streams} paced streams"));
        simulated.forget_truth().await?;
        let requests = least.max(REQUESTS_PER_STREAM * u64::from(streams));
        let (row, records) = simulated.measure(place, streams, requests, cancel).await?;
        tokio::time::sleep(AFTER_LAST).await;
        let truth = simulated.truth().await?;
        let broken = row.warnings.iter();
        let broken = broken.filter(|kind| kind.code().breaks_trust());
        let breaches = broken.map(warning_words).collect();
        let level = calibration::level(streams, &records, &truth, &request_id, breaches);
        paced.levels.push(level);
        paced.arrival_clock = row.self_check.arrival_clock;
        paced.truth_is_kernels &= truth.iter().all(|t| t.received_by == "kernel");
    }
    Ok(paced)
}

async fn fast(
    simulated: &Simulated,
    quick: bool,
    cancel: &CancellationToken,
) -> Result<FastFigures, CalibrateError> {
    let requests = if quick {
        QUICK_FAST_REQUESTS
    } else {
        FAST_REQUESTS
    };
    let before_ns = process_cpu_ns();
    let (_, records) = simulated.measure(0, FAST_STREAMS, requests, cancel).await?;
    let used_ns = process_cpu_ns()
        .zip(before_ns)
        .map(|(now, then)| now - then);
    let tokens = records.iter().filter_map(|r| r.output_tokens);
    let tokens: f64 = tokens.map(f64::from).sum();
    let first = records.iter().filter_map(|r| r.sent_ns).min();
    let last = records.iter().map(|r| r.end_ns).max();
    let span_s = first.zip(last).map(|(first, last)| s_between(first, last));
    let used_ms = used_ns.map(|ns| ns as f64 / inferbench_model::text::units::NS_PER_MS);
    Ok(FastFigures {
        concurrency: FAST_STREAMS,
        tokens_per_s: span_s.filter(|s| *s > 0.0).map(|s| tokens / s),
        cpu_ms_per_1000_tokens: used_ms.filter(|_| tokens > 0.0).map(|ms| ms / tokens * 1e3),
    })
}

/// The id that the request with this index bears.
fn request_id(index: u64) -> String {
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
struct Simulated {
    prepared: PreparedRun,
    target: Target,
    control: ControlPlane,
    server: Server,
    folder: PathBuf,
}

impl Simulated {
    async fn start(
        plugins: &PluginHost,
        (ttft_ms, itl_ms): (u32, u32),
        tokens: u32,
        levels: &[u32],
        cancel: &CancellationToken,
    ) -> Result<Self, CalibrateError> {
        let prepared = prepared(plugins, (ttft_ms, itl_ms), tokens, levels)?;
        let name = format!("inferbench-calibrate-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        crate::os::private::make_folders(&folder).map_err(CalibrateError::FolderOrPort)?;
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
    async fn measure(
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
            force_output: true,
        });
        let mut cell = CellLoad {
            key: CellKey {
                backend: backend.label.clone(),
                block: 0,
                level: Level::Concurrency(streams),
            },
            load: self.prepared.config.load.clone(),
            arrivals_seed: 0,
            keep_text: false,
        };
        cell.load.requests = Some(requests);
        let key = cell.key.clone();
        let records = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&records);
        let (transport, cancel) = (Transport::Http(self.target.clone()), cancel.clone());
        let ran = tokio::task::spawn_blocking(move || {
            let sink = Box::new(move |record| {
                kept.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(record);
            });
            let progress = Arc::new(Progress::default());
            let check = load::run_cell(&cell, &transport, source, sink, &progress, &cancel);
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

    async fn forget_truth(&self) -> Result<(), CalibrateError> {
        let request = ControlRequest {
            method: "POST".to_owned(),
            ..ControlRequest::get("/truth/reset")
        };
        self.control.ask(&request).await?;
        Ok(())
    }

    async fn truth(&self) -> Result<Vec<TrueRequest>, CalibrateError> {
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

    async fn stop(mut self) {
        // A simulator that stays is killed by its group; its folder is all that
        // could be left.
        drop(self.server.stop().await);
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

fn prepared(
    plugins: &PluginHost,
    (ttft_ms, itl_ms): (u32, u32),
    tokens: u32,
    levels: &[u32],
) -> Result<PreparedRun, CalibrateError> {
    let config = json!({
        "name": "calibrate",
        "model": {"id": "simulated"},
        "backends": [{
            "plugin": SIMULATOR,
            "options": {"fixed_ttft_ms": ttft_ms, "fixed_itl_ms": itl_ms},
        }],
        "workload": {"input_tokens": 128, "output_tokens": tokens, "seed": 7},
        "load": {"concurrency": levels, "requests": LEAST_REQUESTS, "warmup_requests": 0},
        "repeats": 1,
        "seed": 1,
    });
    let loaded = config::load("calibration", &config.to_string(), &|_| None);
    let loaded = loaded.map_err(CalibrateError::Config)?;
    prepare(&loaded, plugins).map_err(CalibrateError::Config)
}
