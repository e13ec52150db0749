//! A headless Chromium that is driven by chromedriver, one per test.

use std::future::Future;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{Child, Command, Stdio};

use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder};
use serde_json::{Value, json};

/// What makes a missing browser a failure.
const REQUIRED: &str = "INFERBENCH_TEST_BROWSER";

/// Whether the page may run scripts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scripts {
    On,
    Off,
}

/// One test in the browser.
pub(crate) type Body = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Opens a page in a browser of its own and runs `test` there. Where there is no
/// browser it says so, past the capture of a test's output; with
/// `INFERBENCH_TEST_BROWSER=required` it fails.
pub(crate) fn with_page(
    page: &Path,
    scripts: Scripts,
    test: impl FnOnce(Client) -> Body + Send + 'static,
) {
    let Some(driver) = found("chromedriver").filter(|_| found("chromium").is_some()) else {
        let required = std::env::var_os(REQUIRED).is_some_and(|value| value == "required");
        assert!(!required, "no chromium and chromedriver on the PATH");
        let said = "NOT RUN: no chromium and chromedriver on the PATH, the page was not opened\n";
        let _ = std::io::stderr().write_all(said.as_bytes());
        return;
    };
    let url = format!("file://{}", page.display());
    let profile = tempfile::tempdir().unwrap();
    let (mut child, port) = start(&driver);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let outcome = runtime.block_on(async {
        let client = connect(port, profile.path(), scripts).await;
        // The browser's own first page has requests that are not ours.
        client.goto("about:blank").await.unwrap();
        requests(&client).await;
        client.goto(&url).await.unwrap();
        let outcome = tokio::spawn(test(client.clone())).await;
        let closed = client.close().await;
        outcome.map(|()| closed)
    });
    let _ = child.kill();
    let _ = child.wait();
    match outcome {
        Ok(closed) => closed.unwrap(),
        Err(failure) => std::panic::resume_unwind(failure.into_panic()),
    }
}

fn found(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let files = std::env::split_paths(&path).map(|folder| folder.join(program));
    files.into_iter().find(|file| file.is_file())
}

/// The driver on a port of its own choice.
fn start(driver: &Path) -> (Child, u16) {
    let mut child = Command::new(driver)
        .arg("--port=0")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let port = lines.map_while(Result::ok).find_map(|line| {
        let (_, port) = line.split_once("started successfully on port ")?;
        port.trim_end_matches('.').parse().ok()
    });
    (child, port.expect("chromedriver tells its port"))
}

async fn connect(port: u16, profile: &Path, scripts: Scripts) -> Client {
    let arguments = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--no-first-run",
        "--window-size=1400,1000",
    ];
    let mut arguments: Vec<String> = arguments.map(str::to_owned).to_vec();
    arguments.push(format!("--user-data-dir={}", profile.display()));
    let allowed = if scripts == Scripts::On { 1 } else { 2 };
    let capabilities = json!({
        "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        "goog:chromeOptions": {
            "args": arguments,
            "prefs": {"profile.managed_default_content_settings.javascript": allowed},
        },
    });
    let capabilities: Capabilities = serde_json::from_value(capabilities).unwrap();
    ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
        .capabilities(capabilities)
        .connect(&format!("http://127.0.0.1:{port}"))
        .await
        .unwrap()
}

/// A command that chromedriver has beside those of the standard.
#[derive(Debug)]
struct Own {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Own {
    fn endpoint(
        &self,
        base: &url::Url,
        session: Option<&str>,
    ) -> Result<url::Url, url::ParseError> {
        let session = session.unwrap_or_default();
        base.join(&format!("session/{session}/{}", self.path))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.body.to_string()))
    }
}

/// What the console has said since it was last asked.
pub(crate) async fn console(client: &Client) -> Vec<String> {
    let said = log(client, "browser").await;
    said.iter()
        .map(|entry| entry["message"].to_string())
        .collect()
}

/// Addresses that the page has asked for since it was last asked, but for data
/// that an address itself holds.
pub(crate) async fn requests(client: &Client) -> Vec<String> {
    let entries = log(client, "performance").await;
    let messages = entries.iter().map(|entry| {
        let text = entry["message"].as_str().unwrap();
        serde_json::from_str::<Value>(text).unwrap()
    });
    messages
        .filter(|message| {
            let method = message["message"]["method"].as_str().unwrap_or_default();
            ["Network.requestWillBeSent", "Network.webSocketCreated"].contains(&method)
        })
        .map(|message| {
            let parameters = &message["message"]["params"];
            let url = &parameters["request"]["url"];
            url.as_str()
                .or(parameters["url"].as_str())
                .unwrap()
                .to_owned()
        })
        .filter(|url| !url.starts_with("data:") && !url.starts_with("blob:"))
        .collect()
}

async fn log(client: &Client, kind: &str) -> Vec<Value> {
    let command = Own {
        path: "se/log",
        body: json!({"type": kind}),
    };
    let entries = client.issue_cmd(command).await.unwrap();
    entries.as_array().unwrap().clone()
}

/// What a script in the page returns.
pub(crate) async fn ask(client: &Client, script: &str) -> Value {
    client
        .execute(&format!("return {script}"), Vec::new())
        .await
        .unwrap()
}
