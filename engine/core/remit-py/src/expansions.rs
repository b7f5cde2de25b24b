//! Expand as Python asks for it: what `expand` finds, copied out of the store and then made into tuples.
//!
//! `eval/native_trees.py` makes trees of them. A node is a tuple that begins with what it is.
//! Law: that of `store.rs`; and what takes long while the lock is shared looks up as often as an expansion does.

use crate::gil::STEPS_WITH_GIL;
use crate::turns::in_turns;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use remit_core::expand::{
    Budget, Conditions, ExpandError, ExpandRequest, ExpandResult, Node, Object, Reference, Set, Subject,
};
use remit_core::store::{Store, View};

/// The revision that was seen, the sets (None where Python finds them), the steps, and whether the budget ended it.
pub type Expanded<'py> = (u64, Option<Bound<'py, PyAny>>, u64, bool);

/// A step of an expansion, copied out, takes about as long as four of a check.
const STEPS_AT_ONCE: u64 = STEPS_WITH_GIL / 4;

/// Open what is asked for, without the GIL where that takes long.
pub fn expand<'py>(
    store: &Store,
    py: Python<'py>,
    request: ExpandRequest<'_>,
    now_us: i64,
    steps_max: u64,
    interrupt: Option<&Bound<'py, PyAny>>,
) -> PyResult<Expanded<'py>> {
    if let Some(view) = store.try_read() {
        let most = steps_max.min(STEPS_AT_ONCE);
        let (found, steps) = copied(&view, request, now_us, most, &|| false);
        let revision = view.revision();
        drop(view);
        if !matches!(found, Err(ExpandError::Spent)) || most == steps_max {
            return expanded(py, revision, found, steps);
        }
    }
    // Nothing is kept of what was opened: it begins anew, a third more work at worst.
    let asked = in_turns(store, py, interrupt, |view, _, stop| {
        let (found, steps) = copied(view, request, now_us, steps_max, stop);
        let is_stopped = matches!(found, Err(ExpandError::Spent)) && steps <= steps_max;
        (!is_stopped).then(|| (view.revision(), found, steps))
    })?;
    match asked {
        Some((revision, found, steps)) => expanded(py, revision, found, steps),
        None => Ok((0, None, 0, false)),
    }
}

fn expanded<'py>(py: Python<'py>, revision: u64, found: ExpandResult<Copied>, steps: u64) -> PyResult<Expanded<'py>> {
    Ok(match found {
        Ok(sets) => (revision, Some(sets.into_pyobject(py)?), steps, false),
        Err(error) => (revision, None, steps, error == ExpandError::Spent),
    })
}

// --- copied out -----------------------------------------------------------------------------------------------

/// What Python is given, as long as it does not hold the store.
enum Copied {
    Nothing,
    Flag(bool),
    Time(i64),
    Word(&'static str),
    Text(String),
    Parts(Vec<Copied>),
}

impl<'py> IntoPyObject<'py> for Copied {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(match self {
            Copied::Nothing => py.None().into_bound(py),
            Copied::Flag(truth) => truth.into_pyobject(py)?.to_owned().into_any(),
            Copied::Time(time_us) => time_us.into_pyobject(py)?.into_any(),
            Copied::Word(text) => text.into_pyobject(py)?.into_any(),
            Copied::Text(text) => text.into_pyobject(py)?.into_any(),
            Copied::Parts(parts) if parts.len() > PARTS_AT_ONCE => tuple_of_many(py, parts)?.into_any(),
            Copied::Parts(parts) => PyTuple::new(py, parts)?.into_any(),
        })
    }
}

/// Parts that are made for Python without letting go of the GIL: a millisecond or two.
const PARTS_AT_ONCE: usize = 1024;

/// Many parts; who waits for the GIL has it in between.
fn tuple_of_many(py: Python<'_>, parts: Vec<Copied>) -> PyResult<Bound<'_, PyTuple>> {
    let list = PyList::empty(py);
    for (place, part) in parts.into_iter().enumerate() {
        if (place + 1).is_multiple_of(PARTS_AT_ONCE) {
            py.detach(|| ());
        }
        list.append(part)?;
    }
    Ok(list.to_tuple())
}

/// The sets behind `request`, and the steps.
fn copied(
    view: &View<'_>,
    request: ExpandRequest<'_>,
    now_us: i64,
    steps_max: u64,
    stop: &dyn Fn() -> bool,
) -> (ExpandResult<Copied>, u64) {
    let mut budget = Budget::new(steps_max, stop);
    let found = view.expand(request, now_us, &mut budget);
    let found = found.and_then(|sets| all(&sets, |set| set_of(set, &mut budget)));
    (found, budget.steps)
}

fn set_of(set: &Set<'_>, budget: &mut Budget<'_>) -> ExpandResult<Copied> {
    budget.go_on()?;
    let [type_, id] = object(&set.resource);
    Ok(Copied::Parts(vec![type_, id, text(set.relation), node(&set.definition, budget)?]))
}

fn node(each: &Node<'_>, budget: &mut Budget<'_>) -> ExpandResult<Copied> {
    Ok(Copied::Parts(match each {
        Node::Reference(to) => vec![Copied::Word("reference"), reference(to)],
        Node::Union(children) => vec![Copied::Word("union"), all(children, |child| node(child, budget))?],
        Node::Intersection(children) => vec![Copied::Word("intersection"), all(children, |child| node(child, budget))?],
        Node::Exclusion { base, subtracted } => {
            vec![Copied::Word("exclusion"), node(base, budget)?, node(subtracted, budget)?]
        }
        Node::Leaf { relation, subjects } => {
            vec![Copied::Word("leaf"), text(relation), all(subjects, |each| subject(each, budget))?]
        }
        Node::Exists { relation, subjects } => {
            vec![Copied::Word("exists"), text(relation), all(subjects, |each| subject(each, budget))?]
        }
        Node::Arrow { relation, permission, every, targets } => vec![
            Copied::Word("arrow"),
            text(relation),
            text(permission),
            Copied::Flag(*every),
            all(targets, |each| subject(each, budget))?,
        ],
        Node::Along { child, relations } => {
            vec![Copied::Word("along"), reference(child), all(relations, |relation| Ok(text(relation)))?]
        }
        Node::SubjectFilter(permission) => vec![Copied::Word("subject"), text(permission)],
        Node::Itself => vec![Copied::Word("self")],
        Node::Nobody => vec![Copied::Word("nobody")],
    }))
}

/// Its subject's three parts, what qualifies the fact as `find` tells it, and the set behind it.
fn subject(each: &Subject<'_>, budget: &mut Budget<'_>) -> ExpandResult<Copied> {
    budget.go_on()?;
    let [type_, id] = object(&each.object);
    let qualifiers = each.conditions.as_ref().map_or(Vec::new(), |conditions| qualifiers(conditions));
    let userset = each.userset.as_ref().map_or(Copied::Nothing, reference);
    Ok(Copied::Parts(vec![type_, id, text(each.relation), Copied::Parts(qualifiers), userset]))
}

fn qualifiers(conditions: &Conditions<'_>) -> Vec<Copied> {
    let Conditions { caveat, not_before_us, expiration_us } = conditions;
    let caveat = caveat.map_or(Copied::Nothing, |(name, context)| Copied::Parts(vec![text(name), text(context)]));
    let time = |time_us: &Option<i64>| time_us.map_or(Copied::Nothing, Copied::Time);
    vec![caveat, time(not_before_us), time(expiration_us)]
}

fn reference(to: &Reference<'_>) -> Copied {
    let [type_, id] = object(&to.resource);
    Copied::Parts(vec![type_, id, text(to.relation), Copied::Flag(to.truncated)])
}

fn object(object: &Object<'_>) -> [Copied; 2] {
    [text(object.type_), text(object.id)]
}

fn text(text: &str) -> Copied {
    Copied::Text(text.to_owned())
}

fn all<T>(items: &[T], tell: impl FnMut(&T) -> ExpandResult<Copied>) -> ExpandResult<Copied> {
    items.iter().map(tell).collect::<ExpandResult<Vec<Copied>>>().map(Copied::Parts)
}
