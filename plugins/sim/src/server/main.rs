//! `inferbench-sim`: a simulator of an LLM serving engine with real sockets,
//! which records what it did when. It runs no model.

mod answer;
mod args;
mod blocks;
mod clock;
mod conn;
mod event_loop;
mod faults;
mod generation;
mod http;
mod metrics;
mod model;
mod openai;
mod pacing;
mod routes;
mod server;
mod tokens;
mod truth;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;

use args::Args;
use event_loop::{EventLoop, Stop};

/// One line to stderr; a closed stderr is no reason to stop.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn main() -> ExitCode {
    let args = Args::parse();
    if let Err(error) = args.check() {
        error.exit();
    }
    let truth_file = args.truth_file.clone();
    let mut event_loop = match EventLoop::bind(args) {
        Ok(event_loop) => event_loop,
        Err(error) => {
            say(&format!("error: {error}"));
            return ExitCode::from(2);
        }
    };
    say(&format!(
        "inferbench-sim listening on http://{}",
        event_loop.address()
    ));
    match event_loop.run() {
        Ok(Stop::Crash) => {
            say("simulated crash");
            ExitCode::from(1)
        }
        Ok(Stop::Signal) => {
            let lines = event_loop.finish();
            match truth_file.map(|path| (std::fs::write(&path, lines), path)) {
                Some((Err(error), path)) => {
                    say(&format!("error: {}: {error}", path.display()));
                    ExitCode::from(1)
                }
                _ => ExitCode::SUCCESS,
            }
        }
        Err(error) => {
            say(&format!("error: {error}"));
            ExitCode::from(1)
        }
    }
}
