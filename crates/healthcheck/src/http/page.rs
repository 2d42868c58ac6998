//! Judges the answer to one page.

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::SystemTime;

use super::response::Consumer;
use super::{BodyDigest, Header, HttpUrl, StatusCode};
use crate::outcome::{Cause, Detail};
use crate::regex::{Compiled, TooCostly};

/// The answer so far.
pub(super) struct Judge<'a> {
    wanted: &'a HttpUrl,
    pattern: Option<&'a Compiled>,
    body_limit: u64,
    status: Option<StatusCode>,
    digest: BodyDigest,
    body: Vec<u8>,
    seen: u64,
}

impl<'a> Judge<'a> {
    pub(super) fn new(wanted: &'a HttpUrl, pattern: Option<&'a Compiled>, body_limit: u64) -> Self {
        Self {
            wanted,
            pattern,
            body_limit,
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
        target: SocketAddr,
        header: &[u8],
        certificate_expires: Option<SystemTime>,
        url: impl Fn() -> String,
    ) -> Result<Detail, Cause> {
        let status = self.status.unwrap_or_else(|| StatusCode::new(0));
        if !self.wanted.status.contains(status) {
            return Err(Cause::Status {
                url: url(),
                got: status,
                wanted: self.wanted.status.clone(),
            });
        }
        let body_matters = self.wanted.digest.is_some() || self.pattern.is_some();
        if body_matters && self.seen > self.body_limit {
            return Err(Cause::TooLong {
                url: url(),
                limit: self.body_limit,
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
        if let Some(pattern) = self.pattern {
            let regex = || pattern.pattern().regex.clone();
            let accepted = pattern.accepts(header, &self.body);
            if !accepted.map_err(|TooCostly| Cause::RegexTooCostly {
                target,
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
        if self.seen > self.body_limit {
            return ControlFlow::Break(());
        }
        if self.pattern.is_some() {
            self.body.extend_from_slice(octets);
        }
        ControlFlow::Continue(())
    }
}
