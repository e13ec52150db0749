//! A small system has no certificates of any authority, and needs none without TLS.

use std::fs;

use crate::common::said;
use crate::two_requests;

#[test]
fn with_tls_it_is_said_that_there_are_none_and_where_to_name_one() {
    let place = two_requests("attach: \"https://127.0.0.1:9\"");
    let mut run = place.run();
    run.env("SSL_CERT_FILE", place.path("none.pem"));
    run.env("SSL_CERT_DIR", place.path("none"));
    let ran = said(&mut run);
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    let words = "`backends[0].attach` is wrong: https needs certificates of authorities, and this system has none";
    assert!(ran.err.contains(words), "{}", ran.err);
    assert!(ran.err.contains("tls.ca_file"), "{}", ran.err);
}

#[test]
fn a_system_without_certificates_measures_a_server_without_tls() {
    let place = two_requests("ready_timeout: 20s");
    let empty = tempfile::tempdir().unwrap();
    let certificates = empty.path().join("certificates.pem");
    fs::write(&certificates, "").unwrap();
    let mut run = place.run();
    run.env("SSL_CERT_FILE", certificates);
    run.env("SSL_CERT_DIR", empty.path());
    let ran = said(&mut run);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.out.contains("2 / 0"), "{}", ran.out);
}
