//! `director control-schema`: the JSON schema of the control protocol, and whether a document fits it.

use crate::exit::Exit;
use crate::output;
use std::io::Read;

#[derive(Debug, clap::Args)]
pub(super) struct SchemaArguments {
    /// Hold JSON from standard input against this definition, such as Snapshot or Event; several documents may follow one
    /// another
    #[arg(long, value_name = "DEFINITION")]
    check: Option<String>,
}

/// Exit: success if everything fits.
pub(super) fn run(arguments: &SchemaArguments) -> Exit {
    let Some(definition) = &arguments.check else {
        output::print(director_control::SCHEMA);
        return Exit::Success;
    };
    let mut text = String::new();
    if let Err(error) = std::io::stdin().lock().read_to_string(&mut text) {
        output::report(&error);
        return Exit::Other;
    }
    let mut seen = 0_usize;
    for document in serde_json::Deserializer::from_str(&text).into_iter() {
        let violation = match document {
            Ok(value) => director_control::validate(definition, &value)
                .err()
                .map(|violation| violation.to_string()),
            Err(error) => Some(error.to_string()),
        };
        seen = seen.saturating_add(1);
        if let Some(violation) = violation {
            output::print_error(format_args!("document {seen}: {violation}\n"));
            return Exit::Failure;
        }
    }
    if seen == 0 {
        output::print_error("director: error: there is no document on standard input\n");
        return Exit::Failure;
    }
    output::print_line(format_args!(
        "{} {} {definition}",
        output::count(seen, "document"),
        if seen == 1 { "fits" } else { "fit" }
    ));
    Exit::Success
}
