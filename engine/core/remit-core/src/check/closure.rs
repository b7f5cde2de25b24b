//! What is remembered of the usersets that a subject is in or may be in; `walk_back.rs` finds them.
//!
//! In a relation's userset is whoever edges lead to, and nothing else. In a permission's may be whoever is in one of its
//! sources: then it is asked, and nobody else can be in it.
//! Law: what is remembered is of one state of one store, and of an interval of time.

use crate::graph::Graph;
use crate::schema::backwards::Backwards;
use crate::schema::plan::Plan;
use crate::schema::reach::Reach;
use crate::schema::sources::Sources;
use hashbrown::HashSet;

/// Subjects of which a session remembers the closure: at 16 KB the largest, 1 MB.
pub(super) const REMEMBERED: usize = 64;

/// What is beneath a kind that holds usersets, where all of it can be found from a subject's side.
#[derive(Clone, Copy)]
pub struct Beneath {
    pub(super) kinds: u64,            // of relations, a bit each, modulo 64
    pub(super) is_nested: bool,       // usersets that it holds hold others
    pub(super) has_permissions: bool, // among the usersets, whose members have to be asked for
}

/// What the shapes of the graph and the plan say together about the way from a subject to the usersets it may be in.
#[derive(Default)]
pub struct Closed {
    holds: Vec<bool>,              // by kind: usersets
    beneath: Vec<Option<Beneath>>, // by kind that holds some
    leads: Vec<Vec<u32>>, // by kind of relation: permissions of which it is a source, and usersets of which are held
    selves: Vec<u32>,     // permissions of which usersets are held, and a source of which is the object itself
    is_step: Vec<bool>,   // by kind: nodes of it are on the way
}

impl Closed {
    /// Cost: O(shapes²), with a new schema and when a kind first leads to another.
    pub fn of(plan: &Plan, sources: &Sources, graph: &Graph) -> Closed {
        let kinds = graph.kinds_len();
        let mut closed = Closed {
            holds: vec![false; kinds],
            beneath: vec![None; kinds],
            leads: vec![Vec::new(); kinds],
            selves: Vec::new(),
            is_step: vec![false; kinds],
        };
        let mut below: Vec<Vec<u32>> = vec![Vec::new(); kinds];
        let mut is_held = vec![false; kinds];
        for (from, to) in graph.shapes() {
            below[*from as usize].push(*to);
            closed.holds[*from as usize] = true;
            is_held[*to as usize] = true;
        }
        for held in (0..kinds as u32).filter(|kind| is_held[*kind as usize]) {
            if plan.is_relation(held) {
                closed.is_step[held as usize] = true;
            } else if let Some(sources) = sources.of_slot(plan.slot_of_kind(held)) {
                for source in &sources.kinds {
                    closed.leads[*source as usize].push(held);
                    closed.is_step[*source as usize] = true;
                }
                closed.selves.extend(sources.is_itself.then_some(held));
            }
        }
        for kind in (0..kinds as u32).filter(|kind| !below[*kind as usize].is_empty()) {
            closed.beneath[kind as usize] = beneath(plan, sources, &below, kind);
        }
        closed
    }

    /// None as well where the kind holds no usersets.
    #[inline]
    pub(super) fn beneath(&self, kind: u32) -> Option<Beneath> {
        self.beneath.get(kind as usize).copied().flatten()
    }

    #[inline]
    pub(super) fn holds_usersets(&self, kind: u32) -> bool {
        self.holds.get(kind as usize).is_some_and(|holds| *holds)
    }

    /// Permissions of a node's object that whoever is in the node may have.
    #[inline]
    pub(super) fn leads(&self, kind: u32) -> &[u32] {
        self.leads.get(kind as usize).map_or(&[], Vec::as_slice)
    }

    /// Permissions that an object may have of itself.
    pub(super) fn selves(&self) -> &[u32] {
        &self.selves
    }

    #[inline]
    pub(super) fn is_step(&self, kind: u32) -> bool {
        self.is_step.get(kind as usize).is_some_and(|is_step| *is_step)
    }
}

fn beneath(plan: &Plan, sources: &Sources, below: &[Vec<u32>], kind: u32) -> Option<Beneath> {
    let mut reached = vec![kind];
    let mut found = Beneath { kinds: 0, is_nested: false, has_permissions: false };
    let mut looked = 0;
    while let Some(&relation) = reached.get(looked) {
        looked += 1;
        found.kinds |= 1 << (relation & 63);
        for held in &below[relation as usize] {
            let own = std::slice::from_ref(held);
            let further = if plan.is_relation(*held) {
                own
            } else {
                found.has_permissions = true;
                &sources.of_slot(plan.slot_of_kind(*held))?.kinds
            };
            for each in further {
                found.is_nested |= relation == kind && !below[*each as usize].is_empty();
                if !reached.contains(each) {
                    reached.push(*each);
                }
            }
        }
    }
    Some(found)
}

/// What a session knows of one subject.
#[derive(Clone, Default)]
pub(super) struct Closure {
    pub(super) store: u64, // 0 where nothing is known
    pub(super) version: u64,
    pub(super) object: u32,
    pub(super) from_us: i64,
    pub(super) until_us: i64,
    pub(super) edges: u32, // looked at; where it was given up, as many as it may not have
    pub(super) is_whole: bool,
    pub(super) usersets: Vec<u32>, // sorted by their numbers; marked where the subject only may be in them
}

#[derive(Default)]
pub struct Closures {
    pub(super) remembered: Vec<Closure>,
    pub(super) waiting: Vec<u32>,
    pub(super) doubtful: Vec<u32>,
    pub(super) seen: HashSet<u32>, // what was found first, once that is not few
}

impl Closures {
    pub(super) fn place(object: u32) -> usize {
        (object.wrapping_mul(0x9E37_79B9) >> 16) as usize % REMEMBERED
    }

    pub fn bytes(&self) -> usize {
        let usersets: usize = self.remembered.iter().map(|each| each.usersets.capacity() * size_of::<u32>()).sum();
        self.remembered.capacity() * size_of::<Closure>()
            + usersets
            + (self.waiting.capacity() + self.doubtful.capacity()) * size_of::<u32>()
            + self.seen.allocation_size()
    }
}

/// The state that closures are of, and what its shapes say.
#[derive(Clone, Copy)]
pub struct State<'a> {
    pub store: u64,
    pub version: u64,
    pub closed: &'a Closed,
    pub sources: &'a Sources,
    pub reach: &'a Reach,
    pub backwards: &'a Backwards,
}
