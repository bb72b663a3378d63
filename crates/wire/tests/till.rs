//! What a session does by itself: signing on, refusing what makes no sense, and telling a repeat and a reversal for what they are.

use std::sync::Arc;

use paytone_wire::{
    emv::{
        CardKeys, ChipData, IssuerAnswer, IssuerData, Key, Phone, Tap, Tvr, issuer_data::Holder,
        key::Algorithm, version,
    },
    iso8583::{Codec, Framing, Message, MessageType, Original, dialect::Structure, dialects},
    till::{
        Code, Entry, Event, Kind, Link, Reply, Request, Session, Terminal,
        request::{Total, Totals},
        session::Why,
        terminal::{self, Moment, Payer},
    },
};

fn link() -> Link {
    Link::new(&dialects::ASCII_1987, Framing::default()).expect("a link")
}

fn session() -> Session {
    Session::new(Arc::new(link()))
}

/// A purchase with everything that it must have.
fn purchase() -> Message {
    let mut message = Message::new(MessageType::new(200));
    message
        .set(2, "8888001234567890")
        .set(3, "000000")
        .set(4, "000000001234")
        .set(7, "1123170000")
        .set(11, "000042")
        .set(12, "170000")
        .set(13, "1123")
        .set(22, "071")
        .set(41, "TERM0001")
        .set(42, "MERCHANT0000001")
        .set(49, "156");
    message
}

fn receive(session: &mut Session, message: &Message) -> Event {
    let link = session.link();
    let bytes = link.codec.encode(message).expect("a message");
    let mut frame = Vec::new();
    link.framing.write(&[], &bytes, &mut frame).expect("framed");
    session.push(&frame);
    session.next_event().expect("a frame").expect("an event")
}

fn request(session: &mut Session, message: &Message) -> Request {
    match receive(session, message) {
        Event::Request(request) => *request,
        other => panic!("{other:?} to {message}"),
    }
}

/// The answer in `bytes`.
fn read(bytes: &[u8]) -> Message {
    let codec = Codec::new(&dialects::ASCII_1987).expect("a codec");
    codec.decode(&bytes[2..]).expect("an answer")
}

/// What the session answered by itself, and why.
fn answered(session: &mut Session, message: &Message) -> (Message, Why) {
    match receive(session, message) {
        Event::Answered { bytes, why } => (read(&bytes), why),
        other => panic!("{other:?} to {message}"),
    }
}

fn network(code: &str) -> Message {
    let mut message = Message::new(MessageType::new(800));
    message.set(7, "1123170000").set(11, "000001").set(70, code);
    message
}

#[test]
fn a_link_that_asks_for_sign_on_lets_nothing_through_before_and_after() {
    let mut link = link();
    link.profile.sign_on_first = true;
    let mut session = Session::new(Arc::new(link));
    let (answer, why) = answered(&mut session, &purchase());
    assert_eq!((answer.text(39), why), (Some("58"), Why::NotSignedOn));
    let (answer, why) = answered(&mut session, &network("301"));
    assert_eq!((answer.text(39), why), (Some("00"), Why::Echo));
    let (answer, why) = answered(&mut session, &network("001"));
    assert_eq!((answer.text(39), why), (Some("00"), Why::SignedOn));
    assert_eq!(
        (answer.text(70), answer.text(11)),
        (Some("001"), Some("000001"))
    );
    assert!(session.is_signed_on());
    assert_eq!(request(&mut session, &purchase()).amount, Some(1234));
    let (_, why) = answered(&mut session, &network("002"));
    assert_eq!(why, Why::SignedOff);
    let (_, why) = answered(&mut session, &purchase());
    assert_eq!(why, Why::NotSignedOn);
    let (answer, why) = answered(&mut session, &network("161"));
    assert_eq!((answer.text(39), why), (Some("12"), Why::Unsupported));
}

#[test]
fn what_lacks_a_field_or_contradicts_itself_is_a_format_error_that_names_it() {
    let chip = |bytes: &[u8]| purchase().set(55, bytes).clone();
    let cases = [
        (purchase().remove(4).clone(), "4"),
        (purchase().remove(41).clone(), "41"),
        (purchase().remove(2).clone(), "2"),
        (purchase().set(2, "1234567").clone(), "2"),
        (purchase().set(35, "8888001234567891=3012201").clone(), "35"),
        (purchase().set(35, "8888001234567890=30").clone(), "35"),
        (
            purchase()
                .set(35, "8888001234567890=3012201")
                .set(14, "3011")
                .clone(),
            "14",
        ),
        (purchase().set(23, "100").clone(), "23"),
        (chip(&[0x9F, 0x26, 8, 1]), "55.9F26"),
        (chip(&[0x9F, 0x10, 1, 1]), "55.9F02"),
        (chip(&[0x95, 1, 1, 0x95, 1, 1]), "55.95"),
        (chip(&[0x9F]), "55"),
    ];
    let mut session = session();
    for (message, place) in cases {
        let (answer, why) = answered(&mut session, &message);
        assert_eq!(answer.text(39), Some("30"), "{message}");
        assert_eq!(answer.text(44), Some(place), "{message}");
        assert!(matches!(why, Why::Format(error) if error.path.to_string() == place));
    }
    let mut reversal = purchase();
    reversal.message_type = MessageType::new(420);
    assert_eq!(answered(&mut session, &reversal).0.text(44), Some("90"));
}

#[test]
fn a_message_that_breaks_off_is_answered_with_what_was_there() {
    let mut session = session();
    let mut bytes = session.link().codec.encode(&purchase()).expect("bytes");
    bytes.truncate(bytes.len() - 5);
    let mut frame = Vec::new();
    let framing = session.link().framing;
    framing.write(&[], &bytes, &mut frame).expect("framed");
    session.push(&frame);
    let Ok(Some(Event::Answered { bytes, why })) = session.next_event() else {
        panic!("an answer");
    };
    assert!(matches!(why, Why::Format(_)));
    let answer = read(&bytes);
    assert_eq!(answer.message_type, MessageType::new(210));
    assert_eq!(
        (answer.text(39), answer.text(11)),
        (Some("30"), Some("000042"))
    );

    session.push(&[0, 3, b'0', b'2', b'x']);
    assert!(matches!(
        session.next_event(),
        Ok(Some(Event::Unreadable(_)))
    ));
    // Empty frames are not answered, or two sides would never stop.
    session.push(&[0, 0]);
    assert!(matches!(session.next_event(), Ok(Some(Event::Alive))));
    session.push(&[0xFF, 0xFF]);
    assert!(session.next_event().is_err());
}

#[test]
fn responses_other_versions_and_other_classes_reach_nobody() {
    let mut session = session();
    let of_type = |number| {
        let mut message = purchase();
        message.message_type = MessageType::new(number);
        message
    };
    assert!(matches!(
        receive(&mut session, &of_type(210)),
        Event::Unreadable(_)
    ));
    assert!(matches!(receive(&mut session, &of_type(810)), Event::Alive));
    for number in [1200, 2100] {
        let event = receive(&mut session, &of_type(number));
        assert!(matches!(event, Event::Unreadable(_)), "{number}");
    }
    for number in [300, 600] {
        let (answer, why) = answered(&mut session, &of_type(number));
        assert_eq!((answer.text(39), why), (Some("12"), Why::Unsupported));
    }
}

#[test]
fn an_echo_of_the_host_is_a_message_that_the_other_side_answers() {
    let ours = session();
    let echo = ours.echo(1_000_007, "1123170000").expect("an echo");
    let mut theirs = session();
    theirs.push(&echo);
    let Ok(Some(Event::Answered {
        bytes,
        why: Why::Echo,
    })) = theirs.next_event()
    else {
        panic!("an answer");
    };
    let mut ours = ours;
    ours.push(&bytes);
    assert!(matches!(ours.next_event(), Ok(Some(Event::Alive))));
    assert_eq!(read(&bytes).text(11), Some("000007"));
}

#[test]
fn a_repeat_has_the_identity_of_what_it_repeats_and_a_reversal_finds_what_it_undoes() {
    let mut session = session();
    let first = request(&mut session, &purchase());
    let mut message = purchase();
    message.message_type = MessageType::new(201);
    let again = request(&mut session, &message);
    assert!(!first.repeat && again.repeat);
    assert_eq!(first.identity, again.identity);
    for (field, value) in [(11, "000043"), (41, "TERM0002"), (13, "1124")] {
        let other = request(&mut session, purchase().set(field, value));
        assert_ne!(first.identity, other.identity, "{field}");
    }

    let mut reversal = purchase();
    reversal.message_type = MessageType::new(420);
    let original = Original::elements_of(&message).value();
    reversal.set(11, "000050").set(90, original);
    let undo = request(&mut session, &reversal);
    assert_eq!(undo.kind, Kind::ReversalAdvice);
    assert!(undo.undoes(&first) && undo.undoes(&again));
    let other = request(&mut session, purchase().set(41, "TERM0002"));
    assert!(!undo.undoes(&other));
    let other = request(&mut session, purchase().set(7, "1123170001"));
    assert!(!undo.undoes(&other));
    assert!(!first.undoes(&first));
}

#[test]
fn a_payment_code_takes_the_place_of_a_card() {
    let mut session = session();
    let mut message = purchase();
    message
        .remove(2)
        .set(22, "031")
        .set(48, "20011PC2012345678902010014129");
    let scanned = request(&mut session, &message);
    assert_eq!(
        scanned.payment_code.as_deref(),
        Some("12345678902010014129")
    );
    assert_eq!((scanned.entry, &scanned.card), (Entry::Code, &None));
    // What a network keeps in field 48 for itself is no error.
    let other = request(&mut session, purchase().set(48, "whatever this is"));
    assert_eq!(other.payment_code, None);
    assert!(!format!("{scanned:?}").contains("12345678902"));
}

#[test]
fn a_simulated_phone_is_verified_and_hears_from_its_issuer() {
    let key: Vec<u8> = (1..=16).collect();
    let issuer = Key::new(Algorithm::TripleDes, &key).expect("a key");
    let keys = CardKeys::derive(&version::VISA_18, &issuer, "8888001234567890", 1);
    let keys = keys.expect("keys");
    let mut chip = ChipData {
        amount: [0, 0, 0, 0, 0x12, 0x34],
        other_amount: [0; 6],
        country: [1, 0x56],
        tvr: Tvr::default(),
        currency: [1, 0x56],
        date: [0x26, 0x11, 0x23],
        kind: 0,
        unpredictable: [1, 2, 3, 4],
        interchange_profile: [0x18, 0],
        counter: 7,
        issuer_data: vec![6, 1, 0x12, 3, 0xA4, 0, 0],
        cryptogram: [0; 8],
        information: Some(0x80),
        cvm_results: Some([1, 0, 2]),
        qualifiers: None,
        sequence_number: Some(1),
    };
    chip.cryptogram = keys.cryptogram(&chip).expect("a cryptogram");

    let mut session = session();
    let asked = request(&mut session, purchase().set(55, chip.write()));
    assert_eq!(asked.entry, Entry::ContactlessChip);
    let seen = asked.chip.as_ref().expect("chip data");
    let issuer_data = IssuerData::parse(&seen.issuer_data).expect("known");
    assert_eq!(issuer_data.holder(), Holder::Verified);
    let status = IssuerAnswer::Status([0, 0x12, 0, 0]);
    let (right, authentication) = keys.verify_and_answer(seen, |_| status).expect("verified");
    assert!(right);
    let mut reply = Reply::new(Code::Approved);
    reply.issuer_authentication = Some(authentication);
    reply.approval = Some("123456".into());
    let answer = read(&session.answer(&asked, &reply).expect("an answer"));
    let heard = &answer.get(55).expect("tag 91")[2..];
    assert_eq!(keys.verify_answer(&chip, heard), Ok(true));
    assert_eq!(answer.text(38), Some("123456"));
    // A decline carries no approval, whatever it was given.
    reply.code = Code::NotEnoughMoney;
    let answer = read(&session.answer(&asked, &reply).expect("an answer"));
    assert_eq!((answer.text(39), answer.text(38)), (Some("51"), None));
}

/// Every kind of message that a terminal makes, in every dialect: understood, answered, heard.
#[test]
fn a_terminal_and_a_session_understand_each_other_in_every_dialect() {
    let key: Vec<u8> = (1..=16).collect();
    let issuer = Key::new(Algorithm::TripleDes, &key).expect("a key");
    let number = "8888001234567890";
    let keys = CardKeys::derive(&version::MCHIP_14, &issuer, number, 1).expect("keys");
    for dialect in dialects::ALL {
        let link = Arc::new(Link::new(dialect, Framing::default()).expect("a link"));
        let mut session = Session::new(link.clone());
        let mut phone = Phone {
            keys: keys.clone(),
            key_index: 1,
            counter: 0,
            sequence_number: Some(1),
        };
        let terminal = Terminal {
            version: dialect.version,
            terminal: "T1".into(),
            merchant: "SHOP".into(),
            acquirer: Some("123456".into()),
            currency: "156".into(),
        };
        let moment = |trace| Moment {
            local: "261123180000",
            transmitted: "1123100000",
            trace,
        };
        let tap = Tap {
            amount: 1234,
            currency: 156,
            country: 156,
            date: 261_123,
            kind: 0,
            unpredictable: [9; 4],
            verified: true,
        };
        let chip = phone.tap(&tap).expect("chip data");
        let payer = Payer::Tap {
            number,
            sequence: 1,
            chip: &chip,
            pin_block: Some(&[7; 8]),
        };
        let purchase = terminal.purchase(&payer, 1234, moment(1));
        let totals = Totals {
            debits: Total {
                count: 3,
                amount: 3702,
            },
            net: Some(-3702),
            ..Totals::default()
        };
        let has_codes = matches!(link.codec.structure(48), Some(Structure::Labelled { .. }));
        let mut messages = vec![
            (purchase.clone(), Kind::Purchase),
            (terminal.repeat(&purchase), Kind::Purchase),
            (terminal.refund(&payer, 1234, moment(2)), Kind::Purchase),
            (
                terminal.authorization(&payer, 1234, moment(3)),
                Kind::Authorization,
            ),
            (
                terminal.reversal(&purchase, moment(4)),
                Kind::ReversalAdvice,
            ),
            (
                terminal.reconciliation(&totals, moment(5)),
                Kind::Reconciliation,
            ),
        ];
        if has_codes {
            let code = Payer::Code("12345678902010014129");
            messages.push((terminal.purchase(&code, 1234, moment(6)), Kind::Purchase));
        }
        let mut first: Option<Request> = None;
        for (message, kind) in messages {
            let asked = request(&mut session, &message);
            assert_eq!((asked.kind, &asked.identity.terminal[..]), (kind, "T1"));
            let mut reply = Reply::new(Code::Approved);
            reply.approval = Some("654321".into());
            if let Some(chip) = &asked.chip {
                let code = IssuerAnswer::Code(*b"00");
                let (right, tag_91) = keys.verify_and_answer(chip, |_| code).expect("verified");
                let issuer_data = IssuerData::parse(&chip.issuer_data).expect("known");
                assert!(right && issuer_data.holder() == Holder::Verified);
                assert_eq!(
                    asked.pin_block.as_ref().map(|block| &block[..]),
                    Some(&[7; 8][..])
                );
                reply.issuer_authentication = Some(tag_91);
            } else if kind == Kind::Purchase {
                assert_eq!(asked.payment_code.as_deref(), Some("12345678902010014129"));
            }
            if kind == Kind::ReversalAdvice {
                assert!(first.as_ref().is_some_and(|first| asked.undoes(first)));
            }
            if kind == Kind::Reconciliation {
                assert_eq!(asked.totals, Some(totals));
            }
            let bytes = session.answer(&asked, &reply).expect("an answer");
            let answer = link.codec.decode(&bytes[2..]).expect("an answer");
            let heard = terminal::heard(&answer).expect("an answer");
            assert_eq!(
                heard.code,
                Some(Code::Approved),
                "{}: {answer}",
                dialect.name
            );
            assert_eq!(heard.trace, asked.identity.trace);
            assert_eq!(heard.approval.as_deref(), Some("654321"));
            assert_eq!(heard.issuer_authentication.is_some(), asked.chip.is_some());
            if let Some(tag_91) = &heard.issuer_authentication {
                assert_eq!(keys.verify_answer(&chip, tag_91), Ok(true));
            }
            first.get_or_insert(asked);
        }
        for (message, why) in [
            (terminal.sign_on(moment(7)), Why::SignedOn),
            (terminal.echo(moment(8)), Why::Echo),
            (terminal.sign_off(moment(9)), Why::SignedOff),
        ] {
            let Event::Answered { bytes, why: said } = receive(&mut session, &message) else {
                panic!("an answer");
            };
            assert_eq!(said, why);
            let answer = link.codec.decode(&bytes[2..]).expect("an answer");
            let heard = terminal::heard(&answer).expect("an answer");
            assert_eq!(heard.code, Some(Code::Approved));
            assert_eq!(terminal::heard(&message), None);
        }
    }
}
