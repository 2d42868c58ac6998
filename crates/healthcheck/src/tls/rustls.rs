//! TLS with rustls.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use super::connector::Session;
use super::validity::not_after;
use super::{InvalidTls, Pem, TlsSettings, Verification};
use crate::outcome::{Cause, Wanted};

/// Configurations in use, so that many checks with the same settings share one.
static CONFIGURATIONS: Mutex<Vec<(TlsSettings, Weak<ClientConfig>)>> = Mutex::new(Vec::new());

/// Makes TLS sessions with rustls.
#[derive(Clone, Debug)]
pub(super) struct Client {
    config: Arc<ClientConfig>,
}

impl Client {
    pub(super) fn new(settings: &TlsSettings) -> Result<Self, InvalidTls> {
        if let Some(name) = &settings.sni_name {
            ServerName::try_from(name.as_str())
                .map_err(|_| InvalidTls::ServerName(name.clone()))?;
        }
        Ok(Self {
            config: configuration(settings)?,
        })
    }

    /// Shakes hands with the server of that name, or of that address if it has none.
    pub(super) async fn handshake(
        &self,
        stream: TcpStream,
        target: SocketAddr,
        name: Option<&str>,
    ) -> Result<Session, Cause> {
        let name = name
            .and_then(|name| ServerName::try_from(name.to_owned()).ok())
            .unwrap_or_else(|| ServerName::IpAddress(target.ip().into()));
        let connector = TlsConnector::from(Arc::clone(&self.config));
        let stream = connector
            .connect(name, stream)
            .await
            .map_err(|error| handshake_cause(target, &error))?;
        let certificates = stream.get_ref().1.peer_certificates();
        let certificate_expires = certificates
            .and_then(|chain| chain.first())
            .and_then(|certificate| not_after(certificate));
        Ok(Session {
            stream: Box::new(stream),
            certificate_expires,
        })
    }
}

/// The configuration of these settings, shared with others that use it.
fn configuration(settings: &TlsSettings) -> Result<Arc<ClientConfig>, InvalidTls> {
    // What is of the connector alone makes no other configuration.
    let settings = TlsSettings {
        enable_sni: settings.enable_sni || settings.sni_name.is_some(),
        sni_name: None,
        compliant: false,
        ..settings.clone()
    };
    let mut known = CONFIGURATIONS
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    known.retain(|(_, config)| config.strong_count() > 0);
    let found = known.iter().find(|(key, _)| *key == settings);
    if let Some(config) = found.and_then(|(_, config)| config.upgrade()) {
        return Ok(config);
    }
    let config = Arc::new(configure(&settings)?);
    known.push((settings, Arc::downgrade(&config)));
    Ok(config)
}

fn configure(settings: &TlsSettings) -> Result<ClientConfig, InvalidTls> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(library)?;
    let builder = match &settings.verification {
        Verification::None => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider))),
        Verification::Authorities(pem) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(pem, "authorities")? {
                roots.add(certificate).map_err(library)?;
            }
            builder.with_root_certificates(roots)
        }
    };
    let mut config = match (&settings.client_certificate, &settings.client_key) {
        (None, None) => builder.with_no_client_auth(),
        (Some(_), Some(key)) if key.is_encrypted() => return Err(InvalidTls::EncryptedKey),
        (Some(certificate), Some(key)) => {
            let chain = certificates(certificate, "client certificate")?;
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|source| {
                InvalidTls::Pem {
                    what: "client key",
                    source: Some(Box::new(source)),
                }
            })?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|source| InvalidTls::Identity {
                    source: Some(Box::new(source)),
                })?
        }
        _ => return Err(InvalidTls::Identity { source: None }),
    };
    config.enable_sni = settings.enable_sni;
    // Every attempt must show that the server can make a new session.
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn handshake_cause(target: SocketAddr, error: &io::Error) -> Cause {
    let wanted = Wanted::TlsHandshake;
    let tls = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Error>());
    match (tls, error.kind()) {
        (Some(tls), _) => Cause::Tls {
            target,
            reason: tls.to_string(),
        },
        (None, io::ErrorKind::UnexpectedEof) => Cause::Closed { target, wanted },
        _ => Cause::Broken {
            target,
            wanted,
            error: error.into(),
        },
    }
}

fn certificates(pem: &Pem, what: &'static str) -> Result<Vec<CertificateDer<'static>>, InvalidTls> {
    let chain = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| InvalidTls::Pem {
            what,
            source: Some(Box::new(source)),
        })?;
    if chain.is_empty() {
        Err(InvalidTls::Pem { what, source: None })
    } else {
        Ok(chain)
    }
}

fn library(error: Error) -> InvalidTls {
    InvalidTls::Library {
        source: Box::new(error),
    }
}

/// Takes any certificate and any signature, as keepalived does.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
