//! What a server says in place of an answer, and what the record makes of it.

use super::*;

#[tokio::test]
async fn a_json_error_under_status_200_fails_with_its_words() {
    let body = r#"{"error": {"message": "model is loading", "code": 503}}"#;
    let record = answered_with(answer("200 OK", "application/json", "", body)).await;
    assert_eq!(reason(&record), "in_band_error");
    assert!(message(&record).contains("model is loading"), "{record:?}");
    assert_eq!(record.http_status, Some(200));
}

#[tokio::test]
async fn a_503_reports_when_to_retry_and_is_not_retried() {
    let bytes = answer(
        "503 Service Unavailable",
        "text/plain",
        "Retry-After: 7\r\n",
        "try later",
    );
    let server = TestServer::always(bytes);
    let record = ask(&server.target(), patient()).await;
    assert_eq!(reason(&record), "http_503");
    assert_eq!(
        message(&record),
        "try later (the server asks to retry after 7 s)"
    );
    assert_eq!(server.accepted(), 1);
    assert_eq!((record.ttft_ms, record.e2e_latency_ms), (None, None));
}

#[tokio::test]
async fn a_400_as_vllm_writes_it_gives_its_message() {
    let body = r#"{"object":"error","message":"max_tokens is too large: 9","type":"BadRequestError","param":null,"code":400}"#;
    let record = answered_with(answer("400 Bad Request", "application/json", "", body)).await;
    assert_eq!(reason(&record), "http_400");
    assert_eq!(message(&record), "max_tokens is too large: 9");
    let nested = r#"{"error":{"message":"no such model","type":"NotFoundError","code":404}}"#;
    let record = answered_with(answer("404 Not Found", "application/json", "", nested)).await;
    assert_eq!(reason(&record), "http_404");
    assert_eq!(message(&record), "no such model");
}

#[tokio::test]
async fn an_error_page_is_shown_in_one_line_of_bounded_length() {
    let page = format!("<html>\n<body>\r\n{}", "x".repeat(100_000));
    let record = answered_with(answer("502 Bad Gateway", "text/html", "", &page)).await;
    assert_eq!(reason(&record), "http_502");
    assert!(message(&record).starts_with("<html> <body>"));
    assert_eq!(message(&record).chars().count(), 500);
}

#[tokio::test]
async fn a_web_page_in_place_of_an_answer_is_called_so() {
    let page = answer(
        "200 OK",
        "text/html; charset=utf-8",
        "",
        "<html>log in</html>",
    );
    let record = answered_with(page).await;
    assert_eq!(reason(&record), "truncated");
    assert_eq!(
        message(&record),
        "the server answered 200 with a web page (text/html)"
    );
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_names_its_target() {
    let to = "Location: http://127.0.0.1:1/elsewhere\r\n";
    let record = answered_with(answer("307 Temporary Redirect", "text/plain", to, "")).await;
    assert_eq!(reason(&record), "http_307");
    assert!(
        message(&record).contains("http://127.0.0.1:1/elsewhere"),
        "{record:?}"
    );
}

#[tokio::test]
async fn an_interim_answer_is_no_answer() {
    let server = TestServer::start(|peer| {
        peer.request();
        peer.write("HTTP/1.1 100 Continue\r\n\r\n");
        peer.write("HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n");
        peer.write(good_answer());
        peer.until_closed();
    });
    let mut slot = None;
    let record = ask_over(&mut slot, &server.target(), patient()).await;
    assert!(record.is_ok() && slot.is_some(), "{record:?}");
    assert_eq!(record.http_status, Some(200));
}

#[tokio::test]
async fn garbage_instead_of_http_is_called_so() {
    let record = answered_with("SSH-2.0-OpenSSH_9.6\r\n\r\n").await;
    assert_eq!(reason(&record), "bad_http");
    assert_eq!(record.http_status, None);
    let record = answered_with([0u8, 159, 146, 150, 255, 13, 10]).await;
    assert_eq!(reason(&record), "bad_http");
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnot hex\r\n";
    let record = answered_with(head).await;
    assert_eq!(reason(&record), "bad_http");
    let long = format!("HTTP/1.1 200 OK\r\nX: {}", "y".repeat(300 * 1024));
    let record = answered_with(long).await;
    assert_eq!(reason(&record), "bad_http");
    assert!(message(&record).contains("262144 bytes"), "{record:?}");
}

#[tokio::test]
async fn a_coding_that_was_not_asked_for_is_named() {
    let extra = "Content-Encoding: br\r\n";
    let record = answered_with(answer("200 OK", "text/event-stream", extra, "xxx")).await;
    assert_eq!(reason(&record), "bad_http");
    assert!(message(&record).contains("\"br\""), "{record:?}");
}
