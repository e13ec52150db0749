//! Chunks that differ from the one before in nothing but their text, as nearly
//! all chunks of a stream do: they are compared, not parsed.

use std::borrow::Cow;

use super::chunk::Chunk;
use crate::OutputKind;

/// What stood around the text of a chunk that was parsed in full.
///
/// A chunk with the same bytes before and after, and a plain JSON string
/// between them, is the same JSON document but for that string: it holds one
/// piece of output of the same kind and nothing else.
#[derive(Debug, Clone)]
pub(super) struct Repeat {
    head: Vec<u8>,
    tail: Vec<u8>,
    kind: OutputKind,
}

impl Repeat {
    /// What to compare the chunks after this one with; `None` if `chunk`, which
    /// was parsed from `data`, holds anything beside one piece of text.
    pub(super) fn from_chunk(data: &[u8], chunk: &Chunk<'_>) -> Option<Self> {
        let [choice] = chunk.choices.objects() else {
            return None;
        };
        let plain = choice.other_answer().is_none()
            && chunk.usage().is_none()
            && chunk.error.is_none()
            && chunk.object.filled() != Some("error")
            && choice.finish_reason.word().is_none();
        if !plain {
            return None;
        }
        let (text, kind) = match (&choice.delta.0, &choice.message.0) {
            (Some(delta), _) => delta.one_text()?,
            (None, Some(_)) => return None,
            (None, None) => choice.one_text()?,
        };
        let Cow::Borrowed(text) = text else {
            return None;
        };
        let start = (text.as_ptr() as usize).checked_sub(data.as_ptr() as usize)?;
        let (head, rest) = data.split_at_checked(start)?;
        let (middle, tail) = rest.split_at_checked(text.len())?;
        let quoted = head.ends_with(b"\"") && tail.starts_with(b"\"");
        (quoted && middle == text.as_bytes()).then(|| Self {
            head: head.to_vec(),
            tail: tail.to_vec(),
            kind,
        })
    }

    /// The text of `data`, if that is all it differs in.
    pub(super) fn text<'a>(&self, data: &'a [u8]) -> Option<(OutputKind, &'a str)> {
        let text = data
            .strip_prefix(self.head.as_slice())?
            .strip_suffix(self.tail.as_slice())?;
        let plain = text
            .iter()
            .all(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20));
        let text = plain.then(|| std::str::from_utf8(text).ok())??;
        Some((self.kind, text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openai::lenient::Object;

    fn repeat(data: &str) -> Option<Repeat> {
        let Object(chunk) = serde_json::from_str(data).unwrap();
        Repeat::from_chunk(data.as_bytes(), &chunk.unwrap())
    }

    const FIRST: &str =
        r#"{"id":"c","choices":[{"index":0,"text":" a","finish_reason":null}],"usage":null}"#;

    #[test]
    fn a_chunk_that_differs_in_its_text_alone_is_compared() {
        let repeat = repeat(FIRST).unwrap();
        let next = FIRST.replace(" a", " días");
        assert_eq!(
            repeat.text(next.as_bytes()),
            Some((OutputKind::Text, " días"))
        );
    }

    #[test]
    fn whatever_else_differs_is_parsed() {
        let repeat = repeat(FIRST).unwrap();
        for next in [
            FIRST.replace("finish_reason\":null", "finish_reason\":\"stop\""),
            FIRST.replace(" a", "a\\nb"),
            FIRST.replace(" a", "a\",\"x\":\"b"),
            FIRST.replace("\"c\"", "\"d\""),
            FIRST[..FIRST.len() - 1].to_owned(),
            String::new(),
        ] {
            assert_eq!(repeat.text(next.as_bytes()), None, "{next}");
        }
        let cut = FIRST.replace(" a", "é").into_bytes();
        let broken: Vec<u8> = cut.into_iter().filter(|byte| *byte != 0xa9).collect();
        assert_eq!(repeat.text(&broken), None);
    }

    #[test]
    fn chunks_with_more_than_one_piece_of_text_are_never_a_pattern() {
        for data in [
            r#"{"choices":[{"text":"a","finish_reason":"stop"}]}"#,
            r#"{"choices":[{"text":"a"}],"usage":{"completion_tokens":1}}"#,
            r#"{"choices":[{"text":"a"},{"text":"b"}]}"#,
            r#"{"choices":[{"text":"a\n"}]}"#,
            r#"{"choices":[{"delta":{"content":"a","reasoning":"b"}}]}"#,
            r#"{"choices":[{"delta":{"tool_calls":[{"function":{"name":"f"}}]}}]}"#,
            r#"{"choices":[],"error":"x"}"#,
        ] {
            assert!(repeat(data).is_none(), "{data}");
        }
    }
}
