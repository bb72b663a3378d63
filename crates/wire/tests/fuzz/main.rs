//! Bytes from outside, made wrong on purpose: whatever comes, a decoder answers, and what it takes it writes again as it was.
//!
//! A short run is part of every test run. `FUZZ_ROUNDS` makes it longer, `FUZZ_SEED` repeats one; the seed is in every failure.
//!
//! ```text
//! FUZZ_ROUNDS=10000000 cargo test --release -p paytone-wire --test fuzz
//! ```

mod codes;
mod emv;
#[path = "../oracles/generated.rs"]
mod generated;
mod iso8583;
mod mutation;
mod till;
