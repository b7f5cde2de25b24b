//! Names as numbers: ids of objects under their types, contexts under their caveats, and the few words of a schema.
//!
//! An object is `type:id`; its number says its type at once, because numbers are given out in pages of one type each, and
//! the table of pages stays in the processor's cache where the table of objects does not.
//! Law: equal names have equal numbers for as long as anybody holds them.

use super::arena::{Arena, UNITS_MAX};
use super::chunked::Chunked;
use super::index::Index;
use foldhash::quality::RandomState;
use hashbrown::HashMap;
use std::hash::{BuildHasher, Hasher};

/// Words that are never forgotten: types, relations, caveats. Their numbers are dense, so tables are made over them.
#[derive(Default)]
pub struct Words {
    numbers: HashMap<Box<str>, u32, RandomState>,
    texts: Vec<Box<str>>,
}

impl Words {
    pub fn find(&self, text: &str) -> Option<u32> {
        self.numbers.get(text).copied()
    }

    pub fn intern(&mut self, text: &str) -> u32 {
        if let Some(number) = self.find(text) {
            return number;
        }
        let number = self.texts.len() as u32;
        self.texts.push(text.into());
        self.numbers.insert(text.into(), number);
        number
    }

    pub fn text(&self, number: u32) -> &str {
        &self.texts[number as usize]
    }

    pub fn len(&self) -> usize {
        self.texts.len()
    }

    pub fn bytes(&self) -> usize {
        self.texts.iter().map(|text| 2 * text.len() + 48).sum()
    }
}

const PAGE_SHIFT: u32 = 6;
const PAGE: u32 = 1 << PAGE_SHIFT;
const UNIT: usize = 8; // bytes: what an id wastes at most, and an arena of 2^31 units passes 4 GB
const LONG: usize = UNITS_MAX * UNIT; // beyond what an id may have; contexts of caveats go on

#[derive(Clone, Copy, Default)]
struct Row {
    block: u32,
    len: u32,
    refs: u32,
}

/// The numbers of one tag: the rest of its newest page, and what was given back.
#[derive(Default)]
struct Free {
    next: u32,
    end: u32,
    given_back: Chunked<u32>,
}

/// A name's hash.
#[derive(Clone, Copy)]
pub struct Probe(u64);

/// Texts under tags, counted: a name that nobody holds any more is forgotten, and its number is given out again.
#[derive(Default)]
pub struct Names {
    rows: Chunked<Row>,
    page_tags: Vec<u32>,
    free: Vec<Free>, // by tag
    texts: Arena<u8, UNIT>,
    long: HashMap<u32, Box<[u8]>, RandomState>, // by number
    index: Index,
    hasher: RandomState,
    count: usize,
}

impl Names {
    fn hash(&self, tag: u32, text: &[u8]) -> u64 {
        hash(&self.hasher, tag, text)
    }

    /// Cost: O(length).
    pub fn find(&self, tag: u32, text: &str) -> Option<u32> {
        self.find_probed(self.seek(tag, text), tag, text)
    }

    /// The first half of `find`: from now on the name's place is being fetched, and another look-up may begin meanwhile.
    #[inline]
    pub fn seek(&self, tag: u32, text: &str) -> Probe {
        let hash = self.hash(tag, text.as_bytes());
        self.index.fetch(hash);
        Probe(hash)
    }

    /// The number that a name most likely has, if it has any. Its row is being fetched then.
    #[inline]
    pub fn likely(&self, probe: Probe) -> Option<u32> {
        let number = self.index.likely(probe.0)?;
        self.rows.fetch(number as usize);
        Some(number)
    }

    /// Have the text of a name fetched, after its row.
    #[inline]
    pub fn fetch_text(&self, number: u32) {
        self.texts.fetch(self.rows[number as usize].block);
    }

    /// The second half of `find`.
    #[inline]
    pub fn find_probed(&self, probe: Probe, tag: u32, text: &str) -> Option<u32> {
        let text = text.as_bytes();
        self.index.find(probe.0, |row| self.tag(*row) == tag && self.bytes_of(*row) == text)
    }

    /// The number of a name, made where there is none. It is held by nobody yet: `hold` it. Cost: O(length).
    pub fn intern(&mut self, tag: u32, text: &str) -> u32 {
        self.intern_probed(self.seek(tag, text), tag, text)
    }

    /// The same, where `seek` was called before.
    pub fn intern_probed(&mut self, probe: Probe, tag: u32, text: &str) -> u32 {
        if let Some(number) = self.find_probed(probe, tag, text) {
            return number;
        }
        let number = self.number(tag);
        let bytes = text.as_bytes();
        let mut row = Row { block: 0, len: bytes.len() as u32, refs: 0 };
        if bytes.len() > LONG {
            self.long.insert(number, bytes.into());
        } else {
            row.block = self.texts.take(bytes.len());
            self.texts.get_mut(row.block, bytes.len()).copy_from_slice(bytes);
        }
        self.rows[number as usize] = row;
        let (rows, texts, long, pages, hasher) = (&self.rows, &self.texts, &self.long, &self.page_tags, &self.hasher);
        self.index.add(probe.0, number, |row| {
            self::hash(hasher, pages[(row >> PAGE_SHIFT) as usize], bytes_of(rows, texts, long, row))
        });
        self.count += 1;
        number
    }

    fn number(&mut self, tag: u32) -> u32 {
        if self.free.len() <= tag as usize {
            self.free.resize_with(tag as usize + 1, Free::default);
        }
        let free = &mut self.free[tag as usize];
        if let Some(number) = free.given_back.pop() {
            return number;
        }
        if free.next == free.end {
            free.next = self.rows.len() as u32;
            free.end = free.next + PAGE;
            assert!(free.end < 1 << 31, "a store has at most 2^31 objects");
            self.page_tags.push(tag);
            for _ in 0..PAGE {
                self.rows.push(Row::default());
            }
        }
        free.next += 1;
        free.next - 1
    }

    pub fn hold(&mut self, number: u32) {
        self.rows[number as usize].refs += 1;
    }

    /// Let go of a name, which is forgotten when nobody holds it. Whether it was.
    pub fn let_go(&mut self, number: u32) -> bool {
        let row = &mut self.rows[number as usize];
        row.refs -= 1;
        if row.refs > 0 {
            return false;
        }
        self.forget(number);
        true
    }

    /// Forget a name that nobody holds: one that was interned and then not needed. Whether it was.
    pub fn forget_unheld(&mut self, number: u32) -> bool {
        let is_unheld = self.rows[number as usize].refs == 0;
        if is_unheld {
            self.forget(number);
        }
        is_unheld
    }

    fn forget(&mut self, number: u32) {
        let tag = self.tag(number);
        let hash = self.hash(tag, self.bytes_of(number));
        let removed = self.index.remove(hash, |row| *row == number);
        assert!(removed.is_some(), "a name that was held is in the index");
        let row = std::mem::take(&mut self.rows[number as usize]);
        if self.long.remove(&number).is_none() {
            self.texts.give(row.block, row.len as usize);
        }
        self.free[tag as usize].given_back.push(number);
        self.count -= 1;
    }

    #[inline]
    pub fn tag(&self, number: u32) -> u32 {
        self.page_tags[(number >> PAGE_SHIFT) as usize]
    }

    pub fn bytes_of(&self, number: u32) -> &[u8] {
        bytes_of(&self.rows, &self.texts, &self.long, number)
    }

    pub fn text(&self, number: u32) -> &str {
        std::str::from_utf8(self.bytes_of(number)).expect("what was interned was text")
    }

    /// The numbers of a tag from `start` on that somebody holds, ascending. Cost: O(names of the tag from there on).
    pub fn held(&self, tag: u32, start: u32) -> impl Iterator<Item = u32> + '_ {
        let pages = (start >> PAGE_SHIFT)..self.page_tags.len() as u32;
        let of_tag = pages.filter(move |page| self.page_tags[*page as usize] == tag);
        let numbers = of_tag.flat_map(|page| page << PAGE_SHIFT..(page + 1) << PAGE_SHIFT);
        numbers.filter(move |number| *number >= start && self.rows[*number as usize].refs > 0)
    }

    /// Numbers given out so far lie below this.
    pub fn numbers(&self) -> usize {
        self.rows.len()
    }

    pub fn len(&self) -> usize {
        self.count
    }

    pub fn bytes(&self) -> usize {
        self.rows.bytes()
            + self.page_tags.capacity() * size_of::<u32>()
            + self.texts.bytes()
            + self.long.values().map(|text| text.len() + 32).sum::<usize>()
            + self.index.bytes()
            + self.free.iter().map(|free| free.given_back.bytes()).sum::<usize>()
    }

    /// Assert that what is held is what `refs` counts, by number, and that each name is found. Cost: O(names).
    pub fn check_invariants(&self, refs: &HashMap<u32, u32>) {
        assert_eq!(self.count, refs.len(), "names that nobody holds");
        assert_eq!(self.index.len(), self.count, "names outside the index");
        for (number, count) in refs {
            let row = self.rows[*number as usize];
            assert_eq!(row.refs, *count, "`{}` is held {} times, not {count}", self.text(*number), row.refs);
            assert_eq!(self.find(self.tag(*number), self.text(*number)), Some(*number), "a name leads elsewhere");
        }
    }
}

fn hash(hasher: &RandomState, tag: u32, text: &[u8]) -> u64 {
    let mut hash = hasher.build_hasher();
    hash.write_u32(tag);
    hash.write(text);
    hash.finish()
}

fn bytes_of<'a>(
    rows: &Chunked<Row>,
    texts: &'a Arena<u8, UNIT>,
    long: &'a HashMap<u32, Box<[u8]>, RandomState>,
    number: u32,
) -> &'a [u8] {
    let row = rows[number as usize];
    if row.len as usize > LONG { &long[&number] } else { texts.get(row.block, row.len as usize) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_number_and_its_tag() {
        let mut names = Names::default();
        let mut refs = HashMap::new();
        let texts: Vec<String> = (0..5_000).map(|number| format!("{number}").repeat(1 + number % 400)).collect();
        for tag in 0..3 {
            for text in &texts {
                let number = names.intern(tag, text);
                names.hold(number);
                refs.insert(number, 1);
                assert_eq!((names.tag(number), names.text(number)), (tag, text.as_str()));
            }
        }
        names.check_invariants(&refs);
        for text in texts.iter().step_by(2) {
            let number = names.find(1, text).expect("it was interned");
            assert!(names.let_go(number));
            refs.remove(&number);
            assert_eq!(names.find(1, text), None);
        }
        names.check_invariants(&refs);
    }
}
