//! Things that are numbered one after the other, of which any may go away again.
//!
//! A map whose keys count up: they lie in pages in the order of their numbers, so that finding one is two steps and no
//! hashing, growing moves nothing, and pages of which nothing is left take no memory.
//!
//! **Not here:** giving numbers out; what a thing is.

use std::{collections::VecDeque, fmt, marker::PhantomData, ops};

/// Things on one page.
const PAGE: u64 = 64;
/// Most pages between a thing that is read back and those before it: one page has its place in thirty-two bytes.
const MOST_APART: u64 = 1 << 22;

/// A number that counts up.
pub trait Counted: Copy {
    fn number(self) -> u64;
    fn numbered(number: u64) -> Self;
}

impl Counted for u64 {
    fn number(self) -> u64 {
        self
    }

    fn numbered(number: u64) -> Self {
        number
    }
}

#[derive(Clone)]
pub struct Sequence<I, T> {
    /// Which page comes first in `pages`.
    first: u64,
    pages: VecDeque<Page<T>>,
    len: usize,
    numbered_by: PhantomData<I>,
}

#[derive(Clone)]
struct Page<T> {
    /// As far as the page is filled; no memory where nothing is used.
    slots: Vec<Option<T>>,
    used: u32,
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            used: 0,
        }
    }
}

impl<I, T> Default for Sequence<I, T> {
    fn default() -> Self {
        Self {
            first: 0,
            pages: VecDeque::new(),
            len: 0,
            numbered_by: PhantomData,
        }
    }
}

impl<I: Counted, T> Sequence<I, T> {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many there is room for on the pages that are kept.
    pub fn capacity(&self) -> usize {
        let kept = self.pages.iter().filter(|page| page.used > 0);
        kept.count() * PAGE as usize
    }

    pub fn contains_key(&self, id: &I) -> bool {
        self.get(id).is_some()
    }

    pub fn get(&self, id: &I) -> Option<&T> {
        let (page, slot) = self.place(id.number())?;
        self.pages.get(page)?.slots.get(slot)?.as_ref()
    }

    pub fn get_mut(&mut self, id: &I) -> Option<&mut T> {
        let (page, slot) = self.place(id.number())?;
        self.pages.get_mut(page)?.slots.get_mut(slot)?.as_mut()
    }

    /// In the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (I, &T)> {
        (self.first..)
            .zip(&self.pages)
            .flat_map(|(number, page)| (number * PAGE..).zip(&page.slots))
            .filter_map(|(number, slot)| Some((I::numbered(number), slot.as_ref()?)))
    }

    pub fn keys(&self) -> impl Iterator<Item = I> {
        self.iter().map(|(id, _)| id)
    }

    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.iter().map(|(_, thing)| thing)
    }

    /// What had this number before goes away.
    pub fn insert(&mut self, id: I, thing: T) -> Option<T> {
        let number = id.number();
        let at = number / PAGE;
        if self.pages.is_empty() {
            self.first = at;
        }
        while at < self.first {
            self.pages.push_front(Page::default());
            self.first -= 1;
        }
        let place = usize::try_from(at - self.first).expect("pages fit into memory");
        if place >= self.pages.len() {
            self.pages.resize_with(place + 1, Page::default);
        }
        let page = &mut self.pages[place];
        if page.slots.capacity() == 0 {
            page.slots.reserve_exact(PAGE as usize);
        }
        let slot = (number % PAGE) as usize;
        if slot == page.slots.len() {
            page.slots.push(Some(thing));
            page.used += 1;
            self.len += 1;
            return None;
        }
        if slot > page.slots.len() {
            page.slots.resize_with(slot + 1, || None);
        }
        let before = page.slots[slot].replace(thing);
        if before.is_none() {
            page.used += 1;
            self.len += 1;
        }
        before
    }

    /// What has this number, or begins to be.
    pub(crate) fn of(&mut self, id: I) -> &mut T
    where
        T: Default,
    {
        if !self.contains_key(&id) {
            self.insert(id, T::default());
        }
        self.get_mut(&id).expect("it was inserted")
    }

    pub fn remove(&mut self, id: &I) -> Option<T> {
        let (place, slot) = self.place(id.number())?;
        let page = self.pages.get_mut(place)?;
        let gone = page.slots.get_mut(slot)?.take()?;
        page.used -= 1;
        self.len -= 1;
        if page.used == 0 {
            *page = Page::default();
            while self.pages.front().is_some_and(|page| page.used == 0) {
                self.pages.pop_front();
                self.first += 1;
            }
        }
        Some(gone)
    }

    /// Whether inserting it would need absurdly many pages.
    pub(crate) fn is_too_far(&self, id: I) -> bool {
        let page = id.number() / PAGE;
        let last = self.first + self.pages.len() as u64;
        !self.pages.is_empty() && (page > last + MOST_APART || page + MOST_APART < self.first)
    }

    fn place(&self, number: u64) -> Option<(usize, usize)> {
        let page = (number / PAGE).checked_sub(self.first)?;
        Some((usize::try_from(page).ok()?, (number % PAGE) as usize))
    }
}

impl<I: Counted, T> ops::Index<&I> for Sequence<I, T> {
    type Output = T;

    /// # Panics
    /// If there is no such thing.
    fn index(&self, id: &I) -> &T {
        self.get(id).expect("what is named exists")
    }
}

impl<I: Counted, T: PartialEq> PartialEq for Sequence<I, T> {
    fn eq(&self, other: &Self) -> bool {
        let numbered = |(id, thing): (I, _)| (id.number(), thing);
        self.len == other.len && self.iter().map(numbered).eq(other.iter().map(numbered))
    }
}

impl<I: Counted, T: Eq> Eq for Sequence<I, T> {}

impl<I: Counted + fmt::Debug, T: fmt::Debug> fmt::Debug for Sequence<I, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    proptest::proptest! {
        #[test]
        fn it_holds_what_a_map_would(steps in proptest::collection::vec((0_u64..400, 0_u8..3), 0..400)) {
            let mut sequence = Sequence::<u64, u64>::default();
            let mut map = BTreeMap::new();
            for (at, (number, step)) in (0..).zip(steps) {
                match step {
                    0 => proptest::prop_assert_eq!(sequence.remove(&number), map.remove(&number)),
                    _ => proptest::prop_assert_eq!(sequence.insert(number, at), map.insert(number, at)),
                }
                proptest::prop_assert_eq!(sequence.len(), map.len());
                proptest::prop_assert_eq!(sequence.get(&number), map.get(&number));
            }
            let held: Vec<_> = sequence.iter().map(|(id, thing)| (id, *thing)).collect();
            let expected: Vec<_> = map.into_iter().collect();
            proptest::prop_assert_eq!(held, expected);
        }
    }

    #[test]
    fn pages_of_which_nothing_is_left_take_no_memory() {
        let mut sequence = Sequence::<u64, u64>::default();
        for number in 1..=1_000 {
            sequence.insert(number, number);
        }
        for number in 1..=900 {
            sequence.remove(&number);
        }
        assert_eq!((sequence.first, sequence.pages.len()), (14, 2));
        assert_eq!(sequence.keys().next(), Some(901));
    }
}
