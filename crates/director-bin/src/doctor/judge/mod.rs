//! Conclusions from facts. Nothing here touches the system.

mod network;
mod real_server;
mod servers;
mod system;
#[cfg(test)]
#[allow(dropping_copy_types, reason = "one form for all faults")]
mod tests;

use super::facts::Facts;
use super::finding::{Finding, Report, Severity};
use super::wishes::Wishes;

/// One check: its name, what it is about, the facts without which it cannot be made, and the check.
struct Check {
    name: &'static str,
    title: &'static str,
    needs: Option<&'static str>,
    applies: fn(&Wishes) -> Result<(), &'static str>,
    judge: fn(&Wishes, &Facts) -> Vec<Finding>,
}

/// Makes every check that applies.
pub(crate) fn judge(wishes: &Wishes, facts: &Facts) -> Report {
    let mut report = Report::new();
    let all = if wishes.real_server.is_some() {
        real_server::CHECKS
    } else {
        DIRECTOR
    };
    for check in all.iter().flat_map(|some| some.iter()) {
        let Check {
            name,
            title,
            needs,
            applies,
            judge,
        } = check;
        if let Err(why) = applies(wishes) {
            report.skipped(name, title, why);
        } else if let Some(why) = needs.and_then(|need| facts.unknown.get(need)) {
            report.skipped(name, title, why.clone());
        } else {
            report.made(name, title, judge(wishes, facts));
        }
    }
    report
        .findings
        .sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    report
}

const DIRECTOR: &[&[Check]] = &[network::CHECKS, servers::CHECKS, system::CHECKS];

const fn always(_: &Wishes) -> Result<(), &'static str> {
    Ok(())
}

fn has_instances(wishes: &Wishes) -> Result<(), &'static str> {
    if wishes.instances.is_empty() {
        Err("the file has no vrrp_instance")
    } else {
        Ok(())
    }
}

fn has_services(wishes: &Wishes) -> Result<(), &'static str> {
    if wishes.services.is_empty() {
        Err("the file has no virtual_server")
    } else {
        Ok(())
    }
}

fn has_nat(wishes: &Wishes) -> Result<(), &'static str> {
    if wishes.uses(super::wishes::Method::Nat) {
        Ok(())
    } else {
        Err("no server is reached by NAT")
    }
}

fn error(check: &'static str, problem: impl Into<String>) -> Finding {
    finding(check, Severity::Error, problem)
}

fn warning(check: &'static str, problem: impl Into<String>) -> Finding {
    finding(check, Severity::Warning, problem)
}

fn finding(check: &'static str, severity: Severity, problem: impl Into<String>) -> Finding {
    Finding {
        check,
        severity,
        problem: problem.into(),
        evidence: Vec::new(),
        remedy: Vec::new(),
    }
}

impl Finding {
    fn seen(mut self, evidence: impl Into<String>) -> Self {
        self.evidence.push(evidence.into());
        self
    }

    fn cure(mut self, remedy: impl Into<String>) -> Self {
        self.remedy.push(remedy.into());
        self
    }
}
