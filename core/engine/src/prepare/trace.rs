//! The times of the rows that prompts come from, where a run replays them.

use inferbench_model::config::{LoadConfig, Loaded, Requests};
use inferbench_model::plan::trace_times::{TraceTimes, TraceTimesError};
use inferbench_model::yaml::YamlError;

use super::located::key;
use crate::prompts::{PromptMaker, Scan};

/// The times to be replayed; `None` if the config does not ask for them.
///
/// # Errors
/// If rows have none, or they do not ascend.
pub(super) fn times(
    loaded: &Loaded,
    prompts: &PromptMaker,
) -> Result<Option<TraceTimes>, YamlError> {
    if !loaded.config.load.replays_trace() {
        return Ok(None);
    }
    // Times are those of one file: a mixture has none of its own.
    let Some((_, workload, scan)) = prompts.scans().next() else {
        return Ok(None);
    };
    let file = workload.file.as_deref().unwrap_or_default();
    let refuse = |words: String, hint: Option<&str>| {
        let path = [key("load"), key("arrivals")];
        let hint = hint.map(str::to_owned);
        let words = format!("is trace, but {words}");
        Err(loaded.tree.error_at(&path, words, hint))
    };
    let times = match (scan.first_untimed, scan.first_backwards) {
        (Some(place), _) => {
            let hint = "give each row a `timestamp`, or name another field with workload.fields: {timestamp: NAME}";
            return refuse(format!("{file}:{place} has no time"), Some(hint));
        }
        (None, Some(place)) => {
            let words = format!("{file}:{place} is earlier than the row before it");
            return refuse(words, Some("sort the file by time"));
        }
        (None, None) => TraceTimes::new(&scan.times_s),
    };
    match times {
        Ok(times) => match without_measured(loaded, scan) {
            Some(words) => refuse(format!("{file} has {words}"), None),
            None => Ok(Some(times)),
        },
        Err(TraceTimesError::TooFew { rows }) => {
            let words = format!("{file} gives {rows} requests, must be 2 or more");
            refuse(words, None)
        }
        Err(error) => refuse(format!("{file} cannot be replayed: {error}"), None),
    }
}

/// What keeps a whole trace from being measured: all of its rows are warm-up requests.
fn without_measured(loaded: &Loaded, scan: &Scan) -> Option<String> {
    let load = &loaded.config.load;
    let is_whole = load.requests.is_none() && load.duration.is_none();
    let warmup = load.warmup_requests;
    (is_whole && scan.kept <= warmup).then(|| {
        let rows = scan.kept;
        format!("{rows} rows, all of them taken by load.warmup_requests, which is {warmup}")
    })
}

/// A run that says neither how many requests nor how long measures the whole trace.
pub(super) fn set_requests(load: &mut LoadConfig, trace: &TraceTimes) {
    if load.requests.is_none() && load.duration.is_none() {
        let measured = (trace.rows() as u64).saturating_sub(load.warmup_requests);
        load.requests = Some(Requests::Fixed(measured));
    }
}
