"""What stands below an object: the graph read backwards, along what makes one thing of the agent schema need another.

Nothing is decided here. Who is found may be silenced with the object, or may have another to rest on; whoever wants to
know asks a permission.
Law: whatever stops because an object does is found, as far as the walk went; and whether it went to the end is told."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from typing import NamedTuple

from remit.graph.view import GraphView
from remit.interrupt import Interrupt
from remit.model import WILDCARD, ObjectRef, SubjectRef

# Of what needs its subject to be live, placed or there: (type of the resource, relation).
OWNING = frozenset({("agent", "owner"), ("system", "owner"), ("team", "member")})
NEEDING = OWNING | {
    ("domain", "estate"),
    ("agent", "domain"),
    ("system", "domain"),
    ("tool", "domain"),
    ("dataset", "domain"),
    ("agent_version", "version_of"),
    ("run", "instance_of"),
    ("run", "delegated_by"),
    ("run", "spawned_by"),
}


class Below(NamedTuple):
    """The object and those below it, nearest first; `more`: there may be others, for as many as may be were found."""

    objects: tuple[ObjectRef, ...]
    more: bool


def below(
    graph: GraphView,
    top: ObjectRef,
    needing: Collection[tuple[str, str]],
    now_us: int,
    objects_max: int,
    look: Interrupt,
) -> Below:
    """At most `objects_max` of them. `look` is called for each relationship that is looked at. Cost: O(relationships
    that lead to what is found)."""
    found = {top: None}  # in order
    waiting = deque([top])
    while waiting:
        subject = as_needed(waiting.popleft())
        for resource, relation in graph.nodes_of(subject):
            look()
            if (resource.type, relation) not in needing or resource in found or resource.id == WILDCARD:
                continue
            qualifiers = graph.find(resource, relation, subject)
            if qualifiers is None or not qualifiers.counts_at(now_us):
                continue
            if len(found) == objects_max:
                return Below(tuple(found), True)
            found[resource] = None
            waiting.append(resource)
    return Below(tuple(found), False)


def as_needed(object: ObjectRef) -> SubjectRef:
    """How others name what they need: a team by its members."""
    return SubjectRef(*object, "member" if object.type == "team" else "")
