//! What the client itself did during a cell, and when that makes the cell's
//! figures untrustworthy.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::Level;

/// CPU of the load thread, plus the time it stood ready without a core, in
/// percent of the cell, from which on throughput may be the client's own limit:
/// a loop that is busy for nine tenths of the time has no room left for bursts.
pub const BUSY_LIMIT_PERCENT: f64 = 90.0;
/// Time that the load thread stood ready without a core, in percent of the
/// cell. A slot that waits for a core sends nothing, so a closed loop may lose
/// up to this share of its throughput; a tenth would turn a verdict.
pub const CORE_WAIT_LIMIT_PERCENT: f64 = 10.0;
/// Lateness of the event loop, p99, where arrivals are stamped after the read:
/// every latency is off by it. Gaps between tokens of fast engines are 5 ms, of
/// which this is a fifth. With kernel stamps it enters no latency.
pub const LOOP_LAG_LIMIT_MS: f64 = 1.0;
/// Share of the asked load that must have been offered: below it the cell was
/// measured at another level than it says.
pub const OFFERED_LIMIT: f64 = 0.95;
/// CPU that the hypervisor took from this machine, in percent of its cores.
/// Backend and client were both slowed, by an amount that no other run repeats.
pub const STEAL_LIMIT_PERCENT: f64 = 5.0;
/// Jump of the wall clock against the monotonic clock. The kernel stamps by the
/// wall clock: a stamp near the jump may be off by as much. Slewing, which is
/// at most 0.5 ms a second, stays below it between two samples.
pub const CLOCK_STEP_LIMIT_MS: f64 = 1.0;

/// What the client itself did during a cell; null where it could not be told.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SelfCheck {
    /// CPU of InferBench's load thread over the cell, 100 is one core.
    pub client_cpu_percent: Option<f64>,
    /// CPU of InferBench as a whole over the cell, 100 is one core.
    pub process_cpu_percent: Option<f64>,
    /// Time for which the load thread stood ready without a core, in percent of
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
    /// Jumps of the wall clock against the monotonic clock.
    pub clock_steps: Option<u64>,
    /// The largest of them, ms; absent if there was none.
    pub clock_step_ms_max: Option<f64>,
    /// The client was the limit: the row is not to be trusted.
    pub client_was_limit: bool,
}

/// What a cell's records say of the load that was offered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Offered {
    /// Level that was asked for.
    pub level: Level,
    /// Requests in flight, on average over the window; absent without one.
    pub concurrency: Option<f64>,
    /// Requests per second that were sent where the schedule had `planned_rate`;
    /// absent in a closed loop.
    pub sent_rate: Option<f64>,
    /// Requests per second of the schedule itself, over the same requests.
    pub planned_rate: Option<f64>,
    /// Requests that this machine had no file descriptor for.
    pub out_of_files: u64,
    /// Requests that this machine had no local port for.
    pub out_of_ports: u64,
}

/// What a breach is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// The load thread had no time left.
    ClientBusy,
    /// The load thread waited for a core.
    CoreWait,
    /// Arrivals were stamped late.
    LoopLag,
    /// Fewer requests were in flight than asked.
    Concurrency,
    /// Fewer requests per second were sent than planned.
    RequestRate,
    /// No file descriptor was left.
    OpenFiles,
    /// No local port was left.
    LocalPorts,
    /// The hypervisor took CPU.
    Steal,
    /// The wall clock jumped.
    ClockStep,
}

impl Check {
    /// Whether a breach means that the client, and not the backend, may have
    /// set the throughput.
    #[must_use]
    pub fn means_client_limit(self) -> bool {
        matches!(
            self,
            Self::ClientBusy | Self::RequestRate | Self::OpenFiles | Self::LocalPorts
        )
    }
}

/// A threshold that a cell broke: its figures are untrustworthy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Breach {
    /// What it is about.
    pub check: Check,
    /// What was found, and what it does to the figures.
    pub text: String,
}

/// Every threshold that a cell broke; none if its figures can be trusted. What
/// could not be told breaks none.
#[must_use]
pub fn judge(check: &SelfCheck, offered: &Offered) -> Vec<Breach> {
    let found = [
        (Check::ClientBusy, client_busy(check, offered.level)),
        (Check::CoreWait, core_wait(check)),
        (Check::LoopLag, loop_lag(check)),
        (Check::Concurrency, concurrency(offered)),
        (Check::RequestRate, request_rate(offered)),
        (
            Check::OpenFiles,
            ran_out(offered.out_of_files, "file descriptor"),
        ),
        (
            Check::LocalPorts,
            ran_out(offered.out_of_ports, "local port"),
        ),
        (Check::Steal, steal(check)),
        (Check::ClockStep, clock_step(check)),
    ];
    found
        .into_iter()
        .filter_map(|(check, text)| Some(Breach { check, text: text? }))
        .collect()
}

fn client_busy(check: &SelfCheck, level: Level) -> Option<String> {
    // An open loop waits awake for the next planned send, which is no work.
    if matches!(level, Level::RequestRate(rate) if rate.0.is_finite()) {
        return None;
    }
    let cpu = check.client_cpu_percent?;
    let wait = check.core_wait_percent.unwrap_or(0.0);
    (cpu + wait >= BUSY_LIMIT_PERCENT).then(|| {
        format!(
            "the client was the limit: its load thread worked {cpu:.0} % and waited for a core {wait:.0} % of the time, throughput is a lower bound"
        )
    })
}

fn core_wait(check: &SelfCheck) -> Option<String> {
    let wait = check.core_wait_percent?;
    (wait >= CORE_WAIT_LIMIT_PERCENT).then(|| {
        format!(
            "the client's load thread stood ready without a core {wait:.0} % of the time: throughput may be too low by as much"
        )
    })
}

fn loop_lag(check: &SelfCheck) -> Option<String> {
    let lag = check.loop_lag_ms_p99?;
    let late = check
        .arrival_clock
        .as_deref()
        .is_some_and(|clock| clock != "kernel");
    (late && lag > LOOP_LAG_LIMIT_MS).then(|| {
        format!(
            "arrivals bear no kernel stamp and the client's event loop was late by {lag:.1} ms (p99): latencies are too long by as much"
        )
    })
}

fn concurrency(offered: &Offered) -> Option<String> {
    let Level::Concurrency(asked) = offered.level else {
        return None;
    };
    let achieved = offered.concurrency?;
    (achieved < OFFERED_LIMIT * f64::from(asked))
        .then(|| format!("{achieved:.1} requests were in flight on average, {asked} were asked"))
}

fn request_rate(offered: &Offered) -> Option<String> {
    let (sent, planned) = (offered.sent_rate?, offered.planned_rate?);
    (sent < OFFERED_LIMIT * planned).then(|| {
        format!(
            "{planned:.1} requests/s were planned, {sent:.1} were sent: latencies from sending are a lower bound"
        )
    })
}

fn ran_out(requests: u64, of: &str) -> Option<String> {
    (requests > 0).then(|| format!("this machine had no {of} left for {requests} requests"))
}

fn steal(check: &SelfCheck) -> Option<String> {
    let steal = check.steal_percent?;
    (steal >= STEAL_LIMIT_PERCENT).then(|| {
        format!(
            "the hypervisor took {steal:.0} % of this machine's CPU: backend and client were slowed by it"
        )
    })
}

fn clock_step(check: &SelfCheck) -> Option<String> {
    let stamped = check
        .arrival_clock
        .as_deref()
        .is_some_and(|clock| clock != "user");
    let steps = check.clock_steps.filter(|steps| stamped && *steps > 0)?;
    let by = check.clock_step_ms_max?;
    Some(format!(
        "the wall clock jumped, {steps} times, by up to {by:.1} ms: kernel stamps near it may be off"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Rate;

    const CLOSED: Offered = Offered {
        level: Level::Concurrency(64),
        concurrency: Some(63.9),
        sent_rate: None,
        planned_rate: None,
        out_of_files: 0,
        out_of_ports: 0,
    };

    fn quiet() -> SelfCheck {
        SelfCheck {
            client_cpu_percent: Some(40.0),
            core_wait_percent: Some(2.0),
            loop_lag_ms_p99: Some(0.3),
            arrival_clock: Some("kernel".to_owned()),
            steal_percent: Some(0.1),
            clock_steps: Some(0),
            ..SelfCheck::default()
        }
    }

    fn broken(check: &SelfCheck, offered: &Offered) -> Vec<Check> {
        let breaches = judge(check, offered);
        breaches.iter().map(|breach| breach.check).collect()
    }

    #[test]
    fn a_quiet_cell_breaks_nothing_and_neither_does_one_that_tells_nothing() {
        assert_eq!(judge(&quiet(), &CLOSED), []);
        assert_eq!(judge(&SelfCheck::default(), &CLOSED), []);
    }

    #[test]
    fn a_full_load_thread_is_the_limit() {
        let check = SelfCheck {
            client_cpu_percent: Some(97.4),
            ..quiet()
        };
        let breaches = judge(&check, &CLOSED);
        assert_eq!(breaches[0].check, Check::ClientBusy);
        assert!(breaches[0].check.means_client_limit());
        assert!(
            breaches[0]
                .text
                .contains("worked 97 % and waited for a core 2 %")
        );
    }

    #[test]
    fn a_load_thread_beside_a_busy_loop_is_full_at_half_a_core() {
        let check = SelfCheck {
            client_cpu_percent: Some(49.0),
            core_wait_percent: Some(48.0),
            ..quiet()
        };
        assert_eq!(
            broken(&check, &CLOSED),
            [Check::ClientBusy, Check::CoreWait]
        );
    }

    #[test]
    fn an_open_loop_that_waits_awake_is_not_busy() {
        let check = SelfCheck {
            client_cpu_percent: Some(99.0),
            ..quiet()
        };
        let open = |rate| Offered {
            level: Level::RequestRate(Rate(rate)),
            concurrency: Some(3.0),
            ..CLOSED
        };
        assert_eq!(broken(&check, &open(900.0)), []);
        assert_eq!(broken(&check, &open(f64::INFINITY)), [Check::ClientBusy]);
    }

    #[test]
    fn a_late_loop_falsifies_only_arrivals_without_kernel_stamps() {
        let mut check = SelfCheck {
            loop_lag_ms_p99: Some(8.2),
            ..quiet()
        };
        assert_eq!(broken(&check, &CLOSED), []);
        for clock in ["user", "mixed"] {
            check.arrival_clock = Some(clock.to_owned());
            assert_eq!(broken(&check, &CLOSED), [Check::LoopLag]);
        }
    }

    #[test]
    fn a_load_below_what_was_asked_is_another_level() {
        let fewer = Offered {
            concurrency: Some(60.7),
            ..CLOSED
        };
        assert_eq!(broken(&quiet(), &fewer), [Check::Concurrency]);
        // 95 % of 64 is 60.8.
        let enough = Offered {
            concurrency: Some(60.9),
            ..CLOSED
        };
        assert_eq!(broken(&quiet(), &enough), []);
        let open = |sent| Offered {
            level: Level::RequestRate(Rate(40.0)),
            sent_rate: Some(sent),
            planned_rate: Some(40.0),
            ..CLOSED
        };
        assert_eq!(broken(&quiet(), &open(38.1)), []);
        assert_eq!(broken(&quiet(), &open(31.2)), [Check::RequestRate]);
    }

    #[test]
    fn requests_without_a_descriptor_or_a_port_make_the_client_the_limit() {
        let offered = Offered {
            out_of_files: 3,
            out_of_ports: 1,
            ..CLOSED
        };
        let breaches = judge(&quiet(), &offered);
        assert_eq!(
            breaches[0].text,
            "this machine had no file descriptor left for 3 requests"
        );
        assert_eq!(breaches[1].check, Check::LocalPorts);
        assert!(breaches.iter().all(|b| b.check.means_client_limit()));
    }

    #[test]
    fn stolen_cpu_and_a_jump_of_the_clock_are_told() {
        let check = SelfCheck {
            steal_percent: Some(7.2),
            clock_steps: Some(1),
            clock_step_ms_max: Some(250.0),
            ..quiet()
        };
        assert_eq!(broken(&check, &CLOSED), [Check::Steal, Check::ClockStep]);
        let user = SelfCheck {
            arrival_clock: Some("user".to_owned()),
            ..check
        };
        assert_eq!(broken(&user, &CLOSED), [Check::Steal]);
    }
}
