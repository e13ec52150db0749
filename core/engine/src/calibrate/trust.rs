//! Measures cells while the client is disturbed, and holds them against the truth.

use inferbench_model::facts::calibration::{Disturbance, TrustCell};
use inferbench_model::facts::warning::WarningKind;
use tokio_util::sync::CancellationToken;

use super::disturb::Disturbed;
use super::error::CalibrateError;
use super::simulated::{Paced, Simulated, request_id};
use super::{AFTER_LAST, LEAST_REQUESTS, PACED, REQUESTS_PER_STREAM};
use crate::os::limits;
use crate::plugins::host::PluginHost;

/// Streams at once that are tried under each disturbance.
const STREAMS: [u32; 5] = [16, 64, 256, 1024, 2048];

/// Cells that show whether trust can be trusted: few to many streams, each undisturbed
/// and in eight ways disturbed.
#[must_use]
pub fn scenarios() -> Vec<(u32, Disturbance)> {
    let none = Disturbance::default();
    let neighbours = |n| Disturbance {
        neighbours_per_core: n,
        ..none
    };
    let pause = |ms| Disturbance {
        pause_ms: Some(ms),
        ..none
    };
    let ways = [
        none,
        neighbours(1),
        neighbours(2),
        neighbours(3),
        pause(5),
        pause(25),
        Disturbance {
            quota_percent: Some(50),
            ..none
        },
        Disturbance {
            burst: Some(4),
            ..none
        },
        Disturbance {
            burst: Some(4),
            ..neighbours(1)
        },
    ];
    let streams = |how: Disturbance| STREAMS.map(|streams| (streams, how));
    ways.into_iter().flat_map(streams).collect()
}

/// Those of them that a calibration tries: without a pause, which a shell would take for
/// a stop by its user, and without a control group, which few may make.
pub(super) fn calibrated(quick: bool) -> Vec<(u32, Disturbance)> {
    let tried = |(streams, how): &(u32, Disturbance)| {
        let allowed = how.pause_ms.is_none() && how.quota_percent.is_none();
        let short = *streams <= 256 && how.neighbours_per_core <= 1;
        allowed && (short || !quick)
    };
    scenarios().into_iter().filter(tried).collect()
}

/// Measures one cell for each number of streams under each disturbance. `on_cell` gets
/// each when it has been measured; what the system does not allow is left out, and
/// `on_skipped` gets why.
///
/// # Errors
/// See [`CalibrateError`]. On any, the simulators are already gone.
pub async fn trust(
    plugins: &PluginHost,
    cells: &[(u32, Disturbance)],
    on_cell: &mut (dyn FnMut(&TrustCell) + Send),
    on_skipped: &mut (dyn FnMut(u32, Disturbance, &std::io::Error) + Send),
    cancel: &CancellationToken,
) -> Result<Vec<TrustCell>, CalibrateError> {
    // Where it cannot be raised, what follows from that shows in the cells.
    drop(limits::raise_open_files());
    let mut measured = Vec::new();
    let mut bursts: Vec<_> = cells.iter().map(|(_, how)| how.burst).collect();
    bursts.sort_unstable();
    bursts.dedup();
    for burst in bursts {
        let paced = Paced { burst, ..PACED };
        let simulated = Simulated::start(plugins, paced, &[1], cancel).await?;
        for (streams, how) in cells.iter().copied().filter(|(_, how)| how.burst == burst) {
            match one_cell(&simulated, streams, how, cancel).await {
                Ok(Ok(cell)) => {
                    on_cell(&cell);
                    measured.push(cell);
                }
                Ok(Err(refused)) => on_skipped(streams, how, &refused),
                Err(error) => {
                    simulated.stop().await;
                    return Err(error);
                }
            }
        }
        simulated.stop().await;
    }
    Ok(measured)
}

async fn one_cell(
    simulated: &Simulated,
    streams: u32,
    how: Disturbance,
    cancel: &CancellationToken,
) -> Result<std::io::Result<TrustCell>, CalibrateError> {
    simulated.forget_truth().await?;
    let requests = LEAST_REQUESTS.max(REQUESTS_PER_STREAM * u64::from(streams));
    let disturbed = match Disturbed::start(&how) {
        Ok(disturbed) => disturbed,
        Err(refused) => return Ok(Err(refused)),
    };
    let (row, records) = simulated.measure(0, streams, requests, cancel).await?;
    drop(disturbed);
    tokio::time::sleep(AFTER_LAST).await;
    let truth = simulated.truth().await?;
    let kinds = row.warnings.iter().map(WarningKind::code);
    let breaches = kinds.filter(|code| code.breaks_trust()).collect();
    let cell = (streams, how);
    Ok(Ok(TrustCell::new(
        cell,
        &records,
        &truth,
        &request_id,
        breaches,
    )))
}
