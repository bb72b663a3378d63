//! A message to a request: what must be there is, and makes sense together.

use zeroize::Zeroizing;

use super::{
    card::Card,
    profile::Profile,
    request::{Entry, Identity, Kind, Request, Total, Totals, Transaction},
};
use crate::{
    emv::{ChipData, chip_data::ChipDataError},
    iso8583::{
        Codec, Error, Message, Original, Path, Problem,
        dialect::Structure,
        error::Label,
        subfields::{self, Key},
    },
};

/// The subfield of field 48 that a one-time payment code is in.
const PAYMENT_CODE: &[u8] = b"PC";

/// Makes a request of kind `kind` of `message`.
pub(super) fn request(
    message: Message,
    header: Vec<u8>,
    kind: Kind,
    codec: &Codec,
    profile: &Profile,
) -> Result<Request, Box<(Error, Message)>> {
    match parts(&message, kind, codec, profile) {
        Ok(parts) => Ok(Request {
            header,
            message,
            ..parts
        }),
        Err(error) => Err(Box::new((error, message))),
    }
}

fn parts(
    message: &Message,
    kind: Kind,
    codec: &Codec,
    profile: &Profile,
) -> Result<Request, Error> {
    if let Some(field) = profile
        .required(kind)
        .iter()
        .find(|field| !message.has(**field))
    {
        return Err(Error::field(*field, Problem::Missing));
    }
    let card = card(message)?;
    let payment_code = payment_code(message, codec)?;
    if kind.asks_for_money() && card.is_none() && payment_code.is_none() {
        return Err(Error::field(2, Problem::Missing));
    }
    let chip = match message.get(55) {
        Some(value) if kind.asks_for_money() => Some(chip(value)?),
        _ => None,
    };
    let local = local(message);
    Ok(Request {
        kind,
        repeat: message.message_type.is_repeat(),
        transaction: transaction(message)?,
        amount: number(message, 4)?,
        currency: message.text(49).map(str::to_owned),
        card,
        payment_code,
        entry: entry(message),
        chip,
        pin_block: message.get(52).map(|block| Zeroizing::new(block.to_vec())),
        identity: identity(message, &local)?,
        transmitted: text(message, 7),
        local,
        reference: message.text(37).map(str::to_owned),
        place: message.get(43).map(characters),
        original: Original::of(message)?,
        approval: message.text(38).map(str::to_owned),
        answered: message.text(39).map(str::to_owned),
        totals: match kind {
            Kind::Reconciliation => Some(totals(message)?),
            _ => None,
        },
        // Put in their place by the caller, who owns them.
        message: Message::with_room(message.message_type, 0),
        header: Vec::new(),
    })
}

fn text(message: &Message, field: u8) -> String {
    message.text(field).unwrap_or_default().to_owned()
}

fn characters(value: &[u8]) -> String {
    value.iter().map(|byte| char::from(*byte)).collect()
}

fn number(message: &Message, field: u8) -> Result<Option<u64>, Error> {
    match (message.has(field), message.number(field)) {
        (true, None) => Err(Error::field(field, Problem::Value)),
        (_, number) => Ok(number),
    }
}

fn card(message: &Message) -> Result<Option<Card>, Error> {
    let of_track = match message.get(35) {
        Some(_) => {
            let track = message.text(35).and_then(Card::of_track_2);
            Some(track.ok_or(Error::field(35, Problem::Value))?)
        }
        None => None,
    };
    let of_number = match message.get(2) {
        Some(_) => {
            let number = message.text(2).and_then(Card::new);
            Some(number.ok_or(Error::field(2, Problem::Value))?)
        }
        None => None,
    };
    let mut card = match (of_track, of_number) {
        (Some(track), Some(number)) if track.number() != number.number() => {
            return Err(Error::field(35, Problem::Value));
        }
        (Some(card), _) | (None, Some(card)) => card,
        (None, None) => return Ok(None),
    };
    if let Some(expires) = message.text(14) {
        if card.expires.as_deref().is_some_and(|of| of != expires) {
            return Err(Error::field(14, Problem::Value));
        }
        card.expires = Some(expires.to_owned());
    }
    if let Some(sequence) = number(message, 23)? {
        // Three digits of which a card has two.
        let sequence = u8::try_from(sequence).ok().filter(|number| *number < 100);
        card.sequence = Some(sequence.ok_or(Error::field(23, Problem::Value))?);
    }
    Ok(Some(card))
}

fn payment_code(message: &Message, codec: &Codec) -> Result<Option<String>, Error> {
    let (Some(value), Some(structure @ Structure::Labelled { .. })) =
        (message.get(48), codec.structure(48))
    else {
        return Ok(None);
    };
    // A network's own use of field 48 may be divided otherwise; then there is no code in it.
    let Ok(subfields) = subfields::read(structure, 48, value) else {
        return Ok(None);
    };
    let label = Key::Label(Label::new(PAYMENT_CODE));
    let code = subfields.iter().find(|(key, _)| *key == label);
    Ok(code.map(|(_, value)| characters(value)))
}

fn chip(value: &[u8]) -> Result<ChipData, Error> {
    ChipData::parse(value).map_err(|error| match error.tag() {
        Some(tag) => Error::new(
            Path::Object(55, tag),
            match error {
                ChipDataError::Missing(_) => Problem::Missing,
                ChipDataError::Length(_) => Problem::WrongLength,
                ChipDataError::Twice(_) => Problem::Value,
                ChipDataError::Unreadable(_) => Problem::EndsEarly,
            },
        ),
        None => Error::field(55, Problem::Structure),
    })
}

fn transaction(message: &Message) -> Result<Transaction, Error> {
    let Some(code) = number(message, 3)? else {
        return Ok(Transaction::Purchase);
    };
    Ok(match (code / 10_000) as u8 {
        0 => Transaction::Purchase,
        1 => Transaction::Cash,
        9 => Transaction::PurchaseWithCash,
        20 => Transaction::Refund,
        31 => Transaction::Balance,
        other => Transaction::Other(other),
    })
}

/// 1987: the first two digits; 1993: the seventh position of the point of service data code, with the letters that networks added.
fn entry(message: &Message) -> Entry {
    let Some(value) = message.text(22) else {
        return Entry::Unknown;
    };
    if message.message_type.version() == 0 {
        return match &value[..value.len().min(2)] {
            "00" => Entry::Unknown,
            "01" => Entry::Manual,
            "02" | "90" => Entry::Stripe,
            "03" => Entry::Code,
            "05" | "95" => Entry::Chip,
            "07" => Entry::ContactlessChip,
            "80" => Entry::Fallback,
            "81" | "10" => Entry::Online,
            "91" => Entry::ContactlessStripe,
            _ => Entry::Other,
        };
    }
    match value.as_bytes().get(6) {
        Some(b'0') => Entry::Unknown,
        Some(b'1' | b'6') => Entry::Manual,
        Some(b'2' | b'B') => Entry::Stripe,
        Some(b'3') => Entry::Code,
        Some(b'5' | b'C') => Entry::Chip,
        Some(b'7' | b'M') => Entry::ContactlessChip,
        Some(b'9') => Entry::Fallback,
        Some(b'A') => Entry::ContactlessStripe,
        Some(b'S' | b'T') => Entry::Online,
        _ => Entry::Other,
    }
}

fn local(message: &Message) -> String {
    match message.message_type.version() {
        0 if message.has(13) => text(message, 13) + &text(message, 12),
        _ => text(message, 12),
    }
}

fn identity(message: &Message, local: &str) -> Result<Identity, Error> {
    let trace = message
        .number(11)
        .and_then(|trace| u32::try_from(trace).ok());
    let date = match (message.message_type.version(), local.len()) {
        (0, 10) => &local[..4],
        (1.., 12) => &local[..6],
        _ => message.text(7).and_then(|when| when.get(..4)).unwrap_or(""),
    };
    Ok(Identity {
        message_type: message.message_type.original(),
        acquirer: text(message, 32).trim_start_matches('0').to_owned(),
        merchant: text(message, 42).trim_end().to_owned(),
        terminal: text(message, 41).trim_end().to_owned(),
        trace: trace.ok_or(Error::field(11, Problem::Missing))?,
        date: date.to_owned(),
    })
}

fn totals(message: &Message) -> Result<Totals, Error> {
    let total = |count, amount| {
        Ok(Total {
            count: number(message, count)?.unwrap_or(0),
            amount: number(message, amount)?.unwrap_or(0),
        })
    };
    let net = match message.text(97) {
        None => None,
        Some(text) => {
            let (sign, digits) = text.split_at_checked(1).unwrap_or(("", ""));
            let amount: i64 = digits
                .parse()
                .map_err(|_| Error::field(97, Problem::Value))?;
            // A credit to the till is what it is owed.
            Some(if sign == "D" { -amount } else { amount })
        }
    };
    Ok(Totals {
        credits: total(74, 86)?,
        credit_reversals: total(75, 87)?,
        debits: total(76, 88)?,
        debit_reversals: total(77, 89)?,
        net,
    })
}
