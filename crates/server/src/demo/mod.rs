//! The demo: a small believable world on an embedded store.
