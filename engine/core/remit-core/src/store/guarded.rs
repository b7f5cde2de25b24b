//! What the core does for a question, guarded: should it panic, which would be our own mistake, the answer is had elsewhere.
//!
//! Law: a defect of the core costs time, and opens or ends nothing; and it is counted, so that it is no secret.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

static PANICS: AtomicU64 = AtomicU64::new(0);

/// What `work` comes to; None where it has panicked.
pub(super) fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    let done = catch_unwind(AssertUnwindSafe(work)).ok();
    if done.is_none() {
        PANICS.fetch_add(1, Relaxed);
    }
    done
}

/// How often something has panicked since the process began.
pub fn panics() -> u64 {
    PANICS.load(Relaxed)
}
