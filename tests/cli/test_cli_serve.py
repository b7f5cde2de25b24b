"""Laws of `remit serve`: it serves what it was given, leaves alone what was there, and ends when asked to."""

from __future__ import annotations

import json
import signal
import socket
import urllib.request
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


def test_calls_in_json_are_answered_by_a_process_that_is_told_to() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        http = "{}:{}".format(*free.getsockname())
    with serving("--in-memory", "--http", http, "--http-api") as (said, _), Client(str(said["serving"])) as client:
        asked = urllib.request.Request(
            f"http://{http}/remit.v1.Stores/WhoAmI", b"{}", {"Content-Type": "application/json"}, method="POST"
        )
        with urllib.request.urlopen(asked, timeout=60) as response:
            assert json.load(response)["principal"] == client.who_am_i().principal


def test_calls_in_json_need_an_address(bare_shell: Shell) -> None:
    outcome = bare_shell("serve", "--in-memory", "--grpc", "127.0.0.1:0", "--http-api")
    assert (outcome.code, outcome.out) == (2, "")
    assert "--http" in outcome.err


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
