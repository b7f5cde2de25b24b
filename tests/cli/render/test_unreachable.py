"""Laws of what is advised where no server answers: for the reason at hand, whatever gRPC's words around it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.cli.render.unreachable import advised
from remit.server.run.background import BackgroundServer
from tests.support.cli_shell import Shell

START = "start one with `remit serve`, or name another with --endpoint"
REFUSED = "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:1: Connection refused"


@pytest.mark.parametrize(
    ("transport", "advice"),
    [
        (REFUSED, START),
        ("failed to connect: UNAVAILABLE: ipv4:127.0.0.1:1: Socket closed", "--ca or --tls"),
        ("failed to connect: UNAVAILABLE: ipv4:127.0.0.1:1: recvmsg:Connection reset by peer (104)", "--ca or --tls"),
        ("failed to connect: UNAVAILABLE: ipv4:127.0.0.1:1: sendmsg:Broken pipe (32)", "--ca or --tls"),
        ("failed to connect: CERTIFICATE_VERIFY_FAILED: unable to get local issuer certificate", "--ca"),
        ("failed to connect: WRONG_VERSION_NUMBER: OK", "leave out --tls"),
        ("failed to connect (Trying to connect an http1.x server (HTTP status 404))", "HTTP, not gRPC"),
        ("errors resolving host.invalid:1: [Domain name not found]", "no such host"),
        ("Socket closed", START),
    ],
)
def test_the_advice_is_for_the_reason_at_hand(transport: str, advice: str) -> None:
    said = advised(f"no server answers at `host:1`: {transport}")
    assert advice in said
    assert "`host:1`" in said and "ipv4" not in said


@given(st.text(max_size=60))
def test_whatever_the_transport_says_the_endpoint_is_named_and_something_advised(transport: str) -> None:
    said = advised(f"no server answers at `host:1`: {transport}")
    assert "`host:1`: " in said and "--endpoint" in said


def test_a_server_without_tls_is_told_from_none(shell: Shell, server: BackgroundServer) -> None:
    outcome = shell("whoami", "--tls", "--endpoint", server.endpoint)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == (
        f"error: no connection to `{server.endpoint}`: what listens there does not speak TLS: leave out --tls, --ca, "
        "REMIT_TLS and REMIT_CA (UNAVAILABLE)\n"
    )


@contextmanager
def hanging_up() -> Iterator[str]:
    """The endpoint of what closes every connection, as a server with TLS does that hears plaintext."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def close_each() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                connection.close()

        closing = threading.Thread(target=close_each)
        closing.start()
        try:
            yield f"127.0.0.1:{listening.getsockname()[1]}"
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            closing.join()


def test_who_hangs_up_is_told_from_nobody(bare_shell: Shell) -> None:
    with hanging_up() as endpoint:
        outcome = bare_shell("whoami", "--endpoint", endpoint)
    assert outcome.code == 2
    assert f"no connection to `{endpoint}`: what listens there hangs up" in outcome.err
