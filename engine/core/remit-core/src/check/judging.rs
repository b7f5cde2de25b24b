//! Documents beside edges, judged by the request's call: what an edge with one is worth, and where that hangs on goals.
//!
//! `remit_arguments::judge` knows no subject: what it leaves open becomes parts of a gate (`gates.rs`), and whoever meets the edge
//! asks the gate for its own subject. Whatever stands in the way of judging (no call, another tool's edge, a descriptor that is
//! not the one, a name that the schema has not) is UNKNOWN here, and Python tells what it is.
//! Laws: a document is judged once in an evaluation; an edge is worth the same whenever it is looked at.

use super::calls::{Call, JudgedCall, Outcome};
use super::caveats::WORK_OF_A_STEP;
use super::evaluator::Evaluation;
use super::gates::GatePart;
use super::goals::{NO, Subject, UNKNOWN, Value, YES};
use crate::graph::view::GraphView;
use crate::graph::{EPHEMERAL, End, NONE, Qualifiers};
use crate::schema::plan::Alternative;
use remit_arguments::{Judged, ReadCall, Verdict, judge};

/// The type whose objects are tools; the relation that says which descriptors of one are accepted, and their type.
const TOOL: &str = "tool";
const DESCRIPTOR: &str = "descriptor";

const UNJUDGED: Outcome = Outcome { value: UNKNOWN, gate: NONE };

impl<G: GraphView> Evaluation<'_, G> {
    /// What the caveat of an edge comes to, where some are documents.
    #[cold]
    #[inline(never)]
    pub(super) fn outcome_or_judged(&mut self, node: u32, end: End) -> Value {
        let qualifiers = self.view.qualifiers(node, end);
        let caveat = qualifiers.caveat;
        let name = match self.view.passing_caveat(caveat) {
            Some((name, _)) => name,
            None => self.graph.caveats.tag(caveat),
        };
        let Outcome { value, gate } = if !self.caveats.is_document(name) {
            Outcome { value: self.outcome_of(caveat), gate: NONE }
        } else if let Some(call) = self.context.call.as_deref() {
            self.judged(call, node, self.alternative(node, end, name, &qualifiers), caveat)
        } else {
            UNJUDGED
        };
        self.gate = gate;
        value
    }

    /// What an edge's relationship is written as.
    fn alternative(&self, node: u32, end: End, caveat: u32, qualifiers: &Qualifiers) -> Alternative {
        let (_, kind) = self.view.name_of(node);
        let (subjects, is_wildcard) = match end {
            End::Node(userset) => (self.view.name_of(userset).1, false),
            End::Object(object) => (self.type_of(object), self.is_wildcard(object)),
        };
        Alternative {
            kind,
            subjects,
            of_usersets: matches!(end, End::Node(_)),
            is_wildcard,
            caveat,
            expires: qualifiers.expiration_us.is_some(),
            begins: qualifiers.not_before_us.is_some(),
        }
    }

    fn judged(&mut self, call: &Call, node: u32, alternative: Alternative, caveat: u32) -> Outcome {
        self.find_call(call);
        if self.is_of_another_tool(node) {
            return UNJUDGED;
        }
        let asking = self.plan.asking(&alternative);
        if let Some(known) = self.scratch.judging.documents.get(&(caveat, asking)) {
            return *known;
        }
        let read = self.scratch.judging.call.as_ref().and_then(|found| found.described.as_ref());
        let read = read.unwrap_or(call.as_read());
        let declared = self.plan.declared(asking);
        let verdict = match self.view.passing_caveat(caveat) {
            Some((name, written)) => {
                self.caveats.document(name, written, declared).map(|document| judge(&document, read))
            }
            None => {
                self.caveats.with_document(caveat, (asking, declared), self.graph, |document| judge(document, read))
            }
        };
        let outcome = match verdict {
            None => UNJUDGED,
            Some(Verdict { judged, work }) => {
                self.pay(1 + work / WORK_OF_A_STEP);
                match self.part_of(&judged, false) {
                    GatePart::Value(value) => Outcome { value, gate: NONE },
                    part => Outcome { gate: self.scratch.gates.number(true, &[part]), ..UNJUDGED },
                }
            }
        };
        self.scratch.judging.documents.insert((caveat, asking), outcome);
        outcome
    }

    /// What is left of a document, or of its opposite.
    fn part_of(&mut self, judged: &Judged, negated: bool) -> GatePart {
        match judged {
            Judged::Known(truth) => GatePart::Value(if *truth != negated { YES } else { NO }),
            Judged::Unjudged => GatePart::Value(UNKNOWN),
            Judged::Related { type_, id, permission } => match self.related(type_, id, permission) {
                None => GatePart::Value(UNKNOWN),
                Some((object, slot)) if negated => GatePart::Opposite { object, slot },
                Some((object, slot)) => GatePart::Goal { object, slot },
            },
            Judged::Every(parts) => self.combination_of(parts, true, negated),
            Judged::Any(parts) => self.combination_of(parts, false, negated),
            Judged::Unless(part) => self.part_of(part, !negated),
        }
    }

    /// The opposite of the least is the greatest of the opposites.
    fn combination_of(&mut self, parts: &[Judged], every: bool, negated: bool) -> GatePart {
        let every = every != negated;
        let (neutral, decisive) = if every { (YES, NO) } else { (NO, YES) };
        let mut known = neutral;
        let mut open = Vec::with_capacity(parts.len());
        for part in parts {
            match self.part_of(part, negated) {
                GatePart::Value(value) if value == decisive => return GatePart::Value(decisive),
                GatePart::Value(UNKNOWN) => known = UNKNOWN,
                GatePart::Value(_) => {}
                part if open.contains(&part) => {}
                part => open.push(part),
            }
        }
        match open[..] {
            [] => return GatePart::Value(known),
            [part] if known == neutral => return part,
            _ => {}
        }
        if known == UNKNOWN {
            open.push(GatePart::Value(UNKNOWN));
        }
        GatePart::gate(self.scratch.gates.number(every, &open))
    }

    /// The goal of a permission, without its subject; None where the schema has no such.
    fn related(&mut self, type_: &str, id: &str, permission: &str) -> Option<(u32, u32)> {
        let kind = self.graph.find_kind(type_, permission)?;
        let slot = self.plan.slot_of_kind(kind);
        let type_ = self.graph.kind_words(kind).0;
        (slot != NONE).then(|| (self.object_of(type_, id), slot))
    }

    // --- the call ---------------------------------------------------------------------------------------------

    fn find_call(&mut self, call: &Call) {
        if self.scratch.judging.call.is_some() {
            return;
        }
        let tool_type = self.graph.types.find(TOOL).unwrap_or(NONE);
        let tool = if tool_type == NONE { NONE } else { self.object_of(tool_type, call.tool()) };
        let described = self.described(call, tool);
        self.scratch.judging.call = Some(JudgedCall { tool_type, tool, described });
    }

    /// The call as its tool gets it; None where the schema knows no descriptors, and it is as it was read.
    fn described(&mut self, call: &Call, tool: u32) -> Option<ReadCall> {
        let kind = self.graph.find_kind(TOOL, DESCRIPTOR).filter(|kind| self.plan.is_relation(*kind))?;
        self.pay(1 + call.as_read().values() as u64 / WORK_OF_A_STEP);
        Some(if self.is_accepted(call.descriptor(), tool, kind) {
            self.descriptors.described(call.descriptor(), call.as_read())
        } else {
            call.as_read().clone().unjudgeable()
        })
    }

    /// Whether the descriptor that a call names is accepted now. No other is looked at: a call that is not judged must not
    /// become one that is because a fact is gone.
    fn is_accepted(&mut self, named: &str, tool: u32, kind: u32) -> bool {
        let Some(node) = self.node_of(tool, kind) else {
            return false;
        };
        let Some(named) = self.graph.types.find(DESCRIPTOR).and_then(|type_| self.known_object(type_, named)) else {
            return false; // none is named, or one that no relationship does
        };
        let end = End::Object(named);
        let is_qualified = self.view.edge_to(&self.view.row(node), end);
        is_qualified.is_some_and(|is_qualified| self.fact_of_time(node, end, is_qualified) == YES)
    }

    /// Whether an edge is of another tool than the call's.
    fn is_of_another_tool(&self, node: u32) -> bool {
        let Some(JudgedCall { tool_type, tool, .. }) = self.scratch.judging.call else {
            return false;
        };
        let (object, _) = self.view.name_of(node);
        tool_type != NONE && object != tool && self.type_of(object) == tool_type
    }

    // --- edges with gates -------------------------------------------------------------------------------------

    /// A goal behind the edge that was looked at last, as a gate of both: its number. Only where the edge has a gate.
    #[cold]
    #[inline(never)]
    pub(super) fn gated(&mut self, goal: GatePart) -> u32 {
        self.scratch.gates.number(true, &[GatePart::gate(self.gate), goal])
    }

    /// What a node's own edges to a subject say without those that have gates, and the gate of these; NONE where there are
    /// none.
    #[cold]
    #[inline(never)]
    pub(super) fn direct_and_gate(&mut self, node: u32, subject: Subject) -> (Value, u32) {
        let row = self.view.row(node);
        let ends = if subject.kind != NONE {
            [self.view.find_node(subject.object, subject.kind).map(End::Node), None]
        } else {
            let wildcard = self.view.wildcard(self.type_of(subject.object));
            [Some(End::Object(subject.object)), (wildcard != NONE).then_some(End::Object(wildcard))]
        };
        let mut known = NO;
        let mut gates = Vec::new();
        for end in ends.into_iter().flatten() {
            if let Some(is_qualified) = self.view.edge_to(&row, end) {
                let fact = self.fact(node, end, is_qualified);
                if fact == UNKNOWN && self.gate != NONE {
                    gates.push(GatePart::gate(self.gate));
                } else {
                    known = known.max(fact);
                }
            }
        }
        let gate = match gates[..] {
            [] => NONE,
            _ => self.scratch.gates.number(false, &gates),
        };
        (known, gate)
    }

    // --- objects ----------------------------------------------------------------------------------------------

    /// The number of an object that a relationship of the store or of the request names.
    fn known_object(&self, type_: u32, id: &str) -> Option<u32> {
        self.graph.objects.find(type_, id).or_else(|| self.ephemerals.find(type_, id))
    }

    /// The number of an object, whether a relationship names it or not.
    fn object_of(&mut self, type_: u32, id: &str) -> u32 {
        if let Some(known) = self.known_object(type_, id) {
            return known;
        }
        let named = &mut self.scratch.named;
        let place = named.iter().position(|(known, text)| *known == type_ && **text == *id).unwrap_or_else(|| {
            named.push((type_, id.into()));
            named.len() - 1
        });
        (self.ephemerals.types.len() + place) as u32 | EPHEMERAL
    }
}
