//! From a subject up: the objects that a slot of may hold for it, by the edges read backwards.
//!
//! First the slots are found that the answer can hang on, and what asks for each; then the edges are followed from the
//! subject through these alone. Where reaching an object's slot leads nowhere but to the answer, as with most, nothing is
//! remembered of it. What an edge is worth is not asked: whoever is found is checked.
//! Law: an object whose Check is not a no is found.

use super::request::Lookup;
use crate::check::evaluator::{Evaluation, Stoppable};
use crate::graph::shape::{Shape, bit};
use crate::graph::view::GraphView;
use crate::graph::{EPHEMERAL, End, NONE};
use crate::schema::drivers::Drivers;
use crate::schema::plan::{Body, Node};
use hashbrown::HashSet;

/// What follows from an object's having a slot.
struct Consequences {
    here: Vec<u32>,          // places of what asks for it of the same object
    asked: Vec<u32>,         // and of what it asks for: the same, read backwards
    behind: Vec<(u32, u32)>, // a kind of edge, and the slots that whatever leads here by it has then; by kind
    usersets: Vec<u32>,      // kinds that these edges may lead to instead of the object itself
    of_subject: Vec<u32>,    // slots of all objects, where it is the subject's own
    is_held: bool,           // and slots of relations that hold it as a userset
    is_found: bool,          // the object is a candidate, by this or by what follows here
    lands: u32,              // the first place of those that follow here, itself among them, which leads further
}

impl Consequences {
    fn leads_on(&self) -> bool {
        self.is_held || !self.behind.is_empty() || !self.of_subject.is_empty()
    }

    /// What follows behind edges of that kind.
    #[inline]
    fn behind(&self, kind: u32) -> &[(u32, u32)] {
        let begin = self.behind.partition_point(|(through, _)| *through < kind);
        let len = self.behind[begin..].iter().take_while(|(through, _)| *through == kind).count();
        &self.behind[begin..begin + len]
    }
}

pub struct Upwards {
    lookup: Lookup,
    places: Vec<u32>, // by slot: where its consequences are, NONE where the answer does not hang on it
    slots: Vec<u32>,  // by place
    consequences: Vec<Consequences>,
    selves: Vec<u32>,
    exists: Vec<(u32, u32)>, // a slot, and the kind of edge that it asks for
    looks: u32,
}

/// The edges being followed.
struct Walk<'u> {
    upwards: &'u Upwards,
    seen: HashSet<(u32, u32)>,
    queue: Vec<(u32, u32)>, // objects and places
    found: Vec<u32>,
}

/// Things of a schema between two looks whether to go on: some 50 µs.
const LOOKS_BETWEEN_STOPS: u32 = 4096;

impl Upwards {
    /// Cost: O(schema), a step for each slot that the answer can hang on.
    pub fn of<G: GraphView>(
        evaluation: &mut Evaluation<'_, G>,
        drivers: &Drivers,
        lookup: Lookup,
    ) -> Stoppable<Upwards> {
        let mut upwards = Upwards {
            lookup,
            places: vec![NONE; evaluation.plan.slots.len()],
            slots: Vec::new(),
            consequences: Vec::new(),
            selves: Vec::new(),
            exists: Vec::new(),
            looks: 0,
        };
        let led = Led::of(evaluation);
        upwards.find_consequences(evaluation, drivers, &led)?;
        upwards.follow_here(evaluation)?;
        upwards.find_usersets(evaluation, &led)?;
        Ok(upwards)
    }

    fn find_consequences<G: GraphView>(
        &mut self,
        evaluation: &mut Evaluation<'_, G>,
        drivers: &Drivers,
        led: &Led,
    ) -> Stoppable<()> {
        let plan = evaluation.plan;
        let subject_type = evaluation.type_of(self.lookup.subject.object);
        let place = self.place_of(self.lookup.slot);
        self.consequences[place].is_found = true;
        let mut leaves = Vec::new();
        let mut looked = 0;
        while let Some(&slot) = self.slots.get(looked) {
            let asking = looked as u32;
            looked += 1;
            evaluation.spend()?;
            match plan.slots[slot as usize].body {
                Body::Relation => {
                    for of in led.usersets(plan.slots[slot as usize].kind) {
                        self.look(evaluation)?;
                        if plan.slot_of_kind(of) != NONE {
                            let place = self.place_of(plan.slot_of_kind(of));
                            self.consequences[place].is_held = true;
                        }
                    }
                }
                Body::Along { child, .. } => self.asks(asking, child),
                Body::Permission { node } => {
                    leaves.clear();
                    drivers.each(plan, node, &mut |leaf, _| leaves.push(leaf));
                    for leaf in &leaves {
                        self.look(evaluation)?;
                        match *leaf {
                            Node::Goal { slot: child } => self.asks(asking, child),
                            Node::Arrow { kind, targets, .. } => {
                                for type_ in led.types(evaluation.graph.types.len() as u32, kind) {
                                    self.look(evaluation)?;
                                    if plan.target(targets, type_) != NONE {
                                        let place = self.place_of(plan.target(targets, type_));
                                        self.consequences[place].behind.push((kind, slot));
                                    }
                                }
                            }
                            Node::SubjectArrow { targets } => match plan.target(targets, subject_type) {
                                child if child != NONE && self.lookup.subject.kind == NONE => {
                                    let place = self.place_of(child);
                                    self.consequences[place].of_subject.push(slot);
                                }
                                _ => {}
                            },
                            Node::Exists { kind } => self.exists.push((slot, kind)),
                            Node::Itself => self.selves.push(slot),
                            Node::Nil => {}
                            Node::Union { .. } | Node::Intersection { .. } | Node::Exclusion { .. } => {
                                unreachable!("these have drivers of their own")
                            }
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Where the consequences of a slot are, from now on.
    fn place_of(&mut self, slot: u32) -> usize {
        if self.places[slot as usize] == NONE {
            self.places[slot as usize] = self.slots.len() as u32;
            self.slots.push(slot);
            self.consequences.push(Consequences {
                here: Vec::new(),
                asked: Vec::new(),
                behind: Vec::new(),
                usersets: Vec::new(),
                of_subject: Vec::new(),
                is_held: false,
                is_found: false,
                lands: NONE,
            });
        }
        self.places[slot as usize] as usize
    }

    /// What stands at a place asks for another slot of its object.
    fn asks(&mut self, asking: u32, slot: u32) {
        let place = self.place_of(slot);
        self.consequences[place].here.push(asking);
        self.consequences[asking as usize].asked.push(place as u32);
    }

    /// What follows of the same object: whether that is the answer, and where it leads further. Of names that only pass on
    /// what they are asked, a walk sees nothing: it goes from the first to the next that leads further, or to where two
    /// ways do. Cost: O(slots and what they ask for).
    fn follow_here<G: GraphView>(&mut self, evaluation: &mut Evaluation<'_, G>) -> Stoppable<()> {
        let looked_up = self.places[self.lookup.slot as usize];
        let mut waiting = vec![looked_up];
        while let Some(place) = waiting.pop() {
            for at in 0..self.consequences[place as usize].asked.len() {
                self.look(evaluation)?;
                let asked = self.consequences[place as usize].asked[at];
                if !std::mem::replace(&mut self.consequences[asked as usize].is_found, true) {
                    waiting.push(asked);
                }
            }
        }
        // What leads further tells those that it follows from, and these tell on. One that is told of two places is a place
        // to land itself, and tells so again: each has at most three things to say.
        let places = 0..self.consequences.len() as u32;
        waiting.extend(places.filter(|place| self.consequences[*place as usize].leads_on()));
        for place in &waiting {
            self.consequences[*place as usize].lands = *place;
        }
        while let Some(place) = waiting.pop() {
            let lands = self.consequences[place as usize].lands;
            for at in 0..self.consequences[place as usize].asked.len() {
                self.look(evaluation)?;
                let asked = self.consequences[place as usize].asked[at];
                let lands_now = &mut self.consequences[asked as usize].lands;
                if *lands_now == NONE {
                    *lands_now = lands;
                    waiting.push(asked);
                } else if *lands_now != lands && *lands_now != asked {
                    *lands_now = asked; // the ways part here
                    waiting.push(asked);
                }
            }
        }
        Ok(())
    }

    /// Which usersets of an object lead to it by the edges that arrows follow.
    fn find_usersets<G: GraphView>(&mut self, evaluation: &mut Evaluation<'_, G>, led: &Led) -> Stoppable<()> {
        for place in 0..self.consequences.len() {
            let mut behind = std::mem::take(&mut self.consequences[place].behind);
            if behind.is_empty() {
                continue; // also what is `along` a chain, which is of no type: no arrow leads to it
            }
            let type_ = type_of_slot(evaluation, self.slots[place]);
            behind.sort_unstable();
            behind.dedup();
            let mut usersets: Vec<u32> = Vec::new();
            for edges in behind.chunk_by(|one, other| one.0 == other.0) {
                self.look(evaluation)?;
                for of in led.usersets(edges[0].0) {
                    self.look(evaluation)?;
                    if evaluation.graph.kind_words(of).0 == type_ {
                        usersets.push(of);
                    }
                }
            }
            usersets.sort_unstable();
            usersets.dedup();
            let consequences = &mut self.consequences[place];
            (consequences.behind, consequences.usersets) = (behind, usersets);
        }
        Ok(())
    }

    /// Work of a schema's size looks up as a walk does, and is no step.
    #[inline]
    fn look<G: GraphView>(&mut self, evaluation: &Evaluation<'_, G>) -> Stoppable<()> {
        self.looks += 1;
        if self.looks.is_multiple_of(LOOKS_BETWEEN_STOPS) { evaluation.pause() } else { Ok(()) }
    }

    /// The objects found, some of them more than once. Cost: O(edges followed), a step each.
    pub fn walk<G: GraphView>(&self, evaluation: &mut Evaluation<'_, G>) -> Stoppable<Vec<u32>> {
        let mut walk = Walk { upwards: self, seen: HashSet::new(), queue: Vec::new(), found: Vec::new() };
        walk.begin(evaluation)?;
        walk.go_on(evaluation)?;
        Ok(walk.found)
    }
}

impl Walk<'_> {
    fn go_on<G: GraphView>(&mut self, evaluation: &mut Evaluation<'_, G>) -> Stoppable<()> {
        let Upwards { lookup, slots, consequences, .. } = self.upwards;
        while let Some((object, place)) = self.queue.pop() {
            let consequences_here = &consequences[place as usize];
            let kind = evaluation.plan.slots[slots[place as usize] as usize].kind;
            if consequences_here.is_held
                && let Some(node) = evaluation.view.find_node(object, kind)
            {
                self.follow(evaluation, End::Node(node))?;
            }
            if !consequences_here.behind.is_empty() {
                self.follow_behind(evaluation, object, consequences_here)?;
            }
            if object == lookup.subject.object && lookup.subject.kind == NONE {
                for slot in &consequences_here.of_subject {
                    self.reach_all(evaluation, *slot)?;
                }
            }
            for next in &consequences_here.here {
                evaluation.spend()?;
                self.land(object, consequences[*next as usize].lands);
            }
        }
        Ok(())
    }

    /// With what follows from one edge, or from none.
    fn begin<G: GraphView>(&mut self, evaluation: &mut Evaluation<'_, G>) -> Stoppable<()> {
        let Upwards { lookup: Lookup { subject, .. }, selves, exists, .. } = self.upwards;
        let type_ = evaluation.type_of(subject.object);
        if subject.kind == NONE {
            self.follow(evaluation, End::Object(subject.object))?;
            match evaluation.view.wildcard(type_) {
                NONE => {}
                wildcard => self.follow(evaluation, End::Object(wildcard))?,
            }
            for slot in selves {
                if type_of_slot(evaluation, *slot) == type_ {
                    self.reach(evaluation, subject.object, *slot)?;
                }
            }
        } else {
            if let Some(node) = evaluation.view.find_node(subject.object, subject.kind) {
                self.follow(evaluation, End::Node(node))?;
            }
            self.reach(evaluation, subject.object, evaluation.plan.slot_of_kind(subject.kind))?;
        }
        for (slot, kind) in exists {
            for object in all_of(evaluation, type_of_slot(evaluation, *slot)) {
                evaluation.spend()?;
                let Some(node) = evaluation.view.find_node(object, *kind) else {
                    continue;
                };
                for place in 0..evaluation.edges_len(node) {
                    if evaluation.end_at(node, place)?.is_some() {
                        self.reach(evaluation, object, *slot)?;
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// Whatever holds an end.
    fn follow<G: GraphView>(&mut self, evaluation: &mut Evaluation<'_, G>, end: End) -> Stoppable<()> {
        let (view, plan, upwards) = (evaluation.view, evaluation.plan, self.upwards);
        let is_wanted = |kind| {
            let slot = plan.slot_of_kind(kind);
            slot != NONE && upwards.places[slot as usize] != NONE
        };
        for (node, _) in view.nodes_of(end, is_wanted) {
            let (object, kind) = view.name_of(node);
            self.reach(evaluation, object, plan.slot_of_kind(kind))?;
        }
        Ok(())
    }

    /// Whatever leads to the object, or to a userset of it, by an edge that an arrow follows.
    fn follow_behind<G: GraphView>(
        &mut self,
        evaluation: &mut Evaluation<'_, G>,
        object: u32,
        consequences: &Consequences,
    ) -> Stoppable<()> {
        self.follow_behind_end(evaluation, End::Object(object), consequences)?;
        for kind in &consequences.usersets {
            evaluation.spend()?;
            if let Some(node) = evaluation.view.find_node(object, *kind) {
                self.follow_behind_end(evaluation, End::Node(node), consequences)?;
            }
        }
        Ok(())
    }

    fn follow_behind_end<G: GraphView>(
        &mut self,
        evaluation: &mut Evaluation<'_, G>,
        end: End,
        consequences: &Consequences,
    ) -> Stoppable<()> {
        let view = evaluation.view;
        for (node, _) in view.nodes_of(end, |kind| !consequences.behind(kind).is_empty()) {
            evaluation.spend()?;
            let (from, kind) = view.name_of(node);
            for (_, slot) in consequences.behind(kind) {
                self.reach(evaluation, from, *slot)?;
            }
        }
        Ok(())
    }

    fn reach_all<G: GraphView>(&mut self, evaluation: &mut Evaluation<'_, G>, slot: u32) -> Stoppable<()> {
        for object in all_of(evaluation, type_of_slot(evaluation, slot)) {
            self.reach(evaluation, object, slot)?;
        }
        Ok(())
    }

    #[inline]
    fn reach<G: GraphView>(&mut self, evaluation: &mut Evaluation<'_, G>, object: u32, slot: u32) -> Stoppable<()> {
        evaluation.spend()?;
        if slot == NONE || self.upwards.places[slot as usize] == NONE {
            return Ok(());
        }
        let place = self.upwards.places[slot as usize];
        let Consequences { is_found, lands, .. } = self.upwards.consequences[place as usize];
        if is_found {
            self.found.push(object);
        }
        self.land(object, lands);
        Ok(())
    }

    #[inline]
    fn land(&mut self, object: u32, place: u32) {
        if place != NONE && self.seen.insert((object, place)) {
            self.queue.push((object, place));
        }
    }
}

/// Every object of a type that there is, and those that only the request names.
fn all_of<'g, G: GraphView>(evaluation: &Evaluation<'g, G>, type_: u32) -> impl Iterator<Item = u32> + use<'g, G> {
    let others = evaluation.ephemerals.types.iter().enumerate().filter(move |(_, each)| **each == type_);
    evaluation.graph.objects.held(type_, 0).chain(others.map(|(number, _)| number as u32 | EPHEMERAL))
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
