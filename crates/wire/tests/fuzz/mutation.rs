//! Makes good input wrong.

use crate::generated::Random;

/// How many rounds a target runs, at least one.
pub fn rounds(usual: u64) -> u64 {
    let rounds = std::env::var("FUZZ_ROUNDS").ok();
    rounds
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(usual)
        .max(1)
}

/// A few changes to `good`: bits, bytes, pieces doubled, moved, cut or put in.
pub fn mutated(random: &mut Random, good: &[u8]) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len() + 1);
        let to = at + random.below((bytes.len() - at).min(40) + 1);
        match random.below(6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            1 if at < bytes.len() => bytes[at] = random.below(256) as u8,
            2 => drop(bytes.drain(at..to)),
            3 => {
                let piece = bytes[at..to].to_vec();
                let at = random.below(bytes.len() + 1);
                bytes.splice(at..at, piece);
            }
            4 => bytes.truncate(at),
            _ => {
                let count = random.below(12);
                let more = random.bytes(count);
                bytes.splice(at..at, more);
            }
        }
    }
    bytes
}
