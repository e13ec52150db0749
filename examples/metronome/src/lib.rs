//! `metronome`: an engine inside InferBench's process that says "tick" at a
//! steady pace. The smallest thing that generates on a thread of its own.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::Duration;

use inferbench_plugin_api::openai::OpenAiDecoder;
use inferbench_plugin_api::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Options {
    /// Time to each token, ms. Default 10.
    beat_ms: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { beat_ms: 10 }
    }
}

struct Metronome(Options);

impl Backend for Metronome {
    fn describe() -> Description {
        Description {
            simulated: true, // no model: the report says so everywhere
            capabilities: Capabilities {
                in_process: true,
                accepts_token_ids: true,
                can_force_output_length: true,
                ..Capabilities::default()
            },
            // Without a model folder somebody must say which ids a prompt may hold.
            token_ids: Some(IdSpan { lo: 0, hi: 1000 }),
            ..Description::with_options::<Options>("metronome", env!("CARGO_PKG_VERSION"), "a steady beat")
        }
    }

    fn open(context: &OpenContext) -> Result<Self, PluginError> {
        Ok(Self(context.options()?))
    }

    fn prompt_form(&self) -> PromptForm {
        PromptForm::TokenIds
    }

    fn encode(&self, _: &RequestSpec) -> Result<HttpRequest, PluginError> {
        Err(PluginError::new("metronome has no server to ask"))
    }

    fn decoder(&self, _: &RequestSpec) -> Box<dyn Decoder> {
        Box::new(OpenAiDecoder::new()) // never fed: there are no bytes to read
    }

    fn engine(&self, _: &LaunchContext) -> Result<Option<Box<dyn Engine>>, PluginError> {
        Ok(Some(Box::new(Ticking {
            beat: Duration::from_millis(self.0.beat_ms.into()),
            stop: Arc::default(),
            threads: Mutex::default(),
        })))
    }
}

struct Ticking {
    beat: Duration,
    stop: Arc<AtomicBool>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Engine for Ticking {
    /// Returns at once; the events come from the new thread.
    fn submit(
        &self,
        id: u64,
        request: &RequestSpec,
        sink: Arc<dyn EventSink>,
    ) -> Result<(), PluginError> {
        let PromptContent::TokenIds(prompt) = &request.prompt else {
            return Err(PluginError::new("the prompt must be token ids"));
        };
        let (asked, tokens) = (prompt.len() as u32, request.output_tokens);
        let (beat, stop) = (self.beat, Arc::clone(&self.stop));
        let thread = spawn(move || {
            for n in 1..=tokens {
                sleep(beat);
                // `output` is false once nobody wants the request: cancelled, or timed out.
                let now_ns = sink.now_ns();
                let wanted = sink.output(id, now_ns, OutputKind::Text, "tick ", Some(n));
                if !wanted || stop.load(Ordering::Acquire) {
                    return;
                }
            }
            sink.usage(id, asked, tokens);
            sink.done(id, "length");
        });
        let mut threads = self.threads.lock().unwrap_or_else(|e| e.into_inner());
        threads.retain(|thread| !thread.is_finished());
        threads.push(thread);
        Ok(())
    }

    fn cancel(&self, _: u64) {} // the thread sees it at its next beat

    fn shutdown(&self) {
        self.stop.store(true, Ordering::Release);
        let mut threads = self.threads.lock().unwrap_or_else(|e| e.into_inner());
        for thread in threads.drain(..) {
            drop(thread.join()); // one that panicked has ended too
        }
    }
}

export_backend!(Metronome);
