//! What the checks of many servers have in common, kept once.

use std::hash::{Hash, Hasher};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use super::{HttpSettings, InvalidHttp, Request};
use crate::dial::Dialer;
use crate::regex::Compiled;
use crate::shared::Shared;
use crate::tls::Connector;

/// Pages, expressions and TLS, ready for use.
#[derive(Debug)]
pub(super) struct Rules {
    /// Target and dialer are those of each check, and left out here.
    pub(super) settings: HttpSettings,
    /// One for each page.
    pub(super) patterns: Box<[Option<Compiled>]>,
    pub(super) connector: Option<Connector>,
}

impl PartialEq for Rules {
    fn eq(&self, other: &Self) -> bool {
        self.settings == other.settings
    }
}

impl Eq for Rules {}

impl Hash for Rules {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.settings.hash(state);
    }
}

static IN_USE: LazyLock<Mutex<Shared<Rules>>> = LazyLock::new(Mutex::default);

impl Rules {
    /// The rules that all checks with these settings share, whatever their target and dialer.
    pub(super) fn shared(
        mut settings: HttpSettings,
    ) -> Result<(SocketAddr, Arc<Dialer>, Arc<Self>), InvalidHttp> {
        let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let target = std::mem::replace(&mut settings.target, nowhere);
        let dialer = std::mem::take(&mut settings.dialer).shared();
        let mut in_use = IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |rules: &Self, settings: &HttpSettings| rules.settings == *settings;
        let rules = in_use.find_or_make(settings, same, Self::new)?;
        Ok((target, dialer, rules))
    }

    fn new(settings: HttpSettings) -> Result<Self, InvalidHttp> {
        if settings.urls.is_empty() {
            return Err(InvalidHttp::NoUrl);
        }
        let hosts = settings
            .urls
            .iter()
            .filter_map(|url| url.virtual_host.as_ref());
        let paths = settings.urls.iter().map(|url| &url.path);
        for text in paths.chain(hosts).chain(&settings.virtual_host) {
            if !Request::is_safe(text) {
                return Err(InvalidHttp::UnsafeText(text.clone()));
            }
        }
        let patterns = settings.urls.iter().map(|url| {
            let pattern = url.regex.as_ref();
            pattern.map(super::Pattern::compile).transpose()
        });
        Ok(Self {
            patterns: patterns.collect::<Result<_, _>>()?,
            connector: settings.tls.as_ref().map(Connector::new).transpose()?,
            settings,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::HttpUrl;

    #[test]
    fn checks_of_many_servers_share_their_rules() {
        let rules = |last: u8, path: &str| {
            let target = SocketAddr::from(([10, 0, 0, last], 80));
            let settings = HttpSettings::new(target, vec![HttpUrl::new(path)]);
            let (found, _, rules) = Rules::shared(settings).unwrap();
            assert_eq!(found, target);
            rules
        };
        let first = rules(1, "/shared");
        assert!(Arc::ptr_eq(&first, &rules(2, "/shared")));
        assert!(!Arc::ptr_eq(&first, &rules(1, "/other")));
    }
}
