"""Watch, of the service Relationships, and WatchPermission, of the service Permissions: every change of a store, or of
who has a permission, as it happens, for as long as the caller listens.

Law: what was given can be gone on after: `Stream.resume` says where, whatever ends the stream."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import TypeVar

from remit.engine.facade import Engine
from remit.engine.permission_watching import Made, PermissionsTold, PermissionWatch
from remit.engine.watching import Watch, Watched
from remit.errors import InvalidArgument
from remit.model import WatchedPermission
from remit.notation import format_time
from remit.server.streams import Stream, only_request
from remit.server.verb import Queue
from remit.v1 import permissions_pb2, relationships_pb2
from remit.wire.facts import decode_filter, decode_permission, decode_type
from remit.wire.permission_updates import encode_permission_checkpoint, encode_permissions_told
from remit.wire.values import decode_time
from remit.wire.watching import encode_checkpoint, encode_watched

T = TypeVar("T")

CHECKPOINT_MS = 10_000
CHECKPOINT_MS_MIN = 100
DUE_S_MIN = 0.005  # where the server's clock stands still, because the machine's was set back, nobody spins on it


async def watch(
    engine: Engine, requests: AsyncIterator[relationships_pb2.WatchRequest], stream: Stream
) -> AsyncGenerator[bytes, None]:
    """Begins with a checkpoint: where it stands, and that the request was understood."""
    request = await only_request(requests)
    checkpoint_s = _checkpoint_s(request.checkpoint_interval_ms)
    filters = [decode_filter(message, f"filters[{number}]") for number, message in enumerate(request.filters)]
    watching = engine.streams.watch(request.store, _message_of, after=request.after, filters=filters)
    clock = asyncio.get_running_loop().time
    checkpoint_due_s = clock()
    async with contextlib.aclosing(told_in_turns(watching, stream, lambda: checkpoint_due_s)) as turns:
        async for messages in turns:
            for token, data in messages:
                stream.will_resume(**({"token": token} if token else {}))
                yield data
            if messages:
                checkpoint_due_s = clock() + checkpoint_s
            elif clock() >= checkpoint_due_s:
                stream.will_resume(token=watching.token)
                yield encode_checkpoint(watching.token).SerializeToString()
                checkpoint_due_s = clock() + checkpoint_s


async def watch_permission(
    engine: Engine, requests: AsyncIterator[permissions_pb2.WatchPermissionRequest], stream: Stream
) -> AsyncGenerator[bytes, None]:
    """Begins with a checkpoint: where it stands, and that the request was understood. What a step tells is counted
    among what streams remember, until it was taken."""
    request = await only_request(requests)
    checkpoint_s = _checkpoint_s(request.checkpoint_interval_ms)
    watching = _permission_watch(engine, request)
    clock = asyncio.get_running_loop().time
    with contextlib.closing(watching), stream.commits(watching.store) as committed:
        await stream.run_until_heavy(Queue.READS, watching.require_known, stream.call.interrupt)
        stream.resume |= _place(watching.token, watching.evaluated_at_us)
        checkpoint_due_s = clock()
        told: list[Made] = []
        while True:
            for data, token, evaluated_at_us in told:
                stream.will_resume(**(_place(token, evaluated_at_us) if token else {}))
                yield data
                stream.let_go(len(data))
            if told:
                checkpoint_due_s = clock() + checkpoint_s
            elif clock() >= checkpoint_due_s:
                token, evaluated_at_us = watching.token, watching.evaluated_at_us
                stream.will_resume(**_place(token, evaluated_at_us))
                yield encode_permission_checkpoint(token, evaluated_at_us).SerializeToString()
                checkpoint_due_s = clock() + checkpoint_s
            if watching.is_behind:
                await asyncio.sleep(0)  # others of the loop have their turn, also where nothing was told
            else:
                stream.caught_up()
                due_s = [checkpoint_due_s]
                if (due_in_us := watching.due_in_us) is not None:
                    due_s.append(clock() + max(due_in_us / 1_000_000, DUE_S_MIN))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(min(due_s)):
                        await committed.wait()
            committed.clear()
            told = []
            if not watching.pass_over():
                told = await stream.run_until_heavy(Queue.READS, watching.catch_up, stream.call.interrupt)
                stream.remember(sum(len(each.data) for each in told))


def _permission_watch(engine: Engine, request: permissions_pb2.WatchPermissionRequest) -> PermissionWatch:
    watched = WatchedPermission(
        decode_type(request.resource_type, "resource_type"),
        decode_permission(request.permission),
        decode_type(request.subject_type, "subject_type"),
        decode_permission(request.subject_relation, "subject_relation") if request.subject_relation else "",
    )
    evaluated_at_us = None
    if request.HasField("evaluated_at"):
        evaluated_at_us = decode_time(request.evaluated_at, "evaluated_at")
    return engine.streams.watch_permission(
        request.store, watched, _told_as_bytes, after=request.after, evaluated_at_us=evaluated_at_us
    )


def _told_as_bytes(told: PermissionsTold) -> Made:
    return Made(encode_permissions_told(told).SerializeToString(), told.token, told.evaluated_at_us)


def _place(token: str, evaluated_at_us: int) -> dict[str, str]:
    """Where to go on, as whatever ends the stream tells it."""
    return {"token": token, "evaluated_at": format_time(evaluated_at_us)}


async def told_in_turns(
    watching: Watch[T], stream: Stream, due_s: Callable[[], float | None]
) -> AsyncGenerator[list[T], None]:
    """What a watch tells: first nothing, once it is known that it can go on from where it is to; then what there is, at
    once as long as there is more, else after a commit, or when something else is due (by the event loop's clock). Close
    it."""
    with contextlib.closing(watching), stream.commits(watching.store) as committed:
        if watching.is_behind:
            await stream.run(watching.require_reachable)
        stream.resume["token"] = watching.token
        yield []
        while True:
            committed.clear()
            told = watching.live()
            if told is None:
                told = await stream.run_until_heavy(Queue.READS, watching.catch_up, stream.call.interrupt)
            yield told
            if watching.is_behind:
                await asyncio.sleep(0)  # others of the loop have their turn, also where nothing was told
            else:
                stream.caught_up()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(due_s()):
                        await committed.wait()


def _message_of(watched: Watched) -> tuple[str, bytes]:
    """The token to go on from ("" in a piece that others follow), and the message."""
    return watched.token, encode_watched(watched).SerializeToString()


def _checkpoint_s(interval_ms: int) -> float:
    if 0 < interval_ms < CHECKPOINT_MS_MIN:
        raise InvalidArgument(
            f"a checkpoint every {interval_ms} ms is too often: at least {CHECKPOINT_MS_MIN}, or 0 for {CHECKPOINT_MS}",
            field="checkpoint_interval_ms",
        )
    return (interval_ms or CHECKPOINT_MS) / 1_000
