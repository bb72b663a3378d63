//! What tills asked and how they were answered: by link, type of message and field 39.
//!
//! **Invariant:** a link is named as the settings name it; a type and a code are of their tables, whatever was sent. Codes are those of the
//! 1987 version on every link.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use parking_lot::RwLock;
use paytone_engine::stats::{Counts, Histogram, TIMES_US};
use paytone_wire::{
    iso8583::MessageType,
    till::{Code, Kind},
};

/// In the order of [`Kind`].
const TYPES: [&str; 8] = [
    "0100", "0120", "0200", "0220", "0400", "0420", "0500", "0800",
];
/// What codes of the 1987 version answer.
const ANSWERS: MessageType = MessageType::new(210);

/// One link's counters.
pub struct Link {
    name: Box<str>,
    connections: AtomicU64,
    sent_away: AtomicU64,
    unreadable: AtomicU64,
    unanswered: AtomicU64,
    /// By type, then by code.
    answers: [Box<[AtomicU64]>; TYPES.len()],
    took_us: Histogram,
}

/// One link at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub name: String,
    pub connections: u64,
    /// Connections beyond the limit.
    pub sent_away: u64,
    /// Messages that nobody could answer, and bytes that are no messages.
    pub unreadable: u64,
    /// Requests of which it is not known what became.
    pub unanswered: u64,
    /// Type, field 39, how many; those that occurred.
    pub answers: Vec<(&'static str, &'static str, u64)>,
    pub took_us: Counts,
}

/// A connection, until it is dropped.
pub struct Connected(Arc<Link>);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Link {
    fn new(name: &str) -> Self {
        let none = || Code::all().map(|_| AtomicU64::new(0)).collect();
        Self {
            name: name.into(),
            connections: AtomicU64::new(0),
            sent_away: AtomicU64::new(0),
            unreadable: AtomicU64::new(0),
            unanswered: AtomicU64::new(0),
            answers: std::array::from_fn(|_| none()),
            took_us: Histogram::new(TIMES_US),
        }
    }

    pub fn connected(self: &Arc<Self>) -> Connected {
        self.connections.fetch_add(1, Ordering::Relaxed);
        Connected(Arc::clone(self))
    }

    pub fn sent_away(&self) {
        self.sent_away.fetch_add(1, Ordering::Relaxed);
    }

    pub fn unreadable(&self) {
        self.unreadable.fetch_add(1, Ordering::Relaxed);
    }

    pub fn unanswered(&self) {
        self.unanswered.fetch_add(1, Ordering::Relaxed);
    }

    pub fn answered(&self, kind: Kind, code: Code, took_us: u64) {
        self.answers[kind as usize][code as usize].fetch_add(1, Ordering::Relaxed);
        self.took_us.record(took_us);
    }

    fn read(&self) -> Seen {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let answers = TYPES.into_iter().zip(&self.answers);
        let answers = answers.flat_map(|(kind, by_code)| {
            let counted = Code::all().zip(by_code);
            counted.map(move |(code, count)| (kind, code.text(ANSWERS), of(count)))
        });
        Seen {
            name: self.name.to_string(),
            connections: of(&self.connections),
            sent_away: of(&self.sent_away),
            unreadable: of(&self.unreadable),
            unanswered: of(&self.unanswered),
            answers: answers.filter(|(_, _, count)| *count > 0).collect(),
            took_us: self.took_us.read(),
        }
    }
}

/// All links of a node.
#[derive(Default)]
pub struct Tills(RwLock<Vec<Arc<Link>>>);

impl Tills {
    /// The counters of a link; made when first asked for.
    pub fn link(&self, name: &str) -> Arc<Link> {
        let mut links = self.0.write();
        if let Some(known) = links.iter().find(|link| &*link.name == name) {
            return Arc::clone(known);
        }
        let link = Arc::new(Link::new(name));
        links.push(Arc::clone(&link));
        link
    }

    /// In the order of the settings.
    pub fn read(&self) -> Vec<Seen> {
        self.0.read().iter().map(|link| link.read()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_count_by_link_type_and_code() {
        let tills = Tills::default();
        let link = tills.link("counter");
        tills.link("other");
        let here = link.connected();
        let gone = link.connected();
        drop(gone);
        link.answered(Kind::Purchase, Code::Approved, 300);
        link.answered(Kind::Purchase, Code::Approved, 500);
        link.answered(Kind::Reversal, Code::Malfunction, 200);
        tills.link("counter").unanswered();
        let [counter, other] = &tills.read()[..] else {
            panic!("two links");
        };
        assert_eq!(counter.answers, [("0200", "00", 2), ("0400", "96", 1)]);
        let counted = (counter.connections, counter.unanswered, counter.took_us.sum);
        assert_eq!(counted, (1, 1, 1_000));
        assert_eq!((other.connections, &other.answers[..]), (0, &[][..]));
        drop(here);
        assert_eq!(tills.read()[0].connections, 0);
    }

    #[test]
    fn every_kind_has_its_type() {
        for (place, number) in [100, 120, 200, 220, 400, 420, 500, 800]
            .into_iter()
            .enumerate()
        {
            let kind = Kind::of(MessageType::new(number)).expect("a till's message");
            assert_eq!(kind as usize, place);
            assert_eq!(TYPES[place], format!("{number:04}"));
        }
    }
}
