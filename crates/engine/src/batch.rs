//! A batch: what one append makes durable.

use std::borrow::Cow;

use minicbor::{Decode, Encode};
use paytone_domain::{Actor, Event, time::Moment};

/// What one command did. Its id is the batch's position and its place within.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Item {
    #[n(0)]
    pub actor: Actor,
    /// The request that caused it, as the edge numbers its requests in logs; zero where there is none.
    #[n(1)]
    pub cause: u64,
    #[n(2)]
    pub events: Vec<Event>,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Batch {
    /// Engine time and business date of every item.
    #[n(0)]
    pub moment: Moment,
    /// Schema version of the events.
    #[n(1)]
    pub level: u32,
    #[n(2)]
    pub items: Vec<Item>,
    /// Where several nodes share a journal: what its leader says of itself, now and then.
    #[n(3)]
    pub note: Option<LeadNote>,
}

/// What a leader says of itself in the journal, so that the others know whom to send writes to, and that it lives.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct LeadNote {
    /// Its name among the nodes.
    #[n(0)]
    pub node: String,
    #[n(1)]
    pub says: Says,
    /// What a part of the state is after this batch, for the others to compare theirs with.
    #[n(2)]
    pub shows: Option<PartDigest>,
}

/// The digest of one part of the state: see [`crate::digest_of_part`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PartDigest {
    #[n(0)]
    pub part: u64,
    #[n(1)]
    pub parts: u64,
    #[cbor(n(2), with = "minicbor::bytes")]
    pub digest: [u8; 32],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Says {
    /// The first row of a leadership.
    #[n(0)]
    Leads,
    #[n(1)]
    Lives,
    /// The last row of a leadership that ends in order.
    #[n(2)]
    Leaves,
}

/// A batch that this release cannot read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    #[error("events of level {found}, this release knows {known}")]
    Level { found: u32, known: u32 },
    #[error("not a batch: {0}")]
    Damaged(String),
}

impl Batch {
    /// What followers look at, in order: each event, or its steps where it stands for several.
    pub fn steps(&self) -> impl Iterator<Item = Cow<'_, Event>> {
        self.items.iter().flat_map(|item| self.steps_of(item))
    }

    pub fn steps_of<'a>(&'a self, item: &'a Item) -> impl Iterator<Item = Cow<'a, Event>> {
        let events = item.events.iter();
        events.flat_map(|event| event.steps(&self.moment))
    }

    pub fn encode(&self) -> Vec<u8> {
        minicbor::to_vec(self).expect("writing to memory does not fail")
    }

    pub fn decode(body: &[u8]) -> Result<Self, BatchError> {
        let batch: Self =
            minicbor::decode(body).map_err(|error| BatchError::Damaged(error.to_string()))?;
        if batch.level > paytone_domain::LEVEL {
            return Err(BatchError::Level {
                found: batch.level,
                known: paytone_domain::LEVEL,
            });
        }
        Ok(batch)
    }
}

/// The items of a batch that is still open, written down one by one: when it is closed, little is left to do.
#[derive(Debug, Default)]
pub(crate) struct Written {
    count: u64,
    bytes: Vec<u8>,
}

/// [`Batch`], as it is encoded.
#[derive(Encode)]
struct Whole<'a> {
    #[n(0)]
    moment: &'a Moment,
    #[n(1)]
    level: u32,
    #[n(2)]
    items: &'a Written,
    #[n(3)]
    note: &'a Option<LeadNote>,
}

impl<C> Encode<C> for Written {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.array(self.count)?;
        let written = e.writer_mut().write_all(&self.bytes);
        written.map_err(minicbor::encode::Error::write)
    }
}

impl Written {
    pub fn push(&mut self, item: &Item) {
        self.count += 1;
        minicbor::encode(item, &mut self.bytes).expect("writing to memory does not fail");
    }

    /// What `batch`, whose items these are, is as bytes; begins again with none.
    pub fn finish(&mut self, batch: &Batch) -> Vec<u8> {
        debug_assert_eq!(self.count, batch.items.len() as u64, "all were written");
        let whole = Whole {
            moment: &batch.moment,
            level: batch.level,
            items: self,
            note: &batch.note,
        };
        let mut body = Vec::with_capacity(self.bytes.len() + 128);
        minicbor::encode(&whole, &mut body).expect("writing to memory does not fail");
        self.count = 0;
        self.bytes.clear();
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Core;
    use paytone_domain::{
        Command, LEVEL,
        ids::KeyringFingerprint,
        money::Currency,
        time::{Calendar, Timestamp},
    };

    /// The row that begins a journal, as a release of that level would have written it.
    fn begun(level: u32) -> paytone_journal::Row {
        let batch = Batch {
            moment: Calendar::new("UTC", 0)
                .expect("a zone")
                .moment(Timestamp(1)),
            level,
            items: vec![Item {
                actor: Actor::Console,
                cause: 0,
                events: vec![Event::Initialized {
                    currency: Currency::new("CNY", 2).expect("a currency"),
                    zone: "UTC".to_owned(),
                    cut_off_minutes: 0,
                    keyring: KeyringFingerprint([0; 32]),
                    level,
                }],
            }],
            note: None,
        };
        paytone_journal::Row::seal(None, 1, [1; 16], batch.encode())
    }

    #[test]
    fn batches_are_of_the_journals_level_and_rise_with_it() {
        let mut core = Core::new();
        core.apply(&begun(1)).expect("a batch of an earlier level");
        let say = |core: &mut Core| {
            core.note(LeadNote {
                node: "a".to_owned(),
                says: Says::Lives,
                shows: None,
            });
            core.seal([2; 16]).expect("it is noted").batch.level
        };
        assert_eq!(say(&mut core), 1);
        core.decide(Actor::System, 0, Command::ActivateLevel { level: LEVEL });
        // The batch that activates it can be read by those who know it alone.
        assert_eq!(say(&mut core), LEVEL);
        assert_eq!(say(&mut core), LEVEL);
    }

    #[test]
    fn what_is_written_item_by_item_is_what_the_batch_encodes_to() {
        let row = begun(LEVEL);
        let mut batch = Batch::decode(&row.body).expect("a batch");
        let mut written = Written::default();
        for count in 0..40 {
            for note in [
                None,
                Some(LeadNote {
                    node: "a".to_owned(),
                    says: Says::Lives,
                    shows: None,
                }),
            ] {
                batch.note = note;
                batch.items = vec![batch.items.first().expect("an item").clone(); count.max(1)];
                batch.items.iter().for_each(|item| written.push(item));
                assert_eq!(written.finish(&batch), batch.encode());
            }
        }
        batch.items.clear();
        assert_eq!(written.finish(&batch), batch.encode());
    }

    #[test]
    fn a_batch_of_a_later_level_is_not_read() {
        let row = begun(LEVEL + 1);
        let unread = BatchError::Level {
            found: LEVEL + 1,
            known: LEVEL,
        };
        assert_eq!(Core::new().apply(&row), Err(unread));
    }
}
