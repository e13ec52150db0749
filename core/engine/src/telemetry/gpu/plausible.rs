//! Upper limits of figures: a larger figure is garbage and left out.

/// Memory of one device, bytes: 64 TiB.
pub(super) const BYTES: u64 = 64 << 40;
/// Power of one device.
pub(super) const WATTS: f64 = 100_000.0;
/// Energy of one device: 10 kW over 30 years.
pub(super) const JOULES: f64 = 1e13;
/// A share.
pub(super) const PERCENT: u32 = 100;
/// A clock.
pub(super) const MEGAHERTZ: u32 = 100_000;
/// A temperature.
pub(super) const CELSIUS: u32 = 500;
/// PCIe traffic in one direction, KiB/s: 1 TiB/s.
pub(super) const KIB_PER_S: u32 = 1 << 30;
