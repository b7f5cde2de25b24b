//! The graph: who is related to what, both ways, as numbers.
//!
//! A node is an object and one of its relations; its edges lead to objects (plain subjects and wildcards) and, apart from
//! these, to nodes (usersets), because only they must be walked. What qualifies an edge lies beside, so an edge
//! without caveat and times costs four bytes each way and nothing more. `graph/plain.py` is its plain twin.
//! An object leads to its few nodes one after the other, for they lie side by side when they were loaded: the first
//! costs a cache line or two, the others mostly none. A hash table of nodes missed the cache three times for each.
//! Law: for every edge forward there is the same edge in reverse; nothing empty is kept.

mod changes;
mod edge;
pub mod ephemerals;
mod invariants;
pub mod overlay;
pub mod rows;
pub mod shape;
pub mod view;

pub use edge::{EPHEMERAL, End, NONE, Qualifiers, QualifiersText, Triple, WILDCARD};

use crate::memory::adjacency::{List, Lists, MARK};
use crate::memory::chunked::{Chunked, Slab};
use crate::memory::grouped::{Grouped, GroupedLists};
use crate::memory::index::{Index, mix};
use crate::memory::interner::{Names, Words};
use hashbrown::{HashMap, HashSet};

#[derive(Clone, Copy, Debug)]
pub struct Node {
    pub object: u32,
    pub kind: u32,
    pub direct: List,   // of objects
    pub usersets: List, // of nodes
    next: u32,          // node of the object, unless these are in the index
    reverse: Grouped,   // of nodes that have this one among their usersets; few have any
}

/// What an object leads to.
#[derive(Clone, Copy, Debug)]
struct Object {
    reverse: Grouped, // of nodes that have it among their direct edges
    first: u32,       // of its nodes, unless these are in the index
    nodes: u32,       // how many it has; with MARK where they are in the index
}

/// Nodes of an object that are looked through one by one; with more of them they go into an index.
const CHAIN_MAX: u32 = 8;

/// What qualifies one edge, found by the edge.
#[derive(Clone, Copy)]
struct Beside {
    node: u32,
    end: u32, // marked where it is a node
    qualifiers: Qualifiers,
}

#[derive(Default)]
pub struct Graph {
    pub types: Words,
    pub names: Words, // of relations, permissions and caveats
    kinds: Vec<(u32, u32)>,
    kind_numbers: HashMap<(u32, u32), u32>,
    pub objects: Names,    // ids under types
    pub caveats: Names,    // contexts under caveats
    wildcards: Vec<u32>,   // by type
    ends: Chunked<Object>, // by object
    nodes: Slab<Node>,
    node_index: Index, // of those whose objects have many
    lists: Lists,
    reverse: GroupedLists, // by kind of node
    beside: Slab<Beside>,
    beside_index: Index,
    /// Nodes of objects of which some other node holds a userset, a bit each. A walk back meets many of whose objects
    /// nobody does, and which need not be looked at: this stays in the processor's cache where the rows of nodes do not.
    near_held: Vec<u64>,
    /// Which kinds of nodes have held usersets of which kinds, and (a bit each, modulo 64) objects of which types. They
    /// are few, and kept when the last such edge goes.
    shapes: HashSet<(u32, u32)>,
    subject_types: Vec<u64>,
    shapes_seen: usize, // of both
    count: usize,
    forgotten: u64,
}

impl Graph {
    pub fn len(&self) -> usize {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many names were forgotten so far: while it stands still, a number means what it meant.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    // --- kinds: a type and a name of it -----------------------------------------------------------------------

    pub fn kind(&mut self, type_: &str, name: &str) -> u32 {
        let pair = (self.types.intern(type_), self.names.intern(name));
        if let Some(kind) = self.kind_numbers.get(&pair) {
            return *kind;
        }
        let kind = self.kinds.len() as u32;
        self.kinds.push(pair);
        self.kind_numbers.insert(pair, kind);
        kind
    }

    pub fn find_kind(&self, type_: &str, name: &str) -> Option<u32> {
        let pair = (self.types.find(type_)?, self.names.find(name)?);
        self.kind_numbers.get(&pair).copied()
    }

    /// The type and name of a kind.
    pub fn kind_words(&self, kind: u32) -> (u32, u32) {
        self.kinds[kind as usize]
    }

    pub fn kinds_len(&self) -> usize {
        self.kinds.len()
    }

    /// Pairs of a kind of node and a kind of userset that such nodes hold, or held once.
    pub fn shapes(&self) -> &HashSet<(u32, u32)> {
        &self.shapes
    }

    /// The types of the objects that nodes of a kind hold, or held once: a bit each, modulo 64.
    pub fn subject_types(&self, kind: u32) -> u64 {
        self.subject_types.get(kind as usize).copied().unwrap_or(0)
    }

    /// How many shapes there are: while it stands still, no kind came to hold what no node of it ever held.
    pub fn shapes_seen(&self) -> usize {
        self.shapes_seen
    }

    // --- asking -----------------------------------------------------------------------------------------------

    /// Cost: O(1), mostly two cache lines, and none for the object's next node.
    #[inline]
    pub fn node_of(&self, object: u32, kind: u32) -> Option<u32> {
        let Object { first, nodes, .. } = self.ends[object as usize];
        if nodes & MARK != 0 {
            return self.node_index.find(mix(object, kind), |number| {
                let node = &self.nodes[*number];
                node.object == object && node.kind == kind
            });
        }
        let mut number = first;
        while number != NONE {
            let node = &self.nodes[number];
            if node.kind == kind {
                return Some(number);
            }
            number = node.next;
        }
        None
    }

    /// Have an object's row fetched.
    #[inline]
    pub fn fetch_object(&self, object: u32) {
        self.ends.fetch(object as usize);
    }

    /// Have an object's first node fetched, after its row.
    #[inline]
    pub fn fetch_nodes(&self, object: u32) {
        self.nodes.fetch(self.ends[object as usize].first);
    }

    #[inline]
    pub fn fetch_node(&self, number: u32) {
        self.nodes.fetch(number);
    }

    /// Have the nodes' numbers fetched that hold something, after its own row.
    #[inline]
    pub fn fetch_reverse(&self, end: End) {
        self.reverse.fetch(*self.reverse_at(end));
    }

    #[inline]
    pub fn node(&self, number: u32) -> &Node {
        &self.nodes[number]
    }

    /// The object `type:*`, or NONE.
    #[inline]
    pub fn wildcard(&self, type_: u32) -> u32 {
        self.wildcards.get(type_ as usize).copied().unwrap_or(NONE)
    }

    /// The number at a place of a list of edges, and whether it is qualified.
    #[inline]
    pub fn edge_at(&self, list: List, place: u32) -> (u32, bool) {
        let value = self.lists.at(list, place);
        (value & !MARK, value & MARK != 0)
    }

    /// Whether a list of edges has an end, and if so whether it is qualified.
    #[inline]
    pub fn find_edge(&self, list: List, end: u32) -> Option<bool> {
        self.lists.find(list, end).map(|value| value & MARK != 0)
    }

    /// What qualifies a qualified edge of a node.
    pub fn beside(&self, node: u32, end: End) -> &Qualifiers {
        let row = self.find_beside(node, end).expect("a marked edge has something beside it");
        &self.beside[row].qualifiers
    }

    fn find_beside(&self, node: u32, end: End) -> Option<u32> {
        let end = end.marked();
        self.beside_index.find(mix(node, end), |row| self.beside[*row].node == node && self.beside[*row].end == end)
    }

    /// The end of a triple and its node, where both are there.
    pub fn find(&self, triple: &Triple) -> Option<(u32, End, Option<Qualifiers>)> {
        let kind = self.find_kind(triple.resource_type, triple.relation)?;
        let object = self.find_object(triple.resource_type, triple.resource_id)?;
        let node = self.node_of(object, kind)?;
        let end = self.find_end(triple.subject_type, triple.subject_id, triple.subject_relation)?;
        let is_qualified = match end {
            End::Object(object) => self.find_edge(self.nodes[node].direct, object),
            End::Node(userset) => self.find_edge(self.nodes[node].usersets, userset),
        }?;
        Some((node, end, is_qualified.then(|| *self.beside(node, end))))
    }

    pub fn find_object(&self, type_: &str, id: &str) -> Option<u32> {
        self.objects.find(self.types.find(type_)?, id)
    }

    pub fn find_end(&self, type_: &str, id: &str, relation: &str) -> Option<End> {
        let object = self.find_object(type_, id)?;
        if relation.is_empty() {
            return Some(End::Object(object));
        }
        self.node_of(object, self.find_kind(type_, relation)?).map(End::Node)
    }

    /// Whether some other node has this one among its usersets.
    #[inline]
    pub fn is_held(&self, node: u32) -> bool {
        !self.nodes[node].reverse.is_empty()
    }

    /// Whether that may be so of this node or another of its object. Cost: O(1), and hardly ever a cache line.
    #[inline]
    pub fn is_near_held(&self, node: u32) -> bool {
        self.near_held.get(node as usize / 64).is_some_and(|bits| bits & 1 << (node & 63) != 0)
    }

    #[inline]
    fn reverse_at(&self, end: End) -> &Grouped {
        match end {
            End::Object(object) => &self.ends[object as usize].reverse,
            End::Node(node) => &self.nodes[node].reverse,
        }
    }

    /// How many nodes hold an end that are of kinds that are wanted; others may be counted where they are few.
    #[inline(always)]
    pub fn holders_len(&self, end: End, is_wanted: impl Fn(u32) -> bool) -> u32 {
        self.reverse.len_of(*self.reverse_at(end), is_wanted)
    }

    /// These nodes' numbers, marked where the edge is qualified; those of other kinds may be among them.
    #[inline]
    pub fn holders(&self, end: End, is_wanted: impl Fn(u32) -> bool) -> impl Iterator<Item = u32> {
        self.reverse.pieces(self.reverse_at(end), is_wanted).flatten().copied()
    }

    /// The same, told in pieces that lie side by side.
    #[inline(always)]
    pub fn each_holders(&self, end: End, is_wanted: impl Fn(u32) -> bool, tell: impl FnMut(&[u32])) {
        self.reverse.each_piece(self.reverse_at(end), is_wanted, tell);
    }

    /// Numbers of nodes lie below this; those that are not given out have no object.
    pub fn nodes_end(&self) -> u32 {
        self.nodes.numbers()
    }

    // --- keeping honest ---------------------------------------------------------------------------------------

    /// Bytes held, all of it: names, edges both ways, and room that is kept for more.
    pub fn bytes(&self) -> usize {
        self.types.bytes()
            + self.names.bytes()
            + self.kinds.capacity() * 20
            + self.objects.bytes()
            + self.caveats.bytes()
            + self.ends.bytes()
            + self.near_held.capacity() * size_of::<u64>()
            + self.nodes.bytes()
            + self.node_index.bytes()
            + self.lists.bytes()
            + self.reverse.bytes()
            + self.beside.bytes()
            + self.beside_index.bytes()
    }
}
