//! The energy counters of the CPU packages: Linux' powercap, which both Intel's
//! and AMD's processors fill. Since 2020 most kernels let root alone read them.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Where the kernel shows them.
pub(super) const POWERCAP: &str = "/sys/class/powercap";
const MICROJOULES_PER_JOULE: f64 = 1e6;

/// The packages of this machine; none if one of them cannot be read, since the
/// sum over the others would be too small.
#[derive(Debug, Default)]
pub(super) struct Packages(Vec<Package>);

#[derive(Debug)]
struct Package {
    energy: File,
    /// The counter starts over above this.
    range_uj: u64,
    last_uj: u64,
    /// What it rose by since the first reading.
    sum_uj: u64,
}

impl Packages {
    /// The packages below `powercap`.
    pub(super) fn open(powercap: &Path) -> Self {
        let entries = fs::read_dir(powercap).into_iter().flatten().flatten();
        let zones = entries.map(|entry| entry.path()).filter(|zone| {
            let name = fs::read_to_string(zone.join("name"));
            name.is_ok_and(|name| name.starts_with("package"))
        });
        let packages: Option<Vec<Package>> = zones.map(|zone| Package::open(&zone)).collect();
        Self(packages.unwrap_or_default())
    }

    /// Joules of all packages since they were opened.
    pub(super) fn joules(&mut self) -> Option<f64> {
        if self.0.is_empty() {
            return None;
        }
        let sums: Option<Vec<u64>> = self.0.iter_mut().map(Package::read).collect();
        Some(sums?.iter().sum::<u64>() as f64 / MICROJOULES_PER_JOULE)
    }
}

impl Package {
    fn open(zone: &Path) -> Option<Self> {
        let energy = File::open(zone.join("energy_uj")).ok()?;
        let range = fs::read_to_string(zone.join("max_energy_range_uj")).ok()?;
        Some(Self {
            last_uj: number(&energy)?,
            range_uj: range.trim().parse().ok()?,
            energy,
            sum_uj: 0,
        })
    }

    fn read(&mut self) -> Option<u64> {
        let now_uj = number(&self.energy)?;
        self.sum_uj += rise_uj(self.last_uj, now_uj, self.range_uj);
        self.last_uj = now_uj;
        Some(self.sum_uj)
    }
}

/// How far a counter has risen that starts over at 0 above `range_uj`, and has
/// done so once at most.
fn rise_uj(before_uj: u64, now_uj: u64, range_uj: u64) -> u64 {
    match now_uj.checked_sub(before_uj) {
        Some(rise_uj) => rise_uj,
        None => range_uj.saturating_sub(before_uj) + now_uj,
    }
}

fn number(file: &File) -> Option<u64> {
    let mut text = [0; 32];
    let length = file.read_at(&mut text, 0).ok()?;
    std::str::from_utf8(&text[..length])
        .ok()?
        .trim()
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(root: &Path, zone: &str, name: &str, energy_uj: &str) {
        let zone = root.join(zone);
        fs::create_dir_all(&zone).unwrap();
        fs::write(zone.join("name"), format!("{name}\n")).unwrap();
        fs::write(zone.join("energy_uj"), format!("{energy_uj}\n")).unwrap();
        fs::write(zone.join("max_energy_range_uj"), "1000000\n").unwrap();
    }

    #[test]
    fn packages_are_summed_and_their_parts_are_not() {
        let root = tempfile::tempdir().unwrap();
        zone(root.path(), "intel-rapl:0", "package-0", "400000");
        zone(root.path(), "intel-rapl:1", "package-1", "700000");
        zone(root.path(), "intel-rapl:0:0", "core", "5");
        zone(root.path(), "intel-rapl:2", "psys", "5");
        let mut packages = Packages::open(root.path());
        assert_eq!(packages.joules(), Some(0.0));
        // 0.3 J, and 0.3 J up to the range with 0.2 J after it
        fs::write(root.path().join("intel-rapl:0/energy_uj"), "700000\n").unwrap();
        fs::write(root.path().join("intel-rapl:1/energy_uj"), "200000\n").unwrap();
        assert_eq!(packages.joules(), Some(0.8));
    }

    #[test]
    fn a_package_that_cannot_be_read_leaves_no_sum() {
        let root = tempfile::tempdir().unwrap();
        zone(root.path(), "intel-rapl:0", "package-0", "400000");
        zone(root.path(), "intel-rapl:1", "package-1", "secret");
        assert_eq!(Packages::open(root.path()).joules(), None);
        assert_eq!(Packages::open(&root.path().join("no")).joules(), None);
    }

    #[test]
    fn a_counter_that_starts_over_has_not_fallen() {
        assert_eq!(rise_uj(400, 700, 1_000), 300);
        assert_eq!(rise_uj(900, 100, 1_000), 200);
        assert_eq!(rise_uj(900, 100, 0), 100);
    }
}
