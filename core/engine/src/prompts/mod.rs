//! Files of prompts, read as streams and never wholly held, and the maker of every
//! request's prompt.

mod compression;
mod elements;
mod error;
mod images;
mod maker;
mod part;
mod proxy_log;
mod rows;
mod scan;
mod text_file;

pub use error::{Place, PromptFileError};
pub use maker::PromptMaker;
pub use proxy_log::{LogTrace, trace_of_log};
pub use scan::{Scan, ScanLimit};
