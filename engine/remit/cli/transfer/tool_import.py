"""Tools on their way into a server: each registered, or what it says now proposed, and told what became of it.

Nothing is accepted here. Semantic types that somebody has added to a tool stay beside its new schema as long as they
fit it: an MCP server does not know them.
Law: an import changes no answer; what is told of a tool is what it would be, or is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from typing import Any

from remit.arguments.differences import Differences, differences
from remit.cli.transfer.described_tools import DescribedTool
from remit.client import Client, ToolDescription
from remit.errors import RemoteError, ToolsUnreadable
from remit.notation import shortened

_NONE = Differences((), True)
# What a server refuses of one tool, and not of the next.
_OF_ONE_TOOL = frozenset(
    {"DESCRIPTOR_INVALID", "DESCRIPTOR_NOT_PENDING", "INVALID_REFERENCE", "LIFECYCLE_REFUSED", "LIMIT_EXCEEDED"}
)


class Outcome(Enum):
    """What became of a tool, in the words of docs/cli.md."""

    NEW = "new"  # it is registered now
    CHANGED = "changed"  # it says another thing than what is accepted or pending, and that is pending now
    PENDING = "pending"  # what it says was pending before
    UNCHANGED = "unchanged"  # what it says is accepted
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class ImportedTool:
    """`differences`: what it says otherwise than what is accepted; of nothing where nothing is. `reason`: why it was
    refused."""

    name: str
    tool: str
    outcome: Outcome
    digest: str = ""
    differences: Differences = _NONE
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Registration:
    """What a tool is registered with that was not there."""

    prefix: str
    domain: str
    tags: Sequence[str]
    is_untagged: bool
    risk: str
    leaves_out_draft: bool
    dry_run: bool


def import_tools(client: Client, tools: Sequence[DescribedTool], given: Registration) -> Iterator[ImportedTool]:
    """Each as it is done. Raises RemoteError where the server refuses more than the one tool."""
    for tool in tools:
        id = tool.id(given.prefix) if not tool.problem else given.prefix + tool.name
        if tool.problem:
            yield ImportedTool(tool.name, id, Outcome.REFUSED, reason=tool.problem)
            continue
        try:
            yield _imported(client, tool, id, given)
        except ToolsUnreadable as error:
            yield ImportedTool(tool.name, id, Outcome.REFUSED, reason=error.message)
        except RemoteError as error:
            if error.reason not in _OF_ONE_TOOL:
                raise
            yield ImportedTool(tool.name, id, Outcome.REFUSED, reason=error.message)


def _imported(client: Client, tool: DescribedTool, id: str, given: Registration) -> ImportedTool:
    known = _known(client, id)
    if known is not None and known.tool.is_retired:
        return ImportedTool(tool.name, id, Outcome.REFUSED, reason="it was retired, and its id is not registered again")
    before = _read(known)
    named = before.get("name")
    if named not in (None, "", tool.name):
        reason = f"`tool:{id}` is registered as the tool named `{shortened(str(named))}`: choose another --prefix"
        return ImportedTool(tool.name, id, Outcome.REFUSED, reason=reason)
    types = tool.types if tool.types is not None else before.get("types")
    try:
        return _sent(client, tool, id, known, given, types)
    except RemoteError as error:
        fits_no_more = error.reason == "DESCRIPTOR_INVALID" and error.metadata.get("pointer", "").startswith("/types")
        if tool.types is not None or not types or not fits_no_more:
            raise
        return _sent(client, tool, id, known, given, None)


def _sent(
    client: Client,
    tool: DescribedTool,
    id: str,
    known: ToolDescription | None,
    given: Registration,
    types: Mapping[str, Any] | None,
) -> ImportedTool:
    document = tool.descriptor(types, leaves_out_draft=given.leaves_out_draft)
    digest = sha256(document).hexdigest()
    if known is None:
        if not given.domain or bool(given.tags) == given.is_untagged:
            reason = "it is new: say where it belongs by --domain, and what it is known for by --tag or --untagged"
            return ImportedTool(tool.name, id, Outcome.REFUSED, digest, reason=reason)
        client.register_tool(
            id,
            domain=given.domain,
            descriptor=document,
            tags=given.tags,
            untagged=given.is_untagged,
            risk=given.risk,
            dry_run=given.dry_run,
        )
        return ImportedTool(tool.name, id, Outcome.NEW, digest)
    if digest in known.tool.accepted:
        outcome = Outcome.UNCHANGED
    else:
        outcome = Outcome.PENDING if digest == known.tool.pending else Outcome.CHANGED
    if outcome is Outcome.CHANGED or (outcome is Outcome.UNCHANGED and known.tool.pending):
        client.propose_descriptor(id, document, dry_run=given.dry_run)
    otherwise = differences(known.accepted, document) if known.accepted is not None else _NONE
    return ImportedTool(tool.name, id, outcome, digest, otherwise)


def _known(client: Client, id: str) -> ToolDescription | None:
    try:
        return client.describe_tool(id)
    except RemoteError as error:
        if error.reason == "OBJECT_UNKNOWN":
            return None
        raise


def _read(known: ToolDescription | None) -> dict[str, Any]:
    """What the tool said last, as far as it was looked at."""
    document = (known.accepted or known.pending) if known is not None else None
    return json.loads(document) if document is not None else {}
