"""The service Stores: make, list and remove whole stores, copy them out and in, and say who asks.

Law: nobody is told of a store their key does not see (see `rights`); a restore that does not finish leaves nothing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from concurrent.futures import Future

import remit
from remit.access.keys import ALL_RIGHTS, ALL_STORES, right_names
from remit.engine.copies import Restore
from remit.engine.facade import Engine
from remit.errors import LimitExceeded
from remit.model import DEFAULT_STORE
from remit.server.call import Call
from remit.server.streams import Stream, only_request
from remit.server.verb import Queue
from remit.v1 import stores_pb2
from remit.wire.stores import CHUNK_BYTES, CHUNK_BYTES_MAX, encode_store
from remit.wire.values import encode_time


def create_store(engine: Engine, request: stores_pb2.CreateStoreRequest, call: Call) -> stores_pb2.CreateStoreResponse:
    return stores_pb2.CreateStoreResponse(store=encode_store(engine.stores.create(request.name)))


def list_stores(engine: Engine, request: stores_pb2.ListStoresRequest, call: Call) -> stores_pb2.ListStoresResponse:
    """Those the caller's key sees, and no others."""
    seen = [encode_store(info) for info in engine.stores.list() if call.sees(info.name)]
    return stores_pb2.ListStoresResponse(stores=seen)


def delete_store(engine: Engine, request: stores_pb2.DeleteStoreRequest, call: Call) -> stores_pb2.DeleteStoreResponse:
    engine.stores.delete(request.name)
    return stores_pb2.DeleteStoreResponse()


def who_am_i(engine: Engine, request: stores_pb2.WhoAmIRequest, call: Call) -> stores_pb2.WhoAmIResponse:
    """Of a server without keys: everyone is `local` and holds every right."""
    key = call.key
    response = stores_pb2.WhoAmIResponse(
        principal=call.caller.principal,
        key_id=key.id if key is not None else "",
        stores=sorted(key.stores) if key is not None else [ALL_STORES],
        rights=right_names(key.rights if key is not None else ALL_RIGHTS),
        version=remit.__version__,
    )
    if key is not None and key.expiration_us is not None:
        response.expiration.CopyFrom(encode_time(key.expiration_us))
    return response


async def backup(
    engine: Engine, requests: AsyncIterator[stores_pb2.BackupRequest], stream: Stream
) -> AsyncGenerator[stores_pb2.BackupResponse, None]:
    """The store is copied before anything is sent: a reader may be slow, an open view may not (see `copies`)."""
    request = await only_request(requests)
    with contextlib.closing(engine.stores.backup(request.name or DEFAULT_STORE)) as copy:
        token = await stream.run_heavy(Queue.READS, copy.take, stream.call.interrupt)
        while data := await stream.run(copy.read, CHUNK_BYTES):
            yield stores_pb2.BackupResponse(chunk=data, token=token)
            token = ""


async def restore(
    engine: Engine, requests: AsyncIterator[stores_pb2.RestoreRequest], stream: Stream
) -> AsyncGenerator[stores_pb2.RestoreResponse, None]:
    """A reader of the backup sends as fast as the disk takes it: the next message is read when this one is written."""
    first = await only_request(requests)
    with contextlib.closing(engine.stores.restore(first.name, stream.call.interrupt)) as restoring:
        await stream.run(restoring.begin)
        await _feed(restoring, _chunk(first), stream)
        async for request in requests:
            await _feed(restoring, _chunk(request), stream)
        # All of it is read into memory, as a backup reads all of a store.
        info = await stream.run_heavy(Queue.READS, restoring.finish)
        yield stores_pb2.RestoreResponse(store=encode_store(info))


async def _feed(restoring: Restore, chunk: bytes, stream: Stream) -> None:
    """Each piece is read where heavy writes are, and its schema where schemas are; on its way to the disk it has no
    thread."""
    pieces = restoring.pieces(chunk)
    while (written := await _step(restoring, pieces, stream)) is not None:
        await asyncio.wrap_future(written)


async def _step(restoring: Restore, pieces: Iterator[Future[None]], stream: Stream) -> Future[None] | None:
    if restoring.is_at_schema:
        return await stream.run_schema(next, pieces, None)
    return await stream.run_heavy(Queue.WRITES, next, pieces, None)


def _chunk(request: stores_pb2.RestoreRequest) -> bytes:
    if len(request.chunk) > CHUNK_BYTES_MAX:
        raise LimitExceeded(
            f"a chunk has {len(request.chunk)} bytes, more than the {CHUNK_BYTES_MAX} allowed: send it in parts",
            field="chunk",
            limit=CHUNK_BYTES_MAX,
            given=len(request.chunk),
        )
    return request.chunk
