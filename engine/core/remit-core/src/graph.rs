//! The graph: who is related to what, both ways, as numbers.
//!
//! A node is an object and one of its relations; its edges lead to objects (plain subjects and wildcards) and, apart from
//! these, to nodes (usersets), because only they must be walked. What qualifies an edge lies beside, so an edge
//! without caveat and times costs four bytes each way and nothing more. `graph.py` is its plain twin.
//! An object leads to its few nodes one after the other, for they lie side by side when they were loaded: the first
//! costs a cache line or two, the others mostly none. A hash table of nodes missed the cache three times for each.
//! Law: for every edge forward there is the same edge in reverse; nothing empty is kept.

mod invariants;
pub mod overlay;
pub mod rows;
pub mod shape;
pub(crate) mod view;

use crate::memory::adjacency::{List, Lists, MARK};
use crate::memory::chunked::{Chunked, Slab};
use crate::memory::index::{Index, mix};
use crate::memory::interner::{Names, Sought, Words};
use hashbrown::{HashMap, HashSet};

pub const NONE: u32 = u32::MAX;

/// Objects that no relationship names have numbers with this bit, given by the session; and nodes that are in an overlay
/// alone, given by that.
pub const STRANGER: u32 = 1 << 31;

pub const WILDCARD: &str = "*";

/// What makes an edge count only sometimes. Times are microseconds since the Unix epoch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Qualifiers {
    pub caveat: u32, // a name of `caveats`, or NONE
    pub not_before_us: Option<i64>,
    pub expiration_us: Option<i64>,
}

impl Qualifiers {
    /// Whether the edge is there at all at that time, whatever its caveat says.
    #[inline]
    pub fn counts_at(&self, now_us: i64) -> bool {
        self.expiration_us.is_none_or(|us| us > now_us) && self.not_before_us.is_none_or(|us| us <= now_us)
    }
}

/// The same, as it comes from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QualifiersText {
    pub caveat: Option<(String, String)>, // name and canonical JSON
    pub not_before_us: Option<i64>,
    pub expiration_us: Option<i64>,
}

impl QualifiersText {
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

/// A triple in text. An empty `subject_relation` is a plain subject or a wildcard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Triple<'a> {
    pub resource_type: &'a str,
    pub resource_id: &'a str,
    pub relation: &'a str,
    pub subject_type: &'a str,
    pub subject_id: &'a str,
    pub subject_relation: &'a str,
}

/// An edge's end: an object, or (a userset) a node.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum End {
    Object(u32),
    Node(u32),
}

#[derive(Clone, Copy, Debug)]
pub struct Node {
    pub object: u32,
    pub kind: u32,
    pub direct: List,   // of objects
    pub usersets: List, // of nodes
    next: u32,          // node of the object, unless these are in the index
    reverse: List,      // of nodes that have this one among their usersets; few have any
}

/// What an object leads to.
#[derive(Clone, Copy, Debug)]
struct Object {
    reverse: List, // of nodes that have it among their direct edges
    first: u32,    // of its nodes, unless these are in the index
    nodes: u32,    // how many it has; with MARK where they are in the index
}

const NO_OBJECT: Object = Object { reverse: List::EMPTY, first: NONE, nodes: 0 };

/// Nodes of an object that are looked through one by one; with more of them they go into an index.
const CHAIN_MAX: u32 = 8;

/// Edges whose subjects are fetched together when many are written.
const FETCHED: usize = 16;

const NO_NODE: Node =
    Node { object: NONE, kind: NONE, direct: List::EMPTY, usersets: List::EMPTY, next: NONE, reverse: List::EMPTY };

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
    beside: Slab<Beside>,
    beside_index: Index,
    /// Nodes that some other node holds, a bit each. A walk back meets many that nobody holds and need not be looked at:
    /// this stays in the processor's cache where the rows of nodes do not.
    held: Vec<u64>,
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
        self.lists.fetch(self.reverse_at(end));
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

    /// The numbers of a list of edges, marked where they are qualified, in pieces that lie side by side.
    #[inline]
    pub fn pieces<'a>(&'a self, list: &'a List) -> impl Iterator<Item = &'a [u32]> {
        self.lists.pieces(list)
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

    /// The nodes that have an edge to this very subject.
    pub fn nodes_of(&self, end: End) -> impl Iterator<Item = u32> + '_ {
        self.lists.iter(self.reverse_at(end)).map(|value| value & !MARK)
    }

    /// Whether some other node has this one among its usersets. Cost: O(1), and hardly ever a cache line.
    #[inline]
    pub fn is_held(&self, node: u32) -> bool {
        self.held.get(node as usize / 64).is_some_and(|bits| bits & 1 << (node & 63) != 0)
    }

    fn set_held(&mut self, node: u32, is_held: bool) {
        let place = node as usize / 64;
        if self.held.len() <= place {
            self.held.resize(place + 1, 0);
        }
        let bit = 1 << (node & 63);
        self.held[place] = if is_held { self.held[place] | bit } else { self.held[place] & !bit };
    }

    #[inline]
    pub fn reverse_at(&self, end: End) -> List {
        match end {
            End::Object(object) => self.reverse_of(object),
            End::Node(node) => self.nodes[node].reverse,
        }
    }

    #[inline]
    pub fn reverse_of(&self, object: u32) -> List {
        self.ends[object as usize].reverse
    }

    /// Numbers of nodes lie below this; those that are not given out have no object.
    pub fn nodes_end(&self) -> u32 {
        self.nodes.numbers()
    }

    // --- changing ---------------------------------------------------------------------------------------------

    /// Write an edge, whatever was at its triple. The number of its caveat, or NONE. Cost: O(1).
    pub fn add(&mut self, triple: &Triple, qualifiers: &QualifiersText) -> u32 {
        let object = self.object(triple.resource_type, triple.resource_id);
        let kind = self.kind(triple.resource_type, triple.relation);
        let node = self.node_made(object, kind);
        let subject = self.object(triple.subject_type, triple.subject_id);
        self.connect(node, subject, triple, qualifiers)
    }

    /// Write edges as `add` does, and tell of each its resource's kind and its caveat. Quicker where neighbours share their
    /// resource, as they do in a store; and while an edge is written, the subjects of the next are fetched (a million
    /// relationships in the order of their keys: 1.46 s before, 0.91 since).
    pub fn load<'a>(
        &mut self,
        edges: impl IntoIterator<Item = (Triple<'a>, &'a QualifiersText)>,
        mut told: impl FnMut(u32, u32),
    ) {
        let mut edges = edges.into_iter();
        let mut next: Vec<(Triple, &QualifiersText, u32, Sought, Option<u32>)> = Vec::with_capacity(FETCHED);
        let mut last = ("", "", NONE);
        loop {
            for (triple, qualifiers) in edges.by_ref().take(FETCHED) {
                let type_ = self.types.intern(triple.subject_type);
                next.push((triple, qualifiers, type_, self.objects.seek(type_, triple.subject_id), None));
            }
            if next.is_empty() {
                return;
            }
            for (.., sought, likely) in &mut next {
                *likely = self.objects.likely(*sought);
                likely.iter().for_each(|subject| self.fetch_object(*subject));
            }
            for subject in next.iter().filter_map(|(.., likely)| *likely) {
                self.objects.fetch_text(subject);
                self.fetch_reverse(End::Object(subject));
            }
            for (triple, qualifiers, type_, sought, _) in next.drain(..) {
                let Triple { resource_type, resource_id, relation, subject_id, .. } = triple;
                if (last.0, last.1) != (resource_type, resource_id) {
                    last = (resource_type, resource_id, self.object(resource_type, resource_id));
                }
                let kind = self.kind(resource_type, relation);
                let node = self.node_made(last.2, kind);
                let subject = self.objects.intern_sought(sought, type_, subject_id);
                self.introduce(subject, type_, subject_id);
                told(kind, self.connect(node, subject, &triple, qualifiers));
            }
        }
    }

    /// Write the edge of a triple from its node to its subject.
    fn connect(&mut self, node: u32, subject: u32, triple: &Triple, qualifiers: &QualifiersText) -> u32 {
        let end = if triple.subject_relation.is_empty() {
            End::Object(subject)
        } else {
            let kind = self.kind(triple.subject_type, triple.subject_relation);
            End::Node(self.node_made(subject, kind))
        };
        if self.lists.find(self.edges_of(node, end), end.number()).is_none() {
            self.push(node, end);
            self.count += 1;
            if qualifiers.is_plain() {
                return NONE;
            }
        }
        self.qualify(node, end, qualifiers)
    }

    /// Remove the edge at a triple; nothing happens where there is none. Cost: O(1).
    pub fn remove(&mut self, triple: &Triple) {
        let Some((node, end, _)) = self.find(triple) else {
            return;
        };
        self.qualify(node, end, &QualifiersText::default());
        match end {
            End::Object(object) => {
                self.lists.remove(&mut self.nodes[node].direct, object);
                self.lists.remove(&mut self.ends[object as usize].reverse, node);
                self.let_go(object);
            }
            End::Node(userset) => {
                self.lists.remove(&mut self.nodes[node].usersets, userset);
                self.lists.remove(&mut self.nodes[userset].reverse, node);
                if self.nodes[userset].reverse.is_empty() {
                    self.set_held(userset, false);
                }
                self.drop_if_empty(userset);
            }
        }
        self.count -= 1;
        self.drop_if_empty(node);
    }

    fn object(&mut self, type_: &str, id: &str) -> u32 {
        let type_ = self.types.intern(type_);
        let object = self.objects.intern(type_, id);
        self.introduce(object, type_, id);
        object
    }

    /// What an object needs that may be new.
    #[inline]
    fn introduce(&mut self, object: u32, type_: u32, id: &str) {
        if id == WILDCARD {
            if self.wildcards.len() <= type_ as usize {
                self.wildcards.resize(type_ as usize + 1, NONE);
            }
            self.wildcards[type_ as usize] = object;
        }
        while self.ends.len() <= object as usize {
            self.ends.push(NO_OBJECT);
        }
    }

    fn node_made(&mut self, object: u32, kind: u32) -> u32 {
        if let Some(node) = self.node_of(object, kind) {
            return node;
        }
        self.objects.hold(object);
        let end = &mut self.ends[object as usize];
        if end.nodes == CHAIN_MAX {
            self.index_nodes(object);
        }
        let end = &mut self.ends[object as usize];
        end.nodes += 1;
        let is_indexed = end.nodes & MARK != 0;
        let number = self.nodes.add(Node { object, kind, next: end.first, ..NO_NODE });
        if is_indexed {
            self.index_node(number);
        } else {
            end.first = number;
        }
        number
    }

    /// From now on the object's nodes are found by the index.
    fn index_nodes(&mut self, object: u32) {
        let end = &mut self.ends[object as usize];
        let mut number = std::mem::replace(&mut end.first, NONE);
        end.nodes |= MARK;
        while number != NONE {
            let next = std::mem::replace(&mut self.nodes[number].next, NONE);
            self.index_node(number);
            number = next;
        }
    }

    fn index_node(&mut self, number: u32) {
        let nodes = &self.nodes;
        let hash_of = |node| mix(nodes[node].object, nodes[node].kind);
        self.node_index.add(hash_of(number), number, hash_of);
    }

    /// Take a node away from its object.
    fn unlink(&mut self, number: u32) {
        let Node { object, kind, next, .. } = self.nodes[number];
        let end = &mut self.ends[object as usize];
        end.nodes -= 1;
        if end.nodes & MARK != 0 {
            if end.nodes == MARK {
                end.nodes = 0; // none is left: the next one begins a chain
            }
            self.node_index.remove(mix(object, kind), |each| *each == number);
            return;
        }
        if end.first == number {
            end.first = next;
            return;
        }
        let mut before = end.first;
        while self.nodes[before].next != number {
            before = self.nodes[before].next;
        }
        self.nodes[before].next = next;
    }

    #[inline]
    fn edges_of(&self, node: u32, end: End) -> List {
        match end {
            End::Object(_) => self.nodes[node].direct,
            End::Node(_) => self.nodes[node].usersets,
        }
    }

    fn push(&mut self, node: u32, end: End) {
        match end {
            End::Object(object) => {
                self.objects.hold(object);
                self.see_type(self.nodes[node].kind, self.objects.tag(object));
                self.lists.push(&mut self.nodes[node].direct, object);
                self.lists.push(&mut self.ends[object as usize].reverse, node);
            }
            End::Node(userset) => {
                let shape = (self.nodes[node].kind, self.nodes[userset].kind);
                self.shapes_seen += usize::from(self.shapes.insert(shape));
                self.lists.push(&mut self.nodes[node].usersets, userset);
                self.lists.push(&mut self.nodes[userset].reverse, node);
                self.set_held(userset, true);
            }
        }
    }

    fn see_type(&mut self, kind: u32, type_: u32) {
        if self.subject_types.len() <= kind as usize {
            self.subject_types.resize(kind as usize + 1, 0);
        }
        let types = &mut self.subject_types[kind as usize];
        let bit = 1 << (type_ & 63);
        self.shapes_seen += usize::from(*types & bit == 0);
        *types |= bit;
    }

    fn qualify(&mut self, node: u32, end: End, qualifiers: &QualifiersText) -> u32 {
        let known = match self.lists.find(self.edges_of(node, end), end.number()) {
            Some(value) if value & MARK != 0 => self.find_beside(node, end),
            _ => None,
        };
        if known.is_none() && qualifiers.is_plain() {
            return NONE;
        }
        let caveat = match &qualifiers.caveat {
            Some((name, context)) => {
                let name = self.names.intern(name);
                let caveat = self.caveats.intern(name, context);
                self.caveats.hold(caveat);
                caveat
            }
            None => NONE,
        };
        let Qualifiers { caveat: before, .. } = known.map_or(UNQUALIFIED, |row| self.beside[row].qualifiers);
        let after =
            Qualifiers { caveat, not_before_us: qualifiers.not_before_us, expiration_us: qualifiers.expiration_us };
        match known {
            Some(row) if qualifiers.is_plain() => {
                self.beside_index.remove(mix(node, end.marked()), |each| *each == row);
                self.beside.remove(row, Beside { node: NONE, end: NONE, qualifiers: UNQUALIFIED });
                self.mark(node, end, false);
            }
            Some(row) => self.beside[row].qualifiers = after,
            None => {
                let row = self.beside.add(Beside { node, end: end.marked(), qualifiers: after });
                let rows = &self.beside;
                self.beside_index.add(mix(node, end.marked()), row, |row| mix(rows[row].node, rows[row].end));
                self.mark(node, end, true);
            }
        }
        if before != NONE {
            self.caveats.let_go(before);
        }
        caveat
    }

    /// Both ways, so that a walk back need not look forward to know that an edge is plain.
    fn mark(&mut self, node: u32, end: End, marked: bool) {
        match end {
            End::Object(object) => {
                self.lists.mark(&mut self.nodes[node].direct, object, marked);
                self.lists.mark(&mut self.ends[object as usize].reverse, node, marked);
            }
            End::Node(userset) => {
                self.lists.mark(&mut self.nodes[node].usersets, userset, marked);
                self.lists.mark(&mut self.nodes[userset].reverse, node, marked);
            }
        }
    }

    fn drop_if_empty(&mut self, number: u32) {
        let Node { object, direct, usersets, reverse, .. } = self.nodes[number];
        // A userset may hold an edge to itself: the node is dropped once, and then has no object.
        if object == NONE || !direct.is_empty() || !usersets.is_empty() || !reverse.is_empty() {
            return;
        }
        self.unlink(number);
        self.nodes.remove(number, NO_NODE);
        self.forgotten += 1;
        self.let_go(object);
    }

    fn let_go(&mut self, object: u32) {
        let type_ = self.objects.tag(object);
        if self.objects.let_go(object) {
            self.forgotten += 1;
            if self.wildcard(type_) == object {
                self.wildcards[type_ as usize] = NONE;
            }
        }
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
            + self.held.capacity() * size_of::<u64>()
            + self.nodes.bytes()
            + self.node_index.bytes()
            + self.lists.bytes()
            + self.beside.bytes()
            + self.beside_index.bytes()
    }
}

const UNQUALIFIED: Qualifiers = Qualifiers { caveat: NONE, not_before_us: None, expiration_us: None };

impl End {
    fn number(self) -> u32 {
        match self {
            End::Object(number) | End::Node(number) => number,
        }
    }

    fn marked(self) -> u32 {
        match self {
            End::Object(number) => number,
            End::Node(number) => number | MARK,
        }
    }
}
