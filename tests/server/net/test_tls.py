"""TLS and mutual TLS: who is reached, who is let in, and certificates that are renewed while the server runs."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
import trustme

from remit.access.key_file import changing_keys
from remit.access.keyring import KeyRing
from remit.access.keys import Keys, Right
from remit.believed_file import read_regular
from remit.cli.main import main
from remit.client import AsyncClient, Client, RemoteError, Tls
from remit.engine.facade import Engine
from remit.errors import AddressRefused, CertificateUnreadable, FileUnreadable, InvalidArgument, Status
from remit.server.net.listen import Address, Protection, checked_address
from remit.server.net.tls import Certificates, TlsFiles
from remit.server.run.background import BackgroundServer
from tests.support.serving import PATIENCE_S

HOST = "127.0.0.1"
NOW_US = 1_800_000_000_000_000


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REMIT_TLS", "REMIT_CA", "REMIT_CERT", "REMIT_CERT_KEY", "REMIT_TOKEN", "REMIT_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)


def issued(authority: trustme.CA, folder: Path, name: str = HOST) -> Tls:
    """A certificate of that name and its key, as files, beside its authority's."""
    folder.mkdir(exist_ok=True)
    leaf = authority.issue_cert(name)
    leaf.private_key_pem.write_to_path(folder / "key.pem")
    (folder / "key.pem").chmod(0o600)
    leaf.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    return Tls(folder / "ca.pem", folder / "cert.pem", folder / "key.pem")


def files(tls: Tls, clients: Path | str | None = None) -> TlsFiles:
    assert tls.cert is not None
    assert tls.cert_key is not None
    return TlsFiles(Path(tls.cert), Path(tls.cert_key), None if clients is None else Path(clients))


def is_served(server: BackgroundServer, tls: Tls | None) -> bool:
    with Client(server.endpoint, tls=tls, timeout_s=PATIENCE_S) as client:
        try:
            return client.who_am_i().principal == "local"
        except RemoteError as error:
            assert error.status in (Status.UNAVAILABLE, Status.DEADLINE_EXCEEDED)
            return False


def serial_shown(endpoint: str, tls: Tls) -> str:
    """The serial number of the certificate that a new connection sees."""
    context = ssl.create_default_context(cafile=tls.ca)
    context.set_alpn_protocols(["h2", "http/1.1"])
    host, _, port = endpoint.removeprefix("https://").rpartition(":")
    with (
        socket.create_connection((host, int(port)), timeout=PATIENCE_S) as plain,
        context.wrap_socket(plain, server_hostname=host) as wrapped,
    ):
        shown = wrapped.getpeercert()
        assert shown is not None
        return str(shown["serialNumber"])


# --- who is reached -----------------------------------------------------------------------------------------------


def test_a_client_reaches_a_server_whose_authority_it_trusts_and_no_other(
    engine: Engine, authority: trustme.CA, tmp_path: Path
) -> None:
    tls = issued(authority, tmp_path / "ours")
    stranger = issued(trustme.CA(), tmp_path / "theirs")
    with BackgroundServer(engine, certificates=Certificates(files(tls))) as server:
        assert is_served(server, Tls(tls.ca))
        assert not is_served(server, Tls(stranger.ca))
        assert not is_served(server, None)  # unencrypted


def test_a_server_under_another_name_is_not_believed(engine: Engine, authority: trustme.CA, tmp_path: Path) -> None:
    tls = issued(authority, tmp_path / "ours", "remit.example.com")
    with BackgroundServer(engine, certificates=Certificates(files(tls))) as server:
        assert not is_served(server, Tls(tls.ca))


def test_the_asyncio_client_encrypts_alike(engine: Engine, authority: trustme.CA, tmp_path: Path) -> None:
    tls = issued(authority, tmp_path / "ours")
    with BackgroundServer(engine, certificates=Certificates(files(tls, tls.ca))) as server:

        async def ask() -> str:
            async with AsyncClient(server.endpoint, tls=tls) as client:
                return (await client.who_am_i()).principal

        assert asyncio.run(ask()) == "local"


# --- who is let in ------------------------------------------------------------------------------------------------


def test_only_clients_of_the_named_authority_are_let_in(engine: Engine, authority: trustme.CA, tmp_path: Path) -> None:
    tls = issued(authority, tmp_path / "server")
    clients = trustme.CA()
    ours, theirs = issued(clients, tmp_path / "ours"), issued(trustme.CA(), tmp_path / "theirs")
    with BackgroundServer(engine, certificates=Certificates(files(tls, ours.ca))) as server:
        assert is_served(server, Tls(tls.ca, ours.cert, ours.cert_key))
        assert not is_served(server, Tls(tls.ca, theirs.cert, theirs.cert_key))
        assert not is_served(server, Tls(tls.ca, tls.cert, tls.cert_key))  # the server's own authority is no client's
        assert not is_served(server, Tls(tls.ca))


def test_http_is_encrypted_too_and_asks_probes_for_no_certificate(
    engine: Engine, authority: trustme.CA, tmp_path: Path
) -> None:
    tls = issued(authority, tmp_path / "ours")
    with BackgroundServer(engine, http=f"{HOST}:0", certificates=Certificates(files(tls, tls.ca))) as server:
        assert server.http_endpoint.startswith("https://")
        context = ssl.create_default_context(cafile=tls.ca)
        with urllib.request.urlopen(f"{server.http_endpoint}/healthz", context=context, timeout=PATIENCE_S) as answer:
            assert answer.read() == b"ok\n"


# --- certificates that are renewed --------------------------------------------------------------------------------


def test_a_renewed_certificate_is_shown_to_new_connections_and_old_ones_go_on(
    engine: Engine, authority: trustme.CA, tmp_path: Path
) -> None:
    tls = issued(authority, tmp_path / "ours")
    with (
        BackgroundServer(engine, http=f"{HOST}:0", certificates=Certificates(files(tls))) as server,
        Client(server.endpoint, tls=Tls(tls.ca)) as client,
    ):
        assert client.who_am_i()
        first = serial_shown(server.endpoint, tls)
        assert serial_shown(server.http_endpoint, tls) == first
        issued(authority, tmp_path / "ours")
        server.look_at_files()
        second = serial_shown(server.endpoint, tls)
        assert second != first
        assert serial_shown(server.http_endpoint, tls) == second
        assert client.who_am_i()
        assert is_served(server, Tls(tls.ca))


def test_grpc_is_given_a_certificate_once_and_not_at_every_handshake(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """gRPC would put it in the place of the one that other handshakes are using, and end the process in time."""
    tls = issued(authority, tmp_path / "ours")
    asked: list[Callable[[], object]] = []
    monkeypatch.setattr(grpc, "dynamic_ssl_server_credentials", lambda _, changed, **__: asked.append(changed))
    certificates = Certificates(files(tls))
    for _ in range(2):  # of two ports
        certificates.grpc_credentials()
    assert [changed() for changed in asked] == [None, None]
    issued(authority, tmp_path / "ours")
    assert certificates.refresh(), "somebody else looked first"
    assert None not in [changed() for changed in asked]
    assert [changed() for changed in asked] == [None, None]


def test_an_authority_that_is_replaced_lets_in_its_own_clients_from_then_on(
    engine: Engine, authority: trustme.CA, tmp_path: Path
) -> None:
    tls = issued(authority, tmp_path / "server")
    old, new = trustme.CA(), trustme.CA()
    before, after = issued(old, tmp_path / "before"), issued(new, tmp_path / "after")
    named = tmp_path / "clients.pem"
    old.cert_pem.write_to_path(named)
    with BackgroundServer(engine, certificates=Certificates(files(tls, named))) as server:
        assert is_served(server, Tls(tls.ca, before.cert, before.cert_key))
        assert not is_served(server, Tls(tls.ca, after.cert, after.cert_key))
        new.cert_pem.write_to_path(named)
        server.look_at_files()
        assert is_served(server, Tls(tls.ca, after.cert, after.cert_key))
        assert not is_served(server, Tls(tls.ca, before.cert, before.cert_key))


def test_what_does_not_belong_together_is_told_and_the_certificate_of_before_goes_on(
    engine: Engine, authority: trustme.CA, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tls = issued(authority, tmp_path / "ours")
    renewed = issued(authority, tmp_path / "renewed")
    certificates = Certificates(files(tls))
    assert tls.cert is not None
    assert tls.cert_key is not None
    assert renewed.cert is not None
    assert renewed.cert_key is not None
    with BackgroundServer(engine, certificates=certificates) as server:
        first = serial_shown(server.endpoint, tls)
        Path(tls.cert).write_bytes(Path(renewed.cert).read_bytes())
        with caplog.at_level(logging.ERROR):
            assert serial_shown(server.endpoint, tls) == first
            server.look_at_files()
        assert "cannot be used together" in certificates.problem
        assert len(caplog.records) == 1  # once, however often it is looked at
        Path(tls.cert_key).write_bytes(Path(renewed.cert_key).read_bytes())
        server.look_at_files()
        assert serial_shown(server.endpoint, tls) != first
        assert certificates.problem == ""
        for path in (tls.cert, tls.cert_key):
            Path(path).unlink()
        server.look_at_files()
        assert is_served(server, Tls(tls.ca))
        assert "cannot be read" in certificates.problem


@pytest.mark.parametrize("broken", ["cert", "key", "ca"])
def test_a_pipe_or_a_device_in_a_files_place_is_told_and_keeps_no_look_waiting(
    authority: trustme.CA, tmp_path: Path, broken: str
) -> None:
    tls = issued(authority, tmp_path / "ours")
    certificates = Certificates(files(tls, tls.ca))
    path = tmp_path / "ours" / f"{broken}.pem"
    path.unlink()
    os.mkfifo(path)
    assert not certificates.refresh()
    assert f"`{path}` cannot be read for TLS: it is no regular file" in certificates.problem
    path.unlink()
    path.symlink_to("/dev/zero")
    assert not certificates.refresh()
    assert "no regular file" in certificates.problem
    path.unlink()
    with path.open("wb") as file:
        file.truncate(1 << 40)
    assert not certificates.refresh()
    assert "larger than" in certificates.problem


def test_http_shows_only_what_was_read_together(
    engine: Engine, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever renews replaces files at any moment: also between a look at them and the use of what was seen."""
    tls = issued(authority, tmp_path / "ours")
    with BackgroundServer(engine, http=f"{HOST}:0", certificates=Certificates(files(tls))) as server:
        issued(authority, tmp_path / "ours")
        read = read_regular
        looked: list[Path] = []

        def read_and_replace(path: Path, bytes_max: int) -> tuple[bytes, os.stat_result]:
            looked.append(path)
            found = read(path, bytes_max)
            if len(looked) == 2:
                issued(authority, tmp_path / "ours")
            return found

        with monkeypatch.context() as racing:
            racing.setattr("remit.server.net.tls.read_regular", read_and_replace)
            server.look_at_files()
        second = serial_shown(server.http_endpoint, tls)
        assert second == serial_shown(server.http_endpoint, tls)
        server.look_at_files()
        assert serial_shown(server.http_endpoint, tls) != second


def test_a_private_key_that_everyone_may_read_is_told_of_once(
    authority: trustme.CA, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tls = issued(authority, tmp_path / "ours")
    certificates = Certificates(files(tls))
    assert not caplog.records
    assert tls.cert_key is not None
    Path(tls.cert_key).chmod(0o644)
    certificates.refresh()
    certificates.refresh()
    assert [record.message for record in caplog.records] == ["private key readable by everyone"]


def test_keys_are_looked_at_whatever_keeps_the_look_at_certificates(
    authority: trustme.CA, tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = issued(authority, tmp_path / "ours")
    certificates = Certificates(files(tls))
    path = tmp_path / "keys.json"
    with changing_keys(path) as change:
        change.keys, key, text = Keys().with_new(
            principal="p", stores=["default"], rights=[Right.CHECK], now_us=NOW_US, bootstrap=False
        )
    released = threading.Event()
    monkeypatch.setattr(certificates, "refresh", released.wait)  # as a file system does that does not answer
    monkeypatch.setattr("remit.server.run.refresher.LOOK_EVERY_S", 0.01)
    ring = KeyRing(path, lambda: NOW_US)
    try:
        with (
            BackgroundServer(engine, keys=ring, certificates=certificates) as server,
            Client(server.endpoint, token=text, tls=Tls(tls.ca)) as client,
        ):
            with changing_keys(path) as change:
                change.keys = change.keys.without(key.id)
            with pytest.raises(RemoteError) as refused:
                for _ in range(100_000):
                    client.who_am_i()
            assert refused.value.reason == "KEY_UNKNOWN"
            released.set()
    finally:
        released.set()


@pytest.mark.parametrize("broken", ["cert", "key", "ca"])
@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_server_does_not_start_with_files_it_cannot_use(
    authority: trustme.CA, tmp_path: Path, broken: str, content: bytes | None
) -> None:
    tls = issued(authority, tmp_path / "ours")
    path = tmp_path / "ours" / f"{broken}.pem"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CertificateUnreadable) as refused:
        Certificates(files(tls, tls.ca))
    assert str(path) in refused.value.message


def test_an_encrypted_private_key_is_refused_and_not_asked_for(authority: trustme.CA, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization

    tls = issued(authority, tmp_path / "ours")
    assert tls.cert_key is not None
    key = serialization.load_pem_private_key(Path(tls.cert_key).read_bytes(), None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"open sesame"),
    )
    Path(tls.cert_key).write_bytes(locked)
    with pytest.raises(CertificateUnreadable, match="unencrypted private key"):
        Certificates(files(tls))


# --- where a server may listen ------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["0.0.0.0:1", "[::]:1", ":1", "203.0.113.7:1"])
@pytest.mark.parametrize(
    ("protection", "fix"),
    [
        (Protection(), "remit key bootstrap"),
        (Protection(encrypted=True), "remit key bootstrap"),
        (Protection(insecure_plaintext=True), "remit key bootstrap"),
        (Protection(encrypted=True, insecure_plaintext=True), "remit key bootstrap"),
        (Protection(keyed=True), "--tls-cert"),
        (Protection(keyed=True, encrypted=True), None),
        (Protection(keyed=True, insecure_plaintext=True), None),
        (Protection(keyed=True, encrypted=True, insecure_plaintext=True), None),
    ],
)
def test_others_reach_only_a_server_with_keys_that_encrypts_or_was_told_not_to(
    text: str, protection: Protection, fix: str | None
) -> None:
    if fix is None:
        assert checked_address(text, protection).port == 1
    else:
        with pytest.raises(AddressRefused, match=fix):
            checked_address(text, protection)
    assert checked_address("127.0.0.1:1", protection) == Address("127.0.0.1", 1)


# --- what a client is told ----------------------------------------------------------------------------------------


def test_a_client_says_which_file_it_cannot_read(tmp_path: Path) -> None:
    with pytest.raises(FileUnreadable, match=r"none\.pem"):
        Client(tls=Tls(tmp_path / "none.pem"))
    with pytest.raises(InvalidArgument, match="private key"):
        Client(tls=Tls(cert=tmp_path / "none.pem"))


def test_a_key_leaves_the_machine_encrypted_or_on_somebodys_word(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidArgument, match="unencrypted"):
        Client("remit.example.com:443", token="token")
    Client("remit.example.com:443", token="token", tls=Tls()).close()
    Client("remit.example.com:443", token="token", insecure_plaintext=True).close()
    for name in ("REMIT_TLS", "REMIT_INSECURE_PLAINTEXT"):
        with monkeypatch.context() as environment:
            environment.setenv(name, "1")
            Client("remit.example.com:443", token="token").close()
            environment.setenv(name, "0")
            with pytest.raises(InvalidArgument, match="unencrypted"):
                Client("remit.example.com:443", token="token")


def test_options_and_environment_say_the_same(
    engine: Engine,
    authority: trustme.CA,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tls = issued(authority, tmp_path / "ours")
    options = ["--ca", str(tls.ca), "--cert", str(tls.cert), "--cert-key", str(tls.cert_key)]
    with BackgroundServer(engine, certificates=Certificates(files(tls, tls.ca))) as server:
        asked = ["--endpoint", server.endpoint, "--json"]
        assert main(["whoami", *asked, *options]) == 0
        assert main([*options[:2], "whoami", *asked, *options[2:]]) == 0
        monkeypatch.setenv("REMIT_CERT", str(tls.cert))
        monkeypatch.setenv("REMIT_CERT_KEY", str(tls.cert_key))
        assert main(["whoami", *asked, *options[:2]]) == 0
        monkeypatch.setenv("REMIT_CA", str(tls.ca))
        assert main(["whoami", *asked]) == 0
        with Client(server.endpoint) as client:
            assert client.who_am_i()
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer["principal"] for answer in answers] == ["local"] * 4


# --- calls over HTTP ----------------------------------------------------------------------------------------------


def who_is_told(server: BackgroundServer, tls: Tls, *, certified: bool, version: ssl.TLSVersion) -> tuple[int, str]:
    """The status of a call over HTTP, and who was told that it is, or why nobody."""
    context = ssl.create_default_context(cafile=tls.ca)
    context.maximum_version = version
    if certified:
        assert tls.cert is not None
        context.load_cert_chain(tls.cert, tls.cert_key)
    asked = urllib.request.Request(
        f"{server.http_endpoint}/remit.v1.Stores/WhoAmI", b"{}", {"Content-Type": "application/json"}, method="POST"
    )
    try:
        with urllib.request.urlopen(asked, timeout=PATIENCE_S, context=context) as response:
            return response.status, json.load(response)["principal"]
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)["reason"]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_who_may_call_over_http_shows_a_certificate_as_over_grpc_and_probes_need_none(
    engine: Engine, authority: trustme.CA, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    tls = issued(authority, tmp_path / "ours")
    client_authority = trustme.CA()
    client = issued(client_authority, tmp_path / "client", "client.example")
    shown = Tls(tls.ca, client.cert, client.cert_key)
    certificates = Certificates(files(tls, client.ca))
    with BackgroundServer(engine, http="127.0.0.1:0", http_api=True, certificates=certificates) as server:
        assert is_served(server, shown)
        assert not is_served(server, Tls(tls.ca))
        assert who_is_told(server, shown, certified=True, version=version) == (200, "local")
        assert who_is_told(server, shown, certified=False, version=version) == (401, "CERTIFICATE_MISSING")
        context = ssl.create_default_context(cafile=tls.ca)
        with urllib.request.urlopen(f"{server.http_endpoint}/healthz", context=context, timeout=PATIENCE_S) as probe:
            assert probe.status == 200
        stranger = issued(trustme.CA(), tmp_path / "stranger", "client.example")
        with pytest.raises((urllib.error.URLError, OSError)):
            who_is_told(server, Tls(tls.ca, stranger.cert, stranger.cert_key), certified=True, version=version)
    with BackgroundServer(engine, http="127.0.0.1:0", http_api=True, certificates=Certificates(files(tls))) as server:
        assert who_is_told(server, shown, certified=False, version=version) == (200, "local")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_an_authority_that_counts_no_more_vouches_for_no_call_over_http_nor_does_a_session_of_before(
    engine: Engine, authority: trustme.CA, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    tls = issued(authority, tmp_path / "ours")
    client = issued(trustme.CA(), tmp_path / "client", "client.example")
    later = issued(trustme.CA(), tmp_path / "later", "client.example")
    vouching = tmp_path / "vouching.pem"
    vouching.write_bytes(Path(str(client.ca)).read_bytes())
    certificates = Certificates(files(tls, vouching))
    with BackgroundServer(engine, http="127.0.0.1:0", http_api=True, certificates=certificates) as server:
        context = ssl.create_default_context(cafile=tls.ca)
        context.maximum_version = version
        context.load_cert_chain(str(client.cert), client.cert_key)
        host, _, port = server.http_endpoint.removeprefix("https://").rpartition(":")

        def told(session: ssl.SSLSession | None = None) -> tuple[bytes, ssl.SSLSession | None]:
            with (
                socket.create_connection((host, int(port)), timeout=PATIENCE_S) as plain,
                context.wrap_socket(plain, server_hostname=host, session=session) as wrapped,
            ):
                head = b"POST /remit.v1.Stores/WhoAmI HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                wrapped.sendall(head + b"Content-Length: 0\r\nConnection: close\r\n\r\n")
                heard = b""
                while more := wrapped.recv(65_536):
                    heard += more
                if not heard:
                    raise ConnectionError("the handshake failed, as this side sees it late")
                return heard.split()[1], wrapped.session

        status, session = told()
        assert status == b"200"
        vouching.write_bytes(Path(str(later.ca)).read_bytes())
        server.look_at_files()
        for each in (session, None):
            try:
                assert told(each)[0] == b"401"
            except OSError:  # by the handshake itself
                continue
        assert who_is_told(server, Tls(tls.ca, later.cert, later.cert_key), certified=True, version=version)[0] == 200
