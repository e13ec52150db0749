//! `calibrate`: how exact timings are on this machine.

use std::path::Path;

use comfy_table::{
    CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Table, TableStyle, Width,
};
use inferbench_engine::calibrate::{self, SIMULATOR};
use inferbench_engine::plugins::search::SearchPath;
use inferbench_engine::run::Stops;
use inferbench_engine::store::calibration as stored_calibration;
use inferbench_model::facts::calibration::{Calibration, ErrorFigures, TrustCount};
use inferbench_model::text::number::{grouped, three_digits};

use super::inputs::load_plugins;
use super::output::{print_json, width};
use super::{runtime, signals};
use crate::args::OutputArgs;
use crate::exit::{CliError, Code};
use crate::table::wrapped_at;

pub(super) fn calibrate(
    quick: bool,
    file: Option<&Path>,
    search: &SearchPath,
    output: OutputArgs,
) -> Result<Code, CliError> {
    let plugins = load_plugins(search, [SIMULATOR], output.verbose);
    if plugins.get(SIMULATOR).is_none() {
        let known: Vec<&str> = plugins.names().collect();
        return Err(CliError::NoPlugin {
            name: SIMULATOR.to_owned(),
            known: known.join(", "),
        });
    }
    let file = match file {
        Some(file) => file.to_owned(),
        None => stored_calibration::default_file().ok_or(CliError::NoDataFolder)?,
    };
    let version = env!("CARGO_PKG_VERSION");
    let found = runtime::block_on(async {
        let stops = Stops::default();
        tokio::spawn(signals::stop_on_signals(stops.clone()));
        let on_line = |line: &str| {
            if !output.quiet {
                eprintln!("{line}");
            }
        };
        Box::pin(calibrate::calibrate(
            &plugins,
            version,
            quick,
            &on_line,
            &stops.gentle,
        ))
        .await
    })??;
    stored_calibration::write(&file, &found)?;
    if output.json {
        print_json(&found)?;
    } else {
        println!("{}", render(&found, width()));
        println!("file: {}", file.display());
    }
    Ok(Code::Done)
}

/// The table of timing errors and the lines below it, none wider than `width` columns
/// where that leaves every number whole.
fn render(found: &Calibration, width: usize) -> String {
    let mut lines = error_lines(found, width);
    lines.push(String::new());
    let mut sentences = vec![found.passed_words()];
    sentences.extend(fast_line(found));
    sentences.push(clock_line(found));
    for level in &found.levels {
        let streams = grouped(level.concurrency.into());
        let breaches = level.breaches.iter();
        sentences
            .extend(breaches.map(|text| format!("untrustworthy at {streams} streams: {text}")));
    }
    lines.extend(wrapped_all(&sentences, width));
    lines.extend(trust_lines(found, width));
    lines.join("\n")
}

/// The errors level by level.
fn error_lines(found: &Calibration, width: usize) -> Vec<String> {
    let mut table = plain_table(
        width,
        &[
            "streams",
            "requests",
            "TTFT error\nmean ms",
            "TTFT error\np50 ms",
            "TTFT error\np99 ms",
            "ITL error\nmean ms",
            "ITL error\np99 ms",
        ],
    );
    for level in &found.levels {
        let [ttft_mean, ttft_p50, ttft_p99] = figures(&level.ttft_error_ms);
        let [itl_mean, _, itl_p99] = figures(&level.itl_error_ms);
        table.add_row([
            grouped(level.concurrency.into()),
            grouped(level.requests as u64),
            ttft_mean,
            ttft_p50,
            ttft_p99,
            itl_mean,
            itl_p99,
        ]);
    }
    table_lines(&mut table)
}

fn plain_table(width: usize, header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─')))
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(u16::try_from(width).unwrap_or(u16::MAX))
        .force_no_tty();
    table.set_header(header);
    table
}

fn table_lines(table: &mut Table) -> Vec<String> {
    let widest: Vec<u16> = widest_words(table);
    for (column, word) in table.column_iter_mut().zip(widest) {
        column.set_cell_alignment(CellAlignment::Right);
        let (left, right) = (1, 1);
        let least = Width::Fixed(word + left + right);
        column.set_constraint(ColumnConstraint::LowerBoundary(least));
    }
    table.lines().map(|l| l.trim_end().to_owned()).collect()
}

/// Width of the longest word of each column, so that none is cut.
fn widest_words(table: &mut Table) -> Vec<u16> {
    let columns = table.column_count();
    let longest = |text: &str| {
        text.split([' ', '\n'])
            .map(|word| word.chars().count())
            .max()
    };
    let header = table
        .header()
        .into_iter()
        .flat_map(|row| row.cell_iter().enumerate());
    let rows = table.row_iter().flat_map(|row| row.cell_iter().enumerate());
    let mut widest = vec![0; columns];
    for (at, cell) in header.chain(rows) {
        let word = longest(&cell.content()).unwrap_or(0);
        widest[at] = widest[at].max(u16::try_from(word).unwrap_or(u16::MAX));
    }
    widest
}

/// What the cells beside neighbours and bursts say of the marks of trust.
fn trust_lines(found: &Calibration, width: usize) -> Vec<String> {
    if found.trust.is_empty() {
        return Vec::new();
    }
    let mut table = plain_table(
        width,
        &[
            "streams",
            "while there were",
            "TTFT error\nmean ms",
            "TTFT error\np99 ms",
            "ITL error\np99 ms",
            "figures",
            "marked as",
        ],
    );
    for cell in &found.trust {
        let [mean, p99, itl] = [cell.ttft_mean_ms, cell.ttft_p99_ms, cell.itl_p99_ms]
            .map(|figure| in_ms(figure.error_ms()));
        let codes: Vec<_> = cell.breaches.iter().map(|code| code.as_str()).collect();
        table.add_row([
            grouped(cell.concurrency.into()),
            cell.disturbance.to_string(),
            mean,
            p99,
            itl,
            if cell.is_off() { "off" } else { "true" }.to_owned(),
            match codes.is_empty() {
                true => "trustworthy".to_owned(),
                false => codes.join("\n"),
            },
        ]);
    }
    let head = "Disturbed on purpose; here the error is that of the cell's own mean and p99.";
    let mut lines = vec![String::new()];
    lines.extend(wrapped_at(width, head, "    "));
    lines.push(String::new());
    lines.extend(table_lines(&mut table));
    lines.push(String::new());
    lines.extend(wrapped_all(
        &[TrustCount::new(&found.trust).to_string()],
        width,
    ));
    lines
}

/// Each sentence in lines of at most `width` columns.
fn wrapped_all(sentences: &[String], width: usize) -> Vec<String> {
    let wrapped = sentences.iter().map(|text| wrapped_at(width, text, "    "));
    wrapped.flatten().collect()
}

fn figures(errors: &ErrorFigures) -> [String; 3] {
    [errors.mean, errors.p50, errors.p99].map(in_ms)
}

fn in_ms(figure: Option<f64>) -> String {
    figure.map_or_else(|| "–".to_owned(), |ms| format!("{ms:.3}"))
}

fn fast_line(found: &Calibration) -> Option<String> {
    let fast = found.fast.as_ref()?;
    let (rate, cpu) = (fast.tokens_per_s?, fast.cpu_ms_per_1000_tokens?);
    Some(format!(
        "unpaced, {} streams: {} tokens/s, {} ms CPU per {} tokens",
        fast.concurrency,
        grouped(rate.round() as u64),
        three_digits(cpu),
        grouped(1000)
    ))
}

fn clock_line(found: &Calibration) -> String {
    let clock = found.arrival_clock.as_deref().unwrap_or("unknown");
    let truth = if found.truth_is_kernels {
        "the kernel's"
    } else {
        "partly the server's own, so its delay counts as error"
    };
    format!("arrival clock: {clock}; the server's timestamps of requests are {truth}")
}

#[cfg(test)]
mod tests {
    use inferbench_model::facts::warning::WarningCode;
    use serde_json::json;

    use super::*;

    fn found() -> Calibration {
        let errors = json!({"mean": 0.01, "p50": 0.009, "p99": 12.345, "n": 9});
        let level = json!({
            "concurrency": 2048, "requests": 12288, "ttft_error_ms": errors,
            "itl_error_ms": errors,
            "breaches": ["the client was busy for 97 % of the window, and 90 % are allowed"],
        });
        let figure = json!({"reported": 12.5, "truth": 10.0});
        let cell = json!({
            "concurrency": 512, "requests": 512, "ttft_mean_ms": figure,
            "disturbance": {"neighbours_per_core": 2, "pause_ms": 25, "burst": 16},
            "ttft_p99_ms": figure, "itl_p99_ms": figure,
            "breaches": [WarningCode::ClientBusy, WarningCode::SharedReads],
        });
        serde_json::from_value(json!({
            "schema_version": 1, "inferbench_version": "0", "utc": "", "host": {},
            "arrival_clock": "kernel", "truth_is_kernels": true, "levels": [level],
            "error_passed_at": null, "fast": null, "trust": [cell],
        }))
        .unwrap()
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for width in [72, 80, 100] {
            let text = render(&found(), width);
            let widest = text.lines().map(|line| line.chars().count()).max();
            assert!(widest <= Some(width), "{width}: {widest:?}\n{text}");
            assert!(
                text.contains("12.345") && text.contains("client-busy"),
                "{text}"
            );
        }
    }
}
