//! What is always true of a graph, asserted by tests after each step; no server asks for it.
//!
//! Law: an edge, a mark, a name or a count that this does not find where it belongs is a defect of the graph.

use super::{CHAIN_MAX, End, Graph, NONE, Qualifiers};
use crate::memory::adjacency::MARK;
use hashbrown::HashMap;

impl Graph {
    /// Assert the law, and that each name is held as often as it is needed. Cost: O(edges).
    pub fn check_invariants(&self) {
        let mut held: HashMap<u32, u32> = HashMap::new();
        let mut caveats: HashMap<u32, u32> = HashMap::new();
        let (mut forward, mut backward, mut indexed, mut beside) = (0, 0, 0, 0);
        let mut of_object: HashMap<u32, u32> = HashMap::new();
        let mut near_held: HashMap<u32, bool> = HashMap::new();
        for number in 0..self.nodes.numbers() {
            let node = self.nodes[number];
            if node.object == NONE {
                continue;
            }
            let is_indexed = self.ends[node.object as usize].nodes & MARK != 0;
            indexed += usize::from(is_indexed);
            *near_held.entry(node.object).or_default() |= is_indexed || self.is_held(number);
            *of_object.entry(node.object).or_default() += 1;
            *held.entry(node.object).or_default() += 1;
            assert_eq!(self.node_of(node.object, node.kind), Some(number), "a node leads elsewhere");
            assert_eq!(self.kinds[node.kind as usize].0, self.objects.tag(node.object), "a node of another type");
            assert!(
                !(node.direct.is_empty() && node.usersets.is_empty() && node.reverse.is_empty()),
                "an empty node is kept"
            );
            for list in [node.direct, node.usersets] {
                self.lists.check_invariants(list);
            }
            self.reverse.check_invariants(node.reverse, |number| self.nodes[number].kind);
            let direct = self.lists.iter(node.direct).map(|value| (value, End::Object(value & !MARK)));
            let usersets = self.lists.iter(node.usersets).map(|value| (value, End::Node(value & !MARK)));
            for (value, end) in direct.chain(usersets) {
                forward += 1;
                let back = match end {
                    End::Object(object) => {
                        *held.entry(object).or_default() += 1;
                        let types = self.subject_types(node.kind);
                        assert!(types & 1 << (self.objects.tag(object) & 63) != 0, "an unknown type of subject");
                        self.ends[object as usize].reverse
                    }
                    End::Node(userset) => {
                        assert!(self.shapes.contains(&(node.kind, self.nodes[userset].kind)), "an unknown shape");
                        self.nodes[userset].reverse
                    }
                };
                let reverse = self.reverse.find(back, node.kind, number);
                assert_eq!(reverse, Some(number | value & MARK), "an edge without its reverse, or marked otherwise");
                let row = self.find_beside(number, end);
                assert_eq!(row.is_some(), value & MARK != 0, "a mark and what it stands for differ");
                if let Some(row) = row {
                    beside += 1;
                    let Qualifiers { caveat, .. } = self.beside[row].qualifiers;
                    if caveat != NONE {
                        *caveats.entry(caveat).or_default() += 1;
                    }
                }
            }
            backward += node.reverse.len() as usize;
        }
        for number in (0..self.nodes.numbers()).filter(|number| self.nodes[*number].object != NONE) {
            let expected = near_held[&self.nodes[number].object];
            assert_eq!(
                self.is_near_held(number),
                expected,
                "a userset of the object is held, and not known to be, or not"
            );
        }
        for (object, end) in self.ends.iter().enumerate() {
            self.reverse.check_invariants(end.reverse, |number| self.nodes[number].kind);
            backward += end.reverse.len() as usize;
            let counted = of_object.get(&(object as u32)).copied().unwrap_or_default();
            assert_eq!(end.nodes & !MARK, counted, "an object's nodes are miscounted");
            assert!(end.nodes != MARK && (end.nodes & MARK != 0 || end.nodes <= CHAIN_MAX), "nodes in the wrong form");
        }
        assert_eq!((forward, backward), (self.count, self.count), "edges counted, forward and in reverse");
        assert_eq!(self.node_index.len(), indexed, "nodes in the index");
        assert_eq!((self.beside.len(), self.beside_index.len()), (beside, beside), "something beside no edge");
        self.objects.check_invariants(&held);
        self.caveats.check_invariants(&caveats);
    }
}
