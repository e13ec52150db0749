//! Whether a schema refers to itself without going into the value that it checks: to
//! check anything against such a schema would never end.

use std::collections::HashSet;

use serde_json::Value;

/// Keywords whose schemas are for the same value: of one, of a list, of a map.
const SAME_VALUE: [&str; 9] = [
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "dependentSchemas",
    "extends",
];
/// Keywords that refer to a schema for the same value.
const REFERENCES: [&str; 3] = ["$ref", "$dynamicRef", "$recursiveRef"];

/// The place of a reference that leads back to itself, or that is none into this schema,
/// as a JSON pointer; `None` if there is none.
pub(super) fn find(schema: &Value) -> Option<String> {
    let mut search = Search {
        schema,
        done: HashSet::new(),
        way: Vec::new(),
    };
    let mut places = Vec::new();
    all_places(schema, String::new(), &mut places);
    places.into_iter().find(|place| search.comes_back(place))
}

fn all_places(value: &Value, at: String, into: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                all_places(item, format!("{at}/{index}"), into);
            }
        }
        Value::Object(map) => {
            for (name, inner) in map {
                all_places(inner, below(&at, name), into);
            }
            into.push(at);
        }
        _ => {}
    }
}

fn below(at: &str, name: &str) -> String {
    format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))
}

struct Search<'s> {
    schema: &'s Value,
    /// Places from which no way comes back.
    done: HashSet<String>,
    /// Places on the way to this one.
    way: Vec<String>,
}

impl Search<'_> {
    fn comes_back(&mut self, place: &str) -> bool {
        if self.way.iter().any(|before| before == place) {
            return true;
        }
        if self.done.contains(place) {
            return false;
        }
        self.way.push(place.to_owned());
        let next = self.same_value(place);
        let comes_back = match next {
            Some(next) => next.iter().any(|next| self.comes_back(next)),
            None => true,
        };
        self.way.pop();
        if !comes_back {
            self.done.insert(place.to_owned());
        }
        comes_back
    }

    /// The schemas beside this one that check the same value; `None` if a reference leads
    /// elsewhere.
    fn same_value(&self, place: &str) -> Option<Vec<String>> {
        let Some(Value::Object(map)) = self.schema.pointer(place) else {
            return Some(Vec::new());
        };
        let mut next = Vec::new();
        for (name, inner) in map {
            match inner {
                Value::String(target) if REFERENCES.contains(&name.as_str()) => {
                    let pointer = target.strip_prefix('#')?;
                    let is_pointer = pointer.is_empty() || pointer.starts_with('/');
                    next.push(is_pointer.then(|| decoded(pointer))?);
                }
                Value::Array(items) if SAME_VALUE.contains(&name.as_str()) => {
                    let at = below(place, name);
                    next.extend((0..items.len()).map(|index| format!("{at}/{index}")));
                }
                Value::Object(inner) if name == "dependentSchemas" => {
                    let at = below(place, name);
                    next.extend(inner.keys().map(|name| below(&at, name)));
                }
                Value::Object(_) if SAME_VALUE.contains(&name.as_str()) => {
                    next.push(below(place, name));
                }
                _ => {}
            }
        }
        Some(next)
    }
}

/// A pointer in a reference may have percent escapes.
fn decoded(pointer: &str) -> String {
    let mut bytes = Vec::with_capacity(pointer.len());
    let mut rest = pointer.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let digits = after.first_chunk::<2>().filter(|_| *byte == b'%');
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(escaped) => {
                bytes.push(escaped);
                rest = &after[2..];
            }
            None => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_reference_that_never_goes_into_the_value_is_found() {
        for schema in [
            json!({"$ref": "#"}),
            json!({"allOf": [{"$ref": "#"}]}),
            json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"anyOf": [{"$ref": "#/$defs/a"}]}}}),
            json!({"properties": {"a": {"not": {"$ref": "#/properties/a"}}}}),
            json!({"$ref": "https://example.org/x.json"}),
        ] {
            assert!(find(&schema).is_some(), "{schema}");
        }
    }

    #[test]
    fn one_that_goes_into_the_value_ends_with_it() {
        for schema in [
            json!({"properties": {"inner": {"$ref": "#"}}}),
            json!({"$defs": {"n": {"items": {"$ref": "#/$defs/n"}}}, "$ref": "#/$defs/n"}),
            json!({"$defs": {"a/b": {"type": "string"}}, "$ref": "#/$defs/a~1b"}),
            json!({"anyOf": [{"$ref": "#/$defs/x"}, {"$ref": "#/$defs/x"}], "$defs": {"x": true}}),
            json!(true),
        ] {
            assert_eq!(find(&schema), None, "{schema}");
        }
    }
}
