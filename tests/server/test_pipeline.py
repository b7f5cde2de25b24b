"""Laws of the pipeline: whatever carries a call, it is admitted before it is read, told once, and leaves no trace."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
from authzed.api.v1 import core_pb2 as authzed_pb2
from authzed.api.v1 import watch_service_pb2
from prometheus_client.parser import text_string_to_metric_families

from remit.access.key_file import encode_keys
from remit.access.keyring import KeyRing
from remit.access.keys import Keys, Right
from remit.engine import schemas
from remit.engine.clock import ManualClock
from remit.engine.copies import Backup, Fitting, Restore
from remit.engine.facade import Engine
from remit.engine.importing import READ_MAX, Import
from remit.engine.limits import Limits
from remit.engine.results import ReadPage
from remit.engine.watching import LIVE_CHANGES_MAX, Watch
from remit.errors import (
    Cancelled,
    DeadlineExceeded,
    InvalidCursor,
    KeyMissing,
    Overloaded,
    RateLimited,
    RemitError,
    StoreUnavailable,
)
from remit.interrupt import Interrupt
from remit.language import Compiled
from remit.model import Operation, Relationship, RelationshipFilter, Update
from remit.notation import parse_relationship
from remit.server.call import LIGHT_BYTES_MAX, Call, Metadata
from remit.server.limits.serve_limits import ServeLimits
from remit.server.pipeline import SMALL_BYTES, Outcome, Pipeline
from remit.server.rights import Gate
from remit.server.telemetry.server_stats import ServerStats
from remit.server.telemetry.telemetry import Telemetry
from remit.server.verb import Queue as Wait
from remit.server.verbs import STREAMING, STREAMS, UNARY, UnaryVerb
from remit.store.memory import MemoryStore
from remit.store.port import SMALL_WEIGHT_MAX
from remit.store.tables import restoring
from remit.v1 import core_pb2, relationships_pb2, schemas_pb2, stores_pb2
from remit.wire.facts import encode_relationship
from tests.support.serving import MIXED_SCHEMA, NOW_US, PATIENCE_S, SCHEMA, opened, until

VERBS = {verb.label: verb for verb in UNARY}
EXPORT = next(verb for verb in STREAMS if verb.method == "Export")
WRITTEN = [b"", b"\xff", b"\x0a\x01\xff"]  # to every verb: an empty request, and bytes that are none

Asking = Callable[[Pipeline, UnaryVerb, bytes, Call], Awaitable[Outcome]]


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = opened()
    engine.schemas.write("", SCHEMA)
    yield engine
    engine.close()


def pipeline_of(engine: Engine, ring: KeyRing | None = None, limits: ServeLimits | None = None) -> Pipeline:
    return Pipeline(lambda _: engine, Gate(ring), Telemetry(), limits or ServeLimits())


async def on_a_thread(pipeline: Pipeline, verb: UnaryVerb, data: bytes, call: Call) -> Outcome:
    return await asyncio.to_thread(replied, pipeline, verb, (), data, call)


def replied(pipeline: Pipeline, verb: UnaryVerb, metadata: Metadata, data: bytes, call: Call) -> Outcome:
    """What a thread of the frontend would send, on whichever thread it came about."""
    replies: Queue[Outcome] = Queue()
    pipeline.answer(verb, metadata, call, data, partial(room_of, pipeline, call), replies.put)
    outcome = replies.get(timeout=PATIENCE_S)
    assert replies.empty()
    return outcome


def room_of(pipeline: Pipeline, call: Call, size: int) -> tuple[int, int] | None:
    """As the frontend makes room, for nothing that is small; and here it is given back at once."""
    refused = pipeline.unsent.holdings.take(call.peer, size) if size > SMALL_BYTES else None
    if size > SMALL_BYTES and refused is None:
        pipeline.unsent.give_back(call.peer, size)
    return refused


async def in_turn(pipeline: Pipeline, verb: UnaryVerb, data: bytes, call: Call) -> Outcome:
    async def read() -> bytes:
        return data

    pipeline.enter(call)
    try:
        return await pipeline.answer_in_turn(verb, (), call, read)
    finally:
        pipeline.leave(call)


def counted(pipeline: Pipeline) -> dict[str, int]:
    """How many calls ended, by verb and reason."""
    text = pipeline.telemetry.metrics.text(ServerStats()).decode()
    return {
        f"{sample.labels['verb']} {sample.labels['reason']}": int(sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "remit_requests_total"
    }


def said(outcome: Outcome) -> bytes | tuple[str, str]:
    return outcome if isinstance(outcome, bytes) else (outcome.reason, outcome.message)


@pytest.mark.parametrize("verb", [verb for verb in UNARY if verb.queue is Wait.READS], ids=lambda verb: verb.path)
@pytest.mark.parametrize("data", WRITTEN, ids=repr)
def test_a_call_ends_alike_on_a_thread_of_its_own_and_in_its_turn(engine: Engine, verb: UnaryVerb, data: bytes) -> None:
    async def run() -> None:
        pipeline = pipeline_of(engine)
        outcomes = [await ask(pipeline, verb, data, Call()) for ask in (on_a_thread, in_turn)]
        assert said(outcomes[0]) == said(outcomes[1])
        assert sum(counted(pipeline).values()) == 2
        assert pipeline.calls() == []
        assert [queue.in_flight for queue in pipeline.queues] == [0, 0, 0]
        await pipeline.close()

    asyncio.run(run())


@pytest.mark.parametrize("ask", [on_a_thread, in_turn])
def test_a_defect_of_ours_ends_one_call_and_is_told_as_such(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, ask: Asking
) -> None:
    monkeypatch.setattr(engine.relationships, "read", None)

    async def run() -> None:
        pipeline = pipeline_of(engine)
        outcome = await ask(pipeline, VERBS["Read"], b"", Call(request_id="r7"))
        assert isinstance(outcome, RemitError)
        assert outcome.reason == "INTERNAL" and "r7" in outcome.message
        assert outcome.__traceback__ is None, "its frames know the request"
        assert counted(pipeline) == {"Read INTERNAL": 1}
        await pipeline.close()

    asyncio.run(run())
    assert "request failed" in caplog.text


def test_a_look_at_the_keys_in_the_middle_of_an_admission_ends_no_good_call(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, _, text = Keys().with_new(principal="anne", stores=["*"], rights=[Right.READ], now_us=engine.clock.now_us())
    (tmp_path / "keys.json").write_bytes(encode_keys(keys))
    (tmp_path / "keys.json").chmod(0o600)
    ring = KeyRing(tmp_path / "keys.json", engine.clock.now_us)
    metadata = (("authorization", f"Bearer {text}"),)

    async def run() -> None:
        pipeline = pipeline_of(engine, ring)
        admit = pipeline.admit

        def admit_beside_a_look(*asked: Any) -> Engine:
            pipeline.end_revoked()
            return admit(*asked)

        monkeypatch.setattr(pipeline, "admit", admit_beside_a_look)
        outcome = await asyncio.to_thread(replied, pipeline, VERBS["WhoAmI"], metadata, b"", Call())
        assert isinstance(outcome, bytes)
        await pipeline.close()

    asyncio.run(run())


def test_nothing_is_read_of_a_caller_who_is_not_admitted(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text('{"version": 1, "keys": []}')
    ring = KeyRing(tmp_path / "keys.json", engine.clock.now_us)

    async def run() -> None:
        pipeline = pipeline_of(engine, ring)

        async def read() -> bytes:
            raise AssertionError("it was read")

        for verb in UNARY:
            outcome = await pipeline.answer_in_turn(verb, (), Call(), read)
            assert isinstance(outcome, KeyMissing), verb.path
            assert isinstance(await on_a_thread(pipeline, verb, b"\xff", Call()), KeyMissing), verb.path
        for verb in STREAMS:
            assert isinstance(await pipeline.stream(verb, (), Call(), Carried()), KeyMissing), verb.path
        assert set(counted(pipeline).values()) == {1, 2}
        await pipeline.close()

    asyncio.run(run())


@pytest.mark.parametrize("ask", [on_a_thread, in_turn])
def test_who_asks_too_often_is_refused_whichever_way_it_comes(engine: Engine, ask: Asking) -> None:
    async def run() -> None:
        pipeline = pipeline_of(engine, limits=ServeLimits(rate_per_key=0.001))
        assert isinstance(await ask(pipeline, VERBS["WhoAmI"], b"", Call()), bytes)
        assert isinstance(await ask(pipeline, VERBS["WhoAmI"], b"", Call()), RateLimited)
        await pipeline.close()

    asyncio.run(run())


@pytest.mark.parametrize("ask", [on_a_thread, in_turn])
def test_once_all_are_told_to_stop_nothing_more_is_let_in(engine: Engine, ask: Asking) -> None:
    """Whoever closes the pools would wait for that as well, and it for nobody."""

    async def run() -> None:
        pipeline = pipeline_of(engine)
        assert isinstance(await ask(pipeline, VERBS["Read"], b"", Call()), bytes)
        pipeline.hurry()
        assert isinstance(await ask(pipeline, VERBS["Read"], b"", Call()), StoreUnavailable)
        assert pipeline.calls() == []
        await pipeline.close()

    asyncio.run(run())


def test_a_large_answer_is_counted_until_its_call_has_left_and_one_too_many_is_refused(engine: Engine) -> None:
    async def run() -> None:
        engine.schemas.write("", SCHEMA + "//" + "x" * 10_000)
        pipeline = pipeline_of(engine, limits=ServeLimits(unsent_bytes_max=15_000))
        calls = [Call(peer="one"), Call(peer="other")]
        outcomes = []
        for call in calls:
            pipeline.enter(call)
            outcomes.append(await pipeline.answer_in_turn(VERBS["ReadSchema"], (), call, empty))
        assert isinstance(outcomes[0], bytes) and isinstance(outcomes[1], Overloaded)
        assert pipeline.unsent.taken == len(outcomes[0])
        for call in calls:
            pipeline.leave(call)
        assert pipeline.unsent.taken == 0
        await pipeline.close()

    asyncio.run(run())


@pytest.mark.parametrize("ask", [on_a_thread, in_turn])
def test_what_was_written_is_told_however_little_room_there_is_for_the_answer(ask: Asking) -> None:
    written = schemas_pb2.WriteSchemaRequest(schema=MIXED_SCHEMA).SerializeToString()
    without_room = ServeLimits(unsent_bytes_max=1)
    for limits, serve_limits, reason in [
        (Limits(), without_room, "OVERLOADED"),
        (Limits(response_bytes_max=1), ServeLimits(), "ANSWER_TOO_LARGE"),
    ]:
        engine = Engine(MemoryStore(clock_us=lambda: NOW_US), ManualClock(NOW_US), limits=limits)

        async def run(engine: Engine, serve_limits: ServeLimits, reason: str) -> None:
            pipeline = pipeline_of(engine, limits=serve_limits)
            outcome = await ask(pipeline, VERBS["WriteSchema"], written, Call())
            assert isinstance(outcome, bytes)
            assert len(outcome) > SMALL_BYTES
            assert engine.schemas.read("").text == MIXED_SCHEMA
            outcome = await ask(pipeline, VERBS["ReadSchema"], b"", Call())
            assert isinstance(outcome, RemitError)
            assert outcome.reason == reason
            assert pipeline.unsent.taken == 0
            await pipeline.close()

        asyncio.run(run(engine, serve_limits, reason))
        engine.close()


async def empty() -> bytes:
    return b""


def test_a_caller_who_leaves_while_its_request_is_waited_for_is_told_of_as_such(engine: Engine) -> None:
    async def run() -> None:
        pipeline = pipeline_of(engine)
        never = asyncio.Event()

        async def read() -> bytes:
            await never.wait()
            raise AssertionError("nothing came")

        waiting = asyncio.create_task(pipeline.answer_in_turn(VERBS["Read"], (), Call(), read))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert counted(pipeline) == {"Read CANCELLED": 1}
        await pipeline.close()

    asyncio.run(run())


class Carried:
    """A transport without a wire: what it was asked to do, in order."""

    def __init__(self, data: bytes = b"") -> None:
        self.done: list[object] = []
        self.data = data
        self.frames: AsyncIterator[bytes] = self._frames()

    async def _frames(self) -> AsyncGenerator[bytes, None]:
        self.done.append("read")
        yield self.data

    async def open(self) -> None:
        self.done.append("open")

    async def send(self, data: bytes) -> None:
        self.done.append(data)


def test_a_stream_is_opened_then_read_then_sent_and_told_once(engine: Engine) -> None:
    async def run() -> None:
        pipeline, carried, call = pipeline_of(engine), Carried(), Call()
        pipeline.enter(call)
        assert await pipeline.stream(EXPORT, (), call, carried) is None
        pipeline.leave(call)
        assert carried.done[:2] == ["open", "read"]
        assert all(isinstance(each, bytes) for each in carried.done[2:])
        assert counted(pipeline) == {"Export OK": 1}
        assert (len(pipeline.streams), pipeline.telemetry.streams["Export"], pipeline.calls()) == (0, 0, [])
        await pipeline.close()

    asyncio.run(run())


# --- what is heavy ----------------------------------------------------------------------------------------------

IMPORT = next(verb for verb in STREAMS if verb.method == "Import")


@pytest.mark.parametrize("ask", [on_a_thread, in_turn])
def test_heavy_calls_take_few_threads_and_two_of_one_caller_s_and_a_small_one_passes_them(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, ask: Asking
) -> None:
    gate = threading.Event()
    begun: list[str] = []

    def read(store: str, filter: RelationshipFilter, **_: object) -> None:
        begun.append(filter.resource_type)
        assert gate.wait(PATIENCE_S)
        raise Cancelled("it was only to take a place")

    monkeypatch.setattr(engine.relationships, "read", read)

    async def run() -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(16))  # each call of the frontend's takes one
        pipeline = pipeline_of(engine, limits=ServeLimits(readers=1, heavy_readers=3))

        def asked(peer: str) -> asyncio.Task[Outcome]:
            filter = core_pb2.RelationshipFilter(resource_type=peer)
            data = relationships_pb2.ReadRequest(filter=filter, cursor="x" * LIGHT_BYTES_MAX).SerializeToString()
            return asyncio.create_task(ask(pipeline, VERBS["Read"], data, Call(peer=peer)))  # type: ignore[arg-type]

        eves = [asked("eve") for _ in range(6)]
        await asyncio.to_thread(until, lambda: pipeline.heavy_reads.at_work == 2 and pipeline.heavy_reads.waiting == 4)
        others = [asked("ann"), asked("bob")]
        await asyncio.to_thread(until, lambda: len(begun) == 3 and pipeline.heavy_reads.waiting == 5)
        assert begun == ["eve", "eve", "ann"]
        for peer in ("eve", "ann", "cleo"):
            assert isinstance(await ask(pipeline, VERBS["WhoAmI"], b"", Call(peer=peer)), bytes)
        gate.set()
        for outcome in await asyncio.gather(*eves, *others):
            assert isinstance(outcome, Cancelled)
        assert begun.index("bob") < 6, "clients take turns"
        assert (pipeline.calls(), pipeline.reads.in_flight) == ([], 0)
        await pipeline.close()

    asyncio.run(run())


@pytest.mark.parametrize("ask", [on_a_thread, in_turn])
def test_schemas_of_one_caller_take_one_thread_and_no_heavy_write_or_read_waits_for_them(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, ask: Asking
) -> None:
    gate, compile_schema = threading.Event(), schemas.compile_schema
    compiling: list[str] = []

    def compiled(text: str, **options: Any) -> Compiled:
        compiling.append(text.rsplit("//")[-1])
        assert "eve" not in text or gate.wait(PATIENCE_S)
        return compile_schema(text, **options)

    monkeypatch.setattr(schemas, "compile_schema", compiled)

    async def run() -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(16))
        pipeline = pipeline_of(engine, limits=ServeLimits(heavy_readers=1, heavy_writers=1))

        def asked(peer: str, verb: str) -> asyncio.Task[Outcome]:
            kind = schemas_pb2.DiffSchemaRequest if verb == "DiffSchema" else schemas_pb2.WriteSchemaRequest
            data = kind(schema=f"{SCHEMA}//{peer}").SerializeToString()
            return asyncio.create_task(ask(pipeline, VERBS[verb], data, Call(peer=peer)))  # type: ignore[arg-type]

        eves = [asked("eve", verb) for verb in ("DiffSchema", "WriteSchema", "spicedb.WriteSchema")]
        await asyncio.to_thread(until, lambda: (pipeline.schemas.at_work, pipeline.schemas.waiting) == (1, 2))
        dry_run = await ask(pipeline, VERBS["Write"], touching(1, dry_run=True), Call(peer="ann"))
        assert isinstance(dry_run, bytes)
        assert isinstance(await asked("ann", "WriteSchema"), bytes)
        read = relationships_pb2.ReadRequest(cursor="x" * LIGHT_BYTES_MAX).SerializeToString()
        assert isinstance(await ask(pipeline, VERBS["Read"], read, Call(peer="ann")), InvalidCursor)
        assert compiling == ["eve", "ann"]
        gate.set()
        assert all(isinstance(outcome, bytes) for outcome in await asyncio.gather(*eves))
        assert [queue.in_flight for queue in pipeline.queues] == [0, 0, 0]
        await pipeline.close()

    asyncio.run(run())


@pytest.mark.parametrize("ask", [on_a_thread, in_turn])
def test_a_read_that_goes_on_for_long_begins_again_among_the_heavy_and_is_told_once(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, ask: Asking
) -> None:
    threads: list[str] = []
    read = engine.relationships.read

    def slow(store: str, filter: RelationshipFilter, *, interrupt: Interrupt, **options: Any) -> ReadPage:
        threads.append(threading.current_thread().name)
        while not threads[-1].startswith("remit-heavy-reads-"):
            interrupt()
        return read(store, filter, interrupt=interrupt, **options)

    monkeypatch.setattr(engine.relationships, "read", slow)

    async def run() -> None:
        pipeline = pipeline_of(engine)
        assert isinstance(await ask(pipeline, VERBS["Read"], b"", Call()), bytes)
        assert len(threads) == 2
        assert counted(pipeline) == {"Read OK": 1}
        await pipeline.close()

    asyncio.run(run())


def touching(count: int, *, dry_run: bool = False) -> bytes:
    updates = [
        relationships_pb2.Update(
            operation=relationships_pb2.OPERATION_TOUCH,
            relationship=encode_relationship(parse_relationship(f"folder:top#viewer@user:u{number}")),
        )
        for number in range(count)
    ]
    return relationships_pb2.WriteRequest(updates=updates, dry_run=dry_run).SerializeToString()


DELETE_ALL = relationships_pb2.DeleteRequest(filter=core_pb2.RelationshipFilter(resource_type="folder"))


@pytest.mark.parametrize("ask", [on_a_thread, in_turn])
@pytest.mark.parametrize(
    ("verb", "data", "is_heavy"),
    [
        ("Write", touching(1), False),
        ("Write", touching(SMALL_WEIGHT_MAX), False),
        ("Write", touching(SMALL_WEIGHT_MAX + 1), True),
        ("Write", touching(1, dry_run=True), True),
        ("Delete", DELETE_ALL.SerializeToString(), True),
    ],
    ids=["a hold", "a few", "one too many", "a dry run", "a filter that means many"],
)
def test_a_write_waits_for_the_writer_among_the_light_where_it_is_small_and_is_no_rehearsal(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, ask: Asking, verb: str, data: bytes, is_heavy: bool
) -> None:
    for number in range(SMALL_WEIGHT_MAX + 1):
        engine.relationships.write("", [touch(f"folder:top#viewer@user:v{number}")])
    threads: list[str] = []
    for name in ("rehearse", "write"):
        done = getattr(engine.relationships._stores, name)

        def noted(*arguments: Any, done: Callable[..., Any] = done, **options: Any) -> Any:
            result = done(*arguments, **options)
            threads.append(threading.current_thread().name)
            return result

        monkeypatch.setattr(engine.relationships._stores, name, noted)

    async def run() -> None:
        pipeline = pipeline_of(engine)
        assert isinstance(await ask(pipeline, VERBS[verb], data, Call()), bytes)
        assert [name.startswith("remit-heavy-writes-") for name in threads] == [is_heavy]
        assert counted(pipeline) == {f"{verb} OK": 1}
        await pipeline.close()

    asyncio.run(run())


class Ends:
    """How a call may end while it waits, and what its caller is told."""

    @staticmethod
    def by_deadline(call: Call) -> None:
        call.deadline_s = 0.0

    @staticmethod
    def by_its_caller(call: Call) -> None:
        call.is_gone = lambda: True

    @staticmethod
    def by_the_server(call: Call) -> None:
        call.end(KeyMissing("its key was revoked"))


@pytest.mark.parametrize("ask", [on_a_thread, in_turn])
@pytest.mark.parametrize(
    ("end", "error"),
    [(Ends.by_deadline, DeadlineExceeded), (Ends.by_its_caller, Cancelled), (Ends.by_the_server, KeyMissing)],
)
@pytest.mark.parametrize("is_known", [True, False], ids=["known to be heavy", "turned out to be"])
def test_what_ends_while_it_waits_among_the_heavy_gives_its_place_back_at_the_next_look(
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    ask: Asking,
    end: Callable[[Call], None],
    error: type[RemitError],
    is_known: bool,
) -> None:
    begun: list[str] = []

    def read(store: str, filter: RelationshipFilter, *, interrupt: Interrupt, **_: object) -> ReadPage:
        begun.append(threading.current_thread().name)
        while True:
            interrupt()

    monkeypatch.setattr(engine.relationships, "read", read)

    async def run() -> None:
        pipeline, gate = pipeline_of(engine, limits=ServeLimits(heavy_readers=1)), threading.Event()
        held = pipeline.heavy_reads.submit("eve", gate.wait, PATIENCE_S)
        await asyncio.to_thread(until, lambda: pipeline.heavy_reads.at_work == 1)
        data = relationships_pb2.ReadRequest(cursor="x" * LIGHT_BYTES_MAX * is_known).SerializeToString()
        calls = [Call(peer="ann") for _ in range(3)]
        asked = [asyncio.ensure_future(ask(pipeline, VERBS["Read"], data, call)) for call in calls]
        await asyncio.to_thread(until, lambda: pipeline.heavy_reads.waiting == 3)
        end(calls[1])
        pipeline.give_up_ended()
        assert isinstance(await asked[1], error)
        assert pipeline.heavy_reads.waiting == 2
        assert pipeline.reads.in_flight in (0, 2)  # the frontend's places are its own
        pipeline.hurry()
        assert [type(await asked[number]) for number in (0, 2)] == [Cancelled, Cancelled]
        assert (pipeline.reads.in_flight, pipeline.heavy_reads.waiting, pipeline.calls()) == (0, 0, [])
        gate.set()
        assert held.result(PATIENCE_S)
        await pipeline.close()
        assert not any(name.startswith("remit-heavy") for name in begun)
        assert not pipeline._queued

    asyncio.run(run())


def test_what_turned_out_heavy_gives_its_place_back_when_its_caller_leaves(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(store: str, filter: RelationshipFilter, *, interrupt: Interrupt, **_: object) -> ReadPage:
        while True:
            interrupt()

    monkeypatch.setattr(engine.relationships, "read", read)

    async def run() -> None:
        pipeline, gate = pipeline_of(engine, limits=ServeLimits(heavy_readers=1)), threading.Event()
        held = pipeline.heavy_reads.submit("eve", gate.wait, PATIENCE_S)
        asked = [asyncio.create_task(in_turn(pipeline, VERBS["Read"], b"", Call(peer="ann"))) for _ in range(8)]
        await asyncio.to_thread(until, lambda: pipeline.heavy_reads.waiting == 8)
        for each in asked:
            each.cancel()
        assert all(
            isinstance(each, asyncio.CancelledError) for each in await asyncio.gather(*asked, return_exceptions=True)
        )
        assert (pipeline.reads.in_flight, pipeline.heavy_reads.waiting) == (0, 0)
        gate.set()
        assert held.result(PATIENCE_S)
        await pipeline.close()

    asyncio.run(run())


def touch(text: str) -> Update:
    return Update(Operation.TOUCH, parse_relationship(text))


def test_imports_are_read_where_heavy_writes_are_and_wait_for_their_turn(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[str] = []
    take = Import.take

    def noted(self: Import, relationships: Sequence[Relationship], interrupt: Interrupt) -> Any:
        threads.append(threading.current_thread().name)
        return take(self, relationships, interrupt)

    monkeypatch.setattr(Import, "take", noted)
    fact = encode_relationship(parse_relationship("folder:top#viewer@user:ann"))
    message = relationships_pb2.ImportRequest(relationships=[fact]).SerializeToString()

    async def run() -> None:
        pipeline, gate = pipeline_of(engine, limits=ServeLimits(heavy_writers=1)), threading.Event()
        held = pipeline.heavy_writes.submit("eve", gate.wait, PATIENCE_S)
        await asyncio.to_thread(until, lambda: pipeline.heavy_writes.at_work == 1)
        imports = [
            asyncio.create_task(pipeline.stream(IMPORT, (), Call(peer=f"p{number}"), Carried(message)))  # type: ignore[arg-type]
            for number in range(20)
        ]
        await asyncio.to_thread(until, lambda: pipeline.heavy_writes.waiting == READ_MAX)
        assert isinstance(await in_turn(pipeline, VERBS["Write"], touching(1), Call(peer="p1")), bytes)
        assert not threads
        imports[0].cancel()
        with pytest.raises(asyncio.CancelledError):
            await imports[0]
        await asyncio.to_thread(until, lambda: pipeline.heavy_writes.waiting == READ_MAX)  # another has its room
        gate.set()
        assert held.result(PATIENCE_S)
        assert await asyncio.gather(*imports[1:]) == [None] * 19
        assert threads == ["remit-heavy-writes-0"] * 19
        until(lambda: pipeline.heavy_writes.at_work == 0)
        await pipeline.close()

    asyncio.run(run())


def test_imports_that_wait_for_a_slow_disk_keep_no_heavy_write_from_its_thread(engine: Engine) -> None:
    fact = encode_relationship(parse_relationship("folder:top#viewer@user:ann"))
    message = relationships_pb2.ImportRequest(relationships=[fact]).SerializeToString()

    async def run() -> None:
        pipeline, begun, gate = pipeline_of(engine), threading.Event(), threading.Event()

        def stand(_: object) -> None:
            begun.set()
            assert gate.wait(PATIENCE_S)
            raise Cancelled("it was only to take time")

        engine._store.submit("default", stand)  # type: ignore[arg-type]
        assert await asyncio.to_thread(begun.wait, PATIENCE_S)
        imports = [
            asyncio.create_task(pipeline.stream(IMPORT, (), Call(peer=f"p{number % 3}"), Carried(message)))  # type: ignore[arg-type]
            for number in range(9)
        ]
        backlog = engine.streams._imports
        await asyncio.to_thread(until, lambda: sum(map(len, backlog._waiting.values())) == 9 - READ_MAX)
        await asyncio.to_thread(until, lambda: pipeline.heavy_writes.at_work + pipeline.heavy_writes.waiting == 0)
        dry_run = touching(SMALL_WEIGHT_MAX + 1, dry_run=True)
        assert isinstance(await in_turn(pipeline, VERBS["Write"], dry_run, Call(peer="bob")), bytes)
        imports[-1].cancel()
        gate.set()
        endings = await asyncio.gather(*imports, return_exceptions=True)
        assert endings[:-1] == [None] * 8
        assert isinstance(endings[-1], asyncio.CancelledError)
        until(lambda: backlog._free == READ_MAX)
        await pipeline.close()

    asyncio.run(run())


# --- streams that read much -------------------------------------------------------------------------------------

WATCH = next(verb for verb in STREAMS if verb.method == "Watch")
BACKUP = next(verb for verb in STREAMS if verb.method == "Backup")


@pytest.mark.parametrize("is_long", [False, True], ids=["quick steps", "a step that takes long"])
def test_a_watch_catches_up_among_the_heavy_only_where_a_step_takes_long(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, is_long: bool
) -> None:
    token = engine.schemas.read("").token
    for number in range(5):
        engine.relationships.write("", [touch(f"folder:top#viewer@user:v{number}")])
    threads: list[str] = []
    tell = Watch._tell

    def noted(self: Any, delta: Any, room: int, told: Any, look: Interrupt) -> int:
        threads.append(threading.current_thread().name.rpartition("-")[0])
        while is_long and delta.revision == 4 and not threads[-1].startswith("remit-heavy-"):
            look()
        return tell(self, delta, room, told, look)  # type: ignore[no-any-return]

    monkeypatch.setattr(Watch, "_tell", noted)

    async def run() -> None:
        pipeline = pipeline_of(engine)
        carried = Carried(relationships_pb2.WatchRequest(after=token).SerializeToString())
        watching = asyncio.create_task(pipeline.stream(WATCH, (), Call(), carried))  # type: ignore[arg-type]
        await asyncio.to_thread(until, lambda: sum(isinstance(each, bytes) for each in carried.done) == 6)
        watching.cancel()
        messages = [relationships_pb2.WatchResponse.FromString(each) for each in carried.done[2:]]  # type: ignore[arg-type]
        told = [change.relationship.subject.object.id for each in messages for change in each.changes]
        assert told == [f"v{number}" for number in range(5)]
        assert set(threads) == ({"remit-streams", "remit-heavy-reads"} if is_long else {"remit-streams"})
        with pytest.raises(asyncio.CancelledError):
            await watching
        await pipeline.close()

    asyncio.run(run())


def test_a_backup_is_taken_among_the_heavy_reads(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[str] = []
    take = Backup.take

    def noted(self: Backup, interrupt: Interrupt) -> str:
        threads.append(threading.current_thread().name)
        return take(self, interrupt)

    monkeypatch.setattr(Backup, "take", noted)

    async def run() -> None:
        pipeline = pipeline_of(engine)
        assert await pipeline.stream(BACKUP, (), Call(), Carried()) is None
        assert threads == ["remit-heavy-reads-0"]
        await pipeline.close()

    asyncio.run(run())


RESTORE = next(verb for verb in STREAMS if verb.method == "Restore")


def test_a_restore_is_read_among_the_heavy_writes_and_waits_for_the_disk_on_no_thread_of_theirs(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restoring, "PIECE_ROWS", 1)
    for number in range(5):
        engine.relationships.write("", [touch(f"folder:top#viewer@user:v{number}")])
    begun, gate = threading.Event(), threading.Event()
    threads: list[str] = []
    write = restoring.StoreRestoration._write

    def stand(_: object) -> None:
        begun.set()
        assert gate.wait(PATIENCE_S)
        raise Cancelled("it was only to take time")

    def noted(self: restoring.StoreRestoration) -> Any:
        if not threads:
            engine._store.submit("default", stand)  # type: ignore[arg-type]
            assert begun.wait(PATIENCE_S)
        threads.append(threading.current_thread().name)
        return write(self)

    monkeypatch.setattr(restoring.StoreRestoration, "_write", noted)

    async def run() -> None:
        pipeline, copied = pipeline_of(engine), Carried()
        assert await pipeline.stream(BACKUP, (), Call(), copied) is None
        chunk = b"".join(
            stores_pb2.BackupResponse.FromString(each).chunk for each in copied.done if isinstance(each, bytes)
        )
        data = stores_pb2.RestoreRequest(name="copy", chunk=chunk).SerializeToString()
        restored = asyncio.create_task(pipeline.stream(RESTORE, (), Call(), Carried(data)))  # type: ignore[arg-type]
        assert await asyncio.to_thread(begun.wait, PATIENCE_S)
        dry_run = touching(SMALL_WEIGHT_MAX + 1, dry_run=True)
        assert isinstance(await in_turn(pipeline, VERBS["Write"], dry_run, Call(peer="bob")), bytes)
        assert len(threads) == 1
        gate.set()
        assert await restored is None
        assert len(threads) > 5
        assert set(threads) == {"remit-heavy-writes-0", "remit-schemas-0"}  # the row of a schema is one as well
        await pipeline.close()

    asyncio.run(run())
    assert len(engine.relationships.read("copy", RelationshipFilter()).items) == 5


def test_a_restore_compiles_its_schema_where_schemas_are_and_reads_the_store_where_backups_do(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[tuple[str, str]] = []

    def noted(kind: type, name: str) -> None:
        done = getattr(kind, name)

        def note(self: Any, *arguments: Any) -> Any:
            threads.append((name, threading.current_thread().name.rpartition("-")[0]))
            return done(self, *arguments)

        monkeypatch.setattr(kind, name, note)

    noted(Fitting, "schema")
    noted(Fitting, "relationship")
    noted(Restore, "finish")
    engine.relationships.write("", [touch("folder:top#viewer@user:anne")])

    async def run() -> None:
        pipeline, copied = pipeline_of(engine), Carried()
        assert await pipeline.stream(BACKUP, (), Call(), copied) is None
        backup = [stores_pb2.BackupResponse.FromString(each) for each in copied.done if isinstance(each, bytes)]
        request = stores_pb2.RestoreRequest(name="copy", chunk=b"".join(each.chunk for each in backup))
        assert await pipeline.stream(RESTORE, (), Call(), Carried(request.SerializeToString())) is None
        await pipeline.close()

    asyncio.run(run())
    assert threads == [
        ("schema", "remit-schemas"),
        ("relationship", "remit-heavy-writes"),
        ("finish", "remit-heavy-reads"),
    ]


SPICEDB_WATCH = next(verb for verb in STREAMING if verb.label == "spicedb.Watch")


@pytest.mark.parametrize("verb", [WATCH, SPICEDB_WATCH], ids=lambda verb: verb.label)
def test_a_watch_that_was_heavy_is_light_again_once_it_has_caught_up(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, verb: Any
) -> None:
    token = engine.schemas.read("").token
    threads: list[str] = []
    tell = Watch._tell

    def noted(self: Any, delta: Any, room: int, told: Any, look: Interrupt) -> int:
        threads.append(threading.current_thread().name.rpartition("-")[0])
        while delta.revision == 2 and not threads[-1].startswith("remit-heavy-"):
            look()
        return tell(self, delta, room, told, look)  # type: ignore[no-any-return]

    monkeypatch.setattr(Watch, "_tell", noted)
    engine.relationships.write("", [touch("folder:top#viewer@user:anne")])
    many = [touch(f"folder:f{number}#viewer@user:anne") for number in range(LIVE_CHANGES_MAX + 1)]
    asked = {
        WATCH: relationships_pb2.WatchRequest(after=token),
        SPICEDB_WATCH: watch_service_pb2.WatchRequest(optional_start_cursor=authzed_pb2.ZedToken(token=token)),
    }

    async def run() -> None:
        pipeline, carried = pipeline_of(engine), Carried(asked[verb].SerializeToString())
        engine.streams.on_change(pipeline.notifier.notify)
        watching = asyncio.create_task(pipeline.stream(verb, (), Call(), carried))  # type: ignore[arg-type]
        await asyncio.to_thread(until, lambda: len(threads) == 2 and pipeline.heavy_reads.at_work == 0)
        assert threads == ["remit-streams", "remit-heavy-reads"]
        del threads[:]
        await asyncio.to_thread(engine.relationships.write, "", many)  # more than memory keeps
        await asyncio.to_thread(until, lambda: threads)
        assert threads == ["remit-streams"]
        watching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watching
        await pipeline.close()

    asyncio.run(run())
