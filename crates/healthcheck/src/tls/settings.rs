//! What TLS should do.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Text in PEM form: certificates or a private key. Never printed. Equal texts share their memory,
/// since thousands of checks may name the same file.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Pem(Arc<[u8]>);

/// The texts in use.
static TEXTS: Mutex<Vec<Weak<[u8]>>> = Mutex::new(Vec::new());

impl Pem {
    /// Takes the content of a PEM file.
    #[must_use]
    pub fn new(content: impl Into<Vec<u8>>) -> Self {
        let content = content.into();
        let mut texts = TEXTS.lock().unwrap_or_else(PoisonError::into_inner);
        texts.retain(|text| text.strong_count() > 0);
        let known = texts.iter().filter_map(Weak::upgrade);
        if let Some(known) = known.into_iter().find(|known| **known == *content) {
            return Self(known);
        }
        let text: Arc<[u8]> = Arc::from(content);
        texts.push(Arc::downgrade(&text));
        Self(text)
    }

    /// True if it holds a private key under a password (RFC 5958, or RFC 1421 as older programs write it).
    #[cfg(any(feature = "tls-rustls", feature = "tls-openssl"))]
    pub(super) fn is_encrypted(&self) -> bool {
        let holds = |mark: &[u8]| self.0.windows(mark.len()).any(|window| window == mark);
        holds(b"BEGIN ENCRYPTED PRIVATE KEY") || holds(b"Proc-Type: 4,ENCRYPTED")
    }

    /// The content.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pem({} octets)", self.0.len())
    }
}

/// Whether the certificate of the server is verified.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verification {
    /// Any certificate will do, as in keepalived. The connection proves that the server speaks
    /// TLS, not who it is.
    #[default]
    None,
    /// The certificate must be signed by one of these authorities, be valid now, and be made out
    /// for the server name (or the address, if there is no name).
    Authorities(Pem),
}

/// TLS settings of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TlsSettings {
    /// Name the server in the handshake (`enable_sni`).
    pub enable_sni: bool,
    /// The name for it (`sni_name`), which turns `enable_sni` on; the virtual host of the page
    /// if `None`.
    pub sni_name: Option<String>,
    /// Whether the certificate of the server is verified.
    pub verification: Verification,
    /// Our certificate chain, for servers that ask for one; needs `client_key`.
    pub client_certificate: Option<Pem>,
    /// The private key of our certificate.
    pub client_key: Option<Pem>,
    /// Speak versions 1.0 and 1.1 as well, with ciphers that are weak by now. Needs the feature
    /// `tls-openssl`.
    pub old_versions: bool,
    /// End the session with a `close_notify` (`tls_compliant`) instead of just closing.
    pub compliant: bool,
}

/// The TLS settings cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidTls {
    /// The crate was built without any TLS library.
    #[error("this program was built without TLS, build it with the feature `tls-rustls`")]
    NotBuilt,
    /// TLS 1.0 and 1.1 are wanted, which rustls does not speak.
    #[error("TLS 1.0 and 1.1 need a build with the feature `tls-openssl`")]
    OldVersions,
    /// The name cannot stand in a certificate or handshake.
    #[error("`{0}` is not a server name that TLS can use")]
    ServerName(String),
    /// The authorities, certificate or key cannot be read.
    #[error("cannot read the PEM text of the {what}")]
    Pem {
        /// Which of them.
        what: &'static str,
        /// What is wrong.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// The private key is protected by a password, which a program that starts by itself has no use for.
    #[error(
        "the private key is encrypted; write it without its password by `openssl pkey -in KEY -out NEW` and let only root read it"
    )]
    EncryptedKey,
    /// Certificate and key do not fit together, or one of them is missing.
    #[error("client certificate and key cannot be used together")]
    Identity {
        /// What is wrong.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// The TLS library refused the settings.
    #[error("the TLS library refuses these settings")]
    Library {
        /// What it said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
