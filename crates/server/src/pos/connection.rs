//! One connection: reads, decides side by side, writes as answers come.
//!
//! **Invariant:** it holds one read buffer, at most one frame more, and a bounded number of requests; when those are under way nothing
//! more is read, so that the other side feels it. Half a message, silence and a side that takes no answers end it in time.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use paytone_wire::till::{Event, Session};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    sync::{Semaphore, mpsc, watch},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

use super::{decide, link::Open};
use crate::node::Node;

/// Bytes read at once.
const READ: usize = 2 << 10;
const HANDSHAKE: Duration = Duration::from_secs(5);
/// The rest of a message must come within this.
const REST: Duration = Duration::from_secs(10);
/// The other side must take answers within this.
const WRITE: Duration = Duration::from_secs(10);
/// So many messages in a row that nobody could answer, and the connection is over.
const UNREADABLE: u32 = 8;

pub async fn serve(
    node: Arc<Node>,
    open: Arc<Open>,
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    stopping: watch::Receiver<bool>,
) {
    let _ = stream.set_nodelay(true);
    match tls {
        None => {
            let (read, write) = stream.into_split();
            talk(node, open, read, write, stopping).await;
        }
        Some(tls) => {
            let Ok(Ok(stream)) = timeout(HANDSHAKE, tls.accept(stream)).await else {
                tracing::debug!(link = %open.name, "no TLS connection came about");
                return;
            };
            let (read, write) = tokio::io::split(stream);
            talk(node, open, read, write, stopping).await;
        }
    }
}

async fn talk(
    node: Arc<Node>,
    open: Arc<Open>,
    mut read: impl AsyncRead + Unpin,
    write: impl AsyncWrite + Unpin + Send + 'static,
    mut stopping: watch::Receiver<bool>,
) {
    let (answers, to_write) = mpsc::channel(open.in_flight);
    let writing = tokio::spawn(writes(write, to_write));
    let mut session = Session::new(Arc::clone(&open.speaks));
    let under_way = Arc::new(Semaphore::new(open.in_flight));
    let mut buffer = Box::new([0; READ]);
    let mut unreadable = 0;
    let mut silent = false;
    let mut unfinished = Unfinished::default();
    'connection: loop {
        let now = Instant::now();
        let rest = unfinished.patience(session.is_waiting(), now);
        let patience = rest.unwrap_or(open.idle);
        let count = tokio::select! {
            read = timeout(patience, read.read(&mut buffer[..])) => read,
            _ = stopping.wait_for(|stop| *stop) => break,
            () = answers.closed() => break,
        };
        match count {
            Ok(Ok(0) | Err(_)) => break,
            Ok(Ok(count)) => {
                silent = false;
                session.push(&buffer[..count]);
            }
            // Half a message, or no answer to the echo: nobody is there.
            Err(_) if silent || session.is_waiting() => break,
            Err(_) => {
                silent = true;
                if let Ok(echo) = session.echo(trace(&node), &transmitted()) {
                    let _ = answers.try_send(echo);
                }
                continue;
            }
        }
        loop {
            match session.next_event() {
                Ok(None) => break,
                Ok(Some(Event::Request(request))) => {
                    unfinished = Unfinished::default();
                    unreadable = 0;
                    let Ok(permit) = Arc::clone(&under_way).acquire_owned().await else {
                        break 'connection;
                    };
                    let (node, open, answers) =
                        (Arc::clone(&node), Arc::clone(&open), answers.clone());
                    tokio::spawn(async move {
                        let begun = Instant::now();
                        let Some(reply) = decide::answer(&node, &open, &request).await else {
                            open.counts.unanswered();
                            return;
                        };
                        let took = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
                        open.counts.answered(request.kind, reply.code, took);
                        match open.speaks.answer(&request, &reply) {
                            // One that is gone hears nothing; its terminal reverses.
                            Ok(bytes) => drop(answers.send(bytes).await),
                            Err(error) => {
                                tracing::error!(%error, link = %open.name, "an answer could not be written");
                            }
                        }
                        drop(permit);
                    });
                }
                Ok(Some(Event::Answered { bytes, .. })) => {
                    unfinished = Unfinished::default();
                    if answers.send(bytes).await.is_err() {
                        break 'connection;
                    }
                }
                Ok(Some(Event::Alive)) => unfinished = Unfinished::default(),
                Ok(Some(Event::Unreadable(error))) => {
                    open.counts.unreadable();
                    unfinished = Unfinished::default();
                    unreadable += 1;
                    tracing::debug!(%error, link = %open.name, "a message that nobody can answer");
                    if unreadable == UNREADABLE {
                        break 'connection;
                    }
                }
                Err(error) => {
                    open.counts.unreadable();
                    tracing::debug!(code = error.code(), link = %open.name, "bytes that are no messages");
                    break 'connection;
                }
            }
        }
    }
    // What is under way is decided and answered all the same, if the other side still listens.
    drop(answers);
    let _ = timeout(
        WRITE + Duration::from_secs(u64::from(open.answer_seconds)),
        writing,
    )
    .await;
}

/// Since when a part of a message is there. Bytes of it that come one by one gain it no time.
#[derive(Default)]
struct Unfinished(Option<Instant>);

impl Unfinished {
    /// How long its rest may still take; `None` if there is none.
    fn patience(&mut self, is_waiting: bool, now: Instant) -> Option<Duration> {
        self.0 = is_waiting.then(|| self.0.unwrap_or(now));
        self.0.map(|since| REST.saturating_sub(now - since))
    }
}

/// Sends what is there in one go.
async fn writes(mut write: impl AsyncWrite + Unpin, mut to_write: mpsc::Receiver<Vec<u8>>) {
    while let Some(mut bytes) = to_write.recv().await {
        while bytes.len() < 64 << 10
            && let Ok(more) = to_write.try_recv()
        {
            bytes.extend_from_slice(&more);
        }
        match timeout(WRITE, write.write_all(&bytes)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return,
        }
    }
    let _ = timeout(WRITE, write.shutdown()).await;
}

fn trace(node: &Node) -> u32 {
    node.new_request() % 1_000_000
}

/// MMDDhhmmss in UTC, as field 7 has it.
fn transmitted() -> String {
    jiff::Timestamp::now().strftime("%m%d%H%M%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_one_by_one_gain_a_message_no_time() {
        let mut unfinished = Unfinished::default();
        let begun = Instant::now();
        let second = Duration::from_secs(1);
        assert_eq!(unfinished.patience(false, begun), None);
        assert_eq!(unfinished.patience(true, begun), Some(REST));
        let later = unfinished.patience(true, begun + 9 * second);
        assert_eq!(later, Some(REST - 9 * second));
        let over = unfinished.patience(true, begun + REST + second);
        assert_eq!(over, Some(Duration::ZERO));
        // A whole one came.
        unfinished = Unfinished::default();
        assert_eq!(unfinished.patience(true, begun + REST), Some(REST));
    }
}
