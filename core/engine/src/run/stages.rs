//! The stages of a run, one after the other, and what is done before, between and
//! after them. What happens inside a stage is for [`stage`](super::stage).

use std::collections::VecDeque;
use std::time::Duration;

use inferbench_model::facts::manifest::{ExitState, StageFacts};
use inferbench_model::facts::searched::next_level;
use inferbench_model::facts::tuned;
use inferbench_model::facts::warning::{Warning, WarningKind};
use inferbench_model::plan::{PlannedLevel, Stage};

use super::session::RunSession;
use super::settle::MemoryBaseline;
use super::stage;
use crate::event::RunEvent;
use crate::http::Target;
use crate::prepare::kv_forecast::{kv_forecasts, kv_warnings};
use crate::store::{RunFolder, StoreError};

/// Time for which GPUs are sampled before the first start.
const IDLE_FOR: Duration = Duration::from_millis(1200);
/// The same where samples are far apart.
const IDLE_AT_MOST: Duration = Duration::from_secs(5);

/// A run that has ended.
#[derive(Debug)]
pub struct Finished {
    /// Its folder.
    pub folder: RunFolder,
    /// How it ended.
    pub exit_state: ExitState,
    /// Why it, being a shard, did not begin a cell with the others.
    pub not_started: Option<String>,
}

impl RunSession<'_> {
    /// Every stage of which a cell is missing, one after the other.
    pub(super) async fn do_stages(&mut self) -> Result<(), StoreError> {
        let mut baseline = MemoryBaseline::now();
        let mut stages = VecDeque::from(self.missing_stages());
        if self.prepared.serve.is_some() {
            stages.truncate(1);
        }
        self.begin(stages.make_contiguous())?;
        self.warn_of_trust();
        self.record_kv_estimates();
        self.idle().await;
        let mut is_first = true;
        while !self.cancel().is_cancelled()
            && let Some(stage) = self.next_stage(&mut stages)
        {
            if !is_first {
                self.rest().await;
            }
            is_first = false;
            stage::run(self, &stage).await;
            if self.not_started.is_some() {
                break;
            }
            for left in baseline.wait(self.cancel()).await {
                self.warn(Warning::about(&stage.backend, left));
            }
            self.recorder.save()?;
        }
        Ok(())
    }

    /// The stage that comes next: of a tuning the one that what was measured so far calls
    /// for.
    fn next_stage(&self, planned: &mut VecDeque<Stage>) -> Option<Stage> {
        if self.prepared.config.tune.is_some() {
            return tuned::next_stage(&self.prepared.config, self.recorder.manifest());
        }
        // What kept it from its first start would keep it from every other one.
        let is_open = |stage: &Stage| !self.given_up.contains(&stage.backend_index);
        std::iter::from_fn(|| planned.pop_front()).find(is_open)
    }

    /// The plan's stages with the levels that are not measured yet; of a tuning the next.
    fn missing_stages(&self) -> Vec<Stage> {
        let cells = &self.recorder.manifest().cells;
        let is_missing = |stage: &Stage, planned: &PlannedLevel| {
            !cells.iter().any(|cell| {
                let key = &cell.key;
                key.backend == stage.backend
                    && key.block == stage.block
                    && key.level == planned.level
            })
        };
        let config = &self.prepared.config;
        if config.tune.is_some() {
            let next = tuned::next_stage(config, self.recorder.manifest());
            // How many will come is not known, nor how many levels they leave to measure.
            let levels = Vec::new();
            return next
                .map(|next| Stage { levels, ..next })
                .into_iter()
                .collect();
        }
        if config.load.search.is_some() {
            let stages = self.prepared.plan.stages.iter();
            let open = stages.filter(|stage| next_level(config, cells, stage).is_some());
            return open.cloned().collect();
        }
        let stages = self.prepared.plan.stages.iter().map(|stage| {
            let levels = stage.levels.iter().copied();
            Stage {
                levels: levels
                    .filter(|planned| is_missing(stage, planned))
                    .collect(),
                ..stage.clone()
            }
        });
        stages.filter(|stage| !stage.levels.is_empty()).collect()
    }

    fn begin(&self, stages: &[Stage]) -> Result<(), StoreError> {
        self.announce(RunEvent::Started {
            folder: self.recorder.folder().path().to_owned(),
            stages: stages.to_vec(),
            simulated: self.recorder.manifest().is_simulated(),
        });
        self.recorder.save()
    }

    /// Warns of servers whose certificate is not checked.
    fn warn_of_trust(&mut self) {
        for backend in &self.prepared.backends {
            if backend.attach.iter().any(Target::is_unverified) {
                let kind = WarningKind::CertificateNotChecked;
                self.warn(Warning::about(&backend.label, kind));
            }
        }
    }

    /// Records the estimates of the KV caches, and warns of levels that will not
    /// fit.
    fn record_kv_estimates(&mut self) {
        let forecasts = kv_forecasts(self.prepared);
        let gpus = self.recorder.manifest().gpus.iter();
        let smallest = gpus.filter_map(|gpu| gpu.memory_bytes).min();
        let warnings = kv_warnings(self.prepared, &forecasts, smallest);
        let backends = self.recorder.manifest_mut().backends.iter_mut();
        for (facts, forecast) in backends.zip(forecasts) {
            facts.kv_estimate = forecast.and_then(|forecast| forecast.estimate.ok());
        }
        for warning in warnings {
            self.warn(warning);
        }
    }

    /// Samples the GPUs before anything runs: what they draw then can be
    /// subtracted from what the load costs.
    async fn idle(&self) {
        let manifest = self.recorder.manifest();
        let is_known = manifest.stages.iter().any(|s| s.start_ns.is_some());
        if manifest.gpus.is_empty() || is_known {
            return;
        }
        let every = self.prepared.config.gpu.sample_every.0;
        self.sleep((IDLE_FOR + every * 2).min(IDLE_AT_MOST)).await;
    }

    /// Lets the machine cool down, if the config asks for it.
    async fn rest(&self) {
        if let Some(cooldown) = self.prepared.config.load.cooldown {
            self.sleep(cooldown.0).await;
        }
    }

    pub(super) async fn sleep(&self, time: Duration) {
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            () = self.cancel().cancelled() => {}
        }
    }

    pub(super) fn finish(self) -> Result<Finished, StoreError> {
        let manifest = self.recorder.manifest();
        let complete = manifest.cells.iter().filter(|cell| cell.complete).count();
        let is_open = !self.missing_stages().is_empty();
        let any_cell_missing = is_open || complete < self.prepared.plan.cells();
        // A point that fails is what a tuning finds of it.
        let tunes = self.prepared.config.tune.is_some();
        let failures: &[StageFacts] = if tunes { &[] } else { &manifest.stages };
        let is_stopped = self.cancel().is_cancelled();
        let exit_state = match self.prepared.serve {
            // Being stopped is how it ends, once it was ready.
            Some(_) => exit_state(failures, false, is_stopped && self.ready.is_empty()),
            None => exit_state(
                failures,
                any_cell_missing || (self.any_cell_failed && !tunes),
                is_stopped,
            ),
        };
        Ok(Finished {
            folder: self.recorder.close(exit_state)?,
            exit_state,
            not_started: self.not_started,
        })
    }
}

fn exit_state(stages: &[StageFacts], any_cell_lacks: bool, interrupted: bool) -> ExitState {
    if interrupted {
        return ExitState::Interrupted;
    }
    let any_failed = stages.iter().any(|stage| stage.failure.is_some());
    if any_failed || any_cell_lacks {
        ExitState::Incomplete
    } else {
        ExitState::Done
    }
}
