//! What a GGUF file says of its model, as the `config.json` that it was made of would.
//!
//! Source: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>.

use std::io::{self, Read};

use serde_json::{Map, Value, json};

/// The first bytes of every GGUF file.
pub const GGUF_MAGIC: [u8; 4] = *b"GGUF";
/// Longest key, and longest text that is kept.
const MOST_TEXT_BYTES: u64 = 65_536;
/// Where tensors begin, unless the file says otherwise: at multiples of this.
const ALIGNMENT: u64 = 32;

/// llama.cpp's names of architectures whose layers all have plain attention, and the
/// `model_type` that has the same cache.
const PLAIN: [(&str, &str); 7] = [
    ("granite", "granite"),
    ("llama", "llama"),
    ("olmo2", "olmo2"),
    ("qwen2", "qwen2"),
    ("qwen2moe", "qwen2_moe"),
    ("qwen3", "qwen3"),
    ("qwen3moe", "qwen3_moe"),
];

/// The metadata of a GGUF file. Arrays are kept by their length alone.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Gguf {
    metadata: Map<String, Value>,
    /// Bytes before the first tensor.
    header_bytes: u64,
}

impl Gguf {
    /// Reads the beginning of a file, up to its tensors.
    ///
    /// # Errors
    /// If it is no GGUF file of version 2 or 3, or is cut short.
    pub fn read(file: impl Read) -> io::Result<Self> {
        let mut reader = Reader { file, bytes: 0 };
        if reader.array()? != GGUF_MAGIC {
            return Err(wrong("no GGUF file".to_owned()));
        }
        let version = u32::from_le_bytes(reader.array()?);
        if !(2..=3).contains(&version) {
            return Err(wrong(format!("GGUF version {version}, must be 2 or 3")));
        }
        let (tensors, pairs) = (reader.count()?, reader.count()?);
        let mut metadata = Map::new();
        for _ in 0..pairs {
            let key = reader.text()?.unwrap_or_default();
            let kind = u32::from_le_bytes(reader.array()?);
            let value = reader.value(kind)?;
            metadata.insert(key, value);
        }
        for _ in 0..tensors {
            reader.skip_tensor()?;
        }
        let alignment = metadata.get("general.alignment").and_then(Value::as_u64);
        let alignment = alignment.filter(|n| *n > 0).unwrap_or(ALIGNMENT);
        Ok(Self {
            metadata,
            header_bytes: reader.bytes.next_multiple_of(alignment),
        })
    }

    /// Bytes of all tensors in a file of so many bytes; `None` if it is one of several.
    #[must_use]
    pub fn weight_bytes(&self, file_bytes: u64) -> Option<u64> {
        let is_whole = self.number("split.count").unwrap_or(1) <= 1;
        let weights = file_bytes.checked_sub(self.header_bytes);
        weights.filter(|bytes| is_whole && *bytes > 0)
    }

    /// The fields of a `config.json` that say the same. An architecture of which it is
    /// not known that it has plain attention alone keeps llama.cpp's name for it.
    #[must_use]
    pub fn config(&self) -> Value {
        let architecture = self.metadata.get("general.architecture");
        let architecture = architecture.and_then(Value::as_str).unwrap_or_default();
        let plain = PLAIN.iter().find(|(name, _)| *name == architecture);
        let model_type = match plain {
            Some((_, model_type)) => (*model_type).to_owned(),
            None => format!("gguf {architecture}"),
        };
        let of_model = |key: &str| self.number(&format!("{architecture}.{key}"));
        let vocabulary = of_model("vocab_size").or_else(|| self.number("tokenizer.ggml.tokens"));
        let fields = [
            ("vocab_size", vocabulary),
            ("num_hidden_layers", of_model("block_count")),
            ("hidden_size", of_model("embedding_length")),
            ("num_attention_heads", of_model("attention.head_count")),
            ("num_key_value_heads", of_model("attention.head_count_kv")),
            ("head_dim", of_model("attention.key_length")),
        ];
        // llama.cpp's cache is of this type whatever the weights are.
        let mut config = json!({"model_type": model_type, "torch_dtype": "float16"});
        for (name, value) in fields {
            if let Some(value) = value {
                config[name] = value.into();
            }
        }
        config
    }

    fn number(&self, key: &str) -> Option<u64> {
        self.metadata.get(key)?.as_u64()
    }
}

fn wrong(words: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, words)
}

struct Reader<R> {
    file: R,
    bytes: u64,
}

impl<R: Read> Reader<R> {
    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.file.read_exact(&mut bytes)?;
        self.bytes += N as u64;
        Ok(bytes)
    }

    fn count(&mut self) -> io::Result<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        let skipped = io::copy(&mut self.file.by_ref().take(bytes), &mut io::sink())?;
        self.bytes = self.bytes.saturating_add(skipped);
        match skipped == bytes {
            true => Ok(()),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// A text; `None` if it is longer than is kept.
    fn text(&mut self) -> io::Result<Option<String>> {
        let length = self.count()?;
        if length > MOST_TEXT_BYTES {
            self.skip(length)?;
            return Ok(None);
        }
        let mut bytes = Vec::new();
        self.file.by_ref().take(length).read_to_end(&mut bytes)?;
        self.bytes += bytes.len() as u64;
        match bytes.len() as u64 == length {
            true => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn value(&mut self, kind: u32) -> io::Result<Value> {
        Ok(match kind {
            0 => u8::from_le_bytes(self.array()?).into(),
            1 => i8::from_le_bytes(self.array()?).into(),
            2 => u16::from_le_bytes(self.array()?).into(),
            3 => i16::from_le_bytes(self.array()?).into(),
            4 => u32::from_le_bytes(self.array()?).into(),
            5 => i32::from_le_bytes(self.array()?).into(),
            6 => f32::from_le_bytes(self.array()?).into(),
            7 => (self.array::<1>()? != [0]).into(),
            8 => self.text()?.into(),
            9 => self.length_of_array()?,
            10 => self.count()?.into(),
            11 => i64::from_le_bytes(self.array()?).into(),
            12 => f64::from_le_bytes(self.array()?).into(),
            _ => {
                return Err(wrong(format!(
                    "a GGUF value of type {kind}, must be 0 to 12"
                )));
            }
        })
    }

    /// Its length if it holds texts, such as the tokens of a vocabulary. Numbers of
    /// each layer are no number of the model.
    fn length_of_array(&mut self) -> io::Result<Value> {
        let kind = u32::from_le_bytes(self.array()?);
        let length = self.count()?;
        let width = match kind {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            10..=12 => 8,
            8 => {
                for _ in 0..length {
                    let bytes = self.count()?;
                    self.skip(bytes)?;
                }
                return Ok(length.into());
            }
            _ => return Err(wrong(format!("a GGUF array of type {kind}"))),
        };
        self.skip(length.saturating_mul(width))?;
        Ok(Value::Null)
    }

    /// Name, dimensions, type and place of one tensor.
    fn skip_tensor(&mut self) -> io::Result<()> {
        self.text()?;
        let dimensions = u32::from_le_bytes(self.array()?);
        self.skip(u64::from(dimensions) * 8 + 4 + 8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Vec<u8> {
        let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
        bytes.extend(text.as_bytes());
        bytes
    }

    fn pair(key: &str, kind: u32, value: &[u8]) -> Vec<u8> {
        let mut bytes = text(key);
        bytes.extend(kind.to_le_bytes());
        bytes.extend(value);
        bytes
    }

    /// 36 layers of 8 KV heads of 128, 3 tokens, and one tensor.
    fn file(architecture: &str) -> Vec<u8> {
        let number =
            |key: &str, n: u32| pair(&format!("{architecture}.{key}"), 4, &n.to_le_bytes());
        let mut tokens = 8_u32.to_le_bytes().to_vec();
        tokens.extend(3_u64.to_le_bytes());
        for token in ["a", "b", "c"] {
            tokens.extend(text(token));
        }
        let pairs = [
            pair("general.architecture", 8, &text(architecture)),
            pair("tokenizer.ggml.tokens", 9, &tokens),
            number("block_count", 36),
            number("embedding_length", 4096),
            number("attention.head_count", 32),
            number("attention.head_count_kv", 8),
            number("attention.key_length", 128),
        ];
        let mut bytes = GGUF_MAGIC.to_vec();
        bytes.extend(3_u32.to_le_bytes());
        bytes.extend(1_u64.to_le_bytes());
        bytes.extend((pairs.len() as u64).to_le_bytes());
        bytes.extend(pairs.concat());
        bytes.extend(text("token_embd.weight"));
        bytes.extend(2_u32.to_le_bytes());
        bytes.extend([0; 2 * 8 + 4 + 8]);
        bytes
    }

    #[test]
    fn the_metadata_become_the_fields_of_a_config() {
        let config = Gguf::read(file("qwen3").as_slice()).unwrap().config();
        assert_eq!(
            config,
            json!({
                "model_type": "qwen3", "torch_dtype": "float16", "vocab_size": 3,
                "num_hidden_layers": 36, "hidden_size": 4096, "num_attention_heads": 32,
                "num_key_value_heads": 8, "head_dim": 128,
            })
        );
        let bytes = serde_json::to_vec(&config).unwrap();
        let estimate = crate::kv_cache::estimate(&bytes, &Default::default()).unwrap();
        // 36 layers x 8 heads x (128 + 128) x 2 B.
        assert_eq!(estimate.bytes_per_token, 147_456);
    }

    #[test]
    fn an_architecture_that_is_not_known_is_no_other_model() {
        let config = Gguf::read(file("gemma3").as_slice()).unwrap().config();
        let error =
            crate::kv_cache::estimate(&serde_json::to_vec(&config).unwrap(), &Default::default());
        let error = error.unwrap_err().to_string();
        assert!(error.contains("`model_type` \"gguf gemma3\""), "{error}");
    }

    #[test]
    fn tensors_begin_at_a_multiple_of_32_bytes() {
        let bytes = file("llama");
        let header = bytes.len().next_multiple_of(32) as u64;
        let gguf = Gguf::read(bytes.as_slice()).unwrap();
        assert_eq!(gguf.weight_bytes(header + 1000), Some(1000));
        assert_eq!(gguf.weight_bytes(header), None);
    }

    #[test]
    fn what_is_cut_short_or_something_else_is_refused() {
        let bytes = file("llama");
        for end in [0, 3, 10, 40, bytes.len() - 1] {
            assert!(Gguf::read(&bytes[..end]).is_err(), "{end}");
        }
        assert!(Gguf::read(&b"PK\x03\x04 a zip"[..]).is_err());
        let mut old = bytes;
        old[4] = 1;
        let error = Gguf::read(old.as_slice()).unwrap_err().to_string();
        assert_eq!(error, "GGUF version 1, must be 2 or 3");
    }
}
