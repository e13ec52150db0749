//! The supervisor: a small process between InferBench and a server, which stops
//! the server's whole tree when it is asked to, or when InferBench is gone,
//! however it went.
//!
//! It adopts what loses its parent, so that a daemon cannot leave the tree. It is
//! given its [`Job`] and its [`Order`]s on standard input and answers with
//! [`Report`]s on standard output, a line of JSON each; the end of its input is
//! the end of InferBench. `inferbench supervise` is all that calls it.

mod job;
mod journal;
mod work;

use std::path::PathBuf;

pub use job::{Job, MARK, Order, Report};
pub use journal::{Entry, Journal, Leftover};
pub use work::{SuperviseError, main};

/// The program that supervises: this one, or the one beside it.
#[must_use]
pub fn program() -> Option<PathBuf> {
    const NAME: &str = "inferbench";
    let own = std::env::current_exe().ok()?;
    // The name says so even after the file was replaced by a newer one.
    let name = own.file_name()?.to_string_lossy().into_owned();
    if name == NAME || name == format!("{NAME} (deleted)") {
        return Some(PathBuf::from("/proc/self/exe"));
    }
    crate::os::programs::beside_own(NAME)
}
