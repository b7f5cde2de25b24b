"""Laws of the log: a request is told by its id, a slow one with its question, and a secret never."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import aio
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.access.keys import Right
from remit.client import Client, RemoteError
from remit.model import Operation, RelationshipFilter, Update
from remit.notation import parse_relationship
from remit.server.run.background import BackgroundServer
from remit.server.telemetry.log import (
    AtMost,
    JsonLines,
    LogFormat,
    LogLevel,
    RequestLog,
    TextLines,
    configure,
    is_worth_telling,
)
from remit.server.telemetry.telemetry import Telemetry
from remit.v1 import core_pb2, permissions_pb2
from tests.support.keyed import ask, keyed_server
from tests.support.serving import SCHEMA, opened

TRACE = "0af7651916cd43dd8448eb211c80319c"


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """What was said of requests, as a program reads it."""
    records = [record for record in caplog.records if record.name == "remit.requests"]
    return [json.loads(JsonLines().format(record)) for record in records]


@contextmanager
def logging_client(requests: RequestLog, seconds_each: float = 0.0) -> Iterator[Client]:
    """A client of a server whose clock moves on by so much at every look: one request takes that long."""
    with logging_server(requests, seconds_each) as server, Client(server.endpoint) as client:
        yield client


@contextmanager
def logging_server(requests: RequestLog, seconds_each: float = 0.0) -> Iterator[BackgroundServer]:
    engine = opened()
    engine.schemas.write("", SCHEMA)
    ticks = count()
    telemetry = Telemetry(requests=requests, clock_s=lambda: next(ticks) * seconds_each)
    with BackgroundServer(engine, telemetry=telemetry) as server:
        yield server
    engine.close()


def test_every_request_has_a_line_where_it_is_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with logging_client(RequestLog(every=True), 0.25) as client:
        client.touch("folder:top#viewer@user:ann")
        client.check("folder:top#view@user:ann")
        with pytest.raises(RemoteError):
            client.check("nowhere:a#view@user:b")
        client.check_many(["folder:top#view@user:ann", "folder:top#view@user:eve"])
    told = lines(caplog)
    assert [(line["verb"], line["status"], line.get("verdict")) for line in told] == [
        ("Write", "OK", None),
        ("Check", "OK", "yes"),
        ("Check", "UNKNOWN_TYPE", None),
        ("CheckMany", "OK", None),
    ]
    for line in told:
        assert (line["event"], line["level"], line["principal"]) == ("request", "info", "local")
        assert (line["store"], line["duration_ms"]) == ("default", 250.0)
        assert "question" not in line
    assert len({line["request_id"] for line in told}) == 4


def test_without_being_asked_for_they_are_there_at_level_debug_only(caplog: pytest.LogCaptureFixture) -> None:
    with logging_server(RequestLog()) as server, Client(server.endpoint) as client:
        caplog.set_level(logging.INFO)
        client.check("folder:top#view@user:ann")
        assert lines(caplog) == []
        caplog.set_level(logging.DEBUG, "remit.requests")
        server.look_at_files()
        client.check("folder:top#view@user:ann")
        assert [line["level"] for line in lines(caplog)] == ["debug"]


def test_a_slow_request_is_a_warning_that_names_the_question(caplog: pytest.LogCaptureFixture) -> None:
    with logging_client(RequestLog(slow_s=0.5), seconds_each=0.75) as client:
        client.check("folder:top#view@user:ann", context={"amount": 4242})
        client.check_many(["folder:top#view@user:ann", "folder:top#view@user:eve"])
        client.expand("folder:top#view")
        client.write([Update(Operation.TOUCH, parse_relationship("folder:top#viewer@user:ann"))])
        list(client.read(RelationshipFilter(resource_type="folder", subject_id="ann")))
        client.write_schema(SCHEMA)
        list(client.export())  # a stream takes as long as its reader likes
    told = lines(caplog)
    assert [line["question"] for line in told] == [
        "folder:top#view@user:ann",
        "2 questions: folder:top#view@user:ann, …",
        "folder:top#view",
        "1 updates, 0 preconditions",
        "resource_type=folder, subject_id=ann",
        f"a schema of {len(SCHEMA)} characters",
    ]
    assert {(line["event"], line["level"]) for line in told} == {("slow request", "warning")}
    assert "4242" not in json.dumps(told)


def test_a_request_that_is_not_slow_is_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with logging_client(RequestLog(slow_s=0.5), seconds_each=0.5) as client:
        client.check("folder:top#view@user:ann")
    assert lines(caplog) == []


def test_a_callers_own_id_and_trace_are_taken_over_and_a_forged_id_is_not(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    request = permissions_pb2.CheckRequest(
        resource=core_pb2.ObjectReference(type="folder", id="a"),
        permission="view",
        subject=core_pb2.SubjectReference(object=core_pb2.ObjectReference(type="user", id="b")),
    )
    parent = ("traceparent", f"00-{TRACE}-b7ad6b7169203331-01")
    with logging_client(RequestLog(every=True)) as client, grpc.insecure_channel(client.endpoint) as channel:
        ask(channel, "/remit.v1.Permissions/Check", request, metadata=[("x-request-id", "mine42"), parent])
        for forged in ("", 'x" level="error', "x" * 65):
            ask(channel, "/remit.v1.Permissions/Check", request, metadata=[("x-request-id", forged)])
    told = lines(caplog)
    assert (told[0]["request_id"], told[0]["trace_id"]) == ("mine42", TRACE)
    assert all(len(line["request_id"]) == 16 and line["request_id"].isalnum() for line in told[1:])
    assert not any("trace_id" in line for line in told[1:])


def test_no_key_ever_stands_in_the_log(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    caplog.set_level(logging.DEBUG)
    request = permissions_pb2.CheckRequest(store="own")
    with keyed_server(tmp_path) as keyed, grpc.insecure_channel(keyed.server.endpoint) as channel:
        good = keyed.make(Right.CHECK, principal="gateway")
        for text in (good, good[:-1] + ("a" if good[-1] != "a" else "b"), good.upper(), "password"):
            ask(channel, "/remit.v1.Permissions/Check", request, text)
        keyed.revoke(good)
        ask(channel, "/remit.v1.Permissions/Check", request, good)
    told = lines(caplog)
    assert [line["status"] for line in told][1:] == ["KEY_MISTYPED"] * 3 + ["KEY_UNKNOWN"]
    assert (told[0]["principal"], told[0]["key"]) == ("gateway", good[3:11])
    whole = "\n".join(JsonLines().format(record) + TextLines().format(record) for record in caplog.records)
    assert good[12:40] not in whole and good[12:40].upper() not in whole and "password" not in whole


def test_who_is_refused_is_nobody_at_an_address_with_the_key_that_was_shown(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    request = permissions_pb2.CheckRequest(store="own")
    with keyed_server(tmp_path) as keyed, grpc.insecure_channel(keyed.server.endpoint) as channel:
        reader = keyed.make(Right.READ, principal="gateway")
        known, unknown = reader[3:11], "a" * 8
        for text in (
            None,
            "password",
            reader[:-1] + "\N{NUMBER SIGN}",
            f"rk_{unknown}{reader[11:]}",
            f"{reader[:20]}{'b' * 51}",
        ):
            ask(channel, "/remit.v1.Permissions/Check", request, text)
        ask(channel, "/remit.v1.Permissions/Check", request, reader)
    *strangers, refused = lines(caplog)
    assert [(line["status"], line.get("key_shown")) for line in strangers] == [
        ("KEY_MISSING", None),
        ("KEY_MISTYPED", None),
        ("KEY_MISTYPED", None),
        ("KEY_MISTYPED", None),
        ("KEY_MISTYPED", known),
    ]
    assert {line["principal"] for line in strangers} == {""}
    assert not any("key" in line for line in strangers)
    assert (refused["status"], refused["principal"], refused["key"]) == ("RIGHT_MISSING", "gateway", known)
    assert all(line["peer"].startswith("ipv4:127.0.0.1:") for line in (*strangers, refused))


# --- lines ------------------------------------------------------------------------------------------------------

values = st.one_of(st.text(), st.integers(), st.booleans(), st.none(), st.floats(), st.binary(max_size=5))
names = st.text("abcdefgh_", min_size=1, max_size=8).filter(lambda name: not hasattr(logging.makeLogRecord({}), name))


@settings(max_examples=60)
@given(st.text(), st.dictionaries(names, values, max_size=4))
def test_a_line_never_breaks_whatever_it_holds(event: str, given: dict[str, Any]) -> None:
    record = logging.makeLogRecord({"msg": "%s", "args": (event,), "levelname": "INFO", "name": "remit", **given})
    told = json.loads(JsonLines().format(record))
    assert told["event"] == event
    assert given.keys() <= told.keys()
    for formatter in (JsonLines(), TextLines()):
        assert len(formatter.format(record).splitlines()) == 1
        assert formatter.format(record).isprintable()


def test_a_traceback_is_inside_its_line_for_programs_and_indented_below_it_for_people() -> None:
    try:
        raise ValueError("what\nhappened\x1b[2J\u202e")
    except ValueError as error:
        failure = (type(error), error, error.__traceback__)
    record = logging.makeLogRecord({"msg": "failed", "levelname": "ERROR", "exc_info": failure})
    assert "what\nhappened\x1b[2J" in json.loads(JsonLines().format(record))["traceback"]
    first, *rest = TextLines().format(record).splitlines()
    assert " error   failed" in first
    assert rest and all(line.startswith("    ") and line.isprintable() for line in rest)


def test_a_line_for_people_reads_as_time_level_event_and_what_was_given() -> None:
    record = logging.makeLogRecord({"msg": "request", "levelname": "INFO", "created": 0.0, "verb": "Check", "ms": 2.5})
    record.question = "a b"
    assert TextLines().format(record) == '1970-01-01T00:00:00.000Z info    request verb=Check ms=2.5 question="a b"'


@pytest.mark.parametrize("format", LogFormat)
@pytest.mark.parametrize("level", LogLevel)
def test_the_process_logs_as_it_was_told_to(
    capsys: pytest.CaptureFixture[str], format: LogFormat, level: LogLevel
) -> None:
    root = logging.getLogger()
    kept = root.level, list(root.handlers)
    try:
        configure(level, format)
        for each in LogLevel:
            logging.getLogger("remit.requests").log(each.number, each.value)
        written = capsys.readouterr().err.splitlines()
    finally:
        root.handlers[:] = kept[1]
        root.setLevel(kept[0])
    expected = [each.value for each in LogLevel if each.number >= level.number]
    if format is LogFormat.JSON:
        assert [json.loads(line)["event"] for line in written] == expected
    else:
        assert [line.split()[2] for line in written] == expected


@given(st.lists(st.floats(0, 300), max_size=60))
def test_what_strangers_cause_is_told_so_many_times_a_minute_and_the_rest_is_counted(times: list[float]) -> None:
    at_most, times = AtMost(3), sorted(times)
    told = [record for record in (logging.makeLogRecord({"created": each}) for each in times) if at_most(record)]
    minutes = Counter(int(each // 60) for each in times)
    assert Counter(int(record.created // 60) for record in told) == {
        minute: min(3, count) for minute, count in minutes.items()
    }
    last = max(minutes, default=0)
    left_out = sum(getattr(record, "left_out", 0) for record in told)
    assert left_out == sum(max(count - 3, 0) for minute, count in minutes.items() if minute != last)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (aio.InternalError('Failed "execute_batch": (…)'), False),
        (aio.InternalError("Failed grpc_call_start_batch: 3"), True),
        (UnicodeDecodeError("utf-8", b"Bearer rk_\xff", 10, 11, "invalid start byte"), False),
        (ValueError("anything else"), True),
    ],
    ids=["a caller left", "a batch was refused", "a key is no text", "anything else"],
)
def test_what_callers_do_is_no_error_of_ours(error: Exception, told: bool) -> None:
    """gRPC's logger tells all of these alike, with a traceback."""
    record = logging.LogRecord("grpc", logging.ERROR, "", 1, "raised in core", (), (type(error), error, None))
    assert is_worth_telling(record) is told
