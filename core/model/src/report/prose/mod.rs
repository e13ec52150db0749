//! Every word of the report: sentences made from codes and numbers.

pub(crate) mod headline;
pub(crate) mod no_verdict;
pub(crate) mod per_metric;
pub(crate) mod tiles;
pub(crate) mod trust;
pub(crate) mod warnings;
