//! What follows for a reader who must choose, without words: tiles, marks of
//! trust, and the doubts of a verdict.

pub(crate) mod tiles;
pub(crate) mod trust;
