//! Workers: what the engine wants done in the outside world, done and reported back.
