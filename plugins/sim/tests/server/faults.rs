//! Each fault on demand.

use super::*;

#[test]
fn http_503_hits_every_second_request_and_may_say_when_to_retry() {
    let sim = Sim::fast(&["--fault", "http-503:retry_after_s=7,every=2"]);
    assert_eq!(sim.complete(&streamed(2)).status(), 200);
    let reply = sim.complete(&streamed(2));
    assert_eq!(reply.status(), 503);
    assert!(reply.head.contains("retry-after: 7\r\n"));
    assert_eq!(reply.json()["error"]["code"], 503);
    assert_eq!(sim.complete(&streamed(2)).status(), 200);
    let truth = sim.truth();
    assert_eq!(truth[1]["fault"], "http-503");
    assert_eq!(
        (&truth[0]["fault"], &truth[1]["status"]),
        (&Value::Null, &503.into())
    );
}

#[test]
fn a_cut_closes_without_an_end_marker() {
    for mode in ["fixed", "engine"] {
        let options: &[&str] = match mode {
            "fixed" => &[
                "--fixed-ttft-ms",
                "0",
                "--fixed-itl-ms",
                "0",
                "--fault",
                "cut:after=3,request=1",
            ],
            _ => &["--step-base-us", "100", "--fault", "cut:after=3,request=1"],
        };
        let sim = Sim::start(options);
        assert!(sim.complete(&streamed(5)).whole);
        let reply = sim.complete(&streamed(5));
        assert!(!reply.whole && !reply.reset, "{mode}");
        assert_eq!(reply.token_events(), 3);
        assert!(!reply.events().1);
        let record = &sim.truth_of(2)[1];
        assert_eq!(
            (&record["fault"], &record["output_tokens"]),
            (&"cut".into(), &3.into())
        );
        assert_eq!(record["aborted"], false);
    }
}

#[test]
fn a_cut_after_the_last_token_loses_only_usage_and_done() {
    let sim = Sim::fast(&["--fault", "cut:after=5"]);
    let reply = sim.complete(&streamed(5));
    let (events, done) = reply.events();
    assert_eq!((events.len(), done, reply.whole), (5, false, false));
    assert_eq!(events[4]["choices"][0]["finish_reason"], "length");
}

#[test]
fn a_reset_ends_the_connection_with_rst() {
    let sim = Sim::start(&["--step-base-us", "100", "--fault", "reset:after=2"]);
    let reply = sim.complete(&streamed(5));
    assert!(reply.reset && !reply.whole);
    assert_eq!(sim.truth_of(1)[0]["fault"], "reset");
    assert_eq!(sim.metric("kv_cache_usage_perc"), 0.0);
}

#[test]
fn an_error_in_the_stream_is_an_object_then_done() {
    let sim = Sim::fast(&["--fault", "error-in-stream:after=2"]);
    let reply = sim.complete(&streamed(5));
    let (events, done) = reply.events();
    assert!(done && reply.whole);
    assert_eq!(events.len(), 3);
    assert_eq!(events[2]["error"]["code"], 500);
    assert_eq!(sim.truth_of(1)[0]["output_tokens"], 2);
    let whole = sim.complete(r#"{"prompt":"a","max_tokens":5,"ignore_eos":true}"#);
    assert_eq!(whole.status(), 500);
}

#[test]
fn a_timed_stall_holds_the_rest_back_for_that_long() {
    for options in [
        &[
            "--step-base-us",
            "100",
            "--fault",
            "stall:after=2,for_ms=150",
        ][..],
        &[
            "--fixed-ttft-ms",
            "0",
            "--fixed-itl-ms",
            "0",
            "--fault",
            "stall:after=2,for_ms=150",
        ],
        &[
            "--fixed-ttft-ms",
            "1",
            "--fixed-itl-ms",
            "1",
            "--fault",
            "stall:after=2,for_ms=150",
        ],
    ] {
        let sim = Sim::start(options);
        let reply = sim.complete(&streamed(6));
        assert!(reply.whole && reply.events().1);
        assert_eq!(reply.token_events(), 6);
        let record = &sim.truth()[0];
        let at = |i: usize| record["token_write_ns"][i].as_u64().unwrap();
        assert!(at(2) - at(1) >= 150_000_000, "{options:?}");
        assert_eq!(record["fault"], "stall");
    }
}

#[test]
fn an_endless_stall_keeps_the_socket_open_until_the_client_leaves() {
    let sim = Sim::start(&["--step-base-us", "100", "--fault", "stall:after=0"]);
    let mut stream = sim.connect();
    stream
        .write_all(request("POST", "/v1/completions", &streamed(5), false).as_bytes())
        .unwrap();
    stream
        .set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    let mut head = [0; 4096];
    let n = stream.read(&mut head).unwrap();
    assert!(head[..n].ends_with(b"\r\n\r\n"));
    let error = stream.read(&mut head).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    drop(stream);
    let record = &sim.truth_of(1)[0];
    assert_eq!(
        (&record["aborted"], &record["fault"]),
        (&true.into(), &"stall".into())
    );
    assert_eq!(record["done_ns"], Value::Null);
}

#[test]
fn a_fault_beyond_the_answer_never_strikes() {
    let sim = Sim::fast(&["--fault", "cut:after=6"]);
    assert!(sim.complete(&streamed(5)).whole);
    assert_eq!(sim.truth()[0]["fault"], Value::Null);
}

#[test]
fn a_crash_after_two_answers_leaves_status_1_and_a_line() {
    let mut sim = Sim::fast(&["--exit-after-requests", "2"]);
    assert!(sim.complete(&streamed(3)).whole);
    assert!(sim.complete(&streamed(3)).whole);
    let (status, stderr) = sim.wait();
    assert_eq!(status.code(), Some(1));
    assert_eq!(stderr, "simulated crash\n");
}

#[test]
fn a_pause_stops_every_request_for_its_length() {
    let sim = Sim::start(&[
        "--fixed-ttft-ms",
        "0",
        "--fixed-itl-ms",
        "2",
        "--pause-every-ms",
        "200",
        "--pause-ms",
        "80",
    ]);
    sim.complete(&streamed(150));
    let record = &sim.truth()[0];
    let tokens: Vec<u64> = record["token_write_ns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t.as_u64().unwrap())
        .collect();
    let longest = tokens.windows(2).map(|w| w[1] - w[0]).max().unwrap();
    // The first token after a pause was due at most one gap (2 ms) after its start.
    assert!(longest >= 78_000_000, "{longest} ns");
}
