//! Finds subscribers by what they carry themselves: their number, the key of their texts.
//!
//! Only places are kept here, four bytes each, and what is looked for is compared where the subscriber is. In many small tables
//! instead of a large one: a table that grows moves what is in it, and nobody notices when it is small.
//!
//! **Not here:** what is found, and hashing: numbers come as keyed hashes and keys are random, so eight bytes are a hash.

use hashbrown::HashTable;

use super::Subscriber;
use crate::{
    ids::{NumberHash, SubscriberId},
    state::Numbered,
};

const TABLES: usize = 1 << 8;

/// Who holds a number now.
#[derive(Clone, Debug, Default)]
pub struct Holders(Finder);

impl Holders {
    pub(crate) fn find(
        &self,
        number: &NumberHash,
        among: &Numbered<Subscriber>,
    ) -> Option<SubscriberId> {
        let holds = |id| has_number(among, id) == Some(number);
        self.0.find(of_number(number), holds)
    }

    /// `id` carries `number` now, and nobody else does.
    pub(crate) fn insert(
        &mut self,
        number: &NumberHash,
        id: SubscriberId,
        among: &Numbered<Subscriber>,
    ) {
        self.0.insert(of_number(number), id, |id| {
            has_number(among, id).map_or(0, of_number)
        });
    }

    /// `id` still carries `number`, which it is about to lose.
    pub(crate) fn remove(&mut self, number: &NumberHash, id: SubscriberId) {
        self.0.remove(of_number(number), id);
    }

    /// Every number that somebody holds, in no particular order.
    pub fn iter<'a>(
        &'a self,
        among: &'a Numbered<Subscriber>,
    ) -> impl Iterator<Item = (&'a NumberHash, SubscriberId)> {
        self.0
            .iter()
            .filter_map(|id| Some((has_number(among, id)?, id)))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn reserve(&mut self, count: usize, among: &Numbered<Subscriber>) {
        self.0
            .reserve(count, |id| has_number(among, id).map_or(0, of_number));
    }
}

/// Whose texts are sealed under a key: no two share one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Subjects(Finder);

impl Subjects {
    pub fn contains(&self, subject: u64, among: &Numbered<Subscriber>) -> bool {
        let has = |id| subject_of(among, id) == Some(subject);
        self.0.find(subject, has).is_some()
    }

    pub fn insert(&mut self, subject: u64, id: SubscriberId, among: &Numbered<Subscriber>) {
        self.0
            .insert(subject, id, |id| subject_of(among, id).unwrap_or_default());
    }

    pub fn reserve(&mut self, count: usize, among: &Numbered<Subscriber>) {
        self.0
            .reserve(count, |id| subject_of(among, id).unwrap_or_default());
    }
}

fn has_number(among: &Numbered<Subscriber>, id: SubscriberId) -> Option<&NumberHash> {
    among.get(id)?.number.as_ref()
}

fn subject_of(among: &Numbered<Subscriber>, id: SubscriberId) -> Option<u64> {
    Some(among.get(id)?.subject)
}

fn of_number(number: &NumberHash) -> u64 {
    let (first, _) = number.0.split_first_chunk().expect("it has sixteen bytes");
    u64::from_le_bytes(*first)
}

#[derive(Clone)]
struct Finder {
    tables: Box<[HashTable<u32>]>,
}

impl Default for Finder {
    fn default() -> Self {
        Self {
            tables: (0..TABLES).map(|_| HashTable::new()).collect(),
        }
    }
}

impl Finder {
    fn find(&self, hash: u64, is_it: impl Fn(SubscriberId) -> bool) -> Option<SubscriberId> {
        let hash = mixed(hash);
        let found = self.tables[table(hash)].find(hash, |place| is_it(at(*place)));
        found.map(|place| at(*place))
    }

    /// `hash_of` is asked about all of a table's when it grows.
    fn insert(&mut self, hash: u64, id: SubscriberId, hash_of: impl Fn(SubscriberId) -> u64) {
        let place = u32::try_from(id.0).expect("no more subscribers than people");
        let hash = mixed(hash);
        let table = &mut self.tables[table(hash)];
        table.insert_unique(hash, place, |place| mixed(hash_of(at(*place))));
    }

    fn remove(&mut self, hash: u64, id: SubscriberId) {
        let hash = mixed(hash);
        let found = self.tables[table(hash)].find_entry(hash, |place| at(*place) == id);
        if let Ok(found) = found {
            found.remove();
        }
    }

    fn iter(&self) -> impl Iterator<Item = SubscriberId> {
        self.tables.iter().flatten().map(|place| at(*place))
    }

    fn len(&self) -> usize {
        self.tables.iter().map(HashTable::len).sum()
    }

    fn reserve(&mut self, count: usize, hash_of: impl Fn(SubscriberId) -> u64) {
        for table in &mut self.tables {
            table.reserve(count / TABLES, |place| mixed(hash_of(at(*place))));
        }
    }
}

impl std::fmt::Debug for Finder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Finder({} places)", self.len())
    }
}

fn at(place: u32) -> SubscriberId {
    SubscriberId(u64::from(place))
}

/// By bits that a table does not go by: it takes the highest and the lowest.
fn table(mixed: u64) -> usize {
    usize::try_from(mixed >> 32).unwrap_or_default() % TABLES
}

/// Numbers and keys of tests are not random.
fn mixed(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    hash ^ (hash >> 29)
}
