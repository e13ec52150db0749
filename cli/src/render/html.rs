//! The page: the template filled with the report.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};

use inferbench_model::config::Level;
use inferbench_model::facts::warning::WarningKind;
use inferbench_model::report::{
    Drift, Interval, Report, Severity, Warning, warning_line, warning_words,
};
use inferbench_model::stats::inference::is_bounded;
use inferbench_model::text::number::{
    bytes, counted_parts, grouped, percent, three_digits, with_unit,
};
use serde::Serialize;
use serde_json::Value;
use tera::{Context, Tera};

use super::charts::explore::Explore;
use super::contents;
use super::grid::{self, Stat, WIDE};
use super::kv;
use super::marks;
use super::runs;
use super::time::utc;
use super::{RenderError, charts, escape, style, tuning};

const TEMPLATE: &str = include_str!("../../../templates/report.html.tera");
const STILL: &str = include_str!("../../../templates/still.html.tera");
const STYLE: &str = include_str!("../../../templates/report.css");
const SCRIPT: &str = include_str!("../../../templates/report.js");
/// Sections whose charts have choosers.
const EXPLORE: &str = include_str!("../../../templates/explore.html.tera");
const EXPLORE_STYLE: &str = include_str!("../../../templates/explore.css");
const EXPLORE_SCRIPT: &str = include_str!("../../../templates/explore.js");
/// What differs between several runs.
const RUNS: &str = include_str!("../../../templates/runs.html.tera");
/// Its ending turns Tera's escaping on.
const NAME: &str = "report.html";
const STILL_NAME: &str = "still.html";

/// A heading of the table over levels.
#[derive(Serialize)]
struct Heading {
    text: String,
    unit: &'static str,
}

/// What sets a backend apart from the others.
#[derive(Serialize)]
struct Key {
    colour: &'static str,
    marker: &'static str,
}

/// A warning with its place in words.
#[derive(Serialize)]
struct WarningLine {
    severity: Severity,
    text: String,
}

/// Where the chart library stands in the template's output. Nothing else there
/// can be it: text is escaped, and so is the charts' JSON.
const LIBRARY: &str = "<chart library>";

/// Source of plotly.js: gzip in base64, which the page's script unpacks.
const PACKED_LIBRARY: &str = include_str!(concat!(env!("OUT_DIR"), "/plotly.js.gz.base64"));

/// The page, whose chart library is put in when it is written.
#[derive(Debug)]
pub struct Page {
    rendered: String,
}

impl Page {
    /// Writes the page.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_to(&self, out: &mut dyn Write) -> io::Result<()> {
        let Some((before, after)) = self.rendered.split_once(LIBRARY) else {
            return out.write_all(self.rendered.as_bytes());
        };
        out.write_all(before.as_bytes())?;
        out.write_all(PACKED_LIBRARY.as_bytes())?;
        out.write_all(after.as_bytes())
    }
}

/// The page `report.html`: one file that asks nothing of any network.
///
/// # Errors
/// `Template` if the template does not fit the report, `Chart` if a chart
/// cannot be written as JSON.
pub fn render_html(report: &Report) -> Result<Page, RenderError> {
    let mut tera = Tera::default();
    tera.add_raw_templates([
        ("explore.html", EXPLORE),
        ("runs.html", RUNS),
        (STILL_NAME, STILL),
        (NAME, TEMPLATE),
    ])?;
    tera.set_escape_fn(escape::html);
    register_filters(&mut tera);
    let rendered = tera.render(NAME, &context(report)?)?;
    Ok(Page {
        rendered: contents::filled(&rendered),
    })
}

fn context(report: &Report) -> Result<Context, RenderError> {
    let keys = (0..report.backends.len()).map(|place| Key {
        colour: style::colour(place),
        marker: style::marker_path(place),
    });
    let warnings = report.warnings.iter().map(|warning| WarningLine {
        severity: warning.severity,
        text: warning_line(warning, &report.levels),
    });
    let mut context = Context::new();
    context.insert("report", &without_lists(report));
    context.insert("warnings", &warnings.collect::<Vec<_>>());
    context.insert("warnings_heading", &warnings_heading(report));
    context.insert("marks", &marks::trust_marks(report));
    context.insert("several", &(report.measured().len() > 1));
    context.insert("keys", &keys.collect::<Vec<_>>());
    context.insert("requests", &(report.counts.ok + report.counts.failed));
    context.insert("config", &config_text(report)?);
    insert_table(&mut context, report);
    insert_charts(&mut context, report)?;
    context.insert("drift", &report.drift.as_ref().map(Drift::words));
    context.insert("sides", &runs::sides_of_report(report));
    context.insert("limit", &runs::limit_text(report));
    context.insert("kv_tables", &kv::tables(report));
    context.insert("left_out", &report.left_out());
    context.insert("tunings", &tuning::tables(report)?);
    context.insert("kv_usage", &kv::usage(report));
    context.insert("contents", contents::PLACE);
    context.insert("style", STYLE);
    context.insert("script", SCRIPT);
    context.insert("plotly", LIBRARY);
    Ok(context)
}

/// `2 warnings, 1 note`.
fn warnings_heading(report: &Report) -> String {
    let all = report.warnings.len();
    let is_note = |warning: &&Warning| warning.severity == Severity::Note;
    let notes = report.warnings.iter().filter(is_note).count();
    counted_parts(&[(all - notes, "warning"), (notes, "note")])
}

/// The report as the template reads it: the lists behind charts are left out,
/// which would take many times their size there.
fn without_lists(report: &Report) -> Report {
    let mut light = report.clone();
    light.distributions.clear();
    light.gaps_by_position.clear();
    light.tokens_per_event.clear();
    light.requests_over_time.clear();
    light.timeline = None;
    light.timelines.clear();
    light
}

/// The table over levels, where every figure has its ratio below it and not in a
/// column.
fn insert_table(context: &mut Context, report: &Report) {
    let mut columns = grid::shown(report, WIDE);
    columns.retain(|column| column.stat != Stat::Ratio);
    let headings = columns.iter().map(|column| Heading {
        text: column.heading_text(),
        unit: column.unit,
    });
    context.insert("headings", &headings.collect::<Vec<_>>());
    context.insert("footnote", &grid::footnote(report));
    context.insert("groups", &grid::groups(report, &columns));
}

fn insert_charts(context: &mut Context, report: &Report) -> Result<(), RenderError> {
    let charts = charts::all(report);
    let over_time = charts::over_time(report);
    let all = charts.iter().map(|own| &own.chart);
    let plots: BTreeMap<&str, &Value> = all
        .chain(over_time.as_ref().map(|own| &own.chart))
        .map(|chart| (chart.id.as_str(), &chart.plot))
        .collect();
    context.insert("plots", &for_script(&serde_json::to_string(&plots)?));
    if let Some(explore) = Explore::from_report(report) {
        context.insert("explore", &explore.sections());
        context.insert("first", &explore.first_choices());
        let json = for_script(&serde_json::to_string(&explore)?);
        context.insert("explore_data", &json);
    }
    context.insert("explore_style", EXPLORE_STYLE);
    context.insert("explore_script", EXPLORE_SCRIPT);
    context.insert("trade_id", charts::PARETO);
    context.insert("charts", &charts);
    context.insert("over_time", &over_time);
    Ok(())
}

/// The config as YAML; `None` if the report does not have it.
fn config_text(report: &Report) -> Result<Option<String>, RenderError> {
    let config = report.reproduce.as_ref().map(|own| &own.config);
    Ok(config.map(serde_yaml::to_string).transpose()?)
}

/// JSON that may stand inside a script element: no tag can begin in it.
fn for_script(json: &str) -> String {
    json.replace('<', "\\u003c")
}

fn register_filters(tera: &mut Tera) {
    tera.register_filter("digits", of_number(three_digits));
    tera.register_filter("percent", of_number(percent));
    tera.register_filter("grouped", of_whole(grouped));
    tera.register_filter("bytes", of_whole(bytes));
    tera.register_filter(
        "with_unit",
        |value: &Value, arguments: &HashMap<String, Value>| {
            let unit = arguments.get("unit").and_then(Value::as_str);
            let number = value.as_f64().ok_or_else(|| misfit("with_unit", value))?;
            Ok(Value::from(with_unit(number, unit.unwrap_or_default())))
        },
    );
    tera.register_filter("within", |value: &Value, _: &HashMap<String, Value>| {
        let interval: Interval =
            serde_json::from_value(value.clone()).map_err(|_| misfit("within", value))?;
        let bounded = is_bounded(interval.low, interval.high);
        let claim = if bounded { " (95 %)" } else { "" };
        Ok(Value::from(interval.within() + claim))
    });
    tera.register_filter("utc", |value: &Value, _: &HashMap<String, Value>| {
        Ok(Value::from(value.as_str().map_or_else(String::new, utc)))
    });
    tera.register_filter("level", |value: &Value, _: &HashMap<String, Value>| {
        let level: Level =
            serde_json::from_value(value.clone()).map_err(|_| misfit("level", value))?;
        Ok(Value::from(level.to_string()))
    });
    tera.register_filter(
        "warning_words",
        |value: &Value, _: &HashMap<String, Value>| {
            let kind: WarningKind = serde_json::from_value(value.clone())
                .map_err(|_| misfit("warning_words", value))?;
            Ok(Value::from(warning_words(&kind)))
        },
    );
}

/// A filter that writes a number; a missing one is a dash.
fn of_number(write: fn(f64) -> String) -> impl tera::Filter {
    move |value: &Value, _: &HashMap<String, Value>| match value.as_f64() {
        Some(number) => Ok(Value::from(write(number))),
        None => Ok(Value::from("–")),
    }
}

/// A filter that writes a whole number; a missing one is a dash.
fn of_whole(write: fn(u64) -> String) -> impl tera::Filter {
    move |value: &Value, _: &HashMap<String, Value>| match value.as_u64() {
        Some(number) => Ok(Value::from(write(number))),
        None => Ok(Value::from("–")),
    }
}

fn misfit(filter: &str, value: &Value) -> tera::Error {
    tera::Error::msg(format!("filter `{filter}` was given {value}"))
}
