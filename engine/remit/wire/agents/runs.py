"""Runs, their chains and what is below them, as protobuf. Law: what is decoded is what was encoded."""

from __future__ import annotations

from remit.engine.agents.lineage import ChainLink, RunBelow
from remit.engine.agents.run_requests import SpawnOrder
from remit.engine.agents.run_states import RunLife, RunState
from remit.v1 import agents_pb2
from remit.wire.facts import decode_object, encode_object
from remit.wire.values import decode_time, encode_time, unknown_enum

_LIVES = {
    RunLife.LIVE: agents_pb2.RUN_LIFE_LIVE,
    RunLife.OVER: agents_pb2.RUN_LIFE_OVER,
    RunLife.TERMINATED: agents_pb2.RUN_LIFE_TERMINATED,
}
_LIVES_BY_NUMBER: dict[int, RunLife] = {number: life for life, number in _LIVES.items()}


def decode_order(request: agents_pb2.SpawnRequest) -> SpawnOrder:
    """Raises InvalidReference."""
    return SpawnOrder(
        decode_object(request.delegator, "delegator"),
        request.version,
        tuple(request.profiles),
        request.intent,
        dict(request.bindings),
        request.lifetime_s,
        request.session,
    )


def encode_run(run: RunState) -> agents_pb2.RunState:
    message = agents_pb2.RunState(
        id=run.id,
        delegator=encode_object(run.delegator),
        version=run.version,
        profiles=run.profiles,
        intent=run.intent,
        bindings=run.bindings,
        life=_LIVES[run.life],
        holds=run.holds,
        credential=run.credential,
        spawned_by=run.spawned_by,
    )
    if run.spawned_at_us is not None:
        message.spawned_at.CopyFrom(encode_time(run.spawned_at_us))
    if run.ends_at_us is not None:
        message.ends_at.CopyFrom(encode_time(run.ends_at_us))
    return message


def decode_run(message: agents_pb2.RunState) -> RunState:
    """Raises InvalidReference, InvalidArgument."""
    life = _LIVES_BY_NUMBER.get(message.life)
    if life is None:
        raise unknown_enum(message.life, "life", "LIVE, OVER or TERMINATED")
    return RunState(
        message.id,
        decode_object(message.delegator, "delegator"),
        message.version,
        tuple(message.profiles),
        message.intent,
        dict(message.bindings),
        life,
        tuple(message.holds),
        message.credential,
        message.spawned_by,
        decode_time(message.spawned_at, "spawned_at") if message.HasField("spawned_at") else None,
        decode_time(message.ends_at, "ends_at") if message.HasField("ends_at") else None,
    )


def encode_link(link: ChainLink) -> agents_pb2.ChainLink:
    return agents_pb2.ChainLink(object=encode_object(link.object), live=link.is_live, holds=link.holds)


def decode_link(message: agents_pb2.ChainLink) -> ChainLink:
    """Raises InvalidReference."""
    return ChainLink(decode_object(message.object, "object"), message.live, tuple(message.holds))


def encode_below(below: RunBelow) -> agents_pb2.RunBelow:
    return agents_pb2.RunBelow(run=encode_run(below.run), depth=below.depth, cut=below.is_cut)


def decode_below(message: agents_pb2.RunBelow) -> RunBelow:
    """Raises InvalidReference, InvalidArgument."""
    return RunBelow(decode_run(message.run), message.depth, message.cut)
