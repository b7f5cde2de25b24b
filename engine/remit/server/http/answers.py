"""How answers leave over HTTP, those of calls and those that refuse them.

Law: whoever is refused hears why, also where it is still sending; and what it sends is dropped as it comes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import NamedTuple

from starlette.types import Receive, Scope, Send

_DROP_S = 2.0  # for the rest of a refused request to come
_DROP_BYTES_MAX = 256 * 1024  # of whoever is not known: to drop a body costs as much as to read it


class Answer(NamedTuple):
    """A status, headers by lower-case names, and a whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


async def send_answer(answer: Answer, send: Send) -> None:
    """Returns once most of it was taken."""
    await _begin(answer, send)
    await send({"type": "http.response.body", "body": b""})  # waits until little of what was sent before is left


async def refuse(
    answer: Answer, scope: Scope, receive: Receive, send: Send, *, is_read: bool = False, is_known: bool = False
) -> None:
    """Send what refuses a request, of which the body may not have been asked for. Closed with a body on its way, a
    connection would be reset, and its caller might never see the answer. `is_known`: who calls is, so that the body is
    dropped however large it is."""
    headers = dict(scope["headers"])
    if is_read or not headers.keys() & {b"content-length", b"transfer-encoding"}:
        await send_answer(answer, send)
        return
    is_large = not is_known and int(headers.get(b"content-length", _DROP_BYTES_MAX + 1)) > _DROP_BYTES_MAX
    # Whoever expects to be asked for the body may still send it, or not: nobody can know.
    if is_large or b"expect" in headers:
        await send_answer(answer._replace(headers={**answer.headers, "connection": "close"}), send)
        return
    await _begin(answer, send)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_DROP_S):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    break
    await send({"type": "http.response.body", "body": b""})


async def _begin(answer: Answer, send: Send) -> None:
    named = {**answer.headers, "content-length": str(len(answer.body))}
    headers = [(name.encode(), value.encode()) for name, value in named.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": True})
