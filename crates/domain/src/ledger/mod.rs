//! Double entry: accounts, entries, holds.
//!
//! A leg above zero credits its account, one below debits it. What the operator owes (subscribers' cash, grants, merchants'
//! money) stands above zero, what it owns or is owed (bank, bills) below.
//!
//! **Invariants:** an entry's legs sum to zero; *available = posted − held* of a spendable account is never negative, and
//! is checked in the very decision that holds it. **Not here:** who may move what, and why.

mod account;
mod book;
mod entry;

pub use account::{Account, AccountKind};
pub use book::{Balance, Book};
pub use entry::{Entry, Leg};
