//! Who goes first where threads want the same core.

/// Niceness of threads that may wait.
const LOWERED: i32 = 10;

/// Lets the calling thread wait for the others of this process, those that read
/// above all. Where the system refuses, nothing changes.
pub(crate) fn lower() {
    // On Linux no number means the calling thread, not its process.
    let _refused = rustix::process::setpriority_process(None, LOWERED);
}
