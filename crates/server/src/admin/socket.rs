//! The admin API on a local socket with mode 0600: whoever can open it is the person at the machine.

use std::{io, os::unix::fs::PermissionsExt, path::PathBuf, sync::Arc, time::Duration};

use axum::{Extension, Router, extract::DefaultBodyLimit, middleware::from_fn_with_state};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{net::UnixListener, task::JoinHandle};

use super::AtTheMachine;
use crate::{cluster::forward, edge::problem::Problem, node::Node};

/// Largest body, chunks of imports apart.
const BODY_BYTES: usize = 64 << 10;

/// The open socket; its file goes when it is closed.
pub struct Socket {
    path: PathBuf,
    accepting: JoinHandle<()>,
}

impl Socket {
    pub fn open(node: Arc<Node>) -> io::Result<Self> {
        let path = node.config.admin_socket();
        // The stores' lock says that no other process of ours is using this folder: a file that is there is a remnant.
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        let router = Router::new()
            .merge(super::router())
            .merge(crate::metrics::serve::inside())
            .fallback(|| async { Problem::not_found() })
            .layer(DefaultBodyLimit::max(BODY_BYTES))
            .layer(from_fn_with_state(Arc::clone(&node), forward::route))
            .layer(Extension(AtTheMachine))
            .with_state(node);
        let accepting = tokio::spawn(accept(listener, router));
        Ok(Self { path, accepting })
    }

    pub fn close(self) {
        self.accepting.abort();
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(%error, "the admin socket's file stays behind");
        }
    }
}

async fn accept(listener: UnixListener, router: Router) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection to the admin socket could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service);
            // A client that breaks off is its own affair.
            drop(connection.await);
        });
    }
}
