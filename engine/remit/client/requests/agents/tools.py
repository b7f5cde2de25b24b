"""Tools: registered, proposed, accepted, rejected, changed, retired, listed and described."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from remit.client.answers import ToolResult
from remit.client.requests.agents.naming import request_id_of
from remit.client.requests.request import Request, consistency_of
from remit.engine.agents.tool_reading import ToolDescription, ToolPage
from remit.v1 import agents_pb2
from remit.wire.agents.tools import decode_description, decode_tool


def register(
    store: str,
    tool: str,
    domain: str,
    descriptor: bytes,
    tags: Iterable[str],
    untagged: bool,
    risk: str,
    request_id: str,
    dry_run: bool,
) -> Request[ToolResult]:
    request = agents_pb2.RegisterToolRequest(
        store=store,
        request_id=request_id_of(request_id),
        tool=tool,
        domain=domain,
        descriptor=descriptor,
        tags=list(tags),
        untagged=untagged,
        risk=risk,
        dry_run=dry_run,
    )
    return _verb("RegisterTool", request, agents_pb2.RegisterToolResponse)


def propose(store: str, tool: str, descriptor: bytes, request_id: str, dry_run: bool) -> Request[ToolResult]:
    request = agents_pb2.ProposeDescriptorRequest(
        store=store, request_id=request_id_of(request_id), tool=tool, descriptor=descriptor, dry_run=dry_run
    )
    return _verb("ProposeDescriptor", request, agents_pb2.ProposeDescriptorResponse)


def accept(
    store: str, tool: str, digest: str, keep_earlier: bool, request_id: str, dry_run: bool
) -> Request[ToolResult]:
    request = agents_pb2.AcceptDescriptorRequest(
        store=store,
        request_id=request_id_of(request_id),
        tool=tool,
        digest=digest,
        keep_earlier=keep_earlier,
        dry_run=dry_run,
    )
    return _verb("AcceptDescriptor", request, agents_pb2.AcceptDescriptorResponse)


def reject(store: str, tool: str, digest: str, reason: str, request_id: str, dry_run: bool) -> Request[ToolResult]:
    request = agents_pb2.RejectDescriptorRequest(
        store=store, request_id=request_id_of(request_id), tool=tool, digest=digest, reason=reason, dry_run=dry_run
    )
    return _verb("RejectDescriptor", request, agents_pb2.RejectDescriptorResponse)


def change(
    store: str, tool: str, tags: Iterable[str], risk: str, request_id: str, dry_run: bool
) -> Request[ToolResult]:
    request = agents_pb2.ChangeToolRequest(
        store=store, request_id=request_id_of(request_id), tool=tool, tags=list(tags), risk=risk, dry_run=dry_run
    )
    return _verb("ChangeTool", request, agents_pb2.ChangeToolResponse)


def relax(
    store: str,
    tool: str,
    remove_tags: Iterable[str],
    untagged: bool,
    risk: str,
    domain: str,
    request_id: str,
    dry_run: bool,
) -> Request[ToolResult]:
    request = agents_pb2.RelaxToolRequest(
        store=store,
        request_id=request_id_of(request_id),
        tool=tool,
        remove_tags=list(remove_tags),
        untagged=untagged,
        risk=risk,
        domain=domain,
        dry_run=dry_run,
    )
    return _verb("RelaxTool", request, agents_pb2.RelaxToolResponse)


def retire(store: str, tool: str, reason: str, request_id: str, dry_run: bool) -> Request[ToolResult]:
    request = agents_pb2.RetireToolRequest(
        store=store, request_id=request_id_of(request_id), tool=tool, reason=reason, dry_run=dry_run
    )
    return _verb("RetireTool", request, agents_pb2.RetireToolResponse)


def list_page(store: str, at_least: str, limit: int, cursor: str) -> Request[ToolPage]:
    request = agents_pb2.ListToolsRequest(store=store, consistency=consistency_of(at_least), limit=limit, cursor=cursor)
    return Request(
        "/remit.v1.Agents/ListTools",
        request,
        agents_pb2.ListToolsResponse,
        lambda answer: ToolPage(tuple(map(decode_tool, answer.tools)), answer.next_cursor, answer.token),
        is_repeatable=True,
    )


def describe(store: str, tool: str, at_least: str) -> Request[ToolDescription]:
    request = agents_pb2.DescribeToolRequest(store=store, consistency=consistency_of(at_least), tool=tool)
    return Request(
        "/remit.v1.Agents/DescribeTool",
        request,
        agents_pb2.DescribeToolResponse,
        decode_description,
        is_repeatable=True,
    )


def _verb(name: str, request: Any, response: type[Any]) -> Request[ToolResult]:
    return Request(
        f"/remit.v1.Agents/{name}",
        request,
        response,
        lambda answer: ToolResult(answer.token, decode_tool(answer.tool)),
        is_repeatable=True,
    )
