//! Tills: what terminals ask, and what they are told.
//!
//! ```text
//!   tap, scanned code ──┬─ vetoed, replayed, not its token ─▶ declined
//!                       ├─ small, or verified on the phone ─▶ paid at once (0200), or held until it is captured (0100, then 0220)
//!                       └─ otherwise ─▶ a prompt on the phone, which the till waits for
//!   reversal, before, while or after any of it ─▶ undone, once
//! ```
//! Every message that was decided is an [`Exchange`]: sent again it gets its first answer again, and a reversal finds by it what it
//! is about. A reversal that comes first leaves one as well, so that its original is refused when it comes.
//!
//! **Invariants:** one message is decided once; a card's counter is taken with the decision; what was undone stays undone.
//! **Not here:** message formats and cryptograms, which the edge has read and verified; how long a till waits.

mod exchange;
mod scan;
mod settle;
mod tap;
mod terminal;

use minicbor::{Decode, Encode};

pub use exchange::{Exchange, Exchanges, Outcome};
pub use scan::{ScanRequest, ScannedCode};
pub use terminal::{Shift, Store, Terminal, Terminals, Total};

use settle::FollowUp;

pub(crate) use exchange::due;

use crate::{
    Answer, Decision, Event,
    archive::Gone,
    ids::{
        DeviceId, MessageKey, PaymentId, Sealed, StoreId, TerminalId, TerminalKey, TokenHash,
        TokenId,
    },
    ledger::Entry,
    money::Amount,
    payment::{CaptureMode, Status},
    risk::Veto,
    state::State,
    time::{Moment, Timestamp},
};

/// Events of tills and tokens are of this level.
pub const LEVEL: u32 = 4;

/// How a phone showed that it was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum TillBy {
    /// It was held to the reader.
    #[n(0)]
    Token(#[n(0)] TokenId),
    /// A code that it showed was scanned.
    #[n(1)]
    Code(#[n(0)] DeviceId),
}

/// By which terminal and in which way a payment came, and whether its payer was asked on the phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct TillRef {
    #[n(0)]
    pub terminal: TerminalId,
    #[n(1)]
    pub by: TillBy,
    #[n(2)]
    pub prompted: bool,
}

/// What the edge found of the chip's data, the cryptogram being right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chip {
    /// The card's own transaction counter.
    pub counter: u16,
    /// Its owner has verified with the phone.
    pub verified: bool,
}

#[derive(Clone, Debug)]
pub struct TapRequest {
    pub terminal: TerminalKey,
    /// What makes it the same message when it is sent again.
    pub key: MessageKey,
    /// What a reversal of it will name.
    pub original: MessageKey,
    pub token: TokenHash,
    /// YYMM, if the message says it.
    pub expires: Option<u16>,
    pub chip: Result<Chip, TillRefusal>,
    pub amount: Amount,
    pub capture: CaptureMode,
    pub text: Sealed,
    pub reference_hash: Option<u64>,
    /// How long the terminal waits for the payer or a bank.
    pub wait_seconds: u32,
}

/// What was found of messages that have left memory, of the same terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Earlier {
    NotLooked,
    Looked {
        /// This very message has paid or refunded something of this payment.
        same: Option<PaymentId>,
        /// What the message that it names did.
        original: Option<Did>,
    },
}

/// What a message of a till did, long ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Did {
    /// Paid, held or captured it, or asked somebody for it.
    Pay(PaymentId),
    /// Gave a part of it back.
    Refund(PaymentId),
}

/// What a terminal asks for, however it knows who pays.
#[derive(Clone, Debug)]
pub struct Sale {
    pub terminal: TerminalKey,
    /// What makes it the same message when it is sent again.
    pub key: MessageKey,
    /// What a reversal of it will name.
    pub original: MessageKey,
    pub amount: Amount,
    pub capture: CaptureMode,
    pub text: Sealed,
    pub reference_hash: Option<u64>,
    /// How long the terminal waits for the payer or a bank.
    pub wait_seconds: u32,
}

impl Sale {
    fn of(tap: &TapRequest) -> Self {
        Self {
            terminal: tap.terminal,
            key: tap.key,
            original: tap.original,
            amount: tap.amount,
            capture: tap.capture,
            text: tap.text.clone(),
            reference_hash: tap.reference_hash,
            wait_seconds: tap.wait_seconds,
        }
    }
}

#[derive(Clone, Debug)]
pub enum TillCommand {
    Tap(Box<TapRequest>),
    Scan(Box<ScanRequest>),
    /// What `original` names is undone, whatever became of it.
    Undo {
        terminal: TerminalKey,
        key: MessageKey,
        original: MessageKey,
        /// It says that its original gave money back, which stays.
        of_refund: bool,
        earlier: Earlier,
        /// The reason that a refund gets.
        text: Sealed,
    },
    /// The authorisation that `original` names is captured.
    Capture {
        terminal: TerminalKey,
        key: MessageKey,
        /// What a reversal of this message will name.
        own: MessageKey,
        original: MessageKey,
        earlier: Earlier,
        amount: Amount,
    },
    /// Part of what `original` names goes back to where it came from.
    Refund {
        terminal: TerminalKey,
        key: MessageKey,
        /// What a reversal of this message will name.
        own: MessageKey,
        original: MessageKey,
        earlier: Earlier,
        amount: Amount,
        /// The reason that the refund gets.
        text: Sealed,
    },
    /// The end of a shift, with what the terminal counted.
    CloseShift {
        terminal: TerminalKey,
        key: MessageKey,
        purchases: Total,
        reversals: Total,
        refunds: Total,
    },
}

impl TillCommand {
    /// The same, with what was found of messages that have left memory.
    #[must_use]
    pub fn knowing(mut self, found: Earlier) -> Self {
        match &mut self {
            Self::Undo { earlier, .. }
            | Self::Capture { earlier, .. }
            | Self::Refund { earlier, .. } => *earlier = found,
            Self::Tap(_) | Self::Scan(_) | Self::CloseShift { .. } => {}
        }
        self
    }
}

/// Why a message did nothing. The code never changes its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum TillRefusal {
    /// Not recorded: nobody's terminal sent it.
    #[n(0)]
    UnknownTerminal,
    #[n(1)]
    TerminalBlocked,
    #[n(2)]
    TerminalLimit,
    #[n(3)]
    UnknownToken,
    #[n(4)]
    TokenSuspended,
    #[n(5)]
    TokenEnded,
    #[n(6)]
    TokenExpired,
    #[n(7)]
    WrongCryptogram,
    /// The card's counter was used before, or cannot be what comes next.
    #[n(8)]
    CounterRefused,
    /// The chip has declined by itself, or its data say that it may not be.
    #[n(9)]
    ChipDeclined,
    /// The chip signed something else than the terminal asks for.
    #[n(10)]
    ChipDiffers,
    /// The stripe, typed in, or no chip data.
    #[n(11)]
    NotByChip,
    #[n(12)]
    OriginalNotFound,
    /// The original is in another state than this needs.
    #[n(13)]
    WrongStatus,
    #[n(14)]
    MoreThanAuthorized,
    /// It was undone, perhaps before it came.
    #[n(15)]
    Undone,
    /// Not recorded: tills are not let in before every node knows them.
    #[n(16)]
    NotYet,
    /// Not recorded: too much waits already.
    #[n(17)]
    Busy,
    /// A scanned code is nobody's or not right.
    #[n(24)]
    WrongCode,
    /// It is too old, or of a time that has not come.
    #[n(25)]
    CodeExpired,
    #[n(26)]
    CodeUsed,
    /// The phone that shows codes was not online for too long.
    #[n(27)]
    PhoneNotSeen,
    /// This terminal scans no codes for a while.
    #[n(28)]
    TooManyWrongCodes,
}

impl TillRefusal {
    pub const ALL: [Self; 23] = [
        Self::UnknownTerminal,
        Self::TerminalBlocked,
        Self::TerminalLimit,
        Self::UnknownToken,
        Self::TokenSuspended,
        Self::TokenEnded,
        Self::TokenExpired,
        Self::WrongCryptogram,
        Self::CounterRefused,
        Self::ChipDeclined,
        Self::ChipDiffers,
        Self::NotByChip,
        Self::OriginalNotFound,
        Self::WrongStatus,
        Self::MoreThanAuthorized,
        Self::Undone,
        Self::NotYet,
        Self::Busy,
        Self::WrongCode,
        Self::CodeExpired,
        Self::CodeUsed,
        Self::PhoneNotSeen,
        Self::TooManyWrongCodes,
    ];

    pub fn code(self) -> &'static str {
        match self {
            Self::UnknownTerminal => "unknown_terminal",
            Self::TerminalBlocked => "terminal_blocked",
            Self::TerminalLimit => "terminal_limit",
            Self::UnknownToken => "unknown_token",
            Self::TokenSuspended => "token_suspended",
            Self::TokenEnded => "token_ended",
            Self::TokenExpired => "token_expired",
            Self::WrongCryptogram => "wrong_cryptogram",
            Self::CounterRefused => "counter_refused",
            Self::ChipDeclined => "chip_declined",
            Self::ChipDiffers => "chip_differs",
            Self::NotByChip => "not_by_chip",
            Self::OriginalNotFound => "original_not_found",
            Self::WrongStatus => "wrong_status",
            Self::MoreThanAuthorized => "more_than_authorized",
            Self::Undone => "undone",
            Self::NotYet => "not_yet",
            Self::Busy => "overloaded",
            Self::WrongCode => "wrong_code",
            Self::CodeExpired => "code_expired",
            Self::CodeUsed => "code_used",
            Self::PhoneNotSeen => "phone_not_seen",
            Self::TooManyWrongCodes => "too_many_wrong_codes",
        }
    }
}

/// What a terminal is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TillAnswer {
    /// Paid, or held for it.
    Approved(PaymentId),
    /// The payer is asked, or a bank is: look at the payment until it is over.
    Waits(PaymentId),
    Declined(PaymentId, Veto),
    /// The payer or a bank has answered, or nobody did.
    Ended(PaymentId, Status),
    Refused(TillRefusal),
    /// To a reversal.
    Undone,
    /// To a reconciliation: whether the terminal counted the same.
    Closed {
        agrees: bool,
    },
    /// It is in the archive: to be recalled first.
    Archived(Gone),
    /// What it is about may have left memory: to be looked up first, and asked again with what was found.
    LookUp,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum TillEvent {
    #[n(0)]
    StoreAdded {
        #[n(0)]
        store: Store,
    },
    #[n(1)]
    TerminalAdded {
        #[n(0)]
        terminal: TerminalId,
        #[n(1)]
        store: StoreId,
        #[n(2)]
        key: TerminalKey,
        #[n(3)]
        code: String,
        #[n(4)]
        limit: Amount,
    },
    #[n(2)]
    TerminalSet {
        #[n(0)]
        terminal: TerminalId,
        #[n(1)]
        limit: Amount,
        #[n(2)]
        blocked: bool,
    },
    /// A message was decided.
    #[n(3)]
    Decided {
        #[n(0)]
        key: MessageKey,
        #[n(1)]
        original: MessageKey,
        #[n(2)]
        terminal: TerminalId,
        /// The counter that this token has used.
        #[n(3)]
        counter: Option<(TokenId, u16)>,
        #[n(4)]
        payment: Option<PaymentId>,
        #[n(5)]
        outcome: Outcome,
    },
    /// A reversal; what it ends or gives back is in the events before it.
    #[n(4)]
    Undone {
        #[n(0)]
        key: MessageKey,
        #[n(1)]
        original: MessageKey,
        #[n(2)]
        terminal: TerminalId,
        /// `None`: the original never came, or has not come yet.
        #[n(3)]
        exchange: Option<MessageKey>,
        /// A captured payment that is given back, with how much, fee and tax.
        #[n(4)]
        given_back: Option<GivenBack>,
    },
    #[n(5)]
    ShiftClosed {
        #[n(0)]
        terminal: TerminalId,
        #[n(1)]
        key: MessageKey,
        #[n(2)]
        agrees: bool,
        /// As the terminal counted.
        #[n(3)]
        purchases: Total,
        #[n(4)]
        reversals: Total,
        #[n(5)]
        refunds: Total,
    },
    /// Messages that were kept long enough then are forgotten.
    #[n(6)]
    Forgotten {
        #[n(0)]
        at: Timestamp,
    },
}

/// What a reversal takes back beside the refund itself: limits, fee and tax.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct GivenBack {
    #[n(0)]
    pub payment: PaymentId,
    #[n(1)]
    pub amount: Amount,
    #[n(2)]
    pub fee: Amount,
    #[n(3)]
    pub tax: Amount,
    #[n(4)]
    pub entry: Entry,
}

pub(crate) fn decide(state: &State, moment: &Moment, command: TillCommand) -> Decision {
    let (answer, events) = if state.level() < LEVEL {
        (TillAnswer::Refused(TillRefusal::NotYet), Vec::new())
    } else {
        match command {
            TillCommand::Tap(request) => tap::tap(state, moment, *request),
            TillCommand::Scan(request) => scan::scan(state, moment, *request),
            TillCommand::Undo {
                terminal,
                key,
                original,
                of_refund,
                earlier,
                text,
            } => {
                let known = (of_refund, earlier);
                settle::undo(state, moment, &terminal, [key, original], known, text)
            }
            TillCommand::Capture {
                terminal,
                key,
                own,
                original,
                earlier,
                amount,
            } => {
                let follow_up = FollowUp::of(&terminal, [key, own, original], earlier);
                settle::capture(state, moment, follow_up, amount)
            }
            TillCommand::Refund {
                terminal,
                key,
                own,
                original,
                earlier,
                amount,
                text,
            } => {
                let follow_up = FollowUp::of(&terminal, [key, own, original], earlier);
                settle::refund(state, moment, follow_up, amount, text)
            }
            TillCommand::CloseShift {
                terminal,
                key,
                purchases,
                reversals,
                refunds,
            } => settle::close_shift(state, &terminal, key, [purchases, reversals, refunds]),
        }
    };
    Decision {
        answer: Answer::Till(answer),
        events,
    }
}

type Decided = (TillAnswer, Vec<Event>);

pub(crate) fn evolve(state: &mut State, moment: &Moment, event: &TillEvent) {
    match event {
        TillEvent::StoreAdded { .. }
        | TillEvent::TerminalAdded { .. }
        | TillEvent::TerminalSet { .. } => terminal::evolve(&mut state.terminals, event),
        TillEvent::Decided {
            key,
            original,
            terminal,
            counter,
            payment,
            outcome,
        } => {
            if let Outcome::Refunded(amount) = outcome {
                let terminal = state.terminals.expect_mut(*terminal);
                terminal.shift.refunds.add(*amount);
            }
            if let Some((token, counter)) = counter {
                let token = state.tokens.expect_mut(*token);
                let taken = token.window.with(*counter, u16::MAX);
                token.window = taken.expect("a counter is taken once");
            }
            exchange::keep(
                state,
                moment,
                Exchange {
                    key: *key,
                    original: *original,
                    payment: *payment,
                    outcome: *outcome,
                    undone: false,
                },
            );
        }
        TillEvent::Undone {
            key,
            original,
            terminal,
            exchange,
            given_back,
        } => settle::undone(
            state,
            moment,
            *terminal,
            [*key, *original],
            *exchange,
            given_back.as_ref(),
        ),
        TillEvent::ShiftClosed {
            terminal,
            key,
            agrees,
            ..
        } => {
            state.terminals.expect_mut(*terminal).close_shift();
            exchange::keep(
                state,
                moment,
                Exchange {
                    key: *key,
                    original: *key,
                    payment: None,
                    outcome: Outcome::Closed { agrees: *agrees },
                    undone: false,
                },
            );
        }
        TillEvent::Forgotten { at } => exchange::forget(state, *at),
    }
}
