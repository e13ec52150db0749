//! From options to `text-generation-launcher`'s command line.
//!
//! Source: `docs/source/reference/launcher.md` of Text Generation Inference.

use inferbench_plugin_api::launch::command_line;
use inferbench_plugin_api::{Flags, LaunchContext, LaunchPlan};

use crate::describe::TgiOptions;

/// Requests that TGI takes at once where it is not told otherwise.
const USUAL_REQUESTS: u32 = 128;

pub(crate) fn plan(options: &TgiOptions, context: &LaunchContext) -> LaunchPlan {
    let arguments = flags(options, context).into_arguments();
    let line = command_line(
        options.command.as_deref(),
        &["text-generation-launcher"],
        arguments,
        &options.extra_args,
    );
    LaunchPlan {
        env: context.offline().into_iter().collect(),
        ..LaunchPlan::new(line, 30)
    }
}

fn flags(options: &TgiOptions, context: &LaunchContext) -> Flags {
    let model = &context.model;
    let more = context.max_concurrency.filter(|n| *n > USUAL_REQUESTS);
    Flags::new()
        .with("--model-id", &model.id)
        .with("--hostname", &context.host)
        .with("--port", context.port)
        .option("--dtype", model.dtype.as_deref())
        .option("--max-total-tokens", model.max_model_len)
        // It must be less, and its default does not follow.
        .option(
            "--max-input-tokens",
            model.max_model_len.map(|n| n.saturating_sub(1).max(1)),
        )
        .option("--num-shard", options.num_shard)
        .option("--quantize", options.quantize.as_deref())
        .option("--kv-cache-dtype", options.kv_cache_dtype.as_deref())
        .option(
            "--max-concurrent-requests",
            options.max_concurrent_requests.or(more),
        )
        .option(
            "--max-batch-prefill-tokens",
            options.max_batch_prefill_tokens,
        )
        .option("--max-batch-total-tokens", options.max_batch_total_tokens)
        .option("--cuda-memory-fraction", options.cuda_memory_fraction)
        .switch("--trust-remote-code", options.trust_remote_code)
}
