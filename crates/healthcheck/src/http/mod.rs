//! `HTTP_GET` and `SSL_GET`: ask for pages and judge status, digest and text.

mod digest;
mod exchange;
mod genhash;
mod page;
mod probe;
mod request;
mod response;
mod rules;
mod settings;
mod status;

pub use crate::regex::{InvalidPattern, Pattern, PatternOptions, UnknownPatternOption};
pub use digest::{BodyDigest, InvalidDigest, Md5Digest};
pub use genhash::{Genhash, GenhashError, GenhashSettings, genhash};
pub use probe::HttpProbe;
pub use request::Request;
pub use response::{Header, ResponseError, ResponseReader, Step};
pub use settings::{HttpProtocol, HttpSettings, HttpUrl, InvalidHttp, UnknownHttpProtocol};
pub use status::{InvalidStatus, StatusCode, StatusRanges};
