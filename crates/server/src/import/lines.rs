//! Lines from a network export.

use std::{collections::HashMap, sync::Arc};

use jiff::{civil::Date, tz::TimeZone};
use paytone_domain::{
    Actor, Answer, Command,
    ids::{NumberHash, Sealed},
    money::{Amount, Currency},
    subscriber::{Line, LineKind, LineRow, LineStatus, RowOutcome, RowRefusal},
    time::Timestamp,
};
use paytone_engine::EngineError;
use paytone_journal::{
    Keyring,
    subject_keys::{SubjectKey, SubjectKeyError},
};
use rustc_hash::{FxHashMap, FxHashSet};
use serde::Serialize;

use super::{Read, Record, Rejected, Rows, fields};
use crate::{
    admin::new_subject,
    edge::{
        amount,
        number::PhoneNumber,
        text::{self, Place, Profile},
    },
    node::Node,
};

/// The columns there may be, and which must.
pub const COLUMNS: &[(&str, bool)] = &[
    ("number", true),
    ("activated", true),
    ("kind", true),
    ("status", true),
    ("sim_changed", false),
    ("device_changed", false),
    ("bill_limit", false),
    ("name", false),
    ("birth_date", false),
    ("recycled", false),
    ("renumbered_from", false),
    ("bank_account", false),
];

/// What one chunk did.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    pub rows: u64,
    pub added: u64,
    pub updated: u64,
    pub renumbered: u64,
    pub recycled: u64,
    pub unchanged: u64,
    pub rejected: Vec<Rejected>,
}

/// What the rows of one file have in common.
#[derive(Clone)]
pub struct Context {
    pub home: String,
    pub currency: Currency,
    pub zone: TimeZone,
    pub as_of: Timestamp,
}

/// One row, read and normalised.
pub struct Parsed {
    line_number: u64,
    number: NumberHash,
    renumbered_from: Option<NumberHash>,
    recycled: bool,
    line: Line,
    profile: Profile,
    profile_hash: u64,
    bank: Option<String>,
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
    let number = |column: usize, text: &str| {
        PhoneNumber::read(COLUMNS[column].0, text, &context.home)
            .map_err(|_| wrong(column, "invalid_phone_number", "not a phone number"))
    };
    let mut time = |column: usize| -> Result<Option<Timestamp>, Rejected> {
        let text = field(column)?;
        if text.is_empty() {
            return Ok(None);
        }
        match times.read(text) {
            None => Err(wrong(
                column,
                "invalid_time",
                "not a date or time such as 2026-11-23",
            )),
            Some(at) if at > context.as_of => Err(wrong(
                column,
                "in_the_future",
                "later than the export itself",
            )),
            Some(at) => Ok(Some(at)),
        }
    };
    let activated = time(1)?.ok_or_else(|| wrong(1, "missing", "is required"))?;
    let (sim_changed, device_changed) = (time(4)?, time(5)?);
    let own = number(0, field(0)?)?;
    let kind = match field(2)? {
        "prepaid" => LineKind::Prepaid,
        "postpaid" => LineKind::Postpaid,
        _ => return Err(wrong(2, "unknown_kind", "neither prepaid nor postpaid")),
    };
    let status = match field(3)? {
        "active" => LineStatus::Active,
        "suspended" => LineStatus::Suspended,
        "terminated" => LineStatus::Terminated,
        _ => {
            return Err(wrong(
                3,
                "unknown_status",
                "not active, suspended or terminated",
            ));
        }
    };
    let bill_limit = match field(6)? {
        "" => Amount::ZERO,
        text if text.bytes().all(|byte| matches!(byte, b'0' | b'.')) => Amount::ZERO,
        text => amount::read("bill_limit", text, context.currency)
            .map_err(|problem| wrong(6, problem.code, &problem.detail))?,
    };
    if kind == LineKind::Prepaid && !bill_limit.is_zero() {
        return Err(wrong(
            6,
            "prepaid_has_no_bill",
            "a prepaid line has no bill",
        ));
    }
    let name = fields::words(field(7)?, row.line, "name", 80)?;
    let birth_date = match field(8)? {
        "" => None,
        text => match text.parse::<Date>() {
            Ok(date) if text.len() == 10 => Some(date.to_string()),
            _ => return Err(wrong(8, "invalid_date", "not a date such as 1990-01-31")),
        },
    };
    let recycled = fields::yes_or_no(field(9)?)
        .ok_or_else(|| wrong(9, "invalid_answer", "neither yes nor no"))?;
    let renumbered_from = match field(10)? {
        "" => None,
        text => Some(number(10, text)?),
    };
    if renumbered_from.as_ref() == Some(&own) {
        return Err(wrong(10, "same_number", "is the number itself"));
    }
    if recycled && renumbered_from.is_some() {
        let why = "a number is recycled or renumbered, not both";
        return Err(wrong(9, "recycled_and_renumbered", why));
    }
    let bank = match fields::words(field(11)?, row.line, "bank_account", 64)? {
        "" => None,
        text => Some(text.to_owned()),
    };
    let hash = |number: &PhoneNumber| NumberHash(keyring.number_hash(number.e164()));
    let profile_hash = keyring.row_hash(
        "line",
        &[
            own.e164(),
            name,
            birth_date.as_deref().unwrap_or_default(),
            bank.as_deref().unwrap_or_default(),
        ],
    );
    Ok(Parsed {
        line_number: row.line,
        number: hash(&own),
        renumbered_from: renumbered_from.as_ref().map(hash),
        recycled,
        line: Line {
            activated,
            sim_changed,
            device_changed,
            kind,
            status,
            bill_limit,
            as_of: context.as_of,
        },
        profile: Profile {
            number: own.e164().to_owned(),
            name: name.to_owned(),
            birth_date,
        },
        profile_hash,
        bank,
    })
}

/// What the edge has to know of a row's holder to seal for the right one.
#[derive(Clone, Copy)]
enum Holder {
    /// Sealed under a new key.
    New,
    /// Sealed under this subject's key.
    Known(u64),
    /// Nothing of it has changed: nothing to seal.
    Unchanged(u64),
}

/// Rows made ready for the engine.
#[derive(Default)]
pub struct Ready {
    rows: Vec<Parsed>,
    commands: Vec<Command>,
}

/// Why a chunk could not be taken in; what of it was decided stays, and sending it again does no harm.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("subject keys: {0}")]
    Keys(String),
    #[error("a task was lost")]
    Task,
}

/// Looks at the holders, makes keys and seals.
pub async fn prepare(node: &Arc<Node>, rows: Vec<Parsed>) -> Result<Ready, ImportError> {
    let looked: Vec<_> = rows
        .iter()
        .map(|row| {
            let recycled_at = row.recycled.then_some(row.line.activated);
            (
                row.number,
                row.renumbered_from,
                recycled_at,
                row.profile_hash,
            )
        })
        .collect();
    let holders = node
        .engine
        .read(move |state, _| {
            looked
                .iter()
                .map(|(number, from, recycled_at, profile_hash)| {
                    let holder = state.holder(number);
                    let moved = from.as_ref().and_then(|from| state.holder(from));
                    match (holder.or(moved), recycled_at) {
                        (Some(holder), Some(at)) if *at > holder.line().activated => Holder::New,
                        (Some(holder), _) if holder.profile_hash == *profile_hash => {
                            Holder::Unchanged(holder.subject)
                        }
                        (Some(holder), _) => Holder::Known(holder.subject),
                        (None, _) => Holder::New,
                    }
                })
                .collect::<Vec<_>>()
        })
        .await?
        .answer;
    let mut subjects = Vec::with_capacity(rows.len());
    let mut made = Vec::new();
    for holder in &holders {
        subjects.push(match holder {
            Holder::New => {
                let subject = new_subject();
                made.push(subject);
                subject
            }
            Holder::Known(subject) | Holder::Unchanged(subject) => *subject,
        });
    }
    let keys_error = |error: &dyn std::fmt::Display| ImportError::Keys(error.to_string());
    if !made.is_empty() {
        let made = node.subjects.create_many(&made).await;
        made.map_err(|error| keys_error(&error))?;
    }
    let mut keys: FxHashMap<u64, SubjectKey> = HashMap::default();
    for (subject, holder) in subjects.iter().zip(&holders) {
        if matches!(holder, Holder::Unchanged(_)) {
            continue;
        }
        match node.subjects.get(*subject).await {
            Ok(key) => drop(keys.insert(*subject, key)),
            // Erased a moment ago: the number has no holder any more, and the decision will say so.
            Err(SubjectKeyError::Erased(_)) => {}
            Err(error) => return Err(keys_error(&error)),
        }
    }
    tokio::task::spawn_blocking(move || {
        let commands = rows
            .iter()
            .zip(subjects)
            .map(|(row, subject)| command(row, subject, keys.get(&subject)))
            .collect();
        Ready { rows, commands }
    })
    .await
    .map_err(|_| ImportError::Task)
}

fn command(row: &Parsed, subject: u64, key: Option<&SubjectKey>) -> Command {
    let sealed = |place: Place, text: &str| {
        key.map_or_else(Sealed::default, |key| text::seal(key, subject, place, text))
    };
    let profile = match key {
        Some(_) => {
            let json = serde_json::to_string(&row.profile).expect("a struct of strings is JSON");
            sealed(Place::Profile, &json)
        }
        None => Sealed::default(),
    };
    Command::Line(Box::new(LineRow {
        number: row.number,
        renumbered_from: row.renumbered_from,
        recycled: row.recycled,
        line: row.line.clone(),
        subject,
        profile,
        profile_hash: row.profile_hash,
        bank: row
            .bank
            .as_deref()
            .filter(|_| key.is_some())
            .map(|bank| sealed(Place::Bank, bank)),
    }))
}

/// How often rows are sealed anew because their holder changed meanwhile.
const ROUNDS: usize = 4;

/// Hands the rows to the engine in the file's order.
pub async fn decide(
    node: &Arc<Node>,
    actor: Actor,
    ready: Ready,
    summary: &mut Summary,
) -> Result<(), ImportError> {
    for part in independent(ready) {
        decide_part(node, actor, part, summary).await?;
    }
    Ok(())
}

/// Cuts rows where one builds on an earlier one, so that within a part no two are about the same number.
fn independent(ready: Ready) -> Vec<Ready> {
    let mut parts = vec![Ready::default()];
    let mut touched = FxHashSet::default();
    for (row, command) in ready.rows.into_iter().zip(ready.commands) {
        let numbers = [Some(row.number), row.renumbered_from];
        if numbers
            .iter()
            .flatten()
            .any(|number| touched.contains(number))
        {
            touched.clear();
            parts.push(Ready::default());
        }
        touched.extend(numbers.into_iter().flatten());
        if let Some(part) = parts.last_mut() {
            part.rows.push(row);
            part.commands.push(command);
        }
    }
    parts
}

/// Rows whose holder changed since they were made ready are made ready again; as no two are about the same number, the order
/// among them does not matter.
async fn decide_part(
    node: &Arc<Node>,
    actor: Actor,
    mut ready: Ready,
    summary: &mut Summary,
) -> Result<(), ImportError> {
    for round in 1..=ROUNDS {
        let answers = node
            .engine
            .submit_many(actor, std::mem::take(&mut ready.commands))
            .await?
            .answer;
        let mut again = Vec::new();
        for (row, answer) in ready.rows.into_iter().zip(answers) {
            match answer {
                Answer::Line(Ok(outcome)) => count(summary, outcome),
                Answer::Line(Err(RowRefusal::WrongSubject)) if round < ROUNDS => again.push(row),
                Answer::Line(Err(refusal)) => {
                    summary.rejected.push(refused(row.line_number, refusal));
                }
                other => {
                    let rejected = Rejected::unexpected(row.line_number, &other);
                    summary.rejected.push(rejected);
                }
            }
        }
        if again.is_empty() {
            return Ok(());
        }
        ready = prepare(node, again).await?;
    }
    Ok(())
}

fn count(summary: &mut Summary, outcome: RowOutcome) {
    match outcome {
        RowOutcome::Added => summary.added += 1,
        RowOutcome::Updated => summary.updated += 1,
        RowOutcome::Renumbered => summary.renumbered += 1,
        RowOutcome::Recycled => summary.recycled += 1,
        RowOutcome::Unchanged => summary.unchanged += 1,
    }
}

fn refused(line: u64, refusal: RowRefusal) -> Rejected {
    match refusal {
        RowRefusal::NumberTaken => Rejected::new(
            line,
            refusal.code(),
            "both the old and the new number have a holder",
        )
        .column("renumbered_from"),
        RowRefusal::WrongSubject => Rejected::new(
            line,
            refusal.code(),
            "its holder keeps changing; import it again",
        )
        .column("number"),
        RowRefusal::OlderThanKnown => Rejected::new(
            line,
            refusal.code(),
            "what is known of this line is newer than this export",
        ),
    }
}
