//! Ways to a server: both families of addresses, Unix-domain sockets, proxies,
//! many connections at once, and requests larger than a socket takes.

#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use common::secure::{Authority, request, serve};
use common::server::{TestServer, answer, good_answer, wait_until};
use common::{ask, ask_over, limits, patient};
use inferbench_engine::http::connection::MAX_OPENING;
use inferbench_engine::http::control::ControlPlane;
use inferbench_engine::http::{Connection, Target};
use inferbench_engine::os::clock;
use inferbench_engine::prepare::prepare;
use inferbench_model::config::{BackendConfig, load};
use inferbench_model::facts::record::RequestRecord;
use inferbench_plugin_api::{ControlRequest, PromptContent, RequestSpec};
use mio::unix::SourceFd;
use nix::sys::resource::{Resource, getrlimit};
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// Descriptors that other tests of this process and the test itself may have.
const SPARE_FILES: u64 = 200;

fn attached(keys: Value) -> Target {
    let mut keys = keys;
    keys["plugin"] = json!("openai");
    let backend: BackendConfig = serde_json::from_value(keys).unwrap();
    Target::attached(&backend).unwrap().remove(0)
}

/// Answers every request on every connection of `listener`.
fn answer_on(listener: TcpListener) {
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                while request(&mut stream).is_some() {
                    stream.write_all(good_answer().as_bytes()).unwrap();
                }
            });
        }
    });
}

async fn ask_url(url: &str) -> RequestRecord {
    ask(&Target::parse(url).unwrap(), patient()).await
}

#[tokio::test]
async fn localhost_is_found_on_either_family() {
    let v4 = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = v4.local_addr().unwrap().port();
    answer_on(v4);
    let record = ask_url(&format!("http://localhost:{port}")).await;
    assert!(record.is_ok(), "{record:?}");
    let Ok(v6) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) else {
        return eprintln_skip("there is no IPv6 here");
    };
    let port = v6.local_addr().unwrap().port();
    answer_on(v6);
    let record = ask_url(&format!("http://[::1]:{port}")).await;
    assert!(record.is_ok(), "{record:?}");
    if !names_ipv6() {
        return eprintln_skip("`localhost` has no IPv6 address here");
    }
    let record = ask_url(&format!("http://localhost:{port}")).await;
    assert!(record.is_ok(), "{record:?}");
}

fn names_ipv6() -> bool {
    use std::net::ToSocketAddrs;
    let found = ("localhost", 1).to_socket_addrs();
    found.is_ok_and(|mut found| found.any(|address| address.is_ipv6()))
}

#[allow(clippy::print_stderr, reason = "says why a test proves nothing here")]
fn eprintln_skip(words: &str) {
    eprintln!("skipped: {words}");
}

#[tokio::test]
async fn a_unix_domain_socket_is_a_server_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let (sender, heads) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, sender) = (stream.unwrap(), sender.clone());
            std::thread::spawn(move || {
                while let Some(text) = request(&mut stream) {
                    sender.send(text).unwrap();
                    stream.write_all(good_answer().as_bytes()).unwrap();
                }
            });
        }
    });
    let target = attached(json!({"attach": format!("unix:{}", path.display())}));
    let mut slot = None;
    let (client, spec) = (common::completions(), common::text_request());
    let outcome = common::exchange_over(&mut slot, &target, &client, &spec, patient()).await;
    assert_eq!(
        outcome.reads.kernel_reads, 0,
        "the kernel stamps no such socket"
    );
    let record = common::record(outcome);
    assert!(record.is_ok(), "{record:?}");
    let head = heads.recv().unwrap();
    assert!(head.starts_with("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n"));
    let again = ask_over(&mut slot, &target, patient()).await;
    assert!(again.is_ok() && again.connect_ms.is_none(), "{again:?}");
}

#[tokio::test]
async fn a_socket_that_is_not_there_is_named() {
    let record = ask_url("unix:/none/server.sock").await;
    assert_eq!(record.reason.as_deref(), Some("connect_error"));
    let message = record.message.unwrap();
    assert!(message.contains("/none/server.sock"), "{message}");
}

/// A request that no socket takes at once.
fn huge_request() -> RequestSpec {
    RequestSpec {
        output_tokens: 8,
        ..RequestSpec::one_token("m", PromptContent::Text("tell me ".repeat(2_000_000)))
    }
}

#[tokio::test]
async fn a_server_that_answers_before_it_reads_does_not_hang_the_client() {
    let server = TestServer::start(|peer| {
        let mut some = [0; 1024];
        peer.stream.read_exact(&mut some).unwrap();
        let words = r#"{"error": {"message": "too long"}}"#;
        peer.write(answer(
            "413 Content Too Large",
            "application/json",
            "",
            words,
        ));
        // Neither read further nor closed until the client goes.
        peer.stream.set_read_timeout(None).unwrap();
        std::thread::sleep(Duration::from_secs(20));
    });
    let client = common::completions();
    let (target, mut slot, spec) = (server.target(), None, huge_request());
    let began = Instant::now();
    let outcome = common::exchange_over(&mut slot, &target, &client, &spec, patient()).await;
    let record = common::record(outcome);
    assert_eq!(record.http_status, Some(413), "{:?}", record.message);
    assert_eq!(record.reason.as_deref(), Some("http_413"));
    assert_eq!(record.message.as_deref(), Some("too long"));
    assert_eq!(record.sent_ns, None, "it never went out whole");
    assert!(began.elapsed() < Duration::from_secs(15));
    // The rest of the request would be read as the next one.
    assert!(slot.is_none_or(|mut slot| slot.is_stale()));
}

#[tokio::test]
async fn a_server_that_writes_while_it_reads_gets_the_whole_request() {
    let (sender, read_at) = mpsc::channel();
    let server = TestServer::start(move |peer| {
        let mut some = [0; 1024];
        peer.stream.read_exact(&mut some).unwrap();
        // A head of its own size fills the socket the other way too.
        let pad = format!("X-Pad: {}\r\n", "p".repeat(1000)).repeat(100);
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n{pad}Transfer-Encoding: chunked\r\n\r\n"
        );
        peer.write(head);
        let mut left = wanted(&some);
        let mut buffer = vec![0; 256 * 1024];
        while left > 0 {
            left -= peer.stream.read(&mut buffer).unwrap();
        }
        let read_ns = clock::now_ns();
        wait_until(read_ns + 20_000_000);
        let body = good_answer();
        let (_, body) = body.split_once("\r\n\r\n").unwrap();
        peer.write(common::server::chunk(body));
        peer.write("0\r\n\r\n");
        sender.send(read_ns).unwrap();
        peer.until_closed();
    });
    let client = common::completions();
    let (target, mut slot, spec) = (server.target(), None, huge_request());
    let outcome = common::exchange_over(&mut slot, &target, &client, &spec, patient()).await;
    let record = common::record(outcome);
    assert!(record.is_ok(), "{:?} {:?}", record.reason, record.message);
    let read_ns = read_at.recv().unwrap();
    let sent_ns = record.sent_ns.unwrap();
    // The last write may return a little after the server has read what it wrote.
    let late_ms = sent_ns.saturating_sub(read_ns) as f64 / 1e6;
    assert!(record.ttft_ms.unwrap() + late_ms >= 20.0, "{record:?}");
}

/// Bytes of a request that are still to come after its first ones.
fn wanted(first: &[u8]) -> usize {
    let text = String::from_utf8_lossy(first);
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let length = head.lines().find_map(|line| {
        let value = line.strip_prefix("Content-Length: ")?;
        value.parse::<usize>().ok()
    });
    length.unwrap() - body.len()
}

#[tokio::test]
async fn a_request_that_is_never_read_ends_at_its_limit() {
    let server = TestServer::start(|_| std::thread::sleep(Duration::from_secs(20)));
    let client = common::completions();
    let (target, mut slot, spec) = (server.target(), None, huge_request());
    let brief = limits(Duration::from_millis(300), None);
    let outcome = common::exchange_over(&mut slot, &target, &client, &spec, brief).await;
    let record = common::record(outcome);
    assert_eq!(record.reason.as_deref(), Some("timeout"), "{record:?}");
    assert_eq!(
        record.message.as_deref(),
        Some("the request could not be written within its limits")
    );
}

/// A listener that counts how many connections it holds, and what each sent.
fn holding_listener() -> (Target, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let target = Target::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let accepted = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&accepted);
    std::thread::spawn(move || {
        let mut held: Vec<TcpStream> = Vec::new();
        for stream in listener.incoming() {
            held.push(stream.unwrap());
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    (target, accepted)
}

#[tokio::test]
async fn two_thousand_connections_open_at_once_without_one_lost() {
    const CONNECTIONS: u64 = 2_000;
    // Both ends are this process.
    let needed = 2 * CONNECTIONS + SPARE_FILES;
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    if hard < needed {
        return eprintln_skip(&format!(
            "the hard limit of open files is {hard}, {needed} are needed"
        ));
    }
    nix::sys::resource::setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    let (target, accepted) = holding_listener();
    let mut opening = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let target = target.clone();
        opening.spawn(async move { Connection::open(&target, Duration::from_secs(60)).await });
    }
    let opened = opening.join_all().await;
    let failed = opened.iter().find_map(|opened| opened.as_ref().err());
    assert!(failed.is_none(), "{failed:?}");
    let deadline = Instant::now() + Duration::from_secs(30);
    while accepted.load(Ordering::SeqCst) < CONNECTIONS as usize {
        assert!(Instant::now() < deadline, "{accepted:?} were accepted");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(MAX_OPENING < CONNECTIONS as usize);
}

#[tokio::test]
async fn a_plain_proxy_takes_the_whole_url() {
    let (sender, heads) = mpsc::channel();
    let proxy = TestServer::start(move |peer| {
        while let Some(request) = peer.request() {
            sender.send(request.head).unwrap();
            peer.write(good_answer());
        }
    });
    // No such host: only a proxy can know the way.
    let target = attached(json!({"attach": "http://far.invalid:8000", "proxy": proxy.url()}));
    let record = ask(&target, patient()).await;
    assert!(record.is_ok(), "{record:?}");
    let head = heads.recv().unwrap();
    let begin =
        "POST http://far.invalid:8000/v1/completions HTTP/1.1\r\nHost: far.invalid:8000\r\n";
    assert!(head.starts_with(begin), "{head}");
}

#[tokio::test]
async fn tls_goes_through_a_tunnel_of_the_proxy() {
    let authority = Authority::new("an issuer");
    let port = serve(authority.server("far.invalid", 2020..2090), |stream| {
        while request(stream).is_some() {
            stream.write_all(good_answer().as_bytes()).unwrap();
            stream.flush().unwrap();
        }
    });
    let (sender, heads) = mpsc::channel();
    let proxy = TestServer::start(move |peer| {
        sender.send(peer.request().unwrap().head).unwrap();
        peer.write("HTTP/1.1 200 Connection established\r\n\r\n");
        let server = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (mut up, mut down) = (
            peer.stream.try_clone().unwrap(),
            server.try_clone().unwrap(),
        );
        std::thread::spawn(move || std::io::copy(&mut up, &mut down));
        let mut server = server;
        drop(std::io::copy(&mut server, &mut peer.stream));
    });
    let target = attached(json!({
        "attach": "https://far.invalid:8443",
        "proxy": proxy.url(),
        "tls": {"ca_file": authority.path()}
    }));
    let record = ask(&target, patient()).await;
    assert!(record.is_ok(), "{record:?}");
    assert_eq!(
        heads.recv().unwrap(),
        "CONNECT far.invalid:8443 HTTP/1.1\r\nHost: far.invalid:8443\r\n\r\n"
    );
}

#[tokio::test]
async fn a_proxy_that_refuses_is_quoted() {
    let proxy = TestServer::always(answer(
        "407 Proxy Authentication Required",
        "text/plain",
        "",
        "",
    ));
    let target = attached(
        json!({"attach": "https://far.invalid", "proxy": proxy.url(), "tls": {"verify": false}}),
    );
    let record = ask(&target, patient()).await;
    assert_eq!(record.reason.as_deref(), Some("connect_error"));
    let message = record.message.unwrap();
    assert!(
        message.ends_with("answered `HTTP/1.1 407 Proxy Authentication Required`"),
        "{message}"
    );
}

#[test]
fn a_wrong_way_to_the_server_is_located_in_the_config() {
    for (keys, place) in [
        (
            json!({"attach": "http://localhost:1", "proxy": "http://p:1"}),
            "proxy",
        ),
        (
            json!({"attach": "https://h", "tls": {"ca_file": "/none.pem"}}),
            "ca_file",
        ),
        (json!({"attach": "ftp://h"}), "attach"),
        (
            json!({"attach": "http://h", "tls": {"verify": false}}),
            "tls",
        ),
        (json!({"proxy": "http://p:1"}), "proxy"),
        (
            json!({"attach": "https://h", "tls": {"verify": false, "ca_file": "x"}}),
            "tls",
        ),
    ] {
        let mut backend = keys.clone();
        backend["plugin"] = json!("openai");
        backend["options"] = json!({"endpoint": "completions"});
        let config = json!({
            "name": "t", "model": {"id": "m"}, "backends": [backend],
            "load": {"concurrency": [1], "requests": 1}
        });
        let words = match load("t.yaml", &config.to_string(), &|_| None) {
            Err(errors) => format!("{errors:?}"),
            Ok(loaded) => format!("{:?}", prepare(&loaded, common::host()).unwrap_err()),
        };
        assert!(words.contains(place), "{keys}: {words}");
    }
}

/// The variables that other clients take a proxy from, each pointing to a port
/// that nobody listens on.
const PROXY_VARIABLES: [&str; 6] = [
    "http_proxy",
    "HTTP_PROXY",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
];

#[test]
fn proxy_variables_of_the_environment_never_apply() {
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "under_proxy_variables", "--ignored"]);
    for name in PROXY_VARIABLES {
        child.env(name, "http://127.0.0.1:9");
    }
    let output = child.output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}");
    assert!(printed.contains("1 passed"), "{printed}");
}

#[tokio::test]
#[ignore = "needs the variables that the test above sets"]
async fn under_proxy_variables() {
    let server = TestServer::always(good_answer());
    assert!(ask(&server.target(), patient()).await.is_ok());
    let control = ControlPlane::new(server.target(), Duration::from_secs(10));
    assert!(control.ask(&ControlRequest::get("/health")).await.is_ok());
}

/// Ping and pong over one connection, each pong in two writes, so that bytes
/// often come while a read is being finished.
async fn two_writes_a_round(rounds: usize) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        let mut ping = [0];
        while stream.read(&mut ping).is_ok_and(|n| n == 1) {
            stream.write_all(b"a").unwrap();
            stream.write_all(b"b").unwrap();
        }
    });
    let target = Target::http("127.0.0.1", port);
    let mut connection = Connection::open(&target, Duration::from_secs(10))
        .await
        .unwrap();
    let mut poll = mio::Poll::new().unwrap();
    let mut events = mio::Events::with_capacity(4);
    let fd = connection.as_raw_fd();
    poll.registry()
        .register(&mut SourceFd(&fd), mio::Token(0), mio::Interest::READABLE)
        .unwrap();
    for round in 0..rounds {
        connection.send(b"p".to_vec()).unwrap();
        let mut come = 0;
        while come < 2 {
            let limit = Duration::from_secs(20);
            poll.poll(&mut events, Some(limit)).unwrap();
            assert!(!events.is_empty(), "round {round}: {come} of 2 bytes");
            // One read that empties the socket, as the load reads.
            let (bytes, stamp) = match connection.read() {
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                Err(error) => panic!("round {round}: {error}"),
            };
            assert!(stamp.emptied, "round {round}");
            come += bytes.len();
        }
    }
    drop(connection);
    server.join().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_come_while_a_read_ends_are_not_missed() {
    let mut pairs = JoinSet::new();
    for _ in 0..4 {
        pairs.spawn(two_writes_a_round(5_000));
    }
    pairs.join_all().await;
}
