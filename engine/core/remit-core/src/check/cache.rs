//! Answers that still hold: exact, for an interval of time, until a write could change them.
//!
//! Each thread has its own, so nothing can be torn and nothing is waited for. An answer rests on the kinds of relationships
//! that were looked at, there or not; the store says when each was last written. A new answer takes the place of an old
//! one, so the memory is what it was made with.
//! Law: what is found is what asking anew would answer.

use super::cache_stats::{CacheStats, Counts};
use super::evaluator::Dependencies;
use super::goals::Goal;
use crate::memory::index::mix;
use crate::memory::prefetch;

/// When each kind of relationship was last written, in versions of the store: a place for each kind modulo 64.
pub struct Written {
    places: [u64; 64],
    everywhere: u64, // what rests on no relationship rests on the plan all the same
}

impl Default for Written {
    fn default() -> Self {
        Self { places: [0; 64], everywhere: 0 }
    }
}

impl Written {
    pub fn at(&mut self, kind: u32, version: u64) {
        self.places[(kind & 63) as usize] = version;
    }

    /// Everything may have changed its meaning: the plan, or what a number stands for.
    pub fn everywhere(&mut self, version: u64) {
        self.everywhere = version;
    }

    /// Whether one of the kinds was written after a version.
    pub fn since(&self, kinds: u64, version: u64) -> bool {
        if self.everywhere > version {
            return true;
        }
        let mut left = kinds;
        while left != 0 {
            if self.places[left.trailing_zeros() as usize] > version {
                return true;
            }
            left &= left - 1;
        }
        false
    }
}

/// A line of the processor's cache each.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Remembered {
    store: u64, // 0 where nothing is remembered
    version: u64,
    goal: Goal,
    is_yes: bool,
    dependencies: Dependencies,
}

pub struct Cache {
    places: Vec<Option<Box<[Remembered; PAGE]>>>,
    counts: Counts,
}

const PAGE: usize = 64;
const WAYS: usize = 2; // neighbours of which the older gives way

/// 65,536 answers of 64 bytes: 4 MB a thread at most, taken as it fills.
pub const ANSWERS: usize = 1 << 16;

impl Cache {
    /// Room for so many answers, rounded up to a power of two; none switches it off.
    pub fn new(answers: usize) -> Cache {
        let pages = if answers == 0 { 0 } else { answers.div_ceil(PAGE).next_power_of_two() };
        let mut places = Vec::new();
        places.resize_with(pages, || None);
        let mut counts = Counts::new();
        counts.took(pages * size_of::<usize>());
        Cache { places, counts }
    }

    /// What it has room for.
    pub fn answers(&self) -> usize {
        self.places.len() * PAGE
    }

    pub fn is_off(&self) -> bool {
        self.places.is_empty()
    }

    pub fn stats(&self) -> CacheStats {
        self.counts.stats()
    }

    fn place(&self, store: u64, goal: &Goal) -> (usize, usize) {
        let hash = mix(goal.object, goal.slot) ^ mix(goal.subject.object, goal.subject.kind).rotate_left(17);
        let hash = (hash ^ store).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20;
        let page = (hash as usize / PAGE) & (self.places.len() - 1);
        (page, (hash as usize % PAGE) & !(WAYS - 1))
    }

    /// Have the places fetched where the answer to a goal is, if one is remembered.
    #[inline]
    pub fn fetch(&self, store: u64, goal: &Goal) {
        let (page, way) = self.place(store, goal);
        if let Some(page) = &self.places[page] {
            page[way..way + WAYS].iter().for_each(prefetch::fetch);
        }
    }

    /// Whether an answer to a goal is remembered, that may hold or not.
    #[inline]
    pub fn knows(&self, store: u64, goal: &Goal) -> bool {
        let (page, way) = self.place(store, goal);
        let page = self.places[page].as_ref();
        page.is_some_and(|page| page[way..way + WAYS].iter().any(|each| each.store == store && each.goal == *goal))
    }

    /// The answer of a store, where one is remembered that holds now. Cost: O(1), one or two cache lines.
    pub fn find(&mut self, store: u64, goal: &Goal, now_us: i64, version: u64, written: &Written) -> Option<bool> {
        let (page, way) = self.place(store, goal);
        let found = self.places[page].as_ref().and_then(|page| {
            page[way..way + WAYS].iter().find(|each| {
                each.store == store
                    && each.goal == *goal
                    && each.dependencies.from_us <= now_us
                    && now_us < each.dependencies.until_us
                    && (each.version == version || !written.since(each.dependencies.kinds, each.version))
            })
        });
        match found {
            Some(_) => self.counts.hit(),
            None => self.counts.missed(),
        }
        found.map(|each| each.is_yes)
    }

    /// Remember an answer that was given at a version of the store. Cost: O(1).
    pub fn put(&mut self, store: u64, goal: Goal, is_yes: bool, version: u64, dependencies: Dependencies) {
        let (page, way) = self.place(store, &goal);
        let none = Remembered { store: 0, version: 0, goal, is_yes, dependencies };
        let counts = &mut self.counts;
        let page = self.places[page].get_or_insert_with(|| {
            counts.took(size_of::<[Remembered; PAGE]>());
            Box::new([none; PAGE])
        });
        let ways = &mut page[way..way + WAYS];
        let is_same = |each: &Remembered| each.store == store && each.goal == goal;
        let place = ways.iter().position(is_same).unwrap_or_else(|| {
            let oldest = (0..WAYS).min_by_key(|place| (ways[*place].store != 0, ways[*place].version));
            oldest.expect("a place has ways")
        });
        if ways[place].store != 0 && !is_same(&ways[place]) {
            counts.evicted();
        }
        ways[place] = Remembered { store, version, goal, is_yes, dependencies };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::goals::Subject;

    fn goal(object: u32) -> Goal {
        Goal { object, slot: 1, subject: Subject { object: 5, kind: u32::MAX } }
    }

    #[test]
    fn an_answer_holds_for_its_interval_and_until_what_it_rests_on_is_written() {
        let mut cache = Cache::new(1024);
        let mut written = Written::default();
        let dependencies = Dependencies { kinds: 1 << 3, from_us: 10, until_us: 20 };
        cache.put(1, goal(7), true, 4, dependencies);
        assert_eq!(cache.find(1, &goal(7), 10, 4, &written), Some(true));
        assert_eq!(cache.find(1, &goal(7), 9, 4, &written), None);
        assert_eq!(cache.find(1, &goal(7), 20, 4, &written), None);
        assert_eq!(cache.find(2, &goal(7), 10, 4, &written), None);
        assert_eq!(cache.find(1, &goal(8), 10, 4, &written), None);
        written.at(2, 5);
        assert_eq!(cache.find(1, &goal(7), 19, 5, &written), Some(true));
        written.at(3, 6);
        assert_eq!(cache.find(1, &goal(7), 19, 6, &written), None);
        cache.put(1, goal(7), false, 6, dependencies);
        assert_eq!(cache.find(1, &goal(7), 19, 6, &written), Some(false));
        let nothing = Dependencies { kinds: 0, ..dependencies };
        cache.put(1, goal(8), true, 6, nothing);
        assert_eq!(cache.find(1, &goal(8), 19, 7, &written), Some(true));
        written.everywhere(8);
        assert_eq!(cache.find(1, &goal(8), 19, 8, &written), None);
    }

    #[test]
    fn memory_is_bounded() {
        let mut cache = Cache::new(1024);
        for object in 0..100_000 {
            cache.put(1, goal(object), true, 1, Dependencies::default());
        }
        let most = 1024 * size_of::<Remembered>() + 16 * size_of::<usize>();
        assert!(cache.stats().bytes as usize <= most);
        assert!(cache.stats().evictions >= 90_000);
    }
}
