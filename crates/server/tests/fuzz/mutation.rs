//! Makes good input wrong: from one seed, so that every failure can be had again.

use std::time::{SystemTime, UNIX_EPOCH};

use proptest::{
    prelude::RngExt,
    test_runner::{RngAlgorithm, TestRng},
};

/// What numbers tend to be wrong by, and what texts tend to be wrong with.
const PIECES: &[&[u8]] = &[
    b"",
    b"\0",
    b"-1",
    b"0",
    b"1e400",
    b"18446744073709551616",
    b"9223372036854775808",
    b"null",
    b"{}",
    b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    b"\"\\ud800\"",
    "\u{202e}\u{0}\u{ffff}".as_bytes(),
    "\u{1F4A9}\u{0301}\u{0301}\u{0301}".as_bytes(),
    b"\xff\xfe\xc0\xaf",
    b"' OR 1=1 --",
    b"<script>",
    b"../../etc/passwd",
    b"%00%2e%2e",
    b"\r\nx: y\r\n",
    b",,,,\"\"\"\n\"",
];

pub struct Mutation {
    random: TestRng,
    pub seed: u64,
}

/// How many rounds a target runs, at least one.
pub fn rounds(usual: u64) -> u64 {
    number("FUZZ_ROUNDS").unwrap_or(usual).max(1)
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

impl Mutation {
    pub fn new() -> Self {
        let seed = number("FUZZ_SEED").unwrap_or_else(|| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            now.map_or(1, |now| now.as_micros() as u64)
        });
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        Self {
            random: TestRng::from_seed(RngAlgorithm::ChaCha, &bytes),
            seed,
        }
    }

    pub fn below(&mut self, count: usize) -> usize {
        if count == 0 {
            0
        } else {
            self.random.random_range(0..count)
        }
    }

    pub fn one_of<'a, T>(&mut self, things: &'a [T]) -> &'a T {
        &things[self.below(things.len())]
    }

    /// A few changes to `good`: bits, bytes, pieces doubled, moved, cut or put in.
    pub fn of(&mut self, good: &[u8]) -> Vec<u8> {
        let mut bytes = good.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len() + 1);
            let to = at + self.below((bytes.len() - at).min(64) + 1);
            match self.below(7) {
                0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                1 if at < bytes.len() => bytes[at] = self.random.random(),
                2 => drop(bytes.drain(at..to)),
                3 => {
                    let piece = bytes[at..to].to_vec();
                    let at = self.below(bytes.len() + 1);
                    bytes.splice(at..at, piece);
                }
                4 => drop(bytes.splice(at..to, self.one_of(PIECES).iter().copied())),
                5 => bytes.truncate(at),
                _ => {
                    let count = self.below(16);
                    let random: Vec<u8> = (0..count).map(|_| self.random.random()).collect();
                    bytes.splice(at..at, random);
                }
            }
        }
        bytes
    }

    /// As [`Self::of`], for what must be text.
    pub fn of_text(&mut self, good: &str) -> String {
        String::from_utf8_lossy(&self.of(good.as_bytes())).into_owned()
    }
}
