//! Messages of every dialect against pyiso8583 and the npm package iso_8583.

use data_encoding::{HEXLOWER_PERMISSIVE, HEXUPPER};
use paytone_wire::iso8583::{
    Codec, Dialect, Message, MessageType,
    dialect::Change,
    dialects,
    field::{Class, Length},
};
use serde_json::{Map, Value, json};

use crate::{
    generated::{self, Random},
    running,
};

const CASES: usize = 250;

/// The fields as both sides write them down: characters as they are, bytes in hexadecimal.
fn written(codec: &Codec, message: &Message) -> Map<String, Value> {
    message
        .fields()
        .map(|(number, value)| {
            let text = match codec.field(number) {
                Some((Class::Binary, _)) => HEXUPPER.encode(value),
                _ => value.iter().map(|byte| char::from(*byte)).collect(),
            };
            (number.to_string(), Value::String(text))
        })
        .collect()
}

fn hex(value: &Value) -> Vec<u8> {
    let text = value.as_str().expect("hexadecimal text");
    HEXLOWER_PERMISSIVE.decode(text.as_bytes()).expect("bytes")
}

/// `CASES` messages through an oracle: it encodes what we encode, decodes what we encode, and we decode what it encodes.
fn compare(
    dialect: &Dialect,
    plain: bool,
    wanted: impl Fn(u8) -> bool,
    oracle: impl Fn(&Value) -> Value,
) {
    let mut random = Random::new();
    let codec = Codec::new(dialect).expect("a codec");
    let messages: Vec<Message> = (0..CASES)
        .map(|_| generated::message(&mut random, &codec, plain, &wanted))
        .collect();
    let seed = random.seed;
    let cases: Vec<Value> = messages
        .iter()
        .map(|message| {
            let bytes = codec
                .encode(message)
                .unwrap_or_else(|error| panic!("seed {seed}: {error} in {message}"));
            json!({
                "type": message.message_type.to_string(),
                "fields": written(&codec, message),
                "hex": HEXUPPER.encode(&bytes),
            })
        })
        .collect();
    let answers = oracle(&json!({ "dialect": dialect.name, "cases": cases }));
    let answers = answers.as_array().expect("a list of answers");
    assert_eq!(answers.len(), CASES, "seed {seed}");
    for ((message, case), answer) in messages.iter().zip(&cases).zip(answers) {
        let encoded = hex(&answer["encoded"]);
        let ours = hex(&case["hex"]);
        assert!(
            encoded == ours,
            "seed {seed}: {message}\n  they write {}\n  we write   {}",
            HEXUPPER.encode(&encoded),
            HEXUPPER.encode(&ours)
        );
        assert_eq!(answer["type"], case["type"], "seed {seed}");
        let decoded = answer["decoded"].as_object().expect("fields");
        for (number, value) in case["fields"].as_object().expect("fields") {
            let theirs = decoded.get(number).and_then(Value::as_str);
            let same = theirs.is_some_and(|theirs| Some(theirs) == value.as_str())
                || is_binary(&codec, number)
                    && theirs.map(str::to_uppercase).as_deref() == value.as_str();
            assert!(same, "seed {seed}: field {number}: {theirs:?} for {value}");
        }
        assert_eq!(decoded.len(), message.fields().count(), "seed {seed}");
        let read = codec.decode(&encoded);
        assert_eq!(read.as_ref(), Ok(message), "seed {seed}");
    }
}

fn is_binary(codec: &Codec, number: &str) -> bool {
    let field = number.parse().ok().and_then(|number| codec.field(number));
    matches!(field, Some((Class::Binary, _)))
}

fn compare_with_python(dialect: &str) {
    // A packed amount with a sign is written in two ways at once, which pyiso8583 cannot; bit 65 is its third bitmap.
    let packed = dialect.ends_with("bcd") || dialect.ends_with("binary");
    let signed = |field| matches!(field, 28..=31 | 97);
    compare(
        dialects::named(dialect).expect("a dialect"),
        false,
        |field| field != 65 && !(packed && signed(field)),
        |asked| running::python("pyiso8583_messages.py", asked),
    );
}

#[test]
fn pyiso8583_agrees_on_1987_in_ascii() {
    compare_with_python("1987-ascii");
}

#[test]
fn pyiso8583_agrees_on_1987_in_hexadecimal() {
    compare_with_python("1987-hex");
}

#[test]
fn pyiso8583_agrees_on_1987_in_packed_digits() {
    compare_with_python("1987-bcd");
}

#[test]
fn pyiso8583_agrees_on_1987_with_binary_lengths() {
    compare_with_python("1987-binary");
}

#[test]
fn pyiso8583_agrees_on_1987_in_ebcdic() {
    compare_with_python("1987-ebcdic");
}

#[test]
fn pyiso8583_agrees_on_1993_in_ascii() {
    compare_with_python("1993-ascii");
}

#[test]
fn pyiso8583_agrees_on_1993_in_packed_digits() {
    compare_with_python("1993-bcd");
}

#[test]
fn pyiso8583_agrees_on_1993_in_ebcdic() {
    compare_with_python("1993-ebcdic");
}

#[test]
fn pyiso8583_agrees_on_a_third_bitmap() {
    let upto_99 = Length::Upto {
        most: 99,
        digits: 2,
    };
    let dialect = Dialect {
        name: "1987-third".into(),
        third_bitmap: true,
        exceptions: vec![
            (129, Change::Is(Class::Text, upto_99)),
            (150, Change::Is(Class::Binary, Length::Fixed(3))),
            (192, Change::Is(Class::Alphabetic, Length::Fixed(4))),
        ]
        .into(),
        ..dialects::ASCII_1987
    };
    // Few others, so that most messages have some of the three.
    compare(
        &dialect,
        false,
        |field| !(20..=100).contains(&field),
        |asked| running::python("pyiso8583_messages.py", asked),
    );
}

#[test]
fn the_node_package_agrees_on_what_it_speaks() {
    // Where the package wants values that no standard asks for.
    let peculiar = |field| matches!(field, 34 | 36 | 59 | 65 | 118..=123 | 127);
    compare(
        &dialects::NODE_1987,
        true,
        |field| !peculiar(field),
        |asked| running::node("node_messages.js", asked),
    );
}

/// The sample has two zeros too many before field 7 and one before field 37, so that no dialect of the standard reads it: pyiso8583
/// stops at the same field. Without them it is a sale with chip data.
#[test]
fn the_published_sample_is_refused_as_pyiso8583_refuses_it_and_reads_once_it_is_mended() {
    let sample = include_str!("../../../../specs/iso8583/sample-0200.json");
    let sample: Value = serde_json::from_str(sample).expect("the sample");
    let bytes = hex(&sample["hex"]);
    let codec = Codec::new(&dialects::ASCII_1987).expect("a codec");
    let unreadable = codec.decode_far(&bytes).expect_err("refused");
    assert_eq!(unreadable.error.to_string(), "55: too_long");
    let asked = json!({
        "dialect": "1987-ascii",
        "refused": [sample["hex"]],
        "cases": [],
    });
    let theirs = running::python("pyiso8583_messages.py", &asked);
    assert_eq!(theirs, json!(["55"]));

    let mended = [&bytes[..30], &bytes[32..76], &bytes[77..]].concat();
    let message = codec.decode(&mended).expect("a message");
    assert_eq!(message.message_type, MessageType::new(200));
    assert_eq!(message.number(4), Some(10_000));
    assert_eq!(message.text(7), Some("1122194643"));
    assert_eq!(message.text(37), Some("000000000001"));
    assert_eq!(message.text(41), Some("TERM0001"));
    let chip = codec.subfields(&message, 55).expect("chip data");
    assert_eq!(chip.len(), 13);
    assert_eq!(codec.encode(&message), Ok(mended));
}
