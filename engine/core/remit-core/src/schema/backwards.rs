//! The schema read backwards: what follows from an object's having a slot, and where nothing else has a part in that.
//!
//! Laws: what is not a no follows from a slot that is not a no, or from an object's being the subject. What follows from a
//! yes `alone` is a yes.

use super::drivers::Drivers;
use super::plan::{Body, Node, Plan};
use crate::graph::shape::bit;
use crate::graph::{Graph, NONE};

/// A slot that follows; `alone`, where a yes is enough for it.
#[derive(Clone, Copy, Debug)]
pub struct Follows {
    pub slot: u32,
    pub alone: bool,
}

/// What follows from an object's having a slot.
#[derive(Default)]
pub struct Consequences {
    pub here: Vec<Follows>,          // of the same object
    pub behind: Vec<(u32, Follows)>, // of whatever leads to it by an edge of that kind; by kind
    pub usersets: Vec<u32>,          // kinds of it that these edges may lead to instead of to the object itself
    pub is_held: bool,               // and relations that hold it as a userset
}

#[derive(Default)]
pub struct Backwards {
    consequences: Vec<Consequences>, // by slot, as the rest
    asked: Vec<Vec<u32>>,            // the slots that it hangs on
    kinds: Vec<u64>,                 // of the edges that it looks at itself: a bit for each, modulo 64
    is_bounded: Vec<bool>,           // it follows from edges alone that lead to the subject
    pub selves: Vec<Follows>,        // of an object that is the subject
}

impl Backwards {
    /// Cost: O(schema and shapes), with a new schema and when a kind first leads to another.
    pub fn of(plan: &Plan, drivers: &Drivers, graph: &Graph) -> Backwards {
        let slots = plan.slots.len();
        let mut backwards = Backwards {
            consequences: (0..slots).map(|_| Consequences::default()).collect(),
            asked: vec![Vec::new(); slots],
            kinds: vec![0; slots],
            is_bounded: vec![true; slots],
            selves: Vec::new(),
        };
        let mut held: Vec<Vec<u32>> = vec![Vec::new(); graph.kinds_len()];
        for (kind, of) in graph.shapes() {
            held[*kind as usize].push(*of);
        }
        for slot in 0..slots as u32 {
            match plan.slots[slot as usize].body {
                Body::Relation => backwards.relation(plan, slot, &held),
                Body::Along { child, .. } => backwards.here(child, Follows { slot, alone: false }),
                Body::Permission { node } => drivers.each(plan, node, &mut |leaf, alone| {
                    backwards.leaf(plan, graph, &held, leaf, Follows { slot, alone });
                }),
            }
        }
        backwards.widen();
        for Consequences { behind, usersets, .. } in &mut backwards.consequences {
            behind.sort_unstable_by_key(|(kind, _)| *kind);
            usersets.sort_unstable();
            usersets.dedup();
        }
        backwards
    }

    #[inline]
    pub fn from(&self, slot: u32) -> &Consequences {
        &self.consequences[slot as usize]
    }

    /// The slots that one hangs on.
    #[inline]
    pub fn asked(&self, slot: u32) -> &[u32] {
        &self.asked[slot as usize]
    }

    #[inline]
    pub fn kinds(&self, slot: u32) -> u64 {
        self.kinds[slot as usize]
    }

    /// Whether edges that lead to the subject say all: no `exists` and no `subject->` has to hold for it. They do not for what is
    /// no slot of the schema.
    #[inline]
    pub fn is_bounded(&self, slot: u32) -> bool {
        self.is_bounded.get(slot as usize) == Some(&true)
    }

    fn relation(&mut self, plan: &Plan, slot: u32, held: &[Vec<u32>]) {
        let kind = plan.slots[slot as usize].kind;
        self.kinds[slot as usize] |= bit(kind);
        for userset in held[kind as usize].iter().map(|of| plan.slot_of_kind(*of)).filter(|of| *of != NONE) {
            self.asked[slot as usize].push(userset);
            self.consequences[userset as usize].is_held = true;
        }
    }

    fn here(&mut self, asked: u32, follows: Follows) {
        self.asked[follows.slot as usize].push(asked);
        self.consequences[asked as usize].here.push(follows);
    }

    fn leaf(&mut self, plan: &Plan, graph: &Graph, held: &[Vec<u32>], leaf: Node, follows: Follows) {
        match leaf {
            Node::Goal { slot } => self.here(slot, follows),
            Node::Arrow { kind, targets, every } => {
                let follows = Follows { alone: follows.alone && !every, ..follows };
                let held = &held[kind as usize];
                let types = held.iter().fold(graph.subject_types(kind), |bits, of| bits | bit(graph.kind_words(*of).0));
                self.kinds[follows.slot as usize] |= bit(kind);
                for type_ in (0..graph.types.len() as u32).filter(|type_| types & bit(*type_) != 0) {
                    let target = plan.target(targets, type_);
                    if target != NONE {
                        self.asked[follows.slot as usize].push(target);
                        let consequences = &mut self.consequences[target as usize];
                        consequences.behind.push((kind, follows));
                        consequences.usersets.extend(held.iter().filter(|of| graph.kind_words(**of).0 == type_));
                    }
                }
            }
            Node::Itself => self.selves.push(follows),
            Node::Exists { .. } | Node::SubjectArrow { .. } => self.is_bounded[follows.slot as usize] = false,
            Node::Nil => {}
            Node::Union { .. } | Node::Intersection { .. } | Node::Exclusion { .. } => {
                unreachable!("these have drivers of their own")
            }
        }
    }

    /// What hangs on a slot that is not bounded is not bounded.
    fn widen(&mut self) {
        let mut asking: Vec<Vec<u32>> = vec![Vec::new(); self.asked.len()];
        for (slot, asked) in self.asked.iter().enumerate() {
            asked.iter().for_each(|asked| asking[*asked as usize].push(slot as u32));
        }
        let mut waiting: Vec<u32> = (0..self.asked.len() as u32).filter(|slot| !self.is_bounded(*slot)).collect();
        while let Some(slot) = waiting.pop() {
            for above in std::mem::take(&mut asking[slot as usize]) {
                if std::mem::replace(&mut self.is_bounded[above as usize], false) {
                    waiting.push(above);
                }
            }
        }
    }
}
