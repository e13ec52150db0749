//! The manifest of such a run: its backends, stages and machine.

use inferbench_model::config::Config;
use inferbench_model::facts::machine::{GpuFacts, HostFacts};
use inferbench_model::facts::manifest::{
    Anchor, BackendFacts, ExitState, Manifest, RUN_SCHEMA_VERSION, StageFacts,
};
use inferbench_model::facts::samples::Evidence;
use inferbench_model::plan::RunPlan;

pub(super) fn manifest(config: &Config, labels: &[&str]) -> Manifest {
    let plan = RunPlan::new(config);
    let stages = plan.stages.iter();
    let stages = stages.map(|stage| stage_facts(&stage.backend, stage.block));
    Manifest {
        schema_version: RUN_SCHEMA_VERSION,
        inferbench_version: "0.1.0".to_owned(),
        command: vec!["inferbench".into(), "run".into(), "chat.yaml".into()],
        config: serde_json::to_value(config).unwrap(),
        workload_sha256: Some("ab".repeat(32)),
        shard: None,
        merged: None,
        backends: labels.iter().map(|label| backend_facts(label)).collect(),
        host: host(),
        gpus: vec![gpu()],
        gpu_absence: None,
        calibration: None,
        anchors: vec![
            Anchor {
                monotonic_ns: 0,
                utc: "2026-11-25T14:02:11Z".to_owned(),
            },
            Anchor {
                monotonic_ns: 600_000_000_000,
                utc: "2026-11-25T14:12:11Z".to_owned(),
            },
        ],
        stages: stages.collect(),
        plan,
        cells: Vec::new(),
        warnings: Vec::new(),
        files: std::collections::BTreeMap::new(),
        own_sha256: None,
        exit_state: ExitState::Done,
    }
}

fn stage_facts(backend: &str, block: u32) -> StageFacts {
    StageFacts {
        command: Some(vec![
            backend.to_owned(),
            "serve".into(),
            "--port".into(),
            "8000".into(),
        ]),
        ready_s: Some(12.5),
        evidence: Evidence {
            dtype: Some("bfloat16".to_owned()),
            max_model_len: Some(4096),
            kv_cache_tokens: Some(1_048_576),
            version: Some("0.11.0".to_owned()),
            ..Evidence::default()
        },
        ..StageFacts::new(backend, block)
    }
}

fn host() -> HostFacts {
    HostFacts {
        hostname: Some("bench-1".to_owned()),
        os: Some("Linux 6.8.0".to_owned()),
        cpu: Some("AMD EPYC 9354".to_owned()),
        cores: Some(32),
        memory_bytes: Some(128 << 30),
    }
}

fn gpu() -> GpuFacts {
    GpuFacts {
        index: 0,
        name: Some("NVIDIA GeForce RTX 5090".to_owned()),
        uuid: None,
        memory_bytes: Some(32 << 30),
        power_limit_watts: Some(575.0),
        driver: Some("580.95.05".to_owned()),
    }
}

fn backend_facts(label: &str) -> BackendFacts {
    BackendFacts {
        label: label.to_owned(),
        plugin: "openai".to_owned(),
        plugin_version: "0.1.0".to_owned(),
        plugin_api: "1.0".to_owned(),
        plugin_file: "plugins/libinferbench_openai.so".to_owned(),
        plugin_sha256: "cd".repeat(32),
        simulated: false,
        attach: None,
        replicas: Vec::new(),
        prompt_form: "token_ids".to_owned(),
        one_request_at_a_time: false,
        kv_estimate: None,
    }
}
