"""A serving process that is killed at any moment, or whose disk is full: what it acknowledged is there, nothing is half
there, the tokens it gave are good, and it goes on."""

from __future__ import annotations

import resource
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest

from remit.client import Client, RemoteError
from remit.engine.clock import SystemClock
from remit.engine.facade import Engine
from remit.engine.tokens import decode_token
from remit.errors import Status
from remit.model import RelationshipFilter
from remit.server.run.background import BackgroundServer
from remit.store.lmdb.lmdb_store import LmdbStore
from tests.support.simulation.process import Served, serving, until

SCHEMA = "definition user {}\ndefinition group {\n\trelation part: user\n}\n"
WRITERS = 4
GROUP_SIZE = 5
PATIENCE_S = 60.0


class Written(NamedTuple):
    """A write that was acknowledged: the `number`-th of its writer, in that round."""

    round: int
    writer: int
    number: int
    token: str


# --- a storm ----------------------------------------------------------------------------------------------------


def group(round: int, writer: int, number: int) -> str:
    return f"group:{round}-{writer}-{number}"


def facts_of(name: str) -> list[str]:
    """What is written, and removed, in one request: there together, or not at all."""
    return [f"{name}#part@user:{part}" for part in range(GROUP_SIZE)]


def step(number: int) -> tuple[bool, int]:
    """What a writer does as its `number`-th write: whether it removes, and which group."""
    return (True, number - 2) if number % 3 == 2 else (False, number)


def left_after(round: int, writer: int, writes: int) -> set[str]:
    """The groups that a writer's first `writes` writes leave."""
    left: set[str] = set()
    for number in range(writes):
        removes, which = step(number)
        (left.discard if removes else left.add)(group(round, writer, which))
    return left


def storm_and_kill(served: Served, round: int, acknowledged_max: int) -> list[Written]:
    """Writers write side by side; after so many acknowledgements, in the midst of others, the process is killed."""
    written: list[Written] = []
    lock = threading.Lock()
    enough = threading.Event()

    def blow(writer: int) -> None:
        with Client(served.endpoint, timeout_s=PATIENCE_S) as client:
            number = 0
            while True:
                removes, which = step(number)
                try:
                    token = (client.delete if removes else client.touch)(*facts_of(group(round, writer, which)))
                except RemoteError as error:
                    assert error.status is Status.UNAVAILABLE, error
                    return
                with lock:
                    written.append(Written(round, writer, number, token))
                    if len(written) >= acknowledged_max:
                        enough.set()
                number += 1

    with ThreadPoolExecutor(WRITERS) as pool:
        writers = [pool.submit(blow, writer) for writer in range(WRITERS)]
        assert enough.wait(PATIENCE_S), f"{len(written)} writes acknowledged"
        served.kill()
        for each in writers:
            each.result(PATIENCE_S)
    return written


def require_kept(client: Client, rounds: int, written: list[Written], chance: Random) -> None:
    sizes = Counter(str(stored.relationship.key.resource) for stored in client.read())
    assert set(sizes.values()) <= {GROUP_SIZE}, "a write is half there"
    acknowledged = Counter((each.round, each.writer) for each in written)
    for round in range(rounds):
        for writer in range(WRITERS):
            found = {name for name in sizes if name.startswith(f"group:{round}-{writer}-")}
            count = acknowledged[round, writer]
            # What came after the last that was acknowledged may have been on the disk when the process died.
            assert found in (left_after(round, writer, count), left_after(round, writer, count + 1))
    revisions = [decode_token(each.token)[2] for each in written]
    assert len(set(revisions)) == len(revisions)
    newest = max(written, key=lambda each: decode_token(each.token)[2])
    for each in [newest, *chance.sample(written, min(10, len(written)))]:
        removes, which = step(each.number)
        asked = f"{group(each.round, each.writer, which)}#part@user:0"
        client.check(asked, at_least=each.token)
        assert client.check(asked, at_exactly=each.token).allowed is not removes


def crash_again_and_again(folder: Path, seed: int, rounds: int, acknowledged_max: int) -> None:
    chance = Random(seed)
    written: list[Written] = []
    for round in range(rounds + 1):
        with serving(folder, "--data", str(folder / "data")) as served:
            with Client(served.endpoint, timeout_s=PATIENCE_S) as client:
                if round == 0:
                    client.write_schema(SCHEMA)
                else:
                    require_kept(client, round, written, chance)
            if round == rounds:
                served.stop()
            else:
                written += storm_and_kill(served, round, chance.randrange(1, acknowledged_max))


def test_every_acknowledged_write_survives_a_server_that_is_killed(tmp_path: Path, seed: int) -> None:
    crash_again_and_again(tmp_path, seed, rounds=2, acknowledged_max=120)


@pytest.mark.long
@pytest.mark.timeout(1_800)
def test_every_acknowledged_write_survives_a_server_that_is_killed_many_times(tmp_path: Path, seed: int) -> None:
    crash_again_and_again(tmp_path, seed, rounds=40, acknowledged_max=600)


# --- what is final ----------------------------------------------------------------------------------------------

FINAL = """
use delegation
definition group {}
definition run { final managed relation ended: group; relation note: group; permission live = note - ended }
"""


def test_what_is_final_is_there_after_every_kill_and_deleted_by_nobody(tmp_path: Path, seed: int) -> None:
    """Some write it, others delete all they can beside them, and the process is killed in the midst of that."""
    chance = Random(seed)
    data = tmp_path / "data"
    acknowledged: set[str] = set()
    for round in range(3):
        with serving(tmp_path, "--data", str(data)) as served, Client(served.endpoint, timeout_s=PATIENCE_S) as client:
            if round == 0:
                client.write_schema(FINAL)
            require_final(client, acknowledged)
            acknowledged |= end_runs_and_kill(served, round, chance.randrange(1, 60))
    with serving(tmp_path, "--data", str(data)) as served, Client(served.endpoint, timeout_s=PATIENCE_S) as client:
        require_final(client, acknowledged)
        served.stop()


def end_runs_and_kill(served: Served, round: int, acknowledged_max: int) -> set[str]:
    """The facts that were acknowledged before the kill."""
    acknowledged: set[str] = set()
    enough = threading.Event()

    def end(writer: int) -> None:
        for number in range(100_000):
            fact = f"run:{round}-{writer}-{number}#ended@group:g"
            if not is_answered(lambda client: client.touch(fact, fact.replace("ended", "note"))):  # noqa: B023
                return
            acknowledged.add(fact)
            if len(acknowledged) >= acknowledged_max:
                enough.set()

    def delete(_: int) -> None:
        def attempt(client: Client) -> None:
            client.delete_by_filter(RelationshipFilter("run", relation="note"))
            client.delete_by_filter(RelationshipFilter("run"))

        while is_answered(attempt, "FINAL_RELATION"):
            pass

    def is_answered(ask: Callable[[Client], object], reason: str = "") -> bool:
        with Client(served.endpoint, timeout_s=PATIENCE_S) as client:
            try:
                ask(client)
            except RemoteError as error:
                assert error.status is Status.UNAVAILABLE or error.reason == reason, error
                return error.status is not Status.UNAVAILABLE
            return True

    with ThreadPoolExecutor(4) as pool:
        at_work = [pool.submit(work, number) for number, work in enumerate((end, end, end, delete))]
        assert enough.wait(PATIENCE_S), f"{len(acknowledged)} acknowledged"
        served.kill()
        for each in at_work:
            each.result(PATIENCE_S)
    return acknowledged


def require_final(client: Client, acknowledged: set[str]) -> None:
    there = {str(stored.relationship.key) for stored in client.read(RelationshipFilter("run", relation="ended"))}
    assert acknowledged <= there
    for fact in sorted(acknowledged)[:3]:
        with pytest.raises(RemoteError) as refused:
            client.delete(fact)
        assert refused.value.reason == "FINAL_RELATION"


# --- a full disk ------------------------------------------------------------------------------------------------


def leave_room(served: Served, data: Path, more_bytes: int | None) -> None:
    """Let no file of the server grow beyond what its data file is now, and so much more; None: as it likes. A write
    beyond it stops in its midst, as on a full disk."""
    unlimited = resource.RLIM_INFINITY
    size = unlimited if more_bytes is None else (data / "data.mdb").stat().st_size + more_bytes
    resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE, (size, unlimited))


def test_a_full_disk_refuses_writes_with_its_reason_and_everything_else_goes_on(tmp_path: Path) -> None:
    """Four write at once until there is no room; then there is room again; then the process is killed."""
    data = tmp_path / "data"
    with serving(tmp_path, "--data", str(data)) as served, Client(served.endpoint, timeout_s=PATIENCE_S) as client:
        client.write_schema(SCHEMA)
        token = client.touch(*facts_of("group:first"))
        leave_room(served, data, 512 * 1024)  # for the first commit, even if it carries a write of each
        acknowledged: list[str] = []
        refused: list[tuple[str, RemoteError]] = []

        def write_until_refused(writer: int) -> None:
            with Client(served.endpoint, timeout_s=PATIENCE_S) as mine:
                for number in range(10_000):
                    name = f"group:{'x' * 900}{writer}-{number}"
                    try:
                        mine.touch(*facts_of(name))
                    except RemoteError as error:
                        refused.append((name, error))
                        return
                    acknowledged.append(name)
            raise AssertionError("there was always room")

        with ThreadPoolExecutor(WRITERS) as pool:
            for each in [pool.submit(write_until_refused, writer) for writer in range(WRITERS)]:
                each.result(PATIENCE_S)
        assert {(error.reason, error.status) for _, error in refused} == {("STORE_FULL", Status.RESOURCE_EXHAUSTED)}
        assert "space" in str(refused[0][1])

        def require_all() -> None:
            sizes = Counter(str(stored.relationship.key.resource) for stored in client.read())
            assert sizes == dict.fromkeys(["group:first", *acknowledged], GROUP_SIZE)
            assert client.check("group:first#part@user:0", at_least=token)
            assert client.check(f"{acknowledged[-1]}#part@user:4")
            assert not client.check(f"{refused[0][0]}#part@user:0")

        require_all()
        large = [fact for number in range(200) for fact in facts_of(f"group:{'y' * 900}{number}")]
        with pytest.raises(RemoteError) as no:
            client.touch(*large)
        assert no.value.reason == "STORE_FULL"
        require_all()

        leave_room(served, data, None)
        assert until(lambda: has_room(client)), "writes do not resume"
        acknowledged.append("group:resumed")
        require_all()
        client.touch(*large)
        acknowledged += dict.fromkeys(fact.partition("#")[0] for fact in large)
        served.kill()
    with serving(tmp_path, "--data", str(data)) as served, Client(served.endpoint, timeout_s=PATIENCE_S) as client:
        require_all()
        served.stop()


def has_room(client: Client) -> bool:
    try:
        client.touch(*facts_of("group:resumed"))
    except RemoteError as error:
        assert error.reason == "STORE_FULL", error
        return False
    return True


def test_a_store_at_its_largest_refuses_the_large_and_takes_what_makes_room(tmp_path: Path) -> None:
    with small_server(tmp_path, 2**20) as client:
        client.write_schema(SCHEMA)
        token = client.touch(*facts_of("group:first"))
        large = [fact for number in range(200) for fact in facts_of(f"group:{'y' * 900}{number}")]
        with pytest.raises(RemoteError) as no:
            client.touch(*large)
        assert (no.value.reason, no.value.metadata["map_size_bytes"]) == ("STORE_FULL", str(2**20))
        assert client.check("group:first#part@user:0", at_least=token)
        assert client.delete(*facts_of("group:first"))
        assert not list(client.read())
    with small_server(tmp_path, 2**26) as client:
        assert client.touch(*large)
        assert len(list(client.read())) == len(large)


@contextmanager
def small_server(folder: Path, bytes_max: int) -> Iterator[Client]:
    clock = SystemClock()
    store = LmdbStore(folder / "data", clock_us=clock.now_us, map_size_bytes=bytes_max)
    engine = Engine(store, clock)
    try:
        with BackgroundServer(engine) as server, Client(server.endpoint) as client:
            yield client
    finally:
        engine.close()
        clock.close()
        store.close()
