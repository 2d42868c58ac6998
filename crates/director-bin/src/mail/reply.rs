//! Replies of a mail server (RFC 5321 §4.2): octets in, replies out.

/// Octets of one line, at most. RFC 5321 §4.5.3.1.5 says 512; some servers say more.
const LINE_LIMIT: usize = 4096;
/// Lines of one reply, at most.
const LINES_LIMIT: usize = 128;

/// A whole reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    /// Its code, such as 250.
    pub(super) code: u16,
    /// The text of its lines, without the code.
    pub(super) lines: Vec<String>,
}

/// What came is no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadReply {
    /// A line does not begin with three digits and a blank or hyphen.
    #[error("a reply line does not begin with a code of three digits")]
    Malformed,
    /// The lines of one reply have different codes.
    #[error("the lines of one reply have different codes")]
    MixedCodes,
    /// A line or reply is longer than we read.
    #[error("a reply is too long")]
    TooLong,
}

/// Puts replies together from pieces of any size.
#[derive(Debug, Default)]
pub(super) struct ReplyReader {
    line: Vec<u8>,
    lines: Vec<String>,
    code: Option<u16>,
}

impl ReplyReader {
    /// Takes octets from the front of `octets` until a reply is whole; tells how many it took.
    pub(super) fn take(&mut self, octets: &[u8]) -> Result<(usize, Option<Reply>), BadReply> {
        for (at, octet) in octets.iter().enumerate() {
            if *octet != b'\n' {
                if self.line.len() >= LINE_LIMIT {
                    return Err(BadReply::TooLong);
                }
                self.line.push(*octet);
            } else if let Some(reply) = self.end_line()? {
                return Ok((at.saturating_add(1), Some(reply)));
            }
        }
        Ok((octets.len(), None))
    }

    fn end_line(&mut self) -> Result<Option<Reply>, BadReply> {
        let line = std::mem::take(&mut self.line);
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        let (code, rest) = line.split_at_checked(3).ok_or(BadReply::Malformed)?;
        let code = std::str::from_utf8(code)
            .ok()
            .filter(|code| code.bytes().all(|digit| digit.is_ascii_digit()))
            .and_then(|code| code.parse::<u16>().ok())
            .ok_or(BadReply::Malformed)?;
        let (last, text) = match rest.split_first() {
            None => (true, &[][..]),
            Some((b' ', text)) => (true, text),
            Some((b'-', text)) => (false, text),
            Some(_) => return Err(BadReply::Malformed),
        };
        if self.code.is_some_and(|earlier| earlier != code) {
            return Err(BadReply::MixedCodes);
        }
        if self.lines.len() >= LINES_LIMIT {
            return Err(BadReply::TooLong);
        }
        self.lines.push(String::from_utf8_lossy(text).into_owned());
        self.code = Some(code);
        if !last {
            return Ok(None);
        }
        self.code = None;
        let lines = std::mem::take(&mut self.lines);
        Ok(Some(Reply { code, lines }))
    }
}

impl Reply {
    /// The reply on one line, short enough for a log.
    pub(super) fn text(&self) -> String {
        let all = format!("{} {}", self.code, self.lines.join(" / "));
        let printable: String = all.chars().filter(|c| !c.is_control()).take(200).collect();
        printable.trim_end().to_owned()
    }

    /// The words behind an extension of EHLO, such as `AUTH`; `None` if it is not offered (RFC 5321 §4.1.1.1).
    pub(super) fn extension(&self, name: &str) -> Option<Vec<String>> {
        self.lines.iter().skip(1).find_map(|line| {
            // Some servers still write `AUTH=LOGIN`.
            let mut words = line.split([' ', '=']).map(str::to_ascii_uppercase);
            (words.next()? == name).then(|| words.collect())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(octets: &[u8]) -> Result<Option<Reply>, BadReply> {
        ReplyReader::default().take(octets).map(|(_, reply)| reply)
    }

    #[test]
    fn reads_replies_of_one_and_of_many_lines() {
        let reply = read(b"250-mail.example greets\r\n250-AUTH PLAIN login\n250 STARTTLS\r\n");
        let reply = reply.unwrap().unwrap();
        assert_eq!(reply.code, 250);
        assert_eq!(reply.extension("AUTH").unwrap(), ["PLAIN", "LOGIN"]);
        assert_eq!(reply.extension("STARTTLS").unwrap(), [""; 0]);
        assert_eq!(reply.extension("8BITMIME"), None);
        assert_eq!(read(b"220\r\n").unwrap().unwrap().code, 220);
        assert_eq!(read(b"220-wait\r\n").unwrap(), None);
    }

    #[test]
    fn refuses_what_is_no_reply() {
        for (octets, error) in [
            (&b"hello\r\n"[..], BadReply::Malformed),
            (b"25\r\n", BadReply::Malformed),
            (b"250x\r\n", BadReply::Malformed),
            (b"+50 x\r\n", BadReply::Malformed),
            (b"250-a\r\n251 b\r\n", BadReply::MixedCodes),
        ] {
            assert_eq!(read(octets), Err(error), "{octets:?}");
        }
        assert_eq!(read(&[b'2'; 5000]), Err(BadReply::TooLong));
        assert_eq!(read(&b"250-again\r\n".repeat(1000)), Err(BadReply::TooLong));
    }

    proptest! {
        #[test]
        fn pieces_of_any_size_give_the_same(
            octets in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..300),
                "(2[0-9]{2}[- ][a-z]{0,9}\r?\n){1,4}".prop_map(String::into_bytes),
            ],
            cut in 0_usize..300,
        ) {
            let mut whole = ReplyReader::default();
            let expected = whole.take(&octets);
            let mut pieces = ReplyReader::default();
            let (a, b) = octets.split_at(cut.min(octets.len()));
            let got = match pieces.take(a) {
                Ok((taken, None)) => pieces.take(b).map(|(more, reply)| (taken + more, reply)),
                other => other,
            };
            prop_assert_eq!(got, expected);
        }
    }
}
