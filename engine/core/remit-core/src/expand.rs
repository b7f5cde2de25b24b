//! Who has it: a relation or permission of an object as sets made of sets, whoever asks. `eval/expand.py` is the meaning.
//!
//! Each set is opened once, breadth first, and referred to wherever else it occurs. All texts are borrowed from the graph,
//! so an expansion lasts as long as the look at the store that it was made in: the frontend's
//! `hot_path/expansions.rs` writes it down as a message meanwhile, `remit-py`'s `expansions.rs` copies it out.
//! Law: the same sets in the same order, and the same steps, as in Python; what the plan has no place for is Python's.

use crate::graph::{EPHEMERAL, End, Graph, NONE, Qualifiers};
use crate::schema::plan::{self, Body, Plan};
use hashbrown::HashSet;
use hashbrown::hash_set::Entry;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Object<'a> {
    pub type_: &'a str,
    pub id: &'a str,
}

/// What is to be opened, and how many sets deep; 0: all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExpandRequest<'a> {
    pub resource: Object<'a>,
    pub permission: &'a str,
    pub depth_max: i64,
}

/// The sets, the first the one asked for.
pub type Expansion<'a> = Vec<Set<'a>>;

/// `resource#relation`, opened.
#[derive(Debug)]
pub struct Set<'a> {
    pub resource: Object<'a>,
    pub relation: &'a str,
    pub definition: Node<'a>,
}

/// A node of `trees.py`, field by field.
#[derive(Debug)]
pub enum Node<'a> {
    Reference(Reference<'a>),
    Union(Vec<Node<'a>>),
    Intersection(Vec<Node<'a>>),
    Exclusion { base: Box<Node<'a>>, subtracted: Box<Node<'a>> },
    Leaf { relation: &'a str, subjects: Vec<Subject<'a>> },
    Exists { relation: &'a str, subjects: Vec<Subject<'a>> },
    Arrow { relation: &'a str, permission: &'a str, every: bool, targets: Vec<Subject<'a>> },
    Along { child: Reference<'a>, relations: Vec<&'a str> },
    SubjectFilter(&'a str),
    Itself,
    Nobody,
}

/// `resource#relation`, among the sets, or `truncated`: beyond the depth asked.
#[derive(Clone, Copy, Debug)]
pub struct Reference<'a> {
    pub resource: Object<'a>,
    pub relation: &'a str,
    pub truncated: bool,
}

/// One fact of the set's resource. An empty `relation` is a plain subject or a wildcard; `userset` is the set of the
/// subject's object, where there is one.
#[derive(Debug)]
pub struct Subject<'a> {
    pub object: Object<'a>,
    pub relation: &'a str,
    pub conditions: Option<Box<Conditions<'a>>>,
    pub userset: Option<Reference<'a>>,
}

/// What qualifies a fact: a caveat's name and context, and times in microseconds.
#[derive(Debug)]
pub struct Conditions<'a> {
    pub caveat: Option<(&'a str, &'a str)>,
    pub not_before_us: Option<i64>,
    pub expiration_us: Option<i64>,
}

/// Why there is no expansion.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExpandError {
    /// The budget of steps is spent, or `stop` asked for an end (then the steps are not above the budget).
    Spent,
    /// `eval/expand.py` says it, in its own words: a name is unknown, or there is no schema yet.
    Elsewhere,
}

pub type ExpandResult<T> = Result<T, ExpandError>;

const WORK_BETWEEN_STOPS: u64 = 512; // some 100 µs

/// Counts a step for each set and each edge looked at, and asks `stop` now and then.
pub struct Budget<'s> {
    pub steps: u64,
    steps_max: u64,
    work: u64,
    stop: &'s dyn Fn() -> bool,
}

impl<'s> Budget<'s> {
    pub fn new(steps_max: u64, stop: &'s dyn Fn() -> bool) -> Self {
        Self { steps: 0, steps_max, work: 0, stop }
    }

    pub fn spend(&mut self) -> ExpandResult<()> {
        self.steps += 1;
        if self.steps > self.steps_max {
            return Err(ExpandError::Spent);
        }
        self.go_on()
    }

    /// What is no step and yet takes time while the store's lock is shared.
    pub fn go_on(&mut self) -> ExpandResult<()> {
        self.work += 1;
        if self.work.is_multiple_of(WORK_BETWEEN_STOPS) { self.look_up() } else { Ok(()) }
    }

    fn look_up(&self) -> ExpandResult<()> {
        if (self.stop)() { Err(ExpandError::Spent) } else { Ok(()) }
    }
}

/// The sets behind a relation or permission. Cost: O(edges listed), and their sorting.
pub fn expand<'a>(
    graph: &'a Graph,
    plan: &'a Plan,
    request: ExpandRequest<'a>,
    now_us: i64,
    budget: &mut Budget<'_>,
) -> ExpandResult<Expansion<'a>> {
    let ExpandRequest { resource, permission, depth_max } = request;
    let kind = graph.find_kind(resource.type_, permission).ok_or(ExpandError::Elsewhere)?;
    let object = graph.find_object(resource.type_, resource.id).unwrap_or(EPHEMERAL);
    let (known, queue) = (HashSet::new(), VecDeque::new());
    Expanding { graph, plan, root: resource, now_us, depth_max, budget, known, queue }.expand((object, kind))
}

/// An object, and the kind of its relation or permission.
type Key = (u32, u32);

struct Expanding<'a, 'b, 's> {
    graph: &'a Graph,
    plan: &'a Plan,
    root: Object<'a>, // the only one that may be named by no relationship
    now_us: i64,
    depth_max: i64,
    budget: &'b mut Budget<'s>,
    known: HashSet<Key>, // of every set that is or will be opened
    queue: VecDeque<(Key, i64)>,
}

impl<'a> Expanding<'a, '_, '_> {
    fn expand(mut self, root: Key) -> ExpandResult<Expansion<'a>> {
        self.known.insert(root);
        self.queue.push_back((root, 1));
        let mut sets = Vec::new();
        while let Some(((object, kind), depth)) = self.queue.pop_front() {
            self.budget.spend()?;
            let definition = self.definition(object, kind, depth)?;
            sets.push(Set { resource: self.object(object), relation: self.name_of(kind), definition });
        }
        Ok(sets)
    }

    fn definition(&mut self, object: u32, kind: u32, depth: i64) -> ExpandResult<Node<'a>> {
        let slot = self.plan.slot_of_kind(kind);
        if slot == NONE {
            return Err(ExpandError::Elsewhere);
        }
        match self.plan.slots[slot as usize].body {
            Body::Permission { node } => self.node(node, object, depth),
            Body::Along { .. } => Err(ExpandError::Elsewhere), // it has no name of its own to be opened by
            Body::Relation => {
                let edges = self.edges(object, kind)?;
                Ok(Node::Leaf {
                    relation: self.name_of(kind),
                    subjects: self.subjects(edges, depth, |edge| edge.kind)?,
                })
            }
        }
    }

    fn node(&mut self, node: u32, object: u32, depth: i64) -> ExpandResult<Node<'a>> {
        Ok(match self.plan.nodes[node as usize] {
            plan::Node::Nil => Node::Nobody,
            plan::Node::Itself => Node::Itself,
            plan::Node::Goal { slot: NONE } => return Err(ExpandError::Elsewhere),
            plan::Node::Goal { slot } => match self.plan.slots[slot as usize].body {
                Body::Along { child, chain } => Node::Along {
                    child: self.reference_to_slot(object, child, depth)?,
                    relations: self.plan.chain_words(chain).iter().map(|word| self.graph.names.text(*word)).collect(),
                },
                Body::Relation | Body::Permission { .. } => {
                    Node::Reference(self.reference_to_slot(object, slot, depth)?)
                }
            },
            plan::Node::Union { from, to } => Node::Union(self.operands(from, to, object, depth)?),
            plan::Node::Intersection { from, to } => Node::Intersection(self.operands(from, to, object, depth)?),
            plan::Node::Exclusion { base, subtracted } => Node::Exclusion {
                base: Box::new(self.node(base, object, depth)?),
                subtracted: Box::new(self.node(subtracted, object, depth)?),
            },
            plan::Node::Arrow { kind, targets, every } => {
                let edges = self.edges(object, kind)?;
                let plan = self.plan;
                let opened = |edge: &Edge<'a>| match plan.target(targets, edge.type_) {
                    NONE => NONE,
                    slot => plan.slots[slot as usize].kind,
                };
                Node::Arrow {
                    relation: self.name_of(kind),
                    permission: self.graph.names.text(plan.target_word(targets)),
                    every,
                    targets: self.subjects(edges, depth, opened)?,
                }
            }
            plan::Node::SubjectArrow { targets } => {
                Node::SubjectFilter(self.graph.names.text(self.plan.target_word(targets)))
            }
            plan::Node::Exists { kind } => {
                let edges = self.edges(object, kind)?;
                Node::Exists { relation: self.name_of(kind), subjects: self.subjects(edges, depth, |_| NONE)? }
            }
        })
    }

    fn operands(&mut self, from: u32, to: u32, object: u32, depth: i64) -> ExpandResult<Vec<Node<'a>>> {
        let plan = self.plan;
        plan.operands[from as usize..to as usize].iter().map(|node| self.node(*node, object, depth)).collect()
    }

    // --- facts ------------------------------------------------------------------------------------------------

    /// The edges that count now, sorted: an expansion reads the same whatever order they were written in.
    fn edges(&mut self, object: u32, kind: u32) -> ExpandResult<Vec<Edge<'a>>> {
        let graph = self.graph;
        let Some(number) = (if object & EPHEMERAL == 0 { graph.node_of(object, kind) } else { None }) else {
            return Ok(Vec::new());
        };
        let node = graph.node(number);
        let direct = node.direct.len();
        let count = direct + node.usersets.len();
        let mut found = Vec::new();
        for place in 0..count {
            self.budget.spend()?;
            let (end, is_qualified, object, kind) = if place < direct {
                let (object, is_qualified) = graph.edge_at(node.direct, place);
                (End::Object(object), is_qualified, object, NONE)
            } else {
                let (userset, is_qualified) = graph.edge_at(node.usersets, place - direct);
                let userset_node = graph.node(userset);
                (End::Node(userset), is_qualified, userset_node.object, userset_node.kind)
            };
            let qualifiers = is_qualified.then(|| graph.beside(number, end));
            if qualifiers.is_none_or(|qualifiers| qualifiers.counts_at(self.now_us)) {
                let relation = if kind == NONE { "" } else { self.name_of(kind) };
                let type_ = graph.objects.tag(object);
                let subject = Object { type_: graph.types.text(type_), id: graph.objects.text(object) };
                found.push(Edge { subject: (subject, relation), object, type_, kind, qualifiers });
            }
        }
        self.sorted(found)
    }

    /// Nobody who waits for the lock waits for a long list: it is sorted in parts, and these are merged.
    fn sorted(&mut self, mut edges: Vec<Edge<'a>>) -> ExpandResult<Vec<Edge<'a>>> {
        if edges.len() <= SORTED_AT_ONCE {
            edges.sort_unstable_by_key(|edge| edge.subject);
            return Ok(edges);
        }
        for part in edges.chunks_mut(SORTED_AT_ONCE) {
            part.sort_unstable_by_key(|edge| edge.subject);
            self.budget.look_up()?;
        }
        let begins = (0..edges.len()).step_by(SORTED_AT_ONCE);
        let mut least: BinaryHeap<_> = begins.map(|place| Reverse((edges[place].subject, place))).collect();
        let mut merged = Vec::with_capacity(edges.len());
        while let Some(Reverse((_, place))) = least.pop() {
            self.budget.go_on()?;
            merged.push(edges[place]);
            let next = place + 1;
            if !next.is_multiple_of(SORTED_AT_ONCE) && next < edges.len() {
                least.push(Reverse((edges[next].subject, next)));
            }
        }
        Ok(merged)
    }

    /// The facts of edges; `opened` is the kind of what is to be opened of their objects, NONE for nothing.
    fn subjects(
        &mut self,
        edges: Vec<Edge<'a>>,
        depth: i64,
        opened: impl Fn(&Edge<'a>) -> u32,
    ) -> ExpandResult<Vec<Subject<'a>>> {
        let mut found = Vec::with_capacity(edges.len());
        for edge in edges {
            self.budget.go_on()?;
            let kind = opened(&edge);
            let (object, relation) = edge.subject;
            found.push(Subject {
                object,
                relation,
                conditions: edge.qualifiers.map(|qualifiers| Box::new(self.conditions(qualifiers))),
                userset: (kind != NONE).then(|| self.reference(edge.object, kind, depth)),
            });
        }
        Ok(found)
    }

    fn conditions(&self, qualifiers: &Qualifiers) -> Conditions<'a> {
        let graph = self.graph;
        let Qualifiers { caveat, not_before_us, expiration_us } = *qualifiers;
        let of_caveat = || (graph.names.text(graph.caveats.tag(caveat)), graph.caveats.text(caveat));
        Conditions { caveat: (caveat != NONE).then(of_caveat), not_before_us, expiration_us }
    }

    // --- sets -------------------------------------------------------------------------------------------------

    fn reference_to_slot(&mut self, object: u32, slot: u32, depth: i64) -> ExpandResult<Reference<'a>> {
        if slot == NONE {
            return Err(ExpandError::Elsewhere);
        }
        Ok(self.reference(object, self.plan.slots[slot as usize].kind, depth))
    }

    fn reference(&mut self, object: u32, kind: u32, depth: i64) -> Reference<'a> {
        let mut truncated = false;
        if let Entry::Vacant(unknown) = self.known.entry((object, kind)) {
            truncated = self.depth_max != 0 && depth >= self.depth_max;
            if !truncated {
                unknown.insert();
                self.queue.push_back(((object, kind), depth + 1));
            }
        }
        Reference { resource: self.object(object), relation: self.name_of(kind), truncated }
    }

    fn object(&self, object: u32) -> Object<'a> {
        if object & EPHEMERAL != 0 {
            return self.root;
        }
        let type_ = self.graph.types.text(self.graph.objects.tag(object));
        Object { type_, id: self.graph.objects.text(object) }
    }

    fn name_of(&self, kind: u32) -> &'a str {
        self.graph.names.text(self.graph.kind_words(kind).1)
    }
}

/// Edges that are sorted without looking up: some 100 µs.
const SORTED_AT_ONCE: usize = 1024;

/// An edge that counts: its subject in text, and its subject's object with its type, and (a userset) its kind.
#[derive(Clone, Copy)]
struct Edge<'a> {
    subject: (Object<'a>, &'a str),
    object: u32,
    type_: u32,
    kind: u32,
    qualifiers: Option<&'a Qualifiers>,
}
