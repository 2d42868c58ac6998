//! `director explain`: why something is as it is. A diagnostic's code needs no director; everything else is asked of it.

use super::connect::{SocketArguments, fail, unexpected};
use crate::config;
use crate::exit::Exit;
use crate::output;
use director_control::{Request, Response};
use keepalived_conf::cli;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(super) struct ExplainArguments {
    /// A real server (10.0.0.4:80, or VIRTUAL_SERVER/10.0.0.4:80), a virtual server, a virtual address, an instance, group
    /// or tracker of the running director; or the code of a diagnostic, such as KC0103
    #[arg(value_name = "TARGET")]
    target: String,
    /// Write it as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    socket: SocketArguments,
}

/// Exit: success if there is something of that name.
pub(super) fn run(arguments: &ExplainArguments) -> ExitCode {
    let target = &arguments.target;
    if let Ok(code) = target.parse::<keepalived_conf::Code>() {
        if let Some(page) = config::explain(code) {
            output::print(page);
            return ExitCode::SUCCESS;
        }
        let outcome = cli::explain(target);
        output::print(outcome.text);
        return ExitCode::from(outcome.status);
    }
    let request = Request::Explain {
        target: target.clone(),
    };
    match arguments.socket.ask(request) {
        Ok(Response::Explanation { explanations }) => {
            if arguments.json {
                output::print_line(serde_json::to_string_pretty(&explanations).unwrap_or_default());
            } else {
                let texts = explanations.iter().map(ToString::to_string);
                output::print(texts.collect::<Vec<_>>().join("\n"));
            }
            Exit::Success.into()
        }
        Ok(other) => unexpected(&other).into(),
        Err(error) => fail(&error).into(),
    }
}
