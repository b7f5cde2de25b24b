"""A real MCP server of forty tools, on standard input and output; `python mcp_server.py 40`, or another number."""

from __future__ import annotations

import sys
from typing import Literal

from mcp.server.mcpserver import MCPServer


def forty_tools(count: int = 40) -> MCPServer:
    server = MCPServer("forty")
    for number in range(count):
        server.add_tool(_read, name=f"files.read_{number}", description=f"Reads file {number}.")
    return server


def _read(path: str, limit: int = 10, mode: Literal["text", "bytes"] = "text", note: str | None = None) -> str:
    return ""


if __name__ == "__main__":
    forty_tools(int(sys.argv[1])).run("stdio")
