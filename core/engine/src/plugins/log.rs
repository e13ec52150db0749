//! Keeps what plugins log until the caller takes it. Showing it is for `cli`.

use std::sync::Mutex;

use inferbench_plugin_api::abi::LogText;

static LINES: Mutex<Vec<(u32, String)>> = Mutex::new(Vec::new());

/// Takes one line of a plugin's log: level (1 error, 2 warning, 3 info) and text.
pub(crate) extern "C" fn take(level: u32, text: LogText<'_>) {
    if let Ok(mut lines) = LINES.lock() {
        // Enough to see what is wrong; a plugin that floods is cut off.
        if lines.len() < 10_000 {
            lines.push((level, text.as_str().to_owned()));
        }
    }
}

/// The host's monotonic clock for plugins.
pub(crate) extern "C" fn now_ns() -> u64 {
    crate::os::clock::now_ns()
}

/// Lines that plugins have logged since the last call.
#[must_use]
pub fn drain() -> Vec<(u32, String)> {
    LINES
        .lock()
        .map(|mut lines| std::mem::take(&mut *lines))
        .unwrap_or_default()
}
