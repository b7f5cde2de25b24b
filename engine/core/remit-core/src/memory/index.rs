//! Finds rows by what is in them: a hash table of row numbers that grows one small segment at a time.
//!
//! Extendible hashing (Fagin et al. 1979): a directory leads to segments, a full segment splits in two, and only its own
//! rows are hashed again. One large table would stop every check while it doubles. A segment is made of lines of the
//! processor's cache, each with a few rows and a byte of each one's hash: to look for a row is to wait for memory once, and
//! where that will be is known beforehand. (hashbrown's table, which was here, has bytes and rows apart and tells neither
//! place.)
//! Law: adding a row hashes at most a segment's rows again, whatever the size.

use super::prefetch;

const ROWS: usize = 12;
const LINES_MAX: usize = 128;
const ROWS_A_LINE: usize = 10; // of a segment that is full: more would send too many rows on to the next line

/// Rows whose hashes lead here, as far as there is room; the others went on to the next line that had some.
#[derive(Clone, Copy, Default)]
#[repr(C, align(64))]
struct Line {
    tags: [u8; ROWS], // 0 where there is no row
    passed: u8,       // how many went on; what has reached 255 is not counted down any more
    rows: [u32; ROWS],
}

const LOW: u128 = 0x7f7f_7f7f_7f7f_7f7f_7f7f_7f7f;
const EACH: u128 = 0x0101_0101_0101_0101_0101_0101;

impl Line {
    /// A bit, the highest of its byte, for each place with that tag.
    #[inline(always)]
    fn places(&self, tag: u8) -> u128 {
        let mut tags = [0; 16];
        tags[..ROWS].copy_from_slice(&self.tags);
        let differ = u128::from_le_bytes(tags) ^ (EACH * u128::from(tag));
        !(((differ & LOW) + LOW) | differ | LOW) & (LOW + EACH)
    }
}

/// The places that `places` marked, one after the other.
#[inline(always)]
fn each_of(mut places: u128) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let place = (places != 0).then(|| places.trailing_zeros() as usize / 8);
        places &= places.wrapping_sub(1);
        place
    })
}

#[derive(Default)]
struct Segment {
    depth: u32,
    len: u32,
    lines: Vec<Line>, // none, or a power of two
}

impl Segment {
    /// A place in it: the line and where in that.
    #[inline(always)]
    fn seek(&self, hash: u64, mut is_meant: impl FnMut(&u32) -> bool) -> Option<(usize, usize)> {
        let tag = tag_of(hash);
        for number in self.way(hash) {
            let line = &self.lines[number];
            if let Some(place) = each_of(line.places(tag)).find(|place| is_meant(&line.rows[*place])) {
                return Some((number, place));
            }
            if line.passed == 0 {
                return None;
            }
        }
        None
    }

    /// Lines in the order in which a row looks for room.
    #[inline(always)]
    fn way(&self, hash: u64) -> impl Iterator<Item = usize> + use<> {
        let len = self.lines.len();
        (0..len).map(move |step| (hash as usize).wrapping_add(step) & (len - 1))
    }

    fn put(&mut self, hash: u64, row: u32) {
        for number in self.way(hash) {
            let line = &mut self.lines[number];
            if let Some(place) = each_of(line.places(0)).next() {
                (line.tags[place], line.rows[place]) = (tag_of(hash), row);
                self.len += 1;
                return;
            }
            line.passed = line.passed.saturating_add(1);
        }
        unreachable!("there is room for one more row, or there are more lines first")
    }

    fn take(&mut self, hash: u64, is_meant: impl FnMut(&u32) -> bool) -> Option<u32> {
        let (found, place) = self.seek(hash, is_meant)?;
        self.lines[found].tags[place] = 0;
        self.len -= 1;
        for number in self.way(hash).take_while(|number| *number != found) {
            let passed = &mut self.lines[number].passed;
            *passed -= u8::from(*passed != u8::MAX);
        }
        Some(self.lines[found].rows[place])
    }

    fn rows(&self) -> impl Iterator<Item = u32> {
        let places = self.lines.iter().flat_map(|line| line.tags.iter().zip(line.rows));
        places.filter(|(tag, _)| **tag != 0).map(|(_, row)| row)
    }

    fn is_full(&self) -> bool {
        self.len as usize >= ROWS_A_LINE * self.lines.len()
    }

    fn grow(&mut self, hash_of: &impl Fn(u32) -> u64) {
        let lines = vec![Line::default(); (2 * self.lines.len()).max(1)];
        let before = std::mem::replace(self, Segment { depth: self.depth, len: 0, lines });
        before.rows().for_each(|row| self.put(hash_of(row), row));
    }
}

#[inline(always)]
fn tag_of(hash: u64) -> u8 {
    (hash >> 56) as u8 | 0x80
}

/// Holds numbers of rows; whoever keeps the rows gives their hashes and says which is meant.
pub struct Index {
    directory: Vec<u32>,
    segments: Vec<Segment>,
}

impl Default for Index {
    fn default() -> Self {
        Self { directory: vec![0], segments: vec![Segment::default()] }
    }
}

/// A well mixed number of two: the halves of a product, folded.
#[inline]
pub fn mix(first: u32, second: u32) -> u64 {
    let whole = (u64::from(first) << 32 | u64::from(second)) ^ 0x2545_F491_4F6C_DD1D;
    let product = u128::from(whole) * 0xF39C_C060_5CED_C835;
    let folded = (product as u64) ^ ((product >> 64) as u64);
    folded.wrapping_mul(0xD6E8_FEB8_6659_FD93)
}

/// Which bits choose the segment: the lowest choose the line and the highest are the tag.
const DIRECTORY_BITS: u32 = 24;

impl Index {
    #[inline]
    fn segment(&self, hash: u64) -> usize {
        self.directory[(hash >> DIRECTORY_BITS) as usize & (self.directory.len() - 1)] as usize
    }

    /// Have the line fetched that a row of that hash is in, if there is one.
    #[inline]
    pub fn fetch(&self, hash: u64) {
        let lines = &self.segments[self.segment(hash)].lines;
        if let Some(line) = lines.get(hash as usize & lines.len().wrapping_sub(1)) {
            prefetch::fetch(line);
        }
    }

    /// A row that most likely is the one of that hash, if there is one: for what may be fetched before it is certain.
    #[inline]
    pub fn likely(&self, hash: u64) -> Option<u32> {
        let lines = &self.segments[self.segment(hash)].lines;
        let line = lines.get(hash as usize & lines.len().wrapping_sub(1))?;
        each_of(line.places(tag_of(hash))).next().map(|place| line.rows[place])
    }

    #[inline]
    pub fn find(&self, hash: u64, is_meant: impl FnMut(&u32) -> bool) -> Option<u32> {
        let segment = &self.segments[self.segment(hash)];
        segment.seek(hash, is_meant).map(|(line, place)| segment.lines[line].rows[place])
    }

    #[inline]
    pub fn find_mut(&mut self, hash: u64, is_meant: impl FnMut(&u32) -> bool) -> Option<&mut u32> {
        let number = self.segment(hash);
        let segment = &mut self.segments[number];
        segment.seek(hash, is_meant).map(|(line, place)| &mut segment.lines[line].rows[place])
    }

    /// Add a row that is not there yet.
    pub fn add(&mut self, hash: u64, row: u32, hash_of: impl Fn(u32) -> u64) {
        let mut segment = self.segment(hash);
        while self.segments[segment].is_full() {
            if self.segments[segment].lines.len() >= LINES_MAX && self.may_split(segment) {
                self.split(segment, &hash_of);
                segment = self.segment(hash);
            } else {
                self.segments[segment].grow(&hash_of);
            }
        }
        self.segments[segment].put(hash, row);
    }

    /// A segment gives memory back only when it is empty: its rows cannot be hashed here.
    pub fn remove(&mut self, hash: u64, is_meant: impl FnMut(&u32) -> bool) -> Option<u32> {
        let number = self.segment(hash);
        let segment = &mut self.segments[number];
        let found = segment.take(hash, is_meant);
        if segment.len == 0 {
            segment.lines = Vec::new();
        }
        found
    }

    /// Rows of equal hashes would split for ever, and double the directory each time; their segment just grows.
    fn may_split(&self, segment: usize) -> bool {
        1 << self.segments[segment].depth < self.directory.len() || self.directory.len() <= 8 * self.segments.len()
    }

    fn split(&mut self, segment: usize, hash_of: &impl Fn(u32) -> u64) {
        let depth = self.segments[segment].depth;
        if self.directory.len() == 1 << depth {
            self.directory.extend_from_within(..);
        }
        let before = std::mem::take(&mut self.segments[segment]);
        let half = || Segment { depth: depth + 1, len: 0, lines: vec![Line::default(); LINES_MAX] };
        let mut halves = [half(), half()];
        let mut prefix = 0;
        for row in before.rows() {
            let hash = hash_of(row);
            prefix = (hash >> DIRECTORY_BITS) as usize & ((1 << depth) - 1);
            let half = &mut halves[(hash >> (DIRECTORY_BITS + depth) & 1) as usize];
            while half.is_full() {
                half.grow(hash_of);
            }
            half.put(hash, row);
        }
        let [stays, goes] = halves;
        let sibling = self.segments.len();
        self.segments[segment] = stays;
        self.segments.push(goes);
        for place in ((prefix | 1 << depth)..self.directory.len()).step_by(1 << (depth + 1)) {
            self.directory[place] = sibling as u32;
        }
    }

    pub fn len(&self) -> usize {
        self.segments.iter().map(|segment| segment.len as usize).sum()
    }

    pub fn bytes(&self) -> usize {
        self.directory.capacity() * size_of::<u32>()
            + self
                .segments
                .iter()
                .map(|each| each.lines.capacity() * size_of::<Line>() + size_of::<Segment>())
                .sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Few hashes for many rows, so that lines run over, and rows go on to the next ones and come back.
        #[test]
        fn rows_that_went_on_to_another_line_are_found_until_they_are_removed(
            steps in prop::collection::vec((0_u32..400, any::<bool>()), 0..2000), hashes in 1_u32..50,
        ) {
            let mut index = Index::default();
            let hash_of = |row: u32| mix(row % hashes, 0) & 0xff00_0000_0000_0003;
            let mut model = std::collections::HashSet::new();
            for (row, is_added) in steps {
                if is_added && model.insert(row) {
                    index.add(hash_of(row), row, hash_of);
                } else if !is_added {
                    let removed = index.remove(hash_of(row), |each| *each == row);
                    prop_assert_eq!(removed, model.remove(&row).then_some(row));
                }
            }
            prop_assert_eq!(index.len(), model.len());
            for row in 0..400 {
                let found = index.find(hash_of(row), |each| *each == row);
                prop_assert_eq!(found, model.contains(&row).then_some(row));
            }
        }
    }

    #[test]
    fn what_was_added_and_not_removed_is_found() {
        let mut index = Index::default();
        let hash_of = |row| mix(row, 7);
        for row in 0..50_000 {
            index.add(hash_of(row), row, hash_of);
        }
        for row in (0..50_000).step_by(3) {
            assert_eq!(index.remove(hash_of(row), |each| *each == row), Some(row));
        }
        for row in 0..60_000 {
            let expected = (row < 50_000 && row % 3 != 0).then_some(row);
            assert_eq!(index.find(hash_of(row), |each| *each == row), expected);
        }
        assert_eq!(index.len(), 50_000 - 50_000_usize.div_ceil(3));
    }

    #[test]
    fn equal_hashes_do_no_harm() {
        let mut index = Index::default();
        for row in 0..5_000 {
            index.add(42, row, |_| 42);
        }
        assert!(index.bytes() < 200_000, "the directory stays small");
        assert!((0..5_000).all(|row| index.find(42, |each| *each == row) == Some(row)));
    }
}
