//! From options to `transformers serve`'s command line (flags of transformers 5.24.0).

use inferbench_plugin_api::launch::command_line;
use inferbench_plugin_api::{EnvVar, Flags, LaunchContext, LaunchPlan, PythonPackage};

use crate::describe::TransformersServeOptions;
use crate::evidence::LOG_PATTERNS;

pub(crate) fn plan(options: &TransformersServeOptions, context: &LaunchContext) -> LaunchPlan {
    let model = &context.model;
    let mut arguments = vec![model.id.clone()];
    arguments.extend(flags(options, context).into_arguments());
    let command = options.command.as_deref();
    let mut env = vec![EnvVar::plain("TOKENIZERS_PARALLELISM", "false")];
    env.extend(context.offline());
    let line = command_line(
        command,
        &["transformers", "serve"],
        arguments,
        &options.extra_args,
    );
    LaunchPlan {
        env,
        log_patterns: LOG_PATTERNS.map(str::to_owned).to_vec(),
        package: command.is_none().then(|| PythonPackage {
            with: vec!["torch".to_owned(), "accelerate".to_owned()],
            ..PythonPackage::new("transformers[serving]", "transformers")
        }),
        ..LaunchPlan::new(line, 20)
    }
}

fn flags(options: &TransformersServeOptions, context: &LaunchContext) -> Flags {
    Flags::new()
        .with("--host", &context.host)
        .with("--port", context.port)
        // torch takes 64 bits, NumPy 32.
        .with("--default-seed", context.seed & 0x7fff_ffff)
        // What it says of its KV cache is of this level.
        .with("--log-level", "info")
        .switch("--continuous-batching", options.continuous_batching)
        .option("--dtype", context.model.dtype.as_deref())
        .option("--device", options.device.as_deref())
        .option(
            "--attn-implementation",
            options.attn_implementation.as_deref(),
        )
        .option("--quantization", options.quantization.as_deref())
        .switch("--compile", options.compile)
        .switch("--trust-remote-code", options.trust_remote_code)
        .option("--cb-block-size", options.cb_block_size)
        .option("--cb-num-blocks", options.cb_num_blocks)
        .option("--cb-max-batch-tokens", options.cb_max_batch_tokens)
        .option("--cb-max-memory-percent", options.cb_max_memory_percent)
}
