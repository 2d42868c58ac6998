//! Judges the answer to one page.

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::SystemTime;

use super::response::Consumer;
use super::{BodyDigest, Header, HttpSettings, HttpUrl, Request, StatusCode};
use crate::outcome::{Cause, Detail};
use crate::regex::{Compiled, TooCostly};

/// What is wanted of a page, ready for use.
#[derive(Clone, Debug)]
pub(super) struct Page {
    pub(super) pattern: Option<Compiled>,
    pub(super) body_limit: u64,
    pub(super) target: SocketAddr,
    /// The request as it goes over the wire.
    pub(super) request: Box<[u8]>,
}

impl Page {
    pub(super) fn new(
        settings: &HttpSettings,
        url: &HttpUrl,
    ) -> Result<Self, super::InvalidPattern> {
        let request = Request {
            protocol: settings.protocol,
            path: &url.path,
            virtual_host: settings.host(url),
            target: settings.target,
        };
        Ok(Self {
            request: request.encode().into(),
            pattern: url
                .regex
                .as_ref()
                .map(super::Pattern::compile)
                .transpose()?,
            body_limit: settings.body_limit,
            target: settings.target,
        })
    }
}

/// The answer so far.
pub(super) struct Judge<'a> {
    page: &'a Page,
    wanted: &'a HttpUrl,
    status: Option<StatusCode>,
    digest: BodyDigest,
    body: Vec<u8>,
    seen: u64,
}

impl<'a> Judge<'a> {
    pub(super) fn new(page: &'a Page, wanted: &'a HttpUrl) -> Self {
        Self {
            page,
            wanted,
            status: None,
            digest: BodyDigest::default(),
            body: Vec::new(),
            seen: 0,
        }
    }

    /// The verdict, once the answer has ended or was broken off. The header is needed if there is an
    /// expression.
    pub(super) fn finish(
        self,
        header: &[u8],
        certificate_expires: Option<SystemTime>,
        url: impl Fn() -> String,
    ) -> Result<Detail, Cause> {
        let page = self.page;
        let status = self.status.unwrap_or_else(|| StatusCode::new(0));
        if !self.wanted.status.contains(status) {
            return Err(Cause::Status {
                url: url(),
                got: status,
                wanted: self.wanted.status.clone(),
            });
        }
        let body_matters = self.wanted.digest.is_some() || page.pattern.is_some();
        if body_matters && self.seen > page.body_limit {
            return Err(Cause::TooLong {
                url: url(),
                limit: page.body_limit,
            });
        }
        if let Some(wanted) = self.wanted.digest {
            let got = self.digest.finish();
            if got != wanted {
                return Err(Cause::Digest {
                    url: url(),
                    got,
                    wanted,
                });
            }
        }
        if let Some(pattern) = &page.pattern {
            let regex = || pattern.pattern().regex.clone();
            let accepted = pattern.accepts(header, &self.body);
            if !accepted.map_err(|TooCostly| Cause::RegexTooCostly {
                target: page.target,
                regex: regex(),
            })? {
                return Err(Cause::Regex {
                    url: url(),
                    regex: regex(),
                    matched: pattern.pattern().must_not_match,
                });
            }
        }
        Ok(Detail::Http {
            status,
            body_bytes: self.seen,
            certificate_expires,
        })
    }
}

impl Consumer for Judge<'_> {
    fn header(&mut self, header: &Header) -> ControlFlow<()> {
        self.status = Some(header.status);
        // A wrong status decides; there is no need to read on.
        if self.wanted.status.contains(header.status) {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    }

    fn body(&mut self, octets: &[u8]) -> ControlFlow<()> {
        self.seen += octets.len() as u64;
        if self.wanted.digest.is_some() {
            self.digest.update(octets);
        }
        if self.seen > self.page.body_limit {
            return ControlFlow::Break(());
        }
        if self.page.pattern.is_some() {
            self.body.extend_from_slice(octets);
        }
        ControlFlow::Continue(())
    }
}
