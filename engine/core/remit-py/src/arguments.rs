//! The judge of calls as Python has it: `remit._core.judge_call`, for the laws that hold it to `remit/arguments`.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use remit_arguments::{Document, Judged, Problem, ReadCall, Side, Type, Types, judge};

/// What a call comes to under a document, as nested tuples that begin with a word; `types` are those of the tool by their
/// pointers. A document or a call that is refused is told as `document` or `call`, with the pointer and the reason.
#[pyfunction]
#[pyo3(signature = (document, side, declared, tool, arguments, purpose = "", types = Vec::new()))]
#[allow(clippy::too_many_arguments)] // they are what Python's judge is given
pub fn judge_call<'py>(
    py: Python<'py>,
    document: &str,
    side: &str,
    declared: Vec<(String, String)>,
    tool: &str,
    arguments: &[u8],
    purpose: &str,
    types: Vec<(String, String)>,
) -> PyResult<Bound<'py, PyTuple>> {
    let side = Side::parse(side).ok_or_else(|| PyValueError::new_err(format!("`{side}` is no side")))?;
    let typed = |(pointer, word): &(String, String)| Type::parse(word).map(|type_| (pointer.clone(), type_));
    let types: Vec<(String, Type)> = types.iter().filter_map(typed).collect();
    let refused = |what: &str, problem: Problem| (what, problem.pointer, problem.reason).into_pyobject(py);
    let document = match Document::parse(document, side, &declared) {
        Ok(document) => document,
        Err(problem) => return refused("document", problem),
    };
    let call = match ReadCall::read(tool, arguments, purpose) {
        Ok(call) => call,
        Err(problem) => return refused("call", problem),
    };
    let call = call.typed(Types::of(types.iter().map(|(pointer, type_)| (&**pointer, *type_))));
    nested(py, &judge(&document, &call).judged)
}

fn nested<'py>(py: Python<'py>, judged: &Judged) -> PyResult<Bound<'py, PyTuple>> {
    let all = |parts: &[Judged]| {
        let nested = parts.iter().map(|part| nested(py, part)).collect::<PyResult<Vec<_>>>()?;
        PyTuple::new(py, nested)
    };
    match judged {
        Judged::Known(truth) => ("known", *truth).into_pyobject(py),
        Judged::Unjudged => ("unjudged",).into_pyobject(py),
        Judged::Related { type_, id, permission } => ("related", &**type_, &**id, &**permission).into_pyobject(py),
        Judged::Every(parts) => ("every", all(parts)?).into_pyobject(py),
        Judged::Any(parts) => ("any", all(parts)?).into_pyobject(py),
        Judged::Unless(part) => ("unless", nested(py, part)?).into_pyobject(py),
    }
}
