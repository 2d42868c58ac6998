//! What the integration tests share.

use std::path::{Path, PathBuf};

use director_lab::{IpvsChoice, Lab, Options, Program, Scenario};

/// A scenario of the tests.
pub(crate) fn scenario(name: &str) -> Scenario {
    Scenario::load(&directory(name)).unwrap()
}

pub(crate) fn directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/scenarios")
        .join(name)
}

pub(crate) fn options(ipvs: IpvsChoice) -> Options {
    let nothing: [&str; 0] = [];
    let mut options = Options::new(Program::new(env!("CARGO_BIN_EXE_director-lab"), nothing));
    options.ipvs = ipvs;
    options
}

/// Says why a test cannot run here, if it cannot.
pub(crate) fn skipped(scenario: &Scenario, options: &Options) -> bool {
    let missing = Lab::missing(scenario, options);
    if !missing.is_empty() {
        println!("skipped: this machine lacks {}", missing.join("; "));
    }
    !missing.is_empty()
}
