//! What relations lead to, whatever objects they are of: types of plain subjects, and kinds of usersets.
//!
//! Law: a shape is in a graph from its first edge on, and stays when the last one goes.

use super::Graph;

/// Of types and of kinds, modulo 64: above that more counts as there than is.
pub fn bit(number: u32) -> u64 {
    1 << (number & 63)
}

/// What a relation may lead to: plain subjects of a type, or usersets of a kind.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Shape {
    Plain { kind: u32, type_: u32 },
    Userset { kind: u32, of: u32 },
}

impl Shape {
    /// Whether relations of the graph lead there, or once did.
    pub fn is_in(self, graph: &Graph) -> bool {
        match self {
            Shape::Plain { kind, type_ } => graph.subject_types(kind) & bit(type_) != 0,
            Shape::Userset { kind, of } => graph.shapes().contains(&(kind, of)),
        }
    }
}
