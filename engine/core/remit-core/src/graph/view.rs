//! What an evaluation looks at: the graph as it lies, or with some of its edges changed (`overlay.rs`).
//!
//! Evaluations are compiled once for each, so that a check which changes nothing pays next to nothing for those that do:
//! a deep one takes one in a hundred instructions fewer than when there was the graph alone, a hot pair 1,045 instead of
//! 1,036, and 51 of 2,700 more where it is not remembered. `graph/view.py` is its twin.
//! Law: what edges there are is asked of a view; the graph beneath it is asked for names, and for what no change touches.

use super::shape::Shape;
use super::{EPHEMERAL, End, Graph, Node, Qualifiers};
use crate::memory::adjacency::MARK;

/// The edges of a node, ready to be looked at.
pub trait Row: Copy {
    /// How many places there are; at some there may be an edge that never counts.
    fn direct_len(&self) -> u32;
    fn usersets_len(&self) -> u32;
}

/// Costs are those of `Graph`. An edge comes as what it leads to, and whether something qualifies it.
pub trait GraphView: Copy {
    type Row: Row;

    fn find_node(self, object: u32, kind: u32) -> Option<u32>;

    /// The object and the kind of a node.
    fn name_of(self, node: u32) -> (u32, u32);

    fn row(self, node: u32) -> Self::Row;

    fn direct_at(self, row: &Self::Row, place: u32) -> (u32, bool);

    fn userset_at(self, row: &Self::Row, place: u32) -> (u32, bool);

    /// Whether there is an edge to this very end, and if so whether it is qualified.
    fn edge_to(self, row: &Self::Row, end: End) -> Option<bool>;

    /// What qualifies a qualified edge.
    fn qualifiers(self, node: u32, end: End) -> Qualifiers;

    /// The nodes of wanted kinds that have an edge to this very end, and whether something qualifies that edge: the same
    /// edges, marked the same, that the rows of these nodes have. Where they are few, those of other kinds come along.
    /// Cost: O(nodes).
    fn nodes_of(self, end: End, is_wanted: impl Fn(u32) -> bool) -> impl Iterator<Item = (u32, bool)>;

    /// A caveat that the graph does not know: its name, and its context as JSON.
    fn passing_caveat(&self, caveat: u32) -> Option<(u32, &str)>;

    /// The object `type:*`, or NONE.
    fn wildcard(self, type_: u32) -> u32;

    /// What relations lead to here that no relation of their kind ever led to in the graph.
    fn more_shapes(&self) -> &[Shape];

    /// Whether an edge of a node of these kinds may be another than in the graph; a bit for each kind, modulo 64.
    fn touches(self, kinds: u64) -> bool;
}

impl Row for Node {
    #[inline(always)]
    fn direct_len(&self) -> u32 {
        self.direct.len()
    }

    #[inline(always)]
    fn usersets_len(&self) -> u32 {
        self.usersets.len()
    }
}

impl GraphView for &Graph {
    type Row = Node;

    #[inline(always)]
    fn find_node(self, object: u32, kind: u32) -> Option<u32> {
        if object & EPHEMERAL != 0 { None } else { self.node_of(object, kind) }
    }

    #[inline(always)]
    fn name_of(self, node: u32) -> (u32, u32) {
        let &Node { object, kind, .. } = self.node(node);
        (object, kind)
    }

    #[inline(always)]
    fn row(self, node: u32) -> Node {
        *self.node(node)
    }

    #[inline(always)]
    fn direct_at(self, row: &Node, place: u32) -> (u32, bool) {
        self.edge_at(row.direct, place)
    }

    #[inline(always)]
    fn userset_at(self, row: &Node, place: u32) -> (u32, bool) {
        self.edge_at(row.usersets, place)
    }

    #[inline(always)]
    fn edge_to(self, row: &Node, end: End) -> Option<bool> {
        match end {
            End::Object(object) if object & EPHEMERAL != 0 => None,
            End::Object(object) => Graph::find_edge(self, row.direct, object),
            End::Node(userset) => Graph::find_edge(self, row.usersets, userset),
        }
    }

    #[inline(always)]
    fn qualifiers(self, node: u32, end: End) -> Qualifiers {
        *self.beside(node, end)
    }

    fn nodes_of(self, end: End, is_wanted: impl Fn(u32) -> bool) -> impl Iterator<Item = (u32, bool)> {
        let is_here = end.number() & EPHEMERAL == 0;
        let holders = is_here.then(|| self.holders(end, is_wanted)).into_iter().flatten();
        holders.map(|value| (value & !MARK, value & MARK != 0))
    }

    #[inline(always)]
    fn passing_caveat(&self, _: u32) -> Option<(u32, &str)> {
        None
    }

    #[inline(always)]
    fn wildcard(self, type_: u32) -> u32 {
        Graph::wildcard(self, type_)
    }

    fn more_shapes(&self) -> &[Shape] {
        &[]
    }

    #[inline(always)]
    fn touches(self, _: u64) -> bool {
        false
    }
}
