//! A run with all that follows from its records and samples alone.

use std::path::Path;

use inferbench_model::cell::fold::{CellDigest, CellFold};
use inferbench_model::cell::measured::MeasuredCell;
use inferbench_model::cell::row::{self, CellRow};
use inferbench_model::config::Config;
use inferbench_model::facts::manifest::Manifest;
use inferbench_model::facts::samples::ServerSample;
use inferbench_model::hardware::over_time::Timeline;
use inferbench_model::report::kv::{self, KvObserver, KvReport, MemoryReading};

use super::cells::{Cell, take_in};
use super::error::DeriveError;
use super::first_reading::FirstReading;
use super::manifest::manifest_of;
use super::{samples, short_cells};
use crate::store::{LineFile, RunFolder, SampleFile, StoreError};

/// A run of which every record has been taken in.
pub(super) struct FoldedRun {
    pub(super) manifest: Manifest,
    pub(super) config: Config,
    pub(super) rows: Vec<CellRow>,
    /// What is kept of the records of each row's cell, in the order of `rows`.
    digests: Vec<CellDigest>,
    pub(super) timeline: Timeline,
}

impl FoldedRun {
    /// `limits`: the config whose limits are taken in place of its own, and which it is
    /// compared with.
    pub(super) fn read(
        folder: &Path,
        limits: Option<&Config>,
        first: Option<FirstReading>,
    ) -> Result<Self, DeriveError> {
        let run = RunFolder::open(folder);
        let (mut manifest, mut config) = whole_run_in(folder)?;
        let slos = limits.unwrap_or(&config).slos();
        config.slo = limits.map_or(config.slo, |limits| limits.slo);
        let file = LineFile::open(&run.file("requests.jsonl"))?;
        let read_first = || FirstReading::read(&file, manifest.shard_count());
        let first = first.map_or_else(read_first, Ok)?;
        let compares_texts = limits.is_some() || manifest.backends.len() > 1;
        let cells = take_in(&file, &manifest, first, &|window| {
            let fold = CellFold::new(window, slos.clone());
            match compares_texts {
                true => fold,
                false => fold.without_texts(),
            }
        })?;
        config
            .load
            .set_measured(cells.list.iter().map(|cell| cell.key.level));
        let windows = cells.list.iter().map(|c| (c.key.clone(), c.fold.window()));
        let hardware = samples::take_in(&run, &manifest, &config, &windows.collect::<Vec<_>>())?;
        short_cells::note(&mut manifest, &config, &cells.list);
        let mut rows = Vec::new();
        let mut digests = Vec::new();
        for (cell, hardware) in cells.list.into_iter().zip(hardware.cells) {
            let row = row_of(&cell, &manifest, &config);
            rows.push(match hardware {
                Some(hardware) => row.with_hardware(hardware),
                None => row,
            });
            digests.push(cell.fold.digest());
        }
        Ok(Self {
            manifest,
            config,
            rows,
            digests,
            timeline: hardware.timeline,
        })
    }

    pub(super) fn measured_cells(&self) -> Vec<MeasuredCell<'_>> {
        let cells = self.rows.iter().zip(&self.digests);
        let measured = cells.map(|(row, digest)| MeasuredCell {
            row: row.clone(),
            digest,
        });
        measured.collect()
    }

    /// What is known of the KV caches. Files of samples that are not there say
    /// nothing.
    pub(super) fn kv(&self, folder: &Path) -> Result<Option<KvReport>, StoreError> {
        let run = RunFolder::open(folder);
        let mut observer = KvObserver::new(&self.manifest);
        let file = |name| SampleFile::open(&run.file(name));
        // Lines that cannot be read are counted where the hardware's figures are made.
        file("gpu.jsonl")?.each_good(|reading: MemoryReading| observer.add_memory(&reading))?;
        file("server_metrics.jsonl")?
            .each_good(|sample: ServerSample| observer.add_server(&sample))?;
        let levels = self.config.load.levels();
        Ok(kv::build(&self.manifest, &levels, &observer.finish()))
    }
}

/// The manifest and config of a run that is no part of another.
fn whole_run_in(folder: &Path) -> Result<(Manifest, Config), DeriveError> {
    let (manifest, config) = manifest_of(folder)?;
    match &manifest.shard {
        None => Ok((manifest, config)),
        Some(facts) => Err(DeriveError::Shard {
            folder: folder.to_owned(),
            shard: facts.shard,
        }),
    }
}

/// The row of a cell, with what prices, promises and the clocks of shards add.
fn row_of(cell: &Cell, manifest: &Manifest, config: &Config) -> CellRow {
    let price_per_hour = config.price_per_hour_of(&cell.key.backend);
    let row = row::row_of(cell.key.clone(), &cell.fold, cell.self_check.clone());
    let row = row.with_price(price_per_hour);
    let row = match &manifest.merged {
        Some(merged) => row.with_clocks_apart(merged.clocks_apart_ms()),
        None => row,
    };
    match config.slo_of_cells() {
        Some(slo) => row.with_promise(slo, &cell.fold),
        None => row,
    }
}
