//! What the client itself did during a cell, and when that makes the cell's
//! figures untrustworthy.

mod limits;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use limits::{
    BUSY_LIMIT_PERCENT, CLOCK_STEP_LIMIT_MS, CORE_WAIT_LIMIT_PERCENT, LATE_LIMIT_MS,
    LOOP_LAG_LIMIT_MS, OFFERED_LIMIT, OPEN_STALL_LIMIT_SHARE, Offered, SHARED_READ_LIMIT,
    SLEPT_LIMIT_S, STALL_LIMIT_SHARE, STEAL_LIMIT_PERCENT, THROTTLE_LIMIT_SHARE,
    WAITED_OFFERED_LIMIT, judge,
};

/// What the client itself did during a cell; null where it is not known. Where several
/// threads made the load, the worst that any of them has seen.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SelfCheck {
    /// Threads that made the load.
    pub load_threads: Option<u32>,
    /// CPU of InferBench's load thread over the cell, 100 is one core.
    pub client_cpu_percent: Option<f64>,
    /// CPU of InferBench as a whole over the cell, 100 is one core.
    pub process_cpu_percent: Option<f64>,
    /// Time for which the load thread was ready and had no core, in percent of
    /// the cell.
    pub core_wait_percent: Option<f64>,
    /// Lateness of a timer in the load's event loop, median, ms.
    pub loop_lag_ms_p50: Option<f64>,
    /// Its 99th percentile.
    pub loop_lag_ms_p99: Option<f64>,
    /// Its largest value.
    pub loop_lag_ms_max: Option<f64>,
    /// Where arrival times come from: `kernel`, `user` (after the read), or
    /// `mixed`.
    pub arrival_clock: Option<String>,
    /// Mean time between the kernel's stamp of a read and the read's return.
    pub read_delay_ms_mean: Option<f64>,
    /// Its median.
    pub read_delay_ms_p50: Option<f64>,
    /// Its 99th percentile.
    pub read_delay_ms_p99: Option<f64>,
    /// Largest such time.
    pub read_delay_ms_max: Option<f64>,
    /// CPU that the hypervisor took, in percent of the machine's cores.
    pub steal_percent: Option<f64>,
    /// Share of the cell in which some task of the machine waited for a core
    /// (the kernel's pressure figure), percent.
    pub cpu_pressure_percent: Option<f64>,
    /// Most file descriptors that were open.
    pub open_files: Option<u64>,
    /// File descriptors that may be open.
    pub open_files_limit: Option<u64>,
    /// Local ports of the range for outgoing connections that no socket holds,
    /// at the end of the cell.
    pub local_ports_left: Option<u64>,
    /// Times for which the load thread stood still for at least one tick of its timer.
    pub stalls: Option<u64>,
    /// The longest of them, ms; absent if there was none.
    pub stall_ms_max: Option<f64>,
    /// All of them together, percent of the cell.
    pub stalled_percent: Option<f64>,
    /// Time for which InferBench's control group was held because its CPU quota was
    /// used up, percent of the cell; absent without such a group.
    pub throttled_percent: Option<f64>,
    /// Time for which the machine slept, s.
    pub slept_s: Option<f64>,
    /// Most connections to the server that were open at once.
    pub connections_open_max: Option<u64>,
    /// Jumps of the wall clock against the monotonic clock.
    pub clock_steps: Option<u64>,
    /// The largest of them, ms; absent if there was none.
    pub clock_step_ms_max: Option<f64>,
    /// Measured requests whose send waited for a free place under `max_in_flight`; absent
    /// without that limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_back_sends: Option<u64>,
    /// How long they waited, mean, ms; absent if there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_back_ms_mean: Option<f64>,
    /// The longest, ms; absent if there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_back_ms_max: Option<f64>,
    /// The client was the limit: the row is not to be trusted.
    pub client_was_limit: bool,
}

impl SelfCheck {
    /// Of two threads' figures the worse ones.
    #[must_use]
    pub fn worse_of(self, other: Self) -> Self {
        let stamped_alike = self.arrival_clock == other.arrival_clock;
        let arrival_clock = match (self.arrival_clock, other.arrival_clock) {
            (Some(_), Some(_)) if !stamped_alike => Some("mixed".to_owned()),
            (one, other) => one.or(other),
        };
        Self {
            arrival_clock,
            client_cpu_percent: larger(self.client_cpu_percent, other.client_cpu_percent),
            core_wait_percent: larger(self.core_wait_percent, other.core_wait_percent),
            loop_lag_ms_p50: larger(self.loop_lag_ms_p50, other.loop_lag_ms_p50),
            loop_lag_ms_p99: larger(self.loop_lag_ms_p99, other.loop_lag_ms_p99),
            loop_lag_ms_max: larger(self.loop_lag_ms_max, other.loop_lag_ms_max),
            read_delay_ms_mean: larger(self.read_delay_ms_mean, other.read_delay_ms_mean),
            read_delay_ms_p50: larger(self.read_delay_ms_p50, other.read_delay_ms_p50),
            read_delay_ms_p99: larger(self.read_delay_ms_p99, other.read_delay_ms_p99),
            read_delay_ms_max: larger(self.read_delay_ms_max, other.read_delay_ms_max),
            stalls: self.stalls.max(other.stalls),
            stall_ms_max: larger(self.stall_ms_max, other.stall_ms_max),
            stalled_percent: larger(self.stalled_percent, other.stalled_percent),
            ..self
        }
    }
}

fn larger(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    one.into_iter().chain(other).reduce(f64::max)
}

#[cfg(test)]
mod tests;
