//! Connections, limits, routing.

mod serve;

pub use serve::{Served, serve};
