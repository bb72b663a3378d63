//! How each kind of container is written: maps and sets by key, the rest in the order they have.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    hash::{BuildHasher, Hash},
};

use minicbor::{Decode, Encode};

use super::{Container, Writer};
use crate::{
    deadline::Deadlines,
    event::Fallen,
    idempotency::{Recorded, Repeats},
    ids::{BodyHash, RepeatKey, SessionId},
    ledger::{Account, Balance, Book},
    merchant::Merchant,
    sequence::{Counted, Sequence},
    session::EndedSessions,
    state::Numbered,
    subscriber::Subscriber,
    till::{Exchange, Exchanges},
    time::Timestamp,
};

const TWICE: &str = "it is there twice";

impl<K, V, S> Container for HashMap<K, V, S>
where
    K: Ord + Hash + Encode<()> + for<'b> Decode<'b, ()>,
    V: Encode<()> + for<'b> Decode<'b, ()>,
    S: BuildHasher,
{
    type Thing = (K, V);

    fn count(&self) -> usize {
        self.len()
    }

    fn write<E>(&self, out: &mut Writer<'_, E>) -> Result<(), E> {
        let mut things: Vec<_> = self.iter().collect();
        things.sort_unstable_by_key(|(key, _)| *key);
        things.into_iter().try_for_each(|thing| out.thing(thing))
    }

    fn reserve(&mut self, count: usize) {
        HashMap::reserve(self, count);
    }

    fn take(&mut self, (key, thing): (K, V)) -> Result<(), &'static str> {
        once(self.insert(key, thing).is_none())
    }
}

impl<K, S> Container for HashSet<K, S>
where
    K: Copy + Ord + Hash + Encode<()> + for<'b> Decode<'b, ()>,
    S: BuildHasher,
{
    type Thing = K;

    fn count(&self) -> usize {
        self.len()
    }

    fn write<E>(&self, out: &mut Writer<'_, E>) -> Result<(), E> {
        let mut keys: Vec<K> = self.iter().copied().collect();
        keys.sort_unstable();
        keys.into_iter().try_for_each(|key| out.thing(key))
    }

    fn reserve(&mut self, count: usize) {
        HashSet::reserve(self, count);
    }

    fn take(&mut self, key: K) -> Result<(), &'static str> {
        once(self.insert(key))
    }
}

impl<I, T> Container for Sequence<I, T>
where
    I: Counted + Encode<()> + for<'b> Decode<'b, ()>,
    T: Encode<()> + for<'b> Decode<'b, ()>,
{
    type Thing = (I, T);

    fn count(&self) -> usize {
        self.len()
    }

    fn write<E>(&self, out: &mut Writer<'_, E>) -> Result<(), E> {
        self.iter().try_for_each(|thing| out.thing(thing))
    }

    fn take(&mut self, (id, thing): (I, T)) -> Result<(), &'static str> {
        // They come in order: a page too far would be memory for what is not there.
        if self.is_too_far(id) {
            return Err("its number is too far from the one before");
        }
        once(self.insert(id, thing).is_none())
    }
}

impl<K, V> Container for BTreeMap<K, V>
where
    K: Ord + Encode<()> + for<'b> Decode<'b, ()>,
    V: Encode<()> + for<'b> Decode<'b, ()>,
{
    type Thing = (K, V);

    fn count(&self) -> usize {
        self.len()
    }

    fn write<E>(&self, out: &mut Writer<'_, E>) -> Result<(), E> {
        self.iter().try_for_each(|thing| out.thing(thing))
    }

    fn take(&mut self, (key, thing): (K, V)) -> Result<(), &'static str> {
        once(self.insert(key, thing).is_none())
    }
}

impl<T: Encode<()> + for<'b> Decode<'b, ()>> Container for Vec<T> {
    type Thing = T;

    fn count(&self) -> usize {
        self.len()
    }

    fn write<E>(&self, out: &mut Writer<'_, E>) -> Result<(), E> {
        self.iter().try_for_each(|thing| out.thing(thing))
    }

    fn take(&mut self, thing: T) -> Result<(), &'static str> {
        self.push(thing);
        Ok(())
    }
}

macro_rules! numbered {
    ($($thing:ty),*) => {$(
        impl Container for Numbered<$thing> {
            type Thing = $thing;

            fn count(&self) -> usize {
                self.len()
            }

            fn write<E>(&self, out: &mut Writer<'_, E>) -> Result<(), E> {
                self.iter().try_for_each(|thing| out.thing(thing))
            }

            fn reserve(&mut self, count: usize) {
                Numbered::reserve(self, count);
            }

            fn take(&mut self, thing: $thing) -> Result<(), &'static str> {
                if thing.id != self.next_id() {
                    return Err("ids are not in order");
                }
                self.insert(thing);
                Ok(())
            }
        }
    )*};
}

numbered!(Subscriber, Merchant);

impl Container for Book {
    type Thing = (Account, Balance);

    fn count(&self) -> usize {
        self.iter().count()
    }

    fn write<E>(&self, out: &mut Writer<'_, E>) -> Result<(), E> {
        let mut balances: Vec<_> = self.iter().collect();
        balances.sort_unstable_by_key(|(account, _)| *account);
        balances
            .into_iter()
            .try_for_each(|balance| out.thing(balance))
    }

    fn take(&mut self, (account, balance): Self::Thing) -> Result<(), &'static str> {
        if balance.held < 0 || (account.is_spendable() && balance.posted < balance.held) {
            return Err("more is held than there is");
        }
        if self.is_too_far(account) {
            return Err("its number is too far from the one before");
        }
        once(self.restore(account, balance))
    }
}

impl Container for Repeats {
    type Thing = (Timestamp, RepeatKey, BodyHash, Recorded);

    fn count(&self) -> usize {
        self.len()
    }

    fn write<E>(&self, out: &mut Writer<'_, E>) -> Result<(), E> {
        self.iter().try_for_each(|repeat| out.thing(repeat))
    }

    fn reserve(&mut self, count: usize) {
        Repeats::reserve(self, count);
    }

    fn take(&mut self, (at, key, body, answer): Self::Thing) -> Result<(), &'static str> {
        once(self.restore(at, key, body, answer))
    }
}

impl Container for Exchanges {
    type Thing = (Timestamp, Exchange);

    fn count(&self) -> usize {
        self.len()
    }

    fn write<E>(&self, out: &mut Writer<'_, E>) -> Result<(), E> {
        self.iter().try_for_each(|exchange| out.thing(exchange))
    }

    fn take(&mut self, (at, exchange): Self::Thing) -> Result<(), &'static str> {
        once(self.restore(at, exchange))
    }
}

impl Container for EndedSessions {
    type Thing = (SessionId, Timestamp);

    fn count(&self) -> usize {
        self.iter().len()
    }

    fn write<E>(&self, out: &mut Writer<'_, E>) -> Result<(), E> {
        self.iter().try_for_each(|ended| out.thing(ended))
    }

    fn take(&mut self, (session, until): Self::Thing) -> Result<(), &'static str> {
        once(self.restore(session, until))
    }
}

impl Container for Deadlines {
    type Thing = (Timestamp, Fallen);

    fn count(&self) -> usize {
        self.iter().count()
    }

    fn write<E>(&self, out: &mut Writer<'_, E>) -> Result<(), E> {
        self.iter()
            .try_for_each(|(at, due)| out.thing((at, Fallen::from(due))))
    }

    fn take(&mut self, (at, due): Self::Thing) -> Result<(), &'static str> {
        self.insert(at, due.into());
        Ok(())
    }
}

fn once(is_new: bool) -> Result<(), &'static str> {
    if is_new { Ok(()) } else { Err(TWICE) }
}
