//! The script: devices, and what each reports over time.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Deserialize;
use serde_json::Value;

/// Name of a device that has none in the script.
pub const NAME: &str = "Stand-in GPU (no real device)";

/// What is played. Times are seconds since NVML was first initialised.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Script {
    /// What initialising gives: the end of an NVML error's name, e.g.
    /// `LIB_RM_VERSION_MISMATCH`; absent for success.
    pub init: Option<String>,
    /// Seconds that initialising takes.
    pub init_takes_s: f64,
    /// Number of devices to report, if not how many there are.
    pub device_count: Option<u32>,
    /// The devices, in NVML's order.
    pub devices: Vec<Device>,
}

/// A device, or a MIG instance of one. A figure that is absent is not supported.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Device {
    /// Its name, after [`NAME`].
    pub name: Option<String>,
    /// Whether its name is no UTF-8.
    pub name_is_no_text: bool,
    pub uuid: Option<String>,
    pub memory: Option<Memory>,
    /// Share of time with a kernel, percent.
    pub utilization_percent: Series,
    /// Share of time with traffic to its memory, percent.
    pub memory_controller_percent: Series,
    /// Power, by the call that all cards have.
    pub power_milliwatts: Series,
    /// Power at the instant, by its field.
    pub power_instant_milliwatts: Series,
    /// Mean power, by its field.
    pub power_average_milliwatts: Series,
    pub power_limit_milliwatts: Series,
    pub energy_millijoules: Series,
    /// Clock of the multiprocessors.
    pub sm_clock_mhz: Series,
    pub memory_clock_mhz: Series,
    pub temperature_celsius: Series,
    /// NVML's bits of reasons for low clocks.
    pub throttle_reasons: Series,
    pub performance_state: Series,
    /// Into the device, KiB/s.
    pub pcie_rx_kib_per_s: Series,
    /// Out of the device, KiB/s.
    pub pcie_tx_kib_per_s: Series,
    /// Processes on it; absent if it lists none of them.
    pub processes: Option<Vec<Process>>,
    /// Number of processes to report, if not how many there are.
    pub process_count: Option<u32>,
    /// Its MIG instances; MIG is on if there are any.
    pub mig: Vec<Device>,
    /// When it falls off the bus.
    pub lost_from_s: Option<f64>,
    /// When its calls stop returning.
    pub hangs_from_s: Option<f64>,
    /// When calls that hang return again.
    pub hangs_until_s: Option<f64>,
    /// How long the reading of its memory takes, ms.
    pub delay_ms: Series,
}

/// Memory of a device, bytes.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Memory {
    /// All of it.
    pub total_bytes: u64,
    /// The driver's.
    pub reserved_bytes: u64,
    /// In use, without the driver's.
    pub used_bytes: Series,
}

/// A process on a device.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Process {
    pub pid: u32,
    /// A file with its id, read at each call, instead of `pid`; none is there
    /// while the file is not.
    pub pid_file: Option<std::path::PathBuf>,
    /// Memory that it uses; absent if that is not reported.
    pub used_bytes: Option<u64>,
    /// When it begins.
    pub from_s: f64,
    /// When it ends.
    pub until_s: Option<f64>,
}

/// A figure over time. Each of its values is a number, null (not supported) or
/// the end of an NVML error's name.
#[derive(Debug, Default, Deserialize)]
#[serde(untagged)]
pub enum Series {
    /// Not supported.
    #[default]
    Absent,
    /// One value after the other, one a call; the last stays.
    ByCall {
        by_call: Vec<Value>,
        /// Calls so far.
        #[serde(skip)]
        calls: AtomicUsize,
    },
    /// Each value from its second on: `[[0, 5], [2.5, null]]`.
    Steps {
        /// Times and values, ascending.
        steps: Vec<(f64, Value)>,
    },
    /// Straight lines between points, level before and after them.
    Lines {
        /// Times and numbers, ascending.
        lines: Vec<(f64, f64)>,
    },
    /// Always the same.
    Always(Value),
}

impl Series {
    /// The value now.
    pub(crate) fn at(&self, now_s: f64) -> Value {
        match self {
            Self::Absent => Value::Null,
            Self::ByCall { by_call, calls } => {
                let call = calls.fetch_add(1, Ordering::Relaxed);
                let call = by_call.get(call).or(by_call.last());
                call.cloned().unwrap_or_default()
            }
            Self::Steps { steps } => {
                let past = steps.iter().rev().find(|(from_s, _)| *from_s <= now_s);
                past.map(|(_, value)| value.clone()).unwrap_or_default()
            }
            Self::Lines { lines } => on_lines(lines, now_s).into(),
            Self::Always(value) => value.clone(),
        }
    }
}

fn on_lines(lines: &[(f64, f64)], now_s: f64) -> f64 {
    let next = lines.iter().position(|(at_s, _)| *at_s > now_s);
    match next {
        Some(0) => lines[0].1,
        Some(next) => {
            let ((from_s, from), (to_s, to)) = (lines[next - 1], lines[next]);
            from + (to - from) * (now_s - from_s) / (to_s - from_s)
        }
        None => lines.last().map_or(0.0, |(_, value)| *value),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::*;

    fn series(text: &str) -> Series {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_series_is_one_value_steps_lines_or_one_a_call() {
        assert_eq!(series("5").at(9.0), 5);
        assert_eq!(series("null").at(9.0), Value::Null);
        let steps = series(r#"{"steps": [[0, 1], [2, "GPU_IS_LOST"]]}"#);
        assert_eq!(
            (steps.at(1.9), steps.at(2.0)),
            (1.into(), "GPU_IS_LOST".into())
        );
        let lines = series(r#"{"lines": [[1, 10], [3, 30]]}"#);
        assert_eq!(
            [lines.at(0.0), lines.at(2.0), lines.at(4.0)],
            [10.0, 20.0, 30.0]
        );
        let calls = series(r#"{"by_call": [1, null]}"#);
        assert_eq!(
            [calls.at(0.0), calls.at(0.0), calls.at(0.0)],
            [1.into(), Value::Null, Value::Null]
        );
    }
}
