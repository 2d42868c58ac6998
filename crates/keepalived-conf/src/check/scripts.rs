//! Commands that the daemon would run.

use crate::Options;
use crate::expand::Reader;
use crate::model::Config;

pub(super) fn check(_: &Config, _: &mut Reader<'_>, _: &Options) {}
