//! Whether requests went to the replicas that the config and their place give.

use std::collections::HashMap;

use crate::config::Level;
use crate::facts::record::RequestRecord;

/// Looks at the replica of each record of a cell.
#[derive(Debug, Default)]
pub(super) struct ReplicaAudit {
    /// Replicas of the backend; 0 and 1 if it is one server.
    replicas: u32,
    /// By conversation: where it was begun.
    sessions: HashMap<u64, u32>,
}

impl ReplicaAudit {
    pub(super) fn new(replicas: u32) -> Self {
        Self {
            replicas,
            sessions: HashMap::new(),
        }
    }

    /// What is wrong with the replica of a record of a load that so many shards made.
    pub(super) fn fault(&mut self, record: &RequestRecord, shards: u32) -> Option<String> {
        let replicas = self.replicas;
        let Some(replica) = record.replica else {
            return (replicas > 1).then(|| format!("it names none of {replicas} replicas"));
        };
        if replica >= replicas.max(1) || replicas < 2 {
            return Some(format!(
                "it names replica {replica}, the backend has {} servers",
                replicas.max(1)
            ));
        }
        if let Some(session) = record.session {
            let first = *self.sessions.entry(session).or_insert(replica);
            if first != replica {
                return Some(format!(
                    "conversation {session} was on replica {first}, and goes on at {replica}"
                ));
            }
        }
        if matches!(record.level, Level::Concurrency(_)) {
            return None;
        }
        // Each shard spreads its own requests, one after the other.
        let turn = record.index / u64::from(shards.max(1)) % u64::from(replicas);
        (turn != u64::from(replica))
            .then(|| format!("it went to replica {replica}, the turn was that of {turn}"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn record(index: u64, replica: Option<u32>, more: Value) -> RequestRecord {
        let mut json = json!({
            "backend": "a", "block": 0, "level": {"kind": "request_rate", "value": 1.0},
            "phase": "measured", "index": index, "status": "ok", "end_ns": 1,
            "asked_output_tokens": 1, "itl_ms": [], "malformed_events": 0,
        });
        let more = more.as_object().unwrap().clone();
        json.as_object_mut().unwrap().extend(more);
        json["replica"] = json!(replica);
        serde_json::from_value(json).unwrap()
    }

    fn fault(replicas: u32, shards: u32, record: &RequestRecord) -> Option<String> {
        ReplicaAudit::new(replicas).fault(record, shards)
    }

    #[test]
    fn an_open_loop_goes_by_turns_of_each_shard() {
        // One machine: 0 1 2 0 1 2. Two: 0 and 1 are the first of each, 2 and 3 the second.
        let open = |index, replica| record(index, Some(replica), json!({}));
        assert_eq!(fault(3, 1, &open(4, 1)), None);
        assert_eq!(
            fault(3, 1, &open(4, 2)).unwrap(),
            "it went to replica 2, the turn was that of 1"
        );
        assert_eq!(fault(3, 2, &open(3, 1)), None);
        assert!(fault(3, 2, &open(3, 0)).is_some());
    }

    #[test]
    fn a_conversation_stays_where_it_began() {
        let closed = json!({"level": {"kind": "concurrency", "value": 2}, "session": 7});
        let mut audit = ReplicaAudit::new(2);
        assert_eq!(audit.fault(&record(0, Some(1), closed.clone()), 1), None);
        assert_eq!(audit.fault(&record(5, Some(1), closed.clone()), 1), None);
        assert_eq!(
            audit.fault(&record(6, Some(0), closed), 1).unwrap(),
            "conversation 7 was on replica 1, and goes on at 0"
        );
    }

    #[test]
    fn a_replica_that_there_is_not_is_found() {
        assert_eq!(fault(0, 1, &record(0, None, json!({}))), None);
        assert_eq!(
            fault(0, 1, &record(0, Some(0), json!({}))).unwrap(),
            "it names replica 0, the backend has 1 servers"
        );
        assert!(fault(2, 1, &record(0, Some(2), json!({}))).is_some());
        assert!(fault(2, 1, &record(0, None, json!({}))).is_some());
    }
}
