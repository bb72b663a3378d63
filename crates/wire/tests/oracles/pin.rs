//! PIN blocks against psec: each opens what the other made.

use data_encoding::HEXUPPER;
use paytone_wire::{
    emv::{Key, key::Algorithm},
    pin::{self, Pin},
};
use serde_json::json;

use crate::{generated::Random, running};

const CASES: usize = 250;

#[test]
fn psec_opens_our_blocks_of_format_0_and_we_open_its() {
    compare(0);
}

#[test]
fn psec_opens_our_blocks_of_format_4_and_we_open_its() {
    compare(4);
}

fn compare(format: u8) {
    let mut random = Random::new();
    let seed = random.seed;
    let mut cases = Vec::new();
    let mut ours = Vec::new();
    for _ in 0..CASES {
        let (algorithm, length) = match format {
            0 => (Algorithm::TripleDes, 16),
            _ => (Algorithm::Aes, [16, 24, 32][random.below(3)]),
        };
        let key = Key::new(algorithm, &random.bytes(length)).expect("a key");
        let length = 4 + random.below(9);
        let digits = random.digits(length);
        let pin = Pin::new(&digits).expect("a PIN");
        // Format 4 takes numbers of any length.
        let length = match format {
            0 => 13 + random.below(7),
            _ => 1 + random.below(19),
        };
        let number = random.digits(length);
        let block = match format {
            0 => pin::seal_0(&key, &pin, &number).expect("a block").to_vec(),
            _ => {
                let eight = random.bytes(8).try_into().expect("eight bytes");
                let block = pin::seal_4(&key, &pin, &number, eight);
                block.expect("a block").to_vec()
            }
        };
        cases.push(json!({
            "format": format,
            "key": HEXUPPER.encode(key.reveal()),
            "pin": digits,
            "number": number,
            "block": HEXUPPER.encode(&block),
        }));
        ours.push((key, pin, number));
    }
    let answers = running::python("pin_blocks.py", &json!({ "cases": cases }));
    let answers = answers.as_array().expect("a list");
    assert_eq!(answers.len(), CASES, "seed {seed}");
    for ((case, answer), (key, pin, number)) in cases.iter().zip(answers).zip(ours) {
        assert_eq!(answer["pin"], case["pin"], "seed {seed}");
        let theirs = answer["block"].as_str().expect("a block");
        let block = HEXUPPER.decode(theirs.as_bytes()).expect("bytes");
        let opened = match format {
            // Nothing in it is random.
            0 => {
                assert_eq!(answer["block"], case["block"], "seed {seed}");
                pin::open_0(&key, &block, &number)
            }
            _ => pin::open_4(&key, &block, &number),
        };
        let opened = opened.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert!(opened.matches(&pin), "seed {seed}");
    }
}
