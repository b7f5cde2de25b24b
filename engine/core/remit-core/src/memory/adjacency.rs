//! Lists of edges: numbers below 2^31, each with a bit beside it, in as little memory as their count allows.
//!
//! Most lists hold one number, which lies in the handle itself; short ones are a run in an arena and are searched from end
//! to end; wide ones have an index, so a group of ten million people costs a lookup, not a loop.
//! Law: a list holds a number at most once; short lists keep the order in which it came.

use super::arena::Arena;
use super::chunked::{Chunked, Slab};
use super::index::{Index, mix};

/// The bit beside a number: in a graph, that the edge is qualified.
pub const MARK: u32 = 1 << 31;
const NUMBER: u32 = MARK - 1;

/// Searching this many takes about as long as a lookup in an index: 20-30 ns, for one is eight cache lines in a row.
const SHORT_MAX: u32 = 128;
/// A wide list becomes short again well below that, so that one edge coming and going moves nothing.
const WIDE_MIN: u32 = 64;

/// A handle; what it leads to lies in `Lists`. Eight bytes, half of what a vector's would cost.
#[derive(Clone, Copy, Default, Debug)]
pub struct List {
    pub(super) len: u32,
    pub(super) at: u32, // the only number itself, a block, or a wide list
}

impl List {
    pub const EMPTY: List = List { len: 0, at: 0 };

    #[inline]
    pub fn len(self) -> u32 {
        self.len
    }

    #[inline]
    pub fn is_empty(self) -> bool {
        self.len == 0
    }
}

#[derive(Default)]
struct Wide {
    values: Chunked<u32>,
    index: Index,
}

type Runs = Arena<u32, 2>;

#[derive(Default)]
pub struct Lists {
    runs: Runs,
    wide: Slab<Option<Box<Wide>>>,
}

/// A list's form follows from its length, but for wide ones that shrink: those have a bit in `at` that no block has.
const WIDE: u32 = 1 << 31;

impl Lists {
    fn is_wide(&self, list: List) -> bool {
        list.len > SHORT_MAX || (list.len >= WIDE_MIN && list.at & WIDE != 0)
    }

    fn wide(&self, list: List) -> &Wide {
        self.wide[list.at & !WIDE].as_deref().expect("a wide list is there")
    }

    fn wide_mut(&mut self, list: List) -> &mut Wide {
        self.wide[list.at & !WIDE].as_deref_mut().expect("a wide list is there")
    }

    /// The number with its mark, where it is in the list. Cost: O(1), or up to `SHORT_MAX` in a row.
    #[inline]
    pub fn find(&self, list: List, number: u32) -> Option<u32> {
        match list.len {
            0 => None,
            1 => (list.at & NUMBER == number).then_some(list.at),
            _ if self.is_wide(list) => {
                let wide = self.wide(list);
                let place = wide.index.find(mix(number, 0), |place| wide.values[*place as usize] & NUMBER == number)?;
                Some(wide.values[place as usize])
            }
            _ => self.runs.get(list.at, list.len as usize).iter().copied().find(|each| each & NUMBER == number),
        }
    }

    /// Have the first numbers of a list fetched.
    #[inline]
    pub fn fetch(&self, list: List) {
        if list.len > 1 && !self.is_wide(list) {
            self.runs.fetch(list.at);
        }
    }

    /// The number at a place below `len`, with its mark.
    #[inline]
    pub fn at(&self, list: List, place: u32) -> u32 {
        if list.len == 1 {
            list.at
        } else if self.is_wide(list) {
            self.wide(list).values[place as usize]
        } else {
            self.runs.get(list.at, list.len as usize)[place as usize]
        }
    }

    pub fn iter(&self, list: List) -> impl Iterator<Item = u32> + '_ {
        (0..list.len).map(move |place| self.at(list, place))
    }

    /// The same in pieces that lie side by side: to take each number by `at` costs 35 instructions more, and a closure takes
    /// some seventy.
    #[inline(always)]
    pub fn pieces<'a>(&'a self, list: &'a List) -> impl Iterator<Item = &'a [u32]> {
        let (piece, pieces): (&[u32], &[Vec<u32>]) =
            if self.is_wide(*list) { (&[], self.wide(*list).values.pieces()) } else { (self.short(list), &[]) };
        std::iter::once(piece).chain(pieces.iter().map(Vec::as_slice))
    }

    /// All numbers of a list that is not wide, side by side.
    #[inline(always)]
    pub(super) fn short<'a>(&'a self, list: &'a List) -> &'a [u32] {
        match list.len {
            0 => &[],
            1 => std::slice::from_ref(&list.at),
            len => self.runs.get(list.at, len as usize),
        }
    }

    /// Add a number that is not in the list.
    pub fn push(&mut self, list: &mut List, value: u32) {
        let len = list.len as usize;
        if self.is_wide(*list) {
            let wide = self.wide_mut(*list);
            let Wide { values, index } = wide;
            values.push(value);
            index.add(mix(value & NUMBER, 0), len as u32, |place| mix(values[place as usize] & NUMBER, 0));
        } else if list.len == SHORT_MAX {
            let mut wide = Wide::default();
            for each in self.runs.get(list.at, len).iter().copied().chain([value]) {
                let Wide { values, index } = &mut wide;
                values.push(each);
                let place = values.len() as u32 - 1;
                index.add(mix(each & NUMBER, 0), place, |place| mix(values[place as usize] & NUMBER, 0));
            }
            self.runs.give(list.at, len);
            list.at = self.wide.add(Some(Box::new(wide))) | WIDE;
        } else if list.len == 0 {
            list.at = value;
        } else {
            let room = if list.len == 1 { 0 } else { Runs::room(len) };
            if len == room || room == 0 {
                let block = self.runs.take(len + 1);
                let mut moved = [0; SHORT_MAX as usize];
                if list.len == 1 {
                    moved[0] = list.at;
                } else {
                    moved[..len].copy_from_slice(self.runs.get(list.at, len));
                    self.runs.give(list.at, len);
                }
                self.runs.get_mut(block, len).copy_from_slice(&moved[..len]);
                list.at = block;
            }
            self.runs.get_mut(list.at, len + 1)[len] = value;
        }
        list.len += 1;
    }

    /// Set or clear the mark beside a number that is in the list.
    pub fn mark(&mut self, list: &mut List, number: u32, marked: bool) {
        let value = if marked { number | MARK } else { number };
        if list.len == 1 {
            assert_eq!(list.at & NUMBER, number, "the number is in the list");
            list.at = value;
            return;
        }
        if self.is_wide(*list) {
            let wide = self.wide_mut(*list);
            let place = wide.index.find(mix(number, 0), |place| wide.values[*place as usize] & NUMBER == number);
            wide.values[place.expect("the number is in the list") as usize] = value;
            return;
        }
        let run = self.runs.get_mut(list.at, list.len as usize);
        *run.iter_mut().find(|each| **each & NUMBER == number).expect("the number is in the list") = value;
    }

    /// Take a number out; false where it is not there. Cost: as of `find`, and moving a short list's rest.
    pub fn remove(&mut self, list: &mut List, number: u32) -> bool {
        if list.len <= 1 {
            let is_there = list.len == 1 && list.at & NUMBER == number;
            if is_there {
                *list = List::default();
            }
            return is_there;
        }
        if self.is_wide(*list) {
            return self.remove_wide(list, number);
        }
        let len = list.len as usize;
        let run = self.runs.get_mut(list.at, len);
        let Some(place) = run.iter().position(|each| each & NUMBER == number) else {
            return false;
        };
        run.copy_within(place + 1.., place);
        self.shorten(list, len - 1);
        true
    }

    /// A run of one less, in a block of the class that its length asks for.
    fn shorten(&mut self, list: &mut List, len: usize) {
        if len == 1 {
            let only = self.runs.get(list.at, 1)[0];
            self.runs.give(list.at, len + 1);
            *list = List { len: 1, at: only };
            return;
        }
        if Runs::room(len) != Runs::room(len + 1) {
            let block = self.runs.take(len);
            let mut moved = [0; SHORT_MAX as usize];
            moved[..len].copy_from_slice(self.runs.get(list.at, len));
            self.runs.give(list.at, len + 1);
            self.runs.get_mut(block, len).copy_from_slice(&moved[..len]);
            list.at = block;
        }
        list.len = len as u32;
    }

    fn remove_wide(&mut self, list: &mut List, number: u32) -> bool {
        let Wide { values, index } = self.wide_mut(*list);
        let found = index.remove(mix(number, 0), |place| values[*place as usize] & NUMBER == number);
        let Some(place) = found else {
            return false;
        };
        let last = values.len() as u32 - 1;
        let moved = values.pop().expect("a wide list is not empty");
        if place != last {
            let entry = index.find_mut(mix(moved & NUMBER, 0), |each| *each == last);
            *entry.expect("every number of a wide list is in its index") = place;
            values[place as usize] = moved;
        }
        list.len -= 1;
        if list.len < WIDE_MIN {
            let wide = self.wide.remove(list.at & !WIDE, None).expect("a wide list is there");
            let len = wide.values.len();
            let block = self.runs.take(len);
            for (place, value) in self.runs.get_mut(block, len).iter_mut().zip(wide.values.iter()) {
                *place = *value;
            }
            list.at = block;
        }
        true
    }

    /// Take all numbers out of a list that is not wide. Cost: O(list).
    pub(super) fn take(&mut self, list: &mut List) -> Vec<u32> {
        let taken: Vec<u32> = self.iter(*list).collect();
        if list.len > 1 {
            assert!(!self.is_wide(*list), "only a short list is taken whole");
            self.runs.give(list.at, list.len as usize);
        }
        *list = List::default();
        taken
    }

    pub fn bytes(&self) -> usize {
        let wide = (0..self.wide.numbers()).filter_map(|number| self.wide[number].as_deref());
        self.runs.bytes()
            + self.wide.bytes()
            + wide.map(|each| size_of::<Wide>() + each.values.bytes() + each.index.bytes()).sum::<usize>()
    }

    /// Assert the law. Cost: O(list).
    pub fn check_invariants(&self, list: List) {
        let mut numbers: Vec<u32> = self.iter(list).map(|each| each & NUMBER).collect();
        assert!(numbers.iter().all(|number| self.find(list, *number).is_some_and(|found| found & NUMBER == *number)));
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), list.len as usize, "a number stands twice in a list");
        if self.is_wide(list) {
            assert_eq!(self.wide(list).index.len(), list.len as usize, "the index of a wide list has another length");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Two lists side by side, so that a block given to both would show.
        #[test]
        fn a_list_is_what_was_pushed_and_not_removed(
            steps in prop::collection::vec((0_u32..300, 0_usize..2, 0_u8..8), 0..1500),
        ) {
            let mut lists = Lists::default();
            let mut handles = [List::default(); 2];
            let mut models: [Vec<u32>; 2] = Default::default();
            for (number, which, what) in steps {
                let (list, model) = (&mut handles[which], &mut models[which]);
                let place = model.iter().position(|each| each & NUMBER == number);
                match (place, what) {
                    (None, 0) => prop_assert!(!lists.remove(list, number)),
                    (None, _) => {
                        lists.push(list, number);
                        model.push(number);
                    }
                    (Some(place), 0..=2) => {
                        prop_assert!(lists.remove(list, number));
                        model.remove(place);
                    }
                    (Some(place), _) => {
                        lists.mark(list, number, what % 2 == 0);
                        model[place] = if what % 2 == 0 { number | MARK } else { number };
                    }
                }
            }
            for (list, model) in handles.into_iter().zip(models) {
                lists.check_invariants(list);
                let mut found: Vec<u32> = lists.iter(list).collect();
                let mut expected = model.clone();
                found.sort_unstable();
                expected.sort_unstable();
                prop_assert_eq!(&found, &expected);
                let mut pieces = lists.pieces(&list).collect::<Vec<_>>().concat();
                pieces.sort_unstable();
                prop_assert_eq!(pieces, expected);
                for number in 0..300 {
                    let held = model.iter().copied().find(|each| each & NUMBER == number);
                    prop_assert_eq!(lists.find(list, number), held);
                }
            }
        }

        #[test]
        fn a_short_list_keeps_its_order(numbers in prop::collection::hash_set(0_u32..1000, 0..60), gone in 0_u32..1000) {
            let mut lists = Lists::default();
            let mut list = List::default();
            let mut model: Vec<u32> = numbers.into_iter().collect();
            for number in &model {
                lists.push(&mut list, *number);
            }
            lists.remove(&mut list, gone);
            model.retain(|number| *number != gone);
            prop_assert_eq!(lists.iter(list).collect::<Vec<_>>(), model);
        }
    }
}
