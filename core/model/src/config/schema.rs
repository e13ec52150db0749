//! The JSON Schema of a config file, for editors and for the reference page.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use serde_json::{Value, json};

use super::Config;

/// JSON Schema (draft 2020-12) of a config file. Where a map allows no unknown
/// keys, those that begin with `x-` are allowed.
#[must_use]
pub fn schema() -> Value {
    let mut schema = SchemaSettings::draft2020_12()
        .into_generator()
        .into_root_schema_for::<Config>();
    RecursiveTransform(free_keys).transform(&mut schema);
    schema.to_value()
}

fn free_keys(schema: &mut Schema) {
    if schema.get("additionalProperties") == Some(&Value::Bool(false)) {
        schema.insert("patternProperties".to_owned(), json!({"^x-": true}));
    }
}
