//! Who may speak to a node: certificates of one authority that carry a node's name.
//!
//! **Invariant:** both sides prove their name. A certificate of the same authority with a name that is no peer's is refused.

use std::{path::Path, sync::Arc, time::Duration};

use axum::body::Body;
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{
    ClientConfig, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, ServerConfig,
    SignatureScheme,
    client::{danger::HandshakeSignatureValid, verify_server_name},
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
    server::{
        ParsedCertificate, WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};

use super::ClusterError;
use crate::config;

const CONNECT: Duration = Duration::from_millis(1_000);
const IDLE: Duration = Duration::from_secs(30);

/// What the settings name.
pub struct Files {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    roots: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
}

impl Files {
    pub fn read(settings: &config::Cluster) -> Result<Self, ClusterError> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&settings.authority)? {
            roots
                .add(certificate)
                .map_err(|error| file(&settings.authority, &error))?;
        }
        Ok(Self {
            chain: certificates(&settings.certificate)?,
            key: PrivateKeyDer::from_pem_file(&settings.key)
                .map_err(|error| file(&settings.key, &error))?,
            roots: Arc::new(roots),
            provider: Arc::new(aws_lc_rs::default_provider()),
        })
    }

    /// Takes connections of peers only.
    pub fn accept<'n>(
        &self,
        peers: impl Iterator<Item = &'n String>,
    ) -> Result<Arc<ServerConfig>, ClusterError> {
        let chain = WebPkiClientVerifier::builder_with_provider(
            Arc::clone(&self.roots),
            Arc::clone(&self.provider),
        );
        let chain = chain.build().map_err(|error| unusable(&error))?;
        let names = peers
            .map(|name| server_name(name))
            .collect::<Result<_, _>>()?;
        let verifier = Arc::new(PeersOnly { chain, names });
        let config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| unusable(&error))?
            .with_client_cert_verifier(verifier)
            .with_single_cert(self.chain.clone(), self.key.clone_key())
            .map_err(|error| unusable(&error))?;
        Ok(Arc::new(config))
    }

    /// Speaks to the peer of that name only, wherever it is.
    pub fn client(
        &self,
        peer: &str,
    ) -> Result<Client<HttpsConnector<HttpConnector>, Body>, ClusterError> {
        let config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| unusable(&error))?
            .with_root_certificates(Arc::clone(&self.roots))
            .with_client_auth_cert(self.chain.clone(), self.key.clone_key())
            .map_err(|error| unusable(&error))?;
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_only()
            .with_server_name_resolver(FixedServerNameResolver::new(server_name(peer)?))
            .enable_http1()
            .wrap_connector(connector);
        Ok(Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector))
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ClusterError> {
    CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| file(path, &error))
}

fn server_name(name: &str) -> Result<ServerName<'static>, ClusterError> {
    ServerName::try_from(name.to_owned()).map_err(|error| ClusterError::Setting {
        setting: "peers",
        why: format!("{name}: {error}"),
    })
}

fn file(path: &Path, why: &dyn std::fmt::Display) -> ClusterError {
    ClusterError::File {
        path: path.to_owned(),
        why: why.to_string(),
    }
}

fn unusable(why: &dyn std::fmt::Display) -> ClusterError {
    ClusterError::Setting {
        setting: "certificate",
        why: why.to_string(),
    }
}

/// A chain to the authority, and a peer's name.
#[derive(Debug)]
struct PeersOnly {
    chain: Arc<dyn ClientCertVerifier>,
    names: Vec<ServerName<'static>>,
}

impl ClientCertVerifier for PeersOnly {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self
            .chain
            .verify_client_cert(end_entity, intermediates, now)?;
        let certificate = ParsedCertificate::try_from(end_entity)?;
        let is_of = |name: &ServerName<'_>| verify_server_name(&certificate, name).is_ok();
        if self.names.iter().any(is_of) {
            Ok(verified)
        } else {
            Err(Error::General(
                "it is of no node that is known here".to_owned(),
            ))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}
