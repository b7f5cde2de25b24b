//! What the lock of a store guards: its graph, its plan and its revision, and what follows from them together.
//!
//! Law: they change together; a change that panics half way ends the process.

use crate::check::cache::Written;
use crate::check::caveats::{Caveats, Declared};
use crate::check::closure::Closed;
use crate::check::descriptors::Descriptors;
use crate::graph::{Graph, QualifiersText, Triple};
use crate::schema::backwards::Backwards;
use crate::schema::drivers::Drivers;
use crate::schema::plan::{Definition, Plan};
use crate::schema::reach::Reach;
use crate::schema::sources::Sources;

/// What the lock guards.
#[derive(Default)]
pub struct State {
    pub graph: Graph,
    pub(super) plan: Option<Plan>,
    pub(super) drivers: Drivers, // of the plan
    pub(super) sources: Sources, // likewise
    pub(super) caveats: Caveats,
    pub(super) descriptors: Descriptors,
    pub(super) revision: u64,
    pub(super) version: u64,   // counts every change, so that it tells any two states apart
    pub(super) installed: u64, // the version in which the plan was
    pub(super) written: Written,
    pub(super) closed: Closed,
    pub(super) reach: Reach,
    pub(super) backwards: Backwards,
    shapes_seen: usize,    // when `closed`, `reach` and `backwards` were found
    pub(super) found: u64, // the version that they were found in
}

impl State {
    /// The compiled schema that questions are answered by from now on.
    /// Where it `has_documents`, calls are judged by what stands beside relationships under `arguments` and `matching`.
    pub fn install(&mut self, definitions: &[Definition], caveats: &[Declared], has_documents: bool, revision: u64) {
        let plan = Plan::compile(definitions, &mut self.graph);
        self.drivers = Drivers::of(&plan);
        self.sources = Sources::of(&plan, &self.drivers);
        self.plan = Some(plan);
        self.caveats = Caveats::install(caveats, has_documents, &mut self.graph);
        self.revision = revision;
        self.version += 1;
        self.installed = self.version;
        self.find_shapes();
    }

    /// What the plan and the shapes of the graph say together; answers rest on that without having looked.
    fn find_shapes(&mut self) {
        self.written.everywhere(self.version);
        self.shapes_seen = self.graph.shapes_seen();
        self.found = self.version;
        if let Some(plan) = &self.plan {
            self.closed = Closed::of(plan, &self.sources, &self.graph);
            self.reach = Reach::of(plan, &self.graph, &[]);
            self.backwards = Backwards::of(plan, &self.drivers, &self.graph);
        }
    }

    /// Bring the graph from before a delta to after it; a change without qualifiers is a removal. Cost: O(changes).
    pub fn apply<'a>(&mut self, changes: impl IntoIterator<Item = (Triple<'a>, Option<&'a QualifiersText>)>) {
        self.version += 1;
        let forgotten = self.graph.forgotten();
        for (triple, qualifiers) in changes {
            match qualifiers {
                Some(qualifiers) => self.caveats.written(self.graph.add(&triple, qualifiers)),
                None => self.graph.remove(&triple),
            }
            if let Some(kind) = self.graph.find_kind(triple.resource_type, triple.relation) {
                self.written.at(kind, self.version);
            }
        }
        self.changed(forgotten);
    }

    /// Add relationships, many of them, as `apply` would. Cost: O(relationships).
    pub fn load<'a>(&mut self, relationships: impl IntoIterator<Item = (Triple<'a>, &'a QualifiersText)>) {
        self.version += 1;
        let forgotten = self.graph.forgotten();
        let State { graph, caveats, written, version, .. } = self;
        graph.load(relationships, |kind, caveat| {
            caveats.written(caveat);
            written.at(kind, *version);
        });
        self.changed(forgotten);
    }

    /// What tools are described by, by digest; None for what is no longer kept.
    pub fn describe(&mut self, descriptors: impl IntoIterator<Item = (String, Option<Box<[u8]>>)>) {
        self.version += 1;
        for (digest, document) in descriptors {
            self.descriptors.put(&digest, document);
        }
    }

    /// The graph is another now: `forgotten` is what it had forgotten before.
    fn changed(&mut self, forgotten: u64) {
        if self.graph.forgotten() != forgotten {
            self.written.everywhere(self.version); // a number may come to stand for something else
        }
        if self.shapes_seen != self.graph.shapes_seen() {
            self.find_shapes();
        }
    }

    pub fn set_revision(&mut self, revision: u64) {
        self.revision = revision;
    }

    pub fn version(&self) -> u64 {
        self.version
    }
}

/// While it is there, a panic ends the process: what the lock guards would be half of one state and half of another, and
/// nobody may see that. The disk has all of it, and the next start reads it from there.
pub struct WholeOrNothing;

impl Drop for WholeOrNothing {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::process::abort();
        }
    }
}
