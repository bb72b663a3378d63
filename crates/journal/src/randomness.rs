//! Random bytes of the system's generator, fetched some hundreds at a time: each fetch costs more than sealing a text.
//!
//! **Invariant:** no byte is given out twice, and what was given out is no longer in memory here. **Not here:** a generator of our own.

use std::cell::RefCell;

use aws_lc_rs::rand;
use zeroize::Zeroizing;

const AHEAD: usize = 512;

struct Fetched {
    bytes: Zeroizing<[u8; AHEAD]>,
    /// From here on they were not given out yet.
    next: usize,
}

thread_local! {
    static FETCHED: RefCell<Fetched> = RefCell::new(Fetched {
        bytes: Zeroizing::new([0; AHEAD]),
        next: AHEAD,
    });
}

/// Unguessable bytes, for nonces and ids. Long-lived secrets are drawn from the system one by one.
///
/// # Panics
/// When the system has no source of randomness.
#[must_use]
pub fn random<const LENGTH: usize>() -> [u8; LENGTH] {
    const { assert!(LENGTH <= AHEAD) };
    FETCHED.with_borrow_mut(|fetched| {
        if AHEAD - fetched.next < LENGTH {
            rand::fill(fetched.bytes.as_mut_slice())
                .expect("the system has a source of randomness");
            fetched.next = 0;
        }
        let mut given = [0; LENGTH];
        let taken = &mut fetched.bytes[fetched.next..fetched.next + LENGTH];
        given.copy_from_slice(taken);
        taken.fill(0);
        fetched.next += LENGTH;
        given
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn nothing_is_given_twice_on_any_thread() {
        let draw = || (0..1_000).map(|_| random::<12>()).collect::<Vec<_>>();
        let other = std::thread::spawn(draw);
        let mut seen: HashSet<[u8; 12]> = draw().into_iter().collect();
        seen.extend(other.join().expect("it draws"));
        assert_eq!(seen.len(), 2_000);
        assert!(!seen.contains(&[0; 12]));
    }
}
