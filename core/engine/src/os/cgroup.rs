//! Limits of the control groups that this process is in, of version 1 or 2.

use std::fs;
use std::path::{Path, PathBuf};

use procfs::ProcessCGroup;
use procfs::process::Process;

const ROOT: &str = "/sys/fs/cgroup";

/// The contents of `file` of this process's group and of those above it, the
/// nearest first; none if the system does not report them.
pub(crate) fn files(controller: &str, file: &str) -> Vec<String> {
    let groups = Process::myself().and_then(|process| process.cgroups());
    let groups = groups.map(|groups| groups.0).unwrap_or_default();
    let folders = folders(&groups, controller, Path::new(ROOT));
    let texts = folders
        .iter()
        .filter_map(|f| fs::read_to_string(f.join(file)).ok());
    texts.map(|text| text.trim().to_owned()).collect()
}

/// The group's folder and those above it, in each hierarchy that may have the
/// controller.
fn folders(groups: &[ProcessCGroup], controller: &str, root: &Path) -> Vec<PathBuf> {
    let of = |group: &ProcessCGroup| {
        let named = group.controllers.iter().any(|name| name == controller);
        let base = match (named, group.hierarchy) {
            (true, _) => root.join(controller),
            (false, 0) => root.to_owned(),
            (false, _) => return Vec::new(),
        };
        let own = base.join(group.pathname.trim_start_matches('/'));
        let above = own
            .ancestors()
            .take_while(|folder| folder.starts_with(&base));
        above.map(Path::to_owned).collect()
    };
    groups.iter().flat_map(of).collect()
}

/// Time for which this process's groups were held because their CPU quota was used
/// up, ns; `None` without such a group.
pub(crate) fn throttled_ns() -> Option<u64> {
    let texts = files("cpu", "cpu.stat");
    let each = texts.iter().filter_map(|text| throttled_in(text));
    each.reduce(|sum, ns| sum.saturating_add(ns))
}

/// That time in one group's `cpu.stat`: us in version 2, ns in version 1.
fn throttled_in(text: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(' ')?;
        let per_unit = match name {
            "throttled_usec" => 1000,
            "throttled_time" => 1,
            _ => return None,
        };
        value.trim().parse::<u64>().ok()?.checked_mul(per_unit)
    })
}

/// Core seconds a second that `cpu.max` of version 2 allows.
pub(crate) fn quota_v2(text: &str) -> Option<f64> {
    let mut words = text.split_whitespace();
    quota(words.next()?, words.next()?)
}

/// Core seconds a second of a quota and its period, both in us; `None` if there
/// is no limit (`max`, or -1 in version 1).
pub(crate) fn quota(quota_us: &str, period_us: &str) -> Option<f64> {
    let quota: f64 = quota_us.parse().ok()?;
    let period: f64 = period_us.parse().ok()?;
    (quota > 0.0 && period > 0.0).then(|| quota / period)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(hierarchy: u32, controllers: &[&str], pathname: &str) -> ProcessCGroup {
        ProcessCGroup {
            hierarchy,
            controllers: controllers.iter().map(|name| (*name).to_owned()).collect(),
            pathname: pathname.to_owned(),
        }
    }

    #[test]
    fn a_group_of_version_2_and_all_above_it_are_looked_at() {
        let folders = folders(&[group(0, &[""], "/a/b")], "pids", Path::new("/c"));
        assert_eq!(
            folders,
            ["/c/a/b", "/c/a", "/c"].map(PathBuf::from).to_vec()
        );
    }

    #[test]
    fn of_version_1_only_the_controller_s_own_hierarchy_is() {
        let groups = [
            group(5, &["pids"], "/"),
            group(3, &["cpu", "cpuacct"], "/x"),
        ];
        let folders = folders(&groups, "pids", Path::new("/c"));
        assert_eq!(folders, [PathBuf::from("/c/pids/")]);
    }

    #[test]
    fn the_time_held_is_read_in_both_versions() {
        let v2 = "usage_usec 9\nnr_periods 3\nnr_throttled 2\nthrottled_usec 150\n";
        assert_eq!(throttled_in(v2), Some(150_000));
        let v1 = "nr_periods 3\nnr_throttled 2\nthrottled_time 150\n";
        assert_eq!(throttled_in(v1), Some(150));
        // Without a quota the root of version 2 has no such line.
        assert_eq!(throttled_in("usage_usec 9\nthrottled_usec x\n"), None);
    }

    #[test]
    fn quotas_of_both_versions_are_cores() {
        assert_eq!(quota_v2("150000 100000"), Some(1.5));
        assert_eq!(quota_v2("max 100000"), None);
        assert_eq!(quota("-1", "100000"), None);
        assert_eq!(quota_v2(""), None);
    }
}
