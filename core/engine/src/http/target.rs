//! Where requests go: a base URL, split once.

use thiserror::Error;

/// A URL that requests cannot be sent to.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TargetError {
    /// It is no URL.
    #[error("`{url}` is no URL: {reason}")]
    NotUrl {
        /// What was given.
        url: String,
        /// Why.
        reason: String,
    },
    /// Another scheme.
    #[error("`{url}` has the scheme {scheme}, must be http")]
    Scheme {
        /// What was given.
        url: String,
        /// Its scheme.
        scheme: String,
    },
}

/// A server and the path that comes before every request's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Host name or address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Path prefix without trailing slash; empty if none.
    pub prefix: String,
}

impl Target {
    /// Splits a base URL such as `http://127.0.0.1:8000`. A trailing slash, and
    /// a trailing `/v1`, which the plugins' own paths begin with, are dropped.
    ///
    /// # Errors
    /// See [`TargetError`].
    pub fn parse(url: &str) -> Result<Self, TargetError> {
        let parsed = reqwest::Url::parse(url).map_err(|error| TargetError::NotUrl {
            url: url.to_owned(),
            reason: error.to_string(),
        })?;
        if parsed.scheme() != "http" {
            return Err(TargetError::Scheme {
                url: url.to_owned(),
                scheme: parsed.scheme().to_owned(),
            });
        }
        let host = parsed.host_str().unwrap_or_default();
        let path = parsed.path().trim_end_matches('/');
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: parsed.port_or_known_default().unwrap_or(80),
            prefix: path.strip_suffix("/v1").unwrap_or(path).to_owned(),
        })
    }

    /// Value of the Host header.
    #[must_use]
    pub fn host_header(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// URL of a path of the server.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{}{path}", self.host_header(), self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls_split_into_host_port_and_prefix() {
        let target = Target::parse("http://127.0.0.1:8000/").unwrap();
        assert_eq!(target.url("/health"), "http://127.0.0.1:8000/health");
        let target = Target::parse("http://host/api/v1").unwrap();
        assert_eq!((target.port, target.prefix.as_str()), (80, "/api"));
        let target = Target::parse("http://[::1]:9000").unwrap();
        assert_eq!(target.host, "::1");
        assert_eq!(target.host_header(), "[::1]:9000");
    }

    #[test]
    fn other_schemes_are_refused() {
        let error = Target::parse("ftp://x").unwrap_err();
        assert_eq!(
            error.to_string(),
            "`ftp://x` has the scheme ftp, must be http"
        );
        assert!(Target::parse("127.0.0.1:8000").is_err());
    }
}
