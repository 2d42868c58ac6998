//! TLS of `SSL_GET`, `TALK_CHECK` and the `SSL` block.

use super::{Problems, UNSUPPORTED};
use healthcheck::TlsSettings;
use healthcheck::tls::{Pem, Verification};
use keepalived_conf::model::{Config, HttpGet};
use std::io::Read;

/// Greatest certificate or key file that is read.
const LIMIT: u64 = 4 << 20;

/// TLS settings of `SSL_GET`; the text says why there are none.
pub(super) fn of_http(
    config: &Config,
    http: &HttpGet,
    problems: &mut Problems,
) -> Result<TlsSettings, String> {
    let mut settings = TlsSettings {
        enable_sni: *http.enable_sni,
        sni_name: http.sni_name.value.clone(),
        compliant: *http.tls_compliant || http.url.iter().any(|url| *url.tls_compliant),
        ..of_file(config, problems)?
    };
    if let Some(own) = &http.tls {
        settings.old_versions = *own.old_tls;
        if let Some(ca) = &*own.verify_ca {
            settings.verification = Verification::Authorities(read(ca)?);
        }
        if let Some(certificate) = &*own.client_certificate {
            settings.client_certificate = Some(read(certificate)?);
        }
        if let Some(key) = &*own.client_key {
            settings.client_key = Some(read(key)?);
        }
    }
    Ok(settings)
}

/// TLS settings of the `SSL` block, which all checks have.
pub(super) fn of_file(config: &Config, problems: &mut Problems) -> Result<TlsSettings, String> {
    let mut settings = TlsSettings::default();
    let Some(keys) = &config.ssl else {
        return Ok(settings);
    };
    if let Some(ca) = &*keys.ca {
        settings.verification = Verification::Authorities(read(ca)?);
    }
    settings.client_certificate = keys.certificate.as_deref().map(read).transpose()?;
    settings.client_key = keys.key.as_deref().map(read).transpose()?;
    if keys.password.is_some() {
        let message =
            "the password of the key is not used; decrypt the key file with `openssl pkey`";
        problems.warning(
            UNSUPPORTED,
            message,
            keys.password.span.unwrap_or(*keys.span),
        );
    }
    Ok(settings)
}

fn read(path: &str) -> Result<Pem, String> {
    let file =
        std::fs::File::open(path).map_err(|error| format!("{path} cannot be read: {error}"))?;
    let mut content = Vec::new();
    file.take(LIMIT)
        .read_to_end(&mut content)
        .map_err(|error| format!("{path} cannot be read: {error}"))?;
    Ok(Pem::new(content))
}
