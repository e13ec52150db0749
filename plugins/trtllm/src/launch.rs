//! From options to `trtllm-serve`'s command line and its file of settings.
//!
//! Source: `tensorrt_llm/commands/serve.py` of TensorRT-LLM.

use inferbench_plugin_api::launch::command_line;
use inferbench_plugin_api::{
    Flags, LaunchContext, LaunchPlan, PlannedFile, PluginError, PythonPackage,
};
use serde_json::{Map, Value};

use crate::describe::TrtLlmOptions;

const SETTINGS: &str = "trtllm.yaml";

/// The plan.
///
/// # Errors
/// If the settings cannot be written.
pub(crate) fn plan(
    options: &TrtLlmOptions,
    context: &LaunchContext,
) -> Result<LaunchPlan, PluginError> {
    let model = &context.model;
    let mut arguments = vec![model.id.clone()];
    arguments.extend(flags(options, context).into_arguments());
    let command = options.command.as_deref();
    let line = command_line(command, &["trtllm-serve"], arguments, &options.extra_args);
    Ok(LaunchPlan {
        env: context.offline().into_iter().collect(),
        files: vec![PlannedFile {
            path: SETTINGS.into(),
            contents: settings(options)?,
        }],
        package: command
            .is_none()
            .then(|| PythonPackage::new("tensorrt-llm", "trtllm-serve")),
        ..LaunchPlan::new(line, 40)
    })
}

/// JSON, which is YAML too.
fn settings(options: &TrtLlmOptions) -> Result<String, PluginError> {
    // Without them there are no metrics in Prometheus' format.
    let metrics = ["return_perf_metrics", "enable_iter_perf_stats"];
    let metrics = metrics.map(|name| (name.to_owned(), Value::Bool(true)));
    let mut settings = Map::from_iter(metrics);
    settings.extend(options.llm_api_options.clone());
    Ok(serde_json::to_string_pretty(&settings)?)
}

fn flags(options: &TrtLlmOptions, context: &LaunchContext) -> Flags {
    Flags::new()
        .with("--host", &context.host)
        .with("--port", context.port)
        .with("--extra_llm_api_options", context.path_of(SETTINGS))
        .option("--backend", options.backend.as_deref())
        .option("--max_seq_len", context.model.max_model_len)
        .option("--tp_size", options.tp_size)
        .option("--pp_size", options.pp_size)
        .option("--ep_size", options.ep_size)
        .option("--max_batch_size", options.max_batch_size)
        .option("--max_num_tokens", options.max_num_tokens)
        .option(
            "--kv_cache_free_gpu_memory_fraction",
            options.kv_cache_free_gpu_memory_fraction,
        )
        .switch("--enable_chunked_prefill", options.enable_chunked_prefill)
        .switch("--trust_remote_code", options.trust_remote_code)
}
