//! What walks of lookups found, kept for the pages after: whoever reads a long list page by page has it walked once, and
//! sorted some twenty pages at a time, as long as nobody writes meanwhile.
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

/// Candidates of a lookup.
pub(super) struct Candidates {
    pub found: Vec<u32>,
    pub named_len: usize, // those that an edge beneath leads to come first, sorted by number
    pub is_for_all: bool,
    pub next: Mutex<Arc<InOrder>>, // those of the pages asked for last
}

impl Candidates {
    pub(super) fn of(found: Vec<u32>, named_len: usize, is_for_all: bool) -> Candidates {
        Candidates { found, named_len, is_for_all, next: Mutex::default() }
    }

    /// Whether an edge beneath leads to it. Cost: O(log candidates).
    pub(super) fn is_named(&self, object: u32) -> bool {
        self.found[..self.named_len].binary_search(&object).is_ok()
    }
}

/// Candidates in the order of their ids: all of those after an id, up to the last of them.
#[derive(Default)]
pub(super) struct InOrder {
    pub after: String,
    pub objects: Vec<u32>,
    pub is_rest: bool, // none comes after them
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
        if candidates.found.len() > LEN_MAX {
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
        let of_list = |list: &List| {
            let Candidates { found, next, .. } = &*list.candidates;
            size_of_val(&**found) + size_of_val(&*next.lock().objects)
        };
        lists.capacity() * size_of::<List>() + lists.iter().map(of_list).sum::<usize>()
    }
}
