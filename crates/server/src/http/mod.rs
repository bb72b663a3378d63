//! Connections, limits, routing.

mod observe;
pub mod request;
mod router;
mod serve;

pub use router::router;
pub use serve::{Served, serve, serve_counted};
