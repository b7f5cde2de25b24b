"""Impact: what a hold on an object, or the leaving of a person, would stop, and the chains that lead there.

Whoever is about to stop something sees first what hangs on it. The chains say who stands between a person and what is
done in their name; what follows from them, such as who stands there alone, whoever has them can work out.
Law: nothing is changed, and what is told is of one revision and time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from remit.engine.agents.performing import Verbs, require_agents
from remit.engine.agents.scene import require_holdable
from remit.engine.agents.stops import OBJECTS_MAX, Stopping, Stops
from remit.engine.limits import ROWS_BETWEEN_INTERRUPTS, Limits
from remit.engine.request_view import RequestView
from remit.errors import InvalidArgument, ObjectUnknown
from remit.eval.budget import Budget
from remit.eval.lookups import occurs
from remit.interrupt import Interrupt, never_interrupted, paced
from remit.model import ObjectRef, Relationship
from remit.notation import checked_object

# A run's chain: who it was delegated by, and what it is an instance of.
_CHAIN = {"run": ("delegated_by", "instance_of"), "agent_version": ("version_of",)}

CHAINS_MAX = 3 * OBJECTS_MAX  # a run has two links, and some are above those that stop


@dataclass(frozen=True, slots=True)
class Impact:
    """`stops`: what works and would not. `chains`: the relationships that make the chains of the runs and versions
    among it, up to the people and systems above; `chains_more`: that there are others."""

    stops: Stops
    chains: tuple[Relationship, ...]
    chains_more: bool
    token: str
    evaluated_at_us: int


class Impacts:
    """The impacts in all stores. Safe from many threads."""

    def __init__(self, verbs: Verbs, stopping: Stopping, limits: Limits) -> None:
        self._verbs = verbs
        self._stopping = stopping
        self._limits = limits

    def impact(
        self,
        store: str,
        object: ObjectRef,
        *,
        is_leaving: bool = False,
        with_chains: bool = False,
        interrupt: Interrupt = never_interrupted,
    ) -> Impact:
        """What a hold on the object would stop, or, of a person, that they leave. Raises StoreNotFound,
        AgentsNotInSchema, NotHoldable, ObjectUnknown, and what the interrupt raises."""
        checked_object(object, field="object")
        if is_leaving and object.type != "user":
            raise InvalidArgument(f"`{object}` is no person, who could leave: ask about a hold", field="leaving")
        view = self._verbs.views.of(store, interrupt=interrupt)
        require_agents(view.schema)
        require_holdable(view.schema, object, "object")
        if not occurs(view.schema, view.graph, view.now_us, object, Budget(self._limits.steps_max, interrupt)):
            raise ObjectUnknown(
                f"nothing is known of `{object}`: no relationship that counts names it; look at how it is spelt",
                field="object",
                object=object,
            )
        judge = self._stopping.of_leaving if is_leaving else self._stopping.of_hold
        stops = judge(view, object, interrupt)
        chains, more = _chains(view, stops, interrupt) if with_chains else ((), False)
        return Impact(stops, chains, more, view.token, view.now_us)

    def stops_of_hold(self, store: str, object: ObjectRef, *, interrupt: Interrupt = never_interrupted) -> Stops:
        """For who rehearses a hold, which was judged to be possible: what it would stop, of a view of its own. Raises
        StoreNotFound, SchemaNotFound, and what the interrupt raises."""
        return self._stopping.of_hold(self._verbs.views.of(store, interrupt=interrupt), object, interrupt)


def _chains(view: RequestView, stops: Stops, interrupt: Interrupt) -> tuple[tuple[Relationship, ...], bool]:
    """Upwards from each. Cost: O(relationships)."""
    look = paced(interrupt, ROWS_BETWEEN_INTERRUPTS)
    waiting = [each for type in _CHAIN for each in stops.objects.get(type, ())]
    seen = set(waiting)
    chains: list[Relationship] = []
    for object in waiting:  # which grows as it is gone through
        for relationship in _links(view, object):
            look()
            if len(chains) == CHAINS_MAX:
                return tuple(chains), True
            chains.append(relationship)
            above = relationship.subject.object
            if above not in seen:
                seen.add(above)
                waiting.append(above)
    return tuple(chains), False


def _links(view: RequestView, object: ObjectRef) -> Iterator[Relationship]:
    for relation in _CHAIN.get(object.type, ()):
        for subject, qualifiers in view.graph.edges(object, relation):
            if qualifiers.counts_at(view.now_us):
                yield Relationship(object, relation, subject, qualifiers)
