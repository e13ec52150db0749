//! The rows of the table of warnings, one file for each thing that they are about.
//!
//! A row is its meaning (the doc comment), its name, the numbers that it carries with
//! their units, its code, how much it matters, and what to do. Each file is a macro that
//! puts its rows behind those before it and hands all of them on to the next: so they are
//! one table, in the order of [`code`](super::code), where the last one makes its types.

#[macro_use]
mod client;
#[macro_use]
mod load;
#[macro_use]
mod answers;
#[macro_use]
mod servers;
#[macro_use]
mod hardware;
#[macro_use]
mod comparison;
#[macro_use]
mod run;
