"""gRPC's own server, kept from what would end it: the path of a call that nobody serves.

grpc.aio (seen with grpcio 1.85.1) reads the path of a call as UTF-8 in the one loop that accepts them all, and a path
that is none ends that loop: one frame from anybody, no key needed, closes the port for good while the process stays.
Calls to registered methods are told apart by their bytes before they come there. So every method is registered, and to
the loop all other calls are calls of one more, whose name is ours; their own it never learns, nor do we.
Law: no path ends the server."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Mapping
from typing import Any

import grpc
from grpc import aio
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # not in the stubs

log = logging.getLogger(__name__)

# Nobody may call the method that stands for all others by its name: such a call would wait for ever.
_SERVICE, _METHOD = "remit.server", secrets.token_hex(16)
_ANY_OTHER = f"/{_SERVICE}/{_METHOD}".encode()


class _Accepting(cygrpc.AioServer):  # type: ignore[misc]  # without types
    """The server behind grpc.aio's, which asks here for the next call to each method."""

    def _make_request_call_future(self, path: bytes | None) -> asyncio.Future[Any]:
        if path is None:
            # Any call that is not to a registered method: one that the loop would decode. It waits in vain.
            return asyncio.get_running_loop().create_future()
        asked: asyncio.Future[Any] = super()._make_request_call_future(None if path == _ANY_OTHER else path)
        return asked


def accepting_server(options: list[tuple[str, int]], maximum_concurrent_rpcs: int) -> aio.Server:
    """A server of grpc.aio on the running loop, whose methods are added by `add_methods` and `add_any_other`."""
    usual = cygrpc.AioServer
    if hasattr(usual, "_make_request_call_future"):
        cygrpc.AioServer = _Accepting  # grpc.aio makes what it finds under that name, and has no other way to be told
    else:
        log.warning("grpcio %s accepts calls in a way that is not known here", grpc.__version__)
    try:
        return aio.server(options=options, maximum_concurrent_rpcs=maximum_concurrent_rpcs)
    finally:
        cygrpc.AioServer = usual


def add_methods(server: aio.Server, service: str, methods: Mapping[str, grpc.RpcMethodHandler[bytes, bytes]]) -> None:
    """The methods of a service, by name."""
    server.add_registered_method_handlers(service, dict(methods))  # type: ignore[attr-defined]  # not in the stubs


def add_any_other(server: aio.Server, handler: grpc.RpcMethodHandler[bytes, bytes]) -> None:
    """What answers every call to a method that was not added."""
    add_methods(server, _SERVICE, {_METHOD: handler})
    server.add_generic_rpc_handlers((_AnyOther(handler),))  # for a grpcio that asks in another way


class _AnyOther(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # generic in the stubs only
    def __init__(self, handler: grpc.RpcMethodHandler[bytes, bytes]) -> None:
        self._handler = handler

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
        return self._handler
