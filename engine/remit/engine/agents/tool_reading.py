"""Tools as they are listed and described, with what a pending descriptor says otherwise than the accepted one.

Law: what is told is of one revision."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from remit.arguments.differences import Differences, differences
from remit.engine.agents.performing import Verbs
from remit.engine.agents.scene import Sight
from remit.engine.agents.tool_states import ID_LENGTH_MAX, TYPE, ToolState, document_of, state_of, tool_of, unknown_tool
from remit.engine.cursors import decode_cursor, encode_cursor
from remit.engine.tokens import encode_token
from remit.interrupt import Interrupt, looked_at, never_interrupted
from remit.model import ObjectRef, RelationshipFilter, RelationshipKey, SubjectRef
from remit.store.port import SMALL_DOCUMENTS_BYTES

PAGE_MAX = 1_000
_PAGE = 100

_TOOLS = RelationshipFilter(resource_type=TYPE)


@dataclass(frozen=True, slots=True)
class ToolDescription:
    """A tool with its documents: the descriptor that was accepted last and the pending one, None where there is none,
    and what the second says otherwise than the first."""

    tool: ToolState
    accepted: bytes | None
    pending: bytes | None
    differences: Differences
    token: str


@dataclass(frozen=True, slots=True)
class ToolPage:
    """Some tools, in the order of their ids; `next_cursor` "" where they are the last."""

    tools: tuple[ToolState, ...]
    next_cursor: str
    token: str


class ToolReading:
    """Of all stores. Safe from many threads."""

    def __init__(self, verbs: Verbs) -> None:
        self._verbs = verbs

    def describe(
        self,
        store: str,
        id: str,
        *,
        at_least: str = "",
        before_heavy: Interrupt = never_interrupted,
        interrupt: Interrupt = never_interrupted,
    ) -> ToolDescription:
        """A tool, what it says, and what it would say otherwise. `before_heavy` is called where that is much to
        compare. Raises ObjectUnknown, and what `Verbs.looking` raises. Cost: O(bytes of both)."""
        tool = tool_of(id)
        with self._verbs.looking(store, at_least, interrupt) as sight:
            state = state_of(sight, tool)
            if not state.is_registered and not state.is_retired:
                raise unknown_tool(tool)
            accepted = document_of(sight, state.accepted[0]) if state.accepted else None
            pending = document_of(sight, state.pending) if state.pending else None
            head = sight.view.head
            token = encode_token(head.identity, head.revision)
        found = Differences((), True)
        if accepted is not None and pending is not None:
            if len(accepted) + len(pending) > SMALL_DOCUMENTS_BYTES:
                before_heavy()
            found = differences(accepted, pending)
        return ToolDescription(state, accepted, pending, found, token)

    def list(
        self,
        store: str,
        *,
        at_least: str = "",
        limit: int = 0,
        cursor: str = "",
        interrupt: Interrupt = never_interrupted,
    ) -> ToolPage:
        """The tools that are registered, and those that were retired. Raises InvalidCursor, and what `Verbs.looking`
        raises. Cost: O(tools of the page), and of those that are granted and not registered."""
        after = decode_cursor(cursor, _TOOLS)
        limit = min(limit or _PAGE, PAGE_MAX)
        with self._verbs.looking(store, at_least, interrupt) as sight:
            places = looked_at(_tools_after(sight, after), interrupt)
            states = ((_state_of(sight, tool), place) for tool, place in places)
            listed = ((state, place) for state, place in states if state.is_registered or state.is_retired)
            found = list(islice(listed, limit))
            is_complete = len(found) < limit or next(listed, None) is None
            head = sight.view.head
            token = encode_token(head.identity, head.revision)
        following = "" if is_complete else encode_cursor(found[-1][1], _TOOLS)
        return ToolPage(tuple(state for state, _ in found), following, token)


def _state_of(sight: Sight, tool: ObjectRef) -> ToolState:
    sight.scanning.begin()  # what may be looked at is for each tool, not for the page
    return state_of(sight, tool)


def _tools_after(sight: Sight, after: RelationshipKey | None) -> Iterator[tuple[ObjectRef, RelationshipKey]]:
    """The tools of which anything is said, with where to go on after each: a step for each, whatever is granted on it.
    An id that is longer than a verb registers is found by its registration, a row at a time."""
    while (stored := next(sight.view.scan(_TOOLS, after, sight.scanning.look), None)) is not None:
        key = stored.relationship.key
        is_long = len(key.resource.id) > ID_LENGTH_MAX
        after = key if is_long else _behind(key.resource)
        if not is_long or key.relation == "registered":
            yield key.resource, after


def _behind(tool: ObjectRef) -> RelationshipKey:
    """After every triple of the tool: no relation's name is as large."""
    return RelationshipKey(tool, "~", SubjectRef(TYPE, "~"))
