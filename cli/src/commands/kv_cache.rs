//! `kv-cache`: the size of a model's cache and what fits, each figure with its
//! arithmetic.

use inferbench_engine::prepare::kv_forecast::KvModel;
use inferbench_model::kv_cache::{
    Budget, Capacity, DtypeSource, KvError, KvEstimate, Line, Weights,
};
use inferbench_model::text::number::{bytes, exact_bytes, grouped};
use serde::Serialize;

use super::output::{print_json, width};
use crate::args::{KvCacheArgs, OutputArgs};
use crate::exit::{CliError, Code};
use crate::table::wrapped_at;

/// Width of a line's name, columns.
const NAME_WIDTH: usize = 19;

/// What `--json` writes.
#[derive(Serialize)]
struct Output<'a> {
    model: &'a str,
    estimate: &'a KvEstimate,
    weights: Option<&'a Weights>,
    /// Absent without `--gpu-memory`.
    budget: Option<&'a Budget>,
    capacity: Option<&'a Capacity>,
    /// Absent without `--concurrency`.
    need: Option<Need>,
    /// Every figure with its arithmetic.
    lines: &'a [Section],
}

/// What the given load needs.
#[derive(Serialize)]
struct Need {
    concurrency: u64,
    /// Of them, those of the data-parallel rank that has the most.
    concurrency_per_rank: u64,
    context_tokens: u64,
    cache_bytes: u64,
    /// Per GPU, with weights, overhead and utilization.
    gpu_memory_bytes: u64,
}

#[derive(Serialize)]
struct Section {
    title: String,
    lines: Vec<Line>,
}

pub(super) fn kv_cache(args: &KvCacheArgs, output: OutputArgs) -> Result<Code, CliError> {
    let model = KvModel::read(&args.model)?;
    let mut estimate = model.estimate(&args.options())?;
    if args.weights.is_some() {
        estimate.weight_bytes = args.weights;
    }
    let budget = budget(args, &estimate);
    let into_error = |error: KvError| CliError::KvCache(model.because(error));
    let capacity = args
        .gpu_memory
        .map(|_| estimate.capacity(&budget, args.context));
    let capacity = capacity.transpose().map_err(into_error)?;
    let need = match args.concurrency {
        Some(concurrency) => {
            // Rejects a share outside 0 to 1, by which `need` would divide.
            let whole = Budget {
                memory_bytes: u64::MAX,
                ..budget
            };
            whole.cache_bytes().map_err(into_error)?;
            Some(need(&estimate, &budget, concurrency, args.context))
        }
        None => None,
    };
    let sections = sections(args, &model, &estimate, &budget, capacity.as_ref());
    if output.json {
        print_json(&Output {
            model: &args.model,
            estimate: &estimate,
            weights: model.weights.as_ref(),
            budget: args.gpu_memory.map(|_| &budget),
            capacity: capacity.as_ref(),
            need,
            lines: &sections,
        })?;
        return Ok(Code::Done);
    }
    println!("{}", headline(&args.model, &estimate));
    for section in &sections {
        show(section, width());
    }
    for note in notes(args, &estimate) {
        println!("\n{note}");
    }
    Ok(Code::Done)
}

fn budget(args: &KvCacheArgs, estimate: &KvEstimate) -> Budget {
    Budget {
        memory_bytes: args.gpu_memory.unwrap_or(0),
        utilization: args.utilization,
        weight_bytes: estimate.weight_bytes_per_gpu().unwrap_or(0),
        overhead_bytes: args.overhead,
    }
}

fn need(estimate: &KvEstimate, budget: &Budget, concurrency: u64, tokens: u64) -> Need {
    let here = estimate.sequences_of_one_rank(concurrency);
    Need {
        concurrency,
        concurrency_per_rank: here,
        context_tokens: tokens,
        cache_bytes: estimate.needed_bytes(here, tokens),
        gpu_memory_bytes: estimate.memory_for(budget, here, tokens),
    }
}

fn headline(model: &str, estimate: &KvEstimate) -> String {
    let context = match estimate.context_parallel {
        1 => String::new(),
        ranks => format!(", tokens dealt out among {ranks}"),
    };
    let data = match estimate.data_parallel {
        1 => String::new(),
        ranks => format!(", {ranks} ranks with a cache each"),
    };
    let ranks = match (estimate.tensor_parallel, estimate.pipeline_parallel) {
        (1, 1) if estimate.gpus() == 1 => "1 GPU".to_owned(),
        (tp, pp) => format!("TP {tp} x PP {pp}{context}{data}, on the GPU that holds the most"),
    };
    format!(
        "{model}: {}, cache in {}{}, blocks of {} tokens, {ranks}",
        estimate.model_type,
        estimate.dtype,
        dtype_source(estimate),
        estimate.block_size
    )
}

/// Where the cache's type comes from, in brackets.
pub(super) fn dtype_source(estimate: &KvEstimate) -> String {
    let words = estimate.dtype_source.map(DtypeSource::words);
    words.map(|words| format!(" ({words})")).unwrap_or_default()
}

fn sections(
    args: &KvCacheArgs,
    model: &KvModel,
    estimate: &KvEstimate,
    budget: &Budget,
    capacity: Option<&Capacity>,
) -> Vec<Section> {
    let section = |title: String, lines: Vec<Line>| Section { title, lines };
    let context = args.context;
    let mut all = vec![
        section("KV cache".to_owned(), estimate.explain()),
        section(
            format!("a sequence of {} tokens", grouped(context)),
            estimate.explain_sequence(context),
        ),
    ];
    let weights = weight_lines(args, model, estimate);
    if !weights.is_empty() {
        all.push(section("weights".to_owned(), weights));
    }
    if let Some(capacity) = capacity {
        let title = format!("what fits into {}", bytes(budget.memory_bytes));
        all.push(section(title, estimate.explain_capacity(budget, capacity)));
    }
    if let Some(concurrency) = args.concurrency {
        let title = format!(
            "what concurrency {} x {} tokens needs",
            grouped(concurrency),
            grouped(context)
        );
        all.push(section(
            title,
            estimate.explain_need(budget, concurrency, context),
        ));
    }
    all
}

fn weight_lines(args: &KvCacheArgs, model: &KvModel, estimate: &KvEstimate) -> Vec<Line> {
    let line = |name: &str, formula: String, value: String| Line {
        name: name.to_owned(),
        formula,
        value,
    };
    let (Some(bytes), Some(per_gpu)) = (estimate.weight_bytes, estimate.weight_bytes_per_gpu())
    else {
        return Vec::new();
    };
    let stored = model.weights.as_ref().filter(|_| args.weights.is_none());
    let by_dtype = stored.map_or(&[][..], |weights| &weights.by_dtype);
    let parts: Vec<String> = by_dtype
        .iter()
        .map(|part| format!("{} {}", grouped(part.bytes), part.dtype))
        .collect();
    let from = match (args.weights, parts.is_empty()) {
        (Some(_), _) => "given by --weights".to_owned(),
        (None, true) => "all tensors, as its files say".to_owned(),
        (None, false) => parts.join(" + "),
    };
    let mut lines = vec![line("whole model", from, exact_bytes(bytes))];
    if per_gpu != bytes {
        let formula = format!("ceil({} / {})", grouped(bytes), estimate.weight_gpus());
        let value = exact_bytes(per_gpu);
        lines.push(line("per GPU", formula, value));
    }
    lines
}

/// Prints a section. A formula that does not fit in one line is wrapped, with its
/// value on the next line.
fn show(section: &Section, width: usize) {
    println!("\n{}", section.title);
    for line in &section.lines {
        let name = format!("  {:<NAME_WIDTH$}", line.name);
        let whole = match line.formula.is_empty() {
            true => format!("{name} {}", line.value),
            false => format!("{name} {} = {}", line.formula, line.value),
        };
        if whole.chars().count() <= width {
            println!("{whole}");
            continue;
        }
        let indent = " ".repeat(NAME_WIDTH + 3);
        let broken = wrapped_at(width.saturating_sub(NAME_WIDTH + 3), &line.formula, "");
        for (at, part) in broken.iter().enumerate() {
            match at {
                0 => println!("{name} {part}"),
                _ => println!("{indent}{part}"),
            }
        }
        println!("{indent}= {}", line.value);
    }
}

fn notes(args: &KvCacheArgs, estimate: &KvEstimate) -> Vec<String> {
    let mut notes = Vec::new();
    let budgeted = args.gpu_memory.is_some() || args.concurrency.is_some();
    if budgeted && estimate.weight_bytes.is_none() {
        notes.push(
            "note: the folder has no safetensors, weights count as 0: set them with --weights"
                .to_owned(),
        );
    }
    let engine = estimate.tensor_parallel * estimate.pipeline_parallel;
    if budgeted && estimate.weight_bytes.is_some() && estimate.weight_gpus() > engine {
        notes.push(
            "note: experts are split over all ranks, other weights are not: weights per GPU are at least this"
                .to_owned(),
        );
    }
    if args.gpu_memory.is_some() && args.overhead == 0 {
        notes.push(
            "note: activations, graphs and the runtime count as 0: set them with --overhead"
                .to_owned(),
        );
    }
    notes
}
