//! The rules of Paytone: who may pay whom with what, and what the books say afterwards.
//!
//! Two functions carry it. [`decide`] looks at the state and a command and returns an answer and events; [`evolve`] applies
//! one event. Decisions hold all policy, events state results, and the state is what the events made of it.
//!
//! ```
//! use paytone_domain::{Actor, Answer, Command, State, decide, time::Moment};
//!
//! let state = State::default();
//! let decision = decide(&state, &Moment::default(), Actor::System, Command::Tick);
//! assert_eq!(decision.answer, Answer::Ticked);
//! assert!(decision.events.is_empty());
//! ```
//!
//! **Not here:** I/O, clocks, randomness, keys, names and numbers in clear. They come in with the command or stay at the edge.

pub mod actor;
mod ahead;
mod answer;
pub mod approval;
pub mod archive;
mod command;
pub mod counters;
pub mod deadline;
mod event;
mod fifo;
pub mod funding;
pub mod grant;
pub mod idempotency;
pub mod ids;
pub mod ledger;
mod level;
pub mod mandate;
pub mod merchant;
pub mod money;
pub mod operator;
pub mod pass;
pub mod payment;
pub mod risk;
pub mod sealed_day;
mod sequence;
pub mod session;
mod sharded;
mod state;
pub mod stored;
pub mod subscriber;
pub mod till;
pub mod time;
pub mod token;

pub use actor::Actor;
pub use ahead::{AT_ONCE, look_ahead, look_back};
pub use answer::{AlreadyInitialized, Answer};
pub use command::{Command, Decision, decide};
pub use event::{Event, Fallen, evolve};
pub use level::LEVEL;
pub use sequence::Sequence;
pub use sharded::Sharded;
pub use state::{Numbered, Settings, State};
