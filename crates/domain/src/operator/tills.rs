//! What staff does about stores, terminals and tokens.

use super::{Done, Operation, OperatorRefusal};
use crate::{
    Event,
    ids::TokenId,
    state::State,
    till::{Store, TillEvent},
    token::{self, SuspendedBy, Token, TokenEnd, TokenEvent, TokenRefusal, TokenStatus},
};

pub(super) fn perform(
    state: &State,
    operation: Operation,
    events: &mut Vec<Event>,
) -> Result<Done, OperatorRefusal> {
    let till = |event| Event::Till(event);
    match operation {
        Operation::AddStore {
            merchant,
            acceptor,
            name,
        } => {
            let known = state.merchants.get(merchant);
            known.ok_or(OperatorRefusal::NotFound)?;
            if state.terminals.has_acceptor(&acceptor) {
                return Err(OperatorRefusal::NameTaken);
            }
            let id = state.terminals.next_store();
            let store = Store {
                id,
                merchant,
                acceptor,
                name,
            };
            events.push(till(TillEvent::StoreAdded { store }));
            Ok(Done::StoreAdded(id))
        }
        Operation::AddTerminal {
            store,
            key,
            code,
            limit,
        } => {
            let known = state.terminals.store(store);
            known.ok_or(OperatorRefusal::NotFound)?;
            if state.terminals.find(&key).is_some() {
                return Err(OperatorRefusal::NameTaken);
            }
            let terminal = state.terminals.next_id();
            events.push(till(TillEvent::TerminalAdded {
                terminal,
                store,
                key,
                code,
                limit,
            }));
            Ok(Done::TerminalAdded(terminal))
        }
        Operation::SetTerminal {
            terminal,
            limit,
            blocked,
        } => {
            let known = state.terminals.get(terminal);
            let known = known.ok_or(OperatorRefusal::NotFound)?;
            if (known.limit, known.blocked) == (limit, blocked) {
                return Ok(Done::Unchanged);
            }
            events.push(till(TillEvent::TerminalSet {
                terminal,
                limit,
                blocked,
            }));
            Ok(Done::Done)
        }
        Operation::IssueToken { subscriber, new } => {
            let doubtful = state.tokens.of(subscriber).find_map(suspended_by);
            let (token, event) = token::issue(state, subscriber, new)?;
            events.push(event);
            events.extend(doubtful.map(|by| suspended(token, by)));
            Ok(Done::TokenIssued(token))
        }
        Operation::ReplaceToken { token, new } => {
            let known = state.tokens.get(token).ok_or(OperatorRefusal::NotFound)?;
            if !known.is_standing() {
                return Err(OperatorRefusal::WrongStatus);
            }
            let (next, issued) = token::issue(state, known.subscriber, new)?;
            let by = TokenEnd::Replaced;
            events.push(Event::Token(TokenEvent::Ended { token, by }));
            events.push(issued);
            events.extend(suspended_by(known).map(|by| suspended(next, by)));
            Ok(Done::TokenIssued(next))
        }
        Operation::SuspendToken(id) => {
            let to = TokenStatus::Suspended(SuspendedBy::Operator);
            changed(token::change(state, id, to)?, events)
        }
        Operation::ResumeToken(id) => {
            changed(token::change(state, id, TokenStatus::Active)?, events)
        }
        Operation::EndToken(id) => {
            let to = TokenStatus::Ended(TokenEnd::Operator);
            changed(token::change(state, id, to)?, events)
        }
        _ => Err(OperatorRefusal::NotFound),
    }
}

/// Why a token waits for a second person: one that is issued beside it or in its place waits as well, or else a single one of the
/// staff could pay with it.
fn suspended_by(token: &Token) -> Option<SuspendedBy> {
    match token.status {
        TokenStatus::Suspended(by) => Some(by),
        TokenStatus::Active | TokenStatus::Ended(_) => None,
    }
}

fn suspended(token: TokenId, by: SuspendedBy) -> Event {
    Event::Token(TokenEvent::Suspended { token, by })
}

fn changed(event: Option<Event>, events: &mut Vec<Event>) -> Result<Done, OperatorRefusal> {
    let Some(event) = event else {
        return Ok(Done::Unchanged);
    };
    events.push(event);
    Ok(Done::Done)
}

impl From<TokenRefusal> for OperatorRefusal {
    fn from(refusal: TokenRefusal) -> Self {
        match refusal {
            TokenRefusal::NotFound => Self::NotFound,
            TokenRefusal::WrongStatus => Self::WrongStatus,
            TokenRefusal::NumberTaken => Self::NumberTaken,
        }
    }
}
