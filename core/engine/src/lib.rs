//! What is happening in the world: finds plugins, starts backends, offers the
//! load, stamps what comes back, samples the machine and keeps the facts.

pub mod calibrate;
pub mod capture;
pub mod derive;
pub mod doctor;
pub mod event;
pub mod http;
pub mod load;
pub mod merge;
pub mod os;
pub mod plugins;
pub mod prepare;
pub mod prompts;
pub mod run;
pub mod secrets;
pub mod server;
pub mod store;
pub mod telemetry;
pub mod watcher;
pub mod worker;
