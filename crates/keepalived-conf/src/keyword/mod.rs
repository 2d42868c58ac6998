//! The table of all keywords.
//!
//! One row per keyword: name, other spellings, argument grammar with range, default, one line of
//! documentation, and how its value enters the model. The parser, the suggestions, the formatter
//! and the reference page read these rows. What the daemon does with each keyword stands apart, in
//! [`status`], because it changes at another pace.

mod arguments;
pub(crate) mod bfd;
pub(crate) mod checker;
pub(crate) mod foreign;
pub(crate) mod global;
pub(crate) mod instance;
pub(crate) mod lvs;
pub(crate) mod root;
pub mod status;
pub(crate) mod table;
pub(crate) mod track;

pub use arguments::Arguments;
pub(crate) use arguments::Decimal;
pub use status::Status;
pub(crate) use table::{Row, Table, row};

/// A block of the language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum Scope {
    Root,
    GlobalDefs,
    TrackGroup,
    GarpGroup,
    VrrpScript,
    TrackProcess,
    TrackFile,
    BfdInstance,
    SyncGroup,
    Instance,
    Authentication,
    AuthHmac,
    VirtualServer,
    RealServer,
    TcpCheck,
    PingCheck,
    UdpCheck,
    HttpGet,
    SslGet,
    Url,
    SslUrl,
    SmtpCheck,
    SmtpHost,
    DnsCheck,
    MiscCheck,
    FileCheck,
    BfdCheck,
    TalkCheck,
    AgentCheck,
    Ssl,
    /// A block of entries, with a grammar of its own instead of keywords.
    Entries,
}

impl Scope {
    /// All blocks with keywords, in the order of the reference page.
    pub const ALL: &'static [Self] = &[
        Self::Root,
        Self::GlobalDefs,
        Self::TrackGroup,
        Self::GarpGroup,
        Self::VrrpScript,
        Self::TrackProcess,
        Self::TrackFile,
        Self::BfdInstance,
        Self::SyncGroup,
        Self::Instance,
        Self::Authentication,
        Self::AuthHmac,
        Self::VirtualServer,
        Self::RealServer,
        Self::TcpCheck,
        Self::PingCheck,
        Self::UdpCheck,
        Self::HttpGet,
        Self::SslGet,
        Self::Url,
        Self::SslUrl,
        Self::SmtpCheck,
        Self::SmtpHost,
        Self::DnsCheck,
        Self::MiscCheck,
        Self::FileCheck,
        Self::BfdCheck,
        Self::TalkCheck,
        Self::AgentCheck,
        Self::Ssl,
    ];

    /// The keyword that opens the block; `the top level` for the root.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Root => "the top level",
            Self::GlobalDefs => "global_defs",
            Self::TrackGroup => "track_group",
            Self::GarpGroup => "garp_group",
            Self::VrrpScript => "vrrp_script",
            Self::TrackProcess => "vrrp_track_process",
            Self::TrackFile => "track_file",
            Self::BfdInstance => "bfd_instance",
            Self::SyncGroup => "vrrp_sync_group",
            Self::Instance => "vrrp_instance",
            Self::Authentication => "authentication",
            Self::AuthHmac => "auth_hmac",
            Self::VirtualServer => "virtual_server",
            Self::RealServer => "real_server",
            Self::TcpCheck => "TCP_CHECK",
            Self::PingCheck => "PING_CHECK",
            Self::UdpCheck => "UDP_CHECK",
            Self::HttpGet => "HTTP_GET",
            Self::SslGet => "SSL_GET",
            Self::Url | Self::SslUrl => "url",
            Self::SmtpCheck => "SMTP_CHECK",
            Self::SmtpHost => "host",
            Self::DnsCheck => "DNS_CHECK",
            Self::MiscCheck => "MISC_CHECK",
            Self::FileCheck => "FILE_CHECK",
            Self::BfdCheck => "BFD_CHECK",
            Self::TalkCheck => "TALK_CHECK",
            Self::AgentCheck => "AGENT_CHECK",
            Self::Ssl => "SSL",
            Self::Entries => "a list",
        }
    }
}

/// A former spelling that is still understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OldSpelling {
    /// How it was written.
    pub name: &'static str,
    /// True if keepalived 2.4.3 knows it (and calls it deprecated).
    pub known: bool,
}

/// One keyword in one block.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Keyword {
    /// The keyword.
    pub name: &'static str,
    /// Other spellings, as good as the first.
    pub aliases: &'static [&'static str],
    /// Former spellings.
    pub old: &'static [OldSpelling],
    /// What follows the keyword.
    pub arguments: Arguments,
    /// Effective value if nobody writes the keyword; empty for flags and blocks.
    pub default: &'static str,
    /// Whether it may be written several times, and which one counts.
    pub repeat: Repeat,
    /// keepalived version: the oldest of 2.2.7, 2.4.3 and 2.4.3+ (its development branch) that
    /// knows the keyword; `director` for those that keepalived has never known.
    pub since: &'static str,
    /// One line of documentation.
    pub summary: &'static str,
}

/// What a second use of a keyword in the same block means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// The last one counts.
    Last,
    /// The first one counts.
    First,
    /// They add up.
    Adds,
}

impl Keyword {
    /// What director does with the keyword.
    #[must_use]
    pub fn status(&self, scope: Scope) -> Status {
        status::of(scope, self.name)
    }
}

/// The keywords of a block.
#[must_use]
pub fn keywords(scope: Scope) -> Vec<&'static Keyword> {
    match scope {
        Scope::Root => root::ROOT.keywords(),
        Scope::GlobalDefs => global::GLOBAL.keywords(),
        Scope::TrackGroup => root::TRACK_GROUP.keywords(),
        Scope::GarpGroup => root::GARP_GROUP.keywords(),
        Scope::VrrpScript => track::SCRIPT.keywords(),
        Scope::TrackProcess => track::PROCESS.keywords(),
        Scope::TrackFile => track::FILE.keywords(),
        Scope::BfdInstance => bfd::BFD.keywords(),
        Scope::SyncGroup => instance::SYNC_GROUP.keywords(),
        Scope::Instance => instance::INSTANCE.keywords(),
        Scope::Authentication => instance::AUTHENTICATION.keywords(),
        Scope::AuthHmac => instance::AUTH_HMAC.keywords(),
        Scope::VirtualServer => lvs::VIRTUAL_SERVER.keywords(),
        Scope::RealServer => lvs::REAL_SERVER.keywords(),
        Scope::TcpCheck => checker::TCP.keywords(),
        Scope::PingCheck => checker::PING.keywords(),
        Scope::UdpCheck => checker::UDP.keywords(),
        Scope::HttpGet => checker::HTTP.keywords(),
        Scope::SslGet => checker::SSL_GET.keywords(),
        Scope::Url => checker::URL.keywords(),
        Scope::SslUrl => checker::SSL_URL.keywords(),
        Scope::SmtpCheck => checker::SMTP.keywords(),
        Scope::SmtpHost => checker::SMTP_HOST.keywords(),
        Scope::DnsCheck => checker::DNS.keywords(),
        Scope::MiscCheck => checker::MISC.keywords(),
        Scope::FileCheck => checker::FILE.keywords(),
        Scope::BfdCheck => checker::BFD.keywords(),
        Scope::TalkCheck => checker::TALK.keywords(),
        Scope::AgentCheck => checker::AGENT.keywords(),
        Scope::Ssl => root::SSL.keywords(),
        Scope::Entries => Vec::new(),
    }
}

/// The keyword `name` (in any spelling) of a block.
#[must_use]
pub fn find(scope: Scope, name: &str) -> Option<&'static Keyword> {
    keywords(scope).into_iter().find(|k| {
        k.name == name || k.aliases.contains(&name) || k.old.iter().any(|old| old.name == name)
    })
}

/// The scope of the block that `name` opens inside `scope`; `None` if it opens none.
pub(crate) fn block_scope(scope: Scope, name: &str) -> Option<Scope> {
    if scope == Scope::Entries {
        return None;
    }
    find(scope, name)?.arguments.block()
}

/// True for words that open a block somewhere; a cheap test before [`block_scope`].
pub(crate) fn may_open_block(word: &str) -> bool {
    is_root_only(word)
        || matches!(
            word,
            "SSL"
                | "authentication"
                | "auth_hmac"
                | "group"
                | "interfaces"
                | "notification_email"
                | "unicast_peer"
                | "virtual_ipaddress"
                | "virtual_ipaddress_excluded"
                | "virtual_routes"
                | "virtual_rules"
                | "track_interface"
                | "track_script"
                | "track_file"
                | "track_process"
                | "track_bfd"
                | "real_server"
                | "TCP_CHECK"
                | "PING_CHECK"
                | "UDP_CHECK"
                | "HTTP_GET"
                | "SSL_GET"
                | "url"
                | "SMTP_CHECK"
                | "host"
                | "DNS_CHECK"
                | "MISC_CHECK"
                | "FILE_CHECK"
                | "BFD_CHECK"
                | "TALK_CHECK"
                | "AGENT_CHECK"
                | "vrrp_track_file"
        )
}

/// Block keywords that stand only at the root level.
pub(crate) fn is_root_only(word: &str) -> bool {
    matches!(
        word,
        "global_defs"
            | "static_ipaddress"
            | "static_routes"
            | "static_rules"
            | "track_group"
            | "linkbeat_interfaces"
            | "interface_up_down_delays"
            | "garp_group"
            | "vrrp_script"
            | "vrrp_track_process"
            | "bfd_instance"
            | "vrrp_sync_group"
            | "vrrp_instance"
            | "virtual_server_group"
            | "virtual_server"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_entry_names_a_keyword() {
        for (scope, name) in status::entries() {
            assert!(find(scope, name).is_some(), "{name} in {}", scope.name());
        }
    }

    #[test]
    fn spellings_are_unique_and_documented() {
        for scope in Scope::ALL {
            let mut seen = std::collections::BTreeSet::new();
            for keyword in keywords(*scope) {
                let old = keyword.old.iter().map(|old| old.name);
                let names = std::iter::once(keyword.name)
                    .chain(keyword.aliases.iter().copied())
                    .chain(old);
                for name in names {
                    assert!(seen.insert(name), "{name} stands twice in {}", scope.name());
                }
                assert!(keyword.summary.ends_with('.'), "{}", keyword.name);
                if let Some(inner) = keyword.arguments.block() {
                    assert!(may_open_block(keyword.name), "{}", keyword.name);
                    assert_eq!(block_scope(*scope, keyword.name), Some(inner));
                }
            }
        }
    }
}
