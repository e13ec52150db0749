//! Whether a cell that calls itself trustworthy is: cells of 16 to 2,048 streams beside
//! busy neighbours, pauses, a CPU quota and bursts, each against what the simulator
//! recorded. Fails if a cell that is off calls itself trustworthy, or if more than one
//! in ten of the true cells is marked.
//!
//! Needs the simulator: `cargo build --release --workspace` first. Words after `--` pick
//! the scenarios whose names hold one of them.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::expect_used,
    reason = "a bench reports, and may panic"
)]

use std::process::ExitCode;

use inferbench_engine::calibrate::{scenarios, trust};
use inferbench_engine::plugins::host::PluginHost;
use inferbench_engine::plugins::search::SearchPath;
use inferbench_model::facts::calibration::{Against, Disturbance, TrustCell, TrustCount};
use tokio_util::sync::CancellationToken;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|w| w != "--bench")
        .collect();
    let picked = |how: &Disturbance| {
        words.is_empty()
            || words
                .iter()
                .any(|word| how.to_string().contains(word.as_str()))
    };
    let cells: Vec<_> = scenarios()
        .into_iter()
        .filter(|(_, how)| picked(how))
        .collect();
    println!(
        "{} cells; errors are reported minus true, ms (truth in brackets)",
        cells.len()
    );
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let measured = runtime.block_on(trust(
        &plugins(),
        &cells,
        &mut |cell| println!("{}", line(cell)),
        &mut |streams, how, why| println!("{streams:5} {how}: left out: {why}"),
        &CancellationToken::new(),
    ));
    let measured = match measured {
        Ok(measured) => measured,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    let count = TrustCount::new(&measured);
    println!("{count}");
    match count.holds() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// The simulator's plugin, built beside this program.
fn plugins() -> PluginHost {
    let own = std::env::current_exe().expect("the path of this program");
    let folders = own.ancestors().skip(1).take(2);
    PluginHost::load(&SearchPath {
        files: Vec::new(),
        dirs: folders.map(ToOwned::to_owned).collect(),
        trust_dirs: true,
    })
}

fn line(cell: &TrustCell) -> String {
    let word = match (cell.is_off(), cell.is_trusted()) {
        (true, true) => "LIE",
        (true, false) => "off, marked",
        (false, true) => "true",
        (false, false) => "true, marked",
    };
    let [mean, p99, itl] = [cell.ttft_mean_ms, cell.ttft_p99_ms, cell.itl_p99_ms].map(error);
    let marks: Vec<_> = cell.breaches.iter().map(|code| code.as_str()).collect();
    format!(
        "{:5} {:<28} TTFT mean {mean} p99 {p99} ITL p99 {itl}  {word:<12} {}",
        cell.concurrency,
        cell.disturbance.to_string(),
        marks.join(" ")
    )
}

fn error(figure: Against) -> String {
    match (figure.error_ms(), figure.truth) {
        (Some(error), Some(truth)) => format!("{error:8.3} ({truth:6.1})"),
        _ => format!("{:>17}", "–"),
    }
}
