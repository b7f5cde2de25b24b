"""Every way Remit can fail arrives with its reason; what we did not expect arrives without a word of what it was."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator
from typing import Any, cast

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from remit import errors
from remit.client import Client, RemoteError
from remit.engine.clock import ManualClock
from remit.engine.facade import Engine
from remit.engine.limits import Limits
from remit.errors import InvalidReference, RemitError
from remit.server.run.background import BackgroundServer
from remit.v1 import core_pb2, permissions_pb2
from remit.wire.status import DOMAIN


def every_error() -> Iterator[type[RemitError]]:
    """All classes but the client's own, which never leaves a server."""
    waiting = [RemitError]
    while waiting:
        kind = waiting.pop()
        waiting.extend(kind.__subclasses__())
        if kind is not errors.RemoteError and kind.__module__ == "remit.errors":
            yield kind


class FailingEngine:
    """Stands in for an engine in which every check fails the same way, and all nouns are one."""

    failure: Exception = RemitError("not set")
    limits = Limits()
    clock = ManualClock()
    core = None

    @property
    def questions(self) -> FailingEngine:
        return self

    streams = questions

    def check(self, *_: object, **__: object) -> object:
        raise self.failure

    def on_change(self, _: object) -> Callable[[], None]:
        return lambda: None

    on_commit = on_change


@pytest.fixture(scope="module")
def failing() -> Iterator[tuple[FailingEngine, Client]]:
    engine = FailingEngine()
    with BackgroundServer(cast(Engine, engine)) as server, Client(server.endpoint) as client:
        yield engine, client


def made_as(kind: type[RemitError], message: str, **details: str) -> RemitError:
    """Some make their message themselves, of what they are given: here they are made as all are in the end."""
    if "message" in inspect.signature(kind).parameters:
        return kind(message, **details)
    error = kind.__new__(kind)
    RemitError.__init__(error, message, **details)
    return error


@pytest.mark.parametrize("kind", sorted(every_error(), key=lambda kind: kind.__name__))
def test_every_reason_arrives(failing: tuple[FailingEngine, Client], kind: type[RemitError]) -> None:
    engine, client = failing
    engine.failure = made_as(kind, "the value `x` is wrong", field="resource.id", value="x")
    with pytest.raises(RemoteError) as caught:
        client.check("folder:a#view@user:b")
    received = caught.value
    assert (received.reason, received.status, received.message) == (kind.reason, kind.status, "the value `x` is wrong")
    assert (received.field, received.metadata["value"]) == ("resource.id", "x")


def test_reasons_are_a_promise_and_so_are_unique_words() -> None:
    reasons = [kind.reason for kind in every_error()]
    assert sorted(reasons) == sorted(set(reasons))
    assert all(reason.replace("_", "").isupper() and len(reason) < 64 for reason in reasons)


def test_details_are_those_of_google_rpc(failing: tuple[FailingEngine, Client]) -> None:
    engine, client = failing
    engine.failure = InvalidReference("`x` is wrong", field="resource.id")
    request = permissions_pb2.CheckRequest(
        resource=core_pb2.ObjectReference(type="folder", id="a"),
        permission="view",
        subject=core_pb2.SubjectReference(object=core_pb2.ObjectReference(type="user", id="b")),
    ).SerializeToString()
    with grpc.insecure_channel(client.endpoint) as channel:
        method = channel.unary_unary("/remit.v1.Permissions/Check")
        with pytest.raises(grpc.RpcError) as caught:
            method(request)
    call = cast(Any, caught.value)
    trailers = dict(call.trailing_metadata())
    status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    info, bad_request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    assert status.details[0].Unpack(info) and status.details[1].Unpack(bad_request)
    assert (info.domain, info.reason) == (DOMAIN, "INVALID_REFERENCE")
    assert bad_request.field_violations[0].field == "resource.id"
    assert (status.code, status.message) == (call.code().value[0], call.details())
    assert trailers["x-request-id"]


@pytest.mark.parametrize(
    "defect", [KeyError("secret"), AssertionError("secret"), RecursionError("secret"), MemoryError()]
)
def test_a_defect_is_told_to_the_log_alone(
    failing: tuple[FailingEngine, Client], defect: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    engine, client = failing
    engine.failure = defect
    with caplog.at_level(logging.ERROR), pytest.raises(RemoteError) as caught:
        client.check("folder:a#view@user:b")
    assert caught.value.reason == "INTERNAL"
    assert "secret" not in f"{caught.value.message} {caught.value.metadata}"
    request_id = caught.value.metadata["request_id"]
    (record,) = (record for record in caplog.records if vars(record).get("request_id") == request_id)
    assert record.exc_info is not None and record.exc_info[1] is defect


def test_a_caller_s_own_request_id_is_kept_if_it_is_one(failing: tuple[FailingEngine, Client]) -> None:
    engine, client = failing
    engine.failure = RemitError("no")
    with grpc.insecure_channel(client.endpoint) as channel:
        method = channel.unary_unary("/remit.v1.Permissions/Check")
        seen = []
        for given in ("abc123", "no good: spaces", "x" * 65):
            with pytest.raises(grpc.RpcError) as caught:
                method(b"", metadata=(("x-request-id", given),))
            seen.append(dict(cast(Any, caught.value).trailing_metadata())["x-request-id"])
    assert seen[0] == "abc123"
    assert all(request_id.isalnum() and len(request_id) == 16 for request_id in seen[1:])
