//! Many numbers that mostly follow one after the other, written short.

use minicbor::{Decode, Encode};

/// Ascending numbers without repeats, as runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Runs(#[n(0)] Vec<Run>);

/// `skipped` numbers after the run before, `count` of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
struct Run {
    #[n(0)]
    skipped: u64,
    #[n(1)]
    count: u32,
}

impl Runs {
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        let mut next = 0_u64;
        self.0.iter().flat_map(move |run| {
            let first = next.saturating_add(run.skipped);
            next = first.saturating_add(u64::from(run.count));
            first..next
        })
    }

    pub fn len(&self) -> usize {
        self.0.iter().map(|run| run.count as usize).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl FromIterator<u64> for Runs {
    fn from_iter<T: IntoIterator<Item = u64>>(numbers: T) -> Self {
        let mut numbers: Vec<u64> = numbers.into_iter().collect();
        numbers.sort_unstable();
        numbers.dedup();
        let (mut runs, mut next) = (Vec::<Run>::new(), 0);
        for number in numbers {
            match runs.last_mut() {
                Some(run) if number == next => run.count += 1,
                _ => runs.push(Run {
                    skipped: number - next,
                    count: 1,
                }),
            }
            next = number + 1;
        }
        Self(runs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_in_order_and_once() {
        for (numbers, kept) in [
            (vec![], vec![]),
            (vec![7], vec![7]),
            (vec![3, 1, 2, 2], vec![1, 2, 3]),
            (vec![0, 1, 5, 6, 9], vec![0, 1, 5, 6, 9]),
        ] {
            let runs: Runs = numbers.into_iter().collect();
            assert_eq!(runs.iter().collect::<Vec<_>>(), kept);
            assert_eq!(runs.len(), kept.len());
        }
    }

    #[test]
    fn a_thousand_in_a_row_take_a_few_bytes() {
        let row: Runs = (5_000_000..5_001_000).collect();
        let bytes = minicbor::to_vec(&row).expect("writing to memory does not fail");
        assert!(bytes.len() < 16, "{} bytes", bytes.len());
        let read: Runs = minicbor::decode(&bytes).expect("runs");
        assert_eq!(read, row);
    }
}
