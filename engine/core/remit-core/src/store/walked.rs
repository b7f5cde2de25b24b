//! What walks of lookups found, kept for the pages after: whoever reads a long list page by page has it walked and sorted
//! once, as long as nobody writes meanwhile.
//!
//! Law: what is kept is of one version of the store, and of nothing that depends on the time.

use crate::lookup::Lookup;
use parking_lot::Mutex;
use std::sync::Arc;

/// Lists kept of a store, and how long one may be: together at most 2 MB. Not tuned.
const KEPT: usize = 8;
const LEN_MAX: usize = 1 << 16;

struct List {
    version: u64,
    lookup: Lookup,
    objects: Arc<[u32]>, // sorted by id
}

#[derive(Default)]
pub(super) struct Walked {
    lists: Mutex<Vec<List>>, // the one used last at the end
}

impl Walked {
    /// Cost: O(lists).
    pub(super) fn find(&self, version: u64, lookup: Lookup) -> Option<Arc<[u32]>> {
        let mut lists = self.lists.lock();
        let place = lists.iter().position(|list| list.version == version && list.lookup == lookup)?;
        let list = lists.remove(place);
        let objects = Arc::clone(&list.objects);
        lists.push(list);
        Some(objects)
    }

    pub(super) fn keep(&self, version: u64, lookup: Lookup, objects: &Arc<[u32]>) {
        if objects.len() > LEN_MAX {
            return;
        }
        let mut lists = self.lists.lock();
        lists.retain(|list| list.version == version && list.lookup != lookup);
        if lists.len() == KEPT {
            lists.remove(0);
        }
        lists.push(List { version, lookup, objects: Arc::clone(objects) });
    }

    pub(super) fn bytes(&self) -> usize {
        let lists = self.lists.lock();
        lists.capacity() * size_of::<List>() + lists.iter().map(|list| size_of_val(&*list.objects)).sum::<usize>()
    }
}
