//! What is kept of the replicas of a backend: every metric by replica.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cell::parts::Parts;
use crate::facts::key::Counts;
use crate::facts::record::RequestRecord;
use crate::metrics::{Load, MetricValue};

/// The requests of a cell by the replica that they went to.
pub(super) type Replicas = Parts<u32>;

/// Figures of the requests that one replica got in a cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReplicaFigures {
    /// Its place in `attach`, from 0.
    pub replica: u32,
    /// Measured requests by outcome.
    pub counts: Counts,
    /// Every metric that requests have, over those that it got. Rates are those of the
    /// cell's measured window.
    pub metrics: IndexMap<String, MetricValue>,
}

impl Replicas {
    /// Takes in a record, if the backend has replicas; `load` is that of its cell.
    pub(super) fn take(&mut self, load: &Load, record: &RequestRecord) {
        if let Some(replica) = record.replica {
            self.add(replica, load, record);
        }
    }

    /// Figures of each replica, in the order of `attach`.
    pub(super) fn by_replica(&self, hides: bool) -> Vec<ReplicaFigures> {
        let each = self
            .figures(hides)
            .map(|(replica, figures)| ReplicaFigures {
                replica,
                counts: figures.counts,
                metrics: figures.metrics,
            });
        each.collect()
    }
}
