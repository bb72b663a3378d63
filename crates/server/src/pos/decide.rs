//! One request of a till: read, verified, decided, waited for, answered.

use std::time::Duration;

use paytone_domain::{
    Actor, Answer, Command,
    archive::Gone,
    ids::{MessageKey, PaymentId, Sealed, TerminalKey},
    money::Amount,
    payment::{CaptureMode, Status},
    till::{Earlier, Sale, ScanRequest, TapRequest, TillAnswer, TillCommand, TillRefusal, Total},
};
use paytone_engine::{EngineError, Standing};
use paytone_wire::{
    iso8583::{Original, original::When},
    till::{Code, Entry, Identity, Kind, Reply, Request, request::Transaction},
};
use tokio::time::{Instant, timeout_at};

use super::{chip, code, link::Open, terminals::Known, terminals::terminal_key, token};
use crate::{
    edge::{
        short_hash::short_hash,
        text::{self, PaymentText, Place},
    },
    node::Node,
};

/// Before the terminal gives up there must be time for the answer to travel.
const MARGIN_SECONDS: u32 = 2;
const LEAST_WAIT_SECONDS: u32 = 3;
/// How long what a till says is held back until the views show all of the journal. A terminal that gives up before says it again.
const VIEWS_PATIENCE: Duration = Duration::from_secs(10);

/// What `request` is answered. Nothing if it is not known what became of it: a terminal that hears nothing reverses, one that was declined
/// does not.
pub async fn answer(node: &Node, open: &Open, request: &Request) -> Option<Reply> {
    if *node.engine.standing().borrow() != Standing::Leads {
        return Some(Reply::new(Code::IssuerUnavailable));
    }
    match decide(node, open, request).await {
        Ok(reply) => Some(reply),
        // Nothing was done.
        Err(EngineError::Overloaded) => Some(Reply::new(Code::IssuerUnavailable)),
        Err(error @ (EngineError::Stopped | EngineError::NotLeading)) => {
            tracing::warn!(%error, link = %open.name, "a till is not answered");
            None
        }
    }
}

async fn decide(node: &Node, open: &Open, request: &Request) -> Result<Reply, EngineError> {
    let identity = &request.identity;
    if !open.lets_in(&identity.merchant) {
        return Ok(Reply::new(Code::NotAllowedForTerminal));
    }
    let terminal = terminal_key(&identity.merchant, &identity.terminal);
    let known = match node.tills.seen.find(node, terminal).await {
        Ok(Some(known)) => known,
        Ok(None) => return Ok(refused(TillRefusal::UnknownTerminal)),
        Err(super::terminals::SeenError::Engine(error)) => return Err(error),
        Err(error) => {
            tracing::error!(%error, "a store's name cannot be read");
            return Ok(Reply::new(Code::Malfunction));
        }
    };
    match (request.kind, request.transaction) {
        (Kind::Authorization | Kind::Purchase, Transaction::Purchase)
            if request.payment_code.is_some() =>
        {
            scan(node, open, request, terminal, &known).await
        }
        (Kind::Authorization | Kind::Purchase, Transaction::Purchase) => {
            tap(node, open, request, terminal, &known).await
        }
        (Kind::Reversal | Kind::ReversalAdvice, _) => undo(node, request, terminal, &known).await,
        // Somebody has declined meanwhile: whatever we said is undone.
        (Kind::AuthorizationAdvice | Kind::PurchaseAdvice, _) if declined(request) => {
            undo(node, request, terminal, &known).await
        }
        (Kind::PurchaseAdvice | Kind::Purchase, _) if is_foreign(open, request) => {
            Ok(Reply::new(Code::InvalidAmount))
        }
        (Kind::PurchaseAdvice, Transaction::Purchase) => capture(node, request, terminal).await,
        (Kind::Purchase, Transaction::Refund) => refund(node, request, terminal, &known).await,
        (Kind::Reconciliation, _) => close_shift(node, request, terminal).await,
        (Kind::Authorization | Kind::Purchase | Kind::PurchaseAdvice, _)
        | (Kind::AuthorizationAdvice | Kind::NetworkManagement, _) => {
            Ok(Reply::new(Code::InvalidTransaction))
        }
    }
}

async fn tap(
    node: &Node,
    open: &Open,
    request: &Request,
    terminal: TerminalKey,
    known: &Known,
) -> Result<Reply, EngineError> {
    let (Some(card), Some(amount)) = (&request.card, amount(request)) else {
        return Ok(Reply::new(Code::InvalidAmount));
    };
    if request.currency.as_deref() != Some(&open.currency) {
        return Ok(Reply::new(Code::InvalidAmount));
    }
    let verified = chip::verify(request, &node.tills.keys, &open.currency);
    let command = TillCommand::Tap(Box::new(TapRequest {
        terminal,
        key: identity_key(request),
        original: own_key(request),
        token: token::hash(&node.keyring, card.number()),
        expires: card.expires.as_deref().and_then(|yymm| yymm.parse().ok()),
        chip: verified
            .as_ref()
            .map(|known| known.chip)
            .map_err(|why| *why),
        amount,
        capture: capture_of(request),
        text: payment_text(request, known),
        reference_hash: None,
        wait_seconds: wait_seconds(open),
    }));
    let answer = asked_and_waited(node, open, command).await?;
    let mut reply = reply(node, answer);
    if let Ok(verified) = &verified {
        reply.issuer_authentication = verified.answer(reply.code.is_approval());
    }
    Ok(reply)
}

async fn scan(
    node: &Node,
    open: &Open,
    request: &Request,
    terminal: TerminalKey,
    known: &Known,
) -> Result<Reply, EngineError> {
    let Some(amount) = amount(request) else {
        return Ok(Reply::new(Code::InvalidAmount));
    };
    if request.currency.as_deref() != Some(&open.currency) {
        return Ok(Reply::new(Code::InvalidAmount));
    }
    // A code is scanned, and nobody has two ways to pay at once.
    if request.entry != Entry::Code || request.card.is_some() {
        let mut reply = Reply::new(Code::FormatError);
        reply.remark = Some(HOW_IT_WAS_READ.to_string());
        return Ok(reply);
    }
    let text = request.payment_code.as_deref().unwrap_or_default();
    let Some(code) = super::scan::read(node, text).await? else {
        return Ok(Reply::new(Code::UnknownCard));
    };
    let sale = Sale {
        terminal,
        key: identity_key(request),
        original: own_key(request),
        amount,
        capture: capture_of(request),
        text: payment_text(request, known),
        reference_hash: None,
        wait_seconds: wait_seconds(open),
    };
    let command = TillCommand::Scan(Box::new(ScanRequest { sale, code }));
    Ok(reply(node, asked_and_waited(node, open, command).await?))
}

/// Field 22.
const HOW_IT_WAS_READ: u8 = 22;

fn capture_of(request: &Request) -> CaptureMode {
    match request.kind {
        Kind::Authorization => CaptureMode::Manual,
        _ => CaptureMode::Automatic,
    }
}

/// The store's name, and how the till calls the sale.
fn payment_text(request: &Request, known: &Known) -> Sealed {
    let reference = format!(
        "{}/{:06}",
        request.identity.terminal, request.identity.trace
    );
    let text = PaymentText {
        description: known.store.to_string(),
        reference: Some(reference),
        asker_name: None,
    };
    let merchant = &known.merchant;
    text::seal_payment(&merchant.key, merchant.subject, Place::Payment, &text)
}

fn wait_seconds(open: &Open) -> u32 {
    let wait = open.answer_seconds.saturating_sub(MARGIN_SECONDS);
    wait.max(LEAST_WAIT_SECONDS)
}

async fn asked_and_waited(
    node: &Node,
    open: &Open,
    command: TillCommand,
) -> Result<TillAnswer, EngineError> {
    match ask(node, command).await? {
        TillAnswer::Waits(id) => {
            let most = Duration::from_secs(open.answer_seconds.into());
            let waited = waited(node, id, most).await;
            waited.map_err(|_| EngineError::Stopped)
        }
        answer => Ok(answer),
    }
}

async fn undo(
    node: &Node,
    request: &Request,
    terminal: TerminalKey,
    known: &Known,
) -> Result<Reply, EngineError> {
    let Some(original) = &request.original else {
        return Ok(Reply::new(Code::FormatError));
    };
    if replaces_in_part(request) {
        let mut reply = Reply::new(Code::FormatError);
        reply.remark = Some(REPLACEMENT_AMOUNTS.to_string());
        return Ok(reply);
    }
    let merchant = &known.merchant;
    let reason = "reversed at the till";
    let command = TillCommand::Undo {
        terminal,
        key: identity_key(request),
        original: original_key(&request.identity, original),
        of_refund: request.transaction == Transaction::Refund,
        earlier: Earlier::NotLooked,
        text: text::seal(&merchant.key, merchant.subject, Place::Refund, reason),
    };
    Ok(reply(node, ask(node, command).await?))
}

async fn capture(
    node: &Node,
    request: &Request,
    terminal: TerminalKey,
) -> Result<Reply, EngineError> {
    let Some(amount) = amount(request) else {
        return Ok(Reply::new(Code::InvalidAmount));
    };
    let Some(original) = &request.original else {
        return Ok(refused(TillRefusal::OriginalNotFound));
    };
    let command = TillCommand::Capture {
        terminal,
        key: identity_key(request),
        own: own_key(request),
        original: original_key(&request.identity, original),
        earlier: Earlier::NotLooked,
        amount,
    };
    Ok(reply(node, ask(node, command).await?))
}

async fn refund(
    node: &Node,
    request: &Request,
    terminal: TerminalKey,
    known: &Known,
) -> Result<Reply, EngineError> {
    let Some(amount) = amount(request) else {
        return Ok(Reply::new(Code::InvalidAmount));
    };
    // Only to where it came from: a refund that names no purchase has nobody it may go to.
    let Some(original) = &request.original else {
        return Ok(refused(TillRefusal::OriginalNotFound));
    };
    let merchant = &known.merchant;
    let reason = "refunded at the till";
    let command = TillCommand::Refund {
        terminal,
        key: identity_key(request),
        own: own_key(request),
        original: original_key(&request.identity, original),
        earlier: Earlier::NotLooked,
        amount,
        text: text::seal(&merchant.key, merchant.subject, Place::Refund, reason),
    };
    Ok(reply(node, ask(node, command).await?))
}

/// Field 95: what is left of the original.
const REPLACEMENT_AMOUNTS: u8 = 95;

/// Whether a reversal leaves a part of its original: undoing all of it would take from the merchant what it has given.
fn replaces_in_part(request: &Request) -> bool {
    let amounts = request.message().get(REPLACEMENT_AMOUNTS);
    amounts.is_some_and(|amounts| amounts.iter().any(|byte| (b'1'..=b'9').contains(byte)))
}

/// Whether it says another currency than this link's.
fn is_foreign(open: &Open, request: &Request) -> bool {
    let said = request.currency.as_deref();
    said.is_some_and(|said| said != open.currency)
}

/// Whether an advice says that somebody else has declined.
fn declined(request: &Request) -> bool {
    let answered = request.answered.as_deref();
    let message_type = request.message().message_type;
    answered
        .and_then(|text| Code::of(text, message_type))
        .is_some_and(|code| !code.is_approval())
}

async fn close_shift(
    node: &Node,
    request: &Request,
    terminal: TerminalKey,
) -> Result<Reply, EngineError> {
    let Some(totals) = request.totals else {
        return Ok(Reply::new(Code::FormatError));
    };
    let total = |total: paytone_wire::till::request::Total| Total {
        count: total.count,
        minor: i64::try_from(total.amount).unwrap_or(i64::MAX),
    };
    let command = TillCommand::CloseShift {
        terminal,
        key: identity_key(request),
        purchases: total(totals.debits),
        reversals: total(totals.debit_reversals),
        refunds: total(totals.credits),
    };
    Ok(reply(node, ask(node, command).await?))
}

/// Asks, and asks again with what is known of messages that have left memory.
async fn ask(node: &Node, command: TillCommand) -> Result<TillAnswer, EngineError> {
    let names = match &command {
        TillCommand::Undo { key, original, .. }
        | TillCommand::Capture { key, original, .. }
        | TillCommand::Refund { key, original, .. } => Some((*key, *original)),
        TillCommand::Tap(_) | TillCommand::Scan(_) | TillCommand::CloseShift { .. } => None,
    };
    let Some((key, original)) = names else {
        return ask_once(node, command).await;
    };
    let answer = ask_once(node, command.clone()).await?;
    if answer != TillAnswer::LookUp {
        return Ok(answer);
    }
    // They may be made again at this moment, and nothing is known by what they do not show yet.
    let position = *node.engine.position().borrow();
    if !node.views.reached(position, VIEWS_PATIENCE).await {
        tracing::error!("the views are too far behind to find what tills did long ago");
        return Ok(TillAnswer::Refused(TillRefusal::Busy));
    }
    match node.views.till_messages(key, original).await {
        Ok(earlier) => ask_once(node, command.knowing(earlier)).await,
        Err(error) => {
            tracing::error!(%error, "what tills did long ago cannot be looked up");
            Ok(TillAnswer::Refused(TillRefusal::Busy))
        }
    }
}

async fn ask_once(node: &Node, command: TillCommand) -> Result<TillAnswer, EngineError> {
    let answered = node
        .submit(Actor::Connector, Command::Till(command))
        .await?;
    match answered.answer {
        Answer::Till(answer) => Ok(answer),
        other => {
            tracing::error!(answer = ?std::mem::discriminant(&other), "a till was answered with something else");
            Ok(TillAnswer::Refused(TillRefusal::Busy))
        }
    }
}

/// Until somebody has answered, or the terminal waits no longer.
async fn waited(node: &Node, id: PaymentId, most: Duration) -> Result<TillAnswer, EngineError> {
    let until = Instant::now() + most;
    let waiting = node.waiters.payments.wait(id);
    loop {
        let changed = waiting.changed();
        let read = node.engine.read(move |state, _| {
            let payment = state.payments.get(&id);
            payment.map(|payment| payment.status)
        });
        let answer = match read.await?.answer {
            None => TillAnswer::Archived(Gone::Payment(id)),
            Some(Status::Authorized | Status::Captured) => TillAnswer::Approved(id),
            Some(Status::AwaitingApproval | Status::Funding) => TillAnswer::Waits(id),
            Some(status) => TillAnswer::Ended(id, status),
        };
        if !matches!(answer, TillAnswer::Waits(_)) || timeout_at(until, changed).await.is_err() {
            return Ok(answer);
        }
    }
}

fn reply(node: &Node, answer: TillAnswer) -> Reply {
    let mut reply = Reply::new(code::of_answer(answer));
    reply.remark = code::remark(answer).map(str::to_owned);
    let payment = match answer {
        TillAnswer::Approved(id) => Some(id),
        TillAnswer::Declined(id, _) | TillAnswer::Ended(id, _) => Some(id),
        _ => None,
    };
    if let Some(id) = payment {
        let drawn = node
            .keyring
            .derived_value("till answer", &id.0.to_be_bytes());
        let digits = |bytes: &[u8], count: usize| {
            let number = bytes
                .iter()
                .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
            format!("{:0count$}", number % 10_u64.pow(count as u32))
        };
        reply.reference = Some(digits(&drawn[..7], 12));
        if reply.code.is_approval() {
            reply.approval = Some(digits(&drawn[8..14], 6));
        }
    }
    reply
}

fn refused(refusal: TillRefusal) -> Reply {
    let answer = TillAnswer::Refused(refusal);
    let mut reply = Reply::new(code::of_answer(answer));
    reply.remark = code::remark(answer).map(str::to_owned);
    reply
}

fn amount(request: &Request) -> Option<Amount> {
    let minor = i64::try_from(request.amount?).ok()?;
    Amount::new(minor).filter(|amount| !amount.is_zero())
}

/// What makes it the same message when it is sent again, over whatever connection. Trace numbers begin again, now and then on the same day:
/// what says something else is another message.
fn identity_key(request: &Request) -> MessageKey {
    let Identity {
        message_type,
        merchant,
        terminal,
        trace,
        date,
        ..
    } = &request.identity;
    let card = request.card.as_ref().map_or("", |card| card.number());
    let original = request.original.as_ref();
    let original = original.map(|original| original_key(&request.identity, original).0);
    MessageKey(short_hash(&[
        b"till message\0",
        &message_type.digits(),
        merchant.as_bytes(),
        b"\0",
        terminal.as_bytes(),
        b"\0",
        &trace.to_be_bytes(),
        date.as_bytes(),
        b"\0",
        &request.amount.unwrap_or_default().to_be_bytes(),
        card.as_bytes(),
        b"\0",
        request
            .payment_code
            .as_deref()
            .unwrap_or_default()
            .as_bytes(),
        b"\0",
        request.message().get(CHIP_DATA).unwrap_or_default(),
        &original.unwrap_or_default(),
    ]))
}

/// Field 55.
const CHIP_DATA: u8 = 55;

/// What a reversal of `request` will name.
fn own_key(request: &Request) -> MessageKey {
    original_key(&request.identity, &Original::elements_of(request.message()))
}

fn original_key(identity: &Identity, original: &Original) -> MessageKey {
    let (When::Transmitted(when) | When::Local(when)) = &original.when;
    MessageKey(short_hash(&[
        b"till original\0",
        &original.message_type.original().digits(),
        identity.merchant.as_bytes(),
        b"\0",
        identity.terminal.as_bytes(),
        b"\0",
        &original.trace.to_be_bytes(),
        when.as_bytes(),
    ]))
}
