//! `acme`: an imaginary server that speaks OpenAI's API.

use inferbench_plugin_api::openai::OpenAiWire;
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

struct Mine(Options);

impl Server for Mine {
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
        Ok(Self(context.options()?))
    }

    fn wire(&self) -> Result<Box<dyn Wire>, PluginError> {
        Ok(Box::new(OpenAiWire {
            forces_length: true, // the server knows `ignore_eos` and `min_tokens`
            ..OpenAiWire::default()
        }))
    }

    fn launch(&self, context: &LaunchContext) -> Result<Option<LaunchPlan>, PluginError> {
        let arguments = Flags::new()
            .with("--model", &context.model.id)
            .with("--host", &context.host)
            .with("--port", context.port)
            .with("--served-model-name", &context.served_name)
            .option("--max-batch", self.0.max_batch);
        let (given, extra) = (self.0.command.as_deref(), &self.0.extra_args);
        let command = command_line(given, &["acme-server"], arguments.into_arguments(), extra);
        Ok(Some(LaunchPlan::new(command, 20)))
    }
}

export_server!(Mine);
