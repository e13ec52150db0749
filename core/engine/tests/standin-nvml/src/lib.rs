//! A stand-in for NVIDIA's NVML, for tests and for trying things out without a
//! GPU: a library with NVML's functions that plays a script. What it reports
//! is no measurement, and the name of each device says so.
//!
//! The script is the file that `INFERBENCH_STANDIN_NVML` names, otherwise the
//! file beside the library that has its name and `.json`. `script.rs` has its
//! form; `exports.rs` has the functions, those that InferBench calls through
//! `nvml-wrapper`.

// NVML is a C library, so a stand-in for it exports C functions that write
// through pointers. It is in no build of InferBench itself.
#![allow(unsafe_code, reason = "a C library's functions take raw pointers")]

mod exports;
mod place;
mod script;

pub use exports::*;
pub use script::{Device, Memory, NAME, Process, Script, Series};
