//! What the stages of a run share: the prepared run, its stops, the recorder of
//! facts, and what onlookers see.

use std::collections::HashSet;
use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use inferbench_model::cell::fold::CellFold;
use inferbench_model::cell::row::{self, CellRow};
use inferbench_model::config::Objective;
use inferbench_model::facts::cell_end::{CellPlan, Shortfall};
use inferbench_model::facts::manifest::CellFacts;
use inferbench_model::facts::record::RequestRecord;
use inferbench_model::facts::samples::Evidence;
use inferbench_model::facts::warning::Warning;
use inferbench_model::plan::prompt::PromptError;
use thiserror::Error;
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

use super::live_view::{Readings, Recent, live_figures};
use super::places::NotText;
use super::progress::CellProgress;
use super::recorder::Recorder;
use super::resume::ResumeError;
use super::shard::ShardRun;
use crate::derive::samples;
use crate::event::RunEvent;
use crate::load::gate::NotStarted;
use crate::load::{Progress, RecordSink};
use crate::os::clock;
use crate::prepare::PreparedRun;
use crate::server::Stops;
use crate::store::StoreError;
use crate::telemetry::gpu::GpuError;
use crate::telemetry::host::WatchedBackend;

/// After how long samples are in their files.
const SAMPLES_WRITTEN: Duration = Duration::from_millis(500);

/// A run that could not be done.
#[derive(Debug, Error)]
pub enum RunError {
    /// A place has no name that can be written down.
    #[error(transparent)]
    NotText(#[from] NotText),
    /// Its folder cannot be made or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The GPUs cannot be sampled as asked.
    #[error(transparent)]
    Gpu(#[from] GpuError),
    /// The run cannot be taken up.
    #[error(transparent)]
    Resume(#[from] ResumeError),
    /// A prompt cannot be made.
    #[error(transparent)]
    Prompt(#[from] PromptError),
    /// It is a shard, and did not begin with the others.
    #[error(transparent)]
    NotStarted(#[from] NotStarted),
    /// A sampler cannot be started.
    #[error("the host sampler cannot start")]
    Host(#[source] io::Error),
}

/// What the stages of one run share.
pub(crate) struct RunSession<'a> {
    pub(crate) prepared: &'a PreparedRun,
    pub(crate) recorder: Recorder,
    /// How it is stopped; a file that cannot be written stops it too.
    pub(crate) stops: Stops,
    pub(crate) readings: Readings,
    /// Backends, by index, of which everything was fetched that a start needs.
    pub(super) fetched: HashSet<usize>,
    /// Backends, by index, that were ready in some repeat.
    pub(super) ready: HashSet<usize>,
    /// Backends, by index, that are not tried again: the first start failed.
    pub(super) given_up: HashSet<usize>,
    /// A cell had no successful request.
    pub(super) any_cell_failed: bool,
    /// The shard that it is, if it is one.
    pub(super) shard: Option<ShardRun>,
    /// Why it did not begin a cell with the other shards.
    pub(super) not_started: Option<String>,
    watched: WatchedBackend,
    events: UnboundedSender<RunEvent>,
    current: Arc<Mutex<CellProgress>>,
    recent: Arc<Mutex<Recent>>,
    /// The rows of the current stage, where a tuning needs what they cost in energy.
    rows: Vec<CellRow>,
    /// The records of the current cell, where a search or a tuning decides by them.
    searched: Arc<Mutex<Vec<RequestRecord>>>,
}

impl<'a> RunSession<'a> {
    pub(super) fn new(
        prepared: &'a PreparedRun,
        recorder: Recorder,
        stops: Stops,
        (watched, readings): (WatchedBackend, Readings),
        events: UnboundedSender<RunEvent>,
        shard: Option<ShardRun>,
    ) -> Self {
        Self {
            prepared,
            recorder,
            stops,
            readings,
            fetched: HashSet::new(),
            ready: HashSet::new(),
            given_up: HashSet::new(),
            any_cell_failed: false,
            shard,
            not_started: None,
            watched,
            events,
            current: Arc::default(),
            recent: Arc::default(),
            rows: Vec::new(),
            searched: Arc::default(),
        }
    }

    /// Cancelled when the run is to stop.
    pub(crate) fn cancel(&self) -> &CancellationToken {
        &self.stops.gentle
    }

    /// Shows onlookers an event, masked.
    pub(crate) fn announce(&self, mut event: RunEvent) {
        event.mask(&self.prepared.secrets);
        // An onlooker who has gone away changes nothing about the run.
        drop(self.events.send(event));
    }

    /// A warning of the run as a whole, shown and kept once.
    pub(crate) fn warn(&mut self, mut warning: Warning) {
        self.prepared.secrets.mask_warning(&mut warning);
        if self.recorder.add_warning(&warning) {
            self.announce(RunEvent::Warning(warning));
        }
    }

    /// Samples the processes of this backend from now on.
    pub(crate) fn watch_backend(&self, label: &str, pid: Option<i32>) {
        let pid = pid.and_then(|pid| u32::try_from(pid).ok());
        self.watched.set(label, pid);
    }

    /// No backend runs any more.
    pub(crate) fn watch_none(&self) {
        self.watched.clear();
        self.readings
            .note_server(&Evidence::default(), clock::now_ns());
    }

    /// Where the records of the next cell go.
    pub(crate) fn record_sink(&self) -> RecordSink {
        let file = self.recorder.request_sink();
        let secrets = self.prepared.secrets.clone();
        let current = Arc::clone(&self.current);
        if let Ok(mut current) = current.lock() {
            // What a cell that ended with an error has left.
            *current = CellProgress::default();
        }
        let recent = Arc::clone(&self.recent);
        if let Ok(mut recent) = recent.lock() {
            *recent = Recent::default();
        }
        let searched = Arc::clone(&self.searched);
        if let Ok(mut searched) = searched.lock() {
            searched.clear();
        }
        let config = &self.prepared.config;
        let decides = config.load.search.is_some() || config.tune.is_some();
        Box::new(move |mut record: RequestRecord| {
            secrets.mask_record(&mut record);
            if decides && let Ok(mut searched) = searched.lock() {
                searched.push(record.clone());
            }
            if let Ok(mut current) = current.lock() {
                current.add(&record);
            }
            // The load waits for no onlooker: what one misses is for the eye alone.
            if let Ok(mut recent) = recent.try_lock() {
                recent.add(&record);
            }
            file.send(record);
        })
    }

    /// What the cell that has just ended shows of the promise and the objective that the
    /// run's search or tuning decides by.
    fn decided_by(&mut self, facts: CellFacts) -> CellFacts {
        let config = &self.prepared.config;
        let searched = self.searched.lock();
        let records = searched.map(|mut records| std::mem::take(&mut *records));
        let Some(records) = records.ok().filter(|records| !records.is_empty()) else {
            return facts;
        };
        let fold = CellFold::from_records(&records, config.slos());
        let row = row::row_of(facts.key.clone(), &fold, facts.self_check.clone());
        let row = match config.slo_of_cells() {
            Some(slo) => row.with_promise(slo, &fold),
            None => row,
        };
        let decides = config.objective_of_cells();
        if decides == Some(Objective::TokensPerJoule) {
            self.rows.push(row.clone());
        }
        CellFacts {
            promise_held: row.promise.as_ref().map(|kept| kept.holds),
            objective: decides.and_then(|objective| row.objective(objective)),
            ..facts
        }
    }

    /// Takes the energy of the cells of the stage that has just been measured out of the
    /// samples, where a tuning decides by it: samples come after what they are of.
    ///
    /// # Errors
    /// If the samples cannot be read.
    pub(super) async fn decide_by_energy(&mut self) -> Result<(), StoreError> {
        let rows = std::mem::take(&mut self.rows);
        let config = &self.prepared.config;
        let Some(tune) = config.tune.as_ref().filter(|_| !rows.is_empty()) else {
            return Ok(());
        };
        tokio::time::sleep(config.gpu.sample_every.0 * 2 + SAMPLES_WRITTEN).await;
        let windows = rows.iter().map(|row| (row.key(), row.window));
        let windows: Vec<_> = windows.collect();
        let (run, manifest) = (self.recorder.folder(), self.recorder.manifest());
        let hardware = samples::take_in(run, manifest, config, &windows)?;
        for (row, hardware) in rows.into_iter().zip(hardware.cells) {
            let key = row.key();
            let value = hardware.and_then(|own| row.with_hardware(own).objective(tune.objective));
            let cells = self.recorder.manifest_mut().cells.iter_mut();
            for cell in cells.filter(|cell| cell.key == key) {
                cell.objective = value;
            }
        }
        Ok(())
    }

    /// Shows onlookers how far the cell is.
    pub(crate) fn announce_progress(&self, progress: &Progress) {
        let sent = progress.sent.load(Relaxed);
        let in_flight = sent.saturating_sub(progress.ended.load(Relaxed));
        self.announce(RunEvent::CellProgress {
            measured: progress.measured.load(Relaxed),
            sent,
            failed: progress.failed.load(Relaxed),
            live: live_figures(&self.recent, &self.readings, in_flight),
        });
    }

    /// Records when the cell began in all shards, if this is one.
    fn note_start(&mut self, facts: &CellFacts, first_send_ns: Option<(u64, Option<u64>)>) {
        let shard = self.shard.as_ref();
        let start = shard.and_then(|shard| shard.cell_start(&facts.key, first_send_ns));
        if let (Some(start), Some(own)) = (start, &mut self.recorder.manifest_mut().shard) {
            own.starts.push(start);
        }
    }

    /// Waits until other shards have ended what this one has.
    ///
    /// # Errors
    /// If one has given up, or does not end.
    pub(super) async fn wait_for_shards(&self) -> Result<(), NotStarted> {
        match &self.shard {
            Some(shard) => shard.others_ended(self.cancel()).await,
            None => Ok(()),
        }
    }

    /// Keeps the facts of the cell that has just ended, after its records, and
    /// sums it up for onlookers. Gives what keeps it from the end of its `plan`.
    ///
    /// # Errors
    /// If they cannot be written.
    pub(crate) fn cell_ended(
        &mut self,
        facts: CellFacts,
        plan: CellPlan<'_>,
    ) -> Result<Option<Shortfall>, StoreError> {
        let current = self.current.lock();
        let ended = current.map(|mut current| std::mem::take(&mut *current));
        let ended = ended.unwrap_or_default();
        let shortfall = ended.recorded.shortfall(plan, facts.end_ns);
        let complete = facts.complete && shortfall.is_none();
        self.note_start(&facts, ended.first_send_ns());
        let facts = self.decided_by(facts);
        self.any_cell_failed |= ended.counts.ok == 0;
        self.announce(RunEvent::CellEnded {
            key: facts.key.clone(),
            overall_token_throughput: ended.overall_token_throughput(),
            counts: ended.counts,
        });
        self.recorder.put_cell(CellFacts { complete, ..facts })?;
        Ok(shortfall)
    }
}
