//! The request that is being served: its number, and its turn.
//!
//! It belongs to the task, so that log lines and the engine's items carry the number without its being handed through every
//! function, and so that a turn is given back when the request is over, however it ends.

use std::cell::{Cell, RefCell};

use paytone_domain::ids::{ClientKeyId, DeviceId, MerchantId};

use crate::edge::{fair_share::Turn, problem::Problem};

tokio::task_local! {
    pub(super) static SCOPE: Scope;
}

/// What belongs to one request.
pub struct Scope {
    number: Cell<u32>,
    turn: RefCell<Option<Held>>,
}

/// Whose turn it is.
pub enum Held {
    Client(Turn<(MerchantId, ClientKeyId)>),
    Device(Turn<DeviceId>),
}

impl Scope {
    pub(super) fn of(number: u32) -> Self {
        Self {
            number: Cell::new(number),
            turn: RefCell::new(None),
        }
    }
}

/// The number of the request that is being served; `None` outside of one.
pub fn number() -> Option<u32> {
    SCOPE.try_with(|scope| scope.number.get()).ok()
}

/// As it stands in logs, traces and answers.
pub fn show(number: u32) -> String {
    format!("{number:08x}")
}

/// Whether this request has a turn already.
pub fn has_turn() -> bool {
    SCOPE
        .try_with(|scope| scope.turn.borrow().is_some())
        .unwrap_or(false)
}

/// Keeps a turn until the request is over. Outside of a request it ends at once.
pub fn hold(turn: Held) {
    // Dropped where there is nobody to keep it.
    let _ = SCOPE.try_with(|scope| scope.turn.replace(Some(turn)));
}

/// Waits for a change of something: meanwhile the request counts among those that wait.
pub async fn while_waiting<T>(change: impl Future<Output = T>) -> Result<T, Problem> {
    let may = SCOPE.try_with(|scope| match &mut *scope.turn.borrow_mut() {
        Some(Held::Client(turn)) => turn.wait(),
        Some(Held::Device(turn)) => turn.wait(),
        None => true,
    });
    if may == Ok(false) {
        return Err(Problem::too_much(
            "too many requests of this client wait already",
        ));
    }
    let changed = change.await;
    let _ = SCOPE.try_with(|scope| match &mut *scope.turn.borrow_mut() {
        Some(Held::Client(turn)) => turn.go_on(),
        Some(Held::Device(turn)) => turn.go_on(),
        None => {}
    });
    Ok(changed)
}
