//! A whole node at work: engine, followers, workers, HTTP, and the admin API's local socket.
//!
//! HTTP is there before the node is, and tells how far the start has got ([`crate::start_up`]).
//!
//! **Invariant:** it stops in the order of what rests on what: no new requests, then those under way, then the engine.

use std::{fmt::Display, net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use paytone_engine::StopReason;
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    task::JoinHandle,
};

use crate::{
    admin,
    cluster::{self, ClusterError, Listening},
    config::Config,
    http::{self, Served},
    metrics,
    node::{Node, StartError, Started},
    pos::{LinkError, Links},
    start_up::{Doing, Front, StartUp, Tells},
    webhooks,
    workers::Workers,
};

/// How long requests under way may take once the node is told to stop.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long answers to other nodes may take to leave once another one leads.
const HANDED_OVER: Duration = Duration::from_millis(300);

#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Erasure(#[from] admin::ErasureError),
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error("cannot listen on {place}: {why}")]
    Listen { place: String, why: String },
}

impl ServiceError {
    fn listening(place: impl Display, error: &std::io::Error) -> Self {
        Self::Listen {
            place: place.to_string(),
            why: error.to_string(),
        }
    }
}

/// A running node with everything around it.
pub struct Service {
    pub node: Arc<Node>,
    pub address: SocketAddr,
    started: Started,
    served: Served,
    socket: admin::Socket,
    /// For the other nodes.
    listening: Option<Listening>,
    metrics: Option<Served>,
    /// For tills.
    links: Links,
    workers: Workers,
    webhooks: JoinHandle<()>,
    signals: Signals,
}

/// The ways to ask a process to stop, heard from before the first answer on.
struct Signals {
    interrupt: Option<Signal>,
    terminate: Option<Signal>,
}

impl Signals {
    fn listen() -> Self {
        Self {
            interrupt: signal(SignalKind::interrupt()).ok(),
            terminate: signal(SignalKind::terminate()).ok(),
        }
    }

    async fn any(&mut self) {
        async fn one(signal: &mut Option<Signal>) {
            match signal {
                Some(signal) => drop(signal.recv().await),
                None => std::future::pending().await,
            }
        }
        tokio::select! {
            () = one(&mut self.interrupt) => {}
            () = one(&mut self.terminate) => {}
        }
    }
}

/// Why [`Service::wait`] came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Ctrl-C or SIGTERM.
    Signal,
    /// The engine stopped by itself.
    Engine(StopReason),
}

/// The listener for Prometheus, where one is asked for.
async fn metrics_front(start_up: &StartUp, config: &Config) -> Result<Option<Front>, ServiceError> {
    let place = &config.telemetry.metrics_listen;
    if place.is_empty() {
        return Ok(None);
    }
    let wrong = |error: std::io::Error| ServiceError::listening(place, &error);
    let listener = TcpListener::bind(place).await.map_err(wrong)?;
    let front = start_up.front(listener, &config.limits, Tells::Figures);
    front.map(Some).map_err(wrong)
}

async fn serve_metrics(node: &Arc<Node>, front: Front) -> Result<Served, ServiceError> {
    let (listener, early) = front.open();
    let router = metrics::router(Arc::clone(node));
    let place = &node.config.telemetry.metrics_listen;
    let served = http::serve(listener, router, &node.config.limits)
        .map_err(|error| ServiceError::listening(place, &error))?;
    early.close().await;
    Ok(served)
}

impl Service {
    /// Where tills connect, by the links' names.
    pub fn links(&self) -> &[(String, SocketAddr)] {
        &self.links.addresses
    }

    /// Where `/metrics` is, if anywhere but on the admin socket.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().map(|served| served.address)
    }

    pub async fn start(config: Config, demo: bool) -> Result<Self, ServiceError> {
        let listener = TcpListener::bind(config.listen)
            .await
            .map_err(|error| ServiceError::listening(config.listen, &error))?;
        Self::start_on(listener, config, demo, Router::new()).await
    }

    /// On a listener that is there already, with routes besides those of every node.
    pub async fn start_on(
        listener: TcpListener,
        config: Config,
        demo: bool,
        besides: Router,
    ) -> Result<Self, ServiceError> {
        let start_up = StartUp::default();
        let wrong = |error| ServiceError::listening(config.listen, &error);
        let front = start_up.front(listener, &config.limits, Tells::Shares);
        let front = front.map_err(wrong)?;
        let metrics_front = metrics_front(&start_up, &config).await?;
        let started = Node::start_shown(config, demo, &start_up).await?;
        start_up.begins(Doing::StartingWorkers);
        let node = Arc::clone(&started.node);
        admin::erase_again(&node).await?;
        let socket = admin::Socket::open(Arc::clone(&node)).map_err(|error| {
            ServiceError::listening(node.config.admin_socket().display(), &error)
        })?;
        let signals = Signals::listen();
        let workers = Workers::start(&node)?;
        let webhooks = webhooks::spawn(Arc::clone(&node));
        let router = http::router(Arc::clone(&node)).merge(besides);
        let listening = match &node.cluster {
            Some(cluster) => {
                let router = router.clone();
                let router = router.merge(cluster::status::among_nodes(Arc::clone(&node)));
                Some(Listening::open(cluster, router).await?)
            }
            None => None,
        };
        let open = Arc::clone(&node.metrics.requests.connections);
        let limits = &node.config.limits;
        let (listener, early) = front.open();
        let served = http::serve_counted(listener, router, limits, open);
        let served = served.map_err(|error| ServiceError::listening(node.config.listen, &error))?;
        early.close().await;
        let links = Links::open(&node).await?;
        let metrics = match metrics_front {
            Some(front) => Some(serve_metrics(&node, front).await?),
            None => None,
        };
        Ok(Self {
            node,
            address: served.address,
            started,
            served,
            socket,
            listening,
            metrics,
            links,
            workers,
            webhooks,
            signals,
        })
    }

    /// Until somebody asks the process to stop, or the engine stops by itself.
    pub async fn wait(&mut self) -> Ended {
        tokio::select! {
            () = self.signals.any() => Ended::Signal,
            reason = &mut self.started.stopped => {
                Ended::Engine(reason.unwrap_or(StopReason::Panicked))
            }
        }
    }

    /// Until somebody asks the process to stop.
    pub async fn asked_to_stop(&mut self) {
        self.signals.any().await;
    }

    /// Finishes what is under way and closes the stores.
    pub async fn stop(self) {
        self.socket.close();
        self.node.news.close();
        self.links.stop(PATIENCE).await;
        self.served.stop(PATIENCE).await;
        if let Some(metrics) = self.metrics {
            metrics.stop(PATIENCE).await;
        }
        self.workers.stop(PATIENCE).await;
        // What is under way is sent again after the next start.
        self.webhooks.abort();
        let started = self.started;
        // Joining the engine's thread blocks.
        drop(tokio::task::spawn_blocking(move || started.stop()).await);
        // Until the end the other nodes had been sending on to this one.
        if let Some(listening) = self.listening {
            listening.stop(HANDED_OVER).await;
        }
    }
}
