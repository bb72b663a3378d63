//! Whether each snapshot holds the state that the rows before it make.

use paytone_domain::State;
use paytone_engine::{
    digest,
    snapshot::{self, Header, Unfit},
};
use paytone_journal::{Row, Snapshots, snapshots::Listed};

use super::Report;
use crate::stores::Stores;

/// Those that are there, and what was found of them.
pub struct Seen {
    store: Option<Snapshots>,
    waiting: Vec<(Listed, Header)>,
    /// Its row came and its digest was right.
    right: Vec<Listed>,
}

impl Seen {
    pub async fn open(stores: &Stores, report: &mut Report) -> Self {
        let mut seen = Self {
            store: stores.snapshots_as_they_are().await.ok(),
            waiting: Vec::new(),
            right: Vec::new(),
        };
        let Some(store) = &seen.store else {
            return seen;
        };
        let listed = match store.list().await {
            Ok(listed) => listed,
            Err(error) => {
                report.differs("snapshot", error.to_string());
                return seen;
            }
        };
        for listed in listed {
            match snapshot::header(store, &listed).await {
                Ok(header) => seen.waiting.push((listed, header)),
                Err(unfit) => differs(report, &listed, &unfit),
            }
        }
        seen
    }

    /// After `row` the state is this.
    pub fn at(&mut self, row: &Row, state: &State, report: &mut Report) {
        let place = self
            .waiting
            .iter()
            .position(|(listed, _)| listed.seq == row.seq);
        let Some(place) = place else { return };
        let (listed, header) = self.waiting.remove(place);
        if header.tip() != row.tip() {
            differs(report, &listed, &Unfit::NotInJournal(row.seq));
        } else if digest(state) == header.digest {
            self.right.push(listed);
        } else {
            differs(report, &listed, &Unfit::Digest);
        }
    }

    /// There were no more rows; what was right so far is read whole.
    pub async fn end(self, report: &mut Report) {
        if report.broken_at.is_none() {
            for (listed, _) in &self.waiting {
                differs(report, listed, &Unfit::NotInJournal(listed.seq));
            }
        }
        let Some(store) = &self.store else { return };
        for listed in &self.right {
            match snapshot::load(store, listed, |_| {}).await {
                Ok(_) => report.snapshots.push(listed.seq),
                Err(unfit) => {
                    // A running server drops the oldest when it has a newer one.
                    let listed_now = store.list().await.unwrap_or_default();
                    if listed_now.contains(listed) {
                        differs(report, listed, &unfit);
                    }
                }
            }
        }
        report
            .snapshots
            .sort_unstable_by_key(|seq| std::cmp::Reverse(*seq));
    }
}

fn differs(report: &mut Report, listed: &Listed, unfit: &Unfit) {
    // It is only passed over: a later release made it.
    if unfit.is_lasting() {
        report.differs("snapshot", format!("{}: {unfit}", listed.name));
    }
}
