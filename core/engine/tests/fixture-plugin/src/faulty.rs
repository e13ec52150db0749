//! `fixture-faulty`: a plain client of OpenAI's completions that panics in the
//! hook that its options name, or misbehaves in another way.

use inferbench_plugin_api::backend::options_schema;
use inferbench_plugin_api::openai::{Endpoint, OpenAiWire, WireDecoder};
use inferbench_plugin_api::{
    Backend, Capabilities, Decoder, Description, Events, HttpRequest, LaunchContext, LaunchPlan,
    Message, OpenContext, PluginError, PromptForm, RequestSpec,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::mischief::Mischief;

/// A hook that may panic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Hook {
    Open,
    Launch,
    Encode,
    Feed,
    Finish,
    Drop,
}

/// Options of `fixture-faulty`.
///
/// Their values are no part of the schema: the conformance suite would try them.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Options {
    /// Hook that panics: `open`, `launch`, `encode`, `feed`, `finish` or `drop`
    /// (of the decoder). Default none.
    #[schemars(with = "Option<String>")]
    panic_in: Option<Hook>,
    /// Another fault. Default what the environment asks for, else none.
    #[schemars(with = "Option<String>")]
    mischief: Option<Mischief>,
}

impl Options {
    fn reach(self, hook: Hook) {
        assert!(
            self.panic_in != Some(hook),
            "fixture panics in {hook:?} as it was asked to"
        );
    }
}

#[derive(Debug)]
pub struct FixtureFaulty {
    options: Options,
    wire: OpenAiWire,
}

impl Backend for FixtureFaulty {
    fn describe() -> Description {
        if let Some(mischief) = Mischief::of_the_environment() {
            mischief.when_described();
        }
        Description {
            name: "fixture-faulty".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "panics in the hook that its options name".to_owned(),
            simulated: false,
            capabilities: Capabilities {
                endpoints: vec!["completions".to_owned()],
                can_attach: true,
                can_force_output_length: true,
                ..Capabilities::default()
            },
            options_schema: options_schema::<Options>(),
            token_ids: None,
        }
    }

    fn open(context: &OpenContext) -> Result<Self, PluginError> {
        let mut options: Options = context.options()?;
        options.mischief = options.mischief.or_else(Mischief::of_the_environment);
        options.reach(Hook::Open);
        if let Some(mischief) = options.mischief {
            mischief.when_opened();
        }
        let wire = OpenAiWire {
            endpoint: Endpoint::Completions,
            continuous_usage: true,
            forces_length: true,
            ..OpenAiWire::default()
        };
        Ok(Self { options, wire })
    }

    fn launch(&self, _: &LaunchContext) -> Result<Option<LaunchPlan>, PluginError> {
        self.options.reach(Hook::Launch);
        Ok(None)
    }

    fn prompt_form(&self) -> PromptForm {
        PromptForm::Text
    }

    fn encode(&self, request: &RequestSpec) -> Result<HttpRequest, PluginError> {
        self.options.reach(Hook::Encode);
        if let Some(mischief) = self.options.mischief {
            mischief.when_encoding();
        }
        self.wire.encode(request)
    }

    fn decoder(&self, _: &RequestSpec) -> Box<dyn Decoder> {
        Box::new(FaultyDecoder {
            options: self.options,
            inner: self.wire.decoder(),
        })
    }
}

struct FaultyDecoder {
    options: Options,
    inner: WireDecoder,
}

impl Decoder for FaultyDecoder {
    fn feed(&mut self, message: Message<'_>, out: &mut Events<'_>) -> Result<(), PluginError> {
        self.options.reach(Hook::Feed);
        if let Some(mischief) = self.options.mischief {
            mischief.when_feeding(out);
        }
        self.inner.feed(message, out)
    }

    fn finish(&mut self, out: &mut Events<'_>) -> Result<(), PluginError> {
        self.options.reach(Hook::Finish);
        if let Some(mischief) = self.options.mischief {
            mischief.when_finishing();
        }
        self.inner.finish(out)
    }
}

impl Drop for FaultyDecoder {
    fn drop(&mut self) {
        self.options.reach(Hook::Drop);
    }
}
