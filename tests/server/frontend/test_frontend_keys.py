"""Keys at the door: who may ask is who may ask in Python, from the very moment Python knows it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest

from remit.access.key_file import changing_keys
from remit.access.keyring import KeyRing
from remit.access.keys import Keys, Right
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
    """A server behind a front door that asks for keys, and how to make and revoke them."""

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
def guarded(folder: Path) -> Iterator[Guarded]:
    clock = ManualClock(NOW_US)
    store = MemoryStore(clock_us=clock.now_us)
    for name in ("default", "other"):
        store.create(name)
    engine = Engine(store, clock)
    for name in ("default", "other"):
        engine.write_schema(name, SCHEMA)
        engine.write(name, [Update(Operation.TOUCH, parse_relationship("folder:top#viewer@user:ann"))])
    path = folder / "keys.json"
    ring = KeyRing(path, clock.now_us, required=False)
    with BackgroundServer(engine, keys=ring, frontend=FrontendChoice.ON) as server:
        yield Guarded(server, path, clock)
    engine.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Guarded]:
    with guarded(tmp_path) as server:
        yield server


def test_a_key_with_the_right_is_answered_at_the_door_until_it_is_revoked(server: Guarded) -> None:
    key, other = server.make(Right.CHECK), server.make(Right.READ)
    assert server.ask(key) == server.ask(key, scheme="bearer") == "yes"
    assert server.native == (2, 0)
    assert server.ask(other) == "RIGHT_MISSING"
    server.revoke(key)
    assert server.ask(key) == "KEY_UNKNOWN"
    assert server.native == (2, 2)


def test_the_first_key_ends_that_everyone_may_ask(server: Guarded) -> None:
    assert server.ask(None) == "yes"
    key = server.make(Right.CHECK)
    assert server.ask(None) == "KEY_MISSING"
    assert server.ask(key) == "yes"
    assert server.native == (2, 1)


def test_keys_that_are_none_at_all_let_nobody_in(server: Guarded) -> None:
    """A file without a key in it is no invitation, and neither is one that is gone."""
    assert server.ask(None) == "yes"
    with changing_keys(server.path) as change:
        change.keys = Keys()
    server.server.look_at_files()
    assert server.ask(None) == "KEY_MISSING"
    key = server.make(Right.CHECK)
    assert server.ask(key) == "yes"
    server.path.unlink()
    server.server.look_at_files()
    assert server.ask(None) == "KEY_MISSING"
    assert server.ask(key) == "KEY_UNKNOWN"
    assert server.native == (2, 3)


@pytest.mark.parametrize("text", ["", "nonsense", "rk_aaaaaaaa_" + "a" * 59])
def test_a_key_that_is_none_is_refused_in_python_s_words(server: Guarded, text: str) -> None:
    server.make(Right.CHECK)
    assert server.ask(text) in ("KEY_MISSING", "KEY_MISTYPED")


def test_a_store_that_a_key_does_not_see_is_not_there(server: Guarded) -> None:
    key, all_stores = server.make(Right.CHECK), server.make(Right.CHECK, stores=("*",))
    assert server.ask(key, "other") == "STORE_NOT_FOUND" == server.ask(key, "nowhere")
    assert server.ask(all_stores, "other") == "yes"
    assert server.native == (1, 2)


def test_a_key_that_expires_is_refused_from_that_moment_on(server: Guarded) -> None:
    key = server.make(Right.CHECK, expiration_us=NOW_US + 10)
    server.clock.advance_us(9)
    assert server.ask(key) == "yes"
    server.clock.advance_us(1)
    assert server.ask(key) == "KEY_EXPIRED"
    assert server.native == (1, 1)
