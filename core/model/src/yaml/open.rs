//! Lists and maps that are still open while the parser walks the text.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::error::Mark;
use super::tree::{KeyNode, Kind, Node};

/// A finished value with what it costs to repeat it.
#[derive(Clone)]
pub(super) struct Part {
    pub(super) node: Node,
    pub(super) values: usize,
    pub(super) height: usize,
}

/// A list or map that is still open.
pub(super) struct Frame {
    pub(super) mark: Mark,
    pub(super) anchor: usize,
    pub(super) values: usize,
    pub(super) height: usize,
    pub(super) open: Open,
}

/// What a frame has so far.
pub(super) enum Open {
    List(Vec<Node>),
    Map(OpenMap),
}

/// A map so far; `lines`: the line of each key.
#[derive(Default)]
pub(super) struct OpenMap {
    pub(super) entries: Vec<(KeyNode, Node)>,
    pub(super) lines: HashMap<Arc<str>, usize>,
    pub(super) pending: Option<KeyNode>,
    /// The value of `<<` and how many entries come before it.
    pub(super) merge: Option<(usize, Node)>,
}

impl OpenMap {
    /// The entries with those of `<<` at its place; own keys win, then the
    /// earlier of several maps.
    pub(super) fn merged(mut self) -> Vec<(KeyNode, Node)> {
        let Some((position, source)) = self.merge.take() else {
            return self.entries;
        };
        let maps = match source.kind {
            Kind::Sequence(items) => items,
            _ => vec![source],
        };
        let mut taken: HashSet<Arc<str>> = self.lines.into_keys().collect();
        let entries = maps.into_iter().flat_map(|map| match map.kind {
            Kind::Mapping(entries) => entries,
            _ => Vec::new(),
        });
        let fresh: Vec<_> = entries
            .filter(|(key, _)| taken.insert(key.text.clone()))
            .collect();
        self.entries.splice(position..position, fresh);
        self.entries
    }
}
