//! Values of a line of JSON as serde writes them: without spaces. What stands there in any
//! other way is none, and for serde to read.

use std::str;

use super::record::{Phase, Status, TokenSource};
use crate::config::Level;

/// Digits that a number of 64 bits has in any case room for.
const MOST_DIGITS: usize = 19;
/// Whole numbers up to this are numbers of 64 bits with a fraction, too.
const EXACT: u64 = 1 << 53;
/// Powers of ten that are such numbers exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// A line, from what comes next on.
pub(super) struct Cursor<'a>(&'a [u8]);

/// A value that can stand in a line.
pub(super) trait Field<'a>: Sized {
    /// Takes it off the line; `None` if it is not there as serde writes it.
    fn read(line: &mut Cursor<'a>) -> Option<Self>;
}

impl<'a> Cursor<'a> {
    pub(super) fn new(line: &'a [u8]) -> Self {
        Self(line)
    }

    /// Takes this off the line if it comes next.
    pub(super) fn has(&mut self, text: &[u8]) -> bool {
        match self.0.strip_prefix(text) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    /// The value behind the name that comes next.
    pub(super) fn field<T: Field<'a>>(&mut self, name: &[u8]) -> Option<T> {
        self.has(name).then(|| T::read(self)).flatten()
    }

    /// Whether nothing is left but the end of the object and of the line.
    pub(super) fn is_over(&self) -> bool {
        self.0 == b"}\n" || self.0 == b"}"
    }

    fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(taken)
    }

    /// Digits that come next, as a number: how many, and what they make.
    fn digits(&mut self) -> Option<(usize, u64)> {
        let digits = self.0.iter().take_while(|byte| byte.is_ascii_digit());
        let count = digits.count();
        let number = |so_far: u64, digit: &u8| so_far * 10 + u64::from(digit - b'0');
        let digits = self.take(count)?;
        (1..=MOST_DIGITS)
            .contains(&count)
            .then(|| (count, digits.iter().fold(0, number)))
    }

    /// A whole number without a sign, a fraction or leading zeros.
    fn whole(&mut self) -> Option<u64> {
        let begins_with_zero = self.0.first() == Some(&b'0');
        let (count, number) = self.digits()?;
        let is_whole = !matches!(self.0.first(), Some(b'.' | b'e' | b'E'));
        (is_whole && !(begins_with_zero && count > 1)).then_some(number)
    }

    /// What stands between quotes, and whether something in it is escaped.
    fn quoted(&mut self) -> Option<(&'a [u8], bool)> {
        let text = self.0.strip_prefix(b"\"")?;
        let mut is_escaped = false;
        let mut at = 0;
        loop {
            match text.get(at)? {
                b'"' => break,
                b'\\' => {
                    is_escaped = true;
                    at += 2;
                }
                0..0x20 => return None,
                _ => at += 1,
            }
        }
        self.0 = &text[at + 1..];
        Some((&text[..at], is_escaped))
    }
}

impl<'a> Field<'a> for &'a str {
    fn read(line: &mut Cursor<'a>) -> Option<Self> {
        let (text, is_escaped) = line.quoted()?;
        str::from_utf8(text).ok().filter(|_| !is_escaped)
    }
}

impl<'a> Field<'a> for String {
    fn read(line: &mut Cursor<'a>) -> Option<Self> {
        let before = line.0;
        let (text, is_escaped) = line.quoted()?;
        match is_escaped {
            false => str::from_utf8(text).ok().map(str::to_owned),
            true => serde_json::from_slice(&before[..text.len() + 2]).ok(),
        }
    }
}

impl<'a> Field<'a> for u64 {
    fn read(line: &mut Cursor<'a>) -> Option<Self> {
        line.whole()
    }
}

impl<'a> Field<'a> for u32 {
    fn read(line: &mut Cursor<'a>) -> Option<Self> {
        line.whole()?.try_into().ok()
    }
}

impl<'a> Field<'a> for u16 {
    fn read(line: &mut Cursor<'a>) -> Option<Self> {
        line.whole()?.try_into().ok()
    }
}

impl<'a> Field<'a> for bool {
    fn read(line: &mut Cursor<'a>) -> Option<Self> {
        line.has(b"true")
            .then_some(true)
            .or_else(|| line.has(b"false").then_some(false))
    }
}

impl<'a> Field<'a> for f64 {
    /// The number that is nearest to the decimal one. Digits that are a whole number of 53
    /// bits over a power of ten up to 22 are so by one division; Clinger 1990, How to read
    /// floating point numbers accurately.
    fn read(line: &mut Cursor<'a>) -> Option<Self> {
        let before = line.0;
        let is_negative = line.has(b"-");
        let begins_with_zero = line.0.first() == Some(&b'0');
        let whole = line.digits();
        if begins_with_zero && whole.is_none_or(|(count, _)| count > 1) {
            return None;
        }
        let mut fraction = Some((0, 0));
        if line.has(b".") {
            fraction = line.digits();
        }
        if let (Some((count, whole)), Some((places, fraction)), None | Some(b',' | b']' | b'}')) =
            (whole, fraction, line.0.first())
            && count + places <= MOST_DIGITS
        {
            let digits = whole * 10_u64.pow(places as u32) + fraction;
            if digits <= EXACT {
                let size = digits as f64 / POWERS[places];
                return Some(if is_negative { -size } else { size });
            }
        }
        line.0 = before;
        let end = before
            .iter()
            .position(|b| matches!(b, b',' | b']' | b'}'))?;
        serde_json::from_slice(line.take(end)?).ok()
    }
}

impl<'a, T: Field<'a>> Field<'a> for Option<T> {
    fn read(line: &mut Cursor<'a>) -> Option<Self> {
        match line.has(b"null") {
            true => Some(None),
            false => T::read(line).map(Some),
        }
    }
}

impl<'a, T: Field<'a>> Field<'a> for Vec<T> {
    fn read(line: &mut Cursor<'a>) -> Option<Self> {
        let mut values = Self::new();
        if !line.has(b"[") {
            return None;
        }
        if line.has(b"]") {
            return Some(values);
        }
        loop {
            values.push(T::read(line)?);
            if line.has(b"]") {
                return Some(values);
            }
            if !line.has(b",") {
                return None;
            }
        }
    }
}

impl<'a> Field<'a> for (u32, f64) {
    fn read(line: &mut Cursor<'a>) -> Option<Self> {
        let one = line.field(b"[")?;
        let two = line.field(b",")?;
        line.has(b"]").then_some((one, two))
    }
}

impl<'a> Field<'a> for Level {
    fn read(line: &mut Cursor<'a>) -> Option<Self> {
        if line.has(b"{\"kind\":\"concurrency\",\"value\":") {
            let slots = u32::read(line)?;
            return line.has(b"}").then_some(Self::Concurrency(slots));
        }
        let end = line.0.iter().position(|byte| *byte == b'}')?;
        serde_json::from_slice(line.take(end + 1)?).ok()
    }
}

impl<'a> Field<'a> for Phase {
    fn read(line: &mut Cursor<'a>) -> Option<Self> {
        match <&str>::read(line)? {
            "warmup" => Some(Self::Warmup),
            "measured" => Some(Self::Measured),
            _ => None,
        }
    }
}

impl<'a> Field<'a> for Status {
    fn read(line: &mut Cursor<'a>) -> Option<Self> {
        match <&str>::read(line)? {
            "ok" => Some(Self::Ok),
            "failed" => Some(Self::Failed),
            _ => None,
        }
    }
}

impl<'a> Field<'a> for TokenSource {
    fn read(line: &mut Cursor<'a>) -> Option<Self> {
        match <&str>::read(line)? {
            "usage" => Some(Self::Usage),
            "tokenizer" => Some(Self::Tokenizer),
            _ => None,
        }
    }
}
