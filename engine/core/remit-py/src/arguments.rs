//! The judge of calls as Python has it: `remit._core.judge_call`, for the laws that hold it to `remit/arguments`.

use pyo3::prelude::*;
use pyo3::types::PyTuple;
use remit_arguments::{Document, Judged, Problem, ReadCall, Side, Type, Types, judge};

/// What a call comes to under a document, as nested tuples that begin with a word; `types` are those of the tool by their
/// pointers, None where the call is untyped. A document or call that is refused gives `document` or `call` with the pointer
/// and the reason.
#[pyfunction]
#[pyo3(signature = (document, side, declared, tool, arguments, purpose, types = None))]
pub fn judge_call<'py>(
    py: Python<'py>,
    document: &str,
    side: &str,
    declared: Vec<(String, String)>,
    tool: &str,
    arguments: &[u8],
    purpose: &str,
    types: Option<Vec<(String, String)>>,
) -> PyResult<Bound<'py, PyAny>> {
    let side = if side == "arguments" { Side::Arguments } else { Side::Matching };
    let refused = |what: &str, problem: Problem| tuple(py, (what, problem.pointer, problem.reason));
    let document = match Document::parse(document, side, &declared) {
        Ok(document) => document,
        Err(problem) => return refused("document", problem),
    };
    let call = match ReadCall::read(tool, arguments, purpose) {
        Ok(call) => call,
        Err(problem) => return refused("call", problem),
    };
    nested(py, &judge(&document, &call).judged)
}

fn nested<'py>(py: Python<'py>, judged: &Judged) -> PyResult<Bound<'py, PyAny>> {
    let all = |parts: &[Judged]| {
        let nested = parts.iter().map(|part| nested(py, part)).collect::<PyResult<Vec<_>>>()?;
        PyTuple::new(py, nested)
    };
    match judged {
        Judged::Known(truth) => tuple(py, ("known", *truth)),
        Judged::Unjudged => tuple(py, ("unjudged",)),
        Judged::Related { type_, id, permission } => tuple(py, ("related", &**type_, &**id, &**permission)),
        Judged::Every(parts) => tuple(py, ("every", all(parts)?)),
        Judged::Any(parts) => tuple(py, ("any", all(parts)?)),
        Judged::Unless(part) => tuple(py, ("unless", nested(py, part)?)),
    }
}

fn tuple<'py>(py: Python<'py>, parts: impl IntoPyObject<'py, Target = PyTuple, Output = Bound<'py, PyTuple>, Error = PyErr>) -> PyResult<Bound<'py, PyAny>> {
    Ok(parts.into_pyobject(py)?.into_any())
}
