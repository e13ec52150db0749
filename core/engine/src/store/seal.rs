//! The hash that `run.json` has of itself: over its bytes, with zeros where the hash
//! stands.

use std::fs;
use std::path::Path;

use inferbench_model::facts::exchange::hex;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::error::{StoreError, at};
use super::json::json_text;

/// Field that holds it.
const FIELD: &str = "own_sha256";
/// Digits of a SHA-256, hex.
const DIGITS: usize = 64;

/// Puts the hash of the document, as it will be written, into it.
///
/// # Errors
/// If it cannot be written as JSON.
pub(crate) fn seal(document: &mut Value) -> serde_json::Result<()> {
    document[FIELD] = Value::String("0".repeat(DIGITS));
    let text = json_text(document)?;
    document[FIELD] = Value::String(hex(&Sha256::digest(text.as_bytes())));
    Ok(())
}

/// What that hash should be in `file`, which says that it is `recorded`.
///
/// # Errors
/// If the file cannot be read.
pub(crate) fn own_sha256(file: &Path, recorded: &str) -> Result<String, StoreError> {
    let text = fs::read_to_string(file).map_err(at(file, "cannot be read"))?;
    let zeros = "0".repeat(recorded.len());
    let with = |hash: &str| format!("\"{FIELD}\": \"{hash}\"");
    let open = text.replacen(&with(recorded), &with(&zeros), 1);
    Ok(hex(&Sha256::digest(open.as_bytes())))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_sealed_document_keeps_its_hash_until_a_byte_changes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("run.json");
        let mut document = json!({"a": 1, "b": [0.1]});
        seal(&mut document).unwrap();
        let recorded = document[FIELD].as_str().unwrap().to_owned();
        let text = json_text(&document).unwrap();
        fs::write(&file, &text).unwrap();
        assert_eq!(own_sha256(&file, &recorded).unwrap(), recorded);
        fs::write(&file, text.replace("0.1", "0.2")).unwrap();
        assert_ne!(own_sha256(&file, &recorded).unwrap(), recorded);
    }
}
