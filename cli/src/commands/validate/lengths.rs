//! How long prompts and answers are, as far as it is known before a run.

use inferbench_engine::prepare::PreparedRun;
use inferbench_model::config::WorkloadConfig;

/// Mean length of a prompt and of an answer over all requests, tokens: as the config
/// says, or as the rows of a file have it. `None` where no tokenizer counted them.
pub(super) fn mean_tokens(prepared: &PreparedRun) -> (Option<f64>, Option<f64>) {
    let scans: Vec<_> = prepared.prompts.scans().collect();
    let of_file = |part: &WorkloadConfig| {
        let mut scans = scans.iter();
        let found = scans.find(|(_, other, _)| other.file == part.file && part.file.is_some());
        found.map(|(_, _, scan)| scan.mean_tokens())
    };
    let workload = &prepared.config.workload;
    let input = workload.mean_tokens(|part| match of_file(part) {
        Some((input, _)) => input.unwrap_or(f64::NAN),
        None => part.input_tokens.mean(),
    });
    let output = workload.mean_tokens(|part| match of_file(part) {
        Some((_, output)) => output.unwrap_or(f64::NAN),
        None => part.output_tokens.mean(),
    });
    let known = |tokens: f64| Some(tokens).filter(|tokens| tokens.is_finite());
    (known(input), known(output))
}
