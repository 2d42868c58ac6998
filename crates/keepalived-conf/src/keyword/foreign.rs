//! Words seen in the field that keepalived does not know, and what they meant.

use super::Scope;

/// What to say about such a word.
pub(crate) struct Foreign {
    pub(crate) name: &'static str,
    /// Where it was seen; `None` for anywhere.
    pub(crate) scope: Option<Scope>,
    pub(crate) meaning: &'static str,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Once a keyword of keepalived; has no effect any more.
    Obsolete,
    /// Of another program.
    Other,
    /// The man page documents it under a name that the program never knew.
    ManPage(&'static str),
}

const fn obsolete(name: &'static str, meaning: &'static str) -> Foreign {
    Foreign {
        name,
        scope: None,
        meaning,
        kind: Kind::Obsolete,
    }
}

const fn other(name: &'static str, meaning: &'static str) -> Foreign {
    Foreign {
        name,
        scope: None,
        meaning,
        kind: Kind::Other,
    }
}

const fn man_page(name: &'static str, real: &'static str) -> Foreign {
    Foreign {
        name,
        scope: None,
        meaning: "",
        kind: Kind::ManPage(real),
    }
}

const DPVS: &str = "an option of DPVS or Alibaba's LVS";

const FOREIGN: &[Foreign] = &[
    obsolete(
        "nat_mask",
        "removed from keepalived in 2015; it had no effect on LVS-NAT for years before",
    ),
    obsolete("linkbeat_mode", "link detection is automatic"),
    obsolete(
        "vrrp_ipvs_needed",
        "the IPVS module is loaded when virtual servers exist",
    ),
    other("local_address_group", DPVS),
    other("laddr_group_name", DPVS),
    other("laddr_group", DPVS),
    other("alive_weight", DPVS),
    other("syn_proxy", DPVS),
    other("est_timeout", DPVS),
    other("establish_timeout", DPVS),
    other("conn_timeout", DPVS),
    other("vip_bind_dev", DPVS),
    man_page("state_file_location", "state_dump_file"),
    man_page("stats_file_location", "stats_dump_file"),
    man_page("json_file_location", "json_dump_file"),
    man_page("garp_extra_if_vmac", "garp_extra_if"),
    Foreign {
        name: "dynamic",
        scope: Some(Scope::FileCheck),
        meaning: "the man page mentions it, the program never knew it",
        kind: Kind::Obsolete,
    },
    Foreign {
        name: "notify_deleted",
        scope: Some(Scope::SyncGroup),
        meaning: "only instances have it, whatever the man page says",
        kind: Kind::Obsolete,
    },
];

pub(crate) fn find(scope: Scope, name: &str) -> Option<&'static Foreign> {
    FOREIGN
        .iter()
        .find(|f| f.name == name && f.scope.is_none_or(|s| s == scope))
}
