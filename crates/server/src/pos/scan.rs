//! One-time payment codes at the edge: the keys they are made with, and whether a scanned one is right.
//!
//! **Invariant:** a key is kept nowhere. It derives from the keyring, a pass's index and the salt drawn with it, so that a pass that ended
//! takes its key along. **Not here:** whether a right code may pay: the engine decides that, with the payment.

use paytone_domain::{
    pass::{PassKey, Shown},
    till::ScannedCode,
    time::Timestamp,
};
use paytone_engine::EngineError;
use paytone_journal::Keyring;
use paytone_wire::qr::payment_code::{CodeKey, PaymentCode, STEP_SECONDS, step_at};

use crate::{edge::time, node::Node, node::random};

const _: () = assert!(paytone_domain::pass::STEP == STEP_SECONDS as i64 * 1_000);

/// Digits of an index, and what codes begin with.
const INDEX_DIGITS: usize = 10;

/// Two digits of a step tell it among a hundred; which of them is good is for the engine to say.
const BEHIND: u8 = 94;
const AHEAD: u8 = 5;

/// The key that a phone makes codes of this pass with.
pub fn code_key(keyring: &Keyring, pass: PassKey) -> [u8; 32] {
    let input = [pass.index.to_be_bytes(), pass.salt.to_be_bytes()].concat();
    keyring.derived_value("payment code key", &input)
}

/// An index within the operator's prefix, with its salt. `None` if the prefix is none of two to four digits.
pub fn draw(prefix: &str) -> Option<PassKey> {
    let fits =
        (2..=4).contains(&prefix.len()) && prefix.bytes().all(|digit| digit.is_ascii_digit());
    let first: u64 = prefix.parse().ok().filter(|_| fits)?;
    let drawn = u128::from_be_bytes(random());
    let room = 10_u64.pow((INDEX_DIGITS - prefix.len()) as u32);
    Some(PassKey {
        // 2^64 is so much more than the room that no index is likelier by anything that could be told.
        index: first * room + (drawn >> 64) as u64 % room,
        salt: drawn as u64,
    })
}

/// Ten digits, as codes begin.
pub fn show_index(pass: PassKey) -> String {
    format!("{:0INDEX_DIGITS$}", pass.index)
}

/// What a scanner read; `None` if it is no code of this operator.
pub async fn read(node: &Node, text: &str) -> Result<Option<ScannedCode>, EngineError> {
    let parsed = PaymentCode::parse(text).ok();
    let Some(code) = parsed.filter(|_| text.starts_with(&node.config.till.code_prefix)) else {
        return Ok(None);
    };
    let index = code.index();
    let read = node.engine.read(move |state, _| {
        let pass = state.passes.find(index);
        pass.map(|pass| pass.key)
    });
    let pass = read.await?.answer;
    let shown = pass.and_then(|pass| shown(&node.keyring, pass, &code, time::now()));
    Ok(Some(ScannedCode { index, shown }))
}

fn shown(
    keyring: &Keyring,
    pass: PassKey,
    code: &PaymentCode,
    now: Timestamp,
) -> Option<(u64, Shown)> {
    let key = CodeKey::new(code_key(keyring, pass));
    let now = step_at(u64::try_from(now.0 / 1_000).ok()?);
    let shown = code.verify(&key, now, BEHIND, AHEAD).ok()?;
    let shown = Shown {
        step: shown.step,
        counter: shown.counter,
    };
    Some((pass.salt, shown))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_has_ten_digits_of_the_prefix_and_another_salt_has_another_key() {
        let keyring = Keyring::derived_for_simulation(1);
        for prefix in ["28", "0123"] {
            let pass = draw(prefix).expect("an index");
            let shown = show_index(pass);
            assert!(shown.len() == INDEX_DIGITS && shown.starts_with(prefix));
            let other = PassKey {
                salt: pass.salt ^ 1,
                ..pass
            };
            assert_ne!(code_key(&keyring, pass), code_key(&keyring, other));
        }
        for bad in ["", "2", "28001", "2x"] {
            assert_eq!(draw(bad), None, "{bad}");
        }
    }
}
