//! Who is better by how much, and whether the repeats carry it.

pub(crate) mod against;
pub(crate) mod ahead;
pub(crate) mod by_outcome;
pub(crate) mod chunking;
pub(crate) mod compare;
pub(crate) mod drift;
pub(crate) mod effects;
pub(crate) mod family;
pub(crate) mod pairing;
pub(crate) mod pairwise;
pub(crate) mod rank;
pub(crate) mod ranking_metric;
pub(crate) mod tuning;
