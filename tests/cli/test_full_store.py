"""Law: a server that was filled, and killed while it was full, is brought back as operations.md says, word for word."""

from __future__ import annotations

import itertools
import random
import signal
from pathlib import Path

import pytest

from remit.client import Client, RemoteError
from remit.client.channel import options_of
from tests.support.cli_shell import Shell, serving

SCHEMA = "definition user {} definition run { relation held: user } definition doc { relation viewer: user | run }"


def fill(client: Client) -> None:
    chance = random.Random(7)
    for size in (300, 10, 1):
        for number in itertools.count():
            lines = [f"doc:{size}-{number}#viewer@run:{chance.randrange(10**9)}" for _ in range(size)]
            try:
                client.touch(*lines)
            except RemoteError as error:
                assert error.reason == "STORE_FULL"
                break


def test_a_full_server_is_stopped_from_and_brought_back_as_is_written(
    tmp_path: Path, bare_shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("--data", str(tmp_path / "data"), "--store-bytes-max", "2MiB")
    # Without keys a caller is a connection, which gRPC would give to the next client once the one before has left it.
    alone = ("grpc.use_local_subchannel_pool", 1)
    monkeypatch.setattr("remit.client.sync.connection.options_of", lambda endpoint: [*options_of(endpoint), alone])
    with serving(*arguments) as (said, process):
        with Client(str(said["serving"])) as client:
            client.create_store("scratch")
            for store in ("default", "scratch"):
                with Client(str(said["serving"]), store=store) as each:
                    each.write_schema(SCHEMA)
            with Client(str(said["serving"]), store="scratch") as scratch:
                scratch.touch(*(f"doc:{number}#viewer@run:r-{number}" for number in range(1_000)))
            fill(client)
        with Client(str(said["serving"])) as warden:
            warden.touch("run:r-7#held@user:anne")
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=60)

    with serving(*arguments) as (said, process):
        monkeypatch.setenv("REMIT_ENDPOINT", str(said["serving"]))
        assert bare_shell("check", "run:r-7#held@user:anne").code == 0
        many = [f"doc:x#viewer@user:{number}" for number in range(100)]
        refused = bare_shell("touch", *many)
        assert refused.code != 0
        assert "(STORE_FULL)" in refused.err
        assert bare_shell("touch", "run:r-8#held@user:anne").code == 0
        assert bare_shell("delete", "run:r-8#held@user:anne").code == 0
        assert bare_shell("store", "backup", "default", str(tmp_path / "default.remit-backup")).code == 0
        gone = bare_shell("delete", "--filter", "doc#viewer@run")
        assert gone.code == 0, gone.err
        assert bare_shell("store", "delete", "scratch", "--yes").code == 0
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)

    # A fresh directory takes the backup of a full store.
    with serving("--data", str(tmp_path / "fresh"), "--store-bytes-max", "64MiB") as (said, _):
        monkeypatch.setenv("REMIT_ENDPOINT", str(said["serving"]))
        restored = bare_shell("store", "restore", "copy", str(tmp_path / "default.remit-backup"))
        assert restored.code == 0, restored.err
        assert bare_shell("--store", "copy", "check", "run:r-7#held@user:anne").code == 0

    # At its bound a restore is refused whole, and leaves nothing that is seen.
    with serving("--data", str(tmp_path / "small"), "--store-bytes-max", "1MiB") as (said, _):
        monkeypatch.setenv("REMIT_ENDPOINT", str(said["serving"]))
        refused = bare_shell("store", "restore", "copy", str(tmp_path / "default.remit-backup"))
        assert "(STORE_FULL)" in refused.err
        assert "copy" not in bare_shell("store", "list").out
