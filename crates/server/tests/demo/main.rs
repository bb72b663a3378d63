//! The demo's world and the workers, with the real stand-in bank as a process of its own.

mod bank;
mod desk;
mod payer;
mod world;
