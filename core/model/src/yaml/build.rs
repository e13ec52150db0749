//! Parser events to the located tree: anchors, merge keys, limits.

use std::collections::HashMap;
use std::sync::Arc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, Tag};

use super::error::{Fact, Mark, PathStep, YamlError};
use super::expand::expand;
use super::open::{Frame, Open, OpenMap, Part};
use super::tabs::Tabs;
use super::tree::{KeyNode, Kind, Node};

/// How deep lists and maps may be nested, aliases followed.
pub const MAX_DEPTH: usize = 64;

/// How many values a text may hold with all aliases expanded. Every full KiB
/// of a scalar counts as one more.
pub const MAX_VALUES: usize = 100_000;

/// Parses one document into its located tree.
///
/// `file_name` is only shown in errors. `lookup_env` gives the value of an
/// environment variable, `None` if it is not set.
///
/// # Errors
/// Text that is not YAML, a TAB as indentation, no document or several, a key
/// that occurs twice or is not text, a tag other than the core schema's, a
/// merge of something that is not a map, a variable that is not set, more
/// than [`MAX_DEPTH`] levels or [`MAX_VALUES`] values.
pub fn parse(
    file_name: &str,
    text: &str,
    lookup_env: &dyn Fn(&str) -> Option<String>,
) -> Result<Node, YamlError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut builder = Builder::new(file_name, text, lookup_env);
    for event in Parser::new_from_str(text) {
        match event {
            Ok((event, span)) => builder.take(event, span)?,
            Err(error) => return Err(builder.not_yaml(text, &error)),
        }
    }
    builder.finish()
}

struct Builder<'a> {
    file: Arc<str>,
    lookup_env: &'a dyn Fn(&str) -> Option<String>,
    frames: Vec<Frame>,
    anchors: HashMap<usize, Part>,
    values: usize,
    documents: usize,
    root: Option<Node>,
    tabs: Tabs,
}

impl<'a> Builder<'a> {
    fn new(file: &str, text: &str, lookup_env: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self {
            file: file.into(),
            lookup_env,
            frames: Vec::new(),
            anchors: HashMap::new(),
            values: 0,
            documents: 0,
            root: None,
            tabs: Tabs::in_text(text),
        }
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), YamlError> {
        let mark = mark_of(&span.start);
        match event {
            Event::DocumentStart(_) => self.start_document(mark),
            Event::Scalar(text, style, anchor, tag) => {
                self.check_tabs(style, &span)?;
                let plain = style == ScalarStyle::Plain;
                let plain = self.typed_by(tag.as_deref(), plain, mark)?;
                self.scalar(&text, plain, anchor, mark)
            }
            Event::SequenceStart(anchor, tag) => {
                self.typed_by(tag.as_deref(), true, mark)?;
                self.open(mark, anchor, Open::List(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                self.typed_by(tag.as_deref(), true, mark)?;
                self.open(mark, anchor, Open::Map(OpenMap::default()))
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(anchor) => self.alias(anchor, mark),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn finish(self) -> Result<Node, YamlError> {
        let start = Mark { line: 1, column: 1 };
        self.root.ok_or_else(|| {
            let message = "the file is empty, must hold one YAML document".to_owned();
            YamlError::new(&self.file, start, String::new(), message)
        })
    }

    fn start_document(&mut self, mark: Mark) -> Result<(), YamlError> {
        self.documents += 1;
        if self.documents > 1 {
            let message = "a second document starts here, a file must hold one".to_owned();
            return Err(YamlError::new(&self.file, mark, String::new(), message));
        }
        Ok(())
    }

    /// Whether the scalar is still plain with its tag.
    fn typed_by(&self, tag: Option<&Tag>, plain: bool, mark: Mark) -> Result<bool, YamlError> {
        let Some(tag) = tag else { return Ok(plain) };
        let known = ["str", "int", "float", "bool", "null", "seq", "map"];
        if tag.is_yaml_core_schema() && known.contains(&tag.suffix.as_str()) {
            return Ok(plain && tag.suffix != "str");
        }
        let fact = Fact::new(format!(
            "has the tag `{tag}`, must be one of the core schema"
        ));
        Err(self.about(mark, &fact))
    }

    fn scalar(
        &mut self,
        text: &str,
        plain: bool,
        anchor: usize,
        mark: Mark,
    ) -> Result<(), YamlError> {
        let mut fault = None;
        let mut text: Arc<str> = text.into();
        let mut mark = mark;
        if !self.at_key() {
            // The parser puts an empty value behind whatever follows the key.
            if let (true, Some(key)) = (plain && text.is_empty(), self.pending()) {
                mark = key.mark;
            }
            match expand(&text, self.lookup_env) {
                Ok(expanded) => text = expanded.into(),
                Err(fact) if self.in_free_key() => fault = Some(Arc::new(fact)),
                Err(fact) => return Err(self.about(mark, &fact)),
            }
        }
        let values = 1 + text.len() / 1024;
        self.count(values, mark)?;
        let node = Node {
            mark,
            kind: Kind::Scalar { text, plain },
            file: self.file.clone(),
            fault,
        };
        let height = 0;
        self.complete(
            Part {
                node,
                values,
                height,
            },
            anchor,
        )
    }

    fn open(&mut self, mark: Mark, anchor: usize, open: Open) -> Result<(), YamlError> {
        self.check_depth(1, mark)?;
        self.count(1, mark)?;
        if self.at_key() {
            return Err(self.odd_key(mark));
        }
        self.frames.push(Frame {
            mark,
            anchor,
            values: 1,
            height: 1,
            open,
        });
        Ok(())
    }

    fn close(&mut self) -> Result<(), YamlError> {
        let Some(frame) = self.frames.pop() else {
            return Ok(());
        };
        let kind = match frame.open {
            Open::List(items) => Kind::Sequence(items),
            Open::Map(map) => Kind::Mapping(map.merged()),
        };
        let node = Node {
            mark: frame.mark,
            kind,
            file: self.file.clone(),
            fault: None,
        };
        let part = Part {
            node,
            values: frame.values,
            height: frame.height,
        };
        self.complete(part, frame.anchor)
    }

    fn alias(&mut self, anchor: usize, mark: Mark) -> Result<(), YamlError> {
        let Some(part) = self.anchors.get(&anchor) else {
            let fact =
                Fact::new("is an alias of the anchor that it is in: a value cannot contain itself");
            return Err(self.about(mark, &fact));
        };
        let (values, height) = (part.values, part.height);
        self.check_depth(height, mark)?;
        self.count(values, mark)?;
        let mut part = self.anchors[&anchor].clone();
        part.node.mark = mark;
        self.complete(part, 0)
    }

    fn complete(&mut self, part: Part, anchor: usize) -> Result<(), YamlError> {
        if anchor > 0 {
            self.count(part.values, part.node.mark)?;
            self.anchors.insert(anchor, part.clone());
        }
        let Some(frame) = self.frames.last_mut() else {
            self.root = Some(part.node);
            return Ok(());
        };
        frame.values += part.values;
        frame.height = frame.height.max(part.height + 1);
        match &mut frame.open {
            Open::List(items) => items.push(part.node),
            Open::Map(map) => match map.pending.take() {
                None => return self.key(part.node),
                Some(key) if key.plain && &*key.text == "<<" => {
                    map.pending = Some(key);
                    return self.merge(part.node);
                }
                Some(key) => map.entries.push((key, part.node)),
            },
        }
        Ok(())
    }

    fn key(&mut self, node: Node) -> Result<(), YamlError> {
        let Kind::Scalar { text, plain } = node.kind else {
            return Err(self.odd_key(node.mark));
        };
        if text.is_empty() {
            let fact = Fact::new("has an empty key, must be text");
            return Err(self.about(node.mark, &fact));
        }
        let Some(Open::Map(map)) = self.frames.last_mut().map(|frame| &mut frame.open) else {
            return Ok(());
        };
        let first = map.lines.get(&text).copied();
        map.lines.entry(text.clone()).or_insert(node.mark.line);
        map.pending = Some(KeyNode {
            mark: node.mark,
            text,
            plain,
        });
        match first {
            None => Ok(()),
            Some(line) => {
                let fact = Fact::new(format!("is set twice, first on line {line}"));
                Err(self.about(node.mark, &fact))
            }
        }
    }

    /// Keeps the value of `<<` until the map's own keys are all known.
    fn merge(&mut self, node: Node) -> Result<(), YamlError> {
        let is_map = |node: &Node| matches!(node.kind, Kind::Mapping(_));
        let fits = match &node.kind {
            Kind::Mapping(_) => true,
            Kind::Sequence(items) => items.iter().all(is_map),
            Kind::Scalar { .. } => false,
        };
        if !fits {
            let shown = match &node.kind {
                Kind::Sequence(_) => "a list of other things".to_owned(),
                _ => node.shown(),
            };
            let fact = Fact::new(format!("is {shown}, must be a map or a list of maps"));
            return Err(self.about(node.mark, &fact));
        }
        if let Some(Open::Map(map)) = self.frames.last_mut().map(|frame| &mut frame.open) {
            map.pending = None;
            map.merge = Some((map.entries.len(), node));
        }
        Ok(())
    }

    fn at_key(&self) -> bool {
        matches!(self.frames.last(), Some(Frame { open: Open::Map(map), .. }) if map.pending.is_none())
    }

    fn pending(&self) -> Option<&KeyNode> {
        match &self.frames.last()?.open {
            Open::Map(map) => map.pending.as_ref(),
            Open::List(_) => None,
        }
    }

    /// Whether a key above begins with `x-`.
    fn in_free_key(&self) -> bool {
        self.frames.iter().any(|frame| match &frame.open {
            Open::Map(map) => map
                .pending
                .as_ref()
                .is_some_and(|key| key.text.starts_with("x-")),
            Open::List(_) => false,
        })
    }

    fn path(&self) -> Vec<PathStep> {
        let step = |frame: &Frame| match &frame.open {
            Open::List(items) => Some(PathStep::Index(items.len())),
            Open::Map(map) => Some(PathStep::Key(map.pending.as_ref()?.text.to_string())),
        };
        self.frames.iter().filter_map(step).collect()
    }

    fn about(&self, mark: Mark, fact: &Fact) -> YamlError {
        YamlError::about(&self.file, mark, &self.path(), fact)
    }

    fn odd_key(&self, mark: Mark) -> YamlError {
        let fact = Fact::new("has a list or map as a key, must be text")
            .hint("put text that begins with `[`, `{` or `*` in quotes");
        self.about(mark, &fact)
    }

    fn check_depth(&self, height: usize, mark: Mark) -> Result<(), YamlError> {
        if self.frames.len() + height <= MAX_DEPTH {
            return Ok(());
        }
        let message = format!("nested deeper than {MAX_DEPTH} levels, which is the limit");
        Err(YamlError::new(
            &self.file,
            mark,
            super::dotted(&self.path()),
            message,
        ))
    }

    fn count(&mut self, values: usize, mark: Mark) -> Result<(), YamlError> {
        self.values += values;
        if self.values <= MAX_VALUES {
            return Ok(());
        }
        let message =
            format!("more than {MAX_VALUES} values with aliases expanded, which is the limit");
        Err(YamlError::new(
            &self.file,
            mark,
            super::dotted(&self.path()),
            message,
        ))
    }

    fn check_tabs(&mut self, style: ScalarStyle, span: &Span) -> Result<(), YamlError> {
        match self.tabs.in_scalar(style, span) {
            Some(tab) => Err(self.tab(tab)),
            None => Ok(()),
        }
    }

    fn tab(&self, mark: Mark) -> YamlError {
        let message = "a TAB indents this line, YAML allows spaces only".to_owned();
        YamlError::new(&self.file, mark, String::new(), message)
    }

    fn not_yaml(&self, text: &str, error: &ScanError) -> YamlError {
        let mark = mark_of(error.marker());
        if let Some(tab) = self.tabs.behind(mark.line, error.info()) {
            return self.tab(tab);
        }
        let mut near = text
            .lines()
            .take(mark.line)
            .skip(mark.line.saturating_sub(2));
        let hint = near
            .any(|line| line.contains("${"))
            .then(|| "put ${...} in quotes inside [ ] and { }".to_owned());
        let message = format!("not YAML: {}", error.info());
        YamlError::new(&self.file, mark, super::dotted(&self.path()), message).with_hint(hint)
    }
}

fn mark_of(marker: &Marker) -> Mark {
    Mark {
        line: marker.line(),
        column: marker.col() + 1,
    }
}
