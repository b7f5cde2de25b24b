"""A server that asks for keys, on memory with a few stores, and plain gRPC to ask it with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from remit.access.key_file import changing_keys
from remit.access.keyring import KeyRing
from remit.access.keys import Right
from remit.engine.clock import ManualClock
from remit.engine.facade import Engine
from remit.model import Operation, Update
from remit.notation import parse_relationship
from remit.server.limits.serve_limits import DEFAULT_LIMITS, ServeLimits
from remit.server.run.background import BackgroundServer
from remit.store.memory import MemoryStore
from tests.support.serving import NOW_US, SCHEMA
from tests.support.verb_requests import prepare, register_credential


@dataclass(frozen=True, slots=True)
class Refusal:
    """What came instead of an answer. `shown` is all of it: message, metadata, details."""

    code: grpc.StatusCode
    reason: str
    message: str
    shown: str


@dataclass(frozen=True, slots=True)
class Keyed:
    """A running server, its keys file and its clock."""

    server: BackgroundServer
    path: Path
    clock: ManualClock
    engine: Engine
    held: dict[tuple[Right, tuple[str, ...]], str] = field(default_factory=dict)

    def holding(self, right: Right, stores: Sequence[str]) -> str:
        """The text of a key with that right alone, made when it is first asked for."""
        asked = right, tuple(stores)
        if asked not in self.held:
            self.held[asked] = self.make(right, stores=stores)
        return self.held[asked]

    def make(self, *rights: Right, stores: Sequence[str] = ("own",), principal: str = "tester", **parts: Any) -> str:
        """The text of a new key, which the server has read."""
        with changing_keys(self.path) as change:
            change.keys, _, text = change.keys.with_new(
                principal=principal, stores=stores, rights=rights, now_us=self.clock.now_us(), **parts
            )
        self.server.look_at_files()
        for store in ("own", "other"):
            register_credential(self.engine, store, text[3:11])
        return text

    def revoke(self, text: str) -> None:
        with changing_keys(self.path) as change:
            change.keys = change.keys.without(text[3:11])
        self.server.look_at_files()


@contextmanager
def keyed_server(
    folder: Path, http: str | None = None, limits: ServeLimits = DEFAULT_LIMITS, *, http_api: bool = False
) -> Iterator[Keyed]:
    """The keys file is there, and holds a key that nobody has."""
    clock = ManualClock(NOW_US)
    store = MemoryStore(clock_us=clock.now_us)
    for name in ("default", "own", "other", "doomed"):
        store.create(name)
    engine = Engine(store, clock)
    fact = parse_relationship("folder:kept#viewer@user:ann")
    engine.schemas.write("default", SCHEMA)
    for name in ("own", "other"):
        prepare(engine, name)
        engine.relationships.write(name, [Update(Operation.TOUCH, fact)])
    path = folder / "keys.json"
    with changing_keys(path) as change:
        change.keys, _, _ = change.keys.with_new(
            principal="nobody", stores=["own"], rights=[Right.AUDIT], now_us=NOW_US
        )
    with BackgroundServer(
        engine, http=http, http_api=http_api, limits=limits, keys=KeyRing(path, clock.now_us)
    ) as server:
        yield Keyed(server, path, clock, engine)
    engine.close()


def ask(
    channel: grpc.Channel,
    path: str,
    messages: Message | Iterable[Message],
    text: str | None = None,
    metadata: Sequence[tuple[str, str]] = (),
) -> Refusal | bytes | None:
    """The first answer of a call, whatever kind it is, or what came instead; None where a stream ended without one."""
    if text is not None:
        metadata = (*metadata, ("authorization", f"Bearer {text}"))
    requests = [messages] if isinstance(messages, Message) else list(messages)
    # To gRPC each kind of call is a stream both ways.
    call = channel.stream_stream(path)(iter([each.SerializeToString() for each in requests]), 20, metadata=metadata)
    try:
        return cast(bytes | None, next(call, None))
    except grpc.RpcError as error:
        return refusal_of(error)
    finally:
        call.cancel()


def refusal_of(error: grpc.RpcError) -> Refusal:
    call = cast(Any, error)
    trailers = {key: value for key, value in call.trailing_metadata() or () if key != "x-request-id"}
    info, status = error_details_pb2.ErrorInfo(), status_pb2.Status()
    status.ParseFromString(trailers.get("grpc-status-details-bin", b""))
    for detail in status.details:
        detail.Unpack(info)
    return Refusal(call.code(), info.reason, call.details(), f"{sorted(trailers)} {status}")
