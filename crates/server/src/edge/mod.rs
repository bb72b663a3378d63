//! What all edges share.

pub mod amount;
pub mod directory;
pub mod ids;
pub mod json;
pub mod number;
pub mod problem;
pub mod text;
pub mod time;
pub mod waiters;
