"""The tools of an MCP server, over its standard input and output or over HTTP, by the package `mcp`.

Whoever is asked may be an enemy: that never answers, never ends its list, or answers without end. So there is one
deadline for all of it, pages and tools are counted, a cursor that comes again ends it, and what comes over HTTP is
measured before it is kept. A command is run as who asked for it, with few of the variables of the environment: it could
fill the machine without us, so what it says is bounded by the deadline alone.
Law: it ends by the deadline (and the seconds that a command is given to end), with a whole list or with an error."""

from __future__ import annotations

import asyncio
import logging
import os
import shlex
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from remit.cli.transfer.described_tools import TOOLS_MAX, DescribedTool, checked_list, described
from remit.errors import ToolsUnreadable
from remit.notation import shortened

if TYPE_CHECKING:
    from mcp import StdioServerParameters

PAGES_MAX = 100
HTTP_BYTES_MAX = 32 * 1024 * 1024  # of all answers: five hundred tools of the size that one may have

_MISSING = "to read an MCP server, the package `mcp` has to be there: `pip install 'remit[mcp]'`"


def tools_of_command(command: str, *, pass_on: Sequence[str], within_s: float) -> Sequence[DescribedTool]:
    """Of a server that a command starts; `pass_on` names the variables of the environment that it gets besides the
    usual few. Raises ToolsUnreadable."""
    try:
        program, *arguments = shlex.split(command)
    except ValueError as error:
        raise ToolsUnreadable(f"the command `{shortened(command)}` is no command: {error}") from error
    missing = next((name for name in pass_on if name not in os.environ), None)
    if missing is not None:
        raise ToolsUnreadable(f"the variable `{missing}` is to be passed on, and is not in the environment")
    try:
        from mcp import StdioServerParameters
    except ImportError as error:
        raise ToolsUnreadable(_MISSING) from error
    environment = {name: os.environ[name] for name in pass_on}
    return _read(StdioServerParameters(command=program, args=arguments, env=environment), within_s)


def tools_of_url(url: str, *, bearer: str, within_s: float) -> Sequence[DescribedTool]:
    """Of a server at an address, over streamable HTTP; `bearer` "" shows no token. Redirections are not followed.
    Raises ToolsUnreadable."""
    try:
        import mcp  # noqa: F401
    except ImportError as error:
        raise ToolsUnreadable(_MISSING) from error
    return _read((url, bearer), within_s)


def _read(server: StdioServerParameters | tuple[str, str], within_s: float) -> Sequence[DescribedTool]:
    # What the package has to say of a server that breaks the protocol is told as an error, once.
    logging.getLogger("mcp").setLevel(logging.CRITICAL)
    try:
        return checked_list(asyncio.run(asyncio.wait_for(_listed(server), within_s)))
    except TimeoutError as error:
        raise ToolsUnreadable(f"the MCP server has not told all of its tools within {within_s:g} s") from error
    except ToolsUnreadable:
        raise
    except Exception as error:  # whatever a foreign server makes the library raise
        raise _told(error) from error


def _told(error: BaseException) -> ToolsUnreadable:
    """As the one thing that went wrong: task groups wrap what their tasks raise."""
    while isinstance(error, BaseExceptionGroup):
        ours = error.subgroup(ToolsUnreadable)
        error = (ours or error).exceptions[0]
    if isinstance(error, ToolsUnreadable):
        return error
    said = shortened(str(error) or type(error).__name__, 300)
    return ToolsUnreadable(f"the MCP server could not be read: {said}; started by hand it may tell more")


async def _listed(server: StdioServerParameters | tuple[str, str]) -> list[DescribedTool]:
    from mcp import Client

    if not isinstance(server, tuple):
        from mcp import stdio_client

        # Its standard error would reach the terminal as it is, and whoever wrote it may mean to steer that.
        with Path(os.devnull).open("w") as nowhere:
            async with Client(stdio_client(server, errlog=nowhere)) as client:
                return [each async for each in _tools(client)]
    from mcp.client.streamable_http import streamable_http_client

    url, bearer = server
    async with _bounded_client(bearer) as http, Client(streamable_http_client(url, http_client=http)) as client:
        return [each async for each in _tools(client)]


async def _tools(client: Any) -> AsyncIterator[DescribedTool]:
    cursor: str | None = None
    seen: set[str] = set()
    count = 0
    for _ in range(PAGES_MAX):
        page = await client.list_tools(cursor=cursor)
        for tool in page.tools:
            count += 1
            if count > TOOLS_MAX:
                raise ToolsUnreadable(
                    f"the MCP server has more than {TOOLS_MAX} tools, and {TOOLS_MAX} are read at most"
                )
            yield described(tool.name, tool.description, tool.input_schema)
        cursor = page.next_cursor
        if not cursor:
            return
        if cursor in seen:
            raise ToolsUnreadable("the list of the MCP server leads back to a page that it had before")
        seen.add(cursor)
    raise ToolsUnreadable(f"the list of the MCP server has more than {PAGES_MAX} pages")


def _bounded_client(bearer: str) -> Any:
    """Of HTTP: it takes no more than HTTP_BYTES_MAX in all, and nothing that is packed, which would grow."""
    import httpx2

    class Bounded(httpx2.AsyncBaseTransport):
        def __init__(self) -> None:
            self._inner = httpx2.AsyncHTTPTransport()
            self.left = HTTP_BYTES_MAX

        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            response = await self._inner.handle_async_request(request)
            if response.headers.get("content-encoding", "identity") != "identity":
                raise ToolsUnreadable("the MCP server has packed its answer, which nobody asked for")
            stream = response.stream
            assert isinstance(stream, httpx2.AsyncByteStream), "the transport is an asynchronous one"
            response.stream = Measured(stream)
            return response

        async def aclose(self) -> None:
            await self._inner.aclose()

    class Measured(httpx2.AsyncByteStream):
        def __init__(self, inner: httpx2.AsyncByteStream) -> None:
            self._inner = inner

        async def __aiter__(self) -> AsyncIterator[bytes]:
            async for chunk in self._inner:
                transport.left -= len(chunk)
                if transport.left < 0:
                    raise ToolsUnreadable(f"the MCP server has answered with more than {HTTP_BYTES_MAX} bytes")
                yield chunk

        async def aclose(self) -> None:
            await self._inner.aclose()

    transport = Bounded()
    shown = {"authorization": f"Bearer {bearer}"} if bearer else {}
    return httpx2.AsyncClient(transport=transport, headers={"accept-encoding": "identity", **shown})
