//! Which file a path leads to: whether it is still the one that was opened.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

/// A file of this machine, whatever its name and size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

impl From<&Metadata> for Identity {
    fn from(facts: &Metadata) -> Self {
        Self {
            device: facts.dev(),
            inode: facts.ino(),
        }
    }
}
