//! Where the script is, and when it began.

use std::ffi::{CStr, OsStr, OsString, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Instant;

use crate::script::Script;

/// Names the file of the script.
const VARIABLE: &str = "INFERBENCH_STANDIN_NVML";

/// A script that is being played.
pub(crate) struct Playing {
    pub(crate) script: Script,
    began: Instant,
}

impl Playing {
    /// Seconds since NVML was first initialised.
    pub(crate) fn now_s(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }
}

/// The script; `None` if there is none that can be read.
pub(crate) fn playing() -> Option<&'static Playing> {
    static PLAYING: OnceLock<Option<Playing>> = OnceLock::new();
    let playing = PLAYING.get_or_init(|| {
        let text = std::fs::read_to_string(file()?).ok()?;
        Some(Playing {
            script: serde_json::from_str(&text).ok()?,
            began: Instant::now(),
        })
    });
    playing.as_ref()
}

fn file() -> Option<PathBuf> {
    if let Some(file) = std::env::var_os(VARIABLE) {
        return Some(file.into());
    }
    let mut beside: OsString = own_path()?;
    beside.push(".json");
    Some(beside.into())
}

/// The file that this library was loaded from.
fn own_path() -> Option<OsString> {
    let mut info = libc::Dl_info {
        dli_fname: std::ptr::null(),
        dli_fbase: std::ptr::null_mut(),
        dli_sname: std::ptr::null(),
        dli_saddr: std::ptr::null_mut(),
    };
    let here = playing as *const c_void;
    // SAFETY: `here` is an address in this library and `info` outlives the call;
    // the name that it gives lives as long as the library.
    let path = unsafe {
        if libc::dladdr(here, &raw mut info) == 0 || info.dli_fname.is_null() {
            return None;
        }
        CStr::from_ptr(info.dli_fname)
    };
    Some(OsStr::from_bytes(path.to_bytes()).to_owned())
}
