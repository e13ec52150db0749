//! Mooncake's traces: a JSON object a line, times in milliseconds, and numbers for the
//! blocks of 512 tokens that prompts begin with alike.

use serde_json::{Map, Value};

use super::made;
use crate::config::TraceFormat;
use crate::prompts::row::{BLOCK_TOKENS, Row, RowFault, object, tokens};

/// Whether a row is of this format.
pub(super) fn is_one(row: &[u8]) -> bool {
    let fields = serde_json::from_slice::<Map<String, Value>>(row);
    fields.is_ok_and(|fields| fields.contains_key("input_length"))
}

pub(super) fn read(row: &[u8]) -> Result<Row, RowFault> {
    let expected = TraceFormat::Mooncake.first_row();
    let fields = object(row, expected)?;
    let get = |name: &str| {
        let missing = || RowFault::wrong(&format!("has no `{name}`"), expected);
        fields.get(name).ok_or_else(missing)
    };
    let input_tokens = tokens("input_length", get("input_length")?)?;
    let output_tokens = tokens("output_length", get("output_length")?)?;
    let at_ms = get("timestamp")?;
    let at_ms = at_ms.as_f64().filter(|ms| *ms >= 0.0).ok_or_else(|| {
        let found = format!("`timestamp` is {at_ms}");
        RowFault::wrong(&found, "milliseconds, as a number of 0 or more")
    })?;
    let blocks = blocks(fields.get("hash_ids"), input_tokens)?;
    made(at_ms / 1e3, (input_tokens, output_tokens), blocks)
}

fn blocks(ids: Option<&Value>, input_tokens: u32) -> Result<Vec<u64>, RowFault> {
    let Some(ids) = ids else {
        return Ok(Vec::new());
    };
    let read = ids
        .as_array()
        .and_then(|ids| ids.iter().map(Value::as_u64).collect::<Option<Vec<u64>>>());
    let Some(blocks) = read else {
        return Err(RowFault::wrong(
            "`hash_ids` is no list of numbers",
            "one for each block",
        ));
    };
    let expected = input_tokens.div_ceil(BLOCK_TOKENS) as usize;
    if blocks.len() != expected {
        return Err(RowFault::wrong(
            &format!("`hash_ids` has {} blocks", blocks.len()),
            &format!("{expected} of {BLOCK_TOKENS} tokens for {input_tokens}"),
        ));
    }
    Ok(blocks)
}
