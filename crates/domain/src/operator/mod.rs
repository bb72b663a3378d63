//! The operator's staff: users with roles, what they may do, and four eyes.
//!
//! ```text
//!   operation ── allowed, needs nobody else ──▶ done
//!      └── needs a second person ──▶ proposal ── another allowed person approves ──▶ done
//!                                        └── rejected ──▶ over
//! ```
//! **Invariant:** whoever proposed never approves; an approved operation is decided again on the state as it is then.
//! One piece: what staff can ask, what is answered and what is written down are read together.

mod operation;
mod perform;
mod tills;

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

pub use operation::{BalanceRow, HeldAs, Operation};

use crate::{
    Actor, Event,
    idempotency::{Known, Recorded, Repeat, RepeatEvent},
    ids::{
        ClientKeyId, LotId, MerchantId, OperatorId, ProposalId, Sealed, StoreId, SubscriberId,
        TerminalId, TokenId,
    },
    risk::Rules,
    state::State,
    time::{Moment, Timestamp},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Role {
    /// Sees, but no personal data.
    #[n(0)]
    Viewer,
    /// Helps subscribers and merchants.
    #[n(1)]
    Support,
    #[n(2)]
    Risk,
    #[n(3)]
    Finance,
    #[n(4)]
    Admin,
}

impl Role {
    pub const ALL: [Self; 5] = [
        Self::Viewer,
        Self::Support,
        Self::Risk,
        Self::Finance,
        Self::Admin,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Support => "support",
            Self::Risk => "risk",
            Self::Finance => "finance",
            Self::Admin => "admin",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

#[derive(Clone, Debug, Encode, Decode)]
pub struct Operator {
    #[n(0)]
    pub id: OperatorId,
    /// What they sign in as.
    #[n(1)]
    pub name: String,
    #[n(2)]
    pub role: Role,
    /// Password verifier, sealed by the keyring.
    #[n(3)]
    pub password: Sealed,
    /// How often it was set anew: sessions from before are over.
    #[n(4)]
    pub passwords_before: u32,
    #[n(5)]
    pub removed: bool,
}

/// An operation that waits for a second person.
#[derive(Clone, Debug, Encode, Decode)]
pub struct Proposal {
    #[n(0)]
    pub id: ProposalId,
    #[n(1)]
    pub by: OperatorId,
    #[n(2)]
    pub operation: Operation,
    #[n(3)]
    pub proposed_at: Timestamp,
}

#[derive(Clone, Debug)]
pub struct Operators {
    pub by_id: BTreeMap<OperatorId, Operator>,
    pub proposals: BTreeMap<ProposalId, Proposal>,
    pub(crate) next_proposal: u64,
    /// Keyed hashes of balance rows already taken in.
    pub(crate) imported: rustc_hash::FxHashSet<u64>,
}

impl Default for Operators {
    fn default() -> Self {
        Self {
            by_id: BTreeMap::new(),
            proposals: BTreeMap::new(),
            next_proposal: 1,
            imported: rustc_hash::FxHashSet::default(),
        }
    }
}

impl Operators {
    /// Keyed hashes of balance rows already taken in, in no particular order.
    pub fn imported_rows(&self) -> impl Iterator<Item = u64> + '_ {
        self.imported.iter().copied()
    }

    /// The number of the next proposal.
    pub fn next_proposal(&self) -> u64 {
        self.next_proposal
    }

    /// Whether a balance row of this keyed hash was taken in.
    pub fn has_imported(&self, row: u64) -> bool {
        self.imported.contains(&row)
    }

    pub fn named(&self, name: &str) -> Option<&Operator> {
        self.by_id
            .values()
            .find(|operator| operator.name == name && !operator.removed)
    }
}

#[derive(Clone, Debug)]
pub enum OperatorCommand {
    Do(Box<Operation>),
    /// A second person decides a proposal.
    Decide {
        proposal: ProposalId,
        approve: bool,
    },
    /// One's own password. `from` is the verifier that the old one was checked against.
    ChangePassword {
        from: Sealed,
        to: Sealed,
    },
    /// Does another of these once per idempotency key; every later time it is answered as it was the first time.
    Once {
        repeat: Repeat,
        command: Box<OperatorCommand>,
    },
    /// Recorded before personal data is shown.
    NoteRead {
        subscriber: SubscriberId,
    },
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Done {
    #[n(0)]
    Done,
    /// Already so.
    #[n(1)]
    Unchanged,
    #[n(2)]
    OperatorAdded(#[n(0)] OperatorId),
    #[n(3)]
    MerchantAdded(#[n(0)] MerchantId),
    #[n(4)]
    KeyAdded(#[n(0)] ClientKeyId),
    #[n(5)]
    LotGiven(#[n(0)] LotId),
    #[n(6)]
    RulesSet(#[n(0)] u32),
    #[n(7)]
    Proposed(#[n(0)] ProposalId),
    #[n(8)]
    Rejected,
    /// This and what follows from level 4.
    #[n(9)]
    StoreAdded(#[n(0)] StoreId),
    #[n(10)]
    TerminalAdded(#[n(0)] TerminalId),
    #[n(11)]
    TokenIssued(#[n(0)] TokenId),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperatorRefusal {
    /// Not an operator, or no longer.
    NotSignedIn,
    /// The role does not allow it.
    NotAllowed,
    /// The second person must be another one.
    SamePerson,
    NotFound,
    NameTaken,
    /// Would leave less on an account than is held there or than nothing.
    WouldOverdraw,
    /// Nothing to change there.
    WrongStatus,
    /// Only the very first operator is added without one.
    LastAdmin,
    /// The same idempotency key came with another request.
    KeyReused,
    /// What it was made of has changed since; ask again.
    ChangedMeanwhile,
    /// Some node does not know such things yet.
    NotYet,
    /// A token has this number already: draw another one.
    NumberTaken,
}

impl OperatorRefusal {
    pub fn code(self) -> &'static str {
        match self {
            Self::NotSignedIn => "not_signed_in",
            Self::NotAllowed => "not_allowed",
            Self::SamePerson => "same_person",
            Self::NotFound => "not_found",
            Self::NameTaken => "name_taken",
            Self::WouldOverdraw => "would_overdraw",
            Self::WrongStatus => "wrong_status",
            Self::LastAdmin => "last_admin",
            Self::KeyReused => "idempotency_key_reused",
            Self::ChangedMeanwhile => "changed_meanwhile",
            Self::NotYet => "not_yet",
            Self::NumberTaken => "number_taken",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum OperatorEvent {
    #[n(0)]
    Added {
        #[n(0)]
        operator: OperatorId,
        #[n(1)]
        name: String,
        #[n(2)]
        role: Role,
        #[n(3)]
        password: Sealed,
    },
    #[n(1)]
    Removed {
        #[n(0)]
        operator: OperatorId,
    },
    #[n(2)]
    PasswordSet {
        #[n(0)]
        operator: OperatorId,
        #[n(1)]
        password: Sealed,
    },
    #[n(3)]
    RulesSet {
        #[n(0)]
        rules: Box<Rules>,
    },
    #[n(4)]
    Proposed {
        #[n(0)]
        proposal: ProposalId,
        #[n(1)]
        by: OperatorId,
        #[n(2)]
        operation: Box<Operation>,
    },
    #[n(5)]
    Decided {
        #[n(0)]
        proposal: ProposalId,
        #[n(1)]
        by: OperatorId,
        #[n(2)]
        approved: bool,
    },
    #[n(6)]
    PersonalDataRead {
        #[n(0)]
        operator: OperatorId,
        #[n(1)]
        subscriber: SubscriberId,
    },
    #[n(7)]
    SubscriberBlocked {
        #[n(0)]
        subscriber: SubscriberId,
    },
    #[n(8)]
    SubscriberUnblocked {
        #[n(0)]
        subscriber: SubscriberId,
    },
    #[n(9)]
    PinUnlocked {
        #[n(0)]
        subscriber: SubscriberId,
    },
    /// After a check of identity: no PIN and no devices, as before the first enrolment.
    #[n(10)]
    PhoneReset {
        #[n(0)]
        subscriber: SubscriberId,
    },
    /// The key of what was sealed for this subscriber is gone.
    #[n(11)]
    SubscriberErased {
        #[n(0)]
        subscriber: SubscriberId,
        /// Cash goes to the unclaimed accounts, grants back to where they came from. The first release left both in place.
        #[n(1)]
        entry: Option<crate::ledger::Entry>,
    },
    #[n(12)]
    Adjusted {
        #[n(0)]
        subscriber: SubscriberId,
        #[n(1)]
        reason: Sealed,
        #[n(2)]
        entry: crate::ledger::Entry,
    },
    /// One row of what subscribers held in an earlier system, as cash.
    #[n(13)]
    CashImported {
        #[n(0)]
        subscriber: SubscriberId,
        #[n(1)]
        row: u64,
        #[n(2)]
        entry: crate::ledger::Entry,
    },
    /// One such row became a grant.
    #[n(14)]
    GrantImported {
        #[n(0)]
        row: u64,
    },
}

/// The operator behind an actor, if still one.
fn signed_in(state: &State, actor: Actor) -> Result<&Operator, OperatorRefusal> {
    match actor {
        Actor::Operator(id) => state
            .operators
            .by_id
            .get(&id)
            .filter(|operator| !operator.removed)
            .ok_or(OperatorRefusal::NotSignedIn),
        _ => Err(OperatorRefusal::NotSignedIn),
    }
}

pub(crate) fn decide(
    state: &State,
    moment: &Moment,
    actor: Actor,
    command: OperatorCommand,
) -> (Result<Done, OperatorRefusal>, Vec<Event>) {
    let mut events = Vec::new();
    let answer = match command {
        OperatorCommand::Do(operation) => start(state, moment, actor, *operation, &mut events),
        OperatorCommand::Decide { proposal, approve } => {
            second(state, moment, actor, proposal, approve, &mut events)
        }
        OperatorCommand::ChangePassword { from, to } => {
            signed_in(state, actor).and_then(|operator| {
                if operator.password != from {
                    return Err(OperatorRefusal::ChangedMeanwhile);
                }
                events.push(Event::Operator(OperatorEvent::PasswordSet {
                    operator: operator.id,
                    password: to,
                }));
                Ok(Done::Done)
            })
        }
        OperatorCommand::Once { repeat, command } => match state.repeats.known(&repeat) {
            Known::Same(Recorded::Operation(done)) => Ok(done.clone()),
            Known::Same(_) | Known::Other => Err(OperatorRefusal::KeyReused),
            // What staff did never leaves memory while it counts.
            Known::New | Known::Unchecked => {
                let (answer, decided) = decide(state, moment, actor, *command);
                events = decided;
                // A refusal did nothing: the same key may try again.
                if let Ok(done) = &answer {
                    events.push(Event::Repeat(RepeatEvent::Used {
                        key: repeat.key,
                        body: repeat.body,
                        answer: Recorded::Operation(done.clone()),
                    }));
                }
                answer
            }
        },
        OperatorCommand::NoteRead { subscriber } => signed_in(state, actor).and_then(|operator| {
            if operator.role == Role::Viewer {
                return Err(OperatorRefusal::NotAllowed);
            }
            state
                .subscribers
                .get(subscriber)
                .ok_or(OperatorRefusal::NotFound)?;
            events.push(Event::Operator(OperatorEvent::PersonalDataRead {
                operator: operator.id,
                subscriber,
            }));
            Ok(Done::Done)
        }),
    };
    (answer, events)
}

fn start(
    state: &State,
    moment: &Moment,
    actor: Actor,
    operation: Operation,
    events: &mut Vec<Event>,
) -> Result<Done, OperatorRefusal> {
    // The person at the machine adds the first operator, and nobody after that.
    if actor == Actor::Console
        && state.operators.by_id.is_empty()
        && matches!(
            operation,
            Operation::AddOperator {
                role: Role::Admin,
                ..
            }
        )
    {
        return perform::perform(state, moment, operation, events);
    }
    let operator = signed_in(state, actor)?;
    if !operation.allowed_to(operator.role) {
        return Err(OperatorRefusal::NotAllowed);
    }
    // Whoever has somebody's session does not have their password, and does not get one by it.
    if matches!(operation, Operation::SetPassword { operator: whose, .. } if whose == operator.id) {
        return Err(OperatorRefusal::SamePerson);
    }
    if !operation.needs_second_person(state) {
        return perform::perform(state, moment, operation, events);
    }
    // What could not be done now is not worth a second person's time.
    perform::perform(state, moment, operation.clone(), &mut Vec::new())?;
    let proposal = ProposalId(state.operators.next_proposal);
    events.push(Event::Operator(OperatorEvent::Proposed {
        proposal,
        by: operator.id,
        operation: Box::new(operation),
    }));
    Ok(Done::Proposed(proposal))
}

fn second(
    state: &State,
    moment: &Moment,
    actor: Actor,
    id: ProposalId,
    approve: bool,
    events: &mut Vec<Event>,
) -> Result<Done, OperatorRefusal> {
    let operator = signed_in(state, actor)?;
    let proposal = state
        .operators
        .proposals
        .get(&id)
        .ok_or(OperatorRefusal::NotFound)?;
    if !proposal.operation.allowed_to(operator.role) {
        return Err(OperatorRefusal::NotAllowed);
    }
    // Whoever proposed may take it back, but not approve it.
    if approve && proposal.by == operator.id {
        return Err(OperatorRefusal::SamePerson);
    }
    let done = if approve {
        perform::perform(state, moment, proposal.operation.clone(), events)?
    } else {
        Done::Rejected
    };
    events.push(Event::Operator(OperatorEvent::Decided {
        proposal: id,
        by: operator.id,
        approved: approve,
    }));
    Ok(done)
}

pub(crate) fn evolve(state: &mut State, moment: &Moment, event: &OperatorEvent) {
    let operators = &mut state.operators;
    match event {
        OperatorEvent::Added {
            operator,
            name,
            role,
            password,
        } => {
            let added = Operator {
                id: *operator,
                name: name.clone(),
                role: *role,
                password: password.clone(),
                passwords_before: 0,
                removed: false,
            };
            operators.by_id.insert(*operator, added);
        }
        OperatorEvent::Removed { operator } => {
            if let Some(operator) = operators.by_id.get_mut(operator) {
                operator.removed = true;
            }
        }
        OperatorEvent::PasswordSet { operator, password } => {
            if let Some(operator) = operators.by_id.get_mut(operator) {
                operator.password = password.clone();
                operator.passwords_before += 1;
            }
        }
        OperatorEvent::RulesSet { rules } => state.rules = (**rules).clone(),
        OperatorEvent::Proposed {
            proposal,
            by,
            operation,
        } => {
            operators.next_proposal = operators.next_proposal.max(proposal.0 + 1);
            let proposed = Proposal {
                id: *proposal,
                by: *by,
                operation: (**operation).clone(),
                proposed_at: moment.now,
            };
            operators.proposals.insert(*proposal, proposed);
        }
        OperatorEvent::Decided { proposal, .. } => {
            operators.proposals.remove(proposal);
        }
        OperatorEvent::PersonalDataRead { .. } => {}
        OperatorEvent::GrantImported { row } => {
            operators.imported.insert(*row);
        }
        OperatorEvent::CashImported { row, entry, .. } => {
            operators.imported.insert(*row);
            state.post(entry);
        }
        OperatorEvent::Adjusted { entry, .. } => state.post(entry),
        OperatorEvent::SubscriberBlocked { .. }
        | OperatorEvent::SubscriberUnblocked { .. }
        | OperatorEvent::PinUnlocked { .. }
        | OperatorEvent::PhoneReset { .. }
        | OperatorEvent::SubscriberErased { .. } => {
            perform::evolve_subscriber(state, moment, event);
        }
    }
}
