//! What the caches of all threads did so far, together: each counts by itself, and whoever asks adds them up.
//!
//! A cache has a row that only its own thread writes, so counting costs a store that no other thread waits for. The row
//! of a cache that is gone is added to what the others before it left.
//! Law: counts of hits, misses and evictions never go back, whichever threads come and go.

use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a cache did so far, and the memory it takes.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct CacheStats {
    pub hits: u64,
    pub misses: u64,
    pub evictions: u64,
    pub bytes: u64,
}

impl CacheStats {
    fn add(&mut self, other: CacheStats) {
        self.hits += other.hits;
        self.misses += other.misses;
        self.evictions += other.evictions;
        self.bytes += other.bytes;
    }
}

#[derive(Default)]
struct Row {
    hits: AtomicU64,
    misses: AtomicU64,
    evictions: AtomicU64,
    bytes: AtomicU64,
}

impl Row {
    fn stats(&self) -> CacheStats {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        CacheStats {
            hits: read(&self.hits),
            misses: read(&self.misses),
            evictions: read(&self.evictions),
            bytes: read(&self.bytes),
        }
    }
}

struct All {
    rows: Vec<Arc<Row>>,
    gone: CacheStats, // of caches that are gone; they take no memory any more
}

static ALL: Mutex<All> =
    Mutex::new(All { rows: Vec::new(), gone: CacheStats { hits: 0, misses: 0, evictions: 0, bytes: 0 } });

/// Of every cache of the process, those that are gone included.
pub fn all_caches() -> CacheStats {
    let all = ALL.lock();
    let mut sum = all.gone;
    for row in &all.rows {
        sum.add(row.stats());
    }
    sum
}

/// The counts of one cache. Not shared: its methods take it alone, so adding is a read and a write.
pub struct Counts {
    row: Arc<Row>,
}

impl Counts {
    pub fn new() -> Counts {
        let row = Arc::new(Row::default());
        ALL.lock().rows.push(row.clone());
        Counts { row }
    }

    pub fn stats(&self) -> CacheStats {
        self.row.stats()
    }

    pub fn hit(&mut self) {
        add(&self.row.hits, 1);
    }

    pub fn missed(&mut self) {
        add(&self.row.misses, 1);
    }

    pub fn evicted(&mut self) {
        add(&self.row.evictions, 1);
    }

    pub fn took(&mut self, bytes: usize) {
        add(&self.row.bytes, bytes as u64);
    }
}

impl Drop for Counts {
    fn drop(&mut self) {
        let mut all = ALL.lock();
        all.gone.add(CacheStats { bytes: 0, ..self.row.stats() });
        all.rows.retain(|row| !Arc::ptr_eq(row, &self.row));
    }
}

fn add(count: &AtomicU64, more: u64) {
    count.store(count.load(Ordering::Relaxed) + more, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_cache_counted_stays_when_it_is_gone_and_its_memory_does_not() {
        const BYTES: usize = 1 << 40; // more than any other test's cache takes meanwhile
        let before = all_caches();
        let mut counts = Counts::new();
        counts.hit();
        counts.missed();
        counts.evicted();
        counts.took(BYTES);
        assert_eq!(counts.stats(), CacheStats { hits: 1, misses: 1, evictions: 1, bytes: BYTES as u64 });
        assert!(all_caches().bytes >= BYTES as u64);
        drop(counts);
        let after = all_caches();
        assert!(after.bytes < BYTES as u64);
        assert!(after.hits > before.hits && after.misses > before.misses && after.evictions > before.evictions);
    }
}
