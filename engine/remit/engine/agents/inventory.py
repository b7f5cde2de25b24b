"""ListAgents and DescribeAgent: which agents there are, who answers for them, and what their versions are worth.

An agent is listed as soon as anything is known of it, so that one nobody registered is seen before it does harm.
Law: a page is of one revision and one time, whatever is written meanwhile; what could not be judged is no yes."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from typing import Any

from remit.engine.agents.descriptions import (
    AGENT_RECORD,
    CERTIFICATION,
    VERSION_RECORD,
    AgentState,
    VersionState,
    describe_agent,
    describe_version,
)
from remit.engine.agents.lifecycles import ABSENT
from remit.engine.agents.performing import require_agents
from remit.engine.cursors import decode_names_cursor, encode_names_cursor
from remit.engine.limits import ROWS_BETWEEN_INTERRUPTS, Limits
from remit.engine.record_kinds import SWEPT
from remit.engine.records import Records
from remit.engine.request_view import RequestView, RequestViews
from remit.errors import ObjectUnknown
from remit.eval.evaluator import Evaluator
from remit.eval.semantics import Answer
from remit.interrupt import Interrupt, looked_at, never_interrupted, paced
from remit.model import (
    WILDCARD,
    ObjectRef,
    Qualifiers,
    Question,
    RecordKey,
    StoredRecord,
    SubjectRef,
    Verdict,
)
from remit.notation import checked_id


@dataclass(frozen=True, slots=True)
class AgentPage:
    """Agents by id; where to go on, "" at the end; and the revision."""

    agents: tuple[AgentState, ...]
    next_cursor: str
    token: str


@dataclass(frozen=True, slots=True)
class AgentDescription:
    """An agent and a page of its versions, by id."""

    agent: AgentState
    versions: tuple[VersionState, ...]
    next_cursor: str
    token: str


class Inventory:
    """What there is in all stores. Safe from many threads."""

    def __init__(self, views: RequestViews, records: Records, evaluator: Evaluator, limits: Limits) -> None:
        self._views = views
        self._records = records
        self._evaluator = evaluator
        self._limits = limits

    def agents(
        self,
        store: str,
        *,
        at_least: str = "",
        limit: int = 0,
        cursor: str = "",
        interrupt: Interrupt = never_interrupted,
    ) -> AgentPage:
        """All agents, a page at a time. Cost: O(agents), and of those told a question each. Raises StoreNotFound,
        AgentsNotInSchema, InvalidCursor, and what tokens are refused with."""
        view = self._view(store, at_least, interrupt)
        after = decode_names_cursor(cursor, view.identity, "agents")
        look = paced(interrupt, ROWS_BETWEEN_INTERRUPTS)
        ids = set()
        for id in view.graph.ids_of("agent"):
            look()
            if id > after and id != WILDCARD:
                ids.add(id)
        found, following = self._first(view, ids, limit, "agents")
        described = self._described(store, view, [ObjectRef("agent", id) for id in found], interrupt)
        # The graph may still name what no relationship does any more.
        return AgentPage(tuple(each for each in described if each.state != ABSENT), following, view.token)

    def agent(
        self,
        store: str,
        id: str,
        *,
        at_least: str = "",
        limit: int = 0,
        cursor: str = "",
        interrupt: Interrupt = never_interrupted,
    ) -> AgentDescription:
        """One agent, and its versions a page at a time. Cost: O(relationships that name it). Raises ObjectUnknown, and
        what `agents` raises."""
        agent = ObjectRef("agent", checked_id(id, field="agent"))
        view = self._view(store, at_least, interrupt)
        versions_of = f"versions of {agent}"
        after = decode_names_cursor(cursor, view.identity, versions_of)
        look = paced(interrupt, ROWS_BETWEEN_INTERRUPTS)
        ids = set()
        for resource, relation in view.graph.nodes_of(SubjectRef(*agent)):
            look()
            if relation == "version_of" and resource.type == "agent_version" and resource.id > after:
                ids.add(resource.id)
        found, following = self._first(view, ids, limit, versions_of)
        (described,) = self._described(store, view, [agent], interrupt)
        if described.state == ABSENT:
            raise ObjectUnknown(f"nothing is known of `{agent}`: look at how it is spelt", field="agent", object=agent)
        versions = [ObjectRef("agent_version", each) for each in found]
        pinned = self._pinned(store, view, versions, (VERSION_RECORD, CERTIFICATION, SWEPT))
        return AgentDescription(
            described,
            tuple(describe_version(pinned, each) for each in looked_at(versions, interrupt)),
            following,
            view.token,
        )

    def _view(self, store: str, at_least: str, interrupt: Interrupt) -> RequestView:
        view = self._views.of(store, at_least=at_least, interrupt=interrupt)
        require_agents(view.schema)
        return view

    def _first(self, view: RequestView, ids: Collection[str], limit: int, listed: str) -> tuple[Sequence[str], str]:
        """Those that a page has, and the cursor after them, "" where there are no more. Cost: O(ids)."""
        limit = min(limit or self._limits.page_max, self._limits.page_max)
        first = nsmallest(limit + 1, ids)
        if len(first) <= limit:
            return first, ""
        return first[:limit], encode_names_cursor(first[limit - 1], view.identity, listed)

    def _described(
        self, store: str, view: RequestView, agents: Sequence[ObjectRef], interrupt: Interrupt
    ) -> tuple[AgentState, ...]:
        pinned = self._pinned(store, view, agents, (AGENT_RECORD, SWEPT))
        questions = [Question(agent, "owned", SubjectRef(*agent)) for agent in agents]
        answers = self._evaluator.check_many(view, questions, self._limits.steps_max, interrupt)
        owned = [isinstance(answer, Answer) and answer.verdict is Verdict.YES for answer in answers]
        return tuple(
            describe_agent(pinned, agent, is_owned=is_owned)
            for agent, is_owned in looked_at(zip(agents, owned, strict=True), interrupt)
        )

    def _pinned(self, store: str, view: RequestView, objects: Sequence[ObjectRef], kinds: Sequence[str]) -> _Pinned:
        keys = [RecordKey(kind, object) for object in objects for kind in kinds]
        found = self._records.read_many(store, keys, at_exactly=view.token) if keys else []
        return _Pinned(view, dict(zip(keys, found, strict=True)))


@dataclass(frozen=True, slots=True)
class _Pinned:
    """A `StateView` of a view, with the records of some objects as of its revision."""

    view: RequestView
    records: Mapping[RecordKey, StoredRecord | None]

    def edges(self, resource: ObjectRef, relation: str) -> Sequence[tuple[SubjectRef, Qualifiers]]:
        now_us = self.view.now_us
        return [each for each in self.view.graph.edges(resource, relation) if each[1].counts_at(now_us)]

    def is_known(self, object: ObjectRef) -> bool:
        graph = self.view.graph
        relations = self.view.schema.definitions[object.type].relations
        return bool(graph.nodes_of(SubjectRef(*object))) or any(
            next(iter(graph.edges(object, relation)), None) is not None for relation in relations
        )

    def document(self, kind: str, object: ObjectRef) -> dict[str, Any] | None:
        stored = self.records[RecordKey(kind, object)]
        return json.loads(stored.record.document) if stored is not None else None

    def has_record(self, kind: str, object: ObjectRef) -> bool:
        return self.records[RecordKey(kind, object)] is not None
