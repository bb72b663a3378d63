//! The till's own side: messages to send, and what an answer says. For terminal simulators and tests.

use std::fmt;

use zeroize::Zeroizing;

use super::{code::Code, request::Totals};
use crate::{
    emv::{ChipData, chip_data::tags},
    iso8583::{Message, MessageType, Original, dialect::Version},
    tlv,
};

/// A terminal, as its acquirer knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Terminal {
    pub version: Version,
    /// Eight and fifteen characters; filled up with spaces.
    pub terminal: String,
    pub merchant: String,
    /// At most eleven digits.
    pub acquirer: Option<String>,
    /// ISO 4217, three digits.
    pub currency: String,
}

/// When something is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moment<'a> {
    /// The till's own time, YYMMDDhhmmss.
    pub local: &'a str,
    /// In the network's, MMDDhhmmss.
    pub transmitted: &'a str,
    pub trace: u32,
}

/// Who pays.
pub enum Payer<'a> {
    /// A phone or card that was held to the reader.
    Tap {
        number: &'a str,
        sequence: u8,
        chip: &'a ChipData,
        /// An encrypted PIN block, if the PIN was typed in at the till.
        pin_block: Option<&'a [u8]>,
    },
    /// A one-time payment code that was scanned.
    Code(&'a str),
}

/// What an answer says.
#[derive(Clone, PartialEq, Eq)]
pub struct Heard {
    pub message_type: MessageType,
    pub trace: u32,
    /// `None` for a value of field 39 that this crate does not know.
    pub code: Option<Code>,
    pub approval: Option<String>,
    /// What the chip is to be given: the value of tag 91.
    pub issuer_authentication: Option<Zeroizing<Vec<u8>>>,
    /// Which field was wrong.
    pub remark: Option<String>,
}

impl fmt::Debug for Heard {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            message_type,
            trace,
            code,
            ..
        } = self;
        write!(out, "Heard({message_type}, trace {trace}, {code:?})")
    }
}

impl Terminal {
    /// 0200: it is being paid.
    pub fn purchase(&self, payer: &Payer, amount: u64, moment: Moment) -> Message {
        self.asking(200, "000000", payer, amount, moment)
    }

    /// 0200: money goes back.
    pub fn refund(&self, payer: &Payer, amount: u64, moment: Moment) -> Message {
        self.asking(200, "200000", payer, amount, moment)
    }

    /// 0100: may it be paid?
    pub fn authorization(&self, payer: &Payer, amount: u64, moment: Moment) -> Message {
        self.asking(100, "000000", payer, amount, moment)
    }

    /// 0420: `asked` is undone, whatever became of it.
    pub fn reversal(&self, asked: &Message, moment: Moment) -> Message {
        let mut message = self.begin(420, moment);
        for field in [2, 3, 4, 22, 23, 32, 41, 42, 49] {
            if let Some(value) = asked.get(field) {
                message.set(field, value);
            }
        }
        let original = Original::elements_of(asked);
        message.set(Original::field(message.message_type), original.value());
        message
    }

    /// The same once more, because no answer came.
    pub fn repeat(&self, asked: &Message) -> Message {
        let mut message = asked.clone();
        let digits = message.message_type.original().digits();
        let number = digits
            .iter()
            .fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
        message.message_type = MessageType::new(number + 1);
        message
    }

    /// 0500: the till's totals.
    pub fn reconciliation(&self, totals: &Totals, moment: Moment) -> Message {
        let mut message = self.begin(500, moment);
        self.name(&mut message);
        for (total, count, amount) in [
            (totals.credits, 74, 86),
            (totals.credit_reversals, 75, 87),
            (totals.debits, 76, 88),
            (totals.debit_reversals, 77, 89),
        ] {
            message
                .set(count, format!("{:010}", total.count))
                .set(amount, format!("{:016}", total.amount));
        }
        if let Some(net) = totals.net {
            let sign = if net < 0 { 'D' } else { 'C' };
            message.set(97, format!("{sign}{:016}", net.unsigned_abs()));
        }
        message
    }

    pub fn sign_on(&self, moment: Moment) -> Message {
        self.network("001", "801", moment)
    }

    pub fn sign_off(&self, moment: Moment) -> Message {
        self.network("002", "802", moment)
    }

    pub fn echo(&self, moment: Moment) -> Message {
        self.network("301", "831", moment)
    }

    fn network(&self, of_1987: &str, of_1993: &str, moment: Moment) -> Message {
        let mut message = self.begin(800, moment);
        match self.version {
            Version::V1987 => message.set(70, of_1987),
            Version::V1993 => message.set(24, of_1993),
        };
        message
    }

    fn asking(
        &self,
        number: u16,
        processing: &str,
        payer: &Payer,
        amount: u64,
        moment: Moment,
    ) -> Message {
        let mut message = self.begin(number, moment);
        self.name(&mut message);
        message
            .set(3, processing)
            .set(4, format!("{amount:012}"))
            .set(49, &self.currency);
        let entry = match payer {
            Payer::Tap {
                number,
                sequence,
                chip,
                pin_block,
            } => {
                message
                    .set(2, number)
                    .set(23, format!("{sequence:03}"))
                    .set(55, chip.write());
                if let Some(block) = pin_block {
                    message.set(52, block);
                }
                ["071", "000000M00000"]
            }
            Payer::Code(code) => {
                message.set(48, format!("PC{:02}{code}", code.len()));
                ["031", "000000300000"]
            }
        };
        match self.version {
            Version::V1987 => message.set(22, entry[0]),
            Version::V1993 => message.set(22, entry[1]),
        };
        message
    }

    fn begin(&self, number: u16, moment: Moment) -> Message {
        let message_type = MessageType::new(number).of_version(self.version.digit());
        let mut message = Message::new(message_type);
        message
            .set(7, moment.transmitted)
            .set(11, format!("{:06}", moment.trace % 1_000_000));
        if number < 500 {
            match self.version {
                // The year is not told.
                Version::V1987 => {
                    let (date, time) = moment.local.split_at_checked(6).unwrap_or_default();
                    message.set(13, date.get(2..).unwrap_or_default());
                    message.set(12, time);
                }
                Version::V1993 => {
                    message.set(12, moment.local);
                }
            }
        }
        message
    }

    fn name(&self, message: &mut Message) {
        message
            .set(41, format!("{:<8}", self.terminal))
            .set(42, format!("{:<15}", self.merchant));
        if let Some(acquirer) = &self.acquirer {
            message.set(32, acquirer);
        }
    }
}

/// What `answer` says; `None` if it is no answer.
pub fn heard(answer: &Message) -> Option<Heard> {
    if !answer.message_type.is_response() {
        return None;
    }
    let authentication = answer
        .get(55)
        .and_then(|value| tlv::find(value, tags::ISSUER_AUTHENTICATION));
    Some(Heard {
        message_type: answer.message_type,
        trace: u32::try_from(answer.number(11)?).ok()?,
        code: answer
            .text(39)
            .and_then(|text| Code::of(text, answer.message_type)),
        approval: answer.text(38).map(str::to_owned),
        issuer_authentication: authentication.map(|value| Zeroizing::new(value.to_vec())),
        remark: answer.text(44).map(str::to_owned),
    })
}
