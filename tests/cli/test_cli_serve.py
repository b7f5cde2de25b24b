"""Laws of `remit serve`: it serves what it was given, leaves alone what was there, and ends when asked to."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from remit.cli.commands.example import EXAMPLE, is_empty, write_example
from remit.client import Client
from remit.engine.clock import ManualClock
from remit.engine.facade import Engine
from remit.store.memory import MemoryStore
from remit.world import World
from tests.support.cli_shell import Shell, serving


def test_a_server_with_the_example_answers_until_it_is_interrupted() -> None:
    with serving("--in-memory", "--with-example") as (said, process):
        assert said["example"] is True
        with Client(str(said["serving"])) as client:
            assert client.check("tool:erp.pay#use@run:r-7")
            assert not client.check("tool:erp.pay#use@run:r-8")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0


def test_what_is_in_a_directory_is_there_again_and_the_example_does_not_touch_it(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with serving("--data", str(data)) as (said, process):
        with Client(str(said["serving"])) as client:
            client.write_schema("definition user {}\ndefinition doc { relation owner: user }")
            client.touch("doc:a#owner@user:zoe")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    with serving("--data", str(data), "--with-example") as (said, process):
        assert said["example"] is False
        with Client(str(said["serving"])) as client:
            assert [str(fact.relationship.key) for fact in client.read()] == ["doc:a#owner@user:zoe"]


def test_two_servers_do_not_share_a_directory(tmp_path: Path, bare_shell: Shell) -> None:
    with serving("--data", str(tmp_path)):
        outcome = bare_shell("serve", "--data", str(tmp_path), "--grpc", "127.0.0.1:0")
        assert outcome.code == 2
        assert "(STORE_LOCKED)" in outcome.err


@pytest.mark.parametrize(
    ("address", "reason"),
    [("0.0.0.0:0", "ADDRESS_REFUSED"), ("nonsense", "INVALID_ARGUMENT")],
)
def test_an_address_that_cannot_be_is_refused(bare_shell: Shell, address: str, reason: str) -> None:
    outcome = bare_shell("serve", "--in-memory", "--grpc", address)
    assert (outcome.code, outcome.out) == (2, "")
    assert f"({reason})" in outcome.err


def test_the_example_is_the_shipped_organisation_and_is_written_once() -> None:
    clock = ManualClock(1_800_000_000_000_000)
    engine = Engine(MemoryStore(clock_us=clock.now_us), clock)
    try:
        assert is_empty(engine)
        world = World.read(EXAMPLE)
        assert write_example(engine) == len(world.relationships) > 0
        assert not is_empty(engine)
        assert engine.schemas.read("").text == world.schema.text
        assert write_example(engine) is None
    finally:
        engine.close()
