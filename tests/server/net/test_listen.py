"""Where the server may listen, and that nobody shares the place."""

from __future__ import annotations

import errno
import socket

import pytest

from remit.client import Client
from remit.engine.facade import Engine
from remit.errors import AddressRefused, InvalidArgument
from remit.server.net.listen import Address, checked_address, listening_socket, probe
from remit.server.run.background import BackgroundServer
from tests.support.serving import opened


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:50051", Address("127.0.0.1", 50051)),
        ("127.8.8.8:0", Address("127.8.8.8", 0)),
        ("localhost:1", Address("127.0.0.1", 1)),
        ("[::1]:65535", Address("::1", 65535)),
        ("::1:7", Address("::1", 7)),
    ],
)
def test_a_checked_address_is_one_numeric_address(text: str, address: Address) -> None:
    assert checked_address(text) == address
    assert checked_address(str(address)) == address


@pytest.mark.parametrize("text", ["0.0.0.0:1", "[::]:1", ":1", "192.0.2.1:1", "[2001:db8::1]:1", "[::ffff:0.0.0.0]:1"])
def test_without_keys_nothing_but_loopback_is_listened_on(text: str) -> None:
    with pytest.raises(AddressRefused, match="no keys") as refused:
        checked_address(text)
    assert "127.0.0.1:1" in refused.value.message


@pytest.mark.parametrize("text", ["", "localhost", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:65536", "127.0.0.1:-1"])
def test_what_is_no_address_is_said_to_be_none(text: str) -> None:
    with pytest.raises(InvalidArgument, match="HOST:PORT"):
        checked_address(text)


@pytest.mark.parametrize("text", ["no.such.host.invalid:1", "[1:2]:3", "a" * 300 + ":1", "\x00:1"])
def test_a_host_that_cannot_be_found_is_an_error(text: str) -> None:
    with pytest.raises(AddressRefused):
        checked_address(text)


def test_a_second_server_on_a_port_is_refused_and_the_first_goes_on(engine: Engine) -> None:
    other = opened()
    with BackgroundServer(engine) as first:
        with pytest.raises(AddressRefused, match="another server"), BackgroundServer(other, first.endpoint):
            raise AssertionError("two servers on one port")
        with Client(first.endpoint) as client:
            assert list(client.read()) == []
    with BackgroundServer(engine, first.endpoint) as again:
        assert again.endpoint == first.endpoint
    other.close()


def test_a_taken_http_port_is_refused_and_leaves_no_grpc_server_behind(engine: Engine) -> None:
    with listening_socket(Address("127.0.0.1", 0)) as taken:
        http = f"127.0.0.1:{taken.getsockname()[1]}"
        server = BackgroundServer(engine, http=http)
        with pytest.raises(AddressRefused, match="another server"), server:
            raise AssertionError("two servers on one port")
        probe(checked_address(server.endpoint))


def test_somebody_who_shares_ports_is_not_shared_with() -> None:
    with socket.socket() as sharing:
        sharing.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sharing.bind(("127.0.0.1", 0))
        sharing.listen()
        with pytest.raises(AddressRefused, match="another server"):
            probe(Address("127.0.0.1", sharing.getsockname()[1]))


def test_a_reason_of_the_system_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def bind(self: socket.socket, _: object) -> None:
        raise OSError(errno.EACCES, "whatever it is called here")

    monkeypatch.setattr(socket.socket, "bind", bind)
    with pytest.raises(AddressRefused, match="permission denied"):
        probe(Address("127.0.0.1", 80))
