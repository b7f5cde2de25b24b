//! Lists of numbers that are of groups: one list while it is short, and once it is not, one for each group.
//!
//! A hundred thousand runs may be delegated by a person who is in three teams. Who looks for the teams must not have to look
//! at the runs, and most lists are of two or three numbers, which are as soon looked at as told apart.
//! Law: a number is in the list once, with those of its group where the groups are apart; and no group is empty.

use super::adjacency::{List, Lists, MARK};
use super::chunked::Slab;

/// A list that becomes longer is split. Not tuned: to look at so many numbers takes less than a microsecond.
const TOGETHER_MAX: u32 = 32;
/// A split list is put together again well below that, so that one number coming and going moves nothing.
const APART_MIN: u32 = 16;

/// A handle; what it leads to lies in `GroupedLists`.
#[derive(Clone, Copy, Default, Debug)]
pub struct Grouped {
    list: List, // the list; or where it is split (a bit in its length) how many there are, and the number of the split
}

const SPLIT: u32 = 1 << 31;

impl Grouped {
    pub const EMPTY: Grouped = Grouped { list: List::EMPTY };

    #[inline]
    pub fn len(self) -> u32 {
        self.list.len & !SPLIT
    }

    #[inline]
    pub fn is_empty(self) -> bool {
        self.list.len == 0
    }

    #[inline]
    fn is_split(self) -> bool {
        self.list.len & SPLIT != 0
    }
}

type Split = Vec<(u32, List)>; // by group

#[derive(Default)]
pub struct GroupedLists {
    lists: Lists,
    splits: Slab<Split>,
}

impl GroupedLists {
    /// The number with its mark, where it is in the list. Cost: O(1).
    pub fn find(&self, grouped: Grouped, group: u32, number: u32) -> Option<u32> {
        if !grouped.is_split() {
            return self.lists.find(grouped.list, number);
        }
        let split = &self.splits[grouped.list.at];
        split.binary_search_by_key(&group, |each| each.0).ok().and_then(|place| self.lists.find(split[place].1, number))
    }

    /// The numbers in pieces that lie side by side: of a list that is split those of the groups that are wanted, and else
    /// all, for there it is not known which are.
    #[inline(always)]
    pub fn pieces<'a>(
        &'a self,
        grouped: &'a Grouped,
        is_wanted: impl Fn(u32) -> bool,
    ) -> impl Iterator<Item = &'a [u32]> {
        let (together, split) = self.parts(grouped);
        let wanted = split.iter().filter(move |each| is_wanted(each.0)).map(|each| &each.1);
        together.into_iter().chain(wanted).flat_map(|list| self.lists.pieces(list))
    }

    /// The same, told piece by piece: an iterator of pieces costs 45 instructions more, and a closure looks at some seven lists.
    #[inline(always)]
    pub fn each_piece(&self, grouped: &Grouped, is_wanted: impl Fn(u32) -> bool, mut tell: impl FnMut(&[u32])) {
        let (together, split) = self.parts(grouped);
        if let Some(list) = together {
            return tell(self.lists.short(list));
        }
        for (_, list) in split.iter().filter(|each| is_wanted(each.0)) {
            self.lists.pieces(list).for_each(&mut tell);
        }
    }

    /// How many numbers these are.
    #[inline(always)]
    pub fn len_of(&self, grouped: Grouped, is_wanted: impl Fn(u32) -> bool) -> u32 {
        let (together, split) = self.parts(&grouped);
        let wanted = split.iter().filter(|each| is_wanted(each.0)).map(|each| each.1.len());
        together.map_or_else(|| wanted.sum(), |list| list.len())
    }

    #[inline(always)]
    fn parts<'a>(&'a self, grouped: &'a Grouped) -> (Option<&'a List>, &'a [(u32, List)]) {
        if grouped.is_split() { (None, &self.splits[grouped.list.at]) } else { (Some(&grouped.list), &[]) }
    }

    /// Have the first numbers of a list fetched, or where they are.
    #[inline]
    pub fn fetch(&self, grouped: Grouped) {
        if grouped.is_split() {
            self.splits.fetch(grouped.list.at);
        } else {
            self.lists.fetch(grouped.list);
        }
    }

    /// Add a number that is not in the list. `group_of` says of which group each of those is that are there. Cost: O(1), and
    /// of every tenth or so that of splitting a short list.
    pub fn push(&mut self, grouped: &mut Grouped, group: u32, value: u32, group_of: impl Fn(u32) -> u32) {
        if !grouped.is_split() {
            if grouped.list.len() < TOGETHER_MAX {
                return self.lists.push(&mut grouped.list, value);
            }
            let together = self.lists.take(&mut grouped.list);
            grouped.list = List { len: SPLIT, at: self.splits.add(Split::new()) };
            together.into_iter().for_each(|each| self.push_apart(grouped, group_of(each & !MARK), each));
        }
        self.push_apart(grouped, group, value);
    }

    fn push_apart(&mut self, grouped: &mut Grouped, group: u32, value: u32) {
        let split = &mut self.splits[grouped.list.at];
        let place = split.binary_search_by_key(&group, |each| each.0).unwrap_or_else(|place| {
            split.insert(place, (group, List::EMPTY));
            place
        });
        self.lists.push(&mut split[place].1, value);
        grouped.list.len += 1;
    }

    /// Set or clear the mark beside a number that is in the list.
    pub fn mark(&mut self, grouped: &mut Grouped, group: u32, number: u32, marked: bool) {
        if !grouped.is_split() {
            return self.lists.mark(&mut grouped.list, number, marked);
        }
        let split = &mut self.splits[grouped.list.at];
        let place = split.binary_search_by_key(&group, |each| each.0).expect("the number is in the list");
        self.lists.mark(&mut split[place].1, number, marked);
    }

    /// Take a number out; false where it is not there. Cost: O(1), and now and then that of putting a list together.
    pub fn remove(&mut self, grouped: &mut Grouped, group: u32, number: u32) -> bool {
        if !grouped.is_split() {
            return self.lists.remove(&mut grouped.list, number);
        }
        let split = &mut self.splits[grouped.list.at];
        let Ok(place) = split.binary_search_by_key(&group, |each| each.0) else {
            return false;
        };
        if !self.lists.remove(&mut split[place].1, number) {
            return false;
        }
        if split[place].1.is_empty() {
            split.remove(place);
        }
        grouped.list.len -= 1;
        if grouped.len() < APART_MIN {
            let split = self.splits.remove(grouped.list.at, Split::new());
            grouped.list = List::EMPTY;
            for (_, mut list) in split {
                for value in self.lists.take(&mut list) {
                    self.lists.push(&mut grouped.list, value);
                }
            }
        }
        true
    }

    pub fn bytes(&self) -> usize {
        let splits = (0..self.splits.numbers()).map(|number| self.splits[number].capacity() * size_of::<(u32, List)>());
        self.lists.bytes() + self.splits.bytes() + splits.sum::<usize>()
    }

    /// Assert the law. Cost: O(list).
    pub fn check_invariants(&self, grouped: Grouped, group_of: impl Fn(u32) -> u32) {
        if !grouped.is_split() {
            assert!(grouped.list.len() <= TOGETHER_MAX, "a long list has its groups together");
            return self.lists.check_invariants(grouped.list);
        }
        let split = &self.splits[grouped.list.at];
        assert!(grouped.len() >= APART_MIN, "a short list has its groups apart");
        assert_eq!(split.iter().map(|each| each.1.len()).sum::<u32>(), grouped.len(), "the length of a split list");
        assert!(split.windows(2).all(|pair| pair[0].0 < pair[1].0), "groups out of order");
        for (group, list) in split {
            assert!(!list.is_empty(), "an empty group is kept");
            assert!(self.lists.iter(*list).all(|each| group_of(each & !MARK) == *group), "a number in another's group");
            self.lists.check_invariants(*list);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_grouped_list_is_what_was_pushed_and_not_removed(
            steps in prop::collection::vec((0_u32..300, 0_usize..2, 0_u8..8), 0..1500), groups in 1_u32..40,
        ) {
            let group_of = |number: u32| number % groups;
            let mut lists = GroupedLists::default();
            let mut handles = [Grouped::EMPTY; 2];
            let mut models: [Vec<u32>; 2] = Default::default();
            for (count, (number, which, what)) in steps.into_iter().enumerate() {
                // In stretches that grow and stretches that shrink, so that lists come apart and together again.
                let grows = count % 400 < 250;
                let (grouped, model) = (&mut handles[which], &mut models[which]);
                let place = model.iter().position(|each| each & !MARK == number);
                match (place, what) {
                    (None, 0) => prop_assert!(!lists.remove(grouped, group_of(number), number)),
                    (None, _) if grows => {
                        lists.push(grouped, group_of(number), number, group_of);
                        model.push(number);
                    }
                    (None, _) => {}
                    (Some(place), 0) => {
                        prop_assert!(lists.remove(grouped, group_of(number), number));
                        model.remove(place);
                    }
                    (Some(place), 1..=6) if !grows => {
                        prop_assert!(lists.remove(grouped, group_of(number), number));
                        model.remove(place);
                    }
                    (Some(place), _) => {
                        lists.mark(grouped, group_of(number), number, what % 2 == 0);
                        model[place] = if what % 2 == 0 { number | MARK } else { number };
                    }
                }
                prop_assert_eq!(grouped.len() as usize, model.len());
            }
            for (grouped, mut model) in handles.into_iter().zip(models) {
                lists.check_invariants(grouped, group_of);
                model.sort_unstable();
                let mut found = lists.pieces(&grouped, |_| true).collect::<Vec<_>>().concat();
                found.sort_unstable();
                prop_assert_eq!(&found, &model);
                for wanted in 0..groups {
                    let of_group = |each: &u32| group_of(each & !MARK) == wanted;
                    let pieces: Vec<u32> = lists.pieces(&grouped, |group| group == wanted).collect::<Vec<_>>().concat();
                    prop_assert_eq!(pieces.len() as u32, lists.len_of(grouped, |group| group == wanted));
                    prop_assert_eq!(pieces.iter().filter(|each| of_group(each)).count(), model.iter().filter(|each| of_group(each)).count());
                    prop_assert!(pieces.len() == model.len() || pieces.iter().all(of_group));
                }
                for number in 0..300 {
                    let held = model.iter().copied().find(|each| each & !MARK == number);
                    prop_assert_eq!(lists.find(grouped, group_of(number), number), held);
                }
            }
        }
    }
}
