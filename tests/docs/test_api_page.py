"""docs/api.md is true: its examples answer as shown, its tables of reasons and limits are those of the code.

Blocks marked `run` are run from top to bottom, against one server that begins empty: a `sh` block is a call of grpcurl,
and the `json` or `text` block after it what comes back, where `…` stands for what differs from run to run; a `python`
block prints what its `# →` comments say."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import json_format

from remit import errors
from remit.engine.clock import ManualClock
from remit.engine.facade import Engine
from remit.engine.limits import Limits
from remit.errors import RemitError, RemoteError, Status
from remit.notation import parse_time
from remit.server.limits.serve_limits import shown
from remit.server.run.background import BackgroundServer
from remit.server.verbs import STREAMS, VERBS
from remit.store.memory import MemoryStore
from remit.store.tables.rehearsals import REHEARSALS_MAX
from remit.store.tables.table_store import QUEUE_MAX
from tests.support.docs.blocks import DOCS, blocks_of, code_words, run_python, table_cells

PAGE = "api.md"
NOW_US = parse_time("2027-01-31T12:00:00Z")
UNARY = {f"{verb.service}/{verb.method}": verb for verb in VERBS}
KNOWN = {**UNARY, **{f"{verb.service}/{verb.method}": verb for verb in STREAMS}}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[BackgroundServer]:
    monkeypatch.delenv("REMIT_TOKEN", raising=False)
    clock = ManualClock(NOW_US)
    engine = Engine(MemoryStore(clock_us=clock.now_us), clock)
    with BackgroundServer(engine) as server:
        yield server
    engine.close()


# --- running the page -------------------------------------------------------------------------------------------


def called(command: str) -> tuple[str, dict[str, Any]]:
    """The method and the request of a call of grpcurl."""
    found = re.fullmatch(r"grpcurl -plaintext (?:-d '(.*)' \\?\s*)?127\.0\.0\.1:50051 (\S+)\s*", command, re.DOTALL)
    assert found, f"not a call as this page writes them: {command}"
    return found[2], json.loads(found[1] or "{}")


def is_as_shown(shown: object, answered: object) -> bool:
    """Whether an answer is what is shown of it."""
    if isinstance(shown, str) and "…" in shown:
        pattern = re.escape(shown).replace("…", ".*")
        return shown == "…" or (isinstance(answered, str) and re.fullmatch(pattern, answered, re.DOTALL) is not None)
    if isinstance(shown, dict) and isinstance(answered, dict):
        return shown.keys() == answered.keys() and all(is_as_shown(shown[key], answered[key]) for key in shown)
    if isinstance(shown, list) and isinstance(answered, list):
        return len(shown) == len(answered) and all(map(is_as_shown, shown, answered))
    return shown == answered


def answer_to(channel: grpc.Channel, command: str) -> str | dict[str, Any]:
    """What grpcurl would print: the answer, or the error as text."""
    method, request = called(command)
    verb = UNARY[method]
    send = channel.unary_unary(
        verb.path,
        request_serializer=verb.request.SerializeToString,
        response_deserializer=verb.response.FromString,
    )
    try:
        answer = send(json_format.ParseDict(request, verb.request()), timeout=20)
    except grpc.RpcError as error:
        name = "".join(word.title() for word in error.code().name.split("_"))
        return f"ERROR:\n  Code: {name}\n  Message: {error.details()}\n"
    shape: dict[str, Any] = json_format.MessageToDict(answer)
    return shape


def test_every_example_answers_as_it_is_shown(server: BackgroundServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("remit.client.sync.client.endpoint_of", lambda _: server.endpoint)
    blocks = blocks_of(PAGE)
    namespace: dict[str, Any] = {}
    ran = set()
    with grpc.insecure_channel(server.endpoint) as connection:
        for block, after in zip(blocks, [*blocks[1:], None], strict=True):
            if "run" not in block.says:
                continue
            if block.language == "python":
                run_python(block, namespace)
                continue
            ran.add(called(block.text)[0])
            answered = answer_to(connection, block.text)
            assert after is not None and after.language in ("json", "text"), f"{block} shows no answer"
            shown = json.loads(after.text) if after.language == "json" else after.text
            assert is_as_shown(shown, answered), f"{after} shows another answer than {answered}"
    namespace["remit"].close()
    assert ran >= {
        *(f"remit.v1.Permissions/{method}" for method in ("Check", "CheckMany", "Expand")),
        *(f"remit.v1.Relationships/{method}" for method in ("Write", "Read", "Delete")),
        *(f"remit.v1.Schemas/{method}" for method in ("WriteSchema", "ReadSchema", "DiffSchema")),
        *(f"remit.v1.Stores/{method}" for method in ("CreateStore", "ListStores", "DeleteStore", "WhoAmI")),
    }


def test_every_call_on_the_page_is_of_a_method_that_is_there() -> None:
    for block in blocks_of(PAGE, "sh"):
        for method in re.findall(r"remit\.v1\.\w+/\w+", block.text):
            assert method in KNOWN, f"{block}: `{method}`"


def test_the_page_has_a_heading_for_every_verb_it_lists() -> None:
    text = (DOCS / PAGE).read_text(encoding="utf-8")
    headings = {heading.lower().replace(" ", "-") for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}
    anchors = re.findall(r"\]\(#([^)]+)\)", text)
    assert anchors
    assert [anchor for anchor in anchors if anchor not in headings] == []


def test_every_verb_has_a_heading() -> None:
    text = (DOCS / PAGE).read_text(encoding="utf-8")
    headings = set(re.findall(r"^## (\w+)$", text, re.MULTILINE))
    # Those of agents have a page of their own: test_verbs_page.py
    described = [verb for verb in (*VERBS, *STREAMS) if verb.service != "remit.v1.Agents"]
    assert {verb.method for verb in described} <= headings


def test_what_stands_for_anything_stands_for_nothing_else() -> None:
    assert is_as_shown({"a": "…", "b": ["r1.…"]}, {"a": 3, "b": ["r1.x"]})
    assert not is_as_shown({"a": "…"}, {"a": 1, "b": 2})
    assert not is_as_shown({"a": "…", "b": 2}, {"a": 1})
    assert not is_as_shown(["r1.…"], ["r2.x"])
    assert not is_as_shown([], ["x"])


# --- tables -----------------------------------------------------------------------------------------------------


def reasons() -> dict[str, Status]:
    """Every reason that Remit gives, with its status. RemoteError repeats what a server said."""
    classes = [each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, RemitError)]
    return {each.reason: each.status for each in classes if each is not RemoteError}


def test_every_reason_is_listed_with_its_status() -> None:
    listed = [(reason, row[1]) for row in table_cells(PAGE, "### Reasons") for reason in code_words(row[0]) if row[1]]
    assert len({reason for reason, _ in listed}) == len(listed)
    assert dict(listed) == {reason: status.name for reason, status in reasons().items()}


def test_what_is_said_to_fail_only_at_a_shell_is_raised_by_no_verb() -> None:
    rows = table_cells(PAGE, "### Reasons")
    start = next(number for number, row in enumerate(rows) if "only at a shell" in row[0])
    local = {reason for row in rows[start + 1 :] for reason in code_words(row[0])}
    by_reason = {
        each.reason: name
        for name, each in inspect.getmembers(errors, inspect.isclass)
        if issubclass(each, RemitError) and each is not RemoteError
    }
    package = Path(errors.__file__).parent
    answering = [*package.glob("server/handlers/*.py"), *package.glob("engine/*.py")]
    handlers = "".join(path.read_text(encoding="utf-8") for path in answering)
    assert "class Engine" in handlers
    for reason in local:
        assert f"raise {by_reason[reason]}" not in handlers


def test_every_limit_of_a_request_is_listed_with_its_default() -> None:
    listed = {row[0].strip("`"): row[1] for row in table_cells(PAGE, "## Limits")}
    usual = Limits()
    assert listed == {
        field.name.replace("_", "-"): shown(field.name, getattr(usual, field.name)) for field in fields(usual)
    }


def test_what_the_writer_takes_on_at_most_is_told() -> None:
    assert f"{QUEUE_MAX:,} writes may wait for the writer, and {REHEARSALS_MAX} dry runs be at work" in (
        DOCS / PAGE
    ).read_text(encoding="utf-8")
    assert f"with fewer of these than {REHEARSALS_MAX} none waits there" in (DOCS / PAGE).read_text(
        encoding="utf-8"
    ).replace("\n", " ")
