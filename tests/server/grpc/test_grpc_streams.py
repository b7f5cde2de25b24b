"""Streams over real gRPC: thousands of watchers without threads, slow readers let go, all ended in good order."""

from __future__ import annotations

import asyncio
import logging
import queue
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import status_pb2
from grpc import aio

from remit.engine.facade import Engine
from remit.model import ObjectRef, Operation, Record, RelationshipFilter, Update
from remit.notation import format_time, parse_relationship
from remit.server.limits.serve_limits import ServeLimits
from remit.server.run.background import BackgroundServer
from remit.v1 import core_pb2, relationships_pb2
from remit.wire.facts import encode_relationship
from remit.wire.status import decode_status
from tests.support.serving import NOW_US, PATIENCE_S, SCHEMA, until

R = relationships_pb2
WATCH, EXPORT, IMPORT = (f"/remit.v1.Relationships/{verb}" for verb in ("Watch", "Export", "Import"))
# Small windows, so that a reader who stops is noticed after little.
NARROW = [("grpc.http2.lookahead_bytes", 65_535), ("grpc.http2.bdp_probe", 0)]


@pytest.fixture
def filled(engine: Engine) -> Engine:
    engine.schemas.write("", SCHEMA)
    return engine


def touch(engine: Engine, *lines: str) -> str:
    return engine.relationships.write("", [Update(Operation.TOUCH, parse_relationship(line)) for line in lines]).token


def relationships(*lines: str) -> list[core_pb2.Relationship]:
    return [encode_relationship(parse_relationship(line)) for line in lines]


def watching(channel: grpc.Channel, **request: Any) -> Iterator[R.WatchResponse]:
    method = channel.unary_stream(WATCH, R.WatchRequest.SerializeToString, R.WatchResponse.FromString)
    return method(R.WatchRequest(**request))  # type: ignore[no-any-return]


def exporting(channel: grpc.Channel, **request: Any) -> Iterator[R.ExportResponse]:
    method = channel.unary_stream(EXPORT, R.ExportRequest.SerializeToString, R.ExportResponse.FromString)
    return method(R.ExportRequest(**request), timeout=PATIENCE_S)  # type: ignore[no-any-return]


def importing(channel: grpc.Channel, requests: Iterator[R.ImportRequest]) -> Iterator[R.ImportResponse]:
    method = channel.stream_stream(IMPORT, R.ImportRequest.SerializeToString, R.ImportResponse.FromString)
    return method(requests, timeout=PATIENCE_S)  # type: ignore[no-any-return]


def ending(stream: Iterator[Any]) -> Any:
    """The error a stream ends with, whatever comes before it."""
    with pytest.raises(grpc.RpcError) as caught:
        for _ in stream:
            pass
    return error_of(caught.value)


def error_of(failed: Any) -> Any:
    return decode_status(status_pb2.Status.FromString(dict(failed.trailing_metadata())["grpc-status-details-bin"]))


# --- Import -----------------------------------------------------------------------------------------------------


def test_an_import_tells_of_each_message_what_had_expired_when_it_was_committed(filled: Engine) -> None:
    """At its very moment a relationship has expired; a microsecond before, it has not."""
    now, later = (f"[expiration:{format_time(at_us)}]" for at_us in (NOW_US, NOW_US + 1))
    lines = [
        ["folder:a#viewer@user:a", f"folder:b#viewer@user:a{now}", f"folder:c#viewer@user:a{later}"],
        ["folder:d#viewer@user:a"],
        [f"folder:c#viewer@user:a{now}", f"folder:e#viewer@user:a{now}"],
    ]
    with BackgroundServer(filled) as server, grpc.insecure_channel(server.endpoint) as channel:
        messages = [R.ImportRequest(relationships=relationships(*each)) for each in lines]
        told = [(answer.imported, list(answer.expired)) for answer in importing(channel, iter(messages))]
    assert told == [(3, [1]), (4, []), (6, [0, 1])]


# --- Watch ------------------------------------------------------------------------------------------------------


def test_a_watch_begins_with_a_checkpoint_tells_every_revision_and_checks_in(filled: Engine) -> None:
    with BackgroundServer(filled) as server, grpc.insecure_channel(server.endpoint) as channel:
        before = filled.relationships.read("", RelationshipFilter()).token
        stream = watching(channel, checkpoint_interval_ms=100)
        first = next(stream)
        assert (first.checkpoint, first.token, len(first.changes)) == (True, before, 0)
        token = touch(filled, "folder:a#viewer@user:ann")
        changes = (message for message in stream if not message.checkpoint)  # a beat may come between any two
        told = next(changes)
        assert (told.token, told.checkpoint, told.written_by) == (token, False, "local")
        assert [(change.kind, change.relationship.resource.id) for change in told.changes] == [
            (R.WatchedChange.KIND_TOUCHED, "a")
        ]
        filled.relationships.write("", [Update(Operation.DELETE, parse_relationship("folder:a#viewer@user:ann"))])
        assert next(changes).changes[0].kind == R.WatchedChange.KIND_DELETED
        beat = next(stream)
        assert beat.checkpoint and beat.token == filled.relationships.read("", RelationshipFilter()).token


def test_a_watch_names_the_records_of_a_revision_and_keeps_their_documents_back(filled: Engine) -> None:
    with BackgroundServer(filled) as server, grpc.insecure_channel(server.endpoint) as channel:
        stream = watching(channel)
        next(stream)
        record = Record("hold", ObjectRef("hold", "1"), b"between us")
        fact = Update(Operation.TOUCH, parse_relationship("folder:a#viewer@user:ann"))
        token = filled.relationships.write("", [fact], records=[record]).token
        told = next(message for message in stream if not message.checkpoint)
        assert (told.token, len(told.changes)) == (token, 1)
        (named,) = told.records
        assert (named.kind, named.record_kind) == (R.WatchedChange.KIND_TOUCHED, "hold")
        assert (named.object.type, named.object.id) == ("hold", "1")
        assert b"between us" not in told.SerializeToString()


def test_a_filtered_watch_checks_in_with_how_far_it_has_looked(filled: Engine) -> None:
    with BackgroundServer(filled) as server, grpc.insecure_channel(server.endpoint) as channel:
        other = core_pb2.RelationshipFilter(resource_id_prefix="x")
        stream = watching(channel, filters=[other], checkpoint_interval_ms=100)
        next(stream)
        token = touch(filled, "folder:a#viewer@user:ann")
        beat = next(message for message in stream if message.token == token)
        assert beat.checkpoint and not beat.changes


def test_a_watch_goes_on_from_any_token_with_what_came_after(filled: Engine) -> None:
    tokens = [touch(filled, f"folder:{number}#viewer@user:ann") for number in range(300)]
    with BackgroundServer(filled) as server, grpc.insecure_channel(server.endpoint) as channel:
        stream = watching(channel, after=tokens[9])
        assert next(stream).token == tokens[9]
        assert [next(stream).token for _ in tokens[10:]] == tokens[10:]
        last = touch(filled, "folder:last#viewer@user:ann")
        assert next(stream).token == last


@pytest.mark.parametrize(
    ("request_", "reason", "field"),
    [
        ({"after": "r1.nonsense"}, "INVALID_TOKEN", "after"),
        ({"store": "elsewhere"}, "STORE_NOT_FOUND", ""),
        ({"checkpoint_interval_ms": 99}, "INVALID_ARGUMENT", "checkpoint_interval_ms"),
        ({"filters": [core_pb2.RelationshipFilter(resource_id="a", resource_id_prefix="a")]}, "INVALID_ARGUMENT", ""),
        ({"filters": [core_pb2.RelationshipFilter()] * 101}, "LIMIT_EXCEEDED", "filters"),
    ],
)
def test_a_watch_that_cannot_be_is_refused_with_a_reason(
    filled: Engine, request_: dict[str, Any], reason: str, field: str
) -> None:
    with BackgroundServer(filled) as server, grpc.insecure_channel(server.endpoint) as channel:
        error = ending(watching(channel, **request_))
        assert error.reason == reason
        assert field in error.field


def test_what_is_no_request_of_a_stream_is_refused(filled: Engine) -> None:
    with BackgroundServer(filled) as server, grpc.insecure_channel(server.endpoint) as channel:
        for method in (WATCH, EXPORT, IMPORT):
            assert ending(channel.stream_stream(method)(iter([b"\xff\xff"]))).reason == "MALFORMED_REQUEST"
        for method in (WATCH, EXPORT):
            assert ending(channel.stream_stream(method)(iter([]))).reason == "MALFORMED_REQUEST"
        assert list(channel.stream_stream(IMPORT)(iter([]))) == []


def test_thousands_of_idle_watchers_have_no_thread_each_and_all_are_told(filled: Engine) -> None:
    count = 2_000

    async def watch_all(endpoint: str) -> tuple[int, int]:
        channels = [aio.insecure_channel(endpoint, options=[("grpc.use_local_subchannel_pool", 1)]) for _ in range(4)]
        methods = [
            channel.unary_stream(WATCH, R.WatchRequest.SerializeToString, R.WatchResponse.FromString)
            for channel in channels
        ]
        calls = [methods[number % 4](R.WatchRequest(checkpoint_interval_ms=60_000)) for number in range(count)]
        for call in calls:
            assert (await call.read()).checkpoint
        threads = _threads()
        token = await asyncio.to_thread(touch, filled, "folder:a#viewer@user:ann")
        told = [(await call.read()).token for call in calls]
        for channel in channels:
            await channel.close()
        return threads, told.count(token)

    with BackgroundServer(filled) as server:
        before = _threads()
        # gRPC's asyncio serves one loop of a process well.
        threads, told = server._do(watch_all(server.endpoint))
        assert told == count
        # gRPC's own threads, of a client and a server, and some of a queue: none of them is a watcher's.
        assert threads - before < 40
        until(lambda: len(server.server.pipeline.streams) == 0)
    assert not filled.streams._watches._recent


def _threads() -> int:
    """Of this process, those that Python does not know included."""
    return len(list(Path("/proc/self/task").iterdir()))


# --- readers who do not read ------------------------------------------------------------------------------------


def test_a_reader_who_stops_reading_is_told_and_goes_on_where_it_was(filled: Engine) -> None:
    lines = [f"folder:{'x' * 500}{number}#viewer@user:ann" for number in range(200)]
    with (
        # Longer than a busy machine keeps a reader waiting who does read.
        BackgroundServer(filled, limits=ServeLimits(slow_consumer_s=2.0)) as server,
        grpc.insecure_channel(server.endpoint, NARROW) as channel,
    ):
        stream = watching(channel)
        next(stream)
        tokens = []
        while len(server.server.pipeline.streams):  # until the server has let it go
            tokens.append(touch(filled, *lines))
            assert len(tokens) < 1_000
            time.sleep(0.01)
        received = []
        with pytest.raises(grpc.RpcError) as caught:
            for message in stream:
                received += [message.token] if message.token else []
        error = error_of(caught.value)
        assert (error.reason, caught.value.code()) == ("SLOW_CONSUMER", grpc.StatusCode.ABORTED)
        assert error.metadata["token"] == received[-1]
        assert received == tokens[: len(received)] and len(received) < len(tokens)
    missing = tokens[len(received) :]
    # From a server that waits longer for its readers, since this one may well be kept waiting for a processor.
    with BackgroundServer(filled) as server, grpc.insecure_channel(server.endpoint) as channel:
        rest = watching(channel, after=received[-1])
        next(rest)
        assert list(_tokens(rest, missing[-1])) == missing


def _tokens(stream: Iterator[R.WatchResponse], last: str) -> Iterator[str]:
    for message in stream:
        if message.token:
            yield message.token
        if message.token == last:
            return


def test_an_error_names_no_message_that_was_not_sent(filled: Engine) -> None:
    """Where there is no room for a message, it is not among those that were told."""
    lines = [f"folder:{'x' * 900}{number}#viewer@user:ann" for number in range(50)]
    limits = ServeLimits(unsent_bytes_max=1_000)
    with BackgroundServer(filled, limits=limits) as server, grpc.insecure_channel(server.endpoint) as channel:
        stream = watching(channel)
        next(stream)
        token = touch(filled, "folder:a#viewer@user:ann")
        assert next(stream).token == token
        touch(filled, *lines)
        error = ending(stream)
        assert (error.reason, error.metadata["token"]) == ("OVERLOADED", token)


def test_readers_who_do_not_read_cost_the_server_little_memory(filled: Engine) -> None:
    """Twenty who stop reading, and seven megabytes that each of them should have taken; and then as many again, which
    cost what the store keeps of them, once whatever holds something for each of the twenty is full. In a process that
    has done nothing else the first seven cost 70 to 80 MB over either way in, 20 of them for the store."""
    lines = [f"folder:{'x' * 900}{number}#viewer@user:ann" for number in range(500)]
    touch(filled, *lines)
    with BackgroundServer(filled) as server:
        channels = [
            grpc.insecure_channel(server.endpoint, [*NARROW, ("grpc.use_local_subchannel_pool", 1)]) for _ in range(20)
        ]
        streams = [watching(channel) for channel in channels]
        for stream in streams:
            next(stream)
        sizes = [_resident_bytes()]
        for _ in range(2):
            for _ in range(15):
                touch(filled, *lines)
            until(lambda: server.server.pipeline.stream_steps.in_flight == 0)
            sizes.append(_resident_bytes())
        first, again = (after - before for before, after in pairwise(sizes))
        assert len(server.server.pipeline.streams) == 20
        assert first < 110 << 20, f"{first:,} bytes; all of it would be {20 * 15 * 500 * 1_000:,}"
        assert again < 30 << 20, f"{again:,} bytes; all of it would be {20 * 15 * 500 * 1_000:,}"
        for channel in channels:
            channel.close()
        until(lambda: len(server.server.pipeline.streams) == 0)


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4_096


# --- Export -----------------------------------------------------------------------------------------------------


def test_an_export_is_all_there_is_with_one_token_and_goes_on_by_cursor(filled: Engine) -> None:
    lines = sorted(f"folder:{number:04}#viewer@user:ann" for number in range(2_500))
    for begin in range(0, 2_500, 1_000):
        token = touch(filled, *lines[begin : begin + 1_000])
    with BackgroundServer(filled) as server, grpc.insecure_channel(server.endpoint) as channel:
        pages = list(exporting(channel))
        ids = [each.resource.id for page in pages for each in page.relationships]
        assert ids == [f"{number:04}" for number in range(2_500)]
        assert {page.token for page in pages} == {token}
        again = [each.resource.id for page in exporting(channel, cursor=pages[0].cursor) for each in page.relationships]
        assert again == ids[1_000:]
        assert ending(exporting(channel, cursor="nonsense")).reason == "INVALID_CURSOR"
        exactly = core_pb2.Consistency(at_exactly=token)
        assert ending(exporting(channel, consistency=exactly)).reason == "INVALID_ARGUMENT"


# --- Import -----------------------------------------------------------------------------------------------------


def test_an_import_answers_each_message_before_it_asks_for_the_next(filled: Engine) -> None:
    """A client that waits for each answer is not waited for in turn."""
    requests: queue.SimpleQueue[R.ImportRequest | None] = queue.SimpleQueue()
    with BackgroundServer(filled) as server, grpc.insecure_channel(server.endpoint) as channel:
        answers = importing(channel, iter(requests.get, None))
        for number in range(5):
            requests.put(R.ImportRequest(relationships=relationships(f"folder:{number}#viewer@user:ann")))
            answer = next(answers)
            assert answer.imported == number + 1
            assert answer.token == filled.relationships.read("", RelationshipFilter()).token
        requests.put(None)
        assert list(answers) == []


def test_an_import_that_is_refused_says_which_and_how_many_are_there(filled: Engine) -> None:
    good = [R.ImportRequest(relationships=relationships(f"folder:{n}#viewer@user:ann")) for n in range(3)]
    bad = relationships("folder:4#viewer@user:ann", "folder:4#view@user:ann")
    damaged = relationships("folder:4#viewer@user:ann")
    damaged[0].resource.id = "a#b"
    with BackgroundServer(filled) as server, grpc.insecure_channel(server.endpoint) as channel:
        for message, reason, field in (
            (bad, "RELATIONSHIP_NOT_ALLOWED", "relationships[1]"),
            (damaged, "INVALID_REFERENCE", "relationships[0].resource.id"),
            ([], "INVALID_ARGUMENT", "relationships"),
            (bad[:1] * 2, "INVALID_ARGUMENT", "relationships[1]"),
        ):
            answers = importing(channel, iter([*good, R.ImportRequest(relationships=message), *good]))
            assert [next(answers).imported for _ in good] == [1, 2, 3]
            error = ending(answers)
            assert (error.reason, error.field, error.metadata["imported"]) == (reason, field, "3")
    assert len(filled.relationships.read("", RelationshipFilter()).items) == 3


# --- how they end -----------------------------------------------------------------------------------------------


def test_a_drain_ends_every_stream_and_says_where_to_go_on(filled: Engine) -> None:
    requests: queue.SimpleQueue[R.ImportRequest | None] = queue.SimpleQueue()
    with BackgroundServer(filled) as server, grpc.insecure_channel(server.endpoint) as channel:
        watch = watching(channel)
        next(watch)
        requests.put(R.ImportRequest(relationships=relationships("folder:a#viewer@user:ann")))
        answers = importing(channel, iter(requests.get, None))
        assert next(answers).imported == 1
        token = next(watch).token
        assert server.stop(PATIENCE_S), "all of them ended by themselves"
        ended = [ending(watch), ending(answers)]
        requests.put(None)
        assert {error.reason for error in ended} == {"DRAINING"}
        assert all(error.retry_after_s for error in ended)
        assert [error.metadata for error in ended] == [{"token": token}, {"imported": "1"}]


def test_a_drain_does_not_wait_for_readers_who_do_not_read(filled: Engine) -> None:
    for turn in range(3):
        touch(filled, *(f"folder:{'y' * 900}{turn}-{number}#viewer@user:ann" for number in range(1_000)))
    with BackgroundServer(filled) as server, grpc.insecure_channel(server.endpoint, NARROW) as channel:
        export = exporting(channel)
        pages = [next(export)]
        until(lambda: server.server.pipeline.unsent.taken > 0 and server.server.pipeline.stream_steps.in_flight == 0)
        assert server.stop(PATIENCE_S)
        with pytest.raises(grpc.RpcError) as caught:
            pages.extend(export)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    with BackgroundServer(filled) as server, grpc.insecure_channel(server.endpoint) as channel:
        pages.extend(exporting(channel, cursor=pages[-1].cursor))
    ids = [each.resource.id for page in pages for each in page.relationships]
    assert len(ids) == len(set(ids)) == 3_000


def test_a_reader_who_leaves_is_forgotten_without_a_word_in_the_log(
    filled: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    with BackgroundServer(filled) as server:
        for _ in range(3):
            channel = grpc.insecure_channel(server.endpoint, [*NARROW, ("grpc.use_local_subchannel_pool", 1)])
            streams = [watching(channel) for _ in range(5)]
            for stream in streams:
                next(stream)
            touch(filled, *(f"folder:{'x' * 900}{number}#viewer@user:ann" for number in range(1_000)))
            channel.close()  # some of it is still on its way
        until(lambda: len(server.server.pipeline.streams) == 0 and not server.server.pipeline.calls())
    assert not caplog.records
    assert not filled.streams._watches._recent


def test_there_are_so_many_streams_of_a_caller_and_in_all_and_no_more(filled: Engine) -> None:
    limits = ServeLimits(streams_max=3, streams_per_key_max=2)
    with (
        BackgroundServer(filled, limits=limits) as server,
        grpc.insecure_channel(server.endpoint) as one,
        grpc.insecure_channel(server.endpoint, [("grpc.use_local_subchannel_pool", 1)]) as other,
    ):
        first, second = watching(one), watching(one)
        next(first), next(second)
        error = ending(watching(one))
        assert (error.reason, error.metadata["name"]) == ("TOO_MANY_STREAMS", "streams_per_key_max")
        assert error.retry_after_s
        third = watching(other)
        next(third)
        error = ending(watching(other))
        assert (error.reason, error.metadata["name"]) == ("TOO_MANY_STREAMS", "streams_max")
        first.cancel()  # type: ignore[attr-defined]
        until(lambda: len(server.server.pipeline.streams) == 2)
        assert next(watching(other)).checkpoint


def test_a_watch_ends_when_its_store_is_removed(filled: Engine) -> None:
    with BackgroundServer(filled) as server, grpc.insecure_channel(server.endpoint) as channel:
        stream = watching(channel, checkpoint_interval_ms=100)
        next(stream)
        del filled.loaded._stores["default"]
        assert ending(stream).reason == "STORE_NOT_FOUND"
