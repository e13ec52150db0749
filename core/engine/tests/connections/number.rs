//! How many connections a load opens, and when each is open.

use super::*;

fn resent(ran: &Ran) -> usize {
    ran.records.iter().filter(|record| record.resent).count()
}

#[test]
fn a_server_that_closed_once_gets_new_connections_from_then_on() {
    // Each connection answers one request and closes when the next one comes.
    let server = TestServer::start(|peer| {
        peer.request();
        peer.write(good_answer());
        peer.request();
    });
    let target = server.target();
    let ran = run_load(&target, json!({"concurrency": [1], "requests": 12}));
    all_ok(&ran);
    assert_eq!(resent(&ran), 1, "the second one alone");
    assert!(ran.records.iter().all(|r| r.connect_ms.is_some()));
    assert_eq!(server.accepted(), 12);
    // Later cells know it from their first request on.
    let ran = run_load(&target, json!({"request_rate": [100], "requests": 10}));
    all_ok(&ran);
    assert_eq!((resent(&ran), server.accepted()), (0, 22));
}

#[test]
fn a_server_that_closes_a_moment_after_each_answer_fails_no_request() {
    for load in [
        json!({"concurrency": [2], "requests": 60}),
        json!({"request_rate": [200], "requests": 60}),
    ] {
        let server = TestServer::start(|peer| {
            if let Some(request) = peer.request() {
                wait_until(request.read_ns + 2 * MS_NS);
                peer.write(good_answer());
                wait_until(clock::now_ns() + 150_000);
            }
        });
        let ran = run_load(&server.target(), load);
        all_ok(&ran);
        assert_eq!(ran.records.len(), 60);
    }
}

/// Answers after `ms`.
fn after_ms(peer: &mut Peer, ms: u64) -> bool {
    match peer.request() {
        Some(request) => {
            wait_until(request.read_ns + ms * MS_NS);
            peer.write(good_answer())
        }
        None => false,
    }
}

#[test]
fn an_open_loop_opens_no_more_connections_than_rate_and_latency_call_for() {
    let unused = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&unused);
    let server = TestServer::start(move |peer| {
        let mut answers = 0;
        while after_ms(peer, 5) {
            answers += 1;
        }
        count.fetch_add(usize::from(answers == 0), Ordering::SeqCst);
    });
    let load = json!({"request_rate": [20], "arrivals": "constant", "requests": 30});
    let ran = run_load(&server.target(), load);
    all_ok(&ran);
    // One is in use at a time, and the next send takes its own 20 ms ahead.
    let most = ran.outcome.unwrap().connections_open_max.unwrap();
    let accepted = server.accepted() as u64;
    assert!((1..=4).contains(&most) && most <= accepted, "{most}");
    assert!(unused.load(Ordering::SeqCst) <= 1, "opened for nothing");
}

#[test]
fn an_infinite_rate_opens_one_connection_for_each_request_before_the_clock() {
    let server = TestServer::start(|peer| while after_ms(peer, 600) {});
    let load = json!({"request_rate": ["inf"], "requests": 50});
    let ran = run_load(&server.target(), load);
    all_ok(&ran);
    assert_eq!(server.accepted(), 50);
    assert_eq!(ran.outcome.unwrap().connections_open_max, Some(50));
    assert!(ran.records.iter().all(|r| r.connect_ms.is_some()));
}

/// A server with few threads, each of which serves one connection until it closes
/// or was idle for five seconds.
fn with_threads(threads: usize, answer_ms: u64) -> TestServer {
    let places = Arc::new((Mutex::new(threads), Condvar::new()));
    TestServer::start(move |peer| {
        let (free, changed) = &*places;
        let mut free_now = free.lock().unwrap();
        while *free_now == 0 {
            free_now = changed.wait(free_now).unwrap();
        }
        *free_now -= 1;
        drop(free_now);
        let idle = Some(Duration::from_secs(5));
        peer.stream.set_read_timeout(idle).unwrap();
        while after_ms(peer, answer_ms) {}
        *free.lock().unwrap() += 1;
        changed.notify_one();
    })
}

#[test]
fn a_server_with_a_thread_for_each_connection_is_not_starved_by_an_open_loop() {
    let server = with_threads(4, 10);
    let target = server.target();
    // A tenfold rate, and the first one again.
    for rate in [4, 40, 4] {
        let load = json!({"request_rate": [rate], "arrivals": "constant", "requests": 12});
        let ran = run_load(&target, load);
        all_ok(&ran);
        let longest = ran
            .records
            .iter()
            .filter_map(|r| r.ttft_ms)
            .fold(0.0, f64::max);
        assert!(longest < 2_000.0, "{longest} ms at {rate} requests/s");
    }
}

#[test]
fn a_request_does_not_wait_for_a_thread_that_a_free_connection_holds() {
    // Two requests at once need a second connection, for which there is a thread
    // only when the first one closes.
    for (threads, rate) in [(1, 5), (2, 12)] {
        let server = with_threads(threads, 40);
        let load = json!({"request_rate": [rate], "requests": 40});
        let ran = run_load(&server.target(), load);
        all_ok(&ran);
        let longest = ran.records.iter().filter_map(|r| r.ttft_ms);
        let longest = longest.fold(0.0, f64::max);
        assert!(longest < 2_000.0, "{longest} ms with {threads} threads");
    }
}

#[test]
fn a_limit_on_connections_is_not_reached_by_idle_ones() {
    let open = Arc::new(AtomicUsize::new(0));
    let server = TestServer::start(move |peer| {
        let now = open.fetch_add(1, Ordering::SeqCst) + 1;
        while let Some(request) = peer.request() {
            wait_until(request.read_ns + 3 * MS_NS);
            peer.write(match now > 32 {
                true => answer("503 Service Unavailable", "text/plain", "", "too many"),
                false => good_answer(),
            });
        }
        open.fetch_sub(1, Ordering::SeqCst);
    });
    let ran = run_load(
        &server.target(),
        json!({"request_rate": [100], "requests": 300}),
    );
    all_ok(&ran);
}

#[test]
fn a_connection_that_no_send_needs_is_closed_long_before_the_server_would() {
    let (sender, idle) = mpsc::channel();
    let server = TestServer::start(move |peer| {
        while after_ms(peer, 1) {
            let answered = Instant::now();
            let mut byte = [0];
            if peer.stream.peek(&mut byte).unwrap() == 0 {
                sender.send(answered.elapsed()).unwrap();
            }
        }
    });
    let load = json!({"request_rate": [0.5], "arrivals": "constant", "requests": 2});
    let ran = run_load(&server.target(), load);
    all_ok(&ran);
    // The gap is two seconds.
    assert!(idle.recv().unwrap() < Duration::from_millis(1_700));
    assert_eq!(server.accepted(), 2);
}

#[test]
fn bursts_find_their_connections_open() {
    let server = TestServer::start(|peer| while after_ms(peer, 20) {});
    let load = json!({
        "request_rate": [50], "arrivals": "gamma", "burstiness": 0.1, "requests": 150
    });
    let ran = run_load(&server.target(), load);
    all_ok(&ran);
    let most = ran.outcome.unwrap().connections_open_max.unwrap();
    assert!(most <= 150, "{most}");
}
