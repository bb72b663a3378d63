//! When a webhook is tried again.
//!
//! Pure: which attempt comes next and a seed go in, a delay comes out. The steps are those that
//! the Standard Webhooks specification recommends, a little more than three days in all.

use std::time::Duration;

const STEPS_S: [u64; 10] = [
    0,
    5,
    5 * 60,
    30 * 60,
    2 * 3600,
    5 * 3600,
    10 * 3600,
    14 * 3600,
    20 * 3600,
    24 * 3600,
];

/// How many times a delivery is tried before it is given up.
pub const ATTEMPTS: u32 = STEPS_S.len() as u32;

/// How long to wait before attempt `attempt` (1 is the first), or `None` once it is given up.
///
/// Up to a tenth of the step is added by `seed` (for example the delivery's number), so that what
/// failed together does not come back together. The same inputs give the same delay, so that a
/// restarted or another node keeps the plan.
pub fn delay_before(attempt: u32, seed: u64) -> Option<Duration> {
    let index = usize::try_from(attempt.checked_sub(1)?).ok()?;
    let step_ms = STEPS_S.get(index)? * 1000;
    let jitter_ms = match step_ms / 10 {
        0 => 0,
        most => mix(seed ^ (u64::from(attempt) << 48)) % (most + 1),
    };
    Some(Duration::from_millis(step_ms + jitter_ms))
}

/// SplitMix64's finaliser: spreads close seeds far apart.
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_attempt_is_immediate_and_the_eleventh_never_comes() {
        assert_eq!(delay_before(0, 7), None);
        assert_eq!(delay_before(1, 7), Some(Duration::ZERO));
        assert!(delay_before(ATTEMPTS, 7).is_some());
        assert_eq!(delay_before(ATTEMPTS + 1, 7), None);
        assert_eq!(delay_before(u32::MAX, 7), None);
    }

    #[test]
    fn attempts_spread_over_more_than_three_days() {
        for seed in 0..1000 {
            let total: Duration = (1..=ATTEMPTS).map(|n| delay_before(n, seed).unwrap()).sum();
            assert!(total > Duration::from_secs(3 * 86_400), "seed {seed}");
            assert!(total < Duration::from_secs(4 * 86_400), "seed {seed}");
        }
    }

    #[test]
    fn jitter_adds_at_most_a_tenth_and_differs_by_seed() {
        let delays: Vec<u128> = (0..1000)
            .map(|seed| delay_before(3, seed).unwrap().as_millis())
            .collect();
        assert!(delays.iter().all(|ms| (300_000..=330_000).contains(ms)));
        assert!(delays.iter().min().unwrap() < &301_000);
        assert!(delays.iter().max().unwrap() > &329_000);
        assert_eq!(delay_before(3, 42), delay_before(3, 42));
    }
}
