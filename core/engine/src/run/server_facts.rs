//! What a backend tells of itself: its info answers, its log, its metrics. All
//! of it is extra; a backend that tells nothing is measured all the same.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use inferbench_model::facts::record::{Evidence, ServerSample};
use inferbench_model::plan::Stage;
use inferbench_plugin_api::EvidenceSource;
use inferbench_plugin_api::client::BackendClient;
use tokio_util::sync::CancellationToken;

use crate::http::control::ControlPlane;
use crate::os::clock;
use crate::prepare::PreparedBackend;
use crate::run::Running;

/// Time between two readings of a server's metrics.
const METRICS_EVERY: Duration = Duration::from_secs(1);

/// What the server says of itself, asked once.
pub(crate) async fn of_info(backend: &PreparedBackend, control: &ControlPlane) -> Evidence {
    let mut evidence = Evidence::default();
    for probe in &backend.opened.probes.info {
        // A server that does not answer this question tells less; that is all.
        if let Ok(body) = control.ask(&probe.request).await {
            let source = EvidenceSource::Info(probe.name.clone());
            evidence.absorb(
                backend
                    .opened
                    .client
                    .evidence(&source, &body)
                    .unwrap_or_default(),
            );
        }
    }
    evidence
}

/// Files that a server's output goes to.
const LOGS: [&str; 2] = ["stdout.log", "stderr.log"];
/// Time between two looks at a server's log while it starts.
const LOG_EVERY: Duration = Duration::from_millis(100);

/// What the server's log says, from the lines that the launch plan asks for.
pub(crate) fn of_log(running: &Running<'_>, backend: &PreparedBackend, stage: &Stage) -> Evidence {
    let mut evidence = Evidence::default();
    let Some(mut log) = Log::of(running, backend, stage) else {
        return evidence;
    };
    log.each_new(|told| evidence.absorb(told));
    evidence
}

/// Follows a server's log while it starts; gives when it said that its weights
/// are loaded, or nothing if it was not heard before `stop`.
pub(crate) fn watch_weights(
    running: &Running<'_>,
    backend: &PreparedBackend,
    stage: &Stage,
    stop: &CancellationToken,
) -> Option<tokio::task::JoinHandle<Option<u64>>> {
    let mut log = Log::of(running, backend, stage)?;
    let stop = stop.clone();
    Some(tokio::spawn(async move {
        loop {
            let last = stop.is_cancelled();
            let mut loaded = false;
            log.each_new(|told| loaded |= told.weights_loaded == Some(true));
            if loaded {
                return Some(clock::now_ns());
            }
            if last {
                return None;
            }
            tokio::select! {
                () = tokio::time::sleep(LOG_EVERY) => {}
                () = stop.cancelled() => {}
            }
        }
    }))
}

/// A server's log, read on from where it was left.
struct Log {
    client: Arc<BackendClient>,
    patterns: Vec<String>,
    files: [(PathBuf, u64); 2],
}

impl Log {
    fn of(running: &Running<'_>, backend: &PreparedBackend, stage: &Stage) -> Option<Self> {
        let folder = running.folder.stage_folder(&stage.backend, stage.block);
        let folder = folder.ok()?;
        let context = running.prepared.launch_context(0, &folder);
        let plan = backend.launch_plan(&context).ok()??;
        Some(Self {
            client: Arc::clone(&backend.opened.client),
            patterns: plan.log_patterns,
            files: LOGS.map(|name| (folder.join(name), 0)),
        })
    }

    /// Gives what each whole line says that has come since the last time.
    fn each_new(&mut self, mut take: impl FnMut(Evidence)) {
        for (path, from) in &mut self.files {
            let bytes = read_from(path, *from).unwrap_or_default();
            let whole = bytes.iter().rposition(|byte| *byte == b'\n');
            let whole = &bytes[..whole.map_or(0, |end| end + 1)];
            *from += whole.len() as u64;
            for line in String::from_utf8_lossy(whole).lines() {
                if self.patterns.iter().any(|part| line.contains(part)) {
                    let source = EvidenceSource::LogLine;
                    let told = self.client.evidence(&source, line.as_bytes());
                    take(told.unwrap_or_default());
                }
            }
        }
    }
}

fn read_from(path: &Path, from: u64) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads the server's metrics again and again, until told to stop; gives the
/// last reading.
pub(crate) fn sample_metrics(
    running: &Running<'_>,
    backend: &PreparedBackend,
    stage: &Stage,
    control: ControlPlane,
    stop: &CancellationToken,
) -> Option<tokio::task::JoinHandle<Evidence>> {
    let request = backend.opened.probes.metrics.clone()?;
    let client = Arc::clone(&backend.opened.client);
    let sink = running.server_metrics.sink();
    let readings = running.readings.clone();
    let secrets = running.prepared.secrets.clone();
    let (label, block, stop) = (stage.backend.clone(), stage.block, stop.clone());
    Some(tokio::spawn(async move {
        let mut last = Evidence::default();
        let mut ticks = tokio::time::interval(METRICS_EVERY);
        loop {
            if let Ok(body) = control.ask(&request).await
                && let Ok(mut evidence) = client.evidence(&EvidenceSource::Metrics, &body)
            {
                secrets.mask_evidence(&mut evidence);
                last.clone_from(&evidence);
                readings.note_server(&evidence, clock::now_ns());
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
