//! Bytes of a model's weights, from the index of its safetensors files or from
//! the header of each.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::KvError;

/// Weights of one data type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DtypeBytes {
    /// As safetensors names it: `BF16`, `F32`, `F8_E4M3`.
    pub dtype: String,
    /// Bytes of all tensors of this type.
    pub bytes: u64,
}

/// A model's weights as stored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weights {
    /// Bytes of all tensors.
    pub bytes: u64,
    /// The same by data type, the largest first; empty if only an index was there.
    pub by_dtype: Vec<DtypeBytes>,
}

impl Weights {
    /// Adds the weights of another file.
    pub fn add(&mut self, other: &Self) {
        self.bytes = self.bytes.saturating_add(other.bytes);
        for more in &other.by_dtype {
            match self
                .by_dtype
                .iter_mut()
                .find(|known| known.dtype == more.dtype)
            {
                Some(known) => known.bytes = known.bytes.saturating_add(more.bytes),
                None => self.by_dtype.push(more.clone()),
            }
        }
        self.by_dtype
            .sort_by_key(|one| std::cmp::Reverse(one.bytes));
    }
}

/// Longest header that the format allows, bytes.
const MOST_HEADER_BYTES: u64 = 100_000_000;

fn bad(file: &str, fact: impl Into<String>) -> KvError {
    KvError::Weights {
        file: file.to_owned(),
        fact: fact.into(),
    }
}

/// `metadata.total_size` of a `model.safetensors.index.json`.
///
/// # Errors
/// `Weights` that names `file` if it is not JSON or has no such figure.
pub fn weights_of_index(file: &str, bytes: &[u8]) -> Result<u64, KvError> {
    let index: Value =
        serde_json::from_slice(bytes).map_err(|error| bad(file, format!("not JSON: {error}")))?;
    let size = index
        .pointer("/metadata/total_size")
        .ok_or_else(|| bad(file, "`metadata.total_size` is missing"))?;
    // Some writers have it as a float.
    let whole = size.as_u64().or_else(|| {
        let float = size.as_f64()?;
        (1.0..1e18).contains(&float).then_some(float as u64)
    });
    whole.filter(|n| *n > 0).ok_or_else(|| {
        let text: String = size.to_string().chars().take(40).collect();
        bad(
            file,
            format!("`metadata.total_size` is {text}, must be a number of bytes above 0"),
        )
    })
}

/// Length of the header of a safetensors file, from its first 8 bytes.
///
/// # Errors
/// `Weights` if there are fewer, or the length is beyond what the format allows.
pub fn header_length(file: &str, start: &[u8]) -> Result<usize, KvError> {
    let eight = start.first_chunk::<8>();
    let eight =
        eight.ok_or_else(|| bad(file, "is shorter than the 8 bytes of its header length"))?;
    let length = u64::from_le_bytes(*eight);
    if length > MOST_HEADER_BYTES {
        return Err(bad(
            file,
            format!("its header is {length} B long, must be at most {MOST_HEADER_BYTES}"),
        ));
    }
    usize::try_from(length).map_err(|_| bad(file, "its header is too long"))
}

/// Weights that the header of a safetensors file lists.
///
/// # Errors
/// `Weights` if it is no such header, or a tensor ends before it begins.
pub fn weights_of_header(file: &str, header: &[u8]) -> Result<Weights, KvError> {
    let header: Value = serde_json::from_slice(header)
        .map_err(|error| bad(file, format!("its header is not JSON: {error}")))?;
    let tensors = header
        .as_object()
        .ok_or_else(|| bad(file, "its header is not an object"))?;
    let mut weights = Weights::default();
    for (name, tensor) in tensors.iter().filter(|(name, _)| *name != "__metadata__") {
        let name: String = name.chars().take(60).collect();
        let dtype = tensor.get("dtype").and_then(Value::as_str);
        let dtype = dtype.ok_or_else(|| bad(file, format!("tensor `{name}` has no `dtype`")))?;
        let at = |index: usize| tensor.get("data_offsets")?.get(index)?.as_u64();
        let length = at(0).zip(at(1)).and_then(|(from, to)| to.checked_sub(from));
        let bytes = length.ok_or_else(|| {
            bad(
                file,
                format!("tensor `{name}` has no `data_offsets` of a start and an end"),
            )
        })?;
        weights.add(&Weights {
            bytes,
            by_dtype: vec![DtypeBytes {
                dtype: dtype.chars().take(20).collect(),
                bytes,
            }],
        });
    }
    Ok(weights)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_has_its_total() {
        let index = br#"{"metadata": {"total_size": 16060522496}, "weight_map": {}}"#;
        assert_eq!(weights_of_index("i", index).unwrap(), 16_060_522_496);
        let missing = weights_of_index("i", b"{}").unwrap_err().to_string();
        assert_eq!(missing, "i: `metadata.total_size` is missing");
        let text = weights_of_index("i", br#"{"metadata": {"total_size": "big"}}"#).unwrap_err();
        assert!(
            text.to_string()
                .starts_with("i: `metadata.total_size` is \"big\", must be")
        );
    }

    #[test]
    fn a_header_is_summed_by_dtype() {
        let header = br#"{"__metadata__": {"format": "pt"},
            "a": {"dtype": "BF16", "shape": [4, 8], "data_offsets": [0, 64]},
            "b": {"dtype": "F32", "shape": [2], "data_offsets": [64, 72]},
            "c": {"dtype": "BF16", "shape": [1], "data_offsets": [72, 74]}}"#;
        let weights = weights_of_header("m", header).unwrap();
        assert_eq!(weights.bytes, 74);
        let by: Vec<(&str, u64)> = weights
            .by_dtype
            .iter()
            .map(|d| (&d.dtype[..], d.bytes))
            .collect();
        assert_eq!(by, [("BF16", 66), ("F32", 8)]);
    }

    #[test]
    fn broken_headers_are_named() {
        assert_eq!(header_length("m", &72_u64.to_le_bytes()).unwrap(), 72);
        assert!(header_length("m", &[1, 2]).is_err());
        assert!(header_length("m", &u64::MAX.to_le_bytes()).is_err());
        let backwards = br#"{"a": {"dtype": "F32", "data_offsets": [8, 4]}}"#;
        assert!(weights_of_header("m", backwards).is_err());
        assert!(weights_of_header("m", b"[]").is_err());
    }
}
