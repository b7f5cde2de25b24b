"""RegisterAgent, ChangeAgent, RetireAgent, ListAgents and DescribeAgent."""

from __future__ import annotations

from remit.engine.agents.registrations import require_few_owners
from remit.engine.facade import Engine
from remit.server.call import Call
from remit.server.handlers.agents.submissions import encoded, submission_of
from remit.server.handlers.consistency import decode_at_least
from remit.v1 import agents_pb2
from remit.wire.agents.registry import decode_ceilings, decode_owners, encode_agent, encode_version


def register_agent(
    engine: Engine, request: agents_pb2.RegisterAgentRequest, call: Call
) -> agents_pb2.RegisterAgentResponse:
    require_few_owners(len(request.owners))
    done = engine.registrations.register(
        request.store,
        request.agent,
        owners=decode_owners(request.owners),
        domain=request.domain,
        ceilings=decode_ceilings(request.ceilings),
        directory=request.directory,
        submission=submission_of(request, call),
    )
    return agents_pb2.RegisterAgentResponse(token=done.token, agent=encode_agent(done.told))


def change_agent(engine: Engine, request: agents_pb2.ChangeAgentRequest, call: Call) -> agents_pb2.ChangeAgentResponse:
    require_few_owners(len(request.owners))
    done = engine.registrations.change(
        request.store,
        request.agent,
        owners=decode_owners(request.owners),
        domain=request.domain,
        ceilings=decode_ceilings(request.ceilings) if request.HasField("ceilings") else None,
        submission=submission_of(request, call),
    )
    return agents_pb2.ChangeAgentResponse(token=done.token, agent=encode_agent(done.told))


def retire_agent(engine: Engine, request: agents_pb2.RetireAgentRequest, call: Call) -> agents_pb2.RetireAgentResponse:
    done = engine.registrations.retire(
        request.store, request.agent, reason=request.reason, submission=submission_of(request, call)
    )
    return agents_pb2.RetireAgentResponse(
        token=done.token, agent=encode_agent(done.told.agent), was_over=done.told.was_over
    )


def list_agents(engine: Engine, request: agents_pb2.ListAgentsRequest, call: Call) -> agents_pb2.ListAgentsResponse:
    page = engine.inventory.agents(
        request.store,
        at_least=decode_at_least(request.consistency),
        limit=request.limit,
        cursor=request.cursor,
        interrupt=call.interrupt,
    )
    agents = encoded(page.agents, encode_agent, engine, call)
    return agents_pb2.ListAgentsResponse(agents=agents, next_cursor=page.next_cursor, token=page.token)


def describe_agent(
    engine: Engine, request: agents_pb2.DescribeAgentRequest, call: Call
) -> agents_pb2.DescribeAgentResponse:
    found = engine.inventory.agent(
        request.store,
        request.agent,
        at_least=decode_at_least(request.consistency),
        limit=request.limit,
        cursor=request.cursor,
        interrupt=call.interrupt,
    )
    return agents_pb2.DescribeAgentResponse(
        agent=encode_agent(found.agent),
        versions=encoded(found.versions, encode_version, engine, call),
        next_cursor=found.next_cursor,
        token=found.token,
    )
