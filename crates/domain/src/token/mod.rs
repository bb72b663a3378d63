//! Tokens: card numbers from the operator's own range, each in the phone of one subscriber.
//!
//! ```text
//!   issued ──▶ Active ⇄ Suspended          a SIM change, a removed phone, a block: by themselves; back by the operator
//!                 └────────┴──▶ Ended      by the operator, replaced by another, or because the subscriber left
//! ```
//! A token's own counter is part of it: which of the card's counters were used is decided together with the payment that they came
//! with, so that no cryptogram is good for two.
//!
//! **Invariant:** one number is one token, for good. **Not here:** numbers in clear (they are found by their keyed hash, and sealed
//! under the subscriber's key), the card's keys, which derive from the issuer's at the edge.

pub mod window;

use minicbor::{Decode, Encode};
use rustc_hash::FxHashMap;

pub use window::{CounterError, Window};

use crate::{
    Event,
    ids::{Sealed, SubscriberId, TokenHash, TokenId},
    sequence::Sequence,
    state::State,
    subscriber::SubscriberStatus,
    time::{BusinessDate, Moment, Timestamp},
};

/// Most that do not end of one subscriber.
pub const MOST_STANDING: usize = 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum TokenStatus {
    #[n(0)]
    Active,
    #[n(1)]
    Suspended(#[n(0)] SuspendedBy),
    #[n(2)]
    Ended(#[n(0)] TokenEnd),
}

impl TokenStatus {
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended(_) => "suspended",
            Self::Ended(_) => "ended",
        }
    }

    /// Why it is not active.
    pub fn why(self) -> Option<&'static str> {
        match self {
            Self::Active => None,
            Self::Suspended(by) => Some(by.name()),
            Self::Ended(by) => Some(by.name()),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum SuspendedBy {
    #[n(0)]
    Operator,
    /// The network told of another SIM or phone.
    #[n(1)]
    LineChanged,
    /// A phone was removed by its owner or an operator: it may be lost.
    #[n(2)]
    PhoneRemoved,
    #[n(3)]
    SubscriberBlocked,
}

impl SuspendedBy {
    pub fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::LineChanged => "line_changed",
            Self::PhoneRemoved => "phone_removed",
            Self::SubscriberBlocked => "subscriber_blocked",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum TokenEnd {
    #[n(0)]
    Operator,
    #[n(1)]
    Replaced,
    /// The number went to somebody else, or the subscriber was forgotten.
    #[n(2)]
    SubscriberLeft,
}

impl TokenEnd {
    pub fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Replaced => "replaced",
            Self::SubscriberLeft => "subscriber_left",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Token {
    #[n(0)]
    pub id: TokenId,
    #[n(1)]
    pub subscriber: SubscriberId,
    #[n(2)]
    pub hash: TokenHash,
    /// The number, sealed under the subscriber's key.
    #[n(3)]
    pub number: Sealed,
    /// The last month it is good in, YYMM.
    #[n(4)]
    pub expires: u16,
    #[n(5)]
    pub status: TokenStatus,
    #[n(6)]
    pub window: Window,
    #[n(7)]
    pub issued_at: Timestamp,
}

impl Token {
    pub fn is_standing(&self) -> bool {
        !matches!(self.status, TokenStatus::Ended(_))
    }

    pub fn has_expired(&self, today: BusinessDate) -> bool {
        let today = today.civil();
        i32::from(today.year()) % 100 * 100 + i32::from(today.month()) > i32::from(self.expires)
    }
}

/// Every token that there is or was.
#[derive(Clone, Debug, Default)]
pub struct Tokens {
    pub(crate) by_id: Sequence<TokenId, Token>,
    by_number: FxHashMap<TokenHash, TokenId>,
    of: FxHashMap<SubscriberId, Vec<TokenId>>,
}

impl Tokens {
    pub fn get(&self, id: TokenId) -> Option<&Token> {
        self.by_id.get(&id)
    }

    pub fn find(&self, number: &TokenHash) -> Option<&Token> {
        self.get(*self.by_number.get(number)?)
    }

    /// Those of one subscriber, oldest first.
    pub fn of(&self, subscriber: SubscriberId) -> impl Iterator<Item = &Token> {
        let ids = self.of.get(&subscriber).into_iter().flatten();
        ids.filter_map(|id| self.get(*id))
    }

    pub fn iter(&self) -> impl Iterator<Item = &Token> {
        self.by_id.values()
    }

    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    pub(crate) fn next_id(&self) -> TokenId {
        TokenId(self.by_id.len() as u64 + 1)
    }

    pub(crate) fn expect_mut(&mut self, id: TokenId) -> &mut Token {
        let token = self.by_id.get_mut(&id);
        token.expect("an event names a token that exists")
    }

    fn insert(&mut self, token: Token) {
        self.by_number.insert(token.hash, token.id);
        self.of.entry(token.subscriber).or_default().push(token.id);
        self.by_id.insert(token.id, token);
    }

    /// What follows from the tokens themselves; false if two share a number.
    pub(crate) fn make_indexes(&mut self) -> bool {
        for token in self.by_id.values() {
            self.by_number.insert(token.hash, token.id);
            self.of.entry(token.subscriber).or_default().push(token.id);
        }
        self.by_number.len() == self.by_id.len()
    }
}

/// A number for a subscriber, as the edge drew it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct NewToken {
    #[n(0)]
    pub hash: TokenHash,
    #[n(1)]
    pub number: Sealed,
    #[n(2)]
    pub expires: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum TokenEvent {
    #[n(0)]
    Issued {
        #[n(0)]
        token: TokenId,
        #[n(1)]
        subscriber: SubscriberId,
        #[n(2)]
        new: NewToken,
    },
    #[n(1)]
    Suspended {
        #[n(0)]
        token: TokenId,
        #[n(1)]
        by: SuspendedBy,
    },
    #[n(2)]
    Resumed {
        #[n(0)]
        token: TokenId,
    },
    #[n(3)]
    Ended {
        #[n(0)]
        token: TokenId,
        #[n(1)]
        by: TokenEnd,
    },
}

/// Why a token is not issued or changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenRefusal {
    NotFound,
    WrongStatus,
    /// Somebody has the number already: draw another one.
    NumberTaken,
}

pub(crate) fn issue(
    state: &State,
    subscriber: SubscriberId,
    new: NewToken,
) -> Result<(TokenId, Event), TokenRefusal> {
    let holder = state.subscribers.get(subscriber);
    if holder.ok_or(TokenRefusal::NotFound)?.status != SubscriberStatus::Active {
        return Err(TokenRefusal::WrongStatus);
    }
    let standing = state.tokens.of(subscriber).filter(|one| one.is_standing());
    if standing.count() >= MOST_STANDING {
        return Err(TokenRefusal::WrongStatus);
    }
    if state.tokens.find(&new.hash).is_some() {
        return Err(TokenRefusal::NumberTaken);
    }
    let token = state.tokens.next_id();
    let issued = TokenEvent::Issued {
        token,
        subscriber,
        new,
    };
    Ok((token, Event::Token(issued)))
}

/// Suspends, resumes or ends; nothing if it is so already.
pub(crate) fn change(
    state: &State,
    id: TokenId,
    to: TokenStatus,
) -> Result<Option<Event>, TokenRefusal> {
    let token = state.tokens.get(id).ok_or(TokenRefusal::NotFound)?;
    let event = match (token.status, to) {
        (TokenStatus::Ended(_), TokenStatus::Ended(_))
        | (TokenStatus::Active, TokenStatus::Active)
        | (TokenStatus::Suspended(_), TokenStatus::Suspended(_)) => return Ok(None),
        (TokenStatus::Ended(_), _) => return Err(TokenRefusal::WrongStatus),
        (TokenStatus::Suspended(_), TokenStatus::Active) => TokenEvent::Resumed { token: id },
        (TokenStatus::Active, TokenStatus::Suspended(by)) => {
            TokenEvent::Suspended { token: id, by }
        }
        (_, TokenStatus::Ended(by)) => TokenEvent::Ended { token: id, by },
    };
    Ok(Some(Event::Token(event)))
}

/// Suspends what is active of a subscriber: whoever has the phone now may be somebody else.
pub(crate) fn suspend_all(
    state: &State,
    subscriber: SubscriberId,
    by: SuspendedBy,
) -> impl Iterator<Item = Event> {
    let active = state.tokens.of(subscriber);
    let active = active.filter(|token| token.status == TokenStatus::Active);
    active.map(move |token| {
        let token = token.id;
        Event::Token(TokenEvent::Suspended { token, by })
    })
}

/// Ends all of a subscriber who leaves.
pub(crate) fn end_all(state: &State, subscriber: SubscriberId) -> impl Iterator<Item = Event> {
    let standing = state.tokens.of(subscriber).filter(|one| one.is_standing());
    standing.map(|token| {
        let (token, by) = (token.id, TokenEnd::SubscriberLeft);
        Event::Token(TokenEvent::Ended { token, by })
    })
}

pub(crate) fn evolve(state: &mut State, moment: &Moment, event: &TokenEvent) {
    match event {
        TokenEvent::Issued {
            token,
            subscriber,
            new,
        } => state.tokens.insert(Token {
            id: *token,
            subscriber: *subscriber,
            hash: new.hash,
            number: new.number.clone(),
            expires: new.expires,
            status: TokenStatus::Active,
            window: Window::default(),
            issued_at: moment.now,
        }),
        TokenEvent::Suspended { token, by } => {
            state.tokens.expect_mut(*token).status = TokenStatus::Suspended(*by);
        }
        TokenEvent::Resumed { token } => {
            state.tokens.expect_mut(*token).status = TokenStatus::Active;
        }
        TokenEvent::Ended { token, by } => {
            state.tokens.expect_mut(*token).status = TokenStatus::Ended(*by);
        }
    }
}
