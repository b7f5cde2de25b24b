"""A server that asks for keys, behind a frontend or without one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc

from remit.access.key_file import changing_keys
from remit.access.keyring import KeyRing
from remit.access.keys import Right
from remit.engine.clock import ManualClock
from remit.engine.facade import Engine
from remit.model import Operation, Update
from remit.notation import parse_relationship
from remit.server.frontend.frontend import FrontendChoice
from remit.server.run.background import BackgroundServer
from remit.store.memory import MemoryStore
from remit.v1 import core_pb2, permissions_pb2
from tests.support.ways_in import CHECK, NOW_US, SCHEMA, Refused, told


class Guarded:
    """A server that asks for keys, and how to make and revoke them."""

    def __init__(self, server: BackgroundServer, path: Path, clock: ManualClock) -> None:
        self.server = server
        self.path = path
        self.clock = clock

    def make(self, *rights: Right, stores: tuple[str, ...] = ("default",), expiration_us: int | None = None) -> str:
        with changing_keys(self.path) as change:
            change.keys, _, text = change.keys.with_new(
                principal="tester", stores=stores, rights=rights, now_us=NOW_US, expiration_us=expiration_us
            )
        self.server.look_at_files()
        return text

    def revoke(self, text: str) -> None:
        with changing_keys(self.path) as change:
            change.keys = change.keys.without(text[3:11])
        self.server.look_at_files()

    def ask(self, text: str | None, store: str = "", scheme: str = "Bearer") -> str:
        """`yes`, or the reason of a refusal."""
        request = permissions_pb2.CheckRequest(
            store=store,
            resource=core_pb2.ObjectReference(type="folder", id="top"),
            permission="view",
            subject=core_pb2.SubjectReference(object=core_pb2.ObjectReference(type="user", id="ann")),
        )
        metadata = [("authorization", f"{scheme} {text}")] if text is not None else []
        with grpc.insecure_channel(self.server.endpoint) as channel:
            answer = told(channel, CHECK, request.SerializeToString(), metadata)
        if isinstance(answer, Refused):
            return answer.reason
        assert permissions_pb2.CheckResponse.FromString(answer).verdict == core_pb2.VERDICT_YES
        return "yes"

    @property
    def native(self) -> tuple[int, int]:
        """Answered at the door, and left to Python."""
        assert self.server.server.frontend is not None
        [check] = [each for each in self.server.server.frontend.verbs() if each.verb == "Check"]
        return check.yes + check.no, check.elsewhere


@contextmanager
def guarded(folder: Path, frontend: FrontendChoice = FrontendChoice.ON) -> Iterator[Guarded]:
    clock = ManualClock(NOW_US)
    store = MemoryStore(clock_us=clock.now_us)
    for name in ("default", "other"):
        store.create(name)
    engine = Engine(store, clock)
    for name in ("default", "other"):
        engine.schemas.write(name, SCHEMA)
        engine.relationships.write(name, [Update(Operation.TOUCH, parse_relationship("folder:top#viewer@user:ann"))])
    path = folder / "keys.json"
    ring = KeyRing(path, clock.now_us, required=False)
    with BackgroundServer(engine, keys=ring, frontend=frontend) as server:
        yield Guarded(server, path, clock)
    engine.close()
