//! How an answer ends, and why.

use super::*;

#[test]
fn a_stream_without_its_last_event_has_no_end() {
    let mut cut = usual();
    cut.pop();
    let wanted = &usual_events()[..2];
    assert_eq!(read_events(&cut), wanted);
    // The mark of chat streams comes after a broken one, too.
    let marked = stream(&cut) + "data: [DONE]\n\n";
    assert_eq!(read_stream(&marked), wanted);
}

#[test]
fn what_follows_the_end_is_not_read() {
    let mut twice = usual();
    twice.push(completed(&json!({"input_tokens": 99, "output_tokens": 99})));
    twice.push(delta("more"));
    let text = stream(&twice) + "data: [DONE]\n\n";
    assert_eq!(read_stream(&text), usual_events());
}

#[test]
fn usage_may_be_null_or_missing() {
    for usage in [
        Value::Null,
        json!({}),
        json!([3]),
        json!({"input_tokens": null}),
    ] {
        let events = read_events(&[delta("a"), completed(&usage)]);
        let wanted = [out(OutputKind::Text, "a"), finish("stop"), Replayed::End];
        assert_eq!(events, wanted, "{usage}");
    }
}

#[test]
fn an_answer_at_its_limit_ends_by_length_whatever_the_event_is_called() {
    for (kind, status) in [
        ("response.incomplete", "incomplete"),
        // As vLLM ends every stream.
        ("response.completed", "incomplete"),
        ("response.incomplete", "completed"),
        ("response.done", "incomplete"),
    ] {
        let last = json!({"type": kind, "response": {"status": status, "usage": null,
            "incomplete_details": {"reason": "max_output_tokens"}}});
        let events = read_events(&[delta("a"), last]);
        assert_eq!(events[1..], [finish("length"), Replayed::End], "{kind}");
    }
}

#[test]
fn another_reason_of_an_incomplete_answer_is_told_as_it_is() {
    let ended = |details: Value| {
        let last = json!({"type": "response.incomplete", "response": {
            "status": "incomplete", "incomplete_details": details}});
        read_events(&[delta("a"), last])[1].clone()
    };
    let filtered = ended(json!({"reason": "content_filter"}));
    assert_eq!(filtered, finish("content_filter"));
    assert_eq!(ended(Value::Null), finish("incomplete"));
}

#[test]
fn an_answer_that_was_cancelled_says_so() {
    let last = json!({"type": "response.cancelled", "response": {"status": "cancelled"}});
    assert_eq!(read_events(&[last]), [finish("cancelled"), Replayed::End]);
}

#[test]
fn a_failed_response_is_an_error_in_its_own_words() {
    let failed = |response: Value| json!({"type": "response.failed", "response": response});
    for (event, words) in [
        (
            failed(json!({"status": "failed",
                "error": {"code": "server_error", "message": "out of memory"}})),
            "out of memory",
        ),
        (
            failed(json!({"status": "failed", "error": null})),
            "the response failed",
        ),
        (json!({"type": "response.failed"}), "the response failed"),
        (
            json!({"type": "response.completed", "response": {"status": "failed",
                "error": {"message": "late"}}}),
            "late",
        ),
    ] {
        let events = read_events(&[delta("a"), event]);
        assert_eq!(
            events,
            [
                out(OutputKind::Text, "a"),
                Replayed::Error(words.to_owned())
            ]
        );
    }
}

#[test]
fn an_error_in_the_middle_is_read_in_every_form() {
    for text in [
        "event: error\ndata: {\"type\":\"error\",\"code\":\"x\",\"message\":\"boom\",\"param\":null}\n\n",
        "data: {\"type\":\"error\",\"message\":\"boom\"}\n\n",
        "data: {\"type\":\"error\",\"error\":{\"message\":\"boom\",\"code\":500}}\n\n",
        "data: {\"error\":{\"message\":\"boom\",\"type\":\"InternalServerError\"}}\n\n",
        "event: response.error\ndata: {\"message\":\"boom\"}\n\n",
        "error: boom\n\n",
    ] {
        let text = stream(&[delta("a")]) + text;
        let wanted = [
            out(OutputKind::Text, "a"),
            Replayed::Error("boom".to_owned()),
        ];
        assert_eq!(read_stream(&text), wanted, "{text}");
    }
}
