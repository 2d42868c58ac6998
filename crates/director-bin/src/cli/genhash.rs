//! `director genhash`, also under the name `genhash`: the digest of a page, for the keyword `digest`.

use crate::exit::Exit;
use crate::output;
use clap::Parser;
use healthcheck::TlsSettings;
use healthcheck::http::{Genhash, GenhashSettings, HttpProtocol, genhash};
use std::ffi::OsString;
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// genhash's options. As with genhash the last counts of those that are given twice.
#[derive(Debug, clap::Args)]
#[command(args_override_self = true)]
pub(super) struct GenhashArguments {
    /// Use TLS; the certificate is not verified
    #[arg(short = 'S', long)]
    use_ssl: bool,
    /// Name the virtual host in the TLS handshake
    #[arg(short = 'I', long)]
    use_sni: bool,
    /// Address of the server
    #[arg(short, long, value_name = "ADDRESS", value_parser = address)]
    server: IpAddr,
    /// Its port
    #[arg(short, long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// Path of the page
    #[arg(short, long, value_name = "PATH")]
    url: String,
    /// What stands in the `Host` field
    #[arg(short = 'V', long, value_name = "HOST")]
    use_virtualhost: Option<String>,
    /// Show header and body too
    #[arg(short, long)]
    verbose: bool,
    /// Firewall mark of the connection
    #[arg(short = 'm', long, value_name = "N", default_value_t = 0)]
    fwmark: u32,
    /// Version of HTTP; 1.0c is 1.0 with `Connection: close`
    #[arg(short = 'P', long, value_name = "1.0|1.0c|1.1", default_value = "1.0", value_parser = protocol)]
    protocol: HttpProtocol,
    /// Limit on connecting and on the whole page, in seconds
    #[arg(short, long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
}

/// The program under the name `genhash`.
#[derive(Debug, Parser)]
#[command(
    name = "genhash",
    about = "director in the place of genhash: the digest of a page"
)]
struct Alone {
    #[command(flatten)]
    arguments: GenhashArguments,
}

/// Called as `genhash`: wrong options end with status 1, as with genhash.
pub(super) fn alone(arguments: &[OsString]) -> ExitCode {
    match Alone::try_parse_from(arguments) {
        Ok(alone) => run(&alone.arguments),
        Err(error) => {
            drop(error.print());
            if error.use_stderr() {
                Exit::Failure.into()
            } else {
                Exit::Success.into()
            }
        }
    }
}

/// Takes the digest and prints it.
pub(super) fn run(arguments: &GenhashArguments) -> ExitCode {
    let target = SocketAddr::new(arguments.server, arguments.port);
    let limit = Duration::from_secs(arguments.timeout);
    let mut settings = GenhashSettings::new(target, arguments.url.clone());
    settings.virtual_host.clone_from(&arguments.use_virtualhost);
    settings.protocol = arguments.protocol;
    settings.timeout = limit;
    settings.dialer.connect_timeout = limit;
    settings.dialer.fwmark = arguments.fwmark;
    settings.keep_body = arguments.verbose;
    settings.tls = arguments.use_ssl.then(|| TlsSettings {
        enable_sni: arguments.use_sni,
        ..TlsSettings::default()
    });
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            output::report(&error);
            return Exit::Failure.into();
        }
    };
    let started = Instant::now();
    match runtime.block_on(genhash(&settings)) {
        Ok(page) if arguments.verbose => {
            output::print(verbose(&page, &arguments.url, started.elapsed()));
            Exit::Success.into()
        }
        Ok(page) => {
            output::print_line(page.digest);
            Exit::Success.into()
        }
        Err(error) => {
            output::report(&error);
            Exit::Failure.into()
        }
    }
}

fn address(text: &str) -> Result<IpAddr, String> {
    text.parse()
        .map_err(|_| format!("server should be an IP, not {text}"))
}

fn protocol(text: &str) -> Result<HttpProtocol, String> {
    match text {
        "1.0" => Ok(HttpProtocol::Http10),
        "1.0c" | "1.0C" => Ok(HttpProtocol::Http10Close),
        "1.1" => Ok(HttpProtocol::Http11),
        _ => Err(format!("invalid HTTP protocol version '{text}'")),
    }
}

/// genhash's dumps of header, body and digest.
fn verbose(page: &Genhash, url: &str, took: Duration) -> String {
    let mut text = String::from(
        "-----------------------[    HTTP Header Buffer    ]-----------------------\n",
    );
    dump(&mut text, &page.header);
    text.push_str("-----------------------[ HTTP Header Ascii Buffer ]-----------------------\n");
    text.push_str(&String::from_utf8_lossy(&page.header));
    text.push('\n');
    let body = page.body.as_deref().unwrap_or_default();
    if !body.is_empty() {
        text.push_str(
            "-----------------------[        HTML Buffer        ]-----------------------\n",
        );
        dump(&mut text, body);
    }
    text.push_str(
        "\n-----------------------[    HTML hash resulting    ]-----------------------\n",
    );
    dump(&mut text, page.digest.as_bytes());
    text.push_str("-----------------------[ HTML hash final resulting ]-----------------------\n");
    let _ = write!(
        text,
        "{}\n\nGlobal response time for [{url}] = {} usecs\n",
        page.digest,
        took.as_micros()
    );
    text
}

/// Sixteen octets a line: their offset, in hexadecimal, and as text.
fn dump(text: &mut String, octets: &[u8]) {
    for (line, part) in octets.chunks(16).enumerate() {
        let _ = write!(text, "{:04}  ", line.saturating_mul(16));
        for at in 0..16 {
            if at == 8 {
                text.push_str("- ");
            }
            match part.get(at) {
                Some(octet) => {
                    let _ = write!(text, "{octet:02x} ");
                }
                None => text.push_str("   "),
            }
        }
        text.push_str("  ");
        for at in 0..16 {
            text.push(match part.get(at) {
                Some(octet @ 0x20..=0x7e) => char::from(*octet),
                Some(_) => '.',
                None => ' ',
            });
        }
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dumps_look_like_genhash_s() {
        let mut text = String::new();
        dump(&mut text, b"HTTP/1.0 200 OK\r\nhello");
        assert_eq!(
            text,
            "0000  48 54 54 50 2f 31 2e 30 - 20 32 30 30 20 4f 4b 0d   HTTP/1.0 200 OK.\n\
             0016  0a 68 65 6c 6c 6f       -                           .hello          \n"
        );
    }
}
