//! Finds, vets and opens plugin libraries. What a backend is asked to do belongs
//! to the rooms above.

pub mod backend;
pub mod check;
pub mod elf;
mod first_load;
pub mod host;
pub mod log;
pub mod search;
mod trust;
