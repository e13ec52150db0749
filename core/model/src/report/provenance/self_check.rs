//! The self-check in plain words: each of its checks once, with the worst that
//! any measurement showed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cell::measured::MeasuredCell;
use crate::cell::row::CellRow;
use crate::config::Level;
use crate::facts::key::CellKey;
use crate::facts::self_check::{
    BUSY_LIMIT_PERCENT, CLOCK_STEP_LIMIT_MS, CORE_WAIT_LIMIT_PERCENT, LOOP_LAG_LIMIT_MS,
    OFFERED_LIMIT, STEAL_LIMIT_PERCENT, WAITED_OFFERED_LIMIT,
};
use crate::facts::warning::WarningCode;
use crate::metrics::MetricValue;
use crate::text::number::{grouped, percent, three_digits, with_unit};

/// One check of the client over all measurements.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CheckSummary {
    /// Which check; its breaches have the same name in `cells.json`.
    pub check: WarningCode,
    /// What should hold, in words.
    pub claim: String,
    /// The worst that was found, in words.
    pub worst: String,
    /// The measurement that showed it; absent where none showed anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<CellKey>,
    /// What is allowed, in words.
    pub limit: String,
    /// Measurements that broke the limit.
    pub broken: u64,
}

/// How a check is read off a measurement and shown.
struct Shown {
    check: WarningCode,
    claim: &'static str,
    limit: String,
    /// What is judged; 0 where nothing was there to be judged, and absent where
    /// the check does not apply or nothing is known.
    value: fn(&CellRow) -> Option<f64>,
    /// Whether the lowest value is the worst.
    lowest: bool,
    words: fn(f64) -> String,
}

/// Every check that applies to some measurement, in a fixed order.
pub(crate) fn summary(cells: &[MeasuredCell<'_>]) -> Vec<CheckSummary> {
    let cells: Vec<&CellRow> = cells.iter().map(|cell| &cell.row).collect();
    let shown = [about_the_thread(), about_the_load(), about_the_machine()];
    let shown = shown.into_iter().flatten();
    shown.filter_map(|shown| shown.over(&cells)).collect()
}

impl Shown {
    fn over(&self, cells: &[&CellRow]) -> Option<CheckSummary> {
        let values = cells.iter().filter_map(|cell| {
            let value = (self.value)(cell)?;
            value.is_finite().then_some((value, cell))
        });
        let (worst, cell) = if self.lowest {
            values.min_by(|a, b| a.0.total_cmp(&b.0))
        } else {
            // The first of several that are equal, as for the lowest.
            values.rev().max_by(|a, b| a.0.total_cmp(&b.0))
        }?;
        let is_broken = |cell: &&&CellRow| cell.breaches.contains(&self.check);
        Some(CheckSummary {
            check: self.check,
            claim: self.claim.to_owned(),
            worst: (self.words)(worst),
            place: (worst != 0.0).then(|| CellKey {
                backend: cell.backend.clone(),
                block: cell.block,
                level: cell.level,
            }),
            limit: self.limit.clone(),
            broken: cells.iter().filter(is_broken).count() as u64,
        })
    }
}

fn about_the_thread() -> Vec<Shown> {
    vec![
        Shown {
            check: WarningCode::ClientBusy,
            claim: "The client's load thread had CPU to spare",
            limit: format!("below {BUSY_LIMIT_PERCENT} % of a core, waiting for one included"),
            value: |cell| {
                // An open loop waits awake, which is no work.
                let waits_awake = cell.level.is_timed();
                let wait = cell.self_check.core_wait_percent.unwrap_or(0.0);
                let busy = cell.self_check.client_cpu_percent?;
                (!waits_awake).then_some(busy + wait)
            },
            lowest: false,
            words: |value| format!("{} % of a core", three_digits(value)),
        },
        Shown {
            check: WarningCode::ClientWaited,
            claim: "It got a core when it needed one, or lost no load",
            limit: format!(
                "waiting below {CORE_WAIT_LIMIT_PERCENT} % of the time, or {:.0} % of the load offered",
                WAITED_OFFERED_LIMIT * 100.0
            ),
            value: |cell| cell.self_check.core_wait_percent,
            lowest: false,
            words: |value| format!("waited {} % of the time", three_digits(value)),
        },
        Shown {
            check: WarningCode::StampedLate,
            claim: "Arrivals were stamped on time",
            limit: format!("by the kernel, or {LOOP_LAG_LIMIT_MS} ms late at most (p99)"),
            value: |cell| match cell.self_check.arrival_clock.as_deref()? {
                "kernel" => Some(0.0),
                _ => cell.self_check.loop_lag_ms_p99,
            },
            lowest: false,
            words: |value| match value {
                0.0 => "by the kernel".to_owned(),
                late => format!("{} late (p99)", with_unit(late, "ms")),
            },
        },
    ]
}

fn about_the_load() -> Vec<Shown> {
    let offered = |of: &str| format!("{:.0} % of {of} or more", OFFERED_LIMIT * 100.0);
    vec![
        Shown {
            check: WarningCode::FewerInFlight,
            claim: "As many requests were in flight as asked",
            limit: offered("them"),
            value: |cell| {
                let Level::Concurrency(asked) = cell.level else {
                    return None;
                };
                let achieved = cell.metrics.get("achieved_concurrency");
                let achieved = achieved.and_then(MetricValue::typical)?;
                Some(achieved / f64::from(asked))
            },
            lowest: true,
            words: |share| format!("{} of them", percent(share)),
        },
        Shown {
            check: WarningCode::FewerSent,
            claim: "Requests were sent when planned",
            limit: offered("the planned rate"),
            value: |cell| {
                // What a cap held back is no fault of the client's.
                let is_judged = cell.level.is_timed() && !cell.self_check.was_held_back();
                let broken = cell.breaches.contains(&WarningCode::FewerSent);
                is_judged.then_some(f64::from(u8::from(broken)))
            },
            lowest: false,
            words: |value| match value {
                0.0 => "no measurement fell short".to_owned(),
                _ => "fewer were sent".to_owned(),
            },
        },
    ]
}

fn about_the_machine() -> Vec<Shown> {
    vec![
        Shown {
            check: WarningCode::NoOpenFiles,
            claim: "File handles were enough",
            limit: "no request without one".to_owned(),
            value: |cell| cell.self_check.open_files.map(|n| n as f64),
            lowest: false,
            words: |value| format!("{} open", grouped(value as u64)),
        },
        Shown {
            check: WarningCode::NoLocalPorts,
            claim: "Local ports were enough",
            limit: "no request without one".to_owned(),
            value: |cell| cell.self_check.local_ports_left.map(|n| n as f64),
            lowest: true,
            words: |value| format!("{} left", grouped(value as u64)),
        },
        Shown {
            check: WarningCode::CpuStolen,
            claim: "No other virtual machine took the CPU",
            limit: format!("below {STEAL_LIMIT_PERCENT} % of it"),
            value: |cell| cell.self_check.steal_percent,
            lowest: false,
            words: |value| format!("{} % of it", three_digits(value)),
        },
        Shown {
            check: WarningCode::ClockJumped,
            claim: "The clock made no step",
            limit: format!("none above {CLOCK_STEP_LIMIT_MS} ms"),
            value: |cell| {
                // Only the kernel's stamps go by the clock that can step.
                let found = &cell.self_check;
                let is_stamped = found.arrival_clock.as_deref()? != "user";
                let steps = found.clock_steps.filter(|_| is_stamped)?;
                match steps {
                    0 => Some(0.0),
                    _ => found.clock_step_ms_max,
                }
            },
            lowest: false,
            words: |value| match value {
                0.0 => "none".to_owned(),
                by => format!("one of {}", with_unit(by, "ms")),
            },
        },
    ]
}
