//! Any server that speaks OpenAI's API, attached to or started with a command
//! of the user's.

mod describe;
mod launch;
mod wire;

use inferbench_plugin_api::openai;
use inferbench_plugin_api::prelude::*;

pub use describe::{OpenAiOptions, PlainPrompt};

#[derive(Debug)]
pub struct OpenAi(OpenAiOptions);

impl Server for OpenAi {
    fn describe() -> Description {
        describe::description()
    }

    fn open(context: &OpenContext) -> Result<Self, PluginError> {
        Ok(Self(context.options()?))
    }

    fn wire(&self) -> Result<Box<dyn Wire>, PluginError> {
        wire::wire(&self.0)
    }

    fn sends_token_ids(&self) -> bool {
        self.0.prompt_form == PlainPrompt::TokenIds
    }

    fn launch(&self, context: &LaunchContext) -> Result<Option<LaunchPlan>, PluginError> {
        launch::plan(&self.0, context)
    }

    fn probes(&self) -> Probes {
        Probes {
            health: self.0.health.as_deref().map(ControlRequest::get),
            ..openai::usual_probes()
        }
    }
}

inferbench_plugin_api::export_server!(OpenAi);
