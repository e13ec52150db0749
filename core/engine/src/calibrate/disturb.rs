//! Disturbs this process on purpose, to see whether its cells notice.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use inferbench_model::facts::calibration::Disturbance;

/// Computes until the process `$0` is gone, at which it looks now and then.
const NEIGHBOUR: &str =
    "while kill -0 $0; do i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; done";
/// Stops the process `$0` for `$1` s, and lets it go on for `$2` s.
const PAUSES: &str = "while kill -STOP $0; do sleep $1; kill -CONT $0; sleep $2; done";
/// Time from one pause to the next.
const PAUSE_EVERY: Duration = Duration::from_millis(250);
/// Period over which a quota is counted, us.
const QUOTA_PERIOD_US: u64 = 100_000;

/// A disturbance that lasts until it is dropped.
#[derive(Debug, Default)]
pub(super) struct Disturbed {
    children: Vec<Child>,
    group: Option<Group>,
}

impl Disturbed {
    /// Begins to disturb. Only what concerns this process and its machine: a burst is
    /// the server's.
    ///
    /// # Errors
    /// No process can be started, or the system gives no control group with a quota.
    pub(super) fn start(how: &Disturbance) -> io::Result<Self> {
        let mut disturbed = Self::default();
        let cores = std::thread::available_parallelism().map_or(1, |n| n.get() as u32);
        for _ in 0..cores * how.neighbours_per_core {
            disturbed.children.push(shell(NEIGHBOUR, &[])?);
        }
        if let Some(pause_ms) = how.pause_ms {
            let pause = Duration::from_millis(pause_ms.into());
            let times = [pause, PAUSE_EVERY.saturating_sub(pause)];
            let times = times.map(|time| time.as_secs_f64().to_string());
            disturbed.children.push(shell(PAUSES, &times)?);
        }
        if let Some(percent) = how.quota_percent {
            disturbed.group = Some(Group::join(percent)?);
        }
        Ok(disturbed)
    }
}

impl Drop for Disturbed {
    fn drop(&mut self) {
        for child in &mut self.children {
            // One that is gone already disturbs no more.
            drop(child.kill());
            drop(child.wait());
        }
    }
}

fn shell(script: &str, arguments: &[String]) -> io::Result<Child> {
    Command::new("sh")
        .args(["-c", script, &std::process::id().to_string()])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

/// A control group of its own that this process is in.
#[derive(Debug)]
struct Group {
    folder: PathBuf,
    parent: PathBuf,
}

impl Group {
    fn join(percent: u32) -> io::Result<Self> {
        let version_1 = Path::new("/sys/fs/cgroup/cpu");
        let parent = match version_1.join("cpu.cfs_quota_us").exists() || version_1.is_dir() {
            true => version_1,
            false => Path::new("/sys/fs/cgroup"),
        };
        let name = format!("inferbench-trust-{}", std::process::id());
        let group = Self {
            folder: parent.join(name),
            parent: parent.to_owned(),
        };
        fs::create_dir(&group.folder)?;
        let quota_us = QUOTA_PERIOD_US * u64::from(percent) / 100;
        if parent == version_1 {
            group.write("cpu.cfs_period_us", QUOTA_PERIOD_US)?;
            group.write("cpu.cfs_quota_us", quota_us)?;
        } else {
            group.write("cpu.max", format!("{quota_us} {QUOTA_PERIOD_US}"))?;
        }
        group.write("cgroup.procs", std::process::id())?;
        Ok(group)
    }

    fn write(&self, file: &str, value: impl ToString) -> io::Result<()> {
        fs::write(self.folder.join(file), value.to_string())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let back = self.parent.join("cgroup.procs");
        drop(fs::write(back, std::process::id().to_string()));
        drop(fs::remove_dir(&self.folder));
    }
}
