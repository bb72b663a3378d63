//! Scanned texts: merchant codes and payment codes.

use paytone_wire::qr::{merchant::MerchantCode, payment_code::PaymentCode};

use crate::{
    generated::Random,
    mutation::{mutated, rounds},
};

/// The example of the specification, without its checksum.
const GOOD: &str = "00020101021229300012D156000000000510A93FO3230Q31280012D15600000001030812345678520441115802CN5914BEST TRANSPORT6007BEIJING64200002ZH0104最佳运输0202北京540523.7253031565502016233030412340603***0708A60086670902ME91320016A011223344998877070812345678";

#[test]
fn any_text_is_a_merchant_code_or_an_error_and_a_code_is_written_as_the_same() {
    let mut random = Random::new();
    let seed = random.seed;
    let mut read = 0;
    for _ in 0..rounds(10_000) {
        let text = mutated(&mut random, GOOD.as_bytes());
        let text = String::from_utf8_lossy(&text);
        assert!(
            MerchantCode::parse(&text).is_err(),
            "seed {seed}: no checksum"
        );
        let text = sealed(&text);
        if let Ok(code) = MerchantCode::parse(&text) {
            read += 1;
            let written = code
                .write()
                .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            assert_eq!(MerchantCode::parse(&written), Ok(code), "seed {seed}");
        }
    }
    assert!(read > 0, "seed {seed}: nothing was read");
}

/// With a checksum that is right, so that what is behind it is reached.
fn sealed(text: &str) -> String {
    let before = format!("{text}6304");
    let sum = before.bytes().fold(0xFFFF_u16, |sum, byte| {
        (0..8).fold(sum ^ u16::from(byte) << 8, |sum, _| {
            if sum & 0x8000 == 0 {
                sum << 1
            } else {
                sum << 1 ^ 0x1021
            }
        })
    });
    format!("{before}{sum:04X}")
}

#[test]
fn any_text_is_a_payment_code_or_an_error() {
    let mut random = Random::new();
    for _ in 0..rounds(10_000) {
        let text = mutated(&mut random, b"12345678902010014129");
        let text = String::from_utf8_lossy(&text);
        if let Ok(code) = PaymentCode::parse(&text) {
            assert_eq!(code.to_string(), text, "seed {}", random.seed);
        }
    }
}
