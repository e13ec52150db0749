//! `fixture-engine`: each request on a thread of its own, one token every
//! `itl_ms`.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use inferbench_plugin_api::backend::options_schema;
use inferbench_plugin_api::openai::OpenAiDecoder;
use inferbench_plugin_api::{
    Backend, Capabilities, Decoder, Description, Engine, EventSink, HttpRequest, IdSpan,
    LaunchContext, OpenContext, OutputKind, PluginError, PromptContent, PromptForm, RequestSpec,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Options of `fixture-engine`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Options {
    /// Time to each token, the first one included, ms. Default 5.
    #[schemars(range(min = 0.0, max = 60000.0))]
    itl_ms: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self { itl_ms: 5.0 }
    }
}

#[derive(Debug)]
pub struct FixtureEngine {
    options: Options,
}

impl Backend for FixtureEngine {
    fn describe() -> Description {
        Description {
            name: "fixture-engine".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "an engine inside the process that emits a token every so often".to_owned(),
            simulated: true,
            capabilities: Capabilities {
                accepts_token_ids: true,
                can_force_output_length: true,
                in_process: true,
                ..Capabilities::default()
            },
            options_schema: options_schema::<Options>(),
            token_ids: Some(IdSpan { lo: 0, hi: 1000 }),
        }
    }

    fn open(context: &OpenContext) -> Result<Self, PluginError> {
        let options: Options = context.options()?;
        if !(0.0..=60_000.0).contains(&options.itl_ms) {
            let words = format!("options.itl_ms is {}, must be 0 to 60000", options.itl_ms);
            return Err(PluginError::new(words));
        }
        Ok(Self { options })
    }

    fn prompt_form(&self) -> PromptForm {
        PromptForm::TokenIds
    }

    fn encode(&self, _: &RequestSpec) -> Result<HttpRequest, PluginError> {
        let words = "this backend generates in the process and has no HTTP requests";
        Err(PluginError::new(words))
    }

    fn decoder(&self, _: &RequestSpec) -> Box<dyn Decoder> {
        Box::new(OpenAiDecoder::new())
    }

    fn engine(&self, _: &LaunchContext) -> Result<Option<Box<dyn Engine>>, PluginError> {
        Ok(Some(Box::new(Clockwork {
            itl: Duration::from_secs_f64(self.options.itl_ms / 1000.0),
            stop: Arc::default(),
            running: Mutex::default(),
        })))
    }
}

struct Running {
    cancelled: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// Emits a token every `itl`.
struct Clockwork {
    itl: Duration,
    stop: Arc<AtomicBool>,
    running: Mutex<HashMap<u64, Running>>,
}

impl Clockwork {
    fn running(&self) -> MutexGuard<'_, HashMap<u64, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine for Clockwork {
    fn submit(
        &self,
        id: u64,
        request: &RequestSpec,
        sink: Arc<dyn EventSink>,
    ) -> Result<(), PluginError> {
        let PromptContent::TokenIds(prompt) = &request.prompt else {
            return Err(PluginError::new("prompt must be token ids"));
        };
        if self.stop.load(Ordering::Acquire) {
            return Err(PluginError::new("the engine is shut down"));
        }
        let cancelled = Arc::new(AtomicBool::new(false));
        let job = Job {
            id,
            input_tokens: u32::try_from(prompt.len()).unwrap_or(u32::MAX),
            output_tokens: request.output_tokens,
            itl: self.itl,
            stop: Arc::clone(&self.stop),
            cancelled: Arc::clone(&cancelled),
            sink,
        };
        let mut running = self.running();
        running.retain(|_, running| !running.thread.is_finished());
        let thread = std::thread::spawn(move || job.run());
        running.insert(id, Running { cancelled, thread });
        Ok(())
    }

    fn cancel(&self, id: u64) {
        if let Some(running) = self.running().get(&id) {
            running.cancelled.store(true, Ordering::Release);
        }
    }

    fn shutdown(&self) {
        self.stop.store(true, Ordering::Release);
        let running = std::mem::take(&mut *self.running());
        for (_, running) in running {
            // A thread that panicked has ended too.
            drop(running.thread.join());
        }
    }
}

struct Job {
    id: u64,
    input_tokens: u32,
    output_tokens: u32,
    itl: Duration,
    stop: Arc<AtomicBool>,
    cancelled: Arc<AtomicBool>,
    sink: Arc<dyn EventSink>,
}

impl Job {
    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Acquire) || self.cancelled.load(Ordering::Acquire)
    }

    fn run(self) {
        for token in 1..=self.output_tokens {
            std::thread::sleep(self.itl);
            if self.is_over() {
                return;
            }
            let text = format!("t{token} ");
            let now = self.sink.now_ns();
            let kind = OutputKind::Text;
            if !self.sink.output(self.id, now, kind, &text, Some(token)) {
                return;
            }
        }
        self.sink
            .usage(self.id, self.input_tokens, self.output_tokens);
        self.sink.done(self.id, "length");
    }
}
