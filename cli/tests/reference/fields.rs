//! The page of all fields of the run folder is made of the types that are written, and
//! no type is left out.

use std::path::PathBuf;

use inferbench_model::cell::row;
use inferbench_model::report;
use serde_json::Value;

use super::check;
use super::common::repository;
use super::written::{ELSEWHERE, LISTS, List, TABLES, Table};

const FACTS: &str = "core/model/src/facts";
const HARDWARE: &str = "core/model/src/hardware";

/// A field as its source has it.
struct Field {
    name: String,
    kind: String,
    is_part: bool,
    left_out: bool,
    meaning: String,
}

/// A source without its tests.
pub(super) fn source(path: &str) -> String {
    let text = std::fs::read_to_string(repository().join(path)).unwrap();
    text.split("\n#[cfg(test)]\nmod").next().unwrap().to_owned()
}

/// The fields of a type, in its order.
fn fields(text: &str, name: &str) -> Vec<Field> {
    let head = format!("pub struct {name} {{\n");
    let body = text
        .split(&head)
        .nth(1)
        .unwrap_or_else(|| panic!("no type {name}"));
    let body = body.split("\n}").next().unwrap();
    let (mut meaning, mut attributes) = (Vec::new(), String::new());
    let mut found = Vec::new();
    for line in body.lines().map(str::trim) {
        if let Some(words) = line.strip_prefix("///") {
            meaning.push(words.trim());
        } else if line.starts_with("#[") || !attributes.is_empty() && !attributes.ends_with(']') {
            attributes.push_str(line);
        } else if let Some((field, kind)) = line.trim_end_matches(',').split_once(": ") {
            found.push(Field {
                name: field.rsplit(' ').next().unwrap().to_owned(),
                kind: words_of(kind),
                is_part: attributes.contains("flatten"),
                left_out: attributes.contains("skip_serializing_if"),
                meaning: meaning.join(" "),
            });
            meaning.clear();
            attributes.clear();
        }
    }
    found
}

/// A Rust type in words.
fn words_of(kind: &str) -> String {
    let inner = |before: &str| kind.strip_prefix(before)?.strip_suffix('>');
    if let Some(inner) = inner("Option<") {
        return format!("{} or null", words_of(inner));
    }
    if let Some(inner) = inner("Vec<") {
        return format!("list of {}", words_of(inner));
    }
    if let Some(inner) = inner("BTreeMap<").or_else(|| inner("IndexMap<")) {
        let value = inner.split_once(", ").map_or(inner, |(_, value)| value);
        return format!("map to {}", words_of(value));
    }
    match kind {
        "f64" | "u8" | "u16" | "u32" | "u64" | "i64" | "usize" => "number".to_owned(),
        "String" | "Box<str>" => "text".to_owned(),
        "bool" => "true or false".to_owned(),
        "Value" => "any".to_owned(),
        other => format!("`{other}`"),
    }
}

/// The words of a doc comment as Markdown of the book: links between types lead nowhere there.
pub(super) fn book_words(meaning: &str) -> String {
    meaning
        .replace("[`", "`")
        .replace("`]", "`")
        .replace('|', "\\|")
}

fn rows(table: &Table) -> String {
    let mut page = format!(
        "\n## {}\n\n`{}`\n\n| Field | Value | Meaning |\n|---|---|---|\n",
        table.place, table.name
    );
    for field in fields(&source(table.source), table.name) {
        assert!(
            !field.meaning.is_empty(),
            "{}.{} has no words",
            table.name,
            field.name
        );
        let (name, kind) = match field.is_part {
            true => match field.kind.strip_prefix("map to ") {
                Some(kind) => ("each by its name".to_owned(), kind.to_owned()),
                None => (format!("the fields of {}", field.kind), String::new()),
            },
            false => (format!("`{}`", field.name), field.kind),
        };
        let kind = match field.left_out {
            true => format!("{kind}, may be left out"),
            false => kind,
        };
        let kind = kind.trim_start_matches(", ");
        page.push_str(&format!(
            "| {name} | {kind} | {} |\n",
            book_words(&field.meaning)
        ));
    }
    page
}

/// A name of the source as files have it: `KvCacheScheme` is `kv_cache_scheme`.
fn snake_case(name: &str) -> String {
    let mut word = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !word.is_empty() {
            word.push('_');
        }
        word.push(c.to_ascii_lowercase());
    }
    word
}

/// The words of a list with their meanings.
fn words(list: &List) -> String {
    let text = source(list.source);
    let head = format!("pub enum {} {{\n", list.name);
    let (before, body) = text
        .split_once(&head)
        .unwrap_or_else(|| panic!("no list {}", list.name));
    let attributes = before.rsplit("\n\n").next().unwrap();
    assert!(
        attributes.contains("snake_case"),
        "{} has other words",
        list.name
    );
    let mut page = format!("\n## {}\n\n| Word | Meaning |\n|---|---|\n", list.name);
    let mut meaning = Vec::new();
    for line in body.split("\n}").next().unwrap().lines().map(str::trim) {
        if let Some(words) = line.strip_prefix("///") {
            meaning.push(words.trim());
        } else if let Some(name) = line.strip_suffix(',') {
            assert!(!meaning.is_empty(), "{}::{name} has no words", list.name);
            let row = format!(
                "| `{}` | {} |\n",
                snake_case(name),
                book_words(&meaning.join(" "))
            );
            page.push_str(&row);
            meaning.clear();
        }
    }
    page
}

/// The page as Markdown.
fn reference() -> String {
    let mut page = String::from(
        "# Fields of the run folder\n\n\
         Every field of the facts and of `cells.json`, made from the types that are written. What each \
         file is for: [Run folder](run-folder.md). Each [metric](metrics.md) stands in `cells.json` under \
         its own name. For `report.json`, [report.schema.json](report.schema.json) describes every field.\n\n\
         `_ns` is nanoseconds of one monotonic clock, `_ms` milliseconds, `_s` seconds. A *block* is a \
         repeat, from 0. A value that is not known is `null`, or its field is left out where the table \
         says so; it is never 0. A name in the second column is that of a type: it stands under the \
         heading of its table, or is a list of words at the end of this page. A level, a warning's codes and \
         values: [Run folder](run-folder.md#runjson), [Warnings](warnings.md).\n",
    );
    TABLES.iter().for_each(|table| page.push_str(&rows(table)));
    LISTS.iter().for_each(|list| page.push_str(&words(list)));
    page
}

#[test]
fn the_page_of_fields_is_that_of_the_types() {
    check("fields.md", &reference());
}

/// Sources below a folder.
fn sources(folder: &str) -> Vec<PathBuf> {
    let mut folders = vec![repository().join(folder)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => files.push(path),
            }
        }
    }
    files
}

#[test]
fn every_type_that_is_written_has_a_table_or_stands_elsewhere() {
    let is_known = |name: &str| {
        TABLES.iter().any(|table| table.name == name)
            || ELSEWHERE.iter().any(|(other, _)| *other == name)
    };
    let files = [FACTS, HARDWARE, "core/contract/src"]
        .into_iter()
        .flat_map(sources);
    let mut seen = 0;
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let shipped = text.split("\n#[cfg(test)]\nmod").next().unwrap();
        let items = shipped.split("\n#[derive(").skip(1);
        for item in items.filter(|item| item.split(")]").next().unwrap().contains("Serialize")) {
            let line = item.lines().find(|line| line.starts_with("pub struct "));
            let first = item.lines().find(|line| line.starts_with("pub "));
            let Some(line) = line.filter(|line| Some(*line) == first && line.ends_with('{')) else {
                continue;
            };
            let name = line["pub struct ".len()..].trim_end_matches(" {");
            assert!(
                is_known(name),
                "{} has {name}, which is on no page",
                file.display()
            );
            seen += 1;
        }
    }
    assert!(seen > 30, "{seen} types are too few to be all");
}

/// Paths of the properties of a schema that say nothing of themselves.
fn undescribed(schema: &Value, path: &str, found: &mut Vec<String>) {
    match schema {
        Value::Object(keys) => {
            let properties = keys.get("properties").and_then(Value::as_object);
            let properties: Vec<_> = properties.into_iter().flatten().collect();
            // Of a code with its values the code is what is described.
            let has_code = properties.iter().any(|(_, p)| p.get("const").is_some());
            for (name, property) in properties.into_iter().filter(|_| !has_code) {
                let says = property.get("description").is_some() || property.get("$ref").is_some();
                if !says {
                    found.push(format!("{path}.{name}"));
                }
            }
            keys.iter()
                .for_each(|(key, inner)| undescribed(inner, &format!("{path}/{key}"), found));
        }
        Value::Array(items) => items.iter().for_each(|item| undescribed(item, path, found)),
        _ => {}
    }
}

#[test]
fn every_field_of_cells_and_report_is_described_in_its_schema() {
    let mut found = Vec::new();
    undescribed(&row::schema(), "cells", &mut found);
    undescribed(&report::schema(), "report", &mut found);
    assert_eq!(found, [""; 0]);
}
