//! The report from outside: its figures, verdicts, warnings and words.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod agreement;
mod asked;
mod by_hand;
mod chart_data;
mod checks;
mod cost;
mod events;
mod kv;
mod no_verdict;
mod open_loop;
mod steady;
mod streams;
mod trust;
mod words;
