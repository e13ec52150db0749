//! A small system has no certificates of any authority, and needs none without TLS.

use std::fs;

use crate::common::said;
use crate::two_requests;

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
