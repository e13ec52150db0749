//! What token ids are drawn from, and what turns them into text.

/// What turns text into token ids and back. Implemented by the engine over a
/// `tokenizer.json`.
pub trait Vocabulary {
    /// Ids that a synthetic prompt may be made of: ordinary tokens, none special.
    fn ordinary_ids(&self) -> &[u32];
    /// Token ids of `text`, without special tokens; `None` if there is no tokenizer.
    fn encode(&self, text: &str) -> Option<Vec<u32>>;
    /// Text of `ids`; `None` if there is no tokenizer.
    fn decode(&self, ids: &[u32]) -> Option<String>;
    /// A text that is known to encode to `ids`, all of them ordinary, without
    /// encoding it; `None` if that is not known.
    fn compose(&self, ids: &[u32]) -> Option<String> {
        let _ = ids;
        None
    }
}

/// Ids `lo..hi` of a vocabulary that is known by its size alone.
#[derive(Debug, Clone)]
pub struct IdRange(Vec<u32>);

impl IdRange {
    /// The ids from `lo` to below `hi`.
    #[must_use]
    pub fn new(lo: u32, hi: u32) -> Self {
        Self((lo..hi).collect())
    }
}

impl Vocabulary for IdRange {
    fn ordinary_ids(&self) -> &[u32] {
        &self.0
    }

    fn encode(&self, _: &str) -> Option<Vec<u32>> {
        None
    }

    fn decode(&self, _: &[u32]) -> Option<String> {
        None
    }
}
