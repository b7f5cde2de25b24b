"""`remit tool …`: a real MCP server imported, accepted, changed; a hostile one refused; and nothing accepted unseen."""

from __future__ import annotations

import gzip
import http.server
import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from remit.cli.transfer.described_tools import TOOLS_MAX, described
from remit.cli.transfer.mcp_tools import HTTP_BYTES_MAX
from remit.client import Client
from remit.server.run.background import BackgroundServer
from tests.support.cli_shell import Shell
from tests.support.places import ROOT

REASON = "the package `mcp` is not installed: `pip install 'remit[mcp]'`"
PLACED = ("--prefix", "fs.", "--domain", "ops", "--tag", "reads", "--risk", "low")


@pytest.fixture
def agents(empty_server: BackgroundServer, bare_shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell that knows a server whose store has the agent schema, and a domain."""
    with Client(empty_server.endpoint) as client:
        client.write_schema('use import\nimport "remit:agents@1"\n')
        client.touch("domain:ops#estate@estate:acme")
    monkeypatch.setenv("REMIT_ENDPOINT", empty_server.endpoint)
    return bare_shell


def script(name: str, *arguments: str) -> str:
    return " ".join((sys.executable, str(ROOT / "tests" / "support" / name), *arguments))


def manifest(tmp: Path, *tools: dict[str, Any], name: str = "tools.json") -> str:
    path = tmp / name
    path.write_text(json.dumps(tools))
    return str(path)


def tool(name: str, **schema: Any) -> dict[str, Any]:
    return {"name": name, "description": "Reads.", "inputSchema": {"type": "object", **schema}}


def outcomes(shell: Shell, *arguments: str) -> dict[str, str]:
    told = shell("tool", "import", *arguments, "--json")
    return {each["tool"]: each["outcome"] for each in told.json}


# --- a real MCP server ------------------------------------------------------------------------------------------


def test_forty_tools_of_a_real_server_are_imported_and_accepted(agents: Shell, tmp_path: Path) -> None:
    pytest.importorskip("mcp", reason=REASON)
    of_server = ("--stdio", script("mcp_server.py", "40"), "--within", "120", *PLACED)
    first = agents("tool", "import", *of_server, "--dry-run")
    assert (first.code, len(first.lines)) == (0, 40), first.err
    assert "40 new; nothing was changed" in first.err
    assert agents("tool", "list", "--json").json == []

    assert set(outcomes(agents, *of_server).values()) == {"new"}
    assert agents("check", "tool:fs.files.read_7#offered@tool:x").code == 1
    assert agents("tool", "accept", "--all-pending").code == 0
    assert agents("check", "tool:fs.files.read_7#offered@tool:x").code == 0
    assert set(outcomes(agents, *of_server).values()) == {"unchanged"}


def test_a_server_over_http_is_imported_alike(agents: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mcp", reason=REASON)
    import uvicorn

    from tests.support.mcp_server import forty_tools

    app = forty_tools(3).streamable_http_app()
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            thread.join(0.01)
            assert thread.is_alive()
        (port,) = {each.getsockname()[1] for each in server.servers[0].sockets}
        monkeypatch.setenv("ITS_TOKEN", "t")
        told = agents("tool", "import", "--http", f"http://127.0.0.1:{port}/mcp", "--bearer-env", "ITS_TOKEN", *PLACED)
    finally:
        server.should_exit = True
        thread.join()
    assert "3 new" in told.err, told.err
    assert agents("tool", "show", "fs.files.read_0", "--json").json[0]["pending_descriptor"]["name"] == "files.read_0"


# --- hostile ones -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("same_page", "leads back to a page"),
        ("endless", f"more than {TOOLS_MAX} tools"),
        ("empty_pages", "more than 100 pages"),
    ],
)
def test_a_list_without_an_end_ends(agents: Shell, how: str, told: str) -> None:
    pytest.importorskip("mcp", reason=REASON)
    refused = agents("tool", "import", "--stdio", script("hostile_mcp.py", how), *PLACED)
    assert (refused.code, refused.out) == (2, "")
    assert told in refused.err
    assert "TOOLS_UNREADABLE" in refused.err


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("sleep 60", "has not told all of its tools within 0.5 s"),
        ("yes", "has not told all of its tools within 0.5 s"),
        ("true", "could not be read"),
        ("/nowhere/at-all", "No such file"),
        ("'unended", "is no command"),
        ("", "name one of"),
    ],
)
def test_a_command_that_is_no_server_is_told_by_the_deadline(agents: Shell, command: str, told: str) -> None:
    pytest.importorskip("mcp", reason=REASON)
    within = ("--within", "0.5") if "0.5" in told else ()
    refused = agents("tool", "import", "--stdio", command, *within, *PLACED)
    assert refused.code == 2
    assert told in refused.err, refused.err


def test_what_comes_twice_or_under_odd_names_is_refused_or_told_apart(agents: Shell) -> None:
    pytest.importorskip("mcp", reason=REASON)
    assert outcomes(agents, "--stdio", script("hostile_mcp.py", "twins"), *PLACED) == {
        "fs.twin": "refused",
        "fs.single": "new",
    }
    assert outcomes(agents, "--stdio", script("hostile_mcp.py", "odd_names"), *PLACED) == {
        "fs.a%20b": "new",
        "fs.a%2520b": "new",
        "fs.Gr%C3%BC%C3%9Fe": "new",
        "fs.%23%5Bx%5D": "new",
        "fs.*": "new",
        "fs.%1B%5B31m": "new",
        "fs." + "x" * 300: "refused",
        "fs.": "refused",
    }


def test_no_name_becomes_another_names_id() -> None:
    names = [chr(first) + chr(second) for first in range(1, 256) for second in (32, 37, 42, 65, 91)]
    ids = [described(name, "", {}).id("p.") for name in names]
    assert len(set(ids)) == len(names)
    assert all(id.isascii() and id.isprintable() and not set(id) & set(" #[]") for id in ids)


class Answering(http.server.BaseHTTPRequestHandler):
    """`answer` is what the server does with a request."""

    answer: Callable[[Answering], None]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        type(self).answer(self)

    def log_message(self, format: str, *args: object) -> None:
        """Nowhere."""


@contextmanager
def answering(answer: Callable[[Answering], None]) -> Iterator[str]:
    handler = type("Handler", (Answering,), {"answer": answer})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/mcp"
        finally:
            server.shutdown()
            thread.join()


def without_end(request: Answering) -> None:
    request.send_response(200)
    request.send_header("content-type", "application/json")
    request.end_headers()
    chunk = b" " * 2**20
    for _ in range(2 * HTTP_BYTES_MAX // len(chunk)):
        try:
            request.wfile.write(chunk)
        except OSError:
            return


def packed(request: Answering) -> None:
    body = gzip.compress(b" " * 2**20)
    request.send_response(200)
    request.send_header("content-type", "application/json")
    request.send_header("content-encoding", "gzip")
    request.send_header("content-length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


def redirected(request: Answering) -> None:
    request.send_response(307)
    request.send_header("location", "http://127.0.0.1:9/elsewhere")
    request.send_header("content-length", "0")
    request.end_headers()


@pytest.mark.parametrize(
    ("answer", "told"),
    [(without_end, f"more than {HTTP_BYTES_MAX} bytes"), (packed, "has packed its answer"), (redirected, "")],
)
def test_what_comes_over_http_is_measured(agents: Shell, answer: Callable[[Answering], None], told: str) -> None:
    pytest.importorskip("mcp", reason=REASON)
    with answering(answer) as url:
        refused = agents("tool", "import", "--http", url, *PLACED)
    assert (refused.code, refused.out) == (2, "")
    assert told in refused.err, refused.err
    assert "TOOLS_UNREADABLE" in refused.err


def test_without_the_package_it_says_what_to_install(agents: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mcp", None)
    for server in (("--stdio", "true"), ("--http", "http://127.0.0.1:9")):
        refused = agents("tool", "import", *server, *PLACED)
        assert refused.code == 2
        assert "pip install 'remit[mcp]'" in refused.err


# --- a manifest -------------------------------------------------------------------------------------------------


def test_what_changed_is_told_and_waits(agents: Shell, tmp_path: Path) -> None:
    before, same = tool("a", required=["x"], properties={"x": {"type": "string"}}), tool("b")
    after = tool("a", properties={"x": {"type": "integer"}})
    agents("tool", "import", manifest(tmp_path, before, same), *PLACED)
    agents("tool", "accept", "--all-pending")
    told = agents("tool", "import", manifest(tmp_path, after, same), *PLACED)
    assert told.code == 0
    assert told.lines[1:3] == [
        '    ~ /input_schema/properties/x/type: "string" → "integer"',
        '    - /input_schema/required: ["x"]',
    ]
    assert told.lines[0].startswith("changed    fs.a  ")
    assert told.lines[3].startswith("unchanged  fs.b  ")
    (waiting,) = agents("tool", "list", "--pending", "--json").json
    assert (waiting["tool"], len(waiting["accepted"])) == ("fs.a", 1)
    assert outcomes(agents, manifest(tmp_path, after), *PLACED) == {"fs.a": "pending"}
    # It says again what is accepted: nothing waits any more.
    assert outcomes(agents, manifest(tmp_path, before), *PLACED) == {"fs.a": "unchanged"}
    assert agents("tool", "list", "--pending", "--json").json == []


def test_what_changed_between_import_and_accept_is_not_accepted(agents: Shell, tmp_path: Path) -> None:
    agents("tool", "import", manifest(tmp_path, tool("a")), *PLACED)
    (seen,) = agents("tool", "list", "--json").json
    agents("tool", "import", manifest(tmp_path, tool("a", maxProperties=1)), *PLACED)
    refused = agents("tool", "accept", "fs.a", seen["pending"])
    assert refused.code == 2
    assert "DESCRIPTOR_NOT_PENDING" in refused.err
    assert agents("check", "tool:fs.a#offered@tool:x").code == 1


def test_a_retired_tool_is_not_imported_again(agents: Shell, tmp_path: Path) -> None:
    tools = manifest(tmp_path, tool("a"), tool("b"))
    agents("tool", "import", tools, *PLACED)
    agents("tool", "accept", "--all-pending")
    assert agents("tool", "retire", "fs.a").code == 0
    told = agents("tool", "import", tools, *PLACED)
    assert told.code == 1
    assert "it was retired" in told.out
    assert "1 unchanged, 1 refused" in told.err
    assert agents("check", "tool:fs.a#offered@tool:x").code == 1


def test_types_that_somebody_added_stay_as_long_as_they_fit(agents: Shell, tmp_path: Path) -> None:
    first = tool("a", properties={"to": {"type": "string"}})
    agents("tool", "import", manifest(tmp_path, {**first, "types": {"to": "host"}}), *PLACED)
    agents("tool", "accept", "--all-pending")
    assert outcomes(agents, manifest(tmp_path, first), *PLACED) == {"fs.a": "unchanged"}
    more = tool("a", properties={"to": {"type": "string"}, "cc": {"type": "string"}})
    assert outcomes(agents, manifest(tmp_path, more), *PLACED) == {"fs.a": "changed"}
    (shown,) = agents("tool", "show", "fs.a", "--json").json
    assert shown["pending_descriptor"]["types"] == {"to": "host"}
    other = tool("a", properties={"target": {"type": "string"}})
    told = agents("tool", "import", manifest(tmp_path, other), *PLACED)
    assert '    - /types: {"to":"host"}' in told.lines


def test_a_tool_of_another_name_is_not_taken_over(agents: Shell, tmp_path: Path) -> None:
    agents("tool", "import", manifest(tmp_path, tool("b.c")), *PLACED[2:], "--prefix", "a.")
    told = agents("tool", "import", manifest(tmp_path, tool("c", maxProperties=9)), *PLACED[2:], "--prefix", "a.b.")
    assert told.code == 1
    assert "is registered as the tool named `b.c`" in told.out
    assert agents("tool", "show", "a.b.c", "--json").json[0]["pending_descriptor"]["name"] == "b.c"


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"name": "a"}, "has no `inputSchema`"),
        ({"name": "", "inputSchema": {}}, "its name is not a text, or is empty"),
        ({"name": "a", "description": 7, "inputSchema": {}}, "its description is not a text"),
        ({"name": "a", "inputSchema": {"type": "object", "propertys": {}}}, "`propertys`"),
        ({"name": "a", "inputSchema": {"$schema": "http://json-schema.org/draft-07/schema#"}}, "is not draft 2020-12"),
        ({"name": "a", "inputSchema": {"description": "x" * 70_000}}, "and may have 65536"),
        ({"name": "a", "inputSchema": {"maximum": 1e400}}, "no JSON that two readers read alike"),
        ({"name": "a", "inputSchema": {}, "types": []}, "its `types` are not an object"),
    ],
)
def test_what_cannot_be_a_descriptor_is_refused_and_others_are_not(
    agents: Shell, tmp_path: Path, wrong: dict[str, Any], problem: str
) -> None:
    told = agents("tool", "import", manifest(tmp_path, wrong, tool("good")), *PLACED)
    assert told.code == 1
    assert problem in told.out
    assert "1 new, 1 refused" in told.err


def test_other_drafts_are_read_where_somebody_says_so(agents: Shell, tmp_path: Path) -> None:
    tools = manifest(tmp_path, tool("a", **{"$schema": "http://json-schema.org/draft-07/schema#"}))
    assert outcomes(agents, tools, "--ignore-draft", *PLACED) == {"fs.a": "new"}


@pytest.mark.parametrize("text", ["", "{", "7", '{"tools": 7}', '[{"name":"a","name":"b"}]', "[" * 100_000, "\xff"])
def test_what_is_no_manifest_is_told(agents: Shell, tmp_path: Path, text: str) -> None:
    path = tmp_path / "tools.json"
    path.write_bytes(text.encode("latin-1"))
    refused = agents("tool", "import", str(path), *PLACED)
    assert (refused.code, refused.out) == (2, "")
    assert "TOOLS_UNREADABLE" in refused.err


def test_new_tools_have_a_place_and_were_looked_at(agents: Shell, tmp_path: Path) -> None:
    tools = manifest(tmp_path, tool("a"))
    for given in ((), ("--domain", "ops"), ("--tag", "x"), ("--domain", "ops", "--tag", "x", "--untagged")):
        told = agents("tool", "import", tools, *given)
        assert told.code == 1
        assert "it is new: say where it belongs" in told.out
    assert agents("tool", "import", tools, "--domain", "nowhere", "--untagged").code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("import",),
        ("import", "x.json", "--stdio", "true"),
        ("import", "x.json", "--env", "HOME"),
        ("import", "--stdio", "true", "--env", "NOT_THERE"),
        ("import", "--http", "http://127.0.0.1:9", "--bearer-env", "NOT_THERE"),
        ("accept",),
        ("accept", "a"),
        ("accept", "a", "--all-pending"),
        ("accept", "a", "0" * 64, "--prefix", "x"),
        ("accept", "--all-pending", "--request-id", "x"),
    ],
)
def test_what_says_too_little_or_too_much_is_refused(agents: Shell, arguments: tuple[str, ...]) -> None:
    refused = agents("tool", *arguments)
    assert refused.code == 2
    assert refused.out == ""


# --- what people see --------------------------------------------------------------------------------------------


def test_a_tool_from_its_registration_to_its_end(agents: Shell, tmp_path: Path) -> None:
    document = json.dumps({"input_schema": {"type": "object"}})
    made = agents("tool", "register", "pay", "--domain", "ops", "--untagged", "--descriptor", document)
    assert "is registered; descriptor" in made.err
    digest = agents("tool", "show", "pay", "--json").json[0]["pending"]
    assert digest in agents("tool", "show", "pay").out
    assert "high  untagged  ops     -         " + digest[:12] in agents("tool", "list").out
    assert "would be judged by" in agents("tool", "accept", "pay", digest, "--dry-run").err
    assert agents("tool", "accept", "pay", digest).code == 0
    assert agents("tool", "change", "pay", "--risk", "low").code == 2
    assert agents("tool", "relax", "pay", "--risk", "low").code == 0
    assert agents("tool", "change", "pay", "--tag", "spends").code == 0
    assert agents("tool", "reject", "pay", digest).code == 0
    assert agents("tool", "retire", "pay").code == 0
    assert "retired" in agents("tool", "list").out


def test_what_waits_and_does_not_fit_is_left_waiting(agents: Shell, tmp_path: Path) -> None:
    typed = {**tool("a", properties={"to": {"type": "string"}}), "types": {"to": "path"}}
    agents("tool", "import", manifest(tmp_path, typed, tool("b")), *PLACED)
    agents("touch", 'tool:fs.a#may_use@user:anne[arguments:{"additional":true,"to":{"max":"1"}}]')
    told = agents("tool", "accept", "--all-pending")
    assert told.code == 1
    assert "1 of 2 accepted" in told.err
    assert told.lines[0].startswith("refused   fs.a")
    assert "`/to`" in told.lines[1]
    assert [each["tool"] for each in agents("tool", "list", "--pending", "--json").json] == ["fs.a"]
