//! What a run leaves: records, the manifest and what they are made of. Facts
//! only; what follows from them belongs to the rooms above.

pub mod cache_audit;
pub mod calibration;
pub mod cell_end;
pub mod changed_shard;
pub mod crash_cause;
pub mod exchange;
pub mod exit_state;
pub mod failure_reason;
pub mod finish_reason;
pub mod joined_check;
pub mod key;
mod line_values;
pub mod machine;
pub mod manifest;
pub mod record;
pub mod record_line;
pub mod replicas;
pub mod samples;
pub mod searched;
pub mod self_check;
pub mod shard;
pub mod shared_window;
pub mod text_marks;
mod token_counts;
pub mod tuned;
pub mod warning;
pub mod window;
