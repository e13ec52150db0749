//! Calibration: the load path of every run against a simulated server that
//! records when it wrote each token, on this machine.

mod disturb;
mod error;
mod simulated;
mod trust;

use std::time::Duration;

use inferbench_model::facts::calibration::{
    self, CALIBRATION_SCHEMA_VERSION, CalibratedLevel, Calibration, FastFigures,
};
use inferbench_model::report::warning_words;
use inferbench_model::text::units::s_between;
use tokio_util::sync::CancellationToken;

pub use error::CalibrateError;
pub use simulated::SIMULATOR;
use simulated::{Paced, Simulated, request_id};
pub use trust::{scenarios, trust};

use crate::load::self_check::process_cpu_ns;
use crate::os::clock;
use crate::os::limits;
use crate::plugins::host::PluginHost;
use crate::telemetry::host;

/// Streams at once of a whole calibration.
const LEVELS: [u32; 5] = [1, 64, 256, 512, 1024];
/// Those of a quick one.
const QUICK_LEVELS: [u32; 3] = [1, 64, 256];
/// The pace of usual engines.
const PACED: Paced = Paced {
    ttft_ms: 50,
    itl_ms: 10,
    tokens: 32,
    burst: None,
};
/// No pace at all.
const UNPACED: Paced = Paced {
    ttft_ms: 0,
    itl_ms: 0,
    tokens: 128,
    burst: None,
};
/// Requests of a level, per stream, so that connections are used again.
const REQUESTS_PER_STREAM: u64 = 4;
/// Requests of a level at least: a p99 needs 100.
const LEAST_REQUESTS: u64 = 100;
/// The same in a quick calibration, which gives no p99 for one stream.
const QUICK_LEAST_REQUESTS: u64 = 20;
/// Streams at once without pacing.
const FAST_STREAMS: u32 = 64;
/// Requests without pacing.
const FAST_REQUESTS: u64 = 4000;
/// The same in a quick calibration.
const QUICK_FAST_REQUESTS: u64 = 1000;
/// What the simulator gets to note the ends that the client has just seen.
const AFTER_LAST: Duration = Duration::from_millis(100);

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
    let paced = Simulated::start(plugins, PACED, levels, cancel).await?;
    let measured = paced_levels(&paced, levels, quick, on_step, cancel).await;
    paced.stop().await;
    let paced = measured?;
    let unpaced = Simulated::start(plugins, UNPACED, &[FAST_STREAMS], cancel).await?;
    on_step(&format!("{FAST_STREAMS} streams, unpaced"));
    let fast = fast(&unpaced, quick, cancel).await;
    unpaced.stop().await;
    let fast = fast?;
    let trust = trust(
        plugins,
        &trust::calibrated(quick),
        &mut |cell| {
            let (streams, how) = (cell.concurrency, cell.disturbance);
            on_step(&format!("{streams} paced streams, {how}"));
        },
        &mut |streams, how, why| on_step(&format!("{streams} streams, {how}: left out: {why}")),
        cancel,
    )
    .await?;
    Ok(Calibration {
        schema_version: CALIBRATION_SCHEMA_VERSION,
        inferbench_version: version.to_owned(),
        utc: clock::utc_now(),
        host: host::host_facts(),
        arrival_clock: paced.arrival_clock,
        truth_is_kernels: paced.truth_is_kernels,
        error_passed_at: calibration::error_passed_at(&paced.levels),
        levels: paced.levels,
        fast: Some(fast),
        trust,
    })
}

struct PacedLevels {
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
) -> Result<PacedLevels, CalibrateError> {
    let least = if quick {
        QUICK_LEAST_REQUESTS
    } else {
        LEAST_REQUESTS
    };
    let mut paced = PacedLevels {
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
