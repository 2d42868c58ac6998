//! Instances, sync groups, trackers.

use crate::codes;
use crate::diagnostic::{Diagnostic, Severity};
use crate::expand::Reader;
use crate::model::{Config, VrrpInstance};

pub(super) fn check(config: &Config, reader: &mut Reader<'_>) {
    for instance in &config.vrrp_instance {
        complete(instance, reader);
    }
}

fn complete(instance: &VrrpInstance, reader: &mut Reader<'_>) {
    let name = &instance.name.value;
    if !instance.virtual_router_id.is_written() {
        let diagnostic = Diagnostic::new(
            codes::MISSING_KEYWORD,
            Severity::Error,
            format!("instance `{name}` has no `virtual_router_id`"),
            instance.span.0,
        )
        .note("keepalived refuses to start")
        .help("add `virtual_router_id N` with a number from 1 to 255, the same on all routers");
        reader.report(diagnostic);
    }
    let unicast = instance.is_unicast() && instance.source_address().is_some();
    if !instance.interface.is_written() && !unicast {
        let diagnostic = Diagnostic::new(
            codes::MISSING_KEYWORD,
            Severity::Error,
            format!("instance `{name}` has no `interface`"),
            instance.span.0,
        )
        .note("only an instance with `unicast_src_ip` and `unicast_peer` may do without")
        .help("add `interface NAME`");
        reader.report(diagnostic);
    }
}
