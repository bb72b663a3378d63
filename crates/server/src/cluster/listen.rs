//! Where requests arrive that other nodes send on.

use std::{sync::Arc, time::Duration};

use axum::{Router, extract::Request, middleware};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

use super::{
    Cluster, ClusterError,
    forward::{FromPeer, SOCKET, VIA},
    level,
};
use crate::admin::AtTheMachine;

/// Peers keep as many open as they have requests under way.
const CONNECTIONS: u32 = 16_384;
const HANDSHAKE: Duration = Duration::from_secs(5);

/// The listener for other nodes.
pub struct Listening {
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
    connections: Arc<Semaphore>,
}

impl Listening {
    /// Serves `router` to peers.
    pub async fn open(cluster: &Cluster, router: Router) -> Result<Self, ClusterError> {
        let listener = TcpListener::bind(cluster.listen).await;
        let listener = listener.map_err(|error| ClusterError::Listen {
            place: cluster.listen.to_string(),
            why: error.to_string(),
        })?;
        let router = router
            .layer(middleware::map_request(mark))
            .merge(level::route());
        let acceptor = TlsAcceptor::from(Arc::clone(&cluster.accept));
        let (stop, stopping) = watch::channel(false);
        let connections = Arc::new(Semaphore::new(CONNECTIONS as usize));
        let accepting = accept(
            listener,
            acceptor,
            router,
            Arc::clone(&connections),
            stopping,
        );
        Ok(Self {
            stop,
            accepting: tokio::spawn(accepting),
            connections,
        })
    }

    /// Takes nothing more and lets what is under way finish, no longer than `patience`.
    pub async fn stop(self, patience: Duration) {
        self.stop.send_replace(true);
        self.accepting.abort();
        let gone = self.connections.acquire_many(CONNECTIONS);
        let _ = tokio::time::timeout(patience, gone).await;
    }
}

/// Whoever came this far proved to be a peer: it is believed where the request came from.
async fn mark(mut request: Request) -> Request {
    let via = request.headers_mut().remove(VIA);
    if via.is_some_and(|via| via == SOCKET) {
        request.extensions_mut().insert(AtTheMachine);
    }
    request.extensions_mut().insert(FromPeer);
    request
}

async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    router: Router,
    connections: Arc<Semaphore>,
    stopping: watch::Receiver<bool>,
) {
    loop {
        let Ok(permit) = Arc::clone(&connections).acquire_owned().await else {
            return;
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection of another node could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let (acceptor, router, stopping) = (acceptor.clone(), router.clone(), stopping.clone());
        tokio::spawn(async move {
            serve(stream, acceptor, router, stopping).await;
            drop(permit);
        });
    }
}

async fn serve(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    router: Router,
    mut stopping: watch::Receiver<bool>,
) {
    let _ = stream.set_nodelay(true);
    let stream = match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::warn!(%error, "somebody who is no node of ours tried to connect");
            return;
        }
        Err(_) => return,
    };
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    tokio::select! {
        // A node that breaks off is its own affair.
        _ = connection.as_mut() => {}
        () = async { drop(stopping.wait_for(|stopping| *stopping).await) } => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}
