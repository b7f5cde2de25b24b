//! What a subject has at least and may have at most, found from its own side, for walks that have become dear.
//!
//! A walk goes down from the resource, through all that a crew of ten thousand is made of, to find somebody who is in two
//! crews. From the subject up there are a dozen names. Neither side is always the shorter one, so a walk that has taken
//! some steps looks up for as many, and again whenever it has taken twice as many: what it costs is within a few times
//! the shorter side. What the subject may not have is a no without a look (an unfounded set, Van Gelder 1989), and what it
//! has by unions alone is a yes; the rest is walked, among what is left.
//! Laws: a goal that is settled here has that value however it is walked; a walk that is left is begun anew where it is
//! asked for again.

use super::evaluator::{Evaluation, Stoppable, Stopped};
use super::goals::{ANYONE, Goal, NO, Subject, UNKNOWN, Value, WAITING_NOT, YES};
use super::stack::Frame;
use super::subject_side::SubjectSide;
use crate::graph::shape::bit;
use crate::graph::view::GraphView;
use crate::graph::{End, NONE};
use crate::schema::backwards::{Backwards, Follows};
use hashbrown::HashMap;

/// Subjects that an evaluation looks from: an `along` has one for each link.
const SIDES_MAX: usize = 8;

impl<G: GraphView> Evaluation<'_, G> {
    /// A walk begins.
    #[inline(always)]
    pub(super) fn begin_cheaply(&mut self) {
        self.dear.begun = self.steps;
        self.dear.next = self.steps.saturating_add(self.dear.from);
        self.dear.at = if self.scratch.sides.is_empty() { self.dear.next } else { 0 };
    }

    /// The value of the goal on top of the path, or of one beneath it for which everything above it is left, where the
    /// subject's side says it. Cost: O(1), and now and then as much as the walk has cost.
    #[cold]
    #[inline(never)]
    pub(super) fn by_subject(&mut self, goal: Goal) -> Stoppable<Option<Value>> {
        if goal.subject == ANYONE {
            return Ok(None);
        }
        match self.scratch.sides.iter().position(|side| side.is_about(&goal)) {
            Some(place) => {
                let side = &self.scratch.sides[place];
                self.scratch.dependencies.kinds |= side.kinds;
                Ok(side.value(&goal))
            }
            None => self.look_up_from(goal.subject),
        }
    }

    fn look_up_from(&mut self, subject: Subject) -> Stoppable<Option<Value>> {
        let Evaluation { dear, steps, .. } = *self;
        if steps < dear.next {
            return Ok(None);
        }
        let taken = steps - dear.begun;
        let backwards = self.state.backwards;
        let is_rooted = |goal: Goal| goal.subject == subject && backwards.is_bounded(goal.slot);
        let root = (0..self.scratch.path.len()).find(|place| is_rooted(self.goal_at(*place)));
        let side = match root {
            Some(root) => self.side_of(subject, self.goal_at(root).slot, taken.max(dear.from))?,
            None => None,
        };
        self.dear.next = self.steps.saturating_add((self.steps - dear.begun).max(dear.from));
        let Some(side) = side else {
            if self.scratch.sides.is_empty() {
                self.dear.at = self.dear.next;
            }
            return Ok(None);
        };
        self.dear.at = 0;
        self.scratch.dependencies.kinds |= side.kinds;
        let settled = (0..self.scratch.path.len()).find_map(|place| {
            let goal = self.goal_at(place);
            if side.is_about(&goal) { side.value(&goal).map(|value| (place, value)) } else { None }
        });
        if self.scratch.sides.len() == SIDES_MAX {
            self.scratch.sides.remove(0);
        }
        self.scratch.sides.push(side);
        Ok(settled.map(|(place, value)| {
            self.leave_above(place);
            value
        }))
    }

    fn goal_at(&self, place: usize) -> Goal {
        self.scratch.goals.entry(self.scratch.path[place].entry).goal
    }

    /// Give up all work for the goal at a place of the path. What was exact stays known.
    fn leave_above(&mut self, place: usize) {
        let scratch = &mut *self.scratch;
        let mut left = scratch.path.len() - place;
        while left > 0 {
            let frame = scratch.stack.pop().expect("each goal of the path has a frame");
            left -= usize::from(matches!(frame, Frame::Goal));
        }
        scratch.stack.push(Frame::Goal);
        scratch.path.truncate(place + 1);
        for number in scratch.waiting.drain(scratch.path[place].order as usize + 1..) {
            scratch.goals.entry_mut(number).order = WAITING_NOT;
        }
    }

    // --- the walk upwards -------------------------------------------------------------------------------------

    /// What the subject has of the slots that one hangs on. None where that takes more than so many steps.
    fn side_of(&mut self, subject: Subject, slot: u32, steps: u64) -> Stoppable<Option<SubjectSide>> {
        if !self.view.more_shapes().is_empty() {
            return Ok(None); // what follows from what was read from the graph's shapes alone
        }
        let steps_max = self.steps_max;
        self.steps_max = steps_max.min(self.steps.saturating_add(steps));
        let mut upwards = Upwards::of(subject, self.plan.slots.len(), self.state.backwards);
        let walked = upwards.walk(self, slot);
        let is_spent = self.steps > self.steps_max;
        self.steps_max = steps_max;
        match walked {
            Ok(()) => Ok(Some(upwards.side)),
            Err(Stopped) if is_spent && self.steps <= steps_max => Ok(None),
            Err(Stopped) => Err(Stopped),
        }
    }
}

struct Upwards<'a> {
    side: SubjectSide,
    backwards: &'a Backwards,
    queue: Vec<(u32, u32)>, // objects and slots, each again when its value has risen
}

impl<'a> Upwards<'a> {
    fn of(subject: Subject, slots: usize, backwards: &'a Backwards) -> Upwards<'a> {
        let side = SubjectSide { subject, is_asked: vec![false; slots], kinds: 0, reached: HashMap::new() };
        Upwards { side, backwards, queue: Vec::new() }
    }

    /// Cost: O(slots that one hangs on, and edges that lead to the subject), a step each.
    fn walk<G: GraphView>(&mut self, evaluation: &mut Evaluation<'_, G>, slot: u32) -> Stoppable<()> {
        self.find_asked(evaluation, slot)?;
        self.begin(evaluation)?;
        while let Some((object, slot)) = self.queue.pop() {
            let value = self.side.reached[&(object, slot)];
            let consequences = self.backwards.from(slot);
            if consequences.is_held
                && let Some(node) = evaluation.view.find_node(object, evaluation.plan.slots[slot as usize].kind)
            {
                self.follow(evaluation, End::Node(node), value)?;
            }
            if !consequences.behind.is_empty() {
                self.follow_behind(evaluation, End::Object(object), slot, value)?;
                for kind in &consequences.usersets {
                    if let Some(node) = evaluation.view.find_node(object, *kind) {
                        self.follow_behind(evaluation, End::Node(node), slot, value)?;
                    }
                }
            }
            for follows in &consequences.here {
                self.reach(evaluation, object, *follows, value)?;
            }
        }
        Ok(())
    }

    fn find_asked<G: GraphView>(&mut self, evaluation: &mut Evaluation<'_, G>, slot: u32) -> Stoppable<()> {
        let mut waiting = vec![slot];
        while let Some(slot) = waiting.pop() {
            if std::mem::replace(&mut self.side.is_asked[slot as usize], true) {
                continue;
            }
            evaluation.spend()?;
            self.side.kinds |= self.backwards.kinds(slot);
            waiting.extend(self.backwards.asked(slot));
        }
        Ok(())
    }

    /// With what follows from one edge, or from none.
    fn begin<G: GraphView>(&mut self, evaluation: &mut Evaluation<'_, G>) -> Stoppable<()> {
        let Subject { object, kind } = self.side.subject;
        if kind != NONE {
            if let Some(node) = evaluation.view.find_node(object, kind) {
                self.follow(evaluation, End::Node(node), YES)?;
            }
            let slot = evaluation.plan.slot_of_kind(kind); // a userset contains itself
            return self.reach(evaluation, object, Follows { slot, alone: true }, YES);
        }
        let type_ = evaluation.type_of(object);
        self.follow(evaluation, End::Object(object), YES)?;
        match evaluation.view.wildcard(type_) {
            NONE => {}
            wildcard if wildcard == object => {}
            wildcard => self.follow(evaluation, End::Object(wildcard), YES)?,
        }
        for follows in &self.backwards.selves {
            if evaluation.graph.kind_words(evaluation.plan.slots[follows.slot as usize].kind).0 == type_ {
                self.reach(evaluation, object, *follows, YES)?;
            }
        }
        Ok(())
    }

    /// Whatever holds an end.
    fn follow<G: GraphView>(&mut self, evaluation: &mut Evaluation<'_, G>, end: End, value: Value) -> Stoppable<()> {
        let (view, kinds) = (evaluation.view, self.side.kinds);
        // Of much that leads to an end, only what is asked is gone through: an agent's version has a million runs.
        for (node, is_qualified) in view.nodes_of(end, |kind| kinds & bit(kind) != 0) {
            let (object, kind) = view.name_of(node);
            if evaluation.plan.is_relation(kind) {
                let follows = Follows { slot: evaluation.plan.slot_of_kind(kind), alone: true };
                self.reach_by(evaluation, (node, end, is_qualified), object, follows, value)?;
            } else {
                evaluation.spend()?;
            }
        }
        Ok(())
    }

    /// Whatever leads to an end by an edge that an arrow follows.
    fn follow_behind<G: GraphView>(
        &mut self,
        evaluation: &mut Evaluation<'_, G>,
        end: End,
        slot: u32,
        value: Value,
    ) -> Stoppable<()> {
        let view = evaluation.view;
        let behind = &self.backwards.from(slot).behind;
        for (node, is_qualified) in
            view.nodes_of(end, |kind| behind.binary_search_by_key(&kind, |(through, _)| *through).is_ok())
        {
            evaluation.spend()?;
            let (object, kind) = view.name_of(node);
            let begin = behind.partition_point(|(through, _)| *through < kind);
            for (_, follows) in behind[begin..].iter().take_while(|(through, _)| *through == kind) {
                self.reach_by(evaluation, (node, end, is_qualified), object, *follows, value)?;
            }
        }
        Ok(())
    }

    /// As far as the edge counts.
    fn reach_by<G: GraphView>(
        &mut self,
        evaluation: &mut Evaluation<'_, G>,
        (node, end, is_qualified): (u32, End, bool),
        object: u32,
        follows: Follows,
        value: Value,
    ) -> Stoppable<()> {
        let fact = if self.is_asked(follows.slot) { evaluation.fact(node, end, is_qualified) } else { NO };
        if fact == NO { evaluation.spend() } else { self.reach(evaluation, object, follows, value.min(fact)) }
    }

    fn reach<G: GraphView>(
        &mut self,
        evaluation: &mut Evaluation<'_, G>,
        object: u32,
        Follows { slot, alone }: Follows,
        value: Value,
    ) -> Stoppable<()> {
        evaluation.spend()?;
        if !self.is_asked(slot) {
            return Ok(());
        }
        let value = if alone { value } else { UNKNOWN };
        let known = self.side.reached.entry((object, slot)).or_insert(NO);
        if *known < value {
            *known = value;
            self.queue.push((object, slot));
        }
        Ok(())
    }

    #[inline]
    fn is_asked(&self, slot: u32) -> bool {
        slot != NONE && self.side.is_asked[slot as usize]
    }
}
