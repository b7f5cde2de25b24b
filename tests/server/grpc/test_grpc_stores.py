"""Stores over real gRPC: what comes and goes, copies from one server to another, and worlds for tests."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from remit.cli.commands.example import EXAMPLE, write_example
from remit.client import Answer, AsyncClient, Backup, Client, Question, RemoteError, StoreInfo
from remit.client.sync.connection import Stream
from remit.engine.clock import ManualClock
from remit.engine.facade import Engine
from remit.engine.limits import Limits
from remit.errors import BackupDamaged
from remit.server.run.background import BackgroundServer
from remit.server.run.sandboxes import Sandboxes
from remit.store.lmdb.lmdb_store import LmdbStore
from remit.store.memory import MemoryStore
from remit.v1 import stores_pb2
from remit.wire.stores import CHUNK_BYTES_MAX
from remit.world import World
from tests.support.serving import NOW_US, PATIENCE_S, SCHEMA, opened

T = stores_pb2
ANN = "folder:top#viewer@user:ann"


def reason(refused: pytest.ExceptionInfo[RemoteError]) -> str:
    return refused.value.reason


@pytest.fixture
def other() -> Iterator[Client]:
    """A client of another server, whose store is empty."""
    engine = opened()
    with BackgroundServer(engine) as server, Client(server.endpoint) as client:
        yield client
    engine.close()


# --- coming and going -------------------------------------------------------------------------------------------


def test_a_store_is_made_listed_asked_and_removed(client: Client) -> None:
    made = client.create_store("second")
    assert (made.name, made.relationships, made.has_schema, len(made.uuid)) == ("second", 0, False, 32)
    assert [info.name for info in client.list_stores()] == ["default", "second"]
    with Client(client.endpoint, store="second") as second:
        second.write_schema(SCHEMA)
        token = second.touch(ANN, "folder:two#viewer@user:ben")
        listed = {info.name: info for info in client.list_stores()}
        assert listed["second"] == StoreInfo("second", made.uuid, made.epoch, token, 2, True)
        assert second.check("folder:two#view@user:ben")
        assert not client.check("folder:two#view@user:ben")
        client.delete_store("second")
        with pytest.raises(RemoteError) as gone:
            second.check("folder:two#view@user:ben")
    assert reason(gone) == "STORE_NOT_FOUND"
    assert [info.name for info in client.list_stores()] == ["default"]


def test_refusals_have_reasons(client: Client) -> None:
    with pytest.raises(RemoteError) as taken:
        client.create_store("default")
    assert reason(taken) == "STORE_EXISTS"
    with pytest.raises(RemoteError) as gone:
        client.delete_store("never")
    assert reason(gone) == "STORE_NOT_FOUND"
    with pytest.raises(RemoteError) as gone:
        next(client.backup("never"))
    assert reason(gone) == "STORE_NOT_FOUND"
    with pytest.raises(RemoteError) as taken:
        client.restore("default", [])
    assert reason(taken) == "STORE_EXISTS"


@pytest.mark.parametrize("name", ["", "Default", "a/b", "x" * 64])
@pytest.mark.parametrize("method", ["CreateStore", "DeleteStore", "Restore"])
def test_a_bad_name_is_refused_by_the_server_too(client: Client, name: str, method: str) -> None:
    request = getattr(T, f"{method}Request")(name=name)
    with grpc.insecure_channel(client.endpoint) as channel:
        call = channel.stream_stream(f"/remit.v1.Stores/{method}")(iter([request.SerializeToString()]))
        with pytest.raises(grpc.RpcError) as refused:
            list(call)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT  # type: ignore[attr-defined]


def test_who_watches_a_store_that_is_removed_is_told_at_once(client: Client) -> None:
    client.create_store("second")
    with Client(client.endpoint, store="second") as second, second.watch(resume=False) as watching:
        assert next(watching).checkpoint
        client.delete_store("second")
        with pytest.raises(RemoteError) as gone:
            next(watching)
    assert reason(gone) == "STORE_NOT_FOUND"


# --- copies -----------------------------------------------------------------------------------------------------


def test_a_backup_in_a_storm_answers_elsewhere_as_the_original_did(other: Client) -> None:
    """Every question of the organisation, and of all who write meanwhile, on a copy taken while it was written to: as
    the original answers for the revision of the backup."""
    world = World.read(EXAMPLE)
    engine = opened()
    write_example(engine)
    rounds = itertools.count()
    with BackgroundServer(engine) as server, Client(server.endpoint) as source:
        blowing, done = threading.Semaphore(0), threading.Event()

        def storm(number: int) -> None:
            """A hold comes and goes, and with it answers; beside it, two facts that are there together or not."""
            with Client(server.endpoint) as writer:
                while not done.is_set():
                    pair = next(rounds) % PAIRS
                    writer.touch(f"run:r-{number}#hold@hold:storm", *pair_of(pair))
                    blowing.release()
                    writer.delete(f"run:r-{number}#hold@hold:storm", *pair_of(pair))

        with ThreadPoolExecutor(STORMS) as pool:
            storming = [pool.submit(storm, number) for number in range(4, 4 + STORMS)]
            try:
                for _ in range(2 * STORMS):
                    assert blowing.acquire(timeout=PATIENCE_S)
                with source.backup() as copying:
                    data = next(copying)
                    assert blowing.acquire(timeout=PATIENCE_S)  # written while the copy is under way
                    data += b"".join(copying)
                assert blowing.acquire(timeout=PATIENCE_S)
            finally:
                done.set()
            for each in storming:
                each.result(PATIENCE_S)
        old_token = copying.token
        questions = [Question(a.resource, a.permission, a.subject, a.context) for a in world.assertions]
        asked = [*questions, *(fact for pair in range(PAIRS) for fact in pair_of(pair))]
        info = other.restore("copy", [data])
        with Client(other.endpoint, store="copy") as copy:
            mine, theirs = copy.check_many(asked), source.check_many(asked, at_exactly=old_token)
            verdicts = [[each.verdict for each in told if isinstance(each, Answer)] for told in (mine, theirs)]
            assert verdicts[0] == verdicts[1]
            assert len(verdicts[0]) == len(asked)
            of_pairs = verdicts[0][len(questions) :]
            assert of_pairs[::2] == of_pairs[1::2]
            for stale in ({"at_least": old_token}, {"at_exactly": old_token}):
                with pytest.raises(RemoteError) as foreign:
                    copy.check(questions[0], **stale)
                assert reason(foreign) == "FOREIGN_TOKEN"
            assert copy.check(questions[0], at_least=info.token).token == info.token
    engine.close()


STORMS = 2
PAIRS = 5


def pair_of(number: int) -> tuple[str, str]:
    return f"tool:storm-{number}#may_use@user:anne", f"tool:storm-{number}#may_use@user:ben"


def test_a_backup_says_of_which_revision_it_is(client: Client) -> None:
    token = client.touch("folder:late#viewer@user:ann")
    with client.backup() as copying:
        next(copying)
        assert copying.token == token


def test_the_asyncio_client_copies_alike(client: Client, other: Client) -> None:
    async def copy() -> StoreInfo:
        async with AsyncClient(client.endpoint) as source, AsyncClient(other.endpoint) as target:
            copying = source.backup()
            info = await target.restore("copy", copying)
            assert copying.token
            assert [each.name for each in await target.list_stores()] == ["copy", "default"]
            again = await target.restore("again", [b"".join([chunk async for chunk in source.backup()])])
            await target.delete_store("again")
            assert (await target.create_store("third")).relationships == 0
            assert again.uuid == info.uuid != again.epoch
            return info

    info = asyncio.run(copy())
    assert info.relationships == 2
    with Client(other.endpoint, store="copy") as copied:
        assert copied.check("folder:sub#view@user:ann")


def test_what_cannot_be_read_on_the_way_is_told_and_nothing_is_made(client: Client, other: Client) -> None:
    data = b"".join(client.backup())

    def broken() -> Iterator[bytes]:
        yield data[:50]
        raise OSError(5, "the tape is torn")

    with pytest.raises(OSError, match="torn"):
        other.restore("copy", broken())
    assert [info.name for info in other.list_stores()] == ["default"]


def test_a_backup_cut_off_on_its_way_is_an_error_and_not_a_shorter_backup() -> None:
    whole = [T.BackupResponse(chunk=b"remit-backup\0\0\0\1", token="t")]
    with pytest.raises(BackupDamaged):
        list(Backup(Stream(iter(whole), "nowhere")))


def test_a_chunk_too_large_is_refused_by_its_limit(client: Client) -> None:
    requests = [T.RestoreRequest(name="copy", chunk=bytes(CHUNK_BYTES_MAX + 1))]
    with grpc.insecure_channel(client.endpoint) as channel:
        method = channel.stream_unary("/remit.v1.Stores/Restore", T.RestoreRequest.SerializeToString)
        with pytest.raises(grpc.RpcError) as refused:
            method(iter(requests))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT  # type: ignore[attr-defined]
    assert str(CHUNK_BYTES_MAX) in refused.value.details()  # type: ignore[attr-defined]


def test_a_restore_whose_sender_leaves_is_given_up(client: Client, engine: Engine) -> None:
    data = b"".join(client.backup())
    arrived = threading.Event()
    leaving = threading.Event()
    feed = engine._store.queue

    def noticed(*arguments: Any, **options: Any) -> object:
        arrived.set()
        return feed(*arguments, **options)

    engine._store.queue = noticed  # type: ignore[attr-defined]

    def slowly() -> Iterator[T.RestoreRequest]:
        yield T.RestoreRequest(name="copy", chunk=data[:-1])
        leaving.wait(PATIENCE_S)

    with grpc.insecure_channel(client.endpoint) as channel:
        method = channel.stream_unary("/remit.v1.Stores/Restore", T.RestoreRequest.SerializeToString)
        call = method.future(slowly())
        assert arrived.wait(PATIENCE_S)
        call.cancel()
    leaving.set()
    until = time.monotonic() + PATIENCE_S
    while tombstones(engine):
        assert time.monotonic() < until, "rows of the restore are left"
        client.touch(ANN)  # between two writes the writer sweeps
    assert [info.name for info in client.list_stores()] == ["default"]


def tombstones(engine: Engine) -> list[bytes]:
    from remit.store.tables.interface import Table

    snapshot = engine._store._tables.snapshot()  # type: ignore[attr-defined]
    try:
        return [key for key, _ in snapshot.items(Table.TOMBSTONES, b"")]
    finally:
        snapshot.close()


def test_a_reader_who_stalls_holds_no_view_of_the_store(tmp_path: Path) -> None:
    clock = ManualClock(NOW_US)
    store = LmdbStore(tmp_path / "data", clock_us=clock.now_us, map_size_bytes=2**30)
    engine = Engine(store, clock)
    with BackgroundServer(engine) as server, Client(server.endpoint) as client:
        client.write_schema(SCHEMA)
        for start in range(0, 4_000, 1_000):
            client.touch(*(f"folder:{'x' * 900}{number}#viewer@user:ann" for number in range(start, start + 1_000)))
        with client.backup() as copying:
            next(copying)
            assert store._tables._views == 0  # type: ignore[attr-defined]
            client.touch(ANN)
            assert sum(len(chunk) for chunk in copying) > 4_000_000
    engine.close()


# --- a process that is killed -----------------------------------------------------------------------------------


@contextlib.contextmanager
def process(data: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    program = [sys.executable, "-m", "remit.cli.main", "serve", "--json", "--grpc", "127.0.0.1:0", "--data", str(data)]
    started = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert started.stdout is not None
        yield started, started.stdout.readline().split('"')[3]
    finally:
        started.kill()
        started.communicate()


def test_a_server_killed_in_the_middle_of_a_restore_has_nothing_of_it(tmp_path: Path) -> None:
    clock = ManualClock(1_700_000_000_000_000)  # long ago, by the clock of a real process
    engine = Engine(MemoryStore(clock_us=clock.now_us), clock)
    write_example(engine)
    with BackgroundServer(engine) as server, Client(server.endpoint) as source:
        data = b"".join(source.backup())
    engine.close()
    with process(tmp_path / "data") as (started, endpoint), Client(endpoint) as client:

        def until_killed() -> Iterator[bytes]:
            for start in range(0, len(data) - 100, 2_000):
                yield data[start : start + 2_000]
            started.send_signal(signal.SIGKILL)
            started.wait(PATIENCE_S)
            yield data[-100:]

        with pytest.raises(RemoteError):
            client.restore("copy", until_killed())
    with process(tmp_path / "data") as (_, endpoint), Client(endpoint) as client:
        assert [(info.name, info.relationships) for info in client.list_stores()] == [("default", 0)]
        assert client.restore("copy", [data]).relationships > 0


# --- sandboxes --------------------------------------------------------------------------------------------------


@pytest.fixture
def testing_server() -> Iterator[BackgroundServer]:
    clock = ManualClock(NOW_US)
    engine = opened()
    sandboxes = Sandboxes(clock, Limits(), 3)
    with BackgroundServer(engine, sandboxes=sandboxes) as server:
        yield server
    sandboxes.close()
    engine.close()


def test_every_token_has_a_world_of_its_own(testing_server: BackgroundServer) -> None:
    endpoint = testing_server.endpoint
    with Client(endpoint, token="one") as one, Client(endpoint, token="two") as two, Client(endpoint) as nobody:
        one.write_schema(SCHEMA)
        token = one.touch(ANN)
        for stranger in (two, nobody):
            with pytest.raises(RemoteError) as refused:
                stranger.check("folder:top#view@user:ann")
            assert reason(refused) == "SCHEMA_NOT_FOUND"
        two.write_schema(SCHEMA)
        assert not two.check("folder:top#view@user:ann")
        with pytest.raises(RemoteError) as refused:
            two.check("folder:top#view@user:ann", at_least=token)
        assert reason(refused) == "FOREIGN_TOKEN"
        one.create_store("mine")
        assert [info.name for info in two.list_stores()] == ["default"]
        with Client(endpoint, token="one") as again:
            assert again.check("folder:top#view@user:ann", at_least=token)
            assert [info.name for info in again.list_stores()] == ["default", "mine"]


def test_streams_are_of_the_tokens_world_too(testing_server: BackgroundServer) -> None:
    endpoint = testing_server.endpoint
    with Client(endpoint, token="one") as one, Client(endpoint, token="two") as two:
        for each in (one, two):
            each.write_schema(SCHEMA)
        with one.watch(resume=False) as watching:
            assert next(watching).checkpoint
            two.touch("folder:two#viewer@user:ann")
            one.import_(["folder:one#viewer@user:ann"])
            assert [str(change.relationship.key) for change in next(watching).changes] == ["folder:one#viewer@user:ann"]
        assert [str(each.key) for each in two.export()] == ["folder:two#viewer@user:ann"]
        two.restore("copy", one.backup())
        with Client(endpoint, store="copy", token="two") as copy:
            assert copy.check("folder:one#view@user:ann")


def test_there_are_as_many_worlds_as_were_chosen(testing_server: BackgroundServer) -> None:
    endpoint = testing_server.endpoint
    for token in ("one", "two", "three", "one"):
        with Client(endpoint, token=token) as client:
            assert client.who_am_i().principal == "local"
    with Client(endpoint, token="four") as client, pytest.raises(RemoteError) as refused:
        client.who_am_i()
    assert (reason(refused), refused.value.metadata["limit"]) == ("TOO_MANY_SANDBOXES", "3")


def test_many_who_come_at_once_with_one_token_share_one_world() -> None:
    clock = ManualClock(NOW_US)
    sandboxes = Sandboxes(clock, Limits(), 100)
    metadata = [("authorization", "Bearer same"), ("x-other", "y")]
    with ThreadPoolExecutor(8) as pool:
        engines = set(pool.map(lambda _: id(sandboxes.of(metadata)), range(50)))
    assert len(engines) == len(sandboxes) == 1
    sandboxes.close()
