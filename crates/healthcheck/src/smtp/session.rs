//! The dialogue of `SMTP_CHECK` (RFC 5321 §4.2): bytes in, bytes out, no socket.

/// Octets of one reply line, at most (RFC 5321 §4.5.3.1.5 says 512; some servers say more).
const LINE_LIMIT: usize = 4096;
/// Lines of one reply, at most.
const REPLY_LINES: usize = 64;

/// Where a dialogue stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// Waits for the greeting, which must have code 220.
    Greeting,
    /// Has said `HELO` and waits for the reply, which must have code 250.
    Helo,
    /// All is said; `QUIT` is in the output and its reply is not waited for.
    Done,
}

/// The server did not answer as it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The reply has another code than wanted.
    #[error("code {got} instead of {wanted}")]
    Code {
        /// What came.
        got: u16,
        /// What was wanted.
        wanted: u16,
    },
    /// A line does not begin with three digits and a blank or hyphen.
    #[error("a reply line does not begin with a code of three digits")]
    Malformed,
    /// The lines of one reply have different codes.
    #[error("the lines of one reply have different codes")]
    MixedCodes,
    /// A line or reply is longer than we read.
    #[error("the reply is too long")]
    TooLong,
}

/// The dialogue with one mail server.
///
/// ```
/// use healthcheck::smtp::{Session, Stage};
///
/// let mut session = Session::new("checker.example");
/// session.receive(b"220 mail.example ESMTP\r\n")?;
/// assert_eq!(session.take_output(), b"HELO checker.example\r\n");
/// session.receive(b"250-hello\r\n250 go on\r\n")?;
/// assert_eq!(session.take_output(), b"QUIT\r\n");
/// assert_eq!(session.stage(), Stage::Done);
/// # Ok::<(), healthcheck::smtp::SessionError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Session {
    stage: Stage,
    helo: Vec<u8>,
    line: Vec<u8>,
    lines: usize,
    code: Option<u16>,
    output: Vec<u8>,
}

impl Session {
    /// A dialogue that will give this name in `HELO`. The name must not hold blanks or control
    /// characters; those are left out.
    #[must_use]
    pub fn new(helo_name: &str) -> Self {
        let name: String = helo_name.chars().filter(char::is_ascii_graphic).collect();
        Self {
            stage: Stage::Greeting,
            helo: format!("HELO {name}\r\n").into_bytes(),
            line: Vec::new(),
            lines: 0,
            code: None,
            output: Vec::new(),
        }
    }

    /// Where the dialogue stands.
    #[must_use]
    pub const fn stage(&self) -> Stage {
        self.stage
    }

    /// What is to be sent now. May hold something after every call of `receive`.
    #[must_use]
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// Takes octets from the server, in pieces of any size.
    ///
    /// # Errors
    /// If the server does not answer as it should. The dialogue is over then.
    pub fn receive(&mut self, octets: &[u8]) -> Result<(), SessionError> {
        for octet in octets {
            if self.stage == Stage::Done {
                return Ok(());
            }
            if *octet == b'\n' {
                self.end_line()?;
            } else if self.line.len() < LINE_LIMIT {
                self.line.push(*octet);
            } else {
                return Err(SessionError::TooLong);
            }
        }
        Ok(())
    }

    fn end_line(&mut self) -> Result<(), SessionError> {
        let line = std::mem::take(&mut self.line);
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        let (code, last) = read_line(line).ok_or(SessionError::Malformed)?;
        if self.code.is_some_and(|earlier| earlier != code) {
            return Err(SessionError::MixedCodes);
        }
        self.lines += 1;
        if !last {
            self.code = Some(code);
            return if self.lines < REPLY_LINES {
                Ok(())
            } else {
                Err(SessionError::TooLong)
            };
        }
        self.code = None;
        self.lines = 0;
        let (wanted, next, output) = match self.stage {
            Stage::Greeting => (220, Stage::Helo, std::mem::take(&mut self.helo)),
            Stage::Helo => (250, Stage::Done, b"QUIT\r\n".to_vec()),
            Stage::Done => return Ok(()),
        };
        if code != wanted {
            return Err(SessionError::Code { got: code, wanted });
        }
        self.stage = next;
        self.output.extend_from_slice(&output);
        Ok(())
    }
}

/// The code of a reply line and whether it is the last of its reply.
fn read_line(line: &[u8]) -> Option<(u16, bool)> {
    let (code, rest) = line.split_at_checked(3)?;
    if !code.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let code = std::str::from_utf8(code).ok()?.parse().ok()?;
    match rest.first() {
        None | Some(b' ') => Some((code, true)),
        Some(b'-') => Some((code, false)),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_what_is_no_reply() {
        for (octets, error) in [
            (
                &b"554 no\r\n"[..],
                SessionError::Code {
                    got: 554,
                    wanted: 220,
                },
            ),
            (b"hello\r\n", SessionError::Malformed),
            (b"\r\n", SessionError::Malformed),
            (b"220x\r\n", SessionError::Malformed),
            (b"220-a\r\n221 b\r\n", SessionError::MixedCodes),
        ] {
            assert_eq!(Session::new("x").receive(octets), Err(error), "{octets:?}");
        }
        assert_eq!(
            Session::new("x").receive(&[b'2'; 5000]),
            Err(SessionError::TooLong)
        );
        let endless = b"220-again\r\n".repeat(100);
        assert_eq!(
            Session::new("x").receive(&endless),
            Err(SessionError::TooLong)
        );
    }

    #[test]
    fn the_name_cannot_carry_another_command() {
        let mut session = Session::new("a\r\nMAIL FROM:<b>");
        session.receive(b"220 x\n").unwrap();
        assert_eq!(session.take_output(), b"HELO aMAILFROM:<b>\r\n");
    }

    proptest! {
        #[test]
        fn pieces_of_any_size_give_the_same_result(
            octets in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..300),
                "(220|250|2[0-9]{2})[- ][a-z]{0,9}\r?\n(250[- ]x\r\n){0,3}".prop_map(String::into_bytes),
            ],
            cut in 0_usize..300,
        ) {
            let mut whole = Session::new("x");
            let expected = whole.receive(&octets);
            let mut pieces = Session::new("x");
            let (a, b) = octets.split_at(cut.min(octets.len()));
            let got = pieces.receive(a).and_then(|()| pieces.receive(b));
            prop_assert_eq!(got, expected);
            prop_assert_eq!(pieces.stage(), whole.stage());
            prop_assert_eq!(pieces.take_output(), whole.take_output());
        }
    }
}
