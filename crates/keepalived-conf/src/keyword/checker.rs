//! Checkers.

use super::arguments::{
    BOOL, CONNECT_TIMEOUT, FLAG, PERIOD, SCRIPT, TIMER, U32, block, choice, grammar, int, seconds,
    text,
};
use super::table::{OURS, deprecated, put};
use super::{Arguments, Row, Scope, Table, row};
use crate::lower::{Call, check_parts};
use crate::model::{
    AgentCheck, Checker, CheckerKind, DnsCheck, DnsType, FileCheck, HttpGet, HttpProtocol,
    MiscCheck, Origin, Pace, RealServer, SmtpCheck, SourceBinding, Spanned, TalkCheck, TlsTrust,
    UdpCheck, Url,
};

const PORT: Arguments = int(1, 65535);

fn source(checker: &mut Checker) -> &mut SourceBinding {
    checker.source.get_or_insert_with(Box::default)
}

fn pace(checker: &mut Checker) -> &mut Pace {
    checker.pace.get_or_insert_with(Box::default)
}

fn trust(http: &mut HttpGet) -> &mut TlsTrust {
    http.tls.get_or_insert_with(Box::default)
}

type C = Checker;

#[rustfmt::skip]
static CONNECTION: &[Row<Checker>] = &[
    row("connect_ip", Arguments::Address, "the real server's", "Address to check.", put!(connect_ip)),
    row("connect_port", PORT, "the real server's", "Port to check.", put!(connect_port)),
    row("bindto", Arguments::Address, "any", "Source address.", |t: &mut C, c| c.put(&mut source(t).bindto)),
    row("bind_port", PORT, "any", "Source port.", |t: &mut C, c| c.put(&mut source(t).bind_port)),
    row("bind_if", text("IF"), "any", "Interface to send from; needed for IPv6 link-local addresses.", |t: &mut C, c| c.put(&mut source(t).bind_if)),
    row("connect_timeout", CONNECT_TIMEOUT, "of the real server", "Limit for connecting and for each wait.", put!(connect_timeout)),
    row("fwmark", U32, "0", "Mark of the packets of the check.", |t: &mut C, c| c.put(&mut source(t).fwmark)),
];

#[rustfmt::skip]
static SCHEDULE: &[Row<Checker>] = &[
    row("retry", U32, "of the real server, else 1; DNS 3; MISC 0", "Failed attempts tolerated before the server counts as down.", put!(retry)),
    row("delay_before_retry", TIMER, "of the real server, else 1; HTTP 3; DNS delay_loop", "Pause before another attempt.", put!(delay_before_retry)),
    row("warmup", TIMER, "of the real server, else delay_loop", "Upper bound of the random first delay; 0 for none.", put!(warmup)),
    row("delay_loop", PERIOD, "of the real server", "Period of the check.", put!(delay_loop)),
    row("alpha", BOOL, "of the real server", "Start as failed.", put!(alpha)),
    row("log_all_failures", BOOL, "checker_log_all_failures", "Log every failure, not only changes.", put!(log_all_failures)),
];

#[rustfmt::skip]
static PACE: &[Row<Checker>] = &[
    row("rise", int(1, u32::MAX as i64), "1", "Successes in a row that bring a failed server back.", |t: &mut C, c| c.put(&mut pace(t).rise)).since(OURS),
    row("jitter", TIMER, "0", "Upper bound of a random delay of each attempt.", |t: &mut C, c| c.put(&mut pace(t).jitter)).since(OURS),
];

pub(crate) static TCP: Table<Checker> = Table::new(Scope::TcpCheck, &[CONNECTION, SCHEDULE, PACE]);
pub(crate) static PING: Table<Checker> =
    Table::new(Scope::PingCheck, &[CONNECTION, SCHEDULE, PACE]);

macro_rules! part {
    ($name:ident, $variant:ident($($or:ident)?), $ty:ty) => {
        fn $name(checker: &mut Checker, with: impl FnOnce(&mut $ty)) {
            match &mut checker.kind {
                CheckerKind::$variant(part) $(| CheckerKind::$or(part))? => with(part),
                _ => {}
            }
        }
    };
}
part!(udp_part, Udp(), UdpCheck);
part!(http_part, Http(Ssl), HttpGet);
part!(smtp_part, Smtp(), SmtpCheck);
part!(dns_part, Dns(), DnsCheck);
part!(misc_part, Misc(), MiscCheck);
part!(file_part, File(), FileCheck);
part!(talk_part, Talk(), TalkCheck);
part!(agent_part, Agent(), AgentCheck);

#[rustfmt::skip]
static UDP_ROWS: &[Row<Checker>] = &[
    row("payload", grammar("HEX..."), "random", "Bytes to send, in hexadecimal.", |t: &mut C, c| udp_part(t, |p| check_parts::payload(p, c))),
    row("require_reply", grammar("[HEX...]"), "no reply needed", "Reply that must come, in hexadecimal; `x` is any digit.", |t: &mut C, c| udp_part(t, |p| check_parts::require_reply(p, c))),
    row("min_reply_length", int(0, 65535), "0", "Shortest reply in bytes.", |t: &mut C, c| udp_part(t, |p| c.put(&mut p.min_reply_length))),
    row("max_reply_length", int(0, 65535), "255", "Longest reply in bytes.", |t: &mut C, c| udp_part(t, |p| c.put(&mut p.max_reply_length))),
];

pub(crate) static UDP: Table<Checker> =
    Table::new(Scope::UdpCheck, &[UDP_ROWS, CONNECTION, SCHEDULE, PACE]);

const PROTOCOLS: &[HttpProtocol] = &[
    HttpProtocol::Http10,
    HttpProtocol::Http10Close,
    HttpProtocol::Http10Close,
    HttpProtocol::Http11,
    HttpProtocol::Http10KeepAlive,
    HttpProtocol::Http11KeepAlive,
];

#[rustfmt::skip]
static HTTP_ROWS: &[Row<Checker>] = &[
    row("virtualhost", text("HOST"), "of the real server, then of the virtual server", "Host header.", |t: &mut C, c| http_part(t, |p| c.put(&mut p.virtualhost))),
    row("http_protocol", choice(&["1.0", "1.0C", "1.0c", "1.1", "1.0K", "1.1K"]), "1.0", "Version of requests; C adds `Connection: close`, K (director only) `Connection: keep-alive`.", |t: &mut C, c| http_part(t, |p| c.choose(&mut p.http_protocol, PROTOCOLS))),
    row("fast_recovery", BOOL, "false", "No pause between URLs while recovering.", |t: &mut C, c| http_part(t, |p| c.put(&mut p.fast_recovery))),
    row("enable_sni", BOOL, "false", "Send the server name in TLS.", |t: &mut C, c| http_part(t, |p| c.put(&mut p.enable_sni))),
    row("sni_name", Arguments::OptionalText("NAME"), "virtualhost", "Server name to send in TLS.", |t: &mut C, c| http_part(t, |p| {
        let name = c.next_text().map(|n| n.value).filter(|n| !n.is_empty());
        c.set(&mut p.sni_name, name);
        c.set(&mut p.enable_sni, true);
    })).since("2.4.3+"),
    row("response_timeout", CONNECT_TIMEOUT, "connect_timeout", "Limit on one whole answer.", |t: &mut C, c| http_part(t, |p| c.put(&mut p.response_timeout))).since(OURS),
];

#[rustfmt::skip]
static HTTP_SCHEDULE: &[Row<Checker>] = &[
    row("retry", U32, "of the real server, else 1", "Failed attempts tolerated before the server counts as down.", |t: &mut Checker, c| c.put(&mut t.retry)).old(&[deprecated("nb_get_retry")]),
    row("delay_before_retry", TIMER, "of the real server, else 3", "Pause before another attempt.", put!(delay_before_retry)),
    row("warmup", TIMER, "of the real server, else delay_loop", "Upper bound of the random first delay; 0 for none.", put!(warmup)),
    row("delay_loop", PERIOD, "of the real server", "Period of the check.", put!(delay_loop)),
    row("alpha", BOOL, "of the real server", "Start as failed.", put!(alpha)),
    row("log_all_failures", BOOL, "checker_log_all_failures", "Log every failure, not only changes.", put!(log_all_failures)),
];

#[rustfmt::skip]
static HTTP_URL: &[Row<Checker>] = &[
    row("url", block("", Scope::Url), "", "A request; at least one, in order.", |t: &mut C, c| http_part(t, |p| check_parts::url(p, &URL, c))).adds(),
];

#[rustfmt::skip]
static SSL_ROWS: &[Row<Checker>] = &[
    row("url", block("", Scope::SslUrl), "", "A request; at least one, in order.", |t: &mut C, c| http_part(t, |p| check_parts::url(p, &SSL_URL, c))).adds(),
    row("tls_compliant", BOOL, "false", "Send `close_notify`.", |t: &mut C, c| http_part(t, |p| c.put(&mut p.tls_compliant))).since("2.4.3"),
    row("verify_ca", text("FILE"), "ca of SSL, else not verified", "Authorities (PEM) that must have signed the server's certificate.", |t: &mut C, c| http_part(t, |p| c.put(&mut trust(p).verify_ca))).since(OURS),
    row("client_certificate", text("FILE"), "certificate of SSL", "Our certificate chain (PEM), for servers that ask for one.", |t: &mut C, c| http_part(t, |p| c.put(&mut trust(p).client_certificate))).since(OURS),
    row("client_key", text("FILE"), "key of SSL", "Private key (PEM) of our certificate.", |t: &mut C, c| http_part(t, |p| c.put(&mut trust(p).client_key))).since(OURS),
    row("certificate_warning", int(0, 3650), "no warning", "Days before the end of the server's certificate from which the log warns; 0 for none.", |t: &mut C, c| http_part(t, |p| c.put(&mut trust(p).certificate_warning))).since(OURS),
    row("old_tls", FLAG, "", "Speak TLS 1.0 and 1.1 as well; needs a build with the feature `tls-openssl`.", |t: &mut C, c| http_part(t, |p| c.put(&mut trust(p).old_tls))).since(OURS),
];

pub(crate) static HTTP: Table<Checker> = Table::new(
    Scope::HttpGet,
    &[HTTP_URL, HTTP_ROWS, CONNECTION, HTTP_SCHEDULE, PACE],
);
pub(crate) static SSL_GET: Table<Checker> = Table::new(
    Scope::SslGet,
    &[SSL_ROWS, HTTP_ROWS, CONNECTION, HTTP_SCHEDULE, PACE],
);

type U = Url;

#[rustfmt::skip]
static URL_ROWS: &[Row<Url>] = &[
    row("path", text("PATH"), "", "Path of the request; mandatory.", put!(path)),
    row("digest", text("MD5"), "not checked", "MD5 of the body in hexadecimal (`director genhash`).", |t: &mut U, c| check_parts::digest(t, c)).first(),
    row("status_code", grammar("N|N-M..."), "200-299", "Accepted status codes, from 100 to 599.", |t: &mut U, c| check_parts::status_code(t, c)).adds(),
    row("virtualhost", text("HOST"), "of the checker", "Host header.", put!(virtualhost)),
    row("regex", text("PATTERN"), "not checked", "Expression that the body must match.", |t: &mut U, c| check_parts::regex(t, c)),
    row("regex_no_match", FLAG, "", "The body must not match.", put!(regex_no_match)),
    row("regex_options", grammar("WORD..."), "none", "Options of the expression, as of PCRE2.", |t: &mut U, c| check_parts::regex_options(t, c)),
    row("regex_min_offset", int(0, i64::MAX), "0", "First offset at which a match may start.", put!(regex_min_offset)),
    row("regex_max_offset", int(0, i64::MAX), "unlimited", "Last offset at which a match may start.", put!(regex_max_offset)),
    row("regex_stack", grammar("START MAX"), "of the library", "Stack of the matcher in bytes.", |t: &mut U, c| check_parts::regex_stack(t, c)),
];

#[rustfmt::skip]
static SSL_URL_ROWS: &[Row<Url>] = &[
    row("tls_compliant", BOOL, "of the checker", "Send `close_notify`.", put!(tls_compliant)),
];

pub(crate) static URL: Table<Url> = Table::new(Scope::Url, &[URL_ROWS]);
pub(crate) static SSL_URL: Table<Url> = Table::new(Scope::SslUrl, &[URL_ROWS, SSL_URL_ROWS]);

#[rustfmt::skip]
static SMTP_ROWS: &[Row<Checker>] = &[
    row("helo_name", text("NAME"), "smtpchecker.keepalived.org", "Argument of HELO.", |t: &mut C, c| smtp_part(t, |p| c.put(&mut p.helo_name))),
    row("host", block("", Scope::SmtpHost), "", "Connection options of former versions.", |t: &mut C, c| check_parts::smtp_host(t, &SMTP_HOST, c)).adds(),
];

pub(crate) static SMTP: Table<Checker> =
    Table::new(Scope::SmtpCheck, &[SMTP_ROWS, CONNECTION, SCHEDULE, PACE]);
pub(crate) static SMTP_HOST: Table<Checker> = Table::new(Scope::SmtpHost, &[CONNECTION, SCHEDULE]);

const TYPES: &[DnsType] = &[
    DnsType::A,
    DnsType::Ns,
    DnsType::Cname,
    DnsType::Soa,
    DnsType::Mx,
    DnsType::Txt,
    DnsType::Aaaa,
    DnsType::Rrsig,
    DnsType::Dnskey,
];

#[rustfmt::skip]
static DNS_ROWS: &[Row<Checker>] = &[
    row("type", Arguments::Choice { words: &["A", "NS", "CNAME", "SOA", "MX", "TXT", "AAAA", "RRSIG", "DNSKEY"], any_case: true }, "SOA", "Record type to ask for.", |t: &mut C, c| dns_part(t, |p| c.choose(&mut p.kind, TYPES))),
    row("name", text("DOMAIN"), "the root", "Name to ask for.", |t: &mut C, c| dns_part(t, |p| check_parts::domain(p, c))).first(),
];

pub(crate) static DNS: Table<Checker> =
    Table::new(Scope::DnsCheck, &[DNS_ROWS, CONNECTION, SCHEDULE, PACE]);

#[rustfmt::skip]
static MISC_ROWS: &[Row<Checker>] = &[
    row("misc_path", SCRIPT, "", "Command; exit status 0 means success. Mandatory.", |t: &mut C, c| misc_part(t, |p| c.put(&mut p.misc_path))),
    row("misc_timeout", seconds(0, 4294), "delay_loop", "Time after which a run counts as failed and is killed.", |t: &mut C, c| misc_part(t, |p| c.put(&mut p.misc_timeout))),
    row("misc_dynamic", FLAG, "", "Exit statuses 2 to 255 set the weight to status - 2.", |t: &mut C, c| misc_part(t, |p| c.put(&mut p.misc_dynamic))),
    row("user", Arguments::User, "script_user", "Who runs the command.", |t: &mut C, c| misc_part(t, |p| check_parts::misc_user(p, c))),
];

pub(crate) static MISC: Table<Checker> = Table::new(Scope::MiscCheck, &[MISC_ROWS, SCHEDULE, PACE]);

#[rustfmt::skip]
static FILE_ROWS: &[Row<Checker>] = &[
    row("track_file", text("NAME"), "", "The `track_file`; mandatory.", |t: &mut C, c| file_part(t, |p| c.put(&mut p.track_file))),
    row("weight", Arguments::Weight { limit: i32::MAX as i64 }, "of the track_file", "Multiplied with the number and added to the server's weight; 0 makes any number but 0 a failure.", |t: &mut C, c| file_part(t, |p| c.put(&mut p.weight))),
];

pub(crate) static FILE: Table<Checker> = Table::new(Scope::FileCheck, &[FILE_ROWS]);

#[rustfmt::skip]
static BFD_ROWS: &[Row<Checker>] = &[
    row("name", text("NAME"), "", "The `bfd_instance`; mandatory.", |t: &mut C, c| {
        if let Some(word) = c.required() {
            let name = c.text(word.span).to_owned();
            t.kind = CheckerKind::Bfd(Box::new(Spanned::new(name, word.span)));
        }
    }),
    row("alpha", BOOL, "of the real server", "Start as failed.", put!(alpha)),
];

pub(crate) static BFD: Table<Checker> = Table::new(Scope::BfdCheck, &[BFD_ROWS]);

#[rustfmt::skip]
static TALK_ROWS: &[Row<Checker>] = &[
    row("send", text("TEXT"), "nothing", r"Text to send, in turn; `\r`, `\n`, `\t`, `\\` and `\xHH` stand for bytes.", |t: &mut C, c| talk_part(t, |p| check_parts::send(p, c))).adds().since(OURS),
    row("expect", text("TEXT"), "nothing", "Text that the answer must hold, in turn.", |t: &mut C, c| talk_part(t, |p| check_parts::expect(p, c))).adds().since(OURS),
    row("expect_regex", text("PATTERN"), "nothing", "Expression that the answer must match, in turn.", |t: &mut C, c| talk_part(t, |p| check_parts::expect_regex(p, c))).adds().since(OURS),
    row("tls", FLAG, "", "TLS from the first byte on.", |t: &mut C, c| talk_part(t, |p| c.put(&mut p.tls))).since(OURS),
    row("response_timeout", CONNECT_TIMEOUT, "connect_timeout", "Limit on the whole talk.", |t: &mut C, c| talk_part(t, |p| c.put(&mut p.response_timeout))).since(OURS),
];

pub(crate) static TALK: Table<Checker> =
    Table::new(Scope::TalkCheck, &[TALK_ROWS, CONNECTION, SCHEDULE, PACE]);

#[rustfmt::skip]
static AGENT_ROWS: &[Row<Checker>] = &[
    row("send", text("TEXT"), "nothing", "Text to send before the agent's line is read.", |t: &mut C, c| agent_part(t, |p| check_parts::agent_send(p, c))).since(OURS),
];

pub(crate) static AGENT: Table<Checker> =
    Table::new(Scope::AgentCheck, &[AGENT_ROWS, CONNECTION, SCHEDULE, PACE]);

fn add(
    server: &mut RealServer,
    call: &mut Call<'_, '_>,
    kind: CheckerKind,
    table: &'static Table<Checker>,
) {
    let mut checker = Checker {
        kind,
        span: Origin(call.name),
        ..Checker::default()
    };
    call.surplus_header();
    call.block(table, &mut checker);
    // Nearly every server has one checker; the usual growth would reserve four.
    server.checkers.reserve_exact(1);
    server.checkers.push(checker);
}

macro_rules! adders {
    ($($name:ident: $table:ident, $kind:expr;)*) => {
        $(pub(super) fn $name(server: &mut RealServer, call: &mut Call<'_, '_>) {
            add(server, call, $kind, &$table);
        })*
    };
}

adders! {
    tcp: TCP, CheckerKind::Tcp;
    ping: PING, CheckerKind::Ping;
    udp: UDP, CheckerKind::Udp(Box::default());
    http: HTTP, CheckerKind::Http(Box::default());
    ssl_get: SSL_GET, CheckerKind::Ssl(Box::default());
    smtp: SMTP, CheckerKind::Smtp(Box::default());
    dns: DNS, CheckerKind::Dns(Box::default());
    misc: MISC, CheckerKind::Misc(Box::default());
    file: FILE, CheckerKind::File(Box::default());
    talk: TALK, CheckerKind::Talk(Box::default());
    agent: AGENT, CheckerKind::Agent(Box::default());
    bfd: BFD, CheckerKind::Bfd(Box::new(Spanned::new(String::new(), call_span())));
}

/// The place of a name that was not given.
fn call_span() -> crate::Span {
    Origin::default().0
}
