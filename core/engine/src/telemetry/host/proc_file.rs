//! Files of `/proc` that are read at every sample: held open, and only as much
//! of them is taken apart as is used.

use std::fs::File;
use std::os::unix::fs::FileExt;

/// Longest part that is read: the lines that are looked for stand in front.
const PART_BYTES: usize = 1024;

/// A file that is opened once and read from its start each time.
#[derive(Debug)]
pub(super) struct ProcFile(Option<File>);

impl ProcFile {
    /// A file that cannot be opened says nothing.
    pub(super) fn open(path: &str) -> Self {
        Self(File::open(path).ok())
    }

    /// What `take` finds at the start of the file as it now is.
    pub(super) fn read<T>(&self, take: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let mut part = [0; PART_BYTES];
        let length = self.0.as_ref()?.read_at(&mut part, 0).ok()?;
        // A name that is cut off in the middle of a letter is behind what is used.
        let text = match std::str::from_utf8(&part[..length]) {
            Ok(text) => text,
            Err(error) => std::str::from_utf8(&part[..error.valid_up_to()]).ok()?,
        };
        take(text)
    }
}

/// Ticks in which any core worked since the machine was started, out of
/// `/proc/stat`: user, nice, system, irq and softirq.
pub(super) fn busy_ticks(stat: &str) -> Option<u64> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<u64> = line
        .split_whitespace()
        .map_while(|n| n.parse().ok())
        .collect();
    let at = |place: usize| ticks.get(place).copied();
    Some(at(0)? + at(1)? + at(2)? + at(5).unwrap_or(0) + at(6).unwrap_or(0))
}

/// Memory that programs could still get, bytes, out of `/proc/meminfo`.
pub(super) fn available_bytes(meminfo: &str) -> Option<u64> {
    let mut lines = meminfo.lines();
    let rest = lines.find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = rest.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// Mean of runnable tasks over one minute, out of `/proc/loadavg`.
pub(super) fn load_1m(loadavg: &str) -> Option<f64> {
    loadavg.split_whitespace().next()?.parse().ok()
}

/// Resident pages, out of `/proc/self/statm`.
pub(super) fn resident_pages(statm: &str) -> Option<u64> {
    statm.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_kernels_own_pages_are_understood() {
        // proc_stat(5): user nice system idle iowait irq softirq steal guest
        let stat = "cpu  10132153 290696 3084719 46828483 16683 100 25195 0 175628 0\ncpu0 1 2\n";
        assert_eq!(
            busy_ticks(stat),
            Some(10132153 + 290696 + 3084719 + 100 + 25195)
        );
        let memory = "MemTotal:       16315972 kB\nMemFree: 5 kB\nMemAvailable:    8921340 kB\n";
        assert_eq!(available_bytes(memory), Some(8921340 * 1024));
        assert_eq!(load_1m("0.20 0.18 0.12 1/80 11206\n"), Some(0.2));
        assert_eq!(resident_pages("7032 1234 900 5 0 300 0\n"), Some(1234));
        for text in ["", "cpu", "x y"] {
            assert_eq!(busy_ticks(text), None);
            assert_eq!(available_bytes(text), None);
            assert_eq!(load_1m(text), None);
        }
    }

    #[test]
    fn a_file_is_read_again_each_time() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "1 one").unwrap();
        let kept = ProcFile::open(file.path().to_str().unwrap());
        assert_eq!(kept.read(load_1m), Some(1.0));
        std::fs::write(&file, "2 two").unwrap();
        assert_eq!(kept.read(load_1m), Some(2.0));
        assert_eq!(ProcFile::open("/no/such/file").read(load_1m), None);
    }
}
