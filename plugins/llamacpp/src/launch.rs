//! From options to `llama-server`'s command line (flags of llama.cpp b11434).

use std::path::Path;

use inferbench_plugin_api::launch::command_line;
use inferbench_plugin_api::{Flags, LaunchContext, LaunchPlan, PluginError};

use crate::describe::LlamaCppOptions;
use crate::evidence::LOG_PATTERNS;

/// The plan.
///
/// # Errors
/// If the model is a folder, which `llama-server` cannot load, or if its context is
/// larger than the program can be told.
pub(crate) fn plan(
    options: &LlamaCppOptions,
    context: &LaunchContext,
) -> Result<LaunchPlan, PluginError> {
    let arguments = flags(options, context)?.into_arguments();
    let command = options.command.as_deref();
    let line = command_line(command, &["llama-server"], arguments, &options.extra_args);
    Ok(LaunchPlan {
        log_patterns: LOG_PATTERNS.map(str::to_owned).to_vec(),
        ..LaunchPlan::new(line, 10)
    })
}

fn flags(options: &LlamaCppOptions, context: &LaunchContext) -> Result<Flags, PluginError> {
    let (flag, model) = model(options, context)?;
    let caching = options.cache_prompt;
    Ok(Flags::new()
        .with(flag, model)
        .with("--alias", &context.served_name)
        .with("--host", &context.host)
        .with("--port", context.port)
        .with("--seed", context.seed & 0x7fff_ffff)
        .with("--parallel", options.parallel)
        .switch("--metrics", true)
        .with("--cache-ram", options.cache_ram_mib)
        // Without a folder for them, slots cannot be emptied either.
        .with("--slot-save-path", context.work_dir.display())
        .option("--ctx-size", ctx_size(options, context)?)
        .option("--gpu-layers", options.gpu_layers.as_deref())
        .option("--threads", options.threads)
        .option("--batch-size", options.batch_size)
        .option("--ubatch-size", options.ubatch_size)
        .option("--flash-attn", options.flash_attn.as_deref())
        .option("--cache-type-k", options.cache_type_k.as_deref())
        .option("--cache-type-v", options.cache_type_v.as_deref())
        .switch("--cache-prompt", caching == Some(true))
        .switch("--no-cache-prompt", caching == Some(false)))
}

/// The flag that names the model, and its value.
fn model<'a>(
    options: &'a LlamaCppOptions,
    context: &'a LaunchContext,
) -> Result<(&'static str, &'a str), PluginError> {
    let named = options.gguf.as_deref().unwrap_or(&context.model.id);
    let path = Path::new(named);
    if path.is_dir() {
        let key = match options.gguf {
            Some(_) => "options.gguf",
            None => "model.id",
        };
        return Err(PluginError::new(format!(
            "{key} is the folder {named}, llama-server takes a GGUF file: set options.gguf to one"
        )));
    }
    let is_file = path.is_file() || path.extension().is_some_and(|end| end == "gguf");
    Ok((if is_file { "--model" } else { "--hf-repo" }, named))
}

/// Tokens of all slots: as many for each as a request may be long.
fn ctx_size(
    options: &LlamaCppOptions,
    context: &LaunchContext,
) -> Result<Option<u32>, PluginError> {
    let Some(length) = context
        .model
        .max_model_len
        .filter(|_| options.ctx_size.is_none())
    else {
        return Ok(options.ctx_size);
    };
    let slots = options.parallel;
    let size = length
        .checked_mul(slots)
        .filter(|n| i32::try_from(*n).is_ok());
    size.map(Some).ok_or_else(|| {
        PluginError::new(format!(
            "options.parallel is {slots}: {slots} slots of {length} tokens (model.max_model_len) are more than {} together",
            i32::MAX
        ))
    })
}
