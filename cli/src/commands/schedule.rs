//! What `validate --show-schedule` prints: the load of each level over time.

use inferbench_engine::prepare::PreparedRun;
use inferbench_model::config::Level;
use inferbench_model::plan::preview::{LoadOverTime, sends_over_time, slots_over_time};
use inferbench_model::plan::schedule::Schedule;
use inferbench_model::plan::seed;
use inferbench_model::text::number::{counted, with_unit};
use serde::Serialize;

use crate::table::{columns, picture};

/// The load of one level over time, in the first repeat.
#[derive(Serialize)]
pub(super) struct LevelSchedule {
    #[serde(flatten)]
    level: Level,
    /// Absent where all begins at once.
    over_time: Option<LoadOverTime>,
}

/// The load of every level, for a terminal of that width.
pub(super) fn schedules(prepared: &PreparedRun, width: usize) -> Vec<LevelSchedule> {
    let levels = prepared.config.load.levels().into_iter().enumerate();
    let each = levels.map(|(index, level)| LevelSchedule {
        level,
        over_time: over_time(prepared, (index, level), columns(width)),
    });
    each.collect()
}

fn over_time(
    prepared: &PreparedRun,
    (index, level): (usize, Level),
    parts: usize,
) -> Option<LoadOverTime> {
    let load = &prepared.config.load;
    if let Level::Concurrency(slots) = level {
        return slots_over_time(load, slots, parts);
    }
    let seed = seed::arrivals(prepared.config.seed, 0, index);
    // A prepared run has times where its levels need them.
    let schedule = Schedule::at_level(load, level, seed, prepared.trace.as_ref()).ok()??;
    sends_over_time(load, level, schedule, parts)
}

/// Prints one of them.
pub(super) fn show(schedule: &LevelSchedule) {
    println!("\n{}", head(schedule));
    if let Some(load) = &schedule.over_time {
        picture(load).iter().for_each(|line| println!("{line}"));
    }
}

/// `4 requests/s, requests sent per second: 240 requests in 60.0 s`.
fn head(schedule: &LevelSchedule) -> String {
    let level = schedule.level;
    match (&schedule.over_time, level) {
        (None, Level::Concurrency(_)) => format!("{level}: all slots begin at once"),
        (None, _) => format!("{level}: all requests are sent at once"),
        (Some(load), _) => match load.sends {
            Some(sends) => format!(
                "{level}, requests sent per second: {} in {}",
                counted(sends, "request"),
                with_unit(load.length_s, "s")
            ),
            None => format!("{level}, slots that have begun:"),
        },
    }
}
