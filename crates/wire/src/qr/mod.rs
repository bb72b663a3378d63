//! Codes on paper and screens: what a merchant shows for a phone to scan, and what a phone shows for a till.
//!
//! **Not here:** pictures. A code is text; whoever draws it decides how.

pub mod amount;
pub mod merchant;
pub mod objects;
pub mod payment_code;
