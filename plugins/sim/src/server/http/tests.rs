use super::*;

fn complete(bytes: &[u8]) -> (Request, usize) {
    match parse(bytes) {
        Parsed::Complete(request, taken) => (*request, taken),
        other => panic!("{other:?}"),
    }
}

#[test]
fn content_length_body_is_cut_out_and_the_rest_left() {
    let (request, taken) = complete(
        b"POST /v1/completions?x=1 HTTP/1.1\r\nX-Request-Id: r7\r\nContent-Length: 3\r\n\r\nabcGET /",
    );
    assert_eq!(
        (request.method.as_str(), request.path.as_str()),
        ("POST", "/v1/completions")
    );
    assert_eq!(request.body, b"abc");
    assert_eq!(request.x_request_id.as_deref(), Some("r7"));
    // Lines of 35, 18, 19 and 2 bytes, then 3 of body.
    assert_eq!(taken, 77);
    assert!(!request.close);
}

#[test]
fn chunked_body_is_joined_and_trailers_skipped() {
    let bytes: &[u8] =
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\nT: 1\r\n\r\n";
    let (request, taken) = complete(bytes);
    assert_eq!(request.body, b"abc");
    assert_eq!(taken, bytes.len());
    for end in 0..bytes.len() {
        assert!(
            matches!(parse(&bytes[..end]), Parsed::Partial { .. }),
            "cut at {end}"
        );
    }
}

#[test]
fn an_expecting_client_is_asked_to_continue_only_before_its_body() {
    let head = b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    assert_eq!(
        parse(head),
        Parsed::Partial {
            expects_continue: true
        }
    );
    assert_eq!(
        parse(&[&head[..], b"a"].concat()),
        Parsed::Partial {
            expects_continue: false
        }
    );
}

#[test]
fn connection_close_and_http_1_0_end_the_connection() {
    assert!(
        complete(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
            .0
            .close
    );
    assert!(complete(b"GET / HTTP/1.0\r\n\r\n").0.close);
    assert!(
        !complete(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            .0
            .close
    );
}

#[test]
fn garbage_is_refused_in_words() {
    for bytes in [
        &b"\x00\x01\x02\x03\r\n\r\n"[..],
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -4\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
    ] {
        let Parsed::Bad(400, reason) = parse(bytes) else {
            panic!("{:?}", String::from_utf8_lossy(bytes))
        };
        assert!(!reason.is_empty());
    }
}

#[test]
fn huge_heads_and_bodies_are_refused_with_the_limit() {
    let mut bytes = b"GET / HTTP/1.1\r\nA: ".to_vec();
    bytes.resize(70_000, b'x');
    assert_eq!(
        parse(&bytes),
        Parsed::Bad(431, "request head is over 65536 bytes".into())
    );
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: 1\r\n".repeat(101));
    assert!(matches!(parse(many.as_bytes()), Parsed::Bad(431, _)));
    let huge = b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n";
    assert!(matches!(parse(huge), Parsed::Bad(413, _)));
    let huge = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n";
    assert!(matches!(parse(huge), Parsed::Bad(413, _)));
}
