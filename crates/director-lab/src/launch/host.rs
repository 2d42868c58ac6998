//! The stage on the running kernel.

use std::path::Path;
use std::process::{Command, Stdio};

use super::{LabError, Stage, part, start_first_process};
use crate::scenario::Scenario;
use crate::stage::StageOrder;
use crate::tools;

pub(super) fn start(order: StageOrder) -> Result<Stage, LabError> {
    let line = serde_json::to_vec(&order)
        .map_err(|error| LabError::Trouble(format!("cannot write the order: {error}")))?;
    start_first_process(part(&order, "stage"), line, order.time_limit)
}

/// There if the kernel has IPVS.
const TABLE: &str = "/proc/net/ip_vs";

/// Whether the running kernel has IPVS; loads the module if it can.
pub(super) fn has_ipvs() -> bool {
    let table = Path::new(TABLE);
    if table.exists() {
        return true;
    }
    if let Some(modprobe) = tools::find(Path::new("modprobe")) {
        let _ = Command::new(modprobe)
            .args(["-q", "ip_vs"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
    table.exists()
}

pub(super) fn describe(scenario: &Scenario) -> String {
    let release = rustix::system::uname()
        .release()
        .to_string_lossy()
        .into_owned();
    if !scenario.ipvs {
        format!("this kernel, Linux {release} (no IPVS needed)")
    } else if Path::new(TABLE).exists() {
        format!("this kernel, Linux {release}, with its own IPVS")
    } else {
        format!("this kernel, Linux {release}, without IPVS")
    }
}
