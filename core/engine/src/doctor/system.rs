//! Looks at cores, memory and disk, and at how busy they are.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use inferbench_model::doctor::machine::{Cores, CpuTime, Disk, Governors, LoadAverage, Memory};
use nix::sys::statvfs::statvfs;
use nix::unistd::{AccessFlags, access};
use procfs::process::Process;
use procfs::{CpuInfo, CpuTime as Ticks, Current, CurrentSI, KernelStats, Meminfo};

use crate::os::cgroup;

pub(super) const CPUS: &str = "/sys/devices/system/cpu";

/// How long the cores are watched: a tick of one core among 128 is then far
/// below 1 %, and a tick of one of two cores 0.5 %.
const WATCHED: Duration = Duration::from_secs(1);

pub(super) fn cores() -> Cores {
    let quota = cgroup::files("cpu", "cpu.max");
    let quotas = quota.iter().filter_map(|text| cgroup::quota_v2(text));
    let old = cgroup::files("cpu", "cpu.cfs_quota_us");
    let periods = cgroup::files("cpu", "cpu.cfs_period_us");
    let old = old.iter().zip(&periods);
    let all = quotas.chain(old.filter_map(|(quota, period)| cgroup::quota(quota, period)));
    let present = CpuInfo::current().ok().map(|cpus| cpus.num_cores());
    Cores {
        present: present
            .and_then(|n| u32::try_from(n).ok())
            .filter(|n| *n > 0),
        usable: usable_cores(),
        quota: all.min_by(f64::total_cmp),
    }
}

/// Cores that this process may run on.
fn usable_cores() -> Option<u32> {
    let status = Process::myself()
        .and_then(|process| process.status())
        .ok()?;
    let allowed = status
        .cpus_allowed?
        .iter()
        .map(|mask| mask.count_ones())
        .sum();
    (allowed > 0).then_some(allowed)
}

/// Governors of all cores that have one.
pub(super) fn governors(cpus: &Path) -> Governors {
    let mut cores = BTreeMap::new();
    for entry in fs::read_dir(cpus).into_iter().flatten().flatten() {
        let file = entry.path().join("cpufreq/scaling_governor");
        if let Ok(name) = fs::read_to_string(file) {
            *cores.entry(name.trim().to_owned()).or_insert(0) += 1;
        }
    }
    Governors { cores }
}

pub(super) fn load_average() -> LoadAverage {
    let load = procfs::LoadAverage::current().ok();
    LoadAverage {
        one_minute: load.as_ref().map(|load| f64::from(load.one)),
        fifteen_minutes: load.as_ref().map(|load| f64::from(load.fifteen)),
        cores: usable_cores(),
    }
}

pub(super) fn cpu_time() -> CpuTime {
    let ticks = || KernelStats::current().ok().map(|stats| stats.total);
    let before = ticks();
    std::thread::sleep(WATCHED);
    let shares = before
        .zip(ticks())
        .and_then(|(before, now)| shares(&before, &now));
    CpuTime {
        watched_ms: WATCHED.as_millis() as u64,
        busy_percent: shares.map(|(busy, _)| busy),
        steal_percent: shares.and_then(|(_, steal)| steal),
    }
}

/// Busy and stolen time between two readings, percent of all time.
fn shares(before: &Ticks, now: &Ticks) -> Option<(f64, Option<f64>)> {
    let idle = |t: &Ticks| t.idle + t.iowait.unwrap_or(0);
    let steal = |t: &Ticks| t.steal.unwrap_or(0);
    let busy = |t: &Ticks| t.user + t.nice + t.system + t.irq.unwrap_or(0) + t.softirq.unwrap_or(0);
    let rise = |of: &dyn Fn(&Ticks) -> u64| of(now).saturating_sub(of(before)) as f64;
    let all = rise(&idle) + rise(&steal) + rise(&busy);
    let percent = |ticks: f64| ticks / all * 100.0;
    let stolen = now.steal.map(|_| percent(rise(&steal)));
    (all > 0.0).then(|| (percent(rise(&busy)), stolen))
}

pub(super) fn memory() -> Memory {
    let memory = Meminfo::current().ok();
    Memory {
        total_bytes: memory.as_ref().map(|memory| memory.mem_total),
        available_bytes: memory.as_ref().and_then(|memory| memory.mem_available),
    }
}

pub(super) fn disk(folder: &Path) -> Disk {
    let existing = nearest_existing(folder);
    let system = existing.as_ref().and_then(|path| statvfs(path).ok());
    let bytes = |blocks: u64, size: u64| blocks.saturating_mul(size);
    Disk {
        folder: folder.display().to_string(),
        writable: existing.as_ref().map(|path| {
            let needed = AccessFlags::W_OK | AccessFlags::X_OK;
            path.is_dir() && access(path, needed).is_ok()
        }),
        free_bytes: system.map(|s| bytes(s.blocks_available(), s.fragment_size())),
        size_bytes: system.map(|s| bytes(s.blocks(), s.fragment_size())),
        existing: existing.map(|path| path.display().to_string()),
    }
}

/// The path itself or the nearest above it that exists.
fn nearest_existing(path: &Path) -> Option<PathBuf> {
    let absolute = std::path::absolute(path).ok()?;
    let mut above = absolute.ancestors();
    above.find(|path| path.exists()).map(Path::to_owned)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::*;

    #[test]
    fn governors_are_counted_and_folders_without_one_left_out() {
        let cpus = tempfile::tempdir().unwrap();
        for (core, name) in [("cpu0", "performance\n"), ("cpu1", "powersave\n")] {
            let folder = cpus.path().join(core).join("cpufreq");
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("scaling_governor"), name).unwrap();
        }
        fs::create_dir(cpus.path().join("cpuidle")).unwrap();
        let expected = [("performance".to_owned(), 1), ("powersave".to_owned(), 1)];
        assert_eq!(governors(cpus.path()).cores, BTreeMap::from(expected));
        assert!(governors(Path::new("/nowhere")).cores.is_empty());
    }

    #[test]
    fn a_folder_that_is_still_to_be_made_is_judged_by_the_one_above_it() {
        let folder = tempfile::tempdir().unwrap();
        let facts = disk(&folder.path().join("a/b"));
        assert_eq!(facts.existing, Some(folder.path().display().to_string()));
        assert_eq!(facts.writable, Some(true));
        assert!(facts.free_bytes.unwrap() <= facts.size_bytes.unwrap());
    }

    #[test]
    fn a_file_in_the_place_of_the_folder_cannot_be_written_into() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(disk(&file.path().join("runs")).writable, Some(false));
    }

    #[test]
    fn this_machine_has_cores_and_time() {
        assert!(usable_cores().unwrap() >= 1);
        let now = KernelStats::current().unwrap().total;
        assert_eq!(shares(&now, &now), None, "no time has passed");
    }
}
