//! Finds, vets and opens plugin libraries. What a backend is asked to do belongs
//! to the rooms above.

pub mod backend;
pub mod check;
pub mod elf;
pub mod host;
pub mod log;
