//! From options to LMDeploy's command line.
//!
//! Source: `lmdeploy/cli/serve.py` and `lmdeploy/cli/utils.py` of LMDeploy.

use inferbench_plugin_api::launch::command_line;
use inferbench_plugin_api::{Flags, LaunchContext, LaunchPlan, PythonPackage};

use crate::describe::LmDeployOptions;

const COMMAND: [&str; 3] = ["lmdeploy", "serve", "api_server"];

pub(crate) fn plan(options: &LmDeployOptions, context: &LaunchContext) -> LaunchPlan {
    let model = &context.model;
    let mut arguments = vec![model.id.clone()];
    arguments.extend(flags(options, context).into_arguments());
    let command = options.command.as_deref();
    let line = command_line(command, &COMMAND, arguments, &options.extra_args);
    LaunchPlan {
        env: context.offline().into_iter().collect(),
        package: command
            .is_none()
            .then(|| PythonPackage::new("lmdeploy", "lmdeploy")),
        ..LaunchPlan::new(line, 30)
    }
}

fn flags(options: &LmDeployOptions, context: &LaunchContext) -> Flags {
    let model = &context.model;
    Flags::new()
        .with("--server-name", &context.host)
        .with("--server-port", context.port)
        .with("--model-name", &context.served_name)
        .option("--dtype", model.dtype.as_deref())
        .option("--session-len", model.max_model_len)
        .option("--backend", options.backend.as_deref())
        .option("--tp", options.tp)
        .option("--max-batch-size", options.max_batch_size)
        .option("--cache-max-entry-count", options.cache_max_entry_count)
        .option("--cache-block-seq-len", options.cache_block_seq_len)
        .switch("--enable-prefix-caching", options.enable_prefix_caching)
        .option("--max-prefill-token-num", options.max_prefill_token_num)
        .option("--quant-policy", options.quant_policy)
        .option("--model-format", options.model_format.as_deref())
}
