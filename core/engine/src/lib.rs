//! What is happening in the world: finds plugins, starts backends, offers the
//! load, stamps what comes back, samples the machine and keeps the facts.

pub mod clock;
pub mod control;
pub mod elf;
pub mod event;
pub mod gpu;
pub mod host;
pub mod http;
pub mod launch;
pub mod load;
pub mod machine;
pub mod plugin_log;
pub mod store;
pub mod tokenizer;
mod ticker;
