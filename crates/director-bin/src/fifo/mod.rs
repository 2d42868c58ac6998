//! Notify FIFOs (`notify_fifo`, `vrrp_notify_fifo`, `lvs_notify_fifo`): one line per event, and the programs that read them.
//!
//! Writing never waits: what does not fit because nobody reads is lost, counted and told.

mod line;
mod pipe;
mod reader;

pub(crate) use line::Line;

use crate::script::{Identity, Program};
use pipe::Pipe;
use reader::Reader;
use std::path::PathBuf;
use std::time::Duration;
use tracing::warn;

/// A FIFO of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FifoPlan {
    /// The keyword, for messages.
    pub(crate) keyword: &'static str,
    /// Where it is.
    pub(crate) path: PathBuf,
    /// It gets the lines of instances and sync groups.
    pub(crate) vrrp: bool,
    /// It gets the lines of virtual and real servers.
    pub(crate) lvs: bool,
    /// Who owns it; `None` is the daemon.
    pub(crate) owner: Option<Identity>,
    /// Its permissions when it is made.
    pub(crate) mode: u32,
    /// The program that reads it; gets the path as its last argument.
    pub(crate) script: Option<Program>,
}

/// The FIFOs that are open, and their readers.
#[derive(Debug, Default)]
pub(crate) struct Fifos {
    open: Vec<Fifo>,
}

#[derive(Debug)]
struct Fifo {
    plan: FifoPlan,
    pipe: Pipe,
    reader: Option<Reader>,
    /// Lines that did not fit since it was last said.
    lost: u64,
}

impl Fifos {
    /// Has exactly these FIFOs. Those that stay are not touched, nor are their readers; a FIFO that cannot be made is told
    /// and left out.
    pub(crate) fn replace(&mut self, wished: &[FifoPlan]) {
        let mut before = std::mem::take(&mut self.open);
        let mut gone = Vec::new();
        // The old ones first: a changed one has the same path.
        before.retain_mut(|fifo| {
            let stays = wished.contains(&fifo.plan);
            if !stays && let Some(reader) = fifo.reader.take() {
                gone.push(reader);
            }
            stays
        });
        for reader in gone {
            reader.leave();
        }
        for plan in wished {
            match before.iter().position(|fifo| fifo.plan == *plan) {
                Some(at) => self.open.push(before.swap_remove(at)),
                None => self.open.extend(Fifo::open(plan.clone())),
            }
        }
    }

    /// Writes the line into each FIFO that is for it.
    pub(crate) fn write(&mut self, line: &Line) {
        for fifo in &mut self.open {
            if (line.is_vrrp() && fifo.plan.vrrp) || (!line.is_vrrp() && fifo.plan.lvs) {
                fifo.write(line);
            }
        }
    }

    /// Removes the FIFOs. The readers see the end of file and may finish until the deadline.
    pub(crate) async fn finish(mut self, deadline: Duration) {
        let mut readers = Vec::new();
        for fifo in self.open.drain(..) {
            let Fifo { pipe, reader, .. } = fifo;
            drop(pipe);
            readers.extend(reader);
        }
        let ends = readers.into_iter().map(|reader| reader.finish(deadline));
        let mut tasks = tokio::task::JoinSet::new();
        for end in ends {
            tasks.spawn(end);
        }
        while tasks.join_next().await.is_some() {}
    }
}

impl Fifo {
    fn open(plan: FifoPlan) -> Option<Self> {
        let pipe = match Pipe::open(&plan.path, plan.mode, plan.owner.as_ref()) {
            Ok(pipe) => pipe,
            Err(error) => {
                let (keyword, path) = (plan.keyword, plan.path.display());
                warn!(event = "fifo_failed", keyword, %path, reason = %error, "{keyword} {path} is not written: {error}");
                return None;
            }
        };
        let reader = plan
            .script
            .clone()
            .map(|script| Reader::start(plan.keyword, script, plan.path.clone()));
        Some(Self {
            plan,
            pipe,
            reader,
            lost: 0,
        })
    }

    fn write(&mut self, line: &Line) {
        let (keyword, path) = (self.plan.keyword, self.plan.path.display());
        match self.pipe.write(line.as_bytes()) {
            Ok(()) if self.lost > 0 => {
                let lost = std::mem::take(&mut self.lost);
                warn!(event = "fifo_lost", keyword, %path, lost, "{keyword} {path} is read again, {lost} lines are missing in it");
            }
            Ok(()) => {}
            Err(error) => {
                if self.lost == 0 {
                    warn!(event = "fifo_lost", keyword, %path, lost = 1, reason = %error, "{keyword} {path}: a line is lost, and so are those that follow until somebody reads: {error}");
                }
                self.lost = self.lost.saturating_add(1);
            }
        }
    }
}

#[cfg(test)]
mod tests;
