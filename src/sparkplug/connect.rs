//! A broker's address → a stream, plain or with TLS.
//!
//! The files with certificates are read anew for each connection: what was renewed is used with the next one.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore, crypto::ring};

/// Where a broker is, and how it is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    /// Host name or IP address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// TLS, if it is used.
    pub tls: Option<Tls>,
}

/// Files for TLS.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tls {
    /// Authorities that may have signed the broker's certificate; the system's when none is named.
    pub ca: Option<PathBuf>,
    /// Our own certificate with those that lead to it, and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// A stream to a broker.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send + fmt::Debug {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send + fmt::Debug> Stream for T {}

/// Why there is no stream.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The name does not resolve.
    #[error("cannot resolve \"{host}\": {reason}; check the name or write the IP address")]
    Resolve {
        /// The name.
        host: String,
        /// What the resolver said.
        reason: io::Error,
    },
    /// No connection.
    #[error("cannot connect to {host} port {port}: {reason}")]
    Unreachable {
        /// Host.
        host: String,
        /// Port.
        port: u16,
        /// What the network said.
        reason: io::Error,
    },
    /// Nobody answered.
    #[error("{host} port {port} does not answer; check the address and any firewall")]
    Silent {
        /// Host.
        host: String,
        /// Port.
        port: u16,
    },
    /// A file cannot be used.
    #[error("cannot use {}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The system has no authorities.
    #[error(
        "this system has no certificate authorities; install the package ca-certificates, or name a file with tls_ca"
    )]
    NoAuthorities,
    /// TLS failed.
    #[error("no TLS with {host}: {reason}")]
    Tls {
        /// Host.
        host: String,
        /// Why.
        reason: String,
    },
}

/// Connects to the first of the broker's addresses that accepts, and begins TLS.
///
/// # Errors
/// [`ConnectError`]; nothing of MQTT was sent.
pub async fn connect(broker: &Broker, within: Duration) -> Result<Box<dyn Stream>, ConnectError> {
    let Broker { host, port, tls } = broker;
    let config = match tls {
        Some(tls) => {
            let tls = tls.clone();
            let read = tokio::task::spawn_blocking(move || client_config(&tls)).await;
            let failed = |reason: String| ConnectError::Tls { host: host.clone(), reason };
            Some(read.map_err(|error| failed(error.to_string()))??)
        }
        None => None,
    };
    let connected = timeout(within, async {
        let tcp = tcp(host, *port).await?;
        let Some(config) = config else { return Ok(Box::new(tcp) as Box<dyn Stream>) };
        let failed = |reason: String| ConnectError::Tls { host: host.clone(), reason };
        let name = ServerName::try_from(host.clone()).map_err(|error| failed(error.to_string()))?;
        let stream = TlsConnector::from(config).connect(name, tcp).await;
        Ok(Box::new(stream.map_err(|error| failed(error.to_string()))?) as Box<dyn Stream>)
    });
    connected.await.unwrap_or_else(|_| Err(ConnectError::Silent { host: host.clone(), port: *port }))
}

async fn tcp(host: &str, port: u16) -> Result<TcpStream, ConnectError> {
    let found = lookup_host((host, port)).await;
    let found = found.map_err(|reason| ConnectError::Resolve { host: host.to_owned(), reason })?;
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in found {
        match TcpStream::connect(address).await.and_then(|tcp| tcp.set_nodelay(true).map(|()| tcp)) {
            Ok(tcp) => return Ok(tcp),
            Err(error) => last = error,
        }
    }
    Err(ConnectError::Unreachable { host: host.to_owned(), port, reason: last })
}

/// Reads the files; also for `--check-config`. Blocks.
///
/// # Errors
/// Which file cannot be used, and why.
pub fn client_config(tls: &Tls) -> Result<Arc<ClientConfig>, ConnectError> {
    let unusable = |path: &Path, reason: String| ConnectError::File { path: path.to_owned(), reason };
    let certificates = |path: &Path| -> Result<Vec<CertificateDer<'static>>, ConnectError> {
        let read = CertificateDer::pem_file_iter(path).and_then(|found| found.collect::<Result<Vec<_>, _>>());
        let found = read.map_err(|error| unusable(path, error.to_string()))?;
        if found.is_empty() {
            return Err(unusable(path, "it holds no certificate in PEM form".to_owned()));
        }
        Ok(found)
    };
    let mut roots = RootCertStore::empty();
    match &tls.ca {
        Some(path) => {
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|error| unusable(path, error.to_string()))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err(ConnectError::NoAuthorities);
            }
        }
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let versions = builder.with_safe_default_protocol_versions();
    let inner =
        |error: rustls::Error| ConnectError::Tls { host: "any broker".to_owned(), reason: error.to_string() };
    let builder = versions.map_err(inner)?.with_root_certificates(roots);
    let config = match &tls.identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let read = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable(key, error.to_string()))?;
            let chain = certificates(certificate)?;
            let authenticated = builder.with_client_auth_cert(chain, read);
            authenticated
                .map_err(|error| unusable(key, format!("it does not belong to the certificate ({error})")))?
        }
    };
    Ok(Arc::new(config))
}
