//! JSON as servers write it: mended where a strict reader would lose the whole
//! message over one value that nobody asked for.

use serde::de::DeserializeOwned;

/// Reads a JSON document that a server wrote: as it is, else [`mended`].
///
/// # Errors
/// If it is no JSON even then, or not what `T` is.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> serde_json::Result<T> {
    serde_json::from_slice(bytes).or_else(|error| {
        // What a reader says of the document as it came is what helps.
        serde_json::from_slice(&mended(bytes)).map_err(|_| error)
    })
}

/// The document with everything replaced that JSON does not have and that
/// servers send all the same:
///
/// - bytes that are no UTF-8, and halves of surrogate pairs, become U+FFFD;
/// - `NaN`, `Infinity`, `None`, numbers beyond what a double holds and other bare
///   words become `null`;
/// - control characters inside a string are escaped, unknown escapes lose their
///   backslash;
/// - a byte order mark is left out.
///
/// What is well-formed stays as it is. Brackets and commas are not mended.
#[must_use]
pub fn mended(bytes: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(bytes);
    let mut rest = text.trim_start_matches('\u{feff}');
    let mut out = String::with_capacity(rest.len());
    while let Some(first) = rest.chars().next() {
        if first == '"' {
            out.push('"');
            rest = string(&rest[1..], &mut out);
        } else if is_word(first) {
            let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            out.push_str(if is_value(word) { word } else { "null" });
            rest = after;
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    out.into_bytes()
}

/// Whether a bare word may hold it: literals and numbers.
fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '+' | '-' | '.' | '_')
}

fn is_value(word: &str) -> bool {
    matches!(word, "true" | "false" | "null") || serde_json::from_str::<f64>(word).is_ok()
}

/// Copies a string up to and with its closing quote, and gives what follows.
fn string<'a>(mut rest: &'a str, out: &mut String) -> &'a str {
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '"' => {
                out.push('"');
                return rest;
            }
            '\\' => rest = escape(rest, out),
            c if c < ' ' => push_control(c, out),
            c => out.push(c),
        }
    }
    rest
}

fn push_control(c: char, out: &mut String) {
    out.push_str(&format!("\\u{:04x}", u32::from(c)));
}

/// Copies what follows a backslash.
fn escape<'a>(rest: &'a str, out: &mut String) -> &'a str {
    let Some(c) = rest.chars().next() else {
        return rest;
    };
    let after = &rest[c.len_utf8()..];
    match c {
        '"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't' => {
            out.extend(['\\', c]);
            after
        }
        'u' => unicode(after, out),
        c if c < ' ' => {
            push_control(c, out);
            after
        }
        c => {
            out.push(c);
            after
        }
    }
}

/// Copies what follows `\u`: four digits, or two halves of a pair.
fn unicode<'a>(rest: &'a str, out: &mut String) -> &'a str {
    let Some((first, after)) = unit(rest) else {
        out.push('\u{fffd}');
        return rest;
    };
    if !(0xd800..0xe000).contains(&first) {
        out.push_str(&format!("\\u{first:04x}"));
        return after;
    }
    let second = after.strip_prefix("\\u").and_then(unit);
    match second {
        Some((second, after)) if first < 0xdc00 && (0xdc00..0xe000).contains(&second) => {
            out.push_str(&format!("\\u{first:04x}\\u{second:04x}"));
            after
        }
        _ => {
            out.push('\u{fffd}');
            after
        }
    }
}

/// Four hexadecimal digits and what follows them.
fn unit(rest: &str) -> Option<(u32, &str)> {
    let (digits, after) = rest.split_at_checked(4)?;
    let all_digits = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let value = u32::from_str_radix(digits, 16).ok()?;
    all_digits.then_some((value, after))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn mend(bytes: &[u8]) -> Value {
        serde_json::from_slice(&mended(bytes)).unwrap()
    }

    #[test]
    fn what_json_has_not_becomes_null_and_the_rest_is_kept() {
        let text = r#"{"a":NaN,"b":[-Infinity,1,+1,.5,1e999],"c":None,"d":-0.5e3,"e":true}"#;
        assert_eq!(
            mend(text.as_bytes()),
            json!({"a": null, "b": [null, 1, null, null, null], "c": null, "d": -500.0, "e": true})
        );
    }

    #[test]
    fn words_inside_a_string_are_text() {
        let text = r#"{"NaN":"NaN, \"Infinity\" \\"}"#;
        assert_eq!(
            mend(text.as_bytes()),
            json!({"NaN": "NaN, \"Infinity\" \\"})
        );
    }

    #[test]
    fn text_that_is_no_unicode_has_replacement_marks() {
        assert_eq!(
            mend(b"{\"a\":\"x\xff\xfey\"}"),
            json!({"a": "x\u{fffd}\u{fffd}y"})
        );
        assert_eq!(mend(b"\xef\xbb\xbf{\"a\":1}"), json!({"a": 1}));
        for (half, whole) in [
            (r#""\ud83d""#, "\u{fffd}"),
            (r#""\ude00x""#, "\u{fffd}x"),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}\u{1f600}"),
            (r#""\ud83d\ude00""#, "\u{1f600}"),
            (r#""\uzz""#, "\u{fffd}zz"),
            (r#""\q\u0041""#, "qA"),
        ] {
            assert_eq!(mend(half.as_bytes()), json!(whole), "{half}");
        }
    }

    #[test]
    fn control_characters_in_a_string_are_text() {
        assert_eq!(
            mend(b"{\"a\":\"b\nc\x01\\\n\"}"),
            json!({"a": "b\nc\u{1}\n"})
        );
    }

    #[test]
    fn what_is_cut_off_stays_unreadable() {
        for text in [
            "{\"a\":\"b",
            "{\"a\":\"b\\",
            "{\"a\":\"\\u12",
            "{\"a\"",
            "<html>",
        ] {
            assert!(read::<Value>(text.as_bytes()).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_mended_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = mended(&bytes);
        }

        #[test]
        fn a_well_formed_document_stays_as_it_is(text in ".*", number in any::<f64>()) {
            let number = number.is_finite().then_some(number);
            let document = json!({"text": text, "list": [number, true, null, {"k": 1}]});
            let bytes = serde_json::to_vec(&document).unwrap();
            prop_assert_eq!(mended(&bytes), bytes);
        }
    }
}
