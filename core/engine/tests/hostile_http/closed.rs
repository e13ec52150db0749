//! Connections that are refused, or closed before, within or after an answer.

use super::*;

#[tokio::test]
async fn a_server_that_closes_after_each_answer_is_connected_to_again() {
    let body = format!("{}{}", event("a"), ending(3, 1));
    let bytes = answer(
        "200 OK",
        "text/event-stream",
        "Connection: close\r\n",
        &body,
    );
    let server = TestServer::start(move |peer| {
        if peer.request().is_some() {
            peer.write(&bytes);
            peer.close();
        }
    });
    let (target, mut slot) = (server.target(), None);
    for n in 1..=3 {
        let record = ask_over(&mut slot, &target, patient()).await;
        assert!(record.is_ok(), "{record:?}");
        assert!(record.connect_ms.is_some() && slot.is_none());
        assert_eq!(server.accepted(), n);
    }
}

#[tokio::test]
async fn a_kept_connection_carries_the_next_request_without_connecting() {
    let server = TestServer::always(good_answer());
    let (target, mut slot) = (server.target(), None);
    let first = ask_over(&mut slot, &target, patient()).await;
    let second = ask_over(&mut slot, &target, patient()).await;
    assert!(first.is_ok() && second.is_ok());
    assert!(first.connect_ms.is_some());
    assert_eq!((second.connect_ms, server.accepted()), (None, 1));
}

#[tokio::test]
async fn a_connection_closed_while_idle_is_opened_again_before_the_clock_starts() {
    let (sender, closed) = mpsc::channel();
    let server = TestServer::start(move |peer| {
        while peer.request().is_some() {
            peer.write(good_answer());
            if peer.number == 0 {
                peer.close();
                sender.send(()).unwrap();
            }
        }
    });
    let (target, mut slot) = (server.target(), None);
    let first = ask_over(&mut slot, &target, patient()).await;
    assert!(first.is_ok() && slot.is_some());
    // Blocks the runtime too, so that only the kernel can know of the close.
    closed.recv().unwrap();
    let second = ask_over(&mut slot, &target, patient()).await;
    assert!(second.is_ok(), "{second:?}");
    assert!(second.connect_ms.is_some());
    assert_eq!(server.accepted(), 2);
}

#[tokio::test]
async fn an_answer_given_before_the_request_is_read_is_the_answer() {
    let server = TestServer::start(|peer| {
        let body = r#"{"error":{"message":"too large"}}"#;
        peer.write(answer(
            "413 Content Too Large",
            "application/json",
            "",
            body,
        ));
        peer.close();
        peer.until_closed();
    });
    let record = ask(&server.target(), patient()).await;
    assert_eq!(reason(&record), "http_413");
    assert_eq!(message(&record), "too large");
}

#[tokio::test]
async fn bytes_after_the_body_forbid_to_use_the_connection_again() {
    let server = TestServer::start(|peer| {
        while peer.request().is_some() {
            peer.write(good_answer() + "HTTP/1.1 500 not asked for");
        }
    });
    let (target, mut slot) = (server.target(), None);
    for n in 1..=2 {
        let record = ask_over(&mut slot, &target, patient()).await;
        assert!(record.is_ok(), "{record:?}");
        assert_eq!(server.accepted(), n);
    }
}

#[tokio::test]
async fn a_port_that_nobody_listens_on_refuses() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = Target::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    drop(listener);
    let record = ask(&target, patient()).await;
    assert_eq!(reason(&record), "connection_refused");
    assert_eq!((record.sent_ns, record.ttft_ms), (None, None));
    assert!(message(&record).contains(&target.host_header()));
}

#[tokio::test]
async fn a_connection_closed_without_an_answer_is_called_so() {
    let server = TestServer::start(|peer| {
        peer.request();
        peer.close();
    });
    let record = ask(&server.target(), patient()).await;
    assert_eq!(reason(&record), "connection_closed");
    assert!(record.sent_ns.is_some() && record.http_status.is_none());
}

#[tokio::test]
async fn a_body_shorter_than_its_length_is_truncated() {
    let bytes = good_answer();
    let cut = bytes.find("data: [DONE]").unwrap();
    let server = TestServer::start(move |peer| {
        peer.request();
        peer.write(&bytes[..cut]);
        peer.close();
    });
    let record = ask(&server.target(), patient()).await;
    assert_eq!(reason(&record), "truncated");
    assert!(record.ttft_ms.is_some(), "kept for diagnosis");
}
