//! Which delivery starts when: bounded in all and per endpoint, so that a slow endpoint delays only itself.
//!
//! Pure: what waits, what is due and what came of it go in, what to start and when to try again come out.

use std::collections::BTreeMap;

use paytone_connectors::webhook::{
    SendError, Sent,
    schedule::{self, ATTEMPTS},
};
use paytone_domain::{ids::EndpointId, time::Timestamp};
use rustc_hash::FxHashSet;

/// Attempts under way in all.
const MOST: usize = 256;
/// Attempts under way to one endpoint.
const MOST_PER_ENDPOINT: usize = 4;

/// One delivery that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    pub delivery: i64,
    pub at: Timestamp,
}

#[derive(Debug, Default)]
struct Lane {
    /// When something is due here, as far as is known.
    due: Option<Timestamp>,
    under_way: FxHashSet<i64>,
}

#[derive(Debug, Default)]
pub struct Courier {
    lanes: BTreeMap<EndpointId, Lane>,
    under_way: usize,
}

/// Ask the store for that many due deliveries of an endpoint, then [`Courier::start`] them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    pub endpoint: EndpointId,
    pub deliveries: usize,
}

impl Courier {
    /// Something waits for this endpoint, due then.
    pub fn note(&mut self, endpoint: EndpointId, at: Timestamp) {
        let lane = self.lanes.entry(endpoint).or_default();
        lane.due = Some(lane.due.map_or(at, |due| due.min(at)));
    }

    /// Which endpoints' due deliveries to look up: whoever has waited longest first.
    pub fn ready(&self, now: Timestamp) -> Vec<Ask> {
        let mut free = MOST.saturating_sub(self.under_way);
        let mut ready: Vec<_> = self
            .lanes
            .iter()
            .filter_map(|(endpoint, lane)| {
                let due = lane.due.filter(|due| *due <= now)?;
                (lane.under_way.len() < MOST_PER_ENDPOINT).then_some((due, *endpoint, lane))
            })
            .collect();
        ready.sort_by_key(|(due, endpoint, _)| (*due, *endpoint));
        let mut asks = Vec::new();
        for (_, endpoint, lane) in ready {
            if free == 0 {
                break;
            }
            let starts = (MOST_PER_ENDPOINT - lane.under_way.len()).min(free);
            free -= starts;
            // Those under way are still due in the store; one more tells whether any are left.
            let deliveries = lane.under_way.len() + starts + 1;
            asks.push(Ask {
                endpoint,
                deliveries,
            });
        }
        asks
    }

    /// Of what the store found due (oldest first), what starts now. `next` is when the endpoint's next delivery is due that
    /// was not found.
    pub fn start(&mut self, ask: Ask, found: &[Due], next: Option<Timestamp>) -> Vec<i64> {
        let lane = self.lanes.entry(ask.endpoint).or_default();
        let mut starts = Vec::new();
        let mut left = None;
        for due in found {
            if lane.under_way.contains(&due.delivery) {
                continue;
            }
            if lane.under_way.len() < MOST_PER_ENDPOINT && self.under_way < MOST {
                lane.under_way.insert(due.delivery);
                self.under_way += 1;
                starts.push(due.delivery);
            } else {
                left = left.or(Some(due.at));
            }
        }
        lane.due = left.or(next);
        starts
    }

    /// An attempt is over; the delivery may be due again.
    pub fn finished(&mut self, endpoint: EndpointId, delivery: i64, again: Option<Timestamp>) {
        if let Some(lane) = self.lanes.get_mut(&endpoint)
            && lane.under_way.remove(&delivery)
        {
            self.under_way -= 1;
        }
        if let Some(at) = again {
            self.note(endpoint, at);
        }
    }

    /// The endpoint is gone.
    pub fn forget(&mut self, endpoint: EndpointId) {
        if let Some(lane) = self.lanes.get_mut(&endpoint) {
            lane.due = None;
        }
    }

    /// When something will be due at an endpoint that is free.
    pub fn next_due(&self) -> Option<Timestamp> {
        if self.under_way >= MOST {
            return None;
        }
        let free = self
            .lanes
            .values()
            .filter(|lane| lane.under_way.len() < MOST_PER_ENDPOINT);
        free.filter_map(|lane| lane.due).min()
    }
}

/// What becomes of a delivery after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    Delivered,
    Again(Timestamp),
    GivenUp,
}

/// `tries` counts the attempts since it was last asked for, this one included.
pub fn judge(delivery: i64, tries: u32, outcome: &Result<Sent, SendError>, now: Timestamp) -> Next {
    match outcome {
        Ok(_) => Next::Delivered,
        Err(error) if !error.retry || tries >= ATTEMPTS => Next::GivenUp,
        Err(_) => match schedule::delay_before(tries + 1, delivery.cast_unsigned()) {
            Some(delay) => {
                let delay = i64::try_from(delay.as_millis()).unwrap_or(i64::MAX);
                Next::Again(now.plus(delay))
            }
            None => Next::GivenUp,
        },
    }
}

#[cfg(test)]
mod tests {
    use paytone_connectors::webhook::SendFault;

    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);

    fn due(deliveries: std::ops::Range<i64>) -> Vec<Due> {
        deliveries
            .map(|delivery| Due { delivery, at: NOW })
            .collect()
    }

    fn error(retry: bool) -> Result<Sent, SendError> {
        Err(SendError {
            code: SendFault::StatusNotSuccess,
            detail: String::new(),
            retry,
            status: Some(500),
            answer_excerpt: String::new(),
            took_ms: 1,
        })
    }

    #[test]
    fn a_slow_endpoint_holds_its_own_lane_alone() {
        let mut courier = Courier::default();
        let (slow, quick) = (EndpointId(1), EndpointId(2));
        courier.note(slow, NOW);
        let ask = courier.ready(NOW)[0];
        let started = courier.start(ask, &due(0..5), Some(NOW.plus(1)));
        assert_eq!(started, [0, 1, 2, 3]);
        assert_eq!(courier.ready(NOW), []);
        assert_eq!(courier.next_due(), None);
        courier.note(quick, NOW);
        assert_eq!(courier.ready(NOW)[0].endpoint, quick);
        courier.finished(slow, 2, None);
        let ask = courier
            .ready(NOW)
            .into_iter()
            .find(|ask| ask.endpoint == slow)
            .expect("a free place");
        // The one that is over is no longer due.
        let found: Vec<_> = due(0..5)
            .into_iter()
            .filter(|due| due.delivery != 2)
            .collect();
        assert_eq!(courier.start(ask, &found, None), [4]);
    }

    #[test]
    fn attempts_are_bounded_in_all() {
        let mut courier = Courier::default();
        let mut started = 0;
        for endpoint in 1..=200 {
            courier.note(EndpointId(endpoint), NOW);
        }
        for ask in courier.ready(NOW) {
            let first = i64::try_from(ask.endpoint.0).expect("small") * 10;
            started += courier.start(ask, &due(first..first + 5), None).len();
        }
        assert_eq!(started, MOST);
        assert_eq!(courier.ready(NOW), []);
    }

    #[test]
    fn nothing_starts_before_it_is_due() {
        let mut courier = Courier::default();
        courier.note(EndpointId(1), NOW.plus(1));
        assert_eq!(courier.ready(NOW), []);
        assert_eq!(courier.next_due(), Some(NOW.plus(1)));
        assert_eq!(courier.ready(NOW.plus(1)).len(), 1);
    }

    #[test]
    fn what_is_not_taken_comes_again_by_schedule_until_it_is_given_up() {
        let sent = Ok(Sent {
            status: 204,
            took_ms: 1,
            answer_excerpt: String::new(),
        });
        assert_eq!(judge(1, 1, &sent, NOW), Next::Delivered);
        assert_eq!(judge(1, 1, &error(false), NOW), Next::GivenUp);
        let Next::Again(at) = judge(1, 1, &error(true), NOW) else {
            panic!("it is tried again")
        };
        assert!((5_000..=5_500).contains(&at.since(NOW)), "{at:?}");
        assert!(matches!(
            judge(1, ATTEMPTS - 1, &error(true), NOW),
            Next::Again(_)
        ));
        assert_eq!(judge(1, ATTEMPTS, &error(true), NOW), Next::GivenUp);
    }
}
