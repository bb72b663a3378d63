//! A terminal and a phone to play with: real chip data, real messages, over TCP.
//!
//! For `paytone till tap`, the demo's till page, `paytone bench till` and tests. **Not here:** anything that a node needs.

use std::{fmt, path::Path, time::Duration};

use paytone_wire::{
    emv::{CardKeys, ChipData, Key, Phone, Tap, Version},
    iso8583::{Codec, Deframer, Framing, Message, dialects, frame::Header},
    till::{
        Terminal,
        terminal::{self, Heard, Moment, Payer},
    },
};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpStream, ToSocketAddrs},
    time::timeout,
};

use crate::node::random;

/// From a terminal to the first host.
const TPDU: [u8; 5] = [0x60, 0x00, 0x01, 0x00, 0x02];

/// What could not be played.
#[derive(Debug, thiserror::Error)]
pub enum PlayError {
    #[error("the connection to the till's host: {0}")]
    Connection(#[from] std::io::Error),
    #[error("the host ended the connection")]
    Ended,
    #[error("no answer within {0:?}")]
    Silence(Duration),
    #[error("what the host sent cannot be read: {0}")]
    Unreadable(String),
    #[error("the phone's file: {0}")]
    Phone(String),
}

/// What `paytone token issue` hands over for a phone, with how often it was tapped.
#[derive(Clone, Serialize, Deserialize)]
pub struct PhoneFile {
    pub number: String,
    pub expires: String,
    pub sequence: u8,
    key: String,
    pub key_check_value: String,
    pub key_index: u8,
    pub version: String,
    #[serde(default)]
    pub counter: u16,
}

impl fmt::Debug for PhoneFile {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "PhoneFile(counter {})", self.counter)
    }
}

impl PhoneFile {
    pub fn read(path: &Path) -> Result<Self, PlayError> {
        let wrong = |why: String| PlayError::Phone(format!("{}: {why}", path.display()));
        let text = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
        serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))
    }

    pub fn write(&self, path: &Path) -> Result<(), PlayError> {
        use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _};
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let text = serde_json::to_vec_pretty(self).map_err(std::io::Error::from)?;
        options.open(path)?.write_all(&text)?;
        Ok(())
    }

    /// Ready to be held to a reader.
    pub fn phone(&self) -> Result<Phone, PlayError> {
        let wrong = |why: &dyn fmt::Display| PlayError::Phone(why.to_string());
        let version = Version::named(&self.version).ok_or_else(|| wrong(&"unknown version"))?;
        let bytes = data_encoding::HEXUPPER.decode(self.key.as_bytes());
        let bytes = bytes.map_err(|error| wrong(&error))?;
        let key = Key::new(version.algorithm, &bytes).map_err(|error| wrong(&error))?;
        Ok(Phone {
            keys: CardKeys::new(version, &key).map_err(|error| wrong(&error))?,
            key_index: self.key_index,
            counter: self.counter,
            sequence_number: Some(self.sequence),
        })
    }
}

/// What a terminal talks over: TCP, or TLS on it.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// One terminal on one connection.
pub struct Player {
    stream: Box<dyn Stream>,
    framing: Framing,
    codec: Codec,
    deframer: Deframer,
    pub terminal: Terminal,
    trace: u32,
    /// How long it waits for an answer.
    pub patience: Duration,
}

impl Player {
    /// With two bytes of length before each message.
    pub async fn connect(
        to: impl ToSocketAddrs,
        dialect: &str,
        acceptor: &str,
        terminal: &str,
    ) -> Result<Self, PlayError> {
        let stream = TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        Self::over(stream, dialect, Framing::default(), acceptor, terminal)
    }

    /// On a connection that is there, with what its link puts before each message.
    pub fn over(
        stream: impl Stream + 'static,
        dialect: &str,
        framing: Framing,
        acceptor: &str,
        terminal: &str,
    ) -> Result<Self, PlayError> {
        let dialect = dialects::named(dialect)
            .ok_or_else(|| PlayError::Unreadable(format!("no dialect is called {dialect}")))?;
        let codec =
            Codec::new(dialect).map_err(|error| PlayError::Unreadable(error.to_string()))?;
        let [a, b, c, d, ..] = random();
        Ok(Self {
            stream: Box::new(stream),
            framing,
            codec,
            deframer: Deframer::new(framing),
            terminal: Terminal {
                version: dialect.version,
                terminal: terminal.to_owned(),
                merchant: acceptor.to_owned(),
                acquirer: None,
                currency: "156".to_owned(),
            },
            trace: u32::from_be_bytes([a, b, c, d]) % 1_000_000,
            patience: Duration::from_secs(40),
        })
    }

    /// A purchase by a tap, and the chip's data of it.
    pub fn purchase(
        &mut self,
        file: &PhoneFile,
        phone: &mut Phone,
        minor: u64,
        verified: bool,
    ) -> Result<(Message, ChipData), PlayError> {
        let chip = tapped(phone, minor, verified)?;
        let payer = Payer::Tap {
            number: &file.number,
            sequence: file.sequence,
            chip: &chip,
            pin_block: None,
        };
        let message =
            self.at_the_moment(|terminal, moment| terminal.purchase(&payer, minor, moment));
        Ok((message, chip))
    }

    /// A purchase by a one-time payment code that was scanned.
    pub fn scan(&mut self, code: &str, minor: u64) -> Message {
        let payer = Payer::Code(code);
        self.at_the_moment(|terminal, moment| terminal.purchase(&payer, minor, moment))
    }

    /// Whatever `make` makes, now and with the next trace number.
    pub fn at_the_moment(
        &mut self,
        make: impl FnOnce(&Terminal, Moment<'_>) -> Message,
    ) -> Message {
        self.trace = (self.trace + 1) % 1_000_000;
        let now = jiff::Timestamp::now();
        let (local, transmitted) = (
            now.strftime("%y%m%d%H%M%S").to_string(),
            now.strftime("%m%d%H%M%S").to_string(),
        );
        let moment = Moment {
            local: &local,
            transmitted: &transmitted,
            trace: self.trace,
        };
        make(&self.terminal, moment)
    }

    pub async fn send(&mut self, message: &Message) -> Result<(), PlayError> {
        let unwritable = |error: &dyn fmt::Display| PlayError::Unreadable(error.to_string());
        let bytes = self
            .codec
            .encode(message)
            .map_err(|error| unwritable(&error))?;
        let mut frame = Vec::with_capacity(bytes.len() + 2);
        let header = match self.framing.header {
            Header::None => Vec::new(),
            Header::Tpdu => TPDU.to_vec(),
            Header::Opaque(length) => vec![0x5A; length.into()],
        };
        let framed = self.framing.write(&header, &bytes, &mut frame);
        framed.map_err(|error| unwritable(&error))?;
        Ok(self.stream.write_all(&frame).await?)
    }

    /// The next message, whatever it is.
    pub async fn receive(&mut self) -> Result<Message, PlayError> {
        loop {
            let frame = self.deframer.next_frame();
            match frame.map_err(|error| PlayError::Unreadable(error.to_string()))? {
                Some(frame) if frame.message.is_empty() => {}
                Some(frame) => {
                    let message = self.codec.decode(&frame.message);
                    return message.map_err(|error| PlayError::Unreadable(error.to_string()));
                }
                None => {
                    let mut buffer = [0; 4096];
                    let read = timeout(self.patience, self.stream.read(&mut buffer)).await;
                    match read.map_err(|_| PlayError::Silence(self.patience))?? {
                        0 => return Err(PlayError::Ended),
                        count => self.deframer.push(&buffer[..count]),
                    }
                }
            }
        }
    }

    /// Sends and waits for the answer to it; what else comes meanwhile is passed over.
    pub async fn exchange(&mut self, message: &Message) -> Result<Heard, PlayError> {
        self.send(message).await?;
        let trace = message.number(11);
        loop {
            let heard = terminal::heard(&self.receive().await?);
            if let Some(heard) = heard.filter(|heard| Some(u64::from(heard.trace)) == trace) {
                return Ok(heard);
            }
        }
    }
}

/// A phone is held to a reader that asks for `minor`.
pub fn tapped(phone: &mut Phone, minor: u64, verified: bool) -> Result<ChipData, PlayError> {
    let [a, b, c, d, ..] = random();
    let today = jiff::Timestamp::now().strftime("%y%m%d").to_string();
    let tap = Tap {
        amount: minor,
        currency: 156,
        country: 156,
        date: today.parse().unwrap_or_default(),
        kind: 0,
        unpredictable: [a, b, c, d],
        verified,
    };
    phone
        .tap(&tap)
        .map_err(|error| PlayError::Phone(error.to_string()))
}
