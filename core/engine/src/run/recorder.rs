//! Records the facts of a run in its folder: the manifest, the records and the
//! readings of servers. The manifest is masked here; records and readings come
//! masked.

use std::collections::BTreeMap;

use inferbench_model::facts::manifest::{CellFacts, ExitState, Manifest, StageFacts};
use inferbench_model::facts::record::RequestRecord;
use inferbench_model::facts::samples::ServerSample;
use inferbench_model::facts::warning::Warning;
use inferbench_model::plan::{PlannedLevel, Stage};
use tokio_util::sync::CancellationToken;

use crate::os::clock;
use crate::secrets::Secrets;
use crate::store::{LineSink, LineWriter, RunFolder, StoreError, Watch, hash};

/// Records the facts of one run.
pub(crate) struct Recorder {
    folder: RunFolder,
    manifest: Manifest,
    requests: LineWriter<RequestRecord>,
    server_metrics: LineWriter<ServerSample>,
    watch: Watch,
    secrets: Secrets,
}

impl Recorder {
    /// Opens the files of a run's folder. A line that cannot be written cancels
    /// `failed`, and so does whoever deletes or changes what was written.
    pub(super) fn open(
        folder: RunFolder,
        manifest: Manifest,
        secrets: Secrets,
        failed: &CancellationToken,
    ) -> Result<Self, StoreError> {
        // A resumed run has that of its last end.
        let manifest = Manifest {
            own_sha256: None,
            files: BTreeMap::new(),
            ..manifest
        };
        Ok(Self {
            requests: LineWriter::open(folder.file("requests.jsonl"), failed)?,
            server_metrics: LineWriter::of_samples(folder.file("server_metrics.jsonl"), failed)?,
            watch: folder.watch(failed)?,
            folder,
            manifest,
            secrets,
        })
    }

    /// The run's folder.
    pub(crate) fn folder(&self) -> &RunFolder {
        &self.folder
    }

    /// What is recorded so far.
    pub(crate) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    pub(super) fn manifest_mut(&mut self) -> &mut Manifest {
        &mut self.manifest
    }

    /// Where records go, masked.
    pub(super) fn request_sink(&self) -> LineSink<RequestRecord> {
        self.requests.sink()
    }

    /// Where readings of a server's metrics go, masked.
    pub(crate) fn server_metrics_sink(&self) -> LineSink<ServerSample> {
        self.server_metrics.sink()
    }

    /// Adds a level to what is planned for a start, if it is not there.
    pub(super) fn plan_level(&mut self, stage: &Stage, planned: PlannedLevel) {
        let stages = self.manifest.plan.stages.iter_mut();
        let own = stages.filter(|own| own.backend == stage.backend && own.block == stage.block);
        for own in own.filter(|own| !own.levels.contains(&planned)) {
            own.levels.push(planned);
        }
    }

    /// Puts in the facts of a start, in place of earlier ones of the same start.
    pub(crate) fn put_stage(&mut self, facts: StageFacts) {
        self.manifest.put_stage(facts);
    }

    /// Adds a warning of the run as a whole; whether it is a new one.
    pub(super) fn add_warning(&mut self, warning: &Warning) -> bool {
        let is_new = self.manifest.warnings.iter().all(|known| known != warning);
        if is_new {
            self.manifest.warnings.push(warning.clone());
        }
        is_new
    }

    /// Adds the facts of a cell, after its records.
    pub(super) fn put_cell(&mut self, facts: CellFacts) -> Result<(), StoreError> {
        self.manifest.cells.push(facts);
        self.requests.flush();
        self.save()
    }

    /// Writes the manifest as it stands.
    pub(super) fn save(&self) -> Result<(), StoreError> {
        let manifest = self.secrets.masked_json(&self.manifest);
        self.folder.write_json("run.json", &manifest)
    }

    /// Whether all that was written to the folder is there as it was written. If not, what
    /// is known here of the run is put back, so that it can be resumed.
    pub(super) fn check_folder(&self) -> Result<(), StoreError> {
        // What cannot be put back is lost, and the error says of what folder.
        self.folder.check().inspect_err(|_| drop(self.save()))
    }

    /// Closes the files and writes the manifest for the last time.
    pub(super) fn close(mut self, exit_state: ExitState) -> Result<RunFolder, StoreError> {
        self.watch.end()?;
        self.requests.close()?;
        self.server_metrics.close()?;
        self.manifest.anchors.push(clock::anchor());
        self.manifest.files = hash::file_facts(&self.folder)?;
        self.manifest.exit_state = exit_state;
        let mut manifest = self.secrets.masked_json(&self.manifest);
        self.folder.write_sealed("run.json", &mut manifest)?;
        Ok(self.folder)
    }
}
