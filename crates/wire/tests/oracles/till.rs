//! A till written with pyiso8583 talks to a session: what it sends is understood, and it understands the answers.

use std::sync::Arc;

use data_encoding::{HEXLOWER, HEXUPPER};
use paytone_wire::{
    iso8583::{Framing, MessageType, dialects, frame::Header},
    till::{Code, Event, Kind, Link, Reply, Request, Session, request::Transaction, session::Why},
};
use serde_json::{Map, Value, json};

use crate::{generated::Random, running};

const CASES: usize = 220;

/// Field 55 of the published sample.
const CHIP: &str = "9F260826C8A1042D1CAF3E9F2701809F100706010A03A000009F3704111111119F36023456950500000010809A039807049C01009F02060000000100005F2A020840820258009F1A0208409F0306000000001000";

/// What a till sends, as texts by field.
struct Sent {
    message_type: String,
    fields: Map<String, Value>,
}

fn sent(random: &mut Random, year: u16) -> Sent {
    let version = if year == 1987 { 0 } else { 1 };
    let kinds = [
        "100", "120", "200", "201", "220", "221", "400", "420", "421", "500", "800",
    ];
    let kind = kinds[random.below(kinds.len())];
    let message_type = format!("{version}{kind}");
    let mut fields = Map::new();
    let mut set = |field: u8, value: String| fields.insert(field.to_string(), value.into());
    let (day, time) = (random.date(), random.time());
    set(7, format!("{day}{time}"));
    set(11, random.digits(6));
    let local = |random: &mut Random| match version {
        0 => format!("{}{}", random.date(), random.time()),
        _ => format!("26{}{}", random.date(), random.time()),
    };
    if kind.starts_with('8') {
        let which = ["001", "002", "301"][random.below(3)];
        match version {
            0 => set(70, which.to_owned()),
            _ => set(24, which.replace("00", "80").replace("301", "831")),
        };
        return Sent {
            message_type,
            fields,
        };
    }
    set(41, format!("TERM{}", random.digits(4)));
    set(42, format!("MERCHANT{}", random.digits(7)));
    if kind.starts_with('5') {
        for (count, amount) in [(74, 86), (76, 88)] {
            set(count, random.digits(10));
            set(amount, format!("0{}", random.digits(15)));
        }
        return Sent {
            message_type,
            fields,
        };
    }
    let refund = kind.starts_with('2') && random.below(4) == 0;
    set(3, if refund { "200000" } else { "000000" }.to_owned());
    set(4, random.digits(12));
    set(49, "156".to_owned());
    let moment = local(random);
    match version {
        0 => {
            set(13, moment[..4].to_owned());
            set(12, moment[4..].to_owned());
        }
        _ => {
            set(12, moment);
        }
    }
    let length = 13 + random.below(7);
    let number = random.digits(length);
    if random.below(3) == 0 {
        set(35, format!("{number}=3012201{}", random.digits(6)));
    } else {
        set(2, number);
    }
    set(23, format!("0{}", random.digits(2)));
    set(32, random.digits(6));
    if kind.starts_with('4') {
        let trace = random.digits(6);
        let original = local(random);
        match version {
            0 => set(
                90,
                format!("0200{trace}{original}{}{}", "0".repeat(11), "0".repeat(11)),
            ),
            _ => set(56, format!("1200{trace}{original}06123456")),
        };
    } else {
        let contactless = match version {
            0 => "071".to_owned(),
            _ => "000000M00000".to_owned(),
        };
        set(22, contactless);
        set(55, CHIP.to_owned());
    }
    if kind.starts_with("12") || kind.starts_with("22") {
        set(38, "123456".to_owned());
        set(39, if version == 0 { "00" } else { "000" }.to_owned());
    }
    Sent {
        message_type,
        fields,
    }
}

impl Random {
    fn date(&mut self) -> String {
        format!("{:02}{:02}", 1 + self.below(12), 1 + self.below(28))
    }

    fn time(&mut self) -> String {
        let (hour, minute, second) = (self.below(24), self.below(60), self.below(60));
        format!("{hour:02}{minute:02}{second:02}")
    }
}

/// That `request` says what was sent.
fn check(request: &Request, sent: &Sent, seed: u64) {
    let field = |number: u8| sent.fields.get(&number.to_string()).and_then(Value::as_str);
    let message_type = &sent.message_type;
    let kind = match &message_type[1..3] {
        "10" => Kind::Authorization,
        "12" => Kind::AuthorizationAdvice,
        "20" => Kind::Purchase,
        "22" => Kind::PurchaseAdvice,
        "40" => Kind::Reversal,
        "42" => Kind::ReversalAdvice,
        _ => Kind::Reconciliation,
    };
    assert_eq!(request.kind, kind, "seed {seed}");
    assert_eq!(request.repeat, message_type.ends_with('1'), "seed {seed}");
    let amount = field(4).map(|amount| amount.parse().expect("a number"));
    assert_eq!(request.amount, amount, "seed {seed}");
    assert_eq!(request.currency.as_deref(), field(49), "seed {seed}");
    let trace = field(11).map(str::parse);
    assert_eq!(trace, Some(Ok(request.identity.trace)), "seed {seed}");
    assert_eq!(Some(request.identity.terminal.as_str()), field(41));
    assert_eq!(Some(request.identity.merchant.as_str()), field(42));
    assert_eq!(Some(request.transmitted.as_str()), field(7));
    let number = field(2).or_else(|| field(35)?.split_once('=').map(|(number, _)| number));
    assert_eq!(request.card.as_ref().map(|card| card.number()), number);
    if field(35).is_some() {
        let card = request.card.as_ref().expect("a card");
        assert_eq!(card.expires.as_deref(), Some("3012"));
        assert_eq!(card.service.as_deref(), Some("201"));
    }
    let refund = field(3) == Some("200000");
    assert_eq!(request.transaction == Transaction::Refund, refund);
    assert_eq!(request.chip.is_some(), kind.asks_for_money(), "seed {seed}");
    if let Some(chip) = &request.chip {
        assert_eq!((chip.counter, chip.kind), (0x3456, 0));
    }
    let original = request.original.as_ref().map(|original| original.trace);
    let expected = field(90).or(field(56)).map(|value| value[4..10].parse());
    assert_eq!(original.map(Ok), expected, "seed {seed}");
    assert_eq!(request.answered.as_deref(), field(39));
    if let Some(totals) = &request.totals {
        let debits = (totals.debits.count, totals.debits.amount);
        let written = |number| field(number).map(|text| text.parse().expect("a number"));
        assert_eq!((Some(debits.0), Some(debits.1)), (written(76), written(88)));
    }
}

fn talk(dialect: &'static str, year: u16) {
    let mut random = Random::new();
    let seed = random.seed;
    let framing = Framing {
        header: Header::Tpdu,
        ..Framing::default()
    };
    let dialect_of = dialects::named(dialect).expect("a dialect");
    let link = Arc::new(Link::new(dialect_of, framing).expect("a link"));
    let all: Vec<Sent> = (0..CASES).map(|_| sent(&mut random, year)).collect();
    let cases: Vec<Value> = all
        .iter()
        .map(|sent| json!({ "type": sent.message_type, "fields": sent.fields }))
        .collect();
    let asked = json!({ "dialect": dialect, "cases": cases });
    let encoded = running::python("pyiso8583_messages.py", &asked);
    let encoded = encoded.as_array().expect("a list");

    // All of them in one stream, cut anywhere.
    let mut stream = Vec::new();
    for message in encoded {
        let hex = message["encoded"].as_str().expect("bytes");
        let bytes = HEXLOWER.decode(hex.as_bytes()).expect("bytes");
        framing
            .write(&[0x60, 0, 1, 0, 2], &bytes, &mut stream)
            .expect("framed");
    }
    let mut session = Session::new(link);
    let mut answers = Vec::new();
    let mut all_sent = all.iter();
    let mut rest = stream.as_slice();
    while !rest.is_empty() {
        let (part, after) = rest.split_at(rest.len().min(1 + random.below(700)));
        session.push(part);
        rest = after;
        while let Some(event) = session.next_event().expect("frames") {
            let sent = all_sent.next().expect("no more than was sent");
            let bytes = match event {
                Event::Request(request) => {
                    check(&request, sent, seed);
                    let mut reply = Reply::new(Code::Approved);
                    reply.approval = Some("A1B2C3".into());
                    reply.reference = Some("000000000042".into());
                    reply.issuer_authentication = Some(vec![1, 2, 3, 4, 5, 6, 7, 8, 0x30, 0x30]);
                    session.answer(&request, &reply).expect("an answer")
                }
                Event::Answered { bytes, why } => {
                    assert!(
                        matches!(why, Why::SignedOn | Why::SignedOff | Why::Echo),
                        "seed {seed}: {why:?} to {} {:?}",
                        sent.message_type,
                        sent.fields
                    );
                    bytes
                }
                other => panic!("seed {seed}: {other:?}"),
            };
            // Length, and the addresses exchanged.
            assert_eq!(bytes[2..7], [0x60, 0, 2, 0, 1]);
            answers.push(HEXUPPER.encode(&bytes[7..]));
        }
    }
    assert!(!session.is_waiting());
    assert_eq!(answers.len(), CASES, "seed {seed}");

    let cases: Vec<Value> = cases
        .iter()
        .zip(&answers)
        .map(|(case, answer)| {
            let mut case = case.clone();
            case["hex"] = answer.clone().into();
            case
        })
        .collect();
    let asked = json!({ "dialect": dialect, "cases": cases });
    let read = running::python("pyiso8583_messages.py", &asked);
    for (sent, read) in all.iter().zip(read.as_array().expect("a list")) {
        let message_type = MessageType::parse(sent.message_type.as_bytes()).expect("a type");
        let response = message_type.response().expect("a type");
        assert_eq!(read["type"], response.to_string(), "seed {seed}");
        let answer = read["decoded"].as_object().expect("fields");
        for field in ["2", "3", "4", "7", "11", "41", "42", "49"] {
            assert_eq!(
                answer.get(field),
                sent.fields.get(field),
                "seed {seed}: {field}"
            );
        }
        assert_eq!(answer["39"], Code::Approved.text(response), "seed {seed}");
        let network = sent.message_type[1..].starts_with('8');
        assert_eq!(answer.get("38").is_some(), !network, "seed {seed}");
        // The chip hears from its issuer if it asked.
        let chip = sent.fields.contains_key("55");
        let heard = answer.get("55").map(|value| value.as_str());
        let expected = chip.then_some(Some("910A01020304050607083030"));
        assert_eq!(heard, expected, "seed {seed}");
    }
}

#[test]
fn a_till_of_pyiso8583_is_understood_and_understands_in_ascii() {
    talk("1987-ascii", 1987);
}

#[test]
fn a_till_of_pyiso8583_is_understood_and_understands_in_packed_digits() {
    talk("1987-bcd", 1987);
}

#[test]
fn a_till_of_pyiso8583_is_understood_and_understands_in_ebcdic() {
    talk("1987-ebcdic", 1987);
}

#[test]
fn a_till_of_pyiso8583_is_understood_and_understands_in_1993() {
    talk("1993-ascii", 1993);
    talk("1993-bcd", 1993);
}
