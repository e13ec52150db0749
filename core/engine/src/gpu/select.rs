//! Which of the devices that are there are meant by `gpu.devices`.

use inferbench_model::config::Devices;
use thiserror::Error;

/// A device that is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listed {
    /// Index in NVML's order.
    pub index: u32,
    /// UUID, `GPU-...`.
    pub uuid: Option<String>,
    /// UUIDs of its MIG devices, `MIG-...`.
    pub mig_uuids: Vec<String>,
}

/// An entry of `gpu.devices` that names no device, or several.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SelectError {
    /// No device has this index or UUID.
    #[error("`gpu.devices[{position}]` is {name:?}, there are {}", names(there))]
    Unknown {
        /// Place in the list, from 0.
        position: usize,
        /// The entry.
        name: String,
        /// What there is.
        there: Vec<Listed>,
    },
    /// More than one UUID begins so.
    #[error("`gpu.devices[{position}]` is {name:?}, which {} devices begin with: {}", there.len(), names(there))]
    Ambiguous {
        /// Place in the list, from 0.
        position: usize,
        /// The entry.
        name: String,
        /// The devices that it fits.
        there: Vec<Listed>,
    },
}

fn names(there: &[Listed]) -> String {
    let name = |device: &Listed| match &device.uuid {
        Some(uuid) => format!("{} ({uuid})", device.index),
        None => device.index.to_string(),
    };
    there.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// Indices of the devices that are wanted, ascending, each once.
///
/// An entry is an index in NVML's order, a UUID, or the beginning of exactly
/// one device's UUID; a MIG device stands for the GPU it is part of.
///
/// # Errors
/// `Unknown` or `Ambiguous` for the first entry that fits no device, or several.
pub fn select(wanted: &Devices, there: &[Listed]) -> Result<Vec<u32>, SelectError> {
    let mut indices = match wanted {
        Devices::None => Vec::new(),
        Devices::All => there.iter().map(|device| device.index).collect(),
        Devices::Listed(names) => names
            .iter()
            .enumerate()
            .map(|(position, name)| find(position, name, there))
            .collect::<Result<_, _>>()?,
    };
    indices.sort_unstable();
    indices.dedup();
    Ok(indices)
}

fn find(position: usize, name: &str, there: &[Listed]) -> Result<u32, SelectError> {
    let unknown = || SelectError::Unknown {
        position,
        name: name.to_owned(),
        there: there.to_vec(),
    };
    if let Ok(index) = name.parse::<u32>() {
        let found = there.iter().find(|device| device.index == index);
        return found.map(|device| device.index).ok_or_else(unknown);
    }
    if name.is_empty() {
        return Err(unknown());
    }
    let whole = there.iter().find(|d| uuids(d).any(|uuid| uuid == name));
    if let Some(device) = whole {
        return Ok(device.index);
    }
    let begins = |device: &&Listed| uuids(device).any(|uuid| uuid.starts_with(name));
    let fitting: Vec<&Listed> = there.iter().filter(begins).collect();
    match &fitting[..] {
        [] => Err(unknown()),
        [device] => Ok(device.index),
        several => Err(SelectError::Ambiguous {
            position,
            name: name.to_owned(),
            there: several.iter().copied().cloned().collect(),
        }),
    }
}

fn uuids(device: &Listed) -> impl Iterator<Item = &str> {
    let own = device.uuid.iter();
    own.chain(&device.mig_uuids).map(String::as_str)
}
