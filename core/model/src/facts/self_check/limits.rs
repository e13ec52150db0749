//! The thresholds of the self-check, each with its reason, and which of them a cell broke.

use super::SelfCheck;
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

    /// Lateness of the client's reads or of its event loop, p99, ms, the larger one, if
    /// it was late enough for events to share reads because of it.
    #[must_use]
    pub fn late_ms_p99(&self) -> Option<f64> {
        let late = [self.loop_lag_ms_p99, self.read_delay_ms_p99];
        let late_ms_p99 = late.into_iter().flatten().reduce(f64::max)?;
        (late_ms_p99 > LATE_LIMIT_MS).then_some(late_ms_p99)
    }
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
