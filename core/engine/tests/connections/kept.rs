//! Kept connections that the server closes: what is sent again, and what is not.

use super::*;

/// A server whose first connection answers one request and then does `second` with
/// the next; all others answer everything.
fn closing(second: impl Fn(&mut Peer) + Send + Sync + 'static) -> TestServer {
    TestServer::start(move |peer| {
        if peer.number == 0 {
            peer.request();
            peer.write(good_answer());
            second(peer);
            return;
        }
        while peer.request().is_some() {
            peer.write(good_answer());
        }
    })
}

/// Two requests over one slot.
async fn two_over(target: &Target) -> [RequestRecord; 2] {
    let mut slot = None;
    let first = ask_over(&mut slot, target, patient()).await;
    assert!(first.is_ok() && !first.resent, "{first:?}");
    [first, ask_over(&mut slot, target, patient()).await]
}

#[tokio::test]
async fn a_request_that_meets_the_close_of_a_kept_connection_is_sent_once_more() {
    let in_order = closing(|peer| {
        peer.request();
    });
    let reset = closing(|peer| {
        peer.request();
        peer.reset_on_drop();
    });
    let unread = closing(|peer| {
        // Bytes that nobody has read make the kernel reset.
        let mut some = [0; 10];
        peer.stream.read_exact(&mut some).unwrap();
    });
    for server in [in_order, reset, unread] {
        let target = server.target();
        let [_, second] = two_over(&target).await;
        assert!(second.is_ok() && second.resent, "{second:?}");
        assert!(second.connect_ms.is_some(), "it was timed on a new one");
        assert_eq!(server.accepted(), 2);
        assert!(!target.keeps_connections());
    }
}

#[tokio::test]
async fn the_close_of_a_new_connection_is_a_failure() {
    for resets in [false, true] {
        let server = TestServer::start(move |peer| {
            peer.request();
            if resets {
                peer.reset_on_drop();
            }
        });
        let target = server.target();
        let record = ask_over(&mut None, &target, patient()).await;
        let expected = if resets {
            "connection_reset"
        } else {
            "connection_closed"
        };
        assert_eq!(reason(&record), expected);
        assert!(!record.resent && target.keeps_connections());
        assert_eq!(server.accepted(), 1);
    }
}

#[tokio::test]
async fn a_request_is_never_sent_a_third_time() {
    let server = TestServer::start(|peer| {
        peer.request();
        if peer.number == 0 {
            peer.write(good_answer());
            peer.request();
        }
    });
    let [_, second] = two_over(&server.target()).await;
    assert_eq!(reason(&second), "connection_closed");
    assert!(second.resent, "{second:?}");
    assert_eq!(server.accepted(), 2);
}

#[tokio::test]
async fn after_the_first_byte_of_an_answer_nothing_is_sent_again() {
    for beginning in [
        "H",
        "HTTP/1.1 200 OK\r\nContent-Ty",
        "HTTP/1.1 100 Continue\r\n\r\n",
    ] {
        let server = closing(move |peer| {
            peer.request();
            peer.write(beginning);
            peer.close();
            peer.until_closed();
        });
        let [_, second] = two_over(&server.target()).await;
        assert_eq!(reason(&second), "connection_closed", "{beginning}");
        assert!(!second.resent);
        assert_eq!(server.accepted(), 1);
    }
}

#[tokio::test]
async fn a_kept_connection_that_stays_silent_is_no_close() {
    let server = closing(|peer| {
        peer.request();
        peer.until_closed();
    });
    let target = server.target();
    let mut slot = None;
    assert!(ask_over(&mut slot, &target, patient()).await.is_ok());
    let brief = common::limits(Duration::from_millis(200), None);
    let second = ask_over(&mut slot, &target, brief).await;
    assert_eq!(reason(&second), "timeout");
    assert!(!second.resent && target.keeps_connections());
}

#[tokio::test]
async fn a_request_that_cannot_be_sent_again_was_not_sent() {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let target = Target::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut peer = Peer::from_stream(stream);
        peer.request();
        peer.write(good_answer());
        // The server goes away for good.
        drop(listener);
        peer.request();
    });
    let [_, second] = two_over(&target).await;
    assert_eq!(reason(&second), "connection_refused");
    assert_eq!((second.sent_ns, second.resent), (None, false));
}

#[tokio::test]
async fn what_is_sent_again_is_the_same_request_whole() {
    let (sender, bodies) = mpsc::channel();
    let server = TestServer::start(move |peer| {
        peer.request();
        peer.write(good_answer());
        if peer.number == 0 {
            // Long before the client has written it all.
            let mut some = [0; 1024];
            peer.stream.read_exact(&mut some).unwrap();
            return;
        }
        peer.until_closed();
    });
    let taken = TestServer::start(move |peer| {
        let mut first = true;
        while let Some(request) = peer.request() {
            sender.send(request.body).unwrap();
            if peer.number == 0 && !first {
                return;
            }
            first = false;
            peer.write(good_answer());
        }
    });
    let client = common::completions();
    let spec = RequestSpec {
        output_tokens: 8,
        ..RequestSpec::one_token("m", PromptContent::Text("tell me ".repeat(1_000_000)))
    };
    let mut slot = None;
    let small = common::text_request();
    for spec in [&small, &spec] {
        let target = taken.target();
        let outcome = common::exchange_over(&mut slot, &target, &client, spec, patient()).await;
        assert!(common::record(outcome).is_ok());
    }
    let bodies: Vec<Vec<u8>> = bodies.try_iter().collect();
    assert_eq!(bodies.len(), 3, "one, and the second one twice");
    assert!(bodies[1] == bodies[2] && bodies[1].len() > 8_000_000);
    // Cut off in the middle of writing.
    let (target, mut slot) = (server.target(), None);
    for (spec, resent) in [(&small, false), (&spec, true)] {
        let outcome = common::exchange_over(&mut slot, &target, &client, spec, patient()).await;
        let record = common::record(outcome);
        assert!(record.is_ok(), "{:?} {:?}", record.reason, record.message);
        assert_eq!(record.resent, resent);
    }
}

#[tokio::test]
async fn under_tls_too_a_kept_connection_may_close() {
    for says_goodbye in [false, true] {
        let authority = Authority::new("an issuer");
        let turns = AtomicUsize::new(0);
        let answering = move |stream: &mut SecureStream| {
            let first = turns.fetch_add(1, Ordering::SeqCst) == 0;
            // Connecting takes its time, which enters no latency.
            std::thread::sleep(Duration::from_millis(100));
            let mut answered = false;
            while request(stream).is_some() {
                if first && answered {
                    if says_goodbye {
                        stream.conn.send_close_notify();
                        stream.flush().unwrap();
                    }
                    return;
                }
                stream.write_all(good_answer().as_bytes()).unwrap();
                stream.flush().unwrap();
                answered = true;
            }
        };
        let port = serve(authority.server("localhost", 2020..2090), answering);
        let url = format!("https://localhost:{port}");
        let target = attached(json!({"attach": url, "tls": {"ca_file": authority.path()}}));
        let [_, second] = two_over(&target).await;
        assert!(second.is_ok() && second.resent, "{second:?}");
        assert!(second.connect_ms.unwrap() >= 100.0, "{second:?}");
        assert!(second.ttft_ms.unwrap() < 90.0, "{second:?}");
    }
}
