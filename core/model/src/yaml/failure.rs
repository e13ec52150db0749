//! The error that serde raises, and its text once line and column are known.

use std::fmt;

use serde::de::{Expected, Unexpected};

use crate::text::nearest::nearest;

use super::error::{Fact, Mark, PathStep, YamlError, dotted, quoted, subject};
use super::tree::{KeyNode, Kind, Node};

/// The way from the root to a value, kept on the stack while reading.
#[derive(Debug, Clone, Copy)]
pub(super) enum Trail<'a> {
    Root,
    Key(&'a Trail<'a>, &'a str),
    Index(&'a Trail<'a>, usize),
}

impl Trail<'_> {
    pub(super) fn path(&self) -> Vec<PathStep> {
        let (mut path, step) = match self {
            Trail::Root => return Vec::new(),
            Trail::Key(above, key) => (above.path(), PathStep::Key((*key).to_owned())),
            Trail::Index(above, index) => (above.path(), PathStep::Index(*index)),
        };
        path.push(step);
        path
    }
}

/// What serde raised; boxed, since every `Result` of reading carries it.
#[derive(Debug)]
pub(super) struct Failure(Box<Raised>);

#[derive(Debug)]
enum Raised {
    Placed(YamlError),
    Worded(Fact),
    Custom(String),
    Mismatch { found: String, wanted: String },
    UnknownKey { key: String, known: Vec<String> },
    UnknownVariant { found: String, known: Vec<String> },
    MissingKey(String),
}

impl From<Fact> for Failure {
    fn from(fact: Fact) -> Self {
        Raised::Worded(fact).into()
    }
}

impl From<YamlError> for Failure {
    fn from(error: YamlError) -> Self {
        Raised::Placed(error).into()
    }
}

impl From<Raised> for Failure {
    fn from(raised: Raised) -> Self {
        Self(Box::new(raised))
    }
}

impl Failure {
    /// The error about `node`, unless a place is already known.
    pub(super) fn at(self, node: &Node, trail: &Trail<'_>) -> YamlError {
        let path = trail.path();
        let about = |fact: &Fact| YamlError::about(&node.file, node.mark, &path, fact);
        match *self.0 {
            Raised::Placed(error) => error,
            Raised::Worded(fact) => about(&fact),
            Raised::Custom(text) => {
                let path = dotted(&path);
                let message = custom(&text, node, &subject(&path));
                YamlError::new(&node.file, node.mark, path, message)
            }
            Raised::Mismatch { found, wanted } => about(&mismatch(&found, &wanted, node)),
            Raised::UnknownKey { key, known } => {
                let mut path = path;
                let mark = find_key(node, &key, &mut path).unwrap_or(node.mark);
                unknown_key(&node.file, mark, &path, &key, &known)
            }
            Raised::UnknownVariant { found, known } => about(&unknown_variant(&found, &known)),
            Raised::MissingKey(key) => {
                let mut path = path;
                path.push(PathStep::Key(key));
                YamlError::about(&node.file, node.mark, &path, &Fact::new("is missing"))
            }
        }
    }

    /// The error about a key of the map at `trail`.
    pub(super) fn at_key(self, key: &KeyNode, node: &Node, trail: &Trail<'_>) -> YamlError {
        match *self.0 {
            Raised::UnknownKey { known, .. } => {
                unknown_key(&node.file, key.mark, &trail.path(), &key.text, &known)
            }
            _ => self.at(node, &Trail::Key(trail, &key.text)),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Raised::Placed(error) => error.fmt(f),
            Raised::Worded(fact) => f.write_str(&fact.text),
            Raised::Custom(text) => f.write_str(text),
            Raised::Mismatch { found, wanted } => write!(f, "is {found}, must be {wanted}"),
            Raised::UnknownKey { key, .. } => write!(f, "unknown key `{key}`"),
            Raised::UnknownVariant { found, known } => {
                write!(f, "is {}, {}", quoted(found), one_of(known))
            }
            Raised::MissingKey(key) => write!(f, "`{key}` is missing"),
        }
    }
}

impl std::error::Error for Failure {}

impl serde::de::Error for Failure {
    fn custom<T: fmt::Display>(message: T) -> Self {
        let text = message.to_string();
        // `flatten` with `deny_unknown_fields` words its refusal itself.
        let unknown = text
            .strip_prefix("unknown field `")
            .and_then(|rest| rest.split_once('`'))
            .map(|(key, _)| key.to_owned());
        match unknown {
            Some(key) => {
                let known = Vec::new();
                Raised::UnknownKey { key, known }.into()
            }
            None => Raised::Custom(text).into(),
        }
    }

    fn invalid_type(found: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        Self::invalid_value(found, wanted)
    }

    fn invalid_value(found: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        let found = match found {
            Unexpected::Bool(value) => value.to_string(),
            Unexpected::Unsigned(value) => value.to_string(),
            Unexpected::Signed(value) => value.to_string(),
            Unexpected::Float(value) => value.to_string(),
            Unexpected::Str(text) => quoted(text),
            Unexpected::Unit | Unexpected::Option => "empty".to_owned(),
            Unexpected::Seq => "a list".to_owned(),
            Unexpected::Map => "a map".to_owned(),
            other => other.to_string(),
        };
        let wanted = wanted_text(&wanted.to_string());
        Raised::Mismatch { found, wanted }.into()
    }

    fn invalid_length(length: usize, wanted: &dyn Expected) -> Self {
        let wanted = wanted_text(&wanted.to_string());
        Fact::new(format!("has {}, must be {wanted}", items(length))).into()
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let found = variant.to_owned();
        let known = owned(expected);
        Raised::UnknownVariant { found, known }.into()
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let key = field.to_owned();
        let known = owned(expected);
        Raised::UnknownKey { key, known }.into()
    }

    fn missing_field(field: &'static str) -> Self {
        Raised::MissingKey(field.to_owned()).into()
    }

    fn duplicate_field(field: &'static str) -> Self {
        Fact::new(format!("has `{field}` under two names, must have one")).into()
    }
}

pub(super) fn items(count: usize) -> String {
    match count {
        1 => "1 item".to_owned(),
        _ => format!("{count} items"),
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// serde's words for a type in the words of a config's author.
fn wanted_text(expected: &str) -> String {
    let text = match expected {
        "a string" | "string" | "str" => "text",
        "a boolean" => "true or false",
        "a sequence" | "an array" => "a list",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        _ if expected.starts_with("struct ") => "a map",
        _ => expected,
    };
    text.to_owned()
}

fn mismatch(found: &str, wanted: &str, node: &Node) -> Fact {
    match node.kind {
        Kind::Scalar { .. } => Fact::new(format!("is {}, must be {wanted}", node.shown())),
        // serde may have buffered the map or list and report a part of it.
        _ if found == node.shown() => Fact::new(format!("is {found}, must be {wanted}")),
        _ => Fact::new(format!("holds {found}, must be {wanted}")),
    }
}

fn custom(text: &str, node: &Node, subject: &str) -> String {
    if text.starts_with("data did not match any variant") {
        return format!(
            "{subject} is {}, which is none of the allowed forms",
            node.shown()
        );
    }
    if text.starts_with("is ") || text.starts_with("has ") {
        return format!("{subject} {text}");
    }
    match node.kind {
        Kind::Scalar { .. } => format!("{subject} is {}, {text}", node.shown()),
        _ => format!("{subject}: {text}"),
    }
}

/// Finds the nearest `key` in `node` and leads `path` to the map it is in.
fn find_key(node: &Node, key: &str, path: &mut Vec<PathStep>) -> Option<Mark> {
    if let Some((found, _)) = node.entry(key) {
        return Some(found.mark);
    }
    let inner: Vec<(PathStep, &Node)> = match &node.kind {
        Kind::Scalar { .. } => return None,
        Kind::Sequence(items) => items
            .iter()
            .enumerate()
            .map(|(index, item)| (PathStep::Index(index), item))
            .collect(),
        Kind::Mapping(entries) => entries
            .iter()
            .map(|(key, value)| (PathStep::Key(key.text.to_string()), value))
            .collect(),
    };
    inner.into_iter().find_map(|(step, value)| {
        path.push(step);
        let found = find_key(value, key, path);
        if found.is_none() {
            path.pop();
        }
        found
    })
}

fn unknown_key(file: &str, mark: Mark, map: &[PathStep], key: &str, known: &[String]) -> YamlError {
    let home = match dotted(map) {
        path if path.is_empty() => String::new(),
        path => format!(" in `{path}`"),
    };
    let limit = match nearest(key, known.iter().map(String::as_str)) {
        Some(name) => format!(", did you mean `{name}`?"),
        None if known.is_empty() => String::new(),
        None => format!(", {}", one_of(known)),
    };
    let mut path = map.to_vec();
    path.push(PathStep::Key(key.to_owned()));
    let message = format!("unknown key `{key}`{home}{limit}");
    YamlError::new(file, mark, dotted(&path), message)
}

fn unknown_variant(found: &str, known: &[String]) -> Fact {
    let fact = Fact::new(format!("is {}, {}", quoted(found), one_of(known)));
    match nearest(found, known.iter().map(String::as_str)) {
        Some(name) => fact.hint(format!("did you mean `{name}`?")),
        None => fact,
    }
}

fn one_of(known: &[String]) -> String {
    let names: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    match &names[..] {
        [] => "no key is allowed here".to_owned(),
        [name] => format!("must be {name}"),
        _ => format!("must be one of {}", names.join(", ")),
    }
}
