//! Holds the repository to its rooms: which file may import which, and which
//! crate may depend on which. [`map`] lists them; `ARCHITECTURE.md` shows it,
//! and the tests of this crate compare both with the code.

pub mod circles;
pub mod crates;
pub mod imports;
pub mod map;
pub mod modules;
pub mod page;
pub mod repository;
pub mod rooms;
pub mod sources;
pub mod table;
