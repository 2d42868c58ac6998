//! `SMTP_CHECK`: a mail server greets and takes a `HELO`.

mod probe;
mod session;

pub use probe::{InvalidSmtp, SmtpHost, SmtpProbe, SmtpSettings};
pub use session::{Session, SessionError, Stage};
