//! Finds and starts NVML.

use std::ffi::OsString;

use nvml_wrapper::Nvml;
use nvml_wrapper::error::NvmlError;

/// Variable that names the library by hand; then no other is tried.
pub const LIBRARY_VARIABLE: &str = "INFERBENCH_NVML";

/// Where NVML is looked for, in order; a bare name is the loader's business.
const LIBRARIES: [&str; 3] = [
    "libnvidia-ml.so.1",
    "libnvidia-ml.so",
    "/usr/lib/wsl/lib/libnvidia-ml.so.1",
];

/// NVML, wherever it lies; otherwise why there is none, in one line.
///
/// It may take as long as the driver needs, or hang with it.
pub(crate) fn nvml() -> Result<Nvml, String> {
    match std::env::var_os(LIBRARY_VARIABLE) {
        Some(library) => by_hand(library),
        None => open(&LIBRARIES),
    }
}

/// The library that a user has named.
pub(super) fn by_hand(library: OsString) -> Result<Nvml, String> {
    Nvml::builder()
        .lib_path(&library)
        .init()
        .map_err(|error| match error {
            NvmlError::LibloadingError(why) => format!(
                "no NVIDIA library: {} does not load: {why}",
                library.display()
            ),
            error => init_absence(&error),
        })
}

/// The first library that loads and starts; otherwise why none does.
pub(super) fn open(libraries: &[&str]) -> Result<Nvml, String> {
    for library in libraries {
        match Nvml::builder().lib_path(library.as_ref()).init() {
            Ok(nvml) => return Ok(nvml),
            // There is a library: another name would only lead to the same one.
            Err(error) if !is_no_library(&error) => return Err(init_absence(&error)),
            Err(_) => {}
        }
    }
    Err(format!(
        "no NVIDIA library: none of {} loads",
        libraries.join(", ")
    ))
}

fn is_no_library(error: &NvmlError) -> bool {
    matches!(error, NvmlError::LibloadingError(_))
}

fn init_absence(error: &NvmlError) -> String {
    match error {
        NvmlError::LibRmVersionMismatch => {
            "the NVIDIA library and the loaded driver have different versions: reboot, or reload the driver".to_owned()
        }
        NvmlError::DriverNotLoaded => "the NVIDIA driver is not loaded".to_owned(),
        other => format!("NVML does not start: {other}"),
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
            absence,
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
        assert!(absence.starts_with("NVML does not start: "), "{absence}");
    }

    #[test]
    fn g03_a_version_mismatch_says_what_to_do() {
        assert_eq!(
            init_absence(&NvmlError::LibRmVersionMismatch),
            "the NVIDIA library and the loaded driver have different versions: reboot, or reload the driver"
        );
    }
}
