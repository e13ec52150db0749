//! A simulated server to attach to.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A simulated server, ended with this.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
}

impl Server {
    /// The simulator's own program.
    pub(crate) fn program() -> PathBuf {
        super::program().with_file_name("inferbench-sim")
    }

    pub(crate) fn start() -> Self {
        Self::start_with(&["--fixed-ttft-ms", "5", "--fixed-itl-ms", "1"])
    }

    /// `options`: how it answers.
    pub(crate) fn start_with(options: &[&str]) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let number = port.local_addr().unwrap().port();
        drop(port);
        let child = Command::new(Self::program())
            .args(options)
            .arg("--port")
            .arg(number.to_string())
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        while std::net::TcpStream::connect(("127.0.0.1", number)).is_err() {
            std::thread::yield_now();
        }
        let url = format!("http://127.0.0.1:{number}");
        Self { child, url }
    }
}

impl Server {
    /// Ends it as a machine that fails does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
