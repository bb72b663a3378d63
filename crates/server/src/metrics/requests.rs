//! What was asked over HTTP and how it was answered: by route, method and status.
//!
//! **Invariant:** a route is a pattern of the router, such as `/v1/payments/{id}`; what matches none counts together.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use axum::http::{Method, StatusCode};
use parking_lot::RwLock;
use paytone_engine::stats::{Counts, Histogram, TIMES_US};
use rustc_hash::FxHashMap;

/// Where nothing of the router matched.
pub const NO_ROUTE: &str = "none";
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "DELETE", "OTHER"];
/// What is answered here. Others count as zero.
const STATUSES: [u16; 23] = [
    0, 200, 201, 202, 204, 301, 303, 304, 400, 401, 403, 404, 405, 408, 409, 410, 413, 415, 421,
    422, 429, 500, 503,
];

/// One method of one route.
pub struct Asked {
    by_status: [AtomicU64; STATUSES.len()],
    took_us: Histogram,
}

/// Who was turned away because there was too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnedAway {
    /// The engine's queue was full.
    Engine,
    /// One merchant's client asked for too much at once.
    Client,
    /// One phone did.
    Device,
}

impl TurnedAway {
    pub const ALL: [Self; 3] = [Self::Engine, Self::Client, Self::Device];

    pub fn name(self) -> &'static str {
        match self {
            Self::Engine => "engine",
            Self::Client => "client",
            Self::Device => "device",
        }
    }
}

type ByMethod = [Option<Arc<Asked>>; METHODS.len()];

#[derive(Default)]
pub struct Requests {
    routes: RwLock<FxHashMap<Box<str>, ByMethod>>,
    /// Open connections of the public listener.
    pub connections: Arc<AtomicU64>,
    under_way: AtomicU64,
    broken_off: AtomicU64,
    turned_away: [AtomicU64; TurnedAway::ALL.len()],
}

/// One route and method at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    pub route: String,
    pub method: &'static str,
    /// Those that were answered at all.
    pub by_status: Vec<(u16, u64)>,
    pub took_us: Counts,
}

impl Asked {
    fn new() -> Self {
        Self {
            by_status: [const { AtomicU64::new(0) }; STATUSES.len()],
            took_us: Histogram::new(TIMES_US),
        }
    }

    pub fn answered(&self, status: StatusCode, took_us: u64) {
        let place = STATUSES.binary_search(&status.as_u16()).unwrap_or(0);
        self.by_status[place].fetch_add(1, Ordering::Relaxed);
        self.took_us.record(took_us);
    }
}

fn place_of(method: &Method) -> usize {
    METHODS
        .iter()
        .position(|name| *name == method.as_str())
        .unwrap_or(METHODS.len() - 1)
}

impl Requests {
    /// The counters of a route and method; made when first asked for.
    pub fn route(&self, route: &str, method: &Method) -> Arc<Asked> {
        let place = place_of(method);
        if let Some(Some(asked)) = self.routes.read().get(route).map(|by| &by[place]) {
            return Arc::clone(asked);
        }
        let mut routes = self.routes.write();
        let by_method = routes.entry(route.into()).or_default();
        Arc::clone(by_method[place].get_or_insert_with(|| Arc::new(Asked::new())))
    }

    pub fn begins(&self) {
        self.under_way.fetch_add(1, Ordering::Relaxed);
    }

    /// `answered` is false where whoever asked went away first.
    pub fn ends(&self, answered: bool) {
        self.under_way.fetch_sub(1, Ordering::Relaxed);
        if !answered {
            self.broken_off.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub fn turned_away(&self, by: TurnedAway) {
        self.turned_away[by as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub fn turned_away_count(&self, by: TurnedAway) -> u64 {
        self.turned_away[by as usize].load(Ordering::Relaxed)
    }

    pub fn under_way(&self) -> u64 {
        self.under_way.load(Ordering::Relaxed)
    }

    pub fn broken_off(&self) -> u64 {
        self.broken_off.load(Ordering::Relaxed)
    }

    /// In the order of routes.
    pub fn read(&self) -> Vec<Answered> {
        let routes = self.routes.read();
        let mut answered: Vec<_> = routes
            .iter()
            .flat_map(|(route, by_method)| {
                let known = METHODS.into_iter().zip(by_method);
                known.filter_map(move |(method, asked)| Some((route, method, asked.as_ref()?)))
            })
            .map(|(route, method, asked)| {
                let counts = asked.by_status.iter();
                let counts = counts.map(|count| count.load(Ordering::Relaxed));
                Answered {
                    route: route.to_string(),
                    method,
                    by_status: STATUSES
                        .into_iter()
                        .zip(counts)
                        .filter(|(_, count)| *count > 0)
                        .collect(),
                    took_us: asked.took_us.read(),
                }
            })
            .collect();
        answered.sort_by(|one, other| (&one.route, one.method).cmp(&(&other.route, other.method)));
        answered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_count_by_route_method_and_status() {
        let requests = Requests::default();
        let get = requests.route("/v1/me", &Method::GET);
        get.answered(StatusCode::OK, 20);
        get.answered(StatusCode::OK, 30);
        requests
            .route("/v1/me", &Method::GET)
            .answered(StatusCode::IM_A_TEAPOT, 40);
        requests
            .route("/v1/me", &Method::PATCH)
            .answered(StatusCode::METHOD_NOT_ALLOWED, 1);
        let read = requests.read();
        let seen: Vec<_> = read
            .iter()
            .map(|one| (one.method, one.by_status.clone()))
            .collect();
        assert_eq!(
            seen,
            [("GET", vec![(0, 1), (200, 2)]), ("OTHER", vec![(405, 1)])]
        );
        assert_eq!(read[0].took_us.sum, 90);
    }

    #[test]
    fn statuses_are_in_order_so_that_they_are_found() {
        assert!(STATUSES.is_sorted());
    }
}
