//! Snapshots of the machine: made now and then, damaged now and then, and what the next start begins with.

use paytone_domain::Event;
use paytone_engine::{
    Batch, Core,
    replay::Restart,
    restart,
    snapshot::{self, MakeError},
};
use paytone_journal::{JournalReader, Snapshots};

use crate::{
    happening::Happening,
    mutation::Mutation,
    process::{journal_violation, now, rows},
    violation::{Check, Checked, Violation, require},
    world::World,
};

impl World {
    /// The machine writes its state down, beside the process.
    pub fn makes_snapshot(&mut self) -> Checked {
        if self.process.is_some() {
            // One that was damaged there and set aside is not this one.
            if let Some(seq) = make(&mut self.reader(), &self.snapshots, self.mutation)? {
                self.damaged_snapshots.remove(&seq);
            }
            self.snapshots_made += 1;
            self.note(|| "a snapshot".to_owned());
        }
        if !self.settling {
            let after = self.random.between(5_000, 200_000);
            self.queue.push(after, Happening::Snapshot);
        }
        Ok(())
    }

    /// The state that a start makes: of all rows, or of the newest snapshot and the rows after it.
    pub fn restarted(&mut self) -> Result<Core, Violation> {
        let mut journal = self.reader();
        let with = !self.random.chance(25);
        if self.random.chance(10)
            && let Some(seq) = self.newest_sound_snapshot()?
        {
            self.snapshots.damage(seq);
            self.damaged_snapshots.insert(seq);
        }
        let newest = self.newest_sound_snapshot()?;
        let Restart { core, snapshot, .. } = now(restart(
            &mut journal,
            with.then_some(&self.snapshots),
            |_| {},
        ))
        .ok_or_else(|| journal_violation("a start waits"))?
        .map_err(journal_violation)?;
        self.from_snapshots += u64::from(snapshot.is_some());
        // A sound one that is passed over hides what is wrong with it. What a bug put in on purpose loses, it may name.
        if with && self.mutation.is_none() {
            require(snapshot == newest, Check::Replay, || {
                format!("a start began with {snapshot:?} when there was {newest:?}")
            })?;
        }
        self.note(|| format!("starts with snapshot {snapshot:?}"));
        Ok(core)
    }

    pub fn newest_sound_snapshot(&self) -> Result<Option<u64>, Violation> {
        let listed = now(self.snapshots.list())
            .ok_or_else(|| journal_violation("a list waits"))?
            .map_err(journal_violation)?;
        let mut seqs = listed.into_iter().map(|listed| listed.seq);
        Ok(seqs.find(|seq| !self.damaged_snapshots.contains(seq)))
    }
}

/// Where a new one is.
fn make(
    journal: &mut impl JournalReader,
    snapshots: &Snapshots,
    mutation: Option<Mutation>,
) -> Result<Option<u64>, Violation> {
    let made = match mutation {
        Some(Mutation::SnapshotForgetsKeys) => {
            let is_key = |event: &Event| matches!(event, Event::Repeat(_));
            written(altered(journal, |_, _, event| is_key(event))?, snapshots)
        }
        Some(Mutation::SnapshotOfAnEarlierRow) => {
            written(altered(journal, |seq, last, _| seq == last)?, snapshots)
        }
        _ => now(snapshot::make(journal, snapshots, |_| {}))
            .map(|made| made.map(|made| made.is_new.then_some(made.listed.seq))),
    };
    match made {
        None => Err(journal_violation("a snapshot waits")),
        Some(Ok(seq)) => Ok(seq),
        Some(Err(MakeError::Empty)) => Ok(None),
        Some(Err(error)) => Err(journal_violation(error)),
    }
}

/// Where the new one is; `None` if it waits.
fn written(core: Core, snapshots: &Snapshots) -> Option<Result<Option<u64>, MakeError>> {
    now(snapshot::write(core, snapshots)).map(|made| made.map(|listed| Some(listed.seq)))
}

/// The state without some events, told by position, last position and event; it says that it is of the last row all the same.
fn altered(
    journal: &mut impl JournalReader,
    is_lost: impl Fn(u64, u64, &Event) -> bool,
) -> Result<Core, Violation> {
    let rows = rows(journal, 0)?;
    let last = rows.last().map_or(0, |row| row.seq);
    let mut core = Core::new();
    for mut row in rows {
        let mut batch = Batch::decode(&row.body).map_err(journal_violation)?;
        for item in &mut batch.items {
            item.events.retain(|event| !is_lost(row.seq, last, event));
        }
        row.body = batch.encode();
        core.apply(&row).map_err(journal_violation)?;
    }
    Ok(core)
}
