//! What each Python thread keeps between questions, its cache of answers included.
//!
//! Law: nothing of one thread is seen by another.

use pyo3::prelude::*;
use remit_core::CacheStats;
use remit_core::store::Session;
use std::cell::RefCell;

/// Answers that the cache of a Python thread has room for: 1 MB. There may be many such threads.
const CACHED_ANSWERS: usize = 1 << 14;

thread_local! {
    // In a box: a library that is loaded late finds some hundred bytes left for what each thread has (mimalloc wants them
    // in one static block), and Python cannot import one that asks for more.
    static SESSION: RefCell<Box<Session>> = RefCell::new(Box::new(Session::new(CACHED_ANSWERS)));
}

/// Room for so many answers in this thread's cache from now on, which is empty then; 0 switches it off.
#[pyfunction]
pub fn set_cache(answers: usize) {
    with_session(|session| session.set_cache(answers));
}

/// From which step of a walk on this thread looks from the subject's side as well.
#[pyfunction]
pub fn set_dear(steps: u64) {
    with_session(|session| session.set_dear(steps));
}

/// This thread's cache so far: (hits, misses, evictions, bytes).
#[pyfunction]
pub fn cache_stats() -> (u64, u64, u64, u64) {
    let CacheStats { hits, misses, evictions, bytes } = with_session(|session| session.cache_stats());
    (hits, misses, evictions, bytes)
}

/// The caches of all threads together, the frontend's among them: (hits, misses, evictions, bytes).
#[pyfunction]
pub fn all_caches() -> (u64, u64, u64, u64) {
    let CacheStats { hits, misses, evictions, bytes } = remit_core::all_caches();
    (hits, misses, evictions, bytes)
}

pub fn with_session<T>(work: impl FnOnce(&mut Session) -> T) -> T {
    SESSION.with(|session| work(&mut session.borrow_mut()))
}

/// How often the core has panicked since the process began, and left the answer to Python.
#[pyfunction]
pub fn panics() -> u64 {
    remit_core::panics()
}
