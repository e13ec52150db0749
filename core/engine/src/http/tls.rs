//! TLS without sockets of its own: it is fed with the bytes that a read gave,
//! so that the stamp of a read is the stamp of the plaintext it completed.

mod trust;

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::{ServerName, UnixTime};
use rustls::{AlertDescription, CertificateError, ClientConfig, ClientConnection, Error};
use thiserror::Error as ThisError;

use super::buffer::ReadBytes;
use trust::Trust;

/// Trust that cannot be set up.
#[derive(Debug, ThisError)]
pub enum TrustError {
    /// The file cannot be read, or holds no certificate.
    #[error("{file}: {reason}")]
    CaFile { file: PathBuf, reason: String },
    /// This system has no trusted certificates.
    #[error(
        "https needs certificates of authorities, and this system has none: {reason}; name the server's own in `tls.ca_file`"
    )]
    NoRoots { reason: String },
    /// No certificate can be for that host.
    #[error("{host} is no name that a certificate can be for")]
    Name { host: String },
    /// The TLS library refuses its settings.
    #[error(transparent)]
    Library(#[from] Error),
}

/// The TLS settings for one server.
#[derive(Debug, Clone)]
pub(super) struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    pub(super) verified: bool,
}

impl Tls {
    /// The settings, for another client of the same server.
    pub(super) fn config(&self) -> ClientConfig {
        ClientConfig::clone(&self.config)
    }

    /// For the server `host`, whose certificate is trusted if it leads to one
    /// of `ca_file`, or of the system's where there is none, or if it stands in
    /// `ca_file` itself. With `verify` false, any certificate will do.
    pub(super) fn new(
        host: &str,
        ca_file: Option<&Path>,
        verify: bool,
    ) -> Result<Self, TrustError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let trust = match verify {
            true => Trust::checked(ca_file, Arc::clone(&provider))?,
            false => Trust::of_any(Arc::clone(&provider)),
        };
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(trust))
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let name = ServerName::try_from(host.to_owned()).map_err(|_| TrustError::Name {
            host: host.to_owned(),
        })?;
        Ok(Self {
            config: Arc::new(config),
            name,
            verified: verify,
        })
    }
}

/// TLS of one connection.
#[derive(Debug)]
pub(super) struct Session(ClientConnection);

impl Session {
    pub(super) fn new(tls: &Tls) -> Result<Self, Error> {
        let mut inner = ClientConnection::new(Arc::clone(&tls.config), tls.name.clone())?;
        // A request is encrypted whole before its first byte is sent.
        inner.set_buffer_limit(None);
        Ok(Self(inner))
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.0.is_handshaking()
    }

    /// Adds to `out` what `bytes` become on the wire.
    pub(super) fn encrypt(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        io::Write::write_all(&mut self.0.writer(), bytes)?;
        self.write_pending(out)
    }

    /// Adds to `out` what TLS itself has to send.
    pub(super) fn write_pending(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        while self.0.wants_write() {
            self.0.write_tls(out)?;
        }
        Ok(())
    }

    /// Takes bytes off the wire and adds what they hold to `plain`; true if the
    /// peer has said that nothing will follow.
    pub(super) fn decrypt(
        &mut self,
        mut wire: &[u8],
        plain: &mut ReadBytes,
    ) -> Result<bool, Error> {
        let unread = |error: io::Error| Error::General(error.to_string());
        while !wire.is_empty() {
            let taken = self.0.read_tls(&mut wire).map_err(unread)?;
            let state = self.0.process_new_packets()?;
            let ready = state.plaintext_bytes_to_read();
            if ready > 0 {
                plain
                    .append(&mut self.0.reader().by_ref(), ready)
                    .map_err(unread)?;
            }
            if state.peer_has_closed() {
                return Ok(true);
            }
            if taken == 0 {
                break;
            }
        }
        Ok(false)
    }
}

/// What went wrong with TLS, in words that say what to do where they can.
pub(super) fn words(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(error) => certificate_words(error),
        Error::InvalidMessage(_) => "the server does not speak TLS on this port".to_owned(),
        Error::AlertReceived(AlertDescription::NoApplicationProtocol) => {
            "the server does not offer HTTP/1.1".to_owned()
        }
        Error::AlertReceived(AlertDescription::CertificateRequired) => {
            "the server asks for a client certificate, and there is none to give".to_owned()
        }
        error => error.to_string(),
    }
}

fn certificate_words(error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer => {
            "the server's certificate has an unknown issuer: name the issuer's own in `tls.ca_file`"
                .to_owned()
        }
        error if trust::is_an_issuers(error) => {
            "the server's certificate is an issuer's own (CA:TRUE): name it in `tls.ca_file`"
                .to_owned()
        }
        CertificateError::BadSignature => {
            "the server's certificate names a trusted issuer but is not signed with its key"
                .to_owned()
        }
        CertificateError::NotValidForNameContext {
            expected,
            presented,
        } => format!(
            "the server's certificate is for {}, not for {}",
            presented.join(", "),
            expected.to_str()
        ),
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("the server's certificate expired on {}", day(*not_after))
        }
        CertificateError::NotValidYetContext { not_before, .. } => format!(
            "the server's certificate is not valid before {}",
            day(*not_before)
        ),
        error => format!("the server's certificate is refused: {error}"),
    }
}

fn day(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds)
        .map(|time| time.strftime("%Y-%m-%d").to_string())
        .unwrap_or_else(|_| format!("second {seconds}"))
}
