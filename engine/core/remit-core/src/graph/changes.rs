//! The graph being written: edges that come and go, and what comes and goes with them.
//!
//! Law: that of the graph holds after each change.

use super::{Beside, CHAIN_MAX, End, Graph, NONE, Node, Object, Qualifiers, QualifiersText, Triple, WILDCARD};
use crate::memory::adjacency::{List, MARK};
use crate::memory::grouped::Grouped;
use crate::memory::index::mix;
use crate::memory::interner::Probe;

/// Edges whose subjects are fetched together when many are written.
const FETCHED: usize = 16;

const NO_OBJECT: Object = Object { reverse: Grouped::EMPTY, first: NONE, nodes: 0 };

const NO_NODE: Node =
    Node { object: NONE, kind: NONE, direct: List::EMPTY, usersets: List::EMPTY, next: NONE, reverse: Grouped::EMPTY };

impl Graph {
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
        mut on_edge: impl FnMut(u32, u32),
    ) {
        let mut edges = edges.into_iter();
        let mut next: Vec<(Triple, &QualifiersText, u32, Probe, Option<u32>)> = Vec::with_capacity(FETCHED);
        let mut last = ("", "", NONE);
        loop {
            for (triple, qualifiers) in edges.by_ref().take(FETCHED) {
                let type_ = self.types.intern(triple.subject_type);
                next.push((triple, qualifiers, type_, self.objects.seek(type_, triple.subject_id), None));
            }
            if next.is_empty() {
                return;
            }
            for (.., probe, likely) in &mut next {
                *likely = self.objects.likely(*probe);
                likely.iter().for_each(|subject| self.fetch_object(*subject));
            }
            for subject in next.iter().filter_map(|(.., likely)| *likely) {
                self.objects.fetch_text(subject);
                self.fetch_reverse(End::Object(subject));
            }
            for (triple, qualifiers, type_, probe, _) in next.drain(..) {
                let Triple { resource_type, resource_id, relation, subject_id, .. } = triple;
                if (last.0, last.1) != (resource_type, resource_id) {
                    last = (resource_type, resource_id, self.object(resource_type, resource_id));
                }
                let kind = self.kind(resource_type, relation);
                let node = self.node_made(last.2, kind);
                let subject = self.objects.intern_probed(probe, type_, subject_id);
                self.introduce(subject, type_, subject_id);
                on_edge(kind, self.connect(node, subject, &triple, qualifiers));
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
                self.reverse.remove(&mut self.ends[object as usize].reverse, self.nodes[node].kind, node);
                self.let_go(object);
            }
            End::Node(userset) => {
                self.lists.remove(&mut self.nodes[node].usersets, userset);
                let kind = self.nodes[node].kind;
                self.reverse.remove(&mut self.nodes[userset].reverse, kind, node);
                if !self.is_held(userset) {
                    self.find_near_held(self.nodes[userset].object);
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
        let before = std::mem::replace(&mut end.first, if is_indexed { NONE } else { number });
        if is_indexed {
            self.index_node(number);
        }
        self.set_near_held(number, is_indexed || (before != NONE && self.is_near_held(before)));
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
            self.set_near_held(number, true);
            number = next;
        }
    }

    fn index_node(&mut self, number: u32) {
        let nodes = &self.nodes;
        let hash_of = |node| mix(nodes[node].object, nodes[node].kind);
        self.node_index.add(hash_of(number), number, hash_of);
    }

    /// Whether a node of the object is held, told to all its nodes. Where these are in the index it is not known which they
    /// are, and all count as if it were so.
    fn find_near_held(&mut self, object: u32) {
        let first = self.ends[object as usize].first;
        let is_near_held = self.chain(first).any(|number| self.is_held(number));
        let mut number = first;
        while number != NONE {
            self.set_near_held(number, is_near_held);
            number = self.nodes[number].next;
        }
    }

    fn chain(&self, first: u32) -> impl Iterator<Item = u32> + '_ {
        let some = |number: u32| (number != NONE).then_some(number);
        std::iter::successors(some(first), move |number| some(self.nodes[*number].next))
    }

    fn set_near_held(&mut self, node: u32, is_near_held: bool) {
        let place = node as usize / 64;
        if self.near_held.len() <= place {
            self.near_held.resize(place + 1, 0);
        }
        let bit = 1 << (node & 63);
        self.near_held[place] = if is_near_held { self.near_held[place] | bit } else { self.near_held[place] & !bit };
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
                let nodes = &self.nodes;
                let reverse = &mut self.ends[object as usize].reverse;
                self.reverse.push(reverse, nodes[node].kind, node, |node| nodes[node].kind);
            }
            End::Node(userset) => {
                let shape = (self.nodes[node].kind, self.nodes[userset].kind);
                self.shapes_seen += usize::from(self.shapes.insert(shape));
                self.lists.push(&mut self.nodes[node].usersets, userset);
                let mut reverse = self.nodes[userset].reverse;
                let nodes = &self.nodes;
                self.reverse.push(&mut reverse, nodes[node].kind, node, |node| nodes[node].kind);
                self.nodes[userset].reverse = reverse;
                if !self.is_near_held(userset) {
                    self.find_near_held(self.nodes[userset].object);
                }
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
        let Qualifiers { caveat: before, .. } = known.map_or(Qualifiers::PLAIN, |row| self.beside[row].qualifiers);
        let after =
            Qualifiers { caveat, not_before_us: qualifiers.not_before_us, expiration_us: qualifiers.expiration_us };
        match known {
            Some(row) if qualifiers.is_plain() => {
                self.beside_index.remove(mix(node, end.marked()), |each| *each == row);
                self.beside.remove(row, Beside { node: NONE, end: NONE, qualifiers: Qualifiers::PLAIN });
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
                self.reverse.mark(&mut self.ends[object as usize].reverse, self.nodes[node].kind, node, marked);
            }
            End::Node(userset) => {
                self.lists.mark(&mut self.nodes[node].usersets, userset, marked);
                let kind = self.nodes[node].kind;
                self.reverse.mark(&mut self.nodes[userset].reverse, kind, node, marked);
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
}
