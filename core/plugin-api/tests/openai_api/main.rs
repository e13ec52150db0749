//! The client of OpenAI's API: what it sends, and what it reads of odd and of recorded answers.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod captures;
mod chat;
mod responses;
mod streams;
