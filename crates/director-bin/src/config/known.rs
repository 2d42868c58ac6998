//! Reading a file again of which most is as it was: the virtual servers whose text is the same come from the plan in force.

use super::lvs::name;
use super::{Beside, Plan, plan_beside};
use crate::lvs::VirtualServer;
use keepalived_conf::{Diagnostic, Known, Loader, Options, Parsed, load_again};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

/// What is remembered of the files that the plan in force was read from: virtual servers by their text, with their names.
#[derive(Debug, Default)]
pub(crate) struct Memory(Option<Known<Arc<str>>>);

impl Memory {
    /// Of files that were read from beginning to end.
    pub(super) fn of(parsed: &Parsed) -> Self {
        Self(Some(Known::new(parsed, name_of)))
    }

    /// The same after files that were read with this memory.
    pub(super) fn renewed(&self, parsed: &Parsed) -> Self {
        Self(self.0.as_ref().map(|known| known.renewed(parsed, name_of)))
    }
}

fn name_of(server: &keepalived_conf::model::VirtualServer) -> Option<Arc<str>> {
    // Groups are numbered; they are not known by their text.
    Some(name(server, &mut BTreeMap::new()).into())
}

/// Reads the file as far as it is not known, and completes the plan from the one in force. `None` if that cannot be done, or
/// if anything is wrong with the file: then all of it is to be read, and told in its order.
pub(super) fn complete(
    path: &Path,
    files: &mut impl Loader,
    options: &Options,
    before: &Plan,
    memory: &Memory,
) -> Option<(Parsed, Plan, Vec<Diagnostic>)> {
    let known = memory.0.as_ref()?;
    let (parsed, names) = load_again(path, files, options, known)?;
    if parsed.diagnostics.has_errors() {
        return None;
    }
    let in_force: HashMap<&str, &Arc<VirtualServer>> = before
        .virtual_servers
        .iter()
        .map(|server| (&*server.name, server))
        .collect();
    let kept: Option<Vec<Arc<VirtualServer>>> = names
        .iter()
        .map(|name| in_force.get(&**name).map(|server| Arc::clone(server)))
        .collect();
    let kept = kept?;
    let (mut plan, more) = plan_beside(
        &parsed.config,
        Beside {
            others: &kept,
            marks: before.marks.as_ref(),
        },
    );
    if !more.is_empty() {
        return None;
    }
    for server in kept {
        take_over(&mut plan, before, server);
    }
    let (needs, known) = (&mut plan.needs, &before.needs);
    needs.low_ports |= known.low_ports;
    needs.marks |= known.marks;
    needs.pings |= known.pings;
    Some((parsed, plan, more))
}

/// Everything that a virtual server has in a plan.
fn take_over(plan: &mut Plan, before: &Plan, server: Arc<VirtualServer>) {
    let name = &server.name;
    plan.checks.take_over(&before.checks, name);
    if before.omega.contains(&**name) {
        plan.omega.insert(name.to_string());
    }
    let (mail, known) = (&mut plan.notices, &before.notices);
    if known.virtual_server_mail.contains(&**name) {
        mail.virtual_server_mail.insert(name.to_string());
    }
    mail.real_server_mail
        .take_over(&known.real_server_mail, name);
    plan.virtual_servers.push(server);
}

#[cfg(test)]
mod tests;
