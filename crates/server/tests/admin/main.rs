//! The command line and the admin API: the real program, its local socket and HTTP.

mod backup;
mod imports;
mod look_back;
mod money;
mod people;
mod program;
mod sealed_days;
mod site;
mod snapshots;
mod starting;
mod tokens;
mod trimmed;
