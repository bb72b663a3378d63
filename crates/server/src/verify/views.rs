//! The views' balances, compared with the journal's at the position that the views show.

use std::collections::BTreeMap;

use paytone_journal::Row;

use super::{books::Books, report::Report};
use crate::{
    stores::Place,
    views::store::{self, Progress},
};

/// Balances as the views had them in one moment, and where that was.
pub struct Seen {
    progress: Progress,
    balances: BTreeMap<(String, i64), (i128, i128)>,
    compared: bool,
}

impl Seen {
    /// `None` if there are no views, which is no difference: they can be made again.
    pub async fn open(place: &Place, report: &mut Report) -> Option<Self> {
        match read(place).await {
            Ok(seen) => seen,
            Err(error) => {
                report.differs("views", format!("the views cannot be read: {error}"));
                None
            }
        }
    }

    /// Compares once the replay is where the views were.
    pub fn at(&mut self, row: &Row, books: &Books, report: &mut Report) {
        if row.seq != self.progress.position {
            return;
        }
        self.compared = true;
        report.views_position = Some(row.seq);
        if row.hash.as_bytes()[..] != self.progress.hash[..] {
            report.differs(
                "views",
                format!(
                    "the views are not of this journal: row {} is another one",
                    row.seq
                ),
            );
            return;
        }
        let mut known = books.by_name();
        for ((account, owner), shown) in &self.balances {
            let is = known.remove(&(account.clone(), *owner)).unwrap_or_default();
            if is != *shown {
                report.differs(
                    "view_balance",
                    format!(
                        "{account} {owner}: the views show {} and {} held, the journal makes {} and {} held",
                        shown.0, shown.1, is.0, is.1
                    ),
                );
            }
        }
        for ((account, owner), is) in known.into_iter().filter(|(_, is)| *is != (0, 0)) {
            report.differs(
                "view_balance",
                format!(
                    "{account} {owner}: missing in the views, the journal makes {} and {} held",
                    is.0, is.1
                ),
            );
        }
    }

    /// Says so if the replay never came to where the views were.
    pub fn end(&self, reached: u64, report: &mut Report) {
        if !self.compared {
            report.differs(
                "views",
                format!(
                    "the views show row {}, the journal was read to row {reached}",
                    self.progress.position
                ),
            );
        }
    }
}

async fn read(place: &Place) -> Result<Option<Seen>, sqlx::Error> {
    // One transaction: balances and position of the same moment, also while a server writes.
    let Some(mut moment) = store::moment(place).await? else {
        return Ok(None);
    };
    let found: Option<(i64, Vec<u8>)> = moment.ask(store::PROGRESS).first().await?;
    let Some(progress) = found.map(Progress::from) else {
        return Ok(None);
    };
    let rows: Vec<(String, i64, i64, i64)> = moment
        .ask("SELECT account, owner, posted, held FROM balances")
        .unhurried()
        .all()
        .await?;
    let balances = rows.into_iter().map(|(account, owner, posted, held)| {
        ((account, owner), (i128::from(posted), i128::from(held)))
    });
    Ok(Some(Seen {
        progress,
        balances: balances.collect(),
        compared: false,
    }))
}
