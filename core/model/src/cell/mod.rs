//! From the records of one cell to its row in `cells.json`, and to what charts
//! need of it.

pub(crate) mod answer_heads;
pub(crate) mod charted;
pub(crate) mod classes;
pub(crate) mod digest;
pub mod fold;
pub(crate) mod lateness;
pub mod measured;
pub(crate) mod parts;
pub mod promise;
mod promise_kept;
pub(crate) mod replicas;
pub mod row;
mod sent_order;
pub(crate) mod sharing;
pub mod steady_state;
pub(crate) mod stream_faults;
mod tallies;
pub(crate) mod tally;
pub(crate) mod turns;
