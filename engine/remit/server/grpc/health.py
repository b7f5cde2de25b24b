"""The standard health service: whether the server takes calls, asked once or watched.

grpcio's own (seen with grpcio-health-checking 1.85) writes to a watcher under the lock that a change of the status
takes: one watcher who reads nothing keeps a server that stops from saying so, and from stopping.
Law: a change is told to all who watch, and waits for none of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import grpc
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

Context = aio.ServicerContext[Any, Any]
_Response = health_pb2.HealthCheckResponse


class Health(health_pb2_grpc.HealthServicer):  # type: ignore[misc]  # without types
    """Of services by name, "" for the whole server; all have one status. Belongs to one event loop."""

    def __init__(self, services: Iterable[str]) -> None:
        self.services = frozenset(services)
        self._is_serving = False
        self._changed = asyncio.Event()

    def set_serving(self, is_serving: bool) -> None:
        self._is_serving = is_serving
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def _status(self) -> Any:
        return _Response.SERVING if self._is_serving else _Response.NOT_SERVING

    async def Check(self, request: health_pb2.HealthCheckRequest, context: Context) -> health_pb2.HealthCheckResponse:
        if request.service not in self.services:
            await context.abort(grpc.StatusCode.NOT_FOUND)
        return _Response(status=self._status())

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: Context) -> None:
        is_known = request.service in self.services
        told: object = None
        while True:
            changed = self._changed
            status = self._status() if is_known else _Response.SERVICE_UNKNOWN
            if status != told:
                await context.write(_Response(status=status))
                told = status
            await changed.wait()
