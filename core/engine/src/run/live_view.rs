//! What onlookers see of a cell while it runs. For the eye alone: no figure of
//! a report comes from here.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use inferbench_model::facts::record::RequestRecord;
use inferbench_model::facts::samples::{Evidence, GpuSample};
use inferbench_model::text::units::s_between;

use crate::event::LiveFigures;
use crate::os::clock;

/// Length of what counts as now, and of the steps that it is counted in.
const NOW_NS: u64 = 5_000_000_000;
const STEP_NS: u64 = 100_000_000;
/// Oldest reading of a server's load that is shown: it is read every second.
const FRESH_NS: u64 = 2_000_000_000;
/// First tokens of which the median is shown.
const LAST_REQUESTS: usize = 100;

/// The latest readings of the machine and of the server that is measured.
#[derive(Debug, Clone, Default)]
pub(crate) struct Readings(Arc<Mutex<Latest>>);

#[derive(Debug, Default)]
struct Latest {
    watts: BTreeMap<u32, f64>,
    server: Option<ServerLoad>,
}

/// What a server said of its load.
#[derive(Debug, Clone, Copy)]
struct ServerLoad {
    t_ns: u64,
    running: Option<f64>,
    waiting: Option<f64>,
}

/// A moment of them; what is not known is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Moment {
    /// Power of all devices.
    pub(crate) gpu_watts: Option<f64>,
    /// Requests that the server works on.
    pub(crate) running: Option<f64>,
    /// Requests that wait at the server.
    pub(crate) waiting: Option<f64>,
}

impl Readings {
    pub(crate) fn note_gpu(&self, sample: &GpuSample) {
        if let (Some(watts), None) = (sample.power_watts, sample.mig) {
            self.latest().watts.insert(sample.index, watts);
        }
    }

    /// What the server said of its load at this time.
    pub(crate) fn note_server(&self, said: &Evidence, t_ns: u64) {
        self.latest().server = Some(ServerLoad {
            t_ns,
            running: said.running_requests,
            waiting: said.waiting_requests,
        });
    }

    /// The latest readings; of the server's only one that is no older than
    /// [`FRESH_NS`] and than the cell, whose first request was sent at
    /// `first_sent_ns`.
    pub(crate) fn now(&self, now_ns: u64, first_sent_ns: Option<u64>) -> Moment {
        let latest = self.latest();
        let watts = latest.watts.values();
        let server = latest.server.filter(|server| {
            now_ns.saturating_sub(server.t_ns) <= FRESH_NS
                && first_sent_ns.is_some_and(|sent_ns| server.t_ns >= sent_ns)
        });
        Moment {
            gpu_watts: (!latest.watts.is_empty()).then(|| watts.sum()),
            running: server.and_then(|server| server.running),
            waiting: server.and_then(|server| server.waiting),
        }
    }

    fn latest(&self) -> MutexGuard<'_, Latest> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The cell that runs, at this moment.
pub(super) fn live_figures(
    recent: &Mutex<Recent>,
    readings: &Readings,
    in_flight: u64,
) -> LiveFigures {
    let now_ns = clock::now_ns();
    let mut figures = LiveFigures {
        in_flight,
        ..LiveFigures::default()
    };
    let mut first_sent_ns = None;
    if let Ok(mut recent) = recent.lock() {
        first_sent_ns = recent.first_sent_ns;
        figures.output_tokens_per_s = recent.output_tokens_per_s(now_ns);
        figures.ttft_ms_p50 = recent.ttft_ms_p50();
    }
    let moment = readings.now(now_ns, first_sent_ns);
    figures.server_running = moment.running;
    figures.server_waiting = moment.waiting;
    figures.gpu_power_watts = moment.gpu_watts;
    figures
}

/// The requests of a cell that ended last.
#[derive(Debug, Default)]
pub(super) struct Recent {
    first_sent_ns: Option<u64>,
    /// Output tokens of requests that ended in each step.
    steps: VecDeque<(u64, u64)>,
    ttft_ms: VecDeque<f64>,
}

impl Recent {
    pub(super) fn add(&mut self, record: &RequestRecord) {
        let sent_ns = record.sent_ns;
        self.first_sent_ns = self.first_sent_ns.into_iter().chain(sent_ns).min();
        let tokens = u64::from(record.output_tokens.unwrap_or(0));
        let step = record.end_ns / STEP_NS;
        match self.steps.back_mut() {
            Some((last, sum)) if *last >= step => *sum += tokens,
            _ => self.steps.push_back((step, tokens)),
        }
        self.forget(record.end_ns);
        if self.ttft_ms.len() == LAST_REQUESTS {
            self.ttft_ms.pop_front();
        }
        self.ttft_ms.extend(record.ttft_ms);
    }

    fn forget(&mut self, now_ns: u64) {
        let oldest = now_ns.saturating_sub(NOW_NS) / STEP_NS;
        while self.steps.front().is_some_and(|(step, _)| *step < oldest) {
            self.steps.pop_front();
        }
    }

    /// Output tokens per second of the requests that ended in the last five
    /// seconds, or since the first was sent if that is less; absent if none did.
    pub(super) fn output_tokens_per_s(&mut self, now_ns: u64) -> Option<f64> {
        self.forget(now_ns);
        let since_ns = self.first_sent_ns?.max(now_ns.saturating_sub(NOW_NS));
        let tokens: u64 = self.steps.iter().map(|(_, tokens)| tokens).sum();
        let seconds = s_between(since_ns, now_ns);
        (tokens > 0 && seconds > 0.0).then(|| tokens as f64 / seconds)
    }

    /// Median over the last hundred requests that had a first token.
    pub(super) fn ttft_ms_p50(&self) -> Option<f64> {
        inferbench_model::stats::median(self.ttft_ms.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// A request of ten tokens that was sent at `sent_s` and ended a second later.
    fn ended(recent: &mut Recent, sent_s: u64, ttft_ms: f64) {
        let json = serde_json::json!({
            "backend": "a", "block": 0, "level": {"kind": "concurrency", "value": 1},
            "phase": "measured", "index": 0, "status": "ok", "sent_ns": sent_s * SECOND,
            "end_ns": (sent_s + 1) * SECOND, "ttft_ms": ttft_ms, "output_tokens": 10,
            "asked_output_tokens": 10, "itl_ms": [], "malformed_events": 0,
        });
        recent.add(&serde_json::from_value(json).unwrap());
    }

    #[test]
    fn throughput_is_that_of_the_last_five_seconds() {
        let mut recent = Recent::default();
        assert_eq!(recent.output_tokens_per_s(SECOND), None);
        ended(&mut recent, 1, 5.0);
        ended(&mut recent, 2, 7.0);
        // twenty tokens in the two seconds from the first send on
        assert_eq!(recent.output_tokens_per_s(3 * SECOND), Some(10.0));
        // the first ended at 2 s, which is not among the last five
        assert_eq!(recent.output_tokens_per_s(8 * SECOND), Some(2.0));
        assert_eq!(recent.output_tokens_per_s(9 * SECOND), None);
        assert_eq!(recent.ttft_ms_p50(), Some(6.0));
    }

    #[test]
    fn only_the_last_hundred_first_tokens_count() {
        let mut recent = Recent::default();
        for _ in 0..50 {
            ended(&mut recent, 1, 1000.0);
        }
        for _ in 0..100 {
            ended(&mut recent, 1, 3.0);
        }
        assert_eq!(recent.ttft_ms_p50(), Some(3.0));
        assert_eq!(recent.ttft_ms.len(), 100);
    }

    #[test]
    fn power_is_that_of_all_devices_and_of_no_slice() {
        let readings = Readings::default();
        assert_eq!(readings.now(SECOND, None), Moment::default());
        for (index, mig, watts) in [(0, None, 100.0), (1, None, 50.0), (1, Some(0), 7.0)] {
            readings.note_gpu(&GpuSample {
                index,
                mig,
                power_watts: Some(watts),
                ..GpuSample::default()
            });
        }
        assert_eq!(readings.now(SECOND, None).gpu_watts, Some(150.0));
    }

    #[test]
    fn a_servers_load_is_shown_while_it_is_fresh_and_of_this_cell() {
        let readings = Readings::default();
        let said = Evidence {
            running_requests: Some(3.0),
            waiting_requests: Some(0.0),
            ..Evidence::default()
        };
        readings.note_server(&said, 10 * SECOND);
        let running = |now_s, sent_s: Option<u64>| {
            let sent_ns = sent_s.map(|s| s * SECOND);
            readings.now(now_s * SECOND, sent_ns).running
        };
        assert_eq!(running(11, Some(9)), Some(3.0));
        assert_eq!(running(12, Some(9)), Some(3.0));
        assert_eq!(running(13, Some(9)), None);
        assert_eq!(running(12, Some(11)), None);
        assert_eq!(running(11, None), None);
    }
}
