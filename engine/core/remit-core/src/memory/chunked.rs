//! Rows in chunks: a list that grows without ever moving what is in it.
//!
//! A vector of ten million rows that doubles copies them all at once, and every check waits (25-38 ms were measured);
//! here only the first chunk doubles, and a large list grows by a chunk at a time.
//! Law: pushing costs at most one chunk, whatever the length.

use super::prefetch;
use std::ops::{Index, IndexMut};

// A chunk is some megabytes at most: below that, what an allocator rounds up to cost a quarter more (measured: 85 bytes a
// tuple with chunks of 4,096 rows, counted 61).
const SHIFT: u32 = 16;
const CHUNK: usize = 1 << SHIFT;

/// A list of rows by number.
pub struct Chunked<T> {
    chunks: Vec<Vec<T>>,
    len: usize,
}

impl<T> Default for Chunked<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), len: 0 }
    }
}

impl<T> Chunked<T> {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn push(&mut self, row: T) {
        let chunk = self.len >> SHIFT;
        if chunk == self.chunks.len() {
            self.chunks.push(if chunk == 0 { Vec::new() } else { Vec::with_capacity(CHUNK) });
        }
        self.chunks[chunk].push(row);
        self.len += 1;
    }

    pub fn pop(&mut self) -> Option<T> {
        let last = self.len.checked_sub(1)?;
        let row = self.chunks[last >> SHIFT].pop();
        self.len = last;
        if last & (CHUNK - 1) == 0 {
            self.chunks.pop();
        }
        row
    }

    /// Have a row fetched that will be looked at soon.
    #[inline]
    pub fn fetch(&self, row: usize) {
        if let Some(row) = self.chunks.get(row >> SHIFT).and_then(|chunk| chunk.get(row & (CHUNK - 1))) {
            prefetch::fetch(row);
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flatten()
    }

    /// All rows, in pieces that lie side by side.
    pub fn pieces(&self) -> &[Vec<T>] {
        &self.chunks
    }

    /// Bytes held, without what rows hold themselves.
    pub fn bytes(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.capacity() * size_of::<T>()).sum()
    }
}

impl<T> Index<usize> for Chunked<T> {
    type Output = T;

    #[inline]
    fn index(&self, row: usize) -> &T {
        &self.chunks[row >> SHIFT][row & (CHUNK - 1)]
    }
}

impl<T> IndexMut<usize> for Chunked<T> {
    #[inline]
    fn index_mut(&mut self, row: usize) -> &mut T {
        &mut self.chunks[row >> SHIFT][row & (CHUNK - 1)]
    }
}

/// Rows that come and go; a number that was freed is given out again.
pub struct Slab<T> {
    rows: Chunked<T>,
    free: Chunked<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { rows: Chunked::default(), free: Chunked::default() }
    }
}

impl<T> Slab<T> {
    /// The number of the new row. Numbers stay below 2^31, so that a bit is left to whoever keeps them.
    pub fn add(&mut self, row: T) -> u32 {
        if let Some(number) = self.free.pop() {
            self.rows[number as usize] = row;
            return number;
        }
        let number = self.rows.len();
        assert!(number < 1 << 31, "a table has at most 2^31 rows");
        self.rows.push(row);
        number as u32
    }

    /// Give a number back; `row` is what stands there until it is given out again.
    pub fn remove(&mut self, number: u32, row: T) -> T {
        self.free.push(number);
        std::mem::replace(&mut self.rows[number as usize], row)
    }

    /// As of `Chunked`.
    #[inline]
    pub fn fetch(&self, number: u32) {
        self.rows.fetch(number as usize);
    }

    /// Numbers given out so far, those given back included.
    pub fn numbers(&self) -> u32 {
        self.rows.len() as u32
    }

    pub fn len(&self) -> usize {
        self.rows.len() - self.free.len()
    }

    pub fn bytes(&self) -> usize {
        self.rows.bytes() + self.free.bytes()
    }
}

impl<T> Index<u32> for Slab<T> {
    type Output = T;

    #[inline]
    fn index(&self, number: u32) -> &T {
        &self.rows[number as usize]
    }
}

impl<T> IndexMut<u32> for Slab<T> {
    #[inline]
    fn index_mut(&mut self, number: u32) -> &mut T {
        &mut self.rows[number as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_where_they_were_put() {
        let mut rows = Chunked::default();
        for number in 0..3 * CHUNK {
            rows.push(number);
        }
        assert!((0..3 * CHUNK).all(|number| rows[number] == number));
        assert!(rows.iter().copied().eq(0..3 * CHUNK));
        while rows.len() > CHUNK {
            assert_eq!(rows.pop(), Some(rows.len()));
        }
        rows.push(7);
        assert_eq!(rows[CHUNK], 7);
    }

    #[test]
    fn a_number_given_back_is_given_out_again() {
        let mut slab = Slab::default();
        let (first, second) = (slab.add('a'), slab.add('b'));
        slab.remove(first, ' ');
        assert_eq!(slab.add('c'), first);
        assert_eq!((slab[first], slab[second], slab.len()), ('c', 'b', 2));
    }
}
