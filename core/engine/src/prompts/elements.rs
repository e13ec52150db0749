//! Cuts a JSON array into its elements without reading them as JSON.

use std::io::{self, BufRead};

/// What comes next in an array.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// An element, in the buffer.
    Element,
    /// The array is over.
    End,
    /// The text ends within the array.
    Broken,
    /// The element is longer than the limit.
    TooLong,
}

/// Reads the next element into `buffer`, which is emptied first. `input` is behind the
/// array's `[` or behind an element.
pub(super) fn next(
    input: &mut impl BufRead,
    buffer: &mut Vec<u8>,
    limit: usize,
) -> io::Result<Cut> {
    buffer.clear();
    let mut state = State::default();
    loop {
        let chunk = input.fill_buf()?;
        if chunk.is_empty() {
            return Ok(Cut::Broken);
        }
        let (used, ended) = state.take(chunk, buffer);
        input.consume(used);
        if let Some(cut) = ended {
            return Ok(cut);
        }
        if buffer.len() > limit {
            return Ok(Cut::TooLong);
        }
    }
}

#[derive(Default)]
struct State {
    depth: usize,
    in_text: bool,
    escaped: bool,
}

impl State {
    /// Takes bytes of a chunk into `buffer`: how many, and whether that ended something.
    fn take(&mut self, chunk: &[u8], buffer: &mut Vec<u8>) -> (usize, Option<Cut>) {
        let mut begins = 0;
        for (at, byte) in chunk.iter().enumerate() {
            if buffer.is_empty() && begins == at && is_between(*byte) {
                begins = at + 1;
                continue;
            }
            if self.in_text {
                self.in_text = self.escaped || *byte != b'"';
                self.escaped = !self.escaped && *byte == b'\\';
                continue;
            }
            match byte {
                b'"' => self.in_text = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' if self.depth > 0 => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        buffer.extend_from_slice(&chunk[begins..=at]);
                        return (at + 1, Some(Cut::Element));
                    }
                }
                b',' | b']' if self.depth == 0 => {
                    buffer.extend_from_slice(&chunk[begins..at]);
                    let cut = match (buffer.is_empty(), byte) {
                        (true, b']') => (at + 1, Cut::End),
                        // The `]` is met again.
                        _ => (at, Cut::Element),
                    };
                    return (cut.0, Some(cut.1));
                }
                _ => {}
            }
        }
        buffer.extend_from_slice(&chunk[begins..]);
        (chunk.len(), None)
    }
}

fn is_between(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == b','
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn elements(text: &str, chunk: usize) -> (Vec<String>, Cut) {
        let mut input = BufReader::with_capacity(chunk, text.as_bytes());
        let (mut found, mut buffer) = (Vec::new(), Vec::new());
        loop {
            match next(&mut input, &mut buffer, 1000).unwrap() {
                Cut::Element => found.push(String::from_utf8(buffer.clone()).unwrap()),
                other => return (found, other),
            }
        }
    }

    #[test]
    fn elements_are_cut_at_their_own_ends() {
        let text = r#" {"a": "]},\"{"} , [1, [2]],"x, y" ,5, {"b": {}} ] rest"#;
        let expected = [
            r#"{"a": "]},\"{"}"#,
            "[1, [2]]",
            r#""x, y" "#,
            "5",
            r#"{"b": {}}"#,
        ];
        for chunk in [1, 2, 3, 7, 1000] {
            let (found, end) = elements(text, chunk);
            assert_eq!(found, expected, "in chunks of {chunk}");
            assert_eq!(end, Cut::End);
        }
    }

    #[test]
    fn an_array_may_be_empty_or_cut_off() {
        assert_eq!(elements(" ]", 10), (vec![], Cut::End));
        assert_eq!(elements("", 10), (vec![], Cut::Broken));
        assert_eq!(elements(r#"{"a": 1}, {"b"#, 10).1, Cut::Broken);
        let long = format!("{{\"a\": \"{}\"}}]", "x".repeat(2000));
        assert_eq!(elements(&long, 100).1, Cut::TooLong);
    }
}
