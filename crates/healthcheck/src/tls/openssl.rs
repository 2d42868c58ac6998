//! TLS with OpenSSL, which still speaks versions 1.0 and 1.1.

use std::net::SocketAddr;
use std::pin::Pin;

use openssl::error::ErrorStack;
use openssl::pkey::PKey;
use openssl::ssl::{
    SslConnector, SslMethod, SslOptions, SslSessionCacheMode, SslVerifyMode, SslVersion,
};
use openssl::x509::X509;
use openssl::x509::store::X509StoreBuilder;
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

use super::connector::Session;
use super::validity::not_after;
use super::{InvalidTls, Pem, TlsSettings, Verification};
use crate::outcome::{Cause, Wanted};

/// Makes TLS sessions with OpenSSL.
#[derive(Clone)]
pub(super) struct Client {
    connector: SslConnector,
    verify: bool,
    send_name: bool,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenSsl")
            .field("verify", &self.verify)
            .field("send_name", &self.send_name)
            .finish_non_exhaustive()
    }
}

fn library(error: ErrorStack) -> InvalidTls {
    InvalidTls::Library {
        source: Box::new(error),
    }
}

fn certificates(pem: &Pem, what: &'static str) -> Result<Vec<X509>, InvalidTls> {
    let chain = X509::stack_from_pem(pem.as_bytes()).map_err(|source| InvalidTls::Pem {
        what,
        source: Some(Box::new(source)),
    })?;
    if chain.is_empty() {
        Err(InvalidTls::Pem { what, source: None })
    } else {
        Ok(chain)
    }
}

impl Client {
    pub(super) fn new(settings: &TlsSettings) -> Result<Self, InvalidTls> {
        let mut builder = SslConnector::builder(SslMethod::tls_client()).map_err(library)?;
        if settings.old_versions {
            // Their signatures are below the level that distributions ask for.
            builder.set_security_level(0);
            builder
                .set_cipher_list("ALL:@SECLEVEL=0")
                .map_err(library)?;
            builder
                .set_min_proto_version(Some(SslVersion::TLS1))
                .map_err(library)?;
        } else {
            builder
                .set_min_proto_version(Some(SslVersion::TLS1_2))
                .map_err(library)?;
        }
        // The length of the answer tells whether it is complete.
        builder.set_options(SslOptions::IGNORE_UNEXPECTED_EOF);
        // Every attempt must show that the server can make a new session.
        builder.set_session_cache_mode(SslSessionCacheMode::OFF);
        match &settings.verification {
            Verification::None => builder.set_verify(SslVerifyMode::NONE),
            Verification::Authorities(pem) => {
                let mut store = X509StoreBuilder::new().map_err(library)?;
                for certificate in certificates(pem, "authorities")? {
                    store.add_cert(certificate).map_err(library)?;
                }
                builder.set_cert_store(store.build());
                builder.set_verify(SslVerifyMode::PEER);
            }
        }
        match (&settings.client_certificate, &settings.client_key) {
            (None, None) => {}
            (Some(_), Some(key)) if key.is_encrypted() => return Err(InvalidTls::EncryptedKey),
            (Some(certificate), Some(key)) => {
                let mut chain = certificates(certificate, "client certificate")?.into_iter();
                if let Some(own) = chain.next() {
                    builder.set_certificate(&own).map_err(library)?;
                }
                for above in chain {
                    builder.add_extra_chain_cert(above).map_err(library)?;
                }
                let key = PKey::private_key_from_pem(key.as_bytes()).map_err(|source| {
                    InvalidTls::Pem {
                        what: "client key",
                        source: Some(Box::new(source)),
                    }
                })?;
                builder
                    .set_private_key(&key)
                    .and_then(|()| builder.check_private_key())
                    .map_err(|source| InvalidTls::Identity {
                        source: Some(Box::new(source)),
                    })?;
            }
            _ => return Err(InvalidTls::Identity { source: None }),
        }
        Ok(Self {
            connector: builder.build(),
            verify: settings.verification != Verification::None,
            send_name: settings.enable_sni || settings.sni_name.is_some(),
        })
    }

    /// Shakes hands with the server of that name, or of that address if it has none.
    pub(super) async fn handshake(
        &self,
        stream: TcpStream,
        target: SocketAddr,
        name: Option<&str>,
    ) -> Result<Session, Cause> {
        let failed = |reason: String| Cause::Tls { target, reason };
        let address = target.ip().to_string();
        let session = self.connector.configure().and_then(|mut configuration| {
            configuration.set_verify_hostname(self.verify);
            configuration.set_use_server_name_indication(self.send_name && name.is_some());
            configuration.into_ssl(name.unwrap_or(&address))
        });
        let session = session.map_err(|error| failed(error.to_string()))?;
        let mut stream =
            SslStream::new(session, stream).map_err(|error| failed(error.to_string()))?;
        if let Err(error) = Pin::new(&mut stream).connect().await {
            let wanted = Wanted::TlsHandshake;
            return Err(match error.into_io_error() {
                Ok(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                    Cause::Closed { target, wanted }
                }
                Ok(error) => Cause::Broken {
                    target,
                    wanted,
                    error: error.into(),
                },
                Err(error) => failed(error.to_string()),
            });
        }
        let certificate = stream.ssl().peer_certificate();
        let certificate_expires = certificate
            .and_then(|certificate| certificate.to_der().ok())
            .and_then(|der| not_after(&der));
        Ok(Session {
            stream: Box::new(stream),
            certificate_expires,
        })
    }
}
