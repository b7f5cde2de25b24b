//! What a thread keeps between questions: scratch, what one request settled, and a cache of answers.
//!
//! Law: what was settled is used again only in the very state, time, context and changes that it was settled in.

use super::names::QuestionNames;
use crate::check::cache::Cache;
use crate::check::cache_stats::CacheStats;
use crate::check::caveats::Context;
use crate::check::evaluator::Scratch;
use crate::check::subject_side::DEAR_STEPS;
use crate::graph::Graph;
use crate::graph::ephemerals::Ephemerals;
use crate::graph::overlay::{Changed, Overlay};
use crate::schema::reach::Reaches;

/// Memory of one thread: scratch that is used again, what the items of one request have settled, and a cache.
pub struct Session {
    pub(super) stamp: (u64, u64, i64, u64), // the store, its version, the time, and the changes that the rest is about
    pub(super) context: Context,            // and what the request brought for caveats
    pub(super) overlay: Option<Box<Overlay>>, // of the changes, where there are any whose names are known
    pub(super) scratch: Scratch,
    pub(super) ephemerals: Ephemerals,
    pub(super) reaches: Reaches, // this stays between requests
    pub(super) names: QuestionNames,
    pub(super) cache: Cache,
    pub(super) dear_steps: u64,
}

impl Session {
    /// With a cache of so many answers; 0 for none.
    pub fn new(cached_answers: usize) -> Session {
        Session {
            stamp: (0, 0, 0, 0),
            context: Context::default(),
            overlay: None,
            scratch: Scratch::default(),
            ephemerals: Ephemerals::default(),
            reaches: Reaches::default(),
            names: QuestionNames::default(),
            cache: Cache::new(cached_answers),
            dear_steps: DEAR_STEPS,
        }
    }

    /// Between requests. What is kept is memory, and the cache. Cost: O(what was settled).
    pub fn clear(&mut self) {
        self.stamp = (0, 0, 0, 0);
        self.context = Context::default();
        self.overlay = None;
        self.scratch.clear();
        self.ephemerals.clear();
    }

    #[cold]
    #[inline(never)]
    pub(super) fn lay_over(&mut self, graph: &Graph, changed: &Changed) {
        let ephemerals = &mut self.ephemerals;
        let object_of = |type_, id: &str| graph.objects.find(type_, id).unwrap_or_else(|| ephemerals.number(type_, id));
        self.overlay = Overlay::of(graph, changed, object_of).map(Box::new);
    }

    pub fn cache_stats(&self) -> CacheStats {
        self.cache.stats()
    }

    /// Forget every remembered answer, and have room for so many from now on; 0 switches the cache off.
    pub fn set_cache(&mut self, cached_answers: usize) {
        self.cache = Cache::new(cached_answers);
    }

    /// From which step of a walk on it looks from the subject's side as well: for tests, of which few walks are dear.
    pub fn set_dear(&mut self, steps: u64) {
        self.dear_steps = steps;
    }

    /// Bytes of scratch and cache.
    pub fn bytes(&self) -> usize {
        self.scratch.bytes() + self.cache.stats().bytes as usize
    }
}
