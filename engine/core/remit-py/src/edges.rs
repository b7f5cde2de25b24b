//! Nodes and edges of a graph as Python is given them: in texts, and then in tuples.
//!
//! Law: texts are copied while the store is looked at, and tuples are made when it no longer is.

use pyo3::prelude::*;
use pyo3::types::PyTuple;
use remit_core::graph::{End, Graph, NONE, Qualifiers, QualifiersText};

pub fn node_text(graph: &Graph, number: u32) -> [String; 3] {
    let node = graph.node(number);
    let (type_, name) = graph.kind_words(node.kind);
    [graph.types.text(type_), graph.objects.text(node.object), graph.names.text(name)].map(str::to_owned)
}

pub type EdgeText = ([String; 3], Option<QualifiersText>);

/// The edges of a node from a place on, the direct ones first.
pub fn edges_text(graph: &Graph, number: u32, start: u32, count: u32) -> Vec<EdgeText> {
    let node = graph.node(number);
    let direct = node.direct.len();
    let end = start.saturating_add(count).min(direct + node.usersets.len());
    let edge_text = |place| {
        let (is_qualified, end, subject) = if place < direct {
            let (object, is_qualified) = graph.edge_at(node.direct, place);
            let type_ = graph.types.text(graph.objects.tag(object)).to_owned();
            let subject = [type_, graph.objects.text(object).to_owned(), String::new()];
            (is_qualified, End::Object(object), subject)
        } else {
            let (userset, is_qualified) = graph.edge_at(node.usersets, place - direct);
            (is_qualified, End::Node(userset), node_text(graph, userset))
        };
        (subject, is_qualified.then(|| qualifiers_text(graph, graph.beside(number, end))))
    };
    (start..end).map(edge_text).collect()
}

pub fn qualifiers_text(graph: &Graph, qualifiers: &Qualifiers) -> QualifiersText {
    let Qualifiers { caveat, not_before_us, expiration_us } = *qualifiers;
    let caveat = (caveat != NONE).then(|| {
        let name = graph.names.text(graph.caveats.tag(caveat));
        (name.to_owned(), graph.caveats.text(caveat).to_owned())
    });
    QualifiersText { caveat, not_before_us, expiration_us }
}

/// () where the edge is plain, else ((name, context) or None, not before, expiration).
pub fn qualifiers_tuple<'py>(py: Python<'py>, qualifiers: Option<&QualifiersText>) -> PyResult<Bound<'py, PyTuple>> {
    match qualifiers {
        None => Ok(PyTuple::empty(py)),
        Some(QualifiersText { caveat, not_before_us, expiration_us }) => {
            (caveat.as_ref(), *not_before_us, *expiration_us).into_pyobject(py)
        }
    }
}
