//! Checks of the section `workload`: lengths, and which keys go with which source.

use super::found::Found;
use crate::config::{ImagesConfig, Length, PromptSource, ROW_FIELDS, Sampling, WorkloadConfig};
use crate::text::nearest::nearest;

/// Checks the whole section: its own keys, or those of each class that has a workload.
pub(super) fn check(workload: &WorkloadConfig, found: &mut Found) {
    for (path, part) in workload.parts() {
        let mut own = Found::default();
        check_part(part, &mut own);
        found.take_in(own, &path);
    }
}

fn check_part(workload: &WorkloadConfig, found: &mut Found) {
    check_lengths(workload, found);
    check_prefix(workload, found);
    check_conversation(workload, found);
    check_file(workload, found);
    check_fields(workload, found);
    check_sampling(workload.sampling, found);
    if let Some(images) = &workload.images {
        check_images(images, found);
    }
}

fn check_lengths(workload: &WorkloadConfig, found: &mut Found) {
    for (key, length) in [
        ("workload.input_tokens", workload.input_tokens),
        ("workload.output_tokens", workload.output_tokens),
        ("workload.turns", workload.turns),
        (
            "workload.turn_input_tokens",
            workload.turn_input_tokens.unwrap_or(Length::Fixed(1)),
        ),
    ] {
        let (lo, hi) = length.bounds();
        if lo == 0 {
            let least = if key == "workload.turns" {
                "1"
            } else {
                "1 token"
            };
            found.add(key, format!("can be 0, must be {least} or more"));
        } else if lo > hi {
            found.add(
                key,
                format!("is from {lo} to {hi}, the first must not be larger"),
            );
        }
        if let Length::Normal { mean, std, .. } | Length::LogNormal { mean, std, .. } = length {
            if !mean.is_finite() {
                found.add(key, format!("has a mean of {mean}, must be finite"));
            } else if mean <= 0.0 && matches!(length, Length::LogNormal { .. }) {
                found.add(key, format!("has a mean of {mean}, must be above 0"));
            }
            if !(std >= 0.0 && std.is_finite()) {
                found.add(
                    key,
                    format!("has a standard deviation of {std}, must be 0 or more"),
                );
            }
        }
    }
    if workload.lengths.is_some() && !workload.prompts.draws_lengths() {
        found.add(
            "workload.lengths",
            format!(
                "is set, but `{}` prompts have the lengths that their file says",
                workload.prompts.name()
            ),
        );
    }
}

fn check_conversation(workload: &WorkloadConfig, found: &mut Found) {
    let has_turns = workload.turns != Length::Fixed(1);
    let source = workload.prompts;
    let can_converse = matches!(
        source,
        PromptSource::Synthetic | PromptSource::Jsonl | PromptSource::Sharegpt
    );
    if has_turns && !can_converse {
        found.add(
            "workload.turns",
            format!(
                "is set, but `{}` prompts are single requests",
                source.name()
            ),
        );
    }
    for (key, is_set) in [
        (
            "workload.turn_input_tokens",
            workload.turn_input_tokens.is_some(),
        ),
        ("workload.think_time", workload.think_time.is_some()),
        ("workload.tool_calls", workload.tool_calls.is_some()),
        ("workload.answers", !workload.answers.are_the_models()),
    ] {
        if is_set && !has_turns {
            found.add_hint(
                key,
                "is set, but `turns` is 1: nothing follows an answer",
                Some("set workload.turns"),
            );
        }
    }
    if workload.turn_input_tokens.is_some() && source != PromptSource::Synthetic {
        found.add(
            "workload.turn_input_tokens",
            format!(
                "is set, but `{}` turns have the lengths that their file says",
                source.name()
            ),
        );
    }
    if !workload.answers.are_the_models() && source == PromptSource::Synthetic {
        found.add(
            "workload.answers",
            "is `recorded`, but synthetic conversations have no recorded answers",
        );
    }
    if let Some(tools) = &workload.tool_calls
        && !(0.0..=1.0).contains(&tools.share)
    {
        found.add(
            "workload.tool_calls.share",
            format!("is {}, must be from 0 to 1", tools.share),
        );
    }
}

fn check_prefix(workload: &WorkloadConfig, found: &mut Found) {
    let shared = workload.shared_prefix_tokens;
    if shared > 0 && workload.prompts != PromptSource::Synthetic {
        found.add(
            "workload.shared_prefix_tokens",
            format!("is {shared}, but only synthetic prompts have a prefix that is made"),
        );
        return;
    }
    let shortest = workload.input_tokens.bounds().0;
    if workload.lengths.is_none() && shared > shortest {
        found.add(
            "workload.shared_prefix_tokens",
            format!("is {shared}, must be at most the shortest prompt, {shortest} tokens"),
        );
    }
    match workload.prefix_groups {
        0 => found.add("workload.prefix_groups", "is 0, must be 1 or more"),
        groups if groups > 1 && shared == 0 => found.add(
            "workload.prefix_groups",
            format!("is {groups}, but `shared_prefix_tokens` is 0: there is no prefix to share"),
        ),
        _ => {}
    }
}

fn check_file(workload: &WorkloadConfig, found: &mut Found) {
    let source = workload.prompts;
    let name = source.name();
    match (source, &workload.file) {
        (PromptSource::Synthetic, Some(file)) => found.add(
            "workload.file",
            format!("is {file:?}, must be absent: synthetic prompts do not come from a file"),
        ),
        (PromptSource::Synthetic, None) | (_, Some(_)) => {}
        (_, None) => found.add(
            "workload.file",
            format!("is missing, `{name}` prompts need it"),
        ),
    }
    if workload.format.is_some() && source != PromptSource::Trace {
        found.add(
            "workload.format",
            format!("is set, but only a `trace` has a format, and prompts are `{name}`"),
        );
    }
    if !workload.keep.is_empty() && !source.lists_rows() {
        found.add(
            "workload.keep",
            format!("is set, but `{name}` prompts are no rows of a file that could be left out"),
        );
    }
}

fn check_fields(workload: &WorkloadConfig, found: &mut Found) {
    if workload.fields.is_empty() {
        return;
    }
    if workload.prompts != PromptSource::Jsonl {
        let name = workload.prompts.name();
        let fact =
            format!("is set, but only `jsonl` has fields of any name, and prompts are `{name}`");
        found.add("workload.fields", fact);
    }
    for field in workload.fields.keys() {
        if !ROW_FIELDS.contains(&field.as_str()) {
            let hint = match nearest(field, ROW_FIELDS.into_iter()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("fields are {}", ROW_FIELDS.join(", ")),
            };
            let path = format!("workload.fields.{field}");
            found.add_hint(&path, "is no field that a request has", Some(&hint));
        }
    }
}

/// Longest side of an image that is made, pixels, and most images of a request.
const MOST_PX: u32 = 8192;
const MOST_IMAGES: u32 = 64;

fn check_images(images: &ImagesConfig, found: &mut Found) {
    let numbers = [
        ("workload.images.count", images.count, MOST_IMAGES),
        ("workload.images.width", images.width, MOST_PX),
        ("workload.images.height", images.height, MOST_PX),
    ];
    for (key, number, most) in numbers {
        if let Some(number) = number.filter(|n| !(1..=most).contains(n)) {
            found.add(key, format!("is {number}, must be 1 to {most}"));
        }
    }
    let made = [
        ("workload.images.width", images.width.is_some()),
        ("workload.images.height", images.height.is_some()),
        ("workload.images.format", images.format.is_some()),
    ];
    for (key, is_set) in made {
        if is_set && images.files.is_some() {
            let words = "is set, but images come from `files` as they are";
            found.add(key, words);
        }
    }
}

fn check_sampling(sampling: Sampling, found: &mut Found) {
    let Sampling::Random(random) = sampling else {
        return;
    };
    let temperature = random.temperature;
    if !(temperature > 0.0 && temperature <= 2.0) {
        found.add_hint(
            "workload.sampling.temperature",
            format!("is {temperature}, must be above 0 and at most 2"),
            Some("for the likeliest token set sampling: greedy"),
        );
    }
    if let Some(top_p) = random.top_p.filter(|p| !(*p > 0.0 && *p <= 1.0)) {
        found.add(
            "workload.sampling.top_p",
            format!("is {top_p}, must be above 0 and at most 1"),
        );
    }
}
