//! `DNS_CHECK`: a name server answers a question.

mod answer;
mod name;
mod probe;
mod query;

pub use answer::{Answer, AnswerError, ResponseCode};
pub use name::{InvalidName, Name};
pub use probe::{DnsProbe, DnsSettings};
pub use query::{Question, RecordType, UnknownRecordType};
