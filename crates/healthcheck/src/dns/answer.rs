//! Answers of a name server (RFC 1035 §4.1.1).

use std::fmt;

use super::Question;

/// Octets of the header of a message.
const HEADER: usize = 12;

/// The code that an answer carries (RFC 1035 §4.1.1, RFC 6895 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ResponseCode(u8);

impl ResponseCode {
    /// Takes the lower four bits of the number.
    #[must_use]
    pub const fn new(code: u8) -> Self {
        Self(code & 0x0f)
    }

    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        self.0
    }

    /// True if all is well.
    #[must_use]
    pub const fn is_no_error(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for ResponseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            0 => "NOERROR",
            1 => "FORMERR",
            2 => "SERVFAIL",
            3 => "NXDOMAIN",
            4 => "NOTIMP",
            5 => "REFUSED",
            6 => "YXDOMAIN",
            7 => "YXRRSET",
            8 => "NXRRSET",
            9 => "NOTAUTH",
            10 => "NOTZONE",
            code => return write!(f, "RCODE{code}"),
        })
    }
}

/// A datagram is not the answer to our question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// It ends within the header or the question.
    #[error("{have} octets are too few for an answer")]
    Truncated {
        /// Its length.
        have: usize,
    },
    /// It is a question itself, or no standard query.
    #[error("not an answer to a standard query")]
    NotAnAnswer,
    /// It belongs to another question of ours.
    #[error("identification {got:#06x} instead of {wanted:#06x}")]
    Identification {
        /// What came.
        got: u16,
        /// What we sent.
        wanted: u16,
    },
    /// It repeats another question than ours.
    #[error("answer to another question")]
    OtherQuestion,
}

/// The part of an answer that a check needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// Whether the server could answer.
    pub code: ResponseCode,
    /// Records that it says to have put into the answer section.
    pub answers: u16,
    /// The answer did not fit into the datagram.
    pub truncated: bool,
}

impl Answer {
    /// Reads the header of an answer and makes sure that it belongs to our question. Records are
    /// not read, so compressed names, and loops in them, do no harm.
    ///
    /// # Errors
    /// If it is not the answer to our question.
    pub fn parse(datagram: &[u8], id: u16, question: &Question) -> Result<Self, AnswerError> {
        let truncated = AnswerError::Truncated {
            have: datagram.len(),
        };
        let (header, rest) = datagram.split_first_chunk::<HEADER>().ok_or(truncated)?;
        let [
            id_high,
            id_low,
            flags_high,
            flags_low,
            q_high,
            q_low,
            a_high,
            a_low,
            ..,
        ] = *header;
        let got = u16::from_be_bytes([id_high, id_low]);
        if got != id {
            return Err(AnswerError::Identification { got, wanted: id });
        }
        let is_answer = flags_high & 0x80 != 0;
        let opcode = flags_high >> 3 & 0x0f;
        if !is_answer || opcode != 0 {
            return Err(AnswerError::NotAnAnswer);
        }
        let code = ResponseCode::new(flags_low);
        match u16::from_be_bytes([q_high, q_low]) {
            // A server that cannot make sense of a query may leave the question out.
            0 if !code.is_no_error() => {}
            1 => check_question(rest, question).ok_or(truncated)??,
            _ => return Err(AnswerError::OtherQuestion),
        }
        Ok(Self {
            code,
            answers: u16::from_be_bytes([a_high, a_low]),
            truncated: flags_high & 0x02 != 0,
        })
    }
}

/// `None` if the octets end too early.
fn check_question(octets: &[u8], question: &Question) -> Option<Result<(), AnswerError>> {
    let (name, rest) = octets.split_at_checked(question.name.wire().len())?;
    let (tail, _) = rest.split_first_chunk::<4>()?;
    let [type_high, type_low, class_high, class_low] = *tail;
    // The server may change the case of letters (RFC 4343). Length octets are below 64, so no
    // letter is among them.
    let same = name.eq_ignore_ascii_case(question.name.wire())
        && u16::from_be_bytes([type_high, type_low]) == question.record_type.code()
        && [class_high, class_low] == [0, 1];
    Some(if same {
        Ok(())
    } else {
        Err(AnswerError::OtherQuestion)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn question() -> Question {
        Question {
            name: "www.example.org".parse().unwrap(),
            record_type: super::super::RecordType::A,
        }
    }

    fn answer(code: u8) -> Vec<u8> {
        let mut octets = question().encode(7);
        octets[2] |= 0x80;
        octets[3] = code;
        octets[7] = 2;
        octets
    }

    #[test]
    fn reads_code_and_count() {
        let got = Answer::parse(&answer(0), 7, &question()).unwrap();
        assert_eq!((got.code.to_string().as_str(), got.answers), ("NOERROR", 2));
        let got = Answer::parse(&answer(3), 7, &question()).unwrap();
        assert_eq!(got.code.to_string(), "NXDOMAIN");
    }

    #[test]
    fn takes_only_the_answer_to_its_question() {
        let good = answer(0);
        assert!(Answer::parse(&good, 8, &question()).is_err());
        assert!(Answer::parse(&question().encode(7), 7, &question()).is_err());
        let mut other = good.clone();
        other[13] = b'v';
        assert_eq!(
            Answer::parse(&other, 7, &question()),
            Err(AnswerError::OtherQuestion)
        );
        let mut upper = good;
        upper[13] = b'W';
        assert!(Answer::parse(&upper, 7, &question()).is_ok());
    }

    proptest! {
        #[test]
        fn never_panics_and_never_reads_a_cut_answer(
            octets in proptest::collection::vec(any::<u8>(), 0..64),
            cut in 0_usize..33,
        ) {
            let _ = Answer::parse(&octets, 7, &question());
            let good = answer(0);
            prop_assert!(Answer::parse(&good[..cut.min(good.len() - 1)], 7, &question()).is_err());
        }
    }
}
