//! The checkers of a real server.

use super::scripts::Scripts;
use super::{MISSING, PlannedCheck, Problems, Source, UNSUPPORTED, UNUSABLE, tls};
use crate::script::{Program, ProgramError, Security};
use healthcheck::http::{Md5Digest, Pattern, StatusRanges};
use healthcheck::misc::Credentials;
use healthcheck::smtp::SmtpHost;
use healthcheck::talk::{Expect, TalkStep};
use healthcheck::{
    AgentProbe, AgentSettings, Dialer, DnsProbe, DnsSettings, FileProbe, FileSettings, HttpProbe,
    HttpSettings, HttpUrl, MiscProbe, MiscSettings, PingProbe, PingSettings, Policy, Probe,
    SmtpProbe, SmtpSettings, TalkProbe, TalkSettings, TcpProbe, TcpSettings, UdpProbe, UdpSettings,
};
use keepalived_conf::model::{
    Checker, CheckerKind, Config, DnsType, FileCheck, HttpGet, HttpProtocol, MiscCheck, Nibble,
    RealServer, TalkCheck, TalkTurn, UdpCheck, Url, VirtualServer,
};
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// The check that a checker stands for; `None` with a problem told if there is none.
pub(super) fn check(
    config: &Config,
    server: &VirtualServer,
    real: &RealServer,
    checker: &Checker,
    scripts: &Scripts,
    problems: &mut Problems,
) -> Option<PlannedCheck> {
    let context = Context {
        config,
        server,
        real,
        checker,
        scripts,
    };
    let source = match &checker.kind {
        CheckerKind::Bfd(session) => Ok(Source::Session(Arc::from(session.as_str()))),
        _ => context.probe(problems).map(Source::Probe),
    };
    match source {
        Ok(source) => Some(PlannedCheck {
            source,
            policy: problems.policy(policy(checker)),
        }),
        Err((code, message)) => {
            problems.error(
                code,
                format!("{}: {message}", checker.kind.keyword()),
                *checker.span,
            );
            None
        }
    }
}

fn policy(checker: &Checker) -> Policy {
    let mut policy = Policy::new(*checker.delay_loop);
    policy.retry = *checker.retry;
    policy.delay_before_retry = *checker.delay_before_retry;
    policy.warmup = Some(*checker.warmup);
    policy.alpha = *checker.alpha;
    policy.log_all_failures = *checker.log_all_failures;
    if let Some(pace) = &checker.pace {
        policy.rise = pace.rise.unwrap_or(1);
        policy.jitter = *pace.jitter;
    }
    if let CheckerKind::Ssl(http) = &checker.kind
        && let Some(days) = http.tls.as_ref().and_then(|tls| *tls.certificate_warning)
    {
        let days = Duration::from_secs(24 * 60 * 60).saturating_mul(days);
        policy.certificate_warning = Some(days).filter(|days| !days.is_zero());
    }
    if matches!(checker.kind, CheckerKind::Bfd(_)) {
        // What the session says holds at once.
        policy.retry = 0;
    }
    policy
}

struct Context<'a> {
    config: &'a Config,
    server: &'a VirtualServer,
    real: &'a RealServer,
    checker: &'a Checker,
    scripts: &'a Scripts,
}

/// What stands in the way of a probe: the kind of problem and the text.
type Refusal = (keepalived_conf::Code, String);

fn unusable(error: impl std::error::Error) -> Refusal {
    (UNUSABLE, crate::output::chain(&error))
}

impl Context<'_> {
    fn probe(&self, problems: &mut Problems) -> Result<Arc<dyn Probe>, Refusal> {
        Ok(match &self.checker.kind {
            CheckerKind::Tcp => Arc::new(TcpProbe::new(TcpSettings {
                target: self.target()?,
                dialer: self.dialer(),
            })),
            CheckerKind::Ping => {
                let dialer = self.dialer();
                Arc::new(PingProbe::new(PingSettings {
                    dialer,
                    ..PingSettings::new(*self.checker.connect_ip)
                }))
            }
            CheckerKind::Udp(udp) => Arc::new(self.udp(udp)?),
            CheckerKind::Http(http) => Arc::new(self.http(http, false, problems)?),
            CheckerKind::Ssl(http) => Arc::new(self.http(http, true, problems)?),
            CheckerKind::Smtp(smtp) => {
                let host = SmtpHost {
                    dialer: self.dialer(),
                    ..SmtpHost::new(self.target()?)
                };
                let settings = SmtpSettings {
                    hosts: vec![host],
                    helo_name: smtp.helo_name.value.clone(),
                };
                Arc::new(SmtpProbe::new(settings).map_err(unusable)?)
            }
            CheckerKind::Dns(dns) => {
                let mut settings = DnsSettings::new(self.target()?);
                settings.dialer = self.dialer();
                settings.record_type = record_type(*dns.kind);
                settings.name = dns.name.parse().map_err(unusable)?;
                Arc::new(DnsProbe::new(settings))
            }
            CheckerKind::Misc(misc) => Arc::new(self.misc(misc)?),
            CheckerKind::File(file) => Arc::new(self.file(file)?),
            CheckerKind::Talk(talk) => Arc::new(self.talk(talk, problems)?),
            CheckerKind::Agent(agent) => {
                let mut settings = AgentSettings::new(self.target()?);
                settings.dialer = self.dialer();
                settings.send = agent.send.value.clone().unwrap_or_default();
                Arc::new(AgentProbe::new(settings))
            }
            kind => {
                return Err((
                    UNSUPPORTED,
                    format!(
                        "{} is not in this version; use another check",
                        kind.keyword()
                    ),
                ));
            }
        })
    }

    fn target(&self) -> Result<SocketAddr, Refusal> {
        let missing = || (UNUSABLE, "no port to check; add connect_port".to_owned());
        let port = self.checker.connect_port.value.ok_or_else(missing)?;
        Ok(SocketAddr::new(*self.checker.connect_ip, port))
    }

    fn dialer(&self) -> Dialer {
        let mut dialer = Dialer {
            connect_timeout: *self.checker.connect_timeout,
            ..Dialer::default()
        };
        if let Some(source) = &self.checker.source {
            dialer.bind_address = *source.bindto;
            dialer.bind_port = source.bind_port.unwrap_or(0);
            dialer.bind_interface.clone_from(&source.bind_if);
            dialer.fwmark = *source.fwmark;
        }
        dialer
    }

    fn udp(&self, udp: &UdpCheck) -> Result<UdpProbe, Refusal> {
        let mut settings = UdpSettings::new(self.target()?);
        settings.dialer = self.dialer();
        settings.payload.clone_from(&udp.payload);
        if let Some(nibbles) = &*udp.require_reply {
            settings.require_reply = Some(hexadecimal(nibbles).parse().map_err(unusable)?);
        }
        settings.min_reply_length = *udp.min_reply_length;
        settings.max_reply_length = *udp.max_reply_length;
        UdpProbe::new(settings).map_err(unusable)
    }

    fn http(
        &self,
        http: &HttpGet,
        with_tls: bool,
        problems: &mut Problems,
    ) -> Result<HttpProbe, Refusal> {
        let urls = http.url.iter().map(url).collect::<Result<_, _>>()?;
        let mut settings = HttpSettings::new(self.target()?, urls);
        settings.dialer = self.dialer();
        let names = self
            .real
            .names
            .as_ref()
            .and_then(|names| names.virtualhost.value.clone());
        let hosts = [
            http.virtualhost.value.clone(),
            names,
            self.server.virtualhost.value.clone(),
        ];
        settings.virtual_host = hosts.into_iter().flatten().next();
        settings.answer_timeout = *http.response_timeout;
        settings.protocol = match *http.http_protocol {
            HttpProtocol::Http10 => healthcheck::http::HttpProtocol::Http10,
            HttpProtocol::Http10Close => healthcheck::http::HttpProtocol::Http10Close,
            HttpProtocol::Http10KeepAlive => healthcheck::http::HttpProtocol::Http10KeepAlive,
            HttpProtocol::Http11 => healthcheck::http::HttpProtocol::Http11,
            HttpProtocol::Http11KeepAlive => healthcheck::http::HttpProtocol::Http11KeepAlive,
        };
        if with_tls {
            settings.tls = Some(
                tls::of_http(self.config, http, problems).map_err(|message| (MISSING, message))?,
            );
        }
        HttpProbe::new(settings).map_err(unusable)
    }

    fn talk(&self, talk: &TalkCheck, problems: &mut Problems) -> Result<TalkProbe, Refusal> {
        let mut steps: Vec<TalkStep> = Vec::new();
        for turn in &talk.turns {
            let expect = match turn {
                TalkTurn::Send(text) => {
                    steps.push(TalkStep {
                        send: text.clone(),
                        expect: Expect::Nothing,
                    });
                    continue;
                }
                TalkTurn::Expect(text) => Expect::Text(text.clone()),
                TalkTurn::ExpectRegex(pattern) => Expect::Regex(Pattern::new(pattern.as_str())),
            };
            match steps.last_mut() {
                Some(last) if last.expect == Expect::Nothing => last.expect = expect,
                _ => steps.push(TalkStep {
                    send: Vec::new(),
                    expect,
                }),
            }
        }
        let mut settings = TalkSettings::new(self.target()?, steps);
        settings.dialer = self.dialer();
        settings.answer_timeout = *talk.response_timeout;
        if *talk.tls {
            let tls = tls::of_file(self.config, problems);
            settings.tls = Some(tls.map_err(|message| (MISSING, message))?);
        }
        TalkProbe::new(settings).map_err(unusable)
    }

    fn misc(&self, misc: &MiscCheck) -> Result<MiscProbe, Refusal> {
        let script = misc
            .misc_path
            .value
            .as_ref()
            .ok_or_else(|| (UNUSABLE, "misc_path is missing".to_owned()))?;
        let missing = |error: ProgramError| (MISSING, error.to_string());
        let identity = self
            .scripts
            .identity(script.user.as_ref())
            .map_err(missing)?;
        let mut program = Program::new(script.command.clone()).run_as(identity.clone());
        self.scripts.resolve(&mut program).map_err(missing)?;
        // As keepalived takes it: none of its own.
        let limit = match *misc.misc_timeout {
            Duration::ZERO => *self.checker.delay_loop,
            limit => limit,
        };
        let mut settings = MiscSettings::new(program.arguments, limit);
        settings.dynamic = *misc.misc_dynamic;
        settings.credentials = identity.as_ref().map(|identity| Credentials {
            user: identity.uid,
            group: identity.gid,
        });
        let runs_as_root = identity.is_none_or(|identity| identity.uid == 0);
        settings.secure = runs_as_root && self.scripts.security() == Security::On;
        MiscProbe::new(settings).map_err(unusable)
    }

    fn file(&self, file: &FileCheck) -> Result<FileProbe, Refusal> {
        let name = file.track_file.as_deref().unwrap_or_default();
        let known = self
            .config
            .track_file
            .iter()
            .find(|tracked| tracked.name.value == name);
        let tracked =
            known.ok_or_else(|| (UNUSABLE, format!("track_file {name} is not defined")))?;
        let mut settings = FileSettings::new(tracked.file.value.clone());
        settings.weight = file.weight.weight;
        settings.reverse = file.weight.reverse;
        Ok(FileProbe::new(settings))
    }
}

fn url(url: &Url) -> Result<HttpUrl, Refusal> {
    let mut page = HttpUrl::new(url.path.value.clone());
    page.virtual_host.clone_from(&url.virtualhost);
    page.status = StatusRanges::new(
        url.status_code
            .iter()
            .map(|range| (range.first, range.last)),
    )
    .map_err(unusable)?;
    if let Some(digest) = &*url.digest {
        let text = digest.iter().fold(String::new(), |mut text, octet| {
            let _ = write!(text, "{octet:02x}");
            text
        });
        page.digest = Some(text.parse::<Md5Digest>().map_err(unusable)?);
    }
    if let Some(regex) = &*url.regex {
        page.regex = Some(pattern(url, regex)?);
    }
    Ok(page)
}

fn pattern(url: &Url, regex: &str) -> Result<Pattern, Refusal> {
    let mut pattern = Pattern::new(regex);
    pattern.must_not_match = *url.regex_no_match;
    for option in url.regex_options.iter() {
        pattern.options.set(option).map_err(unusable)?;
    }
    pattern.min_offset = usize::try_from(*url.regex_min_offset).unwrap_or(usize::MAX);
    pattern.max_offset = url
        .regex_max_offset
        .map(|offset| usize::try_from(offset).unwrap_or(usize::MAX));
    Ok(pattern)
}

const fn record_type(kind: DnsType) -> healthcheck::dns::RecordType {
    use healthcheck::dns::RecordType;
    match kind {
        DnsType::A => RecordType::A,
        DnsType::Ns => RecordType::Ns,
        DnsType::Cname => RecordType::Cname,
        DnsType::Soa => RecordType::Soa,
        DnsType::Mx => RecordType::Mx,
        DnsType::Txt => RecordType::Txt,
        DnsType::Aaaa => RecordType::Aaaa,
        DnsType::Rrsig => RecordType::Rrsig,
        DnsType::Dnskey => RecordType::Dnskey,
    }
}

fn hexadecimal(nibbles: &[Nibble]) -> String {
    let digit = |nibble: &Nibble| match nibble {
        Nibble::Value(value) => char::from_digit((*value).into(), 16).unwrap_or('x'),
        Nibble::Any => 'x',
    };
    nibbles.iter().map(digit).collect()
}
