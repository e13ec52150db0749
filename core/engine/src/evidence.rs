//! What a backend tells of itself: its info answers, its log, its metrics. All
//! of it is extra; a backend that tells nothing is measured all the same.

use std::sync::Arc;
use std::time::Duration;

use inferbench_model::plan::Stage;
use inferbench_model::record::{Evidence, ServerSample};
use inferbench_plugin_api::EvidenceSource;
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::control::ControlPlane;
use crate::prepare::{self, PreparedBackend};
use crate::run::Running;

/// Time between two readings of a server's metrics.
const METRICS_EVERY: Duration = Duration::from_secs(1);

/// What the server says of itself, asked once.
pub(crate) async fn of_info(backend: &PreparedBackend, control: &ControlPlane) -> Evidence {
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
pub(crate) fn of_log(running: &Running<'_>, backend: &PreparedBackend, stage: &Stage) -> Evidence {
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
pub(crate) fn sample_metrics(
    running: &Running<'_>,
    backend: &PreparedBackend,
    stage: &Stage,
    control: ControlPlane,
    stop: &CancellationToken,
) -> Option<tokio::task::JoinHandle<Evidence>> {
    let request = backend.probes.metrics.clone()?;
    let client = Arc::clone(&backend.client);
    let sink = running.server_metrics.sink();
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
