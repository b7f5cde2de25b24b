"""What runs there are: one of them, those above it, those below it, and lists.

Law: a page of what is below goes on exactly where the last one ended, whatever was started or swept meanwhile; and a
page costs what it shows, however much there is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from remit.engine.agents.chains import ROOTS, RUN, chain_of, first_of, with_agent
from remit.engine.agents.performing import Verbs, require_agents
from remit.engine.agents.run_states import RunLife, RunState, run_state
from remit.engine.cursors import decode_cursor, decode_subtree_cursor, encode_cursor, encode_subtree_cursor
from remit.engine.limits import ROWS_BETWEEN_INTERRUPTS
from remit.engine.request_view import RequestView
from remit.errors import InvalidArgument, ObjectUnknown
from remit.interrupt import Interrupt, never_interrupted, paced
from remit.model import ObjectRef, Question, RelationshipFilter, RelationshipKey, SubjectRef, Verdict
from remit.notation import checked_id, checked_object
from remit.store.port import ReadTransaction

SHOWN_DEPTH_MAX = 64  # runs above one another: four times as many as can be started so
LOOKED_AT_TIMES = 10  # of a page of runs that live, how many for each that it may show


@dataclass(frozen=True, slots=True)
class ChainLink:
    """One link of a chain; `is_live`: by itself, whatever those above it are. `holds`: the ids of those on itself."""

    object: ObjectRef
    is_live: bool
    holds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunBelow:
    """A run of a subtree. `depth`: 1 for those directly below; `is_cut`: there are others below it that are too deep to
    be shown."""

    run: RunState
    depth: int
    is_cut: bool


class RunPage(NamedTuple):
    """Some runs; `next_cursor` "" where the list is complete, else there may be more, even after an empty page."""

    runs: tuple[RunState, ...]
    next_cursor: str


class SubtreePage(NamedTuple):
    """Some of what is below, each before those below itself, those of one run by their ids."""

    runs: tuple[RunBelow, ...]
    next_cursor: str


class Lineage:
    """What runs there are in all stores. Safe from many threads."""

    def __init__(self, verbs: Verbs) -> None:
        self._verbs = verbs

    def describe(self, store: str, run: str) -> RunState:
        """Raises ObjectUnknown."""
        checked_id(run, field="run")
        with self._verbs.looking(store) as sight:
            state = run_state(sight.view, run, sight.now_us)
        if state is None:
            raise _unknown(ObjectRef(RUN, run))
        return state

    def runs(
        self,
        store: str,
        *,
        delegator: ObjectRef | None = None,
        version: str = "",
        living: bool = False,
        limit: int = 0,
        cursor: str = "",
        interrupt: Interrupt = never_interrupted,
    ) -> RunPage:
        """A page of the runs there are, of those directly below a delegator, or of a version; `living`: without those
        that are over or terminated. Raises InvalidCursor."""
        if delegator is not None:
            filter = _below(checked_object(delegator, field="delegator"))
        elif version:
            filter = _naming(ObjectRef("agent_version", checked_id(version, field="version")), "instance_of")
        else:
            filter = RelationshipFilter(RUN, relation="delegated_by")
        count = self._page(limit)
        look = paced(interrupt, ROWS_BETWEEN_INTERRUPTS)
        found: list[RunState] = []
        with self._verbs.looking(store, interrupt=interrupt) as sight:
            view, now_us = sight.view, sight.now_us
            rows = view.scan(filter, decode_cursor(cursor, filter), look)
            for looked_at, stored in enumerate(rows, 1):
                interrupt()  # of each run much is looked up
                key = stored.relationship.key
                state = run_state(view, key.resource.id, now_us)
                is_meant = state is not None and (not version or state.version == version)
                if state is not None and is_meant and (not living or state.life is RunLife.LIVE):
                    found.append(state)
                if len(found) == count or looked_at == count * LOOKED_AT_TIMES:
                    return RunPage(tuple(found), encode_cursor(key, filter))
        return RunPage(tuple(found), "")

    def chain(self, store: str, run: str, *, interrupt: Interrupt = never_interrupted) -> list[ChainLink]:
        """The links of a run's chain, from itself up: each run with its version and that one's agent, and the person or
        system at the root, as far as there are any. Raises ObjectUnknown."""
        start = ObjectRef(RUN, checked_id(run, field="run"))
        view = self._verbs.views.of(store, interrupt=interrupt)
        require_agents(view.schema)
        if first_of(view, start, "delegated_by") is None:
            raise _unknown(start)
        chain = chain_of(start, lambda each: first_of(view, each, "delegated_by"), SHOWN_DEPTH_MAX)
        links = [each for run in chain.runs for each in with_agent(view, run)]
        links += [chain.root] if chain.root is not None else []
        questions = [Question(each, "live", SubjectRef(*each)) for each in links]
        verdicts = self._verbs.verdicts(view, questions, interrupt)
        return [
            ChainLink(each, verdict is Verdict.YES, _holds(view, each))
            for each, verdict in zip(links, verdicts, strict=True)
        ]

    def subtree(
        self,
        store: str,
        start: ObjectRef,
        *,
        limit: int = 0,
        cursor: str = "",
        interrupt: Interrupt = never_interrupted,
    ) -> SubtreePage:
        """A page of the runs below a run, a person or a system. Raises InvalidCursor, InvalidArgument.
        Cost: O(those shown log n), and to go on O(their depth log n)."""
        checked_object(start, field="object")
        if start.type not in (RUN, *ROOTS):
            raise InvalidArgument(f"no runs stand below `{start}`: name a run, a `user` or a `system`", field="object")
        count = self._page(limit)
        path = decode_subtree_cursor(cursor, start, SHOWN_DEPTH_MAX)
        look = paced(interrupt, ROWS_BETWEEN_INTERRUPTS)
        found: list[RunBelow] = []
        with self._verbs.looking(store, interrupt=interrupt) as sight:
            view, now_us = sight.view, sight.now_us
            for at in _walk(view, start, path, look):
                interrupt()
                state = run_state(view, at[-1], now_us)
                if state is not None:
                    is_deepest = len(at) == SHOWN_DEPTH_MAX
                    is_cut = is_deepest and next(_children(view, state.object, "", look), None) is not None
                    found.append(RunBelow(state, len(at), is_cut))
                if len(found) == count:
                    return SubtreePage(tuple(found), encode_subtree_cursor(at, start))
        return SubtreePage(tuple(found), "")

    def _page(self, limit: int) -> int:
        most = self._verbs.limits.page_max
        return min(limit or most, most)


def _walk(
    view: ReadTransaction, start: ObjectRef, after: Sequence[str], look: Callable[[], None]
) -> Iterator[list[str]]:
    """The path to each run below, each before those below it, from just after a path on. Cost: O(log n) each."""
    path = list(after)
    # Of each run on the way: those below it, after the one where the path goes on.
    objects = [start, *(ObjectRef(RUN, each) for each in path)]
    waiting = [_children(view, each, then, look) for each, then in zip(objects, [*path, ""], strict=True)]
    if len(waiting) > SHOWN_DEPTH_MAX:
        waiting.pop()
    while waiting:
        del path[len(waiting) - 1 :]
        child = next(waiting[-1], None)
        if child is None:
            waiting.pop()
        elif child not in path and start != (RUN, child):  # facts that are no verb's can make a ring
            path.append(child)
            yield list(path)
            if len(path) < SHOWN_DEPTH_MAX:
                waiting.append(_children(view, ObjectRef(RUN, child), "", look))


def _children(view: ReadTransaction, object: ObjectRef, after: str, look: Callable[[], None]) -> Iterator[str]:
    key = RelationshipKey(ObjectRef(RUN, after), "delegated_by", SubjectRef(*object)) if after else None
    for stored in view.scan(_below(object), key, look):
        yield stored.relationship.resource.id


def _below(object: ObjectRef) -> RelationshipFilter:
    return _naming(object, "delegated_by")


def _naming(object: ObjectRef, relation: str) -> RelationshipFilter:
    return RelationshipFilter(
        RUN, relation=relation, subject_type=object.type, subject_id=object.id, subject_relation=""
    )


def _holds(view: RequestView, object: ObjectRef) -> tuple[str, ...]:
    return tuple(sorted(subject.id for subject, _ in view.graph.edges(object, "hold")))


def _unknown(run: ObjectRef) -> ObjectUnknown:
    return ObjectUnknown(f"there is no `{run}`", field="run", object=run)
