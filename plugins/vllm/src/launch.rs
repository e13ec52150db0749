//! From options to `vllm serve`'s command line (flags of vLLM 0.32.0).

use inferbench_plugin_api::launch::command_line;
use inferbench_plugin_api::{EnvVar, Flags, LaunchContext, LaunchPlan, PythonPackage};

use crate::describe::VllmOptions;
use crate::log;

pub(crate) fn plan(options: &VllmOptions, context: &LaunchContext) -> LaunchPlan {
    let model = &context.model;
    let mut arguments = vec![model.id.clone()];
    arguments.extend(flags(options, context).into_arguments());
    let command = options.command.as_deref();
    // The development mode is what has `/reset_prefix_cache` and `/server_info`.
    let mut env = vec![
        EnvVar::plain("VLLM_SERVER_DEV_MODE", "1"),
        EnvVar::plain("VLLM_NO_USAGE_STATS", "1"),
    ];
    env.extend(context.offline());
    let line = command_line(command, &["vllm", "serve"], arguments, &options.extra_args);
    LaunchPlan {
        env,
        log_patterns: log::PATTERNS.map(str::to_owned).to_vec(),
        package: command
            .is_none()
            .then(|| PythonPackage::new("vllm", "vllm")),
        ..LaunchPlan::new(line, 30)
    }
}

fn flags(options: &VllmOptions, context: &LaunchContext) -> Flags {
    let model = &context.model;
    let caching = options.enable_prefix_caching;
    Flags::new()
        .with("--host", &context.host)
        .with("--port", context.port)
        .with("--served-model-name", &context.served_name)
        // NumPy, which vLLM seeds, takes 32 bits.
        .with("--seed", context.seed & 0x7fff_ffff)
        .with("--generation-config", &options.generation_config)
        .option("--dtype", model.dtype.as_deref())
        .option("--max-model-len", model.max_model_len)
        .option("--gpu-memory-utilization", options.gpu_memory_utilization)
        .option("--tensor-parallel-size", options.tensor_parallel_size)
        .option("--max-num-seqs", options.max_num_seqs)
        .option("--max-num-batched-tokens", options.max_num_batched_tokens)
        .option("--kv-cache-dtype", options.kv_cache_dtype.as_deref())
        .option("--quantization", options.quantization.as_deref())
        .option("--attention-backend", options.attention_backend.as_deref())
        .switch("--enforce-eager", options.enforce_eager)
        .switch("--enable-prefix-caching", caching == Some(true))
        .switch("--no-enable-prefix-caching", caching == Some(false))
}
