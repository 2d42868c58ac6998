//! One task for each client: reads calls, writes replies. What concerns the daemon goes to its loop and back.

use super::journal::Journal;
use director_control::{Call, Problem, ProblemKind, Reply, Request, Response, VERSION, Who};
use ipvs_netlink::DestinationId;
use nix::unistd::{Uid, User, geteuid};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;

/// Clients at the same time.
const CLIENTS: usize = 64;

/// Longest call, in octets.
const LONGEST_CALL: u64 = 64 << 10;

/// Clients of root and of the director's own user beyond those, so that nobody else can shut them out.
const RESERVED: usize = 16;

/// Large answers on their way at the same time, for each of the two kinds of clients: a snapshot of 10,000 real servers takes
/// some 10 MB until it is read.
const LARGE_ANSWERS: usize = 4;

/// How long a client may be silent between two calls.
const IDLE_LIMIT: Duration = Duration::from_secs(600);

/// How long a client may take to write one call.
const READ_LIMIT: Duration = Duration::from_secs(30);

/// How long a client may take to read one reply.
const WRITE_LIMIT: Duration = Duration::from_secs(30);

/// How long a successor may take to start.
const SUCCESSOR: Duration = Duration::from_secs(10);

/// Events written at once.
const EVENTS_AT_ONCE: usize = 64;

/// A request on its way to the daemon's loop.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) request: Request,
    pub(crate) who: Who,
    pub(crate) answer: oneshot::Sender<Response>,
    /// What was found when the preconditions of an order were looked at; `None` if they have not been.
    pub(crate) looked_at: Option<Vec<String>>,
}

/// What comes to the daemon's loop.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// A client wants something.
    Asked(Asked),
    /// The successor runs, and these VRRP instances, which were master, are not among its own; `None`: it has failed.
    TakenOver(Option<Vec<String>>),
    /// Connections of draining real servers have been counted; these, of those virtual servers, have none.
    Drained(Vec<(String, DestinationId)>),
}

impl Incoming {
    /// A request without preconditions.
    pub(crate) const fn asked(
        request: Request,
        who: Who,
        answer: oneshot::Sender<Response>,
    ) -> Self {
        Self::Asked(Asked {
            request,
            who,
            answer,
            looked_at: None,
        })
    }
}

/// Serves `listener` until the handle is aborted.
pub(crate) fn serve(
    listener: UnixListener,
    journal: Journal,
    asked: mpsc::Sender<Incoming>,
) -> std::io::Result<JoinHandle<()>> {
    let listener = tokio::net::UnixListener::from_std(listener)?;
    let others = Room::new(CLIENTS);
    let own = Room::new(RESERVED);
    Ok(tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                // Out of descriptors, for one: others will end.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let uid = stream.peer_cred().map_or(u32::MAX, |peer| peer.uid());
            let is_own = uid == 0 || uid == geteuid().as_raw();
            let room = if is_own && others.is_full() {
                &own
            } else {
                &others
            };
            let Ok(permit) = Arc::clone(&room.clients).try_acquire_owned() else {
                // Small enough not to wait for the client.
                tokio::spawn(turn_away(stream));
                continue;
            };
            let (journal, asked) = (journal.clone(), asked.clone());
            let large = Arc::clone(if is_own { &own.large } else { &others.large });
            tokio::spawn(async move {
                let who = who(&stream);
                let (reader, writer) = stream.into_split();
                let mut session = Session {
                    writer,
                    journal,
                    asked,
                    who,
                    large,
                };
                // A client that goes away is no event.
                let _ = session.run(reader).await;
                drop(permit);
            });
        }
    }))
}

/// How many may be served.
struct Room {
    clients: Arc<Semaphore>,
    large: Arc<Semaphore>,
}

impl Room {
    fn new(clients: usize) -> Self {
        Self {
            clients: Arc::new(Semaphore::new(clients)),
            large: Arc::new(Semaphore::new(LARGE_ANSWERS)),
        }
    }

    fn is_full(&self) -> bool {
        self.clients.available_permits() == 0
    }
}

/// Reads one call; `None` when the client has gone or says nothing for too long.
async fn read_call(reader: &mut BufReader<OwnedReadHalf>) -> std::io::Result<Option<Vec<u8>>> {
    let late = |_| std::io::Error::from(std::io::ErrorKind::TimedOut);
    let begun = tokio::time::timeout(IDLE_LIMIT, reader.fill_buf());
    if begun.await.map_err(late)??.is_empty() {
        return Ok(None);
    }
    let mut line = Vec::new();
    let mut rest = reader.take(LONGEST_CALL);
    let read = tokio::time::timeout(READ_LIMIT, rest.read_until(b'\n', &mut line));
    read.await.map_err(late)??;
    Ok(Some(line))
}

/// Whether the answer may be large.
const fn is_large(request: &Request) -> bool {
    matches!(
        request,
        Request::Status | Request::Explain { .. } | Request::Metrics | Request::Export
    )
}

/// Waits until the successor says that it runs; `None` if it goes away or takes too long.
async fn taken_over(reader: &mut BufReader<OwnedReadHalf>) -> Option<Vec<String>> {
    let mut line = Vec::new();
    let read = reader.take(LONGEST_CALL);
    let mut read = std::pin::pin!(read);
    let read = tokio::time::timeout(SUCCESSOR, read.read_until(b'\n', &mut line)).await;
    if !matches!(read, Ok(Ok(count)) if count > 0) {
        return None;
    }
    match understood(&line) {
        Ok(Request::TakenOver { left_out }) => Some(left_out),
        _ => None,
    }
}

async fn turn_away(mut stream: UnixStream) {
    let problem = Problem::new(
        ProblemKind::Busy,
        format!("{CLIENTS} clients are connected already; end some of them"),
    );
    if let Ok(line) = encode(Response::Problem { problem }) {
        let _ = tokio::time::timeout(WRITE_LIMIT, stream.write_all(&line)).await;
    }
}

/// What the kernel says of the other end.
fn who(stream: &UnixStream) -> Who {
    let credentials = stream.peer_cred().ok();
    let uid = credentials
        .as_ref()
        .map_or(u32::MAX, tokio::net::unix::UCred::uid);
    let pid = credentials.and_then(|peer| peer.pid()).unwrap_or(0);
    let login = std::fs::read_to_string(format!("/proc/{pid}/loginuid"))
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .filter(|login| *login != u32::MAX);
    Who {
        uid,
        user: user_name(uid),
        pid,
        login: login.and_then(user_name),
    }
}

fn user_name(uid: u32) -> Option<String> {
    let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    user.map(|user| user.name)
}

struct Session {
    writer: OwnedWriteHalf,
    journal: Journal,
    asked: mpsc::Sender<Incoming>,
    who: Who,
    /// Room for large answers.
    large: Arc<Semaphore>,
}

impl Session {
    async fn run(&mut self, reader: OwnedReadHalf) -> std::io::Result<()> {
        let mut reader = BufReader::new(reader);
        loop {
            let Some(line) = read_call(&mut reader).await? else {
                return Ok(());
            };
            if line.last() != Some(&b'\n') && line.len() as u64 >= LONGEST_CALL {
                return self
                    .refuse(format!("a call is longer than {LONGEST_CALL} octets"))
                    .await;
            }
            match understood(&line) {
                Ok(Request::Events {
                    follow,
                    last,
                    after,
                }) => {
                    self.events(&mut reader, follow, last, after).await?;
                }
                Ok(request) => {
                    let room = Arc::clone(&self.large);
                    // Held until the answer is written. It is never closed.
                    let _room = match is_large(&request) {
                        true => room.acquire_owned().await.ok(),
                        false => None,
                    };
                    let response = self.ask(request).await;
                    let standing_still = matches!(response, Response::HandOver { .. });
                    let written = self.write(response).await;
                    if standing_still {
                        let taken = match written {
                            Ok(()) => taken_over(&mut reader).await,
                            Err(_) => None,
                        };
                        // The loop waits for this. It does not end before it has got it.
                        let _ = self.asked.send(Incoming::TakenOver(taken)).await;
                        return self.write(Response::End).await;
                    }
                    written?;
                }
                Err(problem) => self.write(Response::Problem { problem }).await?,
            }
        }
    }

    async fn refuse(&mut self, message: String) -> std::io::Result<()> {
        let problem = Problem::new(ProblemKind::BadRequest, message);
        self.write(Response::Problem { problem }).await
    }

    async fn ask(&self, request: Request) -> Response {
        let (answer, answered) = oneshot::channel();
        let asked = Asked {
            request,
            who: self.who.clone(),
            answer,
            looked_at: None,
        };
        let stopping = || Response::Problem {
            problem: Problem::new(ProblemKind::Busy, "the director is stopping"),
        };
        if self.asked.send(Incoming::Asked(asked)).await.is_err() {
            return stopping();
        }
        answered.await.unwrap_or_else(|_| stopping())
    }

    async fn events(
        &mut self,
        reader: &mut BufReader<OwnedReadHalf>,
        follow: bool,
        last: Option<usize>,
        after: Option<u64>,
    ) -> std::io::Result<()> {
        let mut changed = self.journal.watch();
        let mut at = match (after, last) {
            (Some(after), _) => after,
            (None, Some(last)) => self.journal.before_last(last),
            (None, None) if follow => self.journal.last(),
            (None, None) => self.journal.before_last(usize::MAX),
        };
        loop {
            changed.mark_unchanged();
            loop {
                let (events, missed) = self.journal.after(at, EVENTS_AT_ONCE);
                if missed > 0 {
                    self.write(Response::Missed { count: missed }).await?;
                }
                let Some(newest) = events.last() else { break };
                at = newest.sequence;
                for event in events {
                    self.write(Response::Event { event }).await?;
                }
            }
            if !follow {
                return self.write(Response::End).await;
            }
            tokio::select! {
                woken = changed.changed() => if woken.is_err() {
                    return self.write(Response::End).await;
                },
                // The client says something or goes: either ends the stream.
                end = reader.fill_buf() => return end.map(drop),
            }
        }
    }

    async fn write(&mut self, response: Response) -> std::io::Result<()> {
        // A large snapshot takes a while to write as text; the loop has other things to do.
        let line = match tokio::task::spawn_blocking(move || encode(response)).await {
            Ok(line) => line?,
            Err(error) => return Err(std::io::Error::other(error)),
        };
        tokio::time::timeout(WRITE_LIMIT, self.writer.write_all(&line))
            .await
            .map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))?
    }
}

fn encode(response: Response) -> std::io::Result<Vec<u8>> {
    let reply = Reply {
        version: VERSION,
        response,
    };
    let mut line = serde_json::to_vec(&reply)?;
    line.push(b'\n');
    Ok(line)
}

fn understood(line: &[u8]) -> Result<Request, Problem> {
    #[derive(serde::Deserialize)]
    struct Versioned {
        version: u32,
    }
    let bad = |message| Problem::new(ProblemKind::BadRequest, message);
    match serde_json::from_slice::<Versioned>(line) {
        Ok(Versioned { version: VERSION }) => {}
        Ok(Versioned { version }) => {
            return Err(bad(format!(
                "this director speaks version {VERSION} of the control protocol, not {version}"
            )));
        }
        Err(error) => return Err(bad(format!("the call is not understood: {error}"))),
    }
    serde_json::from_slice::<Call>(line)
        .map(|call| call.request)
        .map_err(|error| bad(format!("the call is not understood: {error}")))
}
