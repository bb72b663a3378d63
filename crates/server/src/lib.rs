//! The Paytone server: edges, workers and the command line around the engine.
//!
//! | module | what it is |
//! |---|---|
//! | [`config`] | settings of this node |
//! | [`node`] | opens stores, replays the journal, runs the engine: what every edge holds |
//! | [`edge`] | what edges share: problems, amounts, numbers, ids, sealed texts, the directory of keys and devices |
//! | [`http`] | connections, limits, routing |
//!
//! **Not here:** rules. What is allowed is decided by `paytone-domain`.

pub mod config;
pub mod edge;
pub mod http;
pub mod node;
