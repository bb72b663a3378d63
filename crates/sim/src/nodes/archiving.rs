//! The leader's archiver, the disk that all nodes share, and edges that look things up there before the engine decides.
//!
//! ```text
//!   leader: Look ─▶ copies, durable ─▶ disk, perhaps late, perhaps by a node that leads no more ─▶ Evict
//!   edge of any node: key among those that left? ─▶ leader ─▶ Gone ─▶ disk ─▶ Recall, and the request again
//! ```

use paytone_domain::{
    Actor, Answer, Command, State,
    archive::{ArchiveCommand, Gone, QUIET},
    idempotency::{OldAnswer, Recorded},
    time::Timestamp,
};

use super::{
    Mutation,
    node::{Asked, Phase},
    run::World,
};
use crate::{
    archive::{Disk, Leaving},
    promises::repeat_of,
    violation::{Check, Checked, require},
};

/// What an edge found before it asks the engine.
#[derive(Clone, Debug, Default)]
pub struct Looked {
    /// It looked for the request's key among those used before then.
    pub checked: Timestamp,
    /// The key was used, and has left memory.
    pub old: Option<Box<OldAnswer>>,
}

/// Something under way between a node and the disk.
pub enum Errand {
    Write(Box<Leaving>),
    Fetch {
        request: usize,
        gone: Gone,
        as_of: Timestamp,
    },
}

/// What was answered under a key that has left; `None` if what it is about came or went meanwhile.
pub fn told_before(state: &State, disk: &Disk, old: &OldAnswer) -> Option<Answer> {
    Some(match &old.answer {
        Recorded::Payment(id, then) => {
            let copy = disk.copy(*id);
            let payment = state.payments.get(id);
            let payment = payment.or(copy.as_ref().map(|copy| &copy.payment))?;
            Answer::Payment(Ok(payment.facts(*then)))
        }
        Recorded::Refused(refusal) => Answer::ClientRefused(*refusal),
        // Nobody refunds here, nor asks for mandates.
        Recorded::Refund(..) | Recorded::Mandate(..) | Recorded::Operation(_) => return None,
    })
}

impl World {
    /// What the edge of this node finds out.
    pub fn look(&self, place: usize, asks: Option<&(Actor, Command)>) -> Looked {
        let state = match &self.nodes[place].phase {
            Phase::Following(core) | Phase::Standing(core, _) => core.state(),
            Phase::Leading(pipeline, _) => pipeline.state(),
            Phase::Down | Phase::Stopped(_) => return Looked::default(),
        };
        let checked = state.repeats.left_before();
        let repeat = asks.and_then(|(_, command)| repeat_of(command));
        let old = repeat.and_then(|repeat| self.disk.old_answer(repeat.key));
        let skips = self.mutation == Some(Mutation::SkipKeyLookup);
        Looked {
            checked,
            old: old.filter(|_| !skips).map(|old| Box::new(old.clone())),
        }
    }

    /// A node's archiver has copies to write.
    pub fn writes(&mut self, place: usize, leaving: Box<Leaving>) {
        if leaving.is_empty() {
            return;
        }
        let slow = self.random.chance(10);
        let after = self.random.between(1, if slow { 20_000 } else { 60 });
        self.errands
            .push((self.now + after, place, Errand::Write(leaving)));
    }

    /// An edge was told that what a request is about has left.
    pub fn fetches(&mut self, place: usize, request: usize, gone: Gone, as_of: Timestamp) {
        if gone == Gone::Keys {
            return self.deliver(place, request);
        }
        let slow = self.random.chance(10);
        let after = self.random.between(1, if slow { 2 * QUIET } else { 60 });
        let errand = Errand::Fetch {
            request,
            gone,
            as_of,
        };
        self.errands.push((self.now + after, place, errand));
    }

    /// What is due between nodes and the disk.
    pub fn errands(&mut self) -> Checked {
        let now = self.now;
        let (due, later): (Vec<_>, Vec<_>) =
            self.errands.drain(..).partition(|(at, ..)| *at <= now);
        self.errands = later;
        for (_, place, errand) in due {
            match errand {
                Errand::Write(leaving) => {
                    if self.mutation == Some(Mutation::OverwriteNewerCopies) {
                        self.disk.forget_newer(&leaving);
                    }
                    if self.mutation == Some(Mutation::ForgetKeysOfEviction) {
                        self.disk.write_payments(&leaving);
                    } else {
                        self.disk.write_all(&leaving);
                    }
                    self.nodes[place]
                        .inbox
                        .push_back(Asked::Archive(leaving.evict()));
                }
                Errand::Fetch {
                    request,
                    gone,
                    as_of,
                } => {
                    let copy = self.disk.find(gone);
                    require(copy.is_some(), Check::Archive, || {
                        format!("{gone:?} has left and is not on the disk")
                    })?;
                    let copy = copy.map(Box::new).into_iter();
                    let recall = copy.map(|copy| ArchiveCommand::Recall { copy, as_of });
                    self.nodes[place].inbox.extend(recall.map(Asked::Archive));
                    self.deliver(place, request);
                }
            }
        }
        Ok(())
    }
}
