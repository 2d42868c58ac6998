//! The program that reads a FIFO (`notify_fifo_script` and relatives).

use crate::script::{Child, Given, Program};
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::{info, warn};

/// Wait before a program that has ended is started again; it doubles if it ends soon each time.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait.
const LAST_WAIT: Duration = Duration::from_secs(60);
/// A program that ran for so long was well.
const RAN_WELL: Duration = Duration::from_secs(60);
/// How long a program may go on reading when its FIFO is gone after a reload.
const FAREWELL: Duration = Duration::from_secs(5);

/// A running reader. Dropping it kills the program.
#[derive(Debug)]
pub(super) struct Reader {
    stop: oneshot::Sender<Duration>,
    task: JoinHandle<()>,
}

impl Reader {
    /// Starts the program, and starts it again whenever it ends.
    pub(super) fn start(keyword: &'static str, mut script: Program, path: PathBuf) -> Self {
        script.arguments.push(path.display().to_string());
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(keep_running(keyword, script, stopped));
        Self { stop, task }
    }

    /// Lets the program read to the end of file, but not longer than `deadline`.
    pub(super) async fn finish(self, deadline: Duration) {
        if self.stop.send(deadline).is_ok() {
            drop(self.task.await);
        }
    }

    /// The same, without waiting for it.
    pub(super) fn leave(self) {
        let _ = self.stop.send(FAREWELL);
    }
}

async fn keep_running(
    keyword: &'static str,
    script: Program,
    mut stopped: oneshot::Receiver<Duration>,
) {
    let mut wait = FIRST_WAIT;
    let command = format!("{keyword}_script `{}`", script.line());
    loop {
        let began = Instant::now();
        match script.start(&Given::default()) {
            Ok(mut child) => {
                tokio::select! {
                    ended = child.wait() => {
                        warn!(event = "fifo_reader_ended", keyword, reason = %ended, "{command} has ended by itself ({ended}) and is started again");
                    }
                    deadline = &mut stopped => {
                        end(&mut child, deadline.unwrap_or_default(), &command).await;
                        return;
                    }
                }
            }
            Err(error) => {
                warn!(event = "fifo_reader_failed", keyword, reason = %error, "{command} cannot be started: {error}");
            }
        }
        if began.elapsed() >= RAN_WELL {
            wait = FIRST_WAIT;
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _ = &mut stopped => return,
        }
        wait = wait.saturating_mul(2).min(LAST_WAIT);
    }
}

/// The FIFO is closed: the program sees the end of file. If that is not enough, it is ended.
async fn end(child: &mut Child, deadline: Duration, command: &str) {
    if tokio::time::timeout(deadline, child.wait()).await.is_err() {
        info!(
            event = "fifo_reader_stopped",
            "{command} goes on after the end of file and is ended"
        );
        child.end().await;
    }
}
