//! What the client itself did during a cell, and when that makes the cell's
//! figures untrustworthy.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::Level;
use crate::facts::warning::WarningKind;

/// CPU of the load thread, plus the time it was ready and had no core, in
/// percent of the cell, from which on throughput may be the client's own limit:
/// a loop that is busy for nine tenths of the time has no room left for bursts.
pub const BUSY_LIMIT_PERCENT: f64 = 90.0;
/// Time that the load thread was ready and had no core, in percent of the
/// cell. A slot that waits for a core sends nothing, so a closed loop may lose
/// up to this share of its throughput; a tenth would turn a verdict.
pub const CORE_WAIT_LIMIT_PERCENT: f64 = 10.0;
/// Share of the load that keeps such a cell unmarked if it was offered all the same: 2 % are
/// as much as a figure may be off by without a mark.
pub const WAITED_OFFERED_LIMIT: f64 = 0.98;
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

/// Time in which the client stood still, as a share of a cell of a closed loop: from
/// here on it reaches into p99.
pub const STALL_LIMIT_SHARE: f64 = 0.01;
/// The same of an open loop, whose sends pile up meanwhile and come all at once: half
/// of it, since their queue lasts as long again.
pub const OPEN_STALL_LIMIT_SHARE: f64 = 0.005;
/// Time for which the client's control group was held, as a share of a cell.
pub const THROTTLE_LIMIT_SHARE: f64 = 0.01;
/// Sleep of the machine below this is the scatter of two clock readings.
pub const SLEPT_LIMIT_S: f64 = 0.01;
/// Share of requests whose first output may have come earlier, and of output events that
/// may, from which on they move a p99: a quarter of the values that lie above it.
pub const SHARED_READ_LIMIT: f64 = 0.0025;
/// Lateness of the client, p99, below which events share reads because the server
/// wrote them together.
pub const LATE_LIMIT_MS: f64 = 0.5;

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
    /// Requests whose first output shared its read, so that it may have come earlier
    /// by a time that matters, as a share; 0 if that is not known.
    pub first_outputs_shared: f64,
    /// Output events that shared a read, as a share; 0 if that is not known.
    pub events_shared: f64,
}

/// Every threshold that a cell broke; none if its figures can be trusted. What
/// is not known breaks none.
#[must_use]
pub fn judge(check: &SelfCheck, offered: &Offered) -> Vec<WarningKind> {
    let found = [
        client_busy(check, offered.level),
        client_waited(check, offered),
        stamped_late(check),
        client_stalled(check, offered.level),
        client_throttled(check),
        machine_slept(check),
        read_late(check, offered),
        fewer_in_flight(offered),
        fewer_sent(check, offered),
        some(offered.out_of_files).map(|requests| WarningKind::NoOpenFiles { requests }),
        some(offered.out_of_ports).map(|requests| WarningKind::NoLocalPorts { requests }),
        cpu_stolen(check),
        clock_jumped(check),
    ];
    found.into_iter().flatten().collect()
}

fn some(requests: u64) -> Option<u64> {
    (requests > 0).then_some(requests)
}

fn client_busy(check: &SelfCheck, level: Level) -> Option<WarningKind> {
    // An open loop waits awake for the next planned send, which is no work.
    if level.is_timed() {
        return None;
    }
    let cpu_percent = check.client_cpu_percent?;
    let core_wait_percent = check.core_wait_percent.unwrap_or(0.0);
    (cpu_percent + core_wait_percent >= BUSY_LIMIT_PERCENT).then_some(WarningKind::ClientBusy {
        cpu_percent,
        core_wait_percent,
    })
}

/// What a client that waits for a core loses is load: a slot waits with it for its next
/// request. Where the load was as asked, it has lost nothing.
fn client_waited(check: &SelfCheck, offered: &Offered) -> Option<WarningKind> {
    let core_wait_percent = check.core_wait_percent?;
    let share = match offered.level {
        Level::Concurrency(asked) => offered.concurrency.map(|n| n / f64::from(asked)),
        Level::RequestRate(_) | Level::TraceSpeed(_) => offered
            .sent_rate
            .zip(offered.planned_rate)
            .map(|(sent, planned)| sent / planned),
    };
    let is_less = share.is_none_or(|share| share < WAITED_OFFERED_LIMIT);
    (core_wait_percent >= CORE_WAIT_LIMIT_PERCENT && is_less)
        .then_some(WarningKind::ClientWaited { core_wait_percent })
}

fn stamped_late(check: &SelfCheck) -> Option<WarningKind> {
    let loop_lag_ms_p99 = check.loop_lag_ms_p99?;
    let late = check
        .arrival_clock
        .as_deref()
        .is_some_and(|clock| clock != "kernel");
    (late && loop_lag_ms_p99 > LOOP_LAG_LIMIT_MS)
        .then_some(WarningKind::StampedLate { loop_lag_ms_p99 })
}

fn client_stalled(check: &SelfCheck, level: Level) -> Option<WarningKind> {
    let share = check.stalled_percent? / 100.0;
    let limit = match level {
        Level::Concurrency(_) => STALL_LIMIT_SHARE,
        Level::RequestRate(_) | Level::TraceSpeed(_) => OPEN_STALL_LIMIT_SHARE,
    };
    (share > limit).then_some(WarningKind::ClientStalled {
        stalls: check.stalls.unwrap_or(0),
        longest_ms: check.stall_ms_max.unwrap_or(0.0),
        share,
    })
}

fn client_throttled(check: &SelfCheck) -> Option<WarningKind> {
    let share = check.throttled_percent? / 100.0;
    (share > THROTTLE_LIMIT_SHARE).then_some(WarningKind::ClientThrottled { share })
}

fn machine_slept(check: &SelfCheck) -> Option<WarningKind> {
    let slept_s = check.slept_s?;
    (slept_s > SLEPT_LIMIT_S).then_some(WarningKind::MachineSlept { slept_s })
}

/// A read has the stamp of its last bytes. Where the client was on time, its events
/// were written together, and that stamp is right for all of them.
fn read_late(check: &SelfCheck, offered: &Offered) -> Option<WarningKind> {
    let (first, events) = (offered.first_outputs_shared, offered.events_shared);
    let late_ms_p99 = check.late_ms_p99()?;
    let shared = first > SHARED_READ_LIMIT || events > SHARED_READ_LIMIT;
    shared.then_some(WarningKind::ReadLate {
        first_outputs_share: first,
        events_share: events,
        late_ms_p99,
    })
}

impl SelfCheck {
    /// Whether `max_in_flight` held back a send.
    #[must_use]
    pub fn was_held_back(&self) -> bool {
        self.held_back_sends.is_some_and(|sends| sends > 0)
    }

    /// A warning of sends that `max_in_flight` held back, of so many measured requests;
    /// `None` if there was none.
    #[must_use]
    pub fn held_back(&self, requests: u64) -> Option<WarningKind> {
        let sends = self.held_back_sends.and_then(some)?;
        Some(WarningKind::SendsHeldBack {
            sends,
            requests,
            mean_ms: self.held_back_ms_mean.unwrap_or(0.0),
            longest_ms: self.held_back_ms_max.unwrap_or(0.0),
        })
    }

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

    /// Lateness of the client's reads or of its event loop, p99, ms, the larger one, if
    /// it was late enough for events to share reads because of it.
    #[must_use]
    pub fn late_ms_p99(&self) -> Option<f64> {
        let late = [self.loop_lag_ms_p99, self.read_delay_ms_p99];
        let late_ms_p99 = late.into_iter().flatten().reduce(f64::max)?;
        (late_ms_p99 > LATE_LIMIT_MS).then_some(late_ms_p99)
    }
}

fn larger(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    one.into_iter().chain(other).reduce(f64::max)
}

fn fewer_in_flight(offered: &Offered) -> Option<WarningKind> {
    let Level::Concurrency(asked) = offered.level else {
        return None;
    };
    let in_flight = offered.concurrency?;
    (in_flight < OFFERED_LIMIT * f64::from(asked))
        .then_some(WarningKind::FewerInFlight { in_flight, asked })
}

/// What the limit of the config held back is no fault of the client's.
fn fewer_sent(check: &SelfCheck, offered: &Offered) -> Option<WarningKind> {
    if check.was_held_back() {
        return None;
    }
    let (sent_per_s, planned_per_s) = (offered.sent_rate?, offered.planned_rate?);
    (sent_per_s < OFFERED_LIMIT * planned_per_s).then_some(WarningKind::FewerSent {
        planned_per_s,
        sent_per_s,
    })
}

fn cpu_stolen(check: &SelfCheck) -> Option<WarningKind> {
    let steal_percent = check.steal_percent?;
    (steal_percent >= STEAL_LIMIT_PERCENT).then_some(WarningKind::CpuStolen { steal_percent })
}

fn clock_jumped(check: &SelfCheck) -> Option<WarningKind> {
    let stamped = check
        .arrival_clock
        .as_deref()
        .is_some_and(|clock| clock != "user");
    let steps = check.clock_steps.filter(|steps| stamped && *steps > 0)?;
    let largest_ms = check.clock_step_ms_max?;
    Some(WarningKind::ClockJumped { steps, largest_ms })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Rate;
    use crate::facts::warning::WarningCode;

    const CLOSED: Offered = Offered {
        level: Level::Concurrency(64),
        concurrency: Some(63.9),
        sent_rate: None,
        planned_rate: None,
        out_of_files: 0,
        out_of_ports: 0,
        first_outputs_shared: 0.0,
        events_shared: 0.0,
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

    fn broken(check: &SelfCheck, offered: &Offered) -> Vec<WarningCode> {
        judge(check, offered)
            .iter()
            .map(WarningKind::code)
            .collect()
    }

    #[test]
    fn a_quiet_cell_breaks_nothing_and_neither_does_one_without_readings() {
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
        assert_eq!(
            breaches,
            [WarningKind::ClientBusy {
                cpu_percent: 97.4,
                core_wait_percent: 2.0,
            }]
        );
        assert!(breaches[0].code().means_client_limit());
    }

    #[test]
    fn a_load_thread_beside_a_busy_loop_is_full_at_half_a_core() {
        let check = SelfCheck {
            client_cpu_percent: Some(49.0),
            core_wait_percent: Some(48.0),
            ..quiet()
        };
        // 62.5 of 64: 2.3 % of the load are missing; 63.9: 0.2 %.
        let less = Offered {
            concurrency: Some(62.5),
            ..CLOSED
        };
        let both = [WarningCode::ClientBusy, WarningCode::ClientWaited];
        assert_eq!(broken(&check, &less), both);
        assert_eq!(broken(&check, &CLOSED), [WarningCode::ClientBusy]);
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
        assert_eq!(
            broken(&check, &open(f64::INFINITY)),
            [WarningCode::ClientBusy]
        );
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
            assert_eq!(broken(&check, &CLOSED), [WarningCode::StampedLate]);
        }
    }

    #[test]
    fn events_that_share_reads_falsify_only_where_the_client_was_late() {
        let offered = |first_outputs_shared, events_shared| Offered {
            first_outputs_shared,
            events_shared,
            ..CLOSED
        };
        let late = SelfCheck {
            loop_lag_ms_p99: Some(4.0),
            read_delay_ms_p99: Some(0.2),
            ..quiet()
        };
        for (check, first, events, broken_by) in [
            (&late, 0.003, 0.0, vec![WarningCode::ReadLate]),
            (&late, 0.0, 0.003, vec![WarningCode::ReadLate]),
            (&late, 0.0025, 0.0025, vec![]),
            (&quiet(), 1.0, 1.0, vec![]),
        ] {
            assert_eq!(broken(check, &offered(first, events)), broken_by);
        }
    }

    #[test]
    fn a_client_that_stood_still_is_found_and_an_open_loop_sooner() {
        let check = |stalled_percent| SelfCheck {
            stalls: Some(1),
            stall_ms_max: Some(700.0),
            stalled_percent: Some(stalled_percent),
            ..quiet()
        };
        let open = Offered {
            level: Level::RequestRate(Rate(40.0)),
            ..CLOSED
        };
        assert_eq!(broken(&check(0.7), &CLOSED), []);
        assert_eq!(broken(&check(0.7), &open), [WarningCode::ClientStalled]);
        assert_eq!(broken(&check(1.1), &CLOSED), [WarningCode::ClientStalled]);
    }

    #[test]
    fn a_held_control_group_and_a_sleeping_machine_are_found() {
        let check = SelfCheck {
            throttled_percent: Some(2.0),
            slept_s: Some(30.0),
            ..quiet()
        };
        assert_eq!(
            broken(&check, &CLOSED),
            [WarningCode::ClientThrottled, WarningCode::MachineSlept]
        );
        let neither = SelfCheck {
            throttled_percent: Some(0.9),
            slept_s: Some(0.0),
            ..quiet()
        };
        assert_eq!(broken(&neither, &CLOSED), []);
    }

    #[test]
    fn a_load_below_what_was_asked_is_another_level() {
        let fewer = Offered {
            concurrency: Some(60.7),
            ..CLOSED
        };
        assert_eq!(broken(&quiet(), &fewer), [WarningCode::FewerInFlight]);
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
        assert_eq!(broken(&quiet(), &open(31.2)), [WarningCode::FewerSent]);
        // The same, held back by the config's own limit, is no fault of the client's.
        let held = SelfCheck {
            held_back_sends: Some(7),
            held_back_ms_mean: Some(20.0),
            held_back_ms_max: Some(90.0),
            ..quiet()
        };
        assert_eq!(broken(&held, &open(31.2)), []);
        assert_eq!(
            held.held_back(100),
            Some(WarningKind::SendsHeldBack {
                sends: 7,
                requests: 100,
                mean_ms: 20.0,
                longest_ms: 90.0,
            })
        );
        // A limit that was never reached excuses nothing.
        let unused = SelfCheck {
            held_back_sends: Some(0),
            ..quiet()
        };
        assert_eq!(broken(&unused, &open(31.2)), [WarningCode::FewerSent]);
        assert_eq!(unused.held_back(100), None);
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
            breaches,
            [
                WarningKind::NoOpenFiles { requests: 3 },
                WarningKind::NoLocalPorts { requests: 1 },
            ]
        );
        assert!(breaches.iter().all(|b| b.code().means_client_limit()));
    }

    #[test]
    fn stolen_cpu_and_a_jump_of_the_clock_are_reported() {
        let check = SelfCheck {
            steal_percent: Some(7.2),
            clock_steps: Some(1),
            clock_step_ms_max: Some(250.0),
            ..quiet()
        };
        assert_eq!(
            broken(&check, &CLOSED),
            [WarningCode::CpuStolen, WarningCode::ClockJumped]
        );
        let user = SelfCheck {
            arrival_clock: Some("user".to_owned()),
            ..check
        };
        assert_eq!(broken(&user, &CLOSED), [WarningCode::CpuStolen]);
    }
}
