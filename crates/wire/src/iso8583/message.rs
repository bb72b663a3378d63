//! A message: its type and its fields, whatever dialect they came in.

use zeroize::Zeroizing;

use super::{
    field::{Field, Shown},
    fields_1987, fields_1993,
    message_type::MessageType,
};

/// One message. All values lie in one buffer, which is wiped when the message goes.
#[derive(Clone)]
pub struct Message {
    pub message_type: MessageType,
    /// How many bitmaps it came with; it is written with at least as many.
    pub(super) bitmaps: u8,
    /// In the order of their numbers.
    spans: Vec<Span>,
    values: Zeroizing<Vec<u8>>,
}

#[derive(Clone, Copy)]
struct Span {
    field: u8,
    from: u32,
    length: u32,
}

impl Message {
    pub fn new(message_type: MessageType) -> Self {
        Self::with_room(message_type, 256)
    }

    /// Room from the start, so that no value is left behind in a buffer that was too small.
    pub(crate) fn with_room(message_type: MessageType, bytes: usize) -> Self {
        Self {
            message_type,
            bitmaps: 1,
            spans: Vec::with_capacity((bytes / 8).min(24)),
            values: Zeroizing::new(Vec::with_capacity(bytes)),
        }
    }

    pub fn get(&self, field: u8) -> Option<&[u8]> {
        let at = self.position(field).ok()?;
        Some(self.value(self.spans[at]))
    }

    /// The value of a field of characters. `None` also if it has some beyond ASCII.
    pub fn text(&self, field: u8) -> Option<&str> {
        let value = self.get(field)?;
        value.is_ascii().then(|| str::from_utf8(value).ok())?
    }

    /// The value of a field of digits as a number, if it is one that fits.
    pub fn number(&self, field: u8) -> Option<u64> {
        let text = self.text(field)?;
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().ok())?
    }

    pub fn has(&self, field: u8) -> bool {
        self.position(field).is_ok()
    }

    /// Puts `value` there, in the form that [`Message`] keeps; whether the dialect allows it shows when the message is written.
    pub fn set(&mut self, field: u8, value: impl AsRef<[u8]>) -> &mut Self {
        let value = value.as_ref();
        let span = Span {
            field,
            from: self.values.len() as u32,
            length: value.len() as u32,
        };
        self.append(value);
        self.place(span);
        self
    }

    pub fn remove(&mut self, field: u8) -> &mut Self {
        if let Ok(at) = self.position(field) {
            let span = self.spans.remove(at);
            let from = span.from as usize;
            self.values[from..from + span.length as usize].fill(0);
        }
        self
    }

    /// Its fields in order.
    pub fn fields(&self) -> impl Iterator<Item = (u8, &[u8])> {
        self.spans
            .iter()
            .map(|span| (span.field, self.value(*span)))
    }

    /// The highest field it has; 0 for none.
    pub(super) fn highest(&self) -> u8 {
        self.spans.last().map_or(0, |span| span.field)
    }

    /// An empty answer to this message with `echoed` of its fields, if messages of its type are answered.
    pub fn answer(&self, echoed: &[u8]) -> Option<Self> {
        let mut answer = Self::new(self.message_type.response()?);
        for field in echoed {
            if let Some(value) = self.get(*field) {
                answer.set(*field, value);
            }
        }
        Some(answer)
    }

    /// As [`Self::set`], with `write` adding the value to the buffer.
    pub(super) fn set_with<E>(
        &mut self,
        field: u8,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<&[u8], E> {
        let from = self.values.len();
        write(&mut self.values)?;
        let span = Span {
            field,
            from: from as u32,
            length: (self.values.len() - from) as u32,
        };
        self.place(span);
        Ok(self.value(span))
    }

    fn append(&mut self, value: &[u8]) {
        let needed = self.values.len() + value.len();
        if needed > self.values.capacity() {
            // Grown by hand: the buffer left behind is wiped.
            let mut larger = Zeroizing::new(Vec::with_capacity(needed * 2));
            larger.extend_from_slice(&self.values);
            self.values = larger;
        }
        self.values.extend_from_slice(value);
    }

    fn place(&mut self, span: Span) {
        match self.position(span.field) {
            Ok(at) => self.spans[at] = span,
            Err(at) => self.spans.insert(at, span),
        }
    }

    fn position(&self, field: u8) -> Result<usize, usize> {
        self.spans.binary_search_by_key(&field, |span| span.field)
    }

    fn value(&self, span: Span) -> &[u8] {
        let from = span.from as usize;
        &self.values[from..from + span.length as usize]
    }

    /// The line of its version's table, for printing.
    pub(super) fn shown(&self, field: u8) -> Shown {
        let table: &[Field] = match self.message_type.version() {
            0 => fields_1987::FIELDS,
            _ => fields_1993::FIELDS,
        };
        table
            .binary_search_by_key(&field, |line| line.number)
            .map_or(Shown::Length, |at| table[at].shown)
    }
}

impl PartialEq for Message {
    fn eq(&self, other: &Self) -> bool {
        self.message_type == other.message_type && self.fields().eq(other.fields())
    }
}

impl Eq for Message {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_in_order_whatever_order_they_were_set_in() {
        let mut message = Message::new(MessageType::new(200));
        message.set(41, "TERM0001").set(3, "000000").set(11, "1");
        message.set(11, "123456").remove(3).remove(99);
        let fields: Vec<_> = message.fields().collect();
        assert_eq!(fields, [(11, &b"123456"[..]), (41, b"TERM0001")]);
        assert_eq!(message.number(11), Some(123_456));
        assert_eq!(message.number(41), None);
        assert_eq!(message.text(41), Some("TERM0001"));
        assert_eq!(message.get(3), None);
    }

    #[test]
    fn an_answer_echoes_what_it_is_told_to_and_what_is_there() {
        let mut asked = Message::new(MessageType::new(201));
        asked.set(11, "000001").set(41, "TERM0001").set(2, "4111");
        let answer = asked.answer(&[11, 41, 42]).expect("an answer");
        assert_eq!(answer.message_type, MessageType::new(210));
        assert_eq!(answer.fields().count(), 2);
        assert_eq!(answer.answer(&[]), None);
    }

    #[test]
    fn many_values_outgrow_the_first_buffer() {
        let mut message = Message::new(MessageType::new(200));
        for field in 2..=128 {
            message.set(field, vec![field; 50]);
        }
        for (field, value) in message.fields() {
            assert_eq!(value, vec![field; 50]);
        }
    }
}
