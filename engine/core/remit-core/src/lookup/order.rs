//! Candidates in the order of their ids, as many as a page asks for.
//!
//! Most of what is found is never asked for, so it is not sorted: the first few are selected in one look at each, and when
//! they are used up four times as many, until the rest is worth being sorted. Of 20,000 documents among a million
//! relationships a first page took 1.5 ms when heaps were made of all, and takes 0.8 since.
//! Law: what comes out ascends by bytes, which of UTF-8 is by characters, and nothing of it is left out.

use super::request::Place;
use crate::check::evaluator::{Stoppable, Stopped};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

const MORE: usize = 4; // times as many, whenever those selected are used up
const RUN_MAX: usize = 1 << 13; // looked at, or sorted, between two looks whether to go on: some tenths of a millisecond

/// An id and its object.
type Entry<'t> = (&'t [u8], u32);

pub struct Ordered<'f, 't, B> {
    found: &'f [u32],
    bytes_of: B,
    after: &'t [u8],          // of what was selected last, the greatest
    selected: Vec<Entry<'t>>, // descending
    selected_next: usize,
    rest: Option<Runs<'t>>, // once all that is left is sorted
    stop: &'f dyn Fn() -> bool,
}

impl<'f, 't, B: Fn(u32) -> &'t [u8]> Ordered<'f, 't, B> {
    /// Those whose ids come after that one. `stop` is asked now and then.
    pub fn after(place: Place<'t>, found: &'f [u32], bytes_of: B, stop: &'f dyn Fn() -> bool) -> Ordered<'f, 't, B> {
        // Some more than a page has room for: a few are passed over, or come twice.
        let selected_next = place.limit.saturating_add(place.limit / 4).saturating_add(1);
        Ordered {
            found,
            bytes_of,
            after: place.after.as_bytes(),
            selected: Vec::new(),
            selected_next,
            rest: None,
            stop,
        }
    }

    /// The next one; of equal ids one or more. Cost: O(1), and now and then O(found).
    pub fn pop(&mut self) -> Stoppable<Option<u32>> {
        if self.selected.is_empty() && self.rest.is_none() {
            self.select()?;
        }
        Ok(match (self.selected.pop(), &mut self.rest) {
            (Some((_, object)), _) => Some(object),
            (None, Some(runs)) => runs.next(),
            (None, None) => None,
        })
    }

    /// About as many as the place has room for, or all where that is worth no less; and whether no others come after them.
    pub fn least(mut self) -> Stoppable<(Vec<u32>, bool)> {
        self.select()?;
        let mut least: Vec<u32> = self.selected.iter().rev().map(|(_, object)| *object).collect();
        if let Some(runs) = &mut self.rest {
            least.extend(std::iter::from_fn(|| runs.next()));
        }
        Ok((least, self.rest.is_some()))
    }

    fn select(&mut self) -> Stoppable<()> {
        let count = self.selected_next;
        if count.saturating_mul(MORE) > self.found.len() || count > RUN_MAX {
            self.rest = Some(self.runs()?);
            return Ok(());
        }
        let mut least: Vec<Entry<'t>> = Vec::with_capacity(2 * count);
        let mut most: Option<&[u8]> = None; // what comes from here on is not among them
        for piece in self.found.chunks(RUN_MAX) {
            self.pause()?;
            for object in piece {
                let id = (self.bytes_of)(*object);
                if most.is_none_or(|most| id < most) && id > self.after {
                    least.push((id, *object));
                    if least.len() == 2 * count {
                        most = Some(shortened(&mut least, count));
                    }
                }
            }
        }
        if least.len() > count {
            most = Some(shortened(&mut least, count));
        }
        least.sort_unstable_by(|one, other| other.cmp(one));
        match (most, least.first()) {
            (Some(_), Some((greatest, _))) => self.after = greatest,
            _ => self.rest = Some(Runs::default()), // they are all that there are
        }
        self.selected = least;
        self.selected_next = count.saturating_mul(MORE);
        Ok(())
    }

    /// All that is left, in sorted runs.
    fn runs(&self) -> Stoppable<Runs<'t>> {
        let mut left: Vec<Entry<'t>> = Vec::with_capacity(self.found.len());
        let mut common: Option<&[u8]> = None; // what all ids begin with
        for piece in self.found.chunks(RUN_MAX) {
            self.pause()?;
            let later =
                piece.iter().map(|object| ((self.bytes_of)(*object), *object)).filter(|(id, _)| *id > self.after);
            for (id, object) in later {
                common = Some(common.map_or(id, |common| &common[..shared(common, id)]));
                left.push((id, object));
            }
        }
        let skipped = common.map_or(0, <[u8]>::len);
        let mut runs = Runs::default();
        for piece in left.chunks(RUN_MAX) {
            self.pause()?;
            let mut run: Vec<Keyed<'t>> = piece.iter().map(|(id, object)| keyed(skipped, id, *object)).collect();
            run.sort_unstable_by(|one, other| other.cmp(one));
            runs.add(run);
        }
        Ok(runs)
    }

    fn pause(&self) -> Stoppable<()> {
        if (self.stop)() { Err(Stopped) } else { Ok(()) }
    }
}

/// The least so many, in any order, and the greatest id of these. Cost: O(entries).
fn shortened<'t>(entries: &mut Vec<Entry<'t>>, count: usize) -> &'t [u8] {
    let (_, &mut (greatest, _), _) = entries.select_nth_unstable(count - 1);
    entries.truncate(count);
    greatest
}

/// The eight bytes after what all ids begin with, then the id and the object.
type Keyed<'t> = (u64, &'t [u8], u32);

/// Sorted lists, merged as they are taken from.
#[derive(Default)]
struct Runs<'t> {
    runs: Vec<Vec<Keyed<'t>>>, // descending, without their last
    heads: BinaryHeap<Reverse<(Keyed<'t>, usize)>>,
}

impl<'t> Runs<'t> {
    fn add(&mut self, mut run: Vec<Keyed<'t>>) {
        if let Some(head) = run.pop() {
            self.heads.push(Reverse((head, self.runs.len())));
            self.runs.push(run);
        }
    }

    /// Cost: O(log runs).
    fn next(&mut self) -> Option<u32> {
        let mut head = self.heads.peek_mut()?;
        let Reverse(((_, _, object), run)) = *head;
        match self.runs[run].pop() {
            Some(next) => *head = Reverse((next, run)),
            None => drop(PeekMut::pop(head)),
        }
        Some(object)
    }
}

fn keyed(skipped: usize, id: &[u8], object: u32) -> Keyed<'_> {
    let mut key = [0; 8];
    let rest = &id[skipped..];
    let len = rest.len().min(8);
    key[..len].copy_from_slice(&rest[..len]);
    (u64::from_be_bytes(key), id, object)
}

/// How many bytes two ids begin with alike.
fn shared(one: &[u8], other: &[u8]) -> usize {
    one.iter().zip(other).take_while(|(one, other)| one == other).count()
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
            limit in prop_oneof![0..4_usize, 0..300_usize, Just(usize::MAX)],
        ) {
            let found: Vec<u32> = (0..texts.len() as u32).cycle().take(texts.len() * copies).collect();
            let bytes_of = |number: u32| texts[number as usize].as_bytes();
            let of = |after| Ordered::after(Place { after, limit }, &found, bytes_of, &|| false);
            let mut expected: Vec<&str> = texts.iter().map(String::as_str).filter(|id| **id > *after).collect();
            expected.sort_unstable();
            expected.dedup();
            let mut ordered = of(&after);
            let mut told: Vec<&str> = Vec::new();
            while let Some(object) = ordered.pop().expect("nothing stops it") {
                told.push(&texts[object as usize]);
            }
            prop_assert!(told.is_sorted());
            told.dedup();
            prop_assert_eq!(&told, &expected);
            let (least, is_all) = of(&after).least().expect("nothing stops it");
            let mut least: Vec<&str> = least.iter().map(|object| texts[*object as usize].as_str()).collect();
            least.dedup();
            prop_assert_eq!(&expected[..least.len()], &least);
            prop_assert!(least.len() == expected.len() || !is_all);
            prop_assert!(!least.is_empty() || expected.is_empty());
        }
    }
}
