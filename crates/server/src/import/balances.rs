//! What subscribers already hold, from an earlier system: cash and grants, each row once.

use std::sync::Arc;

use jiff::tz::TimeZone;
use paytone_domain::{
    Actor, Answer, Command, State,
    grant::{ExpiredRefund, Origin, Scope},
    ids::{MerchantId, NumberHash, Sealed, SubscriberId},
    money::{Amount, Currency},
    operator::{BalanceRow, Done, HeldAs, Operation, OperatorCommand, OperatorRefusal},
    subscriber::SubscriberStatus,
    time::Timestamp,
};
use paytone_journal::{Keyring, PublicIds};
use serde::Serialize;

use super::{Import, Read, Record, Rejected, Rows, fields, lines::ImportError};
use crate::{
    edge::{
        amount,
        ids::Public as _,
        number::PhoneNumber,
        text::{self, Place},
    },
    node::Node,
};

/// The columns there may be, and which must.
pub const COLUMNS: &[(&str, bool)] = &[
    ("row", true),
    ("number", true),
    ("kind", true),
    ("amount", true),
    ("origin", false),
    ("label", false),
    ("tax_class", false),
    ("expires", false),
    ("merchants", false),
    ("categories", false),
    ("expired_refund", false),
];

/// What one chunk did, or would do.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    pub rows: u64,
    /// Taken in now, or would be.
    pub imported: u64,
    /// Taken in by an earlier import.
    pub unchanged: u64,
    /// All good rows, those of an earlier import included: what control totals are held against.
    pub good: u64,
    pub good_minor: i64,
    pub imported_minor: i64,
    pub rejected: Vec<Rejected>,
}

#[derive(Clone)]
pub struct Context {
    pub home: String,
    pub currency: Currency,
    pub zone: TimeZone,
    pub ids: PublicIds,
}

/// One row, read.
pub struct Parsed {
    line_number: u64,
    row: u64,
    number: NumberHash,
    amount: Amount,
    held_as: Held,
}

enum Held {
    Cash,
    Grant {
        origin: Origin,
        label: String,
        tax_class: u16,
        expires_at: Option<Timestamp>,
        scope: Scope,
        expired_refund: ExpiredRefund,
    },
}

/// Reads a chunk; the error is for the whole of it.
pub fn parse(
    keyring: &Keyring,
    context: &Context,
    chunk: &[u8],
    first_line: u64,
) -> Result<Read<Parsed>, String> {
    let mut times = fields::Times::new(context.zone.clone());
    let rows = Rows::of(chunk, first_line, COLUMNS)?;
    Ok(rows.read(|row| parse_row(keyring, context, &mut times, row)))
}

fn parse_row(
    keyring: &Keyring,
    context: &Context,
    times: &mut fields::Times,
    row: &Record<'_>,
) -> Result<Parsed, Rejected> {
    let field = |column: usize| row.text(column, COLUMNS[column].0);
    let wrong = |column: usize, code: &'static str, why: &str| {
        Rejected::new(row.line, code, why).column(COLUMNS[column].0)
    };
    let reference = fields::words(field(0)?, row.line, "row", 80)?;
    if reference.is_empty() {
        return Err(wrong(0, "missing", "each row needs a reference of its own"));
    }
    let number = PhoneNumber::read("number", field(1)?, &context.home)
        .map_err(|_| wrong(1, "invalid_phone_number", "not a phone number"))?;
    let amount = amount::read("amount", field(3)?, context.currency)
        .map_err(|problem| wrong(3, problem.code, &problem.detail))?;
    let held_as = match field(2)? {
        "cash" => {
            for column in 4..COLUMNS.len() {
                if !field(column)?.is_empty() {
                    return Err(wrong(column, "cash_has_none", "is for grants only"));
                }
            }
            Held::Cash
        }
        "grant" => grant(context, times, row)?,
        _ => return Err(wrong(2, "unknown_kind", "neither cash nor grant")),
    };
    Ok(Parsed {
        line_number: row.line,
        row: keyring.row_hash("balance", &[reference]),
        number: NumberHash(keyring.number_hash(number.e164())),
        amount,
        held_as,
    })
}

fn grant(context: &Context, times: &mut fields::Times, row: &Record<'_>) -> Result<Held, Rejected> {
    let field = |column: usize| row.text(column, COLUMNS[column].0);
    let wrong = |column: usize, code: &'static str, why: &str| {
        Rejected::new(row.line, code, why).column(COLUMNS[column].0)
    };
    let origin = match field(4)? {
        "gift" => Origin::Gift,
        "voucher" => Origin::Voucher,
        "campaign" => Origin::Campaign,
        "welfare" => Origin::Welfare,
        _ => {
            let why = "not gift, voucher, campaign or welfare";
            return Err(wrong(4, "unknown_origin", why));
        }
    };
    let label = fields::words(field(5)?, row.line, "label", 60)?.to_owned();
    if label.is_empty() {
        return Err(wrong(5, "missing", "is what the subscriber reads"));
    }
    let tax_class = match field(6)? {
        "" => 0,
        text => text
            .parse()
            .map_err(|_| wrong(6, "invalid_tax_class", "not a number up to 65535"))?,
    };
    let expires_at =
        match field(7)? {
            "" => None,
            text => Some(times.read(text).ok_or_else(|| {
                wrong(7, "invalid_time", "not a date or time such as 2026-11-23")
            })?),
        };
    let mut scope = Scope::default();
    for id in parts(field(8)?) {
        let merchant = MerchantId::read(&context.ids, id)
            .ok_or_else(|| wrong(8, "unknown_merchant", "not merchants' ids parted by ;"))?;
        scope.merchants.push(merchant);
    }
    for code in parts(field(9)?) {
        let code = code
            .parse()
            .ok()
            .filter(|code| *code <= 9_999)
            .ok_or_else(|| wrong(9, "unknown_category", "not category codes parted by ;"))?;
        scope.categories.push(code);
    }
    let expired_refund = match field(10)? {
        "" | "cash" => ExpiredRefund::Cash,
        "forfeit" => ExpiredRefund::Forfeit,
        text => text
            .strip_prefix("extend:")
            .and_then(|days| days.parse().ok())
            .filter(|days| *days > 0)
            .map(ExpiredRefund::Extend)
            .ok_or_else(|| wrong(10, "unknown_refund", "not cash, forfeit or extend:DAYS"))?,
    };
    Ok(Held::Grant {
        origin,
        label,
        tax_class,
        expires_at,
        scope,
        expired_refund,
    })
}

fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(';')
        .map(str::trim)
        .filter(|part| !part.is_empty())
}

/// A row's holder as the engine knows it: id and subject, and whether the row was taken in before.
type Found = Result<(SubscriberId, u64, bool), (&'static str, &'static str)>;

fn find(state: &State, now: Timestamp, row: &Looked) -> Found {
    let holder = state
        .holder(&row.number)
        .ok_or(("unknown_number", "nobody holds this number"))?;
    if state.operators.has_imported(row.row) {
        return Ok((holder.id, holder.subject, true));
    }
    if holder.status != SubscriberStatus::Active {
        return Err(("wrong_status", "this subscriber is not active"));
    }
    if row.expires_at.is_some_and(|at| at <= now) {
        return Err(("expired", "it has expired"));
    }
    let known = |id: &MerchantId| state.merchants.get(*id).is_some();
    if !row.merchants.iter().all(known) {
        return Err(("unknown_merchant", "no such merchant"));
    }
    Ok((holder.id, holder.subject, false))
}

struct Looked {
    row: u64,
    number: NumberHash,
    expires_at: Option<Timestamp>,
    merchants: Vec<MerchantId>,
}

/// Takes the rows in, or with [`Import::check`] says what that would do.
pub async fn decide(
    node: &Arc<Node>,
    actor: Actor,
    import: &Import,
    rows: Vec<Parsed>,
    summary: &mut Summary,
) -> Result<(), ImportError> {
    let looked: Vec<Looked> = rows.iter().map(Parsed::looked).collect();
    let found = node
        .engine
        .read(move |state, moment| {
            let find = |row| find(state, moment.now, row);
            looked.iter().map(find).collect::<Vec<_>>()
        })
        .await?
        .answer;
    let mut commands = Vec::new();
    let mut asked = Vec::new();
    for (row, found) in rows.into_iter().zip(found) {
        if !import.seen.lock().insert(row.row) {
            let why = "an earlier row of this file has this reference";
            let rejected = Rejected::new(row.line_number, "repeated_row", why).column("row");
            summary.rejected.push(rejected);
            continue;
        }
        match found {
            Err((code, why)) => summary
                .rejected
                .push(Rejected::new(row.line_number, code, why)),
            Ok((_, _, true)) => summary.unchanged(row.amount),
            Ok(_) if import.check => summary.imported(row.amount),
            Ok((subscriber, subject, false)) => {
                asked.push((row.line_number, row.amount));
                commands.push(row.command(node, subscriber, subject).await?);
            }
        }
    }
    if commands.is_empty() {
        return Ok(());
    }
    let answers = node.engine.submit_many(actor, commands).await?.answer;
    for ((line, amount), answer) in asked.into_iter().zip(answers) {
        summary.answered(line, amount, &answer);
    }
    Ok(())
}

impl Summary {
    /// Counts one row by what the engine said to it. Only what it surely took in is good.
    fn answered(&mut self, line: u64, amount: Amount, answer: &Answer) {
        match answer {
            Answer::Operator(Ok(Done::Unchanged)) => self.unchanged(amount),
            Answer::Operator(Ok(Done::Done | Done::LotGiven(_))) => self.imported(amount),
            Answer::Operator(Err(refusal)) => self.rejected.push(refused(line, *refusal)),
            other => self.rejected.push(Rejected::unexpected(line, other)),
        }
    }

    fn imported(&mut self, amount: Amount) {
        self.imported += 1;
        self.imported_minor += amount.minor();
        self.good += 1;
        self.good_minor += amount.minor();
    }

    fn unchanged(&mut self, amount: Amount) {
        self.unchanged += 1;
        self.good += 1;
        self.good_minor += amount.minor();
    }
}

fn refused(line: u64, refusal: OperatorRefusal) -> Rejected {
    let why = crate::admin::operation::problem(refusal).detail;
    Rejected::new(line, refusal.code(), why)
}

impl Parsed {
    fn looked(&self) -> Looked {
        let (expires_at, merchants) = match &self.held_as {
            Held::Cash => (None, Vec::new()),
            Held::Grant {
                expires_at, scope, ..
            } => (*expires_at, scope.merchants.clone()),
        };
        Looked {
            row: self.row,
            number: self.number,
            expires_at,
            merchants,
        }
    }

    async fn command(
        self,
        node: &Node,
        subscriber: SubscriberId,
        subject: u64,
    ) -> Result<Command, ImportError> {
        let held_as = match self.held_as {
            Held::Cash => HeldAs::Cash,
            Held::Grant {
                origin,
                label,
                tax_class,
                expires_at,
                scope,
                expired_refund,
            } => HeldAs::Grant {
                origin,
                label: seal(node, subject, &label).await?,
                tax_class,
                expires_at,
                scope,
                expired_refund,
            },
        };
        let row = BalanceRow {
            row: self.row,
            subscriber,
            amount: self.amount,
            held_as,
        };
        let operation = Operation::ImportBalance(Box::new(row));
        Ok(Command::Operator(OperatorCommand::Do(Box::new(operation))))
    }
}

async fn seal(node: &Node, subject: u64, label: &str) -> Result<Sealed, ImportError> {
    let key = node
        .subjects
        .get(subject)
        .await
        .map_err(|error| ImportError::Keys(error.to_string()))?;
    Ok(text::seal(&key, subject, Place::LotLabel, label))
}

#[cfg(test)]
mod tests {
    use paytone_domain::ids::{LotId, ProposalId};

    use super::*;

    #[test]
    fn only_what_the_engine_took_in_is_good() {
        let amount = Amount::new(700).expect("an amount");
        let mut summary = Summary::default();
        for (line, answer) in [
            (2, Answer::Operator(Ok(Done::Done))),
            (3, Answer::Operator(Ok(Done::LotGiven(LotId(1))))),
            (4, Answer::Operator(Ok(Done::Unchanged))),
            (5, Answer::Operator(Ok(Done::Proposed(ProposalId(1))))),
            (6, Answer::Ticked),
            (7, Answer::Operator(Err(OperatorRefusal::WrongStatus))),
        ] {
            summary.answered(line, amount, &answer);
        }
        let counted = (summary.imported, summary.unchanged, summary.good);
        assert_eq!(counted, (2, 1, 3));
        assert_eq!((summary.imported_minor, summary.good_minor), (1_400, 2_100));
        let rejected: Vec<_> = summary
            .rejected
            .iter()
            .map(|rejected| (rejected.line, rejected.code))
            .collect();
        assert_eq!(
            rejected,
            [(5, "internal"), (6, "internal"), (7, "wrong_status")]
        );
    }
}
