//! Checks of requests and decoders.

use serde_json::Value;

use super::{
    MESSAGES, Outcome, Subject, headers_are_valid, is_path, must, no_panic, prompt, words,
};
use crate::{Replayed, replay};
use inferbench_plugin_api::abi::EventBuf;
use inferbench_plugin_api::events::most_events;
use inferbench_plugin_api::{Message, PromptForm, RequestSpec};

pub(super) fn requests_are_valid(subject: &Subject) -> Outcome {
    if subject.description.capabilities.in_process {
        return Ok(());
    }
    for request in subject.requests()? {
        let http = subject.client.encode(&request).map_err(words)?;
        let method = &http.method;
        let known = method.bytes().all(|byte| byte.is_ascii_uppercase()) && !method.is_empty();
        must(known, format!("method is `{method}`"))?;
        let path = &http.path;
        must(
            is_path(path),
            format!("path is `{path}`, must begin with `/`"),
        )?;
        headers_are_valid(&http.headers)?;
        let is_json = http.headers.iter().any(|(name, value)| {
            name.eq_ignore_ascii_case("content-type") && value.starts_with("application/json")
        });
        if is_json {
            let body = serde_json::from_slice::<Value>(&http.body);
            body.map_err(|error| format!("body is not JSON: {error}"))?;
        }
    }
    Ok(())
}

pub(super) fn prompt_arrives(subject: &Subject) -> Outcome {
    let can = &subject.description.capabilities;
    let form = subject.client.prompt_form().map_err(words)?;
    must(
        form != PromptForm::TokenIds || can.accepts_token_ids,
        "wants token ids but does not say that it accepts them",
    )?;
    if can.in_process {
        return Ok(());
    }
    let http = subject.client.encode(&subject.request()?).map_err(words)?;
    let body = String::from_utf8_lossy(&http.body);
    let wanted: &[&str] = match form {
        PromptForm::TokenIds => &["31337", "271", "828"],
        PromptForm::Text | PromptForm::Messages => &["marmalade 31337"],
    };
    let all = wanted.iter().all(|part| body.contains(part));
    must(all, "body does not hold the prompt")
}

pub(super) fn wrong_form_does_no_harm(subject: &Subject) -> Outcome {
    for form in [PromptForm::TokenIds, PromptForm::Text, PromptForm::Messages] {
        let request = RequestSpec {
            prompt: prompt(form),
            ..subject.request()?
        };
        no_panic(form.name(), subject.client.encode(&request))?;
    }
    Ok(())
}

pub(super) fn decoder_survives(subject: &Subject) -> Outcome {
    let huge = format!("{{\"choices\":[{{\"text\":\"{}\"}}]}}", "x".repeat(8 << 20));
    let nested = "[".repeat(100_000);
    let request = subject.request()?;
    let mut decoder = subject.client.decoder(&request).map_err(words)?;
    let mut buffer = EventBuf::default();
    let big = [huge.as_bytes(), nested.as_bytes()];
    for bytes in MESSAGES.into_iter().chain(big) {
        for message in [
            Message::Data(bytes),
            Message::ErrorEvent(bytes),
            Message::ErrorField(bytes),
            Message::NamedEvent {
                name: b"response.completed",
                data: bytes,
            },
        ] {
            buffer.clear();
            no_panic("feed", decoder.feed(message, &mut buffer))?;
            no_panic(
                "feed of one message",
                replay(&subject.client, &request, &[message]),
            )?;
        }
    }
    no_panic("finish", decoder.finish(&mut buffer)).map(drop)
}

pub(super) fn events_are_bounded(subject: &Subject) -> Outcome {
    let request = subject.request()?;
    for bytes in MESSAGES {
        let mut decoder = subject.client.decoder(&request).map_err(words)?;
        let mut buffer = EventBuf::default();
        no_panic("feed", decoder.feed(Message::Data(bytes), &mut buffer))?;
        let (have, limit) = (buffer.events.len(), most_events(bytes.len()));
        must(
            have <= limit,
            format!(
                "a message of {} bytes gave {have} events, limit {limit}",
                bytes.len()
            ),
        )?;
    }
    Ok(())
}

pub(super) fn nothing_from_nothing(subject: &Subject) -> Outcome {
    let request = subject.request()?;
    let events = no_panic("finish", replay(&subject.client, &request, &[]))?;
    let invented = events.unwrap_or_default();
    let invented = invented
        .iter()
        .find(|event| !matches!(event, Replayed::Error(_)));
    must(
        invented.is_none(),
        format!("an empty answer gave {invented:?}"),
    )
}

fn messages() -> Vec<Message<'static>> {
    MESSAGES.into_iter().map(Message::Data).collect()
}

pub(super) fn decoding_is_repeatable(subject: &Subject) -> Outcome {
    let request = subject.request()?;
    let once = replay(&subject.client, &request, &messages());
    let again = replay(&subject.client, &request, &messages());
    must(
        once == again,
        "two decoders read the same answer differently",
    )
}

pub(super) fn decoders_are_independent(subject: &Subject) -> Outcome {
    let request = subject.request()?;
    let mut first = subject.client.decoder(&request).map_err(words)?;
    let mut second = subject.client.decoder(&request).map_err(words)?;
    let (mut of_first, mut of_second) = (EventBuf::default(), EventBuf::default());
    for bytes in MESSAGES {
        let one = first.feed(Message::Data(bytes), &mut of_first);
        let other = second.feed(Message::Data(bytes), &mut of_second);
        let same = one == other && of_first.events == of_second.events;
        must(same, "one decoder changed what another read")?;
    }
    drop(first);
    let after = second.feed(Message::Data(b"{}"), &mut of_second);
    no_panic("feed after another decoder was dropped", after).map(drop)
}
