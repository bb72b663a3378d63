//! Long polls: a thing is looked at again at every change, until its status is another than the known one or the time is over.
//!
//! **Not here:** what is looked at, and whose it is.

use std::{hash::Hash, sync::Arc, time::Duration};

use axum::http::Uri;
use tokio::time::{Instant, timeout_at};

use crate::{
    edge::{problem::Problem, query::Parameters, waiters::Waiters},
    http::request::while_waiting,
};

/// Longest a request may wait for a change, in seconds.
pub const LONGEST_WAIT: u64 = 30;

/// `wait` and `status` of a request.
pub struct Asked<S> {
    wait: Duration,
    known: Option<S>,
}

impl<S: Copy + PartialEq> Asked<S> {
    /// Reads them off the query, where nothing else may be; `named` knows the statuses.
    pub fn of(uri: &Uri, named: impl Fn(&str) -> Result<S, Problem>) -> Result<Self, Problem> {
        let mut parameters = Parameters::of(uri)?;
        let wait = parameters.number("wait", 0, LONGEST_WAIT)?.unwrap_or(0);
        let known = parameters
            .take("status")
            .map(|name| named(&name))
            .transpose()?;
        parameters.finish()?;
        Ok(Self {
            wait: Duration::from_secs(wait),
            known,
        })
    }

    /// Looks, and waits as long as was asked. Without a known status it is the first one seen.
    pub async fn answered<K, T, L>(
        self,
        waiters: &Arc<Waiters<K>>,
        key: K,
        look: impl Fn() -> L,
        status: impl Fn(&T) -> S,
    ) -> Result<(T, u64), Problem>
    where
        K: Eq + Hash + Copy,
        L: Future<Output = Result<(T, u64), Problem>>,
    {
        if self.wait.is_zero() {
            return look().await;
        }
        let until = Instant::now() + self.wait;
        let waiting = waiters.wait(key);
        let mut known = self.known;
        loop {
            // Taken before looking, so that no change in between is missed.
            let changed = waiting.changed();
            let (seen, position) = look().await?;
            let now = status(&seen);
            if now != *known.get_or_insert(now)
                || while_waiting(timeout_at(until, changed)).await?.is_err()
            {
                return Ok((seen, position));
            }
        }
    }
}
