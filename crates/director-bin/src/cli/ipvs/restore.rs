//! `--restore`.

use super::{REFUSED, Session, UNUSABLE};
use crate::output;
use ipvs_netlink::ipvsadm::{Invocation, Script, Statement};
use ipvs_netlink::table::Outcome;
use ipvs_netlink::{ApplyError, Command, Owned};

impl Session {
    /// One line after the other, as ipvsadm does: a line that the kernel refuses does not stop
    /// those after it, one that makes no sense does, and the last one that was run decides the
    /// status. Lines are sent to the kernel together where nothing between them needs an answer.
    pub(super) fn restore(&mut self, text: &str) -> u8 {
        let statements: Vec<Statement> = Script::statements(text, &self.names).collect();
        let mut status = 0;
        let mut waiting = Vec::new();
        for Statement { line, meaning } in statements {
            let error = match meaning {
                Ok(Invocation::Change(command)) => {
                    waiting.push((line, command));
                    continue;
                }
                Ok(invocation) => {
                    self.send(&mut waiting);
                    let over = matches!(invocation, Invocation::Help | Invocation::Version);
                    status = self.perform(invocation);
                    if over || status != 0 {
                        return status;
                    }
                    continue;
                }
                Err(error) => error,
            };
            self.send(&mut waiting);
            report(line, &error);
            status = error.status();
            if !error.lets_restore_go_on() {
                return status;
            }
        }
        self.send(&mut waiting).unwrap_or(status)
    }

    /// Runs the waiting commands; the status of the last one, none if there was none.
    fn send(&mut self, waiting: &mut Vec<(usize, Command)>) -> Option<u8> {
        let (lines, commands): (Vec<usize>, Vec<Command>) = waiting.drain(..).unzip();
        if commands.is_empty() {
            return None;
        }
        let applied = match self.client.apply(&commands) {
            Ok(applied) => applied,
            Err(error) => {
                output::report(&error);
                return Some(REFUSED);
            }
        };
        for (position, refusal) in applied.refusals() {
            report(lines.get(position).copied().unwrap_or_default(), refusal);
        }
        if applied.has_unknown() {
            output::print_error(
                "director: error: answers of the kernel were lost: compare with --list\n",
            );
        }
        let last = applied.outcomes().last();
        Some(if last == Some(&Outcome::Done) {
            0
        } else {
            REFUSED
        })
    }

    /// Makes the table what the text describes: what is alike is not touched, nothing is cleared
    /// before, and if the kernel refuses a change, those made are taken back.
    pub(super) fn restore_by_difference(&mut self, text: &str) -> u8 {
        let script = match Script::parse(text, &self.names) {
            Ok(script) => script,
            Err(error) => {
                output::report(&error);
                return UNUSABLE;
            }
        };
        match self.client.reconcile(&script.table, Owned::Everything) {
            Ok(_) => 0,
            Err(ApplyError::RolledBack(rolled_back)) => {
                match script.line_of(&rolled_back.change) {
                    Some(line) => report(line, &rolled_back),
                    None => output::report(&rolled_back),
                }
                REFUSED
            }
            Err(ApplyError::Failed(error)) => super::unreadable(&error),
            Err(error) => {
                output::report(&error);
                REFUSED
            }
        }
    }
}

fn report(line: usize, error: &dyn std::error::Error) {
    output::print_error(format_args!(
        "director: error: line {line}: {}\n",
        output::chain(error)
    ));
}
