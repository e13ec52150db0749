//! Sizes and SHA-256 hashes of files.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use inferbench_model::facts::exchange::hex;
use inferbench_model::facts::manifest::FileFacts;
use sha2::{Digest, Sha256};

use super::error::{StoreError, at};
use super::folder::RunFolder;
use super::rolled::SampleFile;
use crate::os::files;

/// Bytes that are read at a time.
const READ_BYTES: usize = 256 * 1024;
/// Files of facts that a run leaves beside its manifest; those of samples may
/// have older parts beside them.
const FACTS: [&str; 4] = [
    "requests.jsonl",
    "gpu.jsonl",
    "host.jsonl",
    "server_metrics.jsonl",
];

/// SHA-256 of a file, hex; empty if it can no longer be read.
#[must_use]
pub fn file_sha256(file: &Path) -> String {
    size_and_hash(file)
        .map(|facts| facts.sha256)
        .unwrap_or_default()
}

/// The files of facts in `folder`, by name.
///
/// # Errors
/// If it cannot be read.
pub(super) fn fact_files(folder: &RunFolder) -> Result<BTreeMap<String, PathBuf>, StoreError> {
    let mut found = BTreeMap::new();
    for name in FACTS {
        for path in SampleFile::open(&folder.file(name))?.parts() {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            found.insert(name.into_owned(), path.clone());
        }
    }
    Ok(found)
}

/// Size and hash of each of them.
///
/// # Errors
/// If one cannot be read.
pub(crate) fn file_facts(folder: &RunFolder) -> Result<BTreeMap<String, FileFacts>, StoreError> {
    let files = fact_files(folder)?.into_iter();
    let facts = files.map(|(name, path)| {
        let facts = size_and_hash(&path).map_err(at(&path, "cannot be read"))?;
        Ok((name, facts))
    });
    facts.collect()
}

/// The same where those of one file are known.
///
/// # Errors
/// If one of the others cannot be read.
pub(crate) fn file_facts_beside(
    folder: &RunFolder,
    (known, facts): (&str, FileFacts),
) -> Result<BTreeMap<String, FileFacts>, StoreError> {
    let mut files = fact_files(folder)?;
    files.remove(known);
    let mut found = BTreeMap::from([(known.to_owned(), facts)]);
    for (name, path) in files {
        let facts = size_and_hash(&path).map_err(at(&path, "cannot be read"))?;
        found.insert(name, facts);
    }
    Ok(found)
}

/// A file whose size and hash are found while it is written.
pub(crate) struct HashedFile<'f> {
    file: &'f mut dyn Write,
    hash: Sha256,
    bytes: u64,
}

impl<'f> HashedFile<'f> {
    pub(crate) fn new(file: &'f mut dyn Write) -> Self {
        Self {
            file,
            hash: Sha256::new(),
            bytes: 0,
        }
    }

    /// Size and hash of what was written.
    pub(crate) fn facts(self) -> FileFacts {
        FileFacts {
            bytes: self.bytes,
            sha256: hex(&self.hash.finalize()),
        }
    }
}

impl Write for HashedFile<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Whether a file is there, with this size and hash.
pub(crate) fn is_as_said(path: &Path, said: &FileFacts) -> bool {
    size_and_hash(path).is_ok_and(|facts| facts == *said)
}

fn size_and_hash(path: &Path) -> io::Result<FileFacts> {
    let mut file = files::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; READ_BYTES];
    let mut bytes = 0;
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            break;
        }
        bytes += n as u64;
        hash.update(&buffer[..n]);
    }
    Ok(FileFacts {
        bytes,
        sha256: hex(&hash.finalize()),
    })
}
