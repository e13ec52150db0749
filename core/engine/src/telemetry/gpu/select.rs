//! Chooses the devices that `gpu.devices` or `CUDA_VISIBLE_DEVICES` names.

use thiserror::Error;

/// A device that is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listed {
    /// Index in NVML's order.
    pub index: u32,
    /// UUID, `GPU-...`.
    pub uuid: Option<String>,
    /// Its MIG instances: index and UUID, `MIG-...`.
    pub mig: Vec<(u32, String)>,
}

/// A device that is meant, or an instance of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Chosen {
    /// Index of the device in NVML's order.
    pub index: u32,
    /// Index of the MIG instance; absent for the whole device.
    pub mig: Option<u32>,
}

/// `CUDA_VISIBLE_DEVICES` of one backend.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VisibleTo {
    /// Label of the backend.
    pub backend: String,
    /// Its value; absent if it is not set.
    pub devices: Option<String>,
    /// `CUDA_DEVICE_ORDER`; absent if it is not set.
    pub order: Option<String>,
}

/// The devices that a backend sees.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Visible {
    /// Which; every device where that is not sure.
    pub chosen: Vec<Chosen>,
    /// Why it is not sure.
    pub doubt: Option<String>,
}

/// An entry that names no device, or several.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SelectError {
    /// No device has this index or UUID.
    #[error("{place} is {name:?}, there are {}", names(there))]
    Unknown {
        /// Where it stands.
        place: String,
        name: String,
        /// What there is.
        there: Vec<Listed>,
    },
    /// More than one UUID begins so.
    #[error("{place} is {name:?}, which {} devices begin with: {}", there.len(), names(there))]
    Ambiguous {
        /// Where it stands.
        place: String,
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

/// Every device as a whole.
#[must_use]
pub fn all(there: &[Listed]) -> Vec<Chosen> {
    there.iter().map(whole).collect()
}

/// The devices that a list in `gpu.devices` names, ascending, each once.
///
/// An entry is an index in NVML's order, a UUID, or the beginning of exactly
/// one device's UUID. A MIG instance comes with the GPU that it is part of.
///
/// # Errors
/// `Unknown` or `Ambiguous` for the first entry that fits no device, or several.
pub fn listed(wanted: &[String], there: &[Listed]) -> Result<Vec<Chosen>, SelectError> {
    let mut chosen = Vec::new();
    for (position, name) in wanted.iter().enumerate() {
        let place = || format!("`gpu.devices[{position}]`");
        chosen.extend(
            match name.parse::<u32>() {
                Ok(index) => by_index(index, there),
                Err(_) => by_uuid(place, name, there)?,
            }
            .ok_or_else(|| SelectError::Unknown {
                place: place(),
                name: name.clone(),
                there: there.to_vec(),
            })?,
        );
    }
    chosen.sort_unstable();
    chosen.dedup();
    Ok(chosen)
}

/// The devices that a backend sees, as CUDA reads its variable: entries from
/// the first unknown one on count for nothing. An index counts in CUDA's order,
/// which is NVML's only if `CUDA_DEVICE_ORDER` is `PCI_BUS_ID` or there is one
/// device.
///
/// # Errors
/// `Ambiguous` for the beginning of several devices' UUIDs.
pub fn visible(to: &VisibleTo, there: &[Listed]) -> Result<Visible, SelectError> {
    let Some(devices) = &to.devices else {
        return Ok(Visible {
            chosen: all(there),
            doubt: None,
        });
    };
    let is_nvmls_order = to.order.as_deref() == Some("PCI_BUS_ID") || there.len() < 2;
    let place = || format!("`CUDA_VISIBLE_DEVICES` of {}", to.backend);
    let mut found = Visible::default();
    for name in devices.split(',').map(str::trim) {
        let one = match name.parse::<u32>() {
            Ok(index) if is_nvmls_order || index as usize >= there.len() => by_index(index, there),
            Ok(_) => {
                found.doubt = Some(format!(
                    "{} is {devices:?} in CUDA's order, which need not be NVML's: every GPU is sampled; set `CUDA_DEVICE_ORDER` to PCI_BUS_ID, or use UUIDs",
                    place()
                ));
                Some(all(there))
            }
            Err(_) => by_uuid(place, name, there)?,
        };
        match one {
            Some(one) => found.chosen.extend(one),
            None => break,
        }
    }
    found.chosen.sort_unstable();
    found.chosen.dedup();
    Ok(found)
}

fn by_index(index: u32, there: &[Listed]) -> Option<Vec<Chosen>> {
    let found = there.iter().find(|device| device.index == index);
    found.map(|device| vec![whole(device)])
}

fn by_uuid(
    place: impl Fn() -> String,
    name: &str,
    there: &[Listed],
) -> Result<Option<Vec<Chosen>>, SelectError> {
    let parts: Vec<(&Listed, Option<u32>, &str)> = there.iter().flat_map(parts).collect();
    if let Some((device, mig, _)) = parts.iter().find(|(_, _, uuid)| *uuid == name) {
        return Ok(Some(with_parent(device, *mig)));
    }
    let begins =
        |part: &&(&Listed, Option<u32>, &str)| !name.is_empty() && part.2.starts_with(name);
    let fitting: Vec<_> = parts.iter().filter(begins).collect();
    match &fitting[..] {
        [] => Ok(None),
        [(device, mig, _)] => Ok(Some(with_parent(device, *mig))),
        several => Err(SelectError::Ambiguous {
            place: place(),
            name: name.to_owned(),
            there: several
                .iter()
                .map(|(device, _, uuid)| Listed {
                    index: device.index,
                    uuid: Some((*uuid).to_owned()),
                    mig: Vec::new(),
                })
                .collect(),
        }),
    }
}

/// Each UUID of a device and of its instances.
fn parts(device: &Listed) -> impl Iterator<Item = (&Listed, Option<u32>, &str)> {
    let own = device
        .uuid
        .iter()
        .map(move |uuid| (device, None, uuid.as_str()));
    let mig = device.mig.iter();
    own.chain(mig.map(move |(index, uuid)| (device, Some(*index), uuid.as_str())))
}

fn whole(device: &Listed) -> Chosen {
    Chosen {
        index: device.index,
        mig: None,
    }
}

fn with_parent(device: &Listed, mig: Option<u32>) -> Vec<Chosen> {
    let instance = mig.map(|mig| Chosen {
        index: device.index,
        mig: Some(mig),
    });
    [whole(device)].into_iter().chain(instance).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::*;

    const MIG: &str = "MIG-00000000-1111-2222-3333-444444444444";

    fn there() -> Vec<Listed> {
        ["GPU-8f01", "GPU-9c22"]
            .iter()
            .zip(0..)
            .map(|(uuid, index)| Listed {
                index,
                uuid: Some((*uuid).to_owned()),
                mig: Vec::new(),
            })
            .collect()
    }

    fn whole_of(indices: &[u32]) -> Vec<Chosen> {
        let whole = |index: &u32| Chosen {
            index: *index,
            mig: None,
        };
        indices.iter().map(whole).collect()
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn to(devices: &str, order: Option<&str>) -> VisibleTo {
        VisibleTo {
            backend: "vllm".to_owned(),
            devices: Some(devices.to_owned()),
            order: order.map(str::to_owned),
        }
    }

    #[test]
    fn devices_are_found_by_index_and_uuid_each_once() {
        assert_eq!(all(&there()), whole_of(&[0, 1]));
        assert_eq!(
            listed(&names(&["1", "0", "1"]), &there()),
            Ok(whole_of(&[0, 1]))
        );
        assert_eq!(listed(&names(&["GPU-9c22"]), &there()), Ok(whole_of(&[1])));
    }

    #[test]
    fn g14_a_prefix_must_fit_one_uuid() {
        assert_eq!(listed(&names(&["GPU-8f"]), &there()), Ok(whole_of(&[0])));
        assert_eq!(
            visible(&to("GPU-8f", None), &there()).unwrap().chosen,
            whole_of(&[0])
        );
        assert_eq!(
            listed(&names(&["0", "GPU-"]), &there())
                .unwrap_err()
                .to_string(),
            "`gpu.devices[1]` is \"GPU-\", which 2 devices begin with: 0 (GPU-8f01), 1 (GPU-9c22)"
        );
        assert_eq!(
            visible(&to("GPU-", None), &there())
                .unwrap_err()
                .to_string(),
            "`CUDA_VISIBLE_DEVICES` of vllm is \"GPU-\", which 2 devices begin with: 0 (GPU-8f01), 1 (GPU-9c22)"
        );
    }

    #[test]
    fn an_unknown_device_is_an_error_that_lists_what_there_is() {
        for name in ["2", "GPU-aa", "-1", ""] {
            assert_eq!(
                listed(&names(&[name]), &there()).unwrap_err().to_string(),
                format!("`gpu.devices[0]` is {name:?}, there are 0 (GPU-8f01), 1 (GPU-9c22)")
            );
        }
    }

    #[test]
    fn g05_a_mig_uuid_is_the_instance_and_its_parent() {
        let mut there = there();
        there[1].mig = vec![(3, MIG.to_owned())];
        let instance = Chosen {
            index: 1,
            mig: Some(3),
        };
        let expected = vec![whole_of(&[1])[0], instance];
        assert_eq!(visible(&to(MIG, None), &there).unwrap().chosen, expected);
        assert_eq!(listed(&names(&[MIG]), &there), Ok(expected));
    }

    #[test]
    fn g09_an_index_in_cudas_order_is_doubted() {
        let found = visible(&to("0", None), &there()).unwrap();
        assert_eq!(found.chosen, whole_of(&[0, 1]));
        assert!(found.doubt.unwrap().contains("in CUDA's order"));
        let found = visible(&to("1", Some("PCI_BUS_ID")), &there()).unwrap();
        assert_eq!((found.chosen, found.doubt), (whole_of(&[1]), None));
        let found = visible(&to("0", None), &there()[..1]).unwrap();
        assert_eq!((found.chosen, found.doubt), (whole_of(&[0]), None));
    }

    #[test]
    fn entries_from_the_first_unknown_one_on_are_not_visible() {
        let order = Some("PCI_BUS_ID");
        for (value, expected) in [
            ("1,-1,0", vec![1]),
            ("", vec![]),
            ("-1", vec![]),
            ("NoDevFiles", vec![]),
            (" 1 , 0", vec![0, 1]),
            ("7,0", vec![]),
        ] {
            let found = visible(&to(value, order), &there()).unwrap();
            assert_eq!(found.chosen, whole_of(&expected), "{value}");
        }
        let unset = VisibleTo::default();
        assert_eq!(visible(&unset, &there()).unwrap().chosen, whole_of(&[0, 1]));
    }
}
