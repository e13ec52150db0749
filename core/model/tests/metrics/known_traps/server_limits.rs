//! What a server allows or hides: lengths, concurrency, its prefix cache.

use super::*;

#[test]
fn m15_a_warm_prefix_cache_is_warned_of() {
    let case = case("m15");
    let mut answer = answer([100.0, 200.0], Some(2));
    answer.usage.input_tokens = Some(case.given("prompt_tokens") as u32);
    answer.usage.cached_tokens = Some(case.given("cached_tokens") as u32);
    let record = answer.record();
    let share = f64::from(record.cached_tokens.unwrap()) / f64::from(record.input_tokens.unwrap());
    near(share, case.expect("cached_fraction"));
    let row = cell(&[record]);
    let flag = case.expect["flag"].as_str().unwrap();
    let warnings = in_words(&row);
    let warning = warnings.iter().find(|w| w.starts_with(flag)).unwrap();
    assert!(warning.contains("98.4 %"), "{warning}");
}

/// Refusal and hint for a synthetic workload that may not fit.
fn refusal(max_model_len: u64, input: &str, output: u64) -> Option<(String, String)> {
    let text = format!(
        "name: a\nmodel: {{id: m, max_model_len: {max_model_len}}}\nbackends: [{{plugin: sim}}]\n\
         load: {{concurrency: [1], requests: 1}}\n\
         workload: {{input_tokens: {input}, output_tokens: {output}}}\n"
    );
    let errors = load("a.yaml", &text, &|_| None).err()?;
    let hint = errors[0].hint().unwrap_or_default().to_owned();
    Some((errors[0].to_string(), hint))
}

#[test]
fn m16_the_longest_answer_that_fits_is_named() {
    let case = case("m16");
    let given = |key: &str| case.given[key].as_u64().unwrap();
    // A chat template's tokens are part of the prompt.
    let prompt = given("random_input") + given("template_tokens");
    let (error, hint) = refusal(
        given("max_model_len"),
        &prompt.to_string(),
        given("max_tokens"),
    )
    .unwrap();
    let total = format!("{} do not fit", case.expect["total"]);
    assert!(error.ends_with(&total), "{error}");
    let most = format!("to {} at most", case.expect["largest_max_tokens"]);
    assert!(hint.ends_with(&most), "{hint}");
    assert_eq!(refusal(2048, &prompt.to_string(), 994), None);
}

#[test]
fn m17_the_longest_prompt_of_a_range_must_fit() {
    let case = case("m17");
    let (mean, ratio) = (case.given("mean_input"), case.given("range_ratio"));
    let (lo, hi) = (mean * (1.0 - ratio), mean * (1.0 + ratio));
    near(hi, case.expect("max_input"));
    let limit = case.given["max_model_len"].as_u64().unwrap();
    let (error, _) = refusal(limit, &format!("{{uniform: [{lo}, {hi}]}}"), 1).unwrap();
    assert!(error.contains("the longest prompt has 9300"), "{error}");
}

#[test]
fn m18_a_hidden_limit_on_concurrency_is_reported_and_warned_of() {
    let case = case("m18");
    let asked = case.given["asked_concurrency"].as_u64().unwrap() as u32;
    let lengths = numbers(&case.given["e2e_s"]);
    let mut ends_ms = vec![0.0; 100];
    let records: Vec<RequestRecord> = lengths
        .iter()
        .enumerate()
        .map(|(n, seconds)| {
            let slot: &mut f64 = &mut ends_ms[n % 100];
            let sent_ms = *slot;
            *slot += seconds * 1e3;
            let mut answer = answer([*slot], Some(1));
            answer.sent_ms = sent_ms;
            answer.level = Level::Concurrency(asked);
            answer.record()
        })
        .collect();
    let row = cell(&records);
    near(row.window.unwrap().length_s(), case.given("duration_s"));
    near(
        number(&row, "achieved_concurrency"),
        case.expect("achieved_mean_concurrency"),
    );
    assert_eq!(
        in_words(&row),
        ["100.0 requests were in flight on average, 256 were asked"]
    );
}
