//! Sentences of warnings about GPUs and memory.

use crate::facts::warning::WarningKind;
use crate::text::number::{bytes, grouped, percent};

pub(super) fn words(kind: &WarningKind) -> Option<String> {
    of_gpus(kind).or_else(|| of_memory(kind))
}

/// Energy and clocks.
fn of_gpus(kind: &WarningKind) -> Option<String> {
    Some(match kind {
        WarningKind::EnergyPartial { gpus } => {
            let gpus: Vec<String> = gpus.iter().map(|gpu| format!("GPU {gpu}")).collect();
            format!(
                "energy is partial: without {}, which gives none",
                gpus.join(", ")
            )
        }
        WarningKind::EnergyDisagrees {
            gpu,
            difference_percent,
        } => format!(
            "GPU {gpu}: the integral of its power is {difference_percent:+.1} % off its energy counter"
        ),
        WarningKind::EnergyCounterUnused {
            gpu,
            difference_percent,
        } => {
            let counts = match *difference_percent < 0.0 {
                true => "counts more than the GPU, as that of a whole module does",
                false => "counts less than the GPU draws",
            };
            format!(
                "GPU {gpu}: its energy counter {counts}: the integral of its power is {difference_percent:+.1} % off it, and is what is shown"
            )
        }
        WarningKind::GpuThrottled {
            gpu,
            seconds_by_reason,
        } => {
            let reasons = seconds_by_reason.iter();
            let each: Vec<String> = reasons.map(|(r, s)| format!("{r} for {s:.1} s")).collect();
            format!("GPU {gpu} was throttled: {}", each.join(", "))
        }
        _ => return None,
    })
}

/// Memory and the KV cache.
fn of_memory(kind: &WarningKind) -> Option<String> {
    Some(match kind {
        WarningKind::GpuSamplesMissing { detail } | WarningKind::KvCacheTooSmall { detail } => {
            detail.clone()
        }
        WarningKind::MemoryLeft {
            gpu,
            bytes: more,
            waited_s,
        } => {
            let what = match gpu {
                Some(gpu) => format!("memory of GPU {gpu} is"),
                None => "shared memory of the host is".to_owned(),
            };
            format!(
                "{} more {what} in use than before the first start, {waited_s:.0} s after it was stopped",
                bytes(*more)
            )
        }
        WarningKind::KvCacheFull {
            peak_usage_ratio,
            preemptions,
        } => kv_cache_full(*peak_usage_ratio, *preemptions),
        WarningKind::CountersWentBack { counters } => format!(
            "the server's counters went back ({}): a restart, or several servers that answer in turn; nothing is concluded from them",
            counters.join(", ")
        ),
        _ => return None,
    })
}

fn kv_cache_full(peak_usage_ratio: Option<f64>, preemptions: Option<f64>) -> String {
    let peak = peak_usage_ratio.map(|peak| format!("up to {} in use", percent(peak)));
    let preempted = preemptions.map(|n| {
        let times = if n > 1.0 { "times" } else { "time" };
        format!("requests preempted {} {times}", grouped(n.round() as u64))
    });
    let found: Vec<String> = peak.into_iter().chain(preempted).collect();
    format!("the KV cache was the limit here: {}", found.join(", "))
}
