//! The located tree: every value and key with its line and column.

use std::sync::Arc;

use super::error::{Fact, Mark, PathStep, YamlError, quoted};
use super::scalar::{Resolved, resolve};

/// A value of the text with its place.
///
/// Variables are expanded, aliases and merge keys are resolved. A value that
/// came through an alias has the place of the alias, the values inside it have
/// their own.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where the value begins; for an empty value of a key, where the key is.
    pub mark: Mark,
    pub kind: Kind,
    pub(super) file: Arc<str>,
    /// A variable that could not be expanded under an `x-` key: an error
    /// only once the value is read.
    pub(super) fault: Option<Arc<Fact>>,
}

/// The three shapes of a value.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// A text; `plain` if it was written without quotes and may mean a number,
    /// a boolean or nothing.
    Scalar {
        /// The text, variables expanded.
        text: Arc<str>,
        /// Whether it was written without quotes.
        plain: bool,
    },
    Sequence(Vec<Node>),
    /// A map; every key occurs once.
    Mapping(Vec<(KeyNode, Node)>),
}

/// A key of a map with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyNode {
    /// Where the key begins.
    pub mark: Mark,
    /// The key as written, variables not expanded.
    pub text: Arc<str>,
    /// Whether it was written without quotes.
    pub plain: bool,
}

impl Node {
    /// The name of the file, as given to [`super::parse`].
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The value at `path`, `None` if there is none.
    pub fn get(&self, path: &[PathStep]) -> Option<&Node> {
        path.iter().try_fold(self, |node, step| node.child(step))
    }

    /// Where `path` is written: the place of its last key, or of the list's
    /// item; `None` if it is not in the text.
    pub fn locate(&self, path: &[PathStep]) -> Option<Mark> {
        let Some((last, parents)) = path.split_last() else {
            return Some(self.mark);
        };
        let parent = self.get(parents)?;
        match last {
            PathStep::Key(key) => parent.entry(key).map(|(key, _)| key.mark),
            PathStep::Index(_) => parent.child(last).map(|item| item.mark),
        }
    }

    /// An error about the value at `path`, worded "`` `path` fact ``".
    ///
    /// It points at a scalar itself, at the key of a map or list, and at the
    /// nearest value above where `path` is not in the text (a default).
    pub fn error_at(
        &self,
        path: &[PathStep],
        fact: impl Into<String>,
        hint: Option<String>,
    ) -> YamlError {
        let mark = match self.get(path) {
            Some(node) if matches!(node.kind, Kind::Scalar { .. }) => node.mark,
            _ => (0..=path.len())
                .rev()
                .find_map(|steps| self.locate(&path[..steps]))
                .unwrap_or(self.mark),
        };
        let fact = Fact {
            text: fact.into(),
            hint,
        };
        YamlError::about(&self.file, mark, path, &fact)
    }

    /// The value as JSON, plain scalars resolved by the core schema.
    ///
    /// # Errors
    /// `.inf`, `.nan` and whole numbers beyond 64 bits, which JSON cannot
    /// hold; a variable that is not set under an `x-` key.
    pub fn to_json(&self) -> Result<serde_json::Value, YamlError> {
        self.json_at(&mut Vec::new())
    }

    fn json_at(&self, path: &mut Vec<PathStep>) -> Result<serde_json::Value, YamlError> {
        match &self.kind {
            Kind::Scalar { text, plain } => self
                .scalar_json(text, *plain)
                .map_err(|fact| YamlError::about(&self.file, self.mark, path, &fact)),
            Kind::Sequence(items) => {
                let mut list = Vec::with_capacity(items.len());
                for (index, item) in items.iter().enumerate() {
                    path.push(PathStep::Index(index));
                    list.push(item.json_at(path)?);
                    path.pop();
                }
                Ok(list.into())
            }
            Kind::Mapping(entries) => {
                let mut map = serde_json::Map::new();
                for (key, value) in entries {
                    path.push(PathStep::Key(key.text.to_string()));
                    map.insert(key.text.to_string(), value.json_at(path)?);
                    path.pop();
                }
                Ok(map.into())
            }
        }
    }

    fn scalar_json(&self, text: &str, plain: bool) -> Result<serde_json::Value, Fact> {
        if let Some(fault) = &self.fault {
            return Err((**fault).clone());
        }
        if !plain {
            return Ok(text.into());
        }
        Ok(match resolve(text) {
            Resolved::Null => serde_json::Value::Null,
            Resolved::Bool(value) => value.into(),
            Resolved::Int(value) => match (i64::try_from(value), u64::try_from(value)) {
                (Ok(value), _) => value.into(),
                (_, Ok(value)) => value.into(),
                _ => return Err(beyond_64_bits(text)),
            },
            Resolved::Huge => return Err(beyond_64_bits(text)),
            Resolved::Float(value) => match serde_json::Number::from_f64(value) {
                Some(number) => number.into(),
                None => return Err(no_json_form(text)),
            },
            Resolved::Text => text.into(),
        })
    }

    fn child(&self, step: &PathStep) -> Option<&Node> {
        match (&self.kind, step) {
            (Kind::Sequence(items), PathStep::Index(index)) => items.get(*index),
            (_, PathStep::Key(key)) => self.entry(key).map(|(_, value)| value),
            _ => None,
        }
    }

    pub(super) fn entry(&self, key: &str) -> Option<&(KeyNode, Node)> {
        match &self.kind {
            Kind::Mapping(entries) => entries.iter().find(|(at, _)| &*at.text == key),
            _ => None,
        }
    }

    /// How a message shows the value: `empty`, `-1`, `"many"`, `a list`.
    pub(super) fn shown(&self) -> String {
        match &self.kind {
            Kind::Scalar { text, plain: true } => match resolve(text) {
                Resolved::Null => "empty".to_owned(),
                Resolved::Text => quoted(text),
                _ => text.to_string(),
            },
            Kind::Scalar { text, plain: false } => quoted(text),
            Kind::Sequence(_) => "a list".to_owned(),
            Kind::Mapping(_) => "a map".to_owned(),
        }
    }
}

pub(super) fn beyond_64_bits(text: &str) -> Fact {
    Fact::new(format!("is {text}, must fit 64 bits"))
}

pub(super) fn no_json_form(text: &str) -> Fact {
    Fact::new(format!("is {text}, must be finite: JSON cannot hold it"))
}
