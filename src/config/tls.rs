//! Certificates and keys from their PEM files, checked before anything is started with them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

/// Where the system keeps the authorities it trusts (Debian, Alpine; Red Hat).
const SYSTEM_ROOTS: [&str; 2] = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];

/// Files that TLS needs.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TlsFiles {
    /// Our certificate with its chain, and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// What certificates of those who connect to us must be signed by.
    pub client_ca: Option<PathBuf>,
    /// Whether those who connect show a certificate.
    pub client: ClientCertificate,
    /// What certificates of those we connect to must be signed by; `None` = the authorities of the system.
    pub ca: Option<PathBuf>,
}

/// Whether those who connect to us over TLS show a certificate.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ClientCertificate {
    /// They are not asked.
    #[default]
    Off,
    /// They may; a wrong one is refused.
    Optional,
    /// They must.
    Required,
}

/// What the files hold.
#[derive(Debug)]
pub struct Material {
    /// Our certificate and key, which belong together.
    pub identity: Option<Arc<CertifiedKey>>,
    /// Authorities for those who connect to us.
    pub client_roots: Option<Arc<RootCertStore>>,
    /// Authorities for those we connect to; may be empty, then nobody is believed.
    pub roots: Arc<RootCertStore>,
}

/// Which file cannot be used, and why.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}", file.display())]
pub struct TlsFault {
    /// The key of the configuration that names it.
    pub key: &'static str,
    /// The file.
    pub file: PathBuf,
    /// Why.
    pub why: String,
}

impl TlsFiles {
    /// Reads all files.
    ///
    /// # Errors
    ///
    /// The first file that is missing, no PEM, holds nothing of its kind, or a key that is not the certificate's.
    pub fn read(&self) -> Result<Material, TlsFault> {
        let identity = match &self.identity {
            Some((certificate, key)) => Some(identity(certificate, key)?),
            None => None,
        };
        let client_roots = match &self.client_ca {
            Some(file) => Some(Arc::new(roots("tls_client_ca", file)?)),
            None => None,
        };
        let roots = match &self.ca {
            Some(file) => roots("tls_ca", file)?,
            None => system_roots(),
        };
        Ok(Material { identity, client_roots, roots: Arc::new(roots) })
    }

    /// All files, for whoever watches them change.
    pub fn all(&self) -> impl Iterator<Item = &Path> {
        let identity = self.identity.iter().flat_map(|(certificate, key)| [certificate, key]);
        identity.chain(&self.client_ca).chain(&self.ca).map(PathBuf::as_path)
    }
}

fn identity(certificate: &Path, key: &Path) -> Result<Arc<CertifiedKey>, TlsFault> {
    let chain = certificates("tls_certificate", certificate)?;
    let fault = |why: String| TlsFault { key: "tls_key", file: key.to_owned(), why };
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| fault(explain(&error, "private key")))?;
    let pair = CertifiedKey::from_der(chain, secret, &ring::default_provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            fault(format!("this is not the key of the certificate in {}", certificate.display()))
        }
        other => fault(other.to_string()),
    })?;
    Ok(Arc::new(pair))
}

fn certificates(key: &'static str, file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFault> {
    let fault = |why: String| TlsFault { key, file: file.to_owned(), why };
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    let list: Vec<_> = read.map_err(|error| fault(explain(&error, "certificate")))?;
    if list.is_empty() { Err(fault("there is no certificate in it".to_owned())) } else { Ok(list) }
}

fn roots(key: &'static str, file: &Path) -> Result<RootCertStore, TlsFault> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(key, file)? {
        let fault = |error: rustls::Error| TlsFault { key, file: file.to_owned(), why: error.to_string() };
        store.add(certificate).map_err(fault)?;
    }
    Ok(store)
}

/// What the system trusts; certificates it holds that cannot be read are passed over.
fn system_roots() -> RootCertStore {
    let mut store = RootCertStore::empty();
    let read = SYSTEM_ROOTS.iter().find_map(|file| CertificateDer::pem_file_iter(file).ok());
    store.add_parsable_certificates(read.into_iter().flatten().flatten());
    store
}

fn explain(error: &pem::Error, what: &str) -> String {
    match error {
        pem::Error::Io(error) if error.kind() == std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        pem::Error::Io(error) => format!("cannot be read: {error}"),
        pem::Error::NoItemsFound => format!("there is no {what} in it"),
        other => format!("no PEM of a {what}: {other}"),
    }
}
