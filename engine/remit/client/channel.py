"""How a client reaches a server: endpoint, token, retries, and what an error of the transport means.

Law: only questions are sent twice, and only where the server was not reached; a write is never repeated unasked."""

from __future__ import annotations

import ipaddress
import json
import os
from typing import Any, Protocol

import grpc
from google.protobuf.message import DecodeError
from google.rpc import status_pb2

from remit.errors import InvalidArgument, RemoteError
from remit.notation import shortened
from remit.wire.sizes import RESPONSE_BYTES_MAX
from remit.wire.status import decode_status, status_of

DEFAULT_ENDPOINT = "127.0.0.1:50051"
TIMEOUT_S = 10.0

_REPEATABLE = (
    {"service": "remit.v1.Permissions"},
    {"service": "remit.v1.Relationships", "method": "Read"},
    {"service": "remit.v1.Schemas", "method": "ReadSchema"},
)
_SERVICE_CONFIG = json.dumps(
    {
        "methodConfig": [
            {
                "name": _REPEATABLE,
                "retryPolicy": {
                    "maxAttempts": 4,
                    "initialBackoff": "0.05s",
                    "maxBackoff": "1s",
                    "backoffMultiplier": 3,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            }
        ]
    }
)


def endpoint_of(endpoint: str | None) -> str:
    """HOST:PORT: the argument, else REMIT_ENDPOINT, else the default."""
    return endpoint or os.environ.get("REMIT_ENDPOINT", "") or DEFAULT_ENDPOINT


def metadata_of(token: str | None, endpoint: str, *, encrypted: bool) -> tuple[tuple[str, str], ...]:
    """What accompanies every request. Raises InvalidArgument rather than show a token to the network."""
    token = token if token is not None else os.environ.get("REMIT_TOKEN", "")
    if not token:
        return ()
    if not token.isascii() or not token.isprintable() or " " in token:
        raise InvalidArgument("the token is not of printable ASCII: pass it exactly as it was given out")
    if not encrypted and not is_loopback(endpoint):
        raise InvalidArgument(
            f"the token would travel to `{shortened(endpoint)}` unencrypted: pass `credentials`, such as "
            "`grpc.ssl_channel_credentials()`"
        )
    return (("authorization", f"Bearer {token}"),)


def options_of(endpoint: str) -> list[tuple[str, Any]]:
    options: list[tuple[str, Any]] = [
        ("grpc.service_config", _SERVICE_CONFIG),
        ("grpc.max_receive_message_length", RESPONSE_BYTES_MAX + (1 << 20)),
        ("grpc.max_send_message_length", -1),  # the server says it better
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
