//! Sentences of warnings about the client and its machine.

use crate::facts::warning::WarningKind;
use crate::text::number::{grouped, percent};

pub(super) fn words(kind: &WarningKind) -> Option<String> {
    of_load_thread(kind)
        .or_else(|| of_stalls(kind))
        .or_else(|| of_machine(kind))
}

/// What the client did.
fn of_load_thread(kind: &WarningKind) -> Option<String> {
    Some(match kind {
        WarningKind::ClientBusy {
            cpu_percent,
            core_wait_percent,
        } => format!(
            "the client was the limit: its load thread worked {cpu_percent:.0} % and waited for a core {core_wait_percent:.0} % of the time, throughput is a lower bound"
        ),
        WarningKind::ClientWaited { core_wait_percent } => format!(
            "the client's load thread stood ready without a core {core_wait_percent:.0} % of the time: throughput may be too low by as much"
        ),
        WarningKind::StampedLate { loop_lag_ms_p99 } => format!(
            "arrivals bear no kernel stamp and the client's event loop was late by {loop_lag_ms_p99:.1} ms (p99): latencies are too long by as much"
        ),
        WarningKind::ReadLate {
            first_outputs_share,
            events_share,
            late_ms_p99,
        } => format!(
            "the client read late, by {late_ms_p99:.1} ms (p99): {} of the first outputs and {} of all output events were read together with later bytes, so they may have come earlier than their stamps say",
            percent(*first_outputs_share),
            percent(*events_share)
        ),
        WarningKind::SharedReads { share } => format!(
            "{:.1} % of the output events came in one read with another and share its arrival time: itl_ms holds their gaps as 0 and tpot_ms may be too small, see decode_ms_per_token",
            share * 100.0
        ),
        _ => return None,
    })
}

/// How it stood still.
fn of_stalls(kind: &WarningKind) -> Option<String> {
    Some(match kind {
        WarningKind::ClientStalled {
            stalls,
            longest_ms,
            share,
        } => format!(
            "the client stood still {}, for up to {longest_ms:.0} ms and {} of the time: requests were sent late, latencies and throughput hold its pauses",
            times(*stalls),
            percent(*share)
        ),
        WarningKind::ClientThrottled { share } => format!(
            "the client's control group used up its CPU quota and was held for {} of the time",
            percent(*share)
        ),
        WarningKind::MachineSlept { slept_s } => {
            format!("this machine slept for {slept_s:.1} s while the cell was measured")
        }
        _ => return None,
    })
}

/// What its machine lacked.
fn of_machine(kind: &WarningKind) -> Option<String> {
    Some(match kind {
        WarningKind::NoOpenFiles { requests } => ran_out(*requests, "file descriptor"),
        WarningKind::NoLocalPorts { requests } => ran_out(*requests, "local port"),
        WarningKind::CpuStolen { steal_percent } => format!(
            "the hypervisor took {steal_percent:.0} % of this machine's CPU: backend and client were slowed by it"
        ),
        WarningKind::ClockJumped { steps, largest_ms } => format!(
            "the wall clock jumped, {steps} times, by up to {largest_ms:.1} ms: kernel stamps near it may be off"
        ),
        _ => return None,
    })
}

fn times(n: u64) -> String {
    match n {
        1 => "once".to_owned(),
        n => format!("{} times", grouped(n)),
    }
}

fn ran_out(requests: u64, what: &str) -> String {
    format!("this machine had no {what} left for {requests} requests")
}
