//! The graph with some of its edges changed, without touching it: facts of one request.
//!
//! What a change names need not be in the graph: objects that it has not are ephemeral
//! (`ephemerals.rs`), nodes and caveats that it has not are numbered here, with the same bit. Places of edges stay where they are in the graph, changed or
//! taken away; those that are added come after them. `graph/overlay.py` is its plain twin.
//! Law: an overlay answers as the graph would after `add` and `remove` of the same triples, and ends with its request.

use super::shape::Shape;
use super::view::{self, GraphView};
use super::{EPHEMERAL, End, Graph, NONE, Node, Qualifiers, QualifiersText, Triple, WILDCARD};
use crate::memory::adjacency::List;
use hashbrown::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// Numbers what requests bring, so that a session never takes the facts of one for another's; 0 where there are none.
static BROUGHT: AtomicU64 = AtomicU64::new(1);

/// For each triple what its edge is instead: its qualifiers, or None for no edge.
#[derive(Clone, Debug, Default)]
pub struct Changed<'a> {
    number: u64,
    edges: Vec<(Triple<'a>, Option<&'a QualifiersText>)>,
}

pub static NOTHING: Changed<'static> = Changed { number: 0, edges: Vec::new() };

impl<'a> Changed<'a> {
    pub fn of(edges: Vec<(Triple<'a>, Option<&'a QualifiersText>)>) -> Changed<'a> {
        let number = if edges.is_empty() { 0 } else { BROUGHT.fetch_add(1, Ordering::Relaxed) };
        Changed { number, edges }
    }

    pub fn number(&self) -> u64 {
        self.number
    }

    pub fn is_empty(&self) -> bool {
        self.edges.is_empty()
    }
}

/// An edge that is taken away is one that was over before all time.
const GONE: Qualifiers = Qualifiers { caveat: NONE, not_before_us: None, expiration_us: Some(i64::MIN) };

/// Of a node whose edges are changed: those that the graph has not.
#[derive(Default)]
struct Added {
    direct: Vec<u32>,
    usersets: Vec<u32>,
}

/// What is changed, in numbers: good for one version of the graph, and for the ephemeral objects it was made with.
#[derive(Default)]
pub struct Overlay {
    edges: HashMap<(u32, End), Qualifiers>, // by node and end
    added: HashMap<u32, Added>,             // by node, of every node that has an edge changed
    reverse: Vec<(End, u32)>,               // of the edges that are added: end and node, in order
    nodes: Vec<(u32, u32)>,                 // that the graph has not: object and kind
    node_numbers: HashMap<(u32, u32), u32>,
    wildcards: Vec<(u32, u32)>, // that the graph has not: type and object
    caveats: Vec<(u32, Box<str>)>,
    kinds: u64, // of the nodes whose edges are changed, a bit each, modulo 64
    shapes: Vec<Shape>,
}

impl Overlay {
    /// None where a name is unknown to the schema. `object_of` gives the number of a type and an id, an ephemeral one
    /// where the graph has none. Cost: O(changes).
    pub fn of(graph: &Graph, changed: &Changed, mut object_of: impl FnMut(u32, &str) -> u32) -> Option<Overlay> {
        let mut overlay = Overlay::default();
        for (triple, qualifiers) in &changed.edges {
            match (overlay.named(graph, triple, &mut object_of), qualifiers) {
                (Some((node, end, shape)), Some(qualifiers)) => {
                    let qualifiers = overlay.taken(graph, qualifiers)?;
                    overlay.change(graph, node, end, qualifiers);
                    overlay.shapes.extend((!shape.is_in(graph)).then_some(shape));
                }
                (Some((node, end, _)), None) => overlay.change(graph, node, end, GONE),
                (None, Some(_)) => return None,
                (None, None) => {} // what has no name has no edge to take away
            }
        }
        overlay.reverse.sort_unstable();
        overlay.shapes.sort_unstable();
        overlay.shapes.dedup();
        Some(overlay)
    }

    /// In order, what relations lead to here that no relation of their kind ever led to in the graph.
    pub fn shapes(&self) -> &[Shape] {
        &self.shapes
    }

    /// A triple's node and end as they are called here, and its shape.
    fn named(
        &mut self,
        graph: &Graph,
        triple: &Triple,
        object_of: &mut impl FnMut(u32, &str) -> u32,
    ) -> Option<(u32, End, Shape)> {
        let kind = graph.find_kind(triple.resource_type, triple.relation)?;
        let type_ = graph.types.find(triple.subject_type)?;
        let node = self.node(graph, object_of(graph.kind_words(kind).0, triple.resource_id), kind);
        let subject = object_of(type_, triple.subject_id);
        if triple.subject_id == WILDCARD && self.wildcard(graph, type_) == NONE {
            self.wildcards.push((type_, subject));
        }
        if triple.subject_relation.is_empty() {
            return Some((node, End::Object(subject), Shape::Plain { kind, type_ }));
        }
        let of = graph.find_kind(triple.subject_type, triple.subject_relation)?;
        Some((node, End::Node(self.node(graph, subject, of)), Shape::Userset { kind, of }))
    }

    /// The node's number, made where there is none.
    fn node(&mut self, graph: &Graph, object: u32, kind: u32) -> u32 {
        if let Some(node) = graph.find_node(object, kind) {
            return node;
        }
        let next = self.nodes.len() as u32 | EPHEMERAL;
        let number = *self.node_numbers.entry((object, kind)).or_insert(next);
        if number == next {
            self.nodes.push((object, kind));
        }
        number
    }

    fn taken(&mut self, graph: &Graph, text: &QualifiersText) -> Option<Qualifiers> {
        let caveat = match &text.caveat {
            None => NONE,
            Some((name, context)) => {
                let name = graph.names.find(name)?;
                graph.caveats.find(name, context).unwrap_or_else(|| {
                    self.caveats.push((name, context.as_str().into()));
                    (self.caveats.len() as u32 - 1) | EPHEMERAL
                })
            }
        };
        Some(Qualifiers { caveat, not_before_us: text.not_before_us, expiration_us: text.expiration_us })
    }

    fn change(&mut self, graph: &Graph, node: u32, end: End, qualifiers: Qualifiers) {
        self.kinds |= 1 << (self.name_of(graph, node).1 & 63);
        let added = self.added.entry(node).or_default();
        let is_first = self.edges.insert((node, end), qualifiers).is_none();
        if is_first && (node & EPHEMERAL != 0 || graph.edge_to(&graph.row(node), end).is_none()) {
            self.reverse.push((end, node));
            match end {
                End::Object(object) => added.direct.push(object),
                End::Node(userset) => added.usersets.push(userset),
            }
        }
    }

    fn name_of(&self, graph: &Graph, node: u32) -> (u32, u32) {
        if node & EPHEMERAL == 0 { graph.name_of(node) } else { self.nodes[(node & !EPHEMERAL) as usize] }
    }

    fn wildcard(&self, graph: &Graph, type_: u32) -> u32 {
        match graph.wildcard(type_) {
            NONE => self.wildcards.iter().find(|each| each.0 == type_).map_or(NONE, |each| each.1),
            known => known,
        }
    }
}

/// A graph, and what is laid over it.
#[derive(Clone, Copy)]
pub struct Overlaid<'a> {
    pub graph: &'a Graph,
    pub overlay: &'a Overlay,
}

/// The edges of a node: those of the graph, then those that are added to each sort.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    node: u32,
    base: Option<Node>,
    added: Option<&'a Added>, // None where no edge of the node is changed
}

impl Row<'_> {
    fn base_len(&self, list_of: impl Fn(&Node) -> List) -> u32 {
        self.base.as_ref().map_or(0, |base| list_of(base).len())
    }
}

impl view::Row for Row<'_> {
    fn direct_len(&self) -> u32 {
        self.base_len(|base| base.direct) + self.added.map_or(0, |added| added.direct.len() as u32)
    }

    fn usersets_len(&self) -> u32 {
        self.base_len(|base| base.usersets) + self.added.map_or(0, |added| added.usersets.len() as u32)
    }
}

impl Overlaid<'_> {
    /// Whether an edge that the graph has, or not, is qualified here.
    fn is_qualified(self, row: &Row<'_>, end: End, in_graph: bool) -> bool {
        let changed = row.added.and_then(|_| self.overlay.edges.get(&(row.node, end)));
        changed.map_or(in_graph, |qualifiers| *qualifiers != Qualifiers::PLAIN)
    }
}

/// Cost: as of the graph, and a lookup more for each edge of a node whose edges are changed.
impl<'a> GraphView for Overlaid<'a> {
    type Row = Row<'a>;

    fn find_node(self, object: u32, kind: u32) -> Option<u32> {
        let in_graph = self.graph.find_node(object, kind);
        in_graph.or_else(|| self.overlay.node_numbers.get(&(object, kind)).copied())
    }

    fn name_of(self, node: u32) -> (u32, u32) {
        self.overlay.name_of(self.graph, node)
    }

    fn row(self, node: u32) -> Row<'a> {
        let base = (node & EPHEMERAL == 0).then(|| self.graph.row(node));
        Row { node, base, added: self.overlay.added.get(&node) }
    }

    fn direct_at(self, row: &Row<'a>, place: u32) -> (u32, bool) {
        let base_len = row.base_len(|base| base.direct);
        let (object, in_graph) = match (&row.base, row.added) {
            (Some(base), _) if place < base_len => self.graph.direct_at(base, place),
            (_, Some(added)) => (added.direct[(place - base_len) as usize], false),
            (_, None) => unreachable!("a place is below the row's length"),
        };
        (object, self.is_qualified(row, End::Object(object), in_graph))
    }

    fn userset_at(self, row: &Row<'a>, place: u32) -> (u32, bool) {
        let base_len = row.base_len(|base| base.usersets);
        let (userset, in_graph) = match (&row.base, row.added) {
            (Some(base), _) if place < base_len => self.graph.userset_at(base, place),
            (_, Some(added)) => (added.usersets[(place - base_len) as usize], false),
            (_, None) => unreachable!("a place is below the row's length"),
        };
        (userset, self.is_qualified(row, End::Node(userset), in_graph))
    }

    fn edge_to(self, row: &Row<'a>, end: End) -> Option<bool> {
        if row.added.is_some()
            && let Some(qualifiers) = self.overlay.edges.get(&(row.node, end))
        {
            return Some(*qualifiers != Qualifiers::PLAIN);
        }
        row.base.as_ref().and_then(|base| self.graph.edge_to(base, end))
    }

    fn qualifiers(self, node: u32, end: End) -> Qualifiers {
        match self.overlay.edges.get(&(node, end)) {
            Some(changed) => *changed,
            None => self.graph.qualifiers(node, end),
        }
    }

    fn nodes_of(self, end: End, is_wanted: impl Fn(u32) -> bool) -> impl Iterator<Item = (u32, bool)> {
        let Overlay { edges, reverse, .. } = self.overlay;
        let is_qualified = move |node, in_graph| {
            edges.get(&(node, end)).map_or(in_graph, |qualifiers| *qualifiers != Qualifiers::PLAIN)
        };
        let begin = reverse.partition_point(|each| each.0 < end);
        let added = reverse[begin..].iter().take_while(move |each| each.0 == end);
        let in_graph =
            self.graph.nodes_of(end, is_wanted).map(move |(node, marked)| (node, is_qualified(node, marked)));
        in_graph.chain(added.map(move |each| (each.1, is_qualified(each.1, false))))
    }

    fn passing_caveat(&self, caveat: u32) -> Option<(u32, &str)> {
        if caveat & EPHEMERAL == 0 {
            return None;
        }
        let (name, context) = &self.overlay.caveats[(caveat & !EPHEMERAL) as usize];
        Some((*name, context))
    }

    fn wildcard(self, type_: u32) -> u32 {
        self.overlay.wildcard(self.graph, type_)
    }

    fn more_shapes(&self) -> &[Shape] {
        self.overlay.shapes()
    }

    fn touches(self, kinds: u64) -> bool {
        self.overlay.kinds & kinds != 0
    }
}

#[cfg(test)]
mod tests {
    use super::view::Row as _;
    use super::*;
    use proptest::prelude::*;

    const KINDS: [(&str, &str); 3] = [("doc", "viewer"), ("doc", "editor"), ("group", "member")];
    const SUBJECTS: [(&str, &str); 4] = [("user", ""), ("doc", ""), ("doc", "viewer"), ("group", "member")];
    const IDS: [&str; 4] = ["a", "b", "c", WILDCARD];

    /// Numbers that name a triple, and what its edge is: None for no edge.
    type Change = ((usize, usize, usize, usize), Option<QualifiersText>);

    fn change() -> impl Strategy<Value = Change> {
        let plain = QualifiersText::default();
        let over = QualifiersText { expiration_us: Some(7), ..plain.clone() };
        let with = |context: &str| QualifiersText { caveat: Some(("c".into(), context.into())), ..plain.clone() };
        let qualifiers = prop::sample::select(vec![None, Some(plain.clone()), Some(over), Some(with("{}"))]);
        ((0..KINDS.len(), 0..3usize, 0..SUBJECTS.len(), 0..IDS.len()), qualifiers)
    }

    fn triple((kind, id, subject, subject_id): (usize, usize, usize, usize)) -> Triple<'static> {
        let ((resource_type, relation), (subject_type, subject_relation)) = (KINDS[kind], SUBJECTS[subject]);
        // A wildcard is a plain subject.
        let subject_id = IDS[if subject_relation.is_empty() { subject_id } else { subject_id % 3 }];
        Triple { resource_type, resource_id: IDS[id], relation, subject_type, subject_id, subject_relation }
    }

    fn graph_of<'a>(changes: impl IntoIterator<Item = &'a Change>) -> Graph {
        let mut graph = Graph::default();
        for (type_, name) in KINDS {
            graph.kind(type_, name);
        }
        graph.types.intern("user");
        graph.names.intern("c");
        for (numbers, qualifiers) in changes {
            match qualifiers {
                Some(qualifiers) => {
                    graph.add(&triple(*numbers), qualifiers);
                }
                None => graph.remove(&triple(*numbers)),
            }
        }
        graph
    }

    /// Assert that a view leads back from every end as it leads forward: the same edges, qualified or not.
    fn assert_reverse<G: GraphView>(
        view: G,
        object_of: &mut dyn FnMut(&str, &str) -> Option<u32>,
        graph: &Graph,
        mut forward: Vec<(u32, End, bool)>,
    ) {
        let mut backward = Vec::new();
        for ((type_, relation), id) in SUBJECTS.iter().flat_map(|subject| IDS.iter().map(move |id| (*subject, *id))) {
            let Some(object) = object_of(type_, id) else {
                continue;
            };
            let end = if relation.is_empty() {
                Some(End::Object(object))
            } else {
                graph.find_kind(type_, relation).and_then(|kind| view.find_node(object, kind)).map(End::Node)
            };
            if let Some(end) = end {
                backward.extend(view.nodes_of(end, |_| true).map(|(node, is_qualified)| (node, end, is_qualified)));
            }
        }
        forward.sort_unstable();
        backward.sort_unstable();
        assert_eq!(backward, forward);
    }

    /// All that a view says of every node, in words: each edge that counts at 0, with what qualifies it.
    fn edges_in_words<G: GraphView>(
        view: G,
        object_of: &mut dyn FnMut(&str, &str) -> Option<u32>,
        graph: &Graph,
    ) -> Vec<String> {
        let (mut found, mut forward) = (Vec::new(), Vec::new());
        for ((type_, name), id) in KINDS.iter().flat_map(|kind| IDS.iter().map(move |id| (*kind, *id))) {
            let kind = graph.find_kind(type_, name).expect("it was made");
            let Some(node) = object_of(type_, id).and_then(|object| view.find_node(object, kind)) else {
                continue;
            };
            let row = view.row(node);
            let mut edges = Vec::new();
            for place in 0..row.direct_len() {
                let (object, is_qualified) = view.direct_at(&row, place);
                edges.push((End::Object(object), is_qualified));
            }
            for place in 0..row.usersets_len() {
                let (userset, is_qualified) = view.userset_at(&row, place);
                edges.push((End::Node(userset), is_qualified));
            }
            forward.extend(edges.iter().map(|(end, is_qualified)| (node, *end, *is_qualified)));
            for (end, is_qualified) in edges {
                assert_eq!(view.edge_to(&row, end), Some(is_qualified), "an edge is found as it is listed");
                let qualifiers = if is_qualified { view.qualifiers(node, end) } else { Qualifiers::PLAIN };
                assert_eq!(is_qualified, qualifiers != Qualifiers::PLAIN);
                if !qualifiers.counts_at(0) {
                    continue;
                }
                let ends = SUBJECTS.iter().flat_map(|subject| IDS.iter().map(move |id| (*subject, *id)));
                for ((type_, relation), id) in ends {
                    let object = object_of(type_, id);
                    let is_meant = match end {
                        End::Object(object_here) => relation.is_empty() && object == Some(object_here),
                        End::Node(userset) => {
                            let kind = graph.find_kind(type_, relation);
                            object.zip(kind).is_some_and(|(object, kind)| view.find_node(object, kind) == Some(userset))
                        }
                    };
                    if is_meant {
                        let Qualifiers { caveat, not_before_us, expiration_us } = qualifiers;
                        let has_caveat = caveat != NONE;
                        found.push(format!(
                            "{name} {id} {type_} {relation} {has_caveat} {not_before_us:?} {expiration_us:?} {node_id}",
                            node_id = view.name_of(node).1
                        ));
                    }
                }
            }
        }
        assert_reverse(view, object_of, graph, forward);
        found.sort_unstable();
        found
    }

    proptest! {
        #[test]
        fn an_overlay_is_the_graph_as_it_would_be(
            stored in prop::collection::vec(change(), 0..12), changes in prop::collection::vec(change(), 0..12),
        ) {
            let graph = graph_of(&stored);
            let changed = changes.iter().map(|(numbers, qualifiers)| (triple(*numbers), qualifiers.as_ref()));
            let changed = Changed::of(changed.collect());
            let mut ephemerals: Vec<(u32, String)> = Vec::new();
            let overlay = Overlay::of(&graph, &changed, |type_, id| {
                graph.objects.find(type_, id).unwrap_or_else(|| {
                    let place = ephemerals.iter().position(|known| *known == (type_, id.to_owned()));
                    let place = place.unwrap_or_else(|| {
                        ephemerals.push((type_, id.to_owned()));
                        ephemerals.len() - 1
                    });
                    place as u32 | EPHEMERAL
                })
            });
            let overlay = overlay.expect("every name is known");
            let mut here = |type_: &str, id: &str| {
                let type_ = graph.types.find(type_)?;
                let place = ephemerals.iter().position(|known| *known == (type_, id.to_owned()));
                graph.objects.find(type_, id).or(place.map(|place| place as u32 | EPHEMERAL))
            };
            let after = graph_of(stored.iter().chain(&changes));
            let mut there = |type_: &str, id: &str| after.find_object(type_, id);
            let view = Overlaid { graph: &graph, overlay: &overlay };
            prop_assert_eq!(edges_in_words(view, &mut here, &graph), edges_in_words(&after, &mut there, &after));
            let user = graph.types.find("user").expect("it was made");
            let has_wildcard = |change: &Change| {
                let Triple { subject_type, subject_id, .. } = triple(change.0);
                (subject_type, subject_id) == ("user", WILDCARD)
            };
            if changes.iter().any(has_wildcard) {
                prop_assert_eq!(view.wildcard(user), here("user", WILDCARD).expect("it was named"));
            }
        }
    }
}
