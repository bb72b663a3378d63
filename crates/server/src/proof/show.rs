//! The proof of one payment: its entries, each with its way to a signed root.

use paytone_domain::{ids::PaymentId, sealed_day::SealedDay, time::BusinessDate};
use paytone_engine::Walk;
use paytone_journal::Keyring;
use serde_json::{Value, json};

use super::{
    day::{hex, leaf, line, payment_of, posted, text},
    tree,
};
use crate::{
    config::Config,
    past::{PastError, Progress},
    stores::Stores,
};

/// One proof for each of the payment's entries of those days. `days`: each with the last row of the day sealed before it.
pub async fn proofs(
    config: &Config,
    keyring: &Keyring,
    payment: PaymentId,
    days: &[(SealedDay, u64)],
    progress: &Progress,
) -> Result<Vec<Value>, PastError> {
    let mut journal = Stores::of(config)?.journal_reader().await?;
    let rows_in_all = days.iter().map(|(day, after)| day.row - after).sum();
    let (mut proofs, mut read) = (Vec::new(), 0);
    for (day, after) in days {
        let (mut leaves, mut found) = (Vec::new(), Vec::new());
        let mut walk = Walk::from(*after, day.row);
        loop {
            progress.set(read, rows_in_all);
            progress.check()?;
            let rows = walk.next(&mut journal).await?;
            if rows.is_empty() {
                break;
            }
            read += rows.len() as u64;
            for (row, batch) in &rows {
                if batch.moment.date != day.date {
                    continue;
                }
                for posted in posted(batch) {
                    if payment_of(&posted.event) == Some(payment) {
                        let text = text(keyring.public_ids(), row.seq, day.date, &posted);
                        let salt = keyring.entry_salt(row.seq, posted.place);
                        found.push((leaves.len(), text, salt));
                    }
                    leaves.push(leaf(keyring, row.seq, day.date, &posted));
                }
            }
        }
        let sealed: Value = serde_json::from_str(&line(day)).unwrap_or_default();
        proofs.extend(found.into_iter().map(|(index, text, salt)| {
            let path = tree::path(&leaves, index);
            let path: Vec<_> = path.iter().map(|hash| hex(hash)).collect();
            json!({
                "format": "paytone proof v1",
                "entry": text,
                "salt": hex(&salt),
                "index": index,
                "entries": leaves.len(),
                "path": path,
                "root": hex(&day.root.0),
                "day": sealed,
            })
        }));
    }
    Ok(proofs)
}

/// Those of the sealed days, each with the row after which it begins.
pub fn of_dates(sealed: &[SealedDay], dates: &[BusinessDate]) -> Vec<(SealedDay, u64)> {
    let mut after = 0;
    let mut days = Vec::new();
    for day in sealed {
        if dates.contains(&day.date) {
            days.push((day.clone(), after));
        }
        after = day.row;
    }
    days
}
