//! TLS to the mail server.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

/// Where distributions keep the authorities that the system trusts.
const SYSTEM: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Why there can be no TLS.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsProblem {
    /// No file with authorities is there.
    #[error(
        "this system has no list of certificate authorities; install ca-certificates, name a file with smtp_ca_file, or write smtp_no_verify"
    )]
    NoAuthorities,
    /// The file cannot be read as certificates.
    #[error("{} holds no certificate in PEM form that can be used: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The TLS library refused its settings.
    #[error("the TLS library refuses its settings")]
    Library(#[from] Error),
}

/// The authorities that this system trusts.
pub(crate) fn system_authorities() -> Result<PathBuf, TlsProblem> {
    SYSTEM
        .iter()
        .map(PathBuf::from)
        .find(|path| path.is_file())
        .ok_or(TlsProblem::NoAuthorities)
}

/// A connector that trusts the authorities of that file, or with `None` any certificate.
pub(crate) fn connector(authorities: Option<&Path>) -> Result<TlsConnector, TlsProblem> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    let builder = match authorities {
        None => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider))),
        Some(path) => builder.with_root_certificates(roots(path)?),
    };
    Ok(TlsConnector::from(Arc::new(builder.with_no_client_auth())))
}

fn roots(path: &Path) -> Result<RootCertStore, TlsProblem> {
    let unreadable = |reason: String| TlsProblem::Unreadable {
        path: path.to_owned(),
        reason,
    };
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    // Lists of systems hold now and then one that the library does not take; the others serve.
    let (taken, refused) = roots.add_parsable_certificates(certificates);
    if taken == 0 {
        return Err(unreadable(format!("{refused} of them refused")));
    }
    Ok(roots)
}

/// Takes any certificate and any signature (`smtp_no_verify`).
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
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
