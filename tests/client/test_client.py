"""The client: nothing but a yes is true, errors keep their reason, and only questions are asked twice."""

from __future__ import annotations

import asyncio
import inspect
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from remit.client import (
    Answer,
    AsyncClient,
    Client,
    Operation,
    Question,
    RelationshipFilter,
    RemoteError,
    Unanswered,
    Update,
    Verdict,
)
from remit.client.attempts import Attempts
from remit.client.channel import is_loopback
from remit.engine.clock import ManualClock
from remit.engine.facade import Engine
from remit.errors import InvalidArgument, InvalidContext, InvalidReference, InvalidRelationship, RemitError, Status
from remit.model import ObjectRef, SubjectRef
from remit.notation import format_relationship, parse_relationship
from remit.server.net.listen import Address
from remit.server.run.background import BackgroundServer
from remit.server.run.server import Server
from remit.store.memory import MemoryStore
from remit.v1 import permissions_pb2

SCHEMA = """
caveat small(amount int, most int) { amount <= most }
definition user {}
definition doc {
    relation reader: user | user with small
    permission read = reader
}
"""
PATIENCE_S = 30.0  # what a test waits at most for something that should happen at once
ANSWER = permissions_pb2.CheckResponse(verdict=3, token="t").SerializeToString()  # type: ignore[arg-type]


@pytest.fixture
def engine() -> Iterator[Engine]:
    clock = ManualClock(1_800_000_000_000_000)
    engine = Engine(MemoryStore(clock_us=clock.now_us), clock)
    engine.schemas.write("", SCHEMA)
    engine.relationships.write("", [Update(Operation.TOUCH, parse_relationship("doc:d#reader@user:ann"))])
    yield engine
    engine.close()


@contextmanager
def server_of(answer: Callable[[str, bytes, grpc.ServicerContext], bytes]) -> Iterator[str]:
    """A server that is not ours: whatever the method, this function answers."""

    class Every(grpc.GenericRpcHandler):  # type: ignore[type-arg]
        def service(self, details: grpc.HandlerCallDetails) -> Any:
            return grpc.unary_unary_rpc_method_handler(lambda data, context: answer(details.method, data, context))

    server = grpc.server(futures.ThreadPoolExecutor(4), handlers=(Every(),), options=(("grpc.so_reuseport", 0),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


# --- answers ----------------------------------------------------------------------------------------------------


def test_only_a_yes_is_true() -> None:
    answers = {verdict: Answer(verdict, (), "", 0) for verdict in Verdict}
    assert {verdict: bool(answer) for verdict, answer in answers.items()} == {
        Verdict.NO: False,
        Verdict.CONDITIONAL: False,
        Verdict.YES: True,
    }
    assert all(bool(answer) == answer.allowed for answer in answers.values())
    assert not Unanswered(RemoteError("STEP_BUDGET", Status.RESOURCE_EXHAUSTED, "not finished"))


def test_a_verdict_of_a_later_version_is_an_error_and_not_an_answer() -> None:
    message = permissions_pb2.CheckResponse(verdict=9)  # type: ignore[arg-type]
    with (
        server_of(lambda *_: message.SerializeToString()) as endpoint,
        Client(endpoint) as client,
        pytest.raises(InvalidArgument, match="verdict"),
    ):
        client.check("doc:d#read@user:ann")


def test_a_check_that_is_not_awaited_opens_no_door() -> None:
    async def ask() -> None:
        async with AsyncClient("127.0.0.1:1") as client:
            with pytest.raises(TypeError, match="await"):
                bool(client.check("doc:d#read@user:ann"))

    asyncio.run(ask())


# --- questions and facts ----------------------------------------------------------------------------------------


def test_a_question_is_text_or_parts_and_its_own_context_wins(engine: Engine) -> None:
    engine.relationships.write(
        "", [Update(Operation.TOUCH, parse_relationship('doc:d#reader@user:bob[small:{"most":5}]'))]
    )
    parts = Question(ObjectRef("doc", "d"), "read", SubjectRef("user", "bob"), {"amount": 4})
    with BackgroundServer(engine) as server, Client(server.endpoint) as client:
        assert client.check(parts)
        assert not client.check("doc:d#read@user:bob", context={"amount": 6})
        own, common = client.check_many([parts, "doc:d#read@user:bob"], context={"amount": 6})
    assert (bool(own), bool(common)) == (True, False)


@pytest.mark.parametrize(
    ("ask", "error"),
    [
        (lambda client: client.check("doc:d"), InvalidRelationship),
        (lambda client: client.check("doc:d#read@user:*"), InvalidReference),
        (
            lambda client: client.check(Question(ObjectRef("doc", "ü"), "read", SubjectRef("user", "a"))),
            InvalidReference,
        ),
        (lambda client: client.check("doc:d#read@user:a", context={"n": float("nan")}), InvalidContext),
        (lambda client: client.check("doc:d#read@user:a", context={"s": "\ud800"}), InvalidContext),
        (lambda client: client.expand("doc:d"), InvalidReference),
        (lambda client: client.lookup_resources_page("doc:d#read@user:a"), InvalidReference),
        (lambda client: client.lookup_subjects_page("doc:d#read@user:a"), InvalidReference),
        (lambda client: client.lookup_permissions_page("doc:d#read@user:a"), InvalidReference),
        (lambda client: client.touch("doc:d#reader"), InvalidRelationship),
        (lambda client: client.read_page(RelationshipFilter(resource_id="a", resource_id_prefix="a")), InvalidArgument),
    ],
)
def test_a_mistake_is_told_before_anything_is_sent(ask: Callable[[Client], object], error: type[RemitError]) -> None:
    sent: list[str] = []

    def answer(method: str, _: bytes, __: grpc.ServicerContext) -> bytes:
        sent.append(method)
        return b""

    with server_of(answer) as endpoint, Client(endpoint) as client, pytest.raises(error):
        ask(client)
    assert sent == []


def test_the_async_client_does_what_the_client_does(engine: Engine) -> None:
    """In one event loop with its server: gRPC polls for one loop of a process at a time."""

    async def story() -> list[object]:
        server = Server(engine)
        address = await server.start(Address("127.0.0.1", 0))
        told: list[object] = []
        try:
            async with AsyncClient(str(address)) as client:
                token = await client.touch("doc:e#reader@user:bob")
                told.append(bool(await client.check("doc:e#read@user:bob", at_least=token)))
                told.append([bool(answer) for answer in await client.check_many(["doc:e#read@user:eve"])])
                together = await asyncio.gather(*(client.check(f"doc:e#read@user:{name}") for name in ("bob", "eve")))
                told.append([answer.verdict for answer in together])
                told.append(bool(await asyncio.create_task(client.check("doc:e#read@user:bob"))))
                told.append(len((await client.expand("doc:e#read")).expansion.sets))
                await client.create("doc:f#reader@user:bob")
                await client.delete("doc:f#reader@user:bob")
                told.append([format_relationship(each.relationship) async for each in client.read(page_size=1)])
                told.append((await client.read_schema()).text == SCHEMA)
                told.append((await client.write_schema(SCHEMA)).warnings)
                try:
                    await client.check("doc:e#fly@user:bob")
                except RemoteError as error:
                    told.append(error.reason)
        finally:  # one that still runs when its loop is gone ends others with it, one test later
            finished = await server.stop(5.0)
        assert finished
        return told

    assert asyncio.run(story()) == [
        True,
        [False],
        [Verdict.YES, Verdict.NO],
        True,
        2,
        ["doc:d#reader@user:ann", "doc:e#reader@user:bob"],
        True,
        (),
        "UNKNOWN_RELATION",
    ]


def test_both_clients_have_the_same_methods_with_the_same_parameters() -> None:
    def methods(kind: type) -> dict[str, list[str]]:
        return {
            name: list(inspect.signature(member).parameters)
            for name, member in vars(kind).items()
            if inspect.isfunction(member) and not name.startswith("__")
        }

    assert methods(Client) == methods(AsyncClient)


# --- errors, retries and tokens ---------------------------------------------------------------------------------


def test_a_server_that_is_not_there_is_named() -> None:
    with (
        Client("127.0.0.1:1") as client,
        pytest.raises(RemoteError, match=r"no server answers at `127\.0\.0\.1:1`") as caught,
    ):
        client.check("doc:d#read@user:ann", timeout_s=20)
    assert (caught.value.reason, caught.value.status) == ("UNAVAILABLE", Status.UNAVAILABLE)


def test_no_answer_in_time_is_an_error() -> None:
    gate: queue.Queue[bytes] = queue.Queue()

    def answer(*_: object) -> bytes:
        return gate.get(timeout=30)

    with server_of(answer) as endpoint, Client(endpoint, timeout_s=0.1) as client:
        with pytest.raises(RemoteError, match="in time") as caught:
            client.check("doc:d#read@user:ann")
        gate.put(ANSWER)
    assert caught.value.status is Status.DEADLINE_EXCEEDED


@pytest.mark.parametrize(
    ("ask", "attempts"),
    [
        (lambda client: client.check("doc:d#read@user:ann"), 4),
        (lambda client: client.read_page(), 4),
        (lambda client: client.read_schema(), 4),
        (lambda client: client.who_am_i(), 4),
        (lambda client: client.touch("doc:d#reader@user:ann"), 1),
        (lambda client: client.write_schema(SCHEMA), 1),
        (lambda client: client.delete_by_filter(RelationshipFilter(resource_type="doc")), 1),
        (lambda client: client.create_store("new"), 1),
        (lambda client: client.delete_store("old"), 1),
    ],
)
def test_questions_are_asked_again_where_the_server_is_unavailable_and_writes_never(
    ask: Callable[[Client], object], attempts: int
) -> None:
    asked: list[str] = []

    def answer(method: str, _: bytes, context: grpc.ServicerContext) -> bytes:
        asked.append(method)
        context.abort(grpc.StatusCode.UNAVAILABLE, "closing")
        return b""

    with server_of(answer) as endpoint, Client(endpoint) as client, pytest.raises(RemoteError) as caught:
        ask(client)
    assert caught.value.reason == "UNAVAILABLE"
    assert len(asked) == attempts


@pytest.mark.parametrize(
    ("ask", "attempts"),
    [
        (lambda client: client.check("doc:d#read@user:ann"), 4),
        (lambda client: client.touch("doc:d#reader@user:ann"), 1),
    ],
)
def test_the_asyncio_client_asks_as_often(ask: Callable[[AsyncClient], Any], attempts: int) -> None:
    asked: list[str] = []

    def answer(method: str, _: bytes, context: grpc.ServicerContext) -> bytes:
        asked.append(method)
        context.abort(grpc.StatusCode.UNAVAILABLE, "closing")
        return b""

    async def failed(endpoint: str) -> RemoteError:
        async with AsyncClient(endpoint) as client:
            with pytest.raises(RemoteError) as caught:
                await ask(client)
        return caught.value

    with server_of(answer) as endpoint:
        assert asyncio.run(failed(endpoint)).reason == "UNAVAILABLE"
    assert len(asked) == attempts


def test_all_attempts_share_the_time_of_one_request() -> None:
    """The server would serve at the fourth, for which no time is left."""
    left_s: list[float] = []

    def answer(_: str, __: bytes, context: grpc.ServicerContext) -> bytes:
        left_s.append(context.time_remaining() or 0)
        if len(left_s) < 4:
            context.abort(grpc.StatusCode.UNAVAILABLE, "starting")
        return ANSWER

    with server_of(answer) as endpoint, Client(endpoint) as client, pytest.raises(RemoteError) as caught:
        client.check("doc:d#read@user:ann", timeout_s=0.35)
    assert caught.value.status in (Status.UNAVAILABLE, Status.DEADLINE_EXCEEDED)
    # Pauses are of 0.05 s or more; on its way a timeout is rounded up, by a millisecond or so.
    assert len(left_s) < 4 and all(left <= 0.36 for left in left_s)
    assert all(later < earlier - 0.02 for earlier, later in pairwise(left_s))


@pytest.mark.parametrize("timeout", [None, "1", float("nan"), float("inf"), 1e10])
def test_what_is_no_timeout_is_refused_before_anything_is_sent(timeout: Any) -> None:
    """gRPC would say of the long ones that their time is over."""
    for kind in (Client, AsyncClient):
        with pytest.raises(InvalidArgument, match="is not a timeout: give seconds"):
            kind("127.0.0.1:1", timeout_s=timeout)
    if timeout is not None:
        with Client("127.0.0.1:1") as client, pytest.raises(InvalidArgument, match="is not a timeout: give seconds"):
            client.check("doc:d#read@user:ann", timeout_s=timeout)


def test_what_has_no_time_left_is_not_sent() -> None:
    asked: list[str] = []

    def answer(method: str, _: bytes, __: grpc.ServicerContext) -> bytes:
        asked.append(method)
        return b""

    with server_of(answer) as endpoint, Client(endpoint) as client:
        update = Update(Operation.TOUCH, parse_relationship("doc:d#reader@user:ann"))
        for timeout_s in (-5, 0, -0.0, float("-inf"), -(10**400)) * 5:
            with pytest.raises(RemoteError) as caught:
                client.write([update], timeout_s=timeout_s)
            assert caught.value.status is Status.DEADLINE_EXCEEDED
    assert asked == []


def test_a_server_that_says_when_to_come_back_is_not_asked_before() -> None:
    asked: list[str] = []

    def answer(method: str, _: bytes, context: grpc.ServicerContext) -> bytes:
        asked.append(method)
        status = status_pb2.Status(code=grpc.StatusCode.UNAVAILABLE.value[0], message="closing")
        status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=Duration(seconds=60)))
        context.abort_with_status(rpc_status.to_status(status))
        return b""

    with server_of(answer) as endpoint, Client(endpoint, timeout_s=30) as client, pytest.raises(RemoteError) as caught:
        client.check("doc:d#read@user:ann")
    assert (caught.value.status, caught.value.retry_after_s, len(asked)) == (Status.UNAVAILABLE, 60.0, 1)


def check_until_closed(endpoint: str, told: queue.SimpleQueue[str]) -> None:
    """Check, of a client that is closed when something is told."""
    client = Client(endpoint, timeout_s=1_000)
    closing = threading.Thread(target=lambda: (told.get(), client.close()))
    closing.start()
    try:
        client.check("doc:d#read@user:ann")
    finally:
        closing.join()


async def check_async_until_closed(endpoint: str, told: queue.SimpleQueue[str]) -> None:
    async with AsyncClient(endpoint, timeout_s=1_000) as client:
        asking = asyncio.ensure_future(client.check("doc:d#read@user:ann"))
        await asyncio.to_thread(told.get)
    await asking


UNTIL_CLOSED = (check_until_closed, lambda *of: asyncio.run(check_async_until_closed(*of)))


def test_closing_a_client_under_a_request_ends_it_with_an_error_and_asks_nothing_again() -> None:
    asked, gate = queue.SimpleQueue[str](), threading.Event()

    def answer(method: str, _: bytes, __: grpc.ServicerContext) -> bytes:
        asked.put(method)
        gate.wait(PATIENCE_S)
        return ANSWER

    async def cancelled(endpoint: str) -> None:
        """A task that was cancelled ends as one, whatever else is going on."""
        async with AsyncClient(endpoint, timeout_s=PATIENCE_S) as client:
            asking = asyncio.create_task(client.read_schema())
            await asyncio.to_thread(asked.get)
            asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    with server_of(answer) as endpoint:
        for check in UNTIL_CLOSED:
            with pytest.raises(RemoteError) as caught:
                check(endpoint, asked)
            assert caught.value.status is Status.CANCELLED
        asyncio.run(cancelled(endpoint))
        gate.set()
    assert asked.empty()


def test_closing_a_client_ends_its_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    paused, asked = queue.SimpleQueue[str](), list[str]()

    def pause_s(*_: object) -> float:
        paused.put("paused")
        return 600.0

    def answer(method: str, _: bytes, context: grpc.ServicerContext) -> bytes:
        asked.append(method)
        context.abort(grpc.StatusCode.UNAVAILABLE, "starting")
        return b""

    monkeypatch.setattr(Attempts, "pause_s", pause_s)
    with server_of(answer) as endpoint:
        for check in UNTIL_CLOSED:
            with pytest.raises(RemoteError, match="starting") as caught:
                check(endpoint, paused)
            assert caught.value.status is Status.UNAVAILABLE
    assert len(asked) == 2


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED])
def test_a_question_that_is_answered_the_second_time_is_answered(code: grpc.StatusCode) -> None:
    """CANCELLED comes from gRPC servers that stop, for calls that were sent while they closed their port."""
    asked: list[str] = []

    def answer(method: str, _: bytes, context: grpc.ServicerContext) -> bytes:
        asked.append(method)
        if len(asked) == 1:
            context.abort(code, "starting")
        return ANSWER

    with server_of(answer) as endpoint, Client(endpoint) as client:
        assert client.check("doc:d#read@user:ann")
    assert len(asked) == 2


def test_a_write_that_a_stopping_server_dropped_is_not_sent_again() -> None:
    asked: list[str] = []

    def answer(method: str, _: bytes, context: grpc.ServicerContext) -> bytes:
        asked.append(method)
        context.abort(grpc.StatusCode.CANCELLED, "stopping")
        return b""

    with server_of(answer) as endpoint, Client(endpoint) as client, pytest.raises(RemoteError) as caught:
        client.touch("doc:d#reader@user:ann")
    assert (caught.value.status, len(asked)) == (Status.CANCELLED, 1)


def shown_authorization(monkeypatch: pytest.MonkeyPatch, environment: str | None, token: str | None) -> object:
    shown: list[object] = []

    def answer(_: str, __: bytes, context: grpc.ServicerContext) -> bytes:
        shown.append(dict(context.invocation_metadata()).get("authorization"))
        return ANSWER

    if environment is None:
        monkeypatch.delenv("REMIT_TOKEN", raising=False)
    else:
        monkeypatch.setenv("REMIT_TOKEN", environment)
    with server_of(answer) as endpoint, Client(endpoint, token=token) as client:
        client.check("doc:d#read@user:ann")
    return shown[0]


@pytest.mark.parametrize(
    ("environment", "token", "shown"),
    [
        (None, None, None),
        ("from-env", None, "Bearer from-env"),
        ("from-env", "given", "Bearer given"),
        ("from-env", "", None),
        (None, "given", "Bearer given"),
    ],
)
def test_a_token_is_the_argument_or_else_the_environment_s(
    monkeypatch: pytest.MonkeyPatch, environment: str | None, token: str | None, shown: str | None
) -> None:
    assert shown_authorization(monkeypatch, environment, token) == shown


@pytest.mark.parametrize(
    "endpoint", ["192.0.2.1:50051", "remit.example.com:443", "[2001:db8::1]:1", "localhost.evil:1"]
)
def test_a_token_is_not_shown_to_the_network(endpoint: str) -> None:
    assert not is_loopback(endpoint)
    with pytest.raises(InvalidArgument, match="unencrypted"):
        Client(endpoint, token="secret")
    Client(endpoint, token="secret", credentials=grpc.ssl_channel_credentials()).close()
    Client(endpoint, token="").close()


def test_a_token_with_a_line_break_is_refused_and_not_quoted() -> None:
    with pytest.raises(InvalidArgument) as refused:
        Client("127.0.0.1:1", token="secret\nx-evil: 1")
    assert "secret" not in refused.value.message


def test_the_endpoint_is_the_argument_or_else_the_environment_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REMIT_ENDPOINT", "127.0.0.1:7")
    assert [Client().endpoint, Client("127.0.0.1:8").endpoint] == ["127.0.0.1:7", "127.0.0.1:8"]
    monkeypatch.delenv("REMIT_ENDPOINT")
    assert Client().endpoint == "127.0.0.1:50051"
