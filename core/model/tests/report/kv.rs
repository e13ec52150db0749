//! Predicted, reported and measured KV caches side by side, on figures that
//! servers have published or that follow by hand.

use inferbench_model::config::Level;
use inferbench_model::facts::key::CellKey;
use inferbench_model::facts::manifest::{CellFacts, Manifest, ReportedIn};
use inferbench_model::facts::samples::{Evidence, ServerSample};
use inferbench_model::facts::self_check::SelfCheck;
use inferbench_model::facts::warning::WarningCode;
use inferbench_model::kv_cache::{KvEstimate, KvTerm, TermKind};
use inferbench_model::report::kv::{self, KvBackend, KvObserver, KvQuantity, MemoryReading};
use inferbench_model::report::{Extras, Severity, warning_line};
use inferbench_test_support::runs::Run;

const GIB: f64 = 1_073_741_824.0;

fn term(kind: TermKind, bytes_per_token: u64) -> KvTerm {
    KvTerm {
        kind,
        layers: 1,
        bytes_per_token,
        bytes_per_entry: None,
        tokens_per_entry: 1,
        context_ranks: 1,
        bytes_per_sequence: 0,
        cap_tokens: None,
        extra_blocks: 0,
        formula: format!("{bytes_per_token} B"),
    }
}

fn estimate(terms: Vec<KvTerm>) -> KvEstimate {
    KvEstimate {
        model_type: "t".to_owned(),
        dtype: "bfloat16".to_owned(),
        dtype_source: None,
        tensor_parallel: 1,
        pipeline_parallel: 1,
        context_parallel: 1,
        data_parallel: 1,
        gpus: None,
        weight_gpus: None,
        block_size: 16,
        bytes_per_token: terms.iter().map(|term| term.bytes_per_token).sum(),
        bytes_per_sequence: 0,
        terms,
        weight_bytes: None,
    }
}

fn reported(tokens: Option<u64>, gib: Option<f64>) -> Evidence {
    Evidence {
        kv_cache_tokens: tokens,
        kv_cache_bytes: gib.map(|gib| (gib * GIB).round() as u64),
        ..Evidence::default()
    }
}

/// A run of one backend whose server reports these facts.
fn manifest(estimate: Option<KvEstimate>, sources: &[(ReportedIn, Evidence)]) -> Manifest {
    let mut manifest = Run::new(&["b"], &[1, 8], 1).manifest;
    manifest.backends[0].kv_estimate = estimate;
    for (source, evidence) in sources {
        manifest.stages[0].record_evidence(*source, evidence.clone());
    }
    manifest
}

fn backend(manifest: &Manifest) -> KvBackend {
    let observed = KvObserver::new(manifest).finish();
    let report = kv::build(manifest, &[], &observed).unwrap();
    report.backends.into_iter().next().unwrap()
}

fn line(backend: &KvBackend, quantity: KvQuantity) -> &kv::KvLine {
    let mut lines = backend.lines.iter();
    lines.find(|line| line.quantity == quantity).unwrap()
}

/// vLLM 0.32 on a CPU with the tiny model (2 layers, 1 KV head of 64, float32:
/// 1,024 bytes a token) and 1 GiB: 2^30 / 1,024 = 1,048,576 by all sources.
#[test]
fn sources_that_agree_with_the_formula_are_said_to() {
    let mut metrics = reported(Some(1_048_576), Some(1.0));
    metrics.kv_block_size = Some(128);
    let sources = [
        (ReportedIn::Log, reported(Some(1_048_576), Some(1.0))),
        (ReportedIn::Metrics, metrics.clone()),
        (ReportedIn::Info, metrics),
    ];
    let manifest = manifest(
        Some(estimate(vec![term(TermKind::Attention, 1024)])),
        &sources,
    );
    let backend = backend(&manifest);
    let tokens = line(&backend, KvQuantity::Tokens);
    assert_eq!(tokens.predicted, Some(1_048_576.0));
    for cell in [tokens.log, tokens.metrics, tokens.info] {
        assert_eq!(cell.unwrap().value, 1_048_576.0);
        assert_eq!(cell.unwrap().difference, Some(0.0));
    }
    assert_eq!(line(&backend, KvQuantity::Bytes).predicted, Some(GIB));
    assert_eq!(
        backend.sentences,
        ["what is reported and measured is within 5 % of the prediction"]
    );
}

/// vllm#10517: Llama-3.1-8B (128 KiB a token), 3.81 GiB, 1,952 blocks, room for
/// 1.56 requests of 20,000 tokens. Blocks of 16, which no line says.
#[test]
fn blocks_become_tokens_by_the_number_of_full_requests() {
    let log = Evidence {
        kv_cache_blocks: Some(1952),
        kv_cache_tokens_about: Some(31_200.0),
        ..reported(None, Some(3.81))
    };
    let manifest = manifest(
        Some(estimate(vec![term(TermKind::Attention, 131_072)])),
        &[(ReportedIn::Log, log)],
    );
    let backend = backend(&manifest);
    let tokens = line(&backend, KvQuantity::Tokens);
    assert_eq!(tokens.log.unwrap().value, 31_232.0);
    // 3.81 GiB hold 1,950 whole blocks.
    assert_eq!(tokens.predicted, Some(31_200.0));
    assert_eq!(backend.sentences.len(), 1);
}

/// sglang#11309: DeepSeek-V3.2's 1,462,784 tokens take 65.49 GiB with the
/// indexer (61 layers of 656 + 132 bytes); the log says 54.52.
#[test]
fn a_term_that_is_left_out_is_named() {
    let terms = vec![
        term(TermKind::Latent, 61 * 656),
        term(TermKind::Indexer, 61 * 132),
    ];
    let manifest = manifest(
        Some(estimate(terms)),
        &[(ReportedIn::Log, reported(Some(1_462_784), Some(54.52)))],
    );
    let backend = backend(&manifest);
    let bytes = line(&backend, KvQuantity::Bytes);
    assert!((bytes.predicted.unwrap() / GIB - 65.484).abs() < 0.001);
    assert!((bytes.log.unwrap().difference.unwrap() + 0.1674).abs() < 0.001);
    assert_eq!(backend.sentences.len(), 1, "{:?}", backend.sentences);
    let sentence = &backend.sentences[0];
    assert!(
        sentence.ends_with("the term of the indexer is left out: 8052 B"),
        "{sentence}"
    );
}

/// vllm#25350: 48 layers of 4 heads of 128; fp8 halves what bfloat16 takes.
#[test]
fn another_data_type_is_named() {
    let log = Evidence {
        kv_cache_dtype: Some("fp8_e4m3".to_owned()),
        ..reported(Some(230_528), Some(10.55))
    };
    let manifest = manifest(
        Some(estimate(vec![term(TermKind::Attention, 98_304)])),
        &[(ReportedIn::Log, log)],
    );
    let backend = backend(&manifest);
    assert_eq!(backend.sentences.len(), 1, "{:?}", backend.sentences);
    assert!(backend.sentences[0].ends_with(
        "the bytes per element: the server keeps fp8_e4m3, the prediction takes bfloat16"
    ));
}

/// The metrics of a vLLM whose 1 GiB was cut to 20 blocks of 128 by hand.
#[test]
fn blocks_set_by_hand_are_named() {
    let metrics = Evidence {
        kv_cache_blocks: Some(20),
        kv_block_size: Some(128),
        ..reported(Some(2560), Some(1.0))
    };
    let manifest = manifest(
        Some(estimate(vec![term(TermKind::Attention, 1024)])),
        &[(ReportedIn::Metrics, metrics)],
    );
    let backend = backend(&manifest);
    assert_eq!(backend.sentences.len(), 1, "{:?}", backend.sentences);
    assert!(backend.sentences[0].contains("the number of blocks: 20 of 128 tokens"));
}

#[test]
fn growth_over_tokens_stands_beside_the_formula() {
    let info = Evidence {
        kv_growth: Some(vec![(16, 16_384), (32, 32_768), (48, 49_152)]),
        ..Evidence::default()
    };
    let manifest = manifest(
        Some(estimate(vec![term(TermKind::Attention, 1024)])),
        &[(ReportedIn::Info, info)],
    );
    let backend = backend(&manifest);
    let growth = backend.growth.unwrap();
    assert_eq!(
        (growth.slope, growth.intercept, growth.points),
        (1024.0, 0.0, 3)
    );
    let line = line(&backend, KvQuantity::BytesPerToken);
    assert_eq!(line.measured.unwrap().difference, Some(0.0));
}

#[test]
fn a_server_that_reports_nothing_has_no_part() {
    let manifest = manifest(Some(estimate(vec![term(TermKind::Attention, 1024)])), &[]);
    let observed = KvObserver::new(&manifest).finish();
    assert_eq!(kv::build(&manifest, &[], &observed), None);
}

fn reading(t_ns: u64, index: u32, gib: f64) -> MemoryReading {
    MemoryReading {
        t_ns,
        index,
        memory_used_bytes: Some((gib * GIB) as u64),
    }
}

/// Two GPUs: 1 GiB each before, 9 after the weights, 29 and 30 when ready.
#[test]
fn memory_steps_are_those_last_read_before_each_moment() {
    let mut manifest = manifest(None, &[]);
    let stage = &mut manifest.stages[0];
    (stage.start_ns, stage.weights_ns, stage.ready_ns) = (Some(100), Some(200), Some(300));
    let mut observer = KvObserver::new(&manifest);
    for (t_ns, first, second) in [
        (50, 0.5, 0.5),
        (100, 1.0, 1.0),
        (150, 5.0, 5.0),
        (199, 9.0, 9.0),
        (250, 20.0, 20.0),
        (300, 29.0, 30.0),
        (350, 31.0, 31.0),
    ] {
        observer.add_memory(&reading(t_ns, 0, first));
        observer.add_memory(&reading(t_ns, 1, second));
    }
    let steps = observer.finish().memory("b", 0).unwrap();
    let gib = |bytes: u64| bytes as f64 / GIB;
    assert_eq!(gib(steps.before_bytes), 2.0);
    assert_eq!(steps.weights_bytes.map(gib), Some(18.0));
    assert_eq!(gib(steps.ready_bytes), 59.0);
}

fn cell(concurrency: u32, start_ns: u64, end_ns: u64) -> CellFacts {
    CellFacts {
        promise_held: None,
        objective: None,
        key: CellKey {
            backend: "b".to_owned(),
            block: 0,
            level: Level::Concurrency(concurrency),
        },
        start_ns,
        end_ns,
        complete: true,
        self_check: SelfCheck::default(),
    }
}

fn sample(t_ns: u64, usage: f64, waiting: f64, preemptions: f64) -> ServerSample {
    ServerSample {
        t_ns,
        backend: "b".to_owned(),
        block: 0,
        evidence: Evidence {
            kv_cache_usage_ratio: Some(usage),
            waiting_requests: Some(waiting),
            preemptions: Some(preemptions),
            ..Evidence::default()
        },
    }
}

/// Cells from 100 to 200 and from 210 to 400. The counter goes from 3 to 5
/// between 150 and 230, of which 50 lie in the first cell and 20 in the second.
#[test]
fn a_full_cache_and_preempted_requests_belong_to_their_level() {
    let mut manifest = manifest(None, &[]);
    manifest.cells = vec![cell(1, 100, 200), cell(8, 210, 400)];
    let mut observer = KvObserver::new(&manifest);
    for one in [
        sample(90, 0.9, 9.0, 3.0),
        sample(150, 0.2, 0.0, 3.0),
        sample(230, 0.4, 1.0, 5.0),
        sample(300, 1.0, 7.0, 16.0),
        sample(500, 0.0, 0.0, 16.0),
    ] {
        observer.add_server(&one);
    }
    let levels = [Level::Concurrency(1), Level::Concurrency(8)];
    let report = kv::build(&manifest, &levels, &observer.finish()).unwrap();
    let (one, eight) = (&report.usage[0], &report.usage[1]);
    assert_eq!(
        (one.peak_usage_ratio, one.preemptions),
        (Some(0.2), Some(2.0))
    );
    assert_eq!(
        (eight.peak_usage_ratio, eight.preemptions),
        (Some(1.0), Some(11.0))
    );
    assert_eq!(eight.peak_waiting, Some(7.0));
    assert!(report.is_pressed("b", &Level::Concurrency(8)));
    let whole = Run::new(&["b"], &[1, 8], 1).report_with(Extras {
        kv: Some(report),
        ..Extras::default()
    });
    let warnings: Vec<String> = whole
        .warnings
        .iter()
        .filter(|warning| warning.severity == Severity::Warning)
        .map(|warning| warning_line(warning, &levels))
        .collect();
    assert!(
        warnings
            .iter()
            .any(|line| line.contains("the KV cache was the limit here")
                && line.ends_with("requests preempted 13 times")),
        "{warnings:?}"
    );
}

/// Cells from 100 to 200, 210 to 300 and 310 to 400; the counter goes back between 190
/// and 220, which touches the first two. Between 90 and 190 it counted one.
#[test]
fn counters_that_go_back_give_no_evidence_for_the_cells_they_touch() {
    let mut manifest = manifest(None, &[]);
    manifest.cells = vec![cell(1, 100, 200), cell(2, 210, 300), cell(8, 310, 400)];
    let mut observer = KvObserver::new(&manifest);
    for one in [
        sample(90, 0.1, 0.0, 8.0),
        sample(190, 0.1, 0.0, 9.0),
        sample(220, 0.1, 0.0, 2.0),
        sample(310, 0.1, 0.0, 2.0),
        sample(400, 0.1, 0.0, 5.0),
    ] {
        observer.add_server(&one);
    }
    let levels = [1, 2, 8].map(Level::Concurrency);
    let report = kv::build(&manifest, &levels, &observer.finish()).unwrap();
    let counted: Vec<_> = report.usage.iter().map(|usage| usage.preemptions).collect();
    assert_eq!(counted, [None, None, Some(3.0)]);
    assert_eq!(report.usage[0].counters_went_back, ["preemptions"]);
    assert_eq!(report.usage[0].peak_usage_ratio, Some(0.1));
    let whole = Run::new(&["b"], &[1, 2, 8], 1).report_with(Extras {
        kv: Some(report),
        ..Extras::default()
    });
    let mut found = whole.warnings.iter();
    let found = found.find(|w| w.kind.code() == WarningCode::CountersWentBack);
    assert_eq!(found.unwrap().levels, levels[..2]);
}

/// A router that answers for two servers in turn: each second reading is lower, and the
/// steps up between them are no preemptions either, in a cell without a step down too.
#[test]
fn counters_of_several_servers_in_turn_give_none_at_all() {
    let mut manifest = manifest(None, &[]);
    manifest.cells = vec![cell(1, 100, 199), cell(8, 200, 700)];
    let mut observer = KvObserver::new(&manifest);
    for (t, count) in [
        (90, 10.0),
        (150, 500.0),
        (250, 10.0),
        (350, 501.0),
        (450, 10.0),
    ] {
        observer.add_server(&sample(t, 0.1, 0.0, count));
    }
    let levels = [1, 8].map(Level::Concurrency);
    let report = kv::build(&manifest, &levels, &observer.finish()).unwrap();
    for usage in &report.usage {
        assert_eq!(usage.preemptions, None);
        assert_eq!(usage.counters_went_back, ["preemptions"]);
    }
}
