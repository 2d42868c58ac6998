//! Any text protocol over TCP or TLS: send something, expect something.

mod probe;

pub use probe::{Expect, InvalidTalk, TalkProbe, TalkSettings, TalkStep};
