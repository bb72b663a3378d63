//! Random messages that a dialect allows.

use std::time::{SystemTime, UNIX_EPOCH};

use paytone_wire::iso8583::{
    Codec, Message, MessageType,
    charset::Charset,
    field::{Class, Length},
};
use proptest::{
    prelude::RngExt,
    test_runner::{RngAlgorithm, TestRng},
};

pub struct Random {
    random: TestRng,
    pub seed: u64,
}

impl Random {
    pub fn new() -> Self {
        let chosen = std::env::var("FUZZ_SEED").ok();
        let seed = chosen
            .and_then(|seed| seed.parse().ok())
            .unwrap_or_else(|| {
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
        self.random.random_range(0..count.max(1))
    }

    pub fn one_of(&mut self, bytes: &[u8]) -> u8 {
        bytes[self.below(bytes.len())]
    }

    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.random.random()).collect()
    }

    pub fn digits(&mut self, count: usize) -> String {
        (0..count)
            .map(|_| char::from(b'0' + self.below(10) as u8))
            .collect()
    }
}

const TYPES: [u16; 12] = [100, 101, 110, 120, 200, 201, 220, 400, 420, 421, 500, 800];

/// A message with up to twenty of the fields that `wanted` lets through. Text is as wide as the dialect's characters, or `plain`.
pub fn message(
    random: &mut Random,
    codec: &Codec,
    plain: bool,
    wanted: impl Fn(u8) -> bool,
) -> Message {
    let version = codec.dialect().version.digit();
    let which = random.below(TYPES.len());
    let mut message = Message::new(MessageType::new(TYPES[which]).of_version(version));
    for _ in 0..=random.below(20) {
        let number = 2 + random.below(191) as u8;
        if wanted(number) {
            set(random, codec, plain, &mut message, number);
        }
    }
    message
}

/// Gives field `number` a value, if the dialect has the field.
pub fn set(random: &mut Random, codec: &Codec, plain: bool, message: &mut Message, number: u8) {
    if let Some((class, length)) = codec.field(number) {
        let wide = !plain && codec.dialect().charset != Charset::Ascii;
        message.set(number, value(random, class, length, wide));
    }
}

fn value(random: &mut Random, class: Class, length: Length, wide: bool) -> Vec<u8> {
    let count = match length {
        Length::Fixed(length) => usize::from(length),
        Length::Upto { most, .. } if random.below(8) == 0 => usize::from(most),
        Length::Upto { most, .. } => 1 + random.below(usize::from(most).min(40)),
    };
    match class {
        Class::Binary => return random.bytes(count),
        Class::Signed => {
            let sign = random.one_of(b"CD");
            let mut value = vec![sign];
            value.extend(random.digits(count - 1).bytes());
            return value;
        }
        Class::Track => {
            let mut value = random.digits(count).into_bytes();
            let at = random.below(count);
            value[at] = b'=';
            return value;
        }
        _ => {}
    }
    // What the packages take, too: they know fewer characters than the standard.
    let few = b"ABCXYZabcxyz0123456789 -!$%^&*()_+|~=`{}[]:\";'<>?,./";
    (0..count)
        .map(|_| match class {
            Class::Numeric => random.one_of(b"0123456789"),
            Class::Alphabetic => random.one_of(b"ABCXYZabcxyz"),
            Class::Alphanumeric => random.one_of(b"ABCXYZabcxyz0123456789"),
            _ if wide && random.below(4) == 0 => 0xA0 + random.below(0x60) as u8,
            _ => random.one_of(few),
        })
        .collect()
}
