//! `acme`: an imaginary server that speaks OpenAI's API.

use inferbench_plugin_api::openai::{self, OpenAiWire};
use inferbench_plugin_api::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

/// What a config may set under `options`: each with unit, default and effect.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Options {
    /// Program and leading arguments. Default `["acme-server"]`, from the PATH.
    command: Option<Vec<String>>,
    /// Arguments after all others. Default none.
    extra_args: Vec<String>,
    /// Requests in one batch at most. Default the server's.
    #[schemars(range(min = 1))]
    max_batch: Option<u32>,
}

struct Server {
    options: Options,
    wire: OpenAiWire,
}

impl Backend for Server {
    fn describe() -> Description {
        Description {
            capabilities: Capabilities {
                accepts_token_ids: true,
                can_force_output_length: true,
                ..Capabilities::server(&["completions"])
            },
            ..Description::with_options::<Options>(
                "acme",
                env!("CARGO_PKG_VERSION"),
                "acme-server, an OpenAI-compatible server",
            )
        }
    }

    fn open(context: &OpenContext) -> Result<Self, PluginError> {
        let options = context.options()?;
        let wire = OpenAiWire {
            forces_length: true, // the server knows `ignore_eos` and `min_tokens`
            ..OpenAiWire::default()
        };
        Ok(Self { options, wire })
    }

    fn launch(&self, context: &LaunchContext) -> Result<Option<LaunchPlan>, PluginError> {
        let arguments = Flags::new()
            .with("--model", &context.model.id)
            .with("--host", &context.host)
            .with("--port", context.port)
            .with("--served-model-name", &context.served_name)
            .option("--max-batch", self.options.max_batch);
        let (given, extra) = (self.options.command.as_deref(), &self.options.extra_args);
        let command = command_line(given, &["acme-server"], arguments.into_arguments(), extra);
        Ok(Some(LaunchPlan {
            command,
            ..LaunchPlan::default()
        }))
    }

    fn prompt_form(&self) -> PromptForm {
        PromptForm::TokenIds
    }

    fn encode(&self, request: &RequestSpec) -> Result<HttpRequest, PluginError> {
        self.wire.encode(request)
    }

    fn decoder(&self, _: &RequestSpec) -> Box<dyn Decoder> {
        Box::new(self.wire.decoder())
    }

    fn probes(&self) -> Probes {
        openai::probes("/health")
    }
}

export_backend!(Server);
