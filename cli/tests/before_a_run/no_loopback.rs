//! A machine that cannot reach itself, as in a network namespace whose loopback interface
//! is down: no server there will ever be ready, which is said at once.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::common::place::Place;
use crate::common::{Said, json_file, preload, said};
use crate::two_requests;

/// What the kernel answers where the interface is down.
const DOWN: &str = r#"
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <sys/socket.h>
int connect(int fd, const struct sockaddr *to, socklen_t length) {
    int (*real)(int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "connect");
    const struct sockaddr_in *four = (const struct sockaddr_in *)to;
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)to;
    if (to->sa_family == AF_INET && ntohl(four->sin_addr.s_addr) >> 24 == 127) {
        errno = ENETUNREACH;
        return -1;
    }
    if (to->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&six->sin6_addr)) {
        errno = EADDRNOTAVAIL;
        return -1;
    }
    return real(fd, to, length);
}
"#;
const WORDS: &str = "this machine cannot reach its own address";

/// A run that would wait for ten minutes.
fn place(backend: &str) -> Place {
    two_requests(&format!("ready_timeout: 10m, {backend}"))
}

/// What the backends of the tests are: launched, attached by number and by name.
const BACKENDS: [&str; 4] = [
    "options: { fixed_ttft_ms: 1, fixed_itl_ms: 1 }",
    "attach: \"http://127.0.0.1:9\"",
    "attach: \"http://[::1]:9\"",
    "attach: \"http://localhost:9\"",
];

fn is_said_at_once(backend: &str, run: impl FnOnce(&Place) -> Said) {
    let place = place(backend);
    let began = Instant::now();
    let ran = run(&place);
    assert_eq!(ran.code, Some(3), "{backend}: {}", ran.err);
    let took = began.elapsed();
    assert!(took < Duration::from_secs(60), "{backend}: {took:?}");
    assert!(ran.err.contains(WORDS), "{backend}: {}", ran.err);
    let failure = &json_file(&place.folder().join("run.json"))["stages"][0]["failure"];
    assert!(
        failure.as_str().unwrap().contains(WORDS),
        "{backend}: {failure}"
    );
    place.assert_nothing_is_left();
}

#[test]
fn a_machine_that_cannot_reach_itself_is_told_so_and_no_server_is_waited_for() {
    for backend in BACKENDS {
        is_said_at_once(backend, |place| {
            let library = preload::built(&place.path("."), DOWN);
            said(place.run().env("LD_PRELOAD", library))
        });
    }
}

#[test]
fn a_server_that_does_not_listen_yet_is_not_taken_for_one_that_cannot_be_reached() {
    let place = place("attach: \"http://127.0.0.1:9\"");
    let config = fs::read_to_string(place.path("bench.yaml")).unwrap();
    fs::write(
        place.path("bench.yaml"),
        config.replace("ready_timeout: 10m", "ready_timeout: 2s"),
    )
    .unwrap();
    let ran = said(&mut place.run());
    assert_eq!(ran.code, Some(3), "{}", ran.err);
    assert!(!ran.err.contains(WORDS), "{}", ran.err);
    assert!(ran.err.contains("Connection refused"), "{}", ran.err);
}

#[test]
#[ignore = "needs unshare and a kernel that allows user namespaces"]
fn a_new_network_namespace_cannot_reach_itself() {
    for backend in BACKENDS {
        is_said_at_once(backend, |place| {
            let run = place.run();
            let mut unshare = Command::new("unshare");
            unshare.args(["--map-root-user", "--net"]);
            unshare.arg(run.get_program()).args(run.get_args());
            said(unshare.env("XDG_STATE_HOME", place.path("state")))
        });
    }
}
