//! Brings something back into memory, so that something can be done to it.

use paytone_domain::{
    Actor, Answer, Command,
    archive::{ArchiveCommand, ArchiveRefusal, Gone},
    ids::PaymentId,
};
use paytone_engine::EngineError;

use super::ArchiveError;
use crate::node::Node;

/// A copy is good for some seconds; a node that is that slow gives up.
const TRIES: usize = 3;

#[derive(Debug, thiserror::Error)]
pub enum RecallError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error("{0:?} has left memory and is not in the archive")]
    Missing(Gone),
    #[error("a copy of the archive is refused: {0:?}")]
    Refused(ArchiveRefusal),
}

impl Node {
    /// Brings `gone` back, with the whole payment that it is of.
    pub async fn recall(&self, gone: Gone) -> Result<(), RecallError> {
        let mut why = ArchiveRefusal::Stale;
        for _ in 0..TRIES {
            let payment = self.payment_of(gone).await?;
            // The time of an answer that says that it is not in memory; only then is it looked up.
            let read = self.engine.read(move |state, moment| {
                let gone = state.is_gone(Gone::Payment(payment));
                gone.then_some(moment.now)
            });
            let Some(as_of) = read.await?.answer else {
                return Ok(());
            };
            let found = self.archive.payments(&[payment]).await?;
            let copy = found.into_iter().next().ok_or(RecallError::Missing(gone))?;
            let copy = Box::new(copy);
            let command = Command::Archive(ArchiveCommand::Recall { copy, as_of });
            let answered = self
                .engine
                .submit(Actor::System, self.next_request(), command);
            match answered.await?.answer {
                Answer::Archive(Ok(_)) => return Ok(()),
                Answer::Archive(Err(refusal @ ArchiveRefusal::Stale)) => why = refusal,
                Answer::Archive(Err(refusal)) => return Err(RecallError::Refused(refusal)),
                _ => return Err(RecallError::Refused(ArchiveRefusal::Unknown)),
            }
        }
        Err(RecallError::Refused(why))
    }

    async fn payment_of(&self, gone: Gone) -> Result<PaymentId, RecallError> {
        match gone {
            Gone::Payment(id) => Ok(id),
            Gone::Keys => Err(RecallError::Missing(gone)),
            Gone::Refund(id) => {
                let found = self.archive.payments_of(&[id]).await?;
                let found = found.first().map(|(_, payment)| *payment);
                found.ok_or(RecallError::Missing(gone))
            }
        }
    }
}
