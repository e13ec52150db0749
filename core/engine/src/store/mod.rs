//! The run folder, filled as facts come, and other stored facts. What follows from
//! them is for `derive`.

mod append;
mod as_left;
pub mod calibration;
mod error;
mod folder;
mod guard;
pub mod hash;
mod identity;
mod json;
mod read;
mod rolled;
pub(crate) mod seal;

pub use append::{LineSink, LineWriter};
pub use as_left::Altered;
pub(crate) use as_left::{must_be_as_left, not_as_left};
pub use error::StoreError;
pub use folder::RunFolder;
pub(crate) use folder::newest_run;
pub(crate) use guard::Watch;
pub use json::{read_json, write_json_file};
pub use read::{LineFile, keep_lines, read_lines};
pub use rolled::SampleFile;
pub(crate) use rolled::pack_leftovers;
