//! Answers under idempotency keys, on disk: in runs, one after the other in time, each in the order of its keys.
//!
//! Keys are hashes. In one table by key every new one would change another page, and the more there are the fewer pages are in
//! memory: what a payment costs would grow with the day. So a run is filled and the next begun; what is written lies together,
//! whoever looks for a key is told by a filter in which runs it may be, and old ones go as a whole.
//!
//! **Not here:** which runs a key may be in.

use paytone_domain::{
    idempotency::{OldAnswer, Recorded},
    ids::{BodyHash, RepeatKey},
    time::Timestamp,
};

use super::{Archive, ArchiveError};
use crate::database::{Built, Session};

/// The number of a run.
pub type Run = i64;

/// All of them.
pub const EVERY: (Run, Run) = (0, Run::MAX);

/// A run that has so many is full.
const FULL: i64 = 4_096;
/// Rows of one statement.
const ROWS: usize = 128;
/// Old runs that go at a time; not more than one comes at a time.
const FORGOTTEN: i64 = 2;

/// Writes answers, and says in which run they are.
pub(super) async fn write(
    session: &mut Session,
    answers: &[OldAnswer],
) -> Result<Run, sqlx::Error> {
    let last = session.ask("SELECT id, answers FROM answer_runs ORDER BY id DESC LIMIT 1");
    let run = match last.first::<(i64, i64)>().await? {
        Some((run, count)) if count < FULL => run,
        Some((run, _)) => run + 1,
        None => 1,
    };
    let Some(latest) = answers.iter().map(|old| old.at).max() else {
        return Ok(run);
    };
    let mut sorted: Vec<_> = answers.iter().collect();
    sorted.sort_unstable_by_key(|old| old.key);
    for some in sorted.chunks(ROWS) {
        let mut writing =
            Built::new("INSERT INTO answers (run, id, used_at, body, answer) VALUES ");
        for (place, old) in some.iter().enumerate() {
            writing
                .text(if place == 0 { "(" } else { ", (" })
                .value(run)
                .text(", ")
                .value(old.key.0.to_vec())
                .text(", ")
                .value(old.at.0)
                .text(", ")
                .value(old.body.0.to_vec())
                .text(", ")
                .value(old.answer.encode())
                .text(")");
        }
        // One that was used again after its time counts from then on.
        writing.text(
            " ON CONFLICT (run, id) DO UPDATE SET used_at = excluded.used_at, body = excluded.body,
                 answer = excluded.answer
             WHERE answers.used_at < excluded.used_at",
        );
        writing.ask_in(session).run().await?;
    }
    session
        .ask(
            "INSERT INTO answer_runs (id, latest, answers) VALUES ($1, $2, $3)
             ON CONFLICT (id) DO UPDATE SET answers = answer_runs.answers + excluded.answers,
                 latest = CASE WHEN answer_runs.latest > excluded.latest
                     THEN answer_runs.latest ELSE excluded.latest END",
        )
        .bind(run)
        .bind(latest.0)
        .bind(i64::try_from(answers.len()).unwrap_or(FULL))
        .run()
        .await?;
    Ok(run)
}

/// Lets some runs go of which nothing counts any more.
pub(super) async fn forget(session: &mut Session, before: Timestamp) -> Result<(), sqlx::Error> {
    let old = session.ask("SELECT id FROM answer_runs WHERE latest < $1 ORDER BY id LIMIT $2");
    let old: Vec<(Run,)> = old.bind(before.0).bind(FORGOTTEN).all().await?;
    for (run,) in old {
        for text in [
            "DELETE FROM answers WHERE run = $1",
            "DELETE FROM answer_runs WHERE id = $1",
        ] {
            session.ask(text).bind(run).run().await?;
        }
    }
    Ok(())
}

/// Key, when it was used, what came with it, what was answered.
type Row = (Vec<u8>, i64, Vec<u8>, Vec<u8>);

impl Archive {
    /// What was answered last under a key, if that is in one of these runs: each from the first to the last of a pair.
    pub async fn answer(
        &self,
        key: RepeatKey,
        runs: &[(Run, Run)],
    ) -> Result<Option<OldAnswer>, ArchiveError> {
        let mut latest: Option<OldAnswer> = None;
        for (first, last) in runs {
            // Run after run: SQLite takes the order of a cross join as it is written.
            let asking = self.pool.ask(
                "SELECT answers.id, used_at, body, answer FROM answer_runs CROSS JOIN answers
                 WHERE answer_runs.id >= $1 AND answer_runs.id <= $2
                     AND answers.run = answer_runs.id AND answers.id = $3
                 ORDER BY used_at DESC LIMIT 1",
            );
            let asking = asking.bind(*first).bind(*last).bind(key.0.to_vec());
            if let Some(found) = asking.first::<Row>().await?.map(decoded).transpose()?
                && latest.as_ref().is_none_or(|known| known.at < found.at)
            {
                latest = Some(found);
            }
        }
        Ok(latest)
    }

    /// The runs from `first` on with answers from `oldest` on.
    pub(super) async fn runs(
        &self,
        first: Run,
        oldest: Timestamp,
    ) -> Result<Vec<Run>, ArchiveError> {
        let asking = self
            .pool
            .ask("SELECT id FROM answer_runs WHERE id >= $1 AND latest >= $2 ORDER BY id");
        let runs: Vec<(Run,)> = asking.bind(first).bind(oldest.0).all().await?;
        Ok(runs.into_iter().map(|(run,)| run).collect())
    }

    /// The keys of a run, and when they were used.
    pub(super) async fn keys_of(
        &self,
        run: Run,
    ) -> Result<Vec<(RepeatKey, Timestamp)>, ArchiveError> {
        let asking = self
            .pool
            .ask("SELECT id, used_at FROM answers WHERE run = $1");
        let keys: Vec<(Vec<u8>, i64)> = asking.bind(run).all().await?;
        keys.into_iter()
            .map(|(key, at)| Ok((RepeatKey(hash(key)?), Timestamp(at))))
            .collect()
    }
}

fn decoded((key, at, body, answer): Row) -> Result<OldAnswer, ArchiveError> {
    Ok(OldAnswer {
        at: Timestamp(at),
        key: RepeatKey(hash(key)?),
        body: BodyHash(hash(body)?),
        answer: Recorded::decode(&answer).map_err(ArchiveError::Damaged)?,
    })
}

fn hash(bytes: Vec<u8>) -> Result<[u8; 16], ArchiveError> {
    let wrong = |_| ArchiveError::Damaged("a key of another length".to_owned());
    bytes.try_into().map_err(wrong)
}
