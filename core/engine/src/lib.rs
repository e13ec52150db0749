//! What is happening in the world: finds plugins, starts backends, offers the
//! load, stamps what comes back, samples the machine and keeps the facts.

mod between;
pub mod calibrate;
mod cell;
pub mod clock;
pub mod control;
pub mod derive;
pub mod doctor;
pub mod elf;
pub mod event;
mod evidence;
pub mod gpu;
pub mod host;
pub mod http;
pub mod launch;
pub mod limits;
pub mod load;
pub mod machine;
pub mod plugin_check;
pub mod plugin_log;
pub mod port;
pub mod prepare;
mod private;
mod processes;
pub mod prompts;
mod ready;
pub mod resume;
pub mod run;
pub mod secrets;
mod stage;
pub mod store;
pub mod supervise;
mod ticker;
pub mod tokenizer;
pub mod ways;
