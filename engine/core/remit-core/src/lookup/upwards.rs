//! From a subject up: the objects that a slot of may hold for it, by the edges read backwards.
//!
//! First the slots are found that the answer can hang on, and what asks for each; then the edges are followed from the
//! subject through these alone. Where reaching an object's slot leads nowhere but to the answer, as with most, nothing is
//! remembered of it. What an edge is worth is not asked: whoever is found is checked.
//! Law: an object whose Check is not a no is found.

use super::drivers::Drivers;
use super::request::{Lookup, kinds_of};
use crate::check::evaluator::{Evaluation, Stoppable};
use crate::graph::shape::{Shape, bit};
use crate::graph::view::GraphView;
use crate::graph::{EPHEMERAL, End, NONE};
use crate::schema::plan::{Body, Node};
use hashbrown::HashSet;

/// What follows from an object's having a slot.
#[derive(Default)]
struct Consequences {
    here: Vec<u32>,          // slots of the same object that follow
    behind: Vec<(u32, u32)>, // slots of whatever leads to it by an edge of that kind
    of_subject: Vec<u32>,    // slots of all objects, where it is the subject's own
    is_held: bool,           // and slots of relations that hold it as a userset
    is_found: bool,          // the object is a candidate
    to_follow: Vec<u32>,     // of the slot and all that follow here: those from which edges are followed
}

pub struct Upwards {
    lookup: Lookup,
    places: Vec<u32>, // by slot: where its consequences are, NONE where the answer does not hang on it
    consequences: Vec<Consequences>,
    selves: Vec<u32>,
    exists: Vec<(u32, u32)>, // a slot, and the kind of edge that it asks for
    seen: HashSet<(u32, u32)>,
    queue: Vec<(u32, u32)>,
    found: Vec<u32>,
}

impl Upwards {
    /// Cost: O(schema).
    pub fn of<G: GraphView>(evaluation: &Evaluation<'_, G>, lookup: Lookup) -> Upwards {
        let mut upwards = Upwards {
            lookup,
            places: vec![NONE; evaluation.plan.slots.len()],
            consequences: Vec::new(),
            selves: Vec::new(),
            exists: Vec::new(),
            seen: HashSet::new(),
            queue: Vec::new(),
            found: Vec::new(),
        };
        upwards.find_consequences(evaluation);
        upwards
    }

    fn find_consequences<G: GraphView>(&mut self, evaluation: &Evaluation<'_, G>) {
        let (plan, graph) = (evaluation.plan, evaluation.graph);
        let drivers = Drivers::of(plan);
        let led = Led::of(evaluation);
        let subject_type = evaluation.type_of(self.lookup.subject.object);
        let mut waiting = Vec::new();
        self.want(self.lookup.slot, &mut waiting).is_found = true;
        while let Some(slot) = waiting.pop() {
            match plan.slots[slot as usize].body {
                Body::Relation => {
                    for of in led.usersets(plan.slots[slot as usize].kind) {
                        if plan.slot_of_kind(of) != NONE {
                            self.want(plan.slot_of_kind(of), &mut waiting).is_held = true;
                        }
                    }
                }
                Body::Along { child, .. } => self.want(child, &mut waiting).here.push(slot),
                Body::Permission { node } => drivers.each(plan, node, &mut |leaf| match leaf {
                    Node::Goal { slot: child } => self.want(child, &mut waiting).here.push(slot),
                    Node::Arrow { kind, targets, .. } => {
                        for type_ in led.types(graph.types.len() as u32, kind) {
                            match plan.target(targets, type_) {
                                NONE => {}
                                child => self.want(child, &mut waiting).behind.push((kind, slot)),
                            }
                        }
                    }
                    Node::SubjectArrow { targets } => match plan.target(targets, subject_type) {
                        child if child != NONE && self.lookup.subject.kind == NONE => {
                            self.want(child, &mut waiting).of_subject.push(slot);
                        }
                        _ => {}
                    },
                    Node::Exists { kind } => self.exists.push((slot, kind)),
                    Node::Itself => self.selves.push(slot),
                    Node::Nil => {}
                    Node::Union { .. } | Node::Intersection { .. } | Node::Exclusion { .. } => {
                        unreachable!("these have drivers of their own")
                    }
                }),
            }
        }
        self.follow_here();
    }

    fn want(&mut self, slot: u32, waiting: &mut Vec<u32>) -> &mut Consequences {
        if self.places[slot as usize] == NONE {
            self.places[slot as usize] = self.consequences.len() as u32;
            self.consequences.push(Consequences::default());
            waiting.push(slot);
        }
        &mut self.consequences[self.places[slot as usize] as usize]
    }

    /// What follows of the same object is worked out once for each slot. Cost: O(slots² at worst).
    fn follow_here(&mut self) {
        for slot in (0..self.places.len() as u32).filter(|slot| self.places[*slot as usize] != NONE).collect::<Vec<_>>()
        {
            let mut reached = vec![slot];
            let mut looked = 0;
            while looked < reached.len() {
                for next in &self.consequences[self.places[reached[looked] as usize] as usize].here {
                    if !reached.contains(next) {
                        reached.push(*next);
                    }
                }
                looked += 1;
            }
            let is_found = reached.contains(&self.lookup.slot);
            let leads_on = |slot: &u32| {
                let Consequences { behind, of_subject, is_held, .. } =
                    &self.consequences[self.places[*slot as usize] as usize];
                *is_held || !behind.is_empty() || !of_subject.is_empty()
            };
            reached.retain(leads_on);
            let consequences = &mut self.consequences[self.places[slot as usize] as usize];
            consequences.is_found = is_found;
            consequences.to_follow = reached;
        }
    }

    /// Whether what is found depends on the time that it is asked at.
    pub fn is_of_its_time(&self) -> bool {
        !self.exists.is_empty()
    }

    /// The objects found, some of them more than once. Cost: O(edges followed), a step each.
    pub fn walk<G: GraphView>(mut self, evaluation: &mut Evaluation<'_, G>) -> Stoppable<Vec<u32>> {
        self.begin(evaluation)?;
        while let Some((object, slot)) = self.queue.pop() {
            let kind = evaluation.plan.slots[slot as usize].kind;
            let place = self.places[slot as usize] as usize;
            if self.consequences[place].is_held
                && let Some(node) = evaluation.view.find_node(object, kind)
            {
                self.follow(evaluation, End::Node(node))?;
            }
            if !self.consequences[place].behind.is_empty() {
                self.follow_behind(evaluation, object, place)?;
            }
            if object == self.lookup.subject.object && self.lookup.subject.kind == NONE {
                for slot in self.consequences[place].of_subject.clone() {
                    self.reach_all(evaluation, slot)?;
                }
            }
        }
        Ok(self.found)
    }

    /// With what follows from one edge, or from none.
    fn begin<G: GraphView>(&mut self, evaluation: &mut Evaluation<'_, G>) -> Stoppable<()> {
        let Lookup { subject, .. } = self.lookup;
        let type_ = evaluation.type_of(subject.object);
        if subject.kind == NONE {
            self.follow(evaluation, End::Object(subject.object))?;
            match evaluation.view.wildcard(type_) {
                NONE => {}
                wildcard => self.follow(evaluation, End::Object(wildcard))?,
            }
            for slot in std::mem::take(&mut self.selves) {
                if type_of_slot(evaluation, slot) == type_ {
                    self.reach(evaluation, subject.object, slot)?;
                }
            }
        } else {
            if let Some(node) = evaluation.view.find_node(subject.object, subject.kind) {
                self.follow(evaluation, End::Node(node))?;
            }
            self.reach(evaluation, subject.object, evaluation.plan.slot_of_kind(subject.kind))?;
        }
        for (slot, kind) in std::mem::take(&mut self.exists) {
            for object in self.all_of(evaluation, type_of_slot(evaluation, slot)) {
                evaluation.spend()?;
                let Some(node) = evaluation.view.find_node(object, kind) else {
                    continue;
                };
                for place in 0..evaluation.edges_len(node) {
                    if evaluation.end_at(node, place)?.is_some() {
                        self.reach(evaluation, object, slot)?;
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// Whatever holds an end.
    fn follow<G: GraphView>(&mut self, evaluation: &mut Evaluation<'_, G>, end: End) -> Stoppable<()> {
        let view = evaluation.view;
        for (node, _) in view.nodes_of(end) {
            let (object, kind) = view.name_of(node);
            self.reach(evaluation, object, evaluation.plan.slot_of_kind(kind))?;
        }
        Ok(())
    }

    /// Whatever leads to the object, or to a userset of it, by an edge that an arrow follows.
    fn follow_behind<G: GraphView>(
        &mut self,
        evaluation: &mut Evaluation<'_, G>,
        object: u32,
        place: usize,
    ) -> Stoppable<()> {
        let view = evaluation.view;
        let kinds = kinds_of(evaluation, evaluation.type_of(object));
        let usersets = kinds.into_iter().filter_map(|kind| view.find_node(object, kind)).map(End::Node);
        for end in [End::Object(object)].into_iter().chain(usersets) {
            for (node, _) in view.nodes_of(end) {
                evaluation.spend()?;
                let (from, kind) = view.name_of(node);
                for at in 0..self.consequences[place].behind.len() {
                    let (through, slot) = self.consequences[place].behind[at];
                    if through == kind {
                        self.reach(evaluation, from, slot)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn reach_all<G: GraphView>(&mut self, evaluation: &mut Evaluation<'_, G>, slot: u32) -> Stoppable<()> {
        for object in self.all_of(evaluation, type_of_slot(evaluation, slot)) {
            self.reach(evaluation, object, slot)?;
        }
        Ok(())
    }

    /// Every object of a type that there is, and those that only the request names.
    fn all_of<'g, G: GraphView>(
        &self,
        evaluation: &Evaluation<'g, G>,
        type_: u32,
    ) -> impl Iterator<Item = u32> + use<'g, G> {
        let others = evaluation.ephemerals.iter().enumerate().filter(move |(_, each)| **each == type_);
        evaluation.graph.objects.held(type_, 0).chain(others.map(|(number, _)| number as u32 | EPHEMERAL))
    }

    #[inline]
    fn reach<G: GraphView>(&mut self, evaluation: &mut Evaluation<'_, G>, object: u32, slot: u32) -> Stoppable<()> {
        evaluation.spend()?;
        if slot == NONE || self.places[slot as usize] == NONE {
            return Ok(());
        }
        let Consequences { is_found, to_follow, .. } = &self.consequences[self.places[slot as usize] as usize];
        if *is_found {
            self.found.push(object);
        }
        for slot in to_follow {
            if self.seen.insert((object, *slot)) {
                self.queue.push((object, *slot));
            }
        }
        Ok(())
    }
}

fn type_of_slot<G: GraphView>(evaluation: &Evaluation<'_, G>, slot: u32) -> u32 {
    evaluation.graph.kind_words(evaluation.plan.slots[slot as usize].kind).0
}

/// Where relations lead, by their kinds: what the graph's shapes say, and those of what is laid over it.
struct Led {
    usersets: Vec<Vec<u32>>, // kinds
    types: Vec<u64>,         // a bit each, modulo 64
}

impl Led {
    /// Cost: O(kinds and shapes).
    fn of<G: GraphView>(evaluation: &Evaluation<'_, G>) -> Led {
        let graph = evaluation.graph;
        let kinds = graph.kinds_len();
        let mut led = Led {
            usersets: vec![Vec::new(); kinds],
            types: (0..kinds as u32).map(|kind| graph.subject_types(kind)).collect(),
        };
        let more = evaluation.view.more_shapes();
        for shape in
            graph.shapes().iter().map(|(kind, of)| Shape::Userset { kind: *kind, of: *of }).chain(more.iter().copied())
        {
            match shape {
                Shape::Plain { kind, type_ } => led.types[kind as usize] |= bit(type_),
                Shape::Userset { kind, of } => {
                    led.usersets[kind as usize].push(of);
                    led.types[kind as usize] |= bit(graph.kind_words(of).0);
                }
            }
        }
        led
    }

    fn usersets(&self, kind: u32) -> impl Iterator<Item = u32> + '_ {
        self.usersets[kind as usize].iter().copied()
    }

    fn types(&self, types: u32, kind: u32) -> impl Iterator<Item = u32> + '_ {
        (0..types).filter(move |type_| self.types[kind as usize] & bit(*type_) != 0)
    }
}
