//! The schema's names in a question, looked up once for many questions that share them.
//!
//! Law: what is remembered is of one store and of one installed schema.

use super::question::Question;
use crate::check::goals::{Goal, Subject};
use crate::graph::{Graph, NONE};
use crate::lookup::{Lookup, SubjectLookup};
use crate::memory::interner::Probe;
use crate::schema::plan::Plan;

/// What the schema's names in a question mean. Most questions of a caller differ from the last in their objects alone:
/// to compare four short words instead of looking each of them up saves 300 of a hot pair's 1,136 instructions.
#[derive(Default)]
pub(super) struct QuestionNames {
    stamp: (u64, u64), // the store, and the version in which its plan was installed
    words: [String; 4],
    slot: u32,
    pub(super) resource_type: u32,
    pub(super) subject_type: u32,
    subject_kind: u32,
}

impl QuestionNames {
    #[inline]
    pub(super) fn is_of(&self, stamp: (u64, u64), question: &Question) -> bool {
        let Question { resource_type, permission, subject_type, subject_relation, .. } = *question;
        self.stamp == stamp && self.words == [resource_type, permission, subject_type, subject_relation]
    }

    /// The names of both objects, on their way.
    #[inline]
    pub(super) fn seek(&self, graph: &Graph, question: &Question) -> [Probe; 2] {
        let resource = graph.objects.seek(self.resource_type, question.resource_id);
        [resource, graph.objects.seek(self.subject_type, question.subject_id)]
    }

    #[inline]
    pub(super) fn goal(&self, object: u32, subject: u32) -> Goal {
        Goal { object, slot: self.slot, subject: Subject { object: subject, kind: self.subject_kind } }
    }

    /// The same, whatever resource.
    pub(super) fn lookup_of_resources(&self, subject: u32) -> Lookup {
        let subject = Subject { object: subject, kind: self.subject_kind };
        Lookup { slot: self.slot, type_: self.resource_type, subject }
    }

    /// The same, whatever subject.
    pub(super) fn lookup_of_subjects(&self, object: u32) -> SubjectLookup {
        SubjectLookup { object, slot: self.slot, type_: self.subject_type, kind: self.subject_kind }
    }

    /// None where a name is unknown to the schema.
    pub(super) fn of(graph: &Graph, plan: &Plan, stamp: (u64, u64), question: &Question) -> Option<QuestionNames> {
        let Question { resource_type, permission, subject_type, subject_relation, .. } = *question;
        let words = [resource_type, permission, subject_type, subject_relation].map(str::to_owned);
        let slot_of = |type_, name| match graph.find_kind(type_, name).map(|kind| (kind, plan.slot_of_kind(kind))) {
            None | Some((_, NONE)) => None,
            Some(known) => Some(known),
        };
        let (kind, slot) = slot_of(resource_type, permission)?;
        let subject_type_number = graph.types.find(subject_type).filter(|type_| plan.is_defined(*type_))?;
        let subject_kind = if subject_relation.is_empty() { NONE } else { slot_of(subject_type, subject_relation)?.0 };
        let resource_type = graph.kind_words(kind).0;
        Some(QuestionNames { stamp, words, slot, resource_type, subject_type: subject_type_number, subject_kind })
    }
}
