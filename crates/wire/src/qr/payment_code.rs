//! One-time payment codes: what a phone shows and a cashier scans, also when the phone has no network.
//!
//! ```text
//!   index 10 digits · step 2 · counter 1 · proof 7        twenty digits: half as many signs in Code 128
//! ```
//! The *index* is a random number that stands for the phone and says nothing about it; whoever suspects it is known replaces it. The
//! *step* is the number of the half minute the code was made in, its last two digits; the *counter* tells codes of one step apart. The
//! *proof* is a MAC over index, whole step and counter under a key that phone and issuer share.
//!
//! So the issuer finds key and step at once, without trying any: the step is the only one near now with those digits.
//!
//! **Invariant:** a code verifies for one `(index, step, counter)` and no other; proofs are compared in constant time.
//!
//! **Not here:** clocks, which codes were used already, how many wrong ones lock an index: a proof of seven digits is guessed once in
//! ten million tries, so whoever asks must count them.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Seconds that a step lasts.
pub const STEP_SECONDS: u64 = 30;

/// Indices are below this.
pub const INDICES: u64 = 10_000_000_000;

const PROOFS: u64 = 10_000_000;

/// The key that a phone and its issuer share. Wiped when it goes, never printed.
#[derive(Clone)]
pub struct CodeKey(Zeroizing<[u8; 32]>);

impl CodeKey {
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl fmt::Debug for CodeKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("CodeKey(****)")
    }
}

/// A code as scanned.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PaymentCode {
    index: u64,
    step_end: u8,
    counter: u8,
    proof: u32,
}

/// The code that was shown, once it verified: together with the index what may be used once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Shown {
    pub step: u64,
    pub counter: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CodeError {
    #[error("a payment code has twenty digits")]
    Form,
    #[error("the code is too old or not yet good")]
    Time,
    #[error("the code is wrong")]
    Proof,
}

impl CodeError {
    /// Stable, for logs and counters.
    pub fn code(self) -> &'static str {
        match self {
            Self::Form => "payment_code_form",
            Self::Time => "payment_code_time",
            Self::Proof => "payment_code_wrong",
        }
    }
}

/// The step that `seconds` since 1970 are in.
pub fn step_at(seconds: u64) -> u64 {
    seconds / STEP_SECONDS
}

impl PaymentCode {
    /// The code of `index` for `step`, the `counter`th of it. `None` if there can be none: the index or the counter is too high.
    pub fn make(key: &CodeKey, index: u64, step: u64, counter: u8) -> Option<Self> {
        if index >= INDICES || counter > 9 {
            return None;
        }
        Some(Self {
            index,
            step_end: (step % 100) as u8,
            counter,
            proof: proof(key, index, step, counter),
        })
    }

    /// Reads what a scanner gave.
    pub fn parse(text: &str) -> Result<Self, CodeError> {
        let digits = text.as_bytes();
        if digits.len() != 20 || !digits.iter().all(u8::is_ascii_digit) {
            return Err(CodeError::Form);
        }
        let number = |part: &[u8]| {
            part.iter()
                .fold(0_u64, |sum, digit| sum * 10 + u64::from(digit - b'0'))
        };
        Ok(Self {
            index: number(&digits[..10]),
            step_end: number(&digits[10..12]) as u8,
            counter: number(&digits[12..13]) as u8,
            proof: number(&digits[13..]) as u32,
        })
    }

    /// Which key it is to be verified with.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Whether it was made under `key` at most `behind` steps before `now` and `ahead` after. The two together are less than 100: of
    /// more steps than that the last two digits do not tell which.
    pub fn verify(
        &self,
        key: &CodeKey,
        now: u64,
        behind: u8,
        ahead: u8,
    ) -> Result<Shown, CodeError> {
        let ahead = ahead.min(99);
        let behind = u64::from(behind.min(99 - ahead));
        let last = now.saturating_add(u64::from(ahead));
        // The latest step up to `last` that ends like the code's.
        let back = (last % 100 + 100 - u64::from(self.step_end)) % 100;
        let step = last.checked_sub(back).ok_or(CodeError::Time)?;
        if step < now.saturating_sub(behind) {
            return Err(CodeError::Time);
        }
        let right = proof(key, self.index, step, self.counter);
        if right.ct_eq(&self.proof).into() {
            Ok(Shown {
                step,
                counter: self.counter,
            })
        } else {
            Err(CodeError::Proof)
        }
    }
}

impl fmt::Display for PaymentCode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            index,
            step_end,
            counter,
            proof,
        } = self;
        write!(out, "{index:010}{step_end:02}{counter}{proof:07}")
    }
}

/// Without the proof: whoever has a log has no code.
impl fmt::Debug for PaymentCode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { index, counter, .. } = self;
        write!(out, "PaymentCode({index:010}, counter {counter}, ****)")
    }
}

fn proof(key: &CodeKey, index: u64, step: u64, counter: u8) -> u32 {
    // A key of any length is one of HMAC.
    let mut mac = Hmac::<Sha256>::new_from_slice(&*key.0).expect("a key of any length");
    mac.update(b"paytone payment code 1");
    mac.update(&index.to_be_bytes());
    mac.update(&step.to_be_bytes());
    mac.update(&[counter]);
    let bytes = mac.finalize().into_bytes();
    let first = bytes[..8]
        .iter()
        .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    (first % PROOFS) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key() -> CodeKey {
        CodeKey::new([7; 32])
    }

    #[test]
    fn a_code_verifies_in_its_time_and_not_before_or_after() {
        let now = step_at(1_795_449_600);
        let code = PaymentCode::make(&key(), 42, now, 3).expect("a code");
        let shown = Shown {
            step: now,
            counter: 3,
        };
        assert_eq!(code.verify(&key(), now, 0, 0), Ok(shown));
        assert_eq!(code.verify(&key(), now + 10, 10, 0), Ok(shown));
        assert_eq!(code.verify(&key(), now + 11, 10, 0), Err(CodeError::Time));
        assert_eq!(code.verify(&key(), now - 2, 0, 2), Ok(shown));
        assert_eq!(code.verify(&key(), now - 3, 0, 2), Err(CodeError::Time));
        // A hundred steps later the same two digits are another step's.
        assert_eq!(code.verify(&key(), now + 100, 10, 0), Err(CodeError::Proof));
        let other_key = CodeKey::new([8; 32]);
        let stolen = PaymentCode { index: 43, ..code };
        let again = PaymentCode { counter: 4, ..code };
        assert_eq!(code.verify(&other_key, now, 0, 0), Err(CodeError::Proof));
        assert_eq!(stolen.verify(&key(), now, 0, 0), Err(CodeError::Proof));
        assert_eq!(again.verify(&key(), now, 0, 0), Err(CodeError::Proof));
    }

    #[test]
    fn what_is_no_code_is_refused_and_a_code_in_a_log_is_none() {
        let code = PaymentCode::make(&key(), INDICES - 1, 5, 9).expect("a code");
        let text = code.to_string();
        assert_eq!(text.len(), 20);
        assert_eq!(PaymentCode::parse(&text), Ok(code));
        assert!(!format!("{code:?}").contains(&text[13..]));
        for bad in [
            "",
            "123",
            &text[1..],
            "1234567890123456789x",
            "１2345678901234567890",
        ] {
            assert_eq!(PaymentCode::parse(bad), Err(CodeError::Form), "{bad}");
        }
        assert_eq!(PaymentCode::make(&key(), INDICES, 5, 0), None);
        assert_eq!(PaymentCode::make(&key(), 0, 5, 10), None);
    }

    /// Computed with Python: `int.from_bytes(hmac.digest(key, message, "sha256")[:8]) % 10**7`.
    #[test]
    fn the_proof_is_what_another_implementation_computes() {
        let code = PaymentCode::make(&key(), 1_234_567_890, 59_848_320, 1).expect("a code");
        assert_eq!(code.to_string(), "12345678902010014129");
    }

    proptest! {
        #[test]
        fn a_code_that_is_late_verifies_as_the_one_it_is(
            index in 0..INDICES, now in 200..u64::MAX / 2, counter in 0..10_u8,
            late in 0..60_u64,
        ) {
            let made = PaymentCode::make(&key(), index, now, counter).expect("a code");
            let read = PaymentCode::parse(&made.to_string());
            prop_assert_eq!(read, Ok(made));
            let shown = made.verify(&key(), now + late, 60, 30);
            prop_assert_eq!(shown, Ok(Shown { step: now, counter }));
        }
    }
}
