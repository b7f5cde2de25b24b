//! What walks of lookups found, kept for the pages after: whoever reads a long list page by page has it walked and sorted
//! once, as long as nobody writes meanwhile.
//!
//! Law: what is kept is given only of the version of the store that it was found in, and at times at which the same would
//! be found.

use crate::check::evaluator::Dependencies;
use crate::lookup::{Lookup, SubjectLookup};
use parking_lot::Mutex;
use std::sync::Arc;

/// Lists kept of a store, and how long one may be: together at most 3 MB. Not tuned.
const KEPT: usize = 8;
const LEN_MAX: usize = 1 << 16;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum LookupKey {
    Resources(Lookup),
    Subjects(SubjectLookup),
}

/// Candidates of a lookup, none of them twice.
pub(super) struct Candidates {
    pub objects: Vec<u32>, // sorted by id
    pub named: Vec<bool>,  // of each, whether an edge beneath leads to it
    pub is_for_all: bool,
}

struct List {
    version: u64,
    asked: LookupKey,
    seen: Dependencies, // of the walk
    candidates: Arc<Candidates>,
}

#[derive(Default)]
pub(super) struct Walked {
    lists: Mutex<Vec<List>>, // the one used last at the end
}

impl Walked {
    /// Cost: O(lists).
    pub(super) fn find(&self, version: u64, asked: LookupKey, now_us: i64) -> Option<Arc<Candidates>> {
        let mut lists = self.lists.lock();
        let is_meant = |list: &List| {
            let Dependencies { from_us, until_us, .. } = list.seen;
            (list.version, list.asked) == (version, asked) && (from_us..until_us).contains(&now_us)
        };
        let place = lists.iter().position(is_meant)?;
        let list = lists.remove(place);
        let candidates = Arc::clone(&list.candidates);
        lists.push(list);
        Some(candidates)
    }

    /// `seen` says at which times a walk finds the same.
    pub(super) fn keep(&self, version: u64, asked: LookupKey, seen: Dependencies, candidates: &Arc<Candidates>) {
        if candidates.objects.len() > LEN_MAX {
            return;
        }
        let mut lists = self.lists.lock();
        lists.retain(|list| list.version == version && list.asked != asked);
        if lists.len() == KEPT {
            lists.remove(0);
        }
        lists.push(List { version, asked, seen, candidates: Arc::clone(candidates) });
    }

    pub(super) fn bytes(&self) -> usize {
        let lists = self.lists.lock();
        let of_list = |list: &List| size_of_val(&*list.candidates.objects) + list.candidates.named.len();
        lists.capacity() * size_of::<List>() + lists.iter().map(of_list).sum::<usize>()
    }
}
