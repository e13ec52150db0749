//! What the map is made of: crates, rooms, and imports that may close a circle.

use crate::imports::Import;

/// A part of a crate with one job: a folder or a file of its `src`.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// Path in `src`, without `.rs`.
    pub name: &'static str,
    /// Its job, in a line.
    pub job: &'static str,
    /// The rooms below it whose names it may import; [`ALL_BELOW`] for all.
    pub uses: &'static [&'static str],
}

/// In [`Room::uses`]: every room below.
pub const ALL_BELOW: &str = "all below";

impl Room {
    /// Whether a room below it may be imported.
    #[must_use]
    pub fn may_use(&self, below: &str) -> bool {
        self.uses.contains(&below) || self.uses.contains(&ALL_BELOW)
    }
}

/// An import that closes a circle, and may.
#[derive(Debug, Clone, Copy)]
pub struct Arrow {
    /// Path in `src` of the file that imports.
    pub from: &'static str,
    /// Path in `src` of the file that is imported.
    pub to: &'static str,
    /// Why.
    pub why: &'static str,
}

impl Arrow {
    /// Whether the import is the one meant.
    #[must_use]
    pub fn is(&self, import: &Import) -> bool {
        import.from == self.from && import.to == self.to
    }
}

/// A crate of the workspace, or a folder of crates.
#[derive(Debug, Clone, Copy)]
pub struct Crate {
    /// Folder from the repository's root; `/*` for every crate in it.
    pub folder: &'static str,
    /// Its job, in a line.
    pub job: &'static str,
    /// The workspace crates that it may depend on.
    pub may_use: &'static [&'static str],
    /// Those that its tests and benches may depend on besides.
    pub tests_may_use: &'static [&'static str],
    /// Its rooms, from the ground up; none if it is small.
    pub rooms: &'static [Room],
    /// Imports that may close a circle.
    pub arrows: &'static [Arrow],
}

impl Crate {
    /// Whether the entry is that of the crate in `folder`.
    #[must_use]
    pub fn covers(&self, folder: &str) -> bool {
        match self.folder.strip_suffix("/*") {
            Some(parent) => folder
                .strip_prefix(parent)
                .and_then(|rest| rest.strip_prefix('/'))
                .is_some_and(|rest| !rest.contains('/')),
            None => self.folder == folder,
        }
    }
}
