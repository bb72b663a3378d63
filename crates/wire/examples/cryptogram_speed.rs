//! How long a cryptogram takes to verify and answer, per version: `cargo run --release -p paytone-wire --example cryptogram_speed`.
//!
//! *Verify* is with the card's key at hand, *from the issuer's key* derives it first.

use std::{hint::black_box, time::Instant};

use paytone_wire::emv::{
    CardKeys, ChipData, IssuerAnswer, Key, Tvr,
    key::Algorithm,
    version::{self, Version},
};

const NUMBER: &str = "8888001234567890128";

fn main() {
    println!("version    verify   and answer   from the issuer's key");
    for version in version::ALL {
        let bytes: Vec<u8> = (1..=16).map(|byte| byte * 11).collect();
        let issuer = Key::new(version.algorithm, &bytes).expect("a key");
        let keys = CardKeys::derive(version, &issuer, NUMBER, 1).expect("keys");
        let mut data = chip_data(version);
        data.cryptogram = keys.cryptogram(&data).expect("a cryptogram");
        let code = IssuerAnswer::Code(*b"00");
        let verify = microseconds(|| keys.verify(black_box(&data)).is_ok_and(|right| right));
        let answer = microseconds(|| {
            let answered = keys.verify_and_answer(black_box(&data), |_| code);
            answered.is_ok_and(|(right, _)| right)
        });
        let derive = microseconds(|| {
            let keys = CardKeys::derive(version, &issuer, NUMBER, 1).expect("keys");
            keys.verify(black_box(&data)).is_ok_and(|right| right)
        });
        println!(
            "{:<9} {verify:5.2} µs     {answer:5.2} µs   {derive:5.2} µs",
            version.name
        );
    }
}

/// The best of several runs: others use the machine, too.
fn microseconds(mut work: impl FnMut() -> bool) -> f64 {
    const ROUNDS: u32 = 2_000;
    let run = |_| {
        let start = Instant::now();
        for _ in 0..ROUNDS {
            assert!(work());
        }
        start.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS)
    };
    (0..20).map(run).fold(f64::INFINITY, f64::min)
}

fn chip_data(version: &Version) -> ChipData {
    let mut issuer_data = match version.layout {
        paytone_wire::emv::issuer_data::Layout::Visa if version.number == 0x22 => {
            [&[0x1F, version.number, 1][..], &[0; 29]].concat()
        }
        paytone_wire::emv::issuer_data::Layout::Visa => vec![6, 1, version.number, 3, 0xA0, 0, 0],
        paytone_wire::emv::issuer_data::Layout::CommonCore => {
            [&[0x0F, 0xA0 | version.number, 1][..], &[0; 29]].concat()
        }
        paytone_wire::emv::issuer_data::Layout::MChip => {
            [&[1, version.number][..], &[0; 16]].concat()
        }
    };
    if version.algorithm == Algorithm::Aes || version.number == 5 {
        issuer_data[16] = 0x0F;
    }
    ChipData {
        amount: [0, 0, 0, 0, 0x12, 0x34],
        other_amount: [0; 6],
        country: [1, 0x56],
        tvr: Tvr::default(),
        currency: [1, 0x56],
        date: [0x26, 0x11, 0x23],
        kind: 0,
        unpredictable: [1, 2, 3, 4],
        interchange_profile: [0x18, 0],
        counter: 77,
        issuer_data,
        cryptogram: [0; 8],
        information: Some(0x80),
        cvm_results: None,
        qualifiers: None,
        sequence_number: None,
    }
}
