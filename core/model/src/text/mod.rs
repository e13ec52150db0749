//! How numbers, bytes and units are written, how words from outside are shown, which
//! known word is nearest to an unknown one, and how two texts differ.

pub mod difference;
pub mod nearest;
pub mod number;
pub mod units;
pub mod visible;
