//! A queue in pages: growing moves nothing, and what is gone takes no memory.
//!
//! **Not here:** an order other than that of coming in.

use std::collections::VecDeque;

/// Things on one page.
const PAGE: usize = 1_024;

#[derive(Clone, Debug)]
pub(crate) struct Fifo<T> {
    /// None of them is empty.
    pages: VecDeque<VecDeque<T>>,
}

impl<T> Default for Fifo<T> {
    fn default() -> Self {
        Self {
            pages: VecDeque::new(),
        }
    }
}

impl<T> Fifo<T> {
    pub fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    pub fn len(&self) -> usize {
        // Between the first page and the last one all are full.
        match (self.pages.front(), self.pages.back(), self.pages.len()) {
            (Some(first), Some(last), 2..) => {
                first.len() + (self.pages.len() - 2) * PAGE + last.len()
            }
            (Some(only), ..) => only.len(),
            (None, ..) => 0,
        }
    }

    pub fn front(&self) -> Option<&T> {
        self.pages.front()?.front()
    }

    pub fn back(&self) -> Option<&T> {
        self.pages.back()?.back()
    }

    pub fn push_back(&mut self, thing: T) {
        match self.pages.back_mut() {
            Some(page) if page.len() < PAGE => page.push_back(thing),
            _ => {
                let mut page = VecDeque::with_capacity(PAGE);
                page.push_back(thing);
                self.pages.push_back(page);
            }
        }
    }

    /// Before all others: for the few that were taken out too early.
    pub fn push_front(&mut self, thing: T) {
        match self.pages.front_mut() {
            Some(page) => page.push_front(thing),
            None => self.push_back(thing),
        }
    }

    pub fn pop_front(&mut self) -> Option<T> {
        let page = self.pages.front_mut()?;
        let thing = page.pop_front();
        if page.is_empty() {
            self.pages.pop_front();
        }
        thing
    }

    /// The oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.pages.iter().flatten()
    }
}

impl<T> FromIterator<T> for Fifo<T> {
    fn from_iter<I: IntoIterator<Item = T>>(things: I) -> Self {
        let mut queue = Self::default();
        things.into_iter().for_each(|thing| queue.push_back(thing));
        queue
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn it_does_what_one_piece_would(pushes in proptest::collection::vec(proptest::option::of(0_u8..8), 0..6_000)) {
            let mut pages = Fifo::default();
            let mut piece = VecDeque::new();
            for push in pushes {
                match push {
                    None => proptest::prop_assert_eq!(pages.pop_front(), piece.pop_front()),
                    Some(0) => {
                        pages.push_front(0);
                        piece.push_front(0);
                    }
                    Some(thing) => {
                        pages.push_back(thing);
                        piece.push_back(thing);
                    }
                }
                proptest::prop_assert_eq!(pages.len(), piece.len());
                proptest::prop_assert_eq!(pages.front(), piece.front());
                proptest::prop_assert_eq!(pages.back(), piece.back());
                proptest::prop_assert_eq!(pages.is_empty(), piece.is_empty());
            }
            proptest::prop_assert!(pages.iter().eq(&piece));
        }
    }
}
