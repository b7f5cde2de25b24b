"""Spawn and what becomes of a run; and what runs there are."""

from __future__ import annotations

from remit.engine.facade import Engine
from remit.server.call import Call
from remit.server.handlers.agents.submissions import encoded, submission_of
from remit.v1 import agents_pb2
from remit.wire.agents.runs import decode_order, encode_below, encode_link, encode_run
from remit.wire.facts import decode_object, encode_object


def spawn(engine: Engine, request: agents_pb2.SpawnRequest, call: Call) -> agents_pb2.SpawnResponse:
    done = engine.runs.spawn(request.store, decode_order(request), submission=submission_of(request, call))
    return agents_pb2.SpawnResponse(
        token=done.token,
        run=encode_run(done.told.run),
        was_there=done.told.was_there,
        excess=encoded(done.told.excess, encode_object, engine, call),
    )


def renew(engine: Engine, request: agents_pb2.RenewRequest, call: Call) -> agents_pb2.RenewResponse:
    done = engine.runs.renew(
        request.store, request.run, lifetime_s=request.lifetime_s, submission=submission_of(request, call)
    )
    return agents_pb2.RenewResponse(token=done.token, run=encode_run(done.told))


def narrow(engine: Engine, request: agents_pb2.NarrowRequest, call: Call) -> agents_pb2.NarrowResponse:
    done = engine.runs.narrow(request.store, request.run, request.intent, submission=submission_of(request, call))
    return agents_pb2.NarrowResponse(token=done.token, run=encode_run(done.told))


def declare_intent(
    engine: Engine, request: agents_pb2.DeclareIntentRequest, call: Call
) -> agents_pb2.DeclareIntentResponse:
    done = engine.runs.declare_intent(
        request.store, request.run, request.intent, submission=submission_of(request, call)
    )
    return agents_pb2.DeclareIntentResponse(token=done.token, run=encode_run(done.told))


def describe_run(engine: Engine, request: agents_pb2.DescribeRunRequest, _: Call) -> agents_pb2.DescribeRunResponse:
    return agents_pb2.DescribeRunResponse(run=encode_run(engine.lineage.describe(request.store, request.run)))


def list_runs(engine: Engine, request: agents_pb2.ListRunsRequest, call: Call) -> agents_pb2.ListRunsResponse:
    page = engine.lineage.runs(
        request.store,
        delegator=decode_object(request.delegator, "delegator") if request.HasField("delegator") else None,
        version=request.version,
        living=request.living,
        limit=request.limit,
        cursor=request.cursor,
        interrupt=call.interrupt,
    )
    return agents_pb2.ListRunsResponse(runs=encoded(page.runs, encode_run, engine, call), next_cursor=page.next_cursor)


def show_chain(engine: Engine, request: agents_pb2.ShowChainRequest, call: Call) -> agents_pb2.ShowChainResponse:
    links = engine.lineage.chain(request.store, request.run, interrupt=call.interrupt)
    return agents_pb2.ShowChainResponse(links=encoded(links, encode_link, engine, call))


def show_subtree(engine: Engine, request: agents_pb2.ShowSubtreeRequest, call: Call) -> agents_pb2.ShowSubtreeResponse:
    page = engine.lineage.subtree(
        request.store,
        decode_object(request.object, "object"),
        limit=request.limit,
        cursor=request.cursor,
        interrupt=call.interrupt,
    )
    return agents_pb2.ShowSubtreeResponse(
        runs=encoded(page.runs, encode_below, engine, call), next_cursor=page.next_cursor
    )
