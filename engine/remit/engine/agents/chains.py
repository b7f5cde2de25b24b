"""The chain of a run: the runs above it, and the person or system at its root.

Whoever walks brings what is above an object, from memory or within a transaction.
Law: a walk ends, whatever the facts are: a ring and a chain that is too long have no root."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from remit.engine.request_view import RequestView
from remit.model import ObjectRef

DEPTH_MAX = 16  # runs from a root down, whatever an agent's ceilings say

RUN = "run"
ROOTS = ("user", "system")


class Chain(NamedTuple):
    """`runs` from the innermost up; `root` None where no person or system stands above them."""

    runs: tuple[ObjectRef, ...]
    root: ObjectRef | None


def chain_of(start: ObjectRef, above: Callable[[ObjectRef], ObjectRef | None], depth_max: int = DEPTH_MAX) -> Chain:
    """From a run, a person or a system upwards, over `depth_max` runs at most. Cost: O(those)."""
    runs: list[ObjectRef] = []
    at: ObjectRef | None = start
    while at is not None and at.type == RUN and len(runs) < depth_max:
        runs.append(at)
        at = above(at)
    return Chain(tuple(runs), at if at is not None and at.type in ROOTS else None)


def first_of(view: RequestView, object: ObjectRef, relation: str) -> ObjectRef | None:
    """Where a relation that leads to one object leads now, in memory."""
    edges = view.graph.edges(object, relation)
    return next((subject.object for subject, qualifiers in edges if qualifiers.counts_at(view.now_us)), None)


def with_agent(view: RequestView, run: ObjectRef) -> list[ObjectRef]:
    """A run, the version that it is an instance of, and that one's agent, as far as there are any."""
    version = first_of(view, run, "instance_of")
    agent = first_of(view, version, "version_of") if version is not None else None
    return [each for each in (run, version, agent) if each is not None]
