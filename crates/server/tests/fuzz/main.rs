//! Bytes from outside, made wrong on purpose: whatever comes, a decoder answers, and a node answers with anything but 5xx.
//!
//! A short run is part of every test run. `FUZZ_ROUNDS` makes it longer, `FUZZ_SEED` repeats one; the seed is in every failure.
//!
//! ```text
//! FUZZ_ROUNDS=1000000 cargo test --release -p paytone --test fuzz
//! ```

#[path = "../support/mod.rs"]
mod support;

mod decoders;
mod mutation;
mod requests;
mod stored;
