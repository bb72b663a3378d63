//! The APIs, one folder per standard.

pub mod phone;
pub mod v1;
