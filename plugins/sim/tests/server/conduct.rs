//! Connections, loading and stopping.

use super::*;

#[test]
fn it_listens_on_one_loopback_address_alone() {
    let sim = Sim::fast(&[]);
    let port = sim.address.rsplit(':').next().unwrap();
    assert!(std::net::TcpStream::connect(format!("127.0.0.1:{port}")).is_ok());
    // Every address of 127.0.0.0/8 is this machine: a server on all addresses
    // would answer here too.
    assert!(std::net::TcpStream::connect(format!("127.0.0.2:{port}")).is_err());
}

#[test]
fn while_loading_everything_is_503_and_then_health_is_200() {
    let sim = Sim::fast(&["--load-seconds", "0.4"]);
    let start = Instant::now();
    assert_eq!(sim.ask("GET", "/health", "").status(), 503);
    assert_eq!(sim.complete(&streamed(1)).status(), 503);
    while sim.ask("GET", "/health", "").status() != 200 {
        assert!(start.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(sim.complete(&streamed(1)).status(), 200);
}

#[test]
fn sigterm_and_sigint_end_it_with_status_0_and_the_truth_file() {
    let folder = std::env::temp_dir().join(format!("inferbench-sim-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let path = folder.join("truth.jsonl");
        let mut sim = Sim::fast(&["--truth-file", path.to_str().unwrap()]);
        sim.complete(&streamed(3));
        sim.signal(signal);
        assert_eq!(sim.wait().0.code(), Some(0));
        let text = std::fs::read_to_string(&path).unwrap();
        let record: Value = serde_json::from_str(text.trim()).unwrap();
        assert_eq!(record["output_tokens"], 3);
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn sigterm_can_be_ignored() {
    let sim = Sim::fast(&["--ignore-sigterm"]);
    sim.signal(Signal::SIGTERM);
    assert_eq!(sim.ask("GET", "/health", "").status(), 200);
}

#[test]
fn a_port_in_use_is_an_error_with_the_address() {
    let sim = Sim::fast(&[]);
    let port = sim.address.rsplit(':').next().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_inferbench-sim"))
        .args(["--port", port])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        text.starts_with(&format!("error: cannot listen on 127.0.0.1:{port}: ")),
        "{text}"
    );
}

#[test]
fn a_connection_serves_pipelined_requests_in_order() {
    let sim = Sim::start(&["--step-base-us", "100"]);
    let mut stream = sim.connect();
    let first = request("POST", "/v1/completions", &streamed(4), false);
    let second = request("GET", "/health", "", false);
    let third = request("POST", "/v1/completions", &streamed(2), true);
    stream
        .write_all(format!("{first}{second}{third}").as_bytes())
        .unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let answers: Vec<&str> = text.split("HTTP/1.1 200 OK\r\n").skip(1).collect();
    assert_eq!(answers.len(), 3);
    assert_eq!(answers[0].matches("\"text\"").count(), 4);
    assert!(answers[1].contains("content-length: 0"));
    assert_eq!(answers[2].matches("\"text\"").count(), 2);
}

#[test]
fn a_chunked_body_sent_after_continue_is_answered() {
    let sim = Sim::fast(&[]);
    let mut stream = sim.connect();
    stream
        .write_all(b"POST /v1/completions HTTP/1.1\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut interim = [0; 1024];
    let n = stream.read(&mut interim).unwrap();
    assert!(interim[..n].starts_with(b"HTTP/1.1 100 Continue\r\n"));
    let body = streamed(3);
    let (a, b) = body.split_at(10);
    stream
        .write_all(format!("{:x}\r\n{a}\r\n", a.len()).as_bytes())
        .unwrap();
    stream
        .write_all(format!("{:x}\r\n{b}\r\n0\r\n\r\n", b.len()).as_bytes())
        .unwrap();
    assert_eq!(Reply::read(&mut stream).token_events(), 3);
}

#[test]
fn http_1_0_gets_a_bare_stream_that_ends_with_the_connection() {
    let sim = Sim::fast(&[]);
    let mut stream = sim.connect();
    let text =
        request("POST", "/v1/completions", &streamed(3), false).replace("HTTP/1.1", "HTTP/1.0");
    stream.write_all(text.as_bytes()).unwrap();
    let reply = Reply::read(&mut stream);
    assert!(!reply.head.contains("chunked"));
    assert_eq!(reply.token_events(), 3);
}

#[test]
fn garbage_is_answered_400_and_the_server_lives() {
    let sim = Sim::fast(&[]);
    let mut stream = sim.connect();
    stream.write_all(b"\x16\x03\x01\x02 hello\r\n\r\n").unwrap();
    assert_eq!(Reply::read(&mut stream).status(), 400);
    assert_eq!(sim.ask("GET", "/health", "").status(), 200);
}

#[test]
fn a_client_that_does_not_read_delays_no_other_and_loses_nothing() {
    for options in [
        &["--fixed-ttft-ms", "0", "--fixed-itl-ms", "0"][..],
        &["--step-base-us", "0"],
    ] {
        let limits = ["--max-model-len", "60000"];
        let sim = Sim::start(&[options, &limits].concat());
        let mut slow = sim.connect();
        // 50,000 events of about 250 bytes: more than loopback socket buffers hold.
        slow.write_all(request("POST", "/v1/completions", &streamed(50_000), true).as_bytes())
            .unwrap();
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(sim.complete(&streamed(50)).token_events(), 50);
        let reply = Reply::read(&mut slow);
        assert!(reply.whole);
        assert_eq!(reply.token_events(), 50_000);
        let record = sim.truth_of(2).pop().unwrap();
        assert_eq!(record["token_write_ns"].as_array().unwrap().len(), 50_000);
    }
}

#[test]
fn a_client_that_leaves_frees_its_sequence() {
    let sim = Sim::start(&["--step-base-us", "2000"]);
    let mut stream = sim.connect();
    stream
        .write_all(request("POST", "/v1/completions", &streamed(5000), false).as_bytes())
        .unwrap();
    let mut some = [0; 4096];
    while !String::from_utf8_lossy(&some).contains("\"text\"") {
        assert!(stream.read(&mut some).unwrap() > 0);
    }
    assert_eq!(sim.metric("num_requests_running"), 1.0);
    stream.shutdown(Shutdown::Both).unwrap();
    let record = &sim.truth_of(1)[0];
    assert_eq!(record["aborted"], true);
    assert!(record["output_tokens"].as_u64().unwrap() >= 1);
    assert_eq!(sim.metric("num_requests_running"), 0.0);
    assert_eq!(sim.metric("kv_cache_usage_perc"), 0.0);
}

#[test]
fn sequential_serving_overlaps_no_two_answers() {
    let sim = Sim::start(&["--scheduler", "sequential", "--step-base-us", "1000"]);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| assert!(sim.complete(&streamed(5)).whole));
        }
    });
    let mut spans: Vec<(u64, u64)> = sim
        .truth_of(3)
        .iter()
        .map(|r| {
            (
                r["first_write_ns"].as_u64().unwrap(),
                r["last_write_ns"].as_u64().unwrap(),
            )
        })
        .collect();
    spans.sort_unstable();
    assert!(spans.windows(2).all(|w| w[0].1 < w[1].0), "{spans:?}");
}
