//! The types and lists of words that stand in the files of a run folder, and where.

/// A type that stands in a file of the run folder.
pub(super) struct Table {
    /// Its place there.
    pub(super) place: &'static str,
    /// The source that defines it.
    pub(super) source: &'static str,
    /// Its name there.
    pub(super) name: &'static str,
}

const fn table(place: &'static str, source: &'static str, name: &'static str) -> Table {
    Table {
        place,
        source,
        name,
    }
}

/// Every type of the facts and of the rows of cells, in the order of the page.
pub(super) const TABLES: &[Table] = &[
    table("run.json", "core/model/src/facts/manifest.rs", "Manifest"),
    table(
        "run.json: backends",
        "core/model/src/facts/manifest.rs",
        "BackendFacts",
    ),
    table(
        "run.json: backends, kv_estimate",
        "core/model/src/kv_cache/estimate.rs",
        "KvEstimate",
    ),
    table(
        "run.json: backends, kv_estimate, terms",
        "core/model/src/kv_cache/estimate.rs",
        "KvTerm",
    ),
    table(
        "run.json: host",
        "core/model/src/facts/machine.rs",
        "HostFacts",
    ),
    table(
        "run.json: gpus",
        "core/model/src/facts/machine.rs",
        "GpuFacts",
    ),
    table(
        "run.json: shard",
        "core/model/src/facts/shard.rs",
        "ShardFacts",
    ),
    table(
        "run.json: shard, clock",
        "core/model/src/facts/shard.rs",
        "ClockFacts",
    ),
    table(
        "run.json: shard, starts",
        "core/model/src/facts/shard.rs",
        "CellStart",
    ),
    table(
        "run.json: merged",
        "core/model/src/facts/shard.rs",
        "MergedFacts",
    ),
    table(
        "run.json: merged, shards",
        "core/model/src/facts/shard.rs",
        "MergedShard",
    ),
    table(
        "run.json: merged, changed",
        "core/model/src/facts/changed_shard.rs",
        "ChangedShard",
    ),
    table(
        "run.json: anchors",
        "core/model/src/facts/manifest.rs",
        "Anchor",
    ),
    table("run.json: plan", "core/model/src/plan/mod.rs", "RunPlan"),
    table(
        "run.json: plan, stages",
        "core/model/src/plan/mod.rs",
        "Stage",
    ),
    table(
        "run.json: plan, stages, levels",
        "core/model/src/plan/mod.rs",
        "PlannedLevel",
    ),
    table(
        "run.json: plan, skipped",
        "core/model/src/plan/mod.rs",
        "Skipped",
    ),
    table(
        "run.json: stages",
        "core/model/src/facts/manifest.rs",
        "StageFacts",
    ),
    table(
        "run.json: stages, cause",
        "core/model/src/facts/crash_cause/mod.rs",
        "KnownCause",
    ),
    table(
        "run.json: stages, kv_evidence",
        "core/model/src/facts/manifest.rs",
        "KvEvidence",
    ),
    table(
        "run.json: stages, cache_audit",
        "core/model/src/facts/cache_audit.rs",
        "CacheAuditFacts",
    ),
    table(
        "run.json: stages, evidence",
        "core/contract/src/evidence.rs",
        "Evidence",
    ),
    table(
        "run.json: cells",
        "core/model/src/facts/manifest.rs",
        "CellFacts",
    ),
    table(
        "run.json: cells, key",
        "core/model/src/facts/key.rs",
        "CellKey",
    ),
    table(
        "run.json: cells, self_check",
        "core/model/src/facts/self_check.rs",
        "SelfCheck",
    ),
    table(
        "run.json: warnings",
        "core/model/src/facts/warning/mod.rs",
        "Warning",
    ),
    table(
        "run.json: files",
        "core/model/src/facts/manifest.rs",
        "FileFacts",
    ),
    table(
        "run.json: calibration",
        "core/model/src/facts/calibration.rs",
        "Calibration",
    ),
    table(
        "run.json: calibration, levels",
        "core/model/src/facts/calibration.rs",
        "CalibratedLevel",
    ),
    table(
        "run.json: calibration, errors",
        "core/model/src/facts/calibration.rs",
        "ErrorFigures",
    ),
    table(
        "run.json: calibration, fast",
        "core/model/src/facts/calibration.rs",
        "FastFigures",
    ),
    table(
        "run.json: calibration, trust",
        "core/model/src/facts/calibration/trust.rs",
        "TrustCell",
    ),
    table(
        "run.json: calibration, trust, disturbance",
        "core/model/src/facts/calibration/trust.rs",
        "Disturbance",
    ),
    table(
        "run.json: calibration, trust, figures",
        "core/model/src/facts/calibration/trust.rs",
        "Against",
    ),
    table(
        "requests.jsonl",
        "core/model/src/facts/record.rs",
        "RequestRecord",
    ),
    table("gpu.jsonl", "core/model/src/facts/samples.rs", "GpuSample"),
    table(
        "host.jsonl",
        "core/model/src/facts/samples.rs",
        "HostSample",
    ),
    table(
        "server_metrics.jsonl",
        "core/model/src/facts/samples.rs",
        "ServerSample",
    ),
    table("cells.json", "core/model/src/cell/row.rs", "CellsFile"),
    table("cells.json: cells", "core/model/src/cell/row.rs", "CellRow"),
    table(
        "cells.json: cells, counts",
        "core/model/src/facts/key.rs",
        "Counts",
    ),
    table(
        "cells.json: cells, window",
        "core/model/src/facts/window.rs",
        "Window",
    ),
    table(
        "cells.json: cells, hardware",
        "core/model/src/hardware/figures.rs",
        "CellHardware",
    ),
    table(
        "cells.json: cells, hardware, gpus",
        "core/model/src/hardware/figures.rs",
        "GpuFigures",
    ),
    table(
        "cells.json: cells, hardware, host",
        "core/model/src/hardware/figures.rs",
        "HostFigures",
    ),
    table(
        "cells.json: cells, hardware, energy of a GPU",
        "core/model/src/hardware/energy.rs",
        "GpuEnergy",
    ),
    table(
        "cells.json: cells, hardware, energy of all GPUs",
        "core/model/src/hardware/energy.rs",
        "PooledEnergy",
    ),
    table(
        "cells.json: cells, hardware, energy of the CPU",
        "core/model/src/hardware/energy.rs",
        "CpuEnergy",
    ),
    table(
        "cells.json: cells, hardware, series",
        "core/model/src/hardware/figures.rs",
        "SeriesFigure",
    ),
    table(
        "cells.json: cells, hardware, memory peaks",
        "core/model/src/hardware/spans.rs",
        "MemoryPeaks",
    ),
    table(
        "cells.json: cells, classes",
        "core/model/src/cell/classes.rs",
        "ClassFigures",
    ),
    table(
        "cells.json: cells, replicas",
        "core/model/src/cell/replicas.rs",
        "ReplicaFigures",
    ),
    table(
        "cells.json: cells, trends",
        "core/model/src/cell/steady_state.rs",
        "Trends",
    ),
    table(
        "cells.json: cells, promise",
        "core/model/src/cell/promise.rs",
        "PromiseKept",
    ),
];

/// Types of these folders that are written elsewhere.
pub(super) const ELSEWHERE: [(&str, &str); 6] = [
    ("Partial", "described in report.schema.json"),
    ("TrueRequest", "a file of the simulator"),
    ("Timeline", "described in report.schema.json"),
    ("StagePhase", "described in report.schema.json"),
    ("CellPhase", "described in report.schema.json"),
    ("TimelineSeries", "described in report.schema.json"),
];

/// A list of words that stands in these files.
pub(super) struct List {
    /// The source that defines it.
    pub(super) source: &'static str,
    /// Its name there.
    pub(super) name: &'static str,
}

const fn list(source: &'static str, name: &'static str) -> List {
    List { source, name }
}

/// Every list of words of the facts and of the rows of cells, in the order of the page.
pub(super) const LISTS: [List; 11] = [
    list("core/model/src/facts/exit_state.rs", "ExitState"),
    list("core/model/src/facts/manifest.rs", "ReportedIn"),
    list("core/model/src/facts/cache_audit.rs", "PrefixCacheState"),
    list("core/model/src/facts/warning/mod.rs", "Severity"),
    list("core/model/src/facts/record.rs", "Phase"),
    list("core/model/src/facts/record.rs", "Status"),
    list("core/model/src/facts/record.rs", "TokenSource"),
    list("core/model/src/kv_cache/estimate.rs", "DtypeSource"),
    list("core/model/src/kv_cache/estimate.rs", "TermKind"),
    list("core/model/src/hardware/energy.rs", "EnergySource"),
    list("core/model/src/hardware/energy.rs", "CounterScope"),
];
