//! Proofs: each closed business date's entries under one signed root that witnesses outside keep.
//!
//! ```text
//!   rows of a date ─▶ leaves: SHA-256(0 ‖ salt ‖ entry) ─▶ tree ─▶ root ─▶ statement, signed ─▶ journal ─▶ witnesses
//!                                                                     ╰──── head ──▶ the next day's statement
//! ```
//! | module | what it is |
//! |---|---|
//! | [`tree`] | RFC 9162: roots, paths |
//! | [`day`] | what a leaf and a statement say |
//! | [`witness`] | a file that is only added to |
//! | [`show`] | the proof of one payment |
//! | [`check`] | everything again, for `paytone verify` |
//!
//! **Invariant:** salts come from the keyring, so that a published root or a proof's path tells nothing of other entries. **Not here:**
//! the engine's thread; when a day is over, which `paytone-domain` decides.

pub mod check;
pub mod day;
pub mod show;
pub mod tree;
pub mod witness;
