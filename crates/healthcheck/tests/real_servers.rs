//! The probes against nginx, bind9 and genhash, where these are installed.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]

mod support;

use std::fs;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use healthcheck::http::{GenhashSettings, HttpProtocol, Md5Digest, Pattern, genhash};
use healthcheck::{
    Cause, DnsProbe, DnsSettings, HttpProbe, HttpSettings, HttpUrl, Outcome, Probe, TcpProbe,
    TcpSettings,
};
use support::{PATIENT, dialer};
use tempfile::TempDir;

/// Longer than a server takes to start, even on a busy machine.
const START: Duration = Duration::from_secs(20);

/// A server that ends with the test.
struct Server {
    child: Child,
    _folder: TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a program, or says why the test is skipped.
fn start(program: &str, arguments: &[&str], folder: TempDir) -> Option<Server> {
    let spawned = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    match spawned {
        Ok(child) => Some(Server {
            child,
            _folder: folder,
        }),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            println!("skipped: {program} is not installed");
            None
        }
        Err(error) => panic!("{program}: {error}"),
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// Waits until the server does what the probe asks of it.
async fn ready(server: &mut Server, probe: impl Probe) {
    let begin = Instant::now();
    while !probe.run().await.is_up() {
        assert!(
            server.child.try_wait().unwrap().is_none(),
            "the server ended"
        );
        assert!(begin.elapsed() < START, "the server does not start");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

const PAGE: &str = "<html>\n<body>all is well</body>\n</html>\n";

struct Nginx {
    _server: Server,
    plain: SocketAddr,
    #[cfg_attr(not(feature = "tls-rustls"), allow(dead_code, reason = "needs TLS"))]
    tls: Vec<SocketAddr>,
    /// Speaks only TLS 1.0 and 1.1.
    #[cfg_attr(not(feature = "tls-rustls"), allow(dead_code, reason = "needs TLS"))]
    ancient: SocketAddr,
}

/// nginx with a page, an error, a long page in chunks, and TLS of several versions.
async fn nginx() -> Option<Nginx> {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    fs::write(path.join("index.html"), PAGE).unwrap();
    fs::write(path.join("long.html"), PAGE.repeat(2000)).unwrap();
    let certified = rcgen::generate_simple_self_signed(vec!["www.example".to_owned()]).unwrap();
    fs::write(path.join("cert.pem"), certified.cert.pem()).unwrap();
    fs::write(path.join("key.pem"), certified.signing_key.serialize_pem()).unwrap();
    let ports: Vec<u16> = (0..5).map(|_| free_port()).collect();
    let [plain, both, old, new, ancient] = ports.as_slice() else {
        unreachable!()
    };
    let tls = |port: &u16, versions: &str| {
        format!(
            "server {{ listen 127.0.0.1:{port} ssl; root .; ssl_protocols {versions};
             ssl_certificate cert.pem; ssl_certificate_key key.pem; }}"
        )
    };
    let configuration = format!(
        "daemon off; master_process off; pid nginx.pid; error_log stderr;
         events {{ worker_connections 64; }}
         http {{
           access_log off; client_body_temp_path body; proxy_temp_path proxy;
           fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
           gzip off; types {{ text/html html; }}
           server {{ listen 127.0.0.1:{plain}; root .; location /bad {{ return 503; }}
             location /long.html {{ ssi on; }} }}
           {} {} {} {}
         }}",
        tls(both, "TLSv1.2 TLSv1.3"),
        tls(old, "TLSv1.2"),
        tls(new, "TLSv1.3"),
        tls(ancient, "TLSv1 TLSv1.1; ssl_ciphers ALL:@SECLEVEL=0")
    );
    fs::write(path.join("nginx.conf"), configuration).unwrap();
    let prefix = path.to_str().unwrap().to_owned() + "/";
    let mut server = start(
        "/usr/sbin/nginx",
        &["-p", &prefix, "-c", "nginx.conf"],
        folder,
    )?;
    let probe = TcpProbe::new(TcpSettings {
        target: local(*plain),
        dialer: dialer(PATIENT),
    });
    ready(&mut server, probe).await;
    let tls = vec![local(*both), local(*old), local(*new)];
    Some(Nginx {
        _server: server,
        plain: local(*plain),
        tls,
        ancient: local(*ancient),
    })
}

async fn check(settings: HttpSettings) -> Outcome {
    HttpProbe::new(HttpSettings {
        dialer: dialer(PATIENT),
        ..settings
    })
    .unwrap()
    .run()
    .await
}

#[tokio::test]
async fn nginx_is_judged_in_every_protocol_version() {
    let Some(nginx) = nginx().await else { return };
    for protocol in ["1.0", "1.0C", "1.0K", "1.1", "1.1K"] {
        let good = HttpUrl {
            digest: Some(Md5Digest::of(PAGE)),
            regex: Some(Pattern::new("all is (well|fine)</body>\n</html>$")),
            ..HttpUrl::new("/")
        };
        let protocol: HttpProtocol = protocol.parse().unwrap();
        let settings = HttpSettings {
            protocol,
            ..HttpSettings::new(nginx.plain, vec![good])
        };
        let outcome = check(settings.clone()).await;
        assert!(outcome.is_up(), "{protocol}: {outcome}");
        let bad = HttpSettings {
            urls: vec![HttpUrl::new("/bad")],
            ..settings
        };
        let outcome = check(bad).await;
        assert!(
            matches!(outcome.cause(), Some(Cause::Status { .. })),
            "{protocol}: {outcome}"
        );
    }
}

#[tokio::test]
async fn digests_are_those_of_genhash() {
    let Some(nginx) = nginx().await else { return };
    for (page, protocol) in [("/", "1.0"), ("/long.html", "1.1"), ("/missing", "1.0c")] {
        let port = nginx.plain.port().to_string();
        let program = Command::new("genhash")
            .args(["-s", "127.0.0.1", "-p", &port, "-u", page, "-P", protocol])
            .output();
        let output = match program {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                println!("skipped: genhash is not installed");
                return;
            }
            program => String::from_utf8(program.unwrap().stdout).unwrap(),
        };
        let mut settings = GenhashSettings::new(nginx.plain, page);
        settings.protocol = protocol.parse().unwrap();
        settings.timeout = PATIENT;
        let ours = genhash(&settings).await.unwrap();
        assert_eq!(ours.digest.to_string(), output.trim(), "{page} {protocol}");
    }
}

#[cfg(feature = "tls-rustls")]
#[tokio::test]
async fn tls_of_nginx_is_spoken_in_both_versions() {
    use healthcheck::TlsSettings;
    let Some(nginx) = nginx().await else { return };
    for target in nginx.tls {
        let url = HttpUrl {
            digest: Some(Md5Digest::of(PAGE)),
            ..HttpUrl::new("/")
        };
        let mut settings = HttpSettings::new(target, vec![url]);
        for compliant in [false, true] {
            settings.tls = Some(TlsSettings {
                compliant,
                ..TlsSettings::default()
            });
            let outcome = check(settings.clone()).await;
            assert!(outcome.is_up(), "{outcome}");
        }
        settings.tls = None;
        let outcome = check(settings).await;
        assert!(
            matches!(outcome.cause(), Some(Cause::Status { .. })),
            "{outcome}"
        );
    }
}

#[cfg(feature = "tls-rustls")]
#[tokio::test]
async fn old_versions_of_tls_need_openssl() {
    use healthcheck::TlsSettings;
    let Some(nginx) = nginx().await else { return };
    let mut settings = HttpSettings::new(nginx.ancient, vec![HttpUrl::new("/")]);
    settings.dialer = dialer(PATIENT);
    settings.tls = Some(TlsSettings::default());
    let outcome = check(settings.clone()).await;
    assert!(
        matches!(outcome.cause(), Some(Cause::Tls { .. })),
        "{outcome}"
    );
    settings.tls = Some(TlsSettings {
        old_versions: true,
        ..TlsSettings::default()
    });
    match HttpProbe::new(settings) {
        Err(error) => {
            let told = error.to_string();
            let built = cfg!(feature = "tls-openssl");
            assert_eq!(
                (built, told.contains("tls-openssl")),
                (false, true),
                "{told}"
            );
        }
        Ok(probe) => {
            let outcome = probe.run().await;
            assert!(outcome.is_up(), "{outcome}");
        }
    }
}

#[tokio::test]
async fn exim_keeps_the_dialogue() {
    use healthcheck::smtp::SmtpHost;
    use healthcheck::{SmtpProbe, SmtpSettings};
    use std::os::unix::fs::PermissionsExt;
    if !rustix::process::geteuid().is_root() {
        println!("skipped: exim needs root to change its user");
        return;
    }
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    // Its own user must reach and write what it needs.
    let open = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    open(path, 0o755);
    for name in ["spool", "log"] {
        fs::create_dir(path.join(name)).unwrap();
        open(&path.join(name), 0o777);
    }
    let port = free_port();
    let configuration = format!(
        "primary_hostname = mail.example\nspool_directory = {0}/spool\n\
         log_file_path = {0}/log/%slog\nlocal_interfaces = 127.0.0.1\n\
         daemon_smtp_ports = {port}\ntls_advertise_hosts =\nhost_lookup =\nrfc1413_hosts =\n\
         keep_environment =\nacl_smtp_helo = helo\nbegin acl\nhelo:\n  \
         deny condition = ${{if eq{{$sender_helo_name}}{{unwanted.example}}}}\n  accept\n",
        path.display()
    );
    fs::write(path.join("exim.conf"), configuration).unwrap();
    open(&path.join("exim.conf"), 0o644);
    let file = |name: &str| path.join(name).to_str().unwrap().to_owned();
    let (configuration, pid) = (file("exim.conf"), file("exim.pid"));
    let arguments = ["-bdf", "-oP", &pid, "-C", &configuration];
    let Some(mut server) = start("/usr/sbin/exim4", &arguments, folder) else {
        return;
    };
    let probe = |name: &str| {
        let host = SmtpHost {
            dialer: dialer(PATIENT),
            ..SmtpHost::new(local(port))
        };
        SmtpProbe::new(SmtpSettings {
            hosts: vec![host],
            helo_name: name.to_owned(),
        })
        .unwrap()
    };
    ready(&mut server, probe("check.example")).await;
    assert!(probe("check.example").run().await.is_up());
    let outcome = probe("unwanted.example").run().await;
    assert!(outcome.to_string().contains("550"), "{outcome}");
}

#[tokio::test]
async fn bind9_answers_our_questions() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    let port = free_port();
    let write = |name: &str, text: String| fs::write(Path::join(path, name), text).unwrap();
    write(
        "zone",
        "$TTL 60\n@ SOA ns.example.org. root.example.org. 1 60 60 60 60\n@ NS ns\nns A 127.0.0.1\n\
         www A 172.16.1.8\nwww A 172.16.1.9\n"
            .to_owned(),
    );
    write(
        "named.conf",
        format!(
            "options {{ directory \"{0}\"; pid-file \"{0}/pid\"; session-keyfile \"{0}/key\";
               listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
               recursion no; }};
             controls {{ }};
             zone \"example.org\" {{ type master; file \"{0}/zone\"; }};",
            path.display()
        ),
    );
    let configuration = path.join("named.conf");
    let configuration = configuration.to_str().unwrap().to_owned();
    let Some(mut server) = start("/usr/sbin/named", &["-g", "-c", &configuration], folder) else {
        return;
    };
    // It answers with SERVFAIL until it has read its zones.
    let mut zone = DnsSettings::new(local(port));
    zone.name = "example.org".parse().unwrap();
    ready(&mut server, DnsProbe::new(zone)).await;
    let ask = |record_type: &str, name: &str| {
        let mut settings = DnsSettings::new(local(port));
        settings.dialer = dialer(PATIENT);
        settings.record_type = record_type.parse().unwrap();
        settings.name = name.parse().unwrap();
        async move { DnsProbe::new(settings).run().await }
    };
    let outcome = ask("A", "www.example.org").await;
    assert_eq!(outcome.to_string(), "DNS answer with 2 records");
    let outcome = ask("SOA", "EXAMPLE.org.").await;
    assert_eq!(outcome.to_string(), "DNS answer with 1 record");
    let outcome = ask("TXT", "www.example.org").await;
    assert!(outcome.is_up(), "an empty answer is an answer: {outcome}");
    let outcome = ask("A", "missing.example.org").await;
    assert!(
        outcome.to_string().starts_with("DNS answer NXDOMAIN from "),
        "{outcome}"
    );
    let outcome = ask("SOA", ".").await;
    assert!(
        outcome.to_string().starts_with("DNS answer REFUSED from "),
        "{outcome}"
    );
}
