//! Which shard a process is, by the variables that a scheduler gives it.

use thiserror::Error;

use super::shard::{Shard, ShardError};

/// Variable with the number of shards, where the scheduler has none.
pub const COUNT_VARIABLE: &str = "INFERBENCH_SHARDS";

/// Variables of one kind of place: the one with the index, those that may have the count.
struct Place {
    index: &'static str,
    counts: &'static [&'static str],
}

/// Places in the order in which they are looked for. `SLURM_PROCID` is set in every batch
/// script, so an array comes first.
const PLACES: [Place; 3] = [
    Place {
        index: "SLURM_ARRAY_TASK_ID",
        counts: &["SLURM_ARRAY_TASK_COUNT"],
    },
    Place {
        index: "SLURM_PROCID",
        counts: &["SLURM_NTASKS"],
    },
    Place {
        index: "JOB_COMPLETION_INDEX",
        counts: &[COUNT_VARIABLE],
    },
];

/// A place that does not say which shard this is.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PlaceError {
    /// None of the variables is set.
    #[error(
        "is auto, but no variable says which shard this is: SLURM_ARRAY_TASK_ID, SLURM_PROCID or JOB_COMPLETION_INDEX"
    )]
    Nowhere,
    /// The count is missing.
    #[error(
        "is auto and {index} is set, but {count} is not: the number of shards is never guessed"
    )]
    NoCount {
        index: &'static str,
        count: &'static str,
    },
    /// A variable holds no number.
    #[error("is auto, but {variable} is `{value}`, must be a number from 0")]
    Number {
        variable: &'static str,
        value: String,
    },
    /// There can be no such shard.
    #[error("{0}, by {1} and {2}")]
    Shard(ShardError, &'static str, &'static str),
}

/// The shard that the variables name, each looked up with `get`.
///
/// # Errors
/// See [`PlaceError`].
pub fn shard_from_variables(get: &dyn Fn(&str) -> Option<String>) -> Result<Shard, PlaceError> {
    let found = PLACES
        .iter()
        .find_map(|place| Some((place, get(place.index)?)));
    let (place, index_text) = found.ok_or(PlaceError::Nowhere)?;
    let index = number(place.index, index_text)?;
    let count = place
        .counts
        .iter()
        .find_map(|name| Some((*name, get(name)?)));
    let (count_name, count_text) = count.ok_or(PlaceError::NoCount {
        index: place.index,
        count: place.counts[0],
    })?;
    let count = number(count_name, count_text)?;
    Shard::new(index, count).map_err(|error| PlaceError::Shard(error, place.index, count_name))
}

fn number(variable: &'static str, value: String) -> Result<u32, PlaceError> {
    let number = value.trim().parse();
    number.map_err(|_| PlaceError::Number { variable, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(variables: &[(&str, &str)]) -> Result<Shard, String> {
        let get = |name: &str| {
            let mut all = variables.iter();
            all.find(|(own, _)| *own == name)
                .map(|(_, value)| (*value).to_owned())
        };
        shard_from_variables(&get).map_err(|error| error.to_string())
    }

    #[test]
    fn an_array_comes_before_the_step_that_every_script_has() {
        let array = [
            ("SLURM_PROCID", "0"),
            ("SLURM_NTASKS", "1"),
            ("SLURM_ARRAY_TASK_ID", "3"),
            ("SLURM_ARRAY_TASK_COUNT", "4"),
        ];
        assert_eq!(found(&array), Ok(Shard::new(3, 4).unwrap()));
        assert_eq!(found(&array[..2]), Ok(Shard::WHOLE));
        let step = [("SLURM_PROCID", "2"), ("SLURM_NTASKS", "8")];
        assert_eq!(found(&step), Ok(Shard::new(2, 8).unwrap()));
    }

    #[test]
    fn an_array_with_gaps_is_refused() {
        // --array=3,7,9
        let gaps = [
            ("SLURM_ARRAY_TASK_ID", "7"),
            ("SLURM_ARRAY_TASK_COUNT", "3"),
        ];
        assert_eq!(
            found(&gaps).unwrap_err(),
            "is 7/3, shards are numbered from 0 to 2, by SLURM_ARRAY_TASK_ID and SLURM_ARRAY_TASK_COUNT"
        );
    }

    #[test]
    fn an_index_without_a_count_is_never_guessed() {
        let alone = [("JOB_COMPLETION_INDEX", "2")];
        assert_eq!(
            found(&alone).unwrap_err(),
            "is auto and JOB_COMPLETION_INDEX is set, but INFERBENCH_SHARDS is not: the number of shards is never guessed"
        );
        let both = [("JOB_COMPLETION_INDEX", "2"), ("INFERBENCH_SHARDS", "4")];
        assert_eq!(found(&both), Ok(Shard::new(2, 4).unwrap()));
        assert!(
            found(&[])
                .unwrap_err()
                .starts_with("is auto, but no variable")
        );
        let words = [("SLURM_PROCID", "x"), ("SLURM_NTASKS", "2")];
        assert_eq!(
            found(&words).unwrap_err(),
            "is auto, but SLURM_PROCID is `x`, must be a number from 0"
        );
    }
}
