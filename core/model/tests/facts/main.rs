//! What a run has recorded, and what is made of it: causes of crashes, shards, marks of
//! texts, an audit.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod causes;
mod shards;
mod text_marks;
mod verify;
