//! From options to `inferbench-sim`'s command line.

use inferbench_plugin_api::launch::command_line;
use inferbench_plugin_api::{Flags, LaunchContext, LaunchPlan, StopPlan};

use crate::describe::{Scheduler, SimOptions, Spin};

pub(crate) fn plan(options: &SimOptions, context: &LaunchContext) -> LaunchPlan {
    let mut flags = flags(options, context);
    for fault in &options.faults {
        flags = flags.with("--fault", fault);
    }
    let command = options.command.as_deref();
    let arguments = flags.into_arguments();
    LaunchPlan {
        command: command_line(command, &["inferbench-sim"], arguments, &options.extra_args),
        stop: StopPlan {
            grace_s: 5,
            ..StopPlan::default()
        },
        ..LaunchPlan::default()
    }
}

fn flags(options: &SimOptions, context: &LaunchContext) -> Flags {
    Flags::new()
        .with("--host", &context.host)
        .with("--port", context.port)
        .with("--model", &context.served_name)
        .with("--seed", options.seed.unwrap_or(context.seed))
        .option("--parts-at-token", options.parts_at_token)
        .option("--max-model-len", context.model.max_model_len)
        .option("--vocab-size", options.vocab_size)
        .option("--mean-output-tokens", options.mean_output_tokens)
        .option("--scheduler", options.scheduler.map(Scheduler::flag))
        .option("--max-num-seqs", options.max_num_seqs)
        .option("--max-batched-tokens", options.max_batched_tokens)
        .option("--step-base-us", options.step_base_us)
        .option("--step-per-seq-us", options.step_per_seq_us)
        .option("--prefill-us-per-token", options.prefill_us_per_token)
        .option("--fixed-ttft-ms", options.fixed_ttft_ms)
        .option("--fixed-itl-ms", options.fixed_itl_ms)
        .option("--fixed-burst", options.fixed_burst)
        .option("--kv-blocks", options.kv_blocks)
        .option("--block-size", options.block_size)
        .switch("--prefix-caching", options.prefix_caching)
        .option("--tokens-per-event", options.tokens_per_event)
        .option("--load-seconds", options.load_seconds)
        .option("--truth-file", options.truth_file.as_deref())
        .option("--exit-after-requests", options.exit_after_requests)
        .switch("--ignore-sigterm", options.ignore_sigterm)
        .option("--pause-every-ms", options.pause_every_ms)
        .option("--pause-ms", options.pause_ms)
        .option("--spin", options.spin.map(Spin::flag))
}
