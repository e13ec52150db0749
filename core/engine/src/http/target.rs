//! Where requests go: a base URL, split once, and the route to its server.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use inferbench_model::config::BackendConfig;
use inferbench_plugin_api::HttpRequest;
use thiserror::Error;
use url::Url;

use super::address::{HostPort, Resolver, is_no_such_name};
use super::known::Known;
use super::tls::{Tls, TrustError};

/// A URL that requests cannot be sent to, or a route that does not exist.
#[derive(Debug, Error)]
pub enum TargetError {
    /// It is no URL.
    #[error("`{url}` is no URL: {reason}")]
    NotUrl {
        /// What was given.
        url: String,
        reason: String,
    },
    #[error("`{url}` has the scheme {scheme}, must be {allowed}")]
    Scheme {
        /// What was given.
        url: String,
        scheme: String,
        /// Schemes that there are.
        allowed: &'static str,
    },
    /// A user name or password in it.
    #[error("`{host}` has a user name or password before it, which are not sent")]
    Credentials {
        /// Host of the URL.
        host: String,
    },
    /// Something after the path.
    #[error("`{host}` has `{mark}` and more behind its path, which would not be sent")]
    BehindPath {
        /// Host of the URL.
        host: String,
        /// What it begins with.
        mark: char,
    },
    /// A path that cannot be a socket's.
    #[error("`{url}` names no socket, must be unix:/PATH/TO/SOCKET")]
    NoSocket {
        /// What was given.
        url: String,
    },
    /// TLS cannot be set up.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// A proxy for this machine.
    #[error("`proxy` cannot be used for loopback host `{host}`")]
    ProxyForLoopback {
        /// Host of the server.
        host: String,
    },
    /// The proxy's own URL.
    #[error(transparent)]
    Proxy(Box<TargetError>),
}

impl TargetError {
    /// Key of the backend's config that is wrong.
    #[must_use]
    pub fn key(&self) -> &'static str {
        match self {
            Self::Trust(TrustError::CaFile { .. }) => "tls.ca_file",
            Self::ProxyForLoopback { .. } | Self::Proxy(_) => "proxy",
            _ => "attach",
        }
    }
}

/// How a server is reached.
#[derive(Debug, Clone)]
pub(super) enum Way {
    Tcp {
        server: Arc<HostPort>,
        tls: Option<Tls>,
        proxy: Option<Arc<HostPort>>,
    },
    /// Over a Unix-domain socket.
    Unix(PathBuf),
}

/// A server, the way to it, and the path that comes before every request's own.
#[derive(Debug, Clone)]
pub struct Target {
    pub(super) way: Way,
    /// Path prefix without trailing slash; empty if none.
    prefix: String,
    /// End of the base URL that the plugins' own paths begin with; empty if none.
    version: &'static str,
    /// What is learned of its connections; all clones learn together.
    pub(super) known: Arc<Known>,
}

/// What base URLs of OpenAI's API end with, and its paths begin with.
const VERSION: &str = "/v1";

impl Target {
    /// A server of plain HTTP on this host and port.
    #[must_use]
    pub fn http(host: &str, port: u16) -> Self {
        Self {
            way: Way::Tcp {
                server: Arc::new(HostPort::new(host, port)),
                tls: None,
                proxy: None,
            },
            prefix: String::new(),
            version: "",
            known: Arc::default(),
        }
    }

    /// Splits a base URL such as `http://127.0.0.1:8000`, `https://HOST` (with
    /// the system's trust) or `unix:/PATH`. A path comes before every request's
    /// own; a `/v1` at its end is that which the plugins' paths begin with.
    ///
    /// # Errors
    /// See [`TargetError`].
    pub fn parse(url: &str) -> Result<Self, TargetError> {
        Self::with(url, None, true, None)
    }

    /// The servers that a backend of the config attaches to, with its `tls` and
    /// `proxy`; none if it is launched. Environment variables never count.
    ///
    /// # Errors
    /// See [`TargetError`], whose `key` says which key is wrong.
    pub fn attached(backend: &BackendConfig) -> Result<Vec<Self>, TargetError> {
        let ca_file = backend.tls.ca_file.as_deref();
        let (verify, proxy) = (backend.tls.verify, backend.proxy.as_deref());
        let urls = backend.attached_urls().iter();
        urls.map(|url| Self::with(url, ca_file, verify, proxy))
            .collect()
    }

    fn with(
        url: &str,
        ca_file: Option<&str>,
        verify: bool,
        proxy: Option<&str>,
    ) -> Result<Self, TargetError> {
        if let Some(path) = url.strip_prefix("unix:") {
            return Self::unix(url, path);
        }
        let (parsed, server) = host_port(url, &["http", "https"], "http, https or unix")?;
        let tls = (parsed.scheme() == "https")
            .then(|| Tls::new(&server.host, ca_file.map(str::as_ref), verify))
            .transpose()?;
        let proxy = proxy.map(|proxy| proxy_for(&server, proxy)).transpose()?;
        let path = parsed.path().trim_end_matches('/');
        let (prefix, version) = match path.strip_suffix(VERSION) {
            Some(prefix) => (prefix, VERSION),
            None => (path, ""),
        };
        Ok(Self {
            prefix: prefix.to_owned(),
            version,
            known: Arc::default(),
            way: Way::Tcp {
                server: Arc::new(server),
                tls,
                proxy,
            },
        })
    }

    fn unix(url: &str, path: &str) -> Result<Self, TargetError> {
        let path = path.strip_prefix("//").unwrap_or(path);
        if !path.starts_with('/') || path.len() < 2 {
            return Err(TargetError::NoSocket {
                url: url.to_owned(),
            });
        }
        Ok(Self {
            way: Way::Unix(path.into()),
            prefix: String::new(),
            version: "",
            known: Arc::default(),
        })
    }

    /// Value of the Host header.
    #[must_use]
    pub fn host_header(&self) -> String {
        match &self.way {
            Way::Tcp { server, .. } => server.text(),
            Way::Unix(_) => "localhost".to_owned(),
        }
    }

    /// The server in words: host and port, or the socket's path.
    #[must_use]
    pub fn address_text(&self) -> String {
        match &self.way {
            Way::Tcp { server, .. } => server.text(),
            Way::Unix(path) => path.display().to_string(),
        }
    }

    /// URL of a path of the server.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        match &self.way {
            Way::Tcp { server, tls, .. } => {
                let scheme = if tls.is_some() { "https" } else { "http" };
                format!("{scheme}://{}{}{path}", server.text(), self.prefix)
            }
            Way::Unix(socket) => format!("unix:{}{path}", socket.display()),
        }
    }

    /// The base URL as it was given, without a trailing slash.
    #[must_use]
    pub fn base_url(&self) -> String {
        self.url(self.version)
    }

    /// Host of the server, or of the proxy before it, if the resolver says that
    /// there is no such name. A resolver that cannot be asked says nothing.
    pub(crate) async fn unknown_host(&self) -> Option<&str> {
        let Way::Tcp { server, proxy, .. } = &self.way else {
            return None;
        };
        let asked = proxy.as_ref().unwrap_or(server);
        let error = asked.addresses().await.err()?;
        is_no_such_name(&error).then_some(asked.host.as_str())
    }

    /// Whether any certificate of the server is taken.
    #[must_use]
    pub fn is_unverified(&self) -> bool {
        matches!(&self.way, Way::Tcp { tls: Some(tls), .. } if !tls.verified)
    }

    /// Whether the server has kept its connections so far as it said it would. If
    /// not, each request gets one of its own.
    #[must_use]
    pub fn keeps_connections(&self) -> bool {
        !self.known.closes_unannounced()
    }

    /// The server has closed a connection that it had said to keep.
    pub(crate) fn note_unannounced_close(&self) {
        self.known.note_unannounced_close();
    }

    /// Counts the most connections that are open at once from now on.
    pub(crate) fn count_connections_anew(&self) {
        self.known.count_anew();
    }

    /// The most connections that were open at once since they were counted anew.
    pub(crate) fn most_connections(&self) -> u64 {
        self.known.most_open()
    }

    /// URL of a path of the server for [`Self::control_client`], which finds a
    /// socket by itself.
    pub(crate) fn control_url(&self, path: &str) -> String {
        match &self.way {
            Way::Tcp { .. } => self.url(path),
            Way::Unix(_) => format!("http://localhost{path}"),
        }
    }

    /// A client of the control plane that reaches the server the same way: with
    /// the same trust, proxy or socket, and no setting of the environment's.
    pub(crate) fn control_client(&self, limit: Duration) -> reqwest::Result<reqwest::Client> {
        // One provider serves the whole process; that it is there already is fine.
        drop(rustls::crypto::ring::default_provider().install_default());
        let builder = reqwest::Client::builder()
            .no_proxy()
            .dns_resolver(Resolver)
            .timeout(limit)
            // Servers close idle connections when they like: a fresh one each time.
            .pool_max_idle_per_host(0)
            // Without TLS no certificate is needed, and a small system may have none.
            .tls_certs_only([])
            .redirect(reqwest::redirect::Policy::none());
        let builder = match &self.way {
            Way::Unix(path) => builder.unix_socket(path.as_path()),
            Way::Tcp { tls, proxy, .. } => {
                let builder = match tls {
                    Some(tls) => builder.tls_backend_preconfigured(tls.config()),
                    None => builder,
                };
                match proxy {
                    Some(proxy) => {
                        let url = format!("http://{}", proxy.text());
                        builder.proxy(reqwest::Proxy::all(url)?)
                    }
                    None => builder,
                }
            }
        };
        builder.build()
    }

    /// The beginning of a request to this server: what of its head names the server.
    fn address_lines(&self, method: &str, path: &str) -> String {
        let place = match &self.way {
            // A proxy of plain HTTP takes whole URLs (RFC 9112, section 3.2.2).
            Way::Tcp {
                proxy: Some(_),
                tls: None,
                ..
            } => self.url(path),
            _ => format!("{}{path}", self.prefix),
        };
        format!(
            "{method} {place} HTTP/1.1\r\nHost: {}\r\n",
            self.host_header()
        )
    }

    /// Turns a request to `other` into one to this server. `line`: its method and path.
    pub(crate) fn readdress(&self, bytes: &mut Vec<u8>, other: &Self, line: (&str, &str)) {
        let (method, path) = line;
        let was = other.address_lines(method, path).len();
        let is = self.address_lines(method, path);
        bytes.splice(..was.min(bytes.len()), is.into_bytes());
    }

    /// Head and body of `request` to this server.
    #[must_use]
    pub fn request_bytes(&self, request: &HttpRequest) -> Vec<u8> {
        let mut head = self.address_lines(&request.method, &request.path);
        head.push_str(&format!(
            "Accept-Encoding: identity\r\nUser-Agent: inferbench/{}\r\nContent-Length: {}\r\n",
            env!("CARGO_PKG_VERSION"),
            request.body.len(),
        ));
        for (name, value) in &request.headers {
            let clean = |text: &str| text.replace(['\r', '\n'], " ");
            head.push_str(&format!("{}: {}\r\n", clean(name), clean(value)));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&request.body);
        bytes
    }
}

fn host_port(
    url: &str,
    schemes: &[&str],
    allowed: &'static str,
) -> Result<(Url, HostPort), TargetError> {
    let not_url = |reason: String| TargetError::NotUrl {
        url: url.to_owned(),
        reason,
    };
    let parsed = Url::parse(url).map_err(|error| not_url(error.to_string()))?;
    if !schemes.contains(&parsed.scheme()) {
        return Err(TargetError::Scheme {
            url: url.to_owned(),
            scheme: parsed.scheme().to_owned(),
            allowed,
        });
    }
    let host = parsed.host_str().unwrap_or_default();
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(TargetError::Credentials {
            host: host.to_owned(),
        });
    }
    let behind = [(parsed.query(), '?'), (parsed.fragment(), '#')];
    if let Some((_, mark)) = behind.into_iter().find(|(part, _)| part.is_some()) {
        let host = host.to_owned();
        return Err(TargetError::BehindPath { host, mark });
    }
    let port = parsed.port_or_known_default();
    let port = port.ok_or_else(|| not_url("it has no port".to_owned()))?;
    let server = HostPort::new(host.trim_matches(['[', ']']), port);
    Ok((parsed, server))
}

fn proxy_for(server: &HostPort, url: &str) -> Result<Arc<HostPort>, TargetError> {
    if server.is_loopback() {
        return Err(TargetError::ProxyForLoopback {
            host: server.host.clone(),
        });
    }
    let (_, proxy) =
        host_port(url, &["http"], "http").map_err(|error| TargetError::Proxy(Box::new(error)))?;
    Ok(Arc::new(proxy))
}

#[cfg(test)]
mod tests;
