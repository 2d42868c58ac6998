//! What processes print, and files: read with bounds.

use std::fs::File;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, BufReader};

use crate::event::{Happening, Request};
use crate::scenario::ProcessId;
use crate::stage::watch::Reporter;

/// The most that is kept of a command's output or a file.
const MOST_TEXT: usize = 64 << 10;

pub(super) async fn read_all(pipe: impl AsyncRead + Unpin) -> String {
    let mut text = String::new();
    let mut reader = BufReader::new(pipe);
    while let Some(line) = next_line(&mut reader).await {
        if text.len() < MOST_TEXT {
            text.push_str(&line);
            text.push('\n');
        }
    }
    text
}

pub(super) fn read_start(path: &std::path::Path) -> Option<String> {
    use std::io::Read;
    let mut bytes = Vec::new();
    File::open(path)
        .ok()?
        .take(MOST_TEXT as u64)
        .read_to_end(&mut bytes)
        .ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Turns a process's output into events.
pub(super) async fn pass_on(
    pipe: impl AsyncRead + Unpin,
    process: ProcessId,
    reporter: Reporter,
    requests: bool,
) {
    let mut reader = BufReader::new(pipe);
    while let Some(text) = next_line(&mut reader).await {
        let request = if requests {
            serde_json::from_str::<Request>(&text).ok()
        } else {
            None
        };
        let process = process.clone();
        reporter
            .send(match request {
                Some(request) => Happening::Request { process, request },
                None => Happening::Line { process, text },
            })
            .await;
    }
}

/// The longest line that is kept; more is cut off.
const LONGEST_LINE: usize = 8 << 10;

/// The next line without its end; `None` at the end of the stream.
async fn next_line(reader: &mut (impl AsyncBufRead + Unpin)) -> Option<String> {
    let mut line = Vec::new();
    loop {
        let buffer = reader.fill_buf().await.ok()?;
        if buffer.is_empty() {
            if line.is_empty() {
                return None;
            }
            break;
        }
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let piece = buffer
            .get(..end.unwrap_or(buffer.len()))
            .unwrap_or_default();
        let room = LONGEST_LINE.saturating_sub(line.len());
        line.extend(piece.iter().take(room));
        let used = end.map_or(buffer.len(), |end| end + 1);
        reader.consume(used);
        if end.is_some() {
            break;
        }
    }
    Some(
        String::from_utf8_lossy(&line)
            .trim_end_matches('\r')
            .to_owned(),
    )
}
