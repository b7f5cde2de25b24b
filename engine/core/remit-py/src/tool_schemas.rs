//! A tool's schema as Python has it: `remit._core.fit_arguments`, for the laws that hold it to `remit/arguments`.

use pyo3::prelude::*;
use remit_arguments::json_text::{Numbers, read_object};
use remit_arguments::{Descriptor, Json};

/// A word and two texts: `fits` and the arguments as RFC 8785 writes what the tool gets to see, or with a JSON Pointer and a
/// reason `descriptor` (it is refused), `arguments` (they cannot be read) or `unfit`.
#[pyfunction]
pub fn fit_arguments(descriptor: &[u8], arguments: &[u8]) -> (&'static str, String, String) {
    let descriptor = match Descriptor::read(descriptor) {
        Ok(descriptor) => descriptor,
        Err(problem) => return ("descriptor", problem.pointer, problem.reason),
    };
    let arguments = match read_object(arguments, Numbers::Canonical, usize::MAX) {
        Ok(arguments) => Json::Object(arguments),
        Err(problem) => return ("arguments", problem.pointer, problem.reason),
    };
    match descriptor.filled(&arguments) {
        Ok(filled) => ("fits", String::new(), filled.canonical()),
        Err(problem) => ("unfit", problem.pointer, problem.reason),
    }
}
