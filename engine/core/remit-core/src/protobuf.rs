//! Protobuf's wire format, as far as a few small messages need it: varints, doubles and length-delimited fields.
//!
//! Law: what this reader does not read whole and without doubt it does not read at all; then Python reads the same
//! bytes with protobuf's own, and says what is wrong with them.

/// A field's value. Values of four bytes stand in none of the messages read here.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
}

/// These bytes are not what is read here.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub struct Unread;

const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const LENGTH_DELIMITED: u64 = 2;

/// How long a tag or a length may be written: 32 bits. Protobuf reads no longer ones, however small their number is.
const SHORT_BYTES_MAX: usize = 5;
/// How long a value may be: ten bytes hold 64 bits, and some more, which are refused.
const VALUE_BYTES_MAX: usize = 10;

/// The fields of one message, in the order they were sent.
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// The next field's number and value; `None` at the end. Cost: O(1).
    pub fn read(&mut self) -> Result<Option<(u64, Value<'a>)>, Unread> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = self.varint(SHORT_BYTES_MAX)?;
        let number = tag >> 3;
        if number == 0 {
            return Err(Unread);
        }
        let value = match tag & 7 {
            VARINT => Value::Varint(self.varint(VALUE_BYTES_MAX)?),
            FIXED64 => {
                let (bytes, rest) = self.rest.split_first_chunk().ok_or(Unread)?;
                self.rest = rest;
                Value::Fixed64(u64::from_le_bytes(*bytes))
            }
            LENGTH_DELIMITED => {
                let length = usize::try_from(self.varint(SHORT_BYTES_MAX)?).map_err(|_| Unread)?;
                let (bytes, rest) = self.rest.split_at_checked(length).ok_or(Unread)?;
                self.rest = rest;
                Value::Bytes(bytes)
            }
            _ => return Err(Unread),
        };
        Ok(Some((number, value)))
    }

    fn varint(&mut self, bytes_max: usize) -> Result<u64, Unread> {
        let mut number = 0;
        for (at, &byte) in self.rest.iter().take(bytes_max).enumerate() {
            if at == 9 && byte > 1 {
                return Err(Unread); // more than 64 bits
            }
            number |= u64::from(byte & 0x7f) << (7 * at);
            if byte < 0x80 {
                self.rest = &self.rest[at + 1..];
                return Ok(number);
            }
        }
        Err(Unread)
    }
}

/// Append a varint.
pub fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Append a varint field, which proto3 leaves out where it is 0.
pub fn put_number(out: &mut Vec<u8>, field: u64, number: u64) {
    if number != 0 {
        put_varint(out, field << 3 | VARINT);
        put_varint(out, number);
    }
}

/// Append a length-delimited field, also where it is empty: an empty message is not an absent one.
pub fn put_bytes(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    put_varint(out, field << 3 | LENGTH_DELIMITED);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Append a double, also where it is 0: it stands in a oneof.
pub fn put_double(out: &mut Vec<u8>, field: u64, number: f64) {
    put_varint(out, field << 3 | FIXED64);
    out.extend_from_slice(&number.to_bits().to_le_bytes());
}

/// Append a field that is a message, which `write` fills. How long it is, is known only then: what is longer than a byte
/// can say makes way for its length.
pub fn put_message<T>(out: &mut Vec<u8>, field: u64, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    put_varint(out, field << 3 | LENGTH_DELIMITED);
    out.push(0);
    let begin = out.len();
    let result = write(out);
    let length = out.len() - begin;
    if length < 0x80 {
        out[begin - 1] = length as u8;
        return result;
    }
    let mut prefix = Vec::with_capacity(SHORT_BYTES_MAX);
    put_varint(&mut prefix, length as u64);
    let end = begin - 1 + prefix.len();
    out.resize(end + length, 0);
    out.copy_within(begin..begin + length, end);
    out[begin - 1..end].copy_from_slice(&prefix);
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(message: &[u8]) -> Result<Vec<(u64, Value<'_>)>, Unread> {
        let mut fields = Fields::new(message);
        let mut found = Vec::new();
        while let Some(field) = fields.read()? {
            found.push(field);
        }
        Ok(found)
    }

    proptest! {
        #[test]
        fn what_is_put_is_read(number in 1u64..1 << 29, small in 1u64.., bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut out = Vec::new();
            put_number(&mut out, number, small);
            put_bytes(&mut out, number, &bytes);
            prop_assert_eq!(all(&out).unwrap(), vec![(number, Value::Varint(small)), (number, Value::Bytes(&bytes))]);
        }

        #[test]
        fn a_message_is_the_bytes_that_were_written_for_it(
            number in 1u64..1 << 29,
            before in 0usize..3,
            length in prop::sample::select(vec![0usize, 1, 127, 128, 300, 16_383, 16_384, 70_000]),
        ) {
            let bytes: Vec<u8> = (0..length).map(|place| place as u8).collect();
            let (mut one, mut other) = (vec![9; before], vec![9; before]);
            let written = put_message(&mut one, number, |out| {
                out.extend_from_slice(&bytes);
                out.len()
            });
            put_bytes(&mut other, number, &bytes);
            prop_assert_eq!(&one, &other);
            prop_assert!(written > length && written <= one.len());
        }

        #[test]
        fn no_bytes_make_it_panic_or_read_beyond_them(message in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(fields) = all(&message) {
                let read: usize = fields.iter().map(|(_, value)| match value { Value::Bytes(bytes) => bytes.len(), _ => 1 }).sum();
                prop_assert!(read <= message.len());
            }
        }

        #[test]
        fn a_message_cut_short_within_a_field_is_not_read(bytes in prop::collection::vec(any::<u8>(), 1..200), at in 1usize..200) {
            let mut out = Vec::new();
            put_bytes(&mut out, 3, &bytes);
            prop_assume!(at < out.len());
            prop_assert_eq!(all(&out[..at]), Err(Unread));
        }
    }

    #[test]
    fn zeros_are_left_out_and_empty_messages_are_not() {
        let mut out = Vec::new();
        put_number(&mut out, 1, 0);
        put_bytes(&mut out, 4, b"");
        assert_eq!(out, [0x22, 0]);
    }

    #[test]
    fn a_tag_or_a_length_of_more_than_32_bits_is_left_to_python() {
        let spread = |number: u8, bytes: usize| {
            let mut out = vec![0x80; bytes];
            out[0] |= number;
            out[bytes - 1] &= 0x7f;
            out
        };
        for (tag_bytes, length_bytes, is_read) in [(1, 1, true), (5, 5, true), (6, 1, false), (1, 6, false)] {
            let message = [spread(0x22, tag_bytes), spread(1, length_bytes), vec![b'x']].concat();
            assert_eq!(all(&message).is_ok(), is_read, "{message:?}");
        }
    }

    #[test]
    fn a_double_is_eight_bytes_and_a_negative_number_ten() {
        let bytes = 1.5f64.to_bits().to_le_bytes();
        assert_eq!(all(&[&[0x11][..], &bytes].concat()), Ok(vec![(2, Value::Fixed64(1.5f64.to_bits()))]));
        assert_eq!(all(&[&[0x11][..], &bytes[..7]].concat()), Err(Unread));
        let mut out = Vec::new();
        put_number(&mut out, 1, -5i64 as u64);
        assert_eq!((out.len(), all(&out)), (11, Ok(vec![(1, Value::Varint(-5i64 as u64))])));
        out[10] = 2;
        assert_eq!(all(&out), Err(Unread));
    }

    #[test]
    fn groups_and_values_of_four_bytes_and_field_zero_are_left_to_python() {
        for message in [&[0x0b][..], &[0x0c], &[0x0d, 0, 0, 0, 0], &[0x00, 0x01], &[0x02, 0x00]] {
            assert_eq!(all(message), Err(Unread), "{message:?}");
        }
    }
}
