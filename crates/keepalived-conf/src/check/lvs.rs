//! Virtual servers, real servers, checkers.

use crate::expand::Reader;
use crate::model::Config;

pub(super) fn check(_: &Config, _: &mut Reader<'_>) {}
