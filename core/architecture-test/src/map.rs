//! The map: every crate and every room, in the order in which they stand on each
//! other. `ARCHITECTURE.md` shows it and says more of each.

use crate::table::{ALL_BELOW, Arrow, Crate, Room};

const fn room(name: &'static str, job: &'static str, uses: &'static [&'static str]) -> Room {
    Room { name, job, uses }
}

/// Every crate of the workspace, from the ground up.
pub const CRATES: &[Crate] = &[
    Crate {
        folder: "core/contract",
        job: "the plain data that host, plugins and reports share: events, evidence",
        may_use: &[],
        tests_may_use: &[],
        rooms: &[],
        arrows: &[],
    },
    Crate {
        folder: "core/model",
        job: "what follows from the numbers: config, plan, metrics, statistics, report data",
        may_use: &["core/contract"],
        tests_may_use: &["core/test-support"],
        rooms: MODEL,
        arrows: &[Arrow {
            from: "yaml/access.rs",
            to: "yaml/de.rs",
            why: "a list's entries are deserializers, which open lists in turn",
        }],
    },
    Crate {
        folder: "core/plugin-api",
        job: "all that a plugin compiles against, and the boundary to the host",
        may_use: &["core/contract"],
        tests_may_use: &["core/testkit", "core/test-support"],
        rooms: &[],
        arrows: &[Arrow {
            from: "abi.rs",
            to: "adapter.rs",
            why: "the macro that writes a plugin's exports names the adapter behind them",
        }],
    },
    Crate {
        folder: "core/testkit",
        job: "whether a plugin does what the boundary asks, with bytes alone",
        may_use: &["core/contract", "core/plugin-api"],
        tests_may_use: &[],
        rooms: &[],
        arrows: &[],
    },
    Crate {
        folder: "core/engine",
        job: "what happens in the world: processes, sockets, clocks, GPUs, files",
        may_use: &[
            "core/contract",
            "core/model",
            "core/plugin-api",
            "core/testkit",
        ],
        tests_may_use: &["core/test-support"],
        rooms: ENGINE,
        arrows: &[],
    },
    Crate {
        folder: "plugins/*",
        job: "how one backend is launched, asked and read",
        may_use: &["core/contract", "core/plugin-api"],
        tests_may_use: &["core/testkit", "core/test-support"],
        rooms: &[],
        arrows: &[],
    },
    Crate {
        folder: "cli",
        job: "how it is shown: commands, terminal, page, exit codes",
        may_use: &[
            "core/contract",
            "core/model",
            "core/plugin-api",
            "core/engine",
        ],
        tests_may_use: &["core/test-support"],
        rooms: CLI,
        arrows: &[],
    },
    Crate {
        folder: "core/test-support",
        job: "what the tests of several crates share: runs, recorded streams",
        may_use: &[
            "core/contract",
            "core/model",
            "core/plugin-api",
            "core/testkit",
        ],
        tests_may_use: &[],
        rooms: &[],
        arrows: &[],
    },
    Crate {
        folder: "core/engine/tests/fixture-plugin",
        job: "a plugin that misbehaves on request, for the engine's tests",
        may_use: &["core/contract", "core/plugin-api"],
        tests_may_use: &["core/testkit"],
        rooms: &[],
        arrows: &[],
    },
    Crate {
        folder: "core/engine/tests/standin-nvml",
        job: "a library that answers like NVML, for tests without a GPU",
        may_use: &[],
        tests_may_use: &[],
        rooms: &[],
        arrows: &[],
    },
    Crate {
        folder: "core/architecture-test",
        job: "this table, and the tests that compare it with the code",
        may_use: &[],
        tests_may_use: &[],
        rooms: &[],
        arrows: &[],
    },
];

/// `core/model/src`.
#[rustfmt::skip]
const MODEL: &[Room] = &[
    room("text", "numbers, bytes and units as readers see them", &[]),
    room("stats", "percentiles, intervals, trends, packed samples", &[]),
    room("yaml", "YAML with line and column, unknown keys, variables", &["text"]),
    room("kv_cache", "KV-cache bytes from a model's own config.json", &["text"]),
    room("config", "what is asked: the config file's types and checks", &["text", "yaml"]),
    room("plan", "what will be done: stages, cells, schedule, prompts, seeds", &["text", "config"]),
    room("prompts", "where prompts come from: the table of sources, and what their rows mean", &["config", "plan"]),
    room("facts", "what was recorded: manifest, records, cells' keys, warnings as codes", &["text", "stats", "kv_cache", "config", "plan"]),
    room("hardware", "GPU and host samples folded into figures", &["text", "stats", "config", "facts"]),
    room("metrics", "the table of metrics: name, unit, formula, source", &["text", "stats", "config", "facts", "hardware"]),
    room("cell", "records of one cell folded into its row and digest", &[ALL_BELOW]),
    room("verify", "the rules that a run folder must keep", &["text", "stats", "config", "plan", "facts"]),
    room("doctor", "what a machine's facts mean, each with a hint", &["text", "facts"]),
    room("report/source", "what a report is made of", &["config", "facts", "cell"]),
    room("report/provenance", "backends, environment, self-check, how to do it again", REPORT_GROUND),
    room("report/figures", "rows, percentiles, distributions, saturation", REPORT_FIGURES),
    room("report/kv", "KV cache: predicted, reported, measured", REPORT_KV),
    room("report/verdict", "pairs, intervals, ranking, drift: who is faster, and is it sure", REPORT_VERDICT),
    room("report/fairness", "whether the backends did the same work", REPORT_VERDICT),
    room("report/runs_data", "what a report says of several runs: types", REPORT_TYPES),
    room("report/data", "the report: types", &[ALL_BELOW]),
    room("report/marks", "tiles, marks of trust, doubts of a verdict", &[ALL_BELOW]),
    room("report/warnings", "what to know before trusting a figure: codes and numbers", &[ALL_BELOW]),
    room("report/prose", "the words: headline, tiles, doubts, warnings", &[ALL_BELOW]),
    room("report/build", "figures, verdicts, warnings and words into one report", &[ALL_BELOW]),
    room("report/runs", "several runs side by side, gates", &[ALL_BELOW]),
    room("report", "the report's names for other crates", &[ALL_BELOW]),
];

/// `core/engine/src`.
#[rustfmt::skip]
const ENGINE: &[Room] = &[
    room("secrets", "masks secrets wherever text leaves the program", &[]),
    room("event", "what a run reports while it goes on", &["secrets"]),
    room("os", "what the kernel reports and allows: clock, processes, limits", &[]),
    room("worker", "what the process that does a command reports to the one that waits for it", &["os"]),
    room("store", "the run folder and stored facts", &["os"]),
    room("http", "stamped sockets and the control plane", &["os", "secrets"]),
    room("plugins", "finds, vets, opens and checks plugin libraries", &["os", "worker", "http"]),
    room("derive", "run folder in; cells, report and audit out", &["store", "os"]),
    room("merge", "folders of shards in; one run folder out", &["store", "os", "derive"]),
    room("prompts", "files of prompts read as streams; the prompt of every request out", &["os"]),
    room("load", "offers requests, returns records", &["os", "http", "plugins", "prompts"]),
    room("capture", "run folder and packets in; by how much they differ out", &["store", "http", "plugins", "load"]),
    room("telemetry", "samples GPUs and host", &["os"]),
    room("server", "launch plan in; ready server and certain end out", &["secrets", "event", "os", "http", "plugins", "prompts", "load"]),
    room("watcher", "does a command in a worker, and sees how that ends", &["os", "worker", "server"]),
    room("prepare", "config and plugins in; a run that can start out", &[ALL_BELOW]),
    room("run", "stages, cells, recording", &[ALL_BELOW]),
    room("calibrate", "this machine's own errors, against the simulator", &[ALL_BELOW]),
    room("doctor", "collects what this machine has and allows", &[ALL_BELOW]),
];

/// `cli/src`.
#[rustfmt::skip]
const CLI: &[Room] = &[
    room("say", "one line on standard error", &[]),
    room("build", "which build this is", &[]),
    room("args", "the command line", &["build"]),
    room("render", "report data into HTML, CSV, Markdown, Prometheus text", &[]),
    room("exit", "errors, hints and exit codes", &["render"]),
    room("table", "report data into terminal tables", &["render"]),
    room("progress", "bars and lines while a run goes on", &["args", "render", "table"]),
    room("commands", "one file a command", &[ALL_BELOW]),
];

const REPORT_GROUND: &[&str] = &[
    "text",
    "stats",
    "config",
    "plan",
    "facts",
    "hardware",
    "metrics",
    "cell",
    "report/source",
];

const REPORT_FIGURES: &[&str] = &[
    "text",
    "stats",
    "config",
    "plan",
    "facts",
    "hardware",
    "metrics",
    "cell",
    "report/source",
    "report/provenance",
];

const REPORT_KV: &[&str] = &["text", "kv_cache", "config", "facts", "cell"];

const REPORT_VERDICT: &[&str] = &[
    "text",
    "stats",
    "config",
    "plan",
    "facts",
    "metrics",
    "cell",
    "report/source",
    "report/provenance",
    "report/figures",
];

const REPORT_TYPES: &[&str] = &["stats", "config", "facts", "report/verdict"];
