//! One cell through the load, against any server.

use std::sync::{Arc, Mutex, PoisonError};

use inferbench_engine::http::Target;
use inferbench_engine::load::conversations::Conversations;
use inferbench_engine::load::requests::CellSource;
use inferbench_engine::load::{CellLoad, LoadError, Progress, RequestSource, Transport, run_cell};
use inferbench_engine::prompts::PromptMaker;
use inferbench_model::config::{Length, LoadConfig, WorkloadConfig};
use inferbench_model::facts::key::CellKey;
use inferbench_model::facts::record::RequestRecord;
use inferbench_model::facts::self_check::SelfCheck;
use inferbench_model::plan::prompt::IdRange;
use inferbench_model::plan::trace_times::TraceTimes;
use inferbench_plugin_api::PromptForm;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

pub const TOKENS: u32 = 4;
/// Times of the trace that is replayed where a load asks for one, s.
pub const TRACE_S: [f64; 4] = [10.0, 10.1, 10.4, 10.45];

pub fn source(target: &Target, block: u32) -> CellSource {
    let workload = WorkloadConfig {
        input_tokens: Length::Fixed(16),
        output_tokens: Length::Fixed(TOKENS),
        ..WorkloadConfig::default()
    };
    let vocabulary = Arc::new(IdRange::new(10, 1000));
    CellSource {
        prompts: Arc::new(PromptMaker::synthetic(workload, vocabulary)),
        client: Arc::new(super::open("openai", json!({"prompt_form": "token_ids"}))),
        form: PromptForm::TokenIds,
        target: Some(target.clone()),
        model: "m".to_owned(),
        block,
        level: 0,
        conversations: Conversations::default(),
    }
}

pub struct Ran {
    pub outcome: Result<SelfCheck, LoadError>,
    pub records: Vec<RequestRecord>,
    pub progress: Arc<Progress>,
}

pub fn run(
    target: &Target,
    load: Value,
    source: impl RequestSource,
    cancel: &CancellationToken,
) -> Ran {
    // One cell at a time: they are timed, and share the machine's cores.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let load: LoadConfig = serde_json::from_value(load).unwrap();
    let trace = load
        .replays_trace()
        .then(|| TraceTimes::new(&TRACE_S).unwrap());
    let cell = CellLoad {
        key: CellKey {
            backend: "b".to_owned(),
            block: 0,
            level: load.levels()[0],
        },
        load,
        arrivals_seed: 1,
        trace,
        keep_text: false,
        shard: Default::default(),
        gate: None,
    };
    let records = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&records);
    let progress = Arc::new(Progress::default());
    let outcome = run_cell(
        &cell,
        &[Transport::Http(target.clone())],
        source,
        Box::new(move |record| sink.lock().unwrap().push(record)),
        &progress,
        cancel,
    );
    let records = std::mem::take(&mut *records.lock().unwrap());
    Ran {
        outcome,
        records,
        progress,
    }
}
