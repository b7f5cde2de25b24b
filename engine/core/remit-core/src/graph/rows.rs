//! Relationships as the store hands them out: triples of six parts, values in msgpack. Read here so that a million load in
//! a second.
//!
//! `store/codec.py` says what the bytes are, and writes them; nothing is written here.
//! Law: what is read is what `codec.decode_value` reads, or an error.

use super::{QualifiersText, Triple};
use rmp::{Marker, decode};

const PARTS: usize = 6;
const LONG_FIELDS: usize = 8; // of a value that ends with its triple, as the key could not hold it

/// A batch of rows, copied out of Python: all triples in one piece of memory.
#[derive(Default)]
pub struct Rows {
    text: String, // each part with a zero byte after it
    ends: Vec<[u32; PARTS]>,
    qualified: Vec<(u32, QualifiersText)>, // by row, in order
}

impl Rows {
    /// Take a row in. `triple_start` is where the triple begins in its key, which has the whole of it unless the value has.
    pub fn push(&mut self, key: &[u8], value: &[u8], triple_start: usize) -> Result<(), String> {
        let damaged = || format!("row `{}` cannot be read", key.escape_ascii());
        let mut reader = Reader { bytes: value };
        let fields = reader.array().ok_or_else(damaged)?;
        let mut whole = key.get(triple_start..).ok_or_else(damaged)?;
        if fields > 3 {
            reader.skip_provenance().ok_or_else(damaged)?;
            let qualifiers = reader.qualifiers().ok_or_else(damaged)?;
            if fields == LONG_FIELDS {
                whole = reader.binary().ok_or_else(damaged)?;
            }
            if !qualifiers.is_plain() {
                self.qualified.push((self.ends.len() as u32, qualifiers));
            }
        }
        let whole = std::str::from_utf8(whole).map_err(|_| damaged())?;
        let start = self.text.len();
        u32::try_from(start + whole.len()).map_err(|_| "a batch of rows has at most 4 GB".to_owned())?;
        let mut ends = [0; PARTS];
        let mut parts = 0;
        for (at, _) in whole.bytes().chain([0]).enumerate().filter(|(_, byte)| *byte == 0) {
            *ends.get_mut(parts).ok_or_else(damaged)? = (start + at) as u32;
            parts += 1;
        }
        if parts != PARTS {
            return Err(damaged());
        }
        self.text.push_str(whole);
        self.text.push('\0');
        self.ends.push(ends);
        Ok(())
    }

    fn triple(&self, row: usize) -> Triple<'_> {
        let mut start = if row == 0 { 0 } else { self.ends[row - 1][PARTS - 1] as usize + 1 };
        let [resource_type, resource_id, relation, subject_type, subject_id, subject_relation] =
            self.ends[row].map(|end| {
                let part = &self.text[start..end as usize];
                start = end as usize + 1;
                part
            });
        Triple { resource_type, resource_id, relation, subject_type, subject_id, subject_relation }
    }

    pub fn iter(&self) -> impl Iterator<Item = (Triple<'_>, &QualifiersText)> {
        const PLAIN: &QualifiersText = &QualifiersText { caveat: None, not_before_us: None, expiration_us: None };
        let mut qualified = self.qualified.iter().peekable();
        (0..self.ends.len()).map(move |row| {
            let qualifiers = qualified.next_if(|(each, _)| *each as usize == row).map_or(PLAIN, |(_, found)| found);
            (self.triple(row), qualifiers)
        })
    }

    /// The relationships that begin or end at some time, each with both and its six parts.
    pub fn timed(&self) -> Vec<TimedRow> {
        let timed = self.qualified.iter().filter(|(_, each)| each.not_before_us.or(each.expiration_us).is_some());
        let timed = timed.map(|(row, each)| {
            let Triple { resource_type, resource_id, relation, subject_type, subject_id, subject_relation } =
                self.triple(*row as usize);
            let parts = [resource_type, resource_id, relation, subject_type, subject_id, subject_relation];
            (each.not_before_us, each.expiration_us, parts.map(str::to_owned).to_vec())
        });
        timed.collect()
    }
}

/// When a relationship begins, when it ends, and its six parts.
pub type TimedRow = (Option<i64>, Option<i64>, Vec<String>);

/// As much of msgpack as values have; each of them None where the bytes are something else.
struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn array(&mut self) -> Option<usize> {
        decode::read_array_len(&mut self.bytes).ok().map(|len| len as usize)
    }

    fn text(&mut self) -> Option<&'a str> {
        let (text, rest) = decode::read_str_from_slice(self.bytes).ok()?;
        self.bytes = rest;
        Some(text)
    }

    fn binary(&mut self) -> Option<&'a [u8]> {
        let len = decode::read_bin_len(&mut self.bytes).ok()?;
        let (taken, rest) = self.bytes.split_at_checked(len as usize)?;
        self.bytes = rest;
        Some(taken)
    }

    fn time(&mut self) -> Option<i64> {
        decode::read_int(&mut self.bytes).ok()
    }

    fn unless_nil<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        if self.bytes.first() != Some(&Marker::Null.to_u8()) {
            return read(self).map(Some);
        }
        self.bytes = &self.bytes[1..];
        Some(None)
    }

    /// Who wrote the relationship, in which run and at which revision.
    fn skip_provenance(&mut self) -> Option<()> {
        self.text()?;
        self.text()?;
        decode::read_int::<u64, _>(&mut self.bytes).ok().map(|_| ())
    }

    fn qualifiers(&mut self) -> Option<QualifiersText> {
        let name = self.unless_nil(Self::text)?;
        let context = self.text()?;
        let not_before_us = self.unless_nil(Self::time)?;
        let expiration_us = self.unless_nil(Self::time)?;
        let caveat = name.map(|name| (name.to_owned(), context.to_owned()));
        Some(QualifiersText { caveat, not_before_us, expiration_us })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRIPLE: &[u8] = b"\0\0\0\x01doc\0a\0viewer\0user\0anne\0";

    #[test]
    fn a_plain_row_is_a_plain_relationship() {
        let mut rows = Rows::default();
        rows.push(TRIPLE, b"\x93\xa4anne\xa0\x07", 4).expect("it can be read");
        let (triple, qualifiers) = rows.iter().next().expect("one row");
        assert_eq!((triple.resource_id, triple.subject_id, triple.subject_relation), ("a", "anne", ""));
        assert!(qualifiers.is_plain());
        assert!(rows.timed().is_empty());
    }

    #[test]
    fn a_qualified_row_tells_when_it_begins_and_ends() {
        let mut rows = Rows::default();
        rows.push(TRIPLE, b"\x97\xa4anne\xa0\xcd\x01\x00\xa1c\xa2{}\xc0\xd1\xff\xfe", 4).expect("it can be read");
        let (_, qualifiers) = rows.iter().next().expect("one row");
        let caveat = Some(("c".to_owned(), "{}".to_owned()));
        assert_eq!(*qualifiers, QualifiersText { caveat, not_before_us: None, expiration_us: Some(-2) });
        assert_eq!(rows.timed()[0].1, Some(-2));
    }

    #[test]
    fn a_value_that_has_its_triple_is_believed() {
        let mut rows = Rows::default();
        let value = [&b"\x98\xa4anne\xa0\x07\xc0\xa0\xc0\xc0\xc4\x17"[..], &TRIPLE[4..]].concat();
        rows.push(b"\0\0\0\x01doc\0a\x01\xff\0", &value, 4).expect("it can be read");
        let (triple, qualifiers) = rows.iter().next().expect("one row");
        assert_eq!((triple.resource_id, triple.subject_id, triple.subject_relation), ("a", "anne", ""));
        assert!(qualifiers.is_plain());
        assert!(Rows::default().push(b"\0\0\0\x01doc\0a\x01\xff\0", b"\x93\xa4anne\xa0\x07", 4).is_err());
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        for (key, value) in [
            (TRIPLE, &b""[..]),
            (TRIPLE, b"\x97\xa4anne"),
            (TRIPLE, b"\x81\xa1a\x01"),
            (b"\0\0\0\x01doc\0a", b"\x93\xa4anne\xa0\x07"),
            (b"\0\0\0\x01a\0b\0c\0d\0e\0f\0g", b"\x93\xa4anne\xa0\x07"),
            (b"\0\0", b"\x93\xa4anne\xa0\x07"),
        ] {
            assert!(Rows::default().push(key, value, 4).is_err());
        }
    }
}
