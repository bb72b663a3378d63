//! Messages of tills that paid or gave back, found again after they have left the engine's memory.
//!
//! **Invariant:** what is found is a hint: the engine looks whether the payment came by the terminal that asks. Of several messages with the
//! same names, a year apart, the newest is meant.

use paytone_domain::{
    ids::{MessageKey, PaymentId},
    till::{Did, Earlier, Outcome},
};

use super::{Views, ViewsError, rows::TillMessageRow};

/// What stands for a name in the table.
fn hash(name: MessageKey) -> i64 {
    let [a, b, c, d, e, f, g, h, ..] = name.0;
    i64::from_be_bytes([a, b, c, d, e, f, g, h])
}

impl TillMessageRow {
    /// `None` for a message that moved no money.
    pub fn of(
        n: i64,
        [key, original]: [MessageKey; 2],
        (terminal, payment): (u64, u64),
        outcome: Outcome,
    ) -> Option<Self> {
        let refunded = match outcome {
            Outcome::Approved | Outcome::Waits => 0,
            Outcome::Refunded(_) => 1,
            Outcome::Declined(_)
            | Outcome::Refused(_)
            | Outcome::Undone
            | Outcome::Closed { .. } => return None,
        };
        Some(Self {
            n,
            key_hash: hash(key),
            original_hash: hash(original),
            terminal: terminal.cast_signed(),
            payment: payment.cast_signed(),
            refunded,
        })
    }
}

impl Views {
    /// What the message `key` did, and the one that it names by `original`.
    pub async fn till_messages(
        &self,
        key: MessageKey,
        original: MessageKey,
    ) -> Result<Earlier, ViewsError> {
        let newest = "ORDER BY n DESC LIMIT 1";
        let found = |column: &str, name: MessageKey| {
            let text =
                format!("SELECT payment, refunded FROM till_messages WHERE {column} = $1 {newest}");
            let asked = self.pool.ask(sqlx::AssertSqlSafe(text)).bind(hash(name));
            async { asked.first::<(i64, i64)>().await }
        };
        let same = found("key_hash", key).await?;
        let original = found("original_hash", original).await?;
        Ok(Earlier::Looked {
            same: same.map(|(payment, _)| PaymentId(payment.cast_unsigned())),
            original: original.map(|(payment, refunded)| {
                let payment = PaymentId(payment.cast_unsigned());
                match refunded {
                    0 => Did::Pay(payment),
                    _ => Did::Refund(payment),
                }
            }),
        })
    }
}
