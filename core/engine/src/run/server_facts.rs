//! What a server reports of itself: its info answers, its log, its metrics. All
//! of it is extra: a server that reports nothing is measured all the same.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use inferbench_model::facts::replicas;
use inferbench_model::facts::samples::{Evidence, ServerSample};
use inferbench_model::plan::Stage;
use inferbench_plugin_api::client::BackendClient;
use inferbench_plugin_api::{ControlRequest, EvidenceSource};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::session::RunSession;
use super::started::StartedBackend;
use crate::http::control::ControlPlane;
use crate::os::clock;
use crate::os::tail::Tail;
use crate::plugins::backend::OpenBackend;

/// Time between two readings of a server's metrics.
const METRICS_EVERY: Duration = Duration::from_secs(1);
/// Files that a server's output goes to.
const LOGS: [&str; 2] = ["stdout.log", "stderr.log"];
/// What is read of a long log, from its beginning and from its end, bytes.
const END_BYTES: u64 = 64 * 1024 * 1024;
/// Time between two looks at a server's log while it starts.
const LOG_EVERY: Duration = Duration::from_millis(100);

/// What the server answers about itself, asked once.
pub(super) async fn ask_info(backend: &OpenBackend, control: &ControlPlane) -> Evidence {
    let mut evidence = Evidence::default();
    for probe in &backend.probes.info {
        // A server that does not answer this is known less of; that is all.
        if let Ok(body) = control.ask(&probe.request).await {
            let source = EvidenceSource::Info(probe.name.clone());
            evidence.absorb(backend.client.evidence(&source, &body).unwrap_or_default());
        }
    }
    evidence
}

/// A server's log, read on from where it was left, for the lines that its launch
/// plan asks for.
pub(super) struct ServerLog {
    client: Arc<BackendClient>,
    patterns: Vec<String>,
    files: [Tail; 2],
}

impl ServerLog {
    /// The log of a started server, from its first line on; `None` if no server
    /// was started.
    pub(super) fn open(backend: &OpenBackend, started: &StartedBackend) -> Option<Self> {
        let folder = started.server.as_ref()?.folder();
        Some(Self {
            client: Arc::clone(&backend.client),
            patterns: started.launch_plan.as_ref()?.log_patterns.clone(),
            files: LOGS.map(|name| Tail::new(folder.join(name))),
        })
    }

    /// What all of it says.
    pub(super) fn read_all(mut self) -> Evidence {
        let mut evidence = Evidence::default();
        let mut ranks: BTreeMap<u32, Evidence> = BTreeMap::new();
        self.each_of_ends(|mut line| {
            if let Some(rank) = line.data_parallel_rank.take() {
                ranks.entry(rank).or_default().absorb(line.clone());
            }
            evidence.absorb(line);
        });
        let ranks: Vec<Evidence> = ranks.into_values().collect();
        evidence.with_caches_of(&ranks)
    }

    /// Follows it until it says that the weights are loaded, and gives when;
    /// `None` if it has not by `stop`.
    pub(super) fn watch_for_weights(mut self, stop: &CancellationToken) -> JoinHandle<Option<u64>> {
        let stop = stop.clone();
        tokio::spawn(async move {
            loop {
                let is_last = stop.is_cancelled();
                let mut loaded = false;
                self.each_new(|line| loaded |= line.weights_loaded == Some(true));
                if loaded {
                    return Some(clock::now_ns());
                }
                if is_last {
                    return None;
                }
                tokio::select! {
                    () = tokio::time::sleep(LOG_EVERY) => {}
                    () = stop.cancelled() => {}
                }
            }
        })
    }

    /// Gives what each whole line says that has come since the last time.
    fn each_new(&mut self, mut take: impl FnMut(Evidence)) {
        let (client, patterns) = (&self.client, &self.patterns);
        for file in &mut self.files {
            file.each_new(|line| take_line(client, patterns, line, &mut take));
        }
    }

    /// The same of all that was written, which may be very much: what a server says of
    /// itself, it says at its start and at its end.
    fn each_of_ends(&mut self, mut take: impl FnMut(Evidence)) {
        let (client, patterns) = (&self.client, &self.patterns);
        for file in &mut self.files {
            file.each_of_ends(END_BYTES, |line| {
                take_line(client, patterns, line, &mut take);
            });
        }
    }
}

fn take_line(
    client: &BackendClient,
    patterns: &[String],
    line: &str,
    take: &mut impl FnMut(Evidence),
) {
    if patterns.iter().any(|part| line.contains(part)) {
        let evidence = client.evidence(&EvidenceSource::LogLine, line.as_bytes());
        take(evidence.unwrap_or_default());
    }
}

/// Reads the metrics of the backend's servers again and again, until `stop`; gives the
/// last reading. One reading is of all of them: where one does not answer there is none.
pub(super) fn sample_metrics(
    session: &RunSession<'_>,
    backend: &OpenBackend,
    stage: &Stage,
    controls: Vec<ControlPlane>,
    stop: &CancellationToken,
) -> Option<JoinHandle<Evidence>> {
    let request = backend.probes.metrics.clone()?;
    if controls.is_empty() {
        return None;
    }
    let client = Arc::clone(&backend.client);
    let sink = session.recorder.server_metrics_sink();
    let readings = session.readings.clone();
    let secrets = session.prepared.secrets.clone();
    let (label, block, stop) = (stage.backend.clone(), stage.block, stop.clone());
    Some(tokio::spawn(async move {
        let mut last = Evidence::default();
        let mut ticks = tokio::time::interval(METRICS_EVERY);
        loop {
            if let Some(mut evidence) = read_metrics(&client, &controls, &request).await {
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

/// One reading of the metrics of all servers, which are asked at the same time; `None` if
/// one of them gives none.
async fn read_metrics(
    client: &BackendClient,
    controls: &[ControlPlane],
    request: &ControlRequest,
) -> Option<Evidence> {
    let ask = |control: &ControlPlane| {
        let (control, request) = (control.clone(), request.clone());
        tokio::spawn(async move { control.ask(&request).await })
    };
    let asked: Vec<_> = controls.iter().map(ask).collect();
    let mut said = Vec::new();
    for body in asked {
        let body = body.await.ok()?.ok()?;
        said.push(client.evidence(&EvidenceSource::Metrics, &body).ok()?);
    }
    Some(replicas::together(&said))
}
