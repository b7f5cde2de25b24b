//! The core as Python sees it: stores to bring in step and to ask, and the registry that the frontend looks into.
//!
//! `graph/native.py` and `eval/native.py` wrap it in the words of the rest. Everything comes in as strings, tuples and numbers and is
//! copied out of Python (`given.rs`) before a lock is waited for.
//! Law: no lock of a store is waited for with the GIL held, and the GIL is never taken while a lock is held. A short check
//! may hold the GIL while it shares a lock that was free: it waits for nothing.

use crate::checks::{Checked, StepsMax, check_without_gil, checked};
use crate::edges::{edges_text, node_text, qualifiers_text, qualifiers_tuple};
use crate::expansions;
use crate::gil::STEPS_WITH_GIL;
use crate::given::{
    CallTuple, Key, OwnedQuestion, SchemaTuple, changed_of, changes_of, context_of, declared, definitions_of, text,
};
use crate::lookups::{LookedUp, look_up_without_gil};
use crate::session::with_session;
use pyo3::exceptions::{PyKeyError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};
use remit_core::expand::{ExpandRequest, Object};
use remit_core::graph::rows::{Rows, TimedRow};
use remit_core::graph::view::GraphView;
use remit_core::graph::{End, NONE};
use remit_core::lookup::Place;
use remit_core::store::{Answer, Core, Identity, LookupRequest, Question, Store, View, WholeOrNothing};
use std::sync::Arc;

/// Ids given out at one look at the store: a commit waits no longer for them than a millisecond.
const IDS_AT_ONCE: usize = 10_000;

/// One store: its graph, plan and revision.
#[pyclass(frozen, module = "remit._core")]
pub struct NativeStore {
    pub store: Arc<Store>,
}

#[pymethods]
impl NativeStore {
    #[new]
    fn new(name: String, uuid: &Bound<'_, PyBytes>, epoch: u64) -> PyResult<Self> {
        let uuid = uuid.as_bytes().try_into().map_err(|_| PyValueError::new_err("a uuid has 16 bytes"))?;
        Ok(Self { store: Arc::new(Store::new(Identity { name, uuid, epoch })) })
    }

    /// `changes` is a list of (key, qualifiers), qualifiers None for a removal; `schema` the definitions of a new one, its
    /// caveats, and whether it uses arguments; `descriptors` what tools are described by, by digest, None for what is gone.
    #[pyo3(signature = (changes, revision=None, schema=None, descriptors=None))]
    fn apply(
        &self,
        py: Python<'_>,
        changes: &Bound<'_, PyList>,
        revision: Option<u64>,
        schema: Option<SchemaTuple<'_>>,
        descriptors: Option<Vec<(String, Option<Bound<'_, PyBytes>>)>>,
    ) -> PyResult<()> {
        let changes = changes_of(changes)?;
        let schema = schema
            .map(|(definitions, caveats, has_documents)| {
                let caveats = caveats.into_iter().map(declared).collect::<Vec<_>>();
                PyResult::Ok((definitions_of(&definitions)?, caveats, has_documents))
            })
            .transpose()?;
        let kept = |(digest, document): (String, Option<Bound<'_, PyBytes>>)| {
            (digest, document.map(|document| Box::from(document.as_bytes())))
        };
        let descriptors: Vec<(String, Option<Box<[u8]>>)> =
            descriptors.unwrap_or_default().into_iter().map(kept).collect();
        py.detach(|| {
            let mut state = self.store.write();
            let _whole = WholeOrNothing; // let go of before the lock is
            if let Some((definitions, caveats, has_documents)) = &schema {
                state.install(definitions, caveats, *has_documents, revision.unwrap_or_default());
            }
            state.apply(changes.iter().map(|change| (change.triple(), change.qualifiers.as_ref())));
            if !descriptors.is_empty() {
                state.describe(descriptors);
            }
            if let Some(revision) = revision {
                state.set_revision(revision);
            }
        });
        Ok(())
    }

    /// Add relationships by their rows in the store, and tell of those that begin or end at some time: (not_before_us,
    /// expiration_us, the six parts).
    fn load<'py>(&self, py: Python<'py>, rows: &Bound<'py, PyList>, triple_start: usize) -> PyResult<Vec<TimedRow>> {
        let mut batch = Rows::default();
        for row in rows.iter() {
            let row = row.cast_into::<PyTuple>()?;
            let (key, value) = (row.get_borrowed_item(0)?, row.get_borrowed_item(1)?);
            let (key, value) = (key.cast::<PyBytes>()?, value.cast::<PyBytes>()?);
            batch.push(key.as_bytes(), value.as_bytes(), triple_start).map_err(PyValueError::new_err)?;
        }
        py.detach(|| {
            let mut state = self.store.write();
            let _whole = WholeOrNothing; // let go of before the lock is
            state.load(batch.iter());
        });
        Ok(batch.timed())
    }

    // --- asking -----------------------------------------------------------------------------------------------

    /// The revision that was seen, and what the question came to. `changed` is a list as `apply` takes it: what this
    /// request alone takes edges for.
    #[pyo3(signature = (resource, permission, subject, now_us, steps_max, interrupt=None, context=None, changed=None, call=None))]
    #[allow(clippy::too_many_arguments)]
    fn check(
        &self,
        py: Python<'_>,
        resource: &Bound<'_, PyTuple>,
        permission: &str,
        subject: &Bound<'_, PyTuple>,
        now_us: i64,
        steps_max: u64,
        interrupt: Option<&Bound<'_, PyAny>>,
        context: Option<&Bound<'_, PyAny>>,
        changed: Option<&Bound<'_, PyList>>,
        call: Option<CallTuple<'_>>,
    ) -> PyResult<(u64, Checked)> {
        let Some(context) = context_of(context, call.as_ref()) else {
            return Ok((0, checked(Answer::Elsewhere, 0)));
        };
        let changes = changed.map(changes_of).transpose()?.unwrap_or_default();
        let changed = changed_of(&changes);
        let (resource_type, resource_id) = (text(resource, 0)?, text(resource, 1)?);
        let (subject_type, subject_id, subject_relation) = (text(subject, 0)?, text(subject, 1)?, text(subject, 2)?);
        let question = Question {
            resource_type: resource_type.to_str()?,
            resource_id: resource_id.to_str()?,
            permission,
            subject_type: subject_type.to_str()?,
            subject_id: subject_id.to_str()?,
            subject_relation: subject_relation.to_str()?,
        };
        if let Some(view) = self.store.try_read() {
            let most = steps_max.min(STEPS_WITH_GIL);
            let (answer, steps) = with_session(|session| {
                session.clear();
                view.check_over(session, &question, &context, &changed, now_us, most, &|| false)
            });
            if answer != Answer::Spent || most == steps_max {
                return Ok((view.revision(), checked(answer, steps)));
            }
        }
        let owned_questions = [OwnedQuestion::of(&question, Some(context))];
        let steps_max = StepsMax { each: steps_max, together: None };
        let (revision, found) =
            check_without_gil(&self.store, py, &owned_questions, &changed, now_us, steps_max, interrupt)?;
        Ok((revision, checked(found[0].0, found[0].1)))
    }

    /// The same for many questions (resource, permission, subject), which see one state; those next to each other with the
    /// same context share what they settle. `contexts` has one for each; `changed` is of all of them. Once those answered
    /// have cost `steps_together`, no more are asked.
    #[pyo3(signature = (questions, now_us, steps_max, interrupt=None, contexts=None, changed=None, steps_together=None, calls=None))]
    #[allow(clippy::too_many_arguments)]
    fn check_many(
        &self,
        py: Python<'_>,
        questions: &Bound<'_, PyList>,
        now_us: i64,
        steps_max: u64,
        interrupt: Option<&Bound<'_, PyAny>>,
        contexts: Option<&Bound<'_, PyList>>,
        changed: Option<&Bound<'_, PyList>>,
        steps_together: Option<u64>,
        calls: Option<Vec<Option<CallTuple<'_>>>>,
    ) -> PyResult<(u64, Vec<Checked>)> {
        let mut owned_questions = Vec::with_capacity(questions.len());
        for (place, question) in questions.iter().enumerate() {
            let context = contexts.map(|contexts| contexts.get_item(place)).transpose()?;
            let call = calls.as_ref().and_then(|calls| calls.get(place)?.as_ref());
            let context = context_of(context.as_ref(), call);
            let question = question.cast_into::<PyTuple>()?;
            let (resource, subject) = (question.get_item(0)?, question.get_item(2)?);
            let (resource, subject) = (resource.cast::<PyTuple>()?, subject.cast::<PyTuple>()?);
            let owned = OwnedQuestion::of(
                &Question {
                    resource_type: text(resource, 0)?.to_str()?,
                    resource_id: text(resource, 1)?.to_str()?,
                    permission: text(&question, 1)?.to_str()?,
                    subject_type: text(subject, 0)?.to_str()?,
                    subject_id: text(subject, 1)?.to_str()?,
                    subject_relation: text(subject, 2)?.to_str()?,
                },
                context,
            );
            owned_questions.push(owned);
        }
        let changes = changed.map(changes_of).transpose()?.unwrap_or_default();
        let steps_max = StepsMax { each: steps_max, together: steps_together };
        let (revision, found) =
            check_without_gil(&self.store, py, &owned_questions, &changed_of(&changes), now_us, steps_max, interrupt)?;
        Ok((revision, found.into_iter().map(|(answer, steps)| checked(answer, steps)).collect()))
    }

    /// The sets behind a relation or permission: see `expansions.rs`.
    #[pyo3(signature = (resource, name, now_us, depth, steps_max, interrupt=None))]
    #[allow(clippy::too_many_arguments)]
    fn expand<'py>(
        &self,
        py: Python<'py>,
        resource: &Bound<'py, PyTuple>,
        name: &str,
        now_us: i64,
        depth: i64,
        steps_max: u64,
        interrupt: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<expansions::Expanded<'py>> {
        let (type_, id) = (text(resource, 0)?.to_str()?.to_owned(), text(resource, 1)?.to_str()?.to_owned());
        let (resource, permission) = (Object { type_: &type_, id: &id }, &*name.to_owned());
        let request = ExpandRequest { resource, permission, depth_max: depth };
        expansions::expand(&self.store, py, request, now_us, steps_max, interrupt)
    }

    /// A page of the resources (where the resource has no id) or the subjects (where the subject has none) of which a
    /// question would not be answered with a no: see `lookups.rs`. `changed` is as in `check`.
    #[pyo3(signature = (resource, permission, subject, now_us, after, limit, steps_max, interrupt=None, context=None, changed=None))]
    #[allow(clippy::too_many_arguments)]
    fn look_up(
        &self,
        py: Python<'_>,
        resource: &Bound<'_, PyTuple>,
        permission: &str,
        subject: &Bound<'_, PyTuple>,
        now_us: i64,
        after: &str,
        limit: usize,
        steps_max: u64,
        interrupt: Option<&Bound<'_, PyAny>>,
        context: Option<&Bound<'_, PyAny>>,
        changed: Option<&Bound<'_, PyList>>,
    ) -> PyResult<LookedUp> {
        let Some(context) = context_of(context, None) else {
            return Ok((0, None, None, 0, false));
        };
        let changes = changed.map(changes_of).transpose()?.unwrap_or_default();
        let (resource_type, resource_id) = (text(resource, 0)?, text(resource, 1)?);
        let (subject_type, subject_id, subject_relation) = (text(subject, 0)?, text(subject, 1)?, text(subject, 2)?);
        let question = Question {
            resource_type: resource_type.to_str()?,
            resource_id: resource_id.to_str()?,
            permission,
            subject_type: subject_type.to_str()?,
            subject_id: subject_id.to_str()?,
            subject_relation: subject_relation.to_str()?,
        };
        let owned = OwnedQuestion::of(&question, None);
        let after = after.to_owned();
        let asked = LookupRequest {
            question: owned.question(),
            of_subjects: question.subject_id.is_empty(),
            place: Place { after: &after, limit },
            context: &context,
            changed: &changed_of(&changes),
            now_us,
            steps_max,
        };
        look_up_without_gil(&self.store, py, &asked, interrupt)
    }

    #[getter]
    fn revision(&self, py: Python<'_>) -> u64 {
        self.look(py, |view| view.revision())
    }

    // --- the graph, read in pages -----------------------------------------------------------------------------

    fn count(&self, py: Python<'_>) -> usize {
        self.look(py, |view| view.graph().len())
    }

    /// Bytes that the graph holds, names included.
    fn bytes(&self, py: Python<'_>) -> usize {
        self.look(py, |view| view.bytes())
    }

    /// None where there is no such edge, else its qualifiers: None where it is plain.
    fn find<'py>(
        &self,
        py: Python<'py>,
        resource: &Bound<'py, PyTuple>,
        relation: &str,
        subject: &Bound<'py, PyTuple>,
    ) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let key = Key::of(resource, relation, subject)?;
        let found = self.look(py, |view| {
            let graph = view.graph();
            let (_, _, qualifiers) = graph.find(&key.triple())?;
            Some(qualifiers.map(|qualifiers| qualifiers_text(graph, &qualifiers)))
        });
        found.map(|qualifiers| qualifiers_tuple(py, qualifiers.as_ref())).transpose()
    }

    /// The edges of a node from a place on: (how many there are, [(subject, qualifiers)]). Usersets come last.
    #[pyo3(signature = (resource, relation, start, count, only_usersets=false))]
    fn edges<'py>(
        &self,
        py: Python<'py>,
        resource: &Bound<'py, PyTuple>,
        relation: &str,
        start: u32,
        count: u32,
        only_usersets: bool,
    ) -> PyResult<(u32, Bound<'py, PyList>)> {
        let (type_, id) = (text(resource, 0)?, text(resource, 1)?);
        let (type_, id) = (type_.to_str()?.to_owned(), id.to_str()?.to_owned());
        let (len, edges) = self.look(py, |view| {
            let graph = view.graph();
            let Some(End::Node(number)) = graph.find_end(&type_, &id, relation) else {
                return (0, Vec::new());
            };
            let node = graph.node(number);
            let first = if only_usersets { node.direct.len() } else { 0 };
            (node.direct.len() + node.usersets.len(), edges_text(graph, number, first + start, count))
        });
        let list = PyList::empty(py);
        for ([type_, id, relation], qualifiers) in edges {
            list.append(((type_, id, relation), qualifiers_tuple(py, qualifiers.as_ref())?))?;
        }
        Ok((len, list))
    }

    /// The nodes that have an edge to this very subject: ((type, id), relation).
    fn nodes_of(&self, py: Python<'_>, subject: &Bound<'_, PyTuple>) -> PyResult<Vec<((String, String), String)>> {
        let parts = (text(subject, 0)?, text(subject, 1)?, text(subject, 2)?);
        let parts = (parts.0.to_str()?.to_owned(), parts.1.to_str()?.to_owned(), parts.2.to_str()?.to_owned());
        Ok(self.look(py, |view| {
            let graph = view.graph();
            let Some(end) = graph.find_end(&parts.0, &parts.1, &parts.2) else {
                return Vec::new();
            };
            let nodes = graph.nodes_of(end, |_| true).map(|(number, _)| {
                let [type_, id, relation] = node_text(graph, number);
                ((type_, id), relation)
            });
            nodes.collect()
        }))
    }

    /// The ids of the objects of a type that an edge begins at or leads to, some thousand at a time, and the number to go
    /// on from or None.
    fn ids_of(&self, py: Python<'_>, type_: &str, start: u32) -> (Vec<String>, Option<u32>) {
        self.look(py, |view| {
            let objects = &view.graph().objects;
            let Some(tag) = view.graph().types.find(type_) else {
                return (Vec::new(), None);
            };
            let mut numbers = objects.held(tag, start);
            let ids = numbers.by_ref().take(IDS_AT_ONCE).map(|number| objects.text(number).to_owned()).collect();
            (ids, numbers.next())
        })
    }

    /// Everything, some nodes at a time: (version, the node to go on from or None, [(resource, relation, subject,
    /// qualifiers)]). A node's edges come in one piece.
    #[allow(clippy::type_complexity)]
    fn relationships<'py>(
        &self,
        py: Python<'py>,
        start: u32,
        count: usize,
    ) -> PyResult<(u64, Option<u32>, Bound<'py, PyList>)> {
        let (version, next, found) = self.look(py, |view| {
            let graph = view.graph();
            let mut found = Vec::new();
            let mut node = start;
            while node < graph.nodes_end() && found.len() < count {
                if graph.node(node).object != NONE {
                    let from = node_text(graph, node);
                    found.extend(edges_text(graph, node, 0, u32::MAX).into_iter().map(|edge| (from.clone(), edge)));
                }
                node += 1;
            }
            (view.version(), (node < graph.nodes_end()).then_some(node), found)
        });
        let list = PyList::empty(py);
        for ([type_, id, relation], ([subject_type, subject_id, subject_relation], qualifiers)) in found {
            let qualifiers = qualifiers_tuple(py, qualifiers.as_ref())?;
            list.append(((type_, id), relation, (subject_type, subject_id, subject_relation), qualifiers))?;
        }
        Ok((version, next, list))
    }

    /// Panics where a law of the graph is broken. Cost: O(edges).
    fn check_invariants(&self, py: Python<'_>) {
        py.detach(|| self.store.read().graph().check_invariants());
    }
}

impl NativeStore {
    /// Look at the store, waiting for the lock without the GIL if it has to be waited for.
    fn look<T: Send>(&self, py: Python<'_>, read: impl Fn(&View<'_>) -> T + Sync) -> T {
        if let Some(view) = self.store.try_read() {
            return read(&view);
        }
        py.detach(|| read(&self.store.read()))
    }
}

/// Every store of the process, by name.
#[pyclass(frozen, module = "remit._core")]
#[derive(Default)]
pub struct NativeCore {
    pub core: Arc<Core>,
}

#[pymethods]
impl NativeCore {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    /// Let the frontend find a store under its name, whatever store had it before.
    fn add(&self, py: Python<'_>, store: &NativeStore) {
        py.detach(|| self.core.add(store.store.clone()));
    }

    fn remove(&self, py: Python<'_>, name: &str) -> PyResult<()> {
        if py.detach(|| self.core.remove(name)) {
            return Ok(());
        }
        Err(PyKeyError::new_err(name.to_owned()))
    }

    fn names(&self, py: Python<'_>) -> Vec<String> {
        py.detach(|| self.core.names())
    }
}
