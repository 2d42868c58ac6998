//! The socket part of `HTTP_GET` and `SSL_GET`.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::time::Instant;

use super::exchange::Question;
use super::page::{Judge, Page};
use super::{HttpSettings, HttpUrl, InvalidHttp, Request, ResponseReader};
use crate::outcome::{Cause, Detail, Outcome};
use crate::probe::{Attempt, Probe, ProbeKey};
use crate::tls::Connector;

/// Asks for pages and judges their status, digest and text (`HTTP_GET`, `SSL_GET`).
#[derive(Clone, Debug)]
pub struct HttpProbe {
    settings: Arc<HttpSettings>,
    pages: Box<[Page]>,
    connector: Option<Connector>,
}

impl HttpProbe {
    /// A probe with these settings.
    ///
    /// # Errors
    /// If there is no page, a path or host would break the request apart, an expression cannot be
    /// compiled, or the TLS settings cannot be used.
    pub fn new(mut settings: HttpSettings) -> Result<Self, InvalidHttp> {
        // Most checks have one page, and a list that has grown has room for four.
        settings.urls.shrink_to_fit();
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
        let pages = settings
            .urls
            .iter()
            .map(|url| Page::new(&settings, url))
            .collect::<Result<_, _>>()?;
        let connector = settings.tls.as_ref().map(Connector::new).transpose()?;
        Ok(Self {
            settings: Arc::new(settings),
            pages,
            connector,
        })
    }

    async fn check(&self) -> Result<Detail, Cause> {
        let mut last = Detail::Connected;
        for (url, page) in self.settings.urls.iter().zip(&self.pages) {
            last = self.check_page(url, page).await?;
        }
        Ok(last)
    }

    async fn check_page(&self, url: &HttpUrl, page: &Page) -> Result<Detail, Cause> {
        let settings = &self.settings;
        let target = settings.target;
        let question = Question {
            dialer: &settings.dialer,
            connector: self.connector.as_ref(),
            target,
            host: settings.host(url),
            request: &page.request,
            limit: settings
                .answer_timeout
                .unwrap_or(settings.dialer.connect_timeout),
        };
        let mut reader = if page.pattern.is_some() {
            ResponseReader::keeping_header()
        } else {
            ResponseReader::new()
        };
        let mut judge = Judge::new(page, url);
        let certificate_expires = question.ask(&mut reader, &mut judge).await?;
        let scheme = if self.connector.is_some() {
            "https"
        } else {
            "http"
        };
        let header = reader.raw_header().unwrap_or_default();
        judge.finish(header, certificate_expires, || {
            format!("{scheme}://{target}{}", url.path)
        })
    }
}

impl Probe for HttpProbe {
    fn run(&self) -> Attempt<'_> {
        Box::pin(async move {
            let start = Instant::now();
            let result = self.check().await;
            Outcome::from_result(result, start.elapsed())
        })
    }

    fn key(&self) -> Option<ProbeKey> {
        Some(ProbeKey::shared(Arc::clone(&self.settings)))
    }

    fn host(&self) -> Option<IpAddr> {
        Some(self.settings.target.ip())
    }
}
