//! Expand as Python asks for it: what `expand` finds, copied out of the store and then made into tuples.
//!
//! `native_trees.py` makes trees of them. A node is a tuple that begins with what it is.
//! Law: that of `store.rs`; and what takes long while the lock is shared looks up as often as an expansion does.

use crate::gil::{GIVES_WAY_MAX, STEPS_WITH_GIL, STOPS_AT_FIRST};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use remit_core::expand::{Budget, Conditions, Finished, Node, Object, Opening, Reference, Set, Subject, Unfinished};
use remit_core::store::{Store, View};
use std::cell::Cell;

/// The revision that was seen, the sets (None where Python finds them), the steps, and whether the budget ended it.
pub type Expanded<'py> = (u64, Option<Bound<'py, PyAny>>, u64, bool);

/// A step of an expansion, copied out, takes about as long as four of a check.
const STEPS_AT_ONCE: u64 = STEPS_WITH_GIL / 4;

/// Open what is asked for, without the GIL where that takes long.
pub fn expand<'py>(
    store: &Store,
    py: Python<'py>,
    opening: Opening<'_>,
    now_us: i64,
    steps_max: u64,
    interrupt: Option<&Bound<'py, PyAny>>,
) -> PyResult<Expanded<'py>> {
    if let Some(view) = store.try_read() {
        let most = steps_max.min(STEPS_AT_ONCE);
        let (told, steps) = copied(&view, opening, now_us, most, &|| false);
        let revision = view.revision();
        drop(view);
        if !matches!(told, Err(Unfinished::Spent)) || most == steps_max {
            return expanded(py, revision, told, steps);
        }
    }
    let is_interruptible = interrupt.is_some();
    let (mut stops_max, mut gave_way) = (STOPS_AT_FIRST, 0);
    while gave_way < GIVES_WAY_MAX {
        let (finished, was_awaited) = py.detach(|| {
            let view = store.read();
            let (stops, was_awaited) = (Cell::new(0), Cell::new(false));
            let stop = || {
                stops.set(stops.get() + 1);
                was_awaited.set(store.is_awaited());
                was_awaited.get() || (is_interruptible && stops.get() >= stops_max)
            };
            let (told, steps) = copied(&view, opening, now_us, steps_max, &stop);
            let is_stopped = matches!(told, Err(Unfinished::Spent)) && steps <= steps_max;
            ((!is_stopped).then(|| (view.revision(), told, steps)), was_awaited.get())
        });
        if let Some((revision, told, steps)) = finished {
            return expanded(py, revision, told, steps);
        }
        // Nothing is kept of what was opened: it begins anew, a third more work at worst.
        if was_awaited {
            gave_way += 1;
        } else {
            stops_max = stops_max.saturating_mul(4);
        }
        if let Some(interrupt) = interrupt {
            interrupt.call0()?;
        }
    }
    Ok((0, None, 0, false))
}

fn expanded<'py>(py: Python<'py>, revision: u64, told: Finished<Told>, steps: u64) -> PyResult<Expanded<'py>> {
    Ok(match told {
        Ok(sets) => (revision, Some(sets.into_pyobject(py)?), steps, false),
        Err(unfinished) => (revision, None, steps, unfinished == Unfinished::Spent),
    })
}

// --- copied out -----------------------------------------------------------------------------------------------

/// What Python is told, as long as it does not hold the store.
enum Told {
    Nothing,
    Flag(bool),
    Time(i64),
    Word(&'static str),
    Text(String),
    Parts(Vec<Told>),
}

impl<'py> IntoPyObject<'py> for Told {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(match self {
            Told::Nothing => py.None().into_bound(py),
            Told::Flag(truth) => truth.into_pyobject(py)?.to_owned().into_any(),
            Told::Time(time_us) => time_us.into_pyobject(py)?.into_any(),
            Told::Word(text) => text.into_pyobject(py)?.into_any(),
            Told::Text(text) => text.into_pyobject(py)?.into_any(),
            Told::Parts(parts) if parts.len() > PARTS_AT_ONCE => in_turns(py, parts)?.into_any(),
            Told::Parts(parts) => PyTuple::new(py, parts)?.into_any(),
        })
    }
}

/// Parts that are made for Python without letting go of the GIL: a millisecond or two.
const PARTS_AT_ONCE: usize = 1024;

/// Many parts; who waits for the GIL has it in between.
fn in_turns(py: Python<'_>, parts: Vec<Told>) -> PyResult<Bound<'_, PyTuple>> {
    let list = PyList::empty(py);
    for (place, part) in parts.into_iter().enumerate() {
        if (place + 1).is_multiple_of(PARTS_AT_ONCE) {
            py.detach(|| ());
        }
        list.append(part)?;
    }
    Ok(list.to_tuple())
}

/// The sets behind `opening`, and the steps.
fn copied(
    view: &View<'_>,
    opening: Opening<'_>,
    now_us: i64,
    steps_max: u64,
    stop: &dyn Fn() -> bool,
) -> (Finished<Told>, u64) {
    let mut budget = Budget::new(steps_max, stop);
    let found = view.expand(opening, now_us, &mut budget);
    let told = found.and_then(|sets| all(&sets, |set| set_told(set, &mut budget)));
    (told, budget.steps)
}

fn set_told(set: &Set<'_>, budget: &mut Budget<'_>) -> Finished<Told> {
    budget.go_on()?;
    let [type_, id] = object(&set.resource);
    Ok(Told::Parts(vec![type_, id, text(set.relation), node(&set.definition, budget)?]))
}

fn node(each: &Node<'_>, budget: &mut Budget<'_>) -> Finished<Told> {
    Ok(Told::Parts(match each {
        Node::Reference(to) => vec![Told::Word("reference"), reference(to)],
        Node::Union(children) => vec![Told::Word("union"), all(children, |child| node(child, budget))?],
        Node::Intersection(children) => vec![Told::Word("intersection"), all(children, |child| node(child, budget))?],
        Node::Exclusion { base, subtracted } => {
            vec![Told::Word("exclusion"), node(base, budget)?, node(subtracted, budget)?]
        }
        Node::Leaf { relation, subjects } => {
            vec![Told::Word("leaf"), text(relation), all(subjects, |each| subject(each, budget))?]
        }
        Node::Exists { relation, subjects } => {
            vec![Told::Word("exists"), text(relation), all(subjects, |each| subject(each, budget))?]
        }
        Node::Arrow { relation, permission, every, targets } => vec![
            Told::Word("arrow"),
            text(relation),
            text(permission),
            Told::Flag(*every),
            all(targets, |each| subject(each, budget))?,
        ],
        Node::Along { child, relations } => {
            vec![Told::Word("along"), reference(child), all(relations, |relation| Ok(text(relation)))?]
        }
        Node::SubjectFilter(permission) => vec![Told::Word("subject"), text(permission)],
        Node::Itself => vec![Told::Word("self")],
        Node::Nobody => vec![Told::Word("nobody")],
    }))
}

/// Its subject's three parts, what qualifies the fact as `find` tells it, and the set behind it.
fn subject(each: &Subject<'_>, budget: &mut Budget<'_>) -> Finished<Told> {
    budget.go_on()?;
    let [type_, id] = object(&each.object);
    let qualifiers = each.conditions.as_ref().map_or(Vec::new(), |conditions| qualifiers(conditions));
    let userset = each.userset.as_ref().map_or(Told::Nothing, reference);
    Ok(Told::Parts(vec![type_, id, text(each.relation), Told::Parts(qualifiers), userset]))
}

fn qualifiers(conditions: &Conditions<'_>) -> Vec<Told> {
    let Conditions { caveat, not_before_us, expiration_us } = conditions;
    let caveat = caveat.map_or(Told::Nothing, |(name, context)| Told::Parts(vec![text(name), text(context)]));
    let time = |time_us: &Option<i64>| time_us.map_or(Told::Nothing, Told::Time);
    vec![caveat, time(not_before_us), time(expiration_us)]
}

fn reference(to: &Reference<'_>) -> Told {
    let [type_, id] = object(&to.resource);
    Told::Parts(vec![type_, id, text(to.relation), Told::Flag(to.truncated)])
}

fn object(object: &Object<'_>) -> [Told; 2] {
    [text(object.type_), text(object.id)]
}

fn text(text: &str) -> Told {
    Told::Text(text.to_owned())
}

fn all<T>(items: &[T], tell: impl FnMut(&T) -> Finished<Told>) -> Finished<Told> {
    items.iter().map(tell).collect::<Finished<Vec<Told>>>().map(Told::Parts)
}
