//! Cross-references and lints over the whole model.

mod lvs;
mod names;
mod scripts;
mod vrrp;

use crate::Options;
use crate::expand::Reader;
use crate::model::Config;

/// Looks for what is contradictory, unused or dangerous.
pub(crate) fn check(config: &mut Config, reader: &mut Reader<'_>, options: &Options) {
    names::check(config, reader);
    vrrp::check(config, reader);
    lvs::check(config, reader);
    scripts::check(config, reader, options);
}
