//! Data types of caches, and the bytes of a row of elements in each.

use super::error::{Bad, KvError};
use crate::text::number;

/// Data type of a cache. Quantized ones keep their scales with their elements,
/// or, per token and head, apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheDtype {
    name: &'static str,
    /// Elements that share a group.
    group: u64,
    /// Bytes of a group, scales included.
    bytes: u64,
    /// Bytes of the scale of one token and head, kept apart.
    head_scale: u64,
    /// DeepSeek's own layout for its compressed vectors.
    ds_mla: bool,
}

const fn plain(name: &'static str, bytes: u64) -> CacheDtype {
    grouped(name, 1, bytes, 0)
}

const fn grouped(name: &'static str, group: u64, bytes: u64, head_scale: u64) -> CacheDtype {
    CacheDtype {
        name,
        group,
        bytes,
        head_scale,
        ds_mla: false,
    }
}

/// Names, and the type that each stands for. Sources: vLLM's `--kv-cache-dtype`,
/// SGLang's, PyTorch's names, and ggml's block layouts (32 elements and a scale).
const KNOWN: [(&[&str], CacheDtype); 16] = [
    (&["float32", "float", "fp32", "f32"], plain("float32", 4)),
    (&["bfloat16", "bf16"], plain("bfloat16", 2)),
    (&["float16", "half", "fp16", "f16"], plain("float16", 2)),
    (&["fp8", "fp8_inc", "float8"], plain("fp8", 1)),
    (&["fp8_e4m3", "float8_e4m3fn"], plain("fp8_e4m3", 1)),
    (&["fp8_e5m2", "float8_e5m2"], plain("fp8_e5m2", 1)),
    (&["int8"], plain("int8", 1)),
    (
        &["fp8_per_token_head"],
        grouped("fp8_per_token_head", 1, 1, 4),
    ),
    (
        &["int8_per_token_head"],
        grouped("int8_per_token_head", 1, 1, 4),
    ),
    (&["nvfp4", "fp4_e2m1"], grouped("nvfp4", 16, 9, 0)),
    (&["q8_0"], grouped("q8_0", 32, 34, 0)),
    (&["q5_1"], grouped("q5_1", 32, 24, 0)),
    (&["q5_0"], grouped("q5_0", 32, 22, 0)),
    (&["q4_1"], grouped("q4_1", 32, 20, 0)),
    (&["q4_0"], grouped("q4_0", 32, 18, 0)),
    (
        &["fp8_ds_mla"],
        CacheDtype {
            ds_mla: true,
            ..plain("fp8_ds_mla", 1)
        },
    ),
];

impl CacheDtype {
    /// The type of this name, as engines and `config.json` write it.
    ///
    /// # Errors
    /// `Dtype` that lists the names, if none is it.
    pub fn parse(name: &str) -> Bad<Self> {
        let wanted = name.trim().to_ascii_lowercase();
        let wanted = wanted.strip_prefix("torch.").unwrap_or(&wanted);
        let found = KNOWN.iter().find(|(names, _)| names.contains(&wanted));
        found.map(|(_, dtype)| *dtype).ok_or_else(|| {
            let names: Vec<&str> = KNOWN.iter().map(|(names, _)| names[0]).collect();
            KvError::Dtype {
                dtype: name.to_owned(),
                fact: format!("is unknown, must be one of {}", names.join(", ")),
            }
        })
    }
    #[must_use]
    pub fn name(self) -> &'static str {
        self.name
    }

    /// Bytes of a row of `elements`, its groups filled up.
    #[must_use]
    pub fn bytes_of(self, elements: u64) -> u64 {
        elements.div_ceil(self.group).saturating_mul(self.bytes)
    }

    /// Bytes of the scale of one token and one K or V head, where it is kept apart.
    pub(super) fn head_scale(self) -> u64 {
        self.head_scale
    }

    /// Whether it is DeepSeek's layout of compressed vectors.
    pub(super) fn is_ds_mla(self) -> bool {
        self.ds_mla
    }

    /// Rows of these lengths in numbers: `(128 + 128) x 2 B`, or, where groups
    /// are packed, `(72 + 72) B`.
    pub(super) fn rows_text(self, rows: &[u64]) -> String {
        let sum = |figures: Vec<u64>| {
            let texts: Vec<String> = figures.into_iter().map(number::grouped).collect();
            texts.join(" + ")
        };
        if let ([row], 1) = (rows, self.group) {
            return format!("{} x {} B", number::grouped(*row), self.bytes);
        }
        if self.group == 1 {
            return format!("({}) x {} B", sum(rows.to_vec()), self.bytes);
        }
        let packed = rows.iter().map(|row| self.bytes_of(*row)).collect();
        format!("({}) B", sum(packed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_types_take_their_groups() {
        // NVFP4: d/2 + d/16 bytes for d elements.
        assert_eq!(CacheDtype::parse("nvfp4").unwrap().bytes_of(128), 64 + 8);
        // q8_0: 32 elements and a half-precision scale.
        assert_eq!(CacheDtype::parse("q8_0").unwrap().bytes_of(576), 612);
        assert_eq!(
            CacheDtype::parse("torch.bfloat16").unwrap().bytes_of(64),
            128
        );
    }

    #[test]
    fn an_unknown_type_is_named() {
        let error = CacheDtype::parse("fp3").unwrap_err().to_string();
        assert!(
            error.starts_with("cache dtype \"fp3\" is unknown, must be one of float32, bfloat16")
        );
    }
}
