//! What follows from the GPUs and their driver.

use serde::Serialize;

use super::{Judged, Verdict};
use crate::text::number::bytes;

/// Share of a GPU's memory from which on it counts as in use by others: an idle
/// one holds some hundred MB of its own, which is below 1 % of 80 GB and
/// 4 % of 12 GB.
pub const USED_MEMORY_SHARE: f64 = 0.05;

/// Utilization from which on a GPU counts as busy for others, percent: a display
/// alone takes a percent or two.
pub const BUSY_PERCENT: u32 = 5;

/// The driver and its library.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DriverFacts {
    /// Why there is no NVML, in one line; absent if there is.
    pub absence: Option<String>,
    pub driver: Option<String>,
    pub nvml: Option<String>,
    /// Newest CUDA that the driver carries, `major.minor`.
    pub cuda: Option<String>,
    /// Devices that NVML lists.
    pub devices: Option<u32>,
}

impl Judged for DriverFacts {
    fn verdict(&self) -> Verdict {
        let elsewhere = "to use GPUs install the NVIDIA driver (in a container, pass them through); backends without a GPU and attached ones work as they are";
        if let Some(absence) = &self.absence {
            return Verdict::warning(absence, elsewhere);
        }
        let parts = [
            self.driver.as_ref().map(|v| format!("driver {v}")),
            self.nvml.as_ref().map(|v| format!("NVML {v}")),
            self.cuda.as_ref().map(|v| format!("CUDA up to {v}")),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        let words = parts.join(", ");
        match self.devices {
            Some(0) => Verdict::warning(format!("{words}; it lists no GPU"), elsewhere),
            Some(_) => Verdict::ok(words),
            None => Verdict::warning(
                format!("{words}; its GPUs cannot be counted"),
                "run nvidia-smi",
            ),
        }
    }
}

/// One GPU at one moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct GpuState {
    pub name: Option<String>,
    pub uuid: Option<String>,
    pub memory_bytes: Option<u64>,
    /// Memory in use.
    pub memory_used_bytes: Option<u64>,
    /// Processes that compute on it.
    pub processes: Option<u32>,
    /// Utilization, percent.
    pub utilization_percent: Option<u32>,
    pub temperature_celsius: Option<u32>,
    /// Power limit in effect.
    pub power_limit_watts: Option<f64>,
    /// Power limit that it came with.
    pub default_power_limit_watts: Option<f64>,
    /// Why its clocks are held down, other than by the load's own power.
    pub slowed_by: Vec<String>,
    /// It is split into MIG devices.
    pub mig: Option<bool>,
}

impl GpuState {
    fn words(&self) -> String {
        let used = self.memory_used_bytes.zip(self.memory_bytes);
        let parts = [
            Some(self.name.clone().unwrap_or_else(|| "unnamed".to_owned())),
            used.map(|(used, all)| format!("{} of {} used", bytes(used), bytes(all))),
            self.temperature_celsius.map(|t| format!("{t} °C")),
            self.power_limit_watts.map(|w| format!("limit {w:.0} W")),
            (self.mig == Some(true)).then(|| "MIG".to_owned()),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    /// Why the device would be measured slower than it is.
    fn trouble(&self) -> Option<(String, &'static str)> {
        if !self.slowed_by.is_empty() {
            let by = self.slowed_by.join(", ");
            return Some((
                format!("its clocks are held down by {by}"),
                "see nvidia-smi -q -d PERFORMANCE: cooling or power supply",
            ));
        }
        let share = |(used, all): (u64, u64)| used as f64 / all as f64;
        let used = self.memory_used_bytes.zip(self.memory_bytes).map(share);
        let busy = self.utilization_percent.filter(|u| *u >= BUSY_PERCENT);
        let processes = match self.processes {
            Some(1) => " by 1 process".to_owned(),
            Some(n) if n > 1 => format!(" by {n} processes"),
            _ => String::new(),
        };
        let others = "see nvidia-smi: other work on the GPU slows what is measured";
        if let Some(busy) = busy {
            return Some((format!("{busy} % busy{processes}"), others));
        }
        if used.is_some_and(|share| share >= USED_MEMORY_SHARE) {
            return Some((format!("memory in use{processes}"), others));
        }
        let limits = self.power_limit_watts.zip(self.default_power_limit_watts);
        let (_, default) = limits.filter(|(now, default)| now < default)?;
        Some((
            format!("below its default of {default:.0} W"),
            "a lower power limit is a slower GPU: nvidia-smi -pl sets it",
        ))
    }
}

impl Judged for GpuState {
    fn verdict(&self) -> Verdict {
        let words = self.words();
        match self.trouble() {
            None => Verdict::ok(words),
            Some((trouble, hint)) => Verdict::warning(format!("{words}; {trouble}"), hint),
        }
    }
}

/// `CUDA_VISIBLE_DEVICES`, which launched servers inherit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VisibleDevices {
    pub devices: String,
}

impl Judged for VisibleDevices {
    fn verdict(&self) -> Verdict {
        // CUDA takes no device from the first unknown index on.
        match self.devices.trim() {
            "" | "-1" => Verdict::warning(
                "hides every GPU from launched servers",
                "unset it, or set it in the backend's `env`",
            ),
            devices => Verdict::ok(format!("launched servers see only {devices}")),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::super::Status;
    use super::*;

    const GIB: u64 = 1 << 30;

    fn idle() -> GpuState {
        GpuState {
            name: Some("H100".to_owned()),
            memory_bytes: Some(80 * GIB),
            memory_used_bytes: Some(0),
            utilization_percent: Some(0),
            power_limit_watts: Some(700.0),
            default_power_limit_watts: Some(700.0),
            ..GpuState::default()
        }
    }

    #[test]
    fn a_machine_without_a_gpu_is_a_warning() {
        let facts = DriverFacts {
            absence: Some("no NVIDIA library".to_owned()),
            ..DriverFacts::default()
        };
        assert_eq!(facts.verdict().status, Status::Warning);
        assert_eq!(facts.verdict().text, "no NVIDIA library");
    }

    #[test]
    fn a_driver_without_devices_is_a_warning_and_with_some_it_is_ok() {
        let facts = |devices| DriverFacts {
            driver: Some("580.95".to_owned()),
            cuda: Some("13.0".to_owned()),
            devices,
            ..DriverFacts::default()
        };
        assert_eq!(facts(Some(0)).verdict().status, Status::Warning);
        assert_eq!(facts(None).verdict().status, Status::Warning);
        let two = facts(Some(2)).verdict();
        assert_eq!(two.status, Status::Ok);
        assert_eq!(two.text, "driver 580.95, CUDA up to 13.0");
    }

    #[test]
    fn memory_is_in_use_from_a_twentieth_on() {
        let with = |used| GpuState {
            memory_used_bytes: Some(used),
            processes: Some(2),
            ..idle()
        };
        assert_eq!(with(4 * GIB - 1).verdict().status, Status::Ok);
        let used = with(4 * GIB).verdict();
        assert_eq!(used.status, Status::Warning);
        assert!(used.text.ends_with("; memory in use by 2 processes"));
    }

    #[test]
    fn slow_clocks_come_before_all_other_trouble() {
        let state = GpuState {
            slowed_by: vec!["heat".to_owned()],
            utilization_percent: Some(100),
            ..idle()
        };
        assert!(state.verdict().text.ends_with("held down by heat"));
    }

    #[test]
    fn a_lowered_power_limit_is_reported_with_the_default() {
        let state = GpuState {
            power_limit_watts: Some(350.0),
            ..idle()
        };
        let verdict = state.verdict();
        assert_eq!(verdict.status, Status::Warning);
        assert!(verdict.text.contains("limit 350 W"));
        assert!(verdict.text.ends_with("below its default of 700 W"));
    }

    #[test]
    fn an_empty_list_of_visible_devices_hides_them_all() {
        let verdict = |devices: &str| {
            let devices = devices.to_owned();
            VisibleDevices { devices }.verdict()
        };
        assert_eq!(verdict("").status, Status::Warning);
        assert_eq!(verdict("-1").status, Status::Warning);
        assert_eq!(verdict("0,1"), Verdict::ok("launched servers see only 0,1"));
    }

    #[test]
    fn a_device_that_reports_nothing_is_no_trouble() {
        let verdict = GpuState::default().verdict();
        assert_eq!(
            (verdict.status, verdict.text.as_str()),
            (Status::Ok, "unnamed")
        );
    }
}
