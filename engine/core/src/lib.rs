//! The hot core of Remit, as the Python module `remit._core`: the graph, Check over it, and the front door.

use pyo3::prelude::*;

pub mod clock;
pub mod door;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What Python imports as `remit._core`.
#[pymodule]
mod _core {
    use super::*;

    #[pymodule_export]
    use super::clock::PyClock;
    #[pymodule_export]
    use super::door::python::PyDoor;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("version", env!("CARGO_PKG_VERSION"))
    }
}
