"""MCP servers on standard input and output that do what no server should: `python hostile_mcp.py HOW`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

PAGE = 100


def tool(name: str) -> dict[str, Any]:
    return {"name": name, "inputSchema": {"type": "object"}}


def same_page(cursor: str) -> dict[str, Any]:
    return {"tools": [tool("a")], "nextCursor": "again"}


def endless(cursor: str) -> dict[str, Any]:
    page = int(cursor or 0) + 1
    return {"tools": [tool(f"t{page}-{each}") for each in range(PAGE)], "nextCursor": str(page)}


def empty_pages(cursor: str) -> dict[str, Any]:
    return {"tools": [], "nextCursor": str(int(cursor or 0) + 1)}


def twins(cursor: str) -> dict[str, Any]:
    return {"tools": [tool("twin"), tool("twin"), tool("single")]}


def odd_names(cursor: str) -> dict[str, Any]:
    return {"tools": [tool(name) for name in ("a b", "a%20b", "Grüße", "#[x]", "*", "\x1b[31m", "x" * 300, "")]}


HOW: dict[str, Callable[[str], dict[str, Any]]] = {
    each.__name__: each for each in (same_page, endless, empty_pages, twins, odd_names)
}


def main() -> None:
    how = sys.argv[1]
    for line in sys.stdin:
        asked = json.loads(line)
        if "id" not in asked:
            continue
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": asked["id"]}
        if asked["method"] == "initialize":
            server = {"name": how, "version": "1"}
            version = asked["params"]["protocolVersion"]
            answer["result"] = {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": server}
        elif asked["method"] == "tools/list":
            answer["result"] = HOW[how]((asked.get("params") or {}).get("cursor") or "")
        else:
            answer["error"] = {"code": -32601, "message": "no such method"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
