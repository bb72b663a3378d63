//! Connections, limits, routing.

mod router;
mod serve;

pub use router::router;
pub use serve::{Served, serve};
