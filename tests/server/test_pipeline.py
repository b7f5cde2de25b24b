"""Laws of the pipeline: whatever carries a call, it is admitted before it is read, told once, and leaves no trace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from remit.access.key_file import encode_keys
from remit.access.keyring import KeyRing
from remit.access.keys import Keys, Right
from remit.engine.facade import Engine
from remit.errors import KeyMissing, Overloaded, RateLimited, RemitError
from remit.server.call import Call
from remit.server.limits.serve_limits import ServeLimits
from remit.server.pipeline import Outcome, Pipeline
from remit.server.rights import Gate
from remit.server.telemetry.server_stats import ServerStats
from remit.server.telemetry.telemetry import Telemetry
from remit.server.verb import Queue
from remit.server.verbs import STREAMS, UNARY, UnaryVerb
from tests.support.serving import SCHEMA, opened

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
    return await asyncio.to_thread(pipeline.answer, verb, (), call, data, lambda _: None)


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


@pytest.mark.parametrize("verb", [verb for verb in UNARY if verb.queue is Queue.READS], ids=lambda verb: verb.path)
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
        outcome = await asyncio.to_thread(pipeline.answer, VERBS["WhoAmI"], metadata, Call(), b"", lambda _: None)
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

    def __init__(self) -> None:
        self.done: list[object] = []
        self.frames: AsyncIterator[bytes] = self._frames()

    async def _frames(self) -> AsyncGenerator[bytes, None]:
        self.done.append("read")
        yield b""

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
