"""Agents and their versions as protobuf. Law: what is decoded is what was encoded."""

from __future__ import annotations

from collections.abc import Iterable

from remit.engine.agents.ceiling_record import NO_CEILINGS, Ceilings
from remit.engine.agents.descriptions import AgentState, Digests, VersionState
from remit.engine.agents.versions import Snapshot
from remit.model import ObjectRef, SubjectRef
from remit.notation import checked_id
from remit.v1 import agents_pb2, core_pb2
from remit.wire.facts import decode_object, decode_subject, encode_object, encode_subject
from remit.wire.values import decode_time, encode_time

# --- agents -----------------------------------------------------------------------------------------------------


def decode_owners(messages: Iterable[core_pb2.SubjectReference]) -> tuple[SubjectRef, ...]:
    """Raises InvalidReference."""
    return tuple(decode_subject(each, f"owners[{index}]") for index, each in enumerate(messages))


def encode_ceilings(ceilings: Ceilings) -> agents_pb2.Ceilings:
    return agents_pb2.Ceilings(
        depth_max=ceilings.depth_max,
        fan_out_max=ceilings.fan_out_max,
        lifetime_max_s=ceilings.lifetime_max_s,
        profiles=ceilings.profiles,
    )


def decode_ceilings(message: agents_pb2.Ceilings) -> Ceilings:
    return Ceilings(message.depth_max, message.fan_out_max, message.lifetime_max_s, tuple(message.profiles))


def encode_agent(agent: AgentState) -> agents_pb2.AgentState:
    return agents_pb2.AgentState(
        id=agent.id,
        state=agent.state,
        owners=[encode_subject(each) for each in agent.owners],
        owned=agent.is_owned,
        domain=agent.domain.id if agent.domain is not None else "",
        ceilings=encode_ceilings(agent.ceilings) if agent.ceilings != NO_CEILINGS else None,
        registered_by=agent.registered_by,
        registered_at=encode_time(agent.registered_at_us) if agent.registered_at_us is not None else None,
    )


def decode_agent(message: agents_pb2.AgentState) -> AgentState:
    """Raises InvalidReference, InvalidArgument."""
    return AgentState(
        message.id,
        message.state,
        decode_owners(message.owners),
        message.owned,
        ObjectRef("domain", checked_id(message.domain, field="domain")) if message.domain else None,
        decode_ceilings(message.ceilings),
        message.registered_by,
        decode_time(message.registered_at, "registered_at") if message.HasField("registered_at") else None,
    )


# --- versions ---------------------------------------------------------------------------------------------------


def encode_digests(digests: Digests) -> agents_pb2.Digests:
    return agents_pb2.Digests(model=digests.model, prompt=digests.prompt, tools=digests.tools)


def decode_digests(message: agents_pb2.Digests) -> Digests:
    return Digests(message.model, message.prompt, message.tools)


def encode_version(version: VersionState) -> agents_pb2.VersionState:
    until_us, added_at_us = version.certified_until_us, version.added_at_us
    return agents_pb2.VersionState(
        id=version.id,
        agent=version.agent,
        state=version.state,
        digests=encode_digests(version.digests),
        like=version.like,
        differs=version.differs,
        certified_by=version.certified_by,
        certified_until=encode_time(until_us) if until_us is not None else None,
        added_by=version.added_by,
        added_at=encode_time(added_at_us) if added_at_us is not None else None,
    )


def decode_version(message: agents_pb2.VersionState) -> VersionState:
    """Raises InvalidArgument."""
    return VersionState(
        message.id,
        message.agent,
        message.state,
        decode_digests(message.digests),
        message.like,
        tuple(message.differs),
        message.certified_by,
        decode_time(message.certified_until, "certified_until") if message.HasField("certified_until") else None,
        message.added_by,
        decode_time(message.added_at, "added_at") if message.HasField("added_at") else None,
    )


def encode_snapshot(snapshot: Snapshot) -> agents_pb2.Snapshot:
    return agents_pb2.Snapshot(
        revision=snapshot.revision,
        tools=snapshot.tools,
        datasets=snapshot.datasets,
        if_called=[encode_object(each) for each in snapshot.if_called],
        complete=snapshot.complete,
    )


def decode_snapshot(message: agents_pb2.Snapshot) -> Snapshot:
    """Raises InvalidReference."""
    return Snapshot(
        message.revision,
        tuple(message.tools),
        tuple(message.datasets),
        tuple(decode_object(each, "if_called") for each in message.if_called),
        message.complete,
    )
