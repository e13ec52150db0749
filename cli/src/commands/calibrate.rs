//! `calibrate`: how exact timings are on this machine.

use std::path::Path;

use comfy_table::{CellAlignment, LineStyle, Table, TableStyle};
use inferbench_engine::calibrate::{self, SIMULATOR};
use inferbench_engine::plugins::host::SearchPath;
use inferbench_engine::run::Stops;
use inferbench_engine::store::calibration as stored_calibration;
use inferbench_model::facts::calibration::{Calibration, ErrorFigures, TrustCount};
use inferbench_model::text::number::{grouped, three_digits};

use super::inputs::load_plugins;
use super::output::print_json;
use super::{runtime, signals};
use crate::args::OutputArgs;
use crate::exit::{CliError, Code};

pub(super) fn calibrate(
    quick: bool,
    file: Option<&Path>,
    search: &SearchPath,
    output: OutputArgs,
) -> Result<Code, CliError> {
    let plugins = load_plugins(search, output.verbose);
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
    let found = runtime::start()?.block_on(async {
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
    })?;
    stored_calibration::write(&file, &found)?;
    if output.json {
        print_json(&found)?;
    } else {
        println!("{}", render(&found));
        println!("file: {}", file.display());
    }
    Ok(Code::Done)
}

/// The table of timing errors and the lines below it.
fn render(found: &Calibration) -> String {
    let mut table = plain_table(&[
        "streams",
        "requests",
        "TTFT error\nmean ms",
        "TTFT error\np50 ms",
        "TTFT error\np99 ms",
        "ITL error\nmean ms",
        "ITL error\np99 ms",
    ]);
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
    let mut lines = table_lines(&mut table);
    lines.push(String::new());
    lines.push(found.passed_words());
    lines.extend(fast_line(found));
    lines.push(clock_line(found));
    for level in &found.levels {
        let streams = grouped(level.concurrency.into());
        let breaches = level.breaches.iter();
        lines.extend(breaches.map(|text| format!("untrustworthy at {streams} streams: {text}")));
    }
    lines.extend(trust_lines(found));
    lines.join("\n")
}

fn plain_table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─')))
        .force_no_tty();
    table.set_header(header);
    table
}

fn table_lines(table: &mut Table) -> Vec<String> {
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.lines().map(|l| l.trim_end().to_owned()).collect()
}

/// What the cells beside neighbours and bursts say of the marks of trust.
fn trust_lines(found: &Calibration) -> Vec<String> {
    if found.trust.is_empty() {
        return Vec::new();
    }
    let mut table = plain_table(&[
        "streams",
        "while there were",
        "TTFT error\nmean ms",
        "TTFT error\np99 ms",
        "ITL error\np99 ms",
        "figures",
        "marked as",
    ]);
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
    let mut lines = vec![
        String::new(),
        "Disturbed on purpose; here the error is that of the cell's own mean and p99.".to_owned(),
        String::new(),
    ];
    lines.extend(table_lines(&mut table));
    lines.push(String::new());
    lines.push(TrustCount::new(&found.trust).to_string());
    lines
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
        "unpaced, {} streams: {} tokens/s, {} ms CPU per 1,000 tokens",
        fast.concurrency,
        grouped(rate.round() as u64),
        three_digits(cpu)
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
