//! Candidates in the order of their ids, as many as a page asks for.
//!
//! Most of what is found is never asked for, so nothing is sorted through: heaps of some thousand are made, which takes as
//! long as to look at each, and the least of their tops is taken. A heap is made between two looks whether to go on.
//! Law: what comes out ascends by bytes, which of UTF-8 is by characters, and nothing of it is left out.

use crate::check::evaluator::Stoppable;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

const HEAP_MAX: usize = 1 << 13; // some tenths of a millisecond

/// The eight bytes after what all ids begin with, then the id and the object.
type Entry<'t> = Reverse<(u64, &'t str, u32)>;

pub struct Ordered<'t> {
    heaps: Vec<BinaryHeap<Entry<'t>>>,
}

impl<'t> Ordered<'t> {
    /// Those whose ids come after that one. `pause` says now and then whether to go on. Cost: O(candidates).
    pub fn after(
        after: &str,
        found: &[u32],
        text_of: &dyn Fn(u32) -> &'t str,
        pause: &mut impl FnMut() -> Stoppable<()>,
    ) -> Stoppable<Ordered<'t>> {
        let mut texts: Vec<(&'t str, u32)> = Vec::with_capacity(found.len());
        let mut common: Option<&'t str> = None;
        for piece in found.chunks(HEAP_MAX) {
            pause()?;
            let later = piece.iter().map(|object| (text_of(*object), *object)).filter(|(id, _)| *id > after);
            for (id, object) in later {
                common = Some(common.map_or(id, |common| &common[..shared(common, id)]));
                texts.push((id, object));
            }
        }
        let skipped = common.map_or(0, str::len);
        let mut heaps = Vec::with_capacity(texts.len() / HEAP_MAX + 1);
        for piece in texts.chunks(HEAP_MAX) {
            pause()?;
            let entries: Vec<Entry<'t>> = piece.iter().map(|(id, object)| entry(skipped, id, *object)).collect();
            heaps.push(BinaryHeap::from(entries));
        }
        Ok(Ordered { heaps })
    }

    /// All that is left, none twice. Cost: O(n log n).
    pub fn sorted(self, pause: &mut impl FnMut() -> Stoppable<()>) -> Stoppable<Vec<u32>> {
        let mut sorted: Vec<u32> = Vec::new();
        for (_, object) in self {
            if sorted.len().is_multiple_of(HEAP_MAX) {
                pause()?;
            }
            if sorted.last() != Some(&object) {
                sorted.push(object);
            }
        }
        Ok(sorted)
    }
}

impl<'t> Iterator for Ordered<'t> {
    type Item = (&'t str, u32);

    /// Cost: O(heaps), and the logarithm of one.
    fn next(&mut self) -> Option<(&'t str, u32)> {
        let heaps = self.heaps.iter_mut().filter(|heap| !heap.is_empty());
        let least = heaps.max_by(|one, other| one.peek().cmp(&other.peek()))?;
        least.pop().map(|Reverse((_, id, object))| (id, object))
    }
}

fn entry(skipped: usize, id: &str, object: u32) -> Entry<'_> {
    let mut key = [0; 8];
    let rest = &id.as_bytes()[skipped..];
    let len = rest.len().min(8);
    key[..len].copy_from_slice(&rest[..len]);
    Reverse((u64::from_be_bytes(key), id, object))
}

/// How many bytes two texts begin with alike, at a place where both can be cut.
fn shared(one: &str, other: &str) -> usize {
    let mut len = one.bytes().zip(other.bytes()).take_while(|(one, other)| one == other).count();
    while !one.is_char_boundary(len) {
        len -= 1;
    }
    len
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_comes_out_is_what_sorting_would_give(
            texts in prop::collection::vec("(pre)?[aé!0-2]{0,12}", 0..200),
            after in "(pre)?[aé!0-2]{0,3}",
            copies in 1..200_usize,
        ) {
            let found: Vec<u32> = (0..texts.len() as u32).cycle().take(texts.len() * copies).collect();
            let text_of = |number: u32| texts[number as usize].as_str();
            let ordered = Ordered::after(&after, &found, &text_of, &mut || Ok(())).expect("nothing stops it");
            let told: Vec<&str> = ordered.map(|(id, _)| id).collect();
            let mut expected: Vec<&str> = found.iter().map(|number| text_of(*number)).filter(|id| **id > *after).collect();
            expected.sort_unstable();
            prop_assert_eq!(told, expected);
        }
    }
}
