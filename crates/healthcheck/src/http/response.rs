//! Reads an answer (RFC 9112) from octets in pieces of any size. The body is handed on as it
//! comes over the wire, with the marks of chunks in it, because digests are made of that.

use std::mem::MaybeUninit;
use std::ops::ControlFlow;

use super::StatusCode;

/// Octets of status line and header fields, at most.
const HEADER_LIMIT: usize = 64 << 10;
/// Header fields, at most.
const FIELDS: usize = 128;
/// Interim answers (1xx) before the real one, at most.
const INTERIM_LIMIT: u8 = 8;
/// Octets of one line between chunks, at most.
const CHUNK_LINE_LIMIT: usize = 4096;

/// The part of a header that a check needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header {
    /// The status code.
    pub status: StatusCode,
    /// Octets of the body, if the server said so (`Content-Length`).
    pub content_length: Option<u64>,
    /// The body comes in chunks (`Transfer-Encoding: chunked`).
    pub chunked: bool,
    /// Octets of status line and header fields, with the empty line that ends them.
    pub length: usize,
}

/// Takes an answer as it comes.
pub(super) trait Consumer {
    /// The header is there. Breaking off ends the exchange.
    fn header(&mut self, header: &Header) -> ControlFlow<()>;
    /// Some octets of the body. Breaking off ends the exchange.
    fn body(&mut self, octets: &[u8]) -> ControlFlow<()>;
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// The answer goes on: read more, and hand in what comes.
    NeedMore,
    /// The answer is complete; further octets do not belong to it.
    Complete,
}

/// The octets are no HTTP answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResponseError {
    /// The status line or a header field is malformed.
    #[error("malformed header: {0}")]
    Header(String),
    /// The header does not end.
    #[error("the header is longer than {HEADER_LIMIT} octets")]
    HeaderTooLong,
    /// The length of the body is no number, or there are different ones.
    #[error("Content-Length is not one number")]
    ContentLength,
    /// A chunk has no valid length, or does not end where it should.
    #[error("malformed chunk")]
    Chunk,
    /// Only interim answers come.
    #[error("more than {INTERIM_LIMIT} interim answers")]
    TooManyInterim,
    /// The connection was closed within the header or before the announced end of the body.
    #[error("the answer is cut off")]
    CutOff,
}

/// Where in the answer we are.
#[derive(Clone, Debug)]
enum Place {
    Header(Vec<u8>),
    /// The body ends when the connection does.
    UntilClose,
    Counted(u64),
    Chunked(Chunks),
    Complete,
}

/// Reads one answer to a `GET` request.
///
/// ```
/// use healthcheck::http::{ResponseReader, Step};
///
/// let mut reader = ResponseReader::new();
/// let mut body: Vec<u8> = Vec::new();
/// let first = reader.receive(b"HTTP/1.1 200 OK\r\nContent-Len", |octets| body.extend(octets))?;
/// assert_eq!(first, Step::NeedMore);
/// let last = reader.receive(b"gth: 2\r\n\r\nok", |octets| body.extend(octets))?;
/// assert_eq!(last, Step::Complete);
/// assert_eq!(body, b"ok");
/// # Ok::<(), healthcheck::http::ResponseError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ResponseReader {
    place: Place,
    header: Option<Header>,
    interim: u8,
    /// Octets of the header as they came, kept only if asked for.
    raw_header: Option<Vec<u8>>,
}

impl Default for ResponseReader {
    fn default() -> Self {
        Self::new()
    }
}

impl ResponseReader {
    /// A reader at the start of an answer.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            place: Place::Header(Vec::new()),
            header: None,
            interim: 0,
            raw_header: None,
        }
    }

    /// A reader that also keeps the octets of the header.
    #[must_use]
    pub const fn keeping_header() -> Self {
        Self {
            place: Place::Header(Vec::new()),
            header: None,
            interim: 0,
            raw_header: Some(Vec::new()),
        }
    }

    /// The header, once it is complete.
    #[must_use]
    pub const fn header(&self) -> Option<&Header> {
        self.header.as_ref()
    }

    /// The octets of the header, if they were to be kept.
    #[must_use]
    pub fn raw_header(&self) -> Option<&[u8]> {
        self.raw_header.as_deref()
    }

    /// Takes the next octets, and hands those of the body on.
    ///
    /// # Errors
    /// If they are no HTTP answer. Then the reader must not be used again.
    pub fn receive(
        &mut self,
        octets: &[u8],
        body: impl FnMut(&[u8]),
    ) -> Result<Step, ResponseError> {
        let _ = self.consume(octets, &mut BodyOnly(body))?;
        Ok(if matches!(self.place, Place::Complete) {
            Step::Complete
        } else {
            Step::NeedMore
        })
    }

    /// Takes the next octets. Breaks off when the answer is complete or the consumer has seen enough.
    pub(super) fn consume(
        &mut self,
        octets: &[u8],
        consumer: &mut impl Consumer,
    ) -> Result<ControlFlow<()>, ResponseError> {
        let mut rest = octets;
        let mut carried;
        while let Place::Header(held) = &mut self.place {
            if rest.is_empty() {
                return Ok(ControlFlow::Continue(()));
            }
            // Most headers come in one piece, which is read where it stands.
            let in_one = held.is_empty();
            if !in_one {
                held.extend_from_slice(rest);
            }
            let whole = if in_one { rest } else { held.as_slice() };
            // A header ends with a line, so only a new line end can make it complete, and only whole
            // lines are judged: the verdict does not depend on where the server cut its packets,
            // and a server that sends an octet at a time does not make us parse each time.
            let parsed = match whole.iter().rposition(|octet| *octet == b'\n') {
                Some(end) if rest.contains(&b'\n') => {
                    parse_header(whole.get(..=end).unwrap_or_default())?
                }
                _ => None,
            };
            let Some(header) = parsed else {
                if whole.len() > HEADER_LIMIT {
                    return Err(ResponseError::HeaderTooLong);
                }
                if in_one {
                    held.extend_from_slice(rest);
                }
                return Ok(ControlFlow::Continue(()));
            };
            if let Some(kept) = &mut self.raw_header {
                *kept = whole.get(..header.length).unwrap_or_default().to_vec();
            }
            rest = if in_one {
                rest.get(header.length..).unwrap_or_default()
            } else {
                carried = std::mem::take(held);
                carried.get(header.length..).unwrap_or_default()
            };
            if self.enter_body(header)? && consumer.header(&header).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        let mut flow = ControlFlow::Continue(());
        match &mut self.place {
            Place::Header(_) | Place::Complete => {}
            Place::UntilClose => flow = hand_on(consumer, rest),
            Place::Counted(left) => {
                let take = usize::try_from(*left).map_or(rest.len(), |left| left.min(rest.len()));
                let part = rest.get(..take).unwrap_or_default();
                flow = hand_on(consumer, part);
                *left = left.saturating_sub(part.len() as u64);
                if *left == 0 {
                    self.place = Place::Complete;
                }
            }
            Place::Chunked(chunks) => {
                let (used, done) = chunks.receive(rest)?;
                flow = hand_on(consumer, rest.get(..used).unwrap_or_default());
                if done {
                    self.place = Place::Complete;
                }
            }
        }
        Ok(if matches!(self.place, Place::Complete) {
            ControlFlow::Break(())
        } else {
            flow
        })
    }

    /// The server has closed the connection.
    ///
    /// # Errors
    /// If the answer is not complete.
    pub fn closed(&mut self) -> Result<(), ResponseError> {
        match self.place {
            Place::UntilClose | Place::Complete => {
                self.place = Place::Complete;
                Ok(())
            }
            Place::Header(_) | Place::Counted(_) | Place::Chunked(_) => Err(ResponseError::CutOff),
        }
    }

    /// False if the real answer is still to come.
    fn enter_body(&mut self, header: Header) -> Result<bool, ResponseError> {
        let status = header.status.code();
        if (100..200).contains(&status) && status != 101 {
            self.interim += 1;
            if self.interim > INTERIM_LIMIT {
                return Err(ResponseError::TooManyInterim);
            }
            self.place = Place::Header(Vec::new());
            return Ok(false);
        }
        self.header = Some(header);
        self.place = match header {
            // RFC 9112 §6.3: these never have a body.
            _ if matches!(status, 204 | 304) => Place::Complete,
            Header { chunked: true, .. } => Place::Chunked(Chunks::default()),
            Header {
                content_length: Some(0),
                ..
            } => Place::Complete,
            Header {
                content_length: Some(length),
                ..
            } => Place::Counted(length),
            _ => Place::UntilClose,
        };
        Ok(true)
    }
}

fn hand_on(consumer: &mut impl Consumer, octets: &[u8]) -> ControlFlow<()> {
    if octets.is_empty() {
        return ControlFlow::Continue(());
    }
    consumer.body(octets)
}

/// A consumer that wants the body and nothing else.
struct BodyOnly<F>(F);

impl<F: FnMut(&[u8])> Consumer for BodyOnly<F> {
    fn header(&mut self, _: &Header) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn body(&mut self, octets: &[u8]) -> ControlFlow<()> {
        (self.0)(octets);
        ControlFlow::Continue(())
    }
}

/// The header at the start of these octets; `None` if it is not complete.
fn parse_header(octets: &[u8]) -> Result<Option<Header>, ResponseError> {
    let mut fields = [const { MaybeUninit::uninit() }; FIELDS];
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default()
        .parse_response_with_uninit_headers(&mut response, octets, &mut fields)
        .map_err(|error| ResponseError::Header(error.to_string()))?;
    let httparse::Status::Complete(length) = parsed else {
        return Ok(None);
    };
    let mut header = Header {
        status: StatusCode::new(response.code.unwrap_or(0)),
        content_length: None,
        chunked: false,
        length,
    };
    for field in response.headers.iter() {
        if field.name.eq_ignore_ascii_case("content-length") {
            let length = read_length(field.value).ok_or(ResponseError::ContentLength)?;
            if header.content_length.is_some_and(|other| other != length) {
                return Err(ResponseError::ContentLength);
            }
            header.content_length = Some(length);
        } else if field.name.eq_ignore_ascii_case("transfer-encoding") {
            let last = field
                .value
                .rsplit(|octet| *octet == b',')
                .next()
                .unwrap_or_default();
            header.chunked = last.trim_ascii().eq_ignore_ascii_case(b"chunked");
        }
    }
    Ok(Some(header))
}

fn read_length(text: &[u8]) -> Option<u64> {
    let text = text.trim_ascii();
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Finds the end of a body in chunks (RFC 9112 §7.1).
#[derive(Clone, Debug, Default)]
struct Chunks {
    state: ChunkState,
    /// The line that is being read, without its end.
    line: Vec<u8>,
    trailers: usize,
}

#[derive(Clone, Copy, Debug, Default)]
enum ChunkState {
    #[default]
    Size,
    Data(u64),
    /// The line end after the data of a chunk.
    AfterData,
    Trailer,
}

impl Chunks {
    /// How many of the octets belong to the body, and whether it is complete.
    fn receive(&mut self, octets: &[u8]) -> Result<(usize, bool), ResponseError> {
        let mut used = 0;
        while let Some(rest) = octets.get(used..).filter(|rest| !rest.is_empty()) {
            if let ChunkState::Data(left) = self.state {
                let take = usize::try_from(left).map_or(rest.len(), |left| left.min(rest.len()));
                used += take;
                let left = left.saturating_sub(take as u64);
                self.state = if left == 0 {
                    ChunkState::AfterData
                } else {
                    ChunkState::Data(left)
                };
                continue;
            }
            let end = rest.iter().position(|octet| *octet == b'\n');
            let part = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
            if self.line.len() + part.len() > CHUNK_LINE_LIMIT {
                return Err(ResponseError::Chunk);
            }
            self.line.extend_from_slice(part);
            used += part.len();
            if end.is_some() {
                used += 1;
                if self.end_line()? {
                    return Ok((used, true));
                }
            }
        }
        Ok((used, false))
    }

    /// True at the end of the body.
    fn end_line(&mut self) -> Result<bool, ResponseError> {
        let line = std::mem::take(&mut self.line);
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        self.state = match self.state {
            ChunkState::Size => match chunk_size(line).ok_or(ResponseError::Chunk)? {
                0 => ChunkState::Trailer,
                size => ChunkState::Data(size),
            },
            ChunkState::AfterData if line.is_empty() => ChunkState::Size,
            ChunkState::AfterData => return Err(ResponseError::Chunk),
            ChunkState::Trailer if line.is_empty() => return Ok(true),
            ChunkState::Trailer => {
                self.trailers += 1;
                if self.trailers > FIELDS {
                    return Err(ResponseError::Chunk);
                }
                ChunkState::Trailer
            }
            data @ ChunkState::Data(_) => data,
        };
        Ok(false)
    }
}

fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|octet| *octet == b';').next()?.trim_ascii();
    if digits.is_empty() || digits.len() > 16 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Read = (Result<Step, ResponseError>, Option<Header>, Vec<u8>);

    fn read(pieces: &[&[u8]]) -> Read {
        let mut reader = ResponseReader::new();
        let mut body = Vec::new();
        let mut step = Ok(Step::NeedMore);
        for piece in pieces {
            step = reader.receive(piece, |octets| body.extend_from_slice(octets));
            if step != Ok(Step::NeedMore) {
                break;
            }
        }
        (step, reader.header().copied(), body)
    }

    #[test]
    fn the_body_ends_where_the_header_says() {
        let (step, header, body) = read(&[b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabcdef"]);
        assert_eq!((step, body), (Ok(Step::Complete), b"abc".to_vec()));
        assert_eq!(header.unwrap().content_length, Some(3));
        let (step, _, body) = read(&[b"HTTP/1.0 200 OK\r\n\r\nabc"]);
        assert_eq!((step, body), (Ok(Step::NeedMore), b"abc".to_vec()));
        let (step, _, _) = read(&[b"HTTP/1.1 204 No Content\r\n\r\n"]);
        assert_eq!(step, Ok(Step::Complete));
    }

    #[test]
    fn chunks_are_handed_on_as_they_come() {
        let chunks = b"3;x=y\r\nabc\r\n0\r\nTrailer: z\r\n\r\n";
        let mut octets = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n".to_vec();
        octets.extend_from_slice(chunks);
        octets.extend_from_slice(b"next answer");
        let (step, _, body) = read(&[&octets]);
        assert_eq!((step, body), (Ok(Step::Complete), chunks.to_vec()));
    }

    #[test]
    fn broken_answers_are_told_apart() {
        let header = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(read(&[header, b"zz\r\n"]).0, Err(ResponseError::Chunk));
        assert_eq!(read(&[header, b"1\r\nab\r\n"]).0, Err(ResponseError::Chunk));
        assert_eq!(
            read(&[header, b"ffffffffffffffffff\r\n"]).0,
            Err(ResponseError::Chunk)
        );
        let lengths = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n";
        assert_eq!(read(&[lengths]).0, Err(ResponseError::ContentLength));
        assert!(matches!(
            read(&[b"SSH-2.0-OpenSSH\r\n"]).0,
            Err(ResponseError::Header(_))
        ));
        let endless = b"HTTP/1.1 200 OK\r\nX: "
            .iter()
            .chain(&[b'a'; 70_000])
            .copied();
        let endless: Vec<u8> = endless.collect();
        assert_eq!(read(&[&endless]).0, Err(ResponseError::HeaderTooLong));
        let interim = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(9);
        assert_eq!(read(&[&interim]).0, Err(ResponseError::TooManyInterim));
    }

    #[test]
    fn only_whole_header_lines_are_judged() {
        let start = b"HTTP/1.1 200 OK\r\nA: c\x10";
        assert_eq!(read(&[start]).0, Ok(Step::NeedMore));
        let (first, second) = start.split_at(20);
        assert_eq!(read(&[first, second]).0, Ok(Step::NeedMore));
        assert!(matches!(
            read(&[start, b"\r\n"]).0,
            Err(ResponseError::Header(_))
        ));
    }

    #[test]
    fn interim_answers_are_skipped() {
        let (_, header, body) =
            read(&[b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\nx"]);
        assert_eq!((header.unwrap().status.code(), body), (200, b"x".to_vec()));
    }

    #[test]
    fn an_early_end_is_an_error_unless_the_end_is_the_mark() {
        let mut reader = ResponseReader::new();
        assert_eq!(reader.closed(), Err(ResponseError::CutOff));
        reader.receive(b"HTTP/1.1 200 OK\r\n\r\n", |_| ()).unwrap();
        assert_eq!(reader.closed(), Ok(()));
        let mut reader = ResponseReader::new();
        reader
            .receive(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", |_| ())
            .unwrap();
        assert_eq!(reader.closed(), Err(ResponseError::CutOff));
    }

    prop_compose! {
        fn answer()(
            header in prop_oneof![
                Just("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"),
                Just("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 No\r\n\r\n"),
                Just("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n"),
                Just("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
                Just(""),
            ],
            tail in proptest::collection::vec(any::<u8>(), 0..80),
        ) -> Vec<u8> {
            let mut octets = header.as_bytes().to_vec();
            octets.extend(tail);
            octets
        }
    }

    proptest! {
        #[test]
        fn pieces_of_any_size_give_the_same_answer(
            octets in answer(),
            cuts in proptest::collection::vec(0_usize..200, 0..6),
        ) {
            let whole = read(&[&octets]);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(octets.len())).collect();
            cuts.push(0);
            cuts.push(octets.len());
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|ends| &octets[ends[0]..ends[1]]).collect();
            let split = read(&pieces);
            prop_assert_eq!(&split.0, &whole.0);
            prop_assert_eq!(split.1, whole.1);
            if whole.0.is_ok() {
                prop_assert_eq!(split.2, whole.2);
            }
        }
    }
}
