//! Finds rows by what is in them: a hash table of row numbers that grows one small segment at a time.
//!
//! Extendible hashing (Fagin et al. 1979): a directory leads to segments, a full segment splits in two, and only its own
//! rows are hashed again. One large table would stop every check while it doubles.
//! Law: adding a row hashes at most a segment's rows again, whatever the size.

use hashbrown::HashTable;

const SEGMENT: usize = 1792; // seven eighths of 2,048: what hashbrown keeps in that many buckets

struct Segment {
    depth: u32,
    rows: HashTable<u32>,
}

/// Holds numbers of rows; whoever keeps the rows gives their hashes and says which is meant.
pub struct Index {
    directory: Vec<u32>,
    segments: Vec<Segment>,
}

impl Default for Index {
    fn default() -> Self {
        Self { directory: vec![0], segments: vec![Segment { depth: 0, rows: HashTable::new() }] }
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

/// Which bits choose the segment: hashbrown takes the lowest for the bucket and the highest for its tag.
const DIRECTORY_BITS: u32 = 24;

impl Index {
    #[inline]
    fn segment(&self, hash: u64) -> usize {
        self.directory[(hash >> DIRECTORY_BITS) as usize & (self.directory.len() - 1)] as usize
    }

    #[inline]
    pub fn find(&self, hash: u64, is_meant: impl FnMut(&u32) -> bool) -> Option<u32> {
        self.segments[self.segment(hash)].rows.find(hash, is_meant).copied()
    }

    #[inline]
    pub fn find_mut(&mut self, hash: u64, is_meant: impl FnMut(&u32) -> bool) -> Option<&mut u32> {
        let segment = self.segment(hash);
        self.segments[segment].rows.find_mut(hash, is_meant)
    }

    /// Add a row that is not there yet.
    pub fn add(&mut self, hash: u64, row: u32, hash_of: impl Fn(u32) -> u64) {
        let mut segment = self.segment(hash);
        while self.segments[segment].rows.len() >= SEGMENT && self.may_split(segment) {
            self.split(segment, &hash_of);
            segment = self.segment(hash);
        }
        self.segments[segment].rows.insert_unique(hash, row, |row| hash_of(*row));
    }

    pub fn remove(&mut self, hash: u64, is_meant: impl FnMut(&u32) -> bool) -> Option<u32> {
        let segment = self.segment(hash);
        let rows = &mut self.segments[segment].rows;
        let found = rows.find_entry(hash, is_meant).ok().map(|entry| entry.remove().0);
        if rows.len() * 4 < rows.capacity() && rows.capacity() > 64 {
            // Its rows cannot be hashed here, so a segment gives memory back only when it is empty.
            if rows.is_empty() {
                *rows = HashTable::new();
            }
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
        let rows = std::mem::take(&mut self.segments[segment].rows);
        let (mut stays, mut goes) = (HashTable::new(), HashTable::new());
        let mut prefix = 0;
        for row in rows {
            let hash = hash_of(row);
            prefix = (hash >> DIRECTORY_BITS) as usize & ((1 << depth) - 1);
            let half = if hash >> (DIRECTORY_BITS + depth) & 1 == 0 { &mut stays } else { &mut goes };
            half.insert_unique(hash, row, |row| hash_of(*row));
        }
        let sibling = self.segments.len();
        self.segments[segment] = Segment { depth: depth + 1, rows: stays };
        self.segments.push(Segment { depth: depth + 1, rows: goes });
        for place in ((prefix | 1 << depth)..self.directory.len()).step_by(1 << (depth + 1)) {
            self.directory[place] = sibling as u32;
        }
    }

    pub fn len(&self) -> usize {
        self.segments.iter().map(|segment| segment.rows.len()).sum()
    }

    pub fn bytes(&self) -> usize {
        self.directory.capacity() * size_of::<u32>()
            + self.segments.iter().map(|each| each.rows.allocation_size() + size_of::<Segment>()).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
