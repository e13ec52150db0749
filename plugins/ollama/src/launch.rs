//! From options to `ollama serve` and its environment, where Ollama has its settings.
//!
//! Source: `envconfig/config.go` of Ollama.

use inferbench_plugin_api::launch::command_line;
use inferbench_plugin_api::{EnvVar, LaunchContext, LaunchPlan};

use crate::describe::OllamaOptions;

pub(crate) fn plan(options: &OllamaOptions, context: &LaunchContext) -> LaunchPlan {
    let command = options.command.as_deref();
    let line = command_line(
        command,
        &["ollama", "serve"],
        Vec::new(),
        &options.extra_args,
    );
    LaunchPlan {
        env: env(options, context),
        ..LaunchPlan::new(line, 20)
    }
}

fn env(options: &OllamaOptions, context: &LaunchContext) -> Vec<EnvVar> {
    let address = format!("{}:{}", context.host, context.port);
    let set = |name: &str, value: Option<String>| value.map(|value| EnvVar::plain(name, value));
    let number = |value: Option<u32>| value.map(|n| n.to_string());
    let switch = options.flash_attention.map(u32::from);
    let each = [
        set("OLLAMA_HOST", Some(address)),
        // A model that goes away between two requests would be loaded in one of them.
        set("OLLAMA_KEEP_ALIVE", Some("-1".to_owned())),
        set("OLLAMA_CONTEXT_LENGTH", number(context.model.max_model_len)),
        set("OLLAMA_NUM_PARALLEL", number(options.num_parallel)),
        set("OLLAMA_FLASH_ATTENTION", number(switch)),
        set("OLLAMA_KV_CACHE_TYPE", options.kv_cache_type.clone()),
    ];
    each.into_iter().flatten().collect()
}
