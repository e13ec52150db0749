//! What the statistics promise, tried on synthetic experiments: how often a claim is
//! wrong, how often it finds what is there, and what an interval covers. Seeded, so
//! that each comes out the same every time; each bound is one that a wrong rule
//! breaks. The tables of the book are among them.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod draw;
mod drift;
mod percentiles;
mod runs;
mod several_backends;
mod steady;
mod tuning;
mod two_backends;
