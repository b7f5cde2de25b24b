"""Keys at the frontend: who may ask is who may ask in Python, from the very moment Python knows it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from remit.access.key_file import changing_keys
from remit.access.keys import Keys, Right
from remit.server.frontend.frontend import FrontendChoice
from remit.v1 import permissions_pb2
from tests.support.guarded import Guarded, guarded
from tests.support.ways_in import CHECK, CHECK_BULK, CHECK_MANY, NOW_US, Refused, told


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


@pytest.mark.parametrize("way_in", [FrontendChoice.ON, FrontendChoice.OFF])
def test_who_may_not_ask_is_told_so_whatever_was_sent(tmp_path: Path, way_in: FrontendChoice) -> None:
    """Whoever may is told what is wrong with the message: nobody else learns that anything is."""
    too_many = permissions_pb2.CheckManyRequest(items=[permissions_pb2.CheckItem()] * 1_001).SerializeToString()
    with guarded(tmp_path, way_in) as server, grpc.insecure_channel(server.server.endpoint) as channel:
        may, may_not = server.make(Right.CHECK), server.make(Right.READ)
        for path, data in [(CHECK, b"\xff\xff"), (CHECK_MANY, too_many), (CHECK_MANY, b"\x1a"), (CHECK_BULK, b"\xff")]:
            wrong = told(channel, path, data, [("authorization", f"Bearer {may}")])
            refused = told(channel, path, data, [("authorization", f"Bearer {may_not}")])
            assert isinstance(wrong, Refused) and isinstance(refused, Refused)
            assert wrong.code in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED)
            assert (refused.code, refused.reason) == (grpc.StatusCode.PERMISSION_DENIED, "RIGHT_MISSING")
