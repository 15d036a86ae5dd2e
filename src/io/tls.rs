//! TLS for signalling: TLS 1.2 and 1.3 by rustls with ring; whose certificates are believed.
//!
//! Each new connection takes the configuration of that moment, so that new certificates serve at once and the
//! connections that are up keep theirs.

use std::net::IpAddr;
use std::sync::Arc;

use rustls::client::ResolvesClientCert;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::{ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, ServerConfig};

use crate::config::tls::{ClientCertificate, Material, TlsFiles};

use super::san::domains;

/// Both sides, ready to use.
#[derive(Clone, Debug)]
pub struct Tls {
    /// For who connects to us; `None` without a certificate.
    pub server: Option<Arc<ServerConfig>>,
    /// For whom we connect to.
    pub client: Arc<ClientConfig>,
}

impl Tls {
    /// Reads the files and makes both sides of them.
    ///
    /// # Errors
    ///
    /// What is wrong with which file, for the log.
    pub fn load(files: &TlsFiles) -> Result<Self, String> {
        let material = files.read().map_err(|fault| fault.to_string())?;
        Self::build(&material, files.client).map_err(|error| error.to_string())
    }

    fn build(material: &Material, client: ClientCertificate) -> Result<Self, Box<dyn std::error::Error>> {
        let provider = Arc::new(ring::default_provider());
        let pair = material.identity.clone().map(|pair| Arc::new(SingleCertAndKey::from(pair)));
        let server = match pair.clone() {
            Some(pair) => Some(Arc::new(server(&provider, pair, material, client)?)),
            None => None,
        };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(Arc::clone(&material.roots));
        // A trunk that asks who we are is shown the certificate we serve with.
        let client = match pair {
            Some(pair) => builder.with_client_cert_resolver(pair as Arc<dyn ResolvesClientCert>),
            None => builder.with_no_client_auth(),
        };
        Ok(Self { server, client: Arc::new(client) })
    }
}

fn server(
    provider: &Arc<CryptoProvider>,
    pair: Arc<SingleCertAndKey>,
    material: &Material,
    client: ClientCertificate,
) -> Result<ServerConfig, Box<dyn std::error::Error>> {
    let builder = ServerConfig::builder_with_provider(Arc::clone(provider)).with_safe_default_protocol_versions()?;
    let pair = pair as Arc<dyn ResolvesServerCert>;
    let roots = match (&material.client_roots, client) {
        (Some(roots), ClientCertificate::Optional | ClientCertificate::Required) => Arc::clone(roots),
        (Some(_) | None, ClientCertificate::Off) | (None, _) => {
            return Ok(builder.with_no_client_auth().with_cert_resolver(pair));
        }
    };
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider));
    let verifier = match client {
        ClientCertificate::Optional | ClientCertificate::Off => verifier.allow_unauthenticated(),
        ClientCertificate::Required => verifier,
    };
    Ok(builder.with_client_cert_verifier(verifier.build()?).with_cert_resolver(pair))
}

/// What the other end's certificate must prove: the name dialled; an address where none was.
pub fn server_name(name: &str) -> Option<ServerName<'static>> {
    match name.parse::<IpAddr>() {
        Ok(address) => Some(ServerName::IpAddress(address.to_canonical().into())),
        Err(_) => ServerName::try_from(name.to_owned()).ok(),
    }
}

/// The name that a verified certificate proves: the first that is `known`, else its first.
pub fn peer_name(certificates: Option<&[CertificateDer<'_>]>, known: impl Fn(&str) -> bool) -> Option<String> {
    let names = domains(certificates?.first()?);
    names.iter().find(|name| known(name)).or(names.first()).cloned()
}
