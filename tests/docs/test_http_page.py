"""docs/http.md is true: its calls answer as shown, and its tables are those of the code.

Blocks marked `run` are run by curl from top to bottom, against one server that begins empty; the `json` block after
each is what comes back, where `…` stands for what differs from run to run."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from remit.engine.clock import ManualClock
from remit.engine.facade import Engine
from remit.notation import parse_time
from remit.server.http.openapi import document
from remit.server.http.paths import path_of
from remit.server.http.problems import HTTP_STATUS
from remit.server.run.background import BackgroundServer
from remit.server.verbs import SPICEDB_STREAMS, SPICEDB_VERBS
from remit.store.memory import MemoryStore
from tests.support.docs.blocks import DOCS, blocks_of, code_words, table_cells

PAGE = "http.md"
SHOWN_AT = "http://127.0.0.1:8080"


@pytest.fixture
def server() -> Iterator[BackgroundServer]:
    clock = ManualClock(parse_time("2027-01-31T12:00:00Z"))
    engine = Engine(MemoryStore(clock_us=clock.now_us), clock)
    with BackgroundServer(engine, http="127.0.0.1:0", http_api=True) as server:
        yield server
    engine.close()


def is_as_shown(shown: object, answered: object) -> bool:
    match shown, answered:
        case str(), str():
            return re.fullmatch(re.escape(shown).replace("…", ".*"), answered, re.DOTALL) is not None
        case dict(), dict():
            return shown.keys() == answered.keys() and all(is_as_shown(shown[key], answered[key]) for key in shown)
        case _:
            return shown == answered


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed here")
def test_every_call_answers_as_it_is_shown(server: BackgroundServer) -> None:
    blocks = blocks_of(PAGE)
    ran = 0
    for block, after in zip(blocks, [*blocks[1:], None], strict=True):
        if "run" not in block.says:
            continue
        assert after is not None and after.language == "json", f"{block} shows no answer"
        command = block.text.replace(SHOWN_AT, server.http_endpoint)
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=True)
        answered = json.loads(done.stdout)
        assert is_as_shown(json.loads(after.text), answered), f"{after} shows another answer than {answered}"
        ran += 1
    assert ran >= 4


def test_the_table_of_statuses_is_that_of_the_code() -> None:
    shown = {
        name: int(cells[0])
        for cells in table_cells(PAGE, "## Errors")
        if cells[0].isdecimal()
        for name in code_words(cells[1])
    }
    assert shown == {status.name: number for status, number in HTTP_STATUS.items()}


def test_every_path_of_spicedbs_gateway_is_told_with_whether_it_is_served() -> None:
    shown = [[*code_words(path), *code_words(call), how] for path, call, how in table_cells("spicedb.md", "## As JSON")]
    assert sorted(shown) == sorted(
        [path_of(verb), verb.service.rpartition(".")[2], verb.method, "refused" if verb.is_stream else "same"]
        for verb in (*SPICEDB_VERBS, *SPICEDB_STREAMS)
    )


def test_every_member_of_a_problem_is_told() -> None:
    members = document()["components"]["schemas"]["Problem"]["properties"].keys()
    told = {word for cells in table_cells(PAGE, "## Errors") for word in code_words(cells[0])}
    assert members <= told | {"type"}
    assert (DOCS / PAGE).read_text(encoding="utf-8").count('"type": "about:blank"') == 1
