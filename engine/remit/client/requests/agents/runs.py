"""Spawn and what becomes of a run; what runs there are."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from remit.client.answers import RunResult, SpawnResult
from remit.client.requests.agents.naming import listed, object_of, request_id_of
from remit.client.requests.request import Request
from remit.engine.agents.lineage import ChainLink, RunPage, SubtreePage
from remit.engine.agents.run_states import RunState
from remit.model import ObjectRef
from remit.v1 import agents_pb2
from remit.wire.agents.runs import decode_below, decode_link, decode_run
from remit.wire.facts import decode_object, encode_object

Scalar = str | int | float | bool | None  # what a run can be bound to


def spawn(
    store: str,
    delegator: str | ObjectRef,
    version: str,
    profiles: str | Iterable[str],
    intent: str,
    bindings: Mapping[str, Scalar],
    lifetime_s: int,
    session: str,
    request_id: str,
    dry_run: bool,
) -> Request[SpawnResult]:
    request = agents_pb2.SpawnRequest(
        store=store,
        request_id=request_id_of(request_id),
        delegator=encode_object(object_of(delegator)),
        version=version,
        profiles=listed(profiles),
        intent=intent,
        bindings={name: json.dumps(value, ensure_ascii=False) for name, value in bindings.items()},
        lifetime_s=lifetime_s,
        session=session,
        dry_run=dry_run,
    )
    return Request("/remit.v1.Agents/Spawn", request, agents_pb2.SpawnResponse, _spawned, is_repeatable=True)


def _spawned(answer: agents_pb2.SpawnResponse) -> SpawnResult:
    excess = tuple(decode_object(each, "excess") for each in answer.excess)
    return SpawnResult(answer.token, decode_run(answer.run), answer.was_there, excess)


def renew(store: str, run: str, lifetime_s: int, request_id: str, dry_run: bool) -> Request[RunResult]:
    request = agents_pb2.RenewRequest(
        store=store, request_id=request_id_of(request_id), run=run, lifetime_s=lifetime_s, dry_run=dry_run
    )
    return Request("/remit.v1.Agents/Renew", request, agents_pb2.RenewResponse, _run, is_repeatable=True)


def narrow(store: str, run: str, intent: str, request_id: str, dry_run: bool) -> Request[RunResult]:
    request = agents_pb2.NarrowRequest(
        store=store, request_id=request_id_of(request_id), run=run, intent=intent, dry_run=dry_run
    )
    return Request("/remit.v1.Agents/Narrow", request, agents_pb2.NarrowResponse, _run, is_repeatable=True)


def declare_intent(store: str, run: str, intent: str, request_id: str, dry_run: bool) -> Request[RunResult]:
    request = agents_pb2.DeclareIntentRequest(
        store=store, request_id=request_id_of(request_id), run=run, intent=intent, dry_run=dry_run
    )
    path = "/remit.v1.Agents/DeclareIntent"
    return Request(path, request, agents_pb2.DeclareIntentResponse, _run, is_repeatable=True)


def _run(
    answer: agents_pb2.RenewResponse | agents_pb2.NarrowResponse | agents_pb2.DeclareIntentResponse,
) -> RunResult:
    return RunResult(answer.token, decode_run(answer.run))


def describe_run(store: str, run: str) -> Request[RunState]:
    return Request(
        "/remit.v1.Agents/DescribeRun",
        agents_pb2.DescribeRunRequest(store=store, run=run),
        agents_pb2.DescribeRunResponse,
        lambda answer: decode_run(answer.run),
        is_repeatable=True,
    )


def list_runs(
    store: str, delegator: str | ObjectRef | None, version: str, living: bool, limit: int, cursor: str
) -> Request[RunPage]:
    request = agents_pb2.ListRunsRequest(store=store, version=version, living=living, limit=limit, cursor=cursor)
    if delegator is not None:
        request.delegator.CopyFrom(encode_object(object_of(delegator)))
    return Request(
        "/remit.v1.Agents/ListRuns",
        request,
        agents_pb2.ListRunsResponse,
        lambda answer: RunPage(tuple(map(decode_run, answer.runs)), answer.next_cursor),
        is_repeatable=True,
    )


def show_chain(store: str, run: str) -> Request[tuple[ChainLink, ...]]:
    return Request(
        "/remit.v1.Agents/ShowChain",
        agents_pb2.ShowChainRequest(store=store, run=run),
        agents_pb2.ShowChainResponse,
        lambda answer: tuple(map(decode_link, answer.links)),
        is_repeatable=True,
    )


def show_subtree(store: str, object: str | ObjectRef, limit: int, cursor: str) -> Request[SubtreePage]:
    return Request(
        "/remit.v1.Agents/ShowSubtree",
        agents_pb2.ShowSubtreeRequest(store=store, object=encode_object(object_of(object)), limit=limit, cursor=cursor),
        agents_pb2.ShowSubtreeResponse,
        lambda answer: SubtreePage(tuple(map(decode_below, answer.runs)), answer.next_cursor),
        is_repeatable=True,
    )
