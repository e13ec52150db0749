//! Waits between two backends until GPU and shared memory are back at their
//! baseline, and reports what stays. Cooling down is for the stages.

use std::time::Duration;

use inferbench_model::facts::warning::WarningKind;
use procfs::{Current, Meminfo};
use tokio_util::sync::CancellationToken;

use crate::os::clock;
use crate::telemetry::gpu::memory::MemoryInUse;

/// How long memory may take to be given back.
const LIMIT: Duration = Duration::from_secs(30);
/// Time between two looks.
const POLL: Duration = Duration::from_millis(100);
/// Less than this is not reported: drivers and the system itself come and go.
const TOLERANCE_BYTES: u64 = 64 << 20;

/// Memory that servers take and should give back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Memory {
    /// In use on each GPU, in NVML's order; absent where it is not known.
    gpus: Vec<Option<u64>>,
    /// Shared memory of the host, which outlives the processes that made it.
    shared: Option<u64>,
}

/// Memory in use before the first backend.
pub(crate) struct MemoryBaseline {
    gpus: MemoryInUse,
    memory: Memory,
}

impl MemoryBaseline {
    /// Looks at the machine as it is.
    pub(crate) fn now() -> Self {
        let mut gpus = MemoryInUse::open();
        Self {
            memory: look(&mut gpus),
            gpus,
        }
    }

    /// Waits until memory is what it was. Gives a warning of each kind that is
    /// not after [`LIMIT`], or when the run is to stop.
    pub(crate) async fn wait(&mut self, cancel: &CancellationToken) -> Vec<WarningKind> {
        let began_ns = clock::now_ns();
        loop {
            let waited = Duration::from_nanos(clock::now_ns().saturating_sub(began_ns));
            let left = more_than(&self.memory, &look(&mut self.gpus));
            if left.is_empty() || waited >= LIMIT || cancel.is_cancelled() {
                let waited_s = waited.as_secs_f64();
                let warning = |(gpu, bytes)| WarningKind::MemoryLeft {
                    gpu,
                    bytes,
                    waited_s,
                };
                return left.into_iter().map(warning).collect();
            }
            tokio::select! {
                () = tokio::time::sleep(POLL) => {}
                () = cancel.cancelled() => {}
            }
        }
    }
}

fn look(gpus: &mut MemoryInUse) -> Memory {
    Memory {
        gpus: gpus.look(),
        shared: Meminfo::current().ok().and_then(|memory| memory.shmem),
    }
}

/// What `now` holds beyond `before` and [`TOLERANCE_BYTES`]: the index of the GPU,
/// none for the shared memory of the host.
fn more_than(before: &Memory, now: &Memory) -> Vec<(Option<u32>, u64)> {
    let gpus = before.gpus.iter().zip(&now.gpus);
    let gpus = (0..)
        .zip(gpus)
        .map(|(index, (before, now))| (Some(index), *before, *now));
    gpus.chain([(None, before.shared, now.shared)])
        .filter_map(|(gpu, before, now)| Some((gpu, now?.checked_sub(before?)?)))
        .filter(|(_, more)| *more > TOLERANCE_BYTES)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn what_stays_is_reported_and_what_is_small_or_unknown_is_not() {
        let before = Memory {
            gpus: vec![Some(GIB), Some(0), None],
            shared: Some(5),
        };
        let now = Memory {
            gpus: vec![Some(3 * GIB), Some(60 << 20), Some(GIB)],
            shared: Some(5 + (65 << 20)),
        };
        assert_eq!(
            more_than(&before, &now),
            [(Some(0), 2 * GIB), (None, 65 << 20),]
        );
        assert!(more_than(&now, &before).is_empty());
    }

    #[tokio::test]
    async fn a_machine_as_it_was_is_not_waited_for() {
        let mut baseline = MemoryBaseline::now();
        assert!(baseline.wait(&CancellationToken::new()).await.is_empty());
    }

    #[tokio::test]
    async fn a_run_that_stops_does_not_wait_and_reports_what_is_left() {
        let mut baseline = MemoryBaseline {
            gpus: MemoryInUse::open(),
            memory: Memory {
                gpus: Vec::new(),
                shared: Some(0),
            },
        };
        let file = std::fs::File::create("/dev/shm/inferbench-settle-test").unwrap();
        nix::unistd::ftruncate(&file, 0).unwrap();
        std::io::Write::write_all(&mut &file, &vec![1; 80 << 20]).unwrap();
        let cancel = CancellationToken::new();
        cancel.cancel();
        let left = baseline.wait(&cancel).await;
        std::fs::remove_file("/dev/shm/inferbench-settle-test").unwrap();
        assert_eq!(left.len(), 1, "{left:?}");
        assert!(
            matches!(left[0], WarningKind::MemoryLeft { gpu: None, .. }),
            "{left:?}"
        );
    }
}
