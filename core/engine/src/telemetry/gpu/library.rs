//! Finds and starts NVML, or says why there are no GPUs to sample.

use std::ffi::OsString;

use nvml_wrapper::Nvml;
use nvml_wrapper::error::NvmlError;
use thiserror::Error;

/// Variable that names the library by hand; then no other is tried.
pub const LIBRARY_VARIABLE: &str = "INFERBENCH_NVML";

/// Where NVML is looked for, in order; the loader finds a bare name.
const LIBRARIES: [&str; 3] = [
    "libnvidia-ml.so.1",
    "libnvidia-ml.so",
    "/usr/lib/wsl/lib/libnvidia-ml.so.1",
];

/// Why there are no GPUs to sample, in one line.
#[derive(Debug, Error)]
pub(crate) enum GpuAbsence {
    /// No library of that name loads.
    #[error("no NVIDIA library: none of {} loads", .0.join(", "))]
    NoLibrary(Vec<String>),
    /// The library that a user has named does not load.
    #[error("no NVIDIA library: {} does not load: {why}", library.display())]
    NotLoaded {
        library: OsString,
        /// The loader's own words.
        why: String,
    },
    /// Library and driver do not fit together.
    #[error(
        "the NVIDIA library and the loaded driver have different versions: reboot, or reload the driver"
    )]
    VersionMismatch,
    /// There is no driver.
    #[error("the NVIDIA driver is not loaded")]
    NoDriver,
    /// NVML itself refuses.
    #[error("NVML does not start: {0}")]
    Start(NvmlError),
    /// NVML does not count its devices.
    #[error("NVML does not list its GPUs: {0}")]
    List(NvmlError),
    /// There is none.
    #[error("NVML lists no GPU")]
    NoGpu,
    /// The count is garbage.
    #[error("NVML lists {count} GPUs, more than {most}: none is sampled")]
    TooMany {
        count: u32,
        /// More than any machine has.
        most: u32,
    },
    /// No backend sees one.
    #[error("`CUDA_VISIBLE_DEVICES` leaves no GPU visible to any backend")]
    NoneVisible,
    /// None is asked for.
    #[error("`gpu.devices` is an empty list")]
    EmptyList,
}

/// NVML, wherever it is installed; otherwise why there is none.
///
/// It may take as long as the driver needs, or hang with it.
pub(crate) fn nvml() -> Result<Nvml, GpuAbsence> {
    match std::env::var_os(LIBRARY_VARIABLE) {
        Some(library) => by_hand(library),
        None => open(&LIBRARIES),
    }
}

/// The library that a user has named.
pub(super) fn by_hand(library: OsString) -> Result<Nvml, GpuAbsence> {
    let started = Nvml::builder().lib_path(&library).init();
    started.map_err(|error| match error {
        NvmlError::LibloadingError(why) => GpuAbsence::NotLoaded {
            library,
            why: why.to_string(),
        },
        error => start_absence(error),
    })
}

/// The first library that loads and starts; otherwise why none does.
pub(super) fn open(libraries: &[&str]) -> Result<Nvml, GpuAbsence> {
    for library in libraries {
        match Nvml::builder().lib_path(library.as_ref()).init() {
            Ok(nvml) => return Ok(nvml),
            // There is a library: another name would only lead to the same one.
            Err(error) if !is_no_library(&error) => return Err(start_absence(error)),
            Err(_) => {}
        }
    }
    let tried = libraries.iter().copied().map(str::to_owned);
    Err(GpuAbsence::NoLibrary(tried.collect()))
}

fn is_no_library(error: &NvmlError) -> bool {
    matches!(error, NvmlError::LibloadingError(_))
}

fn start_absence(error: NvmlError) -> GpuAbsence {
    match error {
        NvmlError::LibRmVersionMismatch => GpuAbsence::VersionMismatch,
        NvmlError::DriverNotLoaded => GpuAbsence::NoDriver,
        other => GpuAbsence::Start(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g01_the_name_with_a_version_is_tried_first() {
        assert_eq!(LIBRARIES[0], "libnvidia-ml.so.1");
        assert_eq!(LIBRARIES[1], "libnvidia-ml.so");
    }

    #[test]
    fn g02_without_a_library_the_absence_is_one_line() {
        let Err(absence) = open(&["libinferbench-none.so.1", "/nowhere/libnvidia-ml.so"]) else {
            panic!("a library that does not exist was opened");
        };
        assert_eq!(
            absence.to_string(),
            "no NVIDIA library: none of libinferbench-none.so.1, /nowhere/libnvidia-ml.so loads"
        );
    }

    #[test]
    fn a_library_named_by_hand_that_is_none_says_why() {
        for (library, why) in [
            ("/nowhere/nvml.so", "No such file or directory"),
            ("/etc/passwd", "header"),
        ] {
            let Err(absence) = by_hand(library.into()) else {
                panic!("{library} was opened");
            };
            let start = format!("no NVIDIA library: {library} does not load: ");
            let absence = absence.to_string();
            assert!(
                absence.starts_with(&start) && absence.contains(why),
                "{absence}"
            );
        }
    }

    #[test]
    fn a_library_that_is_not_nvmls_is_no_nvml() {
        let Err(absence) = by_hand("libc.so.6".into()) else {
            panic!("libc was taken for NVML");
        };
        let absence = absence.to_string();
        assert!(absence.starts_with("NVML does not start: "), "{absence}");
    }

    #[test]
    fn g03_a_version_mismatch_says_what_to_do() {
        assert_eq!(
            start_absence(NvmlError::LibRmVersionMismatch).to_string(),
            "the NVIDIA library and the loaded driver have different versions: reboot, or reload the driver"
        );
    }
}
