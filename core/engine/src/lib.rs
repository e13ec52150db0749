//! What is happening in the world: finds plugins, starts backends, offers the
//! load, stamps what comes back, samples the machine and keeps the facts.

pub mod clock;
pub mod elf;
pub mod host;
pub mod http;
pub mod plugin_log;
