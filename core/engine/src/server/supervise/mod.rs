//! The supervisor: a small process between InferBench and a server, which stops
//! the server's whole tree when it is asked to, or when InferBench is gone,
//! however it went.
//!
//! It adopts what loses its parent, so that a daemon cannot leave the tree. It is
//! given its [`Job`] and its [`Order`]s on standard input and answers with
//! [`Report`]s on standard output, a line of JSON each; the end of its input is
//! the end of InferBench. `inferbench supervise` is all that calls it.

mod hear;
mod job;
mod journal;
mod log_cap;
mod work;

/// The program that supervises.
pub use crate::os::programs::inferbench as program;
pub use job::{Job, MARK, Order, Report};
pub use journal::{Entry, Journal, Leftover, Place};
pub use work::{SuperviseError, main};
