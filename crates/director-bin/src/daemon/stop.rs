//! The orderly end: resign, addresses off, services out, scripts told.

use super::notice::{Moment, Notice};
use super::notify::Announced;
use super::running::Running;
use super::{report, service_manager};
use crate::exit::Exit;
use std::time::Duration;

/// How long notification scripts, readers of FIFOs and the mail server may take at the end.
const SCRIPTS: Duration = Duration::from_secs(5);

impl Running {
    /// Ends everything in order. The next master is told first; the services go when no more traffic comes.
    pub(super) async fn stop(mut self, why: &str) -> Exit {
        service_manager::stopping();
        report::stopping(why);
        self.trackers.stop().await;
        if let Some(vrrp) = self.vrrp.take() {
            let snapshot = vrrp.engine.snapshots().latest();
            let mut events = vrrp.events;
            vrrp.engine.shutdown().await;
            while let Some(event) = events.try_recv() {
                report::vrrp(&event, &mut self.rate);
            }
            for (name, status) in &snapshot.instances {
                let notice = Notice::Instance {
                    name: name.to_string(),
                    state: Announced::Stop,
                    previous: None,
                    priority: status.effective_priority,
                    reason: format!("the director stops: {why}"),
                };
                self.notifier.tell(&self.plan, &notice);
            }
            for name in snapshot.groups.keys() {
                let notice = Notice::Group {
                    name: name.to_string(),
                    state: Announced::Stop,
                    previous: None,
                };
                self.notifier.tell(&self.plan, &notice);
            }
        }
        let mut exit = Exit::Success;
        let keep = self.arguments.process.keep_services;
        if !keep {
            self.marks.clear();
        }
        if let Some(table) = self.table.as_mut().filter(|_| !keep) {
            match table.clear(self.plan.flush_at_stop) {
                Ok(changes) => report::changes(&changes),
                Err(error) => {
                    report::table_error(&error);
                    exit = Exit::Failure;
                }
            }
        }
        let farewell: Vec<_> = self
            .plan
            .omega
            .iter()
            .flat_map(|name| self.model.farewell(name))
            .collect();
        self.tell(&farewell, Moment::Stop);
        self.notifier.finish(SCRIPTS).await;
        if let Some(script) = &self.plan.shutdown {
            script.run().await;
        }
        report::stopped();
        self.control.close();
        exit
    }
}
