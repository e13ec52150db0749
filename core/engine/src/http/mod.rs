//! The data plane: sockets whose every read is stamped, below TLS where there
//! is TLS, HTTP/1.1 answers of any shape, and the framing of their bodies.
//! Stamps come before decryption, which comes before parsing.

mod address;
mod buffer;
mod clock_offset;
pub mod connection;
pub mod control;
pub mod framing;
mod known;
pub mod response;
mod socket;
pub mod stamps;
pub mod target;
mod tcp_info;
mod tls;
mod waiter;

pub use buffer::ReadBytes;
pub use clock_offset::clock_steps;
pub use connection::{Connection, OpenError};
pub use framing::Framer;
pub use response::{Head, ResponseReader};
pub use socket::ReadStamp;
pub use target::{Target, TargetError};
pub use tls::TrustError;
pub use waiter::Waiter;
