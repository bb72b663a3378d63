//! How long a cryptogram takes to verify and to answer, and a purchase from bytes to bytes, on one core:
//! `cargo run --release -p paytone-wire --example speed`.
//!
//! *Verify* is with the card's key at hand, *from the issuer's key* derives it first. A purchase is divided from the stream, read,
//! verified under visa-18, answered with its issuer's cryptogram, and written.

use std::{hint::black_box, sync::Arc, time::Instant};

use paytone_wire::{
    emv::{
        CardKeys, ChipData, IssuerAnswer, Key, Tvr,
        issuer_data::Layout,
        key::Algorithm,
        version::{self, Version},
    },
    iso8583::{Framing, Message, MessageType, dialects},
    till::{Code, Event, Link, Reply, Session},
};

const NUMBER: &str = "8888001234567890128";

fn main() {
    cryptograms();
    purchases();
}

fn purchases() {
    println!("\ndialect      a purchase");
    let version = &version::VISA_18;
    let key = Key::new(version.algorithm, &(1..=16).collect::<Vec<u8>>()).expect("a key");
    let keys = CardKeys::derive(version, &key, NUMBER, 1).expect("keys");
    let mut chip = chip_data(version);
    chip.cryptogram = keys.cryptogram(&chip).expect("a cryptogram");
    let mut message = Message::new(MessageType::new(200));
    message
        .set(2, NUMBER)
        .set(3, "000000")
        .set(4, "000000001234")
        .set(7, "1123170000")
        .set(11, "000042")
        .set(12, "170000")
        .set(13, "1123")
        .set(22, "071")
        .set(23, "001")
        .set(41, "TERM0001")
        .set(42, "MERCHANT0000001")
        .set(49, "156")
        .set(55, chip.write());
    for dialect in [
        &dialects::ASCII_1987,
        &dialects::BCD_1987,
        &dialects::EBCDIC_1987,
    ] {
        let link = Arc::new(Link::new(dialect, Framing::default()).expect("a link"));
        let bytes = link.codec.encode(&message).expect("a message");
        let mut frame = Vec::new();
        link.framing.write(&[], &bytes, &mut frame).expect("framed");
        let mut session = Session::new(link);
        let time = microseconds(|| {
            session.push(black_box(&frame));
            let Ok(Some(Event::Request(request))) = session.next_event() else {
                return false;
            };
            let Some(chip) = &request.chip else {
                return false;
            };
            let verified = keys.verify_and_answer(chip, |_| IssuerAnswer::Status([0; 4]));
            let Ok((true, authentication)) = verified else {
                return false;
            };
            let mut reply = Reply::new(Code::Approved);
            reply.approval = Some("123456".into());
            reply.issuer_authentication = Some(authentication);
            session.answer(&request, &reply).is_ok()
        });
        println!("{:<12} {time:5.2} µs", dialect.name);
    }
    println!("\na session that is idle: {} bytes", size_of::<Session>());
}

fn cryptograms() {
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
    const ROUNDS: u32 = 200;
    let run = |_| {
        let start = Instant::now();
        for _ in 0..ROUNDS {
            assert!(work());
        }
        start.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS)
    };
    (0..400).map(run).fold(f64::INFINITY, f64::min)
}

fn chip_data(version: &Version) -> ChipData {
    let mut issuer_data = match version.layout {
        Layout::Visa if version.number == 0x22 => {
            [&[0x1F, version.number, 1][..], &[0; 29]].concat()
        }
        Layout::Visa => vec![6, 1, version.number, 3, 0xA0, 0, 0],
        Layout::CommonCore => [&[0x0F, 0xA0 | version.number, 1][..], &[0; 29]].concat(),
        Layout::MChip => [&[1, version.number][..], &[0; 16]].concat(),
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
