//! What follows from the clocks: how exact the times of a run can be.

use serde::Serialize;

use super::{Judged, Verdict};

/// Clock sources that a process reads without a system call, by the vDSO of
/// Linux (`arch/*/include/asm/vdso/gettimeofday.h` and `clocksource.h`).
const FAST_SOURCES: [&str; 5] = [
    "tsc",
    "kvm-clock",
    "hyperv_clocksource_tsc_page",
    "arch_sys_counter",
    "riscv_clocksource",
];

/// A reading of the clock may take so long, ns: a system call for it takes more
/// than 100 ns, the HPET a microsecond; each event of a stream is two readings.
pub const SLOW_READ_NS: f64 = 200.0;

/// The clock that times are read from.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ClockSource {
    /// The kernel's source; `None` if the system does not report it.
    pub source: Option<String>,
    /// What one reading takes, the median of many, ns.
    pub read_ns: Option<f64>,
}

impl Judged for ClockSource {
    fn verdict(&self) -> Verdict {
        let source = self.source.as_deref();
        let mut words = source.unwrap_or("unknown source").to_owned();
        if let Some(read_ns) = self.read_ns {
            words += &format!(", {read_ns:.0} ns a reading");
        }
        let hint = "each reading is a system call: see dmesg for why tsc is not used";
        let slow_source = source.is_some_and(|source| !FAST_SOURCES.contains(&source));
        // What was measured counts more than a name.
        match self.read_ns.map_or(slow_source, |ns| ns > SLOW_READ_NS) {
            true => Verdict::warning(words, hint),
            false => Verdict::ok(words),
        }
    }
}

/// The kernel's receive stamps, as tried on a connection of this machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ReceiveStamps {
    /// Reads that were tried.
    pub reads: u32,
    /// Reads with a stamp of the kernel.
    pub stamped: u32,
    /// From stamp to read, the median, us.
    pub delay_us: Option<f64>,
    /// Why it could not be tried.
    pub failure: Option<String>,
}

impl Judged for ReceiveStamps {
    fn verdict(&self) -> Verdict {
        let hint =
            "arrival times are then taken by the client after it has read: keep the machine quiet";
        if let Some(failure) = &self.failure {
            return Verdict::warning(format!("could not be tried: {failure}"), hint);
        }
        let delay = self
            .delay_us
            .map_or_else(String::new, |us| format!(", {us:.0} us before the read"));
        let words = format!("on {} of {} reads{delay}", self.stamped, self.reads);
        match self.stamped == self.reads && self.reads > 0 {
            true => Verdict::ok(words),
            false => Verdict::warning(words, hint),
        }
    }
}

/// The calibration that runs of this machine quote.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CalibrationFacts {
    /// Where it is kept; `None` if the user has no data folder.
    pub file: Option<String>,
    /// Its figures in a line; `None` if there is none for this machine.
    pub line: Option<String>,
    /// Version of InferBench that was calibrated.
    pub version: Option<String>,
    /// The version that runs now.
    pub own_version: String,
}

impl Judged for CalibrationFacts {
    fn verdict(&self) -> Verdict {
        let run = "run inferbench calibrate, about a minute";
        let Some(line) = &self.line else {
            return Verdict::warning(
                match self.file {
                    Some(_) => "none for this machine",
                    None => "cannot be stored: neither XDG_DATA_HOME nor HOME is set",
                },
                run,
            );
        };
        match self.version.as_ref() == Some(&self.own_version) {
            true => Verdict::ok(line),
            false => Verdict::warning(format!("of another version: {line}"), run),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    fn clock(source: Option<&str>, read_ns: Option<f64>) -> Verdict {
        let source = source.map(str::to_owned);
        ClockSource { source, read_ns }.verdict()
    }

    #[test]
    fn what_a_reading_takes_counts_more_than_the_name() {
        assert_eq!(
            clock(Some("tsc"), Some(24.6)),
            Verdict::ok("tsc, 25 ns a reading")
        );
        assert_eq!(clock(Some("hpet"), None).status, Status::Warning);
        assert_eq!(clock(Some("hpet"), Some(30.0)).status, Status::Ok);
        assert_eq!(clock(Some("tsc"), Some(1200.0)).status, Status::Warning);
        assert_eq!(clock(None, Some(30.0)).status, Status::Ok);
    }

    #[test]
    fn stamps_must_be_on_every_read() {
        let stamps = |stamped| ReceiveStamps {
            reads: 8,
            stamped,
            delay_us: Some(12.3),
            failure: None,
        };
        assert_eq!(
            stamps(8).verdict(),
            Verdict::ok("on 8 of 8 reads, 12 us before the read")
        );
        assert_eq!(stamps(7).verdict().status, Status::Warning);
        assert_eq!(ReceiveStamps::default().verdict().status, Status::Warning);
    }

    #[test]
    fn a_calibration_of_another_version_is_to_be_made_again() {
        let facts = |version: &str| CalibrationFacts {
            file: Some("/d/calibration.json".to_owned()),
            line: Some("error p99".to_owned()),
            version: Some(version.to_owned()),
            own_version: "0.2.0".to_owned(),
        };
        assert_eq!(facts("0.2.0").verdict(), Verdict::ok("error p99"));
        assert_eq!(facts("0.1.0").verdict().status, Status::Warning);
        let none = CalibrationFacts::default().verdict();
        assert_eq!(none.status, Status::Warning);
        assert!(none.text.contains("XDG_DATA_HOME"));
    }
}
