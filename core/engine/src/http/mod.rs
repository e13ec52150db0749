//! The data plane: sockets whose every read is stamped, HTTP/1.1 answers of any
//! shape, and the framing of their bodies. Stamps come before parsing.

pub mod connection;
pub mod framing;
pub mod response;
pub mod target;

pub use connection::{Connection, ReadStamp};
pub use framing::Framer;
pub use response::{Head, ResponseReader};
pub use target::Target;
