"""The verbs of tools: registered, proposed, accepted, rejected, changed, retired, and what is told of them."""

from __future__ import annotations

from remit.engine.facade import Engine
from remit.server.call import Call
from remit.server.handlers.agents.submissions import encoded, submission_of
from remit.server.handlers.consistency import decode_at_least
from remit.v1 import agents_pb2
from remit.wire.agents.tools import encode_description, encode_tool


def register_tool(
    engine: Engine, request: agents_pb2.RegisterToolRequest, call: Call
) -> agents_pb2.RegisterToolResponse:
    done = engine.tools.register(
        request.store,
        request.tool,
        domain=request.domain,
        descriptor=request.descriptor,
        tags=request.tags,
        is_untagged=request.untagged,
        risk=request.risk,
        submission=submission_of(request, call),
    )
    return agents_pb2.RegisterToolResponse(token=done.token, tool=encode_tool(done.told))


def propose_descriptor(
    engine: Engine, request: agents_pb2.ProposeDescriptorRequest, call: Call
) -> agents_pb2.ProposeDescriptorResponse:
    done = engine.tools.propose(
        request.store, request.tool, descriptor=request.descriptor, submission=submission_of(request, call)
    )
    return agents_pb2.ProposeDescriptorResponse(token=done.token, tool=encode_tool(done.told))


def accept_descriptor(
    engine: Engine, request: agents_pb2.AcceptDescriptorRequest, call: Call
) -> agents_pb2.AcceptDescriptorResponse:
    done = engine.tools.accept(
        request.store,
        request.tool,
        request.digest,
        keep_earlier=request.keep_earlier,
        submission=submission_of(request, call),
    )
    return agents_pb2.AcceptDescriptorResponse(token=done.token, tool=encode_tool(done.told))


def reject_descriptor(
    engine: Engine, request: agents_pb2.RejectDescriptorRequest, call: Call
) -> agents_pb2.RejectDescriptorResponse:
    done = engine.tools.reject(
        request.store, request.tool, request.digest, reason=request.reason, submission=submission_of(request, call)
    )
    return agents_pb2.RejectDescriptorResponse(token=done.token, tool=encode_tool(done.told))


def change_tool(engine: Engine, request: agents_pb2.ChangeToolRequest, call: Call) -> agents_pb2.ChangeToolResponse:
    done = engine.tools.change(
        request.store, request.tool, tags=request.tags, risk=request.risk, submission=submission_of(request, call)
    )
    return agents_pb2.ChangeToolResponse(token=done.token, tool=encode_tool(done.told))


def relax_tool(engine: Engine, request: agents_pb2.RelaxToolRequest, call: Call) -> agents_pb2.RelaxToolResponse:
    done = engine.tools.relax(
        request.store,
        request.tool,
        remove_tags=request.remove_tags,
        is_untagged=request.untagged,
        risk=request.risk,
        domain=request.domain,
        submission=submission_of(request, call),
    )
    return agents_pb2.RelaxToolResponse(token=done.token, tool=encode_tool(done.told))


def retire_tool(engine: Engine, request: agents_pb2.RetireToolRequest, call: Call) -> agents_pb2.RetireToolResponse:
    done = engine.tools.retire(
        request.store, request.tool, reason=request.reason, submission=submission_of(request, call)
    )
    return agents_pb2.RetireToolResponse(token=done.token, tool=encode_tool(done.told))


def list_tools(engine: Engine, request: agents_pb2.ListToolsRequest, call: Call) -> agents_pb2.ListToolsResponse:
    page = engine.tool_reading.list(
        request.store,
        at_least=decode_at_least(request.consistency),
        limit=request.limit,
        cursor=request.cursor,
        interrupt=call.interrupt,
    )
    tools = encoded(page.tools, encode_tool, engine, call)
    return agents_pb2.ListToolsResponse(tools=tools, next_cursor=page.next_cursor, token=page.token)


def describe_tool(
    engine: Engine, request: agents_pb2.DescribeToolRequest, call: Call
) -> agents_pb2.DescribeToolResponse:
    described = engine.tool_reading.describe(
        request.store,
        request.tool,
        at_least=decode_at_least(request.consistency),
        before_heavy=call.require_heavy,
        interrupt=call.interrupt,
    )
    return encode_description(described)
