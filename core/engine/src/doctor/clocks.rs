//! Looks at how exact times are here.

use std::fs;

use inferbench_model::doctor::clocks::{CalibrationFacts, ClockSource, ReceiveStamps};
use inferbench_model::stats::median;

use crate::http::stamps;
use crate::os::clock;
use crate::store::calibration as stored_calibration;
use crate::telemetry::host;

const SOURCE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";

/// Readings in a row whose time is taken.
const READINGS: u64 = 1000;
/// Rows, of which the median counts.
const ROWS: usize = 15;

pub(super) fn source() -> ClockSource {
    let source = fs::read_to_string(SOURCE).ok();
    ClockSource {
        source: source.map(|name| name.trim().to_owned()),
        read_ns: Some(read_ns()),
    }
}

/// What one reading of the clock takes, ns.
fn read_ns() -> f64 {
    let row = || {
        let begin_ns = clock::now_ns();
        for _ in 0..READINGS {
            std::hint::black_box(clock::now_ns());
        }
        clock::now_ns().saturating_sub(begin_ns) as f64 / READINGS as f64
    };
    median((0..ROWS).map(|_| row())).unwrap_or(0.0)
}

pub(super) fn receive_stamps() -> ReceiveStamps {
    match stamps::try_out() {
        Ok(reads) => {
            let stamped = reads.iter().filter(|read| read.from_kernel);
            let delays = stamped.clone();
            let delay = |read: &crate::http::ReadStamp| {
                (read.returned_ns - read.arrival_ns) as f64 / 1000.0
            };
            ReceiveStamps {
                reads: reads.len() as u32,
                stamped: stamped.count() as u32,
                delay_us: median(delays.map(delay)),
                failure: None,
            }
        }
        Err(error) => ReceiveStamps {
            failure: Some(error.to_string()),
            ..ReceiveStamps::default()
        },
    }
}

/// `own_version`: that of this InferBench.
pub(super) fn calibration(own_version: &str) -> CalibrationFacts {
    let stored = stored_calibration::stored_for(&host::host_facts());
    CalibrationFacts {
        file: stored_calibration::default_file().map(|file| file.display().to_string()),
        line: stored
            .as_ref()
            .map(inferbench_model::facts::calibration::Calibration::line),
        version: stored.map(|stored| stored.inferbench_version),
        own_version: own_version.to_owned(),
    }
}
