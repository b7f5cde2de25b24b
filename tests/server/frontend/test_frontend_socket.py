"""The socket between the frontend and Python: nobody else's to enter, and told of where it is gone."""

from __future__ import annotations

import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import grpc
import pytest

from remit.errors import InvalidArgument
from remit.server.frontend.frontend import FrontendChoice
from remit.server.run.background import BackgroundServer
from tests.support.engines import EngineOpener
from tests.support.serving import PATIENCE_S


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the system keeps temporary files, for this test alone."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_only_its_owner_may_enter_and_a_server_without_it_is_not_ready(
    open_engine: EngineOpener, temporary: Path
) -> None:
    with BackgroundServer(open_engine().engine, frontend=FrontendChoice.ON) as server:
        (folder,) = temporary.iterdir()
        socket = folder / "grpc"
        assert (stat.S_IMODE(folder.stat().st_mode), stat.S_IMODE(socket.stat().st_mode)) == (0o700, 0o600)
        assert server.server.problems() == []
        socket.unlink()  # as programs do that tidy up
        assert f"`{socket}` was removed" in server.server.problems()[0]
    assert list(temporary.iterdir()) == []


LISTENING = """
import socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
print("listens", flush=True)
connection, _ = listener.accept()
print(connection.recv(65_536), flush=True)
"""


def test_nobody_else_who_listens_in_its_place_is_sent_a_byte(open_engine: EngineOpener, temporary: Path) -> None:
    with BackgroundServer(open_engine().engine, frontend=FrontendChoice.ON) as server:
        (folder,) = temporary.iterdir()
        (folder / "grpc").unlink()
        command = [sys.executable, "-c", LISTENING, str(folder / "grpc")]
        with (
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other,
            grpc.insecure_channel(server.endpoint) as channel,
        ):
            assert other.stdout is not None
            assert other.stdout.readline() == "listens\n"
            watching = channel.unary_stream("/remit.v1.Relationships/Watch")
            with pytest.raises(grpc.RpcError) as refused:
                next(watching(b"", timeout=PATIENCE_S, metadata=[("authorization", "Bearer rk_a_secret")]))
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE  # type: ignore[attr-defined]
            assert other.stdout.readline() == "b''\n"


def test_a_path_too_long_for_a_socket_is_refused_with_what_to_do(
    open_engine: EngineOpener, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = temporary / ("long" * 30)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    server = BackgroundServer(open_engine().engine, frontend=FrontendChoice.ON)
    with pytest.raises(InvalidArgument, match="set TMPDIR"):
        server.__enter__()
