//! Weight by an agent on the server: the text that agents for HAProxy send.

mod answer;
mod probe;

pub use answer::{AgentAnswer, InvalidAgentAnswer};
pub use probe::{AgentProbe, AgentSettings};
