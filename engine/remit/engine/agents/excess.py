"""Excess: what a run would be given that its delegator could not give, by name.

It is judged on a pinned view, before the writer is asked for: the chain of a run is asked live at every call, so what
a delegator loses meanwhile is no way around it. What is conditional for the delegator is given: some calls could pass.
Law: what is refused is exactly what the delegator is not `granted`, of what the profiles give and the intent covers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from remit.engine.agents.performing import Verbs
from remit.engine.request_view import RequestView
from remit.errors import Excess, LimitExceeded
from remit.interrupt import Interrupt
from remit.model import ObjectRef, Question, SubjectRef, Verdict

RESOURCES_MAX = 1_000  # of all profiles together

_GIVING = {("tool", "may_use"), ("dataset", "reader")}
_COVERING = {("tool", "in_intent"), ("dataset", "in_intent")}


def covered_by(view: RequestView, intent: str) -> list[ObjectRef]:
    """The tools and the data that the profile covers for whoever declares it, sorted. Cost: O(those)."""
    return _named(view, SubjectRef("profile", intent, "declares"), _COVERING)


def given_by(view: RequestView, profiles: Iterable[str]) -> list[ObjectRef]:
    """The tools and the data that the profiles give to whoever holds them."""
    return [each for profile in profiles for each in _named(view, SubjectRef("profile", profile, "holds"), _GIVING)]


def excess_of(
    verbs: Verbs, view: RequestView, delegator: ObjectRef, resources: Iterable[ObjectRef], interrupt: Interrupt
) -> list[ObjectRef]:
    """Which of these the delegator is not granted, sorted. Raises LimitExceeded beyond RESOURCES_MAX, and of a question
    that has no answer what it has instead. Cost: a question each."""
    asked = sorted(set(resources))
    if len(asked) > RESOURCES_MAX:
        raise LimitExceeded(
            f"the profiles name {len(asked)} tools and datasets, and may name {RESOURCES_MAX} together",
            field="profiles",
            name="resources_max",
            limit=RESOURCES_MAX,
            given=len(asked),
        )
    subject = SubjectRef(*delegator)
    verdicts = verbs.verdicts(view, [Question(each, "granted", subject) for each in asked], interrupt)
    return [each for each, verdict in zip(asked, verdicts, strict=True) if verdict is Verdict.NO]


def refused_as_excess(delegator: ObjectRef, excess: Sequence[ObjectRef]) -> Excess:
    """The refusal that names them."""
    names = ", ".join(map(str, excess))
    return Excess(
        f"`{delegator}` has not itself what it would give, {len(excess)} in all: {names}",
        field="profiles",
        delegator=delegator,
        count=len(excess),
        resources=names,
    )


def _named(view: RequestView, by: SubjectRef, places: set[tuple[str, str]]) -> list[ObjectRef]:
    nodes = view.graph.nodes_of(by)
    return sorted(resource for resource, relation in nodes if (resource.type, relation) in places)
