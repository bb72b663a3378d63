//! The Paytone server: edges, workers and the command line around the engine.
//!
//! | module | what it is |
//! |---|---|
//! | [`config`] | settings of this node |
//! | [`node`] | opens stores, replays the journal, runs the engine: what every edge holds |
//! | [`edge`] | what edges share: problems, amounts, numbers, ids, sealed texts, the directory of keys and devices |
//! | [`http`] | connections, limits, routing |
//! | [`api`] | the merchant's and the phone's API |
//! | [`admin`] | the operator's API |
//! | [`import`] | lines and balances from files |
//! | [`pages`] | what people look at |
//! | [`metrics`], [`telemetry`] | how the node is, in figures, logs and traces |
//! | [`pos`] | tills: ISO 8583 over TCP |
//! | [`views`] | SQL tables derived from the journal |
//! | [`past`] | what the books were at another moment |
//! | [`proof`] | each business date under a signed root that witnesses keep |
//! | [`backup`] | copied beside the running server, and brought back |
//! | [`verify`] | proves that the books are complete and untouched |
//! | [`webhooks`], [`workers`] | what goes out: notifications, money |
//! | [`service`], [`start_up`] | all of it at work, started and stopped; how far a start has got |
//! | [`mod@bench`] | load over real HTTP, with durability on |
//! | [`mod@top`] | the running node, live in a terminal |
//! | [`cli`], [`demo`] | the command line and the demo world |
//!
//! **Not here:** rules. What is allowed is decided by `paytone-domain`.

pub mod admin;
pub mod api;
pub mod archive;
pub mod backup;
pub mod bench;
pub mod cli;
pub mod cluster;
pub mod config;
mod database;
pub mod demo;
mod derived;
pub mod edge;
pub mod http;
pub mod import;
pub mod memory;
pub mod metrics;
pub mod node;
pub mod pages;
pub mod past;
pub mod pos;
pub mod proof;
pub mod service;
pub mod snapshots;
pub mod start_up;
pub mod stores;
pub mod telemetry;
pub mod top;
pub mod trimming;
pub mod verify;
pub mod views;
pub mod webhooks;
pub mod workers;
