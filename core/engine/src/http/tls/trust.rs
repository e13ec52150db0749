//! Whose certificate is trusted: one that leads to a trusted issuer, one that is
//! itself named as trusted, or any.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::TrustError;

/// Decides on a server's certificate. The server proves in any case that it has
/// its key.
#[derive(Debug)]
pub(super) struct Trust {
    /// Checks against the trusted issuers; absent if any certificate will do.
    issuers: Option<Arc<WebPkiServerVerifier>>,
    /// Certificates that the user has named.
    listed: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
}

impl Trust {
    /// Trust in any certificate.
    pub(super) fn of_any(provider: Arc<CryptoProvider>) -> Self {
        Self {
            issuers: None,
            listed: Vec::new(),
            provider,
        }
    }

    /// Trust in the certificates of `ca_file` and in what they have issued; in
    /// the system's issuers where there is no such file.
    pub(super) fn checked(
        ca_file: Option<&Path>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, TrustError> {
        let (roots, listed) = match ca_file {
            Some(file) => of_file(file)?,
            None => (of_system()?, Vec::new()),
        };
        let issuers =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let issuers = issuers.build().map_err(|error| TrustError::NoRoots {
            reason: error.to_string(),
        })?;
        Ok(Self {
            issuers: Some(issuers),
            listed,
            provider,
        })
    }
}

fn of_system() -> Result<RootCertStore, TrustError> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    match found.errors.first() {
        _ if !roots.is_empty() => Ok(roots),
        error => Err(TrustError::NoRoots {
            reason: error.map_or_else(|| "none was found".to_owned(), ToString::to_string),
        }),
    }
}

fn of_file(file: &Path) -> Result<(RootCertStore, Vec<CertificateDer<'static>>), TrustError> {
    let wrong = |reason: String| TrustError::CaFile {
        file: file.to_owned(),
        reason,
    };
    let mut roots = RootCertStore::empty();
    let mut listed = Vec::new();
    let found = CertificateDer::pem_file_iter(file).map_err(|error| wrong(error.to_string()))?;
    for certificate in found {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        let added = roots.add(certificate.clone());
        added.map_err(|error| wrong(error.to_string()))?;
        listed.push(certificate);
    }
    if listed.is_empty() {
        return Err(wrong("holds no PEM certificate".to_owned()));
    }
    Ok((roots, listed))
}

/// Whether a refusal is about who issued a certificate, or about what for: a
/// certificate that the user has named needs no issuer, and may be one (`openssl
/// req -x509` marks it so). It must be readable and in its time, which the
/// library looks at first.
fn is_about_issuers(refusal: &Error) -> bool {
    let Error::InvalidCertificate(error) = refusal else {
        return false;
    };
    !matches!(
        error,
        CertificateError::BadEncoding
            | CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. }
            | CertificateError::Revoked
    )
}

/// Whether a certificate is refused since it is marked as an issuer's.
pub(super) fn is_an_issuers(error: &CertificateError) -> bool {
    let CertificateError::Other(other) = error else {
        return false;
    };
    let cause = other.0.downcast_ref::<webpki::Error>();
    cause == Some(&webpki::Error::CaUsedAsEndEntity)
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(issuers) = &self.issuers else {
            return Ok(ServerCertVerified::assertion());
        };
        let verified = issuers.verify_server_cert(certificate, others, name, ocsp, now);
        match verified {
            Err(refusal) if self.listed.contains(certificate) && is_about_issuers(&refusal) => {
                verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let known = &self.provider.signature_verification_algorithms;
        known.supported_schemes()
    }
}
