//! Certificates made for a test, and a server that speaks TLS with them.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tempfile::NamedTempFile;

/// An issuer of certificates, with its own in a PEM file.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    pub file: NamedTempFile,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let file = pem_file(&issuer.pem());
        Self { issuer, file }
    }

    pub fn path(&self) -> &str {
        self.file.path().to_str().unwrap()
    }

    /// A server's certificate for `name`, good from one year to another.
    pub fn server(&self, name: &str, years: std::ops::Range<i32>) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let certificate = params_for(name, years)
            .signed_by(&key, &self.issuer)
            .unwrap();
        server_config(certificate.der().clone(), &key)
    }
}

/// A server whose certificate is its own issuer, as `openssl req -x509` makes
/// it, good from one year to another; the PEM file holds that certificate.
pub fn self_signed_issuer(
    name: &str,
    years: std::ops::Range<i32>,
) -> (Arc<ServerConfig>, NamedTempFile) {
    let key = KeyPair::generate().unwrap();
    let mut params = params_for(name, years);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).unwrap();
    let file = pem_file(&certificate.pem());
    (server_config(certificate.der().clone(), &key), file)
}

/// A server whose certificate an issuer has signed that is nowhere named; the
/// PEM file holds the server's certificate alone.
pub fn pinned(name: &str, years: std::ops::Range<i32>) -> (Arc<ServerConfig>, NamedTempFile) {
    let authority = Authority::new("an issuer that is nowhere named");
    let key = KeyPair::generate().unwrap();
    let certificate = params_for(name, years).signed_by(&key, &authority.issuer);
    let certificate = certificate.unwrap();
    let file = pem_file(&certificate.pem());
    (server_config(certificate.der().clone(), &key), file)
}

fn params_for(name: &str, years: std::ops::Range<i32>) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.not_before = date_time_ymd(years.start, 1, 1);
    params.not_after = date_time_ymd(years.end, 1, 1);
    params
}

fn pem_file(pem: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(pem.as_bytes()).unwrap();
    file
}

fn server_config(certificate: CertificateDer<'static>, key: &KeyPair) -> Arc<ServerConfig> {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Arc::new(config)
}

/// The server's side of one connection over TLS.
pub type SecureStream = StreamOwned<ServerConnection, std::net::TcpStream>;

/// A server on a port of 127.0.0.1, which is given; `answer` has each
/// connection on a thread of its own.
pub fn serve(
    config: Arc<ServerConfig>,
    answer: impl Fn(&mut SecureStream) + Send + Sync + 'static,
) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (Ok(stream), answer) = (stream, Arc::clone(&answer)) else {
                continue;
            };
            stream.set_nodelay(true).unwrap();
            let session = ServerConnection::new(Arc::clone(&config)).unwrap();
            std::thread::spawn(move || answer(&mut StreamOwned::new(session, stream)));
        }
    });
    port
}

/// Head and body of the next request, as text; `None` once the client is gone.
pub fn request(stream: &mut impl Read) -> Option<String> {
    let mut read = Vec::new();
    let mut byte = [0];
    loop {
        let text = String::from_utf8_lossy(&read);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                (name == "Content-Length").then(|| value.parse::<usize>().unwrap())
            });
            if body.len() >= length.unwrap_or(0) {
                return Some(text.into_owned());
            }
        }
        match stream.read(&mut byte) {
            Ok(1) => read.push(byte[0]),
            _ => return None,
        }
    }
}
