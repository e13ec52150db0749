use super::*;

fn error(url: &str) -> String {
    Target::parse(url).unwrap_err().to_string()
}

#[test]
fn base_urls_split_into_host_port_and_prefix() {
    for (url, host, health) in [
        (
            "http://127.0.0.1:8000/",
            "127.0.0.1:8000",
            "http://127.0.0.1:8000/health",
        ),
        ("http://host/api/v1", "host:80", "http://host:80/api/health"),
        (
            "http://[::1]:9000",
            "[::1]:9000",
            "http://[::1]:9000/health",
        ),
        (
            "unix:/run/vllm.sock",
            "localhost",
            "unix:/run/vllm.sock/health",
        ),
        (
            "unix:///run/vllm.sock",
            "localhost",
            "unix:/run/vllm.sock/health",
        ),
    ] {
        let target = Target::parse(url).unwrap();
        assert_eq!(target.host_header(), host, "{url}");
        assert_eq!(target.url("/health"), health, "{url}");
    }
}

#[test]
fn a_base_url_is_shown_as_it_was_given() {
    for url in [
        "http://far:8000",
        "http://far:80/api",
        "http://far:80/api/v1",
    ] {
        assert_eq!(Target::parse(url).unwrap().base_url(), url);
    }
}

#[test]
fn what_follows_the_path_is_refused_by_name() {
    assert_eq!(
        error("http://far/v1?key=secret"),
        "`far` has `?` and more behind its path, which would not be sent"
    );
    assert!(error("http://far/#x").starts_with("`far` has `#`"));
}

#[test]
fn what_cannot_be_sent_to_is_refused_with_the_limit() {
    assert_eq!(
        error("ftp://x"),
        "`ftp://x` has the scheme ftp, must be http, https or unix"
    );
    assert!(Target::parse("127.0.0.1:8000").is_err());
    assert_eq!(
        error("unix:run/x.sock"),
        "`unix:run/x.sock` names no socket, must be unix:/PATH/TO/SOCKET"
    );
    let words = error("http://me:secret@host:1/");
    assert!(words.contains("`host` has a user name"), "{words}");
    assert!(!words.contains("secret"), "{words}");
}

#[test]
fn a_proxy_gets_whole_urls_and_only_for_other_machines() {
    let through = |url, proxy| Target::with(url, None, true, Some(proxy));
    let target = through("http://far:8000/v1", "http://proxy:3128").unwrap();
    let request = HttpRequest {
        method: "GET".to_owned(),
        path: "/v1/models".to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
        framing: inferbench_plugin_api::Framing::Body,
    };
    let bytes = target.request_bytes(&request);
    assert!(bytes.starts_with(b"GET http://far:8000/v1/models HTTP/1.1\r\nHost: far:8000\r\n"));
    let error = through("http://localhost:8000", "http://proxy:3128").unwrap_err();
    assert_eq!(error.key(), "proxy");
    assert_eq!(
        error.to_string(),
        "`proxy` cannot be used for loopback host `localhost`"
    );
    let error = through("http://far:8000", "socks5://proxy:1080").unwrap_err();
    assert_eq!(
        (error.key(), error.to_string().as_str()),
        (
            "proxy",
            "`socks5://proxy:1080` has the scheme socks5, must be http"
        )
    );
}

#[test]
fn a_file_without_certificates_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let name = file.path().to_str().unwrap();
    let error = Target::with("https://far", Some(name), true, None).unwrap_err();
    assert_eq!(error.key(), "tls.ca_file");
    assert_eq!(
        error.to_string(),
        format!("{name}: holds no PEM certificate")
    );
    let error = Target::with("https://far", Some("/none/ca.pem"), true, None).unwrap_err();
    assert!(error.to_string().starts_with("/none/ca.pem: "), "{error}");
}

#[test]
fn a_request_is_readdressed_as_if_it_had_been_made_for_the_other_server() {
    let request = HttpRequest {
        method: "POST".to_owned(),
        path: "/v1/completions".to_owned(),
        headers: Vec::new(),
        body: b"{\"prompt\": [1]}".to_vec(),
        framing: inferbench_plugin_api::Framing::Sse,
    };
    let servers = [
        "http://10.0.0.1:8000",
        "http://a-longer-name.example.org:80/team/v1",
        "https://b",
        "unix:/run/llm.sock",
    ]
    .map(|url| Target::parse(url).unwrap());
    for from in &servers {
        for to in &servers {
            let mut bytes = from.request_bytes(&request);
            to.readdress(&mut bytes, from, (&request.method, &request.path));
            assert_eq!(bytes, to.request_bytes(&request));
        }
    }
}
