//! Lists of a config that have an entry for each layer.

use super::error::{Bad, KvError};
use super::fields::Fields;
use super::part::Part;

/// The parts of each layer.
pub(super) type Layers = Vec<Vec<Part>>;

/// `layer_types`, if there.
pub(super) fn layer_types<'a>(fields: Fields<'a>, count: usize) -> Bad<Option<Vec<&'a str>>> {
    let Some(types) = fields.texts("layer_types")? else {
        return Ok(None);
    };
    if types.len() != count {
        let must = format!("{count}, as `num_hidden_layers` says");
        let value = format!("a list of {}", types.len());
        return Err(fields.wrong_text("layer_types", value, &must));
    }
    Ok(Some(types))
}

/// An entry of `layer_types` that is not among the known.
pub(super) fn unknown_type(fields: Fields<'_>, name: &str, known: &str) -> KvError {
    let short: String = name.chars().take(40).collect();
    fields.wrong_text("layer_types", format!("\"{short}\" for a layer"), known)
}

/// A list that must have an entry for each layer.
pub(super) fn list_of<T>(
    fields: Fields<'_>,
    name: &str,
    list: Vec<T>,
    count: usize,
) -> Bad<Vec<T>> {
    if list.len() == count {
        return Ok(list);
    }
    let must = format!("{count}, as the number of layers says");
    Err(fields.wrong_text(name, format!("a list of {}", list.len()), &must))
}
