//! The hot core of Remit, as the Python module `remit._core`: the graph, Check over it, and the front door.
//!
//! Follow a Check: `python.rs` (or the front door) brings a question to `store.rs`, which turns its names into numbers
//! (`names.rs`), looks whether the answer is known (`cache.rs`) and otherwise walks the `graph.rs` by the `plan.rs`
//! (`walk.rs` over `evaluator.rs`; `circles.rs` where facts form circles, `closure.rs` from the subject's side, `reach.rs`
//! where nothing can lead, `caveats.rs` where conditions stand beside facts, `overlay.rs` where a request brings facts of
//! its own). An Expand is `expansion.rs`'s. A file bears the same noun as its Python counterpart.

mod ahead;
mod arena;
mod cache;
pub mod caveats;
mod chunked;
mod circles;
mod closure;
mod counts;
mod evaluator;
pub mod expansion;
mod goals;
pub mod graph;
mod graph_view;
mod index;
mod lists;
mod names;
pub mod overlay;
pub mod plan;
mod protobuf;
pub mod python;
mod reach;
pub mod rows;
pub mod store;
mod walk;

pub use cache::ANSWERS;
pub use caveats::Context;
pub use counts::CacheStats;
pub use store::{Answer, Core, Identity, Question, Session, Store, View};

pub mod clock;
pub mod door;

/// A sanitizer watches the heap by an allocator of its own: see `fuzz/`.
#[cfg(not(fuzzing))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What Python imports as `remit._core`.
#[pyo3::pymodule]
mod _core {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::python::{NativeCore, NativeStore, all_caches, cache_stats, set_cache};

    #[pymodule_export]
    use super::clock::PyClock;
    #[pymodule_export]
    use super::door::python::{PyDoor, PyReply, PyShares};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("version", env!("CARGO_PKG_VERSION"))
    }
}
