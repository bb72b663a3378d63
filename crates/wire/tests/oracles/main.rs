//! The same messages and cryptograms from implementations that share no code with ours, in both directions.
//!
//! They are Python and Node packages that `scripts/install` puts into `tests/oracles`; each test starts one with a file of random
//! cases and compares what it says with what we say. The seed is in every failure, `FUZZ_SEED` repeats it.

mod emv;
mod generated;
mod iso8583;
mod pin;
mod running;
mod till;
