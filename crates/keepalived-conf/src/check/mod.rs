//! Cross-references and lints over the whole model.

mod lvs;
mod names;
mod scripts;
mod unused;
mod vrrp;

pub(crate) use lvs::{Target, virtual_server};

use crate::Options;
use crate::expand::Reader;
use crate::model::Config;

/// Looks for what is contradictory, unused or dangerous.
/// `passed` are virtual servers that were looked at before and are no longer in `config`.
pub(crate) fn check(
    config: &mut Config,
    passed: Vec<Target>,
    reader: &mut Reader<'_>,
    options: &Options,
) {
    names::check(config, reader);
    vrrp::check(config, reader);
    unused::check(config, reader);
    lvs::check(config, passed, reader);
    scripts::check(config, reader, options);
}
