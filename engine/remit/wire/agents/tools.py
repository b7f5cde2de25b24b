"""Tools as protobuf. Law: what is decoded is what was encoded."""

from __future__ import annotations

from collections.abc import Iterable

from remit.arguments.differences import Difference, Differences
from remit.engine.agents.tool_reading import ToolDescription
from remit.engine.agents.tool_states import ToolState
from remit.v1 import agents_pb2


def encode_tool(tool: ToolState) -> agents_pb2.ToolState:
    return agents_pb2.ToolState(
        id=tool.id,
        registered=tool.is_registered,
        retired=tool.is_retired,
        domain=tool.domain,
        risk=tool.risk,
        tags=tool.tags,
        untagged=tool.is_untagged,
        accepted=tool.accepted,
        pending=tool.pending,
    )


def decode_tool(message: agents_pb2.ToolState) -> ToolState:
    return ToolState(
        message.id,
        message.registered,
        message.retired,
        message.domain,
        message.risk,
        tuple(message.tags),
        message.untagged,
        tuple(message.accepted),
        message.pending,
    )


def encode_description(description: ToolDescription) -> agents_pb2.DescribeToolResponse:
    return agents_pb2.DescribeToolResponse(
        tool=encode_tool(description.tool),
        accepted=description.accepted or b"",
        pending=description.pending or b"",
        differences=_encoded(description.differences.found),
        differences_left_off=not description.differences.is_complete,
        token=description.token,
    )


def decode_description(message: agents_pb2.DescribeToolResponse) -> ToolDescription:
    found = tuple(
        Difference(
            each.pointer,
            each.before if each.HasField("before") else None,
            each.after if each.HasField("after") else None,
        )
        for each in message.differences
    )
    return ToolDescription(
        decode_tool(message.tool),
        message.accepted or None,
        message.pending or None,
        Differences(found, not message.differences_left_off),
        message.token,
    )


def _encoded(found: Iterable[Difference]) -> list[agents_pb2.DescriptorDifference]:
    return [
        agents_pb2.DescriptorDifference(pointer=each.pointer, before=each.before, after=each.after) for each in found
    ]
