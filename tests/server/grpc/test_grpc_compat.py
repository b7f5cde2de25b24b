"""What accepts calls: every method by its path, all others as one; and a server that fails at it says so and ends."""

from __future__ import annotations

import asyncio
import logging
import threading
from pathlib import Path
from typing import Any

import grpc
import pytest

from remit.client import Client, RemoteError
from remit.engine.facade import Engine
from remit.server.frontend.frontend import FrontendChoice
from remit.server.grpc import grpc_compat as accepting
from remit.server.run import app
from remit.server.run.background import BackgroundServer
from remit.server.run.config import Config
from remit.server.verbs import STREAMS, VERBS
from tests.support.serving import PATIENCE_S

WITHOUT_A_DOOR = Config(frontend=FrontendChoice.OFF)
PATHS = [verb.path for verb in (*VERBS, *STREAMS)]


def reason_of(channel: grpc.Channel, path: str) -> str:
    """Why a call without a request is refused; "" where it is not."""
    call: Any = channel.stream_stream(path)(iter(()), PATIENCE_S)
    try:
        next(call, None)
    except grpc.RpcError:
        return str(call.details())
    finally:
        call.cancel()
    return ""


def test_every_method_is_found_by_its_path_and_nothing_else_is(client: Client) -> None:
    with grpc.insecure_channel(client.endpoint) as channel:
        for path in PATHS:
            assert "no such method" not in reason_of(channel, path)
            for wrong in (path + "x", path[:-1], path.upper(), path + "/", "/" + path, f"/x{path}"):
                assert "no such method" in reason_of(channel, wrong), wrong


def break_accepting(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on, asking for the next call fails, as no failure is known to."""

    def fail(*_: object) -> asyncio.Future[Any]:
        raise RuntimeError("no more calls")

    monkeypatch.setattr(accepting._Accepting, "_make_request_call_future", fail)


# Unary calls that come through the frontend are not grpcio's to accept, so it is asked without one.
def test_a_server_that_can_accept_no_more_calls_is_not_ready_and_says_why(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        caplog.at_level(logging.CRITICAL),
        BackgroundServer(engine, frontend=FrontendChoice.OFF) as server,
        Client(server.endpoint) as client,
    ):
        assert server.server.problems() == []
        break_accepting(monkeypatch)
        with pytest.raises(RemoteError):
            for _ in range(10):
                client.who_am_i()
        ended = asyncio.run_coroutine_threadsafe(server.server.ended.wait(), server._loop)
        assert ended.result(PATIENCE_S)
        assert server.server.problems() == ["ended"]
    assert "gRPC ended by itself" in caplog.text


def test_a_process_that_can_accept_no_more_calls_ends(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Or whoever restarts what has ended would never know."""
    endpoints: list[str] = []
    ready = threading.Event()
    monkeypatch.setattr(asyncio.unix_events._UnixSelectorEventLoop, "add_signal_handler", lambda *_: None)
    monkeypatch.setattr(app.logs, "configure", lambda *_: None)

    def on_ready(endpoint: str) -> None:
        endpoints.append(endpoint)
        ready.set()

    codes: list[int] = []
    serving = threading.Thread(
        target=lambda: codes.append(
            app.serve(data=None, in_memory=True, grpc="127.0.0.1:0", ready=on_ready, config=WITHOUT_A_DOOR)
        )
    )
    serving.start()
    assert ready.wait(PATIENCE_S)
    break_accepting(monkeypatch)
    with Client(endpoints[0]) as client, pytest.raises(RemoteError):
        for _ in range(10):
            client.who_am_i()
    serving.join(PATIENCE_S)
    assert codes == [1]
