//! From a resource down: the subjects that may have a slot of it, by the edges beneath.
//!
//! Through what must hold for the whole to hold, while that names whoever may have it; where somebody may have it whom nothing
//! names, through everything, to find all whose answer may be another than that of the others.
//! Law: a subject whose Check is another than that of one which occurs nowhere is found.

use super::request::SubjectLookup;
use crate::check::evaluator::{Evaluation, Stoppable};
use crate::graph::view::GraphView;
use crate::graph::{EPHEMERAL, End, NONE};
use crate::schema::drivers::{Drivers, each_node};
use crate::schema::plan::{Body, Node};
use hashbrown::HashSet;

pub struct Downwards {
    lookup: SubjectLookup,
    /// Objects whose own object, or own userset, was met.
    selves: Vec<u32>,
    named: Vec<u32>, // those that an edge beneath leads to; sorted, once the walk is over
    /// Somebody whom no edge names may have it.
    pub is_for_all: bool,
    /// What a subject has itself was asked, or what is above it.
    is_personal: bool,
}

impl Downwards {
    /// Cost: O(edges beneath and what their permissions are made of), a step each.
    pub fn walk<G: GraphView>(
        evaluation: &mut Evaluation<'_, G>,
        drivers: &Drivers,
        lookup: SubjectLookup,
    ) -> Stoppable<Downwards> {
        let mut down =
            Downwards { lookup, selves: Vec::new(), named: Vec::new(), is_for_all: false, is_personal: false };
        let plan = evaluation.plan;
        down.through(evaluation, |node, tell| drivers.each(plan, node, &mut |leaf, _| tell(leaf)))?;
        if down.is_for_all {
            down.through(evaluation, |node, tell| each_node(plan, node, &mut |leaf| tell(leaf)))?;
        }
        down.named.sort_unstable();
        down.named.dedup();
        Ok(down)
    }

    /// How many of the candidates, the first of them, are those that an edge beneath leads to; sorted by number.
    pub fn named_len(&self) -> usize {
        self.named.len()
    }

    /// Whoever is to be checked, some of them more than once. Cost: O(found), or O(objects) where everybody may have it
    /// and what a subject is in itself has a part in that.
    pub fn candidates<G: GraphView>(&self, evaluation: &mut Evaluation<'_, G>) -> Stoppable<Vec<u32>> {
        let mut found: Vec<u32> = self.named.iter().chain(&self.selves).copied().collect();
        if self.is_for_all && self.is_personal {
            let SubjectLookup { object, type_, .. } = self.lookup;
            for other in evaluation.graph.objects.held(type_, 0) {
                evaluation.spend()?;
                found.push(other);
            }
            let others = evaluation.ephemerals.types.iter().enumerate().filter(|(_, each)| **each == type_);
            found.extend(others.map(|(number, _)| number as u32 | EPHEMERAL));
            found.extend((evaluation.type_of(object) == type_).then_some(object));
        }
        Ok(found)
    }

    fn through<G: GraphView>(
        &mut self,
        evaluation: &mut Evaluation<'_, G>,
        each: impl Fn(u32, &mut dyn FnMut(Node)),
    ) -> Stoppable<()> {
        let SubjectLookup { object, slot, kind: asked, type_ } = self.lookup;
        let is_plain = asked == NONE;
        let plan = evaluation.plan;
        let mut seen: HashSet<(u32, u32)> = HashSet::new();
        seen.insert((object, slot));
        let mut queue = vec![(object, slot)];
        let mut leaves = Vec::new();
        while let Some((object, slot)) = queue.pop() {
            evaluation.spend()?;
            let kind = plan.slots[slot as usize].kind;
            if !is_plain && kind == asked {
                self.selves.push(object);
            }
            let mut add = |object: u32, slot: u32| {
                if slot != NONE && seen.insert((object, slot)) {
                    queue.push((object, slot));
                }
            };
            match plan.slots[slot as usize].body {
                Body::Relation => {
                    let Some(node) = evaluation.view.find_node(object, kind) else {
                        continue;
                    };
                    for place in 0..evaluation.edges_len(node) {
                        match evaluation.end_at(node, place)? {
                            Some(End::Object(subject)) if is_plain && evaluation.type_of(subject) == type_ => {
                                if evaluation.is_wildcard(subject) {
                                    self.is_for_all = true;
                                } else {
                                    self.named.push(subject);
                                }
                            }
                            Some(End::Node(userset)) => {
                                let (object, kind) = evaluation.view.name_of(userset);
                                if kind == asked {
                                    self.named.push(object);
                                }
                                add(object, plan.slot_of_kind(kind));
                            }
                            Some(End::Object(_)) | None => {}
                        }
                    }
                }
                Body::Along { child, .. } => {
                    self.is_personal |= is_plain;
                    add(object, child);
                }
                Body::Permission { node } => {
                    leaves.clear();
                    each(node, &mut |leaf| leaves.push(leaf));
                    for (place, leaf) in leaves.iter().enumerate() {
                        if place != 0 {
                            evaluation.spend()?; // the first is the slot's own step
                        }
                        match *leaf {
                            Node::Goal { slot } => add(object, slot),
                            Node::Arrow { kind, targets, .. } => {
                                let Some(node) = evaluation.view.find_node(object, kind) else {
                                    continue;
                                };
                                for place in 0..evaluation.edges_len(node) {
                                    let object = match evaluation.end_at(node, place)? {
                                        Some(End::Object(object)) => object,
                                        Some(End::Node(userset)) => evaluation.view.name_of(userset).0,
                                        None => continue,
                                    };
                                    add(object, plan.target(targets, evaluation.type_of(object)));
                                }
                            }
                            Node::SubjectArrow { .. } => {
                                self.is_personal |= is_plain;
                                self.is_for_all |= is_plain;
                            }
                            Node::Exists { kind } => {
                                if let Some(node) = evaluation.view.find_node(object, kind) {
                                    for place in 0..evaluation.edges_len(node) {
                                        self.is_for_all |= evaluation.end_at(node, place)?.is_some();
                                    }
                                }
                            }
                            Node::Itself if is_plain && evaluation.type_of(object) == type_ => self.selves.push(object),
                            Node::Itself | Node::Nil => {}
                            Node::Union { .. } | Node::Intersection { .. } | Node::Exclusion { .. } => {}
                        }
                    }
                }
            }
        }
        Ok(())
    }
}
