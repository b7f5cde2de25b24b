//! What Python imports as `remit._core`: the stores, the judge of calls, the clock and the frontend, in Python's types.
//!
//! Law: all that knows Python stands in this crate, and nothing else does.

mod arguments;
mod checks;
mod clock;
mod edges;
mod expansions;
mod front;
mod gil;
mod given;
mod holdings;
mod lookups;
mod session;
mod store;
mod tool_schemas;
mod turns;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[pyo3::pymodule]
mod _core {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::arguments::judge_call;
    #[pymodule_export]
    use crate::clock::PyClock;
    #[pymodule_export]
    use crate::front::{PyFrontend, PyReply, peer_and_host};
    #[pymodule_export]
    use crate::holdings::PyHoldings;
    #[pymodule_export]
    use crate::session::{all_caches, cache_stats, panics, set_cache, set_dear};
    #[pymodule_export]
    use crate::store::{NativeCore, NativeStore};
    #[pymodule_export]
    use crate::tool_schemas::fit_arguments;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("version", env!("CARGO_PKG_VERSION"))
    }
}
