//! Audits cached answers: before the first cell a backend is asked the same prompt
//! again and again, beside new ones. An answer that comes faster the second time
//! was not computed anew; whether it did is judged by the report. All prompts and
//! answers are of one length, drawn once: where each drew its own, the repeated
//! prompt would be faster whenever it is the shorter one.

use std::time::{Duration, Instant};

use inferbench_model::config::ReadyCheck;
use inferbench_model::facts::cache_audit::{CacheAuditFacts, PrefixCacheState};
use inferbench_model::facts::samples::Evidence;
use inferbench_model::plan::Stage;
use inferbench_model::plan::prompt::PromptKey;
use inferbench_plugin_api::RequestSpec;

use super::session::RunSession;
use super::started::{HttpServer, StartedBackend};
use crate::http::control::ControlPlane;
use crate::http::{Connection, Target};
use crate::load::requests;
use crate::prepare::{PreparedBackend, ShardPlan};
use crate::server::probe::Probe;

/// Pairs of a new prompt and the repeated one.
const PAIRS: u64 = 6;
/// Fewest pairs that say anything; what the time does not allow is left out.
const LEAST_PAIRS: usize = 3;
/// Longest answer that is asked for, tokens.
const ANSWER_TOKENS: u32 = 16;
/// Longest that the audit may take, but for a request that is under way.
const LIMIT: Duration = Duration::from_secs(20);
/// Longest that one request may take.
const REQUEST_LIMIT: Duration = Duration::from_secs(10);
/// The prompts of no cell: no level has such an index.
const NEW: usize = usize::MAX;
const REPEATED: usize = usize::MAX - 1;

/// The prompt of one kind at one place.
fn key(kind: usize, index: u64) -> PromptKey {
    PromptKey {
        block: u32::MAX,
        level: kind,
        index,
    }
}

/// The audit of a backend in its first block. `None` where it cannot be had:
/// the config wants no request but its own (`ready_check`), prompts or their images
/// come from a list of which none may be asked before its turn, the engine is in
/// this process, or a request failed, which the cells show more of.
pub(super) async fn audit(
    session: &RunSession<'_>,
    backend: &PreparedBackend,
    stage: &Stage,
    started: &StartedBackend,
    evidence: &Evidence,
) -> Option<CacheAuditFacts> {
    // Of several replicas one is asked: they were started alike.
    let HttpServer { target, control } = started.servers().first()?;
    // Of several shards one asks: more would find each other's prompts in the cache.
    let is_other = |shard: &ShardPlan| shard.shard.index() > 0;
    if session.prepared.shard.as_ref().is_some_and(is_other) || !is_wanted(session, stage) {
        return None;
    }
    let mut asking = Asking {
        session,
        backend,
        target,
        control,
        slot: None,
        emptied: true,
    };
    let (distinct_ms, repeated_ms) = asking.pairs().await?;
    let prefix_cache = match (evidence.prefix_caching, asking.emptied) {
        (Some(false), _) => PrefixCacheState::Off,
        (_, true) => PrefixCacheState::Emptied,
        (_, false) => PrefixCacheState::MayHelp,
    };
    (distinct_ms.len() >= LEAST_PAIRS).then_some(CacheAuditFacts {
        distinct_ms,
        repeated_ms,
        prefix_cache,
    })
}

fn is_wanted(session: &RunSession<'_>, stage: &Stage) -> bool {
    let prepared = session.prepared;
    let config = &prepared.config.backends[stage.backend_index];
    stage.block == 0
        && config.ready_check == ReadyCheck::Request
        && !prepared.prompts.come_from_a_list()
}

/// A server that is asked one thing after the other.
struct Asking<'a> {
    session: &'a RunSession<'a>,
    backend: &'a PreparedBackend,
    target: &'a Target,
    control: &'a ControlPlane,
    slot: Option<Connection>,
    /// Its prefix cache could be emptied each time.
    emptied: bool,
}

impl Asking<'_> {
    /// Latencies of new prompts and of the repeated one, pair by pair, as many as
    /// the time allows; `None` if a request failed.
    async fn pairs(&mut self) -> Option<(Vec<f64>, Vec<f64>)> {
        let (mut distinct_ms, mut repeated_ms) = (Vec::new(), Vec::new());
        let began = Instant::now();
        // The first answers warm the server up, and a cache for what is repeated.
        self.latency_ms(NEW, PAIRS).await?;
        self.latency_ms(REPEATED, 0).await?;
        for pair in 0..PAIRS {
            if began.elapsed() > LIMIT || self.session.cancel().is_cancelled() {
                break;
            }
            distinct_ms.push(self.latency_ms(NEW, pair).await?);
            repeated_ms.push(self.latency_ms(REPEATED, 0).await?);
        }
        Some((distinct_ms, repeated_ms))
    }

    /// End-to-end latency of one answer; `None` if it failed.
    async fn latency_ms(&mut self, kind: usize, index: u64) -> Option<f64> {
        self.empty().await;
        let prepared = self.session.prepared;
        let alike = key(REPEATED, 0);
        let prompt = prepared.prompts.make_alike(key(kind, index), alike).ok()?;
        let content = requests::content(&prompt, self.backend.opened.form)?;
        let spec = RequestSpec {
            output_tokens: prompt.output_tokens.min(ANSWER_TOKENS),
            force_output: prepared.prompts.origin(alike).workload.force_output,
            ..RequestSpec::one_token(prepared.served_name(), content)
        };
        let probe = Probe {
            backend: &self.backend.opened,
            target: self.target,
            spec: &spec,
            input_tokens: prompt.input_tokens,
            limit: REQUEST_LIMIT,
        };
        if self.slot.is_none() {
            self.slot = Connection::open(self.target, REQUEST_LIMIT).await.ok();
        }
        let record = probe
            .ask(&mut self.slot, self.session.cancel())
            .await
            .ok()?;
        record.e2e_latency_ms.filter(|_| record.is_ok())
    }

    async fn empty(&mut self) {
        let requests = self.backend.opened.client.reset().unwrap_or_default();
        self.emptied &= !requests.is_empty();
        for request in requests {
            self.emptied &= self.control.ask(&request).await.is_ok();
        }
    }
}
