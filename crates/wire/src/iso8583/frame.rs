//! Where a message ends in a stream of bytes: the length before it, and what some put between the two.
//!
//! ```text
//!   ┌────────┬──────────────┬─────────┐
//!   │ length │ header bytes │ message │   the length counts header and message, and itself where the link says so
//!   └────────┴──────────────┴─────────┘
//! ```
//! A TPDU (`60`, two bytes destination, two bytes source) is such a header; an answer carries it with the two exchanged. A frame with
//! nothing in it keeps a connection alive.
//!
//! **Invariant:** a [`Deframer`] holds at most one frame's bytes more than it was given, and refuses a frame that is too long when its
//! length arrives, before any of it is kept.

use zeroize::Zeroizing;

/// How the length is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LengthHeader {
    /// A number of two bytes, the higher first: the usual one.
    Two,
    /// A number of two bytes, the lower first.
    TwoLowerFirst,
    /// A number of four bytes, the higher first.
    Four,
    /// Four digits in ASCII.
    FourDigits,
    /// Four digits packed into two bytes (BCD).
    Packed,
}

/// What comes between length and message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Header {
    None,
    /// Five bytes, whose addresses an answer exchanges.
    Tpdu,
    /// So many bytes, which an answer repeats.
    Opaque(u8),
}

/// How one link frames its messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Framing {
    pub length: LengthHeader,
    /// The length counts its own bytes too.
    pub counts_itself: bool,
    pub header: Header,
    /// The most bytes that header and message may have.
    pub most: u32,
}

impl Default for Framing {
    fn default() -> Self {
        Self {
            length: LengthHeader::Two,
            counts_itself: false,
            header: Header::None,
            most: 8192,
        }
    }
}

/// One frame without its length.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// Empty, or as long as the link's header.
    pub header: Vec<u8>,
    /// Empty for a frame that only keeps the connection alive.
    pub message: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (header, message) = (self.header.len(), self.message.len());
        write!(out, "Frame({header} bytes of header, {message} of message)")
    }
}

/// A stream that cannot be divided any further: the connection is to be closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FrameError {
    #[error("a length that is no number")]
    LengthForm,
    #[error("a length that leaves no room for what it must count")]
    TooShort,
    #[error("a frame of {0} bytes is longer than this link allows")]
    TooLong(u64),
}

impl FrameError {
    /// Stable, for logs and counters.
    pub fn code(self) -> &'static str {
        match self {
            Self::LengthForm => "frame_length_form",
            Self::TooShort => "frame_too_short",
            Self::TooLong(_) => "frame_too_long",
        }
    }
}

impl LengthHeader {
    fn bytes(self) -> usize {
        match self {
            Self::Two | Self::TwoLowerFirst | Self::Packed => 2,
            Self::Four | Self::FourDigits => 4,
        }
    }

    /// The longest it can say.
    fn most(self) -> u64 {
        match self {
            Self::Two | Self::TwoLowerFirst => u64::from(u16::MAX),
            Self::Four => u64::from(u32::MAX),
            Self::FourDigits | Self::Packed => 9999,
        }
    }

    fn read(self, bytes: &[u8]) -> Result<u64, FrameError> {
        let number = |bytes: &[u8]| {
            bytes
                .iter()
                .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
        };
        match self {
            Self::Two | Self::Four => Ok(number(bytes)),
            Self::TwoLowerFirst => Ok(number(bytes).swap_bytes() >> 48),
            Self::FourDigits => bytes.iter().try_fold(0, |sum, byte| match byte {
                b'0'..=b'9' => Ok(sum * 10 + u64::from(byte - b'0')),
                _ => Err(FrameError::LengthForm),
            }),
            Self::Packed => bytes.iter().try_fold(0, |sum, byte| {
                if byte >> 4 > 9 || byte & 15 > 9 {
                    return Err(FrameError::LengthForm);
                }
                Ok(sum * 100 + u64::from(byte >> 4) * 10 + u64::from(byte & 15))
            }),
        }
    }

    fn write(self, length: u64, to: &mut Vec<u8>) {
        let bytes = length.to_be_bytes();
        match self {
            Self::Two => to.extend_from_slice(&bytes[6..]),
            Self::TwoLowerFirst => to.extend_from_slice(&[bytes[7], bytes[6]]),
            Self::Four => to.extend_from_slice(&bytes[4..]),
            Self::FourDigits => to.extend_from_slice(format!("{length:04}").as_bytes()),
            Self::Packed => {
                let packed = |number: u64| (((number / 10) << 4) | (number % 10)) as u8;
                to.extend_from_slice(&[packed(length / 100), packed(length % 100)]);
            }
        }
    }
}

impl Framing {
    /// Bytes between length and message.
    pub fn header_bytes(&self) -> usize {
        match self.header {
            Header::None => 0,
            Header::Tpdu => 5,
            Header::Opaque(bytes) => usize::from(bytes),
        }
    }

    /// The length's own bytes, if it counts them.
    fn own(&self) -> u64 {
        if self.counts_itself {
            self.length.bytes() as u64
        } else {
            0
        }
    }

    /// Adds a frame with `message` to `to`.
    pub fn write(&self, header: &[u8], message: &[u8], to: &mut Vec<u8>) -> Result<(), FrameError> {
        let length = (header.len() + message.len()) as u64;
        if length > u64::from(self.most) || length + self.own() > self.length.most() {
            return Err(FrameError::TooLong(length));
        }
        if !(header.len() == self.header_bytes() || length == 0) {
            return Err(FrameError::TooShort);
        }
        self.length.write(length + self.own(), to);
        to.extend_from_slice(header);
        to.extend_from_slice(message);
        Ok(())
    }

    /// Adds the frame that answers one with `header`.
    pub fn answer(
        &self,
        header: &[u8],
        message: &[u8],
        to: &mut Vec<u8>,
    ) -> Result<(), FrameError> {
        match (self.header, header) {
            (Header::Tpdu, [id, d1, d2, s1, s2]) => {
                self.write(&[*id, *s1, *s2, *d1, *d2], message, to)
            }
            _ => self.write(header, message, to),
        }
    }
}

/// Divides what comes in.
pub struct Deframer {
    framing: Framing,
    /// What has come in and is not taken yet, from `start` on.
    buffer: Zeroizing<Vec<u8>>,
    start: usize,
}

/// A buffer larger than this is given back when it is empty: thousands of connections are idle most of the time.
const KEPT: usize = 1024;

impl Deframer {
    pub fn new(framing: Framing) -> Self {
        Self {
            framing,
            buffer: Zeroizing::new(Vec::new()),
            start: 0,
        }
    }

    /// Takes in what a connection brought.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame, if it is there. After an error nothing more comes.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        let rest = &self.buffer[self.start..];
        let length_bytes = self.framing.length.bytes();
        let Some((length, rest)) = rest.split_at_checked(length_bytes) else {
            return Ok(None);
        };
        let length = self.framing.length.read(length)?;
        let length = length
            .checked_sub(self.framing.own())
            .ok_or(FrameError::TooShort)?;
        if length > u64::from(self.framing.most) {
            return Err(FrameError::TooLong(length));
        }
        let length = length as usize;
        let header_bytes = self.framing.header_bytes();
        if length > 0 && length < header_bytes {
            return Err(FrameError::TooShort);
        }
        let Some(content) = rest.get(..length) else {
            return Ok(None);
        };
        let (header, message) = content.split_at(header_bytes.min(length));
        let frame = Frame {
            header: header.to_vec(),
            message: Zeroizing::new(message.to_vec()),
        };
        self.start += length_bytes + length;
        if self.start == self.buffer.len() {
            self.start = 0;
            if self.buffer.capacity() > KEPT {
                self.buffer = Zeroizing::new(Vec::new());
            } else {
                self.buffer.clear();
            }
        }
        Ok(Some(frame))
    }

    /// Whether part of a frame is there and the rest is not: a peer that is slow, or gone.
    pub fn is_waiting(&self) -> bool {
        self.start < self.buffer.len()
    }

    /// Bytes of memory it holds.
    pub fn memory(&self) -> usize {
        self.buffer.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LENGTHS: [LengthHeader; 5] = [
        LengthHeader::Two,
        LengthHeader::TwoLowerFirst,
        LengthHeader::Four,
        LengthHeader::FourDigits,
        LengthHeader::Packed,
    ];

    fn framing(length: LengthHeader, counts_itself: bool, header: Header) -> Framing {
        Framing {
            length,
            counts_itself,
            header,
            most: 4096,
        }
    }

    #[test]
    fn every_length_is_written_as_its_link_has_it() {
        let written = |length, counts_itself| {
            let mut to = Vec::new();
            framing(length, counts_itself, Header::None)
                .write(&[], &[7; 258], &mut to)
                .expect("written");
            to.truncate(to.len() - 258);
            to
        };
        assert_eq!(written(LengthHeader::Two, false), [1, 2]);
        assert_eq!(written(LengthHeader::Two, true), [1, 4]);
        assert_eq!(written(LengthHeader::TwoLowerFirst, false), [2, 1]);
        assert_eq!(written(LengthHeader::Four, false), [0, 0, 1, 2]);
        assert_eq!(written(LengthHeader::FourDigits, false), *b"0258");
        assert_eq!(written(LengthHeader::FourDigits, true), *b"0262");
        assert_eq!(written(LengthHeader::Packed, false), [0x02, 0x58]);
    }

    #[test]
    fn an_answer_goes_back_where_the_tpdu_came_from() {
        let framing = framing(LengthHeader::Two, false, Header::Tpdu);
        let mut to = Vec::new();
        framing
            .answer(&[0x60, 0, 1, 0, 2], b"0810", &mut to)
            .expect("written");
        assert_eq!(to, [&[0, 9, 0x60, 0, 2, 0, 1][..], b"0810"].concat());
    }

    #[test]
    fn a_frame_at_the_limit_passes_and_one_above_is_refused_by_its_length_alone() {
        for length in LENGTHS {
            let framing = framing(length, false, Header::None);
            let mut to = Vec::new();
            framing
                .write(&[], &[0; 4096], &mut to)
                .expect("at the limit");
            assert_eq!(
                framing.write(&[], &[0; 4097], &mut Vec::new()),
                Err(FrameError::TooLong(4097))
            );
            let mut deframer = Deframer::new(framing);
            deframer.push(&to);
            assert!(deframer.next_frame().is_ok_and(|frame| frame.is_some()));
            assert_eq!(deframer.memory(), 0);
            let mut deframer = Deframer::new(framing);
            let mut above = Vec::new();
            length.write(4097, &mut above);
            deframer.push(&above);
            assert_eq!(deframer.next_frame(), Err(FrameError::TooLong(4097)));
        }
    }

    #[test]
    fn lengths_that_cannot_be_are_refused() {
        let refused = |framing, bytes: &[u8]| {
            let mut deframer = Deframer::new(framing);
            deframer.push(bytes);
            deframer.next_frame()
        };
        let digits = framing(LengthHeader::FourDigits, false, Header::None);
        assert_eq!(refused(digits, b"00x1"), Err(FrameError::LengthForm));
        let packed = framing(LengthHeader::Packed, false, Header::None);
        assert_eq!(refused(packed, &[0, 0x0A]), Err(FrameError::LengthForm));
        let itself = framing(LengthHeader::Two, true, Header::None);
        assert_eq!(refused(itself, &[0, 1]), Err(FrameError::TooShort));
        let tpdu = framing(LengthHeader::Two, false, Header::Tpdu);
        assert_eq!(refused(tpdu, &[0, 4, 0, 0]), Err(FrameError::TooShort));
        // Nothing at all keeps the connection alive.
        let alive = refused(tpdu, &[0, 0]).expect("a frame").expect("whole");
        assert!(alive.message.is_empty() && alive.header.is_empty());
    }

    proptest! {
        #[test]
        fn frames_come_out_as_they_went_in_however_the_stream_is_cut(
            messages in proptest::collection::vec(
                proptest::collection::vec(any::<u8>(), 0..300), 1..6),
            which in 0..5_usize,
            counts_itself: bool,
            header in prop_oneof![
                Just(Header::None), Just(Header::Tpdu), (1..20_u8).prop_map(Header::Opaque)],
            cuts in proptest::collection::vec(1..64_usize, 1..100),
        ) {
            let framing = framing(LENGTHS[which], counts_itself, header);
            let head: Vec<u8> = (0..framing.header_bytes() as u8).collect();
            let mut stream = Vec::new();
            for message in &messages {
                framing.write(&head, message, &mut stream).expect("written");
            }
            let mut deframer = Deframer::new(framing);
            let mut rest = stream.as_slice();
            let mut cuts = cuts.iter().cycle();
            let mut came = Vec::new();
            while !rest.is_empty() {
                let (part, after) = rest.split_at(rest.len().min(*cuts.next().unwrap_or(&1)));
                deframer.push(part);
                rest = after;
                while let Some(frame) = deframer.next_frame().expect("frames") {
                    prop_assert_eq!(&frame.header, &head);
                    came.push(frame.message.to_vec());
                }
                prop_assert!(deframer.memory() <= 2 * (4096 + 64 + 4));
            }
            prop_assert_eq!(came, messages);
            prop_assert!(!deframer.is_waiting());
        }

        #[test]
        fn any_bytes_are_frames_or_an_error(
            bytes in proptest::collection::vec(any::<u8>(), 0..500), which in 0..5_usize,
        ) {
            let mut deframer = Deframer::new(framing(LENGTHS[which], true, Header::Tpdu));
            deframer.push(&bytes);
            while let Ok(Some(_)) = deframer.next_frame() {}
        }
    }
}
