//! `virtual_server` and `real_server`.

use super::arguments::{
    BOOL, CONNECT_TIMEOUT, FLAG, PERIOD, SCRIPT, TIMER, U32, block, choice, grammar, int, text,
};
use super::table::{OURS, forgotten, put};
use super::{Arguments, Row, Scope, Table, checker, row};
use crate::lower::lvs_parts;
use crate::model::{CheckDefaults, Family, Protocol, RealServer, Scheduler, VirtualServer};

const MAX_WEIGHT: i64 = i32::MAX as i64;
const RETRY: Arguments = int(1, u32::MAX as i64);
pub(crate) const SCHEDULERS: &[&str] = &[
    "rr", "wrr", "lc", "wlc", "lblc", "sh", "mh", "dh", "fo", "ovf", "lblcr", "sed", "nq", "twos",
];
const METHOD: Arguments = grammar("NAT|DR|TUN [type ipip|gue|gre] [port N] [nocsum|csum|remcsum]");

type V = VirtualServer;

#[rustfmt::skip]
static VIRTUAL_ROWS: &[Row<VirtualServer>] = &[
    row("ip_family", choice(&["inet", "inet6"]), "deduced", "Address family, for firewall marks.", |t: &mut V, c| c.choose(&mut t.ip_family, &[Some(Family::Inet), Some(Family::Inet6)])),
    row("protocol", Arguments::Choice { words: &["TCP", "UDP", "SCTP"], any_case: true }, "UDP for addresses", "Protocol of the service.", |t: &mut V, c| c.choose(&mut t.protocol, &[Some(Protocol::Tcp), Some(Protocol::Udp), Some(Protocol::Sctp)])),
    row("lb_algo", choice(SCHEDULERS), "wlc", "Scheduler.", |t: &mut V, c| lvs_parts::scheduler(t, c)).alias(&["lvs_sched"]).old(&[forgotten("lb-algo")]),
    row("hashed", FLAG, "", "Nothing; kept for old files.", |_: &mut V, _| {}),
    row("ops", FLAG, "", "One-packet scheduling, for UDP and firewall marks.", put!(ops)),
    row("flag-1", FLAG, "", "Scheduler flag 1.", put!(flag_1)),
    row("flag-2", FLAG, "", "Scheduler flag 2.", put!(flag_2)),
    row("flag-3", FLAG, "", "Scheduler flag 3.", put!(flag_3)),
    row("sh-port", FLAG, "", "`sh`: hash the source port too.", put!(sh_port)),
    row("sh-fallback", FLAG, "", "`sh`: choose another server if the hashed one is unusable.", put!(sh_fallback)),
    row("mh-port", FLAG, "", "`mh`: hash the source port too.", put!(mh_port)),
    row("mh-fallback", FLAG, "", "`mh`: choose another server if the hashed one is unusable.", put!(mh_fallback)),
    row("lb_kind", METHOD, "NAT", "How packets reach the real servers.", |t: &mut V, c| lvs_parts::method(&mut t.lb_kind, c)).alias(&["lvs_method"]).old(&[forgotten("lb-kind")]),
    row("persistence_engine", text("NAME"), "none", "Persistence engine of the kernel (`sip`).", put!(persistence_engine)),
    row("persistence_timeout", grammar("[SECONDS (1..2678400)]"), "off; 360 without a number", "How long a client stays with its server.", |t: &mut V, c| lvs_parts::persistence(t, c)),
    row("persistence_granularity", grammar("NETMASK|PREFIX-LENGTH"), "one host", "Clients that count as one: IPv4 netmask, or IPv6 prefix length.", |t: &mut V, c| lvs_parts::granularity(t, c)),
    row("ha_suspend", FLAG, "", "Check only while the address is present locally.", put!(ha_suspend)),
    row("smtp_alert", BOOL, "smtp_alert_checker, smtp_alert, false", "Send mail when the quorum is gained or lost.", put!(smtp_alert)),
    row("virtualhost", text("HOST"), "", "Default HTTP host name of checkers.", put!(virtualhost)),
    row("snmp_name", text("NAME"), "", "Name in SNMP.", put!(snmp_name)),
    row("alpha", FLAG, "", "Real servers start as down.", put!(alpha)),
    row("omega", FLAG, "", "Run the down notifications at shutdown.", put!(omega)),
    row("quorum", int(0, u32::MAX as i64), "1", "Least sum of weights of live servers; 0 is read as 1.", |t: &mut V, c| {
        c.put(&mut t.quorum);
        c.at_least_one(&mut t.quorum);
    }),
    row("hysteresis", U32, "0", "Distance from the quorum at which it counts as gained or lost.", put!(hysteresis)),
    row("quorum_up", SCRIPT, "", "Run when the quorum is gained.", |t: &mut VirtualServer, c| c.put(&mut t.quorum_up)).first(),
    row("quorum_down", SCRIPT, "", "Run when the quorum is lost.", |t: &mut VirtualServer, c| c.put(&mut t.quorum_down)).first(),
    row("weight", int(1, MAX_WEIGHT), "1", "Default weight of real servers.", put!(weight)),
    row("retry", RETRY, "of the checker", "Failed attempts tolerated, for all checkers.", put!(checks.retry)),
    row("delay_before_retry", TIMER, "of the checker", "Pause before another attempt, for all checkers.", put!(checks.delay_before_retry)),
    row("warmup", TIMER, "delay_loop", "Upper bound of the random first delay; 0 for none.", put!(checks.warmup)),
    row("connect_timeout", CONNECT_TIMEOUT, "5", "Limit for connections, for all checkers.", put!(checks.connect_timeout)),
    row("delay_loop", PERIOD, "60", "Period of the checks.", put!(checks.delay_loop)),
    row("slow_start", TIMER, "none", "Time in which the weight of a real server that came back grows to its full value.", |t: &mut V, c| c.put(&mut t.checks.slow_start)).since(OURS),
    row("flap_damping", TIMER, "none", "Half-life of the count of a real server's failures; above `flap_limit` of them it is held down.", |t: &mut V, c| c.put(&mut t.checks.flap_damping)).since(OURS),
    row("flap_limit", int(1, 1000), "3", "Failures, counted with `flap_damping`, that a real server is forgiven.", |t: &mut V, c| c.put(&mut t.checks.flap_limit)).since(OURS),
    row("inhibit_on_failure", FLAG, "", "Failed real servers stay in the table with weight 0.", put!(inhibit_on_failure)),
    row("sorry_server", grammar("ADDRESS [PORT]"), "none", "Server that answers while there is no quorum.", |t: &mut V, c| lvs_parts::sorry_server(t, c)),
    row("sorry_server_inhibit", FLAG, "", "The sorry server stays in the table with weight 0.", |t: &mut V, c| lvs_parts::sorry_inhibit(t, c)),
    row("sorry_server_lvs_method", METHOD, "lb_kind", "How packets reach the sorry server.", |t: &mut V, c| lvs_parts::sorry_method(t, c)),
    row("real_server", block("ADDRESS [PORT]", Scope::RealServer), "", "A real server.", |t: &mut V, c| lvs_parts::real_server(t, c)).adds(),
];

pub(crate) static VIRTUAL_SERVER: Table<VirtualServer> =
    Table::new(Scope::VirtualServer, &[VIRTUAL_ROWS]);

type R = RealServer;

fn checks(server: &mut RealServer) -> &mut CheckDefaults {
    server.checks.get_or_insert_with(Box::default)
}

#[rustfmt::skip]
static REAL_ROWS: &[Row<RealServer>] = &[
    row("weight", int(0, MAX_WEIGHT), "weight of the virtual server", "Share of connections; 0 for no new ones.", put!(weight)),
    row("lvs_method", METHOD, "lb_kind of the virtual server", "How packets reach this server.", |t: &mut R, c| lvs_parts::method(&mut t.lvs_method, c)).old(&[forgotten("lb_kind")]),
    row("uthreshold", U32, "0", "Most connections; 0 for no limit.", put!(uthreshold)),
    row("lthreshold", U32, "0", "Connections at which the server is used again; 0 for three quarters of the most.", put!(lthreshold)),
    row("inhibit_on_failure", BOOL, "of the virtual server", "Stay in the table with weight 0 when failed.", put!(inhibit_on_failure)),
    row("notify_up", SCRIPT, "", "Run when the server comes up.", |t: &mut RealServer, c| c.put(&mut t.notify_up)).first(),
    row("notify_down", SCRIPT, "", "Run when the server goes down.", |t: &mut RealServer, c| c.put(&mut t.notify_down)).first(),
    row("alpha", BOOL, "of the virtual server", "Start as down.", put!(alpha)),
    row("retry", RETRY, "of the virtual server", "Failed attempts tolerated, for all checkers.", |t: &mut R, c| c.put(&mut checks(t).retry)),
    row("delay_before_retry", TIMER, "of the virtual server", "Pause before another attempt, for all checkers.", |t: &mut R, c| c.put(&mut checks(t).delay_before_retry)),
    row("warmup", TIMER, "of the virtual server", "Upper bound of the random first delay.", |t: &mut R, c| c.put(&mut checks(t).warmup)),
    row("connect_timeout", CONNECT_TIMEOUT, "of the virtual server", "Limit for connections, for all checkers.", |t: &mut R, c| c.put(&mut checks(t).connect_timeout)),
    row("delay_loop", PERIOD, "of the virtual server", "Period of the checks.", |t: &mut R, c| c.put(&mut checks(t).delay_loop)),
    row("slow_start", TIMER, "of the virtual server", "Time in which the weight grows to its full value after the server came back.", |t: &mut R, c| c.put(&mut checks(t).slow_start)).since(OURS),
    row("flap_damping", TIMER, "of the virtual server", "Half-life of the count of its failures; above `flap_limit` of them it is held down.", |t: &mut R, c| c.put(&mut checks(t).flap_damping)).since(OURS),
    row("flap_limit", int(1, 1000), "of the virtual server", "Failures, counted with `flap_damping`, that it is forgiven.", |t: &mut R, c| c.put(&mut checks(t).flap_limit)).since(OURS),
    row("smtp_alert", BOOL, "smtp_alert_checker, smtp_alert, true", "Send mail when the server comes up or goes down.", put!(smtp_alert)),
    row("virtualhost", text("HOST"), "", "Default HTTP host name of checkers.", |t: &mut R, c| c.put(&mut t.names.get_or_insert_with(Box::default).virtualhost)),
    row("snmp_name", text("NAME"), "", "Name in SNMP.", |t: &mut R, c| c.put(&mut t.names.get_or_insert_with(Box::default).snmp_name)),
    row("TCP_CHECK", block("", Scope::TcpCheck), "", "Check by a TCP connection.", |t: &mut R, c| checker::tcp(t, c)).adds(),
    row("HTTP_GET", block("", Scope::HttpGet), "", "Check by HTTP requests.", |t: &mut R, c| checker::http(t, c)).adds(),
    row("SSL_GET", block("", Scope::SslGet), "", "Check by HTTPS requests.", |t: &mut R, c| checker::ssl_get(t, c)).adds(),
    row("SMTP_CHECK", block("", Scope::SmtpCheck), "", "Check by an SMTP dialogue.", |t: &mut R, c| checker::smtp(t, c)).adds(),
    row("DNS_CHECK", block("", Scope::DnsCheck), "", "Check by a DNS query.", |t: &mut R, c| checker::dns(t, c)).adds(),
    row("MISC_CHECK", block("", Scope::MiscCheck), "", "Check by a script.", |t: &mut R, c| checker::misc(t, c)).adds(),
    row("PING_CHECK", block("", Scope::PingCheck), "", "Check by ICMP echo.", |t: &mut R, c| checker::ping(t, c)).adds(),
    row("UDP_CHECK", block("", Scope::UdpCheck), "", "Check by a UDP datagram.", |t: &mut R, c| checker::udp(t, c)).adds(),
    row("FILE_CHECK", block("", Scope::FileCheck), "", "Check by the number in a file.", |t: &mut R, c| checker::file(t, c)).adds(),
    row("BFD_CHECK", block("", Scope::BfdCheck), "", "Check by a BFD session.", |t: &mut R, c| checker::bfd(t, c)).adds(),
    row("TALK_CHECK", block("", Scope::TalkCheck), "", "Check by sending and expecting text.", |t: &mut R, c| checker::talk(t, c)).adds().since(OURS),
    row("AGENT_CHECK", block("", Scope::AgentCheck), "", "Ask an agent on the server for its state and weight.", |t: &mut R, c| checker::agent(t, c)).adds().since(OURS),
];

pub(crate) static REAL_SERVER: Table<RealServer> = Table::new(Scope::RealServer, &[REAL_ROWS]);

pub(crate) fn scheduler_at(index: usize) -> Option<Scheduler> {
    Scheduler::NAMES.get(index).map(|(_, scheduler)| *scheduler)
}
