//! What a plugin should not do, each thing on its own, for the tests of the
//! host and of `plugins check`.

use std::hint::black_box;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use inferbench_plugin_api::{Events, OutputKind};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::Error;

/// Environment variable that chooses for a whole process.
const VARIABLE: &str = "INFERBENCH_FIXTURE_MISCHIEF";

/// One thing that a plugin should not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mischief {
    /// Panics before it has said what it is.
    DescribePanics,
    /// Never returns from `encode`.
    EncodeHangs,
    /// Never returns from `feed`.
    FeedHangs,
    /// Gives a million events for one message.
    MillionEvents,
    /// Prints to standard output.
    Stdout,
    /// Prints to standard error.
    Stderr,
    /// Changes the current folder.
    Chdir,
    /// Installs a handler of SIGTERM.
    Signal,
    /// Starts a thread that stays.
    Thread,
    /// Opens a file that stays open.
    File,
    /// Forgets 4 KiB with each answer.
    Leak,
    /// Aborts the process.
    Abort,
    /// Ends the process as if all were well.
    Exit,
    /// Recurses without end.
    StackOverflow,
}

impl Mischief {
    /// What the environment asks for.
    pub(crate) fn of_the_environment() -> Option<Self> {
        let value = std::env::var(VARIABLE).ok()?;
        let read: Result<Self, Error> = Self::deserialize(value.as_str().into_deserializer());
        Some(read.unwrap_or_else(|error| panic!("{VARIABLE}: {error}")))
    }

    pub(crate) fn when_described(self) {
        assert!(
            self != Self::DescribePanics,
            "fixture panics while it is described"
        );
    }

    pub(crate) fn when_opened(self) {
        match self {
            Self::Stdout => {
                let mut out = std::io::stdout().lock();
                out.write_all(b"hello from the plugin\n")
                    .expect("standard output is open");
                out.flush().expect("standard output is open");
            }
            Self::Stderr => {
                let mut err = std::io::stderr().lock();
                err.write_all(b"a word of warning\n")
                    .expect("standard error is open");
            }
            Self::Chdir => std::env::set_current_dir("/").expect("there is a root folder"),
            Self::Signal => {
                let seen = Arc::new(AtomicBool::new(false));
                signal_hook::flag::register(signal_hook::consts::SIGTERM, seen)
                    .expect("SIGTERM may be handled");
            }
            Self::Thread => drop(std::thread::spawn(sleep_for_ever)),
            Self::File => {
                std::mem::forget(std::fs::File::open("/dev/null").expect("it is always there"));
            }
            _ => {}
        }
    }

    pub(crate) fn when_encoding(self) {
        match self {
            Self::EncodeHangs => sleep_for_ever(),
            Self::Abort => std::process::abort(),
            Self::Exit => std::process::exit(0),
            Self::StackOverflow => drop(black_box(dig(black_box(0)))),
            _ => {}
        }
    }

    pub(crate) fn when_feeding(self, out: &mut Events<'_>) {
        match self {
            Self::FeedHangs => {
                // A test waits for it: a signal that comes before stops the run as usual.
                let _ = std::io::Write::write_all(&mut std::io::stderr(), b"feed hangs\n");
                sleep_for_ever();
            }
            Self::MillionEvents => {
                for _ in 0..1_000_000 {
                    out.output(OutputKind::Text, "x", None);
                }
            }
            _ => {}
        }
    }

    pub(crate) fn when_finishing(self) {
        if self == Self::Leak {
            std::mem::forget(vec![1_u8; 4 * 1024]);
        }
    }
}

fn sleep_for_ever() {
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}

/// Uses up the stack.
#[allow(unconditional_recursion, reason = "that is the mischief")]
fn dig(depth: u64) -> u64 {
    let page = black_box([depth; 512]);
    black_box(dig(page[0] + 1)) + page[511]
}
