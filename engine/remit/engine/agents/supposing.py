"""A store as it would be if an object were held, a version certified, or a person had left: a view with that laid over.

Nothing is written, and nothing is concluded here: whoever wants to know what would change asks the same questions of
both views."""

from __future__ import annotations

from collections.abc import Mapping

from remit.engine.request_view import RequestView
from remit.graph.overlay import Overlay
from remit.model import PLAIN, ObjectRef, Qualifiers, RelationshipKey, SubjectRef


def supposing(view: RequestView, changes: Mapping[RelationshipKey, Qualifiers | None]) -> RequestView:
    """The view with these changes over those that it has already. Cost: O(changes)."""
    return view._replace(graph=Overlay(view.graph, changes), changed={**(view.changed or {}), **changes})


def if_gone(view: RequestView, person: ObjectRef) -> RequestView:
    """As if no directory knew the person: who has left is in none. Cost: O(directories that they are in)."""
    relation = "registered"
    known = view.graph.edges(person, relation)
    return supposing(view, {RelationshipKey(person, relation, directory): None for directory, _ in known})


def if_held(view: RequestView, object: ObjectRef, hold: ObjectRef) -> RequestView:
    """As if a hold were on the object. Cost: O(1)."""
    return supposing(view, {RelationshipKey(object, "hold", SubjectRef(*hold)): PLAIN})
