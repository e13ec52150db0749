//! The layers of a model, as its config describes them, before they are split over GPUs.

use super::error::Bad;
use super::families::{Family, HeadRule};
use super::fields::Fields;
use super::heads;
use super::part::Part;
use super::patterns;
use crate::text::number::grouped;

/// A model's layers, each a list of its parts; and the query heads, if any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Model {
    pub(super) layers: Vec<Vec<Part>>,
    pub(super) query_heads: Option<u64>,
}

/// Most layers a model may have; a list of more is no model's.
const MOST_LAYERS: u64 = 100_000;

/// Reads the layers of a model of a known family.
pub(super) fn read(fields: Fields<'_>, family: Family) -> Bad<Model> {
    let count = fields.count(&[
        "num_hidden_layers",
        "n_layer",
        "n_layers",
        "num_layers",
        "num_transformer_layers",
    ])?;
    if count > MOST_LAYERS {
        return Err(fields.wrong_text(
            "num_hidden_layers",
            count.to_string(),
            &format!("at most {}", grouped(MOST_LAYERS)),
        ));
    }
    let layers = patterns::layers(fields, family, count as usize)?;
    let attends = layers
        .iter()
        .flatten()
        .any(|part| !matches!(part, Part::State(_)));
    let query_heads = match attends {
        true if matches!(family.heads, HeadRule::Latent | HeadRule::PerLayer) => {
            fields.count_if(heads::QUERY_HEADS)?
        }
        true => Some(fields.count(heads::QUERY_HEADS)?),
        false => None,
    };
    Ok(Model {
        layers,
        query_heads,
    })
}
