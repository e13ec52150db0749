//! A headless Chromium that is driven by chromedriver, one per test.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use fantoccini::actions::{InputSource, MOUSE_BUTTON_LEFT, MouseActions, PointerAction};
use fantoccini::elements::Element;
use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::{Value, json};

/// How the browser is started: without a screen, asking nothing by itself.
const ARGUMENTS: [&str; 6] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--window-size=1400,1000",
];

/// What makes a missing browser a failure.
const REQUIRED: &str = "INFERBENCH_TEST_BROWSER";

/// Whether the page may run scripts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scripts {
    On,
    Off,
}

/// Opens a page in a browser of its own and runs `test` there. Where there is no
/// browser it says so, past the capture of a test's output; with
/// `INFERBENCH_TEST_BROWSER=required` it fails.
pub(crate) fn with_page<T>(page: &Path, scripts: Scripts, test: impl FnOnce(Page) -> T)
where
    T: Future<Output = ()>,
{
    let Some(driver) = found("chromedriver").filter(|_| found("chromium").is_some()) else {
        let required = std::env::var_os(REQUIRED).is_some_and(|value| value == "required");
        assert!(!required, "no chromium and chromedriver on the PATH");
        let said = "NOT RUN: no chromium and chromedriver on the PATH, the page was not opened\n";
        let _ = std::io::stderr().write_all(said.as_bytes());
        return;
    };
    let url = format!("file://{}", page.display());
    let driver = Driver::start(&driver);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let page = Page(driver.connect(scripts).await);
        // The browser's own first page has requests that are not ours.
        page.0.goto("about:blank").await.unwrap();
        page.requests().await;
        page.0.goto(&url).await.unwrap();
        test(Page(page.0.clone())).await;
        page.0.close().await.unwrap();
    });
}

fn found(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let files = std::env::split_paths(&path).map(|folder| folder.join(program));
    files.into_iter().find(|file| file.is_file())
}

/// A driver with a profile of its own; both and the browser go with it.
struct Driver {
    child: Child,
    port: u16,
    profile: tempfile::TempDir,
}

impl Driver {
    /// On a port of its own choice.
    fn start(program: &Path) -> Self {
        let mut child = Command::new(program)
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines.map_while(Result::ok).find_map(|line| {
            let (_, port) = line.split_once("started successfully on port ")?;
            port.trim_end_matches('.').parse().ok()
        });
        Self {
            child,
            port: port.expect("chromedriver prints its port"),
            profile: tempfile::tempdir().unwrap(),
        }
    }

    async fn connect(&self, scripts: Scripts) -> Client {
        let mut arguments = vec![format!("--user-data-dir={}", self.profile.path().display())];
        arguments.extend(ARGUMENTS.map(str::to_owned));
        let allowed = if scripts == Scripts::On { 1 } else { 2 };
        let capabilities = json!({
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
            "goog:chromeOptions": {
                "args": arguments,
                "prefs": {"profile.managed_default_content_settings.javascript": allowed},
            },
        });
        let capabilities: Capabilities = serde_json::from_value(capabilities).unwrap();
        ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{}", self.port))
            .await
            .unwrap()
    }
}

impl Drop for Driver {
    /// The browser is in the driver's process group.
    fn drop(&mut self) {
        let _ = killpg(Pid::from_raw(self.child.id() as i32), Signal::SIGKILL);
        let _ = self.child.wait();
    }
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

/// The page that is open.
pub(crate) struct Page(Client);

impl Page {
    /// What a script in the page returns.
    pub(crate) async fn ask(&self, script: &str) -> Value {
        let script = format!("return {script}");
        self.0.execute(&script, Vec::new()).await.unwrap()
    }

    pub(crate) async fn number(&self, script: &str) -> f64 {
        self.ask(script).await.as_f64().unwrap()
    }

    /// What a promise in the page comes to.
    pub(crate) async fn wait_for(&self, promise: &str) -> Value {
        let script = format!("const done = arguments[0]; ({promise}).then(done)");
        self.0.execute_async(&script, Vec::new()).await.unwrap()
    }

    /// Waits until the charts are drawn.
    pub(crate) async fn is_drawn(&self) {
        let drawn = Locator::Css("html[data-drawn]");
        self.0.wait().for_element(drawn).await.unwrap();
    }

    pub(crate) async fn text(&self, css: &str) -> String {
        self.element(css).await.text().await.unwrap()
    }

    pub(crate) async fn click(&self, css: &str) {
        self.element(css).await.click().await.unwrap();
    }

    /// Types a key on an element, as one does who has no mouse.
    pub(crate) async fn press(&self, css: &str, key: &str) {
        self.element(css).await.send_keys(key).await.unwrap();
    }

    pub(crate) async fn choose(&self, css: &str, value: &str) {
        let element = self.element(css).await;
        element.select_by_value(value).await.unwrap();
    }

    /// Drags across the left third of an element, from its middle height down.
    pub(crate) async fn drag(&self, css: &str) {
        let element = self.element(css).await;
        let (_, _, width, height) = element.rectangle().await.unwrap();
        let at = |x: f64, y: f64| PointerAction::MoveToElement {
            element: element.clone(),
            duration: None,
            x: x * width,
            y: y * height,
        };
        let button = MOUSE_BUTTON_LEFT;
        let actions = MouseActions::new("mouse".to_owned())
            .then(at(-0.45, -0.2))
            .then(PointerAction::Down { button })
            .then(at(-0.2, 0.3))
            .then(at(-0.15, 0.4))
            .then(PointerAction::Up { button });
        self.0.perform_actions(actions).await.unwrap();
    }

    /// How many of the elements can be seen.
    pub(crate) async fn visible(&self, css: &str) -> usize {
        let mut seen = 0;
        for element in self.0.find_all(Locator::Css(css)).await.unwrap() {
            seen += usize::from(element.is_displayed().await.unwrap());
        }
        seen
    }

    async fn element(&self, css: &str) -> Element {
        self.0.find(Locator::Css(css)).await.unwrap()
    }

    /// What the console has said since it was last asked.
    pub(crate) async fn console(&self) -> Vec<String> {
        let said = self.log("browser").await;
        let texts = said.iter().map(|entry| entry["message"].to_string());
        texts.collect()
    }

    /// Addresses that the page has asked for since it was last asked, but for
    /// data that an address itself holds.
    pub(crate) async fn requests(&self) -> Vec<String> {
        let entries = self.log("performance").await;
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
                let url = parameters["request"]["url"].as_str();
                url.or(parameters["url"].as_str()).unwrap().to_owned()
            })
            .filter(|url| !url.starts_with("data:") && !url.starts_with("blob:"))
            .collect()
    }

    async fn log(&self, kind: &str) -> Vec<Value> {
        let command = Own {
            path: "se/log",
            body: json!({"type": kind}),
        };
        let entries = self.0.issue_cmd(command).await.unwrap();
        entries.as_array().unwrap().clone()
    }
}
