"""How a client reaches a server: endpoint, token, TLS, and what an error of the transport means.

Law: a token does not travel unencrypted unless its owner says so."""

from __future__ import annotations

import ipaddress
import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import grpc
from google.protobuf.message import DecodeError
from google.rpc import status_pb2

from remit.access.keys import KEY_PREFIX, key_id_of
from remit.engine.limits import RESPONSE_BYTES_MAX
from remit.errors import FileUnreadable, InvalidArgument, RemoteError, Status
from remit.notation import shortened
from remit.wire.status import decode_status, status_of

DEFAULT_ENDPOINT = "127.0.0.1:50051"
TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files for an encrypted connection: the authorities that may vouch for the server (None: those that gRPC
    trusts), and what the client shows of itself where the server asks for it."""

    ca: str | Path | None = None
    cert: str | Path | None = None
    cert_key: str | Path | None = None


def endpoint_of(endpoint: str | None) -> str:
    """HOST:PORT: the argument, else REMIT_ENDPOINT, else the default. A name of gRPC's own, as `unix:/path` or
    `dns:///host:port`, is left to it. Raises InvalidArgument."""
    endpoint = endpoint or os.environ.get("REMIT_ENDPOINT", "") or DEFAULT_ENDPOINT
    if endpoint.startswith("unix:") or ":///" in endpoint:
        return endpoint
    host, _, port = endpoint.rpartition(":")
    # gRPC would take 443 where there is no port, and of one beyond 65,535 what its lower bits say: another server.
    is_port = port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 1 << 16
    if not host or "/" in endpoint or not is_port:
        raise InvalidArgument(
            f"`{shortened(endpoint)}` is not an endpoint: write HOST:PORT, as in `{DEFAULT_ENDPOINT}`"
        )
    return endpoint


def metadata_of(
    token: str | None, endpoint: str, *, encrypted: bool, insecure_plaintext: bool = False
) -> tuple[tuple[str, str], ...]:
    """What accompanies every request. Raises InvalidArgument rather than show a token to the network, KeyMistyped for a
    key that was never given out."""
    token = token if token is not None else os.environ.get("REMIT_TOKEN", "")
    if not token:
        return ()
    if not token.isascii() or not token.isprintable() or " " in token:
        raise InvalidArgument("the token is not of printable ASCII: pass it exactly as it was given out")
    if token.startswith(KEY_PREFIX):
        key_id_of(token)  # a mistyped key is recognized without asking the server
    insecure_plaintext = insecure_plaintext or _is_set("REMIT_INSECURE_PLAINTEXT")
    if not encrypted and not is_loopback(endpoint) and not insecure_plaintext:
        raise InvalidArgument(
            f"the token would travel to `{shortened(endpoint)}` unencrypted: ask for TLS with `tls`, REMIT_TLS=1 or "
            "`--tls`, or say `insecure_plaintext` or REMIT_INSECURE_PLAINTEXT=1 where something else encrypts"
        )
    return (("authorization", f"Bearer {token}"),)


def credentials_of(tls: Tls | None, credentials: grpc.ChannelCredentials | None) -> grpc.ChannelCredentials | None:
    """What to encrypt with: the caller's own credentials, else its files, else those the environment names; None for
    plaintext. Raises FileUnreadable, InvalidArgument."""
    tls = chosen_tls(tls)
    if credentials is not None or tls is None:
        return credentials
    if (tls.cert is None) != (tls.cert_key is None):
        raise InvalidArgument(
            "a client's certificate goes with its private key: give `cert` and `cert_key` (`--cert` and `--cert-key`), "
            "or neither"
        )
    _probe(tls)
    return grpc.ssl_channel_credentials(_file(tls.ca), _file(tls.cert_key), _file(tls.cert))


def chosen_tls(tls: Tls | None) -> Tls | None:
    """The files given, else those that the environment names; None for plaintext."""
    if tls is not None:
        return tls
    named = tls_of_environment(Tls())
    return named if named != Tls() or _is_set("REMIT_TLS") else None


def tls_of_environment(tls: Tls) -> Tls:
    """The files, each that is not given by the environment."""
    return Tls(
        tls.ca or os.environ.get("REMIT_CA") or None,
        tls.cert or os.environ.get("REMIT_CERT") or None,
        tls.cert_key or os.environ.get("REMIT_CERT_KEY") or None,
    )


def _is_set(name: str) -> bool:
    return os.environ.get(name, "") not in ("", "0")


def _probe(tls: Tls) -> None:
    """Raises FileUnreadable for files that hold no certificates, or do not belong together: gRPC would only say that
    nobody answers."""
    # What cannot be read at all is reported where it is read.
    named = [path for path in (tls.ca, tls.cert, tls.cert_key) if path is not None]
    if not all(os.access(path, os.R_OK) for path in named):
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if tls.ca is not None:
            context.load_verify_locations(tls.ca)
    except (OSError, ValueError) as error:
        raise FileUnreadable(f"`{tls.ca}` holds no certificates of authorities: name a PEM file of them") from error
    try:
        if tls.cert is not None and tls.cert_key is not None:
            # Without a password of ours, OpenSSL would ask on the terminal for that of an encrypted key.
            context.load_cert_chain(tls.cert, tls.cert_key, password=lambda: "")
    except (OSError, ValueError) as error:
        raise FileUnreadable(
            f"certificate `{tls.cert}` and key `{tls.cert_key}` cannot be used together: name a PEM chain and its "
            "unencrypted private key"
        ) from error


def _file(path: str | Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise FileUnreadable(f"`{shortened(str(path), 4_096)}` cannot be read for TLS: {reason.lower()}") from error


def options_of(endpoint: str) -> list[tuple[str, Any]]:
    options: list[tuple[str, Any]] = [
        ("grpc.enable_retries", 0),  # they lose calls: see `attempts`
        ("grpc.max_receive_message_length", RESPONSE_BYTES_MAX + (1 << 20)),
        ("grpc.max_send_message_length", -1),  # the server says it better
        # gRPC remembers a failed connection for a second, then ever longer, up to two minutes: nobody who asks again
        # sooner, as `attempts` and `Retries` do, would find a server that is back.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 5_000),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
    ]
    if is_loopback(endpoint):
        # A proxy from the environment does not know the way to this machine's own loopback.
        options.append(("grpc.enable_http_proxy", 0))
    return options


def is_loopback(endpoint: str) -> bool:
    host = endpoint.rpartition(":")[0].removeprefix("[").removesuffix("]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def closed_under() -> RemoteError:
    """Of a call whose client was closed meanwhile."""
    return RemoteError("CANCELLED", Status.CANCELLED, "the client was closed under the request")


class FailedCall(Protocol):
    """What grpc's synchronous and asyncio errors have in common."""

    def code(self) -> grpc.StatusCode: ...

    def details(self) -> str | None: ...

    def trailing_metadata(self) -> Any: ...


def remote_error(failed: FailedCall, endpoint: str) -> RemoteError:
    """The error a server answered with; where there is no word from one, what the transport says."""
    for key, value in failed.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            try:
                return decode_status(status_pb2.Status.FromString(value))
            except DecodeError:
                break
    code = failed.code()
    details = failed.details() or code.name.lower().replace("_", " ")
    if code is grpc.StatusCode.UNAVAILABLE:
        details = f"no server answers at `{shortened(endpoint)}`: {details}"
    elif code is grpc.StatusCode.DEADLINE_EXCEEDED:
        details = f"no answer from `{shortened(endpoint)}` in time"
    return RemoteError(code.name, status_of(code.value[0]), details)
