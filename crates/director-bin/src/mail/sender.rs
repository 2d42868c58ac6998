//! The task that talks to the mail server.

use super::client::deliver;
use super::message::{Alert, compose};
use super::outbox::{Outbox, WAITING};
use super::{MailSettings, client::DeliveryError};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::{info, warn};

/// Orders that may wait while the task is busy.
const QUEUE: usize = WAITING;

enum Order {
    Send(Alert),
    Settings(Box<MailSettings>),
}

/// The way to the task. Dropping it ends the task after one last attempt.
#[derive(Debug)]
pub(crate) struct Mailer {
    settings: MailSettings,
    orders: mpsc::Sender<Order>,
    task: JoinHandle<()>,
    dropped: u64,
}

impl Mailer {
    /// Starts the task. Must be called on a runtime.
    pub(crate) fn start(settings: MailSettings) -> Self {
        let (orders, waiting) = mpsc::channel(QUEUE);
        let task = tokio::spawn(work(settings.clone(), waiting));
        Self {
            settings,
            orders,
            task,
            dropped: 0,
        }
    }

    /// Goes over to other settings. What waits is sent by them.
    pub(crate) fn change(&mut self, settings: MailSettings) {
        if self.settings != settings && self.order(Order::Settings(Box::new(settings.clone()))) {
            self.settings = settings;
        }
    }

    /// Queues an alert; never waits.
    pub(crate) fn send(&mut self, alert: Alert) {
        let subject = alert.subject.clone();
        if !self.order(Order::Send(alert)) {
            self.dropped = self.dropped.saturating_add(1);
            if self.dropped.is_power_of_two() {
                lost(&subject, self.dropped);
            }
        }
    }

    /// Makes one last attempt with what waits, and ends after `deadline` at the latest.
    pub(crate) async fn finish(self, deadline: Duration) {
        let Self { orders, task, .. } = self;
        drop(orders);
        let stop = task.abort_handle();
        if tokio::time::timeout(deadline, task).await.is_err() {
            stop.abort();
            warn!(
                event = "mail_dropped",
                reason = "no time left",
                "alerts that the mail server did not take within {} s are given up",
                deadline.as_secs_f64()
            );
        }
    }

    fn order(&self, order: Order) -> bool {
        self.orders.try_send(order).is_ok()
    }
}

fn lost(subject: &str, count: u64) {
    warn!(
        event = "mail_dropped",
        subject,
        reason = "too many wait",
        count,
        "no mail about `{subject}`: {WAITING} alerts wait for the mail server already ({count} lost so far)"
    );
}

async fn work(mut settings: MailSettings, mut orders: mpsc::Receiver<Order>) {
    let mut outbox = Outbox::new(settings.batch_delay);
    let mut number = 0_u64;
    let mut open = true;
    while open || outbox.waiting() > 0 {
        // Everything that has been ordered so far belongs into the next mail.
        while let Ok(order) = orders.try_recv() {
            take(order, &mut settings, &mut outbox);
        }
        if !open {
            outbox.hurry(Instant::now());
        }
        let Some(batch) = outbox.take(Instant::now()) else {
            let due = outbox.poll_timeout().map(tokio::time::Instant::from_std);
            tokio::select! {
                order = orders.recv(), if open => match order {
                    Some(order) => take(order, &mut settings, &mut outbox),
                    None => open = false,
                },
                () = wait_until(due) => {}
            }
            continue;
        };
        number = number.wrapping_add(1);
        let message = compose(
            &settings,
            &batch.alerts,
            batch.dropped,
            SystemTime::now(),
            number,
        );
        let alerts = batch.alerts.len();
        let result = deliver(&settings, &message).await;
        let now = Instant::now();
        match result {
            Ok(delivered) => {
                outbox.sent(now);
                let what = crate::output::count(alerts, "alert");
                info!(
                    event = "mail_sent",
                    alerts, "mail with {what} sent to {}", settings.host
                );
                for refused in delivered.refused {
                    warn!(
                        event = "mail_refused",
                        reason = refused,
                        "the mail server does not take a recipient, correct notification_email: {refused}"
                    );
                }
            }
            Err(error) => {
                give_up_or_wait(&error, &mut outbox, alerts, now, open);
                if !open && outbox.waiting() > 0 && !error.is_permanent() {
                    return;
                }
            }
        }
    }
}

fn take(order: Order, settings: &mut MailSettings, outbox: &mut Outbox) {
    match order {
        Order::Send(alert) => {
            let subject = alert.subject.clone();
            if !outbox.push(Instant::now(), alert) && outbox.dropped().is_power_of_two() {
                lost(&subject, outbox.dropped());
            }
        }
        Order::Settings(new) => {
            outbox.set_batch_delay(new.batch_delay);
            *settings = *new;
        }
    }
}

/// Tells a failure, and what becomes of the alerts.
fn give_up_or_wait(
    error: &DeliveryError,
    outbox: &mut Outbox,
    alerts: usize,
    now: Instant,
    open: bool,
) {
    let reason = error.to_string();
    let what = crate::output::count(alerts, "alert");
    if error.is_permanent() {
        outbox.refused(now);
        warn!(
            event = "mail_dropped",
            reason, alerts, "mail with {what} is given up: {reason}"
        );
        return;
    }
    let (wait, old) = outbox.failed(now);
    let waiting = outbox.waiting();
    if open {
        let seconds = wait.as_secs();
        warn!(
            event = "mail_failed",
            reason,
            waiting,
            seconds,
            "mail with {what} waits, next attempt in {seconds} s: {reason}"
        );
    } else {
        warn!(
            event = "mail_dropped",
            reason,
            alerts = waiting,
            "mail with {what} is given up at the end: {reason}"
        );
    }
    if old > 0 {
        let gone = crate::output::count(old, "alert");
        warn!(
            event = "mail_dropped",
            alerts = old,
            reason = "a day old",
            "{gone} given up after a day without mail server"
        );
    }
}

async fn wait_until(due: Option<tokio::time::Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
