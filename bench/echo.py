"""A bare grpc.aio server: it takes any bytes and answers as many as the method's name says. Nothing else.

It is what a Python server on grpc.aio costs with nothing in it, for requests and answers of the same size as Remit's:
what Remit's figures over gRPC are divided by. `python -m bench.echo` serves on any free port and says which."""

from __future__ import annotations

import asyncio
import signal
import sys

import grpc
import grpc.aio

SERVICE = "bench.Echo"


def path(answer_bytes: int) -> str:
    """The method that answers with so many bytes."""
    return f"/{SERVICE}/{answer_bytes}"


class _Echo(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # generic in the stubs only
    def __init__(self) -> None:
        self._handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
        method = handler_call_details.method
        handler = self._handlers.get(method)
        if handler is None:
            handler = self._handlers[method] = _handler(int(method.rpartition("/")[2]))
        return handler


def _handler(answer_bytes: int) -> grpc.RpcMethodHandler[bytes, bytes]:
    answer = bytes(answer_bytes)

    async def echo(_: bytes, __: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        return answer

    return grpc.unary_unary_rpc_method_handler(echo)


async def _serve() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    server = grpc.aio.server(options=(("grpc.so_reuseport", 0), ("grpc.max_concurrent_streams", 1_024)))
    server.add_generic_rpc_handlers((_Echo(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    sys.stdout.write(f"grpc 127.0.0.1:{port}\n")
    sys.stdout.flush()
    await stop.wait()
    await server.stop(None)


if __name__ == "__main__":
    asyncio.run(_serve())
