//! Messages of every dialect, and the streams they come in.

use std::borrow::Cow;

use paytone_wire::iso8583::{
    Codec, Deframer, Dialect, Framing, Original,
    dialect::{Change, Counts, Digits, Fill, Lengths, Octets},
    dialects,
    field::{Class, Length},
    frame::{Header, LengthHeader},
};

use crate::{
    generated::{self, Random},
    mutation::{mutated, rounds},
};

/// The dialects of the list, and some that have what none of those has.
fn codecs() -> Vec<Codec> {
    let upto = |most, digits| Length::Upto { most, digits };
    let odd = Dialect {
        name: Cow::Borrowed("odd"),
        third_bitmap: true,
        digits: Digits::Packed(Fill::ZeroAfter),
        bitmap: Octets::Hex,
        exceptions: Cow::Owned(vec![
            (2, Change::Counts(Counts::Bytes)),
            (2, Change::Digits(Digits::Packed(Fill::FAfter))),
            (32, Change::Counts(Counts::Bytes)),
            (60, Change::Lengths(Lengths::Binary)),
            (61, Change::Octets(Octets::Hex)),
            (129, Change::Is(Class::Text, upto(99, 2))),
            (150, Change::Is(Class::Binary, Length::Fixed(3))),
            (192, Change::Is(Class::Alphabetic, Length::Fixed(4))),
        ]),
        ..dialects::BCD_1987
    };
    let bytes_with_zero_before = Dialect {
        exceptions: Cow::Owned(vec![(32, Change::Counts(Counts::Bytes))]),
        ..dialects::BCD_1993
    };
    dialects::ALL
        .iter()
        .chain([&odd, &bytes_with_zero_before])
        .map(|dialect| Codec::new(dialect).expect("a codec"))
        .collect()
}

fn has_hex(codec: &Codec) -> bool {
    codec.dialect().bitmap == Octets::Hex
        || codec.dialect().octets == Octets::Hex
        || codec.dialect().name == "1987-node"
}

#[test]
fn what_a_dialect_allows_is_written_and_read_the_same() {
    let mut random = Random::new();
    let seed = random.seed;
    for codec in codecs() {
        let name = &codec.dialect().name;
        let bytes_counted = |field| field == 32 && ["odd", "1993-bcd"].contains(&name.as_ref());
        for _ in 0..rounds(200) {
            // A number of digits that is counted in bytes comes back even.
            let message =
                generated::message(&mut random, &codec, false, |field| !bytes_counted(field));
            let bytes = codec.encode(&message);
            let bytes = bytes.unwrap_or_else(|error| panic!("seed {seed}: {name}: {error}"));
            assert_eq!(codec.decode(&bytes), Ok(message), "seed {seed}: {name}");
        }
    }
}

#[test]
fn any_bytes_are_a_message_or_an_error_and_a_message_is_written_as_it_came() {
    let mut random = Random::new();
    let seed = random.seed;
    let codecs = codecs();
    let mut read = 0;
    for round in 0..rounds(10_000) {
        let codec = &codecs[random.below(codecs.len())];
        let bytes = if round % 8 == 0 {
            let count = random.below(300);
            random.bytes(count)
        } else {
            let good = generated::message(&mut random, codec, false, |_| true);
            let good = codec.encode(&good).expect("a message");
            mutated(&mut random, &good)
        };
        let name = &codec.dialect().name;
        match codec.decode_far(&bytes) {
            Ok(message) => {
                read += 1;
                let again = codec.encode(&message);
                let again = again.unwrap_or_else(|error| panic!("seed {seed}: {name}: {error}"));
                // Hexadecimal may come in small letters and is written in capitals.
                let same = again == bytes || has_hex(codec) && again.eq_ignore_ascii_case(&bytes);
                assert!(same, "seed {seed}: {name}: {message}");
                let _ = (format!("{message}"), Original::of(&message));
                for field in [48, 55] {
                    if let Ok(subfields) = codec.subfields(&message, field) {
                        let joined = codec.joined(field, &subfields).expect("a value");
                        let again = {
                            let mut message = message.clone();
                            message.set(field, &joined);
                            codec.subfields(&message, field).map(|list| list.len())
                        };
                        assert_eq!(again, Ok(subfields.len()), "seed {seed}: {name}");
                    }
                }
            }
            Err(unreadable) => {
                // What was read of it can be printed, and written again.
                if let Some(before) = &unreadable.before {
                    let _ = format!("{before}");
                    assert!(codec.encode(before).is_ok(), "seed {seed}: {name}");
                }
            }
        }
    }
    assert!(read > 0, "seed {seed}: nothing was read");
}

#[test]
fn any_stream_is_frames_or_an_error_and_takes_no_more_memory_than_a_frame() {
    let mut random = Random::new();
    let lengths = [
        LengthHeader::Two,
        LengthHeader::TwoLowerFirst,
        LengthHeader::Four,
        LengthHeader::FourDigits,
        LengthHeader::Packed,
    ];
    let headers = [Header::None, Header::Tpdu, Header::Opaque(7)];
    for _ in 0..rounds(2_000) {
        let header = headers[random.below(3)];
        let framing = Framing {
            length: lengths[random.below(5)],
            counts_itself: random.below(2) == 0,
            header,
            most: 512,
        };
        let header_bytes = match header {
            Header::None => 0,
            Header::Tpdu => 5,
            Header::Opaque(bytes) => usize::from(bytes),
        };
        let mut good = Vec::new();
        for _ in 0..3 {
            let count = random.below(400);
            let (header, message) = (random.bytes(header_bytes), random.bytes(count));
            framing
                .write(&header, &message, &mut good)
                .expect("written");
        }
        let stream = mutated(&mut random, &good);
        let mut deframer = Deframer::new(framing);
        for part in stream.chunks(1 + random.below(100)) {
            deframer.push(part);
            while let Ok(Some(frame)) = deframer.next_frame() {
                assert!(frame.message.len() <= 512);
            }
        }
        assert!(
            deframer.memory() <= 4 * 1024 + stream.len(),
            "seed {}",
            random.seed
        );
    }
}
