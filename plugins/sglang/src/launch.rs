//! From options to SGLang's command line (flags of SGLang 0.5.23).

use inferbench_plugin_api::launch::command_line;
use inferbench_plugin_api::{EnvVar, Flags, LaunchContext, LaunchPlan, PythonPackage};

use crate::describe::SglangOptions;
use crate::log;

const COMMAND: [&str; 3] = ["python3", "-m", "sglang.launch_server"];

pub(crate) fn plan(options: &SglangOptions, context: &LaunchContext) -> LaunchPlan {
    let arguments = flags(options, context).into_arguments();
    let command = options.command.as_deref();
    let mut env = Vec::new();
    env.extend(context.offline());
    if options.device.as_deref() == Some("cpu") {
        env.push(EnvVar::plain("SGLANG_USE_CPU_ENGINE", "1"));
    }
    let line = command_line(command, &COMMAND, arguments, &options.extra_args);
    LaunchPlan {
        env,
        log_patterns: log::PATTERNS.map(str::to_owned).to_vec(),
        package: command
            .is_none()
            .then(|| PythonPackage::new("sglang", "python")),
        ..LaunchPlan::new(line, 30)
    }
}

fn flags(options: &SglangOptions, context: &LaunchContext) -> Flags {
    let model = &context.model;
    let incremental = options.incremental_streaming;
    Flags::new()
        .with("--model-path", &model.id)
        .with("--served-model-name", &context.served_name)
        .with("--host", &context.host)
        .with("--port", context.port)
        // NumPy, which SGLang seeds, takes 32 bits.
        .with("--random-seed", context.seed & 0x7fff_ffff)
        .with("--sampling-defaults", &options.sampling_defaults)
        .switch("--enable-metrics", true)
        .option("--dtype", model.dtype.as_deref())
        .option("--context-length", model.max_model_len)
        .option("--mem-fraction-static", options.mem_fraction_static)
        .option("--tp-size", options.tp_size)
        .option("--max-running-requests", options.max_running_requests)
        .option("--chunked-prefill-size", options.chunked_prefill_size)
        .option("--max-total-tokens", options.max_total_tokens)
        .option("--attention-backend", options.attention_backend.as_deref())
        .option("--sampling-backend", options.sampling_backend.as_deref())
        .option("--kv-cache-dtype", options.kv_cache_dtype.as_deref())
        .option("--quantization", options.quantization.as_deref())
        .option("--device", options.device.as_deref())
        .switch("--disable-radix-cache", options.disable_radix_cache)
        .switch("--incremental-streaming-output", incremental)
}
