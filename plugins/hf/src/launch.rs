//! The server's files and its command line.

use inferbench_plugin_api::launch::command_line;
use inferbench_plugin_api::{
    EnvVar, Flags, LaunchContext, LaunchPlan, PlannedFile, PluginError, PythonPackage,
};

use crate::describe::{DEFAULT_PYTHON, HfOptions};

const SCRIPT: &str = "inferbench_hf_server.py";
const GENERATION: &str = "inferbench_hf_generation.py";

/// The plan.
///
/// # Errors
/// If the options name two places for the model.
pub(crate) fn plan(
    options: &HfOptions,
    context: &LaunchContext,
) -> Result<LaunchPlan, PluginError> {
    if let Some(map) = options
        .device_map
        .as_deref()
        .filter(|_| options.device != "auto")
    {
        let device = &options.device;
        return Err(PluginError::new(format!(
            "options.device_map is `{map}` and options.device is `{device}`: remove one of the two"
        )));
    }
    let python = [options.python.as_str()];
    let mut arguments = vec![context.path_of(SCRIPT)];
    arguments.extend(flags(options, context).into_arguments());
    let command = options.command.as_deref();
    let mut env = vec![
        EnvVar::plain("PYTHONUNBUFFERED", "1"),
        EnvVar::plain("TOKENIZERS_PARALLELISM", "false"),
    ];
    env.extend(context.offline());
    let line = command_line(command, &python, arguments, &options.extra_args);
    Ok(LaunchPlan {
        env,
        files: vec![
            file(SCRIPT, include_str!("server.py")),
            file(GENERATION, include_str!("inferbench_hf_generation.py")),
        ],
        log_patterns: vec!["ready: ".to_owned(), "loaded: ".to_owned()],
        package: command.is_none().then(|| package(options)),
        ..LaunchPlan::new(line, 10)
    })
}

fn package(options: &HfOptions) -> PythonPackage {
    let is_quantized = options.quantization.is_some();
    let is_placed = is_quantized || options.device_map.is_some();
    let with = [
        Some("torch"),
        is_placed.then_some("accelerate"),
        is_quantized.then_some("bitsandbytes"),
    ];
    PythonPackage {
        with: with.into_iter().flatten().map(str::to_owned).collect(),
        python: (options.python != DEFAULT_PYTHON).then(|| options.python.clone()),
        ..PythonPackage::new("transformers", "python")
    }
}

fn file(path: &str, contents: &str) -> PlannedFile {
    PlannedFile {
        path: path.into(),
        contents: contents.to_owned(),
    }
}

fn flags(options: &HfOptions, context: &LaunchContext) -> Flags {
    let model = &context.model;
    Flags::new()
        .with("--model", &model.id)
        .with("--served-model-name", &context.served_name)
        .with("--host", &context.host)
        .with("--port", context.port)
        .with("--device", &options.device)
        .option("--device-map", options.device_map.as_deref())
        .option("--quantization", options.quantization.as_deref())
        .option("--dtype", model.dtype.as_deref())
        .option("--max-model-len", model.max_model_len)
        .option(
            "--attn-implementation",
            options.attn_implementation.as_deref(),
        )
        .switch("--trust-remote-code", options.trust_remote_code)
}
