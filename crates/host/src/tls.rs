//! TLS for the listener: PEM files, read again when they change, so that a renewed certificate needs no restart.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{fs, io};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};
use tokio_rustls::server::TlsStream;
use tokio_rustls::{TlsAcceptor, rustls::crypto::ring};

/// How often files are looked at, at most; connections ask.
const LOOK: Duration = Duration::from_secs(1);
/// A caller that does not finish its greeting is a scanner, or gone.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// Files that TLS can't be spoken with; whoever runs the server can correct them.
#[derive(Debug, Error)]
pub enum TlsError {
    /// It can't be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no PEM file, or holds something else.
    #[error("{} holds no {expected} in PEM form ({reason})", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
        /// What the reader says.
        reason: String,
    },
    /// Both are whole, but not of one pair, or not to be used.
    #[error("{} and {} do not fit: {reason}", certificate.display(), key.display())]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What TLS says.
        reason: String,
    },
}

/// A certificate with its chain and key, as they are in their files.
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    state: Mutex<State>,
}

struct State {
    acceptor: TlsAcceptor,
    /// The files' bytes that `acceptor` was made of, or that failed.
    seen: [Vec<u8>; 2],
    looked: Instant,
}

impl Tls {
    /// Reads the files: a certificate followed by its chain, and its private key.
    ///
    /// # Errors
    /// [`TlsError`] names the file and what is wrong with it.
    pub fn read(certificate: PathBuf, key: PathBuf) -> Result<Self, TlsError> {
        let seen = contents(&certificate, &key)?;
        let acceptor = acceptor(&certificate, &key, &seen)?;
        let state = Mutex::new(State { acceptor, seen, looked: Instant::now() });
        Ok(Self { certificate, key, state })
    }

    /// Speaks TLS with a caller.
    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let accepting = self.acceptor().accept(stream);
        tokio::time::timeout(HANDSHAKE_MAX, accepting)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// What the files hold; what they held, while they hold nothing that can be used.
    fn acceptor(&self) -> TlsAcceptor {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.looked.elapsed() >= LOOK {
            state.looked = Instant::now();
            self.look(&mut state);
        }
        state.acceptor.clone()
    }

    fn look(&self, state: &mut State) {
        let seen = match contents(&self.certificate, &self.key) {
            Ok(seen) if seen == state.seen => return,
            Ok(seen) => seen,
            Err(error) => {
                tracing::error!(%error, "the certificate stays as it was");
                return;
            }
        };
        match acceptor(&self.certificate, &self.key, &seen) {
            Ok(acceptor) => {
                state.acceptor = acceptor;
                tracing::info!(file = %self.certificate.display(), "a new certificate is shown from now on");
            }
            // Certificate and key are replaced one after the other: the next look finds both.
            Err(error) => tracing::error!(%error, "the certificate stays as it was"),
        }
        state.seen = seen;
    }
}

fn contents(certificate: &Path, key: &Path) -> Result<[Vec<u8>; 2], TlsError> {
    let read = |path: &Path| {
        fs::read(path).map_err(|source| TlsError::Unreadable { path: path.to_path_buf(), source })
    };
    Ok([read(certificate)?, read(key)?])
}

fn acceptor(certificate: &Path, key: &Path, [chain, secret]: &[Vec<u8>; 2]) -> Result<TlsAcceptor, TlsError> {
    let content = |path: &Path, expected| {
        let path = path.to_path_buf();
        move |error: rustls::pki_types::pem::Error| TlsError::Content {
            path,
            expected,
            reason: error.to_string(),
        }
    };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).collect();
    let chain = chain.map_err(content(certificate, "certificate"))?;
    if chain.is_empty() {
        let nothing = rustls::pki_types::pem::Error::NoItemsFound;
        return Err(content(certificate, "certificate")(nothing));
    }
    let secret = PrivateKeyDer::from_pem_slice(secret).map_err(content(key, "private key"))?;
    let unfit = |error: rustls::Error| TlsError::Pair {
        certificate: certificate.to_path_buf(),
        key: key.to_path_buf(),
        reason: error.to_string(),
    };
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().map_err(unfit)?;
    let mut config = config.with_no_client_auth().with_single_cert(chain, secret).map_err(unfit)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
