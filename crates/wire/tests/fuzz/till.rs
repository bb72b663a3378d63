//! A session over whatever a connection brings.

use std::sync::Arc;

use paytone_wire::{
    iso8583::{Framing, dialects},
    till::{Code, Event, Link, Reply, Session},
};

use crate::{
    generated::{self, Random},
    mutation::{mutated, rounds},
};

#[test]
fn any_stream_ends_in_events_and_every_request_can_be_answered() {
    let mut random = Random::new();
    let seed = random.seed;
    let links: Vec<_> = dialects::ALL
        .iter()
        .map(|dialect| Arc::new(Link::new(dialect, Framing::default()).expect("a link")))
        .collect();
    let mut requests = 0;
    for _ in 0..rounds(1_000) {
        let link = &links[random.below(links.len())];
        let mut stream = Vec::new();
        for _ in 0..3 {
            let mut message = generated::message(&mut random, &link.codec, false, |_| true);
            // What any request needs, so that more than a format error is reached.
            if random.below(4) > 0 {
                for field in link.profile.required.iter().flat_map(|(_, fields)| *fields) {
                    generated::set(&mut random, &link.codec, false, &mut message, *field);
                }
                let card = random.digits(16);
                message.remove(35).remove(23).set(2, card).remove(55);
            }
            let bytes = link.codec.encode(&message).expect("a message");
            let bytes = match random.below(3) {
                0 => mutated(&mut random, &bytes),
                _ => bytes,
            };
            link.framing
                .write(&[], &bytes, &mut stream)
                .expect("framed");
        }
        if random.below(4) == 0 {
            stream = mutated(&mut random, &stream);
        }
        let mut session = Session::new(link.clone());
        session.push(&stream);
        while let Ok(Some(event)) = session.next_event() {
            if let Event::Request(request) = event {
                requests += 1;
                let _ = format!("{request:?}");
                let answer = session.answer(&request, &Reply::new(Code::Declined));
                let bytes = answer.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
                let answer = link.codec.decode(&bytes[2..]);
                let answer = answer.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
                assert_eq!(answer.get(11), request.message().get(11), "seed {seed}");
                assert!(answer.message_type.is_response(), "seed {seed}");
            }
        }
    }
    assert!(requests > 0, "seed {seed}: no request came through");
}
