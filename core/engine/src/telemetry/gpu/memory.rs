//! Memory in use on every device, asked now and then. NVML may hang in a call;
//! the caller does not.

use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::Builder;
use std::time::Duration;

use nvml_wrapper::Nvml;

use super::library;

/// How long an answer is waited for; once it does not come, none is asked for.
const LIMIT: Duration = Duration::from_secs(5);
/// Devices that are looked at, at most: a larger number of them is garbage.
const MOST_DEVICES: u32 = 1024;

type Answer = Vec<Option<u64>>;

/// Asks NVML on a thread of its own.
#[derive(Debug)]
pub(crate) struct MemoryInUse {
    ask: Option<Sender<()>>,
    answers: Receiver<Answer>,
}

impl MemoryInUse {
    /// Starts the thread. Without NVML, or without room for a thread, there are
    /// no devices.
    pub(crate) fn open() -> Self {
        let (ask, asked) = mpsc::channel();
        let (sender, answers) = mpsc::channel();
        let thread = Builder::new().name("gpu-memory".to_owned());
        let thread = thread.spawn(move || {
            let Ok(nvml) = library::nvml() else { return };
            while asked.recv().is_ok() {
                if sender.send(look(&nvml)).is_err() {
                    return;
                }
            }
        });
        Self {
            ask: thread.ok().map(|_| ask),
            answers,
        }
    }

    /// Bytes in use on each device, in NVML's order; absent where it is not
    /// known. Empty if NVML is not there or does not answer.
    pub(crate) fn look(&mut self) -> Answer {
        let is_asked = self.ask.as_ref().is_some_and(|ask| ask.send(()).is_ok());
        let answer = is_asked.then(|| self.answers.recv_timeout(LIMIT).ok());
        answer.flatten().unwrap_or_else(|| {
            self.ask = None;
            Vec::new()
        })
    }
}

fn look(nvml: &Nvml) -> Answer {
    let used = |index| {
        let device = nvml.device_by_index(index).ok()?;
        Some(device.memory_info().ok()?.used)
    };
    let devices = nvml.device_count().unwrap_or(0).min(MOST_DEVICES);
    (0..devices).map(used).collect()
}
