//! What differs between two JSON values, key by key.

use std::fmt;

use serde_json::Value;

/// One place at which two values differ.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Path to it: `load.requests`, `backends[1].plugin`.
    pub path: String,
    /// What it was; absent if it was not there.
    pub was: Option<Value>,
    /// What it is; absent if it is gone.
    pub is: Option<Value>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |value: &Option<Value>| value.as_ref().map_or("absent".into(), Value::to_string);
        let (was, is) = (text(&self.was), text(&self.is));
        write!(f, "{}: was {was}, is {is}", self.path)
    }
}

/// All differences, in the order of `was`'s keys, then of what is new. A key
/// that is absent in one and `null` in the other does not differ.
#[must_use]
pub fn differences(was: &Value, is: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(String::new(), Some(was), Some(is), &mut found);
    found
}

fn compare(path: String, was: Option<&Value>, is: Option<&Value>, found: &mut Vec<Difference>) {
    match (was, is) {
        (Some(Value::Object(was)), Some(Value::Object(is))) => {
            let new = is.keys().filter(|key| !was.contains_key(*key));
            for key in was.keys().chain(new) {
                let dot = if path.is_empty() { "" } else { "." };
                let path = format!("{path}{dot}{key}");
                compare(path, was.get(key), is.get(key), found);
            }
        }
        (Some(Value::Array(was)), Some(Value::Array(is))) => {
            for index in 0..was.len().max(is.len()) {
                let path = format!("{path}[{index}]");
                compare(path, was.get(index), is.get(index), found);
            }
        }
        (was, is) if not_null(was) == not_null(is) => {}
        (was, is) => found.push(Difference {
            path,
            was: was.cloned(),
            is: is.cloned(),
        }),
    }
}

fn not_null(value: Option<&Value>) -> Option<&Value> {
    value.filter(|value| !value.is_null())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lines(was: &Value, is: &Value) -> Vec<String> {
        let found = differences(was, is);
        found.iter().map(Difference::to_string).collect()
    }

    #[test]
    fn equal_values_and_absent_nulls_do_not_differ() {
        let value = json!({"a": [1, {"b": "x"}], "c": null});
        assert!(differences(&value, &value).is_empty());
        assert!(differences(&value, &json!({"a": [1, {"b": "x"}]})).is_empty());
    }

    #[test]
    fn each_difference_names_its_place_and_both_values() {
        let was = json!({"backends": [{"plugin": "a"}, {"plugin": "b"}], "load": {"requests": 64}});
        let is = json!({"backends": [{"plugin": "c"}], "load": {"requests": 32}, "repeats": 3});
        assert_eq!(
            lines(&was, &is),
            [
                r#"backends[0].plugin: was "a", is "c""#,
                r#"backends[1]: was {"plugin":"b"}, is absent"#,
                "load.requests: was 64, is 32",
                "repeats: was absent, is 3",
            ]
        );
    }
}
