//! Where prompts come from: the table of sources, and one file for each that reads a row
//! of it. Files are opened and read elsewhere; here is what their rows mean.

pub mod build;
pub mod export;
pub mod images;
pub mod jsonl;
pub mod keep;
pub mod proxy_log;
pub mod row;
pub mod sharegpt;
pub mod source;
pub mod text;
pub mod trace;
