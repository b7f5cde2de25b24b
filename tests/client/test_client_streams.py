"""Clients follow a server through restarts, beside writers, and after a kill: nothing is missed, nothing doubled."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from remit.client import AsyncClient, ChangeKind, Client, RelationshipFilter, RemoteError, WatchEvent
from remit.client.resume import Retries
from remit.engine.clock import ManualClock
from remit.engine.facade import Engine
from remit.engine.limits import Limits
from remit.errors import InvalidArgument, InvalidRelationship, Status
from remit.model import Operation, Precondition, Update
from remit.notation import format_relationship, parse_relationship
from remit.server.run.background import BackgroundServer
from remit.store.lmdb.lmdb_store import LmdbStore
from remit.store.memory import MemoryStore

SCHEMA = """
use delegation
use expiration
definition user {}
definition doc {
    relation reader: user | user with expiration
    single relation owner: user
    permission read = reader + owner
}
"""
NOW_US = 1_800_000_000_000_000
PATIENCE_S = 30.0
Held = dict[str, str]


@contextmanager
def engine_at(path: Path) -> Iterator[Engine]:
    clock = ManualClock(NOW_US)
    engine = Engine(LmdbStore(path, clock_us=clock.now_us, map_size_bytes=64 << 20), clock)
    try:
        yield engine
    finally:
        engine.close()


@pytest.fixture
def server() -> Iterator[BackgroundServer]:
    clock = ManualClock(NOW_US)
    engine = Engine(MemoryStore(clock_us=clock.now_us), clock)
    engine.schemas.write("", SCHEMA)
    with BackgroundServer(engine) as server:
        yield server
    engine.close()


@pytest.fixture
def client(server: BackgroundServer) -> Iterator[Client]:
    with Client(server.endpoint) as client:
        yield client


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams are asked for again at once."""
    real = Retries.pause_s
    monkeypatch.setattr(Retries, "pause_s", lambda retries, error: min(real(retries, error), 0.02))


def replayed(events: list[WatchEvent], held: Held | None = None) -> Held:
    held = {} if held is None else held
    for event in events:
        for change in event.changes:
            key = str(change.relationship.key)
            if change.kind is ChangeKind.DELETED:
                held.pop(key, None)
            else:
                held[key] = format_relationship(change.relationship)
    return held


def stored(client: Client, filter: RelationshipFilter | None = None) -> list[str]:
    return sorted(format_relationship(each.relationship) for each in client.read(filter))


def up_to(events: Iterator[WatchEvent], token: str) -> list[WatchEvent]:
    """The events up to a token, which is told, or passed over in a checkpoint."""
    found = []
    for event in events:
        found.append(event)
        if event.token == token:
            break
    return found


# --- watch ------------------------------------------------------------------------------------------------------

FILTERS = {
    "all": [],
    "owners": [RelationshipFilter(relation="owner")],
    "some": [RelationshipFilter(resource_id_prefix="1"), RelationshipFilter(subject_id="b")],
}
updates = st.lists(
    st.builds(
        lambda operation, number, relation, name: Update(
            operation, parse_relationship(f"doc:{number}#{relation}@user:{name}")
        ),
        st.sampled_from([Operation.TOUCH, Operation.DELETE]),
        st.integers(0, 12),
        st.just("reader"),
        st.sampled_from("ab"),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda update: update.relationship.key,
)


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    script=st.lists(st.one_of(updates, st.just("restart")), min_size=1, max_size=8),
    name=st.sampled_from(sorted(FILTERS)),
)
def test_a_watch_through_restarts_replayed_is_the_store(
    tmp_path_factory: pytest.TempPathFactory, impatient: None, script: list[Any], name: str
) -> None:
    path = tmp_path_factory.mktemp("data")
    events: list[WatchEvent] = []
    done = threading.Event()
    with engine_at(path) as engine:
        engine.schemas.write("", SCHEMA)
        running = BackgroundServer(engine)
        with running as server, Client(server.endpoint) as client:
            endpoint = server.endpoint
            watch = client.watch("", FILTERS[name], checkpoint_interval_ms=100)
            events.append(next(watch))

            def follow() -> None:
                for event in watch:
                    events.append(event)
                done.set()

            follower = threading.Thread(target=follow)
            follower.start()
            try:
                for step in script:
                    if step == "restart":
                        server.stop(grace_s=PATIENCE_S)
                        server = BackgroundServer(engine, endpoint).__enter__()
                    else:
                        engine.relationships.write("", step)
                token = engine.relationships.write(
                    "", [Update(Operation.TOUCH, parse_relationship("doc:1#reader@user:b"))]
                ).token
                for _ in range(int(PATIENCE_S * 100)):
                    if watch.token == token or done.wait(0.01):
                        break
                watch.close()
                follower.join(PATIENCE_S)
                assert done.is_set() and watch.token == token
            finally:
                watch.close()
                server.stop(grace_s=0)
        told = [event for event in events if not event.checkpoint]
        revisions = [event.token for event in told]
        assert len(revisions) == len(set(revisions)), "each revision once"
        with engine._store.read("default") as view:
            all_of = [each.relationship for each in view.scan(RelationshipFilter())]
            order = [delta.revision for delta in view.changelog(0)]
        meant = {
            str(each.key): format_relationship(each)
            for each in all_of
            if not FILTERS[name] or any(one.matches(each.key) for one in FILTERS[name])
        }
        assert replayed(told) == meant
        assert len(order) >= len(told)


def test_an_async_watch_goes_on_after_a_restart_and_ends_when_it_is_closed(tmp_path: Path, impatient: None) -> None:
    """The server is another process: gRPC's asyncio serves one loop of a process well."""

    async def follow(endpoint: str, restart: Callable[[], None]) -> list[WatchEvent]:
        events = []
        async with AsyncClient(endpoint) as client, client.watch(checkpoint_interval_ms=100) as watch:
            events.append(await anext(watch))
            await client.touch("doc:1#reader@user:a")
            events.append(await anext(watch))
            await asyncio.to_thread(restart)
            token = await client.touch("doc:2#reader@user:a")
            async for event in watch:
                events.append(event)
                if event.token == token:
                    break
            waiting = asyncio.create_task(_drained(watch))
            await asyncio.sleep(0)
            watch.close()
            assert await asyncio.wait_for(waiting, PATIENCE_S) >= 0
        return events

    with served(tmp_path) as process:
        with Client(process.endpoint) as client:
            client.write_schema(SCHEMA)
        events = asyncio.run(follow(process.endpoint, process.restart))
    assert replayed(events) == {f"doc:{n}#reader@user:a": f"doc:{n}#reader@user:a" for n in (1, 2)}


def test_an_async_watch_of_a_permission_goes_on_after_its_server_was_killed(tmp_path: Path, impatient: None) -> None:
    """What it holds, from its beginning on, is what the lists have: also of what was written while nobody listened."""

    async def follow(endpoint: str, restart: Callable[[], None]) -> set[tuple[str, str]]:
        held: set[tuple[str, str]] = set()
        async with AsyncClient(endpoint) as client, client.watch_permission("doc#read@user") as watch:
            begun = await anext(watch)
            assert begun.checkpoint
            async for found in client.lookup_resources("doc#read@user:a", at_exactly=begun.token):
                held.add((str(found.what), "user:a"))
            await client.touch("doc:2#reader@user:b")
            await asyncio.to_thread(restart)
            await client.delete("doc:1#reader@user:a")
            token = await client.touch("doc:3#owner@user:c")
            async for event in watch:
                for update in event.updates:
                    pair = (str(update.resource), str(update.subject))
                    assert update.now.verdict is not None
                    (held.add if update.now.listed else held.discard)(pair)
                if event.token == token:
                    break
            assert watch.token == token and watch.evaluated_at_us is not None
            watch.close()
        return held

    with served(tmp_path) as process:
        with Client(process.endpoint) as client:
            client.write_schema(SCHEMA)
            client.touch("doc:1#reader@user:a", "doc:4#owner@user:a")

        def killed() -> None:
            process.kill()
            process.start(process.endpoint)

        held = asyncio.run(follow(process.endpoint, killed))
    assert held == {("doc:4", "user:a"), ("doc:2", "user:b"), ("doc:3", "user:c")}


async def _drained(watch: Any) -> int:
    count = 0
    async for _ in watch:
        count += 1
    return count


def test_an_error_that_does_not_pass_is_raised_and_ends_the_watch(client: Client) -> None:
    watch = client.watch("r1.nonsense")
    with pytest.raises(RemoteError) as caught:
        next(watch)
    assert caught.value.reason == "INVALID_TOKEN"
    assert list(watch) == []


def test_a_server_that_was_never_reached_is_told_at_once() -> None:
    with Client("127.0.0.1:1") as client:
        for stream in (client.watch(), client.export()):
            with pytest.raises(RemoteError, match="no server answers"):
                next(stream)
        with pytest.raises(RemoteError, match="no server answers") as caught:
            client.import_(["doc:1#reader@user:a"])
        assert caught.value.metadata["imported"] == "0"


def test_a_watch_that_is_not_to_resume_tells_of_the_drain(server: BackgroundServer, client: Client) -> None:
    watch = client.watch(resume=False)
    token = next(watch).token
    server.stop(grace_s=PATIENCE_S)
    with pytest.raises(RemoteError) as caught:
        next(watch)
    assert (caught.value.reason, caught.value.metadata["token"]) == ("DRAINING", token)


def test_a_watch_is_closed_from_another_thread(client: Client) -> None:
    watch = client.watch()
    next(watch)
    ended: list[list[WatchEvent]] = []
    waiting = threading.Thread(target=lambda: ended.append(list(watch)))
    waiting.start()
    watch.close()
    waiting.join(PATIENCE_S)
    assert ended == [[]]


def test_a_long_revision_is_one_event(server: BackgroundServer, client: Client) -> None:
    client.import_(f"doc:{'x' * 900}{number}#reader@user:a" for number in range(600))
    with client.watch() as watch:
        next(watch)
        deleted = client.delete_by_filter(RelationshipFilter(resource_type="doc"))
        event = next(watch)
        assert (event.token, len(event.changes)) == (deleted.token, 600)
        assert {change.kind for change in event.changes} == {ChangeKind.DELETED}


# --- export and import ------------------------------------------------------------------------------------------


def test_an_export_and_a_watch_from_its_token_are_the_store_beside_writers(
    server: BackgroundServer, client: Client
) -> None:
    client.import_(f"doc:{number:04}#reader@user:a" for number in range(0, 4_000, 2))
    stop = threading.Event()

    def write(writer: int) -> None:
        with Client(server.endpoint) as other:
            number = writer
            while not stop.is_set():
                number = (number + 37) % 4_000
                other.write(
                    [
                        Update(Operation.TOUCH, parse_relationship(f"doc:{number:04}#reader@user:w{writer}")),
                        Update(Operation.DELETE, parse_relationship(f"doc:{number:04}#reader@user:a")),
                    ]
                )

    writers = [threading.Thread(target=write, args=(number,)) for number in range(2)]
    for each in writers:
        each.start()
    try:
        export = client.export()
        held = {str(each.key): format_relationship(each) for each in export}
    finally:
        stop.set()
        for each in writers:
            each.join()
    last = client.touch("doc:last#reader@user:a")
    with client.watch(export.token) as watch:
        assert sorted(replayed(up_to(watch, last), held).values()) == stored(client)


def test_an_export_goes_on_after_a_restart_and_gives_everything_once(tmp_path: Path, impatient: None) -> None:
    with engine_at(tmp_path) as engine:
        engine.schemas.write("", SCHEMA)
        lines = [f"doc:{number:04}#reader@user:a" for number in range(3_500)]
        importing = engine.streams.import_("")
        for begin in range(0, len(lines), 1_000):
            importing.take([parse_relationship(line) for line in lines[begin : begin + 1_000]]).result(PATIENCE_S)
        with BackgroundServer(engine) as server, Client(server.endpoint) as client:
            export = client.export()
            found = [format_relationship(next(export))]
            server.stop(grace_s=PATIENCE_S)
            with BackgroundServer(engine, server.endpoint):
                found += [format_relationship(each) for each in export]
            assert found == lines


def test_an_export_is_gone_on_with_by_the_cursor_of_its_last_whole_page(client: Client) -> None:
    client.import_(f"doc:{number:04}#reader@user:a" for number in range(2_500))
    export = client.export(RelationshipFilter(resource_type="doc"))
    first = [next(export).resource.id for _ in range(1_500)]
    export.close()
    rest = [each.resource.id for each in client.export(RelationshipFilter(resource_type="doc"), cursor=export.cursor)]
    assert rest[0] == "1000" and sorted({*first, *rest}) == [f"{number:04}" for number in range(2_500)]
    (page,) = client.export(RelationshipFilter(resource_id="none", resource_type="doc")).pages()
    assert page.relationships == () and page.token


def test_an_import_tells_progress_and_what_was_refused(client: Client) -> None:
    told: list[int] = []
    done = client.import_((f"doc:{number}#reader@user:a" for number in range(2_345)), progress=told.append)
    assert (done.imported, told) == (2_345, [1_000, 2_000, 2_345])
    assert client.read_page(limit=1).token == done.token
    bad = [f"doc:{number}#reader@user:b" for number in range(1_700)]
    bad[1_234] = "doc:1234#read@user:b"
    with pytest.raises(RemoteError) as caught:
        client.import_(bad)
    assert caught.value.reason == "RELATIONSHIP_NOT_ALLOWED"
    assert (caught.value.metadata["imported"], caught.value.metadata["index"]) == ("1000", "1234")
    assert client.import_([]).imported == 0


def test_an_import_tells_the_places_of_what_had_expired_before_how_many_are_durable(client: Client) -> None:
    told: list[tuple[str, int]] = []
    lines = [f"doc:{number}#reader@user:a" for number in range(1_700)]
    for place in (3, 999, 1_000, 1_699):
        lines[place] += "[expiration:2020-01-01T00:00:00Z]"
    done = client.import_(
        lines,
        progress=lambda count: told.append(("durable", count)),
        expired=lambda place: told.append(("expired", place)),
    )
    assert (done.imported, done.expired) == (1_700, 4)
    assert told == [
        *[("expired", 3), ("expired", 999), ("durable", 1_000)],
        *[("expired", 1_000), ("expired", 1_699), ("durable", 1_700)],
    ]
    assert client.import_(lines).expired == 4  # nobody needs to listen


def test_what_the_caller_cannot_say_ends_an_import_after_what_was_said(client: Client) -> None:
    told: list[int] = []
    with pytest.raises(InvalidRelationship):
        client.import_(iter(["doc:1#reader@user:a", "nonsense"]), progress=told.append)
    assert told == [1] and stored(client) == ["doc:1#reader@user:a"]


def test_an_async_import_takes_what_comes_asynchronously(tmp_path: Path) -> None:
    async def lines() -> Any:
        for number in range(1_500):
            yield f"doc:{number:04}#reader@user:a"

    async def run(endpoint: str) -> tuple[int, list[str], int]:
        async with AsyncClient(endpoint) as client:
            await client.write_schema(SCHEMA)
            imported = (await client.import_(lines())).imported
            with pytest.raises(RemoteError) as caught:
                await client.import_(["doc:1#reader@user:b", "doc:1#read@user:b"])
            assert caught.value.metadata["index"] == "1"
            found = [each.resource.id async for each in client.export()]
            deleted = await client.delete_by_filter(RelationshipFilter(resource_type="doc"), limit=10)
            return imported, found, deleted.deleted

    with served(tmp_path) as process:
        imported, found, deleted = asyncio.run(run(process.endpoint))
    assert (imported, deleted) == (1_500, 10)
    assert found == [f"{number:04}" for number in range(1_500)]


# --- a server that is killed ------------------------------------------------------------------------------------


class Process:
    """A server in a process of its own, on one address through all its lives."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.endpoint = ""
        self.start("127.0.0.1:0")

    def start(self, address: str) -> None:
        command = [sys.executable, "-m", "remit.cli.main", "serve", "--json", "--grpc", address, "--data", self._path]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("REMIT_")}
        log = self._path.with_suffix(".log")
        with log.open("w") as stderr:
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True, env=environment)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, log.read_text()
        self.endpoint = json.loads(line)["serving"]

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        self._end(signal.SIGTERM)
        self.start(self.endpoint)

    def _end(self, number: signal.Signals) -> None:
        self._process.send_signal(number)
        self._process.wait(PATIENCE_S)
        assert self._process.stdout is not None
        self._process.stdout.close()


@contextmanager
def served(path: Path) -> Iterator[Process]:
    process = Process(path / "data")
    try:
        yield process
    finally:
        process.kill()


def test_an_import_whose_server_is_killed_goes_on_from_what_was_acknowledged(tmp_path: Path) -> None:
    lines = [f"doc:{number:05}#reader@user:a" for number in range(20_000)]
    with served(tmp_path) as process, Client(process.endpoint) as client:
        client.write_schema(SCHEMA)
        written: list[int] = []

        killed = threading.Event()

        def progress(count: int) -> None:
            written.append(count)
            if count == 7_000:
                process.kill()
                killed.set()

        def given() -> Iterator[str]:
            yield from lines[:12_000]
            assert killed.wait(PATIENCE_S)  # not all is written before the kill, however late that comes
            yield from lines[12_000:]

        with pytest.raises(RemoteError) as caught:
            client.import_(given(), progress=progress)
        assert caught.value.status is Status.UNAVAILABLE
        acknowledged = int(caught.value.metadata["imported"])
        assert acknowledged == written[-1] >= 7_000 and acknowledged < 20_000
        process.start(process.endpoint)
        found = {format_relationship(each) for each in client.export()}
        assert found >= set(lines[:acknowledged]), "what was acknowledged is there"
        assert client.import_(lines[acknowledged:]).imported == 20_000 - acknowledged
        assert [format_relationship(each) for each in client.export()] == lines


# --- closed meanwhile -------------------------------------------------------------------------------------------


def test_closing_a_client_ends_its_streams_with_an_error_that_is_ours(server: BackgroundServer, client: Client) -> None:
    def watch(begun: threading.Event, _: threading.Event) -> object:
        stream = one.watch()
        next(stream)
        begun.set()
        return list(stream)

    def importing(begun: threading.Event, done: threading.Event) -> object:
        def lines() -> Iterator[str]:
            yield "doc:1#reader@user:a"
            begun.set()
            assert done.wait(PATIENCE_S)

        return one.import_(lines())

    for work in (watch, importing):
        begun, done = threading.Event(), threading.Event()
        with ThreadPoolExecutor(1) as threads:
            one = Client(server.endpoint)
            ended = threads.submit(work, begun, done)
            assert begun.wait(PATIENCE_S)
            one.close()
            failure = ended.exception(PATIENCE_S)
            done.set()
        assert isinstance(failure, RemoteError) and failure.status is Status.CANCELLED, work.__name__


def test_closing_an_async_client_ends_its_streams_with_an_error_and_cancels_no_task(tmp_path: Path) -> None:
    async def watch(client: AsyncClient, begun: asyncio.Event) -> object:
        stream = client.watch()
        await anext(stream)
        begun.set()
        return [event async for event in stream]

    async def importing(client: AsyncClient, begun: asyncio.Event) -> object:
        async def lines() -> AsyncIterator[str]:
            yield "doc:1#reader@user:a"
            begun.set()
            await asyncio.Event().wait()

        return await client.import_(lines())

    async def restore(client: AsyncClient, begun: asyncio.Event) -> object:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"remit-backup"
            begun.set()
            await asyncio.Event().wait()

        return await client.restore("other", chunks())

    async def run(endpoint: str) -> None:
        async with AsyncClient(endpoint) as client:
            await client.write_schema(SCHEMA)
        for work in (watch, importing, restore):
            client, begun = AsyncClient(endpoint), asyncio.Event()
            ended = asyncio.ensure_future(work(client, begun))
            await asyncio.wait_for(begun.wait(), PATIENCE_S)
            await client.close()
            with pytest.raises(RemoteError) as caught:
                await asyncio.wait_for(ended, PATIENCE_S)
            assert caught.value.status is Status.CANCELLED, work.__name__

    with served(tmp_path) as process:
        asyncio.run(run(process.endpoint))


# --- what else the server can do --------------------------------------------------------------------------------


def test_a_delete_by_filter_goes_on_until_nothing_is_left_or_the_limit_is_met(client: Client) -> None:
    client.import_(f"doc:{number}#reader@user:a" for number in range(25))
    client.touch("doc:kept#owner@user:a")
    readers = RelationshipFilter(resource_type="doc", relation="reader")
    told: list[int] = []
    dry = client.delete_by_filter(readers, dry_run=True)
    assert (dry.token, dry.deleted, dry.complete) == ("", 25, True)
    some = client.delete_by_filter(readers, limit=10, progress=told.append)
    assert (some.deleted, some.complete, told) == (10, False, [10])
    missing = Precondition(RelationshipFilter(relation="nothing", resource_type="user"), must_match=True)
    with pytest.raises(RemoteError):
        client.delete_by_filter(readers, preconditions=[missing])
    rest = client.delete_by_filter(readers, metadata={"why": "over"})
    assert (rest.deleted, rest.complete) == (15, True)
    assert stored(client) == ["doc:kept#owner@user:a"]


def test_a_delete_by_filter_makes_as_many_calls_as_it_takes() -> None:
    clock = ManualClock(NOW_US)
    engine = Engine(MemoryStore(clock_us=clock.now_us), clock, Limits(matches_max=10))
    engine.schemas.write("", SCHEMA)
    with BackgroundServer(engine) as server, Client(server.endpoint) as client:
        client.import_(f"doc:{number}#reader@user:a" for number in range(45))
        told: list[int] = []
        readers = RelationshipFilter(resource_type="doc")
        deleted = client.delete_by_filter(readers, limit=25, progress=told.append)
        assert (deleted.deleted, deleted.complete, told) == (25, False, [10, 20, 25])
        deleted = client.delete_by_filter(readers)
        assert (deleted.deleted, deleted.complete) == (20, True)
    engine.close()


def test_a_replace_is_one_revision(client: Client) -> None:
    client.touch("doc:1#reader@user:a", "doc:1#reader@user:b")
    readers = RelationshipFilter(resource_type="doc", resource_id="1", relation="reader")
    wanted = [Update(Operation.TOUCH, parse_relationship(f"doc:1#reader@user:{name}")) for name in "bc"]
    dry = client.replace(readers, wanted, dry_run=True)
    assert (dry.token, dry.replaced) == ("", 1)
    before = client.read_page().token
    with client.watch(before) as watch:
        next(watch)
        written = client.replace(readers, wanted)
        event = next(watch)
    assert (event.token, written.replaced) == (written.token, 1)
    assert stored(client) == ["doc:1#reader@user:b", "doc:1#reader@user:c"]


def test_a_dry_run_is_judged_and_writes_nothing(client: Client) -> None:
    token = client.read_page().token
    good = [Update(Operation.CREATE, parse_relationship("doc:1#reader@user:a"))]
    assert client.write(good, dry_run=True) == ""
    with pytest.raises(RemoteError):
        client.write([Update(Operation.TOUCH, parse_relationship("doc:1#read@user:a"))], dry_run=True)
    assert client.write_schema(SCHEMA + "// other", dry_run=True).token == ""
    assert client.read_schema().text == SCHEMA
    assert client.read_page().token == token and stored(client) == []


def test_the_past_and_facts_of_one_question_can_be_asked_about(client: Client) -> None:
    empty = client.read_page().token
    held = client.touch("doc:1#reader@user:a")
    client.delete("doc:1#reader@user:a")
    client.write_schema(SCHEMA + "// later")
    question = "doc:1#read@user:a"
    past = client.check(question, at_exactly=held)
    assert past.allowed and past.historical
    now = client.check(question)
    assert not now.allowed and not now.historical
    assert client.check(question, contextual=["doc:1#owner@user:a"])
    assert not client.check(question)
    answers = client.check_many([question, "doc:1#read@user:b"], at_exactly=held, contextual=["doc:1#reader@user:b"])
    assert [answer.allowed for answer in answers] == [True, True]
    assert client.expand("doc:1#read", at_exactly=held).historical
    assert len(client.expand("doc:1#reader", contextual=["doc:1#reader@user:z"]).expansion.sets) > 0
    assert client.read_schema(at_exactly=empty).text == SCHEMA
    with pytest.raises(InvalidArgument, match="exclude each other"):
        client.check(question, at_least=held, at_exactly=held)
