"""An agent and a version as they stand: what their facts and their records come to.

Law: whoever describes them, within a verb or in a list, says the same of the same state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from remit.engine.agents.ceiling_record import Ceilings, read_ceilings
from remit.engine.agents.lifecycles import ABSENT
from remit.engine.record_kinds import SWEPT
from remit.model import ObjectRef, Qualifiers, SubjectRef
from remit.notation import parse_time

AGENT_RECORD, VERSION_RECORD, CERTIFICATION = "agent", "version", "certification"

TERMINATED, REGISTERED, UNREGISTERED = "terminated", "registered", "unregistered"
ADDED, CERTIFIED = "added", "certified"


class StateView(Protocol):
    """What of a store a description is made of: within a verb its `Scene`, in a list what is pinned."""

    def edges(self, resource: ObjectRef, relation: str) -> Sequence[tuple[SubjectRef, Qualifiers]]: ...

    def is_known(self, object: ObjectRef) -> bool: ...

    def document(self, kind: str, object: ObjectRef) -> dict[str, Any] | None: ...

    def has_record(self, kind: str, object: ObjectRef) -> bool: ...


@dataclass(frozen=True, slots=True)
class AgentState:
    """An agent as it stands. `is_owned`: an owner is there now. Who registered it and when is None and "" where it was
    written as facts; times are microseconds since the epoch."""

    id: str
    state: str
    owners: tuple[SubjectRef, ...]
    is_owned: bool
    domain: ObjectRef | None
    ceilings: Ceilings
    registered_by: str = ""
    registered_at_us: int | None = None


@dataclass(frozen=True, slots=True)
class Digests:
    """By what a version is known. "": not said."""

    model: str = ""
    prompt: str = ""
    tools: str = ""

    def differing(self, other: Digests) -> tuple[str, ...]:
        """The names of those that are others."""
        return tuple(name for name in self.__slots__ if getattr(self, name) != getattr(other, name))


@dataclass(frozen=True, slots=True)
class VersionState:
    """A version as it stands. `differs`: in what it is another than the one it is `like`. `certified_until_us`: None
    where it is not certified, or where facts say so without an end."""

    id: str
    agent: str
    state: str
    digests: Digests
    like: str = ""
    differs: tuple[str, ...] = ()
    certified_by: str = ""
    certified_until_us: int | None = None
    added_by: str = ""
    added_at_us: int | None = None


def agent_state(view: StateView, agent: ObjectRef) -> str:
    """Of the table `AGENT`."""
    if view.edges(agent, "terminated") or view.has_record(SWEPT, agent):
        return TERMINATED
    if view.edges(agent, "registered"):
        return REGISTERED
    return UNREGISTERED if view.is_known(agent) else ABSENT


def version_state(view: StateView, version: ObjectRef) -> str:
    """Of the table `VERSION`. What is a version of nothing was not added yet, whatever else is said of it."""
    if view.edges(version, "terminated") or view.has_record(SWEPT, version):
        return TERMINATED
    if not view.edges(version, "version_of"):
        return ABSENT
    return CERTIFIED if view.edges(version, "certified") else ADDED


def agent_of(view: StateView, version: ObjectRef) -> ObjectRef | None:
    """Of which agent it is a version."""
    return next((subject.object for subject, _ in view.edges(version, "version_of")), None)


def describe_agent(view: StateView, agent: ObjectRef, *, is_owned: bool) -> AgentState:
    document = view.document(AGENT_RECORD, agent) or {}
    return AgentState(
        agent.id,
        agent_state(view, agent),
        tuple(sorted(subject for subject, _ in view.edges(agent, "owner"))),
        is_owned,
        next((subject.object for subject, _ in view.edges(agent, "domain")), None),
        read_ceilings(document),
        document.get("by", ""),
        parse_time(document["at"]) if "at" in document else None,
    )


def describe_version(view: StateView, version: ObjectRef) -> VersionState:
    document = view.document(VERSION_RECORD, version) or {}
    agent = agent_of(view, version)
    ends = [qualifiers.expiration_us for _, qualifiers in view.edges(version, "certified")]
    certified = (view.document(CERTIFICATION, version) or {}) if ends else {}
    return VersionState(
        version.id,
        agent.id if agent is not None else "",
        version_state(view, version),
        Digests(**document.get("digests", {})),
        document.get("like", ""),
        tuple(document.get("differs", ())),
        certified.get("by", ""),
        None if None in ends else max((end for end in ends if end is not None), default=None),
        document.get("by", ""),
        parse_time(document["at"]) if "at" in document else None,
    )
