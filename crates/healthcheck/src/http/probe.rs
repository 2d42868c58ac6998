//! The socket part of `HTTP_GET` and `SSL_GET`.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::time::Instant;

use super::exchange::Question;
use super::page::Judge;
use super::rules::Rules;
use super::{HttpSettings, HttpUrl, InvalidHttp, Request, ResponseReader};
use crate::dial::Dialer;
use crate::outcome::{Cause, Detail, Outcome};
use crate::probe::{Attempt, Probe, ProbeKey};
use crate::regex::Compiled;

/// Asks for pages and judges their status, digest and text (`HTTP_GET`, `SSL_GET`).
///
/// Checks whose settings differ only in target and dialer share the memory of the rest.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HttpProbe {
    target: SocketAddr,
    dialer: Arc<Dialer>,
    rules: Arc<Rules>,
}

impl HttpProbe {
    /// A probe with these settings.
    ///
    /// # Errors
    /// If there is no page, a path or host would break the request apart, an expression cannot be
    /// compiled, or the TLS settings cannot be used.
    pub fn new(settings: HttpSettings) -> Result<Self, InvalidHttp> {
        let (target, dialer, rules) = Rules::shared(settings)?;
        Ok(Self {
            target,
            dialer,
            rules,
        })
    }

    async fn attempt(&self) -> Outcome {
        let start = Instant::now();
        let result = self.check().await;
        Outcome::from_result(result, start.elapsed())
    }

    async fn check(&self) -> Result<Detail, Cause> {
        let mut last = Detail::Connected;
        let rules = &self.rules;
        for (url, pattern) in rules.settings.urls.iter().zip(&rules.patterns) {
            last = self.check_page(url, pattern.as_ref()).await?;
        }
        Ok(last)
    }

    async fn check_page(&self, url: &HttpUrl, pattern: Option<&Compiled>) -> Result<Detail, Cause> {
        let settings = &self.rules.settings;
        let host = settings.host(url);
        let request = Request {
            protocol: settings.protocol,
            path: &url.path,
            virtual_host: host,
            target: self.target,
        }
        .encode();
        let question = Question {
            dialer: &self.dialer,
            connector: self.rules.connector.as_ref(),
            target: self.target,
            host,
            request: &request,
            limit: settings
                .answer_timeout
                .unwrap_or(self.dialer.connect_timeout),
        };
        let mut reader = if pattern.is_some() {
            ResponseReader::keeping_header()
        } else {
            ResponseReader::new()
        };
        let mut judge = Judge::new(url, pattern, settings.body_limit);
        let certificate_expires = question.ask(&mut reader, &mut judge).await?;
        let header = reader.raw_header().unwrap_or_default();
        judge.finish(self.target, header, certificate_expires, || {
            let scheme = self.rules.connector.as_ref().map_or("http", |_| "https");
            format!("{scheme}://{}{}", self.target, url.path)
        })
    }
}

impl Probe for HttpProbe {
    fn run(&self) -> Attempt<'_> {
        Box::pin(self.attempt())
    }

    fn run_shared(self: Arc<Self>) -> Attempt<'static> {
        Box::pin(async move { self.attempt().await })
    }

    fn key(&self) -> Option<ProbeKey> {
        Some(ProbeKey::new(self.clone()))
    }

    fn host(&self) -> Option<IpAddr> {
        Some(self.target.ip())
    }
}
