"""How a tool stands: what facts say of it, and which descriptor waits to be accepted.

Law: whether a tool is registered, accepted, tagged and rated is told by the facts that answers are made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from remit.engine.agents.lifecycles import ABSENT, TOOL
from remit.engine.agents.scene import Scene, Sight
from remit.engine.record_kinds import DESCRIPTOR
from remit.engine.record_kinds import TOOL as KIND
from remit.errors import ObjectUnknown
from remit.model import ObjectRef, Relationship, RelationshipFilter, StoredRelationship
from remit.notation import checked_id

TYPE = "tool"
ID_LENGTH_MAX = 200
_REGISTERED, _RETIRED = "registered", "retired"


@dataclass(frozen=True, slots=True)
class ToolState:
    """A tool as it stands. `accepted` are digests, the one that was accepted last first; `pending` "" for none;
    `domain` and `risk` "" where there is none."""

    id: str
    is_registered: bool
    is_retired: bool
    domain: str
    risk: str
    tags: tuple[str, ...]
    is_untagged: bool
    accepted: tuple[str, ...]
    pending: str


def tool_of(id: str) -> ObjectRef:
    """Raises InvalidReference."""
    return ObjectRef(TYPE, checked_id(id, field="tool"))


def state_of(sight: Sight, tool: ObjectRef) -> ToolState:
    """Of one that nobody has heard of too: it is neither registered nor retired."""
    document = sight.document(KIND, tool) or {}
    accepted = sorted(
        (each for each in _rows(sight, tool, "descriptor") if each.relationship.qualifiers.counts_at(sight.now_us)),
        key=lambda each: (-each.provenance.revision, each.relationship.subject.id),
    )
    return ToolState(
        tool.id,
        sight.has(tool, _REGISTERED),
        "retired_at" in document,
        next((each.subject.id for each in sight.related(tool, "domain")), ""),
        next((each.subject.id for each in sight.related(tool, "risk")), ""),
        tuple(each.subject.id for each in sight.related(tool, "tag")),
        sight.has(tool, "untagged"),
        tuple(each.relationship.subject.id for each in accepted),
        str(document.get("pending", "")),
    )


def required(scene: Scene, tool: ObjectRef, event: str) -> ToolState:
    """The tool, in a state in which the verb is possible. Raises ObjectUnknown, LifecycleRefused."""
    state = state_of(scene, tool)
    now = _RETIRED if state.is_retired else _REGISTERED if state.is_registered else ABSENT
    if now == ABSENT and event != "RegisterTool":
        raise unknown_tool(tool)
    TOOL.after(now, event, tool)
    return state


def unknown_tool(tool: ObjectRef) -> ObjectUnknown:
    return ObjectUnknown(f"`{tool}` is not registered: look at how it is spelt", field="tool", object=tool)


def _rows(sight: Sight, tool: ObjectRef, relation: str) -> Iterator[StoredRelationship]:
    filter = RelationshipFilter(resource_type=tool.type, resource_id=tool.id, relation=relation)
    return sight.scanning.matching(sight.view, filter, "tool")


def stored_of(scene: Scene, tool: ObjectRef, relation: str) -> Iterator[Relationship]:
    """What is there, over or not."""
    return (each.relationship for each in _rows(scene, tool, relation))


def document_of(sight: Sight, digest: str) -> bytes | None:
    stored = sight.record(DESCRIPTOR, ObjectRef(DESCRIPTOR, digest))
    return stored.record.document if stored is not None else None
