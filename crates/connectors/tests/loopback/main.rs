//! The connectors over real sockets on loopback, and the stand-in bank's books.

mod bank;
mod books;
mod webhook;
