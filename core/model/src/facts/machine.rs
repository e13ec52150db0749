//! The machine that a run was made on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HostFacts {
    /// Name of the host.
    pub hostname: Option<String>,
    /// Operating system and kernel.
    pub os: Option<String>,
    /// CPU model.
    pub cpu: Option<String>,
    /// Logical cores.
    pub cores: Option<u32>,
    /// Memory.
    pub memory_bytes: Option<u64>,
}

/// One GPU.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GpuFacts {
    /// Index in NVML's order.
    pub index: u32,
    /// Name of the device.
    pub name: Option<String>,
    /// UUID.
    pub uuid: Option<String>,
    /// Memory.
    pub memory_bytes: Option<u64>,
    /// Power limit in effect.
    pub power_limit_watts: Option<f64>,
    /// Driver version.
    pub driver: Option<String>,
}
