//! Accepts connections, each with limits on headers, time and number.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::Router;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
    task::JoinHandle,
};

use crate::config::Limits;

/// A listening server; [`Served::stop`] lets requests under way finish.
pub struct Served {
    pub address: SocketAddr,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
    connections: Arc<Semaphore>,
    most: u32,
}

/// Serves `router` on `listener` until stopped.
pub fn serve(listener: TcpListener, router: Router, limits: &Limits) -> std::io::Result<Served> {
    serve_counted(listener, router, limits, Arc::default())
}

/// As [`serve`]; `open` says how many connections there are.
pub fn serve_counted(
    listener: TcpListener,
    router: Router,
    limits: &Limits,
    open: Arc<AtomicU64>,
) -> std::io::Result<Served> {
    let address = listener.local_addr()?;
    let (stop, stopping) = watch::channel(false);
    let most = u32::try_from(limits.connections).unwrap_or(u32::MAX >> 3);
    let connections = Arc::new(Semaphore::new(most as usize));
    let accepting = tokio::spawn(accept(
        listener,
        router,
        limits.clone(),
        Arc::clone(&connections),
        open,
        stopping,
    ));
    Ok(Served {
        address,
        stop,
        accepting,
        connections,
        most,
    })
}

impl Served {
    /// Accepts nothing more.
    pub fn abort(&self) {
        self.stop.send_replace(true);
        self.accepting.abort();
    }

    /// Accepts nothing more and waits for requests under way, no longer than `patience`.
    pub async fn stop(self, patience: Duration) {
        self.abort();
        self.drain(patience).await;
    }

    /// Accepts nothing more, and lets every connection have the answer that closes it, no longer than `patience`: one whose request has not
    /// been read yet is not closed without an answer.
    pub async fn drain(self, patience: Duration) {
        self.accepting.abort();
        // Another one may accept on the same listener from here on.
        drop(self.accepting.await);
        // All permits back: all connections closed. Streams are cut when patience ends.
        let _ = tokio::time::timeout(patience, self.connections.acquire_many(self.most)).await;
    }
}

/// One open connection, until it is dropped.
struct Counted(Arc<AtomicU64>);

impl Counted {
    fn one_more_of(open: &Arc<AtomicU64>) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(open))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn accept(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    connections: Arc<Semaphore>,
    open: Arc<AtomicU64>,
    stopping: watch::Receiver<bool>,
) {
    loop {
        // A connection too many waits in the listener's queue until another one closes.
        let Ok(permit) = Arc::clone(&connections).acquire_owned().await else {
            return;
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        // Small answers go out at once.
        let _ = stream.set_nodelay(true);
        let mut http = hyper::server::conn::http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(Duration::from_secs(limits.header_seconds))
            .max_buf_size(limits.header_bytes.max(8 << 10))
            .max_headers(64)
            .pipeline_flush(true);
        let service = TowerToHyperService::new(router.clone());
        let mut stopping = stopping.clone();
        let counted = Counted::one_more_of(&open);
        tokio::spawn(async move {
            let connection = http.serve_connection(TokioIo::new(stream), service);
            tokio::pin!(connection);
            tokio::select! {
                // A client that breaks off is its own affair.
                _ = connection.as_mut() => {}
                () = async { drop(stopping.wait_for(|stopping| *stopping).await) } => {
                    connection.as_mut().graceful_shutdown();
                    let _ = connection.await;
                }
            }
            drop((permit, counted));
        });
    }
}
