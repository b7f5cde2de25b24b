//! Memory for short runs of equal things (ids as bytes, edges as numbers), in chunks, by size.
//!
//! A run lies in a block of the next larger size class, and a block that is freed goes to the next run of its class. Blocks
//! are named by a number of 31 bits that counts units, not bytes, so an arena of 8-byte units holds 16 GB.
//! Law: two runs that are both held never share a unit.

use super::prefetch;

const CHUNK_UNITS: u32 = 1 << 17;
const UNITS: u32 = 1 << 31; // so that a bit is left beside the number of a block

/// Sizes of blocks in units. Between powers of two there is one more, so a run wastes a sixth of its block on average.
const CLASSES: [u16; 15] = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192];

/// The longest run in units.
pub const UNITS_MAX: usize = CLASSES[CLASSES.len() - 1] as usize;

/// `UNIT` is how many `T` a unit has.
pub struct Arena<T, const UNIT: usize> {
    chunks: Vec<Vec<T>>,
    free: [Vec<u32>; CLASSES.len()],
}

impl<T: Copy + Default, const UNIT: usize> Default for Arena<T, UNIT> {
    fn default() -> Self {
        Self { chunks: Vec::new(), free: Default::default() }
    }
}

#[inline]
fn class_of(units: usize) -> usize {
    if units <= 4 {
        return units.max(1) - 1;
    }
    // Two classes for each doubling: the power of two itself, and one and a half of it.
    let above = (units - 1).ilog2() as usize; // 2^above < units <= 2^(above + 1)
    let middle = (1 << above) + (1 << (above - 1));
    4 + 2 * (above - 2) + usize::from(units > middle)
}

impl<T: Copy + Default, const UNIT: usize> Arena<T, UNIT> {
    /// How many `T` a block for a run of that length has room for.
    #[inline]
    pub fn room(len: usize) -> usize {
        CLASSES[class_of(len.div_ceil(UNIT))] as usize * UNIT
    }

    /// A block for a run of that length, filled with anything. Cost: O(block).
    pub fn take(&mut self, len: usize) -> u32 {
        let class = class_of(len.div_ceil(UNIT));
        if let Some(block) = self.free[class].pop() {
            return block;
        }
        let size = CLASSES[class] as usize * UNIT;
        let chunk_size = CHUNK_UNITS as usize * UNIT;
        if self.chunks.last().is_none_or(|chunk| chunk.len() + size > chunk_size) {
            // The first chunk grows with a small store; later ones are made whole, so that nothing is moved.
            let room = if self.chunks.is_empty() { 0 } else { chunk_size };
            assert!(self.chunks.len() < (UNITS / CHUNK_UNITS) as usize, "an arena has at most 2^31 units");
            self.chunks.push(Vec::with_capacity(room));
        }
        let index = self.chunks.len() - 1;
        let chunk = &mut self.chunks[index];
        let at = chunk.len() / UNIT;
        chunk.resize(chunk.len() + size, T::default());
        index as u32 * CHUNK_UNITS + at as u32
    }

    /// Give a block back. `len` is what it was taken for, or any other length of the same class.
    pub fn give(&mut self, block: u32, len: usize) {
        self.free[class_of(len.div_ceil(UNIT))].push(block);
    }

    /// Have a run fetched that will be looked at soon, as far as its first cache line.
    #[inline]
    pub fn fetch(&self, block: u32) {
        let at = (block % CHUNK_UNITS) as usize * UNIT;
        if let Some(first) = self.chunks.get((block / CHUNK_UNITS) as usize).and_then(|chunk| chunk.get(at)) {
            prefetch::fetch(first);
        }
    }

    #[inline]
    pub fn get(&self, block: u32, len: usize) -> &[T] {
        let at = (block % CHUNK_UNITS) as usize * UNIT;
        &self.chunks[(block / CHUNK_UNITS) as usize][at..at + len]
    }

    #[inline]
    pub fn get_mut(&mut self, block: u32, len: usize) -> &mut [T] {
        let at = (block % CHUNK_UNITS) as usize * UNIT;
        &mut self.chunks[(block / CHUNK_UNITS) as usize][at..at + len]
    }

    pub fn bytes(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.capacity() * size_of::<T>()).sum::<usize>()
            + self.free.iter().map(|blocks| blocks.capacity() * size_of::<u32>()).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_holds_every_run_that_it_is_named_for() {
        for units in 1..=UNITS_MAX {
            let class = class_of(units);
            assert!(CLASSES[class] as usize >= units);
            assert!(class == 0 || (CLASSES[class - 1] as usize) < units);
        }
    }

    #[test]
    fn blocks_do_not_overlap() {
        let mut arena: Arena<u32, 2> = Arena::default();
        let mut held: Vec<(u32, usize)> = Vec::new();
        for round in 0..20_000_usize {
            let len = 1 + (round * 7919) % (UNITS_MAX * 2);
            let block = arena.take(len);
            arena.get_mut(block, len).fill(round as u32);
            held.push((block, len));
            if round % 3 == 0 {
                let (block, len) = held.swap_remove((round * 31) % held.len());
                let first = arena.get(block, 1)[0];
                assert!(arena.get(block, len).iter().all(|each| *each == first), "another run wrote here");
                arena.give(block, len);
            }
        }
        for (block, len) in held {
            let first = arena.get(block, 1)[0];
            assert!(arena.get(block, len).iter().all(|each| *each == first));
        }
    }
}
