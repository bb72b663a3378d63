//! What all edges share.

pub mod amount;
pub mod category;
pub mod client_key;
pub mod directory;
pub mod fair_share;
pub mod ids;
pub mod json;
pub mod number;
pub mod position;
pub mod problem;
pub mod query;
pub mod short_hash;
pub mod text;
pub mod time;
pub mod under_way;
pub mod waiters;
